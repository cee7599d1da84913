"""Whatever another base tells and callers write, in whatever order: a told table is what a plain model says."""

import asyncio
import copy
import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import orjson
import pytest
from tests.factories.records import ADA, Base, a_table, opened_base
from tests.factories.told import AIRTABLE, a_told_field
from tests.fakes import FakeClock
from tests.postgres import shared_server

from airtable_connector.database import Database, DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import (
    Action,
    Actor,
    Copy,
    Create,
    Delete,
    Done,
    FieldType,
    Forget,
    Operation,
    Query,
    Rename,
    Update,
    Upsert,
    Verified,
    WriteRequest,
    stable_id,
    verify_feed,
)

STEPS = 60
MOMENTS = [f"2025-01-0{day}T00:00:00.000Z" for day in (1, 2, 3)]
REAL = [RecordId(f"recReal{number:010}") for number in range(8)]
KEYS = ["a", "b", "c", "d"]


THINGS = a_table(
    "Told things",
    "Code",
    a_told_field("Code", FieldType.SINGLE_LINE_TEXT),
    a_told_field("Size", FieldType.NUMBER, precision=1),
    a_told_field("Friends", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=stable_id("tbl", "tests", "Told things")),
)
Cells: TypeAlias = dict[str, Any]


class Refused(Exception):
    """The request is to be refused whole."""


@dataclass
class Thing:
    created: str
    cells: Cells
    key: str | None
    place: int


@dataclass(frozen=True)
class Op:
    """One operation; ``new`` is the number of a creation, under which the model knows its record until it has an id."""

    kind: str
    record: str = ""
    cells: Mapping[str, Any] = field(default_factory=dict)
    becomes: str = ""
    created: str = MOMENTS[0]
    basis: int | None = None


@dataclass
class Model:
    """The records by id, and when each was changed last, counted in requests."""

    things: dict[str, Thing] = field(default_factory=dict)
    former: dict[str, str] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    places: int = 0
    created: list[str] = field(default_factory=list)
    """Names that stand for the ids of what the present request created."""

    def request(self, operations: tuple[Op, ...]) -> tuple[list[str], "Model"]:
        after = copy.deepcopy(self)
        after.requests += 1
        after.created = []
        renamed: dict[str, set[str]] = {}
        return [after._one(operation, self, renamed) for operation in operations], after

    def _one(self, op: Op, before: "Model", renamed: dict[str, set[str]]) -> str:
        match op.kind:
            case "create":
                return self._create(op.cells)
            case "upsert":
                holder = self.holder(op.cells["Code"])
                return self._create(op.cells) if holder is None else self._update(holder, op.cells)
            case "update":
                return self._update(self.target(op.record), op.cells)
            case "delete":
                self._remove(self.target(op.record))
                return "deleted"
            case "copy":
                return self._copy(op, before, renamed)
            case "forget":
                return self._forget(op, before, renamed)
            case _:
                return self._rename(op, renamed)

    # callers

    def target(self, name: str) -> str:
        found = name if name in self.things else self.holder(name) or self.former.get(name, "")
        if found not in self.things:
            raise Refused
        return found

    def holder(self, key: str) -> str | None:
        return next((record for record, thing in self.things.items() if thing.key == key), None)

    def _create(self, cells: Mapping[str, Any]) -> str:
        name = f"new {self.places}"
        cells = self._read(cells, [])
        self._claim(cells.get("Code"), name)
        self.created.append(name)
        self.places += 1
        self.things[name] = Thing("now", cells, cells.get("Code"), self.places)
        self.changed[name] = self.requests
        return "created"

    def _update(self, record: str, cells: Mapping[str, Any]) -> str:
        thing = self.things[record]
        wanted = self._read(cells, thing.cells.get("Friends", []))
        merged = {**{name: cell for name, cell in thing.cells.items() if name not in cells}, **wanted}
        if merged == thing.cells:
            return "unchanged"
        if merged.get("Code") != thing.cells.get("Code"):
            self._claim(merged.get("Code"), record)
            thing.key = merged.get("Code")
        thing.cells = merged
        self.changed[record] = self.requests
        return "updated"

    def _claim(self, key: str | None, record: str) -> None:
        if key is not None and self.holder(key) not in (None, record):
            raise Refused

    def _read(self, cells: Mapping[str, Any], held: list[str]) -> Cells:
        read = {name: cell for name, cell in cells.items() if cell not in (None, [])}
        if "Friends" in read:
            named = [name if name in held else self._friend(name) for name in read["Friends"]]
            read["Friends"] = list(dict.fromkeys(named))
        return read

    def _friend(self, name: str) -> str:
        found = name if name in self.things else self.former.get(name, "")
        if found not in self.things:
            raise Refused
        return found

    # the other base

    def _overtaken(self, op: Op, before: "Model", renamed: dict[str, set[str]]) -> bool:
        names = {op.record, *renamed.get(op.record, ())}
        return op.basis is not None and any(before.changed.get(name, 0) > op.basis for name in names)

    def _copy(self, op: Op, before: "Model", renamed: dict[str, set[str]]) -> str:
        if self._overtaken(op, before, renamed):
            return "overtaken"
        cells = {name: cell for name, cell in op.cells.items() if cell not in (None, [])}
        thing = self.things.get(op.record)
        if thing is not None and (thing.cells, thing.created) == (cells, op.created):
            return "unchanged"
        key = self._free(cells.get("Code"), op.record)
        self.changed[op.record] = self.requests
        if thing is None:
            self.places += 1
            self.things[op.record] = Thing(op.created, cells, key, self.places)
            return "created"
        thing.created, thing.cells, thing.key = op.created, cells, key
        return "updated"

    def _free(self, key: str | None, record: str) -> str | None:
        return key if key is not None and self.holder(key) in (None, record) else None

    def _forget(self, op: Op, before: "Model", renamed: dict[str, set[str]]) -> str:
        if self._overtaken(op, before, renamed):
            return "overtaken"
        if op.record not in self.things:
            return "unchanged"
        self._remove(op.record)
        return "deleted"

    def _rename(self, op: Op, renamed: dict[str, set[str]]) -> str:
        old, new = op.record, op.becomes
        if old == new:
            return "unchanged"
        renamed.setdefault(new, set()).update({old}, renamed.get(old, ()))
        self.former = {name: new if becomes == old else becomes for name, becomes in self.former.items()}
        self.former.pop(new, None)
        self.former[old] = new
        effect = "unchanged"
        if old in self.things:
            effect = "updated"
            thing = self.things[old]
            self._remove(old)
            if new not in self.things:
                self.things[new] = dataclasses.replace(thing, created=op.created)
                self.changed[new] = self.requests
        for record, thing in self.things.items():
            friends = thing.cells.get("Friends", [])
            if old in friends:
                thing.cells["Friends"] = list(dict.fromkeys(new if each == old else each for each in friends))
                self.changed[record] = self.requests
                effect = "updated"
        return effect

    def pass_keys_on(self) -> None:
        """Let keys that nobody has be those of the first things whose cells hold them."""
        for thing in sorted(self.things.values(), key=lambda each: each.place):
            code = thing.cells.get("Code")
            if code is not None and self.holder(code) is None:
                thing.key = code

    def _remove(self, record: str) -> None:
        del self.things[record]
        self.changed[record] = self.requests

    # the ids that the store gave

    def name(self, ids: Mapping[str, str]) -> None:
        """Replace the names of what was created by the ids that it was given."""
        for name, given in ids.items():
            for held in (self.things, self.changed, self.former):
                if name in held:
                    held[given] = held.pop(name)  # type: ignore[index,assignment] # all are keyed by id
        for thing in self.things.values():
            if "Friends" in thing.cells:
                thing.cells["Friends"] = [ids.get(each, each) for each in thing.cells["Friends"]]
        self.former = {name: ids.get(becomes, becomes) for name, becomes in self.former.items()}


