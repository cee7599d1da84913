"""Formulas over cells that another base tells: in shapes that are never worked out here."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.factories.records import Base, a_table, opened_base

from airtable_connector.database import Database
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.records import CLOUD, Actor, Copy, Field, FieldType, Query, stable_id

pytestmark = pytest.mark.anyio

ONE, TWO = (RecordId(f"recTold{number:010}") for number in (1, 2))


def told(name: str, kind: FieldType, **options: Any) -> Field:
    return Field(FieldId(stable_id("fld", "tests", name)), name, kind, options, told=True)


TABLE = a_table(
    "Told",
    None,
    told("Name", FieldType.SINGLE_LINE_TEXT),
    told("Summary", FieldType.AI_TEXT),
    told("Strange", FieldType.AI_TEXT, airtableType="hologram"),
    told("Labels", FieldType.ROLLUP),
    told("Files", FieldType.MULTIPLE_ATTACHMENTS),
)
CELLS: dict[str, Any] = {
    "Name": "one",
    "Summary": {"state": "generated", "isStale": False, "value": "all is well"},
    "Strange": {"error": {"depth": [1]}},
    "Labels": ["a", "b"],
    "Files": [{"id": "att00000000000001", "filename": "a.png"}],
}


@pytest.fixture
async def base(database: Database, clock: Any) -> AsyncIterator[Base]:
    async with opened_base(database, clock=clock, tables=[TABLE]) as opened:
        cells = {TABLE.field(name).id: cell for name, cell in CELLS.items()}
        created = "2025-03-04T05:06:07.000Z"
        copies = [Copy(TABLE, ONE, created, cells), Copy(TABLE, TWO, created, {TABLE.field("Name").id: "two"})]
        await opened.do(*copies, actor=Actor(CLOUD, "cause"))
        yield opened


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        ("{Summary}='all is well'", 1),
        ("FIND('well', {Summary})", 1),
        ("{Summary}=BLANK()", 1),
        ("LEN({Strange}&'')=0", 2),
        ("FIND('b', CONCATENATE({Labels}, ''))", 1),
        ("FIND('a.png', {Files}&'')", 1),
    ],
)
async def test_what_is_told_is_read_as_a_text(base: Base, formula: str, found: int) -> None:
    page = await base.workspace.page(Query(TABLE, formula=base.workspace.formula(formula, TABLE)))
    assert len(page.records) == found
