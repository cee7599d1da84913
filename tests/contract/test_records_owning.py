"""Tables of another base become our own, and own ones make room for another base's, on both stores."""

from collections.abc import AsyncIterator

import pytest
from tests.factories.records import ADA, PROJECTS, Base, opened_base
from tests.factories.told import AIRTABLE, NAME, NEXT, ONE, SIZE, TASKS, TWO, a_told_field, adopt, copy, with_fields
from tests.fakes import FakeClock

from airtable_connector.database import Database
from airtable_connector.records import CannotBeOwned, Create, FieldType, Update, is_aside, name_before

pytestmark = pytest.mark.anyio

TWICE = a_told_field("Twice", FieldType.FORMULA, formula=f"{{{SIZE.id}}} * 2", result={"type": "number"})
NUMBER = a_told_field("Number", FieldType.AUTO_NUMBER)
FILES = a_told_field("Files", FieldType.MULTIPLE_ATTACHMENTS)
EDITED = a_told_field("Edited", FieldType.LAST_MODIFIED_TIME)


@pytest.fixture
async def base(database: Database, clock: FakeClock) -> AsyncIterator[Base]:
    async with opened_base(database, clock=clock, tables=[]) as opened:
        yield opened


async def test_cells_stay_numbers_go_on_and_formulas_are_computed_here_from_then_on(base: Base) -> None:
    await adopt(base, with_fields(TASKS, NAME, SIZE, NEXT, TWICE, NUMBER, FILES, EDITED))
    await copy(base, ONE, Name="one", Size=1.5, Next=[TWO], Twice=3, Number=7)
    file = {"id": "att00000000000001", "filename": "a.txt", "size": 1, "type": "text/plain"}
    await copy(base, TWO, Name="two", Twice=99, Number=41, Files=[file], Edited="2025-01-01T00:00:00.000Z")

    await base.workspace.own_tables(actor=ADA)
    table = base.workspace.table(TASKS.id)
    assert not any(field.told for field in table.fields)
    one, two = await base.cells(table, ONE), await base.cells(table, TWO)
    assert one is not None
    assert two is not None
    assert (one["Name"], one["Size"], one["Next"], one["Number"]) == ("one", 1.5, [TWO], 7)
    assert (two["Name"], two["Number"], two.get("Files")) == ("two", 41, None)
    await base.do(Update(table, ONE, {"Size": 4}))
    await base.do(Create(table, {"Name": "three", "Size": 2}))
    found = {cells["Name"]: cells for cells in [await base.cells(table, key) or {} for key in ("one", "three")]}
    assert (found["one"]["Twice"], found["three"]["Twice"], found["three"]["Number"]) == (8, 4, 42)


async def test_fields_that_cannot_be_had_here_are_all_named_and_nothing_changes(base: Base) -> None:
    poem = a_told_field("Poem", FieldType.AI_TEXT)
    lost = a_told_field("Lost", FieldType.COUNT)
    await adopt(base, with_fields(TASKS, NAME, poem, lost))
    head = base.workspace.head
    with pytest.raises(CannotBeOwned) as refused:
        await base.workspace.own_tables(actor=ADA)
    assert "2 fields cannot be had here: Tasks.Poem" in refused.value.message
    assert "Tasks.Lost" in refused.value.message
    assert base.workspace.head == head
    assert base.workspace.table(TASKS.id).told


async def test_own_tables_are_set_aside_once_and_removed_while_told_ones_stay(base: Base) -> None:
    await base.workspace.add_table(PROJECTS, actor=ADA)
    await base.create(PROJECTS, Code="p")
    await base.workspace.set_aside(actor=ADA)
    head = base.workspace.head
    await base.workspace.set_aside(actor=ADA)
    assert base.workspace.head == head
    aside = base.workspace.table(PROJECTS.id)
    assert (is_aside(aside), name_before(aside)) == (True, "Projects")
    assert [record.key for record in await base.workspace.oldest(aside, count=9)] == ["p"]
    await adopt(base, with_fields(TASKS, NAME, name="Projects"))
    await base.workspace.remove_aside(actor=AIRTABLE)
    assert [table.id for table in base.workspace.tables.values()] == [TASKS.id]
