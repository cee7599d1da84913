"""Every earlier schema becomes the one that a new database gets."""

from pathlib import Path

import pytest
from tests.fakes import FakeClock
from tests.postgres import shared_server

from airtable_connector.database import (
    Database,
    DatabaseLocation,
    NewerDatabase,
    PostgresServer,
    Row,
    Sql,
    SqliteFile,
    open_database,
)
from airtable_connector.database.migrate import LAST
from airtable_connector.database.migrations import MIGRATIONS
from airtable_connector.kernel.secret import Secret

SQLITE_SCHEMA = "select type, name, tbl_name, sql from sqlite_master order by type, name"
COLUMNS = (
    "select table_name, column_name, ordinal_position, data_type, is_nullable, column_default, is_identity"
    " from information_schema.columns where table_schema = 'public' order by table_name, ordinal_position"
)
INDEXES = "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' order by indexname"
CONSTRAINTS = (
    "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint"
    " where connamespace = 'public'::regnamespace order by 1, 2"
)


def fresh_location(kind: str, folder: Path) -> DatabaseLocation:
    if kind == "sqlite":
        return SqliteFile(folder / "records.db")
    return PostgresServer(Secret(shared_server().new_database()))


async def schema(database: Database) -> list[list[Row]]:
    statements = [SQLITE_SCHEMA] if database.dialect == "sqlite" else [COLUMNS, INDEXES, CONSTRAINTS]
    async with database.reading() as reader:
        return [await reader.all(statement) for statement in statements]


async def versions(database: Database) -> list[Row]:
    async with database.reading() as reader:
        return await reader.all("select number, name, at from schema_version order by number")


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, LAST + 1))


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("earlier", range(LAST + 1))
async def test_an_earlier_schema_becomes_the_same_as_a_new_one(kind: str, earlier: int, tmp_path: Path) -> None:
    clock = FakeClock()
    location = fresh_location(kind, tmp_path)
    async with open_database(location, clock=clock, migrate_to=earlier) as database:
        assert [number for number, _, _ in await versions(database)] == list(range(1, earlier + 1))
    async with open_database(location, clock=clock) as database:
        migrated = await schema(database)
        assert [number for number, _, _ in await versions(database)] == list(range(1, LAST + 1))

    async with open_database(fresh_location(kind, tmp_path / "fresh"), clock=clock) as database:
        assert migrated == await schema(database)
    assert any(migrated)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_what_was_stored_before_a_migration_is_there_after_it(kind: str, tmp_path: Path) -> None:
    clock = FakeClock()
    location = fresh_location(kind, tmp_path)
    async with (
        open_database(location, clock=clock, migrate_to=1) as database,
        database.transaction() as tx,
    ):
        await tx.run("insert into tables (id, position, definition) values ('tbl00000000000001', 1, '{}')")
        await tx.run("update chain set seq = 7")

    async with open_database(location, clock=clock) as database, database.reading() as reader:
        assert await reader.all("select id, position, definition, last_number from tables") == [
            ("tbl00000000000001", 1, "{}", 0)
        ]
        assert await reader.all("select seq, hash, ordinal from chain") == [(7, bytes(32), 0)]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_each_migration_leaves_its_name_and_moment(kind: str, tmp_path: Path) -> None:
    async with open_database(fresh_location(kind, tmp_path), clock=FakeClock()) as database:
        assert await versions(database) == [
            (migration.number, migration.name, "2026-01-05T12:00:00.000Z") for migration in MIGRATIONS
        ]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_schema_that_is_newer_than_the_program_is_refused_and_left_alone(kind: str, tmp_path: Path) -> None:
    clock = FakeClock()
    location = fresh_location(kind, tmp_path)
    async with open_database(location, clock=clock) as database, database.transaction() as tx:
        await tx.run("insert into schema_version (number, name, at) values (:n, 'from the future', '')", n=LAST + 1)

    with pytest.raises(NewerDatabase) as caught:
        async with open_database(location, clock=clock):
            pass
    assert (caught.value.found, caught.value.known) == (LAST + 1, LAST)
    assert caught.value.code == "newer-database"


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_links_in_cells_are_in_the_index_after_its_migration(kind: str, tmp_path: Path) -> None:
    clock = FakeClock()
    location = fresh_location(kind, tmp_path)
    definition = (
        '{"fields": [{"id": "fldText", "type": "singleLineText"},'
        ' {"id": "fldLink", "type": "multipleRecordLinks"}, {"id": "fldOther", "type": "multipleRecordLinks"}]}'
    )
    rows = [
        ("tblLinks", '{"fldText": "x", "fldLink": ["rec1", "rec2"], "fldOther": ["rec1"]}'),
        ("tblLinks", '{"fldText": "y"}'),
        ("tblElse", '{"fldLink": ["rec3"]}'),
    ]
    async with open_database(location, clock=clock, migrate_to=4) as database, database.transaction() as tx:
        await tx.run(
            "insert into tables (id, position, definition) values ('tblLinks', 0, :definition)", definition=definition
        )
        await tx.run("insert into tables (id, position, definition) values ('tblElse', 1, '{\"fields\": []}')")
        for number, (table, cells) in enumerate(rows, start=1):
            await tx.run(
                Sql(
                    "insert into records values (:ordinal, :id, :table, null, '', '', 0, jsonb(:cells))",
                    "insert into records values (:ordinal, :id, :table, null, '', '', 0, cast(:cells as jsonb))",
                ),
                ordinal=number,
                id=f"rec{number}",
                table=table,
                cells=cells,
            )

    async with open_database(location, clock=clock) as database, database.reading() as reader:
        assert await reader.all("select field_id, target, ordinal from links order by field_id, target") == [
            ("fldLink", "rec1", 1), ("fldLink", "rec2", 1), ("fldOther", "rec1", 1),
        ]  # fmt: skip
