"""Opening the rooms, wiring them, and closing them in reverse."""

import asyncio
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airtable_connector.compose.attachments import Attachments, start_attachments
from airtable_connector.compose.base import Base, open_base
from airtable_connector.compose.errors import BaseIsMirror
from airtable_connector.compose.keys import (
    Credentials,
    Recognition,
    fixed_keys,
    follow_access_tokens,
    follow_registry_keys,
    key_addresses,
    own_key_pair,
)
from airtable_connector.compose.membership import Membership, Surroundings, configured_peers, open_membership
from airtable_connector.compose.messaging import ORCHESTRATORS_NUMBER, REGISTRYS_NUMBER, Messaging, start_messaging
from airtable_connector.compose.ourselves import PACKAGE, Ourselves, start_ourselves
from airtable_connector.compose.preparation import Preparation
from airtable_connector.compose.reloading import STEP, Appliers, Reloader
from airtable_connector.compose.task_handlers import task_handlers
from airtable_connector.compose.webhooks import start_webhooks
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import Step, Supervisor
from airtable_connector.mesh import (
    Condition,
    Contacts,
    KeyRing,
    OwnKeyPair,
    PeerClient,
    TokenVerifier,
    TrustedNetworks,
    parse_trusted_networks,
)
from airtable_connector.ops import (
    AIRTABLE,
    DailyDigest,
    Dashboard,
    DigestSettings,
    Health,
    HealthSettings,
    HeartbeatExpiry,
    HeartbeatSettings,
    HeartbeatWatch,
    Logs,
    MachineLoad,
    Metrics,
    Reporter,
    Rollups,
    find_build,
)
from airtable_connector.records import STANDARD_TABLES
from airtable_connector.settings import Configuration, Settings
from airtable_connector.web.airtable_api import BEGINNING
from airtable_connector.web.app import PUBLIC, SIGNED, build_app
from airtable_connector.web.domain import COLLECTIONS, DomainMessages, DomainRoutes, domain_routes
from airtable_connector.web.http import Dialect, Edge, EdgeSettings, LateDialect, Lifecycle
from airtable_connector.web.udc import HealthEndpoint, LetterEndpoints, MessageEndpoint, PeerEndpoints, Required

if TYPE_CHECKING:
    from airtable_connector.compose.mirroring import Mirroring
    from airtable_connector.ops import Hooks

MISSING_TABLES: Final = timedelta(seconds=5)
"""How soon it is looked again whether the base has the tables of the mesh."""


@dataclass(frozen=True)
class Rooms:
    """Everything that runs while the service serves."""

    base: Base
    edge: Edge
    own_keys: OwnKeyPair
    membership: Membership
    logs: Logs
    reloader: Reloader


