"""The only reader of the environment and of files that configure.

Strongest first: command line, environment, ``.env``, ``udc_config.json``, default. An empty text counts as not given.
"""

from airtable_connector.settings.errors import BadSettings, ConfigPathRefused
from airtable_connector.settings.live import LIVE, Configuration, Difference, adopt_live, differences
from airtable_connector.settings.parsers import IpNetwork
from airtable_connector.settings.reading import load_settings, read_settings, shown
from airtable_connector.settings.table import CONFIG_NOT_USED, GROUPS, NOT_USED, READERS, Reader
from airtable_connector.settings.values import (
    AirtableApiSettings,
    CloudAccess,
    DigestSettings,
    DropletSettings,
    EdgeSettings,
    HeartbeatSettings,
    IdentitySettings,
    MeshSettings,
    MessageSettings,
    ServerSettings,
    Settings,
    StoreSettings,
)

__all__ = [
    "CONFIG_NOT_USED",
    "GROUPS",
    "LIVE",
    "NOT_USED",
    "READERS",
    "AirtableApiSettings",
    "BadSettings",
    "CloudAccess",
    "ConfigPathRefused",
    "Configuration",
    "Difference",
    "DigestSettings",
    "DropletSettings",
    "EdgeSettings",
    "HeartbeatSettings",
    "IdentitySettings",
    "IpNetwork",
    "MeshSettings",
    "MessageSettings",
    "Reader",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "adopt_live",
    "differences",
    "load_settings",
    "read_settings",
    "shown",
]
