"""What is open, as whoever shows records wants to know it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from airtable_connector.database import Reader
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.records import Cell, Table, UnknownTable, Workspace
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.intents import Intent, by_target, linked, opened
from airtable_connector.sync.overlay import OpenRecord

MOST_READ: Final = 20_000
"""Intents read in one go; so many of one portion of records would be a flood of writes to few records."""


async def read_open(
    reader: Reader,
    workspace: Workspace,
    records: Collection[RecordId],
    *,
    since: datetime | None = None,
    besides: Collection[int] = (),
) -> Mapping[RecordId, OpenRecord]:
    """Return what is open for records, ``besides`` some intents, and what was done since a moment."""
    real = await rows.real_ids(reader, records)
    targets = {*records, *real.values()}
    intents = await rows.open_of(reader, targets, count=MOST_READ)
    if since is not None:
        intents += await rows.done_lately(reader, targets, since=since, count=MOST_READ)
    intents = await with_real_links(reader, workspace, [each for each in intents if each.number not in besides])
    found = {target: opened(group) for target, group in by_target(intents).items()}
    return {record: found[real.get(record, record)] for record in records if real.get(record, record) in found}


async def with_real_links(reader: Reader, workspace: Workspace, intents: Sequence[Intent]) -> list[Intent]:
    """Let the links of intents have the ids that Airtable has given meanwhile."""
    tables = {each.table: table_or_none(workspace, each) for each in intents}
    named: set[RecordId] = set()
    for intent in intents:
        table = tables[intent.table]
        if table is not None:
            named |= linked(table, intent.cells) | linked(table, intent.before)
    real = await rows.real_ids(reader, named)
    return [_resolved(intent, tables[intent.table], real) for intent in intents]


def table_or_none(workspace: Workspace, intent: Intent) -> Table | None:
    """Return an intent's table; None when the base has it no more."""
    try:
        return workspace.table(intent.table)
    except UnknownTable:
        return None


def _resolved(intent: Intent, table: Table | None, real: Mapping[RecordId, RecordId]) -> Intent:
    if table is None or not real:
        return intent
    return replace(
        intent, cells=_cells_resolved(table, intent.cells, real), before=_cells_resolved(table, intent.before, real)
    )


def _cells_resolved(
    table: Table, cells: Mapping[FieldId, Cell | None], real: Mapping[RecordId, RecordId]
) -> Mapping[FieldId, Cell | None]:
    links = {field.id for field in table.link_fields}
    return {
        name: [real.get(each, each) for each in cell] if name in links and isinstance(cell, list) else cell
        for name, cell in cells.items()
    }
