"""How many calls a month will have had when it ends, if it goes on like the last days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from airtable_connector.sync.budget.policy import Standing

DAYS: Final = 7
"""How many days, today among them, tell how it goes on: a first copy is forgotten after a week."""

AT_LEAST: Final = timedelta(hours=1)
"""The shortest time that a rate is taken from."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The calls of the month when it ends, and when its calls are used up; None when they are not.

    It knows nothing of what the budget refuses: with polls that are stretched, it comes later than told here.
    """

    calls: int
    runs_out: datetime | None


def first_day(at: datetime) -> date:
    """Return the first of the days that a forecast at a moment looks at."""
    return at.date() - timedelta(days=DAYS - 1)


def forecast(standing: Standing, days: Mapping[date, int]) -> Forecast:
    """Carry the calls of the last days on to the month's end; ``days`` are in UTC, and others are left aside."""
    since = first_day(standing.at)
    recent = {day: calls for day, calls in days.items() if since <= day <= standing.at.date() and calls}
    per_second = 0.0
    if recent:
        began = datetime.combine(min(recent), time(), tzinfo=UTC)
        per_second = sum(recent.values()) / max(AT_LEAST, standing.at - began).total_seconds()
    more = per_second * standing.rest.total_seconds()
    return Forecast(standing.calls + round(more), _runs_out(standing, per_second))


def _runs_out(standing: Standing, per_second: float) -> datetime | None:
    left = standing.left
    if left is None or left >= per_second * standing.rest.total_seconds():
        return standing.at if left == 0 else None
    return standing.at + timedelta(seconds=left / per_second)
