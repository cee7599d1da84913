"""Whatever is done to the store, in whatever order: it does what the model does, and its feed tells all of it."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.factories.records import ADA, Base, opened_base
from tests.fakes import FakeClock
from tests.postgres import shared_server
from tests.property.model import THINGS, Ask, Bad, Model, Op, Refused, moment
from tests.property.steps import Dice

from airtable_connector.database import Database, DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.errors import Conflict, Invalid, NotFound
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import (
    Action,
    Create,
    Delete,
    Done,
    Equals,
    Query,
    Sort,
    Update,
    Upsert,
    Verified,
    WriteRequest,
    read_offset,
    verify_feed,
    write_offset,
)

STEPS = 80


@dataclasses.dataclass
class Reading:
    """Somebody who turns pages while others write, and whom they have to find there."""

    query: Query
    expected: set[int]
    seen: list[str]


class Run:
    """Store and model side by side."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock()
        self.second = 0
        self.model = Model()
        self.reading: Reading | None = None
        self.stack = AsyncExitStack()

    async def open(self) -> None:
        opening = opened_base(self.database, clock=self.clock, tables=[dataclasses.replace(THINGS)])
        self.base: Base = await self.stack.enter_async_context(opening)

    async def step(self, kind: str, detail: Any) -> None:
        match kind:
            case "write":
                await self.write(detail)
            case "ask":
                expected = self.model.ask(detail)
                found = [record["id"] for record in await self.base.walk(self.query(detail))]
                assert found == [self.model.ids[thing.number] for thing in expected]
            case "begin":
                self.model.touched.clear()
                expected_numbers = {thing.number for thing in self.model.ask(detail)}
                self.reading = Reading(self.query(detail), expected_numbers, [])
            case "turn":
                await self.turn()
            case "reopen":
                await self.stack.aclose()
                await self.open()

    async def write(self, operations: tuple[Op, ...]) -> None:
        self.second += 1
        await self.clock.advance(timedelta(seconds=1))
        request = WriteRequest(ADA, tuple(self.operation(one) for one in operations))
        try:
            effects, after = self.model.request(operations, moment(self.second))
        except Refused:
            with pytest.raises((Invalid, Conflict, NotFound)):
                await self.base.workspace.write(request)
            return
        done = await self.base.workspace.write(request)
        assert isinstance(done, Done)
        assert [str(written.effect) for written in done.written] == effects
        after.ids += [w.record.id for w in done.written if w.record is not None and w.effect == "created"]
        self.model = after

    def operation(self, one: Op) -> Create | Update | Upsert | Delete:
        values = {name: value.sent if isinstance(value, Bad) else value for name, value in one.values}
        friends = values.get("Friends")
        if isinstance(friends, list) and all(isinstance(friend, int) for friend in friends):
            values["Friends"] = [self.model.name(friend) for friend in friends]
        target = self.model.name(one.target) if isinstance(one.target, int) else one.target
        match one.kind:
            case "create":
                return Create(THINGS, values)
            case "update":
                return Update(THINGS, target, values)
            case "upsert":
                return Upsert(THINGS, values)
            case _:
                return Delete(THINGS, target)

    def query(self, ask: Ask) -> Query:
        lists = {"Tags"}
        return Query(
            THINGS,
            tuple(
                Equals(THINGS.field(name), [value] if name in lists and value else value) for name, value in ask.equal
            ),
            ask.text,
            tuple(Sort(THINGS.field(name), descending) for name, descending in ask.sort),
            None if ask.since is None else moment(ask.since),
            ask.size,
        )

    async def turn(self) -> bool:
        reading = self.reading
        if reading is None:
            return False
        page = await self.base.workspace.page(reading.query)
        reading.seen += [orjson.loads(blob)["id"] for blob in page.records]
        if page.next is not None:
            assert len(page.records) == reading.query.page_size
            after = read_offset(reading.query, write_offset(reading.query, page.next))
            reading.query = dataclasses.replace(reading.query, after=after)
            return True
        stayed = {self.model.ids[number] for number in reading.expected - self.model.touched}
        assert stayed <= set(reading.seen)
        assert all(reading.seen.count(record) == 1 for record in stayed)
        self.reading = None
        return False

    async def end(self) -> None:
        while await self.turn():
            pass
        await self.base.shelved()
        expected = [self.shown(number) for number in sorted(self.model.things)]
        in_memory = self.base.workspace.page_from_memory(Query(THINGS))
        assert in_memory is not None
        assert [orjson.loads(blob) for blob in in_memory.records] == expected
        in_store = await self.base.workspace.page(Query(THINGS, updated_since="0"))
        assert list(in_store.records) == list(in_memory.records)
        await self.stack.aclose()
        assert await self.replayed() == {
            record["id"]: {name: cell for name, cell in record["fields"].items() if name not in ("Created", "Modified")}
            for record in expected
        }
        assert isinstance(await verify_feed(self.database), Verified)

    def shown(self, number: int) -> dict[str, Any]:
        thing = self.model.things[number]
        cells = {**thing.cells, "Created": thing.created, "Modified": thing.modified}
        if "Friends" in cells:
            cells["Friends"] = [self.model.ids[friend] for friend in cells["Friends"]]
        return {"id": self.model.ids[number], "createdTime": thing.created, "fields": cells}

    async def replayed(self) -> dict[str, dict[str, Any]]:
        state: dict[str, dict[str, Any]] = {}
        async with opened_base(self.database) as fresh:
            changes = await fresh.workspace.changes(after=0, count=100_000)
        for change in changes:
            if change.action is Action.DELETE:
                assert change.before == state.pop(change.record)
                continue
            cells = state.setdefault(change.record, {})
            assert change.before in (None, {name: cells.get(name) for name in change.after or {}})
            cells.update(change.after or {})
            state[change.record] = {name: cell for name, cell in cells.items() if cell is not None}
        return {record: dict(THINGS.named(cells)) for record, cells in state.items()}


@asynccontextmanager
async def opened(location: DatabaseLocation) -> AsyncIterator[Run]:
    async with open_database(location, clock=SystemClock()) as database:
        run = Run(database)
        try:
            await run.open()
            yield run
        finally:
            await run.stack.aclose()


async def compare(location: DatabaseLocation, dice: Dice) -> None:
    async with opened(location) as run:
        for _ in range(STEPS):
            await run.step(*dice.step(run.model))
        await run.end()


@pytest.mark.parametrize("seed", range(30))
def test_sqlite_does_what_the_model_does(seed: int, tmp_path: Path) -> None:
    asyncio.run(compare(SqliteFile(tmp_path / "records.db"), Dice(seed)))


@pytest.mark.parametrize("seed", range(30, 42))
def test_postgres_does_what_the_model_does(seed: int) -> None:
    asyncio.run(compare(PostgresServer(Secret(shared_server().new_database())), Dice(seed)))
