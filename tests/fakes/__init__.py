"""Stand-ins that are handed in where the real thing would be time, chance or somebody else's network."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

from airtable_connector.kernel.ids import ID_TAIL, RecordId


class FakeClock:
    """A clock that stands still until `advance` moves it; sleepers wake in the order of their alarms."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, rest: timedelta) -> None:
        seconds = rest.total_seconds()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        alarm = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), alarm))
        await alarm

    def step(self, by: timedelta) -> None:
        """Set the wall clock, as an administrator does: no time passes."""
        self._now += by

    async def advance(self, by: timedelta) -> None:
        """Move time forward, waking every sleeper whose alarm falls into the span, and let them run."""
        until = self._elapsed + by.total_seconds()
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            when, _, alarm = heapq.heappop(self._sleepers)
            self._now += timedelta(seconds=when - self._elapsed)
            self._elapsed = when
            if not alarm.done():
                alarm.set_result(None)
            await self._settle()
        self._now += timedelta(seconds=until - self._elapsed)
        self._elapsed = until

    async def _settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


class CountingIds:
    """Ids that count upward, so that a test can name them."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def record(self) -> RecordId:
        return RecordId(self.mint("rec"))

    def mint(self, prefix: str) -> str:
        return prefix + str(next(self._numbers)).rjust(ID_TAIL, "0")

    def trace(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._numbers):012d}"

    def secret(self) -> str:
        return f"{next(self._numbers):064x}"

    def fraction(self) -> float:
        return 0.5


class SpyObserver:
    """Keeps every fact it was shown."""

    def __init__(self) -> None:
        self.facts: list[object] = []

    def saw(self, fact: object) -> None:
        self.facts.append(fact)
