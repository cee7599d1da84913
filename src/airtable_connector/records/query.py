"""A question to a table as data; nothing here knows SQL."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import orjson

from airtable_connector.records.errors import CannotFilter, CannotSort, InvalidCell, InvalidOffset, TooManySorts
from airtable_connector.records.formula import cell_of, source_of
from airtable_connector.records.schema import (
    NAMING_MEMBERS,
    NUMBER_TYPES,
    Cell,
    Field,
    FieldType,
    Record,
    Table,
    naming,
    read_text,
    storable,
)

if TYPE_CHECKING:
    from airtable_connector.records.formula import Formula

LARGEST_PAGE = 1_000
"""Records in one page; also what a list without page parameters answers."""

LONGEST_OFFSET = 12_000
"""Characters; what the longest sort keys of `MOST_SORTS` fields come to."""

MOST_SORTS = 5
"""Fields to sort by; each makes the offset longer."""

SORTED_CHARACTERS = 200
"""Of a text only so many characters are compared when sorting, so that offsets fit into an address."""

SortKey: TypeAlias = tuple[int, str | float]
"""What a cell is ordered by: whether it holds something, then its value."""

UNSORTABLE = frozenset(
    {
        FieldType.MULTIPLE_SELECTS,
        FieldType.MULTIPLE_RECORD_LINKS,
        FieldType.MULTIPLE_ATTACHMENTS,
        FieldType.MULTIPLE_COLLABORATORS,
        FieldType.MULTIPLE_LOOKUP_VALUES,
        FieldType.BUTTON,
    }
)

WITHOUT_EQUALS = frozenset(
    {
        FieldType.MULTIPLE_ATTACHMENTS,
        FieldType.MULTIPLE_COLLABORATORS,
        FieldType.MULTIPLE_LOOKUP_VALUES,
        FieldType.BUTTON,
    }
)
"""Types whose cells have no text to compare with."""

_NUMBERS = NUMBER_TYPES | {FieldType.AUTO_NUMBER}


@dataclass(frozen=True)
class Equals:
    """The field's cell is this one; None means that it is empty. A list field contains the one item."""

    field: Field
    cell: Cell | None


@dataclass(frozen=True)
class Sort:
    """Order by one field; empty cells come first ascending and last descending, as in Airtable."""

    field: Field
    descending: bool = False


@dataclass(frozen=True)
class Position:
    """Where a page ended: the last record's ordinal and its sort keys."""

    ordinal: int
    keys: tuple[str | float, ...] = ()


@dataclass(frozen=True)
class Query:
    """Which records of a table, in which order, and how many. All conditions must hold.

    Texts are searched and sorted without regard to ASCII case, by code point; equality is to the letter. Ties keep
    the order of creation, which is also the order when no sort is given.
    """

    table: Table
    equals: tuple[Equals, ...] = ()
    text: str | None = None
    sort: tuple[Sort, ...] = ()
    updated_since: str | None = None
    page_size: int = LARGEST_PAGE
    after: Position | None = None
    formula: "Formula | None" = None

    @cached_property
    def plain(self) -> bool:
        """Whether the question is for everything in the order of creation."""
        unasked = self.formula is None and self.text is None and self.updated_since is None
        return unasked and not (self.equals or self.sort)

    @cached_property
    def fingerprint(self) -> str:
        """What stands for the question in its offsets; the page's size and place do not matter."""
        asked = [
            self.table.id,
            [[item.field.id, item.cell] for item in self.equals],
            self.text,
            [[item.field.id, item.descending] for item in self.sort],
            self.updated_since,
            None if self.formula is None else self.formula.text,
        ]
        return hashlib.blake2b(orjson.dumps(asked), digest_size=6).hexdigest()


@dataclass(frozen=True)
class Page:
    """One page of an answer: records as JSON bytes, where the next page begins if there is one, its formula's cost."""

    records: Sequence[bytes]
    next: Position | None
    steps: int = 0


def equals(field: Field, text: str) -> Equals:
    """Ask for records whose field equals what the text spells; an empty text asks for empty cells.

    Raises:
        CannotFilter: the field's cells have no text to compare with.
        InvalidCell, UnknownChoice: the text is no value of the field.
    """
    if field.holds in WITHOUT_EQUALS:
        raise CannotFilter(field.name, field.type)
    if field.type in NAMING_MEMBERS:
        if not storable(text):
            raise InvalidCell(field.name, "this text", allowed="a text without NUL characters and lone surrogates")
        return Equals(field, text or None)
    return Equals(field, read_text(field, text))


