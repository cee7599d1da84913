"""The edge: what happens to every request before and after its endpoint.

One pure ASGI application in front of another. Paths that are asked often are answered by the edge itself; the rest
goes to the application behind it. Speed is the point: nothing here is built per request that can be built once.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import Ids
from airtable_connector.ops import TRACE_ID
from airtable_connector.web.http.asgi import NO_EXTENSIONS, WHOLE, App, Header, Message, Receive, Scope, Send, SendWhole
from airtable_connector.web.http.body import check_media_type, discard_rest
from airtable_connector.web.http.call import UNMATCHED, Answer, Call, Endpoint, Stream, keep_call
from airtable_connector.web.http.dialect import Dialect
from airtable_connector.web.http.errors import (
    AddressTooLong,
    BodyTooLarge,
    ClientGone,
    DoubledHeader,
    OriginNotAllowed,
    Overloaded,
    TooManyHeaders,
)
from airtable_connector.web.http.gate import READING, Gate, Identify, Turnstile
from airtable_connector.web.http.headers import (
    PREFLIGHT,
    STRICT_TRANSPORT,
    CommonHeaders,
    allow_origin,
    closing,
    content_headers,
)
from airtable_connector.web.http.lifecycle import Lifecycle
from airtable_connector.web.http.problems import Problems
from airtable_connector.web.http.routes import RUN, HotTable, Methods
from airtable_connector.web.http.settings import EdgeSettings
from airtable_connector.web.http.streams import send_parts
from airtable_connector.web.http.trace import TraceIds

MOST_HEADERS: Final = 100
"""Headers of a request that are read."""

LONGEST_HEADERS: Final = 16 * 1024
"""Bytes of a request's header names and values together that are read."""

LONGEST_PATH: Final = 2048
"""Characters of a request's path."""

LONGEST_QUERY: Final = 16_000
"""Bytes of a request's query that any endpoint may read; Airtable's addresses may be that long."""

GONE: Final = 499
"""Status noted for a caller who left before the answer; nobody is sent it."""


class Numbers(Turnstile, Protocol):
    """Counts requests."""

    in_flight: int

    def finished(self, method: str, route: str, status: int, seconds: float, at: float) -> None:
        """Count an answered request; ``at`` is monotonic seconds."""
        ...


class RequestLog(Protocol):
    """Writes requests down."""

    def request(
        self,
        *,
        trace_id: str,
        method: str,
        path: str,
        route: str,
        status: int,
        seconds: float,
        size: int,
        caller: int | None,
        address: str,
    ) -> None:
        """Write an access line."""
        ...

    def failed(self, *, trace_id: str, method: str, route: str, error: BaseException) -> None:
        """Write a bug down, with its stack."""
        ...


