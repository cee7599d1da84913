"""Asking Airtable itself, at the pace that it allows, with an answer to what is known when a call has failed.

Knows no store: what is to be kept is handed out, and where the month's calls are counted is handed in. Importing this
loads no HTTP client; `AirtableClient.prepare` does.
"""

from airtable_connector.airtable.budget import BLOCK, CallLedger, Month, Noted
from airtable_connector.airtable.calls import MOST_READ, MOST_WRITTEN, CloudCall, CloudSettings
from airtable_connector.airtable.client import AirtableClient, Asking, CloudCalled
from airtable_connector.airtable.errors import (
    CloudClientClosed,
    CloudDenied,
    CloudOutcomeUnknown,
    CloudQuotaSpent,
    CloudRefused,
    CloudUnavailable,
    PaceQueueFull,
)
from airtable_connector.airtable.keeper import LockedOut, PaceKeeper, Place, QuotaSpent, Turn
from airtable_connector.airtable.outcomes import (
    DENIED,
    ITERATOR_EXPIRED,
    Done,
    NotDone,
    Outcome,
    Refused,
    Unknown,
    Why,
    value_of,
)
from airtable_connector.airtable.pace import PATIENCE, Lane, PaceSettings
from airtable_connector.airtable.wire import (
    Cells,
    Change,
    CloudField,
    CloudRecord,
    CloudTable,
    Definition,
    Merged,
    NewWebhook,
    Page,
    Payloads,
    Webhook,
)

__all__ = [
    "BLOCK",
    "DENIED",
    "ITERATOR_EXPIRED",
    "MOST_READ",
    "MOST_WRITTEN",
    "PATIENCE",
    "AirtableClient",
    "Asking",
    "CallLedger",
    "Cells",
    "Change",
    "CloudCall",
    "CloudCalled",
    "CloudClientClosed",
    "CloudDenied",
    "CloudField",
    "CloudOutcomeUnknown",
    "CloudQuotaSpent",
    "CloudRecord",
    "CloudRefused",
    "CloudSettings",
    "CloudTable",
    "CloudUnavailable",
    "Definition",
    "Done",
    "Lane",
    "LockedOut",
    "Merged",
    "Month",
    "NewWebhook",
    "NotDone",
    "Noted",
    "Outcome",
    "PaceKeeper",
    "PaceQueueFull",
    "PaceSettings",
    "Page",
    "Payloads",
    "Place",
    "QuotaSpent",
    "Refused",
    "Turn",
    "Unknown",
    "Webhook",
    "Why",
    "value_of",
]
