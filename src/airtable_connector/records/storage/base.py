"""The store's head, bases and tables: where the feed ends, which of them there are, the numbers given out."""

import orjson

from airtable_connector.database import Reader, Row, Sql, Transaction
from airtable_connector.kernel.ids import BaseId, FieldId, TableId
from airtable_connector.records.feed import SCHEMA_RECORD, Head
from airtable_connector.records.schema import MadeBase, Table, table_from_definition

_HEAD = "select seq, hash, ordinal from chain where id = 1"
# a replica that commits later must see this one's head, so the row is locked where a row can be locked
_LOCK_HEAD = Sql(_HEAD, _HEAD + " for update")
_MOVE_HEAD = "update chain set seq = :seq, hash = :hash, ordinal = :ordinal where id = 1"
# by the index of records
_SCHEMA_CHANGED = "select 1 from feed where record_id = :record and seq > :after limit 1"
_REMOVE_TABLE = (
    "delete from links where ordinal in (select ordinal from records where table_id = :table)",
    "delete from comments where record_id in (select id from records where table_id = :table)",
    "delete from recomputations where table_id = :table",
    "delete from records where table_id = :table",
    "delete from tables where id = :table",
)
_NUMBER_BEYOND = Sql(
    "update tables set last_number = coalesce((select max(cells ->> :field) from records where table_id = :table), 0)"
    " where id = :table",
    "update tables set last_number = coalesce((select max(cast(cells ->> cast(:field as text) as numeric)) from records"
    " where table_id = :table), 0) where id = :table",
)
_NOTIFY = "select pg_notify('connector_feed', '')"


async def read_head(reader: Reader) -> Head:
    """Read where the feed ends."""
    return _head(await reader.one(_HEAD))


async def lock_head(tx: Transaction) -> Head:
    """Read where the feed ends, and keep other writers from moving it until this transaction ends."""
    return _head(await tx.one(_LOCK_HEAD))


async def move_head(tx: Transaction, head: Head) -> None:
    """Record the feed's new end, and wake other processes that follow it once this transaction commits."""
    await tx.run(_MOVE_HEAD, seq=head.seq, hash=head.hash, ordinal=head.ordinal)
    if tx.dialect == "postgres":
        await tx.one(_NOTIFY)


async def touch_head(tx: Transaction) -> None:
    """Write without changing anything, to learn whether writing works."""
    await tx.run("update chain set seq = seq where id = 1")


def _head(row: Row | None) -> Head:
    if row is None:
        raise LookupError("the chain has no head; the database was not migrated")
    return Head(row[0], bytes(row[1]), row[2])


async def read_tables(reader: Reader) -> tuple[Table, ...]:
    """Read the tables of every base in their order."""
    rows = await reader.all("select definition from tables order by position")
    return tuple(table_from_definition(orjson.loads(row[0])) for row in rows)


async def add_table(tx: Transaction, table: Table) -> None:
    """Add a table's definition behind the others."""
    await tx.run(
        "insert into tables (id, position, definition)"
        " select :id, coalesce(max(position) + 1, 0), :definition from tables",
        id=table.id,
        definition=orjson.dumps(table.definition()).decode(),
    )


async def read_bases(reader: Reader) -> list[MadeBase]:
    """Read the made bases in the order of the moments when they were made."""
    rows = await reader.all("select id, name, created_at from bases order by created_at, id")
    return [MadeBase(BaseId(row[0]), row[1], row[2]) for row in rows]


async def add_base(tx: Transaction, base: MadeBase) -> None:
    """Add a made base."""
    await tx.run(
        "insert into bases (id, name, created_at) values (:id, :name, :at)",
        id=base.id,
        name=base.name,
        at=base.created_at,
    )


async def save_table(tx: Transaction, table: Table) -> None:
    """Replace a table's definition."""
    definition = orjson.dumps(table.definition()).decode()
    await tx.run("update tables set definition = :definition where id = :id", id=table.id, definition=definition)


async def remove_table(tx: Transaction, table: TableId) -> None:
    """Remove a table with its records and what is kept beside them."""
    for statement in _REMOVE_TABLE:
        await tx.run(statement, table=table)


async def schema_changed(reader: Reader, *, after: int) -> bool:
    """Tell whether the feed has an entry about a table itself beyond a sequence."""
    return await reader.one(_SCHEMA_CHANGED, record=SCHEMA_RECORD, after=after) is not None


async def number_beyond(tx: Transaction, table: TableId, field: FieldId) -> None:
    """Have a table's next autonumber beyond those that its records have in a field."""
    await tx.run(_NUMBER_BEYOND, table=table, field=field)


async def take_numbers(tx: Transaction, table: TableId, count: int) -> int:
    """Take ``count`` autonumbers of a table; return the first."""
    row = await tx.one(
        "update tables set last_number = last_number + :count where id = :id returning last_number",
        count=count,
        id=table,
    )
    return int(row[0]) - count + 1 if row else 1
