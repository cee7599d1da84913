"""PostgreSQL behind the port: one writer's connection, a pool of readers, one listener.

Several connectors may share a database; the writers of different processes wait for each other at the rows they lock.
Connections that the server dropped are opened anew at their next use. The driver is untyped: its objects are ``Any``
here and go no further.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg

from airtable_connector.database.errors import CauseName, CommitUnknown, MalformedDatabaseUrl, StoreUnavailable
from airtable_connector.database.parameters import numbered
from airtable_connector.database.port import Dialect, Reader, Row, Statement, Transaction, wording
from airtable_connector.database.postgres_errors import cause_of, is_lost
from airtable_connector.database.uninterrupted import uninterrupted
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.secret import Secret

T = TypeVar("T")

CHANNEL = "connector_feed"
"""Writers tell here that the feed has grown: ``select pg_notify('connector_feed', …)``."""

LONGEST_WAIT = timedelta(seconds=1)
"""`PostgresDatabase.foreign_commit` returns after this time even without news, should news be lost."""

SILENCE = timedelta(seconds=60)
"""A server that says nothing for so long is given up; also the longest that one statement of a migration may take."""

IDLE = timedelta(seconds=60)
"""A process that stops in the middle of a transaction loses it, so that others need not wait for it."""

GOODBYE = timedelta(seconds=5)
"""How long ending a transaction or a connection waits for the server."""

_UNUSABLE = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises for a connection that is gone, or that the server is just ending."""

_GONE = (asyncpg.PostgresError, *_UNUSABLE, OSError)


async def open_postgres(url: Secret, *, clock: Clock, busy_timeout: timedelta, readers: int) -> "PostgresDatabase":
    """Connect to a database.

    Raises:
        StoreUnavailable: the server does not answer or refuses us.
        MalformedDatabaseUrl: the address cannot be read.
    """
    database = PostgresDatabase(url, clock=clock, busy_timeout=busy_timeout, readers=readers)
    try:
        await database.open()
    except BaseException:
        await uninterrupted(database.close())
        raise
    return database


