"""The UDC answer to ``GET /health``: who we are, whether we can do our work, and how far the feed has come."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.mesh import ORCHESTRATOR, REGISTRY, Contacts
from airtable_connector.records import Workspace

SECONDS_PER_HOUR: Final = 3_600

AIRTABLE: Final = "airtable"
"""What Airtable is called among those that we depend on."""


class HealthStatus(StrEnum):
    """The three words that UDC knows."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ERROR = "error"


@dataclass(frozen=True)
class HealthSettings:
    """Who we are in the mesh. ``cost_per_hour`` is in US dollars."""

    id: int
    name: str
    steward: str
    endpoint: str
    cost_per_hour: Decimal


class Leaving(Protocol):
    """Knows whether the process has begun to stop."""

    @property
    def draining(self) -> bool:
        """Whether it has."""
        ...


class Check(StrEnum):
    """How a part that we depend on is, in one word."""

    OK = "ok"
    ERROR = "error"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    NOT_CONFIGURED = "not configured"


def health(
    settings: HealthSettings,
    *,
    status: HealthStatus,
    checks: Mapping[str, Check],
    proof: bytes,
    started: datetime,
    now: datetime,
) -> dict[str, object]:
    """Build the body. ``proof`` is the hash at the feed's head; costs are those of this process in this month."""
    return {
        "id": settings.id,
        "name": settings.name,
        "steward": settings.steward,
        "status": str(status),
        "endpoint": settings.endpoint,
        "proof": proof.hex(),
        "cost_usd": cost_this_month(settings.cost_per_hour, started=started, now=now),
        "yield_usd": 0.0,
        "updated_at": iso(now),
        "checks": checks,
    }


def cost_this_month(per_hour: Decimal, *, started: datetime, now: datetime) -> float:
    """Return what the hours since the start, or since the month began in UTC, cost; to a hundredth of a cent."""
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    seconds = max(0.0, (now - max(started, month)).total_seconds())
    return round(float(per_hour) * seconds / SECONDS_PER_HOUR, 4)


class Health:
    """Answers with ready bytes; they are made anew when a second has passed or something has changed.

    Args:
        workspace: tells how far the feed has come, and whether it can be written.
        leaving: tells whether the process stops.
        contacts: know whether peers answer.
        configured: the names of those that we want to be a member of, and `AIRTABLE` where we are its mirror.
        clock: dates the answer.
        settings: who we are.
    """

    def __init__(
        self,
        workspace: Workspace,
        leaving: Leaving,
        *,
        contacts: Contacts,
        configured: AbstractSet[str],
        clock: Clock,
        settings: HealthSettings,
    ) -> None:
        self._workspace = workspace
        self._leaving = leaving
        self._contacts = contacts
        self._configured = configured
        self._clock = clock
        self._settings = settings
        self._started = clock.now()
        self._made_for: tuple[HealthStatus, Mapping[str, Check], int, int] | None = None
        self._body = b""

    @property
    def status(self) -> HealthStatus:
        """Inactive while stopping, error while the store cannot be written, else active: we work without any peer."""
        if self._leaving.draining:
            return HealthStatus.INACTIVE
        return HealthStatus.ACTIVE if self._workspace.trouble is None else HealthStatus.ERROR

    async def facts(self) -> Mapping[str, object]:
        """Return the answer as data, for a message that asks."""
        answer: Mapping[str, object] = orjson.loads(self.body())
        return answer

    def cost(self, per_hour: Decimal) -> None:
        """Count with another price, also for the hours that have passed: a price is a setting, not a meter."""
        self._settings = replace(self._settings, cost_per_hour=per_hour)
        self._made_for = None

    def body(self) -> bytes:
        """Return the answer as JSON."""
        head = self._workspace.head
        store = Check.OK if self._workspace.trouble is None else Check.ERROR
        checks = {"store": store, REGISTRY: self._check(REGISTRY), ORCHESTRATOR: self._check(ORCHESTRATOR)}
        if AIRTABLE in self._configured:
            checks[AIRTABLE] = self._check(AIRTABLE)
        wanted = (self.status, checks, head.seq, int(self._clock.monotonic()))
        if wanted != self._made_for:
            answer = health(
                self._settings,
                status=wanted[0],
                checks=checks,
                proof=head.hash,
                started=self._started,
                now=self._clock.now(),
            )
            self._body = orjson.dumps(answer)
            self._made_for = wanted
        return self._body

    def _check(self, peer: str) -> Check:
        if peer not in self._configured:
            return Check.NOT_CONFIGURED
        return Check.CONNECTED if self._contacts.of(peer).connected else Check.DISCONNECTED
