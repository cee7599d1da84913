"""Watching the others: log lines and numbers made of what the rooms report, cells watched, days summed up.

And ourselves: which build this is, what it uses, and when it is to end.
"""

from airtable_connector.ops.build import BUILD_FILE, Build, find_build
from airtable_connector.ops.dashboard import Dashboard
from airtable_connector.ops.digest import DailyDigest, Digest, DigestSettings, DigestWritten
from airtable_connector.ops.health import Health, HealthSettings, HealthStatus
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

__all__ = [
    "BUILD_FILE",
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
    "HourPosition",
    "LogForm",
    "LogObserver",
    "Logs",
    "MachineLoad",
    "Metrics",
    "NoShutdownScheduled",
    "OwnUsage",
    "ProcessWatch",
    "Reporter",
    "RollupPage",
    "Rollups",
    "Scheduled",
    "Shutdown",
    "State",
    "Usage",
    "configure_logging",
    "find_build",
    "form_for",
]
