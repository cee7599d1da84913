"""What a formula reads of a record: cells of fields, and three facts of the record itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from airtable_connector.records.formula.values import (
    CellError,
    Failed,
    Kind,
    Moment,
    Scalar,
    Value,
    Work,
    stored_moment,
    to_text,
)
from airtable_connector.records.schema import FAILING_TYPES, NAMING_MEMBERS, Cell, Field, FieldType, Record

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

    def computed(self, cell: Any) -> Any:
        """Read a computed text, number or truth; a kept error is an error again, and a list that is told its texts."""
        if type(cell) is list:
            return to_text([_scalar(item) for item in self._paid(cell)])
        return _scalar(cell) if type(cell) is dict else cell

    def generated(self, cell: Any) -> str | None:
        """Read the text that a service of Airtable's made; what is told beside a text is none."""
        said = cell.get("value") if type(cell) is dict else cell
        return said if type(said) is str else None

    def computed_moment(self, cell: Any) -> Moment | None:
        """Read a computed date."""
        return None if cell is None else stored_moment(_scalar(cell))

    def looked_up(self, cell: Sequence[Any] | None) -> list[Scalar] | None:
        """Read the values that a lookup collected, and pay for them; one error among them is an error."""
        return None if cell is None else [_scalar(item) for item in self._paid(cell)]

    def looked_up_moments(self, cell: Sequence[Any] | None) -> list[Scalar] | None:
        """Read the dates that a lookup collected, and pay for them."""
        if cell is None:
            return None
        items = [_scalar(item) for item in self._paid(cell)]
        return [stored_moment(item) if isinstance(item, str) else item for item in items]

    def named(self, cell: Mapping[str, Any] | None) -> str | None:
        """Read a collaborator's name, the text of a barcode, or a button's label."""
        return None if cell is None else _scalar(cell)

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
    FieldType.MULTIPLE_LOOKUP_VALUES: Kind.ARRAY,
    FieldType.CREATED_BY: Kind.TEXT,
    FieldType.LAST_MODIFIED_BY: Kind.TEXT,
    FieldType.BUTTON: Kind.TEXT,
    FieldType.RICH_TEXT: Kind.TEXT,
    FieldType.BARCODE: Kind.TEXT,
    FieldType.SINGLE_COLLABORATOR: Kind.TEXT,
    FieldType.MULTIPLE_COLLABORATORS: Kind.ARRAY,
    FieldType.AI_TEXT: Kind.TEXT,
    FieldType.EXTERNAL_SYNC_SOURCE: Kind.TEXT,
}

_DATES = frozenset({kind for kind, value in _KINDS.items() if value is Kind.DATE})

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_FACTS_AS_FIELDS: Mapping[FieldType, Fact] = {
    FieldType.CREATED_TIME: Fact.CREATED,
    FieldType.LAST_MODIFIED_TIME: Fact.MODIFIED,
}


def source_of(field: Field) -> Input:
    """Return where a field's value stands in a row: its own cell, or a fact of the record."""
    return _FACTS_AS_FIELDS[field.type] if field.is_fact else field


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
    return _KINDS[source.holds]


def may_fail(source: Input) -> bool:
    """Tell whether reading an input can be an error."""
    return isinstance(source, Field) and source.type in FAILING_TYPES


def reading(source: Input) -> str | None:
    """Return the name of the method of `Context` that reads a field's cells; None when a cell is its own value."""
    if isinstance(source, Fact):
        return None
    if source.type is FieldType.BUTTON or source.type in NAMING_MEMBERS:
        return "named"
    if source.holds is FieldType.MULTIPLE_LOOKUP_VALUES:
        result = source.options.get("result") or {}
        return "looked_up_moments" if result.get("type") in _DATES else "looked_up"
    if source.type in FAILING_TYPES:
        return "computed_moment" if kind_of(source) is Kind.DATE else "computed"
    match source.type:
        case FieldType.MULTIPLE_SELECTS:
            return "listed"
        case FieldType.MULTIPLE_RECORD_LINKS:
            return "linked"
        case FieldType.MULTIPLE_ATTACHMENTS:
            return "attached"
        case FieldType.MULTIPLE_COLLABORATORS:
            return "people"
        case FieldType.AI_TEXT:
            return "generated"
        case _:
            return None


def value_of(source: Input, cell: Cell | None, context: Context) -> Value:
    """Turn a cell, as the store keeps it, into a value; an empty cell is blank."""
    if cell is None:
        return None
    method = reading(source)
    if method is not None:
        found: Value = getattr(context, method)(cell)
        return found
    assert not isinstance(cell, dict)
    return stored_moment(cell) if isinstance(cell, str) and kind_of(source) is Kind.DATE else cell


def name_in(cell: Any) -> str:
    """Return the name that a record has where others link to it, from its primary cell."""
    try:
        return to_text([_scalar(item) for item in cell] if isinstance(cell, list) else _scalar(cell))
    except Failed:
        return ""


def _scalar(cell: Any) -> Any:
    """Read a cell, or an item of one, that may be an object; fails when it is an error."""
    if type(cell) is not dict:
        return cell
    if "error" in cell:
        raise Failed(CellError.IN_A_CELL)
    if "specialValue" in cell:
        return _SPECIAL[cell["specialValue"]]
    if "filename" in cell:
        return f"{cell['filename']} ({cell.get('url', '')})"
    return cell.get("name") or cell.get("text") or cell.get("label")
