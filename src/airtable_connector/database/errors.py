"""What can go wrong with a database through no fault of the caller."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, NamedTuple, TypeAlias

from airtable_connector.kernel.errors import Conflict, Invalid, Unavailable

CauseName: TypeAlias = Literal[
    "locked",
    "disk-full",
    "io-error",
    "read-only",
    "cannot-open",
    "corrupt",
    "no-memory",
    "login-refused",
    "connection-lost",
    "too-slow",
    "too-busy",
    "schema-changed",
    "closed",
]
"""Why the store does not answer, for logs and numbers."""


class _Trouble(NamedTuple):
    what: str
    remedy: str
    retry_after: timedelta


_SOON = timedelta(seconds=1)
_LATER = timedelta(seconds=30)

_TROUBLES: Mapping[CauseName, _Trouble] = {
    "locked": _Trouble("another writer holds it", "repeat the request", _SOON),
    "disk-full": _Trouble("its disk is full", "free some space; it recovers without a restart", _LATER),
    "io-error": _Trouble("its disk reports an error", "look at the disk; it recovers without a restart", _LATER),
    "read-only": _Trouble("it does not accept writes", "check the file's permissions or the server's role", _LATER),
    "cannot-open": _Trouble("it cannot be opened", "check DATA_DIR or DATABASE_URL, and permissions", _LATER),
    "corrupt": _Trouble("it is damaged", "restore a backup", _LATER),
    "no-memory": _Trouble("it ran out of memory", "give its machine more memory", _LATER),
    "login-refused": _Trouble("it refuses our login", "check the user, password and database in DATABASE_URL", _LATER),
    "connection-lost": _Trouble("the connection was refused or lost", "repeat the request", _SOON),
    "too-slow": _Trouble("it did not answer in time", "repeat the request", _SOON),
    "too-busy": _Trouble("it has no free connection", "repeat the request, or allow more connections", _SOON),
    "schema-changed": _Trouble("its schema was just changed", "repeat the request", _SOON),
    "closed": _Trouble("it is closed", "repeat the request once the service is up again", _SOON),
}


class StoreUnavailable(Unavailable):
    """The database did not do what it was asked, and nothing was changed; `cause_name` tells why."""

    code = "store-unavailable"

    def __init__(self, cause_name: CauseName) -> None:
        trouble = _TROUBLES[cause_name]
        super().__init__(
            f"the record store is unavailable: {trouble.what}; nothing was changed",
            retry_after=trouble.retry_after,
            hint=trouble.remedy,
            facts={"cause": cause_name},
        )
        self.cause_name: CauseName = cause_name


class CommitUnknown(Unavailable):
    """The database fell silent during a commit: the change may or may not have taken effect."""

    code = "commit-unknown"

    def __init__(self, cause_name: CauseName) -> None:
        super().__init__(
            "the record store fell silent during a commit: the change may or may not have taken effect",
            retry_after=_SOON,
            hint="repeating the request with the same Idempotency-Key is safe; without one, read before you repeat",
            facts={"cause": cause_name},
        )
        self.cause_name: CauseName = cause_name


class NewerDatabase(Conflict):
    """The database was written by a later version of the connector, which knows what this one does not."""

    code = "newer-database"

    def __init__(self, *, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema version {found}, this program knows versions up to {known}",
            hint="run the newer program, or restore a backup made before the upgrade",
            facts={"found": found, "known": known},
        )
        self.found, self.known = found, known


class MalformedDatabaseUrl(Invalid):
    """The address of the PostgreSQL server cannot be read; it is not shown, for it may hold a password."""

    code = "malformed-database-url"

    def __init__(self) -> None:
        super().__init__(
            "the database's address cannot be read",
            field="DATABASE_URL",
            hint="write postgresql://user:password@host:port/name, and escape special characters as %XX",
        )
