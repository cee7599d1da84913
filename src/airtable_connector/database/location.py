"""Where a database is."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from airtable_connector.kernel.secret import Secret


@dataclass(frozen=True)
class SqliteFile:
    """A SQLite file; it and its folder are made when missing, readable by their owner only."""

    path: Path


@dataclass(frozen=True)
class PostgresServer:
    """A database of a PostgreSQL server, as ``postgresql://user:password@host:port/name``; it must exist."""

    url: Secret


DatabaseLocation: TypeAlias = SqliteFile | PostgresServer
"""Either of the two."""
