"""What the other rooms may ask of a database, whichever it is."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

Row: TypeAlias = tuple[Any, ...]
"""One row of an answer, its columns in the order of the select."""

Dialect: TypeAlias = Literal["sqlite", "postgres"]
"""Which of the two is on the other side, for the rare caller that must know."""


class Sql(NamedTuple):
    """A statement whose text differs between the two."""

    sqlite: str
    postgres: str

    def text(self, dialect: Dialect) -> str:
        """Return the wording for one of the two."""
        return self.sqlite if dialect == "sqlite" else self.postgres


Statement: TypeAlias = str | Sql
"""Parameters are written ``:name`` in both dialects; their values are keyword arguments. One statement per text."""


def wording(statement: Statement, dialect: Dialect) -> str:
    """Return a statement's text for one of the two."""
    return statement if isinstance(statement, str) else statement.text(dialect)


class Reader(Protocol):
    """One consistent snapshot, taken by the first statement: later commits stay invisible until the end."""

    @property
    def dialect(self) -> Dialect:
        """Which database answers."""
        ...

    async def all(self, statement: Statement, /, **values: object) -> list[Row]:
        """Return every row; bound the statement with ``limit``.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        ...

    async def one(self, statement: Statement, /, **values: object) -> Row | None:
        """Return the first row, or None when there is none; ask for no more than one."""
        ...


class Transaction(Reader, Protocol):
    """The one writer at work. It sees its own changes; nobody else does until it is committed.

    One statement at a time: a transaction is not to be shared between tasks, and never held across a network call.
    A statement that fails dooms the transaction: later ones raise the same error, and so does leaving it.
    """

    async def run(self, statement: Statement, /, **values: object) -> int:
        """Run a statement and return how many rows it inserted, updated or deleted."""
        ...

    async def run_many(self, statement: Statement, rows: Sequence[Mapping[str, object]], /) -> None:
        """Run a statement once for each mapping of values, in order."""
        ...


class Database(Protocol):
    """An open database."""

    @property
    def dialect(self) -> Dialect:
        """Which database answers."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Enter the one writer; entrants of this process wait for each other, first come, first served.

        Leaving commits durably: what was committed survives a power loss. Any exception inside rolls back and is
        passed on. A caller that is cancelled while the commit runs is kept until it is done, so a cancelled caller
        may find its transaction committed.

        Raises:
            StoreUnavailable: nothing was changed.
            CommitUnknown: the change may or may not have taken effect.
        """
        ...

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        """Enter a snapshot. It neither waits for the writer nor keeps it waiting.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        ...

    async def foreign_commit(self) -> None:
        """Return soon after another connection or process committed, or may have.

        A commit between two calls ends the second one at once, so a follower that reads after each return misses
        nothing. Meant for one follower: two at a time take the news from each other.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        ...

    async def close(self) -> None:
        """Wait for the running transaction and let everything go; closing twice is no trouble."""
        ...
