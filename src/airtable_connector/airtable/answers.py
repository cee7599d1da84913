"""Reading what Airtable says when it does not do what it was asked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import orjson

from airtable_connector.airtable.outcomes import NotDone, Refused, Unknown, Why
from airtable_connector.kernel.ids import RecordId

LONGEST_PAUSE: Final = timedelta(hours=1)
"""The longest ``Retry-After`` that is believed."""

QUOTA: Final = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"
RETRIABLE: Final = "RETRIABLE_ERROR"

LONGEST_TEXT: Final = 1_000
"""Characters of Airtable's words that are kept."""

_RECORD: Final = re.compile(r"\brec[0-9A-Za-z]{14}\b", re.ASCII)
_FIELD: Final = re.compile(r'\b[Ff]ield(?: name:)? "([^"]*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is none of the 200s. Its body may quote cells."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None


def judge(answer: Answer) -> Refused | NotDone | Unknown:
    """Say what an answer that is none of the 200s means for what was asked."""
    kind, message = _words(answer.body)
    pause = _pause(answer.retry_after)
    match answer.status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return NotDone(Why.QUOTA_SPENT if kind == QUOTA else Why.LOCKED_OUT, pause=pause)
        case HTTPStatus.SERVICE_UNAVAILABLE if kind == RETRIABLE:
            return NotDone(Why.RETRIABLE, pause=pause)
        case HTTPStatus.REQUEST_TIMEOUT:
            return Unknown("it gave up waiting for the request (408)")
        case status if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Refused(status, kind or f"HTTP {status}", message, _record(message), _field(message))
        case status:
            return Unknown(f"it answered {status}")


def _words(body: bytes) -> tuple[str, str]:
    """Find an error's type and message in each form that Airtable uses; gateways answer with none of them."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", ""
    match said:
        case {"error": {"type": str(kind), **rest}}:
            return kind[:LONGEST_TEXT], _text(rest)
        case {"errors": [{"error": str(kind), **rest}, *_]}:
            return kind[:LONGEST_TEXT], _text(rest)
        case {"error": str(kind)}:
            return kind[:LONGEST_TEXT], ""
        case _:
            return "", ""


def _text(rest: Mapping[object, object]) -> str:
    message = rest.get("message")
    return message[:LONGEST_TEXT] if isinstance(message, str) else ""


def _record(message: str) -> RecordId | None:
    found = _RECORD.search(message)
    return None if found is None else RecordId(found[0])


def _field(message: str) -> str | None:
    found = _FIELD.search(message)
    return None if found is None else found[1]


def _pause(retry_after: str | None) -> timedelta | None:
    if retry_after is None or not (retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 10):
        return None  # a date there is rare, and our own rhythm is no harm
    return min(timedelta(seconds=int(retry_after)), LONGEST_PAUSE)
