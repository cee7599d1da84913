"""Writing down what a call or a look has shown: first in the records, then in the intents, each of them repeatable.

A crash between the two leaves the intents open; a look then finds the same again, and the records do not change twice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from airtable_connector.airtable import CloudRecord
from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import FieldId, Ids, RecordId
from airtable_connector.records import (
    CLOUD,
    Actor,
    Cell,
    Copy,
    Done,
    Effected,
    Forget,
    Operation,
    Rename,
    Table,
    Workspace,
    WriteRequest,
    Written,
)
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.fates import Stored
from airtable_connector.sync.outbox.intents import Element, Intent, Kind, Result, State
from airtable_connector.sync.outbox.opening import read_open
from airtable_connector.sync.outbox.taking import Intake
from airtable_connector.sync.outbox.wording import Wording
from airtable_connector.sync.overlay import NOTHING_OPEN, Rule, Told, overlay

MOST_TRIES: Final = 20
"""How often a record is written anew because a caller changed it meanwhile; the mirror does the rest."""

BIRTHLESS: Final = "its record was never made: Airtable refused that"


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as Airtable has it, or None when it has none, to be shown here under what is open ``besides``."""

    table: Table
    record: RecordId
    there: CloudRecord | None
    besides: Collection[int]


class Settlement:
    """Brings records and intents to what is known."""

    def __init__(
        self, workspace: Workspace, database: Database, intake: Intake, wording: Wording, *, clock: Clock, ids: Ids
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._intake = intake
        self._wording = wording
        self._clock = clock
        self._ids = ids

    async def claim(self, table: Table, born: Sequence[tuple[Element, CloudRecord]]) -> None:
        """Note the ids that Airtable gave to new records, and let the records here be known by them."""
        if not born:
            return
        async with self._database.transaction() as tx:
            for element, record in born:
                await rows.claim(tx, element.first.record, record.id)
        await self._write(
            [Rename(table, element.first.record, record.id, iso(record.created_at)) for element, record in born]
        )

    async def stored(self, table: Table, stored: Sequence[tuple[Element, Stored]]) -> None:
        """Show records as Airtable has them, and let their intents be done."""
        born = [(element, fate.record) for element, fate in stored if element.first.kind is Kind.CREATE]
        await self.claim(table, born)
        await self.show([Shown(table, fate.record.id, fate.record, element.numbers) for element, fate in stored])
        async with self._database.transaction() as tx:
            now = self._clock.now()
            await rows.end(tx, [n for element, _ in stored for n in element.numbers], Result.DONE, at=now)
            for element, fate in stored:
                told = self._wording.told(table, fate.record)
                later = await rows.open_of(tx, [fate.record.id], count=1_000)
                await rows.rewrite(tx, [*_as_told(element.intents, told), *_rebased(later, told)])

    async def end(self, elements: Sequence[Element], result: Result, *, reason: str = "") -> None:
        """Let intents be final without anything to show."""
        numbers = [number for element in elements for number in element.numbers]
        async with self._database.transaction() as tx:
            await rows.end(tx, numbers, result, at=self._clock.now(), reason=reason)

    async def bury(self, table: Table | None, intent: Intent, there: CloudRecord | None, *, reason: str) -> None:
        """Put the record of a refused intent back to what Airtable has, and let the intent be dead."""
        if table is not None:
            shown = Shown(table, intent.target, None if intent.unborn else there, [intent.number])
            await self.show([shown])
        async with self._database.transaction() as tx:
            now = self._clock.now()
            orphans = await rows.open_of(tx, [intent.target], count=1_000) if intent.unborn else []
            await rows.end(tx, [intent.number], Result.NONE, at=now, reason=reason, state=State.DEAD)
            numbers = [each.number for each in orphans if each.number != intent.number]
            await rows.end(tx, numbers, Result.NONE, at=now, reason=BIRTHLESS, state=State.DEAD)

    async def show(self, records: Sequence[Shown]) -> None:
        """Write records as Airtable has them, under what callers have on their way."""
        for tries in range(MOST_TRIES):
            if not records:
                return
            if tries:
                await self._workspace.follow()  # another process may have been who changed it
            position = await self._intake.take()
            operations = await self._operations(records, position)
            written = await self._write(operations)
            overtaken = {
                operation.record
                for operation, each in zip(operations, written, strict=True)
                if each.effect is Effected.OVERTAKEN
            }
            records = [each for each in records if each.record in overtaken]

    async def _operations(self, records: Sequence[Shown], position: int) -> Sequence[Copy | Forget]:
        besides = {number for each in records for number in each.besides}
        async with self._database.reading() as reader:
            opens = await read_open(reader, self._workspace, [each.record for each in records], besides=besides)
        operations: list[Copy | Forget] = []
        for each in records:
            open_record = opens.get(each.record, NOTHING_OPEN)
            if each.there is None:
                operations.append(Forget(each.table, each.record, position))
                continue
            told = Told(each.table.id, each.record, self._wording.told(each.table, each.there))
            cells = overlay(told, open_record, Rule.OURS).cells
            if cells is not None:
                operations.append(Copy(each.table, each.record, iso(each.there.created_at), cells, position))
        return operations

    async def _write(self, operations: Sequence[Operation]) -> Sequence[Written]:
        if not operations:
            return ()
        done = await self._workspace.write(WriteRequest(Actor(CLOUD, self._ids.trace()), tuple(operations)))
        assert isinstance(done, Done)  # it asked for no repeatable answer
        return done.written


def _as_told(done: Sequence[Intent], told: Mapping[FieldId, Cell]) -> list[Intent]:
    """Let writes that are done have written what Airtable has, so that nobody takes its spelling for a change."""
    return [
        replace(intent, cells={name: told.get(name) for name in intent.cells})
        for intent in done
        if any(told.get(name) != cell for name, cell in intent.cells.items())
    ]


def _rebased(later: Sequence[Intent], told: Mapping[FieldId, Cell]) -> list[Intent]:
    """Let the writes that follow have found what Airtable has now, which may spell a value otherwise."""
    seen: set[FieldId] = set()
    rebased = []
    for intent in later:
        found = {name: told.get(name) for name in intent.cells if name not in seen}
        seen |= intent.cells.keys()
        if any(intent.before.get(name) != cell for name, cell in found.items()):
            rebased.append(replace(intent, before={**intent.before, **found}))
    return rebased