@asynccontextmanager
async def open_rooms(
    settings: Settings, configuration: Configuration, *, clock: Clock, ids: Ids, logs: Logs, lifecycle: Lifecycle
) -> AsyncIterator[Rooms]:
    """Open every room that serving needs, and close them in reverse."""
    metrics = Metrics()
    observer = Reporter(logs, metrics)
    # beside the opening of the store: it may ask git
    finding_build = asyncio.ensure_future(asyncio.to_thread(find_build, PACKAGE))
    async with AsyncExitStack() as stack:
        supervisor = Supervisor(clock=clock, observer=observer)
        base = await stack.enter_async_context(open_base(settings, clock=clock, ids=ids, observer=observer))
        client = PeerClient(
            clock=clock,
            timeout=settings.mesh.timeout,
            plain_http_hosts=frozenset(settings.mesh.plain_http_hosts),
        )
        stack.push_async_callback(client.close)
        # slow receivers of notifications must not take the connections to droplets
        notifying = PeerClient(clock=clock)
        stack.push_async_callback(notifying.close)
        await stack.enter_async_context(supervisor)
        preparation = Preparation(client, clock=clock)
        own_keys = await asyncio.to_thread(own_key_pair, settings)
        ring = KeyRing(await asyncio.to_thread(fixed_keys, settings, own_keys))
        verifier = TokenVerifier(ring)
        access = await follow_access_tokens(base.database, supervisor, clock=clock, ids=ids, observer=observer)
        recognition = Recognition(verifier, access)
        follow_registry_keys(settings, ring, supervisor, client, preparation, clock=clock, ids=ids, observer=observer)
        attachments = start_attachments(
            settings, base, own_keys, supervisor=supervisor, metrics=metrics, clock=clock, observer=observer
        )
        contacts = Contacts(clock=clock, observer=observer)
        mirroring = await stack.enter_async_context(
            _mirroring(settings, base, contacts=contacts, metrics=metrics, clock=clock, ids=ids, observer=observer)
        )
        load = MachineLoad(settings.store.data_dir, clock=clock)
        health = _health(settings, base, contacts, lifecycle, clock=clock)
        reloader = Reloader(settings, configuration, logs=logs, wake=lambda: supervisor.wake(STEP))
        ourselves = start_ourselves(
            settings,
            base.workspace,
            build=await finding_build,
            dependencies=_dependencies(settings),
            reload=reloader.reload,
            supervisor=supervisor,
            lifecycle=lifecycle,
            metrics=metrics,
            logs=logs,
            observer=observer,
            clock=clock,
            more={} if mirroring is None else {AIRTABLE: mirroring.facts},
        )
        digest = _digest(settings, base, clock=clock, ids=ids, observer=observer)
        words = _words(base, digest, health, ourselves)
        membership = await stack.enter_async_context(
            open_membership(
                settings,
                Surroundings(
                    client=client,
                    preparation=preparation,
                    contacts=contacts,
                    supervisor=supervisor,
                    lifecycle=lifecycle,
                    condition=_condition_of(base),
                    machine=load.measure,
                    metrics=ourselves.state.metrics,
                    clock=clock,
                    ids=ids,
                    observer=observer,
                ),
                handlers=task_handlers(
                    digest=digest,
                    database=base.database,
                    words=words,
                    exports=settings.store.data_dir / "exports",
                    mirror=None if mirroring is None else mirroring.mirror,
                    droplet=settings.droplet.id,
                ),
            )
        )
        messaging = await start_messaging(
            settings,
            base,
            supervisor=supervisor,
            client=client,
            preparation=preparation,
            contacts=contacts,
            sources=[member for member in (membership.registry, membership.orchestrator) if member is not None],
            credential=_credentials(settings, own_keys, membership, clock=clock).for_peer,
            verifier=verifier,
            messages=words,
            clock=clock,
            ids=ids,
        )
        _watch_heartbeats(settings, base, supervisor, clock=clock, ids=ids, observer=observer)
        supervisor.start("digest", _once_there(base, digest.write_when_due))
        hooks = start_webhooks(
            settings,
            base,
            client=notifying,
            supervisor=supervisor,
            lifecycle=lifecycle,
            clock=clock,
            ids=ids,
            observer=observer,
        )
        messages = MessageEndpoint(
            messaging.inbox, attachments.addresses, per_minute=settings.messages.rate_per_minute, clock=clock
        )
        networks = parse_trusted_networks(settings.edge.trusted_networks)
        airtable = _airtable(settings, base, attachments, hooks, recognition, mirroring=mirroring, clock=clock)
        edge, behind = build_app(
            domain=_domain(settings, base, digest, attachments, mirroring, clock=clock, ids=ids),
            airtable=airtable,
            health=HealthEndpoint(health),
            messages=messages,
            letters=LetterEndpoints(messaging.outbox, messaging.addresses, base.workspace, clock=clock, ids=ids),
            peers=_peer_endpoints(settings, membership, messaging, clock=clock),
            about=ourselves.about,
            control=ourselves.control,
            verify=recognition.of_the_mesh,
            identify=networks.identify,
            settings=_edge_settings(settings),
            lifecycle=lifecycle,
            metrics=metrics,
            logs=logs,
            clock=clock,
            ids=ids,
        )
        reloader.applies_by(_appliers(edge, health, logs, messages))
        _publish(metrics, base, logs)
        _publish_peers(metrics, contacts, configured_peers(settings))

        async def stop_sending() -> timedelta:
            await lifecycle.wait_for_drain()
            messaging.courier.stop()
            return timedelta(days=365)

        supervisor.start(
            "prepare",
            preparation.step(verifier.warm_up, behind.prepare, airtable.prepare, metrics.prepare, load.prepare),
        )
        supervisor.start("outbox.stop", stop_sending)
        supervisor.start(STEP, reloader.reload_when_asked)
        yield Rooms(base, edge, own_keys, membership, logs, reloader)


