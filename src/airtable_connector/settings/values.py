"""The settings as values: frozen groups, one for each concern."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from airtable_connector.kernel.secret import Secret
from airtable_connector.settings.parsers import IpNetwork


@dataclass(frozen=True)
class DropletSettings:
    """Who this droplet is in the mesh."""

    id: int
    registry_id: str
    name: str
    steward: str
    url: str
    cost_per_hour: Decimal


@dataclass(frozen=True)
class StoreSettings:
    """Where data lives and how much of it is held in memory."""

    data_dir: Path
    database_url: Secret | None
    cache_max_bytes: int
    attachments_max_bytes: int
    attachment_url_life: timedelta
    formula_clock: timedelta
    idempotency_keep: timedelta

    @property
    def sqlite_file(self) -> Path:
        """The database file that is used when there is no ``database_url``."""
        return self.data_dir / "connector.sqlite3"

    @property
    def keys_dir(self) -> Path:
        """The folder of this droplet's own key pair."""
        return self.data_dir / "keys"

    @property
    def attachments_dir(self) -> Path:
        """The folder of the bytes of attachments."""
        return self.data_dir / "attachments"


@dataclass(frozen=True)
class ServerSettings:
    """Where the service listens and how it runs. Port 0 means a free one."""

    host: str
    port: int
    environment: Literal["development", "production"]
    shutdown_grace: timedelta
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "json", "console"]


@dataclass(frozen=True)
class EdgeSettings:
    """What the HTTP edge lets in."""

    trusted_networks: str
    """``CIDR = droplet: permissions``, separated by ``;``. ``mesh`` reads it."""
    trusted_proxies: tuple[IpNetwork, ...]
    allowed_origins: tuple[str, ...]
    rate_limit_per_minute: int
    body_limit_bytes: int
    bulk_body_limit_bytes: int
    records_alias: bool


@dataclass(frozen=True)
class AirtableApiSettings:
    """How the base is served to clients of Airtable's Web API. ``requests_per_second`` 0 means any number."""

    base_id: str | None
    requests_per_second: int
    lockout: timedelta


@dataclass(frozen=True)
class CloudAccess:
    """How Airtable itself is reached. The base there is named by ``AirtableApiSettings.base_id``.

    ``conflicts`` has who wins in each table that is named, and under ``*`` who does in the others.
    """

    api_key: Secret | None
    endpoint_url: str
    notification_url: str | None
    plan: Literal["free", "team", "business", "enterprise"]
    monthly_calls: int | None
    shortest_poll: timedelta
    conflicts: Mapping[str, str]
    write_wait: timedelta
    heartbeats: Literal["none", "latest", "hourly", "all"]
    heartbeats_interval: timedelta
    heartbeats_keep: timedelta
    heartbeats_rows: int


@dataclass(frozen=True)
class IdentitySettings:
    """Whose tokens are believed."""

    jwt_issuer: str
    jwt_audience: str
    registry_public_key_file: Path | None
    mesh_public_key_file: Path | None
    jwks_url: str | None
    jwks_refresh: timedelta
    jwks_max_age: timedelta


@dataclass(frozen=True)
class MeshSettings:
    """Where the mesh's other members are and how we speak to them."""

    registry_url: str | None
    registry_key: Secret | None
    auto_register: bool
    registry_interval: timedelta
    orchestrator_url: str | None
    private_key_file: Path | None
    report_state: bool
    orchestrator_interval: timedelta
    task_interval: timedelta
    timeout: timedelta
    plain_http_hosts: tuple[str, ...]


@dataclass(frozen=True)
class MessageSettings:
    """How many messages are taken and how long they are kept."""

    rate_per_minute: int
    keep: timedelta


@dataclass(frozen=True)
class HeartbeatSettings:
    """How cells are watched and how long their beats are kept."""

    interval: timedelta
    high_percent: float
    keep: timedelta
    rollup_keep: timedelta


@dataclass(frozen=True)
class DigestSettings:
    """When the daily digest is written."""

    at: time
    timezone: ZoneInfo


@dataclass(frozen=True)
class Settings:
    """All settings, checked.

    ``sources`` tells for each name where its value came from. ``not_used`` lists names that the environment
    or ``.env`` gives and that are known, but that this version does nothing with.
    """

    droplet: DropletSettings
    store: StoreSettings
    server: ServerSettings
    edge: EdgeSettings
    airtable_api: AirtableApiSettings
    cloud: CloudAccess
    identity: IdentitySettings
    mesh: MeshSettings
    messages: MessageSettings
    heartbeats: HeartbeatSettings
    digest: DigestSettings
    sources: Mapping[str, str]
    not_used: tuple[str, ...]

    @property
    def mirrors(self) -> bool:
        """Whether a base at Airtable is the truth, and ours its mirror."""
        return self.cloud.api_key is not None

    def embedded(self) -> "Settings":
        """Return the same settings for a base of our own, whatever base at Airtable these name."""
        return replace(self, cloud=replace(self.cloud, api_key=None))
