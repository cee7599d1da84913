from datetime import timedelta
from typing import Any

import pytest

from airtable_connector.sync.budget import BudgetSettings, Plan


@pytest.mark.parametrize(
    ("plan", "calls"), [("free", 1_000), ("team", 100_000), ("business", None), ("enterprise", None)]
)
def test_a_plan_says_how_many_calls_a_month_has(plan: str, calls: int | None) -> None:
    assert BudgetSettings(Plan(plan)).allowance == calls


@pytest.mark.parametrize("plan", Plan)
def test_a_number_of_calls_takes_the_place_of_the_plans(plan: Plan) -> None:
    assert BudgetSettings(plan, monthly_calls=5_000).allowance == 5_000


@pytest.mark.parametrize(
    "wrong",
    [{"reserve": 1.0}, {"reserve": -0.1}, {"monthly_calls": 0}, {"shortest_poll": timedelta(0)}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        BudgetSettings(**wrong)
