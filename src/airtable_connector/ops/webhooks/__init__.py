"""Airtable's webhooks: what changed in the base, told in payloads that are read by number, and in notifications.

A face of its own: a service starts without it.
"""

from airtable_connector.ops.webhooks.courier import NOTIFY, NotificationCourier, NotificationFailed
from airtable_connector.ops.webhooks.hook import Hook
from airtable_connector.ops.webhooks.hooks import PAYLOADS_A_PAGE, Hooks, NewHook, PayloadPage
from airtable_connector.ops.webhooks.maker import PayloadMaker, PayloadsDropped, WebhookFailed

__all__ = [
    "NOTIFY",
    "PAYLOADS_A_PAGE",
    "Hook",
    "Hooks",
    "NewHook",
    "NotificationCourier",
    "NotificationFailed",
    "PayloadMaker",
    "PayloadPage",
    "PayloadsDropped",
    "WebhookFailed",
]
