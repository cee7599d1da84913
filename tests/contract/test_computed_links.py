"""Rollups, lookups and counts: what is computed over links, at once and afterwards."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.factories.computed import (
    CHAIN,
    CLIENTS,
    PROGRAMMES,
    TASKS,
    TASKS_ID,
    count,
    field_id,
    formula,
    link,
    lookup,
    of,
    rollup,
)
from tests.factories.records import ADA, Base, a_table, opened_base
from tests.fakes import FakeClock

from airtable_connector.database import Database
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import Action, Actor, Committed, Create, Delete, FieldType, Query, Update
from airtable_connector.records.computing.errors import CircularFields
from airtable_connector.records.formula import FormulaSyntax

pytestmark = pytest.mark.anyio

MANY = 450
"""Records that link to one: more than a request brings up to date by itself, and more than one portion."""


@pytest.fixture
async def base(database: Database, clock: FakeClock) -> AsyncIterator[Base]:
    async with opened_base(database, clock=clock, tables=CHAIN[:1]) as opened:
        for table in CHAIN[1:]:
            await opened.workspace.add_table(table, actor=ADA)
        yield opened


async def cells(base: Base, table: Any, target: str) -> dict[str, Any]:
    return await base.cells(table, target) or {}


async def settled(base: Base) -> None:
    """Let the background step work until nothing waits to be computed."""
    async with asyncio.timeout(60):
        while await base.workspace.count_recomputations():
            await base.workspace.follow()
    # what was committed a moment ago is shown a moment later
    await base.workspace.follow()


async def test_a_record_has_what_it_reads_over_its_links_at_once(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=2)
    fill = await base.create(TASKS, Name="Fill", Hours=1)
    await base.create(PROGRAMMES, Name="Hole", Tasks=[dig, fill])
    assert await base.cells(PROGRAMMES, "Hole") == {
        "Name": "Hole",
        "Tasks": [dig, fill],
        "Count": 2,
        "Cost": 150,
        "Labels": ["open: Dig (100)", "open: Fill (50)"],
        "Summary": "Hole: 150 for Dig, Fill",
    }


async def test_without_links_a_count_is_0_and_a_lookup_is_absent(base: Base) -> None:
    await base.create(PROGRAMMES, Name="Idle")
    assert await base.cells(PROGRAMMES, "Idle") == {"Name": "Idle", "Count": 0, "Cost": 0, "Summary": "Idle: 0 for "}


async def test_a_change_goes_along_the_chain_in_its_own_transaction(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=2)
    hole = await base.create(PROGRAMMES, Name="Hole", Tasks=[dig])
    acme = await base.create(CLIENTS, Name="Acme", Programmes=[hole])
    assert (await cells(base, CLIENTS, acme))["Invoice"] == "to Acme: 120"
    before = base.workspace.head.seq
    boss = Actor(9, "00000000-0000-4000-8000-0000000000bb")
    await base.do(Update(TASKS, dig, {"Hours": 3}), actor=boss)
    assert (await cells(base, CLIENTS, acme))["Invoice"] == "to Acme: 180"
    assert (await cells(base, PROGRAMMES, hole))["Summary"] == "Hole: 150 for Dig"
    changes = await base.workspace.changes(after=before, count=10)
    assert [(change.record, change.action, change.actor, change.cause) for change in changes] == [
        (record, Action.UPDATE, boss.droplet, boss.cause) for record in (dig, hole, acme)
    ]
    assert changes[2].before == {field_id("Clients", "Cost"): 100, field_id("Clients", "Invoice"): "to Acme: 120"}
    assert changes[2].after == {field_id("Clients", "Cost"): 150, field_id("Clients", "Invoice"): "to Acme: 180"}


async def test_what_follows_from_another_record_is_no_modification(base: Base, clock: FakeClock) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=2)
    hole = await base.create(PROGRAMMES, Name="Hole", Tasks=[dig])
    modified = (await base.workspace.find(PROGRAMMES, hole)).modified_at  # type: ignore[union-attr] # it is there
    clock.step(timedelta(hours=1))
    await base.do(Update(TASKS, dig, {"Hours": 3}))
    found = await base.workspace.find(PROGRAMMES, hole)
    assert found is not None
    assert found.modified_at == modified
    assert found.changed == base.workspace.head.seq


async def test_a_name_that_a_formula_shows_over_a_link_changes_with_the_record(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=1)
    await base.create(PROGRAMMES, Name="Hole", Tasks=[dig])
    await base.do(Update(TASKS, dig, {"Name": "Delve"}))
    assert (await cells(base, PROGRAMMES, "Hole"))["Summary"] == "Hole: 50 for Delve"


async def test_an_edit_that_changes_no_result_stays_alone(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=1)
    await base.create(PROGRAMMES, Name="Hole", Tasks=[dig])
    before = base.workspace.head.seq
    await base.do(Update(TASKS, dig, {"Day": "2026-01-01"}))
    assert base.workspace.head.seq == before + 1


async def test_changed_links_change_what_is_read_over_them(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=2)
    fill = await base.create(TASKS, Name="Fill", Hours=1)
    hole = await base.create(PROGRAMMES, Name="Hole", Tasks=[dig])
    await base.do(Update(PROGRAMMES, hole, {"Tasks": [fill, dig]}))
    assert (await cells(base, PROGRAMMES, hole))["Labels"] == ["open: Fill (50)", "open: Dig (100)"]
    await base.do(Delete(TASKS, dig))
    assert (await cells(base, PROGRAMMES, hole))["Count"] == 1
    assert (await cells(base, PROGRAMMES, hole))["Cost"] == 50
    await base.do(Update(TASKS, fill, {"Hours": 7}))
    assert (await cells(base, PROGRAMMES, hole))["Cost"] == 350


async def test_links_of_the_same_request_are_seen(base: Base) -> None:
    dig, hole = RecordId("rec0000000000dig0"), RecordId("rec000000000hole0")
    await base.do(
        Create(TASKS, {"Name": "Dig", "Hours": 1}, record=dig),
        Create(PROGRAMMES, {"Name": "Hole", "Tasks": [dig]}, record=hole),
        Update(TASKS, dig, {"Hours": 4}),
    )
    assert (await cells(base, PROGRAMMES, hole))["Cost"] == 200


async def test_links_of_an_earlier_request_of_the_same_transaction_are_seen(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=1)
    seq = base.workspace.head.seq
    # they wait together, and so are committed together
    await asyncio.gather(
        base.do(Create(PROGRAMMES, {"Name": "Hole", "Tasks": [dig]})), base.do(Update(TASKS, dig, {"Hours": 4}))
    )
    assert len(base.observer.of(Committed)) == 2
    assert (await cells(base, PROGRAMMES, "Hole"))["Cost"] == 200
    # the new record, the task that it links to, the task that is changed, and the new record's cost
    assert base.workspace.head.seq == seq + 4


async def test_an_error_goes_through_lookups_as_an_object_and_makes_rollups_errors(base: Base) -> None:
    parts = a_table(
        "Parts",
        "Name",
        of("Parts", "Name", FieldType.SINGLE_LINE_TEXT),
        of("Parts", "Number", FieldType.NUMBER, precision=0),
        formula("Parts", "Broken", "IF({Number} = 13, ERROR(), {Number})"),
    )
    whole = a_table(
        "Wholes",
        "Name",
        of("Wholes", "Name", FieldType.SINGLE_LINE_TEXT),
        link("Wholes", "Parts", parts.id),
        lookup("Wholes", "Looked", "Parts", field_id("Parts", "Broken")),
        rollup("Wholes", "Sum", "Parts", field_id("Parts", "Broken"), "SUM(values)"),
        rollup("Wholes", "All", "Parts", field_id("Parts", "Number"), "COUNTALL(values)"),
        rollup("Wholes", "Numbers", "Parts", field_id("Parts", "Number"), "COUNT(values)"),
        lookup("Wholes", "Numbers looked", "Parts", field_id("Parts", "Number")),
        formula("Wholes", "First", "ARRAYJOIN({Numbers looked}, '+') & ' ' & COUNTA({Numbers looked})"),
        formula("Wholes", "Safe", "IF(ISERROR({Looked}), 'broken', 'whole')"),
    )
    await base.workspace.add_table(parts, actor=ADA)
    await base.workspace.add_table(whole, actor=ADA)
    one, blank, bad = [await base.create(parts, Name=name, Number=n) for name, n in (("a", 1), ("b", None), ("c", 13))]
    await base.create(whole, Name="good", Parts=[one, blank])
    await base.create(whole, Name="bad", Parts=[one, bad])
    assert await base.cells(whole, "good") == {
        "Name": "good", "Parts": [one, blank], "Looked": [1], "Sum": 1, "All": 2, "Numbers": 1,
        "Numbers looked": [1], "First": "1 1", "Safe": "whole",
    }  # fmt: skip
    assert await base.cells(whole, "bad") == {
        "Name": "bad", "Parts": [one, bad], "Looked": [1, {"error": "#ERROR!"}], "Sum": {"error": "#ERROR!"}, "All": 2,
        "Numbers": 2, "Numbers looked": [1, 13], "First": "1+13 2", "Safe": "broken",
    }  # fmt: skip
    table = base.workspace.table("Wholes")
    assert await base.names(Query(table, formula=base.workspace.formula("{Looked}", table))) == ["good"]


async def test_a_lookup_of_dates_is_dates_to_a_formula(base: Base) -> None:
    dates = a_table(
        "Dates",
        "Name",
        of("Dates", "Name", FieldType.SINGLE_LINE_TEXT),
        link("Dates", "Tasks", TASKS_ID),
        lookup("Dates", "Days", "Tasks", field_id("Tasks", "Day")),
        rollup("Dates", "Last", "Tasks", field_id("Tasks", "Day"), "YEAR(values)"),
        formula("Dates", "Month", "MONTH({Days})"),
    )
    await base.workspace.add_table(dates, actor=ADA)
    task = await base.create(TASKS, Name="Dig", Day="2026-05-04")
    await base.create(dates, Name="a", Tasks=[task])
    assert await base.cells(dates, "a") == {
        "Name": "a", "Tasks": [task], "Days": ["2026-05-04"], "Last": 2026, "Month": 5,
    }  # fmt: skip


@pytest.mark.parametrize("over", ["nothing", "Name"])
async def test_a_rollup_over_what_is_no_link_is_invalid(base: Base, over: str) -> None:
    table = a_table(
        "Wrong",
        "Name",
        of("Wrong", "Name", FieldType.SINGLE_LINE_TEXT),
        rollup("Wrong", "Sum", over, field_id("Tasks", "Cost"), "SUM(values)"),
        lookup("Wrong", "Looked", over, field_id("Tasks", "Cost")),
        count("Wrong", "Count", over),
    )
    await base.workspace.add_table(table, actor=ADA)
    await base.create(table, Name="a")
    error = {"error": "#ERROR!"}
    assert await base.cells(table, "a") == {"Name": "a", "Sum": error, "Looked": [error], "Count": error}
    assert [field.options["isValid"] for field in base.workspace.table("Wrong").fields[1:]] == [False] * 3


async def test_a_circle_over_links_is_refused(base: Base) -> None:
    own_id = a_table("Selves", None, of("Selves", "Name", FieldType.URL)).id
    table = a_table(
        "Selves",
        "Name",
        of("Selves", "Name", FieldType.SINGLE_LINE_TEXT),
        link("Selves", "Others", own_id),
        rollup("Selves", "Sum", "Others", field_id("Selves", "More"), "SUM(values)"),
        formula("Selves", "More", "{Sum} + 1"),
    )
    with pytest.raises(CircularFields) as caught:
        await base.workspace.add_table(table, actor=ADA)
    assert caught.value.path == ("Selves.Sum", "Selves.More", "Selves.Sum")


async def test_a_table_may_look_at_itself(base: Base) -> None:
    own_id = a_table("Tree", None, of("Tree", "Name", FieldType.URL)).id
    table = a_table(
        "Tree",
        "Name",
        of("Tree", "Name", FieldType.SINGLE_LINE_TEXT),
        of("Tree", "Weight", FieldType.NUMBER, precision=0),
        link("Tree", "Branches", own_id),
        formula("Tree", "Double", "{Weight} * 2"),
        rollup("Tree", "Held", "Branches", field_id("Tree", "Double"), "SUM(values)"),
    )
    await base.workspace.add_table(table, actor=ADA)
    leaf = await base.create(table, Name="leaf", Weight=3)
    twig = await base.create(table, Name="twig", Weight=1, Branches=[leaf])
    await base.do(Update(table, twig, {"Branches": [leaf, twig]}))
    assert (await cells(base, table, twig))["Held"] == 8
    await base.do(Update(table, twig, {"Weight": 5}), Update(table, leaf, {"Weight": 4}))
    assert (await cells(base, table, twig))["Held"] == 18


async def test_more_records_than_a_request_may_touch_follow_in_portions(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=1)
    await base.do(*(Create(PROGRAMMES, {"Name": f"P{n}", "Tasks": [dig]}) for n in range(MANY)))
    client = await base.create(CLIENTS, Name="Acme", Programmes=[await base.create(PROGRAMMES, Name="P", Tasks=[dig])])
    before = base.workspace.head.seq
    boss = Actor(9, "00000000-0000-4000-8000-0000000000bb")
    await base.do(Update(TASKS, dig, {"Hours": 2}), actor=boss)
    assert base.workspace.head.seq < before + MANY
    await settled(base)
    assert await base.names(Query(PROGRAMMES), "Cost") == [100] * (MANY + 1)
    assert (await cells(base, CLIENTS, client))["Invoice"] == "to Acme: 120"
    changes = await base.workspace.changes(after=before, count=2_000)
    assert len(changes) == 1 + MANY + 1 + 1
    assert {(change.actor, change.cause) for change in changes} == {(boss.droplet, boss.cause)}
    assert await base.workspace.count_recomputations() == 0


async def test_changes_meanwhile_are_not_lost(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=1)
    await base.do(*(Create(PROGRAMMES, {"Name": f"P{n}", "Tasks": [dig]}) for n in range(MANY)))
    for hours in range(2, 12):
        await base.do(Update(TASKS, dig, {"Hours": hours}), Update(PROGRAMMES, f"P{hours}", {"Tasks": []}))
    await settled(base)
    costs = await base.names(Query(PROGRAMMES), "Cost")
    assert costs == [0 if 2 <= n < 12 else 550 for n in range(MANY)]


async def test_what_waits_is_done_by_the_next_process(database: Database) -> None:
    async with opened_base(database, tables=CHAIN[:1]) as base:
        await base.workspace.add_table(PROGRAMMES, actor=ADA)
        dig = await base.create(TASKS, Name="Dig", Hours=1)
        await base.do(*(Create(PROGRAMMES, {"Name": f"P{n}", "Tasks": [dig]}) for n in range(MANY)))
        await base.do(Update(TASKS, dig, {"Hours": 2}))
    async with database.reading() as reader:
        assert await reader.all("select count(*) from recomputations") == [(1,)]
    async with opened_base(database, tables=[]) as other:
        await settled(other)
        assert set(await other.names(Query(PROGRAMMES), "Cost")) == {100}


async def test_the_index_of_links_is_what_the_cells_say(base: Base, database: Database) -> None:
    tasks = [await base.create(TASKS, Name=f"T{n}") for n in range(4)]
    hole = await base.create(PROGRAMMES, Name="Hole", Tasks=tasks[:2])
    await base.create(PROGRAMMES, Name="Hill", Tasks=tasks[1:])
    await base.do(Update(PROGRAMMES, hole, {"Tasks": [tasks[3], tasks[0]]}), Delete(TASKS, "T2"))
    await base.do(Delete(PROGRAMMES, "Hill"))
    async with database.reading() as reader:
        rows = await reader.all(
            "select target, records.id from links join records on records.ordinal = links.ordinal order by target"
        )
        assert sorted(rows) == sorted((task, hole) for task in (tasks[0], tasks[3]))
        assert await reader.all("select count(*) from links") == [(2,)]


async def test_a_field_that_is_added_is_computed_for_the_records_that_are_there(base: Base) -> None:
    tasks = [await base.create(TASKS, Name=f"T{n}", Hours=n) for n in (1, 2)]
    await base.do(*(Create(PROGRAMMES, {"Name": f"P{n}", "Tasks": tasks[: n % 3]}) for n in range(MANY)))
    added = rollup("Programmes", "Longest", "Tasks", field_id("Tasks", "Hours"), "MAX(values)")
    table = await base.workspace.add_field(PROGRAMMES.id, added, actor=ADA)
    doubled = formula("Programmes", "Doubled", "{Longest} * 2")
    table = await base.workspace.add_field(PROGRAMMES.id, doubled, actor=ADA)
    assert table.field("Doubled").options["isValid"] is True
    await settled(base)
    assert await base.names(Query(table), "Longest") == [(0, 1, 2)[n % 3] for n in range(MANY)]
    assert await base.names(Query(table), "Doubled") == [(0, 2, 4)[n % 3] for n in range(MANY)]


async def test_a_formula_that_is_changed_is_computed_anew_with_what_depends_on_it(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=2)
    await base.create(PROGRAMMES, Name="Hole", Tasks=[dig])
    cost = field_id("Tasks", "Cost")
    await base.workspace.change_field(TASKS.id, cost, options={"formula": "{Hours} * 60"}, actor=ADA)
    await settled(base)
    assert (await cells(base, base.workspace.table("Tasks"), dig))["Label"] == "open: Dig (120)"
    assert (await cells(base, base.workspace.table("Programmes"), "Hole"))["Summary"] == "Hole: 120 for Dig"


async def test_a_change_that_would_make_a_circle_or_no_formula_is_refused(base: Base) -> None:
    cost = field_id("Tasks", "Cost")
    with pytest.raises(CircularFields):
        await base.workspace.change_field(TASKS.id, cost, options={"formula": "LEN({Label})"}, actor=ADA)
    with pytest.raises(FormulaSyntax):
        await base.workspace.change_field(TASKS.id, cost, options={"formula": "{Hours} *"}, actor=ADA)
    assert base.workspace.table("Tasks").field("Cost").options["formula"] == f"{{{field_id('Tasks', 'Hours')}}} * 50"


async def test_a_formula_reads_its_fields_after_they_were_renamed(base: Base) -> None:
    dig = await base.create(TASKS, Name="Dig", Hours=2)
    table = await base.workspace.change_field(TASKS.id, field_id("Tasks", "Hours"), name="Effort", actor=ADA)
    await base.do(Update(table, dig, {"Effort": 3}))
    assert (await cells(base, table, dig))["Cost"] == 150


async def test_a_renamed_choice_is_renamed_where_a_formula_shows_it(base: Base) -> None:
    stage = of("Staged", "Stage", FieldType.SINGLE_SELECT, choices=[{"id": "selAAAAAAAAAAAAAA", "name": "Open"}])
    table = a_table("Staged", None, stage, formula("Staged", "Shown", "'is ' & {Stage}"))
    await base.workspace.add_table(table, actor=ADA)
    record = await base.create(table, Stage="Open")
    choices = [{"id": "selAAAAAAAAAAAAAA", "name": "Begun"}]
    table = await base.workspace.change_field(table.id, stage.id, options={"choices": choices}, actor=ADA)
    await settled(base)
    assert await cells(base, table, record) == {"Stage": "Begun", "Shown": "is Begun"}


async def test_records_with_very_many_links_follow_in_small_portions(base: Base) -> None:
    tasks: list[str] = []
    for start in range(0, 1_000, 500):
        written = await base.do(*(Create(TASKS, {"Name": f"T{start + n}", "Hours": 1}) for n in range(500)))
        tasks += [each.record.id for each in written if each.record is not None]
    await base.do(*(Create(PROGRAMMES, {"Name": f"P{n}", "Tasks": tasks}) for n in range(7)))
    await base.do(Update(TASKS, tasks[0], {"Hours": 11}))
    assert (await cells(base, PROGRAMMES, "P0"))["Cost"] == 50_000
    await settled(base)
    assert await base.names(Query(PROGRAMMES), "Cost") == [50_500] * 7
