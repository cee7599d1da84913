"""The budget over either store: what it tells, to whom calls are put down, and what a loss of the store costs."""

import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.fakes import FakeClock, SpyObserver
from tests.fakes.store import FakeStore

from airtable_connector.airtable import (
    AirtableClient,
    CloudCalled,
    CloudSettings,
    Lane,
    Month,
    NotDone,
    PaceKeeper,
    PaceSettings,
)
from airtable_connector.database import CommitUnknown, Database, DatabaseLocation, StoreUnavailable, open_database
from airtable_connector.kernel.clock import SystemClock, iso
from airtable_connector.kernel.secret import Secret
from airtable_connector.sync.budget import Budget, BudgetHeld, BudgetSettings, Plan, attributed_to, open_budget
from airtable_connector.sync.budget.uses import MOST_WAITING

pytestmark = pytest.mark.anyio

JANUARY = Month(2026, 1)
SETTINGS = BudgetSettings(Plan.FREE)
DAY = timedelta(days=1)


def called(call: str = "create", lane: Lane = Lane.OUTBOX, *, took: timedelta = timedelta(0)) -> CloudCalled:
    return CloudCalled(call, lane, "Done", "", timedelta(0), took)


def a_budget(database: Database, clock: FakeClock, settings: BudgetSettings = SETTINGS) -> Budget:
    return Budget(settings, database, clock=clock, observer=SpyObserver())


@pytest.fixture
def budget(database: Database, clock: FakeClock) -> Budget:
    return a_budget(database, clock)


@pytest.fixture
async def elsewhere(location: DatabaseLocation, database: Database) -> AsyncIterator[Database]:
    """The same database, opened as another process does."""
    async with open_database(location, clock=SystemClock()) as opened:
        yield opened


async def purposes(budget: Budget) -> dict[tuple[str, str], int]:
    shown: Any = (await budget.facts())["purposes"]
    return {(each["lane"], each["call"]): each["calls"] for each in shown}


async def callers(budget: Budget) -> dict[int, float]:
    shown: Any = (await budget.facts())["callers"]
    return {each["droplet"]: each["calls"] for each in shown}


async def test_a_new_base_has_its_whole_month(budget: Budget, clock: FakeClock) -> None:
    await budget.round_once()
    assert await budget.facts() == {
        "month": "2026-01",
        "ends": "2026-02-01T00:00:00.000Z",
        "plan": "free",
        "allowance": 1_000,
        "calls": 0,
        "left": 1_000,
        "spent": False,
        "reserved_for_writes": 214,  # a quarter, for 26 and a half of 31 days
        "forecast": {"calls": 0, "runs_out": None},
        "poll_interval_seconds": round((JANUARY.ends - clock.now()).total_seconds() / (1_000 - 250 * 26.5 / 31), 3),
        "held": [],
        "purposes": [],
        "callers": [],
        "not_told_apart": 0,
    }


async def test_calls_are_told_by_purpose_and_those_of_other_processes_with_them(
    budget: Budget, elsewhere: Database, clock: FakeClock
) -> None:
    other = a_budget(elsewhere, clock)
    for each, calls in ((budget, 3), (other, 4)):
        for _ in range(calls):
            each.observer.saw(called())
        await each.ledger.add(JANUARY, 10)
    other.observer.saw(called("payloads", Lane.WEBHOOKS))
    await budget.round_once()
    await other.round_once()

    assert await purposes(budget) == {("outbox", "create"): 7, ("webhooks", "payloads"): 1}
    facts = await budget.facts()
    assert (facts["calls"], facts["not_told_apart"]) == (20, 12)
    assert (budget.calls_since_start(Lane.OUTBOX), other.calls_since_start(Lane.OUTBOX)) == (3, 4)


async def test_a_call_is_shared_out_among_those_whose_writes_it_carries(budget: Budget) -> None:
    with attributed_to([5, 5, 5, 8]):
        budget.observer.saw(called())
    with attributed_to([8]):
        budget.observer.saw(called())
        budget.observer.saw(called())
    budget.observer.saw(called())  # for nobody
    await budget.round_once()
    with attributed_to([8]):
        budget.observer.saw(called())
    await budget.round_once()
    assert await callers(budget) == {8: 3.25, 5: 0.75}
    assert await purposes(budget) == {("outbox", "create"): 5}


