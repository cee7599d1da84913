"""What comes from this side: new beats from the feed, finished hours from the rollups.

A reader of the feed with a cursor of its own. The rollups are written by the watch (`ops`), a room above this one:
the two meet in the tables ``beat_rollups`` and ``cursors``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from airtable_connector.database import Database, Reader, Row, Sql, Transaction
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.records import HEARTBEATS, Action, Cell, Change, Table, Workspace
from airtable_connector.sync.beats.layout import (
    CELL,
    CPU,
    RAM,
    STATUS,
    HourOfLoad,
    Shown,
    can_have_a_row,
    of_beat,
    of_hour,
)
from airtable_connector.sync.beats.settings import BeatsMode, BeatsSettings

BATCH: Final = 200
"""Feed entries taken together."""

HOUR: Final = timedelta(hours=1)

FINISHED: Final = timedelta(minutes=2)
"""How long after its end an hour is taken: what was given a moment in it has been committed by then."""

PAGE: Final = 500
"""Hours' rows read together."""

LARGEST_LOAD: Final = 1e9
"""No percentage and no number of megabytes is larger; such a value counts as not sent."""

_BEATS, _HOURS = "cloud-beats", "cloud-hours"
"""Our cursors: a feed position, and the number of an hour since 1970."""

_COUNTED = "heartbeats"
"""The watch's cursor: the feed position up to which beats are in the rollups."""

_CURSOR = "select seq from cursors where reader = :reader"
_BEGIN = "insert into cursors (reader, seq) values (:reader, :seq) on conflict (reader) do nothing"
_MOVE = "update cursors set seq = :seq where reader = :reader and seq < :seq"
_CREATED = Sql(
    "select id, created_at from records where id in (select value from json_each(:ids))",
    "select id, created_at from records where id in (select jsonb_array_elements_text(cast(:ids as jsonb)))",
)
_SHOW = (
    "insert into cloud_beats (hour, cell, at, content, state, alone) values ('', :cell, :at, :content, '', 0)"
    " on conflict (hour, cell) do update set at = excluded.at, content = excluded.content"
    " where cloud_beats.at <= excluded.at"
)
_ADD_HOUR = (
    "insert into cloud_beats (hour, cell, at, content, state, alone) values (:hour, :cell, :hour, :content, '', 0)"
    " on conflict (hour, cell) do nothing"
)
_ROLLUPS = (
    "select cell_id, beats, cpu_count, cpu_sum, cpu_min, cpu_max, ram_count, ram_sum, ram_min, ram_max"
    " from beat_rollups where hour = :hour and cell_id > :after order by cell_id limit :count"
)
# what waits beyond the number of rows that may be there would be made only to be deleted
_TRIM = (
    "delete from cloud_beats where hour > '' and record_id is null and state = '' and hour <="
    " coalesce((select hour from cloud_beats where hour > '' and record_id is null and state = ''"
    " order by hour desc limit 1 offset :rows), '')"
)
_TRIM_CELLS = (
    "delete from cloud_beats where hour = '' and record_id is null and state = '' and at <="
    " coalesce((select at from cloud_beats where hour = '' and record_id is null and state = ''"
    " order by at desc limit 1 offset :rows), '')"
)
_FORGET = "delete from cloud_beats where record_id is null and state = '' and at < :before"


@dataclass(frozen=True, slots=True)
class _Newest:
    at: str
    shown: Shown


