"""How many calls a month has had. A ledger that is handed in keeps the number, so that it outlives the process."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from airtable_connector.airtable.errors import CloudQuotaSpent
from airtable_connector.kernel.clock import Clock

BLOCK: Final = 10
"""Calls that are noted together, before the first of them begins: a crash makes the number too high by less than so
many, and never too low."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC; quotas begin anew with it."""

    year: int
    number: int

    @staticmethod
    def of(moment: datetime) -> "Month":
        """Return the month that a moment lies in."""
        moment = moment.astimezone(UTC)
        return Month(moment.year, moment.month)

    @property
    def ends(self) -> datetime:
        """The first moment that is not in it."""
        return datetime(self.year + self.number // 12, self.number % 12 + 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Noted:
    """What a ledger knows of a month: the calls that were noted, and whether Airtable said that they are used up."""

    calls: int
    spent: bool


class CallLedger(Protocol):
    """Keeps the numbers of all processes that ask the base. Each promise is kept over a crash."""

    async def add(self, month: Month, calls: int) -> Noted:
        """Note calls that are about to be made, and return what is known of the month with them."""
        ...

    async def mark_spent(self, month: Month) -> None:
        """Note that Airtable takes no more calls in this month."""
        ...

    async def reopen(self, month: Month) -> None:
        """Forget that it takes none, because an operator knows better."""
        ...


class CallMeter:
    """Counts this process's calls in blocks, and refuses them while the month's quota is known to be spent."""

    def __init__(self, ledger: CallLedger, *, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._lock = asyncio.Lock()
        self._month = Month.of(clock.now())
        self._noted = 0
        self._left = 0
        self._spent: Month | None = None
        self._spent_unsaved = False

    @property
    def calls(self) -> int:
        """The month's calls as far as they are known here: with other processes' at the last block."""
        return self._noted - self._left

    async def count(self) -> None:
        """Count one call, before it begins.

        Raises:
            CloudQuotaSpent: none is made in this month.
        """
        async with self._lock:
            month = Month.of(self._clock.now())
            await self._check(month)
            if month != self._month or self._left == 0:
                noted = await self._ledger.add(month, BLOCK)
                self._month, self._noted, self._left = month, noted.calls, BLOCK
                if noted.spent:
                    self._spent = month
                    await self._check(month)
            self._left -= 1

    def give_back(self) -> None:
        """Take back the count of a call that was not made after all."""
        if self._left < BLOCK:  # else its month is over, and a new block has begun
            self._left += 1

    def spend(self) -> bool:
        """Take note that Airtable said that the month's calls are used up; the next `count` writes it down.

        False means that it was known: several calls under way may be told the same.
        """
        month = Month.of(self._clock.now())
        news = self._spent != month
        self._spent, self._spent_unsaved = month, self._spent_unsaved or news
        return news

    async def check(self) -> None:
        """Raise `CloudQuotaSpent` while no calls are made."""
        async with self._lock:
            await self._check(Month.of(self._clock.now()))

    async def reopen(self) -> None:
        """Make calls again in a month whose quota was spent: an operator has raised it."""
        async with self._lock:
            await self._ledger.reopen(Month.of(self._clock.now()))
            self._spent, self._spent_unsaved = None, False

    async def _check(self, month: Month) -> None:
        if self._spent != month:
            return
        if self._spent_unsaved:
            await self._ledger.mark_spent(month)
            self._spent_unsaved = False
        raise CloudQuotaSpent(retry_after=month.ends - self._clock.now())
