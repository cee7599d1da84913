"""The one writer: takes what waits, decides it as one draft, saves it in one transaction, answers after the commit."""

import asyncio
import dataclasses
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airtable_connector.database import Database, Reader, Transaction
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import Ids, TableId
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.kernel.supervisor import StepFailed
from airtable_connector.records import storage
from airtable_connector.records.catalogue import Catalogue, described
from airtable_connector.records.draft import Draft, recognise
from airtable_connector.records.errors import QueueFull, RequestInFlight, StoreClosing
from airtable_connector.records.feed import Head
from airtable_connector.records.preparing import (
    Ready,
    links_to_empty,
    links_to_redirect,
    needs,
    partners,
    prepare_all,
    renewed,
)
from airtable_connector.records.requests import (
    MESSAGE_KEY,
    Actor,
    Create,
    Done,
    LogEvent,
    Merge,
    Outcome,
    Repeatable,
    Replayed,
    StoredAnswer,
    Upsert,
    WriteRequest,
)
from airtable_connector.records.schema import Table
from airtable_connector.records.shelving import Shelving

if TYPE_CHECKING:
    from airtable_connector.records.computing import Plan, Settling

MOST_WAITING = 20_000
"""Operations that may wait for the writer; one more request is refused."""

BATCH = 1_000
"""Operations that one transaction takes up; a single request may be larger."""

PROBE_EVERY = timedelta(seconds=5)


@dataclass(frozen=True)
class Committed(Fact):
    """A transaction was made durable."""

    requests: int
    operations: int
    seconds: float
    head: int


@dataclass(frozen=True)
class CommitFailed(Fact):
    """A transaction was refused by the database; its requests were told so."""

    requests: int
    error: Exception


@dataclass(frozen=True)
class StoreRecovered(Fact):
    """The store takes writes again."""


class _NotCommitted(Exception):
    """A bug of ours that showed before the commit, so that nothing took effect."""

    def __init__(self, bug: Exception) -> None:
        super().__init__(str(bug))
        self.bug = bug


@dataclass(frozen=True, slots=True)
class _Schema:
    """The tables in force, and how their computed fields are computed."""

    tables: Mapping[TableId, Table]
    plan: "Plan | None"


@dataclass(slots=True)
class _Waiting:
    request: WriteRequest
    ready: Sequence[Ready]
    done: "asyncio.Future[Outcome]"


