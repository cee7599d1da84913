"""Comments of records: read, counted, added, changed, removed."""

# ruff: noqa: S608 - every statement is put together from literal texts of this room; values go in as parameters

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import orjson

from airtable_connector.database import Reader, Row, Sql, Transaction
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records.schema import Record
from airtable_connector.records.storage.rows import ID_LIST

_COLUMNS = "seq, id, record_id, author, text, parent, created_at, changed_at"
_BEFORE = f"select {_COLUMNS} from comments where record_id = :record and seq < :before order by seq desc limit :count"
_BY_ID = f"select {_COLUMNS} from comments where record_id = :record and id = :id"
_COUNTS = Sql(
    f"select record_id, count(*) from comments where record_id in {ID_LIST[0]} group by record_id",
    f"select record_id, count(*) from comments where record_id in {ID_LIST[1]} group by record_id",
)
_ADD = (
    "insert into comments (id, record_id, author, text, parent, created_at)"
    " values (:id, :record, :author, :text, :parent, :at) returning seq"
)
_CHANGE = "update comments set text = :text, changed_at = :at where seq = :seq"
_REMOVE = "delete from comments where seq = :seq"
_MOVE = "update comments set record_id = :becomes where record_id = :former"
_REMOVE_ALL = Sql(
    f"delete from comments where record_id in {ID_LIST[0]}", f"delete from comments where record_id in {ID_LIST[1]}"
)


@dataclass(frozen=True, slots=True)
class Comment:
    """What a droplet wrote beside a record. Moments are ISO texts in UTC; ``seq`` is the order of writing."""

    seq: int
    id: str
    record: RecordId
    author: int
    text: str
    parent: str | None
    """The comment that it answers; that one may have been removed since."""
    created_at: str
    changed_at: str | None


async def comments_before(reader: Reader, record: str, before: int, count: int) -> list[Comment]:
    """Read up to ``count`` comments of a record that were written before a place, newest first."""
    return [_comment(row) for row in await reader.all(_BEFORE, record=record, before=before, count=count)]


async def comment_by_id(reader: Reader, record: str, comment: str) -> Comment | None:
    """Read one comment of a record."""
    row = await reader.one(_BY_ID, record=record, id=comment)
    return None if row is None else _comment(row)


async def count_comments(reader: Reader, records: Iterable[str]) -> dict[str, int]:
    """Count the comments of records; those without any are left out."""
    rows = await reader.all(_COUNTS, ids=orjson.dumps(list(records)).decode())
    return {row[0]: int(row[1]) for row in rows}


async def add_comment(
    tx: Transaction, comment: str, record: RecordId, *, author: int, text: str, parent: str | None, at: str
) -> Comment:
    """Add a comment under a new id."""
    row = await tx.one(_ADD, id=comment, record=record, author=author, text=text, parent=parent, at=at)
    assert row is not None
    return Comment(int(row[0]), comment, record, author, text, parent, at, None)


async def change_comment(tx: Transaction, comment: Comment, text: str, at: str) -> Comment | None:
    """Replace a comment's text, and return it as it is now; None when another process has just removed it."""
    changed = await tx.run(_CHANGE, seq=comment.seq, text=text, at=at)
    return replace(comment, text=text, changed_at=at) if changed else None


async def remove_comment(tx: Transaction, comment: Comment) -> None:
    """Remove one comment; those that answer it stay."""
    await tx.run(_REMOVE, seq=comment.seq)


async def move_comments(tx: Transaction, renames: Iterable[tuple[str, str]]) -> None:
    """Let comments follow records that are given other ids, in this order."""
    await tx.run_many(_MOVE, [{"former": former, "becomes": becomes} for former, becomes in renames])


async def remove_comments_of(tx: Transaction, records: Sequence[Record]) -> None:
    """Remove every comment of records that are removed."""
    if records:
        await tx.run(_REMOVE_ALL, ids=orjson.dumps([record.id for record in records]).decode())


def _comment(row: Row) -> Comment:
    seq, comment, record, author, text, parent, created_at, changed_at = row
    return Comment(seq, comment, RecordId(record), author, text, parent, created_at, changed_at)
