"""Rows of a table that are held in memory, some hundreds together, with their cells by column.

A column is made from the rows when somebody first asks for it, and kept. A block that a reader may be looking at is
not changed any more: a change makes another block.
"""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

import orjson

from airtable_connector.records.formula import Fact, Input, cell_of
from airtable_connector.records.schema import Cell, FieldType, Record, Table

BLOCK: Final = 512
"""Rows of a block; some grow to twice as many before they are cut in two."""

BYTES_OF_A_PLACE: Final = 150
"""Cost in memory of a value that places are found by: its entry, its list, its number."""

Column: TypeAlias = list[Cell | None]
Places: TypeAlias = Mapping[Cell | None, Sequence[int]]

_HELD = (Fact.RECORD_ID, Fact.MODIFIED)
"""What rows hold themselves; all else is in their JSON."""

_ordinal = attrgetter("ordinal")


class Row:
    """A record as it is held: what it is served as, and what this does not show."""

    __slots__ = ("blob", "id", "modified", "ordinal")

    def __init__(self, record: Record, blob: bytes) -> None:
        self.id: str = record.id
        self.ordinal = record.ordinal
        self.modified = record.modified_at
        self.blob = blob


class Block:
    """Rows of one table, one after the other in the order of creation."""

    __slots__ = ("_cell_bytes", "_columns", "_place_bytes", "_places", "_table", "blobs", "edition", "rows")

    def __init__(self, table: Table, edition: int, rows: list[Row]) -> None:
        self.edition = edition
        """The shelf's edition that the block was made for; readers of earlier ones do not see it."""
        self.rows = rows
        self.blobs = [row.blob for row in rows]
        self._table = table
        self._columns: dict[str, tuple[Input, Column]] = {}
        self._places: dict[str, Places] = {}
        self._cell_bytes = self._place_bytes = 0

    @property
    def memory(self) -> int:
        """Bytes that columns and places take, estimated."""
        return self._cell_bytes + self._place_bytes

    @property
    def last(self) -> int:
        """The ordinal of the last row."""
        return self.rows[-1].ordinal

    # what readers ask

    def beyond(self, ordinal: int) -> int:
        """Return the place of the first row after an ordinal."""
        return bisect_right(self.rows, ordinal, key=_ordinal)

    def columns(self, sources: Sequence[Input], *, keep: bool) -> list[Column]:
        """Return one column for each source; those that have to be made are kept for later readers if wanted."""
        columns = self._columns
        missing = [source for source in sources if _key(source) not in columns]
        if missing:
            held = all(source in _HELD for source in missing)
            shown = [] if held else [orjson.loads(blob) for blob in self.blobs]
            made = {_key(source): (source, self._column(source, shown)) for source in missing}
            columns = {**columns, **made}
            if keep:
                self._columns = columns
                self._cell_bytes += sum(_bytes_of(cell) for _, column in made.values() for cell in column)
        return [columns[_key(source)][1] for source in sources]

    def known_places(self, source: Input) -> Places | None:
        """Return what `places` has made and kept."""
        return self._places.get(_key(source))

    def places(self, source: Input, *, keep: bool) -> Places:
        """Return the places of each value of a column, which must not hold lists."""
        (column,) = self.columns([source], keep=keep)
        places: dict[Cell | None, list[int]] = {}
        for place, cell in enumerate(column):
            places.setdefault(cell, []).append(place)
        if keep:
            self._places[_key(source)] = places
            self._place_bytes += BYTES_OF_A_PLACE * len(places) + 8 * len(column)
        return places

    def _column(self, source: Input, shown: Sequence[dict[str, Any]]) -> Column:
        match source:
            case Fact.RECORD_ID:
                return [row.id for row in self.rows]
            case Fact.MODIFIED:
                return [row.modified for row in self.rows]
            case Fact.CREATED:
                return [each["createdTime"] for each in shown]
        column = [each["fields"].get(source.name) for each in shown]
        if source.type is not FieldType.SINGLE_SELECT:
            return column
        # one text for each choice instead of one for each row
        same = {choice: choice for choice in source.choices}
        return [same.get(cell, cell) for cell in column]

    # what the shelf does, while no reader sees the block

    def copied(self, edition: int) -> "Block":
        """Return an equal block of a later edition."""
        copy = Block(self._table, edition, self.rows[:])
        copy._columns = {key: (source, column[:]) for key, (source, column) in self._columns.items()}
        copy._cell_bytes = self._cell_bytes
        return copy

    def halves(self) -> "tuple[Block, Block]":
        """Return the first rows and the others as two blocks."""
        middle = len(self.rows) // 2
        first, others = self.rows[:middle], self.rows[middle:]
        return Block(self._table, self.edition, first), Block(self._table, self.edition, others)

    def put(self, row: Row, record: Record) -> None:
        """Show a row at its ordinal: in place of the one that has it, or between its neighbours."""
        at = bisect_left(self.rows, row.ordinal, key=_ordinal)
        if at < len(self.rows) and self.rows[at].ordinal == row.ordinal:
            self._cut(at)
        self.rows.insert(at, row)
        self.blobs.insert(at, row.blob)
        for source, column in self._columns.values():
            cell = cell_of(source, record)
            column.insert(at, cell)
            self._cell_bytes += _bytes_of(cell)
        self._forget_places()

    def remove(self, ordinal: int) -> None:
        """Show a row no longer."""
        self._cut(bisect_left(self.rows, ordinal, key=_ordinal))
        self._forget_places()

    def forget_columns(self) -> None:
        """Free what columns and places take; who asks for them has them made again."""
        self._columns, self._cell_bytes = {}, 0
        self._forget_places()

    def _cut(self, at: int) -> None:
        del self.rows[at], self.blobs[at]
        for _, column in self._columns.values():
            self._cell_bytes -= _bytes_of(column.pop(at))

    def _forget_places(self) -> None:
        self._places, self._place_bytes = {}, 0


def _key(source: Input) -> str:
    return source if isinstance(source, Fact) else source.id


def _bytes_of(cell: object) -> int:
    """Estimate what a cell takes in memory, with its place in the column."""
    match cell:
        case None | bool():
            return 8
        case str():
            return 8 + sys.getsizeof(cell)
        case list():
            return 100 + sum(_bytes_of(item) for item in cell)
        case dict():
            return 300 + sum(_bytes_of(item) for item in cell.values())
        case _:
            return 40
