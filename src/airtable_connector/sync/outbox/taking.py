"""From the feed to intents: what callers have written becomes what is to be sent, each entry once."""

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from airtable_connector.database import Database, Transaction
from airtable_connector.kernel.clock import parse_iso
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.records import CLOUD, Action, Cell, Change, Table, UnknownTable, Workspace
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.intents import Intent, Kind, creation_key, linked, numbered

PORTION: Final = 500
"""Entries of the feed that are taken in one transaction."""

_KINDS: Final[Mapping[Action, Kind]] = {
    Action.CREATE: Kind.CREATE,
    Action.UPDATE: Kind.UPDATE,
    Action.DELETE: Kind.DELETE,
}


@dataclass(frozen=True, slots=True)
class _Taken:
    """An entry that is to become an intent, and its table."""

    change: Change
    table: Table


class Intake:
    """Follows the feed. What Airtable itself has done, and what belongs to tables that stay ``apart``, is passed by."""

    def __init__(self, workspace: Workspace, database: Database, *, apart: Container[TableId]) -> None:
        self._workspace = workspace
        self._database = database
        self._apart = apart
        self._taking = asyncio.Lock()
        self.position = 0
        """The feed position up to which all callers' writes are intents."""

    async def begin(self) -> None:
        """Go on where intake ended; the very first time at the feed's end, for what is older is not ours to send."""
        async with self._database.transaction() as tx:
            self.position = await rows.begin_cursor(tx, rows.TAKEN, self._workspace.head.seq)

    async def take(self) -> int:
        """Make intents of everything that callers have written, and return the position up to which that is done."""
        async with self._taking:
            while changes := await self._workspace.changes(after=self.position, count=PORTION):
                self.position = await self._take(self.position, changes)
            return self.position

    async def _take(self, position: int, changes: Sequence[Change]) -> int:
        taken = [each for change in changes if (each := self._ours(change)) is not None]
        async with self._database.transaction() as tx:
            present = await rows.begin_cursor(tx, rows.TAKEN, position)
            if present != position:
                return present  # another process was faster, and goes on from there
            await rows.add(tx, await _intents(tx, taken))
            await rows.move_cursor(tx, rows.TAKEN, changes[-1].seq)
        return changes[-1].seq

    def _ours(self, change: Change) -> _Taken | None:
        if change.actor == CLOUD or change.table in self._apart or change.action not in _KINDS:
            return None
        if change.before is None and change.after is None:
            return None  # old telemetry, whose content was dropped
        try:
            table = self._workspace.table(change.table)
        except UnknownTable:
            return None  # it is gone there, and the mirror has let go of it here
        if change.action is Action.UPDATE and not _written(table, _after(change)):
            return None
        return _Taken(change, table)


async def _intents(tx: Transaction, taken: Sequence[_Taken]) -> list[Intent]:
    if not taken:
        return []
    created = {each.change.record for each in taken if each.change.action is Action.CREATE}
    named = frozenset().union(*(linked(each.table, _after(each.change)) for each in taken))
    new = created | await rows.unborn(tx, named)
    real = await rows.real_ids(tx, {each.change.record for each in taken})
    turns = await rows.next_turns(tx, {each.change.actor for each in taken})
    made: list[Intent] = []
    for each in taken:
        change = each.change
        target = change.record if change.action is Action.CREATE else real.get(change.record, change.record)
        made += _with_links_apart(_intent(each, target, turns[change.actor]), each.table, new)
        turns[change.actor] += 1
    return made


def _intent(taken: _Taken, target: RecordId, turn: int) -> Intent:
    change, table = taken.change, taken.table
    after, before = _after(change), _cells(change.before)
    kind = _KINDS[change.action]
    key = creation_key(table)
    own = None if key is None or key.minted else key.field
    return Intent(
        numbered(change.seq),
        table.id,
        change.record,
        target,
        kind,
        _written(table, after),
        {} if kind is Kind.DELETE else _written(table, before),
        change.actor,
        change.cause,
        parse_iso(change.at),
        turn,
        key_before=_text(before, own),
        key_after=_text(after, own),
    )


def _with_links_apart(intent: Intent, table: Table, new: frozenset[RecordId] | set[RecordId]) -> list[Intent]:
    """Let a create's links to other new records follow as an update, so that no two creates wait for each other."""
    if intent.kind is not Kind.CREATE:
        return [intent]
    later = {
        field.id: intent.cells[field.id]
        for field in table.link_fields
        if linked(table, {field.id: intent.cells.get(field.id)}) & new
    }
    if not later:
        return [intent]
    cells = {name: cell for name, cell in intent.cells.items() if name not in later}
    number = numbered(intent.seq, second=True)
    links = replace(intent, number=number, kind=Kind.UPDATE, cells=later, before={}, key_before=None, key_after=None)
    return [replace(intent, cells=cells), links]


def _after(change: Change) -> Mapping[FieldId, Cell | None]:
    return {} if change.action is Action.DELETE else _cells(change.after)


def _cells(cells: Mapping[str, Cell | None] | None) -> Mapping[FieldId, Cell | None]:
    return {FieldId(name): cell for name, cell in (cells or {}).items()}


def _written(table: Table, cells: Mapping[FieldId, Cell | None]) -> Mapping[FieldId, Cell | None]:
    """Leave out what Airtable works out itself."""
    return {name: cell for name, cell in cells.items() if name in table.by_id and not table.by_id[name].computed}


def _text(cells: Mapping[FieldId, Cell | None], key: FieldId | None) -> str | None:
    value = None if key is None else cells.get(key)
    return None if value is None else str(value)
