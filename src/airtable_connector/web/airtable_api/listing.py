"""A list request brought together with its table."""

from dataclasses import dataclass
from typing import Final

from airtable_connector.records import (
    InvalidOffset,
    Position,
    Query,
    Table,
    read_offset,
    sort_by_fields,
    write_offset,
)
from airtable_connector.web.airtable_api.base import Base
from airtable_connector.web.airtable_api.errors import OffsetInvalid
from airtable_connector.web.airtable_api.options import ListOptions

MARK: Final = "/"
"""Stands in an offset between the place in the list and the number of records shown before it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A page that is asked for: the question to the table, and how many records the pages before it showed."""

    query: Query
    options: ListOptions
    shown: int

    def offset(self, records: int, following: Position | None) -> str | None:
        """Write the offset of the page after this one, which shows so many records; None when this is the last.

        It holds all that the next page needs to know, so that it never expires.
        """
        shown, most = self.shown + records, self.options.most
        if following is None or (most is not None and shown >= most):
            return None
        return f"{write_offset(self.query, following)}{MARK}{shown}"


def read_question(base: Base, table: Table, options: ListOptions) -> Question:
    """Bring what is asked together with the table.

    Raises:
        ViewMissing, ViewOfOtherTable, UnknownField, CannotSort, TooManySorts, FormulaError, OffsetInvalid: it does
        not fit the table.
    """
    if options.view is not None:
        base.check_view(table, options.view)
    for name in options.form.fields:
        table.field(name)
    sort = sort_by_fields(table, options.sort)
    formula = base.workspace.formula(options.formula, table) if options.formula else None
    after, shown = _read_offset(Query(table, sort=sort, formula=formula), options)
    size = options.page_size if options.most is None else min(options.page_size, options.most - shown)
    return Question(Query(table, sort=sort, formula=formula, page_size=size, after=after), options, shown)


def _read_offset(query: Query, options: ListOptions) -> tuple[Position | None, int]:
    if not options.offset:
        return None, 0
    place, _, shown = options.offset.rpartition(MARK)
    if not (shown.isascii() and shown.isdecimal() and len(shown) < 10 and int(shown) < (options.most or 2**31)):
        raise OffsetInvalid(options.offset)
    try:
        return read_offset(query, place), int(shown)
    except InvalidOffset:
        raise OffsetInvalid(options.offset) from None
