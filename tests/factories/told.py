"""Tables as another base tells them, and who tells."""

import dataclasses
from typing import Any

from tests.factories.records import Base, a_table, choices

from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.records import CLOUD, Actor, Copy, Field, FieldType, SchemaEvent, Table, stable_id

AIRTABLE = Actor(CLOUD, "00000000-0000-4000-8000-00000000c10d")
CREATED = "2025-03-04T05:06:07.000Z"
ONE, TWO, THREE = (RecordId(f"recTold{number:010}") for number in (1, 2, 3))


def a_told_field(name: str, kind: FieldType = FieldType.SINGLE_LINE_TEXT, **options: Any) -> Field:
    return Field(FieldId(stable_id("fld", "told", name)), name, kind, options, told=True)


def with_fields(table: Table, *fields: Field, **changes: Any) -> Table:
    return dataclasses.replace(table, fields=fields, **changes)


NAME, SIZE = a_told_field("Name"), a_told_field("Size", FieldType.NUMBER, precision=1)
STAGE = a_told_field("Stage", FieldType.SINGLE_SELECT, choices=choices("Waiting", "Done"))
NEXT = a_told_field("Next", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=stable_id("tbl", "tests", "Tasks"))
TASKS = a_table("Tasks", "Name", NAME, SIZE, STAGE, NEXT)
PEOPLE = a_table("People", "Name", dataclasses.replace(NAME, id=FieldId("fldOfPeople0000001")))


async def adopt(base: Base, *tables: Table) -> list[tuple[SchemaEvent, str, str | None]]:
    """Have a base adopt tables, and return what that changed."""
    changes = await base.workspace.adopt_tables(tables, actor=AIRTABLE)
    return [(change.event, change.name, change.before) for change in changes]


async def copy(base: Base, record: RecordId, **cells: Any) -> None:
    """Copy a record of `TASKS` with these cells, by field name."""
    now = base.workspace.table(TASKS.id)
    told = {now.field(name).id: cell for name, cell in cells.items()}
    await base.do(Copy(now, record, CREATED, told), actor=AIRTABLE)
