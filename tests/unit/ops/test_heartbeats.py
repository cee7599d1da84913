from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.ops.heartbeats.beats import (
    LONGEST_INTERVAL,
    SHORTEST_INTERVAL,
    Beat,
    Watched,
    fold,
    hour_of,
    learn,
)
from airtable_connector.ops.heartbeats.verdicts import Verdict, judge

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LONG_AGO = NOON - timedelta(days=1)

gaps = st.timedeltas(timedelta(0), timedelta(days=30))


def learned(gaps: list[timedelta], start: timedelta = MINUTE) -> timedelta:
    estimate = start
    for gap in gaps:
        estimate = learn(estimate, gap)
    return estimate


def judged(cell: Watched, *, now: datetime = NOON, listening_since: datetime = LONG_AGO) -> str:
    return judge(cell, now=now, listening_since=listening_since, high_percent=90)


# --- the rhythm -------------------------------------------------------------------------------------------------


@given(st.lists(gaps, max_size=40))
def test_an_interval_stays_between_five_seconds_and_an_hour_whatever_comes(gaps):
    assert SHORTEST_INTERVAL <= learned(gaps) <= LONGEST_INTERVAL


@given(st.timedeltas(SHORTEST_INTERVAL, LONGEST_INTERVAL))
def test_a_regular_rhythm_is_learned(rhythm):
    assert abs(learned([rhythm] * 60) - rhythm) < rhythm * 0.02


@pytest.mark.parametrize("rhythm", [30 * SECOND, 5 * MINUTE, 10 * MINUTE])
def test_after_a_few_beats_a_cell_of_another_rhythm_is_not_called_offline_between_them(rhythm):
    assert 3 * learned([rhythm] * 3) > rhythm


def test_one_long_outage_hardly_spoils_the_rhythm():
    assert learned([timedelta(hours=5)]) <= 1.75 * MINUTE
    assert learned([timedelta(hours=5)] + [MINUTE] * 6) < 1.2 * MINUTE


def test_beats_sent_together_tell_nothing_about_the_rhythm():
    assert learned([timedelta(0), 0.5 * SECOND] * 20) == MINUTE


def test_a_configured_day_is_not_cut_to_an_hour():
    assert learned([timedelta(days=1)], timedelta(days=1)) == timedelta(days=1)


# --- folding ----------------------------------------------------------------------------------------------------


def test_a_new_cell_has_the_assumed_rhythm_and_no_verdict():
    folded = fold([Beat("a", NOON, 10, None)], {}, first_interval=MINUTE)
    assert folded.cells == {"a": Watched("a", NOON, MINUTE, "", 10, None)}


def test_the_last_beat_speaks_for_the_load_even_if_it_says_nothing():
    known = {"a": Watched("a", NOON - MINUTE, MINUTE, "Warning", 99, 99)}
    assert fold([Beat("a", NOON)], known, first_interval=MINUTE).cells["a"].cpu is None


def test_a_late_beat_counts_in_its_hour_and_changes_nothing_else():
    known = {"a": Watched("a", NOON, MINUTE, "OK", 5, 5)}
    folded = fold([Beat("a", NOON - timedelta(hours=3), 99)], known, first_interval=MINUTE)
    assert folded.cells == known
    assert list(folded.hours) == [("a", "2026-01-05T09:00:00.000Z")]


def test_an_hour_is_named_by_its_beginning_in_utc():
    berlin = datetime.fromisoformat("2026-07-01T00:59:59.999+02:00")
    assert hour_of(berlin) == "2026-06-30T22:00:00.000Z"


# --- the verdict ------------------------------------------------------------------------------------------------


def test_three_intervals_of_silence_are_borne_and_not_a_moment_more():
    cell = Watched("a", NOON - 3 * MINUTE, MINUTE, "OK")
    assert judged(cell) == Verdict.OK
    assert judged(cell, now=NOON + timedelta(milliseconds=1)) == Verdict.OFFLINE


@pytest.mark.parametrize(
    ("cpu", "ram", "verdict"),
    [
        (None, None, Verdict.OK),
        (89.9, 89.9, Verdict.OK),
        (90, 0, Verdict.WARNING),
        (0, 100, Verdict.WARNING),
        (0, 100.1, Verdict.OK),
        (5, 16_384, Verdict.OK),
        (95, 16_384, Verdict.WARNING),
        (-1, None, Verdict.OK),
    ],
)
def test_a_high_percentage_is_a_warning_and_megabytes_are_none(cpu, ram, verdict):
    assert judged(Watched("a", NOON, MINUTE, "OK", cpu, ram)) == verdict


@pytest.mark.parametrize("before", ["", "OK", "Warning", "Offline"])
def test_while_we_have_listened_too_shortly_the_last_verdict_stands(before):
    cell = Watched("a", LONG_AGO, MINUTE, before)
    assert judged(cell, listening_since=NOON - MINUTE) == before
    assert judged(cell, listening_since=NOON - 4 * MINUTE) == Verdict.OFFLINE


def test_a_cell_that_beats_is_judged_at_once_however_shortly_we_have_listened():
    assert judged(Watched("a", NOON, MINUTE, "Offline"), listening_since=NOON) == Verdict.OK
