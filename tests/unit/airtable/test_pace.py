import heapq
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airtable_connector.airtable import PATIENCE, Lane, PaceQueueFull, PaceSettings
from airtable_connector.airtable.pace import Behind, Go, NotBefore, Pace, Ticket

USUAL = PaceSettings()
SPAN = (USUAL.window + USUAL.slack).total_seconds()
LOCKOUT = USUAL.lockout.total_seconds()


@dataclass(frozen=True)
class Comes:
    """A call is queued, and takes so many seconds when it has begun."""

    lane: Lane
    takes: float


@dataclass(frozen=True)
class TooMany:
    """Airtable says that there were too many calls, and perhaps how long it wants to be left alone."""

    asked: float | None


@dataclass
class World:
    """A pace with calls that end by themselves, and a time that moves as far as it is told."""

    pace: Pace = field(default_factory=lambda: Pace(USUAL))
    at: float = 0.0
    begun: list[tuple[float, Ticket]] = field(default_factory=list)
    most_at_work: int = 0
    _takes: dict[Ticket, float] = field(default_factory=dict)
    _ends: list[tuple[float, Ticket]] = field(default_factory=list)

    def come(self, lane: Lane, takes: float = 0.1) -> Ticket:
        ticket = self.pace.enter(lane, at=self.at)
        self._takes[ticket] = takes
        return ticket

    def go_on(self, by: float) -> None:
        """Let time pass; whatever can begin begins."""
        until = self.at + by
        while (moment := self._next()) is not None and moment <= until:
            self.at = max(self.at, moment)
        self.at = until
        self._end_what_has_ended()

    def _next(self) -> float | None:
        """Begin what can begin now, and return when to look again."""
        self._end_what_has_ended()
        while (first := self.pace.first) is not None:
            match self.pace.claim(first, at=self.at):
                case Go():
                    self.begun.append((self.at, first))
                    heapq.heappush(self._ends, (self.at + self._takes[first], first))
                    self.most_at_work = max(self.most_at_work, len(self._ends))
                case NotBefore(moment):
                    assert moment > self.at
                    return moment
                case Behind():
                    return self._ends[0][0]
        return None

    def _end_what_has_ended(self) -> None:
        while self._ends and self._ends[0][0] <= self.at:
            ended, ticket = heapq.heappop(self._ends)
            self.pace.end(ticket, at=ended)

    def moments(self) -> list[float]:
        return [at for at, _ in self.begun]


EVENTS = st.one_of(
    st.builds(Comes, st.sampled_from(Lane), st.sampled_from([0.0, 0.2, 1.5, 60.0])),
    st.builds(TooMany, st.sampled_from([None, None, 3.0, 45.0])),
)
HISTORIES = st.lists(
    st.tuples(st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 40)), EVENTS), min_size=1, max_size=60
)


@given(HISTORIES)
@settings(deadline=None, max_examples=300)
def test_no_second_has_a_sixth_call_no_lockout_has_one_and_each_lane_keeps_its_order(
    history: list[tuple[float, Comes | TooMany]],
) -> None:
    world, closed = World(), []
    for pause, event in history:
        world.go_on(pause)
        match event:
            case Comes(lane, takes):
                world.come(lane, takes)
            case TooMany(asked):
                rest = world.pace.lock_out(at=world.at, asked=None if asked is None else timedelta(seconds=asked))
                assert rest.total_seconds() >= max(LOCKOUT, asked or 0.0) - 0.001
                closed.append((len(world.begun), world.at + rest.total_seconds()))
    world.go_on(3_600.0)

    moments = world.moments()
    assert len(moments) == sum(isinstance(event, Comes) for _, event in history)
    assert all(later - earlier >= 1.0 for earlier, later in zip(moments, moments[5:], strict=False))
    for begun, reopens in closed:
        assert all(at >= reopens - 0.001 for at in moments[begun:])
    for lane in Lane:
        numbers = [ticket.number for _, ticket in world.begun if ticket.lane is lane]
        assert numbers == sorted(numbers)
    assert world.most_at_work <= USUAL.at_once


def test_five_calls_begin_at_once_and_the_next_five_when_their_window_is_over() -> None:
    world = World()
    for _ in range(10):
        world.come(Lane.MIRROR)
    world.go_on(10.0)
    assert world.moments() == [0.0] * 5 + [SPAN] * 5


@pytest.mark.parametrize(
    ("takes", "later"), [(0.1, 0.0), (0.112, 0.0), (0.15, 0.0375), (0.35, 0.2375), (0.9, 0.3), (60.0, 0.3)]
)
def test_a_call_that_may_have_arrived_late_holds_back_the_last_of_the_next_window(takes: float, later: float) -> None:
    world = World()
    for took in [0.1] * 5 + [takes] + [0.1] * 9:
        world.come(Lane.MIRROR, took)
    world.go_on(10.0)
    assert world.moments()[10:] == pytest.approx([2 * SPAN] * 4 + [2 * SPAN + later], abs=0.001)


