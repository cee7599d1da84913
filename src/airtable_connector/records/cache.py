"""Records as the bytes they are served as, held in memory per table.

A shelf is loaded from one snapshot of the store and then kept true by the feed's changes. A table that outgrows the
configured memory is given up here and served from the store instead.
"""

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airtable_connector.records.blocks import BLOCK, Block, Column, Places
from airtable_connector.records.formula import Input
from airtable_connector.records.schema import Record, Table

BYTES_BESIDE_A_RECORD = 290
"""Measured cost of a record in memory besides its JSON: object headers, its id and moments, its place in the order."""

BYTES_BESIDE_A_CELL = 72
"""What a cell of a column takes besides what it takes in the record's JSON."""


@dataclass(frozen=True, slots=True)
class Put:
    """The record is now this."""

    record: Record


@dataclass(frozen=True, slots=True)
class Remove:
    """The record is gone."""

    id: str


Effect = Put | Remove


class Shelf:
    """One table's records in the order of creation, as JSON bytes and by column."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.version = 0
        """The feed sequence of the last change to this table that the shelf shows."""
        self._ordinals: dict[str, int] = {}
        self._blocks: list[Block] = []
        self._lasts = array("q")
        """The last ordinal of each block."""
        self._edition = 0
        # a search may make columns in a thread while the event loop does, or lets them go
        self._keeping = threading.Lock()
        self._json_bytes = self._column_bytes = 0

    def __len__(self) -> int:
        return len(self._ordinals)

    @property
    def memory(self) -> int:
        """Bytes of memory held, estimated."""
        return self._json_bytes + len(self._ordinals) * BYTES_BESIDE_A_RECORD + self._column_bytes

    def get(self, record_id: str) -> bytes | None:
        """Return a record's JSON, or None."""
        ordinal = self._ordinals.get(record_id)
        return None if ordinal is None else self._blocks[bisect_left(self._lasts, ordinal)].blob(ordinal)

    def page(self, after: int, size: int) -> tuple[Sequence[bytes], int | None]:
        """Return up to ``size`` records beyond an ordinal, and the last one's ordinal when there are more."""
        number = bisect_right(self._lasts, after)
        if number == len(self._blocks):
            return [], None
        block = self._blocks[number]
        begin = block.beyond(after) if after else 0
        found = block.blobs[begin : begin + size]
        end = begin + len(found)
        while len(found) < size and number + 1 < len(self._blocks):
            number += 1
            block = self._blocks[number]
            end = min(size - len(found), len(block))
            found += block.blobs[:end]
        more = end < len(block) or number + 1 < len(self._blocks)
        return found, block.ordinals[end - 1] if more else None

    def blocks(self) -> Sequence[Block]:
        """Return all records as they are now; what is changed later does not show in these blocks."""
        self._edition += 1
        return tuple(self._blocks)

    def columns(self, block: Block, sources: Sequence[Input], *, keep: bool) -> list[Column]:
        """Return columns of one of the blocks, made now or before, kept for later readers if wanted."""
        with self._keeping:
            before = block.memory
            columns = block.columns(sources, keep=keep)
            self._column_bytes += block.memory - before
        return columns

    def places(self, block: Block, source: Input, *, keep: bool) -> Places:
        """Return where each value of a column stands in one of the blocks."""
        with self._keeping:
            known = block.known_places(source)
            if known is not None:
                return known
            before = block.memory
            places = block.places(source, keep=keep)
            self._column_bytes += block.memory - before
        return places

    def cost_of(self, columns: int) -> int:
        """Return what so many columns more can take in memory at most."""
        return self._json_bytes + columns * len(self._ordinals) * BYTES_BESIDE_A_CELL

    def recount(self) -> None:
        """Count anew what columns take: until then, those of blocks that were replaced are counted as well."""
        with self._keeping:
            self._column_bytes = sum(block.memory for block in self._blocks)

    def forget_columns(self) -> None:
        """Free what columns take; they are made again for those who ask."""
        with self._keeping:
            for block in self._blocks:
                block.forget_columns()
            self._column_bytes = 0

    def take(self, seq: int, effects: Iterable[Effect]) -> None:
        """Bring the shelf to the feed position ``seq``."""
        self.version = max(self.version, seq)
        for effect in effects:
            match effect:
                case Put(record):
                    self.put(record)
                case Remove(record_id):
                    self._remove(record_id)

    def put(self, record: Record) -> None:
        """Show this state of a record."""
        known = self._ordinals.get(record.id)
        if known == record.ordinal:
            self._json_bytes -= len(self._blocks[bisect_left(self._lasts, known)].blob(known))
        elif known is not None:
            # it was removed and came back under its old id: its place is another
            self._remove(record.id)
        if known != record.ordinal:
            self._make_way(record.ordinal)
        # orjson's own result keeps its over-sized buffer alive
        blob = b"%b" % self.table.encode(record)
        self._json_bytes += len(blob)
        self._ordinals[record.id] = record.ordinal
        number = min(bisect_left(self._lasts, record.ordinal), len(self._blocks) - 1)
        if number < 0 or (record.ordinal > self._lasts[number] and len(self._blocks[number]) >= BLOCK):
            self._blocks.append(Block(self.table, self._edition))
            self._lasts.append(record.ordinal)
            number = len(self._blocks) - 1
        block = self._changeable(number)
        block.put(record, blob)
        self._lasts[number] = block.last
        if len(block) == 2 * BLOCK:
            self._blocks[number : number + 1] = halves = block.halves()
            self._lasts.insert(number, halves[0].last)

    def _make_way(self, ordinal: int) -> None:
        """Take out the record that has this place, which is to be known by another id."""
        number = bisect_left(self._lasts, ordinal)
        holder = self._blocks[number].holder(ordinal) if number < len(self._blocks) else None
        if holder is not None:
            self._remove(holder)

    def _remove(self, record_id: str) -> None:
        ordinal = self._ordinals.pop(record_id, None)
        if ordinal is None:
            return
        number = bisect_left(self._lasts, ordinal)
        block = self._changeable(number)
        self._json_bytes -= len(block.blob(ordinal))
        block.remove(ordinal)
        if len(block):
            self._lasts[number] = block.last
        else:
            del self._blocks[number], self._lasts[number]

    def _changeable(self, number: int) -> Block:
        """Return a block that no reader has been given, with the records of the block of that number."""
        block = self._blocks[number]
        if block.edition != self._edition:
            with self._keeping:
                block = self._blocks[number] = block.copied(self._edition)
        return block
