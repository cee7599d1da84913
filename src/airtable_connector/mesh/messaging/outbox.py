"""Messages that we send, as rows: stored before they are tried, in order for each target, kept with their attempts."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Final

from airtable_connector.database import Database, Reader, Row, Transaction
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.mesh.errors import LetterEnded, LetterNotFound, OutboxFull, TraceReused
from airtable_connector.mesh.messaging.model import MessageType

MOST_QUEUED: Final = 100_000
"""Messages that may wait."""

FORGET_STEP: Final = 1_000
"""Ended messages forgotten in one transaction."""

_COLUMNS = (
    "trace_id, target, queue, message_type, payload, priority, retries, sender, cause, state, attempts, due_at,"
    " created_at, ended_at, reply, seq"
)
_INSERT = (
    "insert into outbox (trace_id, target, queue, message_type, payload, priority, retries, sender, cause, state,"
    " attempts, due_at, created_at)"
    " values (:trace_id, :target, :queue, :message_type, :payload, :priority, :retries, :sender, :cause, 'queued',"
    " 0, :due_at, :created_at) on conflict (trace_id) do nothing"
)
_DUE_NOW = (
    "insert into outbox_queues (queue, due_at, owner, until) values (:queue, :at, '', '')"
    " on conflict (queue) do update set due_at = excluded.due_at where outbox_queues.due_at > excluded.due_at"
)
_ONE = f"select {_COLUMNS} from outbox where trace_id = :trace_id"  # noqa: S608 - columns named above
_FIRST = (
    f"select {_COLUMNS} from outbox where queue = :queue and state = 'queued'"  # noqa: S608 - columns named above
    " order by priority, seq limit 1"
)
_PAGE = (
    f"select {_COLUMNS} from outbox where seq < :before"  # noqa: S608 - columns named above
    " and (:state = '' or state = :state) and (:queue = '' or queue = :queue) order by seq desc limit :count"
)
_COUNT = "select state, count(*) from outbox group by state limit 10"
_QUEUED = "select count(*) from outbox where state = 'queued'"
_ATTEMPTS = "select number, at, took_ms, status, reason from outbox_attempts where trace_id = :trace_id order by number"
_NOTE_ATTEMPT = (
    "insert into outbox_attempts (trace_id, number, at, took_ms, status, reason)"
    " values (:trace_id, :number, :at, :took_ms, :status, :reason) on conflict (trace_id, number) do nothing"
)
_SETTLE = (
    "update outbox set state = :state, attempts = :attempts, due_at = :due_at, ended_at = :ended_at, reply = :reply"
    " where trace_id = :trace_id and state = 'queued'"
)
_QUEUE_AGAIN = (
    "update outbox set state = 'queued', retries = attempts + :retries, due_at = :at, ended_at = null"
    " where trace_id = :trace_id and state in ('error', 'cancelled')"
)
_CANCEL = "update outbox set state = 'cancelled', ended_at = :at where trace_id = :trace_id and state = 'queued'"
_CLAIM = (
    "update outbox_queues set owner = :owner, until = :until where queue = :queue"
    " and (owner = :owner or until < :now or until > :latest)"
)
_DUE_QUEUES = (
    "select queue from outbox_queues where due_at <= :now and (owner = :owner or until < :now or until > :latest)"
    " order by due_at limit 500"
)
_NEXT_DUE = "select min(due_at) from outbox_queues"
_WAIT_NO_LONGER = "update outbox set due_at = :at where state = 'queued' and due_at > :at"
_QUEUES_WAIT_NO_LONGER = "update outbox_queues set due_at = :at where due_at > :at"
_REST_QUEUE = "update outbox_queues set due_at = :due_at, owner = '', until = '' where queue = :queue"
_END_QUEUE = "delete from outbox_queues where queue = :queue"
_FORGET_ATTEMPTS = (
    "delete from outbox_attempts where trace_id in (select trace_id from outbox"
    " where state <> 'queued' and ended_at < :before order by seq limit :count)"
)
_FORGET = (
    "delete from outbox where seq in"
    " (select seq from outbox where state <> 'queued' and ended_at < :before order by seq limit :count)"
)


class Priority(IntEnum):
    """Which of a target's messages goes first; among equals the older one."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class LetterState(StrEnum):
    """What is known of a message that we send."""

    QUEUED = "queued"
    """It is stored and will be tried, or tried again."""

    DELIVERED = "delivered"
    """The target answered that it has it."""

    ERROR = "error"
    """It was refused for good, or the last try failed; it stays as a dead letter until somebody retries it."""

    CANCELLED = "cancelled"
    """Somebody withdrew it before it was delivered; an attempt under way may have reached its target all the same."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that we send.

    ``sender`` is the droplet that asked for it, ``cause`` the trace id of its request. It is tried once and then
    ``retries`` times. ``reply`` is what the target answered to the delivery, as JSON.
    """

    trace_id: str
    target: str
    queue: str
    type: MessageType
    payload: Mapping[str, JsonValue]
    priority: Priority
    retries: int
    sender: int
    cause: str
    created_at: datetime
    state: LetterState = LetterState.QUEUED
    attempts: int = 0
    due_at: datetime | None = None
    ended_at: datetime | None = None
    reply: JsonValue = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. ``status`` is the HTTP status, None when no answer came."""

    number: int
    at: datetime
    took: timedelta
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What an attempt changes: the letter as it is now, and the attempt itself."""

    letter: Letter
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class LetterQuestion:
    """Which letters are wanted, newest first, before a sequence."""

    state: LetterState | None = None
    queue: str | None = None
    before: int = 2**62
    count: int = 100


