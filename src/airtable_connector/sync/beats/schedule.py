"""When a call is made, and for what: decided from numbers alone.

However many cells beat, and however often, one call is made in `CALL_EVERY` at most. That is five a minute, 1.67
percent of the five a second that Airtable takes for a base. What follows, in calls of ten rows:

- 1,000 cells: a round of newest beats is 100 calls, and lasts 20 minutes.
- 1,000 cells and hourly rows: 100 calls an hour make rows and 100 delete as many old ones; 100 are left for newest
  beats, so that a round lasts an hour.
- 40 cells, rounds every 15 minutes: 4 calls each, 0.09 percent.
- More cells and hourly rows: a third of the calls is for newest beats, and the others are too few for all hours. They
  come late, and the oldest that wait are left out.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from airtable_connector.airtable import MOST_WRITTEN

CALL_EVERY: Final = timedelta(seconds=12)
"""The shortest time between two calls, of whatever kind."""

PASSED_OVER: Final = 2
"""How many calls for other things go before one for newest beats that wait."""


class Work(StrEnum):
    """What one call is for."""

    LOOK = "look"
    CHECK = "check"
    EXPIRE = "expire"
    MAKE_ROOM = "make-room"
    HOURLY = "hourly"
    LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows that something is to be done about.

    ``sought`` may be there under an id that is not known, ``doubted`` may be gone there, ``expired`` are too old.
    ``changed`` show the newest beat of a cell and are to show a newer one, ``new`` are to be made for that, and
    ``hourly`` for finished hours. ``there`` counts rows that are or may be there. The hours are texts that sort, empty
    for none: of the oldest row that waits, and of the oldest one that is there.
    """

    sought: int = 0
    doubted: int = 0
    expired: int = 0
    changed: int = 0
    new: int = 0
    hourly: int = 0
    there: int = 0
    first_hour_waiting: str = ""
    first_hour_there: str = ""

    def room(self, limit: int) -> int:
        """Return how many rows may be made before some must go."""
        return max(0, limit - self.there)

    @property
    def removable(self) -> bool:
        """Whether rows are there that may go before their time: hours before those that wait, all for newest beats."""
        return bool(self.first_hour_there) and (self.new > 0 or self.first_hour_there < self.first_hour_waiting)

    def within(self, limit: int) -> Self:
        """Leave out the newest beats of cells for which no room is, and none can be made."""
        return self if self.room(limit) or self.removable else replace(self, new=0)

    def is_stuck(self, limit: int) -> bool:
        """Tell whether an hour waits for which no room can be made, so that it is left out."""
        return self.hourly > 0 and self.room(limit) == 0 and not self.removable


@dataclass(frozen=True, slots=True)
class Round:
    """Newest beats that go up together: those of rows that were not sent since it began, in so many calls.

    The number of calls is settled when it begins. Cells that change meanwhile fill up its calls, and add none.
    """

    began: datetime
    calls: int

    def called(self) -> Self:
        """Return what is left after one of its calls."""
        return replace(self, calls=self.calls - 1)


def begin_round(waiting: Waiting, *, now: datetime, before: Round | None, interval: timedelta) -> Round | None:
    """Return the next round if it is time for one.

    Rounds are ``interval`` apart, or as far as their calls last. A wall clock that was set back begins one.
    """
    if before is not None and timedelta(0) <= now - before.began < interval:
        return None
    calls = -(-waiting.changed // MOST_WRITTEN) - (-waiting.new // MOST_WRITTEN)
    return Round(now, calls) if calls else None


def choose(waiting: Waiting, *, limit: int, passed_over: int) -> Work | None:
    """Say what the next call is for, if for anything.

    What is not known comes first, then hours, then newest beats; but these are passed over twice at most.
    """
    room = waiting.room(limit)
    latest = waiting.changed > 0 or (waiting.new > 0 and room > 0)
    if latest and passed_over >= PASSED_OVER:
        return Work.LATEST
    if waiting.sought:
        return Work.LOOK
    if waiting.doubted:
        return Work.CHECK
    if waiting.expired:
        return Work.EXPIRE
    if room < min(waiting.new + waiting.hourly, MOST_WRITTEN) and waiting.removable:
        return Work.MAKE_ROOM
    if waiting.hourly and room:
        return Work.HOURLY
    return Work.LATEST if latest else None
