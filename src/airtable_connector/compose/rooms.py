"""Opening the rooms, wiring them, and closing them in reverse."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from airtable_connector.compose.base import Base, open_base
from airtable_connector.compose.messaging import start_messaging
from airtable_connector.compose.ourselves import PACKAGE, Ourselves, start_ourselves
from airtable_connector.compose.reloading import STEP, Appliers, Reloader
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import Invalid
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import (
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
    Logs,
    Metrics,
    Reporter,
    Rollups,
    find_build,
)
from airtable_connector.settings import Configuration, Settings
from airtable_connector.web.app import PUBLIC, build_app
from airtable_connector.web.domain import COLLECTIONS, DomainMessages, domain_routes
from airtable_connector.web.http import Edge, EdgeSettings, Lifecycle
from airtable_connector.web.udc import HealthEndpoint, LetterEndpoints, MessageEndpoint


@dataclass(frozen=True)
class Rooms:
    """Everything that runs while the service serves."""

    base: Base
    edge: Edge
    own_keys: OwnKeyPair
    logs: Logs
    reloader: Reloader


@asynccontextmanager
async def open_rooms(
    settings: Settings, configuration: Configuration, *, clock: Clock, ids: Ids, logs: Logs, lifecycle: Lifecycle
) -> AsyncIterator[Rooms]:
    """Open every room that serving needs, and close them in reverse."""
    metrics = Metrics()
    observer = Reporter(logs, metrics)
    async with AsyncExitStack() as stack:
        supervisor = Supervisor(clock=clock, observer=observer)
        base = await stack.enter_async_context(open_base(settings, clock=clock, ids=ids, observer=observer))
        await stack.enter_async_context(supervisor)
        own_keys = await asyncio.to_thread(_own_keys, settings)
        ring = KeyRing(_fixed_keys(settings, own_keys))
        verifier = TokenVerifier(ring)
        client = PeerClient(
            clock=clock,
            timeout=settings.mesh.timeout,
            plain_http_hosts=frozenset(settings.mesh.plain_http_hosts),
        )
        stack.push_async_callback(client.close)
        _follow_registry_keys(settings, ring, supervisor, client, clock=clock, ids=ids, observer=observer)
        networks = parse_trusted_networks(settings.edge.trusted_networks)
        contacts = Contacts(clock=clock, observer=observer)
        reloader = Reloader(settings, configuration, logs=logs, wake=lambda: supervisor.wake(STEP))
        ourselves = start_ourselves(
            settings,
            base.workspace,
            build=await asyncio.to_thread(find_build, PACKAGE),
            dependencies=["registry"] if _key_addresses(settings) else [],
            reload=reloader.reload,
            supervisor=supervisor,
            lifecycle=lifecycle,
            metrics=metrics,
            logs=logs,
            observer=observer,
            clock=clock,
        )
        edge = await _build_edge(
            settings,
            base,
            supervisor,
            ourselves=ourselves,
            reloader=reloader,
            client=client,
            contacts=contacts,
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

        async def prepare() -> timedelta:
            # what the first request would otherwise wait for, but after the first look at /health
            await clock.sleep(timedelta(milliseconds=100))
            await asyncio.to_thread(verifier.warm_up)
            await asyncio.to_thread(metrics.prepare)
            return timedelta(days=365)

        supervisor.start("prepare", prepare)
        supervisor.start(STEP, reloader.reload_when_asked)
        yield Rooms(base, edge, own_keys, logs, reloader)


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


async def _build_edge(
    settings: Settings,
    base: Base,
    supervisor: Supervisor,
    *,
    client: PeerClient,
    contacts: Contacts,
    ourselves: Ourselves,
    reloader: Reloader,
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
    digest = DailyDigest(
        workspace,
        database,
        clock=clock,
        ids=ids,
        observer=observer,
        settings=DigestSettings(settings.droplet.id, settings.digest.at, settings.digest.timezone),
    )
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
        clock=clock,
        settings=HealthSettings(
            id=settings.droplet.id,
            name=settings.droplet.name,
            steward=settings.droplet.steward,
            endpoint=settings.droplet.url,
            cost_per_hour=settings.droplet.cost_per_hour,
        ),
    )
    messaging = await start_messaging(
        settings,
        base,
        supervisor=supervisor,
        client=client,
        contacts=contacts,
        sources=(),
        credential=lambda _: None,
        verifier=verifier,
        messages=DomainMessages(
            workspace,
            collections=_message_collections(),
            digest=digest,
            facts={
                "health": health.facts,
                "state": ourselves.about.state_facts,
                "capabilities": ourselves.about.capability_facts,
            },
        ),
        clock=clock,
        ids=ids,
    )
    messages = MessageEndpoint(messaging.inbox, per_minute=settings.messages.rate_per_minute, clock=clock)
    edge = build_app(
        domain=domain,
        health=HealthEndpoint(health),
        messages=messages,
        letters=LetterEndpoints(messaging.outbox, messaging.addresses, workspace, clock=clock, ids=ids),
        about=ourselves.about,
        control=ourselves.control,
        verify=verifier.verify,
        identify=networks.identify,
        settings=_edge_settings(settings),
        lifecycle=lifecycle,
        metrics=metrics,
        logs=logs,
        clock=clock,
        ids=ids,
    )
    reloader.applies_by(_appliers(edge, health, logs, messages))
    return edge


def _message_collections() -> Mapping[str, str]:
    """Name the tables as messages do: as in the paths, without the slash."""
    return {path.removeprefix("/"): name for path, name in COLLECTIONS.items()}


def _appliers(edge: Edge, health: Health, logs: Logs, messages: MessageEndpoint) -> Appliers:
    """Say how each live setting takes effect."""

    def adopt(settings: Settings) -> None:
        networks = parse_trusted_networks(settings.edge.trusted_networks)
        edge.adopt(_edge_settings(settings), networks.identify)

    return {
        "COST_PER_HOUR": lambda settings: health.cost(settings.droplet.cost_per_hour),
        "LOG_LEVEL": lambda settings: logs.speak_from(settings.server.log_level),
        "MESSAGE_RATE_PER_MINUTE": lambda settings: messages.allow(settings.messages.rate_per_minute),
        "TRUSTED_NETWORKS": adopt,
        "TRUSTED_PROXIES": adopt,
        "ALLOWED_ORIGINS": adopt,
        "RATE_LIMIT_PER_MINUTE": adopt,
        "BODY_LIMIT_BYTES": adopt,
        "BULK_BODY_LIMIT_BYTES": adopt,
    }


def _edge_settings(settings: Settings) -> EdgeSettings:
    return EdgeSettings(
        public_paths=PUBLIC,
        https_only=settings.server.environment == "production",
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
