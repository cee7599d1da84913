"""What becomes of an intent after its call, or after a look at Airtable: decided without a store."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeAlias, assert_never

from airtable_connector.airtable import CloudRecord, Done, Merged, NotDone, Refused, Unknown
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.records import Cell
from airtable_connector.sync.outbox.intents import ALONE, Element, Kind
from airtable_connector.sync.outbox.planning import Call

ABOUT_US: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})
"""Refusals that are about our key or account, whatever was asked."""

NO_SUCH_RECORD: Final = frozenset({"NOT_FOUND", "ROW_DOES_NOT_EXIST", "MODEL_ID_NOT_FOUND"})


@dataclass(frozen=True, slots=True)
class Stored:
    """Airtable has it; this is the record there."""

    record: CloudRecord


@dataclass(frozen=True, slots=True)
class Gone:
    """The record is not there, and should not be."""


@dataclass(frozen=True, slots=True)
class Again:
    """It surely had no effect and is to be sent again, in a call of at most so many, if that is to change."""

    most: int | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody can tell without a look."""


@dataclass(frozen=True, slots=True)
class TurnedDown:
    """Airtable refuses it for itself. The reason may quote a cell: it is for whoever wrote it, and for no log."""

    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Somebody else's change has made it pointless."""

    reason: str


Fate: TypeAlias = Stored | Gone | Again | Lost | TurnedDown | Overtaken

Answered: TypeAlias = (
    Done[Merged] | Done[Sequence[CloudRecord]] | Done[frozenset[RecordId]] | Refused | NotDone | Unknown
)
"""What is known after a call that writes."""


def is_about_us(outcome: Answered) -> bool:
    """Tell whether a refusal says that our key or the address is wrong, and nothing about a record."""
    match outcome:
        case Refused(status, _, record=record):
            return status in ABOUT_US or (status == HTTPStatus.NOT_FOUND and record is None)
        case _:
            return False


def after_call(call: Call, outcome: Answered) -> Sequence[tuple[Element, Fate]]:
    """Say what becomes of each element of a call."""
    match outcome:
        case Done(value):
            return _done(call.elements, value)
        case NotDone():
            return [(element, Again()) for element in call.elements]
        case Unknown():
            return [(element, Lost()) for element in call.elements]
        case Refused():
            return _refused(call.elements, outcome)
        case _:
            assert_never(outcome)


def _done(
    elements: Sequence[Element], value: Merged | Sequence[CloudRecord] | frozenset[RecordId]
) -> Sequence[tuple[Element, Fate]]:
    if isinstance(value, frozenset):
        return [(element, Gone() if element.target in value else Again()) for element in elements]
    records = value.records if isinstance(value, Merged) else value
    return [(element, Stored(record)) for element, record in zip(elements, records, strict=True)]


def _refused(elements: Sequence[Element], refusal: Refused) -> Sequence[tuple[Element, Fate]]:
    if is_about_us(refusal):
        return [(element, Again()) for element in elements]
    guilty = elements[0] if len(elements) == 1 else _named(elements, refusal.record)
    if guilty is None:
        return [(element, Again(max(1, len(elements) // 2))) for element in elements]
    return [(element, _alone(element, refusal) if element is guilty else Again()) for element in elements]


def _named(elements: Sequence[Element], record: RecordId | None) -> Element | None:
    """Find the element that a refusal's words name: by its record, or by the one that links to it."""
    if record is None:
        return None
    by_record = [element for element in elements if element.target == record]
    by_link = [element for element in elements if any(_mentions(cell, record) for cell in element.cells.values())]
    return next(iter(by_record or by_link), None)


def _mentions(cell: Cell | None, record: RecordId) -> bool:
    return isinstance(cell, list) and record in cell


def _alone(element: Element, refusal: Refused) -> Fate:
    is_missing = refusal.type in NO_SUCH_RECORD and refusal.record == element.target
    if element.kind is Kind.DELETE and is_missing:
        return Gone()
    if len(element.intents) > 1:
        return Again(ALONE)  # which of the writes is to blame shows when each is sent alone
    return TurnedDown(f"{refusal.type}: {refusal.message}" if refusal.message else refusal.type)


def looked_at_deletion(found: CloudRecord | None) -> Fate:
    """Decide a deletion whose outcome was unknown."""
    return Gone() if found is None else Again()


def looked_at_update(element: Element, found: CloudRecord | None, stored: Mapping[FieldId, Cell]) -> Fate:
    """Decide an update whose outcome was unknown; ``stored`` are the cells found, in the form kept here."""
    if found is None:
        return Overtaken("the record was deleted in Airtable")
    return Stored(found) if holds(stored, element.cells) else Again()


def looked_at_create(found: Iterable[CloudRecord]) -> Fate:
    """Decide a create whose outcome was unknown, from the records there that may be it: the oldest is."""
    oldest = min(found, key=lambda record: (record.created_at, record.id), default=None)
    return Again() if oldest is None else Stored(oldest)


def likely(
    element: Element, records: Mapping[RecordId, Mapping[FieldId, Cell]], *, uncompared: Collection[FieldId]
) -> list[RecordId]:
    """Return the records that a create may have made: they hold what it wrote, and the fewest other cells.

    ``records`` are those that nobody else is known to have made, with the cells that can be written; ``uncompared``
    the fields that Airtable always spells in its own way. A create that wrote nothing else made only what is as empty.
    """
    filled = {name: cell for name, cell in element.cells.items() if cell is not None}
    compared = {name: cell for name, cell in filled.items() if name not in uncompared}
    others = {record: len(cells.keys() - filled.keys()) for record, cells in records.items() if holds(cells, compared)}
    fewest = min(others.values(), default=0)
    return [record for record, count in others.items() if count == fewest] if compared or not fewest else []


def holds(stored: Mapping[FieldId, Cell], written: Mapping[FieldId, Cell | None]) -> bool:
    """Tell whether a record has all the cells that were written."""
    return all(stored.get(name) == value for name, value in written.items())
