"""What a list's query asks for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import orjson

from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.records import (
    LARGEST_PAGE,
    Query,
    Table,
    equals,
    read_offset,
    sort_by,
)
from airtable_connector.records.formula import FormulaError, FormulaTooCostly
from airtable_connector.web.domain.errors import InvalidParameter, UnknownParameter

if TYPE_CHECKING:
    from airtable_connector.records.formula import Formula

LONGEST_TEXT = 500
"""Characters of a text search."""


ReadFormula: TypeAlias = Callable[[str, Table], "Formula"]
"""Reads a formula over a table: `Workspace.formula`."""


@dataclass(frozen=True)
class Listing:
    """A list request: the question, which fields to show, and the feed position to wait for."""

    query: Query
    fields: frozenset[str] | None = None
    as_of: int = 0


def read_listing(table: Table, parameters: Sequence[tuple[str, str]], read_formula: ReadFormula) -> Listing:
    """Read a list's query parameters.

    Raises:
        UnknownParameter, InvalidParameter, FormulaError, UnknownField, InvalidCell, UnknownChoice, CannotSort,
        CannotFilter, InvalidOffset: a parameter is wrong.
    """
    listing = Listing(Query(table))
    offset = None
    for name, value in parameters:
        if name == "offset":
            # an offset is checked against the whole question
            offset = value
        elif name == "filter":
            listing = _filter(listing, value, read_formula)
        elif name in _OPTIONS:
            listing = _OPTIONS[name](listing, value)
        elif (field := table.by_name.get(name) or table.by_former_name.get(name)) is not None:
            condition = equals(field, value)
            listing = replace(listing, query=replace(listing.query, equals=(*listing.query.equals, condition)))
        else:
            raise UnknownParameter(name, [*OPTION_NAMES, *table.by_name])
    if offset:
        listing = replace(listing, query=replace(listing.query, after=read_offset(listing.query, offset)))
    return listing


def project(blobs: Sequence[bytes], fields: frozenset[str] | None) -> Sequence[bytes]:
    """Keep only the named fields of records; None keeps all."""
    if fields is None:
        return blobs
    projected = []
    for blob in blobs:
        record = orjson.loads(blob)
        record["fields"] = {name: cell for name, cell in record["fields"].items() if name in fields}
        projected.append(orjson.dumps(record))
    return projected


def read_fields(table: Table, text: str) -> frozenset[str]:
    """Read ``Name,Status``: names or ids of fields to show."""
    return frozenset(table.field(name.strip()).name for name in text.split(","))


def read_count(name: str, text: str, *, most: int, least: int = 1) -> int:
    """Read a whole number within bounds, or raise `InvalidParameter`."""
    # isdecimal alone would let other scripts' digits and very long texts through
    if not (text.isascii() and text.isdecimal() and len(text) <= 18 and least <= int(text) <= most):
        raise InvalidParameter(name, allowed=f"a whole number from {least} to {most}")
    return int(text)


@contextmanager
def naming_the_filter() -> Iterator[None]:
    """Let what is wrong with a formula be said of the parameter that it came in."""
    try:
        yield
    except (FormulaError, FormulaTooCostly) as refusal:
        refusal.field = "filter"
        raise


def _filter(listing: Listing, text: str, read_formula: ReadFormula) -> Listing:
    if listing.query.formula is not None:
        raise InvalidParameter("filter", allowed="one formula; AND() joins several")
    with naming_the_filter():
        formula = read_formula(text, listing.query.table)
    return replace(listing, query=replace(listing.query, formula=formula))


def _text(listing: Listing, text: str) -> Listing:
    if not 0 < len(text) <= LONGEST_TEXT or "\x00" in text:
        raise InvalidParameter("q", allowed=f"1 to {LONGEST_TEXT} characters")
    return replace(listing, query=replace(listing.query, text=text))


def _sort(listing: Listing, text: str) -> Listing:
    return replace(listing, query=replace(listing.query, sort=sort_by(listing.query.table, text)))


def _fields(listing: Listing, text: str) -> Listing:
    return replace(listing, fields=read_fields(listing.query.table, text))


def _page_size(listing: Listing, text: str) -> Listing:
    size = read_count("page_size", text, most=LARGEST_PAGE)
    return replace(listing, query=replace(listing.query, page_size=size))


def _updated_since(listing: Listing, text: str) -> Listing:
    try:
        since = iso(parse_iso(text))
    except (ValueError, OverflowError) as cause:
        raise InvalidParameter("updated_since", allowed="a moment as ISO 8601 (2026-01-31T12:00:00Z)") from cause
    return replace(listing, query=replace(listing.query, updated_since=since))


def _as_of(listing: Listing, text: str) -> Listing:
    return replace(listing, as_of=read_count("as_of", text, least=0, most=2**62))


_OPTIONS: Mapping[str, Callable[[Listing, str], Listing]] = {
    "q": _text,
    "sort": _sort,
    "fields": _fields,
    "page_size": _page_size,
    "updated_since": _updated_since,
    "as_of": _as_of,
}
OPTION_NAMES = ("filter", *_OPTIONS, "offset")
"""Names of query parameters; a table must not have fields of these names."""
