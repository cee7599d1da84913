"""Records: read by id, key or place; added, changed, removed."""

# ruff: noqa: S608 - every statement is put together from literal texts of this room; values go in as parameters

from collections.abc import Iterable, Mapping, Sequence

import orjson

from airtable_connector.database import Reader, Sql, Transaction
from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.records.schema import Field, FieldType, Record, Table, storable
from airtable_connector.records.storage.rows import ID_LIST, record_from, select_records

_BY_IDS = select_records(f"where id in {ID_LIST[0]}", f"where id in {ID_LIST[1]}")
# an array, or PostgreSQL reads a whole table that it has no statistics of yet
_BY_KEYS = select_records(
    f"where table_id = :table and key in {ID_LIST[0]}", f"where table_id = :table and key = any(array{ID_LIST[1]})"
)
_AFTER = select_records("where table_id = :table and ordinal > :after order by ordinal limit :count")
_INSERT = Sql(
    "insert into records (ordinal, id, table_id, key, created_at, modified_at, changed, cells)"
    " values (:ordinal, :id, :table, :key, :created_at, :modified_at, :changed, jsonb(:cells))",
    "insert into records (ordinal, id, table_id, key, created_at, modified_at, changed, cells)"
    " values (:ordinal, :id, :table, :key, :created_at, :modified_at, :changed, cast(:cells as jsonb))",
)
_UPDATE = Sql(
    "update records set key = :key, created_at = :created_at, modified_at = :modified_at, changed = :changed,"
    " cells = jsonb(:cells) where ordinal = :ordinal",
    "update records set key = :key, created_at = :created_at, modified_at = :modified_at, changed = :changed,"
    " cells = cast(:cells as jsonb) where ordinal = :ordinal",
)
_DELETE = "delete from records where ordinal = :ordinal"
_NEW_NAME = (
    "(select json_extract(n.value, '$[1]') from json_each(:names) n where json_extract(n.value, '$[0]') = {})",
    "(select n ->> 1 from jsonb_array_elements(cast(:names as jsonb)) n where n ->> 0 = {})",
)
_RENAME_CHOICE = Sql(
    f"update records set cells = jsonb_set(cells, '$.' || :field, {_NEW_NAME[0].format('cells ->> :field')})"
    f" where table_id = :table and {_NEW_NAME[0].format('cells ->> :field')} is not null",
    "update records set cells = jsonb_set(cells, array[cast(:field as text)],"
    f" to_jsonb({_NEW_NAME[1].format('cells ->> :field')}))"
    f" where table_id = :table and {_NEW_NAME[1].format('cells ->> :field')} is not null",
)
_RENAME_CHOICES = Sql(
    "update records set cells = jsonb_set(cells, '$.' || :field,"
    f" (select jsonb_group_array(coalesce({_NEW_NAME[0].format('c.value')}, c.value))"
    " from json_each(cells, '$.' || :field) c))"
    " where table_id = :table and exists (select 1 from json_each(cells, '$.' || :field) c"
    f" where {_NEW_NAME[0].format('c.value')} is not null)",
    "update records set cells = jsonb_set(cells, array[cast(:field as text)],"
    f" (select jsonb_agg(coalesce({_NEW_NAME[1].format('c.item')}, c.item) order by c.place)"
    " from jsonb_array_elements_text(cells -> :field) with ordinality c (item, place)))"
    " where table_id = :table and exists (select 1 from jsonb_array_elements_text(cells -> :field) c (item)"
    f" where {_NEW_NAME[1].format('c.item')} is not null)",
)
_EMPTY_CELLS = Sql(
    "update records set cells = jsonb_remove(cells, '$.' || :field)"
    " where table_id = :table and cells -> :field is not null",
    "update records set cells = cells - cast(:field as text)"
    " where table_id = :table and cells -> cast(:field as text) is not null",
)
_FORGET_LINKS = "delete from links where field_id = :field"
_TAKE_KEYS = "update records set key = null where table_id = :table and key is not null"
_GIVE_KEYS = Sql(
    *(
        f"update records set key = {cell} where ordinal in (select min(ordinal) from records"
        f" where table_id = :table and length({cell}) <= :longest group by {cell})"
        for cell in ("cells ->> :field", "cells ->> cast(:field as text)")
    )
)
_PASS_KEYS_ON = Sql(
    *(
        f"update records set key = {cell} where ordinal in (select min(ordinal) from records"
        f" where table_id = :table and key is null and {cell} in {keys} group by {cell})"
        for cell, keys in (("cells ->> :field", ID_LIST[0]), ("cells ->> cast(:field as text)", ID_LIST[1]))
    )
)
_COUNT = "select count(*) from records where table_id = :table"


