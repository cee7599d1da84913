"""Connections to a SQLite file, and what its errors mean.

Nobody in this process may open and close the file by other means while the database is open: closing any handle to it
takes away the locks that all connections of the process have (POSIX locks work so), and another process may then
destroy what they write.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import apsw

from airtable_connector.database.errors import CauseName, StoreUnavailable

_CAUSES: Mapping[type[Exception], CauseName] = {
    apsw.BusyError: "locked",
    apsw.LockedError: "locked",
    apsw.ProtocolError: "locked",  # too many tries for a lock of the write-ahead log
    apsw.FullError: "disk-full",
    apsw.IOError: "io-error",
    apsw.ReadOnlyError: "read-only",
    apsw.PermissionsError: "cannot-open",
    apsw.CantOpenError: "cannot-open",
    apsw.CorruptError: "corrupt",
    apsw.NotADBError: "corrupt",
    apsw.NoMemError: "no-memory",
    OSError: "cannot-open",
}

TROUBLES: tuple[type[Exception], ...] = tuple(_CAUSES)
"""What the world can do to a SQLite file; any other error of the driver is a mistake in our SQL."""

_WRITER_PRAGMAS = (
    "pragma journal_mode = wal",
    "pragma synchronous = full",  # a commit is on the disk before it is answered
    "pragma foreign_keys = on",
    "pragma temp_store = memory",
    "pragma cache_size = -32768",  # KiB, when negative
    "pragma journal_size_limit = 67108864",  # bytes of log kept after a burst
)

_READER_PRAGMAS = (
    "pragma query_only = on",
    "pragma temp_store = memory",
    "pragma cache_size = -2048",
)


def unavailable(error: Exception) -> StoreUnavailable:
    """Phrase one of `TROUBLES`; the driver's own words may hold paths, so they stay in the cause."""
    kind = next(kind for kind in _CAUSES if isinstance(error, kind))
    return StoreUnavailable(_CAUSES[kind])


def open_writer(path: Path) -> apsw.Connection:
    """Open the file for writing, and make it and its folder when missing, for their owner only. Blocks.

    Raises one of `TROUBLES`. The connection does not wait for locks.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)  # SQLite alone would follow the umask
    return _open(path, flags=apsw.SQLITE_OPEN_READWRITE, wait=timedelta(0), pragmas=_WRITER_PRAGMAS)


def open_reader(path: Path, *, wait: timedelta) -> apsw.Connection:
    """Open the file for reading only; statements wait up to ``wait`` for a lock. Blocks.

    Raises one of `TROUBLES`. The writer must be open, for it keeps the log that readers look into.
    """
    return _open(path, flags=apsw.SQLITE_OPEN_READONLY, wait=wait, pragmas=_READER_PRAGMAS)


def _open(path: Path, *, flags: int, wait: timedelta, pragmas: tuple[str, ...]) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags)
    try:
        connection.set_busy_timeout(wait // timedelta(milliseconds=1))
        for pragma in pragmas:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close(force=True)
        raise
    return connection