@asynccontextmanager
async def _mirroring(
    settings: Settings,
    base: Base,
    *,
    contacts: Contacts,
    metrics: Metrics,
    clock: Clock,
    ids: Ids,
    observer: Observer,
) -> "AsyncIterator[Mirroring | None]":
    """Follow a base at Airtable if the settings name one."""
    if not settings.mirrors:
        if any(table.told for table in base.workspace.tables.values()):
            raise BaseIsMirror
        yield None
        return
    from airtable_connector.compose.mirroring import open_mirroring  # noqa: PLC0415 - an embedded base starts without

    async with open_mirroring(
        settings, base, contacts=contacts, metrics=metrics, clock=clock, ids=ids, observer=observer
    ) as mirroring:
        yield mirroring


def _health(settings: Settings, base: Base, contacts: Contacts, lifecycle: Lifecycle, *, clock: Clock) -> Health:
    return Health(
        base.workspace,
        lifecycle,
        contacts=contacts,
        configured=configured_peers(settings) | ({AIRTABLE} if settings.mirrors else set()),
        clock=clock,
        settings=HealthSettings(
            id=settings.droplet.id,
            name=settings.droplet.name,
            steward=settings.droplet.steward,
            endpoint=settings.droplet.url,
            cost_per_hour=settings.droplet.cost_per_hour,
        ),
    )


def _dependencies(settings: Settings) -> list[str]:
    """Name the droplets that we are set up to need."""
    named = set(configured_peers(settings))
    if key_addresses(settings):
        named.add("registry")
    if settings.mirrors:
        named.add(AIRTABLE)
    return sorted(named, reverse=True)


def _digest(settings: Settings, base: Base, *, clock: Clock, ids: Ids, observer: Observer) -> DailyDigest:
    return DailyDigest(
        base.workspace,
        base.database,
        clock=clock,
        ids=ids,
        observer=observer,
        settings=DigestSettings(settings.droplet.id, settings.digest.at, settings.digest.timezone),
    )


def _words(base: Base, digest: DailyDigest, health: Health, ourselves: Ourselves) -> DomainMessages:
    """Say what messages and tasks may ask for; tables are named as in the paths, without the slash."""
    return DomainMessages(
        base.workspace,
        collections={path.removeprefix("/"): name for path, name in COLLECTIONS.items()},
        digest=digest,
        facts={
            "health": health.facts,
            "state": ourselves.about.state_facts,
            "capabilities": ourselves.about.capability_facts,
        },
    )


def _condition_of(base: Base) -> Callable[[], Condition]:
    def condition() -> Condition:
        return "active" if base.workspace.trouble is None else "error"

    return condition


def _credentials(settings: Settings, own: OwnKeyPair, membership: Membership, *, clock: Clock) -> Credentials:
    registry, orchestrator = membership.registry, membership.orchestrator

    def nothing() -> Secret | None:
        return None

    return Credentials(
        settings,
        own,
        registry=nothing if registry is None else registry.token,
        orchestrator=nothing if orchestrator is None else orchestrator.token,
        orchestrators_number=ORCHESTRATORS_NUMBER,
        clock=clock,
    )


