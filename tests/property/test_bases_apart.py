"""Bases of the same tables never touch each other, whatever is written, in whatever order."""

import asyncio
import dataclasses
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.factories.records import ADA, Base, a_field, a_table, link_to, opened_base
from tests.postgres import shared_server

from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import BaseId, RandomIds, TableId
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import (
    Create,
    Delete,
    FieldType,
    LinkTargetMissing,
    Merge,
    Operation,
    Query,
    RecordNotFound,
    Table,
    Update,
    Verified,
    equals,
    verify_feed,
)

STEPS = 120
TEXT = FieldType.SINGLE_LINE_TEXT
BASES = (None, BaseId("app00000000000001"), BaseId("app00000000000002"))

Cells = dict[str, Any]


class Run:
    """A store with three bases of the same two tables, and what each should hold."""

    def __init__(self, base: Base, seed: int) -> None:
        self.base, self.random = base, Random(seed)
        self.model: dict[BaseId | None, dict[str, tuple[str, Cells]]] = {each: {} for each in BASES}

    async def prepare(self) -> None:
        workspace, ids = self.base.workspace, RandomIds()
        for base in BASES:
            tables = [
                dataclasses.replace(
                    a_table(name, None, dataclasses.replace(a_field("Name", TEXT), id=ids.mint("fld"))),
                    id=TableId(ids.mint("tbl")),
                )
                for name in ("Notes", "Topics")
            ]
            if base is None:
                await workspace.add_tables(tables, inverses={}, actor=ADA)
            else:
                await workspace.add_base(base, "Made", tables, actor=ADA)
            notes, topics = tables
            link = dataclasses.replace(link_to(topics, "Topic"), id=ids.mint("fld"))
            await workspace.add_field(notes.id, link, actor=ADA)

    def table(self, base: BaseId | None, name: str) -> Table:
        return self.base.workspace.tables_of(base)[name]

    async def step(self) -> None:
        """Write to one base, at times naming records of another one; what names those is refused."""
        random, base = self.random, self.random.choice(BASES)
        name, value = random.choice(["Notes", "Topics"]), random.choice("abc")
        table, held = self.table(base, name), self.model[base]
        mine = sorted(record for record, (holder, _) in held.items() if holder == name)
        kind = random.choice(["create", "create", "merge", "link", "update", "delete", "foreign"])
        alike = [record for record in mine if held[record][1].get("Name") == value]
        match kind:
            case "merge" if len(alike) < 2:
                (record,) = await self.do(Merge(table, {"Name": value}, (table.field("Name").id,)))
                assert record in alike or not alike
                held.setdefault(record, (name, {}))[1]["Name"] = value
            case "update" if mine:
                await self.do(Update(table, record := random.choice(mine), {"Name": value}))
                held[record][1]["Name"] = value
            case "delete" if mine:
                await self.do(Delete(table, record := random.choice(mine)))
                del held[record]
                for _, cells in held.values():
                    for field in ("Topic", "Notes"):
                        cells[field] = [each for each in cells.get(field, ()) if each != record]
            case "link" if name == "Notes" and mine:
                await self.link(base, random.choice(mine))
            case "foreign":
                await self.reach_into_another(base, table)
            case _:
                (record,) = await self.do(Create(table, {"Name": value}))
                held[record] = (name, {"Name": value})
        await self.check()

    async def link(self, base: BaseId | None, record: str) -> None:
        held = self.model[base]
        topics = [each for each, (holder, cells) in held.items() if holder == "Topics"]
        wanted = self.random.sample(topics, min(len(topics), 2))
        await self.do(Update(self.table(base, "Notes"), record, {"Topic": wanted}))
        before = held[record][1].get("Topic", [])
        held[record][1]["Topic"] = wanted
        for topic in topics:
            cells = held[topic][1]
            linked = [each for each in cells.get("Notes", []) if each != record or topic in wanted]
            cells["Notes"] = [*linked, record] if topic in wanted and topic not in before else linked

    async def reach_into_another(self, base: BaseId | None, table: Table) -> None:
        others = [record for other in BASES if other != base for record in self.model[other]]
        if not others:
            return
        record = self.random.choice(sorted(others))
        assert await self.base.workspace.locate(record, base) is None
        for refused in (Update(table, record, {"Name": "taken"}), Delete(table, record)):
            with pytest.raises(RecordNotFound):
                await self.do(refused)
        if table.name == "Notes":
            with pytest.raises(LinkTargetMissing):
                await self.do(Create(table, {"Topic": [record]}))

    async def do(self, *operations: Operation) -> list[str]:
        return [written.record.id for written in await self.base.do(*operations) if written.record is not None]

    async def check(self) -> None:
        """Look at every base through every way of reading."""
        for base, held in self.model.items():
            wanted = {
                record: {name: cell for name, cell in cells.items() if cell} for record, (_, cells) in held.items()
            }
            found: dict[str, Cells] = {}
            for name in ("Notes", "Topics"):
                table = self.table(base, name)
                found |= {each["id"]: each["fields"] for each in await self.base.walk(Query(table))}
                for value in "abc":
                    alike = await self.base.walk(Query(table, equals=(equals(table.field("Name"), value),)))
                    assert {each["id"] for each in alike} <= held.keys()
            assert found == wanted
            for record in held:
                for other in BASES:
                    located = await self.base.workspace.locate(record, other)
                    assert (located is not None) == (other == base)


def location_of(kind: str, folder: Path) -> DatabaseLocation:
    if kind == "sqlite":
        return SqliteFile(folder / "records.db")
    return PostgresServer(Secret(shared_server().new_database()))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("seed", [1, 2])
def test_bases_never_touch_each_other(kind: str, seed: int, tmp_path: Path) -> None:
    async def run() -> None:
        location = location_of(kind, tmp_path)
        async with open_database(location, clock=SystemClock()) as database, opened_base(database) as base:
            run = Run(base, seed)
            await run.prepare()
            for _ in range(STEPS):
                await run.step()
            assert isinstance(await verify_feed(database), Verified)
        async with open_database(location, clock=SystemClock()) as database, opened_base(database) as base:
            run.base = base
            await run.check()

    asyncio.run(run())
