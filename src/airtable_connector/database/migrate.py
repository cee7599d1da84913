"""Bringing a database's schema to a version, one transaction per migration."""

from airtable_connector.database.errors import NewerDatabase
from airtable_connector.database.migrations import MIGRATIONS, Migration
from airtable_connector.database.port import Database, Sql, Transaction
from airtable_connector.kernel.clock import Clock, iso

LAST = MIGRATIONS[-1].number
"""The newest schema version this program knows."""

# any fixed number will do, as long as nobody else in the same database takes it
_LOCK = "select pg_advisory_xact_lock(7263104915)"

# one building an index keeps the others waiting for longer than an ordinary transaction may
_PATIENCE = (
    "select set_config('lock_timeout', '60s', true), set_config('statement_timeout', '0', true),"
    " set_config('idle_in_transaction_session_timeout', '0', true)"
)

_MAKE_VERSIONS = Sql(
    sqlite="create table if not exists schema_version"
    " (number integer primary key, name text not null, at text not null) strict",
    postgres="create table if not exists schema_version"
    " (number bigint primary key, name text not null, at text not null)",
)

_VERSION = "select coalesce(max(number), 0) from schema_version"

_REMEMBER = "insert into schema_version (number, name, at) values (:number, :name, :at)"


async def migrate(database: Database, *, clock: Clock, to: int | None) -> None:
    """Apply what is missing up to version ``to`` (None means the last); a schema beyond ``to`` is left alone.

    Raises:
        NewerDatabase: the schema is newer than this program.
    """
    target = LAST if to is None else to
    version = await _present_version(database)
    for migration in MIGRATIONS[version:target]:
        await _apply(database, migration, at=iso(clock.now()))


async def _present_version(database: Database) -> int:
    async with database.transaction() as tx:
        await _lock(tx)
        await tx.run(_MAKE_VERSIONS)
        version = await _version(tx)
    if version > LAST:
        raise NewerDatabase(found=version, known=LAST)
    return version


async def _apply(database: Database, migration: Migration, *, at: str) -> None:
    async with database.transaction() as tx:
        await _lock(tx)
        if await _version(tx) >= migration.number:
            return  # another process was faster
        for statement in migration.sqlite if tx.dialect == "sqlite" else migration.postgres:
            await tx.run(statement)
        await tx.run(_REMEMBER, number=migration.number, name=migration.name, at=at)


async def _lock(tx: Transaction) -> None:
    """Keep other processes out; in SQLite a transaction alone does."""
    if tx.dialect == "postgres":
        await tx.one(_PATIENCE)
        await tx.one(_LOCK)


async def _version(tx: Transaction) -> int:
    row = await tx.one(_VERSION)
    return 0 if row is None else int(row[0])
