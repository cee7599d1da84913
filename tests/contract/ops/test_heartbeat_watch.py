from collections import defaultdict
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airtable_connector.database import Database, Reader, StoreUnavailable, Transaction
from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.ops.heartbeats.beats import hour_of
from airtable_connector.ops.heartbeats.rollups import HourPosition, Rollups
from airtable_connector.ops.heartbeats.watch import BATCH, BeatsFolded, CellVerdictChanged, HeartbeatWatch, _watched
from airtable_connector.records import CELLS, HEARTBEATS, Create, Delete, Update, Upsert

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
HOURS = "select cell_id, hour, beats, cpu_count, cpu_sum, cpu_min, cpu_max, ram_count from beat_rollups order by 1, 2"


class DatabaseThatStops:
    """A database whose transactions fail from the moment one is told to, as if the process had been killed there."""

    def __init__(self, database: Database, *, transactions_left: int) -> None:
        self._database = database
        self.transactions_left = transactions_left

    @property
    def dialect(self):
        return self._database.dialect

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        @asynccontextmanager
        async def counted():
            async with self._database.transaction() as tx:
                yield tx
                self.transactions_left -= 1
                if self.transactions_left < 0:
                    raise StoreUnavailable("closed")

        return counted()

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        return self._database.reading()

    async def foreign_commit(self) -> None:
        await self._database.foreign_commit()

    async def close(self) -> None:
        await self._database.close()


def watch_over(base, database) -> HeartbeatWatch:
    return HeartbeatWatch(
        base.workspace, database, clock=base.clock, ids=base.ids, observer=base.observer, settings=base.settings
    )


@pytest.mark.anyio
async def test_a_cell_that_beats_is_added_to_cells_as_ok(base):
    await base.beat("cell-1", CPU_Usage=20, RAM_Usage=30)
    await base.fold_all(base.watch())
    assert await base.cells("Cells") == [{"Cell_ID": "cell-1", "Health_Status": "OK"}]
    assert CellVerdictChanged("cell-1", "", "OK") in base.observer.facts


@pytest.mark.anyio
async def test_cells_is_written_when_a_verdict_changes_and_never_else(base):
    watch = base.watch()
    await base.beat_regularly(watch, "cell-1", every=timedelta(seconds=30), times=10, CPU_Usage=20)
    await base.beat_regularly(watch, "cell-1", every=timedelta(seconds=30), times=3, CPU_Usage=95)
    changes = await base.workspace.changes(after=0, count=100, table=CELLS)
    health = CELLS.field("Health_Status").id
    assert [(change.after or {})[health] for change in changes] == ["OK", "Warning"]


@pytest.mark.anyio
async def test_a_verdict_is_written_in_our_own_name_with_a_trace_id(base):
    await base.beat("cell-1")
    await base.fold_all(base.watch())
    (change,) = await base.workspace.changes(after=0, count=10, table=CELLS)
    assert change.actor == base.settings.droplet
    assert change.cause.startswith("00000000-")


@pytest.mark.anyio
async def test_beats_are_folded_once_however_often_and_by_whomever_they_are_read(base):
    one, other = base.watch(), base.watch()
    for _ in range(3):
        await base.beat("cell-1", CPU_Usage=10)
    await base.fold_all(one)
    await base.fold_all(other)
    await base.fold_all(one)
    assert await base.rows(HOURS) == [("cell-1", hour_of(base.clock.now()), 3, 3, 30, 10, 10, 0)]


@pytest.mark.anyio
async def test_two_watchers_that_read_the_same_beats_fold_them_once(base):
    one, other = base.watch(), base.watch()
    await base.beat("cell-1", CPU_Usage=10)
    seen_by_one, seen_by_other = await one._news(), await other._news()
    assert len(seen_by_one) == len(seen_by_other) == 1
    await one._fold(seen_by_one)
    await other._fold(seen_by_other)
    assert (await base.rows(HOURS))[0][2] == 1


@pytest.mark.anyio
async def test_a_crash_during_folding_loses_and_doubles_nothing(base):
    await base.beat("cell-1", CPU_Usage=10)
    with pytest.raises(StoreUnavailable):
        await watch_over(base, DatabaseThatStops(base.database, transactions_left=0)).fold_once()
    assert await base.rows(HOURS) == []
    await base.fold_all(base.watch())
    assert (await base.rows(HOURS))[0][2] == 1
    assert await base.health_of("cell-1") == "OK"


