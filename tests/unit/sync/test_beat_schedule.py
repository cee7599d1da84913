"""What heartbeats cost at Airtable, whoever beats and however often."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from airtable_connector.airtable import MOST_WRITTEN
from airtable_connector.sync.beats.schedule import (
    CALL_EVERY,
    PASSED_OVER,
    Round,
    Waiting,
    Work,
    begin_round,
    choose,
)

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OF_THE_RATE = 0.02 * 5
"""Calls a second that heartbeats may cost: 2 percent of five."""

CALM = settings(deadline=None, derandomize=True, database=None)
COUNTS = st.integers(0, 2_000)
WAITING = st.builds(
    Waiting,
    **dict.fromkeys(("sought", "doubted", "expired", "changed", "new", "hourly", "there"), COUNTS),
    first_hour_waiting=st.sampled_from(["", "h1", "h2"]),
    first_hour_there=st.sampled_from(["", "h1", "h2"]),
)


@dataclass
class Airtable:
    """Cells that beat all the time, in numbers alone: what waits, what is there, and the calls that were made."""

    cells: int
    limit: int
    hourly: bool
    keep: timedelta
    now: datetime = START
    sent_at: list[datetime | None] = field(default_factory=list)
    hours_there: dict[int, int] = field(default_factory=dict)
    hours_waiting: dict[int, int] = field(default_factory=dict)
    left_out: int = 0
    calls: int = 0
    most_there: int = 0
    oldest: timedelta = timedelta(0)
    _round: Round | None = None
    _passed_over: int = 0

    def __post_init__(self) -> None:
        self.sent_at = [None] * self.cells

    def live(self, span: timedelta, interval: timedelta) -> None:
        until = self.now + span
        hour = 0
        while self.now < until:
            if self.hourly and (self.now - START) // HOUR > hour:
                self.hours_waiting[hour] = self.cells
                hour += 1
            self._step(interval)
            self.most_there = max(self.most_there, self._there())
            self.now += CALL_EVERY

    def _step(self, interval: timedelta) -> None:
        running = self._round if self._round and self._round.calls else None
        waiting = self._waiting(running.began if running else self.now)
        if running and waiting.changed == waiting.new == 0:
            self._round = replace(running, calls=0)
        if running is None:
            running = begin_round(waiting, now=self.now, before=self._round, interval=interval)
            self._round = running or self._round
        began = running.began if running else START
        waiting = self._waiting(began)
        if waiting.is_stuck(self.limit):
            first = min(self.hours_waiting)
            self.left_out += self.hours_waiting.pop(first)
            waiting = self._waiting(began)
        work = choose(waiting, limit=self.limit, passed_over=self._passed_over)
        if work is None:
            return
        self.calls += 1
        self._passed_over = 0 if work is Work.LATEST else self._passed_over + 1
        self._do(work, waiting, began)

    def _waiting(self, began: datetime) -> Waiting:
        due = [at for at in self.sent_at if at is None or at < began]
        new = due.count(None)
        # rows of an hour whose age is beyond what is kept
        old = sum(count for hour, count in self.hours_there.items() if self._is_old(hour))
        return Waiting(
            expired=old,
            changed=len(due) - new,
            new=new,
            hourly=sum(self.hours_waiting.values()),
            there=self._there(),
            first_hour_waiting=_name(self.hours_waiting),
            first_hour_there=_name(self.hours_there),
        ).within(self.limit)

    def _is_old(self, hour: int) -> bool:
        return START + hour * HOUR < self.now - self.keep

    def _there(self) -> int:
        return self.cells - self.sent_at.count(None) + sum(self.hours_there.values())

    def _do(self, work: Work, waiting: Waiting, began: datetime) -> None:
        room = waiting.room(self.limit)
        match work:
            case Work.LATEST:
                assert self._round is not None
                self._round = self._round.called()
                self._send(began, MOST_WRITTEN if waiting.changed else min(room, MOST_WRITTEN), new=not waiting.changed)
            case Work.HOURLY:
                hour = min(self.hours_waiting)
                _take(self.hours_waiting, made := min(room, MOST_WRITTEN, self.hours_waiting[hour]))
                self.hours_there[hour] = self.hours_there.get(hour, 0) + made
            case Work.EXPIRE | Work.MAKE_ROOM:
                assert work is Work.EXPIRE or waiting.removable
                _take(self.hours_there, MOST_WRITTEN)
            case _:
                raise AssertionError(work)

    def _send(self, began: datetime, count: int, *, new: bool) -> None:
        due = [n for n, at in enumerate(self.sent_at) if (at is None if new else at is not None and at < began)]
        for n in due[:count]:
            self.oldest = max(self.oldest, self.now - (self.sent_at[n] or self.now))
            self.sent_at[n] = self.now


def _name(hours: dict[int, int]) -> str:
    return f"h{min(hours):09d}" if hours else ""


def _take(hours: dict[int, int], count: int) -> None:
    while hours and count:
        first = min(hours)
        taken = min(count, hours[first])
        count -= taken
        hours[first] -= taken
        if not hours[first]:
            del hours[first]


def test_1000_cells_cost_less_than_two_percent_of_the_rate_for_a_day_and_keep_fresh() -> None:
    mesh = Airtable(1_000, limit=10_000, hourly=False, keep=7 * DAY)
    mesh.live(DAY, interval=15 * MINUTE)
    assert mesh.calls <= OF_THE_RATE * DAY.total_seconds()
    assert mesh.oldest <= 21 * MINUTE


def test_1000_cells_with_their_hours_cost_no_more_and_their_hours_are_there() -> None:
    mesh = Airtable(1_000, limit=10_000, hourly=True, keep=7 * DAY)
    mesh.live(DAY, interval=15 * MINUTE)
    assert mesh.calls <= OF_THE_RATE * DAY.total_seconds()
    assert mesh.most_there <= 10_000
    assert (mesh.left_out, sum(mesh.hours_waiting.values())) == (0, 0)
    assert mesh.oldest <= 65 * MINUTE


def test_40_cells_cost_four_calls_a_round() -> None:
    mesh = Airtable(40, limit=10_000, hourly=False, keep=7 * DAY)
    mesh.live(DAY, interval=15 * MINUTE)
    assert mesh.calls == 4 * 24 * 4


@given(
    cells=st.integers(1, 300),
    limit=st.integers(1, 2_000),
    hourly=st.booleans(),
    keep=st.integers(1, 6),
    minutes=st.integers(1, 60),
)
@example(cells=300, limit=1, hourly=True, keep=1, minutes=1)
@example(cells=10, limit=15, hourly=True, keep=6, minutes=1)
@settings(CALM, max_examples=40)
def test_whatever_is_set_the_rate_and_the_rows_are_bounded(
    *, cells: int, limit: int, hourly: bool, keep: int, minutes: int
) -> None:
    mesh = Airtable(cells, limit=limit, hourly=hourly, keep=keep * HOUR)
    mesh.live(8 * HOUR, interval=minutes * MINUTE)
    assert mesh.calls <= OF_THE_RATE * (8 * HOUR).total_seconds()
    assert mesh.most_there <= limit
    # of three calls one is for these
    longest = minutes * MINUTE + 3 * CALL_EVERY * (cells // 10 + 5)
    assert all(mesh.now - at <= 2 * longest for at in mesh.sent_at if at)
    if limit >= cells:
        assert None not in mesh.sent_at
    elif not hourly:
        assert mesh.most_there == limit


@given(WAITING, st.integers(0, 3_000), st.integers(0, PASSED_OVER))
@settings(CALM)
def test_only_what_can_be_done_is_chosen(waiting: Waiting, limit: int, passed_over: int) -> None:
    room = waiting.room(limit)
    match choose(waiting, limit=limit, passed_over=passed_over):
        case Work.LOOK:
            assert waiting.sought
        case Work.CHECK:
            assert waiting.doubted
        case Work.EXPIRE:
            assert waiting.expired
        case Work.MAKE_ROOM:
            assert waiting.removable
            assert room < waiting.new + waiting.hourly
        case Work.HOURLY:
            assert waiting.hourly
            assert room
        case Work.LATEST:
            assert waiting.changed or (waiting.new and room)
        case None:
            assert not any((waiting.sought, waiting.doubted, waiting.expired, waiting.changed))
            assert not room or not (waiting.new or waiting.hourly)


@given(WAITING, st.integers(0, 3_000))
@settings(CALM)
def test_newest_beats_are_passed_over_twice_at_most(waiting: Waiting, limit: int) -> None:
    if waiting.changed:
        assert choose(waiting, limit=limit, passed_over=PASSED_OVER) is Work.LATEST


@given(st.integers(0, 5_000), st.integers(0, 5_000), st.integers(-7_200, 7_200))
@settings(CALM)
def test_rounds_are_an_interval_apart_and_a_clock_set_back_stops_none(changed: int, new: int, later: int) -> None:
    before = Round(START, 0)
    now = START + timedelta(seconds=later)
    begun = begin_round(Waiting(changed=changed, new=new), now=now, before=before, interval=HOUR)
    if 0 <= later < 3_600 or changed == new == 0:
        assert begun is None
    else:
        assert begun == Round(now, (changed + 9) // 10 + (new + 9) // 10)
