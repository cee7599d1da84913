"""The proxy: each request is forwarded, or not, and answered, or not, as the plan says."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx2
from tests.faults.plan import Dice, Fault, Gate, Limits, Request

HELD_LIMIT_S = 30.0
"""How long an answer is held back at most, when nobody lets it go."""

KEPT_HEADERS = ("content-type", "retry-after", "www-authenticate")

RETRIABLE = "Server encountered an error while processing your request, and it is safe to retry the request"


@dataclass(frozen=True)
class Seen:
    """A request that arrived, and what became of it; ``status`` None: it was not answered."""

    at: float
    method: str
    path: str
    fault: Fault | None
    status: int | None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class FaultyProxy:
    """Stands before ``upstream`` on a free port of this machine; use as a context manager.

    Args:
        upstream: the address that is forwarded to.
        limits: those of the base behind it; None for none.
        dice: draws faults for what no order is for.
    """

    def __init__(self, upstream: str, *, limits: Limits | None = None, dice: Dice | None = None) -> None:
        self.seen: list[Seen] = []
        self.gate = None if limits is None else Gate(limits)
        self._dice = dice
        self._orders: list[tuple[Fault, str | None]] = []
        self._broken_hooks: set[str] = set()
        self._released = threading.Event()
        self._arrived = threading.Condition()
        self._upstream = httpx2.Client(base_url=upstream, timeout=HELD_LIMIT_S, trust_env=False, verify=False)
        self._server = _Server(self._handle)
        self._thread = self._listener()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._released.set()
        self._close()
        self._upstream.close()

    def _listener(self) -> threading.Thread:
        return threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def _close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def order(self, fault: Fault, *, method: str | None = None, times: int = 1) -> None:
        """Let the next requests that can suffer it (of this method) suffer it."""
        with self._arrived:
            self._orders += [(fault, method)] * times

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nobody connect meanwhile, so that it is known of each call that it has no effect."""
        self._close()
        try:
            yield
        finally:
            self._server = _Server(self._handle, self._server.server_address[1])
            self._thread = self._listener()
            self._thread.start()

    def forget(self) -> None:
        """Carry out no more of what was ordered."""
        with self._arrived:
            self._orders.clear()

    def release(self) -> None:
        """Let go the answers that are held back, and hold back no more."""
        self._released.set()

    def wait_for(self, count: int, *, within: float = HELD_LIMIT_S) -> None:
        """Return when so many requests have come to their fate, answers that are held back among them."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.seen) >= count, within), self.seen

    def answered(self, method: str, status: int | None = None) -> int:
        """Count the requests of a method, those with a status only if one is given."""
        return sum(each.method == method and status in {None, each.status} for each in self.seen)

    def most_in(self, window: float) -> int:
        """Return how many requests arrived in the fullest span of so many seconds."""
        moments = sorted(each.at for each in self.seen)
        return max((sum(first <= at < first + window for at in moments) for first in moments), default=0)

    def _handle(self, request: Request, handler: "_Handler") -> None:
        with self._arrived:
            at = time.monotonic()
            refused = None if self.gate is None else self.gate.admit(at)
            fault = None if refused else self._choose(request)
        answer = self._limited(refused) if refused else self._answer(request, fault)
        with self._arrived:
            self.seen.append(Seen(at, request.method, request.path, fault, None if answer is None else answer.status))
            self._arrived.notify_all()
        if fault is Fault.HELD_ANSWER:
            self._released.wait(HELD_LIMIT_S)
        if answer is None:
            handler.break_off()
        elif fault is Fault.BROKEN_ANSWER:
            handler.answer(answer, only=len(answer.body) // 2)
            handler.break_off()
        else:
            handler.answer(answer)

    def _choose(self, request: Request) -> Fault | None:
        for number, (fault, method) in enumerate(self._orders):
            if method in {None, request.method} and request.can_suffer(fault):
                del self._orders[number]
                return fault
        return None if self._dice is None else self._dice.draw(request)

    def _answer(self, request: Request, fault: Fault | None) -> Answer | None:
        match fault:
            case Fault.LOST_REQUEST:
                return None
            case Fault.EARLY_500:
                return _error(500, "SERVER_ERROR", "Server error")
            case Fault.PLAIN_503:
                return Answer(503, b"<html>unavailable</html>", {"content-type": "text/html"})
            case Fault.RETRIABLE_503:
                return _error(503, "RETRIABLE_ERROR", RETRIABLE)
            case Fault.EXPIRED_ITERATOR:
                return Answer(422, b'{"error":{"type":"LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}')
            case Fault.LOST_PING:
                return Answer(204, b"")
            case Fault.INVALID_HOOK:
                assert request.hook is not None
                self._broken_hooks.add(request.hook)
        answer = self._forward(request)
        match fault:
            case Fault.LOST_ANSWER:
                return None
            case Fault.LATE_500:
                return _error(500, "SERVER_ERROR", "Server error")
            case Fault.LATE_502:
                return Answer(502, b"<html>bad gateway</html>", {"content-type": "text/html"})
        return self._with_broken_hooks(request, answer)

    def _forward(self, request: Request) -> Answer:
        left_out = {"host", "connection", "content-length", "accept-encoding"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in left_out}
        answer = self._upstream.request(
            request.method, request.target, headers={**headers, "Accept-Encoding": "identity"}, content=request.body
        )
        kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
        return Answer(answer.status_code, answer.content, kept)

    def _with_broken_hooks(self, request: Request, answer: Answer) -> Answer:
        if not self._broken_hooks or request.method != "GET" or answer.status != 200:
            return answer
        if request.hook in self._broken_hooks:
            return _changed(answer, _break_payloads)
        if request.path.endswith("/webhooks"):
            return _changed(answer, self._switch_off)
        return answer

    def _switch_off(self, said: dict[str, Any]) -> None:
        for hook in said["webhooks"]:
            hook["isHookEnabled"] = hook["isHookEnabled"] and hook["id"] not in self._broken_hooks

    def _limited(self, kind: str) -> Answer:
        if kind == "RATE_LIMIT_REACHED":
            return _error(429, kind, "Rate limit exceeded. Please try again later")
        return _error(429, kind, "API billing plan limit exceeded. You've reached the maximum for this month")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handle: Callable[[Request, "_Handler"], None], port: int = 0) -> None:
        self.handle = handle
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: callers that hang up are what this is for."""

    def hang_up(self) -> None:
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's own
        """Keep it out of the tests' output; `FaultyProxy.seen` has it."""

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.handle(Request(self.command, self.path, dict(self.headers.items()), body), self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 - the names are the library's own

    def answer(self, answer: Answer, *, only: int | None = None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[:only])

    def break_off(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _error(status: int, kind: str, message: str) -> Answer:
    body = json.dumps({"error": {"type": kind, "message": message}}).encode()
    return Answer(status, body, {"content-type": "application/json; charset=utf-8"})


def _changed(answer: Answer, change: Callable[[dict[str, Any]], None]) -> Answer:
    said = json.loads(answer.body)
    change(said)
    return Answer(answer.status, json.dumps(said).encode(), answer.headers)


def _break_payloads(said: dict[str, Any]) -> None:
    said["payloads"] = [
        {
            "error": True,
            "code": "INVALID_HOOK",
            "timestamp": "2026-01-05T12:00:00.000Z",
            "baseTransactionNumber": 0,
            "payloadFormat": "v0",
        }
    ]
    said["mightHaveMore"] = False
