"""A peer made of scripted answers, and what a member of it is handed in."""

import json
import re
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pytest_httpserver import HTTPServer
from tests.fakes import CountingIds, FakeClock, SpyObserver
from werkzeug import Request, Response

from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh import (
    Contacts,
    Introduction,
    OrchestratorMember,
    PeerClient,
    RegistryMember,
    Rhythm,
)

INTERVAL = timedelta(seconds=30)
US = Introduction(
    droplet=2,
    registry_id="drop2.fullpotential.ai",
    name="Airtable Connector",
    steward="Haythem",
    endpoint="http://127.0.0.1:8000",
    version="0.1.0",
    environment="development",
    cost_per_hour=0.0125,
    capabilities=("digest", "export"),
)
LOAD = {"cpu": 3.5, "mem": 41.0, "disk": 12.0}
METRICS = {"cpu_percent": 3.5, "memory_mb": 120.5}

HTML = Response("<html>maintenance</html>", 200, content_type="text/html")
REDIRECT = Response("", 302, {"Location": "https://elsewhere.example/"})


@dataclass
class Arrival:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Peer:
    """Answers ``METHOD /path`` with what a test sets: one answer for good, or several in their order."""

    server: HTTPServer
    answers: dict[str, Any] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    @property
    def url(self) -> str:
        return self.server.url_for("").rstrip("/")

    def set(self, line: str, *answers: Any) -> None:
        """Answer this line with a status, a (status, body), a Response or a function; of several the last one stays."""
        self.answers[line] = list(answers)

    @property
    def lines(self) -> list[str]:
        return [arrival.line for arrival in self.arrivals]

    def clear(self) -> None:
        self.arrivals.clear()

    def said(self, line: str) -> Any:
        """Return the body that came last to a line."""
        return next(arrival.body for arrival in reversed(self.arrivals) if arrival.line == line)

    def _answer(self, request: Request) -> Response:
        body = json.loads(request.get_data()) if request.get_data() else None
        arrival = Arrival(request.method, request.path, dict(request.args), dict(request.headers), body)
        self.arrivals.append(arrival)
        waiting = self.answers.get(arrival.line)
        if not waiting:
            return as_json({"detail": "Not Found"}, 404)
        answer = waiting[0] if len(waiting) == 1 else waiting.pop(0)
        if callable(answer) and not isinstance(answer, Response):
            answer = answer(arrival)
        if isinstance(answer, Response):
            return answer
        return as_json({}, answer) if isinstance(answer, int) else as_json(answer[1], answer[0])


def as_json(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


class House:
    """Time that stands still, and everything else that a member needs."""

    def __init__(self, *, interval: timedelta = INTERVAL) -> None:
        self.clock, self.spy = FakeClock(), SpyObserver()
        self.client = PeerClient(clock=self.clock, timeout=timedelta(seconds=5))
        self.contacts = Contacts(clock=self.clock, observer=self.spy)
        self.condition = "active"
        self.interval = interval

    def rhythm(self) -> Rhythm:
        return Rhythm(self.interval, jitter=lambda: 0.0)

    def registry(self, url: str, *, key: str | None = "registry-key", **changes: Any) -> RegistryMember:
        return RegistryMember(
            url,
            key=None if key is None else Secret(key),
            **{
                "introduction": US,
                "registers": True,
                "client": self.client,
                "contacts": self.contacts,
                "rhythm": self.rhythm(),
                "condition": lambda: self.condition,
                "load": lambda: LOAD,
                "clock": self.clock,
                "observer": self.spy,
                **changes,
            },
        )

    def orchestrator(self, url: str, *, key: Secret | None, **changes: Any) -> OrchestratorMember:
        return OrchestratorMember(
            url,
            key=key,
            **{
                "introduction": US,
                "registers": True,
                "client": self.client,
                "contacts": self.contacts,
                "rhythm": self.rhythm(),
                "condition": lambda: self.condition,
                "metrics": lambda: METRICS,
                "clock": self.clock,
                "ids": CountingIds(),
                "observer": self.spy,
                **changes,
            },
        )

    def facts(self, kind: type) -> list[Any]:
        return [fact for fact in self.spy.facts if isinstance(fact, kind)]


def nobody() -> str:
    """Return an address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}"
