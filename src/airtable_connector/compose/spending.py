"""Publishing what Airtable's plan is spent on."""

from math import inf

from airtable_connector.airtable import Lane
from airtable_connector.ops import Metrics
from airtable_connector.sync.budget import Budget
from airtable_connector.sync.lease import Lease


def publish_budget(metrics: Metrics, budget: Budget) -> None:
    """Let a scrape read the month's calls, and those of this process."""
    metrics.gauge(
        "connector_airtable_month_calls", "Calls of the month, of all processes.", lambda: budget.standing.calls
    )
    metrics.gauge(
        "connector_airtable_month_calls_left",
        "Calls that may still be made in the month; +Inf when they are not counted.",
        lambda: inf if budget.standing.left is None else budget.standing.left,
    )
    metrics.gauge(
        "connector_airtable_month_calls_forecast",
        "Calls when the month ends, if it goes on like the last seven days.",
        lambda: budget.forecast.calls,
    )
    metrics.gauge(
        "connector_airtable_poll_interval_seconds",
        "How long polls rest, so that the calls last.",
        lambda: budget.poll_interval().total_seconds(),
    )
    for lane in Lane:
        _publish_lane(metrics, budget, lane)


def publish_lease(metrics: Metrics, lease: Lease) -> None:
    """Let a scrape read whether this process is the one that asks Airtable."""
    metrics.gauge("connector_airtable_lease_held", "1 while this process may ask Airtable.", lambda: float(lease.held))


def _publish_lane(metrics: Metrics, budget: Budget, lane: Lane) -> None:
    name = f"connector_airtable_{lane.value.replace('-', '_')}"
    metrics.gauge(
        f"{name}_held", f"1 while no calls are made for {lane.value}.", lambda: float(not budget.allows(lane))
    )
    metrics.counter(f"{name}_calls", f"Calls made for {lane.value}.", lambda: budget.calls_since_start(lane))