async def records_by_id(reader: Reader, ids: Iterable[str]) -> list[Record]:
    """Read records of any table by id; unknown ids are left out."""
    wanted = orjson.dumps(list(ids)).decode()
    return [record_from(row) for row in await reader.all(_BY_IDS, ids=wanted)]


async def records_by_key(reader: Reader, table: TableId, keys: Iterable[str]) -> list[Record]:
    """Read a table's records by key; unknown keys are left out."""
    # what no cell can hold PostgreSQL refuses even to look for
    wanted = orjson.dumps([key for key in keys if storable(key)]).decode()
    return [record_from(row) for row in await reader.all(_BY_KEYS, table=table, ids=wanted)]


async def records_after(reader: Reader, table: TableId, after: int, count: int) -> list[Record]:
    """Read up to ``count`` records in the order of creation, beyond the ordinal ``after``."""
    return [record_from(row) for row in await reader.all(_AFTER, table=table, after=after, count=count)]


async def count_records(reader: Reader, table: TableId) -> int:
    """Count a table's records."""
    row = await reader.one(_COUNT, table=table)
    return int(row[0]) if row else 0


async def insert_records(tx: Transaction, records: Sequence[Record]) -> None:
    """Add records."""
    await tx.run_many(_INSERT, [_values(record) for record in records])


async def update_records(tx: Transaction, records: Sequence[Record]) -> None:
    """Replace the cells of records that exist."""
    keep = ("key", "created_at", "modified_at", "changed", "cells", "ordinal")
    await tx.run_many(_UPDATE, [{name: _values(record)[name] for name in keep} for record in records])


async def delete_records(tx: Transaction, records: Sequence[Record]) -> None:
    """Remove records."""
    await tx.run_many(_DELETE, [{"ordinal": record.ordinal} for record in records])


async def rename_choices(tx: Transaction, table: TableId, field: Field, names: Mapping[str, str]) -> None:
    """Give a select field's choices other names in all cells of the table at once; two may change places."""
    statement = _RENAME_CHOICE if field.type is FieldType.SINGLE_SELECT else _RENAME_CHOICES
    pairs = orjson.dumps(list(names.items())).decode()
    await tx.run(statement, table=table, field=field.id, names=pairs)


async def empty_cells(tx: Transaction, table: TableId, field: FieldId) -> None:
    """Empty a field in every record of a table, with the links that the cells were."""
    await tx.run(_EMPTY_CELLS, table=table, field=field)
    await tx.run(_FORGET_LINKS, field=field)


async def give_keys(tx: Transaction, table: TableId, field: FieldId | None, *, longest: int) -> None:
    """Let a field's cells be the keys of a table from now on, each of the first record that has it; None: no more keys.

    A text beyond ``longest`` characters is no key.
    """
    await tx.run(_TAKE_KEYS, table=table)
    if field is not None:
        await tx.run(_GIVE_KEYS, table=table, field=field, longest=longest)


async def pass_keys_on(tx: Transaction, table: Table, keys: Sequence[str]) -> None:
    """Let keys that nobody has any more be those of the first records whose cells hold them, if there are any."""
    await tx.run(_PASS_KEYS_ON, table=table.id, field=table.key, ids=orjson.dumps(keys).decode())


def _values(record: Record) -> dict[str, object]:
    return {
        "ordinal": record.ordinal,
        "id": record.id,
        "table": record.table,
        "key": record.key,
        "created_at": record.created_at,
        "modified_at": record.modified_at,
        "changed": record.changed,
        "cells": orjson.dumps(record.cells).decode(),
    }
