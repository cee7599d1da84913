"""Making an embedded base the mirror of one at Airtable: its records become records of the tables there.

Each record is moved within one transaction, under the id that it has, as a write of ours. So it is never in neither
table, and the outbox sends it as it sends whatever callers write: once, also after a crash. What is still in a table
that was set aside is what is left to be moved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from airtable_connector.kernel.ids import FieldId, Ids
from airtable_connector.records import (
    Actor,
    Cell,
    Copy,
    Field,
    FieldType,
    Forget,
    Operation,
    Record,
    Table,
    Workspace,
    WriteRequest,
    is_aside,
    name_before,
)

AT_ONCE: Final = 100
"""Records that are moved in one transaction."""


@dataclass
class Moved:
    """What was moved, and how many attachments had to be left out: Airtable fetches them from an address."""

    records: int = 0
    attachments: int = 0


async def move(workspace: Workspace, *, actor: Actor, ids: Ids) -> Moved:
    """Move the records of the tables that were set aside into the tables at Airtable that have their names.

    Run again after a crash, it goes on. The tables that were set aside are removed when they are empty.
    """
    moved = Moved()
    for own in [table for table in workspace.tables.values() if is_aside(table)]:
        told = counterpart(own, workspace.tables.values())
        while records := await workspace.oldest(own, count=AT_ONCE):
            operations, attachments = _moving(own, told, records)
            await workspace.write(WriteRequest(Actor(actor.droplet, ids.trace()), operations))
            moved.records += len(records)
            moved.attachments += attachments
    await workspace.remove_aside(actor=actor)
    return moved


def counterpart(own: Table, tables: Iterable[Table]) -> Table:
    """Return the told table of a table's name, in whatever letters.

    Raises:
        LookupError: there is none, which whoever compared the schemas has ruled out.
    """
    name = name_before(own).casefold()
    return next(table for table in tables if table.told and table.name.casefold() == name)


def _moving(own: Table, told: Table, records: Sequence[Record]) -> tuple[tuple[Operation, ...], int]:
    fields = _fields(own, told)
    operations: list[Operation] = []
    attachments = 0
    for record in records:
        cells: dict[FieldId, Cell] = {}
        for name, cell in record.cells.items():
            field = own.by_id.get(name)
            if field is not None and field.type is FieldType.MULTIPLE_ATTACHMENTS:
                attachments += len(cell) if isinstance(cell, list) else 0
            elif name in fields:
                cells[fields[name].id] = cell
        operations += [Forget(own, record.id), Copy(told, record.id, record.created_at, cells)]
    return tuple(operations), attachments


def _fields(own: Table, told: Table) -> Mapping[str, Field]:
    """Return the fields at Airtable that take cells, by the ids of those here."""
    named = {field.name.casefold(): field for field in told.fields if not field.computed}
    return {
        field.id: named[field.name.casefold()]
        for field in own.fields
        if not field.computed and field.name.casefold() in named
    }
