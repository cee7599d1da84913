"""The outbox: what callers have written is sent to Airtable, in order for each record, each write once.

A call is noted before it begins, and what came of it afterwards. Where nobody can tell, a look at Airtable does. Only
the process that holds the lease may run the steps; every process may read receipts and wait for them.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.airtable import AirtableClient
from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids, RecordId, TableId
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Step
from airtable_connector.records import Actor, Workspace
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.aftermath import Aftermath
from airtable_connector.sync.outbox.bell import Bell
from airtable_connector.sync.outbox.conflicts import Conflicts
from airtable_connector.sync.outbox.errors import ReceiptNotFound, TooMuchOnItsWay
from airtable_connector.sync.outbox.intents import Intent, State
from airtable_connector.sync.outbox.letters import DeadLetters
from airtable_connector.sync.outbox.looking import Looker
from airtable_connector.sync.outbox.opening import read_open
from airtable_connector.sync.outbox.receipts import LONGEST, Receipt, ReceiptState, make_receipt, receipt_id
from airtable_connector.sync.outbox.sending import Attribution, Sender, Waits, attributed_to_nobody
from airtable_connector.sync.outbox.settling import Settlement
from airtable_connector.sync.outbox.taking import Intake
from airtable_connector.sync.outbox.wording import Wording
from airtable_connector.sync.overlay import Conflict, OpenRecord, Outgoing, Rule

POLL: Final = timedelta(seconds=1)
"""How often a waiting caller looks into the store: the process that sends may be another one."""

FORGET_STEP: Final = 1_000
FORGET_EVERY: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class OutboxSettings:
    """How callers' writes are sent.

    A call that was lost is looked at ``look_after`` it: longer than it can still be at work there. ``senders`` calls
    are under way at once, and one more that somebody waits for. Receipts are kept for ``keep``, conflicts for
    ``keep_conflicts``; ``most_waiting`` writes may wait. ``rules`` has who wins in a table; what callers do in a table
    that is ``apart`` is not sent. Both are asked each time, because the tables are known only when Airtable has told
    them.
    """

    look_after: timedelta = timedelta(seconds=120)
    senders: int = 4
    keep: timedelta = timedelta(days=7)
    keep_conflicts: timedelta = timedelta(days=90)
    most_waiting: int = 100_000
    rules: Callable[[TableId], Rule] = lambda _: Rule.NEWEST
    apart: Container[TableId] = frozenset()


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How much is on its way, and since when."""

    waiting: int
    under_way: int
    unknown: int
    refused: int
    dead: int
    oldest: datetime | None


