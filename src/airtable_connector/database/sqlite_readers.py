"""Snapshots of a SQLite file, read in threads beside the writer."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import apsw

from airtable_connector.database.errors import StoreUnavailable
from airtable_connector.database.port import Dialect, Row, Statement, wording
from airtable_connector.database.sqlite_connection import TROUBLES, open_reader, unavailable
from airtable_connector.database.uninterrupted import uninterrupted


class SqliteSnapshot:
    """One snapshot. Each statement takes one trip to a thread; a cancelled one is interrupted."""

    def __init__(self, connection: apsw.Connection, threads: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._threads = threads

    @property
    def dialect(self) -> Dialect:
        """Which database answers."""
        return "sqlite"

    async def all(self, statement: Statement, /, **values: object) -> list[Row]:
        """Return every row."""
        work = partial(self._fetch, wording(statement, "sqlite"), values)
        reading = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await uninterrupted(reading, hurry=self._connection.interrupt)
        except TROUBLES as error:
            raise unavailable(error) from error

    async def one(self, statement: Statement, /, **values: object) -> Row | None:
        """Return the first row, or None."""
        rows = await self.all(statement, **values)
        return rows[0] if rows else None

    def _fetch(self, text: str, values: dict[str, object]) -> list[Row]:
        if not self._connection.in_transaction:
            self._connection.execute("begin")
        return self._connection.execute(text, values).fetchall()


class SqliteReaders:
    """A fixed number of read-only connections, each opened when it is first needed."""

    def __init__(self, path: Path, *, size: int, wait: timedelta) -> None:
        self._path = path
        self._wait = wait
        self._size = size
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="store-read")
        # the connection used last is taken first: its cache is warm
        self._slots: asyncio.LifoQueue[apsw.Connection | None] = asyncio.LifoQueue()
        self._closed = False
        for _ in range(size):
            self._slots.put_nowait(None)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqliteSnapshot]:
        """Enter a snapshot; waits while all connections are taken."""
        if self._closed:
            raise StoreUnavailable("closed")
        connection = await self._slots.get()
        try:
            if connection is None:
                connection = await self._open()
            yield SqliteSnapshot(connection, self._threads)
        finally:
            self._slots.put_nowait(None if connection is None else _rested(connection))

    async def close(self) -> None:
        """Wait for the open snapshots and let the connections go."""
        self._closed = True
        for _ in range(self._size):
            connection = await self._slots.get()
            if connection is not None:
                connection.close()
        self._threads.shutdown()

    async def _open(self) -> apsw.Connection:
        opening = partial(open_reader, self._path, wait=self._wait)
        try:
            return await uninterrupted(asyncio.get_running_loop().run_in_executor(self._threads, opening))
        except TROUBLES as error:
            raise unavailable(error) from error


def _rested(connection: apsw.Connection) -> apsw.Connection | None:
    """End the snapshot; a connection that cannot even do that is given up."""
    try:
        if connection.in_transaction:
            connection.execute("rollback")
    except TROUBLES:
        connection.close(force=True)
        return None
    return connection
