"""The stores of a simulated world: the real ones, of which each statement can be the last."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from airtable_connector.database import Database, Dialect, Reader, Row, Statement, StoreUnavailable, Transaction


class Point(Protocol):
    """Told of a moment in which the connector may die: before something takes effect, and after it."""

    async def __call__(self, what: str, /, *, after: bool) -> None: ...


class OnlyOurs:
    """A database in which nobody else writes. To look for others' commits would be all that happens in quiet times."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._database.transaction()

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        return self._database.reading()

    async def foreign_commit(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        await self._database.close()


class MortalDatabase(OnlyOurs):
    """The database of a life. After that life nothing is read or written through it any more.

    ``on_statement`` is told of each statement and each commit: before it, and after it. ``outside`` is told when an
    answer of another program is waited for.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_statement: Point | None = None,
        outside: Callable[[int], None] = lambda _more: None,
    ) -> None:
        super().__init__(database)
        self.dead = False
        self._on_statement = on_statement
        self._outside = outside

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._transaction()

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        return self._reading()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        self.check()
        entered = self._database.transaction()
        work = await self.waited(entered.__aenter__())
        try:
            yield Statements(self, work)
            self.check()
            await self.passed("commit", after=False)
        except BaseException as error:
            if not await self.waited(entered.__aexit__(type(error), error, error.__traceback__)):
                raise
        else:
            await self.waited(entered.__aexit__(None, None, None))
            await self.passed("commit", after=True)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Reader]:
        self.check()
        entered = self._database.reading()
        reader = await self.waited(entered.__aenter__())
        try:
            yield Statements(self, reader)
        finally:
            await self.waited(entered.__aexit__(None, None, None))

    def check(self) -> None:
        if self.dead:
            raise StoreUnavailable("closed")

    async def passed(self, statement: str, *, after: bool) -> None:
        if self._on_statement is not None:
            await self._on_statement(statement, after=after)

    async def waited(self, answer: Awaitable[Any]) -> Any:
        self._outside(1)
        try:
            return await answer
        finally:
            self._outside(-1)


class Statements:
    """The statements of a transaction or a snapshot."""

    def __init__(self, database: MortalDatabase, work: Any) -> None:
        self._database = database
        self._work = work

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    async def all(self, statement: Statement, /, **values: object) -> list[Row]:
        return await self._run(statement, lambda: self._work.all(statement, **values))

    async def one(self, statement: Statement, /, **values: object) -> Row | None:
        return await self._run(statement, lambda: self._work.one(statement, **values))

    async def run(self, statement: Statement, /, **values: object) -> int:
        return await self._run(statement, lambda: self._work.run(statement, **values))

    async def run_many(self, statement: Statement, rows: Sequence[Mapping[str, object]], /) -> None:
        await self._run(statement, lambda: self._work.run_many(statement, rows))

    async def _run(self, statement: Statement, work: Callable[[], Awaitable[Any]]) -> Any:
        self._database.check()
        text = statement if isinstance(statement, str) else statement.sqlite
        await self._database.passed(text, after=False)
        result = await self._database.waited(work())
        await self._database.passed(text, after=True)
        return result
