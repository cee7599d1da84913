"""What the budget refuses."""

from datetime import timedelta

from airtable_connector.airtable import Lane
from airtable_connector.kernel.errors import LimitReached


class BudgetHeld(LimitReached):
    """A call to Airtable is not made, because the month's calls are kept for what is more urgent, or are used up."""

    code = "budget-held"

    def __init__(self, lane: Lane, because: str, *, retry_after: timedelta) -> None:
        super().__init__(
            f"no call is made for {lane.value}: {because}",
            retry_after=retry_after,
            hint="GET /budget shows what the month's calls were spent on; AIRTABLE_PLAN and AIRTABLE_MONTHLY_CALLS say"
            " how many there are",
            facts={"lane": lane.value},
        )
        self.lane = lane