class Outbox(Outgoing):
    """Callers' writes on their way to Airtable, and what became of them."""

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        client: AirtableClient,
        wording: Wording,
        settings: OutboxSettings,
        *,
        clock: Clock,
        ids: Ids,
        observer: Observer,
        attributed: Attribution = attributed_to_nobody,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._settings = settings
        self._clock = clock
        self._news = Bell(clock=clock)
        self._waits = Waits()
        self._open = 0
        self._intake = Intake(workspace, database, apart=settings.apart)
        self._conflicts = Conflicts(database, settings.rules, clock=clock, observer=observer)
        settlement = Settlement(workspace, database, self._intake, wording, clock=clock, ids=ids)
        aftermath = Aftermath(database, settlement, clock=clock, look_after=settings.look_after)
        self._sender = Sender(
            workspace,
            database,
            client,
            aftermath,
            wording,
            waits=self._waits,
            news=self._news,
            clock=clock,
            ids=ids,
            observer=observer,
            attributed=attributed,
        )
        self._looker = Looker(
            workspace,
            database,
            client,
            sender=self._sender,
            aftermath=aftermath,
            settlement=settlement,
            conflicts=self._conflicts,
            wording=wording,
            look_after=settings.look_after,
            news=self._news,
            clock=clock,
            observer=observer,
        )
        self._letters = DeadLetters(workspace, database, clock=clock)

    async def open(self) -> None:
        """Learn how far the feed was taken. To be called before callers may write; the first time begins here."""
        await self._intake.begin()
        await self.counts()

    async def recover(self) -> None:
        """Let looks settle what another process had under way. To be called whenever this one gets the lease."""
        await self._looker.recover()

    async def finish(self, *, within: timedelta) -> None:
        """Begin no more calls, and wait for those under way: what they have done need not be looked at later."""
        await self._sender.finish(within=within)

    def steps(self) -> Mapping[str, Step]:
        """Return the steps that send, by name; for the process that holds the lease, once it has recovered."""
        sending = {f"outbox.send-{number}": self.send_once for number in range(1, self._settings.senders + 1)}
        return {
            "outbox.take": self.take_once,
            **sending,
            "outbox.send-waited-for": self._sender.send_waited_once,
            "outbox.look": self.look_once,
            "outbox.forget": self.forget_once,
        }

    # steps

    async def take_once(self) -> timedelta:
        """Take what callers have written, as soon as the feed moves."""
        before = self._intake.position
        if await self.take() == before:
            await self._workspace.advance_beyond(before, within=POLL)
        return timedelta(0)

    async def send_once(self) -> timedelta | None:
        """Make the next call, or wait for news when there is none to make. Several may be at work at once."""
        return await self._sender.send_once()

    async def look_once(self) -> timedelta:
        """Look at what a lost call has done, or put back what was refused; wait for news when nothing is due."""
        return await self._looker.look_once()

    async def forget_once(self) -> timedelta:
        """Forget writes that were done long ago, and count the others."""
        async with self._database.transaction() as tx:
            now = self._clock.now()
            forgotten = await rows.forget(tx, before=now - self._settings.keep, count=FORGET_STEP)
            await self._conflicts.forget(tx, before=now - self._settings.keep_conflicts)
        await self.counts()
        return timedelta(0) if forgotten == FORGET_STEP else FORGET_EVERY

    # what is open (`Outgoing`)

    async def take(self) -> int:
        """Take note of all that callers have written, and return the feed position up to which that is so."""
        before = self._intake.position
        position = await self._intake.take()
        if position != before:
            self._news.ring()
            self._open += position - before  # too many at most, until they are counted
        return position

    async def open_cells(self, records: Collection[RecordId], *, since: datetime) -> Mapping[RecordId, OpenRecord]:
        """Return what is open for those of the records for which anything is, or was at that moment."""
        async with self._database.reading() as reader:
            return await read_open(reader, self._workspace, records, since=since)

    async def record_conflicts(self, conflicts: Sequence[Conflict]) -> None:
        """Keep conflicts for people, and send no value any more that has lost."""
        await self._conflicts.record(conflicts)

    def rule(self, table: TableId) -> Rule:
        """Return who wins in a table."""
        return self._conflicts.rule(table)

    async def conflicts(self, *, before: int | None = None, count: int) -> Sequence[Conflict]:
        """Return up to ``count`` conflicts, those of the newest writes first, before the intent of a number."""
        return await self._conflicts.newest(before=before, count=count)

    # what callers are told

    async def receipt(self, first: int, seq: int) -> Receipt:
        """Return what is known of the request whose feed entries are those from ``first`` through ``seq``.

        Raises:
            ReceiptNotFound: there is no such request, or it was forgotten.
        """
        if first == seq + 1:
            return Receipt(first, seq, ReceiptState.DONE, ())  # the request changed nothing
        if not 0 < first <= seq < first + LONGEST or seq > self._workspace.head.seq:
            raise ReceiptNotFound(receipt_id(first, seq))
        async with self._database.reading() as reader:
            intents = await rows.in_range(reader, 2 * first, 2 * seq + 1, count=2 * LONGEST)
            taken = await rows.read_cursor(reader, rows.TAKEN)
            forgotten = await rows.read_cursor(reader, rows.FORGOTTEN)
        if not intents and first <= forgotten:
            raise ReceiptNotFound(receipt_id(first, seq))
        return make_receipt(first, seq, intents, taken=taken >= seq)

    async def wait(self, first: int, seq: int, *, within: timedelta) -> Receipt:
        """Return the receipt as soon as it is final, or as it is when the time is over. Its writes go first meanwhile.

        Raises:
            ReceiptNotFound: as for `receipt`.
        """
        deadline = self._clock.monotonic() + within.total_seconds()
        wait = object()
        self._waits.add(wait, first, seq)
        self._news.ring()
        try:
            while True:
                rung = self._news.listen()
                receipt = await self.receipt(first, seq)
                left = timedelta(seconds=deadline - self._clock.monotonic())
                if receipt.final or left <= timedelta(0):
                    return receipt
                await self._news.wait(rung, within=min(left, POLL))
        finally:
            self._waits.remove(wait)

    async def dead_letters(self, *, before: int | None = None, count: int) -> Sequence[Intent]:
        """Return up to ``count`` refused writes before a number, newest first."""
        return await self._letters.newest(before=before, count=count)

    async def replay(self, number: int, fields: Mapping[str, object] | None = None, *, actor: Actor) -> tuple[int, int]:
        """Write a refused write again, perhaps with other cells; see `DeadLetters.replay`."""
        return await self._letters.replay(number, fields, actor=actor)

    async def drop(self, number: int) -> None:
        """Let a refused write go; see `DeadLetters.drop`."""
        await self._letters.drop(number)

    async def drop_unsent(self) -> None:
        """Let go of all writes that Airtable has not taken, refused ones as well. What was written stays here."""
        async with self._database.transaction() as tx:
            await rows.drop_unsent(tx)

    # how it stands

    async def counts(self) -> OutboxCounts:
        """Count what is on its way, as the store has it."""
        async with self._database.reading() as reader:
            found, oldest = await rows.counts(reader)
        self._open = sum(count for state, count in found.items() if state is not State.DEAD)
        return OutboxCounts(
            found.get(State.WAITING, 0),
            found.get(State.SENDING, 0),
            found.get(State.UNKNOWN, 0),
            found.get(State.REFUSED, 0),
            found.get(State.DEAD, 0),
            oldest,
        )

    def check_room(self) -> None:
        """Refuse one more write when too many wait. Those that were sent count until `counts` is asked the next time.

        Raises:
            TooMuchOnItsWay: it is not to be taken.
        """
        if self._open >= self._settings.most_waiting:
            raise TooMuchOnItsWay(self._open, retry_after=timedelta(minutes=1))