async def test_a_call_belongs_to_the_day_and_the_month_in_which_it_began(budget: Budget, clock: FakeClock) -> None:
    clock.step(JANUARY.ends - clock.now())
    with attributed_to([5]):
        budget.observer.saw(called("list", took=timedelta(seconds=1)))
        budget.observer.saw(called("update"))
    await budget.round_once()
    assert await purposes(budget) == {("outbox", "update"): 1}
    assert await callers(budget) == {5: 1.0}
    clock.step(-DAY)
    assert await purposes(budget) == {("outbox", "list"): 1}


async def test_facts_are_passed_on_to_the_observer(database: Database, clock: FakeClock) -> None:
    spy = SpyObserver()
    Budget(SETTINGS, database, clock=clock, observer=spy).observer.saw(called())
    assert spy.facts == [called()]


async def test_a_real_client_has_its_calls_put_down_to_those_it_calls_for(budget: Budget) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        clock = FakeClock()
        keeper = PaceKeeper(PaceSettings(), budget.ledger, clock=clock, observer=SpyObserver())
        settings = CloudSettings(Secret("key"), "appA1b2C3d4E5f6G7", address)
        client = AirtableClient(settings, keeper, clock=clock, observer=budget.observer)
        with attributed_to([5, 8]):
            outcome = await client.schema(lane=Lane.MIRROR)
        await client.close()
    assert isinstance(outcome, NotDone)
    await budget.round_once()
    assert await purposes(budget) == {("mirror", "schema"): 1}
    assert await callers(budget) == {5: 0.5, 8: 0.5}
    assert (await budget.facts())["calls"] == 10  # noted in tens


async def test_a_call_that_the_budget_holds_is_not_made_and_not_counted(budget: Budget, clock: FakeClock) -> None:
    keeper = PaceKeeper(PaceSettings(), budget.ledger, clock=clock, observer=SpyObserver(), admit=budget.check)
    await budget.ledger.add(JANUARY, 700)
    for _ in range(3):
        with pytest.raises(BudgetHeld):
            await keeper.turn(Lane.ANTI_ENTROPY)
    assert budget.standing.calls == 700
    await keeper.turn(Lane.OUTBOX)
    assert budget.standing.calls == 710


async def test_the_fewer_calls_are_left_the_less_is_allowed(budget: Budget, clock: FakeClock) -> None:
    await budget.round_once()
    plenty = budget.poll_interval()
    await budget.ledger.add(JANUARY, 700)
    assert budget.poll_interval() > plenty
    assert [lane for lane in Lane if not budget.allows(lane)] == [Lane.MIRROR, Lane.ANTI_ENTROPY]
    budget.check(Lane.OUTBOX)
    with pytest.raises(BudgetHeld, match="kept for what is more urgent") as refused:
        budget.check(Lane.ANTI_ENTROPY)
    opens = JANUARY.ends - 31 * DAY * 0.3
    assert refused.value.retry_after == opens - clock.now() + timedelta(seconds=1)
    assert (await budget.facts())["held"] == [
        {
            "lane": lane,
            "until": until,
            "because": "what is left of the month's calls is kept for what is more urgent",
        }
        for lane, until in (
            ("mirror", iso(JANUARY.ends - 31 * DAY * (300 / 437.5) + timedelta(seconds=1))),
            ("anti-entropy", iso(opens + timedelta(seconds=1))),
        )
    ]


async def test_a_month_that_airtable_calls_spent_ends_all_calls_of_all_processes_until_it_turns(
    budget: Budget, elsewhere: Database, clock: FakeClock
) -> None:
    other = a_budget(elsewhere, clock, BudgetSettings(Plan.ENTERPRISE))
    await budget.ledger.mark_spent(JANUARY)
    await other.round_once()
    for lane in Lane:
        with pytest.raises(BudgetHeld) as refused:
            other.check(lane)
        assert refused.value.retry_after == JANUARY.ends - clock.now()
    clock.step(JANUARY.ends - clock.now())
    assert all(each.allows(lane) for each in (budget, other) for lane in Lane)


