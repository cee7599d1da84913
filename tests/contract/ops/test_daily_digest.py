import asyncio
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airtable_connector.kernel.clock import iso
from airtable_connector.ops.digest import DailyDigest, DigestSettings, DigestWritten
from airtable_connector.records import (
    CELLS,
    DAILY_DIGEST,
    PROOF,
    SPRINTS,
    Actor,
    Create,
    Delete,
    Effected,
    Update,
    Upsert,
)

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 1, 5)
ME = Actor(5, "a-test")


def digest_of(base, *, at: time = time(6), zone: ZoneInfo = BERLIN) -> DailyDigest:
    return DailyDigest(
        base.workspace,
        base.database,
        clock=base.clock,
        ids=base.ids,
        observer=base.observer,
        settings=DigestSettings(2, at, zone),
    )


async def written_days(base) -> list[str]:
    return [str(row["Date"]) for row in await base.cells("Daily_Digest")]


moments = st.integers(-40, 13).map(lambda hours: datetime(2026, 1, 5, 10, 30, tzinfo=UTC) + timedelta(hours=hours))
sprints = st.lists(st.tuples(st.sampled_from(["Pending", "Active", "Done", None]), moments), max_size=30)
proofs = st.lists(
    st.tuples(st.sampled_from(["passed: all", "SUCCESS", "Failed: 3", "an Error", "waiting", "", None]), moments),
    max_size=30,
)
healths = st.lists(st.sampled_from(["OK", "Warning", "Offline", None]), max_size=12)


def outcome_of(result: str | None) -> str:
    text = (result or "").lower()
    if "passed" in text or "success" in text:
        return "verified"
    return "failed" if "failed" in text or "error" in text else "pending"


@pytest.mark.anyio
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sprints=sprints, proofs=proofs, healths=healths)
async def test_a_digest_counts_as_a_plain_count_does(base, sprints, proofs, healths):
    await forget_records(base)
    made = [Create(SPRINTS, {"Name": "one", "Status": status}, base.ids.record(), iso(at)) for status, at in sprints]
    made += [Create(PROOF, {"Token": "t", "Result": result}, base.ids.record(), iso(at)) for result, at in proofs]
    made += [Upsert(CELLS, {"Cell_ID": f"cell-{n}", "Health_Status": health}) for n, health in enumerate(healths)]
    if made:
        await base.write(*made)
    digest = await digest_of(base).write(TODAY, ME)
    row = DAILY_DIGEST.named(digest.written.record.cells)
    by_status = Counter(status for status, _ in sprints)
    by_outcome = Counter(outcome_of(result) for result, _ in proofs)
    today = [outcome_of(result) for result, at in proofs if at.astimezone(BERLIN).date() == TODAY]
    new = sum(at.astimezone(BERLIN).date() == TODAY for _, at in sprints)
    expected = {
        "Total_Sprints": len(sprints),
        "New_Sprints_Today": new,
        "Completed_Sprints": by_status["Done"],
        "Active_Sprints": by_status["Active"],
        "In_Progress_Sprints": by_status["Active"],
        "Pending_Sprints": by_status["Pending"],
        "Total_Proofs": len(proofs),
        "Verified_Proofs": by_outcome["verified"],
        "Failed_Proofs": by_outcome["failed"],
        "Pending_Proofs": by_outcome["pending"],
        "Offline_Cells": healths.count("Offline"),
    }
    assert {name: row[name] for name in expected} == expected
    assert digest.summary["new_sprints_today"] == new
    assert digest.summary["proofs_submitted_today"] == len(today)
    assert digest.summary["proofs_verified_today"] == today.count("verified")
    assert digest.summary["proofs_failed_today"] == today.count("failed")


async def forget_records(base) -> None:
    tables = (SPRINTS, PROOF, CELLS)
    async with base.database.transaction() as tx:
        for table in tables:
            await tx.run("delete from records where table_id = :table", table=table.id)


@pytest.mark.anyio
async def test_the_dashboards_summary_is_complete_even_for_an_empty_base(base):
    digest = await digest_of(base).write(TODAY, ME)
    read_there = {
        "date",
        "total_droplets",
        "active_droplets",
        "uptime_percentage",
        "new_sprints_today",
        "total_sprints_in_system",
        "completed_sprints",
        "active_sprints",
        "pending_sprints",
        "proofs_submitted_today",
        "proofs_verified_today",
    }
    assert read_there <= digest.summary.keys()
    assert None not in digest.summary.values()


