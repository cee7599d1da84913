"""Questions with a formula: the same records as a plain walk finds, in order, page by page, on both stores."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.factories.records import EVERYTHING, PROJECTS, Base
from tests.fakes import FakeClock

from airtable_connector.records import (
    SPRINTS,
    Create,
    InvalidOffset,
    Query,
    Update,
    filter_by,
    read_offset,
    sort_by,
    write_offset,
)
from airtable_connector.records.formula import Context, FormulaError, FormulaTooCostly, Work, compile_formula

pytestmark = pytest.mark.anyio

STATES = ("Pending", "Active", "Done")


async def filled(base: Base, count: int = 1_200) -> None:
    await base.do(
        *(
            Create(
                SPRINTS,
                {
                    "Sprint_ID": f"S-{number:04d}",
                    "Status": STATES[number % 3],
                    "Time_Spent_hr": number % 17 / 2,
                    **({"Dev_Name": "Ada"} if number % 5 == 0 else {}),
                },
            )
            for number in range(count)
        )
    )


async def keys(base: Base, formula: str, *, page_size: int = 100, sort: str = "") -> list[str]:
    """Walk all pages of a question, through offsets as callers see them."""
    query = Query(
        SPRINTS,
        formula=filter_by(SPRINTS, formula),
        sort=sort_by(SPRINTS, sort) if sort else (),
        page_size=page_size,
    )
    return [record["fields"]["Sprint_ID"] for record in await base.walk(query)]


def expected(count: int, formula: str) -> list[str]:
    """Ask each record by itself."""
    asked = compile_formula(formula, SPRINTS)
    context = Context(FakeClock().now())
    found = []
    for number in range(count):
        cells: dict[str, Any] = {
            "Sprint_ID": f"S-{number:04d}",
            "Status": STATES[number % 3],
            "Time_Spent_hr": number % 17 / 2,
            "Dev_Name": "Ada" if number % 5 == 0 else None,
        }
        if asked.matches([cells.get(each.name) for each in asked.inputs], context):
            found.append(cells["Sprint_ID"])
    return found


@pytest.mark.parametrize(
    "formula",
    [
        'AND({Status}="Active", {Time_Spent_hr}>5)',
        'OR({Dev_Name}="Ada", {Time_Spent_hr}<1)',
        "NOT({Dev_Name}=BLANK())",
        'FIND("7", {Sprint_ID})>0',
        "TRUE()",
        "FALSE()",
        "1/0",
    ],
)
async def test_a_formula_finds_what_a_plain_walk_finds(base: Base, formula: str) -> None:
    await filled(base)

    assert await keys(base, formula) == expected(1_200, formula)


async def test_order_and_pages_are_those_of_the_question_without_it(base: Base) -> None:
    await filled(base)
    formula = 'AND({Status}="Active", {Time_Spent_hr}>5)'
    whole = await keys(base, "TRUE()", sort="-Time_Spent_hr,Sprint_ID")
    wanted = set(expected(1_200, formula))

    for page_size in (1, 7, 100, 1_000):
        found = await keys(base, formula, sort="-Time_Spent_hr,Sprint_ID", page_size=page_size)
        assert found == [key for key in whole if key in wanted]


async def test_a_formula_goes_with_every_other_part_of_a_question(base: Base) -> None:
    await filled(base, 60)
    query = Query(SPRINTS, formula=filter_by(SPRINTS, "{Time_Spent_hr}>2"), text="s-000")

    found = [each["fields"]["Sprint_ID"] for each in await base.walk(query)]
    assert found == ["S-0005", "S-0006", "S-0007", "S-0008", "S-0009"]


async def test_an_offset_belongs_to_its_formula(base: Base) -> None:
    await filled(base, 20)
    one = Query(SPRINTS, formula=filter_by(SPRINTS, "{Time_Spent_hr}>=0"), page_size=5)
    other = Query(SPRINTS, formula=filter_by(SPRINTS, "{Time_Spent_hr}>=1"), page_size=5)
    page = await base.workspace.page(one)
    assert page.next is not None
    offset = write_offset(one, page.next)

    assert read_offset(one, offset) == page.next
    with pytest.raises(InvalidOffset):
        read_offset(other, offset)


async def test_links_are_read_by_the_names_of_their_records(base: Base) -> None:
    first = await base.create(PROJECTS, Code="P-1")
    second = await base.create(PROJECTS, Code="P-2")
    await base.do(
        Create(EVERYTHING, {"Name": "a", "Projects": [first]}),
        Create(EVERYTHING, {"Name": "b", "Projects": [second, first]}),
        Create(EVERYTHING, {"Name": "c"}),
    )
    query = Query(EVERYTHING, formula=filter_by(EVERYTHING, 'FIND("P-2", ARRAYJOIN({Projects}))>0'))

    assert [each["fields"]["Name"] for each in await base.walk(query)] == ["b"]
    assert not query.lasting


async def test_now_is_the_clocks(base: Base, clock: FakeClock) -> None:
    await filled(base, 3)
    formula = "DATETIME_DIFF(NOW(), CREATED_TIME(), 'hours')>=2"
    assert await keys(base, formula) == []
    await clock.advance(timedelta(hours=2))

    assert len(await keys(base, formula)) == 3


async def test_a_question_follows_changes(base: Base) -> None:
    await filled(base, 10)
    await base.do(Update(SPRINTS, "S-0003", {"Status": "Done", "Notes": "late"}))

    assert await keys(base, '{Notes}="late"') == ["S-0003"]


def test_work_is_bounded_and_the_bound_is_an_error() -> None:
    formula = compile_formula("LEN(REPT({Name}, 50))>1", SPRINTS)

    with pytest.raises(FormulaTooCostly):
        list(formula.matching([["x" * 1_000] * 100], 100, Context(FakeClock().now(), work=Work(10_000))))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_any_text_is_a_formula_or_an_error_that_points_at_the_place(text: str) -> None:
    refused = None
    try:
        filter_by(SPRINTS, text)
    except FormulaError as error:
        refused = error
    if refused is not None:
        assert refused.field == "filter"
        # what is missing at the end is pointed at behind it
        assert 0 <= refused.span.start <= refused.span.end <= len(text) + 1
