"""Callers' writes on their way to Airtable: durable first, then sent in order, each of them once."""

from airtable_connector.sync.outbox.conflicts import ConflictsKept
from airtable_connector.sync.outbox.errors import (
    DeadLetterNotFound,
    ReceiptNotFound,
    ReplayRefused,
    TooMuchOnItsWay,
)
from airtable_connector.sync.outbox.intents import CONNECTOR_KEY, Intent, Kind, State
from airtable_connector.sync.outbox.looking import LostCallSettled, WriteRefused
from airtable_connector.sync.outbox.outbox import Outbox, OutboxCounts, OutboxSettings
from airtable_connector.sync.outbox.receipts import (
    Receipt,
    ReceiptRecord,
    ReceiptState,
    read_receipt_id,
    receipt_id,
)
from airtable_connector.sync.outbox.sending import Attribution, CallSettled, OutboxRests
from airtable_connector.sync.outbox.wording import Wording

__all__ = [
    "CONNECTOR_KEY",
    "Attribution",
    "CallSettled",
    "ConflictsKept",
    "DeadLetterNotFound",
    "Intent",
    "Kind",
    "LostCallSettled",
    "Outbox",
    "OutboxCounts",
    "OutboxRests",
    "OutboxSettings",
    "Receipt",
    "ReceiptNotFound",
    "ReceiptRecord",
    "ReceiptState",
    "ReplayRefused",
    "State",
    "TooMuchOnItsWay",
    "Wording",
    "WriteRefused",
    "read_receipt_id",
    "receipt_id",
]
