"""Links are the same from both sides, whatever is written, in whatever order."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.factories.records import ADA, Base, a_field, a_table, link_to, opened_base
from tests.postgres import shared_server

from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import (
    Action,
    Create,
    Delete,
    Field,
    FieldType,
    LinkTargetMissing,
    Merge,
    Operation,
    Query,
    RecordNotFound,
    Table,
    Update,
    Upsert,
    Verified,
    stable_id,
    verify_feed,
)

STEPS = 50
TEXT = FieldType.SINGLE_LINE_TEXT

_PARENTS, _CHILDREN = (FieldId(stable_id("fld", "tests", name)) for name in ("Parents", "Children"))
_TASKS = a_table("Tasks", "Task", a_field("Task", TEXT))
TASKS = Table(
    _TASKS.id,
    "Tasks",
    (
        *_TASKS.fields,
        a_field("Note", TEXT),
        # within one table: a pair, and a field without an inverse
        link_to(_TASKS, "Parents", inverseLinkFieldId=_CHILDREN),
        link_to(_TASKS, "Children", inverseLinkFieldId=_PARENTS),
        link_to(_TASKS, "Seen"),
    ),
    _TASKS.key,
)
PEOPLE = a_table("People", "Who", a_field("Who", TEXT))
LINKS = {"Parents": ("Children", "Tasks"), "Children": ("Parents", "Tasks"), "Seen": (None, "Tasks")}
BETWEEN = {"Tasks": {"Doers": ("Tasks", "People")}, "People": {"Tasks": ("Doers", "Tasks")}}

Cells = dict[str, list[str]]


class Model:
    """Links by record and field, kept alike from both sides in the plainest way."""

    def __init__(self) -> None:
        self.tables: dict[str, str] = {}
        self.cells: dict[str, Cells] = {}

    def fields(self, table: str) -> dict[str, tuple[str | None, str]]:
        return {**(LINKS if table == "Tasks" else {}), **BETWEEN[table]}

    def set(self, record: str, cells: Cells) -> None:
        fields, own = self.fields(self.tables[record]), self.cells[record]
        before = {name: own.get(name, []) for name in fields}
        own.update(cells)
        for name in fields:
            inverse = fields[name][0]
            if inverse is None or name not in cells:
                continue
            for target in cells[name]:
                if target not in before[name] and record not in self.cells[target].setdefault(inverse, []):
                    self.cells[target][inverse] = [*self.cells[target][inverse], record]
            for target in before[name]:
                if target not in cells[name]:
                    self.cells[target][inverse] = [each for each in self.cells[target][inverse] if each != record]

    def delete(self, record: str) -> None:
        del self.tables[record], self.cells[record]
        for cells in self.cells.values():
            for name, targets in cells.items():
                cells[name] = [target for target in targets if target != record]

    def shown(self) -> dict[str, Cells]:
        return {
            record: {name: list(held) for name, held in cells.items() if held} for record, cells in self.cells.items()
        }


class Run:
    """Store and model side by side."""

    def __init__(self, base: Base, seed: int) -> None:
        self.base, self.random, self.model, self.made = base, Random(seed), Model(), 0

    def table(self, name: str) -> Table:
        return self.base.workspace.table(name)

    async def step(self) -> None:
        """Do one request of some operations; one that is refused changes nothing on either side."""
        model, before = self.model, (dict(self.model.tables), self.model.shown())
        self.there = before[0]
        operations = [self.operation() for _ in range(self.random.choice([1, 1, 2, 4]))]
        if self.random.random() < 0.1:
            operations.append(Update(self.table("Tasks"), "nobody", {"Note": "x"}))
        try:
            await self.base.do(*operations)
        except (RecordNotFound, LinkTargetMissing):
            model.tables, model.cells = before
        assert await self.held() == model.shown()

    def operation(self) -> Operation:
        random, model = self.random, self.model
        there = sorted(model.tables)
        kind = random.choice(["create", "update", "update", "upsert", "merge", "delete"]) if there else "create"
        if kind == "create":
            return self.create(random.choice(["Tasks", "People"]))
        record = random.choice(there)
        table = self.table(model.tables[record])
        if kind == "delete":
            model.delete(record)
            return Delete(table, random.choice([record, f"name of {record}"]))
        cells = self.some_links(model.tables[record])
        model.set(record, cells)
        key = table.fields[0].name
        match kind:
            case "upsert":
                return Upsert(table, {key: f"name of {record}", **cells})
            # a merge looks at what was there before its request
            case "merge" if table.name == "Tasks" and record in self.there:
                return Merge(table, {"Note": f"note of {record}", **cells}, (table.field("Note").id,))
            case _:
                return Update(table, random.choice([record, f"name of {record}"]), cells)

    def create(self, name: str) -> Operation:
        self.made += 1
        record, table = RecordId(f"rec{self.made:014}"), self.table(name)
        cells: dict[str, Any] = self.some_links(name)
        self.model.tables[record], self.model.cells[record] = name, {}
        self.model.set(record, cells)
        note = {"Note": f"note of {record}"} if name == "Tasks" else {}
        return Create(table, {table.fields[0].name: f"name of {record}", **note, **cells}, record=record)

    def some_links(self, name: str) -> Cells:
        random, cells = self.random, Cells()
        for field, (_, linked) in self.model.fields(name).items():
            if random.random() < 0.6:
                there = [each for each, table in sorted(self.model.tables.items()) if table == linked]
                cells[field] = random.sample(there, random.randint(0, min(3, len(there))))
        return cells

    async def held(self) -> dict[str, Cells]:
        found: dict[str, Cells] = {}
        for name in ("Tasks", "People"):
            fields = self.model.fields(name)
            for record in await self.base.walk(Query(self.table(name), updated_since="0")):
                found[record["id"]] = {field: cell for field, cell in record["fields"].items() if field in fields}
        return found

    async def end(self) -> None:
        """Memory shows what the store shows, and the feed tells all of it."""
        in_memory = [await self.base.cells(self.table(name), record) for record, name in self.model.tables.items()]
        shown = [{name: cell for name, cell in (cells or {}).items() if isinstance(cell, list)} for cells in in_memory]
        assert shown == list(self.model.shown().values())
        state: dict[str, dict[FieldId, Any]] = {}
        for change in await self.base.workspace.changes(after=0, count=100_000):
            if change.action is Action.DELETE:
                assert change.before == {name: cell for name, cell in state.pop(change.record).items() if cell}
            elif change.action is not Action.SCHEMA:
                state.setdefault(change.record, {}).update({FieldId(n): c for n, c in (change.after or {}).items()})
        links = {field.id: field for name in ("Tasks", "People") for field in self.table(name).link_fields}
        told = {record: named(links, cells) for record, cells in state.items()}
        assert told == self.model.shown()
        assert isinstance(await verify_feed(self.base.database), Verified)


def named(links: dict[FieldId, Field], cells: dict[FieldId, Any]) -> Cells:
    return {links[known].name: cell for known, cell in cells.items() if known in links and cell}


async def compare(location: DatabaseLocation, seed: int) -> None:
    async with (
        open_database(location, clock=SystemClock()) as database,
        opened_base(database, tables=[PEOPLE]) as base,
    ):
        await base.workspace.add_table(TASKS, actor=ADA)
        await base.workspace.add_field(TASKS.id, link_to(PEOPLE, "Doers"), actor=ADA)
        run = Run(base, seed)
        for _ in range(STEPS):
            await run.step()
        await run.end()


@pytest.mark.parametrize("seed", range(20))
def test_links_are_alike_from_both_sides_in_sqlite(seed: int, tmp_path: Path) -> None:
    asyncio.run(compare(SqliteFile(tmp_path / "records.db"), seed))


@pytest.mark.parametrize("seed", range(20, 28))
def test_links_are_alike_from_both_sides_in_postgres(seed: int) -> None:
    asyncio.run(compare(PostgresServer(Secret(shared_server().new_database())), seed))
