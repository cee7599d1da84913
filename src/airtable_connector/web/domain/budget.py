"""What the month's calls to Airtable were spent on."""

from collections.abc import Mapping
from typing import Protocol

import orjson

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.errors import NoBudget, UnknownParameter
from airtable_connector.web.http import Answer, Call


class BudgetShown(Protocol):
    """Knows the month's calls."""

    async def facts(self) -> Mapping[str, JsonValue]:
        """Describe the month as JSON."""
        ...


class BudgetEndpoint:
    """The HTTP endpoint of the budget; None is the budget of a base that is kept here alone."""

    def __init__(self, budget: BudgetShown | None, envelopes: Envelopes) -> None:
        self._budget = budget
        self._envelopes = envelopes

    async def show(self, call: Call) -> Answer:
        """Answer ``GET /budget``: the month's calls, by purpose and by caller, and what may still be spent."""
        for name, _ in call.query:
            raise UnknownParameter(name, ())
        if self._budget is None:
            raise NoBudget
        return Answer(200, self._envelopes.data(orjson.dumps(await self._budget.facts())))
