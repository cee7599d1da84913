"""A whole answer is, byte for byte, what uvicorn would have sent in two steps; what is not plain is left to uvicorn."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from airtable_connector.web.http import Header
from airtable_connector.web.server import LONGEST_JOINED, send_whole

pytestmark = pytest.mark.anyio

HEADERS: Sequence[Header] = (
    (b"content-type", b"application/json"),
    (b"content-length", b"2"),
    (b"etag", b'W/"7-abc"'),
    (b"x-note", b"a\ttab is allowed"),
)


class FakeTransport:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, parts: Sequence[bytes]) -> None:
        self.written += b"".join(parts)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.written += b"<closed>"


class Exchange:
    """One request at uvicorn's side, whose transport remembers what was written."""

    def __init__(self, *, method: str = "GET", keep_alive: bool = True) -> None:
        self.transport: Any = FakeTransport()
        self.completed = 0
        logger = logging.getLogger("test")
        scope: Any = {"type": "http", "method": method}
        self.flow = FlowControl(self.transport)
        self.cycle = RequestResponseCycle(
            scope,
            self.transport,
            self.flow,
            logger,
            logger,
            access_log=False,
            default_headers=[(b"date", b"Mon, 05 Jan 2026 12:00:00 GMT")],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=self._complete,
        )

    def _complete(self) -> None:
        self.completed += 1

    def at_once(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        send: Any = self.cycle.send
        return send_whole(send, status, headers, body)

    async def in_two_steps(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        await self.cycle.send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await self.cycle.send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("size", [2, LONGEST_JOINED + 1])
async def test_it_is_what_two_steps_send(size: int) -> None:
    headers = [(name, b"%d" % size if name == b"content-length" else value) for name, value in HEADERS]
    whole, steps = Exchange(), Exchange()
    assert whole.at_once(201, headers, b"x" * size)
    await steps.in_two_steps(201, headers, b"x" * size)
    assert whole.transport.written == steps.transport.written
    assert (whole.completed, whole.cycle.response_complete) == (steps.completed, True)


async def test_an_answer_without_a_body_is_what_two_steps_send() -> None:
    headers = [(b"etag", b'"1"')]
    whole, steps = Exchange(), Exchange()
    assert whole.at_once(304, headers, b"")
    await steps.in_two_steps(304, headers, b"")
    assert whole.transport.written == steps.transport.written


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"\x00", b"\x7f"])
async def test_a_header_that_would_break_out_is_left_to_uvicorn_which_refuses_it(value: bytes) -> None:
    exchange = Exchange()
    assert not exchange.at_once(200, [*HEADERS, (b"x-bad", value)], b"{}")
    assert exchange.transport.written == b""
    with pytest.raises(RuntimeError, match="Invalid HTTP header value"):
        await exchange.in_two_steps(200, [*HEADERS, (b"x-bad", value)], b"{}")


async def test_what_is_not_plain_is_left_to_uvicorn() -> None:
    choked = Exchange()
    choked.flow.pause_writing()
    gone = Exchange()
    gone.cycle.disconnected = True
    begun = Exchange()
    begun.cycle.response_started = True
    for exchange in (choked, gone, begun, Exchange(method="HEAD"), Exchange(keep_alive=False)):
        assert not exchange.at_once(200, HEADERS, b"{}")
        assert exchange.transport.written == b""


async def test_an_answer_that_ends_its_connection_is_left_to_uvicorn() -> None:
    assert not Exchange().at_once(200, [*HEADERS, (b"connection", b"close")], b"{}")