class Outbox:
    """The letters and their order. Changes are durable when a method returns.

    Args:
        database: holds them.
        owner: names this process among those that send from the same database.
        lease: how long it may send a queue's letters without saying so again; longer than an attempt takes.
        clock: dates them.
        wake: is called when something new is to be sent.
        most: letters that may wait.
    """

    def __init__(
        self,
        database: Database,
        *,
        owner: str,
        lease: timedelta,
        clock: Clock,
        wake: Callable[[], None],
        most: int = MOST_QUEUED,
    ) -> None:
        self._database = database
        self._owner = owner
        self._lease = lease
        self._clock = clock
        self._wake = wake
        self._most = most
        self._turn = asyncio.Lock()
        self._arriving: list[tuple[Letter, asyncio.Future[Letter]]] = []
        self._watched: dict[str, list[asyncio.Future[None]]] = {}

    async def add(self, letter: Letter) -> Letter:
        """Store a letter; one that was stored before under its trace id is returned as it is now.

        Letters that arrive while others are stored share the next transaction.

        Raises:
            TraceReused: the trace id belongs to another message.
            OutboxFull: too many wait.
            StoreUnavailable, CommitUnknown: as the database says.
        """
        stored: asyncio.Future[Letter] = asyncio.get_running_loop().create_future()
        self._arriving.append((letter, stored))
        async with self._turn:
            if not stored.done():
                await self._store_arrived()
        return await stored

    async def get(self, trace_id: str) -> tuple[Letter, Sequence[Attempt]]:
        """Return a letter and its attempts.

        Raises:
            LetterNotFound: there is none.
        """
        async with self._database.reading() as reader:
            letter = await _one(reader, trace_id)
            if letter is None:
                raise LetterNotFound(trace_id)
            return letter, [_attempt(row) for row in await reader.all(_ATTEMPTS, trace_id=trace_id)]

    async def page(self, question: LetterQuestion) -> Sequence[Letter]:
        """Return letters, newest first."""
        async with self._database.reading() as reader:
            rows = await reader.all(
                _PAGE,
                before=question.before,
                state=question.state or "",
                queue=question.queue or "",
                count=question.count,
            )
        return [_letter(row) for row in rows]

    async def count(self) -> Mapping[str, int]:
        """Count the letters by state."""
        async with self._database.reading() as reader:
            return {state: int(number) for state, number in await reader.all(_COUNT)}

    async def retry(self, trace_id: str, *, retries: int) -> Letter:
        """Queue an ended letter again, with ``retries`` tries more beyond the first.

        Raises:
            LetterNotFound: there is none.
            LetterEnded: it is queued or delivered.
        """
        at = iso(self._clock.now())
        async with self._database.transaction() as tx:
            changed = await tx.run(_QUEUE_AGAIN, trace_id=trace_id, retries=retries, at=at)
            letter = await self._changed(tx, trace_id, changed=changed > 0, allowed="error or cancelled")
            await tx.run(_DUE_NOW, queue=letter.queue, at=at)
        self._wake()
        return letter

    async def cancel(self, trace_id: str) -> Letter:
        """Withdraw a letter that has not been delivered.

        Raises:
            LetterNotFound: there is none.
            LetterEnded: it has ended.
        """
        async with self._database.transaction() as tx:
            changed = await tx.run(_CANCEL, trace_id=trace_id, at=iso(self._clock.now()))
            letter = await self._changed(tx, trace_id, changed=changed > 0, allowed="queued")
            # it may have been the one that kept the others waiting
            await tx.run(_DUE_NOW, queue=letter.queue, at=iso(self._clock.now()))
        self._tell(trace_id)
        self._wake()
        return letter

    async def wait_for_attempt(self, trace_id: str) -> None:
        """Return when this process has tried the letter once more, or withdrawn it; bound the wait yourself."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._watched.setdefault(trace_id, [])
        waiting.append(news)
        try:
            await news
        finally:
            waiting.remove(news)
            if not waiting:
                self._watched.pop(trace_id, None)

    # what the courier asks

    async def due_queues(self) -> Sequence[str]:
        """Return queues whose first letter is due and which no other process has."""
        async with self._database.reading() as reader:
            now = self._clock.now()
            rows = await reader.all(_DUE_QUEUES, now=iso(now), latest=iso(now + self._lease), owner=self._owner)
        return [row[0] for row in rows]

    async def make_due(self) -> None:
        """Let everything that waits be tried now: what was planned by a clock that was set back is planned no more."""
        at = iso(self._clock.now())
        async with self._database.transaction() as tx:
            await tx.run(_WAIT_NO_LONGER, at=at)
            await tx.run(_QUEUES_WAIT_NO_LONGER, at=at)

    async def next_due(self) -> datetime | None:
        """Return when the next queue is due; None when none waits."""
        async with self._database.reading() as reader:
            row = await reader.one(_NEXT_DUE)
        return None if row is None or row[0] is None else parse_iso(row[0])

    async def take(self, queue: str, settled: Settled | None) -> Letter | None:
        """Settle the last letter of a queue and take the next one that is due, in one transaction.

        None means that nothing is left for this process: the queue is empty, resting, or somebody else's.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if settled is not None:
                await _settle(tx, settled)
            mine = await tx.run(
                _CLAIM,
                queue=queue,
                owner=self._owner,
                until=iso(now + self._lease),
                latest=iso(now + self._lease),
                now=iso(now),
            )
            row = await tx.one(_FIRST, queue=queue) if mine else None
            first = None if row is None else _letter(row)
            if mine and first is None:
                await tx.run(_END_QUEUE, queue=queue)
            elif first is not None and first.due_at is not None and first.due_at > now:
                await tx.run(_REST_QUEUE, queue=queue, due_at=iso(first.due_at))
                first = None
        if settled is not None:
            self._tell(settled.letter.trace_id)
        return first

    async def forget(self, *, before: datetime) -> bool:
        """Forget some letters that ended before a moment; True when there may be more of them."""
        async with self._database.transaction() as tx:
            await tx.run(_FORGET_ATTEMPTS, before=iso(before), count=FORGET_STEP)
            return await tx.run(_FORGET, before=iso(before), count=FORGET_STEP) == FORGET_STEP

    async def _store_arrived(self) -> None:
        batch, self._arriving = self._arriving, []
        try:
            async with self._database.transaction() as tx:
                row = await tx.one(_QUEUED)
                room = self._most - (0 if row is None else int(row[0]))
                outcomes = [await self._store(tx, letter, room=room - place) for place, (letter, _) in enumerate(batch)]
        except BaseException as error:
            for _, stored in batch:
                _end(stored, error)
            raise
        for (_, stored), outcome in zip(batch, outcomes, strict=True):
            _end(stored, outcome)
        self._wake()

    async def _store(self, tx: Transaction, letter: Letter, *, room: int) -> Letter | Exception:
        found = await _one(tx, letter.trace_id)
        if found is not None:
            return found if _same(found, letter) else TraceReused()
        if room <= 0:
            return OutboxFull(self._most)
        at = iso(letter.created_at)
        await tx.run(
            _INSERT,
            trace_id=letter.trace_id,
            target=letter.target,
            queue=letter.queue,
            message_type=letter.type.value,
            payload=json.dumps(letter.payload),
            priority=letter.priority.value,
            retries=letter.retries,
            sender=letter.sender,
            cause=letter.cause,
            due_at=at,
            created_at=at,
        )
        await tx.run(_DUE_NOW, queue=letter.queue, at=at)
        return letter

    async def _changed(self, tx: Transaction, trace_id: str, *, changed: bool, allowed: str) -> Letter:
        letter = await _one(tx, trace_id)
        if letter is None:
            raise LetterNotFound(trace_id)
        if not changed:
            raise LetterEnded(letter.state, allowed)
        return letter

    def _tell(self, trace_id: str) -> None:
        for news in self._watched.get(trace_id, ()):
            if not news.done():
                news.set_result(None)


