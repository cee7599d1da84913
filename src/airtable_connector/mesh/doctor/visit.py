"""One visit to a droplet: asks one question at a time, never twice, and remembers every answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.mesh.doctor.examination import OURSELVES, Claims, Examination, base_address, claims_of
from airtable_connector.mesh.doctor.replies import LONGEST_ANSWER, Answer, NoAnswer, Reply, object_in
from airtable_connector.mesh.tokens.identity import parse_droplet_id

if TYPE_CHECKING:
    import httpx2

_BROKEN_TOKEN: Final = "eyJhbGciOiJSUzI1NiJ9.eyJkcm9wbGV0X2lkIjoyfQ.bm8gc2lnbmF0dXJl"  # noqa: S105 - nobody signed it


class Showing(Enum):
    """What a question shows of who asks."""

    NOTHING = auto()
    BROKEN_TOKEN = auto()
    OWN_TOKEN = auto()


class Visit:
    """A droplet, and what it has said so far. `open_visit` makes one."""

    def __init__(self, order: Examination, client: "httpx2.AsyncClient", *, clock: Clock, ids: Ids) -> None:
        self.order = order
        self.ids = ids
        self.clock = clock
        self.seen: list[Answer] = []
        self.claims = Claims(None, None) if order.token is None else claims_of(order.token)
        self._client = client
        self._address = base_address(order.address)
        self._first: dict[str, Reply] = {}
        self._until = clock.monotonic() + order.at_most.total_seconds()

    @property
    def over(self) -> bool:
        """Whether the time for the visit is used up."""
        return self._left <= 0

    @property
    def encrypted(self) -> bool:
        """Whether the droplet is asked over https."""
        return self._address.startswith("https:")

    @property
    def speaks_as(self) -> int:
        """The droplet that our messages come from."""
        return self.order.speaks_as or self.claims.droplet or OURSELVES

    @property
    def token_text(self) -> str:
        """The token itself, empty without one; keep it out of what is told."""
        return "" if self.order.token is None else self.order.token.reveal()

    async def droplet(self) -> int | None:
        """Return the number that the droplet gives as its own, or None when it gives none."""
        health = object_in(await self.first("/health"))
        return None if health is None else parse_droplet_id(health.get("id"))

    async def first(self, path: str) -> Reply:
        """Return the first answer to GET, which is asked for once: ``/health`` without, others with our token."""
        showing = Showing.NOTHING if path == "/health" else Showing.OWN_TOKEN
        return await self.once(f"GET {path}", lambda: self.ask("GET", path, showing=showing))

    async def once(self, name: str, ask: Callable[[], Awaitable[Reply]]) -> Reply:
        """Ask when this name was not asked for before, else return what came then."""
        if name not in self._first:
            self._first[name] = await ask()
        return self._first[name]

    async def ask(
        self, method: str, path: str, *, showing: Showing = Showing.OWN_TOKEN, body: bytes | None = None
    ) -> Reply:
        """Ask once; a redirect is an answer like any other. A body is sent as JSON, whatever it is."""
        request, trace_id, began = f"{method} {path}", self.ids.trace(), self.clock.monotonic()
        limit = min(self.order.per_answer.total_seconds(), self._left)
        try:
            import httpx2  # noqa: PLC0415 - heavy

            async with (
                asyncio.timeout(limit),
                self._client.stream(
                    method,
                    self._address + path,
                    headers=self._headers(showing, trace_id, body),
                    content=body,
                ) as reply,
            ):
                content, unread = await _read_body(reply)
        except TimeoutError:
            return NoAnswer(request, f"no whole answer came in {max(limit, 0.0):.1f} s")
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError) as cause:
            return NoAnswer(request, f"the connection broke ({type(cause).__name__})", broke=True)
        except (httpx2.HTTPError, httpx2.InvalidURL) as cause:
            return NoAnswer(request, f"the connection failed ({type(cause).__name__})")
        answer = Answer(
            request=request,
            status=reply.status_code,
            headers={name.lower(): value for name, value in reply.headers.items()},
            body=content,
            unread=unread,
            took=timedelta(seconds=self.clock.monotonic() - began),
            trace_id=trace_id,
        )
        self.seen.append(answer)
        return answer

    def _headers(self, showing: Showing, trace_id: str, body: bytes | None) -> Mapping[str, str]:
        headers = {"X-Trace-ID": trace_id}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if showing is Showing.BROKEN_TOKEN:
            headers["Authorization"] = f"Bearer {_BROKEN_TOKEN}"
        elif showing is Showing.OWN_TOKEN and self.order.token is not None:
            headers["Authorization"] = f"Bearer {self.order.token.reveal()}"
        return headers

    @property
    def _left(self) -> float:
        return self._until - self.clock.monotonic()


async def _read_body(reply: "httpx2.Response") -> tuple[bytes, str | None]:
    if reply.headers.get("content-encoding", "identity") != "identity":
        return b"", "is compressed, which was not asked for"
    body = bytearray()
    async for chunk in reply.aiter_raw():
        body += chunk
        if len(body) > LONGEST_ANSWER:
            return bytes(body[:LONGEST_ANSWER]), f"is longer than {LONGEST_ANSWER} bytes"
    return bytes(body), None
