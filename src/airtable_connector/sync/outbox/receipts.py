"""What a caller is told of a write that is on its way: a receipt, which names the feed positions of one request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from airtable_connector.kernel.ids import RecordId
from airtable_connector.sync.outbox.errors import ReceiptNotFound
from airtable_connector.sync.outbox.intents import Intent, Result, State, by_target

LONGEST: Final = 10_000
"""Feed positions of one receipt."""

_RECEIPT = re.compile(r"rcp([1-9]\d{0,17})-([1-9]\d{0,17})", re.ASCII)


class ReceiptState(StrEnum):
    """How far a write is; only the first of them changes."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """One record of a write: the id that its writer was given, and Airtable's, which is another one for new records.

    ``reason`` says why it was refused, or what else became of it. It may quote a cell of the writer's.
    """

    record: RecordId
    real: RecordId | None
    state: ReceiptState
    reason: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a write: refused, if any of its records is, and done when all are."""

    first: int
    last: int
    state: ReceiptState
    records: Sequence[ReceiptRecord]

    @property
    def id(self) -> str:
        """How the receipt is named."""
        return receipt_id(self.first, self.last)

    @property
    def final(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.state is not ReceiptState.WAITING


def receipt_id(first: int, last: int) -> str:
    """Name the receipt of a request by the positions of its first and last entry."""
    return f"rcp{first}-{last}"


def read_receipt_id(text: str) -> tuple[int, int]:
    """Return the positions that a receipt's name holds.

    Raises:
        ReceiptNotFound: it is no receipt's name.
    """
    found = _RECEIPT.fullmatch(text)
    if found is None or not 0 <= int(found[2]) - int(found[1]) < LONGEST:
        raise ReceiptNotFound(text)
    return int(found[1]), int(found[2])


def make_receipt(first: int, last: int, intents: Sequence[Intent], *, taken: bool) -> Receipt:
    """Say what is known of a request from its intents; ``taken``: there will be no more of them."""
    records = [_of_record(group) for group in by_target(intents).values()]
    states = {each.state for each in records}
    if not taken or ReceiptState.WAITING in states:
        state = ReceiptState.WAITING
    else:
        state = ReceiptState.REFUSED if ReceiptState.REFUSED in states else ReceiptState.DONE
    return Receipt(first, last, state, records)


def _of_record(intents: Sequence[Intent]) -> ReceiptRecord:
    states = [_state(intent) for intent in intents]
    if ReceiptState.WAITING in states:
        state = ReceiptState.WAITING
    else:
        state = ReceiptState.REFUSED if ReceiptState.REFUSED in states else ReceiptState.DONE
    first = intents[0]
    real = None if any(intent.unborn for intent in intents) else first.target
    return ReceiptRecord(first.record, real, state, "; ".join(filter(None, (each.reason for each in intents))))


def _state(intent: Intent) -> ReceiptState:
    match intent.state:
        case State.REFUSED | State.DEAD:
            return ReceiptState.REFUSED
        case State.FINAL:
            return ReceiptState.DONE if intent.result is Result.DONE else ReceiptState.REFUSED
        case State.WAITING | State.SENDING | State.UNKNOWN:
            return ReceiptState.WAITING
