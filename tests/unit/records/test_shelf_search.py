"""A search through a shelf sees the state that it began with, gives turns, and waits for other long ones."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from tests.fakes import FakeClock

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import SPRINTS, Query, Record, sort_by
from airtable_connector.records.browsing import ShelfSearch
from airtable_connector.records.cache import Put, Remove, Shelf
from airtable_connector.records.formula import Context, FormulaTooCostly, Work, compile_formula
from airtable_connector.records.sieve import Sieve, Turns

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ROWS = 2_000
FIELDS = {field.name: field.id for field in SPRINTS.fields}


class HurriedClock:
    """A clock on which a millisecond passes at every look, so that every turn is due; ``others`` run in each."""

    def __init__(self, others: Callable[[], None] = lambda: None) -> None:
        self._seconds = 0.0
        self._others = others
        self.turns = 0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        self._seconds += 0.001
        return self._seconds

    async def sleep(self, rest: timedelta) -> None:
        assert rest == timedelta(0)
        self.turns += 1
        self._others()
        await asyncio.sleep(0)


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


def searching(
    shelf: Shelf, text: str, clock: Clock, *, queue: asyncio.Lock | None = None, steps: int = 10**9, **more: Any
) -> "asyncio.Task[list[int]]":
    async def search() -> list[int]:
        formula = compile_formula(text, SPRINTS)
        query = Query(SPRINTS, formula=formula, **more)
        with Turns(queue or asyncio.Lock(), clock) as turns:
            sieve = Sieve(formula, Context(NOW, work=Work(steps)), turns)
            page = await ShelfSearch(shelf, query, sieve, room=lambda _: True).page(turns)
        return [int(orjson.loads(blob)["id"][3:]) for blob in page.records]

    return asyncio.ensure_future(search())


@pytest.mark.parametrize("text", ['{Status} = "Active"', 'AND({Status} != "Done", {Time_Spent_hr} > 0)'])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [("", range(1, 1_901)), ("-Time_Spent_hr", range(ROWS, 100, -1)), ("Name", range(1, 1_901))],
)
async def test_what_changes_meanwhile_does_not_show(sort: str, expected: range, text: str) -> None:
    shelf = a_shelf()
    changed = iter(range(ROWS, 0, -1))

    def others() -> None:
        for number in (next(changed), next(changed)):
            done = a_record(number, status="Done", hours=-1)
            new = a_record(2 * ROWS + 1 - number, hours=9_999)
            shelf.take(ROWS, [Put(done), Remove(a_record(number - 600).id), Put(new)])

    clock = HurriedClock(others)
    query = {"sort": sort_by(SPRINTS, sort)} if sort else {}
    assert await searching(shelf, text, clock, page_size=1_900, **query) == list(expected)
    assert clock.turns > 3
    # what was changed then is seen by who comes later, although its columns were made before
    left = await searching(shelf, text, HurriedClock(), page_size=4_000)
    assert {ROWS, ROWS - 1, ROWS - 600}.isdisjoint(left)
    assert set(range(ROWS + 1, ROWS + 2 * clock.turns + 1)) <= set(left)


async def test_one_long_search_runs_at_a_time_and_short_ones_need_not_wait() -> None:
    shelf, queue, clock = a_shelf(), asyncio.Lock(), HurriedClock()
    await queue.acquire()
    long = searching(shelf, "{Time_Spent_hr} < 0", clock, queue=queue)
    short = searching(shelf, "{Time_Spent_hr} > 0", FakeClock(), queue=queue, page_size=10)
    assert await short == list(range(1, 11))
    assert clock.turns == 0
    queue.release()
    assert await long == []
    assert clock.turns > 3
    assert not queue.locked()


async def test_what_is_heavy_stands_in_the_queue_for_a_thread_and_has_the_same_result() -> None:
    shelf, queue = a_shelf(notes="x" * 2_000), asyncio.Lock()
    await queue.acquire()
    text = 'AND(FIND("y", UPPER({Notes})) = 0, MOD({Time_Spent_hr}, 400) = 0)'
    heavy = searching(shelf, text, FakeClock(), queue=queue)
    assert await searching(shelf, "{Time_Spent_hr} > 0", FakeClock(), queue=queue, page_size=2) == [1, 2]
    assert not heavy.done()
    queue.release()
    assert await heavy == [400, 800, 1_200, 1_600, 2_000]


@pytest.mark.parametrize("notes", ["x", "x" * 2_000], ids=["on the loop", "in a thread"])
async def test_work_ends_with_what_was_given(notes: str) -> None:
    shelf, text = a_shelf(notes=notes), 'FIND("y", UPPER({Notes})) = 1'
    for steps, ends in ((100_000, True), (100_000_000, False)):
        search = searching(shelf, text, HurriedClock(), steps=steps)
        if ends:
            with pytest.raises(FormulaTooCostly):
                await search
        else:
            assert await search == []


async def test_columns_are_counted_and_can_be_let_go() -> None:
    shelf = a_shelf(notes="some notes")
    before = shelf.memory
    await searching(shelf, 'AND({Status} = "Active", {Notes} = "none")', HurriedClock())
    filled = shelf.memory
    assert filled - before > ROWS * 50
    shelf.take(2, [Put(a_record(number, notes="other notes")) for number in range(1, ROWS + 1)])
    shelf.recount()
    assert shelf.memory <= filled
    shelf.forget_columns()
    assert shelf.memory < before + ROWS * 50
    assert await searching(shelf, '{Notes} = "other notes"', HurriedClock(), page_size=3) == [1, 2, 3]


async def test_columns_that_have_no_room_are_made_for_one_question() -> None:
    shelf = a_shelf()
    before = shelf.memory
    query = Query(SPRINTS, formula=compile_formula('{Status} = "Done"', SPRINTS))
    with Turns(asyncio.Lock(), HurriedClock()) as turns:
        sieve = Sieve(query.formula, Context(NOW), turns) if query.formula else None
        page = await ShelfSearch(shelf, query, sieve, room=lambda _: False).page(turns)
    assert (list(page.records), shelf.memory) == ([], before)
