"""Tables as another base has them: adopted whole, found by their former names, removed with their records."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.factories.records import ADA, PROJECTS, Base, opened_base
from tests.factories.told import (
    AIRTABLE,
    NAME,
    NEXT,
    ONE,
    PEOPLE,
    SIZE,
    STAGE,
    TASKS,
    TWO,
    a_told_field,
    adopt,
    copy,
    with_fields,
)
from tests.fakes import FakeClock

from airtable_connector.database import Database, DatabaseLocation, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import (
    CLOUD,
    Action,
    Create,
    Field,
    FieldType,
    Forget,
    Query,
    SchemaEvent,
    Sort,
    TableNameTaken,
    UnknownTable,
    Update,
    Verified,
    read_tables,
    verify_feed,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def base(database: Database, clock: FakeClock) -> AsyncIterator[Base]:
    async with opened_base(database, clock=clock, tables=[]) as opened:
        yield opened


async def shown(base: Base, record: RecordId) -> dict[str, Any] | None:
    found = await base.workspace.locate(record)
    return None if found is None else await base.cells(found[0], record)


async def test_a_base_without_tables_adopts_those_it_is_told_of(base: Base, database: Database) -> None:
    assert base.workspace.tables == {}
    assert await adopt(base, TASKS, PEOPLE) == [
        (SchemaEvent.TABLE_ADDED, "Tasks", None), (SchemaEvent.TABLE_ADDED, "People", None),
    ]  # fmt: skip
    assert base.workspace.tables == {"Tasks": TASKS, "People": PEOPLE}
    changes = await base.workspace.changes(after=0, count=9)
    assert [(each.action, each.actor, each.table) for each in changes] == [
        (Action.SCHEMA, CLOUD, TASKS.id), (Action.SCHEMA, CLOUD, PEOPLE.id),
    ]  # fmt: skip
    async with database.reading() as reader:
        assert await read_tables(reader) == (TASKS, PEOPLE)


async def test_what_is_adopted_already_changes_nothing(base: Base) -> None:
    await adopt(base, TASKS, PEOPLE)
    head = base.workspace.head
    assert await adopt(base, TASKS, PEOPLE) == []
    assert base.workspace.head == head


async def test_tables_may_change_names_with_each_other(base: Base) -> None:
    await adopt(base, TASKS, PEOPLE)
    await copy(base, ONE, Name="Ada")
    swapped = [dataclasses.replace(TASKS, name="People"), dataclasses.replace(PEOPLE, name="Tasks")]
    assert await adopt(base, *swapped) == [
        (SchemaEvent.TABLE_RENAMED, "People", "Tasks"), (SchemaEvent.TABLE_RENAMED, "Tasks", "People"),
    ]  # fmt: skip
    assert [base.workspace.table(name).id for name in ("People", "Tasks")] == [TASKS.id, PEOPLE.id]
    assert await shown(base, ONE) == {"Name": "Ada"}


async def test_former_names_lead_to_the_last_that_had_them(base: Base) -> None:
    # the first in the order is the last that has the name
    await adopt(base, PEOPLE, TASKS)
    await adopt(base, dataclasses.replace(TASKS, name="Work"), PEOPLE)
    assert base.workspace.table("Tasks").name == "Work"
    await adopt(base, dataclasses.replace(TASKS, name="Work"), dataclasses.replace(PEOPLE, name="Tasks"))
    assert base.workspace.table("Tasks").id == PEOPLE.id
    await adopt(base, dataclasses.replace(TASKS, name="Work"), dataclasses.replace(PEOPLE, name="Folk"))
    assert base.workspace.table("Tasks").id == PEOPLE.id
    await adopt(base, dataclasses.replace(TASKS, name="Tasks"), dataclasses.replace(PEOPLE, name="Folk"))
    assert base.workspace.table("Tasks").former_names == ("Work",)


async def test_a_field_is_found_by_its_former_name(base: Base) -> None:
    await adopt(base, TASKS)
    await copy(base, ONE, Name="Ada", Size=1)
    renamed = dataclasses.replace(SIZE, name="Hours")
    assert await adopt(base, with_fields(TASKS, NAME, renamed, STAGE, NEXT)) == [
        (SchemaEvent.FIELD_RENAMED, "Hours", "Size")
    ]
    now = base.workspace.table("Tasks")
    await base.do(Update(now, ONE, {"Size": 2}))
    assert await shown(base, ONE) == {"Name": "Ada", "Hours": 2}
    formula = base.workspace.formula("{Size} = 2", now)
    assert await base.names(Query(now, formula=formula)) == ["Ada"]

    heir = dataclasses.replace(STAGE, name="Size")
    await adopt(base, with_fields(TASKS, NAME, renamed, heir, NEXT))
    assert base.workspace.table("Tasks").field("Size").id == STAGE.id
    await adopt(base, with_fields(TASKS, NAME, renamed, STAGE, NEXT))
    assert base.workspace.table("Tasks").field("Size").id == STAGE.id


async def test_a_removed_table_goes_with_its_records(base: Base, database: Database) -> None:
    await adopt(base, TASKS, PEOPLE)
    await base.shelved()
    await copy(base, ONE, Name="Ada", Next=[TWO])
    await base.workspace.comments.add(TASKS, ONE, "so be it", author=5, parent=None)
    assert await adopt(base, PEOPLE) == [(SchemaEvent.TABLE_REMOVED, "Tasks", None)]

    assert base.workspace.tables == {"People": PEOPLE}
    assert base.workspace.memory == 0
    assert await base.workspace.locate(ONE) is None
    with pytest.raises(UnknownTable):
        base.workspace.table("Tasks")
    with pytest.raises(UnknownTable):
        await base.do(Create(TASKS, {"Name": "late"}))
    async with database.reading() as reader:
        for name in ("select 1 from records", "select 1 from links", "select 1 from comments"):
            assert await reader.all(name) == []
    last = (await base.workspace.changes(after=0, count=9))[-1]
    assert (last.action, last.table, last.before, last.after) == (Action.SCHEMA, TASKS.id, TASKS.definition(), None)
    assert isinstance(await verify_feed(database), Verified)
    # and may come back
    await adopt(base, PEOPLE, TASKS)
    await copy(base, ONE, Name="Ada", Next=[TWO])
    assert await shown(base, ONE) == {"Name": "Ada", "Next": [TWO]}


async def test_another_process_shows_what_was_adopted(base: Base, location: DatabaseLocation) -> None:
    await adopt(base, TASKS, PEOPLE)
    async with open_database(location, clock=SystemClock()) as second, opened_base(second, tables=[]) as other:
        await other.shelved()
        await copy(base, ONE, Name="Ada")
        await adopt(base, TASKS)
        await other.workspace.follow()
        assert other.workspace.tables == {"Tasks": TASKS}
        assert await shown(other, ONE) == {"Name": "Ada"}


async def test_a_renamed_choice_is_renamed_in_every_cell(base: Base) -> None:
    await adopt(base, TASKS)
    await copy(base, ONE, Stage="Waiting")
    held = STAGE.options["choices"]
    renamed = dataclasses.replace(STAGE, options={"choices": [{**held[0], "name": "Queued"}, held[1]]})
    assert await adopt(base, with_fields(TASKS, NAME, SIZE, renamed, NEXT)) == [
        (SchemaEvent.FIELD_CHANGED, "Stage", None)
    ]
    assert await shown(base, ONE) == {"Stage": "Queued"}


async def test_cells_of_a_field_with_another_type_are_empty_until_they_are_told(base: Base) -> None:
    await adopt(base, TASKS)
    await base.shelved()
    await copy(base, ONE, Name="Ada", Next=[TWO], Size=2)
    text = Field(NEXT.id, NEXT.name, FieldType.SINGLE_LINE_TEXT, told=True)
    number = Field(NAME.id, NAME.name, FieldType.NUMBER, told=True)
    assert await adopt(base, with_fields(TASKS, number, SIZE, STAGE, text, key=NEXT.id)) == [
        (SchemaEvent.TABLE_CHANGED, "Tasks", None),
        (SchemaEvent.FIELD_RETYPED, "Name", None),
        (SchemaEvent.FIELD_RETYPED, "Next", None),
    ]
    assert await shown(base, ONE) == {"Size": 2}
    now = base.workspace.table("Tasks")
    question = Query(now, sort=(Sort(now.field("Name")),), updated_since="0")
    assert len(await base.walk(question)) == 1
    # the links that the cells were are forgotten, or they would be in the way when they come back
    await adopt(base, TASKS)
    await copy(base, ONE, Name="Ada", Next=[TWO])
    assert await shown(base, ONE) == {"Name": "Ada", "Next": [TWO]}


async def test_a_removed_field_takes_its_cells_along(base: Base) -> None:
    await adopt(base, TASKS)
    await copy(base, ONE, Name="Ada", Size=2)
    assert await adopt(base, with_fields(TASKS, NAME, STAGE, NEXT)) == [(SchemaEvent.FIELD_REMOVED, "Size", None)]
    assert await adopt(base, TASKS) == [(SchemaEvent.FIELD_ADDED, "Size", None)]
    assert await shown(base, ONE) == {"Name": "Ada"}


async def test_another_key_is_given_to_the_first_record_that_has_it(base: Base) -> None:
    title = a_told_field("Title")
    await adopt(base, with_fields(TASKS, NAME, title))
    await copy(base, ONE, Name="Ada", Title="T")
    await copy(base, TWO, Name="Bob", Title="T")
    await adopt(base, with_fields(TASKS, NAME, title, key=title.id))
    now = base.workspace.table("Tasks")
    first, second = await base.workspace.find(now, ONE), await base.workspace.find(now, TWO)
    assert first is not None
    assert second is not None
    assert (first.key, second.key) == ("T", None)
    await base.do(Forget(now, ONE), actor=AIRTABLE)
    assert (await base.workspace.find(now, "T") or first).id == TWO
    await base.do(Update(now, TWO, {"Title": "U"}))
    assert (await base.workspace.find(now, "U") or first).id == TWO


async def test_fields_in_another_order_are_shown_in_it(base: Base) -> None:
    await adopt(base, TASKS)
    await copy(base, ONE, Name="Ada", Size=2)
    assert await adopt(base, with_fields(TASKS, SIZE, NAME, STAGE, NEXT)) == [
        (SchemaEvent.TABLE_CHANGED, "Tasks", None)
    ]
    assert list(await shown(base, ONE) or {}) == ["Size", "Name"]
    assert (await base.workspace.changes(after=0, count=9))[-1].after == {
        "fieldOrder": [SIZE.id, NAME.id, STAGE.id, NEXT.id]
    }


async def test_tables_of_this_base_alone_stay_and_keep_their_names(base: Base) -> None:
    await base.workspace.add_table(PROJECTS, actor=ADA)
    await adopt(base, TASKS)
    await adopt(base)
    assert list(base.workspace.tables) == ["Projects"]
    with pytest.raises(TableNameTaken):
        await adopt(base, dataclasses.replace(TASKS, name="projects"))
    assert list(base.workspace.tables) == ["Projects"]


async def test_a_table_of_this_base_that_the_other_one_has_becomes_told(base: Base) -> None:
    own = dataclasses.replace(TASKS, fields=tuple(dataclasses.replace(field, told=False) for field in TASKS.fields))
    await base.workspace.add_table(own, actor=ADA)
    await adopt(base, TASKS)
    assert base.workspace.tables == {"Tasks": TASKS}


async def test_no_more_than_fifty_former_names_are_kept(base: Base) -> None:
    for number in range(60):
        await adopt(base, dataclasses.replace(TASKS, name=f"Tasks {number}"))
    assert base.workspace.table("Tasks 9").former_names == tuple(f"Tasks {number}" for number in range(9, 59))
    with pytest.raises(UnknownTable):
        base.workspace.table("Tasks 8")