class Dice:
    """Draws requests that suit what the model holds."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.pick: Callable[[Any], Any] = self._random.choice

    def requests(self, model: Model) -> list[tuple[Actor, tuple[Op, ...]]]:
        return [self._request(model) for _ in range(self.pick([1, 1, 1, 2, 3]))]

    def _request(self, model: Model) -> tuple[Actor, tuple[Op, ...]]:
        draw, actor = self.pick([(self._of_caller, ADA), (self._of_cloud, AIRTABLE)])
        return actor, tuple(draw(model) for _ in range(self.pick([1, 1, 1, 2, 3, 5])))

    def _of_caller(self, model: Model) -> Op:
        kind = self.pick(["create", "create", "update", "update", "upsert", "delete"])
        cells = self._cells([*model.things, *model.former])
        if kind == "upsert":
            cells["Code"] = self.pick(KEYS)
        return Op(kind, self.pick([*model.things, *model.things, *model.former, *KEYS]), cells)

    def _of_cloud(self, model: Model) -> Op:
        kind = self.pick(["copy", "copy", "copy", "forget", "rename", "rename"])
        provisional = [record for record in [*model.things, *model.former] if record not in REAL]
        known = [*provisional, *REAL]
        basis = self.pick([None, None, model.requests, self._random.randint(0, model.requests)])
        # the other base gives no record an id that another one had here
        record = self.pick({"copy": REAL, "forget": known, "rename": provisional or REAL[:1]}[kind])
        becomes = self.pick(REAL)
        return Op(kind, record, self._cells(known), becomes, self.pick(MOMENTS), basis)

    def _cells(self, friends: list[str]) -> Cells:
        cells = {
            "Code": self.pick([*KEYS, None]),
            "Size": self.pick([1, 2, None]),
            "Friends": self._random.sample(friends, min(len(friends), self.pick([0, 0, 1, 2]))),
        }
        return {name: cells[name] for name in self._random.sample(list(cells), self.pick([1, 2, 3]))}


class Run:
    """Store and model side by side."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.model = Model()
        self.positions = [0]
        """Where the feed stood after each request."""
        self.stack = AsyncExitStack()

    async def open(self) -> None:
        opening = opened_base(self.database, clock=FakeClock(), tables=[THINGS])
        self.base: Base = await self.stack.enter_async_context(opening)
        await self.base.shelved()

    async def step(self, dice: Dice) -> None:
        asked = dice.requests(self.model)
        writes = (WriteRequest(actor, tuple(map(self.operation, operations))) for actor, operations in asked)
        outcomes = await asyncio.gather(*map(self.base.workspace.write, writes), return_exceptions=True)
        for (_, operations), outcome in zip(asked, outcomes, strict=True):
            self.check(operations, outcome)
        # what is asked at once is one transaction
        self.model.pass_keys_on()

    def check(self, operations: tuple[Op, ...], outcome: object) -> None:
        try:
            effects, after = self.model.request(operations)
        except Refused:
            assert isinstance(outcome, ConnectorError), outcome
            return
        assert isinstance(outcome, Done), outcome
        assert [str(written.effect) for written in outcome.written] == effects
        given = [str(w.record.id) for w in outcome.written if w.record and w.effect == "created"]
        given = [each for each in given if each not in {op.record for op in operations if op.kind == "copy"}]
        after.name(dict(zip(after.created, given, strict=True)))
        assert outcome.first == self.positions[-1] + 1
        self.positions.append(outcome.seq)
        self.model = after

    def operation(self, op: Op) -> Operation:
        record, basis = RecordId(op.record), None if op.basis is None else self.positions[op.basis]
        match op.kind:
            case "create":
                return Create(THINGS, op.cells)
            case "upsert":
                return Upsert(THINGS, op.cells)
            case "update":
                return Update(THINGS, op.record, op.cells)
            case "delete":
                return Delete(THINGS, op.record)
            case "copy":
                cells = {THINGS.field(name).id: cell for name, cell in op.cells.items() if cell is not None}
                return Copy(THINGS, record, op.created, cells, basis)
            case "forget":
                return Forget(THINGS, record, basis)
            case _:
                return Rename(THINGS, record, RecordId(op.becomes), op.created)

    async def end(self) -> None:
        expected = [
            (record, thing.cells)
            for record, thing in sorted(self.model.things.items(), key=lambda named: named[1].place)
        ]
        in_memory = self.base.workspace.page_from_memory(Query(THINGS))
        assert in_memory is not None
        shown = [orjson.loads(blob) for blob in in_memory.records]
        assert [(each["id"], each["fields"]) for each in shown] == expected
        in_store = await self.base.workspace.page(Query(THINGS, updated_since="0"))
        assert list(in_store.records) == list(in_memory.records)
        for former, becomes in self.model.former.items():
            found = await self.base.workspace.find(THINGS, former)
            wanted = former if former in self.model.things else becomes
            assert (None if found is None else found.id) == (wanted if wanted in self.model.things else None)
        for key in KEYS:
            found = await self.base.workspace.find(THINGS, key)
            assert (None if found is None else found.id) == self.model.holder(key)
        await self.stack.aclose()
        assert await self.replayed() == dict(expected)
        assert await self.indexed() == {
            (friend, thing.place) for thing in self.model.things.values() for friend in thing.cells.get("Friends", [])
        }
        assert isinstance(await verify_feed(self.database), Verified)

    async def replayed(self) -> dict[str, Cells]:
        state: dict[str, Cells] = {}
        async with opened_base(self.database) as fresh:
            changes = await fresh.workspace.changes(after=0, count=100_000)
        for change in changes:
            if change.action is Action.DELETE:
                assert change.before == state.pop(change.record)
                continue
            assert (change.action is Action.CREATE) is (change.record not in state)
            merged = {**state.get(change.record, {}), **(change.after or {})}
            state[change.record] = {name: cell for name, cell in merged.items() if cell is not None}
        return {record: THINGS.named(cells) for record, cells in state.items()}

    async def indexed(self) -> set[tuple[str, int]]:
        async with self.database.reading() as reader:
            return {(row[0], row[1]) for row in await reader.all("select target, ordinal from links")}


async def compare(location: DatabaseLocation, dice: Dice) -> None:
    async with open_database(location, clock=SystemClock()) as database:
        run = Run(database)
        try:
            await run.open()
            for _ in range(STEPS):
                await run.step(dice)
            await run.end()
        finally:
            await run.stack.aclose()


@pytest.mark.parametrize("seed", range(30))
def test_sqlite_does_what_the_model_does(seed: int, tmp_path: Path) -> None:
    asyncio.run(compare(SqliteFile(tmp_path / "records.db"), Dice(seed)))


@pytest.mark.parametrize("seed", range(30, 42))
def test_postgres_does_what_the_model_does(seed: int) -> None:
    asyncio.run(compare(PostgresServer(Secret(shared_server().new_database())), Dice(seed)))