async def test_callers_are_told_what_is_left_of_the_month(budget: Budget, clock: FakeClock) -> None:
    await budget.ledger.add(JANUARY, 10)
    told = budget.rate_limit()
    assert told is not None
    assert told.policy == b'"airtable-month";q=1000;w=2678400'
    assert told.left == b'"airtable-month";r=990;t=%d' % (JANUARY.ends - clock.now()).total_seconds()


async def test_callers_are_told_nothing_when_calls_are_not_counted(database: Database, clock: FakeClock) -> None:
    unlimited = a_budget(database, clock, BudgetSettings(Plan.BUSINESS))
    await unlimited.ledger.add(JANUARY, 10)
    assert unlimited.rate_limit() is None
    facts = await unlimited.facts()
    assert (facts["allowance"], facts["left"], facts["reserved_for_writes"], facts["calls"]) == (None, None, None, 10)


async def test_the_forecast_goes_by_days_that_are_written_down_over_the_turn_of_the_month(
    budget: Budget, clock: FakeClock
) -> None:
    clock.step(JANUARY.ends - clock.now() - DAY)
    for _ in range(48):
        budget.observer.saw(called())
    clock.step(DAY)
    await budget.round_once()
    assert budget.forecast.calls == 48 * 28


async def test_what_a_store_did_not_take_is_written_down_when_it_does(
    location: DatabaseLocation, database: Database, clock: FakeClock
) -> None:
    async with open_database(location, clock=SystemClock()) as closed:
        store = FakeStore(closed)
    budget = a_budget(store, clock)
    budget.observer.saw(called())
    with attributed_to([5]):
        budget.observer.saw(called())
    with pytest.raises(StoreUnavailable):
        await budget.round_once()
    await budget.close()  # still away
    budget.observer.saw(called())
    store.database = database
    await budget.round_once()
    await budget.round_once()
    assert await purposes(budget) == {("outbox", "create"): 3}
    assert await callers(budget) == {5: 1.0}


async def test_what_a_store_may_have_taken_is_not_counted_twice(database: Database, clock: FakeClock) -> None:
    store = FakeStore(database)
    budget = a_budget(store, clock)
    budget.observer.saw(called())
    store.silent = True
    with pytest.raises(CommitUnknown):
        await budget.round_once()
    store.silent = False
    await budget.round_once()
    assert await purposes(budget) == {("outbox", "create"): 1}


async def test_what_waits_is_bounded_and_calls_beyond_are_not_told_apart(budget: Budget) -> None:
    for number in range(MOST_WAITING + 50):
        with attributed_to([number]):
            budget.observer.saw(called())
    waiting = len(budget._uses._uses) + len(budget._uses._callers)
    assert waiting <= MOST_WAITING
    await budget.round_once()
    assert await purposes(budget) == {("outbox", "create"): MOST_WAITING - 2}
    assert len(await callers(budget)) == 1_000


async def test_months_of_more_than_a_year_ago_are_forgotten(
    budget: Budget, database: Database, clock: FakeClock
) -> None:
    for month in (Month(2024, 12), Month(2025, 1), JANUARY):
        await budget.ledger.add(month, 10)
    with attributed_to([5]):
        for ago in (380 * DAY, 370 * DAY, DAY):
            budget.observer.saw(called(took=ago))
    await budget.round_once()
    async with database.reading() as reader:
        assert await reader.all("select month from cloud_months order by month") == [("2025-01",), ("2026-01",)]
        assert await reader.all("select day from cloud_uses order by day") == [("2026-01-04",)]
        assert await reader.all("select month from cloud_callers") == [("2026-01",)]


async def test_an_opened_budget_knows_the_month_and_writes_down_the_rest(database: Database, clock: FakeClock) -> None:
    await a_budget(database, clock).ledger.add(JANUARY, 1_000)
    async with open_budget(SETTINGS, database, clock=clock, observer=SpyObserver()) as budget:
        assert not budget.allows(Lane.OUTBOX)
        budget.observer.saw(called())
    assert await purposes(a_budget(database, clock)) == {("outbox", "create"): 1}
