import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.airtable import Lane, Month
from airtable_connector.sync.budget.policy import Because, Standing, held, length_of, poll_interval

WRITES = (Lane.WAITING_CALLER, Lane.OUTBOX)
READS = (Lane.WEBHOOKS, Lane.MIRROR, Lane.ANTI_ENTROPY)
SHORTEST = timedelta(seconds=15)
BEGIN = datetime(2026, 4, 1, tzinfo=UTC)  # a month of 30 days
MIDDLE = datetime(2026, 4, 16, tzinfo=UTC)

moments = st.integers(0, 1_000 * 86_400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
standings = st.builds(
    Standing,
    allowance=st.integers(1, 1_000_000),
    reserve=st.floats(0, 0.9),
    calls=st.integers(0, 1_100_000),
    spent=st.sampled_from([False]),
    at=moments,
)


def standing(calls: int, *, allowance: int | None = 1_000, at: datetime = MIDDLE, spent: bool = False) -> Standing:
    return Standing(allowance, 0.25, calls, spent, at)


def later(known: Standing, at: datetime) -> Standing:
    return Standing(known.allowance, known.reserve, known.calls, known.spent, at)


@pytest.mark.parametrize(
    ("calls", "open_lanes"),
    [
        (0, {*WRITES, *READS}),
        (500, {*WRITES, *READS}),  # half of the month, half of the calls
        (501, {*WRITES, Lane.WEBHOOKS, Lane.MIRROR}),
        (781, {*WRITES, Lane.WEBHOOKS, Lane.MIRROR}),
        (782, {*WRITES, Lane.WEBHOOKS}),  # 218.75 are kept for writes and polls of the second half
        (875, {*WRITES, Lane.WEBHOOKS}),
        (876, {*WRITES}),  # 125 are kept for writes
        (999, {*WRITES}),
        (1_000, set()),
        (1_009, set()),
    ],
)
def test_the_less_is_left_the_fewer_lanes_are_open(calls: int, open_lanes: set[Lane]) -> None:
    assert {lane for lane in Lane if held(lane, standing(calls)) is None} == open_lanes


def test_every_lane_is_open_when_the_month_begins_and_comparing_waits_for_its_share() -> None:
    assert [lane for lane in Lane if held(lane, standing(0, at=BEGIN)) is not None] == []
    stop = held(Lane.ANTI_ENTROPY, standing(100, at=BEGIN))
    assert stop is not None
    assert stop.until - BEGIN == timedelta(days=3, seconds=1)  # a tenth of the month for a tenth of the calls
    assert stop.because is Because.KEPT


@pytest.mark.parametrize("lane", Lane)
def test_calls_that_are_not_counted_are_never_held(lane: Lane) -> None:
    assert held(lane, standing(10_000_000, allowance=None)) is None
    assert poll_interval(standing(10_000_000, allowance=None), shortest=SHORTEST) == SHORTEST


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("allowance", [None, 1_000])
def test_nothing_is_called_until_the_month_turns_when_airtable_takes_no_more(lane: Lane, allowance: int | None) -> None:
    stop = held(lane, standing(3, allowance=allowance, spent=True))
    assert stop is not None
    assert (stop.until, stop.because) == (datetime(2026, 5, 1, tzinfo=UTC), Because.SPENT)


@given(standings)
def test_writes_are_held_only_when_no_call_is_left(known: Standing) -> None:
    for lane in WRITES:
        stop = held(lane, known)
        assert (stop is None) == (known.left != 0)
        assert stop is None or stop.until == known.month.ends


@given(standings)
def test_a_lane_is_never_open_while_a_more_urgent_one_is_held(known: Standing) -> None:
    stops = [held(lane, known) is not None for lane in Lane]
    assert stops == sorted(stops)


@given(standings, st.sampled_from(Lane))
def test_a_held_lane_is_open_at_the_moment_that_was_told_if_nobody_calls(known: Standing, lane: Lane) -> None:
    stop = held(lane, known)
    if stop is None:
        return
    assert known.at < stop.until <= known.month.ends
    at_that_moment = later(known, stop.until)
    if stop.until < known.month.ends:
        assert held(lane, at_that_moment) is None
        assert held(lane, later(known, max(known.at, stop.until - timedelta(seconds=3)))) is not None


@given(standings)
def test_polls_never_rest_for_less_than_the_shortest_time_nor_beyond_the_month(known: Standing) -> None:
    rest = poll_interval(known, shortest=SHORTEST)
    assert SHORTEST <= rest <= max(SHORTEST, known.rest)


@given(standings, st.integers(0, 1_000))
def test_the_more_calls_were_made_the_longer_polls_rest(known: Standing, more: int) -> None:
    spent_more = Standing(known.allowance, known.reserve, known.calls + more, spent=False, at=known.at)
    longer = poll_interval(spent_more, shortest=SHORTEST) + timedelta(seconds=1)
    assert longer >= poll_interval(known, shortest=SHORTEST) or held(Lane.WEBHOOKS, spent_more) is not None


def test_polls_are_spread_over_what_reads_may_use() -> None:
    assert poll_interval(standing(0, at=BEGIN), shortest=SHORTEST) == timedelta(days=30) / 750
    assert poll_interval(standing(500), shortest=SHORTEST) == timedelta(days=15) / 375
    assert poll_interval(standing(0, allowance=10_000_000, at=BEGIN), shortest=SHORTEST) == SHORTEST


@given(
    allowance=st.sampled_from([200, 1_000, 3_000]),
    begins=moments,
    already=st.floats(0, 1),
    finds=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_polls_go_on_until_the_month_ends_and_leave_the_reserve(
    allowance: int, begins: datetime, already: float, finds: float, seed: int
) -> None:
    """Polls of which some find something, which costs up to five calls more, from any moment and any number on."""
    dice = random.Random(seed)
    now, calls = begins, int(already * allowance)
    ends = Month.of(begins).ends
    while True:
        now += poll_interval(Standing(allowance, 0.25, calls, spent=False, at=now), shortest=SHORTEST)
        known = Standing(allowance, 0.25, calls, spent=False, at=now)
        if now >= ends:
            break
        if held(Lane.WEBHOOKS, known) is not None:
            continue
        calls += 1 + (dice.randint(1, 5) if dice.random() < finds else 0)
        kept = allowance * 0.25 * (ends - now) / length_of(Month.of(begins))
        assert allowance - calls >= kept - 6  # what one poll may cost, begun when it was still allowed
    assert calls <= allowance + 6