def _end(stored: "asyncio.Future[Letter]", outcome: Letter | BaseException) -> None:
    if stored.done():
        return
    if isinstance(outcome, Letter):
        stored.set_result(outcome)
    elif isinstance(outcome, asyncio.CancelledError):
        stored.cancel()
    else:
        stored.set_exception(outcome)
        # whoever asked may be gone; an exception that nobody fetches is no news
        stored.exception()


def _same(one: Letter, other: Letter) -> bool:
    return (one.target, one.type, one.payload) == (other.target, other.type, other.payload)


async def _one(reader: Reader, trace_id: str) -> Letter | None:
    row = await reader.one(_ONE, trace_id=trace_id)
    return None if row is None else _letter(row)


async def _settle(tx: Transaction, settled: Settled) -> None:
    letter, attempt = settled.letter, settled.attempt
    await tx.run(
        _NOTE_ATTEMPT,
        trace_id=letter.trace_id,
        number=attempt.number,
        at=iso(attempt.at),
        took_ms=round(attempt.took.total_seconds() * 1_000),
        status=attempt.status,
        reason=attempt.reason,
    )
    await tx.run(
        _SETTLE,
        trace_id=letter.trace_id,
        state=letter.state.value,
        attempts=letter.attempts,
        due_at=iso(letter.due_at or attempt.at),
        ended_at=None if letter.ended_at is None else iso(letter.ended_at),
        reply=None if letter.reply is None else json.dumps(letter.reply),
    )


def _letter(row: Row) -> Letter:
    (
        trace_id, target, queue, kind, payload, priority, retries, sender, cause, state, attempts, due_at,
        created_at, ended_at, reply, seq,
    ) = row  # fmt: skip
    read: Callable[[str], Any] = json.loads
    return Letter(
        trace_id=trace_id,
        target=target,
        queue=queue,
        type=MessageType(kind),
        payload=read(payload),
        priority=Priority(priority),
        retries=retries,
        sender=sender,
        cause=cause,
        created_at=parse_iso(created_at),
        state=LetterState(state),
        attempts=attempts,
        due_at=parse_iso(due_at),
        ended_at=None if ended_at is None else parse_iso(ended_at),
        reply=None if reply is None else read(reply),
        seq=seq,
    )


def _attempt(row: Row) -> Attempt:
    number, at, took_ms, status, reason = row
    return Attempt(number, parse_iso(at), timedelta(milliseconds=took_ms), status, reason)