class Writer:
    """Queues the writes of all callers and commits them in groups."""

    def __init__(
        self,
        database: Database,
        shelving: Shelving,
        catalogue: Catalogue,
        *,
        clock: Clock,
        ids: Ids,
        observer: Observer,
        keep_answers: timedelta,
        keep_messages: timedelta,
        portion: int,
    ) -> None:
        self._database = database
        self._shelving = shelving
        self._catalogue = catalogue
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._keep_answers = keep_answers
        self._keep_messages = keep_messages
        self._portion = portion
        self._queue: deque[_Waiting] = deque()
        self._waiting = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._in_flight: set[tuple[int, str]] = set()
        self._trouble: ConnectorError | None = None
        self._last_write = clock.monotonic()
        self._recomputing = asyncio.Event()
        self._postponed = False
        self._pending = 0

    def look_for_recomputations(self) -> None:
        """Let the step that does them look now."""
        self._recomputing.set()

    @property
    def pending(self) -> int:
        """How many recomputations waited when the step last looked."""
        return self._pending

    @property
    def trouble(self) -> ConnectorError | None:
        """Why the store cannot be written at the moment; None when the last attempt worked."""
        return self._trouble

    async def close(self) -> None:
        """Take no more writes and wait for those that were taken."""
        self._closing = True
        await self._idle.wait()

    async def write(self, request: WriteRequest) -> Outcome:
        """Make a request durable and return what it did.

        Raises:
            UnknownField, InvalidCell, UnknownChoice, RecordNotFound, RecordChanged, KeyTaken, LinkTargetMissing,
            KeyReused: the request is refused whole; nothing was changed.
            RequestInFlight: the first request with its Idempotency-Key is still at work.
            QueueFull, StoreClosing: it was not taken.
            StoreUnavailable: the database refused; nothing was changed.
            CommitUnknown: the database went away during the commit; repeat with the same Idempotency-Key.
        """
        ready = prepare_all(request.operations, self._ids)
        if self._closing:
            raise StoreClosing
        if self._waiting and self._waiting + len(ready) > MOST_WAITING:
            raise QueueFull(self._waiting)
        claim = (request.actor.droplet, request.repeatable.key) if request.repeatable else None
        if claim in self._in_flight:
            raise RequestInFlight
        item = _Waiting(request, ready, asyncio.get_running_loop().create_future())
        if claim is not None:
            self._in_flight.add(claim)
            item.done.add_done_callback(lambda _: self._in_flight.discard(claim))
        self._queue.append(item)
        self._waiting += len(ready)
        self._idle.clear()
        self._arrived.set()
        if claim is None:
            # a caller that goes away does not withdraw what is in the queue
            return await item.done
        # nor does it give the key free, for the write may be committed already
        return await asyncio.shield(item.done)

    async def write_once(self) -> timedelta:
        """Take what waits and commit it, each batch as one transaction, until nothing waits; the one writer's step.

        There is no rest between two batches: callers are answered, and ask again, while the next commit is under way.
        """
        await self._arrived.wait()
        while batch := self._take_batch():
            try:
                await self._commit_apart(batch)
            except asyncio.CancelledError:
                for item in batch:
                    _answer(item, StoreClosing())
                raise
        self._arrived.clear()
        self._idle.set()
        return timedelta(0)

    async def _commit_apart(self, batch: Sequence[_Waiting]) -> None:
        """Commit a batch; when a bug of ours breaks it, each request alone, so that only its cause fails."""
        started = self._clock.monotonic()
        try:
            draft, outcomes = await self._commit(batch)
        except ConnectorError as refusal:
            self._refuse(batch, refusal)
        except _NotCommitted as broken:
            if len(batch) > 1:
                for item in batch:
                    await self._commit_apart([item])
                return
            self._confess(batch, broken.bug)
        except Exception as bug:  # noqa: BLE001 - the writer must go on; the bug is reported and its callers told
            # it may have been committed: trying again could do it twice
            self._confess(batch, bug)
        else:
            # nothing from here on may be tried again: it is durable
            await self._tell(batch, draft, outcomes)
            operations = sum(len(item.ready) for item in batch)
            took = self._clock.monotonic() - started
            self._observer.saw(Committed(len(batch), operations, took, self._shelving.head.seq))

    def _take_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].ready) <= BATCH):
            item = self._queue.popleft()
            size += len(item.ready)
            batch.append(item)
        self._waiting -= size
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> tuple[Draft, Sequence[Outcome | ConnectorError]]:
        outcomes: dict[int, Outcome | ConnectorError] = {}
        async with self._database.transaction() as tx:
            try:
                draft = await self._decide(tx, batch, outcomes)
                await self._save(tx, draft, batch, outcomes)
            except ConnectorError:
                raise
            except Exception as bug:
                raise _NotCommitted(bug) from bug
        return draft, [outcomes[number] for number in range(len(batch))]

    async def _tell(
        self, batch: Sequence[_Waiting], draft: Draft, outcomes: Sequence[Outcome | ConnectorError]
    ) -> None:
        self._recover()
        self._last_write = self._clock.monotonic()
        await self._show(draft)
        self._wake_recomputing()
        for item, outcome in zip(batch, outcomes, strict=True):
            _answer(item, outcome)

    def _confess(self, batch: Sequence[_Waiting], bug: Exception) -> None:
        for item in batch:
            _answer(item, bug)
        self._observer.saw(StepFailed("records.write", bug, failures=1, rest=timedelta(0)))

    def _refuse(self, batch: Sequence[_Waiting], refusal: ConnectorError) -> None:
        self._trouble = refusal
        self._observer.saw(CommitFailed(len(batch), refusal))
        for item in batch:
            _answer(item, refusal)

    async def _decide(
        self, tx: Transaction, batch: Sequence[_Waiting], outcomes: dict[int, Outcome | ConnectorError]
    ) -> Draft:
        now = self._clock.now()
        head = await storage.lock_head(tx)
        schema = await self._schema_at(tx, head)
        due: list[int] = []
        for number, item in enumerate(batch):
            try:
                replayed = await self._replayed(tx, item.request, now)
                if replayed is None:
                    item.ready = renewed(item.ready, schema.tables, self._ids)
            except ConnectorError as refusal:
                outcomes[number] = refusal
                continue
            if replayed is None:
                due.append(number)
            else:
                outcomes[number] = replayed
        draft = await self._load(tx, head, iso(now), schema, [item for n in due for item in batch[n].ready])
        settling = self._settling(tx, draft, schema.plan, now)
        for number in due:
            item = batch[number]
            first = draft.head.seq + 1
            try:
                written = draft.decide(item.request.actor, item.ready)
            except ConnectorError as refusal:
                outcomes[number] = refusal
            else:
                if settling is not None:
                    written = await settling.settle(item.request.actor, written)
                draft.keep()
                outcomes[number] = Done(written, draft.head.seq, first)
            if len(item.ready) > 1:
                await self._clock.sleep(timedelta(0))
        return draft

    async def _schema_at(self, tx: Transaction, head: Head) -> "_Schema":
        """Return the schema in force at a head, which may be ahead of what this process shows."""
        shown = self._shelving.head.seq
        if head.seq != shown and await storage.schema_changed(tx, after=shown):
            tables, plan = described(await storage.read_tables(tx))
            return _Schema({table.id: table for table in tables}, plan)
        return _Schema(self._catalogue.by_id, self._catalogue.plan)

    async def kept_answer(self, actor: Actor, repeatable: Repeatable) -> StoredAnswer | None:
        """Return the answer that this request was given before, without writing anything.

        Raises:
            KeyReused: the key came with another request before.
        """
        async with self._database.reading() as reader:
            return await self._recall(reader, actor, repeatable, self._clock.now())

    async def _replayed(self, tx: Transaction, request: WriteRequest, now: datetime) -> Replayed | None:
        if request.repeatable is None:
            return None
        answer = await self._recall(tx, request.actor, request.repeatable, now)
        return None if answer is None else Replayed(answer)

    async def _recall(self, reader: Reader, actor: Actor, repeatable: Repeatable, now: datetime) -> StoredAnswer | None:
        keep = self._keep_messages if repeatable.key.startswith(MESSAGE_KEY) else self._keep_answers
        since = iso(now - keep)
        kept = await storage.kept_answer(reader, actor.droplet, repeatable.key, since=since)
        return recognise(kept, repeatable)

    async def _load(self, tx: Transaction, head: Head, at: str, schema: "_Schema", ready: Sequence[Ready]) -> Draft:
        wanted = needs(ready)
        loaded = {r.id: r for r in await storage.records_by_id(tx, wanted.ids)} if wanted.ids else {}
        for table, keys in wanted.keys.items():
            loaded |= {r.id: r for r in await storage.records_by_key(tx, table, keys)}
        for question in wanted.questions:
            loaded |= {r.id: r for r in await storage.find(tx, question)}
        unknown = wanted.named - loaded.keys()
        former = await storage.present_ids(tx, unknown) if unknown else {}
        linked = {*former.values(), *partners(ready, loaded.values(), former)} - loaded.keys()
        if linked:
            loaded |= {r.id: r for r in await storage.records_by_id(tx, linked)}
        tables = schema.tables.values()
        for field, gone in [
            *links_to_empty(ready, loaded.values(), tables, former),
            *links_to_redirect(ready, tables),
        ]:
            loaded |= {r.id: r for r in await storage.records_referring(tx, field.id, gone)}
        gone = wanted.positions - loaded.keys()
        return Draft(
            head,
            at,
            loaded.values(),
            schema.tables,
            ids=self._ids,
            first_numbers=await self._first_numbers(tx, ready),
            positions=await storage.last_positions(tx, gone) if gone else {},
            former=former,
        )

    async def _first_numbers(self, tx: Transaction, ready: Sequence[Ready]) -> dict[TableId, int]:
        counts: dict[TableId, int] = {}
        for item in ready:
            if not isinstance(item, LogEvent) and isinstance(item.operation, Create | Upsert | Merge):
                table = item.operation.table
                if table.numbered:
                    counts[table.id] = counts.get(table.id, 0) + 1
        return {table: await storage.take_numbers(tx, table, count) for table, count in counts.items()}

    async def _save(
        self,
        tx: Transaction,
        draft: Draft,
        batch: Sequence[_Waiting],
        outcomes: dict[int, Outcome | ConnectorError],
    ) -> None:
        await self._save_records(tx, draft)
        for event, actor in draft.events:
            await storage.log_event(
                tx, at=draft.at, kind=event.kind, actor=actor.droplet, cause=actor.cause, payload=event.payload
            )
        for number, item in enumerate(batch):
            repeatable, outcome = item.request.repeatable, outcomes[number]
            if repeatable is not None and isinstance(outcome, Done):
                answer = repeatable.answer(outcome)
                await storage.keep_answer(
                    tx,
                    item.request.actor.droplet,
                    repeatable.key,
                    fingerprint=repeatable.fingerprint,
                    answer=answer,
                    at=draft.at,
                )
                outcomes[number] = dataclasses.replace(outcome, answer=answer)

    async def _save_records(self, tx: Transaction, draft: Draft) -> None:
        inserts, updates, deletes = draft.saved()
        if not (draft.entries or draft.renames):
            return
        if draft.renames:
            await storage.keep_former_ids(tx, draft.renames)
            await storage.move_comments(tx, draft.renames)
        # a record that comes back under its old id, or at its old place under another, is removed first
        await storage.delete_records(tx, deletes)
        await storage.remove_comments_of(tx, deletes)
        await storage.update_records(tx, updates)
        await storage.insert_records(tx, inserts)
        for table, keys in draft.freed_keys():
            await storage.pass_keys_on(tx, table, keys)
        gained, lost = draft.links()
        if lost:
            await storage.remove_links(tx, lost)
        if gained:
            await storage.add_links(tx, gained)
        if draft.entries:
            await storage.append_entries(tx, draft.entries)
            await storage.move_head(tx, draft.head)

    async def recompute_once(self) -> timedelta:
        """Do one portion of what waits to be computed anew, in a transaction of its own; rest when nothing does."""
        self._recomputing.clear()
        if self._catalogue.plan is not None:
            async with self._database.reading() as reader:
                self._pending = await storage.count_recomputations(reader)
        if not self._pending:
            await self._recomputing.wait()
            return timedelta(0)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            head = await storage.lock_head(tx)
            schema = await self._schema_at(tx, head)
            draft = Draft(head, iso(now), [], schema.tables, ids=self._ids, first_numbers={}, positions={}, former={})
            wanted = await storage.next_recomputation(tx)
            settling = self._settling(tx, draft, schema.plan, now)
            if wanted is not None and settling is not None:
                await settling.recompute(wanted)
                draft.keep()
            await self._save_records(tx, draft)
        await self._show(draft)
        self._wake_recomputing()
        return timedelta(0)

    def _wake_recomputing(self) -> None:
        """Let the step look for what a transaction has asked for, now that it is committed."""
        if self._postponed:
            self._postponed = False
            self._recomputing.set()

    def _postpone(self) -> None:
        self._postponed = True

    def _settling(self, tx: Transaction, draft: Draft, plan: "Plan | None", now: datetime) -> "Settling | None":
        if plan is None:
            return None
        # loads the formula language, which only bases with computed fields need
        from airtable_connector.records.computing import Settling  # noqa: PLC0415

        return Settling(tx, draft, plan, portion=self._portion, now=now, clock=self._clock, postponed=self._postpone)

    async def _show(self, draft: Draft) -> None:
        if not draft.entries:
            return
        if draft.entries[0].change.seq != self._shelving.head.seq + 1:
            # another process has written in between
            try:
                await self._shelving.follow()
            except ConnectorError as refusal:
                # the write is durable all the same; the follower shows it when the store can be read again
                self._observer.saw(CommitFailed(0, refusal))
            return
        self._shelving.advance(draft.head, [entry.change for entry in draft.entries], draft.effects())

    async def probe_once(self) -> timedelta:
        """Learn whether writing works when nobody else has tried lately."""
        if not self._idle.is_set():
            # the writer is learning it now; waiting for the same lock as well would only double its wait
            return timedelta(seconds=1)
        if self._trouble is not None or self._clock.monotonic() - self._last_write >= PROBE_EVERY.total_seconds():
            try:
                async with self._database.transaction() as tx:
                    await storage.touch_head(tx)
            except ConnectorError as refusal:
                self._trouble = refusal
                return timedelta(seconds=1)
            if self._trouble is not None:
                # a commit whose outcome was unknown may have taken effect
                await self._shelving.follow()
            self._recover()
        return PROBE_EVERY

    def _recover(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._observer.saw(StoreRecovered())


def _answer(item: _Waiting, outcome: Outcome | Exception) -> None:
    if item.done.done():
        return
    if isinstance(outcome, Exception):
        item.done.set_exception(outcome)
        # whoever asked may be gone; an exception that nobody fetches is no news
        item.done.exception()
    else:
        item.done.set_result(outcome)
