"""Cells that were changed on both sides: kept for people, and what has lost is not sent any more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.intents import Intent, Kind, Result, State
from airtable_connector.sync.overlay import Conflict, Rule, Side

OVERRULED = "somebody else's change in Airtable won"


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
        """Keep conflicts; values that have lost and were not sent yet are taken out of what is to be sent."""
        if not conflicts:
            return
        lost = [each for each in conflicts if each.won is Side.THEIRS]
        async with self._database.transaction() as tx:
            now = self._clock.now()
            await rows.keep_conflicts(tx, conflicts, at=now)
            fields: dict[RecordId, dict[FieldId, int]] = {}
            for each in lost:
                fields.setdefault(each.record, {})[each.field] = each.intent
            waiting = [each for each in await rows.open_of(tx, fields, count=10_000) if each.state is State.WAITING]
            stripped = [_without(each, fields[each.target]) for each in waiting]
            changed = [new for old, new in zip(waiting, stripped, strict=True) if new.cells.keys() != old.cells.keys()]
            await rows.rewrite(tx, changed)
            empty = [each.number for each in changed if not each.cells]
            await rows.end(tx, empty, Result.OVERRULED, at=now, reason=OVERRULED)
        for table in {each.table for each in conflicts}:
            here = [each for each in conflicts if each.table == table]
            self._observer.saw(ConflictsKept(table, len(here), sum(each.won is Side.THEIRS for each in here)))


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
