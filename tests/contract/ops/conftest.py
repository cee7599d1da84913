"""A base with a clock that tests move, and the two watchers of its heartbeats."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from tests.fakes import CountingIds, FakeClock, SpyObserver

from airtable_connector.database import Database
from airtable_connector.kernel.clock import iso
from airtable_connector.ops.heartbeats.expiry import HeartbeatExpiry
from airtable_connector.ops.heartbeats.settings import HeartbeatSettings
from airtable_connector.ops.heartbeats.watch import HeartbeatWatch
from airtable_connector.records import (
    HEARTBEATS,
    STANDARD_TABLES,
    Actor,
    Create,
    Done,
    Operation,
    Record,
    Workspace,
    WriteRequest,
    open_workspace,
)

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ME = Actor(5, "a-test")


class Base:
    """An open base, and short words for what tests do with it."""

    def __init__(self, workspace: Workspace, database: Database, clock: FakeClock, ids: CountingIds) -> None:
        self.workspace = workspace
        self.database = database
        self.clock = clock
        self.ids = ids
        self.observer = SpyObserver()
        self.settings = HeartbeatSettings(droplet=2)

    def watch(self) -> HeartbeatWatch:
        return HeartbeatWatch(
            self.workspace,
            self.database,
            clock=self.clock,
            ids=self.ids,
            observer=self.observer,
            settings=self.settings,
        )

    def expiry(self) -> HeartbeatExpiry:
        return HeartbeatExpiry(
            self.workspace, self.database, clock=self.clock, observer=self.observer, settings=self.settings
        )

    async def write(self, *operations: Operation) -> tuple[Record, ...]:
        outcome = await self.workspace.write(WriteRequest(ME, operations))
        assert isinstance(outcome, Done)
        return tuple(written.record for written in outcome.written if written.record is not None)

    async def beat(self, cell: str, *, at: datetime | None = None, **fields: object) -> Record:
        created_at = None if at is None else iso(at)
        record = self.ids.record() if at else None
        (beat,) = await self.write(Create(HEARTBEATS, {"Cell_ID": cell, **fields}, record, created_at))
        return beat

    async def fold_all(self, watch: HeartbeatWatch) -> None:
        for _ in range(100):
            if await watch.fold_once() > timedelta(0):
                return
        raise AssertionError("folding does not come to an end")

    async def pass_time(self, watch: HeartbeatWatch, span: timedelta) -> None:
        """Let time pass with the watch at work, in steps from its sweeps' length to a minute."""
        until = self.clock.now() + span
        step = min(max(timedelta(seconds=5), span / 10), timedelta(minutes=1))
        while self.clock.now() < until:
            await self.clock.advance(step)
            await watch.fold_once()

    async def beat_regularly(
        self, watch: HeartbeatWatch, cell: str, *, every: timedelta, times: int, **fields: object
    ) -> None:
        for _ in range(times):
            await self.beat(cell, **fields)
            await self.pass_time(watch, every)

    async def cells(self, table: str) -> list[Mapping[str, object]]:
        """Return a table's records as cells by field name."""
        kept = self.workspace.table(table)
        async with self.database.reading() as reader:
            rows = await reader.all("select id from records where table_id = :table order by ordinal", table=kept.id)
        found = [await self.workspace.find(kept, row[0]) for row in rows]
        return [kept.named(record.cells) for record in found if record is not None]

    async def health_of(self, cell: str) -> object:
        by_id = {row["Cell_ID"]: row.get("Health_Status") for row in await self.cells("Cells")}
        return by_id.get(cell)

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        async with self.database.reading() as reader:
            return await reader.all(statement)


@pytest.fixture
async def base(database: Database, anyio_backend: str) -> AsyncIterator[Base]:
    clock, ids = FakeClock(START), CountingIds()
    async with open_workspace(
        database, clock=clock, ids=ids, observer=SpyObserver(), tables=STANDARD_TABLES
    ) as workspace:
        yield Base(workspace, database, clock, ids)
