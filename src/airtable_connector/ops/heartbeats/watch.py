"""The watch: reads new heartbeats from the feed, folds them, and tells Cells what became of each cell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson

from airtable_connector.database import Database, Reader, Row, Sql, Transaction
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.kernel.supervisor import LONGEST_BACKOFF
from airtable_connector.ops.heartbeats.beats import Beat, Folded, HourOfBeats, Load, Watched, fold
from airtable_connector.ops.heartbeats.cursors import FOLDED, lock_cursor, move_cursor, read_cursor
from airtable_connector.ops.heartbeats.settings import HeartbeatSettings
from airtable_connector.ops.heartbeats.verdicts import judge
from airtable_connector.records import (
    CELLS,
    HEARTBEATS,
    Action,
    Actor,
    Cell,
    Change,
    Table,
    Upsert,
    Workspace,
    WriteRequest,
)

BATCH: Final = 200
"""Feed entries folded together: so few that no request waits noticeably while they are computed."""

CELLS_JUDGED: Final = 500
"""Cells that a sweep looks at together."""

TOLD_TOGETHER: Final = 500
"""Verdicts that one write carries."""

REST: Final = timedelta(seconds=1)
"""Between two looks at the feed."""

SWEEP_EVERY: Final = timedelta(seconds=5)
"""How often all cells are judged, whether they have beaten or not."""

STANDSTILL: Final = LONGEST_BACKOFF + timedelta(seconds=30)
"""A round that comes so much later than the one before was not merely resting: the process or the store stood still."""

LONGEST_NAME: Final = 255
"""Characters of a Cell_ID that is watched; a longer one would not fit PostgreSQL's index."""

LARGEST_LOAD: Final = 1e9
"""No percentage and no number of megabytes is larger; such a value counts as not sent."""

_CREATED = Sql(
    "select id, created_at from records where id in (select value from json_each(:ids))",
    "select id, created_at from records where id in (select jsonb_array_elements_text(cast(:ids as jsonb)))",
)
_WATCHED = Sql(
    "select cell_id, last_beat_at, interval_s, verdict, cpu, ram from cell_watch"
    " where cell_id in (select value from json_each(:cells))",
    "select cell_id, last_beat_at, interval_s, verdict, cpu, ram from cell_watch"
    " where cell_id in (select jsonb_array_elements_text(cast(:cells as jsonb)))",
)
_WATCHED_AFTER = (
    "select cell_id, last_beat_at, interval_s, verdict, cpu, ram from cell_watch"
    " where cell_id > :after order by cell_id limit :count"
)
_WATCH = (
    "insert into cell_watch (cell_id, last_beat_at, interval_s, verdict, cpu, ram)"
    " values (:cell, :at, :interval, '', :cpu, :ram)"
    " on conflict (cell_id) do update set last_beat_at = excluded.last_beat_at, interval_s = excluded.interval_s,"
    " cpu = excluded.cpu, ram = excluded.ram"
)
_ADD_TO_HOUR = (
    "insert into beat_rollups (cell_id, hour, beats, cpu_count, cpu_sum, cpu_min, cpu_max,"
    " ram_count, ram_sum, ram_min, ram_max)"
    " values (:cell, :hour, :beats, :cpu_count, :cpu_sum, :cpu_min, :cpu_max, :ram_count, :ram_sum, :ram_min, :ram_max)"
    " on conflict (cell_id, hour) do update set beats = beat_rollups.beats + excluded.beats,"
    " cpu_count = beat_rollups.cpu_count + excluded.cpu_count, cpu_sum = beat_rollups.cpu_sum + excluded.cpu_sum,"
    " cpu_min = case when beat_rollups.cpu_min is null or excluded.cpu_min < beat_rollups.cpu_min"
    " then excluded.cpu_min else beat_rollups.cpu_min end,"
    " cpu_max = case when beat_rollups.cpu_max is null or excluded.cpu_max > beat_rollups.cpu_max"
    " then excluded.cpu_max else beat_rollups.cpu_max end,"
    " ram_count = beat_rollups.ram_count + excluded.ram_count, ram_sum = beat_rollups.ram_sum + excluded.ram_sum,"
    " ram_min = case when beat_rollups.ram_min is null or excluded.ram_min < beat_rollups.ram_min"
    " then excluded.ram_min else beat_rollups.ram_min end,"
    " ram_max = case when beat_rollups.ram_max is null or excluded.ram_max > beat_rollups.ram_max"
    " then excluded.ram_max else beat_rollups.ram_max end"
)
# whoever finds a verdict that is neither the one it judged from nor its own was overtaken: Cells may hold either,
# so the cell counts as untold and is told again
_TOLD = (
    "update cell_watch set verdict = case when verdict = :old or verdict = :new then :new else '' end"
    " where cell_id = :cell"
)