class Intake:
    """Keeps in ``cloud_beats`` what each row is to show. Begins with what comes after its first round."""

    def __init__(self, workspace: Workspace, database: Database, *, clock: Clock, settings: BeatsSettings) -> None:
        self._workspace = workspace
        self._database = database
        self._clock = clock
        self._settings = settings
        self._read_to: int | None = None
        self.without_row = 0
        """Beats since the start whose cell cannot have a row: it has no name, or one that is no line of text."""
        self.left_out = 0
        """Rows of hours since the start that waited when too many newer ones came."""

    async def take(self) -> bool:
        """Take some of what has come, and return whether that was all.

        A beat counts when it is added; what becomes of its record later changes nothing.
        """
        if self._read_to is None:
            self._read_to = await self._begin(_BEATS, self._workspace.head.seq)
        if not await self._take_beats(self._read_to):
            return False
        return await self._take_hour()

    async def _begin(self, reader: str, seq: int) -> int:
        async with self._database.transaction() as tx:
            await tx.run(_BEGIN, reader=reader, seq=seq)
            return await _cursor(tx, reader)

    # --- beats --------------------------------------------------------------------------------------------------

    async def _take_beats(self, after: int) -> bool:
        head = self._workspace.head.seq
        table = self._workspace.tables.get(HEARTBEATS.name)
        changes = await self._workspace.changes(after=after, count=BATCH, table=table) if table else []
        if table is None or not changes:
            # what was read are other tables' entries; the stored cursor moves with the next beat
            self._read_to = max(after, head)
            return True
        newest = await self._newest(table, changes)
        through = changes[-1].seq
        async with self._database.transaction() as tx:
            await tx.run_many(
                _SHOW, [{"cell": cell, "at": beat.at, "content": beat.shown.text()} for cell, beat in newest.items()]
            )
            await tx.run(_MOVE, reader=_BEATS, seq=through)
        self._read_to = through
        return len(changes) < BATCH

    async def _newest(self, table: Table, changes: Sequence[Change]) -> Mapping[str, _Newest]:
        created = [change for change in changes if change.action is Action.CREATE and change.after is not None]
        ids = orjson.dumps([change.record for change in created]).decode()
        async with self._database.reading() as reader:
            moments: dict[str, str] = dict(await reader.all(_CREATED, ids=ids))
        newest: dict[str, _Newest] = {}
        for change in created:
            cell, shown = _read_beat(table, change.after or {})
            # an imported beat carries its own moment, but none lies after its arrival
            at = min(moments.get(change.record, change.at), change.at)
            if not can_have_a_row(cell):
                self.without_row += 1
            elif cell not in newest or newest[cell].at <= at:
                newest[cell] = _Newest(at, shown)
        return newest

    # --- hours --------------------------------------------------------------------------------------------------

    async def _take_hour(self) -> bool:
        now = self._clock.now()
        finished = _number(now - FINISHED) - 1
        async with self._database.reading() as reader:
            counted, ours = await _cursor(reader, _COUNTED), await _cursor(reader, _BEATS)
            done = await _cursor(reader, _HOURS)
        if done >= finished:
            return True
        if self._settings.mode is not BeatsMode.HOURLY or done == 0:
            # hours that ended before they were asked for are not sent later
            await self._pass_over(finished, now)
            return True
        if counted < ours:
            return True
        number = max(done + 1, _number(now - self._settings.keep))
        await self._add_hour(number, now)
        return number == finished

    async def _pass_over(self, number: int, now: datetime) -> None:
        async with self._database.transaction() as tx:
            await tx.run(_BEGIN, reader=_HOURS, seq=number)
            await tx.run(_MOVE, reader=_HOURS, seq=number)
            await self._forget(tx, now)

    async def _forget(self, tx: Transaction, now: datetime) -> None:
        """Forget cells that have no row, when they have been silent for long or are too many."""
        await tx.run(_FORGET, before=iso(now - self._settings.keep))
        await tx.run(_TRIM_CELLS, rows=self._settings.rows)

    async def _add_hour(self, number: int, now: datetime) -> None:
        hour = iso(datetime.fromtimestamp(number * HOUR.total_seconds(), UTC))
        async with self._database.transaction() as tx:
            after, added = "", 0
            # more than may be there would be made only to be deleted
            while added < self._settings.rows:
                rows = await tx.all(_ROLLUPS, hour=hour, after=after, count=PAGE)
                shown = [(row[0], _shown_hour(hour, row)) for row in rows if can_have_a_row(row[0])]
                await tx.run_many(_ADD_HOUR, [{"hour": hour, "cell": c, "content": s.text()} for c, s in shown])
                if len(rows) < PAGE:
                    break
                after, added = rows[-1][0], added + len(rows)
            left_out = await tx.run(_TRIM, rows=self._settings.rows)
            await self._forget(tx, now)
            await tx.run(_MOVE, reader=_HOURS, seq=number)
        self.left_out += left_out


def _read_beat(table: Table, cells: Mapping[str, Cell | None]) -> tuple[str, Shown]:
    told = table.named({field: cell for field, cell in cells.items() if cell is not None})
    cell, status = told.get(CELL), told.get(STATUS)
    shown = of_beat(_load(told.get(CPU)), _load(told.get(RAM)), status if isinstance(status, str) else "")
    return (cell if isinstance(cell, str) else ""), shown


def _load(cell: Cell | None) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float) or abs(cell) > LARGEST_LOAD:
        return None
    return float(cell)


def _shown_hour(hour: str, row: Row) -> Shown:
    _cell, beats, *loads = row
    return of_hour(hour, beats, _load_of(*loads[:4]), _load_of(*loads[4:]))


def _load_of(count: int, total: float, low: float | None, high: float | None) -> HourOfLoad | None:
    return None if low is None or high is None else HourOfLoad(low, total / count, high)


def _number(moment: datetime) -> int:
    return int(moment.timestamp() // HOUR.total_seconds())


async def _cursor(reader: Reader | Transaction, name: str) -> int:
    row = await reader.one(_CURSOR, reader=name)
    return int(row[0]) if row else 0
