"""What Registry and Orchestrator have in common as HTTP services.

Their handlers are Starlette endpoints that raise `Refused` with the very words a real peer uses. `build_peer` puts
them behind a door that reads each request whole, within limits, and notes it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.localmesh.seen import LONGEST_KEPT, Arrival, Seen, without_tokens

LARGEST_BODY: Final = 1024 * 1024
"""Bytes of a request's body (UDC v1.0: payloads up to 1 MB)."""

SLOWEST_BODY: Final = timedelta(seconds=30)

LOCAL: Final = "/local/"
"""Where a peer answers what no contract asks: never noted, never to be relied on by a droplet."""

Model = TypeVar("Model", bound=BaseModel)
Headers = Mapping[str, str]
Answering = Callable[[Request], Awaitable[Response]]
Phrase = Callable[[Request, "Refused"], Response]


class Refused(Exception):
    """A peer says no: with this status, and this ``detail`` where it phrases refusals as FastAPI does."""

    def __init__(self, status: int, detail: JsonValue, *, headers: Headers | None = None) -> None:
        super().__init__(f"{status}")
        self.status, self.detail, self.headers = status, detail, headers


@dataclass(frozen=True)
class RequestAnswered(Fact):
    """A peer answered a request."""

    peer: str
    method: str
    path: str
    status: int
    caller: int | None


def answer(body: JsonValue, status: int = 200, *, headers: Headers | None = None) -> Response:
    """Make a JSON answer."""
    return Response(
        orjson.dumps(body), status, media_type="application/json", headers=None if headers is None else dict(headers)
    )


def phrase_detail(_request: Request, refused: Refused) -> Response:
    """Phrase a refusal as FastAPI does."""
    return answer({"detail": refused.detail}, refused.status, headers=refused.headers)


def route(path: str, handler: Answering, *methods: str) -> Route:
    """Bind a handler; GET when no method is named."""
    return Route(path, handler, methods=list(methods or ("GET",)))


async def read_json(request: Request, *, malformed: int = 400) -> Any:
    """Return the body's JSON, or refuse it in the Orchestrator's words; droplet-1 answers 500 to malformed ones."""
    body = await request.body()
    if not body:
        raise Refused(400, "Empty request body")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(malformed, "Invalid JSON" if malformed == 400 else "Internal Server Error") from None


def read_model(model: type[Model], value: object, *, where: str = "body") -> Model:
    """Read a value, or refuse it with 422 and pydantic's list of what is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as wrong:
        found = wrong.errors(include_url=False, include_context=False, include_input=False)
        detail: list[JsonValue] = [
            {"type": each["type"], "loc": [where, *each["loc"]], "msg": each["msg"]} for each in found
        ]
        raise Refused(422, detail) from None


def read_number(text: str, name: str) -> int:
    """Read a number of the path, or refuse it with 422."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    wrong = {"type": "int_parsing", "loc": ["path", name], "msg": "Input should be a valid integer"}
    raise Refused(422, [wrong])


def build_peer(
    name: str,
    routes: Sequence[BaseRoute],
    *,
    clock: Clock,
    observer: Observer,
    phrase: Phrase = phrase_detail,
    echoes: bytes | None = None,
) -> ASGIApp:
    """Put a peer together: its routes, ``/local/seen``, and the door in front.

    Args:
        name: what the log calls it.
        routes: what it answers.
        clock: stamps what arrives.
        observer: is told of every answer.
        phrase: turns a refusal into the peer's own form.
        echoes: a request header (lower case) that answers repeat.
    """
    seen = Seen()

    async def show(request: Request) -> Response:
        return answer(seen.shown(path=request.query_params.get("path", "")))

    def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return phrase(request, error)

    def refuse_route(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return phrase(request, Refused(error.status_code, error.detail, headers=error.headers))

    inner = Starlette(
        routes=[*routes, route(f"{LOCAL}seen", show)],
        exception_handlers={Refused: refuse, HTTPException: refuse_route},
    )
    inner.router.redirect_slashes = False
    return _Door(name, inner, seen=seen, clock=clock, observer=observer, echoes=echoes)


class _Door:
    """Reads requests whole and notes them with their answers' status."""

    def __init__(
        self, name: str, inner: ASGIApp, *, seen: Seen, clock: Clock, observer: Observer, echoes: bytes | None
    ) -> None:
        self._name = name
        self._inner = inner
        self._seen = seen
        self._clock = clock
        self._observer = observer
        self._echoes = echoes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        at = self._clock.now()
        body, refusal = await _read_body(receive)
        if body is None:
            return
        scope.setdefault("state", {})
        status = 500  # unless an answer begins: a bug in a handler
        echoed = [(name, value) for name, value in scope["headers"] if name == self._echoes]

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *echoed]
            await send(message)

        try:
            await (refusal or self._inner)(scope, _replay(body, receive), send_noting)
        finally:
            self._note(scope, body, status=status, at=at)

    def _note(self, scope: Scope, body: bytes, *, status: int, at: Any) -> None:
        path, method, caller = scope["path"], scope["method"], scope["state"].get("caller")
        self._observer.saw(RequestAnswered(self._name, method, path, status, caller))
        if path.startswith(LOCAL):
            return
        self._seen.note(
            Arrival(
                at=at,
                method=method,
                path=path,
                query=dict(Request(scope).query_params),
                caller=caller,
                status=status,
                size=len(body),
                body=_kept(body),
            )
        )


async def _read_body(receive: Receive) -> tuple[bytes | None, Response | None]:
    """Return the body and, when it is too long or too slow, the refusal; no body when the caller is gone."""
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY.total_seconds()):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None, None
                body += message.get("body", b"")
                if len(body) > LARGEST_BODY:
                    return b"", answer({"detail": "Request body too large"}, 413, headers={"connection": "close"})
                if not message.get("more_body", False):
                    return bytes(body), None
    except TimeoutError:
        return b"", answer({"detail": "Request body too slow"}, 408, headers={"connection": "close"})


def _replay(body: bytes, receive: Receive) -> Receive:
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


def _kept(body: bytes) -> JsonValue:
    if not body or len(body) > LONGEST_KEPT:
        return None
    try:
        return without_tokens(orjson.loads(body))
    except orjson.JSONDecodeError:
        return None
