"""A body that has arrived whole is, byte for byte, what uvicorn's ``receive`` returns; what has not is left to it."""

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from airtable_connector.web.server import take_arrived

pytestmark = pytest.mark.anyio

MOST = 100


class FakeTransport:
    def __init__(self) -> None:
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Arriving:
    """One request at uvicorn's side, with what its protocol has put there of the body."""

    def __init__(self, body: bytes, *, more: bool = False) -> None:
        self.transport: Any = FakeTransport()
        self.flow = FlowControl(self.transport)
        logger = logging.getLogger("test")
        scope: Any = {"type": "http", "method": "POST"}
        self.cycle = RequestResponseCycle(
            scope,
            self.transport,
            self.flow,
            logger,
            logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=lambda: None,
        )
        self.arrives(body, more=more)

    def arrives(self, body: bytes, *, more: bool) -> None:
        self.cycle.body += body
        self.cycle.more_body = more
        self.cycle.message_event.set()

    def take(self, most: int = MOST) -> bytes | None:
        receive: Any = self.cycle.receive
        return take_arrived(receive, most)


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * MOST])
async def test_it_is_what_receive_returns_and_leaves_the_request_as_receive_does(body: bytes) -> None:
    taken, received = Arriving(body), Arriving(body)
    for arriving in (taken, received):
        arriving.flow.pause_reading()  # as a long body does
    assert taken.take() == (await received.cycle.receive())["body"] == body
    for arriving in (taken, received):
        assert arriving.transport.reading
        assert not arriving.cycle.message_event.is_set()
        assert arriving.cycle.body == b""


async def test_a_body_that_is_still_coming_is_left_to_receive() -> None:
    arriving = Arriving(b"{", more=True)
    assert arriving.take() is None
    arriving.arrives(b"}", more=False)
    assert (await arriving.cycle.receive())["body"] == b"{}"


async def test_a_body_that_is_too_long_is_left_to_receive() -> None:
    arriving = Arriving(b"x" * (MOST + 1))
    assert arriving.take() is None
    assert len((await arriving.cycle.receive())["body"]) == MOST + 1


async def test_a_caller_that_has_left_is_left_to_receive() -> None:
    arriving = Arriving(b"{}")
    arriving.cycle.disconnected = True
    assert arriving.take() is None
    assert (await arriving.cycle.receive())["type"] == "http.disconnect"
