"""What may be spent on what, and how often Airtable is polled, decided from numbers that are handed in.

Every lane may use calls as long as enough of them is left for the rest of the month. How much is enough is a part of
the month's calls, times the part of the month that is still to come, so that nothing is kept for days that are over:

- writes keep nothing: they may use the last call;
- polls and other webhook calls keep the reserve for writes;
- first copies, and reading what has changed, keep a quarter of the rest for polls as well;
- comparing keeps everything: it may only use what was left over by the days that are gone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Final, assert_never

from airtable_connector.airtable import Lane, Month

FOR_POLLS: Final = 0.25
"""The part of what reads may use that is kept for polls."""

ROUNDING: Final = timedelta(seconds=1)
"""Added to the moment when a lane is open again, so that it is open then however the division was rounded."""


class Because(StrEnum):
    """Why no call is made for a lane."""

    SPENT = "Airtable says that the month's calls are used up"
    ALL_USED = "the month's calls are used up"
    KEPT = "what is left of the month's calls is kept for what is more urgent"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a month's calls at a moment. ``allowance`` is None when calls are not counted."""

    allowance: int | None
    reserve: float
    calls: int
    spent: bool
    at: datetime

    @property
    def month(self) -> Month:
        """The month that the moment lies in."""
        return Month.of(self.at)

    @property
    def left(self) -> int | None:
        """Calls that may still be made, by whoever is the most urgent; None when they are not counted."""
        if self.spent:
            return 0
        return None if self.allowance is None else max(0, self.allowance - self.calls)

    @property
    def reserved(self) -> int | None:
        """Calls that only writes may use as the month stands; None when calls are not counted."""
        if self.allowance is None or self.left is None:
            return None
        return min(self.left, ceil(self.allowance * self.reserve * self.to_come))

    @property
    def rest(self) -> timedelta:
        """How long the month still is."""
        return self.month.ends - self.at

    @property
    def to_come(self) -> float:
        """The part of the month that is still to come: 1 at its beginning."""
        return self.rest / length_of(self.month)


@dataclass(frozen=True, slots=True)
class Held:
    """No call is made for a lane until a moment; if nobody makes calls meanwhile, it is open then."""

    until: datetime
    because: Because


def length_of(month: Month) -> timedelta:
    """Return how long a month is."""
    return month.ends - datetime(month.year, month.number, 1, tzinfo=UTC)


def held(lane: Lane, standing: Standing) -> Held | None:
    """Tell whether, until when and why no call is made for a lane; None when calls may be made."""
    ends = standing.month.ends
    if standing.spent:
        return Held(ends, Because.SPENT)
    if standing.allowance is None:
        return None
    left = standing.left or 0
    if left == 0:
        return Held(ends, Because.ALL_USED)
    keeps = standing.allowance * _kept(lane, standing.reserve)
    if left >= keeps * standing.to_come:
        return None
    # what is kept shrinks with the month, until it is no more than what is left
    opens = ends - length_of(standing.month) * (left / keeps) + ROUNDING
    return Held(min(opens, ends), Because.KEPT)


def poll_interval(standing: Standing, *, shortest: timedelta) -> timedelta:
    """Return how long polls rest, so that what reads may still use lasts until the month ends.

    One poll is one call; what polls find costs more, and makes later ones rarer. While polls are held, it is the time
    until they are not.
    """
    stop = held(Lane.WEBHOOKS, standing)
    if stop is not None:
        return max(shortest, stop.until - standing.at)
    if standing.allowance is None:
        return shortest
    spendable = (standing.left or 0) - standing.allowance * _kept(Lane.WEBHOOKS, standing.reserve) * standing.to_come
    if spendable <= 1:
        return max(shortest, standing.rest)
    return max(shortest, standing.rest / spendable)


def _kept(lane: Lane, reserve: float) -> float:
    """Return the part of a whole month's calls that must be left for others."""
    match lane:
        case Lane.WAITING_CALLER | Lane.OUTBOX:
            return 0.0
        case Lane.WEBHOOKS:
            return reserve
        case Lane.MIRROR:
            return reserve + (1.0 - reserve) * FOR_POLLS
        case Lane.ANTI_ENTROPY:
            return 1.0
        case _:
            assert_never(lane)
