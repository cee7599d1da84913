"""A search through a shelf sees the state that it began with, and leaves to a thread what would take long."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import SPRINTS, Page, Query, Record, sort_by
from airtable_connector.records.browsing import ShelfSearch
from airtable_connector.records.cache import Put, Remove, Shelf
from airtable_connector.records.formula import Context, FormulaTooCostly, Work, compile_formula
from airtable_connector.records.sieve import Sieve

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ROWS = 2_000
FIELDS = {field.name: field.id for field in SPRINTS.fields}


def a_record(number: int, *, status: str = "Active", hours: float = 0, notes: str = "") -> Record:
    at = "2026-01-05T12:00:00.000Z"
    cells = {FIELDS["Sprint_ID"]: f"S-{number}", FIELDS["Status"]: status, FIELDS["Time_Spent_hr"]: hours}
    if notes:
        cells[FIELDS["Notes"]] = notes
    return Record(number, RecordId(f"rec{number:014d}"), SPRINTS.id, f"S-{number}", at, at, number, cells)


def a_shelf(*, notes: str = "") -> Shelf:
    shelf = Shelf(SPRINTS)
    shelf.take(1, [Put(a_record(number, hours=number, notes=notes)) for number in range(1, ROWS + 1)])
    return shelf


def a_search(shelf: Shelf, text: str, *, steps: int = 10**9, keeps: bool = True, **more: Any) -> ShelfSearch:
    formula = compile_formula(text, SPRINTS)
    sieve = Sieve(formula, Context(NOW, work=Work(steps)))
    return ShelfSearch(shelf, Query(SPRINTS, formula=formula, **more), sieve, room=lambda _: keeps)


def numbers(page: Page) -> list[int]:
    return [int(orjson.loads(blob)["id"][3:]) for blob in page.records]


def found(shelf: Shelf, text: str, **more: Any) -> list[int]:
    return numbers(a_search(shelf, text, **more).answer())


@pytest.mark.parametrize("text", ['{Status} = "Active"', 'AND({Status} != "Done", {Time_Spent_hr} > 0)'])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [("", range(1, 1_901)), ("-Time_Spent_hr", range(ROWS, 100, -1)), ("Name", range(1, 1_901))],
)
def test_what_changes_meanwhile_does_not_show(sort: str, expected: range, text: str) -> None:
    shelf = a_shelf()
    changed = iter(range(ROWS, 0, -1))
    query = {"sort": sort_by(SPRINTS, sort)} if sort else {}
    search = a_search(shelf, text, page_size=1_900, **query)
    turns = 0
    while (page := search.answer_at_once(lambda: True)) is None:
        turns += 1
        for number in (next(changed), next(changed)):
            done = a_record(number, status="Done", hours=-1)
            new = a_record(2 * ROWS + 1 - number, hours=9_999)
            shelf.take(ROWS, [Put(done), Remove(a_record(number - 600).id), Put(new)])
    assert numbers(page) == list(expected)
    assert turns >= 3
    # what was changed then is seen by who comes later, although its columns were made before
    left = found(shelf, text, page_size=4_000)
    assert {ROWS, ROWS - 1, ROWS - 600}.isdisjoint(left)
    assert set(range(ROWS + 1, ROWS + 2 * turns + 1)) <= set(left)


def test_a_search_in_a_thread_sees_one_state_whatever_happens_to_the_shelf() -> None:
    shelf, text = a_shelf(notes="some notes"), 'AND({Status} = "Active", FIND("notes", {Notes}))'
    with ThreadPoolExecutor(2) as pool:
        for number in range(1, 101):
            searches = [a_search(shelf, text, page_size=3 * ROWS) for _ in range(2)]
            here = len(shelf)
            running = [pool.submit(search.answer) for search in searches]
            more = [Put(a_record(ROWS + 5 * number + each, notes="some notes")) for each in range(5)]
            shelf.take(number, [Remove(a_record(number).id), *more])
            shelf.forget_columns()
            shelf.recount()
            assert [len(numbers(each.result())) for each in running] == [here, here]


def test_light_work_is_answered_at_once() -> None:
    search = a_search(a_shelf(), "{Time_Spent_hr} > 0", page_size=10)
    page = search.answer_at_once(lambda: False)
    assert page is not None
    assert numbers(page) == list(range(1, 11))


def test_what_is_heavy_is_left_to_a_thread_and_has_the_same_result() -> None:
    text = 'AND(FIND("y", UPPER({Notes})) = 0, MOD({Time_Spent_hr}, 400) = 0)'
    search = a_search(a_shelf(notes="x" * 2_000), text)
    assert search.answer_at_once(lambda: False) is None
    assert numbers(search.answer()) == [400, 800, 1_200, 1_600, 2_000]


def test_a_search_that_nobody_waits_for_ends() -> None:
    shelf = a_shelf()
    every = found(shelf, "{Time_Spent_hr} > 0", page_size=2 * ROWS)
    search = a_search(shelf, "{Time_Spent_hr} > 0", page_size=2 * ROWS)
    search.give_up()
    assert 0 < len(numbers(search.answer())) < len(every)


@pytest.mark.parametrize("notes", ["x", "x" * 2_000], ids=["light", "heavy"])
def test_work_ends_with_what_was_given(notes: str) -> None:
    shelf, text = a_shelf(notes=notes), 'FIND("y", UPPER({Notes})) = 1'
    with pytest.raises(FormulaTooCostly):
        found(shelf, text, steps=100_000)
    assert found(shelf, text, steps=100_000_000) == []


def test_columns_are_counted_and_can_be_let_go() -> None:
    shelf = a_shelf(notes="some notes")
    before = shelf.memory
    found(shelf, 'AND({Status} = "Active", {Notes} = "none")')
    filled = shelf.memory
    assert filled - before > ROWS * 50
    shelf.take(2, [Put(a_record(number, notes="other notes")) for number in range(1, ROWS + 1)])
    shelf.recount()
    assert shelf.memory <= filled
    shelf.forget_columns()
    assert shelf.memory < before + ROWS * 50
    assert found(shelf, '{Notes} = "other notes"', page_size=3) == [1, 2, 3]


def test_columns_that_have_no_room_are_made_for_one_question() -> None:
    shelf = a_shelf()
    before = shelf.memory
    assert found(shelf, '{Status} = "Done"', keeps=False) == []
    assert shelf.memory == before
