"""What Airtable's plans allow, and what the operator makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Plan(StrEnum):
    """Airtable's plans, by the names they are sold under."""

    FREE = "free"
    TEAM = "team"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


PLANS: Final[Mapping[Plan, int | None]] = MappingProxyType(
    {Plan.FREE: 1_000, Plan.TEAM: 100_000, Plan.BUSINESS: None, Plan.ENTERPRISE: None}
)
"""Calls a month that a workspace has; None means that they are not counted. Beyond them Airtable refuses calls (free)
or takes two a second (team); we make none either way, unless ``monthly_calls`` says more."""


@dataclass(frozen=True)
class BudgetSettings:
    """What may be spent.

    ``monthly_calls`` takes the place of the plan's number, for a workspace whose calls are shared with others.
    ``reserve`` is the part of it that only writes may use, as far as the month is still to come. ``shortest_poll`` is
    how often Airtable is polled when calls are plenty.
    """

    plan: Plan = Plan.TEAM
    monthly_calls: int | None = None
    reserve: float = 0.25
    shortest_poll: timedelta = timedelta(seconds=15)

    def __post_init__(self) -> None:
        if not 0.0 <= self.reserve < 1.0:
            raise ValueError("the reserve for writes is a part of the calls, and leaves some for reads")
        if self.monthly_calls is not None and self.monthly_calls < 1:
            raise ValueError("a month has at least one call")
        if self.shortest_poll <= timedelta(0):
            raise ValueError("between two polls is a time")

    @property
    def allowance(self) -> int | None:
        """Calls that may be made in a month; None when they are not counted."""
        return PLANS[self.plan] if self.monthly_calls is None else self.monthly_calls
