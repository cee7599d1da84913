"""What callers have written and Airtable is to have: an intent for each entry of the feed, pure."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.records import Cell, FieldType, Table
from airtable_connector.sync.overlay import OpenCell, OpenRecord

CONNECTOR_KEY: Final = "CONNECTOR_KEY"
"""The text field that, where a table has it, names each record that was created here."""

MOST_TOGETHER: Final = 10
"""Records of one call; Airtable refuses an eleventh."""

ALONE: Final = 0
"""Fewer than one record: the intent goes in a call of its own, not even with others of its record."""


class Kind(StrEnum):
    """What is to be done with a record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class State(StrEnum):
    """What is known of an intent; the first four are open."""

    WAITING = "waiting"
    """It may be sent when no earlier intent of its record is open."""

    SENDING = "sending"
    """Its call was noted before it began; what came of it is not noted yet."""

    UNKNOWN = "unknown"
    """It may have taken effect; only a look can tell."""

    REFUSED = "refused"
    """Airtable refused it, and the record here is to be put back to what Airtable has."""

    DEAD = "dead"
    """Refused, and the record is put back; somebody may edit and replay it, or drop it."""

    FINAL = "final"
    """Nothing of it changes any more."""


class Result(StrEnum):
    """How a final intent ended."""

    NONE = ""
    DONE = "done"
    OVERRULED = "overruled"
    """Somebody else's change won, and nothing of this one was left to send."""

    DROPPED = "dropped"
    """Somebody dropped it, or replayed it as another one, after Airtable had refused it."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A write on its way to Airtable.

    ``record`` is the id that the feed has, ``target`` the one that Airtable has, as soon as it is known. ``before`` is
    what the written cells held. ``most`` bounds the call that carries it, after one was refused that named nobody.
    ``key_before`` and ``key_after`` are the table's own key where creates are found by it. ``turn`` is the place in
    the queue that is fair between callers.
    """

    number: int
    table: TableId
    record: RecordId
    target: RecordId
    kind: Kind
    cells: Mapping[FieldId, Cell | None] = dataclasses.field(repr=False)
    before: Mapping[FieldId, Cell | None] = dataclasses.field(repr=False)
    actor: int
    cause: str
    at: datetime
    turn: int = 0
    state: State = State.WAITING
    most: int = MOST_TOGETHER
    call: str | None = None
    sent_at: datetime | None = None
    key_before: str | None = dataclasses.field(default=None, repr=False)
    key_after: str | None = dataclasses.field(default=None, repr=False)
    result: Result = Result.NONE
    reason: str = dataclasses.field(default="", repr=False)

    @property
    def seq(self) -> int:
        """The feed position of the write."""
        return self.number // 2

    @property
    def unborn(self) -> bool:
        """Whether it is a create that Airtable has given no id yet."""
        return self.kind is Kind.CREATE and self.target == self.record

    @property
    def keys(self) -> frozenset[str]:
        """The values of the table's own key that it takes or gives free."""
        return frozenset({self.key_before, self.key_after} - {None})  # type: ignore[arg-type]  # None is taken out


def numbered(seq: int, *, second: bool = False) -> int:
    """Number the intent of a feed entry, or the second one that a create with links to new records makes."""
    return 2 * seq + second


@dataclass(frozen=True, slots=True)
class CreationKey:
    """The field that finds a created record again. A ``minted`` one is filled by us, with the provisional id."""

    field: FieldId
    minted: bool


def creation_key(table: Table) -> CreationKey | None:
    """Return the field by which creates of a table are upserts, if it has one."""
    ours = table.by_name.get(CONNECTOR_KEY)
    if ours is not None and ours.type is FieldType.SINGLE_LINE_TEXT:
        return CreationKey(ours.id, minted=True)
    return None if table.key is None else CreationKey(table.key, minted=False)


@dataclass(frozen=True)
class Element:
    """What one place of a call carries: consecutive intents of one record, merged."""

    intents: tuple[Intent, ...]

    @property
    def first(self) -> Intent:
        """The oldest of them."""
        return self.intents[0]

    @property
    def table(self) -> TableId:
        """The record's table."""
        return self.first.table

    @property
    def target(self) -> RecordId:
        """The record, by the id that Airtable has or a provisional one."""
        return self.first.target

    @property
    def numbers(self) -> list[int]:
        """The numbers of its intents."""
        return [intent.number for intent in self.intents]

    @cached_property
    def kind(self) -> Kind:
        """What they come to."""
        return Kind.DELETE if self.intents[-1].kind is Kind.DELETE else self.first.kind

    @cached_property
    def cells(self) -> Mapping[FieldId, Cell | None]:
        """What they write, the last value of each field."""
        merged: dict[FieldId, Cell | None] = {}
        for intent in self.intents:
            merged |= intent.cells
        return merged

    @cached_property
    def keys(self) -> frozenset[str]:
        """The values of the table's own key that they take or give free."""
        return frozenset().union(*(intent.keys for intent in self.intents))

    @property
    def most(self) -> int:
        """How many elements a call with this one may have."""
        return max(1, min(intent.most for intent in self.intents))

    @property
    def cancels_itself(self) -> bool:
        """Whether it makes a record and deletes it again, so that Airtable need not hear of it."""
        return self.first.unborn and self.kind is Kind.DELETE

    def key(self, key: CreationKey | None) -> str | None:
        """Return the value that finds the created record again, or None."""
        if key is None:
            return None
        if key.minted:
            return self.first.record
        value = self.cells.get(key.field)
        return None if value is None else str(value)


def opened(intents: Sequence[Intent]) -> OpenRecord:
    """Say what is on its way for a record, from its intents in their order."""
    cells: dict[FieldId, OpenCell] = {}
    for intent in intents:
        for name, ours in intent.cells.items():
            known = cells.get(name)
            before = () if known is None else (*known.before, known.ours)
            cells[name] = OpenCell(intent.number, ours, (*before, intent.before.get(name)), intent.at)
    return OpenRecord(
        cells,
        created=any(intent.kind is Kind.CREATE for intent in intents),
        removed=bool(intents) and intents[-1].kind is Kind.DELETE,
    )


def by_target(intents: Iterable[Intent]) -> dict[RecordId, list[Intent]]:
    """Group intents by record, each group in its order."""
    groups: dict[RecordId, list[Intent]] = {}
    for intent in sorted(intents, key=lambda each: each.number):
        groups.setdefault(intent.target, []).append(intent)
    return groups


def linked(table: Table, cells: Mapping[FieldId, Cell | None]) -> frozenset[RecordId]:
    """Return the records that link cells name."""
    found: set[RecordId] = set()
    for field in table.link_fields:
        value = cells.get(field.id)
        if isinstance(value, list):
            found.update(RecordId(each) for each in value)
    return frozenset(found)
