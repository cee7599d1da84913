"""What PostgreSQL's errors, and its silence, mean."""

from collections.abc import Mapping

import asyncpg

from airtable_connector.database.errors import CauseName

_BY_STATE: Mapping[str, CauseName] = {
    "25006": "read-only",  # a replica, or a former primary
    "25P03": "too-slow",
    "28000": "login-refused",
    "28P01": "login-refused",
    "3D000": "login-refused",
    "40001": "locked",
    "40P01": "locked",
    "53100": "disk-full",
    "53200": "no-memory",
    "55P03": "locked",
    "57014": "too-slow",
    "XX001": "corrupt",
    "XX002": "corrupt",
}

_BY_CLASS: Mapping[str, CauseName] = {
    "08": "connection-lost",
    "53": "too-busy",
    "57": "connection-lost",  # the server stops, starts or throws us out
    "58": "io-error",
}

_SCHEMA_CHANGED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)


def cause_of(error: BaseException) -> CauseName | None:
    """Name what the world did to us; None means that our SQL or its values are wrong.

    The first two characters of a state are its class (PostgreSQL's manual, appendix A).
    """
    if isinstance(error, _SCHEMA_CHANGED):
        return "schema-changed"
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if isinstance(error, TimeoutError):
        return "too-slow"
    if isinstance(error, OSError):
        return "connection-lost"
    return None


def is_lost(cause: CauseName) -> bool:
    """Tell whether the server may have done what we asked although it did not say so."""
    return cause in {"connection-lost", "too-slow"}
