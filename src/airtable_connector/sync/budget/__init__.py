"""What the month's calls are spent on, and what may still be spent.

`policy`, `forecast` and `plans` decide without a clock or a store; `ledger` and `uses` keep the numbers; `budget` is
what the other parts ask.
"""

from airtable_connector.sync.budget.budget import Budget, RateLimit, open_budget
from airtable_connector.sync.budget.errors import BudgetHeld
from airtable_connector.sync.budget.forecast import Forecast
from airtable_connector.sync.budget.ledger import StoredLedger
from airtable_connector.sync.budget.plans import PLANS, BudgetSettings, Plan
from airtable_connector.sync.budget.uses import attributed_to

__all__ = [
    "PLANS",
    "Budget",
    "BudgetHeld",
    "BudgetSettings",
    "Forecast",
    "Plan",
    "RateLimit",
    "StoredLedger",
    "attributed_to",
    "open_budget",
]
