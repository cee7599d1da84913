"""Running the edge under uvicorn, and stopping it without breaking a reply.

The first SIGTERM or SIGINT, or `Lifecycle.stop` from inside, begins to drain: answers close their connections,
streams end, /health says so. New connections are taken for a short grace, so that no caller runs into a closed door on
a connection it kept. Then the door closes, what runs is finished, and the lifespan ends. A second signal stops at once:
what was acknowledged is on disk by then, which is all that was promised.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from airtable_connector.kernel.errors import Conflict, Invalid
from airtable_connector.web.http import ARRIVED, WHOLE, App, Header, Lifecycle, Receive, Send

LONGEST_HEAD: Final = 64 * 1024
"""Bytes of an unfinished request line and headers after which a connection is closed."""

SLOWEST_HEAD: Final = 10.0
"""Seconds in which the request line and the headers must arrive."""

LAST_WORD: Final = 2.0
"""Seconds that a caller who came before the door closed, and has not asked yet, has for a request to arrive."""

LAST_LOOK: Final = 0.1
"""Seconds between the last new connection and closing idle ones: requests already on their way get answered."""

SO_ATTACH_FILTER: Final = 26
"""Linux' socket option for a filter program; Python has no name for it."""

LONGEST_JOINED: Final = 16 * 1024
"""Bytes of a body that is copied to its headers; a longer one is sent beside them."""

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_REFUSAL: Final = (
    b'{"status":"error","error":{"code":"INVALID_REQUEST","message":"%b","details":{"reason":"malformed-http"}}}'
)

_INSTRUCTION: Final = struct.Struct("HBBI")  # struct sock_filter of linux/filter.h: code, jump if true, if false, value
_PROGRAM: Final = struct.Struct("HL")  # struct sock_fprog: how many, and where they are

# a listening socket's filter sees a segment from its TCP header on; byte 13 holds the flags (RFC 9293 section 3.1)
_IGNORE_BEGINNINGS: Final = (
    (0x30, 0, 0, 13),  # load that byte
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone begins a connection:
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # let everything else pass
)

_CONTROLS: Final = bytes([*range(9), *range(10, 32), 127])
"""What a header must not hold; the ends of the lines themselves are counted."""


class AddressInUse(Conflict):
    """Another program listens at the address already."""

    code = "address-in-use"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"another program listens at {host}:{port} already",
            field="PORT",
            hint="stop it, or choose another PORT (0 takes a free one)",
        )


class AddressUnusable(Invalid):
    """Nobody can listen at the address."""

    code = "address-unusable"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"it is not possible to listen at {host}:{port}: {reason}",
            field="HOST",
            hint="set HOST to an address of this machine and PORT to a port that may be used",
        )


class StartFailed(Conflict):
    """The application did not come up; its own log lines say why."""

    code = "start-failed"

    def __init__(self) -> None:
        super().__init__("the application did not start", hint="the log lines before this one say why")


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """Bounds of the server itself."""

    grace: timedelta = timedelta(seconds=0.5)
    """How long connections are still taken after the first stop signal."""

    finish: timedelta = timedelta(seconds=10)
    """How long running requests may take after that."""

    keep_alive: timedelta = timedelta(seconds=75)
    """How long a connection may idle; longer than most proxies keep theirs."""

    connections: int = 4096
    """Connections open at once; further ones are answered 503."""

    backlog: int = 1024
    """Connections that wait to be accepted."""


