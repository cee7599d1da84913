"""Formula fields of the own record: computed with every write, and seen like any other cell."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import orjson
import pytest
from tests.factories.computed import TASKS, field_id, formula, of
from tests.factories.records import ADA, Base, a_table, opened_base
from tests.fakes import FakeClock

from airtable_connector.database import Database, Sql
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import (
    Action,
    Actor,
    Create,
    Delete,
    Effected,
    Equals,
    FieldType,
    Query,
    Sort,
    Update,
    equals,
    etag,
    stable_id,
)
from airtable_connector.records.computing.errors import CircularFields
from airtable_connector.records.formula import FormulaSyntax, UnknownFunctionNames

pytestmark = pytest.mark.anyio


@pytest.fixture
async def base(database: Database, clock: FakeClock) -> AsyncIterator[Base]:
    async with opened_base(database, clock=clock, tables=[]) as opened:
        await opened.workspace.add_table(TASKS, actor=ADA)
        yield opened


async def test_a_new_record_has_its_formulas_at_once(base: Base) -> None:
    task = await base.create(TASKS, Name="Dig", Hours=2.5)
    assert await base.cells(TASKS, task) == {
        "Name": "Dig",
        "Hours": 2.5,
        "Cost": 125,
        "Label": "open: Dig (125)",
        "Share": 4,
        "Shout": "OPEN: DIG (125)",
    }


async def test_the_writer_is_told_the_computed_cells(base: Base) -> None:
    (written,) = await base.do(Create(TASKS, {"Name": "Dig", "Hours": 1}))
    assert written.record is not None
    assert written.record.cells[field_id("Tasks", "Cost")] == 50
    (written,) = await base.do(Update(TASKS, "Dig", {"Hours": 3}))
    assert written.record is not None
    assert written.record.cells[field_id("Tasks", "Shout")] == "OPEN: DIG (150)"


async def test_an_edit_and_what_follows_in_the_record_are_one_entry(base: Base) -> None:
    task = await base.create(TASKS, Name="Dig", Hours=1)
    await base.do(Update(TASKS, task, {"Hours": None}))
    created, updated = await base.workspace.history(RecordId(task), after=0, count=10)
    hours, cost, label, share, shout = (
        field_id("Tasks", name) for name in ("Hours", "Cost", "Label", "Share", "Shout")
    )
    assert created.after is not None
    assert created.after[label] == "open: Dig (50)"
    assert updated.action is Action.UPDATE
    assert (updated.actor, updated.cause) == (ADA.droplet, ADA.cause)
    assert updated.before == {
        hours: 1, cost: 50, label: "open: Dig (50)", share: 10, shout: "OPEN: DIG (50)",
    }  # fmt: skip
    assert updated.after == {
        hours: None, cost: 0, label: "open: Dig (0)", share: {"specialValue": "Infinity"}, shout: "OPEN: DIG (0)",
    }  # fmt: skip


async def test_an_edit_of_what_no_formula_reads_changes_nothing_else(base: Base) -> None:
    task = await base.create(TASKS, Name="Dig", Hours=1)
    await base.do(Update(TASKS, task, {"Day": "2026-01-31"}))
    _, updated = await base.workspace.history(RecordId(task), after=0, count=10)
    assert updated.after == {field_id("Tasks", "Day"): "2026-01-31"}


async def test_a_repeated_value_is_no_change(base: Base) -> None:
    await base.create(TASKS, Name="Dig", Hours=1)
    (written,) = await base.do(Update(TASKS, "Dig", {"Hours": 1}))
    assert written.effect is Effected.UNCHANGED


async def test_several_edits_of_a_record_in_one_request_end_with_true_formulas(base: Base) -> None:
    task = await base.create(TASKS, Name="Dig", Hours=1)
    await base.do(Update(TASKS, task, {"Hours": 2}), Update(TASKS, task, {"Done": True}))
    cells = await base.cells(TASKS, task)
    assert cells is not None
    assert (cells["Cost"], cells["Label"]) == (100, "done: Dig (100)")
    first, second = (await base.workspace.history(RecordId(task), after=0, count=10))[1:]
    assert field_id("Tasks", "Cost") not in (first.after or {})
    assert (second.after or {})[field_id("Tasks", "Cost")] == 100


async def test_a_value_that_a_caller_sends_for_a_formula_is_left_out_with_a_warning(base: Base) -> None:
    (written,) = await base.do(Create(TASKS, {"Name": "Dig", "Hours": 1, "Cost": 7}))
    assert written.warnings == ("Cost is computed (formula); the value sent was left out",)
    assert (await base.cells(TASKS, "Dig") or {})["Cost"] == 50


async def test_the_version_of_a_record_covers_its_formulas(base: Base) -> None:
    await base.create(TASKS, Name="Dig", Hours=1)
    blob = await base.workspace.get(TASKS, "Dig")
    assert blob is not None
    (written,) = await base.do(Update(TASKS, "Dig", {"Hours": 2}, expected=etag(blob)))
    assert written.effect is Effected.UPDATED


async def test_lists_find_and_sort_by_formulas_in_memory_and_in_the_store(base: Base, database: Database) -> None:
    table = base.workspace.table("Tasks")
    hours = {"a": 1, "b": None, "c": 4, "d": 2}
    await base.do(*(Create(table, {"Name": name, "Hours": count}) for name, count in hours.items()))
    async with opened_base(database, tables=[]) as other:
        for workspace in (base, other):
            table = workspace.workspace.table("Tasks")
            share, cost, label = (table.field(name) for name in ("Share", "Cost", "Label"))
            assert await workspace.names(Query(table, sort=(Sort(cost, descending=True),))) == ["c", "d", "a", "b"]
            # not finite is neither large nor small
            assert await workspace.names(Query(table, sort=(Sort(share),))) == ["b", "c", "d", "a"]
            assert await workspace.names(Query(table, equals=(equals(cost, "100"),))) == ["d"]
            assert await workspace.names(Query(table, equals=(Equals(label, "open: a (50)"),))) == ["a"]
            assert await workspace.names(Query(table, text="OPEN: C")) == ["c"]
            asked = base.workspace.formula("AND({Cost} >= 100, FIND('open', {Label}))", table)
            assert await workspace.names(Query(table, formula=asked)) == ["c", "d"]


async def test_a_question_that_reads_an_error_is_an_error_itself(base: Base) -> None:
    odd = a_table(
        "Odd",
        "Name",
        of("Odd", "Name", FieldType.SINGLE_LINE_TEXT),
        formula("Odd", "Year", "YEAR({Name})"),
        formula("Odd", "Next", "{Year} + 1"),
        formula("Odd", "Known", "IF(ISERROR({Year}), 'no', 'yes')"),
    )
    await base.workspace.add_table(odd, actor=ADA)
    await base.create(odd, Name="2024-05-01")
    await base.create(odd, Name="x")
    table = base.workspace.table("Odd")
    assert await base.cells(odd, "x") == {
        "Name": "x", "Year": {"error": "#ERROR!"}, "Next": {"error": "#ERROR!"}, "Known": "no",
    }  # fmt: skip
    assert await base.names(Query(table, formula=base.workspace.formula("{Year}", table))) == ["2024-05-01"]
    assert await base.names(Query(table, formula=base.workspace.formula("ISERROR({Year})", table))) == ["x"]
    assert await base.names(Query(table, formula=base.workspace.formula("{Known} = 'no'", table))) == ["x"]


async def test_results_are_cells_of_their_type(base: Base) -> None:
    table = a_table(
        "Results",
        "Name",
        of("Results", "Name", FieldType.SINGLE_LINE_TEXT),
        of("Results", "Day", FieldType.DATE),
        formula("Results", "Truth", "{Name} = 'a'"),
        formula("Results", "Later", "DATEADD({Day}, 1, 'day')"),
        formula("Results", "Mixed", "IF({Name} = 'a', 'Yes', 0)"),
        formula("Results", "Nothing", "BLANK()"),
        formula("Results", "Not a number", "{Day} + 'FOO'"),
        formula("Results", "Error", "ERROR()"),
        formula("Results", "Month", "MONTH({Later})"),
    )
    await base.workspace.add_table(table, actor=ADA)
    await base.create(table, Name="a", Day="2024-02-29")
    await base.create(table, Name="b", Day="2024-02-29")
    common = {
        "Day": "2024-02-29",
        "Later": "2024-03-01T00:00:00.000Z",
        "Not a number": {"specialValue": "NaN"},
        "Error": {"error": "#ERROR!"},
        "Month": 3,
    }
    assert await base.cells(table, "a") == {"Name": "a", "Truth": True, "Mixed": "Yes", **common}
    assert await base.cells(table, "b") == {"Name": "b", **common}
    types = [field.options["result"]["type"] for field in base.workspace.table("Results").fields[2:7]]
    assert types == ["checkbox", "dateTime", "singleLineText", "singleLineText", "number"]


async def test_a_definition_names_fields_by_id_and_says_what_it_is(base: Base) -> None:
    label = base.workspace.table("Tasks").field("Label")
    name, done, cost = (field_id("Tasks", name) for name in ("Name", "Done", "Cost"))
    assert label.definition()["options"] == {
        "formula": f"IF({{{done}}}, 'done: ', 'open: ') & {{{name}}} & ' (' & {{{cost}}} & ')'",
        "isValid": True,
        "referencedFieldIds": [done, name, cost],
        "result": {"type": "singleLineText"},
    }


async def test_formulas_survive_the_process(base: Base, database: Database) -> None:
    async with opened_base(database, tables=[]) as other:
        await other.create(other.workspace.table("Tasks"), Name="Dig", Hours=1)
        assert (await other.cells(TASKS, "Dig") or {})["Shout"] == "OPEN: DIG (50)"


async def test_a_field_that_is_missing_makes_the_formula_invalid(base: Base) -> None:
    table = a_table(
        "Lost",
        "Name",
        of("Lost", "Name", FieldType.SINGLE_LINE_TEXT),
        formula("Lost", "Gone", "{fld00000000000000} & 'x'"),
        formula("Lost", "After", "{Gone} & 'y'"),
    )
    await base.workspace.add_table(table, actor=ADA)
    await base.create(table, Name="a")
    assert await base.cells(table, "a") == {"Name": "a", "Gone": {"error": "#ERROR!"}, "After": {"error": "#ERROR!"}}
    gone, after = base.workspace.table("Lost").fields[1:]
    assert (gone.options["isValid"], after.options["isValid"]) == (False, True)


@pytest.mark.parametrize(("text", "refusal"), [("{Name} &", FormulaSyntax), ("NOSUCH({Name})", UnknownFunctionNames)])
async def test_what_is_no_formula_is_refused(base: Base, text: str, refusal: type[Exception]) -> None:
    table = a_table("Bad", "Name", of("Bad", "Name", FieldType.SINGLE_LINE_TEXT), formula("Bad", "Formula", text))
    with pytest.raises(refusal):
        await base.workspace.add_table(table, actor=ADA)
    assert "Bad" not in base.workspace.tables


async def test_a_circle_is_refused_with_the_way_round(base: Base) -> None:
    table = a_table(
        "Ring",
        "Name",
        of("Ring", "Name", FieldType.SINGLE_LINE_TEXT),
        formula("Ring", "A", "{B} & {Name}"),
        formula("Ring", "B", "{C}"),
        formula("Ring", "C", "{A}"),
    )
    with pytest.raises(CircularFields) as caught:
        await base.workspace.add_table(table, actor=ADA)
    assert caught.value.path == ("Ring.A", "Ring.B", "Ring.C", "Ring.A")


async def test_a_formula_that_costs_too_much_is_an_error_in_that_record(base: Base) -> None:
    table = a_table(
        "Heavy",
        "Name",
        of("Heavy", "Name", FieldType.SINGLE_LINE_TEXT),
        of("Heavy", "Story", FieldType.MULTILINE_TEXT),
        formula("Heavy", "Work", "+".join(["LEN(SUBSTITUTE({Story},'x','y'))"] * 300)),
    )
    await base.workspace.add_table(table, actor=ADA)
    await base.create(table, Name="light", Story="x" * 20)
    await base.create(table, Name="heavy", Story="x" * 20_000)
    assert (await base.cells(table, "light") or {})["Work"] == 6_000
    assert (await base.cells(table, "heavy") or {})["Work"] == {"error": "#ERROR!"}


async def test_a_deleted_record_leaves_with_its_formulas_in_the_feed(base: Base) -> None:
    task = await base.create(TASKS, Name="Dig", Hours=1)
    await base.do(Delete(TASKS, task))
    last = (await base.workspace.history(RecordId(task), after=0, count=10))[-1]
    assert (last.before or {})[field_id("Tasks", "Cost")] == 50


async def settled(base: Base) -> None:
    """Let the background step work until nothing waits to be computed."""
    async with asyncio.timeout(60):
        while await base.workspace.count_recomputations():
            await base.workspace.follow()
    await base.workspace.follow()


SIGNED = a_table(
    "Signed",
    "Name",
    of("Signed", "Name", FieldType.SINGLE_LINE_TEXT),
    of("Signed", "Notes", FieldType.MULTILINE_TEXT),
    of("Signed", "Maker", FieldType.CREATED_BY),
    of("Signed", "Changer", FieldType.LAST_MODIFIED_BY),
    of("Signed", "Named by", FieldType.LAST_MODIFIED_BY, referencedFieldIds=[field_id("Signed", "Name")]),
    of("Signed", "Named at", FieldType.LAST_MODIFIED_TIME, referencedFieldIds=[field_id("Signed", "Name")]),
    of("Signed", "Changed at", FieldType.LAST_MODIFIED_TIME),
    formula("Signed", "Who", "{Maker} & ', ' & {Changer}"),
    formula("Signed", "Year", "YEAR({Changed at}) + YEAR({Named at})"),
)


def droplet(number: int) -> dict[str, str]:
    return {
        "id": stable_id("usr", str(number)),
        "email": f"droplet-{number}@mesh.invalid",
        "name": f"Droplet {number}",
    }


async def test_who_and_when_are_cells_that_only_edits_move(database: Database, clock: FakeClock) -> None:
    async with opened_base(database, clock=clock, tables=[SIGNED]) as base:
        boss = Actor(9, "00000000-0000-4000-8000-0000000000bb")
        await base.create(SIGNED, Name="a")
        clock.step(timedelta(hours=1))
        await base.do(Update(SIGNED, "a", {"Notes": "later"}), actor=boss)
        assert await base.cells(SIGNED, "a") == {
            "Name": "a", "Notes": "later", "Maker": droplet(5), "Changer": droplet(9), "Named by": droplet(5),
            "Named at": "2026-01-05T12:00:00.000Z", "Changed at": "2026-01-05T13:00:00.000Z",
            "Who": "Droplet 5, Droplet 9", "Year": 4052,
        }  # fmt: skip
        clock.step(timedelta(hours=1))
        await base.do(Update(SIGNED, "a", {"Name": "b"}), actor=boss)
        cells = await base.cells(SIGNED, "b") or {}
        assert (cells["Named by"], cells["Named at"]) == (droplet(9), "2026-01-05T14:00:00.000Z")


async def test_who_and_when_are_found_in_the_feed_when_a_field_asks_later(database: Database, clock: FakeClock) -> None:
    async with opened_base(database, clock=clock, tables=[SIGNED]) as base:
        boss = Actor(9, "00000000-0000-4000-8000-0000000000bb")
        await base.create(SIGNED, Name="a")
        clock.step(timedelta(hours=1))
        for number in range(60):
            await base.do(Update(SIGNED, "a", {"Notes": f"{number}"}), actor=boss)
        expected = await base.cells(SIGNED, "a")
        table = base.workspace.table("Signed")
        async with base.database.transaction() as tx:
            # as if the fields were new
            kept = {"Name": "a", "Notes": "59"}
            bare = orjson.dumps({table.field(name).id: cell for name, cell in kept.items()}).decode()
            await tx.run(
                Sql("update records set cells = jsonb(:cells)", "update records set cells = cast(:cells as jsonb)"),
                cells=bare,
            )
        await base.workspace.recompute(table, [each.id for each in table.derived_fields], actor=ADA)
        await settled(base)
        assert await base.cells(SIGNED, "a") == expected


async def test_a_button_leads_where_its_formula_says(database: Database, clock: FakeClock) -> None:
    table = a_table(
        "Buttons",
        "Name",
        of("Buttons", "Name", FieldType.SINGLE_LINE_TEXT),
        of("Buttons", "Go", FieldType.BUTTON, label="Open it", url="IF({Name} = 'a', 'https://a.example/' & {Name})"),
        of("Buttons", "Idle", FieldType.BUTTON),
        formula("Buttons", "Said", "{Go} & '!'"),
    )
    async with opened_base(database, clock=clock, tables=[table]) as base:
        await base.create(table, Name="a")
        await base.create(table, Name="b")
        idle = {"label": "Open URL", "url": None}
        assert await base.cells(table, "a") == {
            "Name": "a", "Go": {"label": "Open it", "url": "https://a.example/a"}, "Idle": idle, "Said": "Open it!",
        }  # fmt: skip
        assert (await base.cells(table, "b") or {})["Go"] == {"label": "Open it", "url": None}


async def test_formulas_that_read_the_clock_follow_it(database: Database, clock: FakeClock) -> None:
    table = a_table(
        "Ages",
        "Name",
        of("Ages", "Name", FieldType.SINGLE_LINE_TEXT),
        of("Ages", "Born", FieldType.DATE),
        formula("Ages", "Age", "DATETIME_DIFF(TODAY(), {Born}, 'days')"),
        formula("Ages", "Old", "IF({Age} > 10, 'old', 'young')"),
    )
    async with opened_base(database, clock=clock, tables=[table]) as base:
        await base.do(*(Create(table, {"Name": f"N{n}", "Born": "2026-01-01"}) for n in range(3)))
        assert await base.names(Query(table), "Age") == [4, 4, 4]
        before = base.workspace.head.seq
        await clock.advance(timedelta(minutes=6))
        await settled(base)
        assert base.workspace.head.seq == before
        await clock.advance(timedelta(days=7))
        async with asyncio.timeout(60):
            while min(await base.names(Query(table), "Age")) < 11:
                # the store may have been so slow that the step lies down only now
                await clock.advance(timedelta(minutes=6))
                await settled(base)
        assert await base.names(Query(table), "Old") == ["old"] * 3
        assert {change.actor for change in await base.workspace.changes(after=before, count=10)} == {2}
