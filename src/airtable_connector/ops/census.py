"""Counting the base for a day: how much of what there is, over all records, in one snapshot of the store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.database import Reader, Row
from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.ops.days import Day
from airtable_connector.ops.heartbeats.beats import hour_of
from airtable_connector.ops.heartbeats.verdicts import Verdict
from airtable_connector.records import CELLS, PROOF, SPRINTS, Workspace

NAMES_SHOWN: Final = 5
"""Cells that a warning names; further ones are counted only."""

MOST_CELLS: Final = 100_000
"""Cells whose uptime is counted."""

ONE_HOUR: Final = timedelta(hours=1)

_SPRINTS = (
    "select coalesce(cells ->> :status, ''), count(*),"
    " sum(case when created_at >= :start and created_at < :until then 1 else 0 end)"
    " from records where table_id = :table group by 1 limit 1000"
)
# the same words, in the same order, as the Dashboard looks for them
_PROOFS = (
    "select case when result like '%passed%' or result like '%success%' then 'verified'"
    " when result like '%failed%' or result like '%error%' then 'failed' else 'pending' end,"
    " count(*), sum(case when created_at >= :start and created_at < :until then 1 else 0 end)"
    " from (select lower(coalesce(cells ->> :result, '')) as result, created_at from records where table_id = :table) p"
    " group by 1 limit 3"
)
_CELLS_BY_HEALTH = (
    "select coalesce(cells ->> :health, ''), count(*) from records where table_id = :table group by 1 limit 1000"
)
_CELLS_NAMED = (
    "select key from records where table_id = :table and key is not null and cells ->> :health = :wanted"
    " order by key limit :count"
)
# a cell that fell silent and was then removed from Cells is no droplet any more
_DROPLETS = (
    "select count(*), coalesce(sum(case when w.verdict in ('OK', 'Warning') then 1 else 0 end), 0), max(w.last_beat_at)"
    " from cell_watch w left join records c on c.table_id = :cells and c.key = w.cell_id"
    " where c.id is not null or w.verdict <> 'Offline'"
)
_COVERED = (
    "select d.first_hour, sum(case when r.hour is null or r.hour <= d.first_hour then 0.0"
    " when (r.beats + 1) * d.interval_s < 3600.0 then (r.beats + 1) * d.interval_s else 3600.0 end)"
    " from (select w.cell_id, w.interval_s,"
    " (select min(f.hour) from beat_rollups f where f.cell_id = w.cell_id) as first_hour"
    " from cell_watch w left join records c on c.table_id = :cells and c.key = w.cell_id"
    " where c.id is not null or w.verdict <> 'Offline') d"
    " left join beat_rollups r on r.cell_id = d.cell_id and r.hour >= :start and r.hour < :until"
    " group by d.cell_id, d.first_hour limit :count"
)
_LOAD = (
    "select coalesce(sum(cpu_sum), 0.0), coalesce(sum(cpu_count), 0), coalesce(sum(ram_sum), 0.0),"
    " coalesce(sum(ram_count), 0) from beat_rollups where hour >= :start and hour < :until"
)


@dataclass(frozen=True)
class Census:
    """What there is. ``…_today`` counts records created on the day; everything else is as of the counting.

    ``uptime`` is a percentage, ``average_cpu`` and ``average_ram`` are means over the day's beats; each is None when
    nothing was measured. ``last_beat`` is the moment of the last heartbeat of any cell.
    """

    sprints: Mapping[str, int]
    sprints_today: int
    proofs: Mapping[str, int]
    proofs_today: Mapping[str, int]
    cells: Mapping[str, int]
    offline: tuple[str, ...]
    loaded: tuple[str, ...]
    droplets: int
    active: int
    uptime: float | None
    average_cpu: float | None
    average_ram: float | None
    last_beat: str | None


async def take_census(reader: Reader, workspace: Workspace, day: Day, *, now: datetime) -> Census:
    """Count everything that a digest of the day tells."""
    span = {"start": iso(day.start), "until": iso(day.end)}
    sprints, proofs, cells = (workspace.table(table.name) for table in (SPRINTS, PROOF, CELLS))
    health = cells.field("Health_Status").id
    by_status = await reader.all(_SPRINTS, table=sprints.id, status=sprints.field("Status").id, **span)
    by_result = await reader.all(_PROOFS, table=proofs.id, result=proofs.field("Result").id, **span)
    by_health = await reader.all(_CELLS_BY_HEALTH, table=cells.id, health=health)
    named = {
        verdict: await reader.all(_CELLS_NAMED, table=cells.id, health=health, wanted=str(verdict), count=NAMES_SHOWN)
        for verdict in (Verdict.OFFLINE, Verdict.WARNING)
    }
    droplets, active, last_beat = await reader.one(_DROPLETS, cells=cells.id) or (0, 0, None)
    average_cpu, average_ram = await _average_load(reader, day)
    return Census(
        sprints={status: int(count) for status, count, _ in by_status},
        sprints_today=sum(int(today) for _, _, today in by_status),
        proofs={result: int(count) for result, count, _ in by_result},
        proofs_today={result: int(today) for result, _, today in by_result},
        cells={status: int(count) for status, count in by_health},
        offline=tuple(row[0] for row in named[Verdict.OFFLINE]),
        loaded=tuple(row[0] for row in named[Verdict.WARNING]),
        droplets=int(droplets),
        active=int(active),
        uptime=await _uptime(reader, cells.id, day, now=now, share_now=active / droplets if droplets else None),
        average_cpu=average_cpu,
        average_ram=average_ram,
        last_beat=last_beat,
    )


def uptime(covered: Iterable[tuple[datetime, float]], start: datetime, end: datetime) -> float | None:
    """Return how much of the time between two moments the cells were heard, in percent; None before any was due.

    ``covered`` has for each cell the first hour in which it was ever heard and the seconds its beats cover in the full
    hours after that one. A cell is expected from the end of its first hour on.
    """
    expected = heard = 0.0
    for first_hour, seconds in covered:
        due = (end - max(start, first_hour + ONE_HOUR)).total_seconds()
        if due > 0:
            expected += due
            heard += min(seconds, due)
    return 100.0 * heard / expected if expected else None


async def _uptime(reader: Reader, cells: str, day: Day, *, now: datetime, share_now: float | None) -> float | None:
    """Measure the day's uptime; before any cell was due, the share that is active at the moment stands in for it.

    An hour with n beats is covered for n + 1 intervals: a beat vouches for the time before and after it.
    """
    start, end = hour_of(day.start), min(day.end, now)
    rows: list[Row] = await reader.all(_COVERED, cells=cells, start=start, until=iso(end), count=MOST_CELLS)
    measured = uptime(
        ((parse_iso(first), float(seconds)) for first, seconds in rows if first is not None), parse_iso(start), end
    )
    if measured is None and share_now is not None:
        return 100.0 * share_now
    return measured


async def _average_load(reader: Reader, day: Day) -> tuple[float | None, float | None]:
    row = await reader.one(_LOAD, start=hour_of(day.start), until=iso(day.end))
    cpu, cpu_count, ram, ram_count = row or (0.0, 0, 0.0, 0)
    return float(cpu) / int(cpu_count) if cpu_count else None, float(ram) / int(ram_count) if ram_count else None
