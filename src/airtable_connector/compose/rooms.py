"""Opening the rooms, wiring them, and closing them in reverse."""

import asyncio
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from airtable_connector.compose.membership import Membership, Surroundings, configured_peers, open_membership
from airtable_connector.compose.task_handlers import task_handlers
from airtable_connector.database import Database, DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import Invalid
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import BlindObserver, Observer
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import (
    Condition,
    Contacts,
    KeyFileMissing,
    KeyRing,
    KeySource,
    OwnKeyPair,
    PeerClient,
    RegistryKeys,
    Source,
    TokenVerifier,
    TrustedKey,
    TrustedNetworks,
    create_key_pair,
    load_key_pair,
    parse_trusted_networks,
)
from airtable_connector.ops import (
    DailyDigest,
    Dashboard,
    DigestSettings,
    Health,
    HealthSettings,
    HeartbeatExpiry,
    HeartbeatSettings,
    HeartbeatWatch,
    Load,
    Logs,
    Metrics,
    Reporter,
    Rollups,
)
from airtable_connector.records import (
    STANDARD_TABLES,
    Workspace,
    WorkspaceSettings,
    open_workspace,
)
from airtable_connector.settings import Settings
from airtable_connector.web.app import PUBLIC, build_app
from airtable_connector.web.domain import COLLECTIONS, domain_routes
from airtable_connector.web.http import Edge, EdgeSettings, Lifecycle
from airtable_connector.web.udc import HealthEndpoint, PeerEndpoints, Required


@dataclass(frozen=True)
class Base:
    """An open base: its database, and the workspace over it."""

    database: Database
    workspace: Workspace


@dataclass(frozen=True)
class Rooms:
    """Everything that runs while the service serves."""

    base: Base
    edge: Edge
    own_keys: OwnKeyPair
    membership: Membership
    logs: Logs


@asynccontextmanager
async def open_base(
    settings: Settings, *, clock: Clock, ids: Ids, observer: Observer | None = None
) -> AsyncIterator[Base]:
    """Open the configured store and its base, migrating it first.

    Raises:
        StoreUnavailable: the database cannot be opened.
        NewerDatabase: it was written by a later version.
    """
    kept = WorkspaceSettings(settings.store.cache_max_bytes, settings.store.idempotency_keep)
    async with (
        open_database(database_location(settings), clock=clock) as database,
        open_workspace(
            database,
            clock=clock,
            ids=ids,
            observer=observer or BlindObserver(),
            tables=STANDARD_TABLES,
            settings=kept,
        ) as workspace,
    ):
        yield Base(database, workspace)


def database_location(settings: Settings) -> DatabaseLocation:
    """Say where the configured store is: DATABASE_URL, else a SQLite file in DATA_DIR."""
    url = settings.store.database_url
    return SqliteFile(settings.store.sqlite_file) if url is None else PostgresServer(url)


@asynccontextmanager
async def open_rooms(
    settings: Settings, *, clock: Clock, ids: Ids, logs: Logs, lifecycle: Lifecycle
) -> AsyncIterator[Rooms]:
    """Open every room that serving needs, and close them in reverse."""
    metrics = Metrics()
    observer = Reporter(logs, metrics)
    async with AsyncExitStack() as stack:
        supervisor = Supervisor(clock=clock, observer=observer)
        base = await stack.enter_async_context(open_base(settings, clock=clock, ids=ids, observer=observer))
        client = PeerClient(
            clock=clock,
            timeout=settings.mesh.timeout,
            plain_http_hosts=frozenset(settings.mesh.plain_http_hosts),
        )
        stack.push_async_callback(client.close)
        await stack.enter_async_context(supervisor)
        own_keys = await asyncio.to_thread(_own_keys, settings)
        ring = KeyRing(_fixed_keys(settings, own_keys))
        verifier = TokenVerifier(ring)
        _follow_registry_keys(settings, ring, supervisor, client, clock=clock, ids=ids, observer=observer)
        networks = parse_trusted_networks(settings.edge.trusted_networks)
        digest = _digest(settings, base, clock=clock, ids=ids, observer=observer)
        load = Load(metrics, settings.store.data_dir, clock=clock)
        around = Surroundings(
            client=client,
            contacts=Contacts(clock=clock, observer=observer),
            supervisor=supervisor,
            lifecycle=lifecycle,
            condition=_condition_of(base),
            load=load,
            clock=clock,
            ids=ids,
            observer=observer,
        )
        handlers = task_handlers(
            digest=digest,
            database=base.database,
            exports=settings.store.data_dir / "exports",
            droplet=settings.droplet.id,
        )
        membership = await stack.enter_async_context(open_membership(settings, around, handlers=handlers))
        edge = _build_edge(
            settings,
            base,
            supervisor,
            membership,
            digest=digest,
            verifier=verifier,
            networks=networks,
            metrics=metrics,
            logs=logs,
            lifecycle=lifecycle,
            observer=observer,
            clock=clock,
            ids=ids,
        )
        _publish(metrics, base, logs)
        _publish_peers(metrics, membership.contacts, configured_peers(settings))

        async def prepare() -> timedelta:
            # what the first request would otherwise wait for, but after the first look at /health
            await clock.sleep(timedelta(milliseconds=100))
            await asyncio.to_thread(verifier.warm_up)
            await asyncio.to_thread(metrics.prepare)
            await asyncio.to_thread(load.prepare)
            return timedelta(days=365)

        supervisor.start("prepare", prepare)
        yield Rooms(base, edge, own_keys, membership, logs)