def _watch_heartbeats(
    settings: Settings, base: Base, supervisor: Supervisor, *, clock: Clock, ids: Ids, observer: Observer
) -> None:
    beats = HeartbeatSettings(
        droplet=settings.droplet.id,
        interval=settings.heartbeats.interval,
        high_percent=settings.heartbeats.high_percent,
        keep=settings.heartbeats.keep,
        rollup_keep=settings.heartbeats.rollup_keep,
    )
    watch = HeartbeatWatch(base.workspace, base.database, clock=clock, ids=ids, observer=observer, settings=beats)
    expiry = HeartbeatExpiry(base.workspace, base.database, clock=clock, observer=observer, settings=beats)
    supervisor.start("heartbeats.fold", _once_there(base, watch.fold_once))
    supervisor.start("heartbeats.expire", _once_there(base, expiry.expire_once))


def _once_there(base: Base, step: Step) -> Step:
    """Let a step rest as long as the base lacks tables of the mesh: a mirror has only those that Airtable has."""
    needed = {table.name for table in STANDARD_TABLES}

    async def if_there() -> timedelta | None:
        return await step() if needed <= base.workspace.tables.keys() else MISSING_TABLES

    return if_there


def _domain(
    settings: Settings,
    base: Base,
    digest: DailyDigest,
    attachments: Attachments,
    mirroring: "Mirroring | None",
    *,
    clock: Clock,
    ids: Ids,
) -> DomainRoutes:
    return domain_routes(
        base.workspace,
        rollups=Rollups(base.database),
        digest=digest,
        dashboard=Dashboard(base.workspace, base.database),
        files=attachments.files,
        attachments=attachments.addresses,
        clock=clock,
        ids=ids,
        production=settings.server.environment == "production",
        records_alias=settings.edge.records_alias,
        budget=None if mirroring is None else mirroring.budget,
        upstream=None if mirroring is None else mirroring.upstream,
        mirrored=None if mirroring is None else mirroring.routes,
    )


def _airtable(
    settings: Settings,
    base: Base,
    attachments: Attachments,
    hooks: "Callable[[], Hooks]",
    recognition: Recognition,
    *,
    mirroring: "Mirroring | None",
    clock: Clock,
) -> LateDialect:
    def load() -> Dialect:
        from airtable_connector.web.airtable_api import (  # noqa: PLC0415 - a start does not wait for it
            AirtableApi,
            BaseName,
            PaceSettings,
        )

        return AirtableApi(
            base.workspace,
            BaseName(settings.droplet.name, settings.airtable_api.base_id),
            PaceSettings(settings.airtable_api.requests_per_second, settings.airtable_api.lockout),
            files=attachments.files,
            attachments=attachments.addresses,
            hooks=hooks,
            verify=recognition.of_either,
            clock=clock,
            upstream=None if mirroring is None else mirroring.upstream,
        )

    return LateDialect(BEGINNING, load)


def _peer_endpoints(settings: Settings, membership: Membership, messaging: Messaging, *, clock: Clock) -> PeerEndpoints:
    registry, orchestrator = membership.registry, membership.orchestrator
    required = [
        Required(number, name, url, member)
        for number, name, url, member in (
            (REGISTRYS_NUMBER, "Registry", settings.mesh.registry_url, registry),
            (ORCHESTRATORS_NUMBER, "Orchestrator", settings.mesh.orchestrator_url, orchestrator),
        )
        if url is not None and member is not None
    ]
    return PeerEndpoints(
        membership.contacts,
        required,
        messaging.addresses,
        droplet=settings.droplet.id,
        name=settings.droplet.name,
        clock=clock,
    )


def _appliers(edge: Edge, health: Health, logs: Logs, messages: MessageEndpoint) -> Appliers:
    """Say how each live setting takes effect."""

    def adopt(settings: Settings) -> None:
        networks: TrustedNetworks = parse_trusted_networks(settings.edge.trusted_networks)
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
        public_prefixes=SIGNED,
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
    metrics.gauge(
        "connector_recomputations_pending",
        "Recomputations of cells that wait, each for some records of a table.",
        lambda: workspace.recomputations,
    )
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
