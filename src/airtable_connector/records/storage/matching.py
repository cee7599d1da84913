"""A query with a formula: SQL finds what the rest of it asks for, the formula decides record by record."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from airtable_connector.database import Reader
from airtable_connector.kernel.ids import TableId
from airtable_connector.records.formula import Context, Fact, Formula, Input, Work
from airtable_connector.records.query import Position, Query, sort_key
from airtable_connector.records.schema import Cell, Field, FieldType, Record, Table
from airtable_connector.records.storage.questions import find
from airtable_connector.records.storage.records import records_by_id

SLICE = 500
"""Records that a formula is asked for at a time; deciding over them takes a few milliseconds."""

MOST_WORK = 100_000_000
"""Steps that one question may take, some two seconds of a processor."""

LINKS = frozenset({FieldType.MULTIPLE_RECORD_LINKS})


async def find_matching(
    reader: Reader, query: Query, tables: Mapping[TableId, Table], *, now: datetime
) -> list[Record]:
    """Answer a question with a formula: like `find`, but every record that the rest of it finds is asked one by one.

    The other tasks get a turn between slices of records.

    Raises:
        FormulaTooCostly: the formula takes more work than one question is given.
    """
    formula = query.formula
    assert formula is not None
    names: dict[str, str] = {}
    context = Context(now, names, Work(MOST_WORK))
    found: list[Record] = []
    slice_ = replace(query, page_size=SLICE)
    while True:
        records = (await find(reader, slice_))[:SLICE]
        if formula.reads_links:
            names |= await _names_of_linked(reader, formula, records, tables, known=names)
        columns = [[_input(record, each) for record in records] for each in formula.inputs]
        for index in formula.matching(columns, len(records), context):
            found.append(records[index])
            if len(found) > query.page_size:
                return found
        if len(records) < SLICE:
            return found
        last = records[-1]
        keys = tuple(part for sort in query.sort for part in sort_key(sort, last))
        slice_ = replace(slice_, after=Position(last.ordinal, keys))
        await asyncio.sleep(0)  # noqa: TID251 - a turn for others, no waiting


def _input(record: Record, wanted: Input) -> Cell | None:
    match wanted:
        case Fact.RECORD_ID:
            return record.id
        case Fact.CREATED:
            return record.created_at
        case Fact.MODIFIED:
            return record.modified_at
        case _:
            return record.cells.get(wanted.id)


async def _names_of_linked(
    reader: Reader,
    formula: Formula,
    records: Sequence[Record],
    tables: Mapping[TableId, Table],
    *,
    known: Mapping[str, str],
) -> dict[str, str]:
    """Return the names of the records that these link to: the text of their table's first field."""
    links = [each for each in formula.inputs if isinstance(each, Field) and each.type in LINKS]
    cells = (record.cells.get(field.id) for record in records for field in links)
    wanted = {str(item) for cell in cells if isinstance(cell, list) for item in cell if item not in known}
    linked = await records_by_id(reader, sorted(wanted)) if wanted else []
    return {record.id: str(record.cells.get(tables[record.table].fields[0].id, "")) for record in linked}
