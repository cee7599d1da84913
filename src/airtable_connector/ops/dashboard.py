"""What the Dashboard shows of the cells, in the shape that droplet 1 answers, which it was made for."""

from typing import Final

from airtable_connector.database import Database, Row
from airtable_connector.kernel.clock import parse_iso
from airtable_connector.ops.heartbeats.verdicts import FULL_LOAD, Verdict
from airtable_connector.records import CELLS, Workspace

MOST_SHOWN: Final = 1_000
"""Droplets in one answer; the summary counts all of them."""

_HEALTHY = frozenset({Verdict.OK, Verdict.WARNING})

# a cell that fell silent and was then removed from Cells is no droplet any more
_DROPLETS = (
    "select w.cell_id, w.verdict, w.last_beat_at, w.cpu, w.ram, c.cells ->> :role, c.cells ->> :address,"
    " cast(c.cells ->> :cost as double precision)"
    " from cell_watch w left join records c on c.table_id = :cells and c.key = w.cell_id"
    " where c.id is not null or w.verdict <> 'Offline' order by w.cell_id limit :count"
)
_SUMMARY = (
    "select count(*), coalesce(sum(case when w.verdict in ('OK', 'Warning') then 1 else 0 end), 0),"
    " coalesce(sum(cast(c.cells ->> :cost as double precision)), 0.0)"
    " from cell_watch w left join records c on c.table_id = :cells and c.key = w.cell_id"
    " where c.id is not null or w.verdict <> 'Offline'"
)


class Dashboard:
    """Reads the cells that have ever beaten."""

    def __init__(self, workspace: Workspace, database: Database) -> None:
        self._workspace = workspace
        self._database = database

    async def show(self) -> dict[str, object]:
        """Return ``{"droplets": […], "summary": {"total", "healthy", "down", "cost_hour_total"}}``.

        A droplet is ``{"id", "name", "role", "ip", "cost_hour", "cpu", "mem", "last_seen", "status"}``: ``cpu`` and
        ``mem`` in percent, ``last_seen`` in seconds since 1970, ``status`` healthy or down. What is not known, or is
        no percentage, is left out; the Dashboard takes that for zero.
        """
        cells = self._workspace.table(CELLS.name)
        cost = cells.field("Cost_per_hr").id
        async with self._database.reading() as reader:
            rows = await reader.all(
                _DROPLETS,
                cells=cells.id,
                role=cells.field("Role").id,
                address=cells.field("IP_Address").id,
                cost=cost,
                count=MOST_SHOWN,
            )
            total, healthy, cost_hour = await reader.one(_SUMMARY, cells=cells.id, cost=cost) or (0, 0, 0.0)
        return {
            "droplets": [_droplet(row) for row in rows],
            "summary": {
                "total": int(total),
                "healthy": int(healthy),
                "down": int(total) - int(healthy),
                "cost_hour_total": round(float(cost_hour), 4),
            },
        }


def _droplet(row: Row) -> dict[str, object]:
    cell, verdict, last_beat_at, cpu, ram, role, address, cost = row
    shown = {
        "id": cell,
        "name": cell,
        "role": role,
        "ip": address,
        "cost_hour": cost,
        "cpu": _percent(cpu),
        "mem": _percent(ram),
        "last_seen": int(parse_iso(last_beat_at).timestamp()),
        "status": "healthy" if verdict in _HEALTHY else "down",
    }
    return {name: value for name, value in shown.items() if value is not None}


def _percent(load: float | None) -> float | None:
    return load if load is not None and 0 <= load <= FULL_LOAD else None
