"""What is known after a call: it was done, refused, surely not done, or nobody can tell."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar, assert_never

from airtable_connector.airtable.errors import CloudDenied, CloudOutcomeUnknown, CloudRefused, CloudUnavailable
from airtable_connector.kernel.ids import RecordId

T = TypeVar("T")

USUAL_PAUSE: Final = timedelta(seconds=30)
"""When to try again if nobody said when."""

ITERATOR_EXPIRED: Final = "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"
"""The type of the refusal that says that a list must be read from its beginning."""

DENIED: Final = frozenset({401, 402, 403})
"""Statuses that are about our key or our account, and not about what was asked."""


class Why(StrEnum):
    """Why a call surely had no effect."""

    UNREACHED = "it was not reached"
    LOCKED_OUT = "the base was asked too often"
    QUOTA_SPENT = "the month's calls are used up"
    RETRIABLE = "it was busy, and said that repeating is safe"
    READING_FAILED = "no proper answer came, and nothing was to be changed"


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """It was done, and this is the answer."""

    value: T = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """It was understood and refused, and changed nothing; the same request will be refused again.

    ``record`` and ``field_name`` are those that Airtable's words name, if they name any: of several records in a call
    that one is to blame. ``message`` may quote a cell: it is for whoever sent that cell, and for no log.
    """

    status: int
    type: str
    message: str = field(repr=False)
    record: RecordId | None = None
    field_name: str | None = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """It surely had no effect, and may be repeated. ``pause`` is how long Airtable asked us to wait."""

    why: Why
    detail: str = ""
    pause: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It was sent, and may have taken effect or not; only a look at the base can tell."""

    why: str


Outcome: TypeAlias = Done[T] | Refused | NotDone | Unknown


def value_of(outcome: Outcome[T]) -> T:
    """Return what was answered, for callers that have no other use for the difference.

    Raises:
        CloudDenied: our key may not do this.
        CloudRefused: it was refused.
        CloudUnavailable: it was surely not done.
        CloudOutcomeUnknown: nobody can tell.
    """
    match outcome:
        case Done(value):
            return value
        case Refused(status, kind) if status in DENIED:
            raise CloudDenied(kind, retry_after=USUAL_PAUSE)
        case Refused(_, kind):
            raise CloudRefused(kind)
        case NotDone(why, detail, pause):
            raise CloudUnavailable(f"{why}{detail and f' ({detail})'}", retry_after=pause or USUAL_PAUSE)
        case Unknown(detail):
            raise CloudOutcomeUnknown(detail, retry_after=USUAL_PAUSE)
        case _:
            assert_never(outcome)
