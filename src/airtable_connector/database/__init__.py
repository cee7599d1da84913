"""The one door to SQLite and PostgreSQL: open, transact, migrate.

Both sit behind the same port and pass the same tests. Values are str, int (64 bits), float, bytes and None; a text with
a NUL character or half a surrogate pair is refused by one or the other, so keep such texts out before they come here.
"""

from airtable_connector.database.errors import CommitUnknown, MalformedDatabaseUrl, NewerDatabase, StoreUnavailable
from airtable_connector.database.location import DatabaseLocation, PostgresServer, SqliteFile
from airtable_connector.database.opening import open_database
from airtable_connector.database.port import Database, Dialect, Reader, Row, Sql, Statement, Transaction

__all__ = [
    "CommitUnknown",
    "Database",
    "DatabaseLocation",
    "Dialect",
    "MalformedDatabaseUrl",
    "NewerDatabase",
    "PostgresServer",
    "Reader",
    "Row",
    "Sql",
    "SqliteFile",
    "Statement",
    "StoreUnavailable",
    "Transaction",
    "open_database",
]
