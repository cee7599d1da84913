"""Records as the bytes they are served as, held in memory per table.

A shelf is loaded from one snapshot of the store and then kept true by the feed's changes. A table that outgrows the
configured memory is given up here and served from the store instead.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airtable_connector.records.schema import Record, Table

BYTES_BESIDE_A_RECORD = 250
"""Measured cost of a record in memory besides its JSON: object headers, its id, its places in the indexes."""


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
    """One table's records as JSON bytes, in the order of creation."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.version = 0
        """The feed sequence of the last change to this table that the shelf shows."""
        self._ordinals = array("q")
        self._ids: list[str] = []
        # the same bytes as in _blobs by place, so that a page is a slice; places of removed records are not kept true
        self._in_order: list[bytes] = []
        self._blobs: dict[str, bytes] = {}
        self._json_bytes = 0

    def __len__(self) -> int:
        return len(self._blobs)

    @property
    def memory(self) -> int:
        """Bytes of memory held, estimated."""
        return self._json_bytes + len(self._ids) * BYTES_BESIDE_A_RECORD

    def get(self, record_id: str) -> bytes | None:
        """Return a record's JSON, or None."""
        return self._blobs.get(record_id)

    def page(self, after: int, size: int) -> tuple[Sequence[bytes], int | None]:
        """Return up to ``size`` records beyond an ordinal, and the last one's ordinal when there are more."""
        start = bisect_right(self._ordinals, after) if after else 0
        end = start + size
        if len(self._in_order) == len(self._blobs):
            return self._in_order[start:end], self._ordinals[end - 1] if len(self._in_order) > end else None
        return self._page_with_gaps(start, size)

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
        # orjson's own result keeps its over-sized buffer alive
        blob = b"%b" % self.table.encode(record)
        if not self._replace(record, blob):
            self._add(record, blob)
        self._blobs[record.id] = blob
        self._json_bytes += len(blob)

    def _replace(self, record: Record, blob: bytes) -> bool:
        known = self._blobs.get(record.id)
        if known is None:
            return False
        at = bisect_left(self._ordinals, record.ordinal)
        if at == len(self._ids) or self._ids[at] != record.id:
            # it was removed and came back under its old id: its place is another
            self._remove(record.id)
            return False
        self._json_bytes -= len(known)
        self._in_order[at] = blob
        return True

    def _add(self, record: Record, blob: bytes) -> None:
        if len(self._ids) != len(self._blobs):
            # a removed id may come back (restored from a file): its old place must not show it
            self._close_gaps()
        if self._ordinals and record.ordinal < self._ordinals[-1]:
            at = bisect_right(self._ordinals, record.ordinal)
            self._ordinals.insert(at, record.ordinal)
            self._ids.insert(at, record.id)
            self._in_order.insert(at, blob)
        else:
            self._ordinals.append(record.ordinal)
            self._ids.append(record.id)
            self._in_order.append(blob)

    def _remove(self, record_id: str) -> None:
        blob = self._blobs.pop(record_id, None)
        if blob is not None:
            self._json_bytes -= len(blob)
            if len(self._ids) - len(self._blobs) > max(1_000, len(self._blobs) // 8):
                self._close_gaps()

    def _page_with_gaps(self, start: int, size: int) -> tuple[Sequence[bytes], int | None]:
        found: list[bytes] = []
        last = 0
        for at in range(start, len(self._ids)):
            blob = self._blobs.get(self._ids[at])
            if blob is None:
                continue
            if len(found) == size:
                return found, last
            found.append(blob)
            last = self._ordinals[at]
        return found, None

    def _close_gaps(self) -> None:
        kept = [at for at, record_id in enumerate(self._ids) if record_id in self._blobs]
        self._ordinals = array("q", (self._ordinals[at] for at in kept))
        self._ids = [self._ids[at] for at in kept]
        self._in_order = [self._in_order[at] for at in kept]
