"""How long a body may be where a dialect says so."""

import pytest
from tests.unit.web.test_dialects import Pirate, door

from airtable_connector.web.http import Answer, Call, Resource

pytestmark = pytest.mark.anyio


class RoomyPirate(Pirate):
    """A dialect that takes other bodies than the settings say."""

    def __init__(self, room: int | None) -> None:
        super().__init__({"POST": self.measure})
        self.room = room

    def find(self, call: Call) -> Resource:
        call.body_room = self.room
        return super().find(call)

    async def measure(self, call: Call) -> Answer:
        return Answer(200, b"%d" % len(await call.body()))


@pytest.mark.parametrize(("room", "size", "taken"), [(None, 1_025, False), (2_048, 2_048, True), (2_048, 2_049, False)])
async def test_it_says_how_long_a_body_may_be(room: int | None, size: int, *, taken: bool) -> None:
    asked = door(RoomyPirate(room))
    for body in (b"x" * size, [b"x" * (size - 1), b"x"]):
        reply = await asked.ask("POST", "/ahoy/polly", body=body)
        assert (reply.status, reply.body) == ((200, b"%d" % size) if taken else (418, b"body-too-large"))
