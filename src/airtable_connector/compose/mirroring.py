"""Wiring the base as a mirror of one at Airtable; no part of the face, because an embedded base does not need it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from airtable_connector.airtable import AirtableClient, Asking, CloudCalled, Lane, PaceKeeper, PaceSettings
from airtable_connector.compose.base import Base
from airtable_connector.compose.cloud import cloud_settings
from airtable_connector.compose.errors import BaseNotMirrored
from airtable_connector.compose.spending import publish_budget, publish_lease
from airtable_connector.compose.upstream import AirtableUpstream
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids, TableId
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.kernel.supervisor import Step, Supervisor
from airtable_connector.mesh import Contacts
from airtable_connector.ops import AIRTABLE, Metrics
from airtable_connector.records import HEARTBEATS, UnknownTable, Workspace, name_before
from airtable_connector.settings import Settings
from airtable_connector.sync.beats import BeatSender, BeatsMode, BeatsSettings
from airtable_connector.sync.budget import Budget, BudgetSettings, Plan, attributed_to, open_budget
from airtable_connector.sync.lease import Lease
from airtable_connector.sync.mirror import WATCH, Mirror, MirrorSettings, Rhythm
from airtable_connector.sync.outbox import Outbox, OutboxCounts, OutboxSettings, Wording
from airtable_connector.sync.overlay import Rule
from airtable_connector.sync.told import sent_cells, told_cells
from airtable_connector.web.domain.mirrored import mirrored_routes
from airtable_connector.web.http import Methods

REACHED: Final = frozenset({"Done", "Refused"})
"""Outcomes of calls that Airtable itself has answered."""

COUNT_EVERY: Final = timedelta(seconds=5)
"""How often it is counted what is on its way."""

LEAST_COMPARE: Final = timedelta(minutes=1)
"""The shortest rest between two compared pages."""

FINISHING: Final = timedelta(seconds=5)
"""How long a stop waits for the calls that send; what they have done is found out later if it takes longer."""

HELD: Final = timedelta(seconds=30)
"""How long a step rests that the budget does not allow."""


@dataclass(frozen=True)
class Mirroring:
    """What follows Airtable and sends to it."""

    mirror: Mirror
    outbox: Outbox
    budget: Budget
    upstream: AirtableUpstream
    routes: Mapping[str, Methods]
    """What is answered about it, by path."""
    facts: Callable[[], dict[str, JsonValue]]


@dataclass(frozen=True)
class Following:
    """The parts that follow a base at Airtable and send to it; none of their steps is started."""

    budget: Budget
    lease: Lease
    keeper: PaceKeeper
    client: AirtableClient
    supervisor: Supervisor
    outbox: Outbox
    mirror: Mirror


@asynccontextmanager
async def open_mirroring(
    settings: Settings,
    base: Base,
    *,
    contacts: Contacts,
    metrics: Metrics,
    clock: Clock,
    ids: Ids,
    observer: Observer,
    transport: Asking | None = None,
) -> AsyncIterator[Mirroring]:
    """Begin to follow the configured base at Airtable, and to send there what callers write.

    Nothing is waited for: while Airtable is away, what is here is served. In the end no further call is made, those
    under way are waited for (each ends in its time), and another process may go on. ``transport`` makes the calls; left
    out, they go over the network.

    Raises:
        AirtableNotNamed: the settings name a key and no base.
        BaseNotMirrored: the store has a base of its own.
    """
    await refuse_own_tables(base)
    async with open_following(
        settings,
        base,
        told=lambda budget: _Listener(budget, contacts),
        clock=clock,
        ids=ids,
        observer=observer,
        transport=transport,
    ) as parts:
        budget, outbox, mirror = parts.budget, parts.outbox, parts.mirror
        beats = BeatSender(
            base.workspace,
            base.database,
            parts.client,
            settings=_beats(settings),
            allows=lambda: budget.allows(Lane.OUTBOX),
            clock=clock,
            observer=observer,
        )
        upstream = AirtableUpstream(base.workspace, mirror, outbox, budget, wait=settings.cloud.write_wait)
        counted = _Counted(outbox)
        parts.supervisor.start("airtable.count", counted.count_once)
        _start_steps(parts, beats)
        publish_budget(metrics, budget)
        publish_lease(metrics, parts.lease)
        metrics.gauge(
            "connector_airtable_locked_out_seconds",
            "How long no call is made because Airtable was asked too often.",
            lambda: parts.keeper.locked_out_for().total_seconds(),
        )
        _publish(metrics, mirror, counted, clock)

        def facts() -> dict[str, JsonValue]:
            return {
                "leads": parts.lease.held,
                "locked_out_seconds": parts.keeper.locked_out_for().total_seconds(),
                "mirror": mirror.facts(),
                "outbox": counted.facts(),
            }

        routes = mirrored_routes(base.workspace, outbox, mirror, clock)
        yield Mirroring(mirror, outbox, budget, upstream, routes, facts)


async def refuse_own_tables(base: Base) -> None:
    """See to it that the store holds nothing but a mirror.

    Raises:
        BaseNotMirrored: it has a base of its own.
    """
    own = [name_before(table) for table in base.workspace.tables.values() if not table.told]
    own += [made.name for made in await base.workspace.bases()]
    if own:
        raise BaseNotMirrored(own)


@asynccontextmanager
async def open_following(
    settings: Settings,
    base: Base,
    *,
    told: Callable[[Observer], Observer],
    clock: Clock,
    ids: Ids,
    observer: Observer,
    transport: Asking | None = None,
) -> AsyncIterator[Following]:
    """Open what follows the configured base at Airtable; no call is made by that.

    In the end steps are stopped first, calls under way are waited for, and the lease is given up. ``told`` makes of the
    budget's observer the one that the client tells of its calls; ``transport`` is as for `open_mirroring`.

    Raises:
        AirtableNotNamed: the settings name no base at Airtable.
    """
    cloud = cloud_settings(settings)
    async with AsyncExitStack() as stack:
        spending = BudgetSettings(
            Plan(settings.cloud.plan), settings.cloud.monthly_calls, shortest_poll=settings.cloud.shortest_poll
        )
        budget = await stack.enter_async_context(open_budget(spending, base.database, clock=clock, observer=observer))
        lease = Lease(base.database, AIRTABLE, owner=ids.trace(), clock=clock, observer=observer)
        stack.push_async_callback(lease.give_up)
        keeper = PaceKeeper(PaceSettings(), budget.ledger, clock=clock, observer=observer)
        client = AirtableClient(cloud, keeper, clock=clock, observer=told(budget.observer), transport=transport)
        stack.push_async_callback(client.close)
        supervisor = await stack.enter_async_context(Supervisor(clock=clock, observer=observer))
        apart = _Apart(base.workspace, settings)
        outbox = Outbox(
            base.workspace,
            base.database,
            client,
            Wording(told_cells, sent_cells),
            OutboxSettings(rules=_rules(base.workspace, settings.cloud.conflicts), apart=apart),
            attributed=attributed_to,
            clock=clock,
            ids=ids,
            observer=observer,
        )
        mirror = Mirror(
            base.workspace,
            base.database,
            client,
            outbox,
            settings=MirrorSettings(settings.cloud.notification_url, apart),
            rhythm=Rhythm(budget.poll_interval, lambda: max(LEAST_COMPARE, 4 * budget.poll_interval()), budget.allows),
            wake=supervisor.wake,
            clock=clock,
            ids=ids,
            observer=observer,
        )
        await outbox.open()
        await mirror.open()
        # first of all: what is under way and known to have ended need not be looked at by the next process
        stack.push_async_callback(outbox.finish, within=FINISHING)
        yield Following(budget, lease, keeper, client, supervisor, outbox, mirror)


def _start_steps(parts: Following, beats: BeatSender) -> None:
    supervisor, lease, outbox = parts.supervisor, parts.lease, parts.outbox
    recovered = False

    async def keep_lease() -> timedelta:
        nonlocal recovered
        rest = await lease.keep_once()
        if not lease.held:
            recovered = False
        elif not recovered:
            # loaded now, or the first calls would be held up by it and meet in one second at Airtable
            await parts.client.prepare()
            # before anything is sent: what the process before had under way is to be looked at
            await outbox.recover()
            recovered = True
        return rest

    def leading(step: Step) -> Step:
        async def once_recovered() -> timedelta | None:
            return await step() if recovered else timedelta(milliseconds=200)

        return lease.while_held(once_recovered)

    def allowed(step: Step) -> Step:
        async def if_allowed() -> timedelta | None:
            return await step() if parts.budget.allows(Lane.OUTBOX) else HELD

        return if_allowed

    supervisor.start("airtable.lease", keep_lease)
    supervisor.start("airtable.budget", parts.budget.round_once)
    supervisor.start(WATCH, parts.mirror.watch_once)
    for name, step in parts.mirror.steps.items():
        supervisor.start(name, leading(step))
    for name, step in outbox.steps().items():
        supervisor.start(name, leading(allowed(step) if name.startswith(("outbox.send", "outbox.look")) else step))
    supervisor.start("beats.send", leading(beats.send_once))


class _Listener:
    """Tells the budget of calls, and notes whether Airtable answers."""

    def __init__(self, budget: Observer, contacts: Contacts) -> None:
        self._budget = budget
        self._contacts = contacts

    def saw(self, fact: Fact) -> None:
        """Take note of one fact."""
        if isinstance(fact, CloudCalled):
            if fact.outcome in REACHED:
                self._contacts.heard(AIRTABLE, fact.took)
            else:
                self._contacts.failed(AIRTABLE, fact.why)
        self._budget.saw(fact)


class _Counted:
    """How much is on its way, as it was counted last."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.counts = OutboxCounts(0, 0, 0, 0, 0, None)

    async def count_once(self) -> timedelta:
        """Count anew."""
        self.counts = await self._outbox.counts()
        return COUNT_EVERY

    def facts(self) -> dict[str, JsonValue]:
        """Return the counts as JSON."""
        return outgoing_facts(self.counts)


