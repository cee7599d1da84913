from datetime import timedelta

import pytest

from airtable_connector.kernel.clock import iso
from airtable_connector.ops.heartbeats.expiry import BETWEEN_BATCHES, LOOK_EVERY, RANGE, BeatsExpired
from airtable_connector.records import CELLS, HEARTBEATS, Create, Delete, RecordNotFound, Verified, verify_feed

DAY = timedelta(days=1)


async def expire_all(base) -> None:
    expiry = base.expiry()
    for _ in range(100):
        if await expiry.expire_once() == LOOK_EVERY:
            return
    raise AssertionError("expiry does not come to an end")


async def beats_left(base) -> int:
    return len(await base.rows(f"select id from records where table_id = '{HEARTBEATS.id}'"))


@pytest.mark.anyio
async def test_a_beat_stays_seven_days_and_goes_then_under_the_name_retention(base):
    watch = base.watch()
    await base.beat("cell-1", CPU_Usage=10)
    await base.fold_all(watch)
    await base.clock.advance(7 * DAY)
    await expire_all(base)
    assert await beats_left(base) == 1
    await base.clock.advance(timedelta(seconds=1))
    await expire_all(base)
    assert await beats_left(base) == 0
    change = (await base.workspace.changes(after=0, count=10, table=HEARTBEATS))[-1]
    assert (change.actor, change.cause) == (base.settings.droplet, "retention")
    assert (await base.rows("select beats from beat_rollups")) == [(1,)]


@pytest.mark.anyio
async def test_a_beat_that_is_not_folded_yet_stays(base):
    await base.beat("cell-1", at=base.clock.now() - 30 * DAY)
    await expire_all(base)
    assert await beats_left(base) == 1
    await base.fold_all(base.watch())
    await expire_all(base)
    assert await beats_left(base) == 0


@pytest.mark.anyio
async def test_many_beats_go_in_batches_with_rests_between(base):
    old = iso(base.clock.now() - 8 * DAY)
    beats = [Create(HEARTBEATS, {"Cell_ID": "cell-1"}, base.ids.record(), old) for _ in range(1_200)]
    await base.write(*beats[:600])
    await base.write(*beats[600:])
    await base.beat("cell-1")
    await base.fold_all(base.watch())
    expiry = base.expiry()
    assert [await expiry.expire_once() for _ in range(3)] == [BETWEEN_BATCHES, BETWEEN_BATCHES, LOOK_EVERY]
    assert await beats_left(base) == 1


@pytest.mark.anyio
async def test_the_feed_loses_what_old_beats_said_and_still_verifies(base):
    watch = base.watch()
    await base.beat("cell-1", CPU_Usage=10)
    await base.fold_all(watch)
    await base.clock.advance(6 * DAY)
    await base.beat("cell-1", CPU_Usage=20)
    await base.fold_all(watch)
    await base.clock.advance(2 * DAY)
    await expire_all(base)
    contents = await base.rows(f"select after is not null from feed where table_id = '{HEARTBEATS.id}' order by seq")
    assert [bool(row[0]) for row in contents] == [False, True, False]
    verified = await verify_feed(base.database)
    assert isinstance(verified, Verified)
    assert verified.without_content == 1
    assert await base.health_of("cell-1") == "OK"


@pytest.mark.anyio
async def test_old_entries_of_the_feed_are_emptied_range_after_range(base):
    await base.write(*(Create(HEARTBEATS, {"Cell_ID": "cell-1"}) for _ in range(RANGE)))
    await base.write(*(Create(HEARTBEATS, {"Cell_ID": "cell-1"}) for _ in range(100)))
    await base.fold_all(base.watch())
    await base.clock.advance(8 * DAY)
    await expire_all(base)
    assert await base.rows("select count(*) from feed where action = 'create' and after is not null") == [(1,)]
    (kept,) = await base.rows("select table_id from feed where action = 'create' and after is not null")
    assert kept == (CELLS.id,)


@pytest.mark.anyio
async def test_hours_stay_400_days(base):
    watch = base.watch()
    await base.beat("gone")
    await base.fold_all(watch)
    await base.clock.advance(399 * DAY)
    await base.beat("here")
    await base.fold_all(watch)
    await expire_all(base)
    assert [row[0] for row in await base.rows("select cell_id from beat_rollups order by 1")] == ["gone", "here"]
    await base.clock.advance(2 * DAY)
    await expire_all(base)
    assert await base.rows("select cell_id from beat_rollups") == [("here",)]
    assert await base.rows("select cell_id from cell_watch") == [("here",)]


@pytest.mark.anyio
async def test_what_went_is_reported_and_nothing_is_when_nothing_went(base):
    await base.beat("cell-1", at=base.clock.now() - 8 * DAY)
    await base.fold_all(base.watch())
    await expire_all(base)
    await expire_all(base)
    assert [fact for fact in base.observer.facts if isinstance(fact, BeatsExpired)] == [BeatsExpired(1, 0, 0, 0)]


@pytest.mark.anyio
async def test_a_beat_that_somebody_deletes_first_is_no_trouble(base):
    beat = await base.beat("cell-1", at=base.clock.now() - 8 * DAY)
    await base.fold_all(base.watch())
    expiry = base.expiry()
    await base.write(Delete(HEARTBEATS, beat.id))
    assert await expiry._delete(HEARTBEATS, [beat.id]) == 0
    with pytest.raises(RecordNotFound):
        await base.write(Delete(HEARTBEATS, beat.id))
