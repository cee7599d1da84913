"""What droplets write beside records. A comment changes nothing of its record, and is in no feed."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from airtable_connector.database import Database, Transaction
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids, RecordId
from airtable_connector.records import storage
from airtable_connector.records.errors import (
    CommentNotFound,
    CommentOfAnother,
    CommentRefused,
    ParentCommentNotFound,
    RecordNotFound,
    TooManyComments,
)
from airtable_connector.records.schema import Table, storable
from airtable_connector.records.storage import Comment

LONGEST_COMMENT: Final = 10_000
"""Characters of a comment."""

MOST_COMMENTS: Final = 10_000
"""Comments of one record."""

NEWEST: Final = 2**62
"""A place beyond every comment."""

_COMMENT_ID: Final = re.compile(r"com[0-9A-Za-z]{14}", re.ASCII)


class Comments:
    """The comments of a base's records; a record that is removed takes them along.

    What was acknowledged is durable. Only who wrote a comment may change or remove it.
    """

    def __init__(self, database: Database, *, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def page(self, record: str, *, before: int = NEWEST, count: int) -> list[Comment]:
        """Return up to ``count`` comments of a record that were written before a place (``seq``), newest first."""
        async with self._database.reading() as reader:
            return await storage.comments_before(reader, record, before, count)

    async def counts(self, records: Sequence[str]) -> Mapping[str, int]:
        """Return how many comments records have; those without any are left out."""
        async with self._database.reading() as reader:
            return await storage.count_comments(reader, records)

    async def add(self, table: Table, record: RecordId, text: str, *, author: int, parent: str | None) -> Comment:
        """Add a comment to a record of the table; ``parent`` is the comment of the record that it answers.

        Raises:
            CommentRefused: the text cannot be one.
            RecordNotFound, ParentCommentNotFound: there is no such record, or no such comment to answer.
            TooManyComments: the record has as many as it may have.
        """
        _check(text)
        async with self._database.transaction() as tx:
            # a writer of another process may be about to remove the record
            await storage.lock_head(tx)
            found = await storage.records_by_id(tx, [record])
            if not found or found[0].table != table.id:
                raise RecordNotFound(table.name, record)
            if parent is not None and await _find(tx, record, parent) is None:
                raise ParentCommentNotFound
            if (await storage.count_comments(tx, [record])).get(record, 0) >= MOST_COMMENTS:
                raise TooManyComments(MOST_COMMENTS)
            return await storage.add_comment(
                tx, self._ids.mint("com"), record, author=author, text=text, parent=parent, at=iso(self._clock.now())
            )

    async def change(self, record: str, comment: str, text: str, *, author: int) -> Comment:
        """Replace a comment's text.

        Raises:
            CommentRefused: the text cannot be one.
            CommentNotFound: the record has no such comment.
            CommentOfAnother: another droplet wrote it.
        """
        _check(text)
        async with self._database.transaction() as tx:
            found = await _own(tx, record, comment, author)
            changed = await storage.change_comment(tx, found, text, iso(self._clock.now()))
        if changed is None:
            raise CommentNotFound(comment)
        return changed

    async def remove(self, record: str, comment: str, *, author: int) -> None:
        """Remove a comment; those that answer it stay.

        Raises:
            CommentNotFound: the record has no such comment.
            CommentOfAnother: another droplet wrote it.
        """
        async with self._database.transaction() as tx:
            await storage.remove_comment(tx, await _own(tx, record, comment, author))


async def _find(tx: Transaction, record: str, comment: str) -> Comment | None:
    # what has not the shape of an id may be a text that PostgreSQL would not even look for
    return await storage.comment_by_id(tx, record, comment) if _COMMENT_ID.fullmatch(comment) else None


async def _own(tx: Transaction, record: str, comment: str, author: int) -> Comment:
    found = await _find(tx, record, comment)
    if found is None:
        raise CommentNotFound(comment)
    if found.author != author:
        raise CommentOfAnother
    return found


def _check(text: str) -> None:
    if not text.strip():
        raise CommentRefused("an empty text")
    if len(text) > LONGEST_COMMENT:
        raise CommentRefused(f"{len(text)} characters")
    if not storable(text):
        raise CommentRefused("a text with NUL characters or halves of characters")
