"""Watching the others: log lines and numbers made of what the rooms report, cells watched, days summed up.

And ourselves: which build this is, what it uses, and when it is to end. Webhooks are loaded when somebody asks for
them: a service starts without.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from airtable_connector.ops.build import BUILD_FILE, Build, find_build
from airtable_connector.ops.dashboard import Dashboard
from airtable_connector.ops.digest import DailyDigest, Digest, DigestSettings, DigestWritten
from airtable_connector.ops.health import AIRTABLE, Health, HealthSettings, HealthStatus
from airtable_connector.ops.heartbeats.expiry import BeatsExpired, HeartbeatExpiry
from airtable_connector.ops.heartbeats.rollups import HourPosition, RollupPage, Rollups
from airtable_connector.ops.heartbeats.settings import HeartbeatSettings
from airtable_connector.ops.heartbeats.watch import BeatsFolded, CellVerdictChanged, HeartbeatWatch
from airtable_connector.ops.load import MachineLoad
from airtable_connector.ops.logs import TRACE_ID, LogForm, LogObserver, Logs, configure_logging, form_for
from airtable_connector.ops.metrics import Metrics
from airtable_connector.ops.process import OwnUsage, ProcessWatch, Usage
from airtable_connector.ops.reporting import Reporter
from airtable_connector.ops.state import State
from airtable_connector.ops.stopping import AlreadyStopping, EmergencyStop, NoShutdownScheduled, Scheduled, Shutdown

if TYPE_CHECKING:
    from airtable_connector.ops.webhooks.courier import NOTIFY, NotificationCourier, NotificationFailed
    from airtable_connector.ops.webhooks.hook import Hook
    from airtable_connector.ops.webhooks.hooks import PAYLOADS_A_PAGE, Hooks, NewHook, PayloadPage
    from airtable_connector.ops.webhooks.maker import PayloadMaker, PayloadsDropped, WebhookFailed

__all__ = [
    "AIRTABLE",
    "BUILD_FILE",
    "NOTIFY",
    "PAYLOADS_A_PAGE",
    "TRACE_ID",
    "AlreadyStopping",
    "BeatsExpired",
    "BeatsFolded",
    "Build",
    "CellVerdictChanged",
    "DailyDigest",
    "Dashboard",
    "Digest",
    "DigestSettings",
    "DigestWritten",
    "EmergencyStop",
    "Health",
    "HealthSettings",
    "HealthStatus",
    "HeartbeatExpiry",
    "HeartbeatSettings",
    "HeartbeatWatch",
    "Hook",
    "Hooks",
    "HourPosition",
    "LogForm",
    "LogObserver",
    "Logs",
    "MachineLoad",
    "Metrics",
    "NewHook",
    "NoShutdownScheduled",
    "NotificationCourier",
    "NotificationFailed",
    "OwnUsage",
    "PayloadMaker",
    "PayloadPage",
    "PayloadsDropped",
    "ProcessWatch",
    "Reporter",
    "RollupPage",
    "Rollups",
    "Scheduled",
    "Shutdown",
    "State",
    "Usage",
    "WebhookFailed",
    "configure_logging",
    "find_build",
    "form_for",
]

_LOADED_LATER = {
    "NOTIFY": "courier",
    "PAYLOADS_A_PAGE": "hooks",
    "Hook": "hook",
    "Hooks": "hooks",
    "NewHook": "hooks",
    "NotificationCourier": "courier",
    "NotificationFailed": "courier",
    "PayloadMaker": "maker",
    "PayloadPage": "hooks",
    "PayloadsDropped": "maker",
    "WebhookFailed": "maker",
}
"""The module of `ops.webhooks` that has each name that is not loaded yet."""


def __getattr__(name: str) -> object:
    if name in _LOADED_LATER:
        return getattr(import_module(f"{__name__}.webhooks.{_LOADED_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
