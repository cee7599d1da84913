import pytest
from tests.fakes import FakeClock, SpyObserver

from airtable_connector.airtable import Lane, Month
from airtable_connector.compose.spending import publish_budget, publish_lease
from airtable_connector.database import SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.ops import Metrics
from airtable_connector.sync.budget import Budget, BudgetSettings, Plan
from airtable_connector.sync.lease import Lease

pytestmark = pytest.mark.anyio


def numbers(metrics: Metrics) -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    return {
        name.removeprefix("connector_airtable_"): float(value)
        for name, value in (line.split(" ") for line in lines if line.startswith("connector_airtable_"))
    }


async def test_a_scrape_reads_what_the_month_has_had_and_who_may_ask(tmp_path) -> None:
    metrics, clock, spy = Metrics(), FakeClock(), SpyObserver()
    async with open_database(SqliteFile(tmp_path / "records.db"), clock=SystemClock()) as database:
        budget = Budget(BudgetSettings(Plan.FREE), database, clock=clock, observer=spy)
        lease = Lease(database, "airtable", owner="this process", clock=clock, observer=spy)
        publish_budget(metrics, budget)
        publish_lease(metrics, lease)
        assert numbers(metrics)["lease_held"] == 0

        await budget.ledger.add(Month(2026, 1), 700)
        await lease.keep_once()
        shown = numbers(metrics)

    assert (shown["month_calls"], shown["month_calls_left"], shown["month_calls_forecast"]) == (700, 300, 700)
    assert shown["poll_interval_seconds"] == budget.poll_interval().total_seconds()
    assert [shown[f"{lane.value.replace('-', '_')}_held"] for lane in Lane] == [0, 0, 0, 1, 1]
    assert [shown[f"{lane.value.replace('-', '_')}_calls_total"] for lane in Lane] == [0] * 5
    assert shown["lease_held"] == 1


async def test_calls_that_are_not_counted_are_without_end(tmp_path) -> None:
    metrics = Metrics()
    async with open_database(SqliteFile(tmp_path / "records.db"), clock=SystemClock()) as database:
        budget = Budget(BudgetSettings(Plan.BUSINESS), database, clock=FakeClock(), observer=SpyObserver())
        publish_budget(metrics, budget)
        assert numbers(metrics)["month_calls_left"] == float("inf")