@pytest.mark.anyio
async def test_a_crash_before_a_verdict_was_kept_heals_by_telling_it_again(base):
    await base.beat("cell-1", CPU_Usage=10)
    with pytest.raises(StoreUnavailable):
        await watch_over(base, DatabaseThatStops(base.database, transactions_left=1)).fold_once()
    assert await base.rows("select verdict from cell_watch") == [("",)]
    await base.fold_all(base.watch())
    assert await base.rows("select verdict from cell_watch") == [("OK",)]
    assert len(await base.workspace.changes(after=0, count=10, table=CELLS)) == 1
    assert (await base.rows(HOURS))[0][2] == 1


@pytest.mark.anyio
async def test_a_watcher_that_was_overtaken_has_the_cell_told_again(base):
    slow, quick = base.watch(), base.watch()
    await base.beat("cell-1", CPU_Usage=10)
    await base.fold_all(quick)
    async with base.database.reading() as reader:
        known = (await _watched(reader, ["cell-1"]))["cell-1"]
    await base.beat("cell-1", CPU_Usage=99)
    await base.fold_all(quick)
    assert await base.health_of("cell-1") == "Warning"
    await slow._tell([(known, "Offline")])
    assert await base.health_of("cell-1") == "Offline"
    await base.pass_time(quick, timedelta(seconds=5))
    assert await base.health_of("cell-1") == "Warning"


class OvertakenWorkspace:
    """A workspace whose first write is followed by somebody else's work before the writer goes on."""

    def __init__(self, workspace, meanwhile) -> None:
        self._workspace = workspace
        self._meanwhile = meanwhile

    def table(self, name):
        return self._workspace.table(name)

    async def write(self, request):
        outcome = await self._workspace.write(request)
        await self._meanwhile()
        return outcome


@pytest.mark.anyio
async def test_two_watchers_that_tell_different_things_at_once_leave_no_false_verdict_behind(base):
    watch = base.watch()
    await base.beat("cell-1", CPU_Usage=10)
    await base.fold_all(watch)
    async with base.database.reading() as reader:
        known = (await _watched(reader, ["cell-1"]))["cell-1"]
    await base.beat("cell-1", CPU_Usage=99)
    await watch._fold(await watch._news())
    quick = base.watch()
    quick._workspace = OvertakenWorkspace(base.workspace, lambda: watch._tell([(known, "Offline")]))
    await quick._tell([(known, "Warning")])
    assert await base.health_of("cell-1") == "Offline"
    await base.fold_all(base.watch())
    assert await base.health_of("cell-1") == "Warning"


@pytest.mark.anyio
async def test_a_cell_silent_for_more_than_three_intervals_is_offline_and_ok_again_with_its_next_beat(base):
    watch = base.watch()
    await base.beat_regularly(watch, "cell-1", every=MINUTE, times=5)
    await base.pass_time(watch, timedelta(seconds=120))
    assert await base.health_of("cell-1") == "OK"
    await base.pass_time(watch, timedelta(seconds=5))
    assert await base.health_of("cell-1") == "Offline"
    await base.beat("cell-1")
    await watch.fold_once()
    assert await base.health_of("cell-1") == "OK"


@pytest.mark.anyio
async def test_a_quick_cell_is_missed_sooner_once_its_rhythm_is_known(base):
    watch = base.watch()
    await base.beat_regularly(watch, "quick", every=timedelta(seconds=10), times=40)
    await base.pass_time(watch, timedelta(seconds=35))
    assert await base.health_of("quick") == "Offline"


@pytest.mark.anyio
async def test_high_load_is_a_warning_until_it_falls(base):
    watch = base.watch()
    for cpu, health in ((50, "OK"), (90, "Warning"), (95, "Warning"), (10, "OK")):
        await base.beat("cell-1", CPU_Usage=cpu, RAM_Usage=2048)
        await watch.fold_once()
        assert await base.health_of("cell-1") == health


