"""Making an embedded base the mirror of one at Airtable, for the command ``adopt``; no part of the face."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import orjson

from airtable_connector.airtable import Lane, value_of
from airtable_connector.compose.base import Base, open_base
from airtable_connector.compose.errors import (
    AdoptedBefore,
    BaseNotPrepared,
    RecordsAtAirtable,
    ServiceRuns,
    SyncNotDone,
    WritesOnTheirWay,
)
from airtable_connector.compose.mirroring import Following, open_following
from airtable_connector.compose.syncing import Sync
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Observer
from airtable_connector.records import Actor, Table, is_aside
from airtable_connector.settings import Settings
from airtable_connector.sync.adoption import Moved, move
from airtable_connector.sync.base_schema import ByHand, CloudSchema, Differs, Finding, compare, read_target
from airtable_connector.sync.outbox import OutboxCounts

LOOK_EVERY: Final = timedelta(seconds=1)


class Adoption:
    """A store whose base changes sides. Make one with `open_adoption`."""

    def __init__(
        self, settings: Settings, base: Base, parts: Following, *, clock: Clock, ids: Ids, observer: Observer
    ) -> None:
        self._settings = settings
        self._workspace = base.workspace
        self._parts = parts
        self._sync = Sync(settings, base, parts, clock=clock)
        self._clock = clock
        self._ids = ids
        self._observer = observer

    async def check(self, *, beside_others: bool) -> None:
        """See to it that the records can go to Airtable; what was begun before a crash may go on.

        Raises:
            ServiceRuns, BaseNotPrepared, RecordsAtAirtable, AdoptedBefore: they cannot.
            BudgetHeld: no call may be made.
            CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
        """
        if not await self._sync.leads():
            raise ServiceRuns
        own = [table for table in self._own() if not is_aside(table)]
        if own:
            await self._check_schema(own)
            if not beside_others:
                await self._check_empty(own)

    async def move(self) -> Moved:
        """Make the store a mirror whose records are on their way to Airtable.

        Raises:
            NoWebhookFree, SchemaNotBelieved, CloudUnavailable, CloudDenied, CloudRefused: Airtable did not do it.
            LeaseLost: the store was away for too long.
        """
        if not self._own():
            return Moved()
        actor = Actor(self._settings.droplet.id, self._ids.trace())
        await self._workspace.set_aside(actor=actor)
        # brings the tables, and records that are there already; a webhook tells from here on what people do there
        await self._sync.now(within=timedelta(0))
        return await self._sync.while_led(move(self._workspace, actor=actor, ids=self._ids))

    async def leave(self, *, drop_unsent: bool) -> None:
        """Make the mirror a base of its own, as Airtable has it now. Run again after a crash, it goes on.

        Raises:
            ServiceRuns, WritesOnTheirWay, CannotBeOwned: it cannot be, and is as it was.
            BudgetHeld, CloudUnavailable, CloudDenied, CloudRefused, CloudOutcomeUnknown: Airtable did not do it.
            LeaseLost: the store was away for too long.
        """
        if not await self._sync.leads():
            raise ServiceRuns
        outbox = self._parts.outbox
        if any(table.told for table in self._workspace.tables.values()):
            if not await self._sync.now(within=timedelta(0)):
                raise SyncNotDone(retry_after=LOOK_EVERY)
            await outbox.take()
            counts = await outbox.counts()
            waiting = _on_their_way(counts)
            if (waiting or counts.dead) and not drop_unsent:
                raise WritesOnTheirWay(waiting, counts.dead)
            await self._workspace.own_tables(actor=Actor(self._settings.droplet.id, self._ids.trace()))
        await outbox.drop_unsent()
        await self._parts.mirror.leave()

    async def send(self, tell: Callable[[int], None]) -> OutboxCounts:
        """Send all that waits, and return what is left: nothing but dead letters. ``tell`` is told what is on its way.

        Raises:
            BudgetHeld: the month's calls are spent; `serve` goes on when there are new ones.
            LeaseLost: the store was away for too long.
        """
        outbox, lease = self._parts.outbox, self._parts.lease
        await outbox.recover()
        for name, step in outbox.steps().items():
            self._parts.supervisor.start(name, lease.while_held(step))
        left = await self._sync.while_led(self._until_sent(tell))
        await self._sync.now(within=timedelta(0))
        return left

    async def _until_sent(self, tell: Callable[[int], None]) -> OutboxCounts:
        while True:
            await self._parts.outbox.take()
            counts = await self._parts.outbox.counts()
            open_now = _on_their_way(counts)
            tell(open_now)
            if not open_now:
                return counts
            self._parts.budget.check(Lane.OUTBOX)
            await self._clock.sleep(LOOK_EVERY)

    def _own(self) -> list[Table]:
        return [table for table in self._workspace.tables.values() if not table.told]

    async def _check_schema(self, own: Sequence[Table]) -> None:
        schema = CloudSchema(self._parts.client, clock=self._clock, observer=self._observer)
        there = await schema.read()
        if {table.id for table in own} & {table.id for table in there.tables}:
            raise AdoptedBefore
        plan = compare(read_target(orjson.dumps([table.definition() for table in own])), there)
        if not plan.complete:
            raise BaseNotPrepared([_lacking(each) for each in (*plan.steps, *plan.for_people)])

    async def _check_empty(self, own: Sequence[Table]) -> None:
        names = {table.name.casefold() for table in own}
        filled = []
        for table in value_of(await self._parts.client.schema(lane=Lane.WEBHOOKS)):
            if table.name.casefold() in names:
                page = value_of(await self._parts.client.list_page(table.id, lane=Lane.MIRROR, page_size=1))
                filled += [table.name] if page.records else []
        if filled:
            raise RecordsAtAirtable(filled)


def _on_their_way(counts: OutboxCounts) -> int:
    return counts.waiting + counts.under_way + counts.unknown + counts.refused


def _lacking(finding: Finding) -> str:
    match finding:
        case ByHand(do=do):
            return do
        case Differs(table=table, field=field, what=what):
            return f"the {what} of {table}" + (f".{field}" if field else "")
        case _:
            return finding.name


@asynccontextmanager
async def open_adoption(settings: Settings, *, clock: Clock, ids: Ids, observer: Observer) -> AsyncIterator[Adoption]:
    """Open a store whose base is to change sides; nothing is changed by that.

    Raises:
        AirtableNotNamed: the settings name no base at Airtable.
        StoreUnavailable, NewerDatabase: the store cannot be opened.
    """
    async with (
        open_base(settings, clock=clock, ids=ids, observer=observer) as base,
        open_following(settings, base, told=lambda budget: budget, clock=clock, ids=ids, observer=observer) as parts,
    ):
        yield Adoption(settings, base, parts, clock=clock, ids=ids, observer=observer)
