"""What the other parts ask about the month's calls: may I, how often, and how do we stand."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import Final

from airtable_connector.airtable import Lane, Month, Noted
from airtable_connector.database import CommitUnknown, Database, StoreUnavailable
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.sync.budget.errors import BudgetHeld
from airtable_connector.sync.budget.forecast import Forecast, first_day, forecast
from airtable_connector.sync.budget.ledger import StoredLedger, read_month
from airtable_connector.sync.budget.plans import BudgetSettings
from airtable_connector.sync.budget.policy import Standing, held, length_of, poll_interval
from airtable_connector.sync.budget.uses import Uses, read_callers, read_days, read_purposes

ROUND: Final = timedelta(seconds=10)
"""How often what was counted here is written down, and what others have counted is read."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a caller who writes is told of the month's calls, as items of the headers that the edge sends.

    In the form of draft-ietf-httpapi-ratelimit-headers-10: q calls in w seconds; r are left, t seconds until all are
    back.
    """

    policy: bytes
    left: bytes


class Budget:
    """The month's calls: what was spent, and what may still be spent.

    Its questions are answered from memory, which `round_once` brings up to date; keep that running as a step. Hand
    ``ledger`` and ``check`` (as ``admit``) to the `PaceKeeper` and ``observer`` to the `AirtableClient`. Calls that
    wait for their turn when a limit is reached are still made.
    """

    def __init__(self, settings: BudgetSettings, database: Database, *, clock: Clock, observer: Observer) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._uses = Uses(database, clock=clock, observer=observer)
        self._days: Mapping[date, int] = {}
        self.ledger = StoredLedger(database)
        """Where calls are noted before they are made."""

    @property
    def observer(self) -> Observer:
        """What the cloud client tells of its calls; facts are passed on to the observer that was handed in."""
        return self._uses

    @property
    def standing(self) -> Standing:
        """How we stand now. Calls are noted in tens, so it knows of up to ten that are not made yet."""
        return self._standing_of(self.ledger.known(Month.of(self._clock.now())))

    @property
    def forecast(self) -> Forecast:
        """How the month will end if it goes on like the last days."""
        return forecast(self.standing, self._days)

    def calls_since_start(self, lane: Lane) -> int:
        """Return how many calls this process has made in a lane."""
        return self._uses.since_start[lane]

    def poll_interval(self) -> timedelta:
        """Return how long to rest between two polls, so that the month's calls last."""
        return poll_interval(self.standing, shortest=self._settings.shortest_poll)

    def allows(self, lane: Lane) -> bool:
        """Tell whether calls may be made in a lane now."""
        return held(lane, self.standing) is None

    def check(self, lane: Lane) -> None:
        """Raise `BudgetHeld`, which knows until when, unless calls may be made in a lane now."""
        standing = self.standing
        stop = held(lane, standing)
        if stop is not None:
            raise BudgetHeld(lane, stop.because, retry_after=stop.until - standing.at)

    def rate_limit(self) -> RateLimit | None:
        """Return what a caller who writes is told; None when calls are not counted."""
        standing = self.standing
        if standing.allowance is None or standing.left is None:
            return None
        window, rest = ceil(length_of(standing.month).total_seconds()), ceil(standing.rest.total_seconds())
        return RateLimit(
            b'"airtable-month";q=%d;w=%d' % (standing.allowance, window),
            b'"airtable-month";r=%d;t=%d' % (standing.left, rest),
        )

    async def round_once(self) -> timedelta:
        """Write down what was counted here, and read what all processes have counted."""
        await self._uses.write_down()
        at = self._clock.now()
        await self.ledger.look(Month.of(at))
        async with self._database.reading() as reader:
            self._days = await read_days(reader, first_day(at))
        return ROUND

    async def close(self) -> None:
        """Write down what was counted since the last round; what a store does not take any more is lost."""
        with suppress(StoreUnavailable, CommitUnknown):
            await self._uses.write_down()

    async def facts(self) -> Mapping[str, JsonValue]:
        """Describe the month as JSON, for ``GET /budget``.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        month = Month.of(self._clock.now())
        async with self._database.reading() as reader:
            noted = await read_month(reader, month)
            purposes = await read_purposes(reader, month)
            callers = await read_callers(reader, month)
        standing = self._standing_of(noted)
        told_apart = sum(purpose.calls for purpose in purposes)
        return {
            "month": f"{month.year:04}-{month.number:02}",
            "ends": iso(month.ends),
            "plan": self._settings.plan.value,
            "allowance": standing.allowance,
            "calls": noted.calls,
            "left": standing.left,
            "spent": noted.spent,
            "reserved_for_writes": standing.reserved,
            "forecast": _shown(forecast(standing, self._days)),
            "poll_interval_seconds": round(
                poll_interval(standing, shortest=self._settings.shortest_poll).total_seconds(), 3
            ),
            "held": _held(standing),
            "purposes": [{"lane": purpose.lane, "call": purpose.call, "calls": purpose.calls} for purpose in purposes],
            "callers": [{"droplet": droplet, "calls": round(calls, 3)} for droplet, calls in callers.items()],
            "not_told_apart": max(0, noted.calls - told_apart),
        }

    def _standing_of(self, noted: Noted) -> Standing:
        return Standing(self._settings.allowance, self._settings.reserve, noted.calls, noted.spent, self._clock.now())


@asynccontextmanager
async def open_budget(
    settings: BudgetSettings, database: Database, *, clock: Clock, observer: Observer
) -> AsyncIterator[Budget]:
    """Open the budget with what the store knows of the month, and write down the rest in the end."""
    budget = Budget(settings, database, clock=clock, observer=observer)
    await budget.round_once()
    try:
        yield budget
    finally:
        await budget.close()


def _shown(coming: Forecast) -> JsonValue:
    return {"calls": coming.calls, "runs_out": None if coming.runs_out is None else iso(coming.runs_out)}


def _held(standing: Standing) -> JsonValue:
    stops = [(lane, held(lane, standing)) for lane in Lane]
    return [
        {"lane": lane.value, "until": iso(stop.until), "because": stop.because.value}
        for lane, stop in stops
        if stop is not None
    ]
