"""An edge with everything around it handed in, called without a network."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes import CountingIds, FakeClock

from airtable_connector.kernel.errors import Unauthenticated
from airtable_connector.web.http import (
    App,
    Dialect,
    Edge,
    EdgeSettings,
    Gate,
    Lifecycle,
    Methods,
    Problems,
    read_or_write,
)


class BadToken(Unauthenticated):
    code = "bad-token"


@dataclass(frozen=True)
class Droplet:
    droplet: int
    steward: str = "Ada"
    permissions: frozenset[str] = frozenset({"read", "write"})

    @property
    def account(self) -> int:
        return self.droplet


@dataclass
class SpyNumbers:
    in_flight: int = 0
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    limited: int = 0

    def finished(self, method: str, route: str, status: int, seconds: float, at: float) -> None:
        self.requests.append((method, route, status))

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)

    def rate_limited(self) -> None:
        self.limited += 1


@dataclass
class SpyLog:
    lines: list[dict[str, Any]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def request(self, **line: Any) -> None:
        self.lines.append(line)

    def failed(self, *, error: BaseException, **_facts: Any) -> None:
        self.failures.append(error)


@dataclass
class Reply:
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    complete: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]

    def header(self, name: str) -> str | None:
        found = [value for header, value in self.headers if header == name]
        assert len(found) <= 1, f"{name} stands {len(found)} times"
        return found[0] if found else None


READER = "reader"
WRITER = "writer"
ANYBODY = "anybody"
TOKENS = {
    READER: Droplet(5, permissions=frozenset({"read"})),
    WRITER: Droplet(8),
    ANYBODY: Droplet(9, permissions=frozenset()),
}


class Door:
    def __init__(
        self,
        hot: Mapping[str, Methods] | None = None,
        inner: App | None = None,
        network: Droplet | None = None,
        dialects: Sequence[Dialect] = (),
        **settings: Any,
    ) -> None:
        self.clock = FakeClock()
        self.numbers = SpyNumbers()
        self.log = SpyLog()
        self.lifecycle = Lifecycle()
        self.verified: list[str] = []
        self.network = network
        self.located: list[str] = []
        chosen = EdgeSettings(**settings)
        self.problems = Problems(clock=self.clock, realm="droplet-2")
        gate = Gate(
            chosen,
            verify=self._verify,
            identify=self._identify,
            permission_for=read_or_write,
            clock=self.clock,
            turnstile=self.numbers,
        )
        self.edge = Edge(
            inner or _nothing_there,
            hot=hot or {},
            settings=chosen,
            gate=gate,
            problems=self.problems,
            lifecycle=self.lifecycle,
            numbers=self.numbers,
            log=self.log,
            clock=self.clock,
            ids=CountingIds(),
            dialects=dialects,
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = WRITER,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        peer: str = "192.0.2.7",
        scheme: str = "http",
        query: bytes = b"",
        leaves: bool = False,
    ) -> Reply:
        raw = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in (headers.items() if isinstance(headers, Mapping) else headers)
        ]
        if token is not None:
            raw.append((b"authorization", b"Bearer " + token.encode()))
        if isinstance(body, bytes):
            names = {name for name, _ in raw}
            raw += [(b"content-length", str(len(body)).encode())] if b"content-length" not in names else []
            raw += [(b"content-type", b"application/json")] if b"content-type" not in names else []
        elif body is not None:
            raw += [(b"transfer-encoding", b"chunked"), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "headers": raw,
            "client": (peer, 4321),
            "server": ("127.0.0.1", 8000),
            "scheme": scheme,
            "state": {},
        }
        reply = Reply()

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                assert not reply.status, "the answer began twice"
                reply.status = message["status"]
                reply.headers = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
            else:
                reply.parts.append(message.get("body", b""))
                reply.complete = not message.get("more_body", False)

        incoming = _incoming(body, leaves=leaves)

        async def receive() -> dict[str, Any]:
            return await anext(incoming)

        await self.edge(scope, receive, send)
        return reply

    def _verify(self, token: str, *, at: object) -> Droplet:
        self.verified.append(token)
        if token not in TOKENS:
            raise BadToken('the token is "bad"')
        return TOKENS[token]

    def _identify(self, address: str) -> Droplet | None:
        self.located.append(address)
        return self.network


async def _incoming(body: bytes | Iterable[bytes] | None, *, leaves: bool) -> AsyncIterator[dict[str, Any]]:
    parts = [body] if isinstance(body, bytes) else list(body or [])
    if not leaves:
        for part in parts:
            yield {"type": "http.request", "body": part, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.get_running_loop().create_future()  # the caller stays
    while True:
        yield {"type": "http.disconnect"}


async def _nothing_there(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is behind this edge")
