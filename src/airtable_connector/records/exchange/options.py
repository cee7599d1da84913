"""What an import is asked to do, apart from the file."""

from dataclasses import dataclass
from enum import StrEnum

from airtable_connector.records.exchange.form import Form

BATCH = 500
LARGEST_BATCH = 1_000
"""Rows written in one transaction; more would keep other writers waiting."""


class RowIds(StrEnum):
    """Which ids the records get. A row without an id gets one that follows from the file's beginning up to it."""

    KEEP = "keep"
    NEW = "new"
    """Derived from the row's own id, so that the same row gets the same new id in every run."""


class OnKey(StrEnum):
    """What becomes of a row whose id or key a record has already."""

    REFUSE = "refuse"
    UPDATE = "update"
    """The record's cells that the row names are changed; an empty CSV cell empties."""


class OnBad(StrEnum):
    """What becomes of the other rows when one is refused."""

    STOP = "stop"
    SKIP = "skip"


@dataclass(frozen=True)
class ImportOptions:
    """How to import. ``table`` takes in rows without a table and leaves rows of other tables out; CSV needs it."""

    form: Form
    table: str | None = None
    ids: RowIds = RowIds.KEEP
    on_key: OnKey = OnKey.REFUSE
    on_bad: OnBad = OnBad.STOP
    batch: int = BATCH
