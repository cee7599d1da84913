"""The maker of payloads: follows the feed and writes down, webhook by webhook, what each is to be told."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import orjson

from airtable_connector.database import Database, Transaction
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.ids import BaseId, TableId
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.ops.heartbeats.cursors import lock_cursor, move_cursor, read_cursor
from airtable_connector.ops.webhooks.hook import Hook, read_enabled_hooks
from airtable_connector.ops.webhooks.past import read_past
from airtable_connector.ops.webhooks.payloads import Scene, fault_payload, outline, payload_of, schema_payload
from airtable_connector.ops.webhooks.transactions import Transaction as Told
from airtable_connector.ops.webhooks.transactions import transactions, whole
from airtable_connector.ops.webhooks.watch import Fault
from airtable_connector.records import Change, Table, Workspace

READER: Final = "webhooks"
"""The reader of the feed that makes payloads."""

BATCH: Final = 200
"""Feed entries told together: so few that no request waits noticeably while they are computed."""

GATHER: Final = timedelta(milliseconds=200)
"""Between two looks at a feed that moves: what comes meanwhile is written down in one commit."""

LOOK_AGAIN: Final = timedelta(seconds=15)
"""How long a feed that stands still is waited for; then schema and webhooks are looked at all the same."""

IDLE: Final = timedelta(seconds=5)
"""Between two looks whether there is a webhook, made by another process."""

CATCH_UP: Final = 20
"""Batches made while somebody waits who asks for payloads."""

READ_IN_VAIN: Final = 10_000
"""Entries that nobody watches may be so many before it is kept that they were read."""

MOST_PAYLOADS: Final = 100_000
"""Payloads kept for one webhook; the oldest go first, unread ones, too."""

_KEEP = (
    "update webhooks set next_payload = next_payload + :count, is_enabled = :is_enabled,"
    " outline = coalesce(:outline, outline),"
    " due_at = case when notifies = 1 and url is not null and :count > 0 then coalesce(due_at, :now) else due_at end"
    " where id = :id and is_enabled = 1 returning next_payload"
)
_ADD = "insert into webhook_payloads (hook, number, at, size, body) values (:hook, :number, :at, :size, :body)"
_DROP_OLDEST = "delete from webhook_payloads where hook = :hook and number < :first"


@dataclass(frozen=True)
class WebhookFailed(Fact):
    """A webhook was switched off for good, because what its specification names is gone."""

    hook: str
    fault: str


@dataclass(frozen=True)
class PayloadsDropped(Fact):
    """A webhook had more payloads than are kept; its oldest went before their time."""

    hook: str
    payloads: int


@dataclass
class _Made:
    """What one webhook is to be told next."""

    hook: Hook
    payloads: list[tuple[str, bytes]] = field(default_factory=list)
    outline: str | None = None
    fault: Fault | None = None

    @property
    def is_news(self) -> bool:
        return bool(self.payloads) or self.outline is not None


class PayloadMaker:
    """Makes payloads exactly once, in the order of the feed, with numbers that count up from 1.

    A payload, its number and the position of the feed are written in one transaction. Several replicas may do this
    over one database: whoever finds that the position was moved begins anew.
    """

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        *,
        us: int,
        wake_courier: Callable[[], None],
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._us = us
        self._wake_courier = wake_courier
        self._clock = clock
        self._observer = observer
        self._turn = asyncio.Lock()
        self._read_to = 0
        self._watched = False

    async def make_once(self) -> timedelta:
        """Do one round as a supervisor's step, and wait for the feed to move when there is nothing left."""
        if await self._round():
            return timedelta(0)
        if not self._watched:
            return IDLE
        await self._workspace.advance_beyond(self._read_to, within=LOOK_AGAIN)
        return GATHER

    async def catch_up(self) -> None:
        """Make the payloads of everything that was written before, in other processes, too.

        What is left after `CATCH_UP` batches comes later.
        """
        await self._workspace.follow()
        for _ in range(CATCH_UP):
            if not await self._round():
                return

    async def _round(self) -> bool:
        """Tell what a batch of entries means to each webhook; True when more is waiting."""
        async with self._turn:
            stored = await self._stored_position()
            if stored is None:
                return False
            start = max(stored, self._read_to)
            changes, more = await self._news(start)
            # read after the changes: a webhook that is missing here began after them
            made = [each for each in await self._make(changes) if each.is_news]
            through = changes[-1].seq if changes else start
            if (made or through - stored > READ_IN_VAIN) and not await self._keep(made, stored, through):
                return True
            # only now: what could not be written down is made again
            self._read_to = through
            return more

    async def _stored_position(self) -> int | None:
        """Return how far the feed was told to the webhooks; None when there are none."""
        async with self._database.reading() as reader:
            self._watched = bool(await read_enabled_hooks(reader))
            return await read_cursor(reader, READER) if self._watched else None

    async def _news(self, after: int) -> tuple[Sequence[Change], bool]:
        """Read whole requests; a request that is larger than a batch is read to its end."""
        count = BATCH
        while True:
            changes = await self._workspace.changes(after=after, count=count)
            if len(changes) < count:
                return changes, False
            if complete := whole(changes):
                return complete, True
            count *= 2

    async def _make(self, changes: Sequence[Change]) -> list[_Made]:
        told = list(transactions(changes))
        async with self._database.reading() as reader:
            hooks = await read_enabled_hooks(reader)
            beside = any(hook.watch.included for hook in hooks)
            tables = {base: self._tables_of(base) for base in {hook.base for hook in hooks}}
            watched = {table: known for each in tables.values() for table, known in each.items()}
            past = await read_past(reader, told, watched, beside=beside)
        made = []
        for hook in hooks:
            there = tables[hook.base]
            scene = Scene(there, past, self._us)
            each = self._look(hook, there)
            if each.fault is None:
                for transaction in _within(there, told):
                    if transaction.number > hook.since and parse_iso(transaction.at) < hook.expires_at:
                        payload = payload_of(transaction, hook.watch, scene)
                        each.payloads += [] if payload is None else [(transaction.at, payload)]
                    await self._clock.sleep(timedelta(0))
            made.append(each)
        return made

    def _tables_of(self, base: BaseId | None) -> Mapping[TableId, Table]:
        return {table.id: table for table in self._workspace.tables_of(base).values()}

    def _look(self, hook: Hook, tables: Mapping[TableId, Table]) -> _Made:
        """Tell a webhook how the schema changed since it was told last, or that it cannot go on."""
        at, seq = self._clock.now(), self._workspace.head.seq
        if not hook.lives(at) or hook.since > seq:
            # in the second case another process made it, perhaps over a base that this one does not show yet
            return _Made(hook)
        fault = hook.watch.fault(tables)
        if fault is not None:
            return _Made(hook, [(iso(at), fault_payload(fault, at=iso(at), seq=seq))], fault=fault)
        if hook.outline is None or outline(tables) == hook.outline:
            return _Made(hook)
        payload = schema_payload(hook.outline, outline(tables), hook.watch, at=iso(at), seq=seq)
        return _Made(hook, [] if payload is None else [(iso(at), payload)], write_outline(tables))

    async def _keep(self, made: Sequence[_Made], stored: int, through: int) -> bool:
        """Write down what was made; False when another process has made payloads from the same position."""
        async with self._database.transaction() as tx:
            if await lock_cursor(tx, READER) != stored:
                return False
            for each in made:
                await self._keep_one(tx, each)
                # statements run on the event loop; others get a turn
                await self._clock.sleep(timedelta(0))
            await move_cursor(tx, READER, through)
        for each in made:
            if each.fault is not None:
                self._observer.saw(WebhookFailed(each.hook.id, str(each.fault)))
        self._wake_courier()
        return True

    async def _keep_one(self, tx: Transaction, made: _Made) -> None:
        count = len(made.payloads)
        row = await tx.one(
            _KEEP,
            id=made.hook.id,
            count=count,
            is_enabled=int(made.fault is None),
            outline=made.outline,
            now=iso(self._clock.now()),
        )
        if row is None:
            return  # it was deleted meanwhile
        first = int(row[0]) - count
        rows = [
            {"hook": made.hook.id, "number": first + place, "at": at, "size": len(body), "body": body.decode()}
            for place, (at, body) in enumerate(made.payloads)
        ]
        await tx.run_many(_ADD, rows)
        dropped = await tx.run(_DROP_OLDEST, hook=made.hook.id, first=first + count - MOST_PAYLOADS)
        if dropped:
            self._observer.saw(PayloadsDropped(made.hook.id, dropped))


def _within(tables: Mapping[TableId, Table], told: Sequence[Told]) -> Sequence[Told]:
    """Return the transactions that changed records of these tables."""
    return [each for each in told if not tables.keys().isdisjoint(each.records)]


def write_outline(tables: Mapping[TableId, Table]) -> str:
    """Write down how a webhook knows the schema."""
    return orjson.dumps(outline(tables)).decode()
