"""Who of several processes over one store may ask Airtable: the one that holds the lease.

No two clocks are compared. The holder counts from the moment before it renewed; another process counts from the
moment when it saw the last renewal, which is later, and takes over when nothing has changed for as long. Both count
in seconds of their own machine that pass alike, whatever their wall clocks say; a `MARGIN` is left for what does not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.database import Database, Row
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.kernel.supervisor import Step

TERM: Final = timedelta(seconds=12)
"""How long a lease is held without being renewed."""

MARGIN: Final = timedelta(seconds=1)
"""The holder stops so much before others may begin."""

RENEW_EVERY: Final = timedelta(seconds=3)
"""Three renewals may fail before a lease is lost."""

LOOK_EVERY: Final = timedelta(seconds=1)
"""How often those who wait look, and so how soon a lease that was given up has a new holder."""

_READ = "select owner, renewal from leases where name = :name"
_TAKE = (
    "insert into leases (name, owner, until, renewal) values (:name, :owner, :until, 1)"
    " on conflict (name) do update set owner = excluded.owner, until = excluded.until, renewal = leases.renewal + 1"
    " where leases.owner = :seen_owner and leases.renewal = :seen_renewal"
)
_UNTIL = "select until from leases where name = :name"
_RENEW = "update leases set until = :until, renewal = renewal + 1 where name = :name and owner = :owner"
_GIVE_UP = "delete from leases where name = :name and owner = :owner"


@dataclass(frozen=True)
class LeaseTaken(Fact):
    """This process holds the lease from now on."""

    lease: str


@dataclass(frozen=True)
class LeaseEnded(Fact):
    """This process holds the lease no more: it was given up, or could not be renewed in time."""

    lease: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """A renewal that somebody else made, and when it was first seen, in monotonic seconds."""

    owner: str
    renewal: int
    at: float


async def held_until(database: Database, name: str) -> datetime | None:
    """Return until when a lease is held, by the wall clock of its holder; None when nobody has it. For people to read.

    A holder that was killed is seen here until its term is over.
    """
    async with database.reading() as reader:
        row = await reader.one(_UNTIL, name=name)
    return None if row is None else parse_iso(row[0])


class Lease:
    """A right that at most one of the processes over a store has at a time.

    Keep `keep_once` running as a step, and look at `held` before each thing that only the holder may do. What was
    begun while it was held may still be under way when another process takes over; who takes over must reckon with it.

    Args:
        database: holds the lease.
        name: what it is for.
        owner: names this process; a new name for every start.
        clock: tells when.
        observer: learns when this process has it.
    """

    def __init__(self, database: Database, name: str, *, owner: str, clock: Clock, observer: Observer) -> None:
        self._database = database
        self._name = name
        self._owner = owner
        self._clock = clock
        self._observer = observer
        self._until: tuple[float, datetime] | None = None
        self._seen: _Seen | None = None
        self._alive = False
        self._told = False

    @property
    def held(self) -> bool:
        """Whether this process has it now.

        The wall clock is asked as well: the other one stands still while a virtual machine is put to sleep.
        """
        if self._until is None:
            return False
        ticks, moment = self._until
        return self._clock.monotonic() < ticks and self._clock.now() < moment

    @property
    def is_anothers(self) -> bool:
        """Whether another process was seen renewing it since this one began to ask."""
        return self._alive

    async def keep_once(self) -> timedelta:
        """Take or renew the lease, if that can be done, and return when to try again.

        Raises:
            StoreUnavailable, CommitUnknown: nothing is known anew; what is held runs out in its time.
        """
        try:
            holds = await self._renew() or await self._take()
        finally:
            self._tell()
        return RENEW_EVERY if holds else LOOK_EVERY

    async def give_up(self) -> None:
        """Let the next process have it at once. End the step first, and what is under way that needs the lease."""
        self._until = None
        self._tell()
        async with self._database.transaction() as tx:
            await tx.run(_GIVE_UP, name=self._name, owner=self._owner)

    def while_held(self, step: Step) -> Step:
        """Return the step that does a round of ``step`` if the lease is held, and else looks again a second later."""

        async def round_once() -> timedelta | None:
            return await step() if self.held else LOOK_EVERY

        return round_once

    async def _renew(self) -> bool:
        if self._until is None:
            return False
        ends = self._ends()
        async with self._database.transaction() as tx:
            renewed = await tx.run(_RENEW, name=self._name, owner=self._owner, until=iso(ends[1]))
        self._until = ends if renewed else None
        return self._until is not None

    async def _take(self) -> bool:
        async with self._database.reading() as reader:
            row = await reader.one(_READ, name=self._name)
        if not self._is_free(row):
            return False
        seen_owner, seen_renewal = ("", 0) if row is None else row
        ends = self._ends()
        async with self._database.transaction() as tx:
            taken = await tx.run(
                _TAKE,
                name=self._name,
                owner=self._owner,
                until=iso(ends[1]),
                seen_owner=seen_owner,
                seen_renewal=seen_renewal,
            )
        self._until = ends if taken else None
        return self._until is not None

    def _is_free(self, row: Row | None) -> bool:
        """Tell whether nobody has it, or its holder has shown no life for a whole term."""
        if row is None:
            return True
        now = self._clock.monotonic()
        owner, renewal = str(row[0]), int(row[1])
        if owner == self._owner:  # taken by a transaction of ours of which that was not known
            return True
        if self._seen is None or (self._seen.owner, self._seen.renewal) != (owner, renewal):
            self._alive = self._seen is not None
            self._seen = _Seen(owner, renewal, now)
        return now - self._seen.at >= TERM.total_seconds()

    def _ends(self) -> tuple[float, datetime]:
        """Return until when a lease is held that is taken now, by either clock; asked before the store is."""
        span = TERM - MARGIN
        return self._clock.monotonic() + span.total_seconds(), self._clock.now() + span

    def _tell(self) -> None:
        if self.held != self._told:
            self._told = self.held
            self._observer.saw(LeaseTaken(self._name) if self._told else LeaseEnded(self._name))