@dataclass(frozen=True)
class BeatsFolded(Fact):
    """Heartbeats were counted up to a feed position; ``unusable`` ones had no cell or an endless name."""

    beats: int
    cells: int
    unusable: int
    seq: int


@dataclass(frozen=True)
class CellVerdictChanged(Fact):
    """Cells was told something new about a cell; ``before`` is empty for a cell that was not known."""

    cell: str
    before: str
    verdict: str


@dataclass(frozen=True)
class _Arrived:
    seq: int
    beat: Beat


class HeartbeatWatch:
    """Folds beats exactly once and keeps Cells.Health_Status true.

    Several replicas may watch over one database. A correction or deletion of a beat that was folded changes nothing.
    """

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        *,
        clock: Clock,
        ids: Ids,
        observer: Observer,
        settings: HeartbeatSettings,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._settings = settings
        self._read_to: int | None = None
        self._listening_since = clock.now()
        self._last_round = clock.monotonic()
        self._last_sweep: float | None = None

    async def fold_once(self) -> timedelta:
        """Do one round as a supervisor's step: fold what has come, then judge; all cells are judged now and then.

        Verdicts wait until everything that has come is folded.
        """
        self._notice_standstill()
        changes = await self._news()
        touched = await self._fold(changes)
        if len(changes) == BATCH:
            return timedelta(0)
        await self._settle(touched)
        if self._sweep_is_due():
            await self._sweep()
        return REST

    # --- folding ------------------------------------------------------------------------------------------------

    async def _news(self) -> Sequence[Change]:
        if self._read_to is None:
            async with self._database.reading() as reader:
                self._read_to = await read_cursor(reader, FOLDED)
        head = self._workspace.head.seq
        if head <= self._read_to:
            return ()
        changes = await self._workspace.changes(after=self._read_to, count=BATCH, table=self._heartbeats())
        if not changes:
            # what was read are other tables' entries; the stored cursor moves with the next beat
            self._read_to = head
        return changes

    async def _fold(self, changes: Sequence[Change]) -> Iterable[Watched]:
        if not changes:
            return ()
        arrived = await self._arrived(changes)
        through = changes[-1].seq
        async with self._database.transaction() as tx:
            done = await lock_cursor(tx, FOLDED)
            beats = [item.beat for item in arrived if item.seq > done and _can_be_watched(item.beat)]
            known = await _watched(tx, {beat.cell for beat in beats})
            folded = fold(beats, known, first_interval=self._settings.interval)
            await _keep(tx, folded)
            await move_cursor(tx, FOLDED, through)
        self._read_to = through
        unusable = sum(not _can_be_watched(item.beat) for item in arrived)
        self._observer.saw(BeatsFolded(len(beats), len(folded.cells), unusable, through))
        return folded.cells.values()

    async def _arrived(self, changes: Sequence[Change]) -> list[_Arrived]:
        """Read the beats in entries of the feed; those whose content was dropped, or that create nothing, are none."""
        created = [change for change in changes if change.action is Action.CREATE and change.after is not None]
        ids = orjson.dumps([change.record for change in created]).decode()
        async with self._database.reading() as reader:
            moments: dict[str, str] = dict(await reader.all(_CREATED, ids=ids))
        table = self._heartbeats()
        return [_Arrived(change.seq, _beat(table, change, moments)) for change in created]

    def _heartbeats(self) -> Table:
        return self._workspace.table(HEARTBEATS.name)

    # --- judging ------------------------------------------------------------------------------------------------

    def _notice_standstill(self) -> None:
        round_began = self._clock.monotonic()
        stood_still = round_began - self._last_round > STANDSTILL.total_seconds()
        # a store that refuses writes refuses beats, too: who is silent then may be well
        if stood_still or self._workspace.trouble is not None:
            self._listening_since = self._clock.now()
        self._last_round = round_began

    def _sweep_is_due(self) -> bool:
        return self._last_sweep is None or self._clock.monotonic() - self._last_sweep >= SWEEP_EVERY.total_seconds()

    async def _sweep(self) -> None:
        self._last_sweep = self._clock.monotonic()
        after = ""
        while True:
            async with self._database.reading() as reader:
                rows = await reader.all(_WATCHED_AFTER, after=after, count=CELLS_JUDGED)
            cells = [_watched_from(row) for row in rows]
            await self._settle(cells)
            if len(cells) < CELLS_JUDGED:
                return
            after = cells[-1].cell

    async def _settle(self, cells: Iterable[Watched]) -> None:
        now = self._clock.now()
        changed = [(cell, verdict) for cell in cells if (verdict := self._judge(cell, now)) != cell.verdict]
        for start in range(0, len(changed), TOLD_TOGETHER):
            await self._tell(changed[start : start + TOLD_TOGETHER])

    def _judge(self, cell: Watched, now: datetime) -> str:
        return judge(cell, now=now, listening_since=self._listening_since, high_percent=self._settings.high_percent)

    async def _tell(self, changed: Sequence[tuple[Watched, str]]) -> None:
        """Write verdicts into Cells, and only then keep that they were told: a crash in between tells them again."""
        table = self._workspace.table(CELLS.name)
        actor = Actor(self._settings.droplet, self._ids.trace())
        wanted = tuple(Upsert(table, {"Cell_ID": cell.cell, "Health_Status": verdict}) for cell, verdict in changed)
        await self._workspace.write(WriteRequest(actor, wanted))
        async with self._database.transaction() as tx:
            rows = [{"cell": cell.cell, "old": cell.verdict, "new": str(verdict)} for cell, verdict in changed]
            await tx.run_many(_TOLD, rows)
        for cell, verdict in changed:
            self._observer.saw(CellVerdictChanged(cell.cell, cell.verdict, str(verdict)))


