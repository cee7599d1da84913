"""Records of a table that are held in memory, some hundreds together, with their cells by column.

A column is made from the records when somebody first asks for it, and kept. A block that a reader may be looking at is
not changed any more: a change makes another block.
"""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

import orjson

from airtable_connector.records.formula import Fact, Input, cell_of
from airtable_connector.records.schema import Cell, FieldType, Record, Table

BLOCK: Final = 512
"""Records of a block; some grow to twice as many before they are cut in two."""

BYTES_OF_A_PLACE: Final = 150
"""Cost in memory of a value that places are found by: its entry, its list, its number."""

Column: TypeAlias = list[Cell | None]
Columns: TypeAlias = dict[str, tuple[Input, Column]]
Places: TypeAlias = Mapping[Cell | None, Sequence[int]]

_HELD = (Fact.RECORD_ID, Fact.MODIFIED)
"""What blocks hold by itself; all else is in the records' JSON."""


class Block:
    """Records of one table, one after the other in the order of creation."""

    __slots__ = (
        "_cell_bytes",
        "_columns",
        "_place_bytes",
        "_places",
        "_table",
        "blobs",
        "edition",
        "ids",
        "modified",
        "ordinals",
    )

    def __init__(self, table: Table, edition: int, columns: Columns | None = None, cell_bytes: int = 0) -> None:
        self.edition = edition
        """The shelf's edition that the block was made for; readers of earlier ones do not see it."""
        self.ordinals: array[int] = array("q")
        self.ids: list[str] = []
        self.modified: list[str] = []
        self.blobs: list[bytes] = []
        self._table = table
        self._columns: Columns = columns or {}
        self._cell_bytes = cell_bytes
        self._places: dict[str, Places] = {}
        self._place_bytes = 0

    def __len__(self) -> int:
        return len(self.blobs)

    @property
    def memory(self) -> int:
        """Bytes that columns and places take, estimated."""
        return self._cell_bytes + self._place_bytes

    @property
    def last(self) -> int:
        """The ordinal of the last record."""
        return self.ordinals[-1]

    # what readers ask

    def beyond(self, ordinal: int) -> int:
        """Return the place of the first record after an ordinal."""
        return bisect_right(self.ordinals, ordinal)

    def blob(self, ordinal: int) -> bytes:
        """Return the JSON of the record with this ordinal, which must be here."""
        return self.blobs[bisect_left(self.ordinals, ordinal)]

    def holder(self, ordinal: int) -> str | None:
        """Return the id of the record with this ordinal, if there is one."""
        at = bisect_left(self.ordinals, ordinal)
        return self.ids[at] if at < len(self) and self.ordinals[at] == ordinal else None

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

    def may_hold(self, source: Input, values: AbstractSet[str]) -> bool:
        """Tell whether a column may hold one of these values; False is certain."""
        places = self._places.get(_key(source))
        return places is None or not places.keys().isdisjoint(values)

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
                return [*self.ids]
            case Fact.MODIFIED:
                return [*self.modified]
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
        columns = {key: (source, column[:]) for key, (source, column) in self._columns.items()}
        return self._part(edition, slice(None), columns, self._cell_bytes)

    def halves(self) -> "tuple[Block, Block]":
        """Return the first records and the others as two blocks."""
        middle = len(self) // 2
        return self._part(self.edition, slice(middle)), self._part(self.edition, slice(middle, None))

    def _part(self, edition: int, places: slice, columns: Columns | None = None, cell_bytes: int = 0) -> "Block":
        part = Block(self._table, edition, columns, cell_bytes)
        part.ordinals, part.ids = self.ordinals[places], self.ids[places]
        part.modified, part.blobs = self.modified[places], self.blobs[places]
        return part

    def put(self, record: Record, blob: bytes) -> None:
        """Show a record at its ordinal: in place of the one that has it, or between its neighbours."""
        at = bisect_left(self.ordinals, record.ordinal)
        if at < len(self) and self.ordinals[at] == record.ordinal:
            self._cut(at)
        modified = record.modified_at
        if at and self.modified[at - 1] == modified:
            # those that were written together share one text
            modified = self.modified[at - 1]
        self.ordinals.insert(at, record.ordinal)
        self.ids.insert(at, record.id)
        self.modified.insert(at, modified)
        self.blobs.insert(at, blob)
        for source, column in self._columns.values():
            cell = cell_of(source, record)
            column.insert(at, cell)
            self._cell_bytes += _bytes_of(cell)
        self._forget_places()

    def remove(self, ordinal: int) -> None:
        """Show the record with this ordinal no longer."""
        self._cut(bisect_left(self.ordinals, ordinal))
        self._forget_places()

    def forget_columns(self) -> None:
        """Free what columns and places take; who asks for them has them made again."""
        self._columns, self._cell_bytes = {}, 0
        self._forget_places()

    def _cut(self, at: int) -> None:
        del self.ordinals[at], self.ids[at], self.modified[at], self.blobs[at]
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
