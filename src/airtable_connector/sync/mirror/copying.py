"""Writing down what Airtable tells of records, without losing what callers have written meanwhile.

Whoever reads at Airtable begins with `Copier.begin`: the position in the feed and the moment before the reading tell
afterwards whose value is newer. A record that callers have changed since then is overtaken, and must be read again.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from airtable_connector.airtable import AirtableClient, CloudRecord, Lane, value_of
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.ids import FieldId, Ids, RecordId, TableId
from airtable_connector.records import (
    CLOUD,
    Action,
    Actor,
    Cell,
    Copy,
    Done,
    Effected,
    FieldType,
    Forget,
    Table,
    Workspace,
    WriteRequest,
)
from airtable_connector.sync.overlay import NOTHING_OPEN, Conflict, OpenRecord, Outgoing, Rule, Told, overlay
from airtable_connector.sync.told import strangers, told_cells

TRIES: Final = 3
"""How often a record is read that callers keep overtaking, before it is left for later."""

_MOVING: Final = frozenset({Effected.CREATED, Effected.UPDATED, Effected.DELETED})


@dataclass(frozen=True, slots=True)
class Basis:
    """Where the feed stood, and when it was, before Airtable was asked."""

    position: int
    at: datetime


@dataclass
class Effect:
    """What became of records: how many rows and cells changed here, and which records must be read again.

    ``missing`` are those that Airtable has not; nothing was done about them. ``strange`` are fields of which records
    show that the schema is not the one known here.
    """

    rows: int = 0
    cells: int = 0
    overtaken: set[RecordId] = field(default_factory=set)
    missing: set[RecordId] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)

    def add(self, other: "Effect") -> None:
        """Count what another one did as well; what is to be read again is the other's alone."""
        self.rows += other.rows
        self.cells += other.cells
        self.overtaken = other.overtaken
        self.missing |= other.missing
        self.strange |= other.strange


class Copier:
    """Brings records of the base here to what Airtable tells of them."""

    def __init__(
        self, workspace: Workspace, client: AirtableClient, outgoing: Outgoing, *, clock: Clock, ids: Ids
    ) -> None:
        self._workspace = workspace
        self._client = client
        self._outgoing = outgoing
        self._clock = clock
        self._ids = ids

    async def begin(self) -> Basis:
        """Note where things stand; ask Airtable only afterwards."""
        return Basis(await self._outgoing.take(), self._clock.now())

    async def copy(self, table: Table, records: Sequence[CloudRecord], basis: Basis) -> Effect:
        """Have records as Airtable told them, with callers' open writes over that."""
        effect = Effect(strange={name for record in records for name in strangers(table, record)})
        told = [(record, told_cells(table, record)) for record in records]
        effect.add(await self.copy_told(table, [(each.id, iso(each.created_at), cells) for each, cells in told], basis))
        return effect

    async def copy_told(
        self, table: Table, told: Sequence[tuple[RecordId, str, dict[FieldId, Cell]]], basis: Basis
    ) -> Effect:
        """Have records as they are told, in the form in which they are kept: each with when it was created."""
        opened = await self._outgoing.open_cells({record for record, _, _ in told}, since=basis.at)
        rule = self._outgoing.rule(table.id)
        copies: list[Copy] = []
        conflicts: list[Conflict] = []
        for record, created_at, cells in told:
            there = Told(table.id, record, cells, _changed_at(table, cells))
            shown = overlay(there, opened.get(record, NOTHING_OPEN), rule)
            conflicts += shown.conflicts
            if shown.cells is not None:
                copies.append(Copy(table, record, created_at, shown.cells, basis.position))
        if conflicts:
            # before the values are shown: a value that has lost must not be sent any more
            await self._outgoing.record_conflicts(conflicts)
        return await self._write(copies)

    async def forget(self, table: Table, records: Collection[RecordId], basis: Basis) -> Effect:
        """Have records no more that Airtable has no more; those that callers have just made stay."""
        opened = await self._outgoing.open_cells(records, since=basis.at)
        doomed = [record for record in records if not opened.get(record, NOTHING_OPEN).created]
        return await self._write([Forget(table, record, basis.position) for record in doomed])

    async def read_again(self, table: TableId, records: Collection[RecordId], *, lane: Lane) -> Effect:
        """Read up to a hundred records by their ids and have them as they are; what Airtable has not is `missing`.

        Raises:
            CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
        """
        effect = Effect(overtaken=set(records))
        for _ in range(TRIES):
            if not effect.overtaken:
                break
            asked = sorted(effect.overtaken)
            basis = await self.begin()
            page = value_of(await self._client.get(table, asked, lane=lane))
            effect.add(await self.copy(self._workspace.table(table), page.records, basis))
            effect.missing |= set(asked) - {record.id for record in page.records}
        return effect

    async def open_records(self, records: Collection[RecordId], basis: Basis) -> dict[RecordId, OpenRecord]:
        """Return what callers have open of records."""
        return dict(await self._outgoing.open_cells(records, since=basis.at))

    def rule(self, table: TableId) -> Rule:
        """Return who wins in a table."""
        return self._outgoing.rule(table)

    async def _write(self, operations: Sequence[Copy | Forget]) -> Effect:
        effect = Effect()
        if not operations:
            return effect
        done = await self._workspace.write(WriteRequest(Actor(CLOUD, self._ids.trace()), tuple(operations)))
        assert isinstance(done, Done)  # nothing of ours is repeatable
        for operation, written in zip(operations, done.written, strict=True):
            if written.effect is Effected.OVERTAKEN:
                effect.overtaken.add(operation.record)
            effect.rows += written.effect in _MOVING
        if effect.rows:
            effect.cells = await self._cells(done)
        return effect

    async def _cells(self, done: Done) -> int:
        entries = await self._workspace.changes(after=done.first - 1, count=done.seq - done.first + 1)
        return sum(len(entry.after or ()) for entry in entries if entry.action is Action.UPDATE)


def _changed_at(table: Table, cells: dict[FieldId, Cell]) -> datetime | None:
    """Return when a record was last changed there, if a field tells it for all its cells."""
    for each in _clocks(table):
        cell = cells.get(each)
        if isinstance(cell, str):
            try:
                return parse_iso(cell)
            except ValueError:
                return None
    return None


def _clocks(table: Table) -> Iterable[FieldId]:
    for each in table.fields:
        if each.type is FieldType.LAST_MODIFIED_TIME and not each.options.get("referencedFieldIds"):
            yield FieldId(each.id)