class Reply:
    """What has been said to the caller so far."""

    __slots__ = ("complete", "send", "size", "started", "status")

    def __init__(self, send: Send) -> None:
        self.send = send
        self.status = 500
        self.size = 0
        self.started = False
        self.complete = False

    async def say(self, message: Message) -> None:
        """Send one message of an answer and keep account of it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.started = True
        else:
            self.size += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self.send(message)


class Edge:
    """An ASGI application around another one."""

    def __init__(
        self,
        inner: App,
        *,
        hot: Mapping[str, Methods],
        settings: EdgeSettings,
        gate: Gate,
        problems: Problems,
        lifecycle: Lifecycle,
        numbers: Numbers,
        log: RequestLog,
        clock: Clock,
        ids: Ids,
        dialects: Sequence[Dialect] = (),
    ) -> None:
        """Wrap ``inner``.

        Args:
            inner: answers what is not hot; a `Behind`, or any application.
            hot: exact paths and ``/collection/{id}`` paths, each with all of its methods.
            settings: limits and lists.
            gate: who may pass.
            problems: errors as answers.
            lifecycle: tells when the process drains.
            numbers: counts requests.
            log: writes requests down.
            clock: measures.
            ids: makes trace ids.
            dialects: find and word by themselves what lies under their paths.
        """
        self._inner = inner
        self._hot = HotTable(hot)
        self._dialects = tuple(dialects)
        self._gate = gate
        self._problems = problems
        self._lifecycle = lifecycle
        self._numbers = numbers
        self._log = log
        self._monotonic = clock.monotonic
        self._traces = TraceIds(ids)
        self._common = CommonHeaders(*((STRICT_TRANSPORT,) if settings.https_only else ()))
        self._take(settings)

    def adopt(self, settings: EdgeSettings, identify: Identify) -> None:
        """Serve the next request by other settings: quota, limits of bodies, origins, proxies, addresses known.

        What is public and whether https is needed stays as it was at the start.
        """
        self._gate.adopt(settings, identify)
        self._take(settings)

    def _take(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self._origins = frozenset(origin.encode() for origin in settings.allowed_origins)
        self._policy = (b"ratelimit-policy", b'"default";q=%d;w=60' % settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope; web sockets are closed, nothing here speaks them."""
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        started = self._monotonic()
        fields: dict[bytes, bytes] = dict(scope["headers"])
        trace_id = self._traces.of(fields)
        call = Call(scope, receive, fields, trace_id=trace_id)
        reply = Reply(send)
        TRACE_ID.set(trace_id)
        numbers = self._numbers
        numbers.in_flight += 1
        try:
            await self._settle(call, reply, started)
        except Exception as error:  # noqa: BLE001 - the last line of defence: logged, and never shown
            await self._confess(call, reply, error)
        finally:
            numbers.in_flight -= 1
            ended = self._monotonic()
            status = reply.status
            numbers.finished(call.method, call.route, status, ended - started, ended)
            identity = call.identity
            self._log.request(
                trace_id=trace_id,
                method=call.method,
                path=call.path,
                route=call.route,
                status=status,
                seconds=ended - started,
                size=reply.size,
                caller=None if identity is None else identity.droplet,
                address=call.address,
            )

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _settle(self, call: Call, reply: Reply, at: float) -> None:
        try:
            endpoint = self._find(call, at)
            answer = None if endpoint is None else await endpoint(call)
        except ConnectorError as refusal:
            answer = await self._refuse(call, refusal)
        if answer is None:
            await self._pass_on(call, reply)
        else:
            await self._send(call, answer, reply)

    def _find(self, call: Call, at: float) -> Endpoint | None:
        """Check the request and find its endpoint; None means: ask the application behind."""
        self._gate.locate(call)
        self._check_size(call)
        if call.method == "OPTIONS" and call.field(b"access-control-request-method") is not None:
            call.route = "preflight"
            return self._answer_preflight
        resource = self._hot.find(call)
        dialect = self._dialect_of(call) if resource is None else None
        if dialect is not None:
            resource = dialect.find(call)
        if resource is not None:
            call.route = resource.template
        self._gate.admit(call, at, dialect)
        self._check_body(call)
        return None if resource is None else resource.endpoint(call.method)

    def _dialect_of(self, call: Call) -> Dialect | None:
        for dialect in self._dialects:
            if call.path.startswith(dialect.beginning):
                return dialect
        return None

    def _check_size(self, call: Call) -> None:
        headers = call.scope["headers"]
        if len(headers) > MOST_HEADERS or call.header_bytes() > LONGEST_HEADERS:
            raise TooManyHeaders(most=MOST_HEADERS, longest=LONGEST_HEADERS)
        if len(call.path) > LONGEST_PATH:
            raise AddressTooLong("path", longest=LONGEST_PATH)
        if len(call.query_string) > LONGEST_QUERY:
            raise AddressTooLong("query", longest=LONGEST_QUERY)
        if self._numbers.in_flight > self._settings.most_in_flight:
            raise Overloaded
        if call.repeats(b"authorization"):
            raise DoubledHeader("Authorization")

    def _check_body(self, call: Call) -> None:
        if call.method in READING:
            return  # what comes with these is not read: their limit stays 0
        settings = self._settings
        usual = settings.bulk_limit if call.path in settings.bulk_paths else settings.body_limit
        call.body_limit = usual if call.body_room is None else call.body_room
        if not call.has_body():
            return
        announced = call.field(b"content-length")
        if announced is not None and int(announced) > call.body_limit:
            raise BodyTooLarge(most=call.body_limit)
        check_media_type(call.field(b"content-type"))

    async def _answer_preflight(self, call: Call) -> Answer:
        if call.field(b"origin") not in self._origins:
            raise OriginNotAllowed
        return Answer(204, headers=PREFLIGHT)

    async def _deliver(self, call: Call, endpoint: Endpoint, reply: Reply) -> None:
        try:
            answer = await endpoint(call)
        except ConnectorError as refusal:
            answer = await self._refuse(call, refusal)
        await self._send(call, answer, reply)

    async def _refuse(self, call: Call, refusal: ConnectorError) -> Answer:
        if isinstance(refusal, BodyTooLarge):
            await discard_rest(call.receive)
        dialect = self._dialect_of(call)
        if dialect is not None:
            return dialect.refusal(refusal, self._problems.headers(refusal))
        return self._problems.answer(refusal, call.trace_id)

    async def _send(self, call: Call, answer: Answer | Stream, reply: Reply) -> None:
        reply.status = answer.status
        reply.started = True
        send = reply.send
        headers = self._headers(call, answer)
        if isinstance(answer, Answer):
            body = b"" if call.method == "HEAD" else answer.body
            reply.size = len(body)
            reply.complete = True
            send_whole: SendWhole | None = call.scope.get("extensions", NO_EXTENSIONS).get(WHOLE)
            if send_whole is not None and send_whole(send, answer.status, headers, body):
                return
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            # one that never drains lets the answer come to its end
            until = Lifecycle() if answer.whole else self._lifecycle
            await send_parts(answer.parts, call.receive, reply.say, until)

    def _headers(self, call: Call, answer: Answer | Stream) -> list[Header]:
        own = answer.headers
        if self._lifecycle.draining:
            own = closing(own)
        return [*content_headers(answer), *own, *self._edge_headers(call, own)]

    def _edge_headers(self, call: Call, own: tuple[Header, ...]) -> list[Header]:
        headers = [(b"x-trace-id", call.trace_id.encode("ascii")), *self._common.beside(own)]
        if call.quota is not None:
            headers += (self._policy, (b"ratelimit", call.quota))
        if self._origins:
            headers.append((b"vary", b"origin"))
            if (origin := call.field(b"origin")) in self._origins:
                headers += allow_origin(origin)
        return headers

    async def _pass_on(self, call: Call, reply: Reply) -> None:
        """Let the application behind answer, and put our headers on what it says."""

        async def run(endpoint: Endpoint) -> None:
            try:
                await self._deliver(call, endpoint, reply)
            except Exception as error:  # noqa: BLE001 - as in __call__; the application behind must not answer it again
                await self._confess(call, reply, error)

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = tuple((name.lower(), value) for name, value in message.get("headers", ()))
                if self._lifecycle.draining:
                    own = closing(own)
                message = {**message, "headers": [*own, *self._edge_headers(call, own)]}
            await reply.say(message)

        keep_call(call)
        call.scope[RUN] = run
        try:
            await self._inner(call.scope, _bounded(call), say)
        finally:
            call.route = _template(call)

    async def _confess(self, call: Call, reply: Reply, error: Exception) -> None:
        """Note a bug, and answer when nothing was said yet.

        An answer that was begun is left without its end: the server then closes the connection, so that the caller
        cannot take it for a whole one.
        """
        if isinstance(error, ClientGone):
            reply.status = GONE
            return
        self._log.failed(trace_id=call.trace_id, method=call.method, route=call.route, error=error)
        if not reply.started:
            told = self._dialect_of(call) or self._problems
            await self._send(call, told.internal(call.trace_id), reply)


def _bounded(call: Call) -> Receive:
    """Return a ``receive`` that refuses more body than the path takes, for applications that read it themselves."""
    room = call.body_limit

    async def receive() -> Message:
        nonlocal room
        message = await call.receive()
        room -= len(message.get("body", b""))
        if room < 0:
            from starlette.exceptions import HTTPException  # noqa: PLC0415 - who reads bodies by itself has loaded it

            raise HTTPException(413, BodyTooLarge(most=call.body_limit).message, {"connection": "close"})
        return message

    return receive


def _template(call: Call) -> str:
    """Return the template of the route that the application behind has chosen."""
    if call.route != UNMATCHED:
        return call.route
    chosen = getattr(call.scope.get("route"), "path_format", None) or getattr(call.scope.get("route"), "path", None)
    if isinstance(chosen, str):
        return chosen
    return f"{call.scope.get('root_path', '')}/*" if "endpoint" in call.scope else UNMATCHED