def _own_keys(settings: Settings) -> OwnKeyPair:
    """Load this droplet's key pair, made at the first start, so that ``token`` works while the service runs."""
    try:
        return load_key_pair(settings.store.keys_dir)
    except KeyFileMissing:
        return create_key_pair(settings.store.keys_dir)


def _fixed_keys(settings: Settings, own: OwnKeyPair) -> list[TrustedKey]:
    identity = settings.identity
    keys = [own.trusted()]
    if identity.mesh_public_key_file is not None:
        keys.append(TrustedKey(Source.MESH, _read_key("MESH_PUBLIC_KEY_FILE", identity.mesh_public_key_file)))
    if identity.registry_public_key_file is not None:
        keys.append(
            TrustedKey(
                Source.REGISTRY,
                _read_key("REGISTRY_PUBLIC_KEY_FILE", identity.registry_public_key_file),
                issuer=identity.jwt_issuer,
                audience=identity.jwt_audience,
            )
        )
    return keys


def _follow_registry_keys(
    settings: Settings,
    ring: KeyRing,
    supervisor: Supervisor,
    client: PeerClient,
    *,
    clock: Clock,
    ids: Ids,
    observer: Observer,
) -> None:
    identity = settings.identity
    addresses = _key_addresses(settings)
    if not addresses:
        return
    source = KeySource(
        addresses[0],
        issuer=identity.jwt_issuer,
        audience=identity.jwt_audience,
        every=identity.jwks_refresh,
        keep_for=identity.jwks_max_age,
        also=addresses[1:],
    )
    keys = RegistryKeys(
        source,
        client=client,
        ring=ring,
        clock=clock,
        observer=observer,
        jitter=ids.fraction,
        wake=lambda: supervisor.wake("registry-keys"),
    )
    supervisor.start("registry-keys", keys.refresh_once)


def _key_addresses(settings: Settings) -> tuple[str, ...]:
    """Say where keys may be: at the address that is set, else where Registries are known to have them."""
    if settings.identity.jwks_url is not None:
        return (settings.identity.jwks_url,)
    registry = settings.mesh.registry_url
    if registry is None:
        return ()
    return tuple(registry + path for path in ("/.well-known/jwks.json", "/auth/public_key", "/auth/public-key"))


class PublicKeyUnreadable(Invalid):
    """A file that should hold a public key cannot be read."""

    code = "public-key-unreadable"

    def __init__(self, setting: str) -> None:
        super().__init__(
            f"the file that {setting} names cannot be read",
            field=setting,
            hint="name a PEM file that the service's user may read",
        )