def _beat(table: Table, change: Change, moments: Mapping[str, str]) -> Beat:
    cells = change.after or {}
    # an imported beat carries its own moment, but none lies after its arrival
    at = min(moments.get(change.record, change.at), change.at)
    name = cells.get(table.field("Cell_ID").id)
    return Beat(
        name if isinstance(name, str) else "",
        parse_iso(at),
        _load(cells.get(table.field("CPU_Usage").id)),
        _load(cells.get(table.field("RAM_Usage").id)),
    )


def _load(cell: Cell | None) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float) or abs(cell) > LARGEST_LOAD:
        return None
    return float(cell)


def _can_be_watched(beat: Beat) -> bool:
    return 0 < len(beat.cell) <= LONGEST_NAME


async def _watched(reader: Reader, cells: Iterable[str]) -> dict[str, Watched]:
    rows = await reader.all(_WATCHED, cells=orjson.dumps(sorted(cells)).decode())
    return {cell.cell: cell for cell in map(_watched_from, rows)}


def _watched_from(row: Row) -> Watched:
    cell, last_beat_at, interval_s, verdict, cpu, ram = row
    return Watched(cell, parse_iso(last_beat_at), timedelta(seconds=interval_s), verdict, cpu, ram)


async def _keep(tx: Transaction, folded: Folded) -> None:
    await tx.run_many(
        _WATCH,
        [
            {
                "cell": cell.cell,
                "at": iso(cell.last_beat_at),
                "interval": cell.interval.total_seconds(),
                "cpu": cell.cpu,
                "ram": cell.ram,
            }
            for cell in folded.cells.values()
        ],
    )
    await tx.run_many(_ADD_TO_HOUR, [_hour_values(*key, hour) for key, hour in folded.hours.items()])


def _hour_values(cell: str, hour: str, sums: HourOfBeats) -> dict[str, object]:
    return {
        "cell": cell,
        "hour": hour,
        "beats": sums.beats,
        **_load_values("cpu", sums.cpu),
        **_load_values("ram", sums.ram),
    }


def _load_values(name: str, load: Load) -> dict[str, object]:
    return {f"{name}_count": load.count, f"{name}_sum": load.total, f"{name}_min": load.low, f"{name}_max": load.high}