def outgoing_facts(counts: OutboxCounts) -> dict[str, JsonValue]:
    """Return how much is on its way, as JSON."""
    return {
        "waiting": counts.waiting,
        "under_way": counts.under_way,
        "unknown": counts.unknown,
        "refused": counts.refused,
        "dead_letters": counts.dead,
        "oldest": None if counts.oldest is None else counts.oldest.isoformat(),
    }


class _Apart:
    """The tables whose records are not kept alike: the heartbeats, unless all of them go up.

    So are tables that are not told, which only a base has that is being adopted.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._named = () if settings.cloud.heartbeats == "all" else (HEARTBEATS.name,)

    def __contains__(self, table: object) -> bool:
        if any(each.id == table and not each.told for each in self._workspace.tables.values()):
            return True
        return any(_named(self._workspace, name) == table for name in self._named)


def _named(workspace: Workspace, name: str) -> TableId | None:
    try:
        return workspace.table(name).id
    except UnknownTable:
        return None


def _rules(workspace: Workspace, conflicts: Mapping[str, str]) -> Callable[[TableId], Rule]:
    def rule(table: TableId) -> Rule:
        for name, wins in conflicts.items():
            if _named(workspace, name) == table:
                return Rule(wins)
        return Rule(conflicts["*"])

    return rule


def _beats(settings: Settings) -> BeatsSettings:
    cloud = settings.cloud
    return BeatsSettings(
        BeatsMode(cloud.heartbeats), cloud.heartbeats_interval, cloud.heartbeats_keep, cloud.heartbeats_rows
    )


def _publish(metrics: Metrics, mirror: Mirror, counted: _Counted, clock: Clock) -> None:
    """Let a scrape read how fresh reads are, and what is on its way."""
    metrics.gauge(
        "connector_mirror_age_seconds",
        "How long ago everything at Airtable was here; -1 before the first copy is complete.",
        lambda: -1.0 if mirror.age is None else mirror.age.total_seconds(),
    )
    metrics.gauge("connector_mirror_position", "Webhook payloads that reads show.", lambda: mirror.position.cursor)
    metrics.gauge(
        "connector_mirror_listed",
        "Records that the last listing of each table has met; they grow while one is under way.",
        lambda: sum(each.listed for each in mirror.completeness),
    )
    metrics.gauge(
        "connector_mirror_drift_rows",
        "Rows that the last comparison of each table has repaired.",
        lambda: sum(mirror.drift.rows.values()),
    )
    metrics.gauge("connector_outgoing_waiting", "Writes that wait for Airtable.", lambda: counted.counts.waiting)
    metrics.gauge("connector_outgoing_unknown", "Writes whose outcome is unknown.", lambda: counted.counts.unknown)
    metrics.gauge(
        "connector_outgoing_refused", "Dead letters: writes that Airtable refused.", lambda: counted.counts.dead
    )
    metrics.gauge(
        "connector_outgoing_oldest_seconds",
        "Age of the oldest write that waits for Airtable; 0 when none does.",
        lambda: 0.0 if counted.counts.oldest is None else (clock.now() - counted.counts.oldest).total_seconds(),
    )
