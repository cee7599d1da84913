import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import FakeClock, SpyObserver
from tests.fakes.ledger import FakeLedger

from airtable_connector.airtable import (
    BLOCK,
    CloudQuotaSpent,
    Lane,
    LockedOut,
    Month,
    PaceKeeper,
    PaceQueueFull,
    PaceSettings,
    QuotaSpent,
)

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)


class House:
    """A keeper, and calls that want a turn."""

    def __init__(self, pace: PaceSettings | None = None, ledger: FakeLedger | None = None) -> None:
        self.clock = FakeClock()
        self.ledger = ledger or FakeLedger()
        self.observer = SpyObserver()
        self.keeper = PaceKeeper(pace or PaceSettings(), self.ledger, clock=self.clock, observer=self.observer)
        self.begun: list[tuple[float, Lane]] = []

    def call(self, lane: Lane = Lane.MIRROR, *, takes: timedelta = timedelta(0)) -> "asyncio.Task[None]":
        async def calling() -> None:
            turn = await self.keeper.turn(lane)
            self.begun.append((self.clock.monotonic(), lane))
            try:
                await self.clock.sleep(takes)
            finally:
                turn.end()

        return asyncio.ensure_future(calling())

    def moments(self) -> list[float]:
        return [moment for moment, _ in self.begun]


async def cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_sixth_call_waits_for_the_next_window() -> None:
    house = House()
    calls = [house.call() for _ in range(6)]
    await house.clock.advance(SECOND)
    assert house.moments() == [0.0] * 5
    await house.clock.advance(SECOND)
    assert len(house.begun) == 6
    await asyncio.gather(*calls)


async def test_a_call_that_is_given_up_while_it_waits_lets_the_next_one_go() -> None:
    house = House()
    calls = [house.call() for _ in range(7)]
    await house.clock.advance(SECOND / 2)
    await cancelled(calls[5])
    await house.clock.advance(SECOND)
    assert len(house.begun) == 6
    assert house.keeper.calls_of_month == 6


async def test_a_place_is_given_just_before_its_turn_which_comes_when_it_would_have_come() -> None:
    house = House()
    calls = [house.call() for _ in range(5)]
    placed = asyncio.ensure_future(house.keeper.place(Lane.OUTBOX))
    await house.clock.advance(0.97 * SECOND)
    assert not placed.done()
    await house.clock.advance(0.02 * SECOND)
    place = await placed
    begun = asyncio.ensure_future(place.begin())
    await house.clock.advance(0.03 * SECOND)
    assert not begun.done()
    await house.clock.advance(0.02 * SECOND)
    turn = await begun
    assert turn.waited.total_seconds() == pytest.approx(1.025, abs=0.001)
    place.leave()
    assert house.keeper.calls_of_month == 6
    await asyncio.gather(*calls)


async def test_a_place_holds_up_those_behind_it_until_it_is_left() -> None:
    house = House()
    place = await house.keeper.place(Lane.OUTBOX)
    behind = house.call(Lane.OUTBOX)
    urgent = house.call(Lane.WAITING_CALLER)
    await house.clock.advance(SECOND)
    assert [lane for _, lane in house.begun] == [Lane.WAITING_CALLER]
    place.leave()
    place.leave()
    await house.clock.advance(SECOND)
    assert [lane for _, lane in house.begun] == [Lane.WAITING_CALLER, Lane.OUTBOX]
    assert house.keeper.calls_of_month == 2
    await asyncio.gather(behind, urgent)


async def test_who_gives_up_waiting_for_a_place_holds_up_nobody() -> None:
    house = House()
    calls = [house.call() for _ in range(5)]
    placed = asyncio.ensure_future(house.keeper.place(Lane.WAITING_CALLER))
    calls.append(house.call())
    await house.clock.advance(SECOND / 2)
    placed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placed
    await house.clock.advance(SECOND)
    assert len(house.begun) == 6
    assert house.keeper.calls_of_month == 6
    await asyncio.gather(*calls)


async def test_a_lockout_holds_back_everybody_and_is_told() -> None:
    house = House()
    house.keeper.locked_out(timedelta(seconds=40))
    house.call(Lane.WAITING_CALLER)
    await house.clock.advance(39 * SECOND)
    assert house.begun == []
    assert house.keeper.locked_out_for() == SECOND
    await house.clock.advance(SECOND)
    assert house.moments() == [40.0]
    assert house.keeper.locked_out_for() == timedelta(0)
    assert house.observer.facts == [LockedOut(timedelta(seconds=40))]


