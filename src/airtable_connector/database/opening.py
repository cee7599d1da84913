"""Opening a database: connect, bring its schema up to date, and close it in the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import assert_never

from airtable_connector.database.location import DatabaseLocation, PostgresServer, SqliteFile
from airtable_connector.database.migrate import migrate
from airtable_connector.database.port import Database
from airtable_connector.database.uninterrupted import uninterrupted
from airtable_connector.kernel.clock import Clock

BUSY_TIMEOUT = timedelta(seconds=5)
"""How long a writer waits for a lock that somebody else holds."""

READERS = 4
"""How many snapshots may be open at once; further ones wait."""


@asynccontextmanager
async def open_database(
    location: DatabaseLocation,
    *,
    clock: Clock,
    migrate_to: int | None = None,
    busy_timeout: timedelta = BUSY_TIMEOUT,
    readers: int = READERS,
) -> AsyncIterator[Database]:
    """Open a database and bring its schema to version ``migrate_to``, by default the last one known.

    Safe when several processes open the same database at once: each migration happens once.

    Raises:
        StoreUnavailable: it cannot be reached or opened.
        NewerDatabase: a later version of the program has migrated it further than this one knows.
        MalformedDatabaseUrl: the server's address cannot be read.
    """
    database = await _connect(location, clock=clock, busy_timeout=busy_timeout, readers=readers)
    try:
        await migrate(database, clock=clock, to=migrate_to)
        yield database
    finally:
        await uninterrupted(database.close())


async def _connect(location: DatabaseLocation, *, clock: Clock, busy_timeout: timedelta, readers: int) -> Database:
    # the drivers are imported by who needs them: either takes a good part of the start-up
    match location:
        case SqliteFile(path):
            from airtable_connector.database.sqlite import open_sqlite  # noqa: PLC0415

            return await open_sqlite(path, clock=clock, busy_timeout=busy_timeout, readers=readers)
        case PostgresServer(url):
            from airtable_connector.database.postgres import open_postgres  # noqa: PLC0415

            return await open_postgres(url, clock=clock, busy_timeout=busy_timeout, readers=readers)
        case _:
            assert_never(location)