def sort_by(table: Table, text: str) -> tuple[Sort, ...]:
    """Read ``-Time_Spent_hr,Name``: field names with a minus for descending.

    Raises:
        UnknownField, CannotSort, TooManySorts: a name is unknown, its type has no order, or there are too many.
    """
    names = [part.strip() for part in text.split(",")]
    return sort_by_fields(table, [(name.removeprefix("-"), name.startswith("-")) for name in names])


def sort_by_fields(table: Table, wanted: Sequence[tuple[str, bool]]) -> tuple[Sort, ...]:
    """Sort by fields given by name or id, each with whether it goes down.

    Raises:
        UnknownField, CannotSort, TooManySorts: a name is unknown, its type has no order, or there are too many.
    """
    if len(wanted) > MOST_SORTS:
        raise TooManySorts(len(wanted), MOST_SORTS)
    sorts = []
    for name, descending in wanted:
        field = table.field(name)
        if field.holds in UNSORTABLE:
            raise CannotSort(field.name, field.type)
        sorts.append(Sort(field, descending))
    return tuple(sorts)


def write_offset(query: Query, position: Position) -> str:
    """Write a position as an opaque text that only the same question accepts."""
    token = orjson.dumps([query.fingerprint, position.ordinal, *position.keys])
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def read_offset(query: Query, text: str) -> Position:
    """Read what `write_offset` wrote for the same question.

    Raises:
        InvalidOffset: it was not written for this question, or not by us.
    """
    if len(text) > LONGEST_OFFSET:
        raise InvalidOffset
    try:
        padded = text + "=" * (-len(text) % 4)
        fingerprint, ordinal, *keys = orjson.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError, binascii.Error) as cause:
        raise InvalidOffset from cause
    fits = (
        fingerprint == query.fingerprint
        and type(ordinal) is int
        and 0 <= ordinal < 2**62
        and len(keys) == 2 * len(query.sort)
        and all(_fits(key, sort) for key, sort in zip(keys[1::2], query.sort, strict=True))
        and all(key in (0, 1) and type(key) is int for key in keys[::2])
    )
    if not fits:
        raise InvalidOffset
    return Position(ordinal, tuple(keys))


def sorts_as_text(field: Field) -> bool:
    """Tell whether the field's sort key is a text; otherwise it is a number."""
    return not sorts_as_number(field) and field.holds not in {FieldType.CHECKBOX, FieldType.SINGLE_SELECT}


def sorts_as_number(field: Field) -> bool:
    """Tell whether the field's cells are numbers."""
    return field.holds in _NUMBERS


def sort_keys(query: Query, record: Record) -> tuple[SortKey, ...]:
    """Return what a record is ordered by, one key for each field."""
    return tuple(sort_key(sort.field, cell_of(source_of(sort.field), record)) for sort in query.sort)


def sort_key(field: Field, cell: Cell | None) -> SortKey:
    """Return what a cell is ordered by: whether it holds something, then its value."""
    if cell is None:
        return 0, "" if sorts_as_text(field) else 0
    if field.is_fact:
        return 1, str(cell)
    cell = naming(field, cell)
    if isinstance(cell, dict):
        # an error, or a number that is not finite
        return 1, "" if sorts_as_text(field) else 0
    if field.type is FieldType.SINGLE_SELECT:
        return 1, field.choices.index(cell) if cell in field.choices else len(field.choices)
    if field.holds is FieldType.CHECKBOX:
        return 1, 1
    return 1, _fold(str(cell)[:SORTED_CHARACTERS]) if sorts_as_text(field) else float(cell)  # type: ignore[arg-type]


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _fits(key: object, sort: Sort) -> bool:
    if sorts_as_text(sort.field):
        return isinstance(key, str) and storable(key)
    if sort.field.holds in {FieldType.CHECKBOX, FieldType.SINGLE_SELECT}:
        return type(key) is int and 0 <= key <= max(1, len(sort.field.choices))
    return isinstance(key, int | float) and not isinstance(key, bool)
