"""SQLite behind the port: one writer on the event loop, readers in threads, an fsync before each answer.

Statements of a transaction run directly on the event loop: each takes microseconds, while a trip to a thread takes ten
times as long and fights for the interpreter at every statement. What may take long does not run there: the commit with
its fsync has a thread of its own, many rows are written in small portions with a turn for others between, and a lock
that another process holds is awaited by asking again, not inside SQLite.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from airtable_connector.database.errors import CommitUnknown, StoreUnavailable
from airtable_connector.database.port import Dialect, Reader, Row, Statement, Transaction, wording
from airtable_connector.database.sqlite_connection import TROUBLES, open_writer, unavailable
from airtable_connector.database.sqlite_readers import SqliteReaders
from airtable_connector.database.uninterrupted import uninterrupted
from airtable_connector.kernel.clock import Clock

T = TypeVar("T")

PORTION = 100
"""How many rows are written before other tasks get a turn."""

FIRST_REST = timedelta(milliseconds=1)
LONGEST_REST = timedelta(milliseconds=50)
"""Between two attempts to get a lock that another process holds."""

POLL = timedelta(milliseconds=100)
"""Between two looks for other processes' commits."""

_LOCKED = (apsw.BusyError, apsw.LockedError)


async def open_sqlite(path: Path, *, clock: Clock, busy_timeout: timedelta, readers: int) -> "SqliteDatabase":
    """Open a SQLite file, made when missing.

    Raises:
        StoreUnavailable: it cannot be opened, or is locked for longer than ``busy_timeout``.
    """
    database = SqliteDatabase(path, clock=clock, busy_timeout=busy_timeout, readers=readers)
    try:
        await database.open()
    except BaseException:
        await uninterrupted(database.close())
        raise
    return database


