"""Watching the others: log lines and numbers made of what the rooms report, cells watched, days summed up."""

from airtable_connector.ops.dashboard import Dashboard
from airtable_connector.ops.digest import DailyDigest, Digest, DigestSettings, DigestWritten
from airtable_connector.ops.health import Health, HealthSettings, HealthStatus
from airtable_connector.ops.heartbeats.expiry import BeatsExpired, HeartbeatExpiry
from airtable_connector.ops.heartbeats.rollups import HourPosition, RollupPage, Rollups
from airtable_connector.ops.heartbeats.settings import HeartbeatSettings
from airtable_connector.ops.heartbeats.watch import BeatsFolded, CellVerdictChanged, HeartbeatWatch
from airtable_connector.ops.load import Load
from airtable_connector.ops.logs import TRACE_ID, LogForm, LogObserver, Logs, configure_logging, form_for
from airtable_connector.ops.metrics import Metrics
from airtable_connector.ops.reporting import Reporter

__all__ = [
    "TRACE_ID",
    "BeatsExpired",
    "BeatsFolded",
    "CellVerdictChanged",
    "DailyDigest",
    "Dashboard",
    "Digest",
    "DigestSettings",
    "DigestWritten",
    "Health",
    "HealthSettings",
    "HealthStatus",
    "HeartbeatExpiry",
    "HeartbeatSettings",
    "HeartbeatWatch",
    "HourPosition",
    "Load",
    "LogForm",
    "LogObserver",
    "Logs",
    "Metrics",
    "Reporter",
    "RollupPage",
    "Rollups",
    "configure_logging",
    "form_for",
]