async def test_as_many_calls_are_under_way_as_may_be_and_the_next_begins_when_one_ends() -> None:
    house = House(PaceSettings(at_once=2))
    for _ in range(3):
        house.call(takes=7 * SECOND)
    await house.clock.advance(6 * SECOND)
    assert house.moments() == [0.0, 0.0]
    await house.clock.advance(SECOND)
    assert house.moments() == [0.0, 0.0, 7.0]


async def test_a_spent_quota_refuses_those_that_wait_and_all_others_until_the_month_ends() -> None:
    house = House(PaceSettings(per_window=1))
    first, waiting, also_waiting = house.call(), house.call(), house.call()
    await house.clock.advance(timedelta(0))
    house.keeper.quota_spent()
    house.keeper.quota_spent()  # a call that was under way is told the same
    await house.clock.advance(2 * SECOND)

    assert first.done()
    for refused in (waiting, also_waiting, house.call()):
        with pytest.raises(CloudQuotaSpent) as told:
            await refused
    assert told.value.retry_after == datetime(2026, 2, 1, tzinfo=UTC) - house.clock.now()
    assert house.ledger.spent == {JANUARY}
    assert house.observer.facts == [QuotaSpent(calls=3)]

    house.clock.step(timedelta(days=31))
    house.call()
    await house.clock.advance(timedelta(0))
    assert len(house.begun) == 2
    assert house.ledger.calls[FEBRUARY] == BLOCK


async def test_a_process_that_starts_in_a_spent_month_asks_nothing_until_an_operator_says_so() -> None:
    ledger = FakeLedger()
    ledger.spent.add(JANUARY)
    house = House(ledger=ledger)
    with pytest.raises(CloudQuotaSpent):
        await house.keeper.turn(Lane.WAITING_CALLER)
    await house.keeper.reopen()
    await house.keeper.turn(Lane.WAITING_CALLER)
    assert ledger.spent == set()


async def test_calls_are_noted_before_they_are_made_and_counted_over_restarts() -> None:
    ledger = FakeLedger()
    before = House(ledger=ledger)
    await before.keeper.turn(Lane.OUTBOX)
    assert ledger.calls == {JANUARY: BLOCK}

    after = House(ledger=ledger)
    await after.keeper.turn(Lane.OUTBOX)
    assert after.keeper.calls_of_month == BLOCK + 1
    assert ledger.calls == {JANUARY: 2 * BLOCK}


async def test_each_block_is_noted_when_the_one_before_is_used_up() -> None:
    house = House(PaceSettings(per_window=100))
    calls = [house.call() for _ in range(BLOCK + 1)]
    await asyncio.gather(*calls)
    assert house.ledger.calls == {JANUARY: 2 * BLOCK}
    assert house.keeper.calls_of_month == BLOCK + 1


async def test_a_call_that_finds_the_queue_full_is_not_counted() -> None:
    house = House(PaceSettings(per_window=1, waiting=1))
    await house.keeper.turn(Lane.MIRROR)
    waiting = house.call()
    await house.clock.advance(timedelta(0))
    with pytest.raises(PaceQueueFull):
        await house.keeper.turn(Lane.MIRROR)
    assert house.keeper.calls_of_month == 2
    await cancelled(waiting)


WISHES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.01, 0.4, 3.0]),
        st.sampled_from(Lane),
        st.sampled_from([0.0, 0.3, 5.0]),
        st.sampled_from(["", "", "", "gives up", "too many"]),
    ),
    min_size=1,
    max_size=40,
)


@given(WISHES)
@settings(deadline=None, max_examples=60)
def test_however_calls_come_end_and_give_up_no_second_has_a_sixth_and_no_lockout_has_one(
    wishes: list[tuple[float, Lane, float, str]],
) -> None:
    async def run() -> None:
        house = House()
        calls, closed = [], []
        for pause, lane, takes, what in wishes:
            await house.clock.advance(timedelta(seconds=pause))
            calls.append(house.call(lane, takes=timedelta(seconds=takes)))
            await house.clock.advance(timedelta(0))
            if what == "gives up":
                calls[len(calls) // 2].cancel()
            elif what == "too many":
                house.keeper.locked_out(None)
                closed.append((len(house.begun), house.clock.monotonic() + 30.0))
        await house.clock.advance(timedelta(seconds=200))
        await asyncio.gather(*calls, return_exceptions=True)

        moments = house.moments()
        assert all(later - earlier >= 1.0 for earlier, later in zip(moments, moments[5:], strict=False))
        assert all(moment >= reopens - 0.001 for begun, reopens in closed for moment in moments[begun:])
        assert all(house.keeper.waiting(lane) == 0 for lane in Lane)

    asyncio.run(run())
