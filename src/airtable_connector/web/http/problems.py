"""Errors as answers: the one place where families of trouble become HTTP numbers and UDC codes."""

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Final

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from airtable_connector.mesh import MissingToken
from airtable_connector.web.http.asgi import Header
from airtable_connector.web.http.call import Answer
from airtable_connector.web.http.errors import MethodNotAllowed, MissingPermission

FAMILIES: Final[Mapping[type[ConnectorError], tuple[int, str]]] = {
    NotFound: (404, "NOT_FOUND"),
    Conflict: (409, "CONFLICT"),
    Invalid: (422, "INVALID_REQUEST"),
    Unauthenticated: (401, "UNAUTHORIZED"),
    Forbidden: (403, "FORBIDDEN"),
    LimitReached: (429, "RATE_LIMITED"),
    Unavailable: (503, "DEPENDENCY_UNAVAILABLE"),
}
"""Each family's HTTP number and UDC code."""

LEAVES: Final[Mapping[str, int]] = {
    "malformed-json": 400,
    "doubled-header": 400,
    "method-not-allowed": 405,
    "body-too-slow": 408,
    "record-changed": 412,
    "body-too-large": 413,
    "address-too-long": 414,
    "not-json": 415,
    "too-many-headers": 431,
    "position-not-reached": 504,
    "too-stale": 504,
}
"""Leaves, by their code, whose HTTP number is not their family's. Codes, because rooms below have leaves here, too."""

CLOSING: Final = frozenset({"body-too-large", "body-too-slow", "too-many-headers"})
"""Leaves after which the connection is closed: what follows on it was not read."""

_CODES_BY_STATUS: Final[Mapping[int, str]] = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    412: "CONFLICT",
    429: "RATE_LIMITED",
    503: "DEPENDENCY_UNAVAILABLE",
}


class Problems:
    """Writes errors in the UDC error form."""

    def __init__(self, *, clock: Clock, realm: str) -> None:
        self._clock = clock
        self._realm = realm

    def answer(self, error: ConnectorError, trace_id: str) -> Answer:
        """Turn an error of the kernel's families into its answer."""
        status, code = _number_and_code(error)
        details: dict[str, object] = {"trace_id": trace_id}
        for name, detail in _details(error).items():
            details.setdefault(name, detail)
        return Answer(status, self._body(code, error.message, details), self.headers(error))

    def internal(self, trace_id: str) -> Answer:
        """Answer a bug of ours: the trace id is all that the caller learns."""
        message = "something went wrong here; the trace id finds it in the log"
        return Answer(500, self._body("INTERNAL_ERROR", message, {"trace_id": trace_id}))

    def plain(self, status: int, message: str, trace_id: str, headers: tuple[Header, ...] = ()) -> Answer:
        """Put a refusal that has only an HTTP number and a text into the UDC form."""
        code = _CODES_BY_STATUS.get(status, "INVALID_REQUEST" if status < 500 else "INTERNAL_ERROR")
        reason = HTTPStatus(status).phrase.lower().replace(" ", "-")
        return Answer(status, self._body(code, message, {"trace_id": trace_id, "reason": reason}), headers)

    def _body(self, code: str, message: str, details: dict[str, object]) -> bytes:
        return orjson.dumps(
            {
                "status": "error",
                "error": {"code": code, "message": message, "details": details},
                "timestamp": iso(self._clock.now()),
            },
            default=str,
            option=orjson.OPT_NON_STR_KEYS,
        )

    def headers(self, error: ConnectorError) -> tuple[Header, ...]:
        """Return the headers that belong to an error, in whatever words it is told."""
        headers: list[Header] = []
        if isinstance(error, LimitReached | Unavailable):
            headers.append((b"retry-after", b"%d" % max(1, ceil(error.retry_after.total_seconds()))))
        elif isinstance(error, Unauthenticated):
            headers.append((b"www-authenticate", self._challenge(error)))
        elif isinstance(error, MissingPermission):
            text = f'Bearer realm="{self._realm}", error="insufficient_scope", scope="{error.needed}"'
            headers.append((b"www-authenticate", text.encode("ascii")))
        elif isinstance(error, MethodNotAllowed):
            headers.append((b"allow", error.allowed.encode("ascii")))
        if error.code in CLOSING:
            headers.append((b"connection", b"close"))
        return tuple(headers)

    def _challenge(self, error: Unauthenticated) -> bytes:
        """Say what is missing, as RFC 6750 section 3: without a token, no error code is given."""
        text = f'Bearer realm="{self._realm}"'
        if not isinstance(error, MissingToken):
            text += f', error="invalid_token", error_description="{_quotable(error.message)}"'
        return text.encode("ascii")


def describe_error(error: ConnectorError) -> dict[str, object]:
    """Put an error into the words of the UDC error form, for where it is not an HTTP answer of its own."""
    _, code = _number_and_code(error)
    return {"code": code, "message": error.message, "details": _details(error)}


def _details(error: ConnectorError) -> dict[str, object]:
    details: dict[str, object] = {"reason": error.code}
    if error.field is not None:
        details["field"] = error.field
    if error.hint is not None:
        details["hint"] = error.hint
    for name, fact in error.facts.items():
        details.setdefault(name, fact)
    return details


def _number_and_code(error: ConnectorError) -> tuple[int, str]:
    for family in type(error).__mro__:
        if family in FAMILIES:
            status, code = FAMILIES[family]
            return LEAVES.get(error.code, status), code
    return 500, "INTERNAL_ERROR"


def _quotable(text: str) -> str:
    """Keep what RFC 6750 allows in error_description: printable ASCII without quote and backslash."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "'" for char in text)
