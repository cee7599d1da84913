"""What a write asks for and what comes of it, as data."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.records.schema import Cell, Record, Table

MESSAGE_KEY: Final = "message "
"""How the keys of messages begin; the blank keeps them apart from those that come in a header."""

CLOUD: Final = 0
"""The droplet number that stands for Airtable itself, whoever edited there."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An HTTP answer kept for repetitions of its request."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, and why: the droplet's number (`CLOUD` for Airtable) and the trace id of its request."""

    droplet: int
    cause: str


@dataclass(frozen=True, slots=True)
class Create:
    """Add a record with these cells, by field name or id.

    ``record`` and ``created_at`` are given only when a record is brought from another base.
    """

    table: Table
    fields: Mapping[str, object]
    record: RecordId | None = None
    created_at: str | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Change only the cells named. ``target`` is a record id or key; ``expected`` an ETag that must still hold."""

    table: Table
    target: str
    fields: Mapping[str, object]
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Upsert:
    """Change the record that has this key, or add one."""

    table: Table
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Merge:
    """Change the one record whose cells in the fields ``on`` are equal to these, or add one.

    Records are compared as they were before the request, and an empty cell is equal to none. Where the table's key
    is not among the fields, every record of the table is looked at while other writers wait.
    """

    table: Table
    fields: Mapping[str, object]
    on: tuple[FieldId, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a record; links to it are emptied."""

    table: Table
    target: str
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Have a record exactly as another base has it: added if it is not there, otherwise all its cells replaced.

    ``cells`` are keyed by field id and in the form in which cells are kept; nothing is checked against the fields'
    types. Cells of fields that the table has not, and of those that are facts of the record, are left out. Links may
    lead to records that are not there yet. A key that another record has stays with that one, until it lets it go.

    With ``basis``, nothing is done where the record, or its removal, changed at a feed position beyond it.
    """

    table: Table
    record: RecordId
    created_at: str
    cells: Mapping[FieldId, Cell]
    basis: int | None = None


@dataclass(frozen=True, slots=True)
class Forget:
    """Have no such record. Links to it stay as they are; ``basis`` is as for `Copy`."""

    table: Table
    record: RecordId
    basis: int | None = None


@dataclass(frozen=True, slots=True)
class Rename:
    """Have a record known by another id from now on, as the other base told it; repeated, it changes nothing more.

    The former id leads to it for ever, wherever callers name records, even if no record has either id now. Links to it
    are changed. The record keeps its place in the order; the feed has it removed, and added under the new id. If there
    is a record of that id already, the one with the former id goes. For tables whose links are told. No other record
    is given a former id.
    """

    table: Table
    record: RecordId
    becomes: RecordId
    created_at: str


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Keep what a peer told us in the event log."""

    kind: str
    payload: object


Operation: TypeAlias = Create | Update | Upsert | Merge | Delete | Copy | Forget | Rename | LogEvent


class Effected(StrEnum):
    """What an operation turned out to do."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    OVERTAKEN = "overtaken"
    """Nothing was done: the record is newer than what the request was based on."""
    LOGGED = "logged"


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of one operation: the record as it is now (or was, when deleted), and what was left out."""

    effect: Effected
    table: Table | None = None
    record: Record | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeatable:
    """Makes a repeated request the same request: the answer is kept with the write, in one transaction.

    A key that begins with `MESSAGE_KEY` belongs to a message between droplets, whose answer is kept longer.
    """

    key: str
    fingerprint: bytes
    answer: Callable[["Done"], StoredAnswer]


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Operations that take effect together or not at all."""

    actor: Actor
    operations: tuple[Operation, ...]
    repeatable: Repeatable | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The request took effect now. ``seq`` is the feed position that shows it.

    Its own entries are those from ``first`` through ``seq``; it has none where ``first`` lies beyond ``seq``.
    ``answer`` is what was kept for repetitions, so that the first caller is given the very same bytes.
    """

    written: tuple[Written, ...]
    seq: int
    first: int
    answer: StoredAnswer | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The request took effect before; this is the answer that was given then."""

    answer: StoredAnswer


Outcome: TypeAlias = Done | Replayed


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An entry of the event log: what a peer told us, as it came."""

    seq: int
    at: str
    kind: str
    actor: int
    cause: str
    payload: Any


def etag(blob: bytes) -> str:
    """Name the state of a record by its JSON; equal states have equal names, in every replica."""
    return f'"{hashlib.blake2b(blob, digest_size=12).hexdigest()}"'
