"""What a formula reads of a record: cells of fields, and three facts of the record itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from airtable_connector.records.formula.values import Kind, Moment, Scalar, Value, Work, stored_moment
from airtable_connector.records.schema import Cell, Field, FieldType, Record

STEPS = 500_000_000
"""What one evaluation or scan may cost when nothing else is said; some seconds of a processor."""


STEPS_PER_ITEM = 50
"""What an item of an array costs each time that a formula reads the array."""

T = TypeVar("T")


class Fact(StrEnum):
    """What a record is besides its cells; a row brings it as text, as `Record` has it."""

    RECORD_ID = "record id"
    CREATED = "created"
    MODIFIED = "modified"


Input: TypeAlias = Field | Fact
"""One column of the rows that a formula is given."""


@dataclass(frozen=True)
class Context:
    """What an evaluation depends on besides the record.

    ``names`` maps the ids of linked records to their names; a formula that reads links needs it, and a record that is
    not in it has no name. ``work`` is used up: one context serves one request.
    """

    now: datetime
    names: Mapping[str, str] = field(default_factory=dict)
    work: Work = field(default_factory=lambda: Work(STEPS))

    @cached_property
    def moment(self) -> Moment:
        """Now, to the millisecond."""
        utc = self.now.astimezone(UTC)
        return Moment(utc.replace(microsecond=utc.microsecond // 1000 * 1000))

    @cached_property
    def today(self) -> Moment:
        """The midnight, in UTC, that today began with."""
        return Moment(self.moment.at.replace(hour=0, minute=0, second=0, microsecond=0))

    def listed(self, cell: Sequence[str] | None) -> list[Scalar] | None:
        """Read a list of choices, and pay for its items."""
        return None if cell is None else [*self._paid(cell)]

    def linked(self, cell: Sequence[str] | None) -> list[Scalar] | None:
        """Name the records that a cell links to, and pay for them."""
        return None if cell is None else [self.names.get(record, "") for record in self._paid(cell)]

    def attached(self, cell: Sequence[Mapping[str, Any]] | None) -> list[Scalar] | None:
        """Write the attachments of a cell, name and address, and pay for them."""
        if cell is None:
            return None
        return [f"{item.get('filename', '')} ({item.get('url', '')})" for item in self._paid(cell)]

    def named(self, cell: Mapping[str, str] | None) -> str | None:
        """Read the text of a barcode, or the name of a collaborator."""
        return None if cell is None else cell.get("text") or cell["name"]

    def people(self, cell: Sequence[Mapping[str, str]] | None) -> list[Scalar] | None:
        """Name the collaborators of a cell, and pay for them."""
        return None if cell is None else [item["name"] for item in self._paid(cell)]

    def _paid(self, items: Sequence[T]) -> Sequence[T]:
        self.work.spend(STEPS_PER_ITEM * len(items))
        return items


_KINDS: Mapping[FieldType, Kind] = {
    FieldType.SINGLE_LINE_TEXT: Kind.TEXT,
    FieldType.MULTILINE_TEXT: Kind.TEXT,
    FieldType.URL: Kind.TEXT,
    FieldType.EMAIL: Kind.TEXT,
    FieldType.PHONE_NUMBER: Kind.TEXT,
    FieldType.NUMBER: Kind.NUMBER,
    FieldType.PERCENT: Kind.NUMBER,
    FieldType.CURRENCY: Kind.NUMBER,
    FieldType.RATING: Kind.NUMBER,
    FieldType.DURATION: Kind.NUMBER,
    FieldType.AUTO_NUMBER: Kind.NUMBER,
    FieldType.CHECKBOX: Kind.BOOLEAN,
    FieldType.SINGLE_SELECT: Kind.TEXT,
    FieldType.MULTIPLE_SELECTS: Kind.ARRAY,
    FieldType.DATE: Kind.DATE,
    FieldType.DATE_TIME: Kind.DATE,
    FieldType.CREATED_TIME: Kind.DATE,
    FieldType.LAST_MODIFIED_TIME: Kind.DATE,
    FieldType.MULTIPLE_RECORD_LINKS: Kind.ARRAY,
    FieldType.MULTIPLE_ATTACHMENTS: Kind.ARRAY,
    FieldType.RICH_TEXT: Kind.TEXT,
    FieldType.BARCODE: Kind.TEXT,
    FieldType.SINGLE_COLLABORATOR: Kind.TEXT,
    FieldType.MULTIPLE_COLLABORATORS: Kind.ARRAY,
    FieldType.AI_TEXT: Kind.TEXT,
    FieldType.EXTERNAL_SYNC_SOURCE: Kind.TEXT,
}

_FACTS_AS_FIELDS: Mapping[FieldType, Fact] = {
    FieldType.CREATED_TIME: Fact.CREATED,
    FieldType.LAST_MODIFIED_TIME: Fact.MODIFIED,
}


def source_of(field: Field) -> Input:
    """Return where a field's value stands in a row: its own cell, or a fact of the record."""
    return _FACTS_AS_FIELDS.get(field.type, field)


def cell_of(source: Input, record: Record) -> Cell | None:
    """Return what a row has for this input."""
    match source:
        case Fact.RECORD_ID:
            return record.id
        case Fact.CREATED:
            return record.created_at
        case Fact.MODIFIED:
            return record.modified_at
        case _:
            return record.cells.get(source.id)


def kind_of(source: Input) -> Kind:
    """Return the kind of an input's values."""
    if isinstance(source, Fact):
        return Kind.TEXT if source is Fact.RECORD_ID else Kind.DATE
    return _KINDS[source.type]


def reading(source: Input) -> str | None:
    """Return the name of the method of `Context` that reads a field's cells; None when a cell is its own value."""
    if isinstance(source, Fact):
        return None
    match source.type:
        case FieldType.MULTIPLE_SELECTS:
            return "listed"
        case FieldType.MULTIPLE_RECORD_LINKS:
            return "linked"
        case FieldType.MULTIPLE_ATTACHMENTS:
            return "attached"
        case FieldType.BARCODE | FieldType.SINGLE_COLLABORATOR:
            return "named"
        case FieldType.MULTIPLE_COLLABORATORS:
            return "people"
        case _:
            return None


def value_of(source: Input, cell: Cell | None, context: Context) -> Value:
    """Turn a cell, as the store keeps it, into a value; an empty cell is blank."""
    if cell is None:
        return None
    if isinstance(cell, str) and kind_of(source) is Kind.DATE:
        return stored_moment(cell)
    method = reading(source)
    if method is not None:
        found: Value = getattr(context, method)(cell)
        return found
    assert not isinstance(cell, dict)
    return cell
