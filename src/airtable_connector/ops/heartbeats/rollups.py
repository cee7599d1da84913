"""The hours: lowest, average and highest load of each cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from airtable_connector.database import Database, Row
from airtable_connector.kernel.clock import iso
from airtable_connector.ops.heartbeats.beats import hour_of

LARGEST_PAGE: Final = 1_000
"""Hours in one page."""

_COLUMNS = (
    "select cell_id, hour, beats, cpu_count, cpu_sum, cpu_min, cpu_max, ram_count, ram_sum, ram_min, ram_max"
    " from beat_rollups"
)
_OF_ALL = (
    f"{_COLUMNS} where (cell_id, hour) > (:after_cell, :after_hour) and hour >= :since and hour < :until"
    " order by cell_id, hour limit :count"
)
_OF_ONE = (
    f"{_COLUMNS} where cell_id = :cell and hour > :after_hour and hour >= :since and hour < :until"
    " order by hour limit :count"
)


class HourPosition(NamedTuple):
    """Where a page ended: the last row's cell and hour."""

    cell: str
    hour: str


@dataclass(frozen=True)
class RollupPage:
    """Rows in the order of cell and hour, and where the next page begins if there is one.

    A row is ``{"cell_id", "hour", "beats", "cpu": {"min", "avg", "max"} | None, "ram": …}``; ``hour`` is the beginning
    of the UTC hour, and a load that no beat of the hour told is None.
    """

    rows: Sequence[dict[str, object]]
    next: HourPosition | None


class Rollups:
    """Reads the hours that `HeartbeatWatch` adds up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, *, cell: str | None, since: datetime, until: datetime, count: int, after: HourPosition | None = None
    ) -> RollupPage:
        """Return up to ``count`` hours that end after ``since`` and begin before ``until``, of one cell if named.

        ``count`` is cut to `LARGEST_PAGE`.
        """
        count = min(max(count, 1), LARGEST_PAGE)
        span = {
            "since": hour_of(since),
            "until": iso(until),
            "after_hour": after.hour if after else "",
            "count": count + 1,
        }
        async with self._database.reading() as reader:
            if cell is None:
                rows = await reader.all(_OF_ALL, after_cell=after.cell if after else "", **span)
            else:
                rows = await reader.all(_OF_ONE, cell=cell, **span)
        shown = rows[:count]
        return RollupPage(
            [_shown(row) for row in shown], HourPosition(shown[-1][0], shown[-1][1]) if len(rows) > count else None
        )


def _shown(row: Row) -> dict[str, object]:
    cell, hour, beats, *loads = row
    return {"cell_id": cell, "hour": hour, "beats": beats, "cpu": _load(*loads[:4]), "ram": _load(*loads[4:])}


def _load(count: int, total: float, low: float | None, high: float | None) -> dict[str, float] | None:
    if low is None or high is None:
        return None
    # the mean of equal values may miss them by the last bit
    return {"min": low, "avg": min(max(total / count, low), high), "max": high}