class SqliteTransaction:
    """The statements of one transaction, run where they are called."""

    def __init__(self, connection: apsw.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        # what later statements raise: after some failures SQLite has rolled back by itself, and would commit each alone
        self.failure: Exception | None = None

    @property
    def dialect(self) -> Dialect:
        """Which database answers."""
        return "sqlite"

    async def all(self, statement: Statement, /, **values: object) -> list[Row]:
        """Return every row."""
        return self._execute(statement, values)

    async def one(self, statement: Statement, /, **values: object) -> Row | None:
        """Return the first row, or None."""
        rows = self._execute(statement, values)
        return rows[0] if rows else None

    async def run(self, statement: Statement, /, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        before = self._connection.total_changes()
        self._execute(statement, values)
        return self._connection.total_changes() - before

    async def run_many(self, statement: Statement, rows: Sequence[Mapping[str, object]], /) -> None:
        """Run a statement for each mapping; other tasks get a turn every `PORTION` rows."""
        for start in range(0, len(rows), PORTION):
            if start:
                await self._give_a_turn()
            self._execute_many(statement, rows[start : start + PORTION])

    def check(self) -> None:
        """Raise what ended this transaction, if anything did."""
        if self.failure is not None:
            raise self.failure

    async def _give_a_turn(self) -> None:
        try:
            await self._clock.sleep(timedelta(0))
        except BaseException:
            self.failure = StoreUnavailable("too-slow")  # half of the rows must not be committed by who swallows this
            raise

    def _execute(self, statement: Statement, values: Mapping[str, object]) -> list[Row]:
        self.check()
        try:
            return self._connection.execute(wording(statement, "sqlite"), values).fetchall()
        except Exception as error:
            self._doom(error)
            raise

    def _execute_many(self, statement: Statement, rows: Sequence[Mapping[str, object]]) -> None:
        self.check()
        try:
            self._connection.executemany(wording(statement, "sqlite"), rows).fetchall()
        except Exception as error:
            self._doom(error)
            raise

    def _doom(self, error: Exception) -> None:
        self.failure = error
        if isinstance(error, TROUBLES):
            self.failure = unavailable(error)
            raise self.failure from error


class SqliteDatabase:
    """An open SQLite file."""

    def __init__(self, path: Path, *, clock: Clock, busy_timeout: timedelta, readers: int) -> None:
        self._path = path
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._writing = asyncio.Lock()
        self._writer: apsw.Connection | None = None
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="store-commit")
        self._readers = SqliteReaders(path, size=readers, wait=busy_timeout)
        self._seen: object = None
        self._closed = False

    @property
    def dialect(self) -> Dialect:
        """Which database answers."""
        return "sqlite"

    async def open(self) -> None:
        """Open the writer, so that trouble shows at once."""
        async with self._writing:
            self._seen = await self._patiently(_data_version)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        async with self._writing:
            connection = await self._patiently(_begin)
            work = SqliteTransaction(connection, self._clock)
            try:
                yield work
                work.check()
            except BaseException:
                self._roll_back(connection)
                raise
            finally:
                work.failure = RuntimeError("this transaction is over")
            await uninterrupted(self._commit(connection))

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Enter the one writer; see `Database.transaction`."""
        return self._transaction()

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        """Enter a snapshot; see `Database.reading`."""
        return self._readers.snapshot()

    async def foreign_commit(self) -> None:
        """Return soon after another connection committed; the writer's own commits do not count."""
        while True:
            async with self._writing:
                version = await self._patiently(_data_version)
            if version != self._seen:
                self._seen = version
                return
            await self._clock.sleep(POLL)

    async def close(self) -> None:
        """Wait for the running transaction and the open snapshots, then let the file go."""
        async with self._writing:
            if self._closed:
                return
            self._closed = True
            await self._readers.close()  # before the writer: who closes last tidies the log away, and only it may
            if self._writer is not None:
                await self._in_thread(self._writer.close)
            self._committer.shutdown()

    async def _patiently(self, ask: Callable[[apsw.Connection], T]) -> T:
        """Ask the writer's connection, opened when need be, and again for as long as another process locks it out."""
        if self._closed:
            raise StoreUnavailable("closed")
        deadline = self._clock.monotonic() + self._busy_timeout.total_seconds()
        rest = FIRST_REST
        while True:
            try:
                if self._writer is None:
                    self._writer = await self._in_thread(partial(open_writer, self._path))
                return ask(self._writer)
            except _LOCKED as error:
                if self._clock.monotonic() >= deadline:
                    raise unavailable(error) from error
            except TROUBLES as error:
                raise unavailable(error) from error
            await self._clock.sleep(rest)
            rest = min(rest * 2, LONGEST_REST)

    async def _commit(self, connection: apsw.Connection) -> None:
        try:
            await self._in_thread(partial(_commit, connection))
        except TROUBLES as error:
            self._roll_back(connection)
            if _may_have_reached_the_disk(error):
                raise CommitUnknown("io-error") from error
            raise unavailable(error) from error
        except apsw.Error:
            self._roll_back(connection)
            raise

    def _roll_back(self, connection: apsw.Connection) -> None:
        """Make the writer ready for the next transaction; one that cannot be is opened anew then."""
        try:
            if connection.in_transaction:
                connection.execute("rollback")
        except apsw.Error:
            self._writer = None
            self._seen = None
            connection.close(force=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._committer, work)


def _begin(connection: apsw.Connection) -> apsw.Connection:
    connection.execute("begin immediate")
    return connection


def _commit(connection: apsw.Connection) -> None:
    connection.execute("commit")


def _data_version(connection: apsw.Connection) -> object:
    """Return a number that changes with every commit of any other connection."""
    return connection.execute("pragma data_version").fetchall()[0][0]


def _may_have_reached_the_disk(error: Exception) -> bool:
    """Tell whether everything was written and only the last word, that it is durable, failed."""
    # the driver's type hints leave the attribute out, its manual does not
    return isinstance(error, apsw.IOError) and error.extendedresult == apsw.SQLITE_IOERR_FSYNC  # type: ignore[attr-defined]
