"""One request and its answer, as every endpoint of ours sees them.

An endpoint is ``async def endpoint(call: Call) -> Answer | Stream``; it raises errors of the kernel's families and
never speaks of HTTP numbers for them.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote_plus

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.web.http.asgi import ARRIVED, NO_EXTENSIONS, Header, Receive, Scope, TakeArrived
from airtable_connector.web.http.body import check_media_type, read_body, read_json
from airtable_connector.web.http.errors import AddressTooLong, MalformedQuery, TooManyParameters

JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream"

LONGEST_QUERY: Final = 8 * 1024
"""Bytes of a query that are read."""

MOST_PARAMETERS: Final = 100
"""Parameters of a query that are read."""

UNMATCHED: Final = "unmatched"
"""The route of a request that no route takes."""

_HOST: Final = re.compile(rb"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
"""Hosts that may be told back: names and addresses, and nothing that would end an address."""

_STATE_KEY: Final = "call"


class Caller(Protocol):
    """Who calls: what the edge needs of an identity."""

    @property
    def droplet(self) -> int:
        """The caller's droplet number."""
        ...

    @property
    def steward(self) -> str:
        """Who answers for the droplet."""
        ...

    @property
    def permissions(self) -> AbstractSet[str]:
        """Some of ``read``, ``write``, ``admin``."""
        ...

    @property
    def account(self) -> Hashable:
        """Under what its requests are counted."""
        ...


class Verify(Protocol):
    """Tells who bears a token, or raises a leaf of Unauthenticated."""

    def __call__(self, token: str, *, at: datetime) -> Caller:
        """Return the token's identity at a moment."""
        ...


