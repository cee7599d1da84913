"""A store that can be away, late, or silent about what it has done: the real one, and what a test does to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from airtable_connector.database import CommitUnknown, Database, Dialect, Reader, Transaction


async def _nothing() -> None:
    pass


class FakeStore:
    def __init__(self, database: Database) -> None:
        self.database = database
        """Where it is; a closed one is away."""
        self.before: Callable[[], Awaitable[None]] = _nothing
        """Happens before each transaction begins."""
        self.silent = False
        """Whether what was committed is not told."""

    @property
    def dialect(self) -> Dialect:
        return self.database.dialect

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        return self.database.reading()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        await self.before()
        async with self.database.transaction() as tx:
            yield tx
        if self.silent:
            raise CommitUnknown("connection-lost")

    async def foreign_commit(self) -> None:
        await self.database.foreign_commit()

    async def close(self) -> None:
        await self.database.close()
