"""Which beats and hours are to go up, on either store."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.contract.ops.conftest import START, Base
from tests.fakes import CountingIds, FakeClock, SpyObserver

from airtable_connector.database import Database
from airtable_connector.records import HEARTBEATS, STANDARD_TABLES, Delete, Update, open_workspace
from airtable_connector.sync.beats import BeatsMode, BeatsSettings
from airtable_connector.sync.beats.intake import Intake

pytestmark = pytest.mark.anyio

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def base(database: Database, anyio_backend: str) -> AsyncIterator[Base]:
    clock, ids = FakeClock(START), CountingIds()
    async with open_workspace(
        database, clock=clock, ids=ids, observer=SpyObserver(), tables=STANDARD_TABLES
    ) as workspace:
        yield Base(workspace, database, clock, ids)


async def begun(base: Base, **settings: Any) -> Intake:
    """Return an intake after its first round, from which on everything counts."""
    intake = Intake(base.workspace, base.database, clock=base.clock, settings=BeatsSettings(**settings))
    await take_all(intake)
    return intake


async def take_all(intake: Intake) -> None:
    for _ in range(100):
        if await intake.take():
            return
    raise AssertionError("taking does not come to an end")


async def newest(base: Base) -> list[tuple[object, ...]]:
    return await base.rows("select cell, content from cloud_beats where hour = '' order by cell")


async def hours(base: Base) -> list[str]:
    rows = await base.rows("select hour from cloud_beats where hour > '' order by hour, cell")
    return [str(row[0])[11:13] for row in rows]


async def test_beats_from_before_it_was_asked_for_do_not_count(base: Base) -> None:
    await base.beat("cell-1", CPU_Usage=1)
    intake = await begun(base)
    await base.beat("cell-2", CPU_Usage=2)
    await take_all(intake)
    assert await newest(base) == [("cell-2", '[2.0,null,""]')]


async def test_it_goes_on_where_another_process_stopped(base: Base) -> None:
    await begun(base)
    for number in range(450):
        await base.beat("cell-1", CPU_Usage=number)
    await take_all(await begun(base))
    assert await newest(base) == [("cell-1", '[449.0,null,""]')]


async def test_a_beat_that_comes_late_is_not_the_newest(base: Base) -> None:
    intake = await begun(base)
    await base.beat("cell-1", CPU_Usage=1)
    await take_all(intake)
    await base.beat("cell-1", at=START - HOUR, CPU_Usage=2)
    await take_all(intake)
    assert await newest(base) == [("cell-1", '[1.0,null,""]')]


async def test_what_becomes_of_a_beat_later_changes_nothing(base: Base) -> None:
    intake = await begun(base)
    one, two = await base.beat("cell-1", CPU_Usage=1), await base.beat("cell-2", CPU_Usage=1)
    await base.write(Update(HEARTBEATS, one.id, {"CPU_Usage": 2}), Delete(HEARTBEATS, two.id))
    await take_all(intake)
    assert await newest(base) == [("cell-1", '[1.0,null,""]'), ("cell-2", '[1.0,null,""]')]


async def test_an_hour_is_taken_when_it_is_over_and_the_watch_has_counted_its_beats(base: Base) -> None:
    watch, intake = base.watch(), await begun(base, mode=BeatsMode.HOURLY)
    await base.beat("cell-1", CPU_Usage=1)
    await base.fold_all(watch)
    await base.beat("cell-1", CPU_Usage=2)
    await take_all(intake)
    assert await hours(base) == []
    await base.clock.advance(HOUR + 3 * timedelta(minutes=1))
    await take_all(intake)
    assert await hours(base) == []
    await base.fold_all(watch)
    await take_all(intake)
    assert await hours(base) == ["12"]
    content = await base.rows("select content from cloud_beats where hour > ''")
    assert content == [('[1.5,null,"hour from 2026-01-05T12:00Z: 2 beats, CPU 1.0 to 2.0"]',)]


async def test_hours_are_taken_one_by_one_after_a_long_rest_but_no_older_than_they_are_kept(base: Base) -> None:
    watch, intake = base.watch(), await begun(base, mode=BeatsMode.HOURLY, keep=3 * HOUR)
    for _ in range(6):
        await base.beat("cell-1", CPU_Usage=1)
        await base.fold_all(watch)
        await base.clock.advance(HOUR)
    await base.clock.advance(3 * timedelta(minutes=1))
    await take_all(intake)
    assert await hours(base) == ["16", "17"]


async def test_no_more_hours_wait_than_rows_may_be_there(base: Base) -> None:
    watch, intake = base.watch(), await begun(base, mode=BeatsMode.HOURLY, rows=5)
    for _ in range(4):
        for cell in ("cell-1", "cell-2"):
            await base.beat(cell, CPU_Usage=1)
        await base.fold_all(watch)
        await base.clock.advance(HOUR)
    await base.clock.advance(3 * timedelta(minutes=1))
    await take_all(intake)
    assert await hours(base) == ["14", "14", "15", "15"]
    assert intake.left_out == 4


async def test_hours_from_before_they_were_asked_for_do_not_go_up(base: Base) -> None:
    watch, intake = base.watch(), await begun(base, mode=BeatsMode.LATEST)
    await base.beat("cell-1", CPU_Usage=1)
    await base.fold_all(watch)
    await base.clock.advance(DAY)
    await take_all(intake)
    await take_all(await begun(base, mode=BeatsMode.HOURLY))
    assert await hours(base) == []


async def test_no_more_cells_wait_for_a_row_than_rows_may_be_there(base: Base) -> None:
    intake = await begun(base, rows=3)
    for number in range(5):
        await base.beat(f"cell-{number}", CPU_Usage=1)
        await base.clock.advance(SECOND)
    await take_all(intake)
    await base.clock.advance(2 * HOUR)
    await take_all(intake)
    assert [cell for cell, _ in await newest(base)] == ["cell-2", "cell-3", "cell-4"]


async def test_a_cell_that_is_silent_for_long_and_has_no_row_is_forgotten(base: Base) -> None:
    intake = await begun(base, keep=DAY)
    await base.beat("cell-1", CPU_Usage=1)
    await take_all(intake)
    await base.clock.advance(DAY + 2 * HOUR)
    await take_all(intake)
    assert await newest(base) == []
