import asyncio
import json
import threading

import pytest
from tests.fakes import FakeClock
from tests.unit.web.harness import Door, Droplet

from airtable_connector.kernel.errors import NotFound
from airtable_connector.web.http import Answer, Behind, Call, LateDialect, Problems, Resource
from airtable_connector.web.http.late import Late

pytestmark = pytest.mark.anyio

PROBLEMS = Problems(clock=FakeClock(), realm="droplet-2")


async def history(call: Call) -> Answer:
    return Answer(200, json.dumps(call.path_params).encode())


class Nowhere(NotFound):
    code = "nowhere-in-the-dialect"


class Words:
    """A dialect of one address."""

    beginning = "/v9/"

    def verify(self, _token: str, *, at: object) -> Droplet:
        return Droplet(5)

    def find(self, call: Call) -> Resource:
        if call.path != "/v9/history":
            raise Nowhere("nothing answers here")
        call.scope["path_params"] = {"of": "v9"}
        return Resource(call.path, {"GET": history})

    def refusal(self, _error: object, _headers: object) -> Answer:
        return Answer(404, b"nowhere")

    def internal(self, _trace_id: str) -> Answer:
        return Answer(500, b"broken")


def test_what_many_threads_want_at_once_is_made_once() -> None:
    made = []

    def make() -> object:
        made.append(object())
        return made[-1]

    late, found = Late(make), []
    assert late.made is None
    threads = [threading.Thread(target=lambda: found.append(late.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 8
    assert late.made is made[0]


def test_what_could_not_be_made_is_made_by_who_asks_again() -> None:
    answers = iter([OSError("no memory"), "made"])

    def make() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    late = Late(make)
    with pytest.raises(OSError, match="no memory"):
        late.get()
    assert late.get() == "made"


class TestBehind:
    async def test_the_first_request_loads_what_answers_it(self) -> None:
        behind = Behind({"/cells/{cell}/history": {"GET": history}}, PROBLEMS)
        door = Door(inner=behind)
        replies = await asyncio.gather(*(door.ask("GET", f"/cells/c-{number}/history") for number in range(3)))
        assert [json.loads(reply.body) for reply in replies] == [{"cell": f"c-{number}"} for number in range(3)]

    async def test_once_prepared_it_answers_at_once(self) -> None:
        behind = Behind({"/cells/{cell}/history": {"GET": history}}, PROBLEMS)
        behind.prepare()
        assert (await Door(inner=behind).ask("GET", "/cells/c-1/history")).status == 200

    async def test_a_path_it_does_not_hold_is_a_problem(self) -> None:
        reply = await Door(inner=Behind({}, PROBLEMS)).ask("GET", "/nowhere")
        assert (reply.status, reply.error["details"]["reason"]) == (404, "route-unknown")

    async def test_the_lifespan_starts_and_ends_without_loading_anything(self) -> None:
        behind, sent = Behind({}, PROBLEMS), []
        received = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> dict[str, str]:
            return {"type": next(received)}

        async def send(message: dict[str, str]) -> None:
            sent.append(message["type"])

        await behind({"type": "lifespan"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert behind._app.made is None


class TestDialect:
    @pytest.fixture
    def loads(self) -> list[str]:
        return []

    @pytest.fixture
    def door(self, loads: list[str]) -> Door:
        def load() -> Words:
            loads.append("words")
            return Words()

        return Door(dialects=[LateDialect("/v9/", load)])

    async def test_it_is_loaded_by_the_first_request_below_its_beginning(self, door: Door, loads: list[str]) -> None:
        await door.ask("GET", "/elsewhere")
        assert loads == []
        for _ in range(2):
            assert (await door.ask("GET", "/v9/history")).body == b'{"of": "v9"}'
        assert loads == ["words"]

    async def test_its_refusals_have_its_own_words(self, door: Door) -> None:
        assert (await door.ask("GET", "/v9/elsewhere")).body == b"nowhere"

    async def test_it_can_be_loaded_before(self, loads: list[str]) -> None:
        def load() -> Words:
            loads.append("words")
            return Words()

        dialect = LateDialect("/v9/", load)
        dialect.prepare()
        dialect.prepare()
        assert loads == ["words"]
