"""Sending: one call after the other, noted before it begins and settled after it.

What a call carries is settled when its turn comes. Writes that come while it waits travel with it, so that eight
callers who wait do not take eight calls; and until then a write can still be swallowed by a later one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

from airtable_connector.airtable import (
    AirtableClient,
    Cells,
    Change,
    CloudClientClosed,
    Done,
    Lane,
    NotDone,
    Place,
    Refused,
    Why,
)
from airtable_connector.database import Database, Reader, Transaction
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import LimitReached
from airtable_connector.kernel.ids import Ids, RecordId, TableId
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.records import Table, Workspace
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.aftermath import Aftermath
from airtable_connector.sync.outbox.bell import Bell
from airtable_connector.sync.outbox.fates import Answered, after_call, is_about_us
from airtable_connector.sync.outbox.intents import (
    MOST_TOGETHER,
    CreationKey,
    Element,
    Intent,
    Kind,
    Result,
    State,
    by_target,
    creation_key,
    linked,
)
from airtable_connector.sync.outbox.opening import table_or_none, with_real_links
from airtable_connector.sync.outbox.planning import Call, Known, Plan, plan
from airtable_connector.sync.outbox.wording import Wording

IDLE: Final = timedelta(seconds=1)
"""How long nobody looks for work when no news came; news of another process comes in no other way."""

REST: Final = timedelta(seconds=30)
"""How long a table rests after Airtable has refused our key or the table's address."""

GATHERING: Final[Mapping[Lane, timedelta]] = MappingProxyType(
    {Lane.WAITING_CALLER: timedelta(milliseconds=15), Lane.OUTBOX: timedelta(milliseconds=100)}
)
"""How long a write lets others come that travel with it: callers who wait for the same call go on together."""

LONGEST_PAUSE: Final = timedelta(seconds=30)
CANDIDATES: Final = 100
MOST_READ: Final = 2_000

TABLE_GONE: Final = "its table is not in the base any more"


Attribution: TypeAlias = Callable[[Sequence[int]], AbstractContextManager[None]]
"""Counts the calls that are made within it as those of droplets, each as often as it is named."""


def attributed_to_nobody(_droplets: Sequence[int]) -> AbstractContextManager[None]:
    """Count no calls."""
    return nullcontext()


@dataclass(frozen=True)
class CallSettled(Fact):
    """A call that wrote to Airtable has ended, and what came of it is noted. ``actors`` are the droplets it was for."""

    table: TableId
    kind: Kind
    outcome: str
    records: int
    actors: frozenset[int]


@dataclass(frozen=True)
class OutboxRests(Fact):
    """Nothing of a table is sent for a while: Airtable refuses our key, or does not know the table's address."""

    table: TableId
    status: int
    type: str
    rest: timedelta


