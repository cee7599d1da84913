"""How far a reader of the feed has come, kept beside what it made of it."""

from typing import Final

from airtable_connector.database import Reader, Sql, Transaction

FOLDED: Final = "heartbeats"
"""The reader that folds beats."""

EMPTIED: Final = "heartbeats-content"
"""The reader that drops the content of old entries."""

_READ = "select seq from cursors where reader = :reader"
_BEGIN = "insert into cursors (reader, seq) values (:reader, 0) on conflict (reader) do nothing"
# another replica's transaction has to wait here until this one ends
_LOCK = Sql(_READ, "select seq from cursors where reader = :reader for update")
_MOVE = "update cursors set seq = :seq where reader = :reader and seq < :seq"


async def read_cursor(reader: Reader, name: str) -> int:
    """Return the feed position up to which a reader is done; 0 before it began."""
    row = await reader.one(_READ, reader=name)
    return int(row[0]) if row else 0


async def lock_cursor(tx: Transaction, name: str) -> int:
    """Return a reader's position, and keep others from moving it until this transaction ends."""
    await tx.run(_BEGIN, reader=name)
    row = await tx.one(_LOCK, reader=name)
    return int(row[0]) if row else 0


async def move_cursor(tx: Transaction, name: str, seq: int) -> None:
    """Move a reader's position forward; one that is further already stays."""
    await tx.run(_MOVE, reader=name, seq=seq)