async def serve(
    app: App,
    *,
    host: str,
    port: int,
    lifecycle: Lifecycle,
    limits: ServerLimits,
    on_ready: Callable[[str, int], None],
    on_abort: Callable[[], object],
) -> None:
    """Serve until a signal or the lifecycle says stop; returns when everything is finished.

    Args:
        app: the edge, with its lifespan.
        host: an address of this machine, or a name of one.
        port: 0 takes a free one.
        lifecycle: told when draining begins, and may ask for it.
        limits: bounds.
        on_ready: called with the address and the real port as soon as requests are answered.
        on_abort: called before the process ends at once after a second signal, to save the last log lines.

    Raises:
        AddressInUse: the port is taken.
        AddressUnusable: the address is not this machine's, or the port is not allowed.
        StartFailed: the application's lifespan did not start.
    """
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        loop="none",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        backlog=limits.backlog,
        timeout_keep_alive=int(limits.keep_alive.total_seconds()),
        timeout_graceful_shutdown=int(limits.finish.total_seconds()),
    )
    with contextlib.closing(_listen(host, port, limits.backlog)) as listener:
        server = _Server(config, lifecycle=lifecycle, grace=limits.grace, on_ready=on_ready, on_abort=on_abort)
        try:
            await server.serve(sockets=[listener])
        except SystemExit:
            raise StartFailed from None


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with ends to what a caller may send, or not send, before a request is complete.

    httptools reads request lines and headers of any length and waits for them forever.
    """

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect the first request soon."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._head_timer = self.loop.call_later(SLOWEST_HEAD, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the head of the request is neither too long nor too slow."""
        super().data_received(data)
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            if self._head_timer is not None:
                self._stop_timer()
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEAD:
            self.send_400_response("the request line and headers are too long")
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(SLOWEST_HEAD, self._give_up)

    def shutdown(self) -> None:
        """Close an idle connection; one that was made to ask, and has not asked in full, is given a moment more.

        Closing it would reset the request that its caller is sending. Its answer closes it.
        """
        if self.cycle is None or self._head_bytes:
            self._stop_timer()
            self._head_timer = self.loop.call_later(LAST_WORD, self._give_up)
        else:
            super().shutdown()

    def on_message_begin(self) -> None:
        """Offer the application behind to take whole bodies and send whole answers."""
        super().on_message_begin()
        self.scope["extensions"] = _EXTENSIONS

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, in the UDC error form."""
        if self.transport.is_closing():
            return
        body = _REFUSAL % msg.encode("ascii").replace(b'"', b"'")
        head = (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        self.transport.write(head + body)
        self.transport.close()

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def send_whole(send: Send, status: int, headers: Sequence[Header], body: bytes) -> bool:
    """Send a whole answer: what uvicorn's ``send`` does in two calls, with one check of all headers instead of many.

    Only the plain case is taken: an answer to no HEAD request, on a connection that is open, kept, and not choked.
    """
    cycle: RequestResponseCycle = getattr(send, "__self__")  # noqa: B009 - a method's, which its type does not show
    if (
        cycle.response_started
        or cycle.disconnected
        or not cycle.keep_alive
        or cycle.flow.write_paused
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    lines = [*map(b": ".join, cycle.default_headers), *map(b": ".join, headers), b"\r\n"]
    fields = b"\r\n".join(lines)
    if len(fields.translate(None, _CONTROLS)) != len(fields) - 2 * len(lines) or b"connection:" in fields:
        return False
    head = STATUS_LINE[status] + fields
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    if len(body) < LONGEST_JOINED:
        cycle.transport.write(head + body)
    else:
        cycle.transport.writelines((head, body))
    cycle.message_event.set()
    cycle.on_response()
    return True


def take_arrived(receive: Receive, most: int) -> bytes | None:
    """Take a body that has arrived whole: what uvicorn's ``receive`` would return at once, without its message.

    None when more is to come, it is too long, or nobody is there any more.
    """
    cycle: RequestResponseCycle = getattr(receive, "__self__")  # noqa: B009 - a method's, which its type does not show
    if cycle.more_body or cycle.disconnected or cycle.response_complete or len(cycle.body) > most:
        return None
    body, cycle.body = cycle.body, bytearray()
    cycle.message_event.clear()
    cycle.flow.resume_reading()
    return bytes(body)


_EXTENSIONS: Final[Any] = {WHOLE: send_whole, ARRIVED: take_arrived}


class _Server(uvicorn.Server):
    """uvicorn's server with our way of stopping; uvicorn's own would end the process by the signal it caught."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        lifecycle: Lifecycle,
        grace: timedelta,
        on_ready: Callable[[str, int], None],
        on_abort: Callable[[], object],
    ) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._grace = grace
        self._on_ready = on_ready
        self._on_abort = on_abort
        self._signalled = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell where."""
        await super().startup(sockets)
        self._lifecycle.stops_by(self._drain)
        address: tuple[Any, ...] = self.servers[0].sockets[0].getsockname()
        self._on_ready(address[0], address[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let no connection begin any more, answer those that have begun, then finish."""
        self._lifecycle.begin_drain()
        for listener in sockets or []:
            _begin_no_more(listener)
        await asyncio.sleep(LAST_LOOK)  # noqa: TID251 - the machine's own time: sockets know no other
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals for as long as the server runs; outside the main thread there are none to take."""
        self._loop = asyncio.get_running_loop()
        try:
            before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        except ValueError:
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's signature
        """Drain at the first signal, end the process at the second."""
        if self._signalled:
            self._on_abort()
            os._exit(128 + sig)
        self._signalled = True
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._lifecycle.begin_drain()
        self._loop.call_later(self._grace.total_seconds(), self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def _begin_no_more(listener: socket.socket) -> None:
    """Have the system ignore new connections, while those it has begun to accept for us still come through.

    Closing a listening socket resets every connection that stands in its queue, and its request with it. A caller who
    is ignored asks again after a second and is then refused, because nobody listens any more.
    """
    program = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*step) for step in _IGNORE_BEGINNINGS))
    with contextlib.suppress(OSError):  # a system without filters keeps a short moment in which it may reset
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, _PROGRAM.pack(len(_IGNORE_BEGINNINGS), ctypes.addressof(program))
        )


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=backlog)
    except OSError as cause:
        if cause.errno == errno.EADDRINUSE:
            raise AddressInUse(host, port) from cause
        raise AddressUnusable(host, port, cause.strerror or "no such address") from cause
