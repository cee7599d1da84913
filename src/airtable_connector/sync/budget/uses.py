"""What the month's calls were made for, and for whom: counted as they end, written down in portions.

A crash loses the portion that was not written down. Then, and while a portion waits, fewer calls are told apart here
than the ledger has noted; there are never more.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import Final

from airtable_connector.airtable import CloudCalled, Lane, Month
from airtable_connector.database import Database, Reader, StoreUnavailable
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.sync.budget.ledger import forget_months, name_of

MOST_WAITING: Final = 10_000
"""Sums that wait to be written down while the store is away; calls beyond are counted by the ledger alone."""

MOST_SHOWN: Final = 1_000
"""Droplets in one answer, those with the most calls first."""

MONTHS_KEPT: Final = 13
"""Months whose calls are kept, the present one among them."""

_CARRIED: Final[ContextVar[tuple[int, ...]]] = ContextVar("droplets whose writes the present call carries", default=())

_ADD_USE = (
    "insert into cloud_uses (day, lane, call, calls) values (:day, :lane, :call, :calls)"
    " on conflict (day, lane, call) do update set calls = cloud_uses.calls + excluded.calls"
)
_ADD_CALLER = (
    "insert into cloud_callers (month, droplet, calls) values (:month, :droplet, :calls)"
    " on conflict (month, droplet) do update set calls = cloud_callers.calls + excluded.calls"
)
_FORGET_USES = "delete from cloud_uses where day < :before"
_FORGET_CALLERS = "delete from cloud_callers where month < :before"
_PURPOSES = (
    "select lane, call, sum(calls) from cloud_uses where day >= :first and day < :beyond"
    " group by lane, call order by lane, call limit 1000"
)
_CALLERS = "select droplet, calls from cloud_callers where month = :month order by calls desc, droplet limit :most"
_DAYS = "select day, sum(calls) from cloud_uses where day >= :since group by day order by day limit 100"


@contextmanager
def attributed_to(droplets: Sequence[int]) -> Iterator[None]:
    """Count the calls that are made inside as those of droplets: each has a share for every time it is named.

    For a call that carries writes, name the droplet of each; a call with seven writes of one and three of another is
    counted as 0.7 and 0.3.
    """
    token = _CARRIED.set(tuple(droplets))
    try:
        yield
    finally:
        _CARRIED.reset(token)


@dataclass(frozen=True, slots=True)
class Purpose:
    """Calls of one kind in one lane."""

    lane: str
    call: str
    calls: int


class Uses:
    """The observer of a cloud client: it counts the calls, and passes every fact on."""

    def __init__(self, database: Database, *, clock: Clock, observer: Observer) -> None:
        self._database = database
        self._clock = clock
        self._observer = observer
        self._uses: Counter[tuple[date, Lane, str]] = Counter()
        self._callers: dict[tuple[Month, int], float] = {}
        self.since_start: Counter[Lane] = Counter()
        """Calls of this process by lane."""

    def saw(self, fact: Fact) -> None:
        """Take note of one fact."""
        if isinstance(fact, CloudCalled):
            self._count(fact)
        self._observer.saw(fact)

    async def write_down(self) -> None:
        """Add what was counted to the sums of all processes.

        Raises:
            StoreUnavailable: what was counted still waits.
            CommitUnknown: it may be lost; it is not added again, which could count it twice.
        """
        if not self._uses:
            return
        uses, callers = self._uses, self._callers
        self._uses, self._callers = Counter(), {}
        try:
            await self._add(uses, callers)
        except StoreUnavailable:
            self._put_back(uses, callers)
            raise

    def _count(self, fact: CloudCalled) -> None:
        self.since_start[fact.lane] += 1
        began = self._clock.now() - fact.took
        droplets = Counter(_CARRIED.get())
        if len(self._uses) + len(self._callers) + 1 + len(droplets) > MOST_WAITING:
            return
        self._uses[began.date(), fact.lane, fact.call] += 1
        month = Month.of(began)
        for droplet, times in droplets.items():
            share = times / droplets.total()
            self._callers[month, droplet] = self._callers.get((month, droplet), 0.0) + share

    async def _add(
        self, uses: Mapping[tuple[date, Lane, str], int], callers: Mapping[tuple[Month, int], float]
    ) -> None:
        # in one order by all processes, so that none waits for another that waits for it
        by_use = [
            {"day": day.isoformat(), "lane": lane.value, "call": call, "calls": calls}
            for (day, lane, call), calls in sorted(uses.items())
        ]
        by_caller = [
            {"month": name_of(month), "droplet": droplet, "calls": calls}
            for (month, droplet), calls in sorted(callers.items())
        ]
        oldest = _months_before(Month.of(self._clock.now()), MONTHS_KEPT - 1)
        async with self._database.transaction() as tx:
            await tx.run_many(_ADD_USE, by_use)
            await tx.run_many(_ADD_CALLER, by_caller)
            await tx.run(_FORGET_USES, before=f"{name_of(oldest)}-01")
            await tx.run(_FORGET_CALLERS, before=name_of(oldest))
            await forget_months(tx, oldest)

    def _put_back(self, uses: Mapping[tuple[date, Lane, str], int], callers: Mapping[tuple[Month, int], float]) -> None:
        self._uses.update(uses)
        for key, calls in callers.items():
            self._callers[key] = self._callers.get(key, 0.0) + calls


async def read_purposes(reader: Reader, month: Month) -> list[Purpose]:
    """Return what the calls of a month were made for, as far as it is written down."""
    first, beyond = f"{name_of(month)}-01", month.ends.date().isoformat()
    rows = await reader.all(_PURPOSES, first=first, beyond=beyond)
    return [Purpose(lane, call, int(calls)) for lane, call, calls in rows]


async def read_callers(reader: Reader, month: Month) -> dict[int, float]:
    """Return how many calls carried writes of which droplet in a month, as far as it is written down."""
    rows = await reader.all(_CALLERS, month=name_of(month), most=MOST_SHOWN)
    return {int(droplet): float(calls) for droplet, calls in rows}


async def read_days(reader: Reader, since: date) -> dict[date, int]:
    """Return the calls of each day from one on, as far as they are written down."""
    return {date.fromisoformat(day): int(calls) for day, calls in await reader.all(_DAYS, since=since.isoformat())}


def _months_before(month: Month, count: int) -> Month:
    year, number = divmod(month.year * 12 + month.number - 1 - count, 12)
    return Month(year, number + 1)
