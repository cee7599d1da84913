"""A link field is seen from both tables: its inverse is made with it, and both cells change together."""

import pytest
from tests.contract.test_exchange import exported, imported, other
from tests.factories.records import ADA, EVERYTHING, PROJECTS, Base, a_field, a_table, link_to

from airtable_connector.records import (
    Action,
    Create,
    Delete,
    FieldType,
    InvalidCell,
    InvalidSchema,
    Table,
    Update,
)
from airtable_connector.records.exchange import OnKey, RowIds

__all__ = ["other"]

TEXT = FieldType.SINGLE_LINE_TEXT
TASKS = a_table("Tasks", "Task", a_field("Task", TEXT), link_to(PROJECTS, "Project"))


async def tasks(base: Base) -> tuple[Table, Table]:
    """Add a table that links to the projects; return both as they are now."""
    added = await base.workspace.add_table(TASKS, actor=ADA)
    return added, base.workspace.table("Projects")


async def test_a_link_field_comes_with_its_inverse(base: Base) -> None:
    table, projects = await tasks(base)
    link, inverse = table.field("Project"), projects.field("Tasks")
    assert link.options == {
        "linkedTableId": PROJECTS.id,
        "inverseLinkFieldId": inverse.id,
        "isReversed": False,
        "prefersSingleRecordLink": False,
    }
    assert (inverse.options["linkedTableId"], inverse.options["inverseLinkFieldId"]) == (TASKS.id, link.id)
    changes = await base.workspace.changes(after=0, count=10)
    assert [(change.action, change.table) for change in changes] == [
        (Action.SCHEMA, TASKS.id),
        (Action.SCHEMA, PROJECTS.id),
    ]


async def test_the_inverse_is_named_after_the_table_with_a_number_where_it_must_be(base: Base) -> None:
    table, _ = await tasks(base)
    await base.workspace.add_field(table.id, link_to(PROJECTS, "Second"), actor=ADA)
    await base.workspace.add_field(table.id, link_to(PROJECTS, "Third"), actor=ADA)
    assert [field.name for field in base.workspace.table("Projects").fields] == ["Code", "Tasks", "Tasks 2", "Tasks 3"]


async def test_computed_cells_of_both_records_follow_a_link_from_either_side(base: Base) -> None:
    table, projects = await tasks(base)
    hours = a_field("Hours", FieldType.NUMBER)
    over_task, over_project = projects.field("Tasks").id, table.field("Project").id
    await base.workspace.add_field(table.id, hours, actor=ADA)
    total = {"recordLinkFieldId": over_task, "fieldIdInLinkedTable": hours.id, "formula": "SUM(values)"}
    await base.workspace.add_field(projects.id, a_field("Sum", FieldType.ROLLUP, **total), actor=ADA)
    code = {"recordLinkFieldId": over_project, "fieldIdInLinkedTable": projects.field("Code").id}
    table = await base.workspace.add_field(table.id, a_field("Of", FieldType.MULTIPLE_LOOKUP_VALUES, **code), actor=ADA)
    projects = base.workspace.table("Projects")

    async def shown() -> list[object]:
        found = [await base.cells(projects, "a"), await base.cells(projects, "b"), await base.cells(table, dig) or {}]
        return [found[0]["Sum"], found[1]["Sum"], found[2].get("Of")]

    first, second = await base.create(projects, Code="a"), await base.create(projects, Code="b")
    dig = await base.create(table, Task="dig", Hours=2, Project=[first])
    assert await shown() == [2, 0, ["a"]]
    await base.do(Update(projects, second, {"Tasks": [dig]}))
    assert await shown() == [2, 2, ["a", "b"]]
    await base.do(Update(table, dig, {"Hours": 5}), Update(projects, first, {"Tasks": []}))
    assert await shown() == [0, 5, ["b"]]
    await base.do(Delete(table, dig))
    assert await shown() == [0, 0, None]


async def test_a_link_within_a_table_has_no_inverse_unless_it_names_one(base: Base) -> None:
    table, _ = await tasks(base)
    now = await base.workspace.add_field(table.id, link_to(table, "After"), actor=ADA)
    assert now.field("After").inverse is None
    named = link_to(table, "Before", inverseLinkFieldId=now.field("After").id)
    with pytest.raises(InvalidSchema, match="not its inverse"):
        await base.workspace.add_field(table.id, named, actor=ADA)


async def test_history_and_feed_show_both_sides(base: Base) -> None:
    table, projects = await tasks(base)
    project = await base.create(projects, Code="P-1")
    head = base.workspace.head.seq
    first = await base.create(table, Task="a", Project=[project])
    second = await base.create(table, Task="b", Project=[project])
    assert (await base.cells(projects, project) or {})["Tasks"] == [first, second]
    await base.do(Update(projects, "P-1", {"Tasks": [second]}))
    assert (await base.cells(table, first) or {}).keys() == {"Task"}
    inverse, link = projects.field("Tasks").id, table.field("Project").id
    changes = await base.workspace.changes(after=head, count=20)
    assert [(change.record, change.action, change.after) for change in changes] == [
        (first, Action.CREATE, {table.field("Task").id: "a", link: [project]}),
        (project, Action.UPDATE, {inverse: [first]}),
        (second, Action.CREATE, {table.field("Task").id: "b", link: [project]}),
        (project, Action.UPDATE, {inverse: [first, second]}),
        (project, Action.UPDATE, {inverse: [second]}),
        (first, Action.UPDATE, {link: None}),
    ]


