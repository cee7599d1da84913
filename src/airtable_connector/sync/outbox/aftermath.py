"""Carrying out what `fates` has decided."""

from collections.abc import Sequence
from datetime import timedelta

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock
from airtable_connector.records import Table
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.fates import Again, Fate, Gone, Lost, Overtaken, Stored, TurnedDown
from airtable_connector.sync.outbox.intents import Element, Result, State
from airtable_connector.sync.outbox.settling import Settlement, Shown


class Aftermath:
    """Notes what became of the elements of a call. ``look_after`` is how long a lost call may still be at work."""

    def __init__(self, database: Database, settlement: Settlement, *, clock: Clock, look_after: timedelta) -> None:
        self._database = database
        self._settlement = settlement
        self._clock = clock
        self._look_after = look_after

    async def apply(self, table: Table, fates: Sequence[tuple[Element, Fate]]) -> None:
        """Note all; what is to be looked at or sent again is noted first, for it is the least work."""
        stored: list[tuple[Element, Stored]] = []
        gone: list[Element] = []
        async with self._database.transaction() as tx:
            now = self._clock.now()
            for element, fate in fates:
                match fate:
                    case Again(most):
                        await rows.wait_again(tx, element.numbers, most)
                    case Lost():
                        at = now + self._look_after
                        await rows.look_later(tx, element.numbers, State.UNKNOWN, at=at)
                    case TurnedDown(reason):
                        await rows.look_later(tx, element.numbers, State.REFUSED, at=now, reason=reason)
                    case Stored():
                        stored.append((element, fate))
                    case Gone():
                        gone.append(element)
                    case Overtaken(reason):
                        await rows.end(tx, element.numbers, Result.OVERRULED, at=now, reason=reason)
        if gone:
            await self._settlement.end(gone, Result.DONE)
        if stored:
            await self._settlement.stored(table, stored)
        await self._forget(table, fates)

    async def _forget(self, table: Table, fates: Sequence[tuple[Element, Fate]]) -> None:
        overtaken = [element for element, fate in fates if isinstance(fate, Overtaken)]
        gone = [Shown(table, element.target, None, element.numbers) for element in overtaken]
        await self._settlement.show(gone)
