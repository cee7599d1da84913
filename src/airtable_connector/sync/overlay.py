"""What a record shows while callers' writes to it are on their way: what Airtable has, and what we know better.

Pure. The mirror asks whoever sends the writes (`Outgoing`) what is open, and shows what `overlay` answers.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.records import Cell


class Rule(StrEnum):
    """Who wins when a cell was changed on both sides since either saw the other's value."""

    THEIRS = "theirs"
    OURS = "ours"
    NEWEST = "newest"
    """The later change. One whose moment nobody told counts as the earlier: ours was acknowledged."""


class Side(StrEnum):
    """Whose value a cell has after a conflict."""

    THEIRS = "theirs"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class OpenCell:
    """A cell that callers have written and Airtable has not confirmed.

    ``intent`` is the number of the last such write, made at ``at``. ``before`` are the values that Airtable may have
    without anybody else having changed the cell: what the writes found, the first of them and each one after it.
    """

    intent: int
    ours: Cell | None = dataclasses.field(repr=False)
    before: tuple[Cell | None, ...] = dataclasses.field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """What is on its way for one record. What Airtable told may not have one yet that was ``created`` here."""

    cells: Mapping[FieldId, OpenCell] = dataclasses.field(default_factory=dict)
    created: bool = False
    removed: bool = False


NOTHING_OPEN: Final = OpenRecord()


@dataclass(frozen=True, slots=True)
class Told:
    """A record's cells as Airtable told them, in the form in which they are kept here.

    ``changed_at`` is when the record was last changed there, if that is known.
    """

    table: TableId
    record: RecordId
    cells: Mapping[FieldId, Cell] = dataclasses.field(repr=False)
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A cell that was changed on both sides. Both values are kept for people, whoever won."""

    table: TableId
    record: RecordId
    field: FieldId
    intent: int
    ours: Cell | None = dataclasses.field(repr=False)
    theirs: Cell | None = dataclasses.field(repr=False)
    won: Side


@dataclass(frozen=True, slots=True)
class Overlaid:
    """What is to be shown: the record's cells, or None when callers have removed it."""

    cells: Mapping[FieldId, Cell] | None = dataclasses.field(repr=False)
    conflicts: Sequence[Conflict] = ()


class Outgoing(Protocol):
    """Callers' writes on their way to Airtable, for whoever writes down what Airtable told."""

    async def take(self) -> int:
        """Take note of all that callers have written, and return the feed position up to which that is so."""
        ...

    async def open_cells(self, records: Collection[RecordId], *, since: datetime) -> Mapping[RecordId, OpenRecord]:
        """Return what is open for those of the records for which anything is.

        ``since`` is when the reading of what is to be overlaid began: what Airtable confirmed after that moment still
        counts as open, because the reading may not show it.
        """
        ...

    async def record_conflicts(self, conflicts: Sequence[Conflict]) -> None:
        """Keep conflicts for people, and send no value any more that has lost. Harmless when repeated."""
        ...

    def rule(self, table: TableId) -> Rule:
        """Return who wins in a table."""
        ...


def overlay(told: Told, open_record: OpenRecord, rule: Rule) -> Overlaid:
    """Put what callers have written over what Airtable told.

    A cell that is there as a caller's write found it, or as it wants it, shows the caller's value. One that is there as
    neither was changed by somebody else meanwhile: a conflict, which the rule decides.
    """
    if open_record.removed:
        return Overlaid(None)
    cells = dict(told.cells)
    conflicts = []
    for name, ours in open_record.cells.items():
        theirs = told.cells.get(name)
        if theirs != ours.ours and theirs not in ours.before:
            won = _winner(ours, told.changed_at, rule)
            conflicts.append(Conflict(told.table, told.record, name, ours.intent, ours.ours, theirs, won))
            if won is Side.THEIRS:
                continue
        if ours.ours is None:
            cells.pop(name, None)
        else:
            cells[name] = ours.ours
    return Overlaid(cells, conflicts)


def _winner(ours: OpenCell, theirs_at: datetime | None, rule: Rule) -> Side:
    match rule:
        case Rule.THEIRS:
            return Side.THEIRS
        case Rule.OURS:
            return Side.OURS
        case Rule.NEWEST:
            return Side.THEIRS if theirs_at is not None and theirs_at > ours.at else Side.OURS