def _read_key(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise PublicKeyUnreadable(setting) from cause


def _build_edge(
    settings: Settings,
    base: Base,
    supervisor: Supervisor,
    membership: Membership,
    *,
    digest: DailyDigest,
    verifier: TokenVerifier,
    networks: TrustedNetworks,
    metrics: Metrics,
    logs: Logs,
    lifecycle: Lifecycle,
    observer: Observer,
    clock: Clock,
    ids: Ids,
) -> Edge:
    production = settings.server.environment == "production"
    beats = HeartbeatSettings(
        droplet=settings.droplet.id,
        interval=settings.heartbeats.interval,
        high_percent=settings.heartbeats.high_percent,
        keep=settings.heartbeats.keep,
        rollup_keep=settings.heartbeats.rollup_keep,
    )
    workspace, database = base.workspace, base.database
    watch = HeartbeatWatch(workspace, database, clock=clock, ids=ids, observer=observer, settings=beats)
    expiry = HeartbeatExpiry(workspace, database, clock=clock, observer=observer, settings=beats)
    supervisor.start("heartbeats.fold", watch.fold_once)
    supervisor.start("heartbeats.expire", expiry.expire_once)
    supervisor.start("digest", digest.write_when_due)
    domain = domain_routes(
        workspace,
        rollups=Rollups(database),
        digest=digest,
        dashboard=Dashboard(workspace, database),
        clock=clock,
        ids=ids,
        production=production,
        records_alias=settings.edge.records_alias,
    )
    health = Health(
        workspace,
        lifecycle,
        contacts=membership.contacts,
        configured=configured_peers(settings),
        clock=clock,
        settings=HealthSettings(
            id=settings.droplet.id,
            name=settings.droplet.name,
            steward=settings.droplet.steward,
            endpoint=settings.droplet.url,
            cost_per_hour=settings.droplet.cost_per_hour,
        ),
    )
    return build_app(
        domain=domain,
        health=HealthEndpoint(health),
        peers=_peer_endpoints(settings, membership, clock=clock),
        verify=verifier.verify,
        identify=networks.identify,
        settings=_edge_settings(settings, production=production),
        lifecycle=lifecycle,
        metrics=metrics,
        logs=logs,
        clock=clock,
        ids=ids,
    )


def _digest(settings: Settings, base: Base, *, clock: Clock, ids: Ids, observer: Observer) -> DailyDigest:
    return DailyDigest(
        base.workspace,
        base.database,
        clock=clock,
        ids=ids,
        observer=observer,
        settings=DigestSettings(settings.droplet.id, settings.digest.at, settings.digest.timezone),
    )


def _condition_of(base: Base) -> Callable[[], Condition]:
    def condition() -> Condition:
        return "active" if base.workspace.trouble is None else "error"

    return condition


def _peer_endpoints(settings: Settings, membership: Membership, *, clock: Clock) -> PeerEndpoints:
    registry, orchestrator = membership.registry, membership.orchestrator
    required = [
        Required(number, name, url, member)
        for number, name, url, member in (
            (18, "Registry", settings.mesh.registry_url, registry),
            (10, "Orchestrator", settings.mesh.orchestrator_url, orchestrator),
        )
        if url is not None and member is not None
    ]
    return PeerEndpoints(
        membership.contacts, required, droplet=settings.droplet.id, name=settings.droplet.name, clock=clock
    )


def _edge_settings(settings: Settings, *, production: bool) -> EdgeSettings:
    return EdgeSettings(
        public_paths=PUBLIC,
        https_only=production,
        trusted_proxies=settings.edge.trusted_proxies,
        allowed_origins=frozenset(settings.edge.allowed_origins),
        requests_per_minute=settings.edge.rate_limit_per_minute,
        body_limit=settings.edge.body_limit_bytes,
        bulk_limit=settings.edge.bulk_body_limit_bytes,
        bulk_paths=frozenset(COLLECTIONS),
    )


def _publish(metrics: Metrics, base: Base, logs: Logs) -> None:
    """Let a scrape read what only the rooms know."""
    workspace = base.workspace
    metrics.gauge("connector_feed_head", "Sequence of the feed's last entry.", lambda: workspace.head.seq)
    metrics.gauge("connector_cache_bytes", "Memory held by pre-encoded records.", lambda: workspace.memory)
    metrics.gauge(
        "connector_store_writable", "1 while the store takes writes.", lambda: float(workspace.trouble is None)
    )
    metrics.counter("connector_log_lines_dropped", "Log lines lost to a slow reader.", lambda: logs.dropped)


def _publish_peers(metrics: Metrics, contacts: Contacts, configured: AbstractSet[str]) -> None:
    def reader_of(peer: str) -> Callable[[], float]:
        return lambda: float(contacts.of(peer).connected)

    for peer in sorted(configured):
        metrics.gauge(f"connector_{peer}_connected", f"1 while the {peer} takes our beats.", reader_of(peer))
