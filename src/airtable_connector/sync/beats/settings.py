"""What can be set about heartbeats that go up to Airtable."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class BeatsMode(StrEnum):
    """Which heartbeats Airtable gets."""

    NONE = "none"
    LATEST = "latest"
    HOURLY = "hourly"
    ALL = "all"


@dataclass(frozen=True)
class BeatsSettings:
    """How heartbeats go up.

    With ``latest`` a row of each cell shows its newest beat; with ``hourly`` there is also a row for each cell and
    finished hour. With ``none`` nothing goes up, and with ``all`` nothing from here: the table is one like others.
    ``interval`` is the shortest time between two rounds of newest beats, ``keep`` the age at which rows go there, and
    ``rows`` the most that are there at a time. ``settle`` is how long something that was sent may still be at work
    there after its answer was lost: the call's timeout and a minute.
    """

    mode: BeatsMode = BeatsMode.LATEST
    interval: timedelta = timedelta(minutes=15)
    keep: timedelta = timedelta(days=7)
    rows: int = 10_000
    settle: timedelta = timedelta(minutes=2)
