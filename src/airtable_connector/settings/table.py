"""Every setting once: its name, where it goes, how its text is read, its default, its meaning.

The parser, ``.env.example``, the manual and ``airtable-connector settings`` follow this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from airtable_connector.settings import parsers

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Reader:
    """How one setting is read. ``target`` is its group and field in `Settings`."""

    target: str
    parse: Callable[[str], object]
    default: str
    meaning: str
    example: str
    in_config: str | None = None
    """Its place in ``udc_config.json``, when it has one."""
    secret: bool = False
    """A secret's text is never shown, not even when it is wrong."""
    live: bool = False
    """A running service takes it over when its files are read again; others wait for the next start."""

    @property
    def group(self) -> str:
        """The field of `Settings` that holds it."""
        return self.target.partition(".")[0]

    @property
    def field(self) -> str:
        """Its field inside the group."""
        return self.target.partition(".")[2]


GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "droplet": "Who this droplet is",
        "store": "Data",
        "server": "Server and logs",
        "edge": "What is let in",
        "airtable_api": "Airtable's Web API, as we speak it",
        "cloud": "Airtable itself",
        "identity": "Whose tokens are believed",
        "mesh": "Being a member of the mesh",
        "messages": "Messages between droplets",
        "heartbeats": "Heartbeats of cells",
        "digest": "Daily digest",
    }
)
"""The groups in the order of the manual, with their headings."""

