"""Random tables that compute, random writes: after a while every cell is what a plain recomputation says."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.factories.computed import count, field_id, formula, link, lookup, of, rollup
from tests.factories.records import ADA, Base, a_table, opened_base
from tests.fakes import FakeClock
from tests.postgres import shared_server

from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import (
    Create,
    Delete,
    Field,
    FieldType,
    Query,
    Table,
    Update,
    Verified,
    WorkspaceSettings,
    stable_id,
    verify_feed,
)

pytestmark = pytest.mark.anyio

NAMES = ("Ones", "Twos", "Threes")
WRITES = 60

Rows = dict[str, dict[str, dict[str, Any]]]
"""The records of each table by id, with the cells that somebody wrote, by name."""

Compute = Callable[["World", dict[str, Any]], Any]
"""What a field holds in a row, said in Python."""


@dataclass
class World:
    """Tables, what their computed fields mean, and what was written."""

    links: dict[str, str]
    meaning: dict[tuple[str, str], Compute] = field(default_factory=dict)
    fields: dict[str, list[Field]] = field(default_factory=dict)
    rows: Rows = field(default_factory=lambda: {name: {} for name in NAMES})

    def cell(self, table: str, name: str, row: dict[str, Any]) -> Any:
        compute = self.meaning.get((table, name))
        return row.get(name) if compute is None else compute(self, row)

    def linked(self, table: str, row: dict[str, Any]) -> list[dict[str, Any]]:
        return [self.rows[self.links[table]][target] for target in row.get("Link", [])]

    def shown(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        cells = {each.name: self.cell(table, each.name, row) for each in self.fields[table]}
        return {name: cell for name, cell in cells.items() if cell is not None and cell not in ("", [])}

    def tables(self) -> list[Table]:
        return [a_table(name, None, *self.fields[name]) for name in NAMES]


def text_of(value: Any) -> str:
    return "" if value is None else str(value)


def a_world(dice: Random) -> World:
    """Draw tables; a field reads what was drawn before it, so that there are no circles."""
    world = World({name: dice.choice(NAMES) for name in NAMES})
    for name in NAMES:
        to = stable_id("tbl", "tests", world.links[name])
        plain = [of(name, "Name", FieldType.SINGLE_LINE_TEXT), of(name, "Number", FieldType.NUMBER, precision=0)]
        world.fields[name] = [*plain, link(name, "Link", to)]
    for number in range(12):
        add_field(world, dice, dice.choice(NAMES), f"F{number}")
    for name in NAMES:
        if dice.random() < 0.5:
            # the primary field is a computed one: the name of the record where others link to it
            title = formula(name, "Title", "{Name} & '!'")
            world.fields[name].insert(0, title)
            world.meaning[name, "Title"] = lambda _world, row: text_of(row.get("Name")) + "!"
    return world


def add_field(world: World, dice: Random, table: str, name: str) -> None:
    target = world.links[table]
    numbers, linked = numeric(world, table), numeric(world, target)
    one, two = dice.choice(numbers), dice.choice(numbers)
    far = dice.choice(linked)
    far_id = field_id(target, far)
    kind = dice.choice(["sum", "text", "rollup", "all", "lookup", "count", "names"])
    match kind:
        case "sum":
            made = formula(table, name, f"{{{one}}} + {{{two}}} * 2")

            def compute(world: World, row: dict[str, Any]) -> Any:
                return (world.cell(table, one, row) or 0) + (world.cell(table, two, row) or 0) * 2

        case "text":
            made = formula(table, name, f"{{Name}} & '/' & {{{one}}}")

            def compute(world: World, row: dict[str, Any]) -> Any:
                return f"{text_of(row.get('Name'))}/{text_of(world.cell(table, one, row))}"

        case "rollup":
            made = rollup(table, name, "Link", far_id, "SUM(values)")

            def compute(world: World, row: dict[str, Any]) -> Any:
                return sum(world.cell(target, far, each) or 0 for each in world.linked(table, row))

        case "all":
            made = rollup(table, name, "Link", far_id, "COUNTALL(values)")

            def compute(world: World, row: dict[str, Any]) -> Any:
                return len(world.linked(table, row))

        case "lookup":
            made = lookup(table, name, "Link", far_id)

            def compute(world: World, row: dict[str, Any]) -> Any:
                cells = [world.cell(target, far, each) for each in world.linked(table, row)]
                return [cell for cell in cells if cell is not None]

        case "count":
            made = count(table, name, "Link")

            def compute(world: World, row: dict[str, Any]) -> Any:
                return len(world.linked(table, row))

        case _:
            made = formula(table, name, "'to ' & {Link}")

            def compute(world: World, row: dict[str, Any]) -> Any:
                first = world.fields[target][0].name
                return "to " + ", ".join(text_of(world.cell(target, first, each)) for each in world.linked(table, row))

    world.fields[table].append(made)
    world.meaning[table, name] = compute


def numeric(world: World, table: str) -> list[str]:
    """Name the fields whose cells are numbers or empty."""
    rolled = {FieldType.NUMBER, FieldType.ROLLUP, FieldType.COUNT}
    return [
        each.name
        for each in world.fields[table]
        if each.type in rolled or (each.type is FieldType.FORMULA and "*" in each.options["formula"])
    ]


async def write_something(world: World, base: Base, dice: Random) -> None:
    """Send a request of a few operations, and do the same to the rows."""
    operations: list[Any] = []
    effects: list[tuple[str, str, str | None, dict[str, Any]]] = []
    gone: set[str] = set()
    for _ in range(dice.choice([1, 1, 2, 5])):
        name = dice.choice(NAMES)
        table = base.workspace.table(name)
        known = [each for each in world.rows[name] if each not in gone]
        kind = dice.choice(["create", "update", "update", "update", "delete"]) if len(known) > 3 else "create"
        if kind == "delete":
            target = dice.choice(known)
            gone.add(target)
            operations.append(Delete(table, target))
            effects.append((kind, name, target, {}))
            continue
        to_link = [each for each in world.rows[world.links[name]] if each not in gone]
        draws: dict[str, Any] = {
            "Name": dice.choice(["a", "b", "", None]),
            "Number": dice.choice([1, 2, 30, -4, 0, None]),
            "Link": dice.sample(to_link, min(len(to_link), dice.randint(0, 6))),
        }
        cells = {key: draws[key] for key in dice.sample(list(draws), dice.randint(1, 3))}
        target = None if kind == "create" else dice.choice(known)
        operations.append(Create(table, cells) if target is None else Update(table, target, cells))
        effects.append((kind, name, target, cells))
    written = await base.do(*operations, actor=ADA)
    for (kind, name, target, cells), done in zip(effects, written, strict=True):
        if kind == "delete":
            assert target is not None
            del world.rows[name][target]
            for rows in world.rows.values():
                for row in rows.values():
                    row["Link"] = [each for each in row.get("Link", []) if each != target]
        else:
            assert done.record is not None
            row = world.rows[name].setdefault(target or done.record.id, {})
            row.update({key: None if cell == "" else cell for key, cell in cells.items()})


async def compare(world: World, base: Base) -> None:
    async with asyncio.timeout(60):
        while await base.workspace.count_recomputations():
            await base.workspace.follow()
    await base.workspace.follow()
    for name in NAMES:
        records = await base.walk(Query(base.workspace.table(name)))
        found = {record["id"]: record["fields"] for record in records}
        assert found == {record: world.shown(name, row) for record, row in world.rows[name].items()}


def a_location(kind: str, folder: Path) -> DatabaseLocation:
    if kind == "sqlite":
        return SqliteFile(folder / "records.db")
    return PostgresServer(Secret(shared_server().new_database()))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize(("seed", "portion"), [(1, 2), (2, 200), (3, 1), (4, 3), (5, 200), (6, 2)])
async def test_cells_are_what_a_recomputation_says(seed: int, portion: int, kind: str, tmp_path: Path) -> None:
    dice = Random(seed)
    world = a_world(dice)
    async with open_database(a_location(kind, tmp_path), clock=SystemClock()) as database:
        settings = WorkspaceSettings(portion=portion)
        async with opened_base(database, clock=FakeClock(), tables=world.tables(), settings=settings) as base:
            for number in range(WRITES):
                await write_something(world, base, dice)
                if number % 10 == 9 or portion == 200:
                    await compare(world, base)
        async with opened_base(database, clock=FakeClock(), tables=[], settings=settings) as base:
            await compare(world, base)
        assert isinstance(await verify_feed(database), Verified)