def test_a_call_that_arrives_late_makes_no_sixth_within_a_second() -> None:
    world, arrived = World(), list[float]()
    ways = [0.05 + (0.2 if number % 7 == 3 else 0.0) for number in range(100)]
    for way in ways:
        world.come(Lane.MIRROR, way + 0.05)
    world.go_on(60.0)
    arrived = sorted(at + way for at, way in zip(world.moments(), ways, strict=True))
    # the first ones tell what is usual
    assert all(later - earlier >= 1.0 for earlier, later in zip(arrived[5:], arrived[10:], strict=False))


def test_after_a_lockout_the_calls_return_one_by_one() -> None:
    world = World()
    world.pace.lock_out(at=0.0, asked=None)
    for _ in range(20):
        world.come(Lane.MIRROR)
    world.go_on(LOCKOUT + 6 * SPAN)
    # the first window may have one, two windows together no more than one and two, and the sixth is as any other
    assert _begun_within(world, 0, 1) == 1
    assert [_begun_within(world, number - 1, number) <= number for number in range(1, 5)] == [True] * 4
    assert _begun_within(world, 5, 6) == 5


def _begun_within(world: World, since: int, until: int) -> int:
    """Count the calls between two windows after the first lock-out's end."""
    return sum(since <= (at - LOCKOUT) / SPAN + 1e-6 < until for at in world.moments())


@pytest.mark.parametrize(("asked", "rest"), [(None, 30.0), (5.0, 30.0), (90.0, 90.0)])
def test_a_lockout_lasts_its_time_or_longer_when_airtable_says_so(asked: float | None, rest: float) -> None:
    world = World()
    world.pace.lock_out(at=0.0, asked=None if asked is None else timedelta(seconds=asked))
    world.come(Lane.WAITING_CALLER)
    world.go_on(1_000.0)
    assert world.moments() == [rest]


def test_later_news_of_a_lockout_never_shortens_it() -> None:
    world = World()
    world.pace.lock_out(at=0.0, asked=timedelta(seconds=100))
    world.come(Lane.WAITING_CALLER)
    world.go_on(1.0)
    assert world.pace.lock_out(at=1.0, asked=None) == timedelta(seconds=99)
    world.go_on(1_000.0)
    assert world.moments() == [100.0]


def test_a_waiting_caller_overtakes_the_mirror_and_the_mirror_overtakes_a_comparison() -> None:
    world = World()
    for _ in range(5):
        world.come(Lane.MIRROR)
    world.go_on(0.0)
    for lane in (Lane.ANTI_ENTROPY, Lane.MIRROR, Lane.WEBHOOKS, Lane.OUTBOX, Lane.WAITING_CALLER):
        world.come(lane)
    world.go_on(10.0)
    assert [ticket.lane for _, ticket in world.begun[5:]] == list(Lane)


def test_nobody_starves_behind_a_flood_of_callers() -> None:
    world = World()
    last = world.come(Lane.ANTI_ENTROPY)
    patience = PATIENCE[Lane.ANTI_ENTROPY].total_seconds()
    for _ in range(int(patience + USUAL.waiting * SPAN / 5)):
        for _ in range(6):  # more than can begin
            if world.pace.waiting(Lane.WAITING_CALLER) < USUAL.waiting:
                world.come(Lane.WAITING_CALLER)
        world.go_on(1.0)
    (begun,) = [at for at, ticket in world.begun if ticket is last]
    assert begun >= patience


def test_a_flood_of_one_lane_leaves_room_to_the_others() -> None:
    world = World()
    world.pace.lock_out(at=0.0, asked=None)
    for _ in range(USUAL.waiting):
        world.come(Lane.MIRROR)
    with pytest.raises(PaceQueueFull) as refused:
        world.come(Lane.MIRROR)
    assert refused.value.retry_after > timedelta(seconds=30)
    world.come(Lane.WAITING_CALLER)


def test_who_leaves_the_queue_takes_nobodys_turn() -> None:
    world = World()
    tickets = [world.come(Lane.OUTBOX) for _ in range(7)]
    world.pace.leave(tickets[0])
    world.pace.leave(tickets[3])
    world.go_on(0.0)
    assert [ticket for _, ticket in world.begun] == [tickets[number] for number in (1, 2, 4, 5, 6)]
    assert world.pace.waiting(Lane.OUTBOX) == 0


def test_slow_calls_hold_back_those_that_would_be_too_many_at_once() -> None:
    world = World()
    for _ in range(12):
        world.come(Lane.MIRROR, takes=30.0)
    world.go_on(29.0)
    assert len(world.begun) == USUAL.at_once
    world.go_on(2.0)
    assert len(world.begun) == 12
