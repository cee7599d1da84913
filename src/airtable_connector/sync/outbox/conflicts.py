"""Cells that were changed on both sides: kept for people, and what has lost is not sent any more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import orjson

from airtable_connector.database import Database, Row, Transaction
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.records import Cell
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.intents import Intent, Kind, Result, State
from airtable_connector.sync.overlay import Conflict, Rule, Side

OVERRULED: Final = "somebody else's change in Airtable won"

_KEEP_CONFLICT = (
    "insert into conflicts (intent, field_id, table_id, record_id, ours, theirs, won, at)"
    " values (:intent, :field_id, :table_id, :record_id, :ours, :theirs, :won, :at)"
    " on conflict (intent, field_id) do update set theirs = excluded.theirs, won = excluded.won, at = excluded.at"
)
_CONFLICTS = (
    "select intent, field_id, table_id, record_id, ours, theirs, won from conflicts"
    " where intent < :before order by intent desc, field_id limit :count"
)
_FORGET_CONFLICTS = "delete from conflicts where at < :before"


@dataclass(frozen=True)
class ConflictsKept(Fact):
    """Cells of a table were found changed on both sides; some of the values that callers wrote have lost."""

    table: TableId
    cells: int
    lost: int


class Conflicts:
    """Keeps conflicts. ``rules`` says who wins in a table."""

    def __init__(
        self, database: Database, rules: Callable[[TableId], Rule], *, clock: Clock, observer: Observer
    ) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock
        self._observer = observer

    def rule(self, table: TableId) -> Rule:
        """Return who wins in a table."""
        return self._rules(table)

    async def record(self, conflicts: Sequence[Conflict]) -> None:
        """Keep conflicts; values that have lost and were not sent yet are taken out of what is to be sent.

        What is under way cannot be called back: it takes effect, whatever the rule, and so it is ours that has won.
        """
        if not conflicts:
            return
        async with self._database.transaction() as tx:
            now = self._clock.now()
            opened = await rows.open_of(tx, {each.record for each in conflicts}, count=10_000)
            sent = {each.number for each in opened if each.state is not State.WAITING}
            conflicts = [replace(each, won=Side.OURS) if each.intent in sent else each for each in conflicts]
            await _keep(tx, conflicts, at=now)
            fields: dict[RecordId, dict[FieldId, int]] = {}
            for each in conflicts:
                if each.won is Side.THEIRS:
                    fields.setdefault(each.record, {})[each.field] = each.intent
            waiting = [each for each in opened if each.state is State.WAITING and each.target in fields]
            stripped = [_without(each, fields[each.target]) for each in waiting]
            changed = [new for old, new in zip(waiting, stripped, strict=True) if new.cells.keys() != old.cells.keys()]
            await rows.rewrite(tx, changed)
            empty = [each.number for each in changed if not each.cells]
            await rows.end(tx, empty, Result.OVERRULED, at=now, reason=OVERRULED)
        for table in {each.table for each in conflicts}:
            here = [each for each in conflicts if each.table == table]
            self._observer.saw(ConflictsKept(table, len(here), sum(each.won is Side.THEIRS for each in here)))

    async def newest(self, *, before: int | None, count: int) -> Sequence[Conflict]:
        """Return up to ``count`` conflicts of intents before a number, newest first."""
        async with self._database.reading() as reader:
            found = await reader.all(_CONFLICTS, before=2**62 if before is None else before, count=count)
        return [_conflict(row) for row in found]

    async def forget(self, tx: Transaction, *, before: datetime) -> None:
        """Forget the conflicts that were seen before a moment."""
        await tx.run(_FORGET_CONFLICTS, before=iso(before))


async def _keep(tx: Transaction, conflicts: Sequence[Conflict], *, at: datetime) -> None:
    """Keep conflicts; one that is kept already has its newest value of theirs."""
    await tx.run_many(
        _KEEP_CONFLICT,
        [
            {
                "intent": each.intent,
                "field_id": each.field,
                "table_id": each.table,
                "record_id": each.record,
                "ours": _perhaps_json(each.ours),
                "theirs": _perhaps_json(each.theirs),
                "won": str(each.won),
                "at": iso(at),
            }
            for each in conflicts
        ],
    )


def _conflict(row: Row) -> Conflict:
    intent, field, table, record, ours, theirs, won = row
    return Conflict(
        TableId(table), RecordId(record), FieldId(field), intent, _perhaps_cell(ours), _perhaps_cell(theirs), Side(won)
    )


def _perhaps_json(cell: Cell | None) -> str | None:
    return None if cell is None else orjson.dumps(cell).decode()


def _perhaps_cell(text: str | None) -> Cell | None:
    cell: Cell | None = None if text is None else orjson.loads(text)
    return cell


def _without(intent: Intent, lost: Mapping[FieldId, int]) -> Intent:
    """Take the values that have lost out of an update, as far as they were written before the conflict was seen."""
    if intent.kind is not Kind.UPDATE:
        return intent
    gone = {name for name, last in lost.items() if intent.number <= last}
    return replace(
        intent,
        cells={name: cell for name, cell in intent.cells.items() if name not in gone},
        before={name: cell for name, cell in intent.before.items() if name not in gone},
    )