class PostgresStatements:
    """The statements of one transaction, reading or writing; only the latter are offered more than a `Reader`'s."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.failure: Exception | None = None

    @property
    def dialect(self) -> Dialect:
        """Which database answers."""
        return "postgres"

    async def all(self, statement: Statement, /, **values: object) -> list[Row]:
        """Return every row."""
        self.check()
        query = numbered(wording(statement, "postgres"))
        rows = await self._answer(self._connection.fetch(query.text, *query.arguments(values)))
        return [tuple(row) for row in rows]

    async def one(self, statement: Statement, /, **values: object) -> Row | None:
        """Return the first row, or None."""
        self.check()
        query = numbered(wording(statement, "postgres"))
        row = await self._answer(self._connection.fetchrow(query.text, *query.arguments(values)))
        return None if row is None else tuple(row)

    async def run(self, statement: Statement, /, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        self.check()
        query = numbered(wording(statement, "postgres"))
        tag = await self._answer(self._connection.execute(query.text, *query.arguments(values)))
        return _rows_changed(tag)

    async def run_many(self, statement: Statement, rows: Sequence[Mapping[str, object]], /) -> None:
        """Run a statement for each mapping, without waiting for the answer to one before sending the next."""
        self.check()
        query = numbered(wording(statement, "postgres"))
        await self._answer(self._connection.executemany(query.text, [query.arguments(row) for row in rows]))

    def check(self) -> None:
        """Raise what ended this transaction, if anything did."""
        if self.failure is not None:
            raise self.failure

    async def _answer(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except Exception as error:
            self.failure = error
            cause = _cause(error, self._connection)
            if cause is not None:
                self.failure = StoreUnavailable(cause)
                raise self.failure from error
            raise
        except BaseException:
            self.failure = StoreUnavailable("too-slow")  # the server was told to give up; who swallows this must, too
            raise


class PostgresDatabase:
    """An open database of a PostgreSQL server."""

    def __init__(self, url: Secret, *, clock: Clock, busy_timeout: timedelta, readers: int) -> None:
        self._url = url
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._size = readers
        self._writing = asyncio.Lock()
        self._writer: Any = None
        self._writer_pid: int | None = None
        self._pool: Any = None
        self._listener: Any = None
        self._news = asyncio.Event()
        self._closed = False

    @property
    def dialect(self) -> Dialect:
        """Which database answers."""
        return "postgres"

    async def open(self) -> None:
        """Connect the writer, so that trouble shows at once, and prepare the readers."""
        async with self._writing:
            await self._connected_writer()
            self._pool = await asyncpg.create_pool(
                self._url.reveal(),
                min_size=0,
                max_size=self._size,
                reset=_leave_as_it_is,
                timeout=self._busy_timeout.total_seconds(),
                command_timeout=SILENCE.total_seconds(),
                server_settings=_server_settings(statement_timeout=SILENCE, lock_timeout=self._busy_timeout),
            )

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Enter the one writer; see `Database.transaction`."""
        return self._transaction()

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        """Enter a snapshot; see `Database.reading`."""
        return self._reading()

    async def foreign_commit(self) -> None:
        """Return after a notification of another writer, after `LONGEST_WAIT`, or at once after reconnecting."""
        if self._closed:
            raise StoreUnavailable("closed")
        if self._listener is None or self._listener.is_closed():
            self._listener = await self._listening()
        else:
            await self._hear()
        self._news.clear()

    async def close(self) -> None:
        """Wait for the running transaction and the open snapshots, then hang up."""
        async with self._writing:
            if self._closed:
                return
            self._closed = True
            for connection in (self._writer, self._listener):
                if connection is not None:
                    await _hang_up(connection)
            if self._pool is not None:
                await _empty(self._pool)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        async with self._writing:
            connection = await self._begin()
            work = PostgresStatements(connection)
            try:
                yield work
                work.check()
            except BaseException:
                await uninterrupted(self._roll_back(connection))
                raise
            finally:
                work.failure = RuntimeError("this transaction is over")
            await uninterrupted(self._commit(connection))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Reader]:
        if self._closed:
            raise StoreUnavailable("closed")
        connection = await _foreseen(self._pool.acquire())
        work = PostgresStatements(connection)
        try:
            await work.run("begin isolation level repeatable read, read only")
            yield work
        finally:
            work.failure = RuntimeError("this snapshot is over")
            await uninterrupted(self._give_back(connection))

    async def _begin(self) -> Any:
        connection = await self._connected_writer()
        try:
            await _foreseen(connection.execute("begin isolation level read committed"))
        except BaseException:
            connection.terminate()  # it may have begun
            raise
        return connection

    async def _commit(self, connection: Any) -> None:
        try:
            await connection.execute("commit")
        except Exception as error:
            connection.terminate()
            cause = _cause(error, connection)
            if cause is None:
                raise
            raise (CommitUnknown(cause) if is_lost(cause) else StoreUnavailable(cause)) from error

    async def _roll_back(self, connection: Any) -> None:
        try:
            await connection.execute("rollback", timeout=GOODBYE.total_seconds())
        except _GONE:
            connection.terminate()  # which rolls back, too

    async def _give_back(self, connection: Any) -> None:
        try:
            await connection.execute(
                "rollback", timeout=GOODBYE.total_seconds()
            )  # nothing was written, so this is the quickest end
        except _GONE:
            with suppress(asyncpg.InterfaceError):  # the pool has taken back by itself what the server ended
                connection.terminate()
        await self._pool.release(connection)

    async def _connected_writer(self) -> Any:
        if self._closed:
            raise StoreUnavailable("closed")
        if self._writer is None or self._writer.is_closed():
            self._writer = await self._connect()
            self._writer_pid = self._writer.get_server_pid()
        return self._writer

    async def _connect(self) -> Any:
        try:
            return await asyncpg.connect(
                self._url.reveal(),
                timeout=self._busy_timeout.total_seconds(),
                command_timeout=SILENCE.total_seconds(),
                # a lock's wait ends first, so that it is reported as what it is
                server_settings=_server_settings(
                    statement_timeout=2 * self._busy_timeout, lock_timeout=self._busy_timeout
                ),
            )
        except ValueError:
            raise MalformedDatabaseUrl from None  # the driver's message may hold a piece of the password
        except Exception as error:
            cause = cause_of(error)
            if cause is None:
                raise
            raise StoreUnavailable(cause) from error

    async def _listening(self) -> Any:
        connection = await self._connect()
        try:
            connection.add_termination_listener(self._lost_listener)
            await _foreseen(connection.add_listener(CHANNEL, self._heard))
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _heard(self, _connection: Any, pid: int, _channel: str, _payload: str) -> None:
        if pid != self._writer_pid:
            self._news.set()

    def _lost_listener(self, _connection: Any) -> None:
        self._news.set()

    async def _hear(self) -> None:
        hearing = asyncio.ensure_future(self._news.wait())
        resting = asyncio.ensure_future(self._clock.sleep(LONGEST_WAIT))
        try:
            await asyncio.wait({hearing, resting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hearing.cancel()
            resting.cancel()


def _server_settings(*, statement_timeout: timedelta, lock_timeout: timedelta) -> dict[str, str]:
    return {
        "application_name": "airtable-connector",
        "timezone": "UTC",
        "synchronous_commit": "on",  # whatever the server's default: an answered write survives a power loss
        "statement_timeout": _milliseconds(statement_timeout),
        "lock_timeout": _milliseconds(lock_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(IDLE),
    }


def _milliseconds(span: timedelta) -> str:
    return str(span // timedelta(milliseconds=1))


async def _foreseen(work: Awaitable[T]) -> T:
    """Wait for the driver, and phrase what was to be expected as `StoreUnavailable`."""
    try:
        return await work
    except Exception as error:
        cause = "connection-lost" if isinstance(error, _UNUSABLE) else cause_of(error)
        if cause is None:
            raise
        raise StoreUnavailable(cause) from error


def _cause(error: Exception, connection: Any) -> CauseName | None:
    """Name what happened to us; the driver refuses a connection that is gone as if we had misused it."""
    refused = isinstance(error, asyncpg.InterfaceError) and connection.is_closed()
    # the server's goodbye has arrived, and the end of the connection not yet
    ending = isinstance(error, asyncpg.InternalClientError)
    return "connection-lost" if refused or ending else cause_of(error)


async def _leave_as_it_is(_connection: Any) -> None:
    """Spare the driver's reset, a trip to the server: a reader leaves nothing behind."""


async def _hang_up(connection: Any) -> None:
    try:
        await connection.close(timeout=GOODBYE.total_seconds())
    except _GONE:
        connection.terminate()


async def _empty(pool: Any) -> None:
    try:
        await pool.close()
    except _GONE:
        pool.terminate()


def _rows_changed(tag: str) -> int:
    """Read a command's tag, such as ``INSERT 0 3`` or ``UPDATE 2``; others, such as ``CREATE TABLE``, changed none."""
    verb, _, rest = tag.partition(" ")
    return int(rest.split()[-1]) if verb in {"INSERT", "UPDATE", "DELETE", "MERGE"} else 0
