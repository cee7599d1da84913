"""Keeping the base here and the one at Airtable alike, for what Airtable's plan allows."""

from airtable_connector.sync.budget import (
    PLANS,
    Budget,
    BudgetHeld,
    BudgetSettings,
    Forecast,
    Plan,
    RateLimit,
    StoredLedger,
    attributed_to,
    open_budget,
)
from airtable_connector.sync.lease import Lease, LeaseEnded, LeaseTaken

__all__ = [
    "PLANS",
    "Budget",
    "BudgetHeld",
    "BudgetSettings",
    "Forecast",
    "Lease",
    "LeaseEnded",
    "LeaseTaken",
    "Plan",
    "RateLimit",
    "StoredLedger",
    "attributed_to",
    "open_budget",
]
