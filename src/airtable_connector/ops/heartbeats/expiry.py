"""What is too old goes, a little at a time: single beats, what the feed kept of them, hours, forgotten cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.ops.heartbeats.cursors import EMPTIED, FOLDED, lock_cursor, move_cursor, read_cursor
from airtable_connector.ops.heartbeats.settings import HeartbeatSettings
from airtable_connector.records import HEARTBEATS, Actor, Delete, RecordNotFound, Table, Workspace, WriteRequest

CAUSE: Final = "retention"
"""The cause that deletions carry in the feed."""

BATCH: Final = 500
"""Beats deleted by one write."""

RANGE: Final = 1_000
"""Feed entries and rows gone through in one transaction."""

BETWEEN_BATCHES: Final = timedelta(milliseconds=100)
"""Room for other writers while there is much to do."""

LOOK_EVERY: Final = timedelta(minutes=5)
"""Between two looks when nothing was due."""

_OLDEST = "select id, created_at, changed from records where table_id = :table order by ordinal limit :count"
_LAST_BEFORE = "select max(seq) from feed where seq > :after and seq <= :through and at < :before"
_FORGET_HOURS = (
    "delete from beat_rollups where (cell_id, hour) in"
    " (select cell_id, hour from beat_rollups where hour < :before order by hour limit :count)"
)
_FORGET_CELLS = (
    "delete from cell_watch where cell_id in (select cell_id from cell_watch where last_beat_at < :before limit :count)"
)


@dataclass(frozen=True)
class BeatsExpired(Fact):
    """Heartbeats and what they left behind grew too old and went: records, contents in the feed, hours, cells."""

    beats: int
    contents: int
    hours: int
    cells: int


class HeartbeatExpiry:
    """Deletes what is older than the settings keep.

    Beats go in the order of their arrival, and none before it was folded; one that was imported with an old moment
    may stay until those that arrived before it go. Several replicas may do this at once.
    """

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        *,
        clock: Clock,
        observer: Observer,
        settings: HeartbeatSettings,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._clock = clock
        self._observer = observer
        self._settings = settings

    async def expire_once(self) -> timedelta:
        """Do one round as a supervisor's step: at most one batch of each kind."""
        now = self._clock.now()
        table = self._workspace.table(HEARTBEATS.name)
        async with self._database.reading() as reader:
            folded = await read_cursor(reader, FOLDED)
        due = await self._due(table, now - self._settings.keep, folded)
        beats = await self._delete(table, due)
        entries, contents = await self._empty_entries(table, now - self._settings.keep, folded)
        hours, cells = await self._forget(now - self._settings.rollup_keep)
        if beats or contents or hours or cells:
            self._observer.saw(BeatsExpired(beats, contents, hours, cells))
        more = len(due) == BATCH or RANGE in (entries, hours, cells)
        return BETWEEN_BATCHES if more else LOOK_EVERY

    async def _due(self, table: Table, before: datetime, folded: int) -> Sequence[str]:
        async with self._database.reading() as reader:
            rows = await reader.all(_OLDEST, table=table.id, count=BATCH)
        return [str(record) for record, created_at, changed in rows if created_at < iso(before) and changed <= folded]

    async def _delete(self, table: Table, due: Sequence[str]) -> int:
        if not due:
            return 0
        actor = Actor(self._settings.droplet, CAUSE)
        try:
            await self._workspace.write(WriteRequest(actor, tuple(Delete(table, record) for record in due)))
        except RecordNotFound:
            # somebody else deleted one of them in between, and nothing was deleted here; the next round goes on
            return 0
        return len(due)

    async def _empty_entries(self, table: Table, before: datetime, folded: int) -> tuple[int, int]:
        """Return how many feed entries were gone through, and how many lost their content."""
        async with self._database.reading() as reader:
            done = await read_cursor(reader, EMPTIED)
            through = min(done + RANGE, folded)
            row = await reader.one(_LAST_BEFORE, after=done, through=through, before=iso(before))
        if row is None or row[0] is None:
            return 0, 0
        reached = int(row[0])
        contents = await self._workspace.drop_content(table, before=before, after=done, through=reached)
        async with self._database.transaction() as tx:
            await lock_cursor(tx, EMPTIED)
            await move_cursor(tx, EMPTIED, reached)
        return reached - done, contents

    async def _forget(self, before: datetime) -> tuple[int, int]:
        async with self._database.transaction() as tx:
            hours = await tx.run(_FORGET_HOURS, before=iso(before), count=RANGE)
            cells = await tx.run(_FORGET_CELLS, before=iso(before), count=RANGE)
        return hours, cells
