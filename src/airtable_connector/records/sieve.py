"""A formula at work on the rows of one question, without keeping the event loop from others.

What is light runs on the event loop, which others get after each millisecond; what is heavy runs in a thread. One
long search runs at a time, so that many of them together hold the loop no longer than one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.records.formula import Context, FormulaTooCostly
from airtable_connector.records.schema import Cell

if TYPE_CHECKING:
    from airtable_connector.records.formula import Formula

LIGHT_STEPS: Final = 300_000
"""What a formula may cost on the event loop in one piece: three milliseconds where steps are slowest, with dates."""

LONGEST_HOLD: Final = 0.001
"""Seconds that a search holds the event loop before others get a turn."""


class Turns(AbstractContextManager["Turns"]):
    """One search's manners: it gives turns, and stands in the queue as soon as it is a long one."""

    def __init__(self, queue: asyncio.Lock, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._until = clock.monotonic() + LONGEST_HOLD
        self._queued = False

    @property
    def due(self) -> bool:
        """Whether this search has held the event loop for long enough."""
        return self._clock.monotonic() >= self._until

    async def give(self) -> None:
        """Let others run."""
        await self.stand_in_queue()
        await self._clock.sleep(timedelta(0))
        self._until = self._clock.monotonic() + LONGEST_HOLD

    async def stand_in_queue(self) -> None:
        """Wait until no other long search runs."""
        if not self._queued:
            await self._queue.acquire()
            self._queued = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._queued:
            self._queue.release()


class Sieve:
    """Tells which rows a formula lets through, for as long as the context's work lasts."""

    def __init__(self, formula: "Formula", context: Context, turns: Turns) -> None:
        self._formula = formula
        self._context = context
        self._turns = turns
        self._given = self._left = context.work.left
        self._heavy = False

    @property
    def spent(self) -> int:
        """The steps taken."""
        return self._given - self._left

    async def pick(self, columns: Sequence[Sequence[Cell | None]], rows: int, most: int) -> list[int]:
        """Return the numbers of the first ``most`` rows that match.

        Raises:
            FormulaTooCostly: the work is used up.
        """
        work = self._context.work
        if not self._heavy:
            given = work.left = min(self._left, LIGHT_STEPS)
            try:
                return self._picked(columns, rows, most)
            except FormulaTooCostly:
                # it will not be light for the next rows either
                self._heavy = True
            finally:
                self._left -= given - work.left
        await self._turns.stand_in_queue()
        work.left = self._left
        try:
            return await asyncio.to_thread(self._picked, columns, rows, most)
        finally:
            self._left = work.left

    def _picked(self, columns: Sequence[Sequence[Cell | None]], rows: int, most: int) -> list[int]:
        found: list[int] = []
        for row in self._formula.matching(columns, rows, self._context):
            found.append(row)
            if len(found) == most:
                break
        return found