@pytest.mark.anyio
async def test_droplets_load_and_uptime_come_from_their_beats(base):
    base.clock._now = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
    watch = base.watch()
    for _ in range(6):
        await base.beat_regularly(watch, "steady", every=timedelta(minutes=10), times=6, CPU_Usage=20, RAM_Usage=40)
    for _ in range(18):
        await base.beat("lost", CPU_Usage=60)
        await base.beat_regularly(watch, "steady", every=timedelta(minutes=10), times=1, CPU_Usage=20, RAM_Usage=40)
    for _ in range(3):
        await base.beat_regularly(watch, "steady", every=timedelta(minutes=10), times=6, CPU_Usage=20, RAM_Usage=40)
    digest = await digest_of(base, zone=ZoneInfo("UTC")).write(TODAY, ME)
    row = DAILY_DIGEST.named(digest.written.record.cells)
    assert (row["Total_Droplets"], row["Active_Droplets"], row["Offline_Cells"]) == (2, 1, 1)
    assert row["Average_CPU"] == round((72 * 20 + 18 * 60) / 90, 1)
    assert row["Average_RAM"] == 40
    # expected: 11 h of one, 5 h of the other since the hours after their first ones; the latter was heard for 2 h
    assert row["Uptime_Percentage"] == pytest.approx(100 * 13 / 16, abs=1)
    assert row["Warnings"] == "1 cell Offline: lost"
    assert row["Last_Ping_Time"] == "2026-01-05T11:50:00.000Z"


@pytest.mark.anyio
async def test_a_removed_cell_that_is_silent_is_no_droplet_any_more(base):
    watch = base.watch()
    await base.beat("cell-1")
    await base.pass_time(watch, timedelta(minutes=4))
    digest = await digest_of(base).write(TODAY, ME)
    assert digest.summary["total_droplets"] == 1
    await base.write(Delete(CELLS, "cell-1"))
    digest = await digest_of(base).write(TODAY, ME)
    assert digest.summary["total_droplets"] == 0


@pytest.mark.anyio
async def test_a_date_has_one_row_however_often_and_by_however_many_it_is_written(base):
    digests = await asyncio.gather(*(digest_of(base).write(TODAY, ME) for _ in range(5)))
    again = await digest_of(base).write(TODAY, ME)
    assert await written_days(base) == ["2026-01-05"]
    effects = [digest.written.effect for digest in (*digests, again)]
    assert effects.count(Effected.CREATED) == 1


@pytest.mark.anyio
async def test_the_digest_comes_at_its_time_of_day_and_once(base):
    daily = digest_of(base, at=time(14))
    base.clock._now = datetime(2026, 1, 5, 12, 55, tzinfo=UTC)
    await daily.write(TODAY, ME)
    assert await daily.write_when_due() == timedelta(minutes=5)
    await base.clock.advance(timedelta(minutes=5))
    await daily.write_when_due()
    await daily.write_when_due()
    (row,) = [row for row in await base.cells("Daily_Digest") if row["Date"] == "2026-01-05"]
    assert row["Timestamp"] == "2026-01-05T13:00:00.000Z"
    assert [fact.date for fact in base.observer.facts if isinstance(fact, DigestWritten)].count("2026-01-05") == 2


@pytest.mark.anyio
async def test_a_digest_missed_while_down_is_made_up_for_and_says_whose_wish_it_was(base):
    await digest_of(base).write_when_due()
    await base.clock.advance(timedelta(days=3))
    await digest_of(base).write_when_due()
    assert await written_days(base) == ["2026-01-05", "2026-01-08"]
    change = (await base.workspace.changes(after=0, count=10, table=DAILY_DIGEST))[-1]
    assert change.actor == 2


@pytest.mark.anyio
async def test_the_day_before_is_completed_by_the_next_digest(base):
    daily = digest_of(base)
    await daily.write_when_due()
    await base.write(Create(SPRINTS, {"Name": "after six"}))
    await base.clock.advance(timedelta(days=1))
    await daily.write_when_due()
    rows = {row["Date"]: row["New_Sprints_Today"] for row in await base.cells("Daily_Digest")}
    assert rows == {"2026-01-05": 1, "2026-01-06": 0}


@pytest.mark.anyio
async def test_a_digest_whose_timestamp_was_emptied_counts_as_written_at_its_last_change(base):
    await digest_of(base).write(TODAY, ME)
    await base.write(Update(DAILY_DIGEST, "2026-01-05", {"Timestamp": None}))
    base.observer.facts.clear()
    await digest_of(base).write_when_due()
    assert base.observer.facts == []


@pytest.mark.anyio
async def test_todays_date_is_that_of_the_digests_time_zone(base):
    base.clock._now = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    assert digest_of(base).today() == date(2026, 1, 6)
    assert digest_of(base, zone=ZoneInfo("America/New_York")).today() == TODAY