async def test_what_is_answered_shows_what_came_of_it(base: Base) -> None:
    table, _ = await tasks(base)
    pair = [await base.workspace.add_field(table.id, link_to(table, "Blocks"), actor=ADA)]
    (written,) = await base.do(Create(pair[0], {"Task": "a"}))
    assert written.record is not None
    (written,) = await base.do(Update(pair[0], "a", {"Blocks": [written.record.id]}))
    assert written.record is not None
    assert written.record.cells[pair[0].field("Blocks").id] == [written.record.id]


@pytest.mark.parametrize("then", ["update", "delete"])
async def test_a_record_may_be_named_by_the_key_that_it_was_just_given(base: Base, then: str) -> None:
    table, projects = await tasks(base)
    project = await base.create(projects, Code="P-1")
    record = await base.create(table, Task="a", Project=[project])
    last = Update(table, "b", {"Project": None}) if then == "update" else Delete(table, "b")
    await base.do(Update(table, record, {"Task": "b"}), last)
    assert await base.cells(projects, project) == {"Code": "P-1"}


async def test_a_field_without_an_inverse_goes_on_as_before(base: Base) -> None:
    project = await base.create(PROJECTS, Code="P-1")
    record = await base.create(EVERYTHING, Name="a", Projects=[project])
    assert await base.cells(PROJECTS, project) == {"Code": "P-1"}
    await base.do(Delete(PROJECTS, project))
    assert "Projects" not in (await base.cells(EVERYTHING, record) or {})


async def test_the_other_side_is_bounded_too(base: Base) -> None:
    table, projects = await tasks(base)
    project = await base.create(projects, Code="P-1")
    await base.do(*[Create(table, {"Task": f"{number}", "Project": [project]}) for number in range(1_000)])
    with pytest.raises(InvalidCell) as refusal:
        await base.create(table, Task="one more", Project=[project])
    assert refusal.value.field == "Project"
    assert len((await base.cells(projects, project) or {})["Tasks"]) == 1_000


@pytest.mark.parametrize("on_key", list(OnKey))
@pytest.mark.parametrize("batch", [1, 500])
async def test_pairs_survive_export_and_import(base: Base, other: Base, batch: int, on_key: OnKey) -> None:
    table, projects = await tasks(base)
    made = [await base.create(projects, Code=f"P-{number}") for number in range(3)]
    first = await base.create(table, Task="a", Project=made[:2])
    await base.create(table, Task="b", Project=made[1:])
    await base.do(Update(projects, made[1], {"Tasks": [*(await tasks_of(base, made[1]))[::-1]]}))
    content = await exported(base, table, projects)
    report = await imported(other, content, batch=batch, on_key=on_key)
    assert report.tally.refused == []
    # the base had the projects already, without that field
    assert report.tables_added == ("Tasks",)
    there = other.workspace.table("Tasks")
    assert there.field("Project").inverse == other.workspace.table("Projects").field("Tasks").id
    assert (await other.cells(there, first) or {})["Project"] == made[:2]
    assert [await tasks_of(other, project) for project in made] == [await tasks_of(base, project) for project in made]


async def tasks_of(base: Base, project: str) -> list[str]:
    cells = await base.cells(base.workspace.table("Projects"), project) or {}
    return list(cells["Tasks"])


@pytest.mark.parametrize("ids", list(RowIds))
@pytest.mark.parametrize("batch", [1, 2, 500])
async def test_tables_that_link_to_each_other_are_imported_with_both_sides(
    base: Base, other: Base, batch: int, ids: RowIds
) -> None:
    people = await base.workspace.add_table(a_table("People", "Who", a_field("Who", TEXT)), actor=ADA)
    teams = await base.workspace.add_table(
        a_table("Teams", "Team", a_field("Team", TEXT), link_to(people, "Members")), actor=ADA
    )
    people = base.workspace.table("People")
    members = [await base.create(people, Who=name) for name in "abc"]
    blue = await base.create(teams, Team="blue", Members=members)
    red = await base.create(teams, Team="red", Members=members[1:])
    await base.do(Update(people, "c", {"Teams": [red, blue]}))

    report = await imported(other, await exported(base, people, teams), batch=batch, ids=ids)

    assert (report.tables_added, report.tally.refused) == (("People", "Teams"), [])
    there = other.workspace.table("People")
    assert there == people
    found = {cells["Who"]: cells["Teams"] for name in "abc" if (cells := await other.cells(there, name))}
    moved = {name: (record or {})["Teams"] for name in "abc" if (record := await base.cells(people, name))}
    assert {name: len(held) for name, held in found.items()} == {"a": 1, "b": 2, "c": 2}
    if ids is RowIds.KEEP:
        assert found == moved
