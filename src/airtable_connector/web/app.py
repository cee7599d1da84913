"""The HTTP application: the dialects' endpoints, the document that describes them, and the edge in front."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.ops import Logs, Metrics
from airtable_connector.records import ATTACHMENTS
from airtable_connector.web.domain import NOTIFICATIONS, DomainRoutes
from airtable_connector.web.http import (
    Answer,
    Behind,
    Call,
    Dialect,
    Edge,
    EdgeSettings,
    Gate,
    Identify,
    Lifecycle,
    Methods,
    Problems,
    Verify,
    read_or_write,
)
from airtable_connector.web.udc import (
    ADMIN,
    AboutEndpoints,
    ControlEndpoints,
    HealthEndpoint,
    LetterEndpoints,
    MessageEndpoint,
    PeerEndpoints,
    own_routes,
)

PUBLIC: Final = frozenset({"/health", "/register", "/", NOTIFICATIONS})
"""Paths that answer without an identity; a notification of Airtable's is signed."""

SIGNED: Final = (ATTACHMENTS,)
"""Beginnings of paths whose signed addresses are identity enough."""

DEAD_LETTERS: Final = "/dead-letters"
"""The beginning of the paths where an operator decides about the writes of others."""

ASKING: Final = frozenset({"/message"})
"""Paths whose POST may be a mere question; what it asks for is permitted where that is known."""


def permission_for(method: str, path: str) -> str:
    """Return the permission that a request needs to be let in."""
    if path in ADMIN or path.startswith(DEAD_LETTERS):
        return "admin"
    return "read" if path in ASKING else read_or_write(method, path)


def build_app(
    *,
    domain: DomainRoutes,
    airtable: Dialect,
    health: HealthEndpoint,
    messages: MessageEndpoint,
    letters: LetterEndpoints,
    about: AboutEndpoints,
    control: ControlEndpoints,
    peers: PeerEndpoints,
    verify: Verify,
    identify: Identify,
    settings: EdgeSettings,
    lifecycle: Lifecycle,
    metrics: Metrics,
    logs: Logs,
    clock: Clock,
    ids: Ids,
) -> tuple[Edge, Behind]:
    """Put the service together: an edge around a FastAPI application, and that one, which is to be prepared."""
    problems = Problems(clock=clock, realm=settings.realm)
    hot: dict[str, Methods] = {
        "/health": {"GET": health.read},
        "/message": {"POST": messages.receive},
        "/send": {"POST": letters.send},
        "/messages": {"GET": letters.list},
        "/messages/{id}": {"GET": letters.read, "DELETE": letters.cancel},
        "/dependencies": {"GET": peers.dependencies},
        "/register": {"GET": peers.registration, "POST": peers.registration},
        **domain.hot,
    }
    document = _Document(metrics)
    cold: Mapping[str, Methods] = {
        **domain.cold,
        "/messages/{id}/retry": {"POST": letters.retry},
        **own_routes(about, control),
        "/": {"GET": document.index},
        "/metrics": {"GET": document.metrics},
        "/openapi.json": {"GET": document.openapi},
        "/docs": {"GET": document.docs},
    }
    about.found_at({*hot, *cold, airtable.beginning})
    behind = Behind(cold, problems)
    gate = Gate(
        settings,
        verify=verify,
        identify=identify,
        permission_for=permission_for,
        clock=clock,
        turnstile=metrics,
    )
    edge = Edge(
        behind,
        hot=hot,
        settings=settings,
        gate=gate,
        problems=problems,
        lifecycle=lifecycle,
        numbers=metrics,
        log=logs,
        clock=clock,
        ids=ids,
        dialects=(airtable,),
    )
    return edge, behind


class _Document:
    """What the service tells about itself."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._openapi: bytes | None = None

    async def index(self, _call: Call) -> Answer:
        """Answer ``GET /``: where to go from here."""
        return Answer(200, b'{"name":"Airtable Connector","health":"/health","docs":"/docs","openapi":"/openapi.json"}')

    async def metrics(self, _call: Call) -> Answer:
        """Answer ``GET /metrics`` in Prometheus' text format."""
        return Answer(200, self._metrics.render(), media_type=b"text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _call: Call) -> Answer:
        """Answer ``GET /openapi.json``: OpenAPI 3.1."""
        if self._openapi is None:
            from airtable_connector.web.document import describe  # noqa: PLC0415 - a start does not wait for it

            self._openapi = describe()
        return Answer(200, self._openapi)

    async def docs(self, _call: Call) -> Answer:
        """Answer ``GET /docs``: the same as a page for people, without any foreign script."""
        from airtable_connector.web.document import PAGE_POLICY, documentation_page  # noqa: PLC0415 - as above

        policy = (b"content-security-policy", PAGE_POLICY)
        return Answer(200, documentation_page(), (policy,), media_type=b"text/html; charset=utf-8")
