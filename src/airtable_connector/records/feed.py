"""The change feed: every committed write as an entry, chained by hashes so that damage shows.

An entry's ``digest`` covers its content, its ``hash`` covers the digest and the hash before it. The content of old
telemetry entries may be dropped later; their digests stay, so the chain can still be verified.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.records.schema import Cell

GENESIS = bytes(32)
"""The hash before the first entry."""


SCHEMA_RECORD: Final = RecordId("schema")
"""What stands for the record in an entry about a table itself."""


class Action(StrEnum):
    """What a change did to its record, or that it changed the table itself."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the feed.

    ``before`` and ``after`` hold cells by field id: of an update only the cells that differ, of a creation ``after``
    holds all, of a deletion ``before``. ``actor`` is the droplet that asked, ``cause`` the trace id of its request.

    An entry about a table itself (`Action.SCHEMA`) has `SCHEMA_RECORD` for its record, and in ``before`` and ``after``
    the members of the table's definition that differ, fields under their ids; of a new table the whole of it. A choice
    that it renames is renamed in every cell, with no entries of their own.
    """

    seq: int
    at: str
    table: TableId
    record: RecordId
    action: Action
    actor: int
    cause: str
    before: Mapping[str, Cell | None] | None
    after: Mapping[str, Cell | None] | None


@dataclass(frozen=True, slots=True)
class Head:
    """Where the feed ends: its last sequence and hash, and the last ordinal that was given to a record."""

    seq: int
    hash: bytes
    ordinal: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A change as it is stored: its JSON texts, digest and hash."""

    change: Change
    before: str | None
    after: str | None
    digest: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """The first entry of the feed that is not what was written, and what is wrong with it."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A feed that is what was written: its head, and how many entries no longer carry their content."""

    entries: int
    head: bytes
    without_content: int


def canonical(cells: Mapping[str, Cell | None] | None) -> str | None:
    """Write cells as the one JSON text that stands for them: keys sorted, no spaces."""
    return None if cells is None else orjson.dumps(cells, option=orjson.OPT_SORT_KEYS).decode()


def seal(change: Change, previous: bytes) -> Entry:
    """Make the entry that follows the one with hash ``previous``."""
    before, after = canonical(change.before), canonical(change.after)
    digest = _digest(change, before, after)
    return Entry(change, before, after, digest, link(previous, digest))


def link(previous: bytes, digest: bytes) -> bytes:
    """Return the hash of an entry from the hash before it and its digest."""
    return hashlib.sha256(previous + digest).digest()


def verify(entries: Iterable[Entry | Damage], *, previous: bytes, expected_seq: int) -> Iterator[Damage | Entry]:
    """Yield each entry that follows ``previous`` truly; yield the first `Damage` and stop there."""
    for entry in entries:
        reason = entry.reason if isinstance(entry, Damage) else _fault(entry, previous, expected_seq)
        if reason is not None:
            yield Damage(expected_seq, reason)
            return
        assert isinstance(entry, Entry)
        yield entry
        previous, expected_seq = entry.hash, expected_seq + 1


def lost_content(entry: Entry) -> bool:
    """Tell whether an entry's content was dropped (every action has a before or an after)."""
    return entry.before is None and entry.after is None


def _fault(entry: Entry, previous: bytes, expected_seq: int) -> str | None:
    if entry.change.seq != expected_seq:
        return f"the entry is missing; the next one is {entry.change.seq}"
    if link(previous, entry.digest) != entry.hash:
        return "its hash does not follow from the entry before it"
    if not lost_content(entry) and _digest(entry.change, entry.before, entry.after) != entry.digest:
        return "its content is not what was written"
    return None


def _digest(change: Change, before: str | None, after: str | None) -> bytes:
    content = (
        change.seq,
        change.at,
        change.table,
        change.record,
        str(change.action),
        change.actor,
        change.cause,
        before,
        after,
    )
    return hashlib.sha256(orjson.dumps(content)).digest()