@pytest.mark.anyio
async def test_a_persons_edit_stays_until_the_verdict_changes(base):
    watch = base.watch()
    await base.beat_regularly(watch, "cell-1", every=MINUTE, times=3)
    await base.write(Update(CELLS, "cell-1", {"Health_Status": "Warning"}))
    await base.beat_regularly(watch, "cell-1", every=MINUTE, times=3)
    assert await base.health_of("cell-1") == "Warning"
    await base.pass_time(watch, 5 * MINUTE)
    assert await base.health_of("cell-1") == "Offline"


@pytest.mark.anyio
async def test_after_our_own_downtime_silence_counts_from_our_start(base):
    watch = base.watch()
    await base.beat_regularly(watch, "cell-1", every=MINUTE, times=3)
    await base.clock.advance(HOUR)
    again = base.watch()
    await base.pass_time(again, 3 * MINUTE)
    assert await base.health_of("cell-1") == "OK"
    await base.pass_time(again, timedelta(seconds=10))
    assert await base.health_of("cell-1") == "Offline"


@pytest.mark.anyio
async def test_a_restart_does_not_bring_an_offline_cell_back(base):
    watch = base.watch()
    await base.beat("cell-1")
    await base.pass_time(watch, 4 * MINUTE)
    await base.pass_time(base.watch(), MINUTE)
    assert await base.health_of("cell-1") == "Offline"


@pytest.mark.anyio
async def test_a_process_that_was_put_to_sleep_forgives_the_silence_meanwhile(base):
    watch = base.watch()
    await base.beat_regularly(watch, "cell-1", every=MINUTE, times=3)
    await base.clock.advance(HOUR)
    await base.pass_time(watch, timedelta(seconds=10))
    assert await base.health_of("cell-1") == "OK"


class RefusingWorkspace:
    """A workspace whose store can be read and not written: nobody's beats arrive."""

    trouble = StoreUnavailable("closed")

    def __init__(self, workspace) -> None:
        self.head = workspace.head
        self.changes = workspace.changes
        self.table = workspace.table


@pytest.mark.anyio
async def test_silence_while_the_store_refuses_beats_is_forgiven(base):
    watch = base.watch()
    await base.beat_regularly(watch, "cell-1", every=MINUTE, times=3)
    watch._workspace = RefusingWorkspace(base.workspace)
    await base.pass_time(watch, 10 * MINUTE)
    watch._workspace = base.workspace
    await base.pass_time(watch, 2 * MINUTE)
    assert await base.health_of("cell-1") == "OK"
    await base.pass_time(watch, 2 * MINUTE)
    assert await base.health_of("cell-1") == "Offline"


@pytest.mark.anyio
async def test_an_imported_beat_counts_in_the_hour_of_its_own_moment(base):
    yesterday = base.clock.now() - timedelta(days=1)
    await base.beat("cell-1", CPU_Usage=40)
    await base.beat("cell-1", at=yesterday, CPU_Usage=80)
    await base.fold_all(base.watch())
    assert [(row[1], row[4]) for row in await base.rows(HOURS)] == [
        (hour_of(yesterday), 80),
        (hour_of(base.clock.now()), 40),
    ]
    assert await base.rows("select last_beat_at, cpu from cell_watch") == [(iso(base.clock.now()), 40)]


@pytest.mark.anyio
async def test_a_beat_from_the_future_counts_as_of_its_arrival(base):
    await base.beat("cell-1", at=base.clock.now() + timedelta(days=3650))
    await base.fold_all(base.watch())
    assert await base.rows("select last_beat_at from cell_watch") == [(iso(base.clock.now()),)]


@pytest.mark.anyio
async def test_beats_without_a_usable_cell_are_passed_over(base):
    await base.write(
        Create(HEARTBEATS, {"CPU_Usage": 1}),
        Create(HEARTBEATS, {"Cell_ID": "x" * 5000}),
        Create(HEARTBEATS, {"Cell_ID": "cell-1", "CPU_Usage": 1e300}),
    )
    await base.fold_all(base.watch())
    assert await base.rows(HOURS) == [("cell-1", hour_of(base.clock.now()), 1, 0, 0, None, None, 0)]
    assert any(isinstance(fact, BeatsFolded) and fact.unusable == 2 for fact in base.observer.facts)