class Call:
    """A request that passed the edge."""

    __slots__ = (
        "_fields",
        "_query",
        "address",
        "body_limit",
        "body_room",
        "identity",
        "method",
        "needs",
        "path",
        "path_id",
        "peer",
        "quota",
        "receive",
        "route",
        "scheme",
        "scope",
        "trace_id",
    )

    def __init__(self, scope: Scope, receive: Receive, fields: dict[bytes, bytes], *, trace_id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.path_id: str | None = None
        """The last part of a path of the form ``/{collection}/{id}``, percent-decoded."""
        self.route = UNMATCHED
        """The route's template, for metrics and logs."""
        self.trace_id = trace_id
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        """The address at the other end of the connection."""
        self.address = self.peer
        """The caller's address: as the trusted proxy in front tells it, else the peer's."""
        self.scheme: str = scope["scheme"]
        """How the caller speaks to us: as the trusted proxy in front tells it, else as the peer does."""
        self.identity: Caller | None = None
        """Who calls; None only on public paths."""
        self.needs: str | None = None
        """What a dialect will ask of the caller here once it has read the request; for the dialect alone."""
        self.quota: bytes | None = None
        """The RateLimit header's value."""
        self.body_room: int | None = None
        """Bytes of body that a dialect takes here; None leaves it to the settings."""
        self.body_limit = 0
        """Bytes of body that this path takes."""
        self._fields = fields
        self._query: list[tuple[str, str]] | None = None

    @property
    def caller(self) -> Caller:
        """Who calls, on a path that is not public."""
        if self.identity is None:
            raise RuntimeError(f"{self.route} is public and has no caller")
        return self.identity

    @property
    def origin(self) -> str:
        """Scheme, host and port under which the caller has reached us, for addresses that it is told."""
        host = self._fields.get(b"host", b"")
        if not _HOST.fullmatch(host):
            server = self.scope.get("server") or ("localhost", None)
            host = ":".join(str(part) for part in server if part is not None).encode()
        return f"{self.scheme}://{host.decode('ascii')}"

    @property
    def path_params(self) -> dict[str, str]:
        """The values of the route's placeholders, for endpoints behind the edge."""
        params: dict[str, str] = self.scope.get("path_params", {})
        return params

    @property
    def query_string(self) -> bytes:
        """The query as it was sent, percent-encoded."""
        query: bytes = self.scope["query_string"]
        return query

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's names and values in their order; names may repeat, values may be empty.

        Raises:
            AddressTooLong: the query is longer than `LONGEST_QUERY`.
            TooManyParameters: it has more than `MOST_PARAMETERS`.
            MalformedQuery: it is not percent-encoded UTF-8.
        """
        if self._query is None:
            text: bytes = self.scope["query_string"]
            self._query = _parse_query(text) if text else []
        return self._query

    def take(self, name: str) -> str | None:
        """Return a parameter's value and take the parameter out of the query, so that nobody else reads it.

        Of a repeated one the last counts. What is left stays as it was sent: a dialect may read it in its own way.
        """
        beginning = name.encode("ascii") + b"="
        parts = self.query_string.split(b"&")
        values = [part.removeprefix(beginning) for part in parts if part.startswith(beginning)]
        self.scope["query_string"] = b"&".join(part for part in parts if not part.startswith(beginning))
        self._query = None
        return unquote_plus(values[-1].decode("latin-1")) if values else None

    def field(self, name: bytes) -> bytes | None:
        """Return a header's value by its lower-case name, or None; of a repeated one, the last."""
        return self._fields.get(name)

    def header(self, name: str) -> str | None:
        """Return a header's value, or None; of a repeated one, all values with commas between them."""
        wanted = name.lower().encode("latin-1")
        value = self._fields.get(wanted)
        if value is None:
            return None
        headers = self.scope["headers"]
        if len(headers) != len(self._fields):
            value = b", ".join(text for field, text in headers if field == wanted)
        return value.decode("latin-1")

    def repeats(self, name: bytes) -> bool:
        """Tell whether a header, by its lower-case name, stands more than once."""
        headers = self.scope["headers"]
        return len(headers) != len(self._fields) and sum(field == name for field, _ in headers) > 1

    def header_bytes(self) -> int:
        """Return how many bytes the headers' names and values have together."""
        fields, headers = self._fields, self.scope["headers"]
        if len(headers) == len(fields):
            return len(b"".join(fields)) + len(b"".join(fields.values()))
        return sum(len(name) + len(value) for name, value in headers)

    def has_body(self) -> bool:
        """Tell whether the request announces a body."""
        fields = self._fields
        return fields.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in fields

    async def body(self, limit: int | None = None) -> bytes:
        """Read the body, at most ``limit`` bytes (default: what the path takes). Once per call."""
        most = self.body_limit if limit is None else limit
        take: TakeArrived | None = self.scope.get("extensions", NO_EXTENSIONS).get(ARRIVED)
        arrived = None if take is None else take(self.receive, most)
        return await read_body(self.receive, most=most) if arrived is None else arrived

    async def json(self, limit: int | None = None) -> JsonValue:
        """Read the body as JSON. Once per call.

        Raises:
            Invalid: it is missing, too large, too slow, not declared as JSON, not JSON, or nested too deeply.
        """
        body = await self.body(limit)
        if body:
            check_media_type(self._fields.get(b"content-type"))
        return read_json(body)


class Answer:
    """A whole answer. Headers are lower-case bytes and win over the edge's own of the same name."""

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        headers: tuple[Header, ...] = (),
        media_type: bytes = JSON,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.media_type = media_type


class Stream:
    """An answer in parts. It ends when its parts do, when the caller leaves, or when the process drains.

    The parts are closed in each case; each is sent as soon as it is there. Keep-alive comments are the parts' own
    business. One that is ``whole`` has an end of its own: it is sent to it although the process drains.
    """

    __slots__ = ("headers", "media_type", "parts", "status", "whole")

    def __init__(
        self,
        parts: AsyncIterator[bytes],
        headers: tuple[Header, ...] = (),
        media_type: bytes = EVENT_STREAM,
        status: int = 200,
        *,
        whole: bool = False,
    ) -> None:
        self.whole = whole
        self.parts = parts
        self.headers = headers
        self.media_type = media_type
        self.status = status


Endpoint: TypeAlias = Callable[[Call], Awaitable[Answer | Stream]]


def keep_call(call: Call) -> None:
    """Put the call where the application behind the edge finds it."""
    call.scope.setdefault("state", {})[_STATE_KEY] = call


def call_of(scope: Scope) -> Call:
    """Return the call that the edge made of this request; for FastAPI routes: ``call_of(request.scope)``."""
    call: Call = scope["state"][_STATE_KEY]
    return call


def _parse_query(text: bytes) -> list[tuple[str, str]]:
    if len(text) > LONGEST_QUERY:
        raise AddressTooLong("query", longest=LONGEST_QUERY)
    if text.count(b"&") >= MOST_PARAMETERS:
        raise TooManyParameters(most=MOST_PARAMETERS)
    try:
        return parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeError:
        raise MalformedQuery from None
