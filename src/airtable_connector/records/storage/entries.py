"""The feed's entries: appended, and read by position, table or record."""

# ruff: noqa: S608 - every statement is put together from literal texts of this room; values go in as parameters

from collections.abc import Iterable, Mapping, Sequence

import orjson

from airtable_connector.database import Reader, Row, Sql, Transaction
from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.records.feed import Action, Change, Damage, Entry
from airtable_connector.records.storage.rows import ID_LIST

_APPEND = (
    "insert into feed (seq, at, table_id, record_id, action, actor, cause, before, after, digest, hash)"
    " values (:seq, :at, :table, :record, :action, :actor, :cause, :before, :after, :digest, :hash)"
)
_ENTRY = "select seq, at, table_id, record_id, action, actor, cause, before, after, digest, hash from feed"
_ENTRIES_AFTER = f"{_ENTRY} where seq > :after order by seq limit :count"
_ENTRIES_OF_TABLE = f"{_ENTRY} where table_id = :table and seq > :after order by seq limit :count"
# arrays, or PostgreSQL could read the whole feed
_ENTRIES_OF_RECORDS = Sql(
    f"{_ENTRY} where record_id in {ID_LIST[0]} and seq > :after order by seq limit :count",
    f"{_ENTRY} where record_id = any(array{ID_LIST[1]}) and seq > :after order by seq limit :count",
)
_ENTRIES_OF_RECORD = f"{_ENTRY} where record_id = :record and seq > :after order by seq limit :count"
_LAST_OF_RECORD = f"{_ENTRY} where record_id = :record order by seq desc limit :count"
_LAST_POSITIONS = Sql(
    f"select record_id, max(seq) from feed where record_id in {ID_LIST[0]} group by record_id",
    f"select record_id, max(seq) from feed where record_id = any(array{ID_LIST[1]}) group by record_id",
)
_DROP_CONTENT = (
    "update feed set before = null, after = null where table_id = :table and at < :before"
    " and seq > :after and seq <= :through and (before is not null or after is not null)"
)


async def append_entries(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Add entries at the end of the feed."""
    await tx.run_many(
        _APPEND,
        [
            {
                "seq": entry.change.seq,
                "at": entry.change.at,
                "table": entry.change.table,
                "record": entry.change.record,
                "action": str(entry.change.action),
                "actor": entry.change.actor,
                "cause": entry.change.cause,
                "before": entry.before,
                "after": entry.after,
                "digest": entry.digest,
                "hash": entry.hash,
            }
            for entry in entries
        ],
    )


async def entries_after(reader: Reader, after: int, count: int) -> list[Entry]:
    """Read up to ``count`` entries beyond the sequence ``after``."""
    return [_entry(row) for row in await reader.all(_ENTRIES_AFTER, after=after, count=count)]


async def entries_to_verify(reader: Reader, after: int, count: int) -> list[Entry | Damage]:
    """Read like `entries_after`; an entry that cannot even be read is `Damage`."""
    return [_entry_or_damage(row) for row in await reader.all(_ENTRIES_AFTER, after=after, count=count)]


async def entries_of_table(reader: Reader, table: TableId, after: int, count: int) -> list[Entry]:
    """Read up to ``count`` entries of one table beyond the sequence ``after``."""
    return [_entry(row) for row in await reader.all(_ENTRIES_OF_TABLE, table=table, after=after, count=count)]


async def entries_of_record(reader: Reader, ids: Sequence[str], after: int, count: int) -> list[Entry]:
    """Read up to ``count`` entries beyond the sequence ``after`` of one record, given all ids that it has and had."""
    wanted = orjson.dumps(list(ids)).decode()
    return [_entry(row) for row in await reader.all(_ENTRIES_OF_RECORDS, ids=wanted, after=after, count=count)]


async def last_changes(reader: Reader, record: RecordId, count: int) -> list[Change]:
    """Read a record's ``count`` last changes, the last first, and its first one if it is not among them."""
    rows = await reader.all(_LAST_OF_RECORD, record=record, count=count)
    if len(rows) == count:
        rows += await reader.all(_ENTRIES_OF_RECORD, record=record, after=0, count=1)
    return [_entry(row).change for row in rows]


async def last_positions(reader: Reader, records: Iterable[str]) -> Mapping[str, int]:
    """Return the feed position of the last change of each record, be it gone or not; those with none are left out."""
    rows = await reader.all(_LAST_POSITIONS, ids=orjson.dumps(list(records)).decode())
    return {row[0]: int(row[1]) for row in rows}


async def drop_content(tx: Transaction, table: TableId, *, before: str, after: int, through: int) -> int:
    """Drop the cells of a table's entries that are older than ``before``; digests and hashes stay."""
    return await tx.run(_DROP_CONTENT, table=table, before=before, after=after, through=through)


def _entry_or_damage(row: Row) -> Entry | Damage:
    try:
        return _entry(row)
    except ValueError:
        return Damage(row[0], "its content cannot be read")


def _entry(row: Row) -> Entry:
    seq, at, table, record, action, actor, cause, before, after, digest, hashed = row
    change = Change(
        seq,
        at,
        TableId(table),
        RecordId(record),
        Action(action),
        actor,
        cause,
        None if before is None else orjson.loads(before),
        None if after is None else orjson.loads(after),
    )
    return Entry(change, before, after, bytes(digest), bytes(hashed))