# fmt: off
READERS: Mapping[str, Reader] = MappingProxyType({
    "DROPLET_ID": Reader("droplet.id", parsers.whole(1, 1_000_000), "2",
        "This droplet's number in the mesh.", "2", "droplet.id"),
    "DROPLET_REGISTRY_ID": Reader("droplet.registry_id", parsers.filled_text, "drop2.fullpotential.ai",
        "The id the Registry knows it by; messages addressed to it are taken as ours.", "drop2.fullpotential.ai"),
    "DROPLET_NAME": Reader("droplet.name", parsers.filled_text, "Airtable Connector",
        "The name that /health shows and peers may address.", "Airtable Connector", "droplet.name"),
    "DROPLET_STEWARD": Reader("droplet.steward", parsers.filled_text, "Haythem",
        "The person who answers for it.", "Haythem", "droplet.steward"),
    "DROPLET_URL": Reader("droplet.url", parsers.web_address, "https://drop2.fullpotential.ai",
        "The public address that /health reports as its endpoint.", "https://drop2.fullpotential.ai"),
    "COST_PER_HOUR": Reader("droplet.cost_per_hour", parsers.number(0, 1_000_000), "0",
        "What running it costs, US dollars an hour; /health multiplies it with the uptime.", "0.0125", live=True),

    "DATA_DIR": Reader("store.data_dir", Path, "data",
        "Folder of the SQLite file, the own keys and attachments, relative to the working directory unless absolute.",
        "data"),
    "DATABASE_URL": Reader("store.database_url", parsers.optional(parsers.postgres_url), "",
        "A PostgreSQL database to use instead of the SQLite file in DATA_DIR.",
        "postgresql://connector:password@db.example/connector", secret=True),
    "CACHE_MAX_BYTES": Reader("store.cache_max_bytes", parsers.whole(0, 2**40), "536870912",
        "Memory for records kept ready to send, over all tables; bigger tables are served from the store.",
        "536870912"),
    "ATTACHMENTS_MAX_BYTES": Reader("store.attachments_max_bytes", parsers.whole(0, 2**50), "1073741824",
        "Space that uploaded attachments may take together in DATA_DIR; each counts for 4,096 bytes at least.",
        "21474836480"),
    "ATTACHMENT_URL_HOURS": Reader("store.attachment_url_life", parsers.span(HOUR, 0.1, 168), "2",
        "How long the address of an uploaded attachment works after a record has shown it.", "2"),
    "FORMULA_CLOCK_SECONDS": Reader("store.formula_clock", parsers.span(SECOND, 1, 86_400), "300",
        "How often cells are worked out anew whose formula reads the time.", "300"),
    "IDEMPOTENCY_KEEP_HOURS": Reader("store.idempotency_keep", parsers.span(HOUR, 1, 8760), "24",
        "How long a repeated Idempotency-Key gets the first answer again.", "24"),

    "HOST": Reader("server.host", parsers.filled_text, "127.0.0.1",
        "The address to listen on; 0.0.0.0 for all.", "0.0.0.0"),  # noqa: S104 - an example in the manual
    "PORT": Reader("server.port", parsers.whole(0, 65_535), "8000",
        "The port to listen on; 0 takes a free one.", "8000"),
    "ENVIRONMENT": Reader("server.environment", parsers.one_of("development", "production"), "development",
        "development or production; production wants HTTPS and refuses the sample-data door /write.", "production"),
    "SHUTDOWN_GRACE_SECONDS": Reader("server.shutdown_grace", parsers.span(SECOND, 0, 60), "0.5",
        "How long a stopping service still accepts, so that kept-alive clients learn of it.", "0.5"),
    "LOG_LEVEL": Reader("server.log_level", parsers.one_of("debug", "info", "warning", "error"), "info",
        "The least important lines to write: debug, info, warning or error.", "info", live=True),
    "LOG_FORMAT": Reader("server.log_format", parsers.one_of("auto", "json", "console"), "auto",
        "json, console, or auto: console on a terminal, else json.", "json"),

    "TRUSTED_NETWORKS": Reader("edge.trusted_networks", parsers.trusted_networks, "",
        "Networks whose callers need no token, who they are and what they may do; never admin. Separated by ';'.",
        "10.1.0.5/32 = 5: read, write; 10.1.0.0/24 = 10: read", live=True),
    "TRUSTED_PROXIES": Reader("edge.trusted_proxies", parsers.each(parsers.network), "",
        "Networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
        "127.0.0.1/32, 10.2.0.0/16", live=True),
    "ALLOWED_ORIGINS": Reader("edge.allowed_origins", parsers.each(parsers.origin), "",
        "Web origins that may call from a browser (CORS); none by default.", "https://dashboard.example", live=True),
    "RATE_LIMIT_PER_MINUTE": Reader("edge.rate_limit_per_minute", parsers.whole(1, 10_000_000), "6000",
        "Requests a minute for each identity; more are answered 429.", "6000", live=True),
    "BODY_LIMIT_BYTES": Reader("edge.body_limit_bytes", parsers.whole(1_024, 2**30), "1048576",
        "The longest request body; longer ones are answered 413.", "1048576", live=True),
    "BULK_BODY_LIMIT_BYTES": Reader("edge.bulk_body_limit_bytes", parsers.whole(1_024, 2**30), "5242880",
        "The longest body of a request that may hold many records.", "5242880", live=True),
    "RECORDS_ALIAS": Reader("edge.records_alias", parsers.yes_or_no, "true",
        "Whether lists carry 'records' at the top level too, where the Dashboard reads it.", "true"),

    "BASE_ID": Reader("airtable_api.base_id", parsers.optional(parsers.base_id), "",
        "The own base's id below /v0; none means the one that every installation has.", "appA1b2C3d4E5f6G7"),
    "AIRTABLE_API_REQUESTS_PER_SECOND": Reader("airtable_api.requests_per_second", parsers.whole(0, 1_000_000), "0",
        "Requests a second that /v0 takes for each base, as Airtable takes 5; 0 means any number.", "5"),
    "AIRTABLE_API_LOCKOUT_SECONDS": Reader("airtable_api.lockout", parsers.span(SECOND, 0.1, 3_600), "30",
        "How long /v0 answers 429 after one request too many.", "30"),

    "AIRTABLE_API_KEY": Reader("cloud.api_key", parsers.optional(parsers.secret_text), "",
        "An access token of Airtable's for the base BASE_ID. With both, the base there is the truth and ours its"
        " mirror; without it, ours is the base.", "patA1b2C3d4E5f6G7.0123456789abcdef", secret=True),
    "AIRTABLE_ENDPOINT_URL": Reader("cloud.endpoint_url", parsers.cloud_address, "https://api.airtable.com",
        "Where Airtable's Web API is: https, or http on this machine.", "http://127.0.0.1:8001"),
    "AIRTABLE_NOTIFICATION_URL": Reader("cloud.notification_url", parsers.optional(parsers.web_address), "",
        "Where Airtable can notify us of changes: our public address and /airtable/notifications. Without it,"
        " Airtable is polled.", "https://drop2.fullpotential.ai/airtable/notifications"),
    "AIRTABLE_PLAN": Reader("cloud.plan", parsers.one_of("free", "team", "business", "enterprise"), "team",
        "The plan of the base's workspace: free has 1,000 calls a month, team 100,000, the others any number.", "team"),
    "AIRTABLE_MONTHLY_CALLS": Reader("cloud.monthly_calls", parsers.optional(parsers.whole(1, 1_000_000_000)), "",
        "Calls a month that we may make, instead of the plan's number.", "50000"),
    "AIRTABLE_POLL_SECONDS": Reader("cloud.shortest_poll", parsers.span(SECOND, 0.1, 86_400), "15",
        "How often Airtable is asked for changes at most; less often when the month's calls would not last.", "15"),
    "AIRTABLE_CONFLICTS": Reader("cloud.conflicts", parsers.conflict_rules, "newest",
        "Who wins where a cell was changed on both sides: theirs, ours or newest; for single tables behind it.",
        "newest; Sprints = theirs; Cells = ours"),
    "WRITE_WAIT": Reader("cloud.write_wait", parsers.span(SECOND, 0, 60), "2",
        "How many seconds a write waits for Airtable's answer before its caller is given a receipt.", "2"),
    "AIRTABLE_HEARTBEATS": Reader("cloud.heartbeats", parsers.one_of("none", "latest", "hourly", "all"), "latest",
        "Which heartbeats Airtable gets: none, the latest of each cell, a row of each hour as well, or all.", "hourly"),
    "AIRTABLE_HEARTBEATS_MINUTES": Reader("cloud.heartbeats_interval", parsers.span(MINUTE, 1, 1_440), "15",
        "The shortest time between two rounds of latest heartbeats.", "15"),
    "AIRTABLE_HEARTBEATS_KEEP_DAYS": Reader("cloud.heartbeats_keep", parsers.span(DAY, 1, 3_650), "7",
        "How long the rows of hours are kept at Airtable.", "7"),
    "AIRTABLE_HEARTBEATS_ROWS": Reader("cloud.heartbeats_rows", parsers.whole(1, 1_000_000), "10000",
        "How many rows of heartbeats are at Airtable at most.", "10000"),

    "JWT_ISSUER": Reader("identity.jwt_issuer", parsers.filled_text, "registry.fullpotential.ai",
        "The 'iss' that the Registry's tokens must carry.", "registry.fullpotential.ai", "security.jwt_issuer"),
    "JWT_AUDIENCE": Reader("identity.jwt_audience", parsers.filled_text, "fullpotential.droplets",
        "The 'aud' that the Registry's tokens must carry.", "fullpotential.droplets", "security.jwt_audience"),
    "REGISTRY_PUBLIC_KEY_FILE": Reader("identity.registry_public_key_file", parsers.optional(Path), "",
        "A PEM file with the Registry's public key.", "keys/registry.pem"),
    "MESH_PUBLIC_KEY_FILE": Reader("identity.mesh_public_key_file", parsers.optional(Path), "",
        "A PEM file with the public half of the key that the mesh shares.", "keys/mesh.pem"),
    "JWKS_URL": Reader("identity.jwks_url", parsers.optional(parsers.web_address), "",
        "Where the Registry publishes its keys, when not where REGISTRY_URL lets expect; fetched in the background.",
        "https://drop18.fullpotential.ai/.well-known/jwks.json"),
    "JWKS_REFRESH_SECONDS": Reader("identity.jwks_refresh", parsers.span(SECOND, 1, 86_400), "300",
        "How often the published keys are fetched.", "300"),
    "JWKS_MAX_AGE_HOURS": Reader("identity.jwks_max_age", parsers.span(HOUR, 0.1, 8_760), "24",
        "How long the last fetched keys are believed while they cannot be fetched again.", "24"),

    "REGISTRY_URL": Reader("mesh.registry_url", parsers.optional(parsers.web_address), "",
        "Address of the Registry; none means that we are not registered there.",
        "https://drop18.fullpotential.ai", "registry.url"),
    "REGISTRY_KEY": Reader("mesh.registry_key", parsers.optional(parsers.secret_text), "",
        "The key that the Registry gives tokens for.", "a-long-random-text", secret=True),
    "REGISTRY_AUTO_REGISTER": Reader("mesh.auto_register", parsers.yes_or_no, "true",
        "Whether the droplet registers itself at the Registry and the Orchestrator.", "true",
        "registry.auto_register"),
    "REGISTRY_HEARTBEAT_SECONDS": Reader("mesh.registry_interval", parsers.span(SECOND, 1, 3_600), "30",
        "How often the Registry is told that we live.", "30", "registry.heartbeat_interval"),
    "ORCHESTRATOR_URL": Reader("mesh.orchestrator_url", parsers.optional(parsers.web_address), "",
        "Address of the Orchestrator; none means that we are not registered there and take no tasks.",
        "https://drop10.fullpotential.ai", "orchestrator.url"),
    "ORCHESTRATOR_PRIVATE_KEY_FILE": Reader("mesh.private_key_file", parsers.optional(Path), "",
        "A PEM file (0600) with the private key that the mesh shares; it signs our tokens for the Orchestrator.",
        "keys/mesh_private.pem"),
    "ORCHESTRATOR_REPORT_STATE": Reader("mesh.report_state", parsers.yes_or_no, "true",
        "Whether heartbeats to the Orchestrator carry our metrics.", "true", "orchestrator.report_state"),
    "ORCHESTRATOR_REPORT_SECONDS": Reader("mesh.orchestrator_interval", parsers.span(SECOND, 1, 3_600), "60",
        "How often the Orchestrator is told that we live.", "60", "orchestrator.report_interval"),
    "TASK_POLL_SECONDS": Reader("mesh.task_interval", parsers.span(SECOND, 0.1, 3_600), "10",
        "How often the Orchestrator is asked for tasks.", "10"),
    "PEER_TIMEOUT_SECONDS": Reader("mesh.timeout", parsers.span(SECOND, 0.1, 60), "5",
        "How long an answer of another droplet is waited for.", "5"),
    "PLAIN_HTTP_HOSTS": Reader("mesh.plain_http_hosts", parsers.each(parsers.filled_text), "",
        "Hosts that may be spoken to without encryption, for a laboratory; this machine always may.",
        "registry, orchestrator"),

    "MESSAGE_RATE_PER_MINUTE": Reader("messages.rate_per_minute", parsers.whole(1, 10_000_000), "100",
        "Messages a minute from each droplet; more are answered 429.", "100", live=True),
    "MESSAGE_KEEP_DAYS": Reader("messages.keep", parsers.span(DAY, 1, 3_650), "30",
        "How long messages are kept, and a repeated trace_id gets the first answer again.", "30"),

    "HEARTBEAT_INTERVAL_SECONDS": Reader("heartbeats.interval", parsers.span(SECOND, 1, 86_400), "60",
        "The rhythm assumed for a cell until its own is known; three missed beats mean Offline.", "60"),
    "HEARTBEAT_HIGH_PERCENT": Reader("heartbeats.high_percent", parsers.percent, "90",
        "CPU or RAM from this percentage on means Warning.", "90"),
    "HEARTBEAT_KEEP_DAYS": Reader("heartbeats.keep", parsers.span(DAY, 1, 3_650), "7",
        "How long single heartbeats are kept.", "7"),
    "ROLLUP_KEEP_DAYS": Reader("heartbeats.rollup_keep", parsers.span(DAY, 1, 36_500), "400",
        "How long hourly minimum, average and maximum are kept.", "400"),

    "DIGEST_AT": Reader("digest.at", parsers.time_of_day, "06:00",
        "The time of day at which the daily digest is written.", "06:00"),
    "DIGEST_TIMEZONE": Reader("digest.timezone", parsers.timezone, "UTC",
        "The time zone of DIGEST_AT and of the digest's date.", "Europe/Berlin"),
})
"""Every setting this version reads, by name."""

NOT_USED: Mapping[str, str] = MappingProxyType({
    "ORCHESTRATOR_JWT": "a token made by hand; we sign our own, see ORCHESTRATOR_PRIVATE_KEY_FILE",
})
"""Names that `.env` may hold because the mesh's documents name them, and that this version does nothing with."""

CONFIG_NOT_USED: Mapping[str, str] = MappingProxyType({
    "droplet.version": "the version reported is the installed program's",
})
"""Places in ``udc_config.json`` that the UDC contract names, and that this version does nothing with."""
# fmt: on

REQUIRE_AUTH = "security.require_auth"
"""The one place in ``udc_config.json`` that may only say one thing: identity is never optional."""
