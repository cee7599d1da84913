"""Questions with a formula: which records, with order, pages and other conditions, from memory and from the store."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.factories.records import EVERYTHING, PROJECTS, Base, a_sprint, opened_base
from tests.fakes import FakeClock

from airtable_connector.database import Database
from airtable_connector.records import (
    SPRINTS,
    Create,
    Delete,
    InvalidOffset,
    Query,
    Table,
    Update,
    WorkspaceSettings,
    equals,
    read_offset,
    sort_by,
    write_offset,
)
from airtable_connector.records.formula import FormulaSyntax, FormulaTooCostly, UnknownFieldNames

pytestmark = pytest.mark.anyio

SAMPLE = (
    'AND({Status} = "Active", OR({Time_Spent_hr} > 5, FIND("retries", LOWER({Notes})) > 0),'
    ' NOT({Dev_Name} = BLANK()), LEN({Name} & " x") > 3)'
)


@pytest.fixture(params=["memory", "store"])
async def base(request: pytest.FixtureRequest, database: Database, clock: FakeClock) -> AsyncIterator[Base]:
    """A base whose tables are all held in memory, or none."""
    settings = WorkspaceSettings() if request.param == "memory" else WorkspaceSettings(memory=1)
    async with opened_base(database, clock=clock, settings=settings) as opened:
        if request.param == "memory":
            await opened.shelved()
        yield opened


def asking(base: Base, formula: str, table: Table = SPRINTS, **more: object) -> Query:
    return Query(table, formula=base.workspace.formula(formula, table), **more)  # type: ignore[arg-type] # any of them


async def some_sprints(base: Base) -> None:
    await base.do(
        *(
            a_sprint(
                number,
                Name=f"Sprint {number}",
                Status=["Pending", "Active", "Done"][number % 3],
                Time_Spent_hr=number,
                Notes="Three Retries" if number % 2 else None,
                Dev_Name="Ada" if number % 5 else None,
            )
            for number in range(30)
        )
    )


async def test_a_formula_of_several_conditions_lets_through_what_meets_all(base: Base) -> None:
    await some_sprints(base)
    expected = [f"S-{n}" for n in range(30) if n % 3 == 1 and (n > 5 or n % 2) and n % 5]
    for page_size in (1, 3, 100):
        assert await base.names(asking(base, SAMPLE, page_size=page_size), "Sprint_ID") == expected


@pytest.mark.parametrize("sort", ["-Time_Spent_hr", "Name", "-Name", "Status,-Sprint_ID", "-Status,Time_Spent_hr"])
async def test_what_a_formula_lets_through_comes_in_the_order_that_is_asked_for(base: Base, sort: str) -> None:
    await some_sprints(base)
    ordered = await base.names(Query(SPRINTS, sort=sort_by(SPRINTS, sort)), "Sprint_ID")
    expected = [name for name in ordered if int(name.removeprefix("S-")) > 9]
    for page_size in (1, 4, 100):
        query = asking(base, "{Time_Spent_hr} > 9", sort=sort_by(SPRINTS, sort), page_size=page_size)
        assert await base.names(query, "Sprint_ID") == expected


async def test_a_formula_stands_beside_the_other_conditions(base: Base, clock: FakeClock) -> None:
    await some_sprints(base)
    await clock.advance(timedelta(seconds=1))
    since = clock.now().isoformat(timespec="milliseconds")[:-6] + "Z"
    await base.do(*(Update(SPRINTS, f"S-{n}", {"Proof_URL": "https://a.example"}) for n in range(3, 20)))
    active = equals(SPRINTS.field("Status"), "Active")
    for more, expected in (
        ({"equals": (active,)}, [13, 16, 19, 22, 25, 28]),
        ({"equals": (active,), "text": "retries"}, [13, 19, 25]),
        ({"equals": (active,), "text": "retries", "updated_since": since}, [13, 19]),
        ({"updated_since": since}, [12, 13, 14, 15, 16, 17, 18, 19]),
    ):
        query = asking(base, "{Time_Spent_hr} > 11", page_size=2, **more)
        assert await base.names(query, "Sprint_ID") == [f"S-{n}" for n in expected], more


async def test_what_is_read_follows_every_write(base: Base) -> None:
    await some_sprints(base)
    query = asking(base, 'AND({Status} = "Done", {Time_Spent_hr} > 20)')
    assert await base.names(query, "Sprint_ID") == ["S-23", "S-26", "S-29"]
    await base.do(
        Update(SPRINTS, "S-0", {"Status": "Done", "Time_Spent_hr": 21}),
        Update(SPRINTS, "S-23", {"Status": "Active"}),
        Delete(SPRINTS, "S-26"),
        a_sprint("new", Status="Done", Time_Spent_hr=99),
    )
    assert await base.names(query, "Sprint_ID") == ["S-0", "S-29", "S-new"]


async def test_links_are_read_by_the_names_of_the_records(base: Base) -> None:
    one, two = await base.create(PROJECTS, Code="P-1"), await base.create(PROJECTS, Code="P-2")
    await base.do(
        *(Create(EVERYTHING, {"Name": str(n), "Projects": link}) for n, link in enumerate(([one], [one, two])))
    )
    assert await base.names(asking(base, '{Projects} = "P-1"', EVERYTHING)) == ["0"]
    await base.do(Update(PROJECTS, "P-1", {"Code": "P-3"}))
    assert await base.names(asking(base, '{Projects} = "P-1"', EVERYTHING)) == []
    assert await base.names(asking(base, '{Projects} = "P-3, P-2"', EVERYTHING)) == ["1"]


async def test_facts_of_the_record_are_read(base: Base, clock: FakeClock) -> None:
    ids = [await base.create(SPRINTS, Sprint_ID=f"S-{n}") for n in range(3)]
    assert await base.names(asking(base, f'RECORD_ID() = "{ids[1]}"'), "Sprint_ID") == ["S-1"]
    await clock.advance(timedelta(days=2))
    assert await base.names(asking(base, "CREATED_TIME() < TODAY()"), "Sprint_ID") == ["S-0", "S-1", "S-2"]
    await base.do(Update(SPRINTS, "S-2", {"Name": "changed"}))
    assert await base.names(asking(base, "LAST_MODIFIED_TIME() >= TODAY()"), "Sprint_ID") == ["S-2"]


async def test_an_offset_belongs_to_its_formula(base: Base) -> None:
    await some_sprints(base)
    query = asking(base, "{Time_Spent_hr} > 9", page_size=2)
    page = await base.workspace.page(query)
    assert page.next is not None
    offset = write_offset(query, page.next)
    assert read_offset(query, offset) == page.next
    for other in (asking(base, "{Time_Spent_hr} > 8"), dataclasses.replace(query, formula=None)):
        with pytest.raises(InvalidOffset):
            read_offset(other, offset)


async def test_a_formula_that_takes_too_much_work_is_given_up(base: Base) -> None:
    await base.do(*(a_sprint(n, Notes="x" * 100_000) for n in range(20)))
    costly = f"AND({', '.join(['LEN(UPPER({Notes})) = 1'] * 60)})".replace("AND(", "XOR(")
    with pytest.raises(FormulaTooCostly):
        await base.workspace.page(asking(base, costly))


async def test_a_formula_must_be_one_over_the_table(base: Base) -> None:
    with pytest.raises(UnknownFieldNames):
        base.workspace.formula("{Nmae} = 1", SPRINTS)
    with pytest.raises(FormulaSyntax):
        base.workspace.formula("{Name} = ", SPRINTS)