@pytest.mark.anyio
async def test_corrected_and_deleted_beats_change_nothing_that_was_folded(base):
    watch = base.watch()
    beat = await base.beat("cell-1", CPU_Usage=10)
    await base.fold_all(watch)
    await base.write(Update(HEARTBEATS, beat.id, {"CPU_Usage": 99}))
    await base.write(Delete(HEARTBEATS, beat.id))
    await base.fold_all(watch)
    assert [row[4] for row in await base.rows(HOURS)] == [10]
    assert await base.health_of("cell-1") == "OK"


@pytest.mark.anyio
async def test_more_beats_than_a_batch_are_folded_batch_after_batch_before_anybody_is_judged(base):
    start = base.clock.now() - timedelta(seconds=BATCH + 10)
    operations = [
        Create(HEARTBEATS, {"Cell_ID": "cell-1"}, base.ids.record(), iso(start + timedelta(seconds=n)))
        for n in range(BATCH + 10)
    ]
    await base.write(*operations)
    watch = base.watch()
    assert await watch.fold_once() == timedelta(0)
    assert await base.health_of("cell-1") is None
    assert await watch.fold_once() > timedelta(0)
    assert sum(row[2] for row in await base.rows(HOURS)) == BATCH + 10


@pytest.mark.anyio
async def test_what_other_tables_write_costs_no_transaction(base):
    watch = watch_over(base, DatabaseThatStops(base.database, transactions_left=0))
    await base.write(Upsert(CELLS, {"Cell_ID": "cell-9"}))
    await base.fold_all(watch)


# --- the hours --------------------------------------------------------------------------------------------------

beats = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ü"]),
        st.integers(0, 6 * 3600),
        st.none() | st.floats(-50, 20_000, allow_nan=False),
        st.none() | st.floats(0, 100),
    ),
    max_size=60,
)


@pytest.mark.anyio
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=beats, page=st.integers(1, 5))
async def test_hours_are_what_a_plain_computation_says_on_pages_of_any_size(base, sent, page):
    async with base.database.transaction() as tx:
        await tx.run("delete from beat_rollups")
    began = parse_iso("2026-01-04T00:00:00.000Z")
    watch = base.watch()
    for number, (cell, second, cpu, ram) in enumerate(sent):
        await base.beat(cell, at=began + timedelta(seconds=second), CPU_Usage=cpu, RAM_Usage=ram)
        if number % 4 == 0:
            await base.fold_all(watch)
    await base.fold_all(watch)
    plain = defaultdict(list)
    for cell, second, cpu, ram in sent:
        plain[cell, hour_of(began + timedelta(seconds=second))].append((cpu, ram))
    rows = await all_pages(Rollups(base.database), since=began, until=base.clock.now(), count=page)
    assert [(row["cell_id"], row["hour"], row["beats"]) for row in rows] == [
        (*key, len(plain[key])) for key in sorted(plain)
    ]
    for row in rows:
        for place, load in enumerate(("cpu", "ram")):
            values = [pair[place] for pair in plain[row["cell_id"], row["hour"]] if pair[place] is not None]
            assert_load_is(row[load], values)


def assert_load_is(load, values) -> None:
    if not values:
        assert load is None
        return
    assert (load["min"], load["max"]) == (min(values), max(values))
    assert load["avg"] == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert load["min"] <= load["avg"] <= load["max"]


async def all_pages(rollups: Rollups, *, since: datetime, until: datetime, count: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    after: HourPosition | None = None
    for _ in range(100):
        page = await rollups.page(cell=None, since=since, until=until, count=count, after=after)
        rows += page.rows
        after = page.next
        if after is None:
            return rows
    raise AssertionError("the pages do not come to an end")


@pytest.mark.anyio
async def test_the_hours_of_one_cell_are_those_that_touch_the_span(base):
    for hour in range(5):
        await base.beat("a", at=base.clock.now() - timedelta(hours=hour))
        await base.beat("b", at=base.clock.now() - timedelta(hours=hour))
    await base.fold_all(base.watch())
    since, until = base.clock.now() - timedelta(hours=2, minutes=-30), base.clock.now()
    page = await Rollups(base.database).page(cell="a", since=since, until=until, count=100)
    assert [(row["cell_id"], row["hour"]) for row in page.rows] == [
        ("a", "2026-01-05T10:00:00.000Z"),
        ("a", "2026-01-05T11:00:00.000Z"),
    ]
    assert page.next is None
