"""Beats folded together: pure arithmetic, no store.

A beat counts in the UTC hour of its creation. A cell's rhythm is learned from its own beats.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from airtable_connector.kernel.clock import iso

SHORTEST_INTERVAL: Final = timedelta(seconds=5)
LONGEST_INTERVAL: Final = timedelta(hours=1)

SAME_BREATH: Final = timedelta(seconds=1)
"""Beats closer together than this were sent together and tell nothing about a rhythm."""

LEARNING: Final = 0.25
"""The weight of the newest gap in the estimate."""

NARROWEST, WIDEST = 0.5, 4.0
"""A gap counts for no less and no more than this many estimates: one long outage raises the estimate by 75 percent at
most, and a cell of any rhythm is known after a handful of beats."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat. ``cpu`` and ``ram`` are what the cell said, None when it said nothing usable."""

    cell: str
    at: datetime
    cpu: float | None = None
    ram: float | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a cell: its last beat, its rhythm, and the verdict that Cells was last told.

    The verdict is empty as long as nothing was told.
    """

    cell: str
    last_beat_at: datetime
    interval: timedelta
    verdict: str = ""
    cpu: float | None = None
    ram: float | None = None


@dataclass(slots=True)
class Load:
    """How many values there were, their sum, the lowest and the highest."""

    count: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None

    def add(self, value: float | None) -> None:
        """Count one value; None was no value."""
        if value is None:
            return
        self.count += 1
        self.total += value
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)


@dataclass(slots=True)
class HourOfBeats:
    """What a cell sent in one hour."""

    beats: int = 0
    cpu: Load = field(default_factory=Load)
    ram: Load = field(default_factory=Load)


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch of beats comes to: the cells as they are known now, and what to add to ``(cell, hour)``."""

    cells: Mapping[str, Watched]
    hours: Mapping[tuple[str, str], HourOfBeats]


def fold(beats: Iterable[Beat], known: Mapping[str, Watched], *, first_interval: timedelta) -> Folded:
    """Fold beats, in the order of their arrival, into what was known of their cells.

    A beat that is older than the cell's last one counts in its hour and changes nothing else.
    """
    cells: dict[str, Watched] = {}
    hours: dict[tuple[str, str], HourOfBeats] = {}
    for beat in beats:
        hour = hours.setdefault((beat.cell, hour_of(beat.at)), HourOfBeats())
        hour.beats += 1
        hour.cpu.add(beat.cpu)
        hour.ram.add(beat.ram)
        cells[beat.cell] = _after(beat, cells.get(beat.cell) or known.get(beat.cell), first_interval)
    return Folded(cells, hours)


def learn(estimate: timedelta, gap: timedelta) -> timedelta:
    """Return the new estimate of a cell's interval after a gap between two of its beats."""
    if gap < SAME_BREATH:
        return estimate
    counted = min(max(gap, NARROWEST * estimate), WIDEST * estimate)
    return min(max(estimate + LEARNING * (counted - estimate), SHORTEST_INTERVAL), max(LONGEST_INTERVAL, estimate))


def hour_of(moment: datetime) -> str:
    """Name the UTC hour that a moment lies in by its beginning."""
    return iso(moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0))


def _after(beat: Beat, cell: Watched | None, first_interval: timedelta) -> Watched:
    if cell is None:
        return Watched(beat.cell, beat.at, first_interval, "", beat.cpu, beat.ram)
    if beat.at < cell.last_beat_at:
        return cell
    interval = learn(cell.interval, beat.at - cell.last_beat_at)
    return Watched(cell.cell, beat.at, interval, cell.verdict, beat.cpu, beat.ram)
