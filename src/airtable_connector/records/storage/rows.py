"""A record as a row, for SQLite and PostgreSQL."""

# ruff: noqa: S608 - every statement is put together from literal texts of this room; values go in as parameters

import orjson

from airtable_connector.database import Row, Sql
from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.records.schema import Record

COLUMNS = "ordinal, id, table_id, key, created_at, modified_at, changed"
CELLS_SQLITE, CELLS_POSTGRES = "json(cells)", "cells::text"
ID_LIST = ("(select value from json_each(:ids))", "(select jsonb_array_elements_text(cast(:ids as jsonb)))")


def select_records(rest_sqlite: str, rest_postgres: str | None = None) -> Sql:
    """Select whole records; the rest of the statement is a literal text, for PostgreSQL another if it must be."""
    return Sql(
        f"select {COLUMNS}, {CELLS_SQLITE} from records {rest_sqlite}",
        f"select {COLUMNS}, {CELLS_POSTGRES} from records {rest_postgres or rest_sqlite}",
    )


def record_from(row: Row) -> Record:
    """Read a row of the record columns."""
    ordinal, record_id, table_id, key, created_at, modified_at, changed, cells = row
    return Record(
        ordinal, RecordId(record_id), TableId(table_id), key, created_at, modified_at, changed, orjson.loads(cells)
    )