class _PlanOutdated(Exception):
    """Another process has sent some of what was planned; nothing was changed."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """A call that is noted as begun."""

    id: str
    call: Call
    table: Table
    place: Place


class Waits:
    """Whose writes somebody waits for at this moment: the feed positions of their requests."""

    def __init__(self) -> None:
        self._ranges: dict[object, tuple[int, int]] = {}

    def add(self, wait: object, first: int, last: int) -> None:
        """Note that somebody waits."""
        self._ranges[wait] = (first, last)

    def remove(self, wait: object) -> None:
        """Note that they wait no more."""
        del self._ranges[wait]

    def oldest(self, count: int) -> Sequence[tuple[int, int]]:
        """Return the ranges of those that wait longest."""
        return list(self._ranges.values())[:count]

    def covers(self, seq: int) -> bool:
        """Tell whether somebody waits for the write at a position."""
        return any(first <= seq <= last for first, last in self._ranges.values())


class Sender:
    """Plans calls and makes them. Several may be under way at once: an intent is never in two of them."""

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        client: AirtableClient,
        aftermath: Aftermath,
        wording: Wording,
        *,
        waits: Waits,
        news: Bell,
        clock: Clock,
        ids: Ids,
        observer: Observer,
        attributed: Attribution,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._client = client
        self._aftermath = aftermath
        self._wording = wording
        self._waits = waits
        self._news = news
        self._attributed = attributed
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._planning = asyncio.Lock()
        self._finishing = False
        self._failures = 0
        self._rests_until = clock.monotonic()
        self._tables_rest: dict[TableId, float] = {}
        self._searched_for: Sequence[Element] = ()
        self.under_way: set[str] = set()
        """The calls that this process has noted and not settled yet."""
        self.left_open = False
        """Whether a call was noted and its outcome could not be."""

    async def send_once(self) -> timedelta | None:
        """Make the next call, or wait for news when there is none to make."""
        return await self._round(only_waited_for=False)

    async def send_waited_once(self) -> timedelta | None:
        """Make the next call that somebody waits for, so that none of the others keeps them waiting."""
        return await self._round(only_waited_for=True)

    async def finish(self, *, within: timedelta) -> None:
        """Begin no more calls, and wait for those under way, no longer than that."""
        self._finishing = True
        deadline = self._clock.monotonic() + within.total_seconds()
        while self.under_way and (left := deadline - self._clock.monotonic()) > 0:
            await self._news.wait(self._news.listen(), within=timedelta(seconds=left))

    async def _round(self, *, only_waited_for: bool) -> timedelta | None:
        if self._finishing:
            return None
        rung = self._news.listen()
        if self._rest_left > timedelta(0):
            return self._rest_left
        call = await self._next(only_waited_for=only_waited_for)
        if call is None:
            await self._news.wait(rung, within=IDLE)
            return timedelta(0)
        lane = self._lane(call)
        if len(call.elements) < MOST_TOGETHER:
            await self._clock.sleep(GATHERING[lane])
        place = await self._place(lane)
        if place is not None:
            try:
                await self._send(place, only_waited_for=only_waited_for)
            finally:
                place.leave()
        return timedelta(0)

    async def _place(self, lane: Lane) -> Place | None:
        """Wait until a call's turn is about to come; None when none may be made, and all rest."""
        try:
            return await self._client.place(lane)
        except LimitReached as refusal:
            self._rest(min(refusal.retry_after, LONGEST_PAUSE))
        except CloudClientClosed:
            self._rest(LONGEST_PAUSE)
        return None

    async def _send(self, place: Place, *, only_waited_for: bool) -> None:
        """Settle what the call carries, now that its turn comes, and make it; others may have sent that meanwhile."""
        async with self._planning:
            call = await self._plan(only_waited_for=only_waited_for)
            if call is None or self._lane(call) is not place.lane:
                return
            noted = await self._note(call, place)
        if noted is not None:
            await self._make(noted)

    async def _make(self, noted: _Noted) -> None:
        actors = [intent.actor for element in noted.call.elements for intent in element.intents]
        try:
            with self._attributed(actors):
                outcome = await self._ask(noted)
            self._heed(noted.table.id, outcome)
            await self._aftermath.apply(noted.table, after_call(noted.call, outcome))
        except BaseException:
            self.left_open = True
            raise
        finally:
            self.under_way.discard(noted.id)
            self._news.ring()
        self._observer.saw(
            CallSettled(
                noted.table.id, noted.call.kind, type(outcome).__name__, len(noted.call.elements), frozenset(actors)
            )
        )

    def _heed(self, table: TableId, outcome: Answered) -> None:
        if isinstance(outcome, NotDone) and outcome.why is not Why.LOCKED_OUT:  # a lock-out is heeded by the pace
            pause = outcome.pause or min(timedelta(seconds=2.0 ** min(self._failures, 10)), LONGEST_PAUSE)
            self._failures += 1
            self._rest(pause)
        elif isinstance(outcome, Done | Refused):
            self._failures = 0
        if isinstance(outcome, Refused) and is_about_us(outcome):
            self._tables_rest[table] = self._clock.monotonic() + REST.total_seconds()
            self._observer.saw(OutboxRests(table, outcome.status, outcome.type, REST))

    @property
    def _rest_left(self) -> timedelta:
        return timedelta(seconds=self._rests_until - self._clock.monotonic())

    def _rest(self, pause: timedelta) -> None:
        self._rests_until = max(self._rests_until, self._clock.monotonic() + pause.total_seconds())

    @asynccontextmanager
    async def held(self, creates: Sequence[Element]) -> AsyncIterator[None]:
        """Note no call meanwhile that makes a record which a search for these creates could take for theirs."""
        async with self._planning:
            self._searched_for = creates
        try:
            yield
        finally:
            self._searched_for = ()

    # what is sent next

    async def _next(self, *, only_waited_for: bool) -> Call | None:
        async with self._planning:
            return await self._plan(only_waited_for=only_waited_for)

    async def _plan(self, *, only_waited_for: bool) -> Call | None:
        if self._finishing or self._rest_left > timedelta(0):
            return None
        async with self._database.reading() as reader:
            urgent = await self._urgent(reader)
            if only_waited_for and not urgent:
                return None
            others = await rows.sendable(reader, but=self._resting(), count=CANDIDATES)
            candidates = [*urgent, *(each for each in others if each not in urgent)]
            homeless = [each for each in candidates if table_or_none(self._workspace, each) is None]
            candidates = [each for each in candidates if each not in homeless]
            planned = plan(candidates, await self._known(reader, candidates))
        await self._let_go(planned, homeless)
        return planned.call

    async def _note(self, call: Call, place: Place) -> _Noted | None:
        noted = _Noted(self._ids.mint("cal"), call, self._workspace.table(call.table), place)
        self.under_way.add(noted.id)
        try:
            async with self._database.transaction() as tx:
                await self._note_in(tx, noted)
        except _PlanOutdated:
            self.under_way.discard(noted.id)
            return None
        except BaseException:
            self.under_way.discard(noted.id)
            self.left_open = True  # the commit's outcome may be unknown
            raise
        return noted

    async def _note_in(self, tx: Transaction, noted: _Noted) -> None:
        if not await rows.send(tx, noted.call.numbers, noted.id, at=self._clock.now()):
            raise _PlanOutdated  # which takes back what was noted

    def _lane(self, call: Call) -> Lane:
        seqs = {intent.seq for element in call.elements for intent in element.intents}
        return Lane.WAITING_CALLER if any(map(self._waits.covers, seqs)) else Lane.OUTBOX

    async def _let_go(self, planned: Plan, homeless: Sequence[Intent]) -> None:
        if not planned.needless and not homeless:
            return
        async with self._database.transaction() as tx:
            now = self._clock.now()
            needless = [number for element in planned.needless for number in element.numbers]
            await rows.end(tx, needless, Result.DONE, at=now)
            numbers = [intent.number for intent in homeless]
            await rows.end(tx, numbers, Result.NONE, at=now, reason=TABLE_GONE, state=State.DEAD)
        self._news.ring()

    def _resting(self) -> Iterable[TableId]:
        now = self._clock.monotonic()
        self._tables_rest = {table: until for table, until in self._tables_rest.items() if until > now}
        return self._tables_rest

    async def _urgent(self, reader: Reader) -> list[Intent]:
        found: list[Intent] = []
        for first, last in self._waits.oldest(20):
            found += await rows.waited_for(reader, 2 * first, 2 * last + 1, but=self._resting(), count=10)
        return found

    async def _known(self, reader: Reader, candidates: Sequence[Intent]) -> Known:
        found = await rows.open_of(reader, {each.target for each in candidates}, count=MOST_READ)
        intents = await with_real_links(reader, self._workspace, found)
        keys = {each.table: creation_key(self._workspace.table(each.table)) for each in candidates}
        links = {each.number: linked(self._workspace.table(each.table), each.cells) for each in intents}
        return Known(
            open=by_target(intents),
            keys=keys,
            linked=links,
            unborn=await rows.unborn(reader, frozenset[RecordId]().union(*links.values())),
            rivals=[each for table in keys for each in await self._rivals(reader, table, intents)],
            searched_for=self._searched_for,
        )

    async def _rivals(self, reader: Reader, table: TableId, intents: Sequence[Intent]) -> list[Intent]:
        held = frozenset[str]().union(*(each.keys for each in intents if each.table == table))
        return await rows.rivals(reader, table, held, count=MOST_READ) if held else []

    # the call itself

    async def _ask(self, noted: _Noted) -> Answered:
        try:
            return await self._write(noted)
        except LimitReached as refusal:  # before anything was sent
            return NotDone(Why.QUOTA_SPENT, pause=min(refusal.retry_after, LONGEST_PAUSE))
        except CloudClientClosed:
            return NotDone(Why.UNREACHED, pause=LONGEST_PAUSE)

    async def _write(self, noted: _Noted) -> Answered:
        call, table, place = noted.call, noted.table, noted.place
        match call.kind:
            case Kind.DELETE:
                return await self._client.delete(table.id, [each.target for each in call.elements], lane=place)
            case Kind.UPDATE:
                changes = [Change(each.target, self._wording.sent(table, each.cells)) for each in call.elements]
                return await self._client.update(table.id, changes, lane=place)
            case Kind.CREATE:
                key = creation_key(table)
                records = [self._new_cells(table, each, key) for each in call.elements]
                if call.upsert and key is not None:
                    return await self._client.upsert(table.id, records, on=[key.field], lane=place)
                return await self._client.create(table.id, records, lane=place)

    def _new_cells(self, table: Table, element: Element, key: CreationKey | None) -> Cells:
        filled = {name: cell for name, cell in element.cells.items() if cell is not None}
        if key is not None and key.minted:
            filled[key.field] = element.first.record
        return self._wording.sent(table, filled)
