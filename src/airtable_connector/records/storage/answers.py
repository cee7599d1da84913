"""Answers kept for repeated requests, and the event log."""

import orjson

from airtable_connector.database import Reader, Row, Sql, Transaction
from airtable_connector.records.requests import LoggedEvent, StoredAnswer

_KEPT = (
    "select fingerprint, status, headers, body from idempotency where actor = :actor and key = :key and at >= :since"
)
_KEEP = Sql(
    "insert or replace into idempotency (actor, key, fingerprint, status, headers, body, at)"
    " values (:actor, :key, :fingerprint, :status, :headers, :body, :at)",
    "insert into idempotency (actor, key, fingerprint, status, headers, body, at)"
    " values (:actor, :key, :fingerprint, :status, :headers, :body, :at)"
    " on conflict (actor, key) do update set fingerprint = excluded.fingerprint, status = excluded.status,"
    " headers = excluded.headers, body = excluded.body, at = excluded.at",
)
_FORGET = (
    "delete from idempotency where (actor, key) in"
    " (select actor, key from idempotency where at < :before and key not like 'message %' limit :count)"
)
_FORGET_MESSAGES = (
    "delete from idempotency where (actor, key) in"
    " (select actor, key from idempotency where at < :before and key like 'message %' limit :count)"
)
_FORGET_LOGGED_MESSAGES = (
    "delete from events where seq in"
    " (select seq from events where at < :before and kind = 'message' order by seq limit :count)"
)
_EVENTS_OF_CAUSE = (
    "select seq, at, kind, actor, cause, payload from events where cause = :cause and kind = :kind"
    " order by seq limit :count"
)
_LOG_EVENT = "insert into events (at, kind, actor, cause, payload) values (:at, :kind, :actor, :cause, :payload)"
_EVENTS_BEFORE = (
    "select seq, at, kind, actor, cause, payload from events where seq < :before order by seq desc limit :count"
)


async def kept_answer(reader: Reader, actor: int, key: str, *, since: str) -> tuple[bytes, StoredAnswer] | None:
    """Read the fingerprint and the answer that were kept for a key since a moment."""
    row = await reader.one(_KEPT, actor=actor, key=key, since=since)
    if row is None:
        return None
    fingerprint, status, headers, body = row
    pairs = tuple((str(name), str(value)) for name, value in orjson.loads(headers))
    return bytes(fingerprint), StoredAnswer(status, pairs, bytes(body))


async def keep_answer(
    tx: Transaction, actor: int, key: str, *, fingerprint: bytes, answer: StoredAnswer, at: str
) -> None:
    """Keep an answer for repetitions of its request."""
    await tx.run(
        _KEEP,
        actor=actor,
        key=key,
        fingerprint=fingerprint,
        status=answer.status,
        headers=orjson.dumps(answer.headers).decode(),
        body=answer.body,
        at=at,
    )


async def forget_answers(tx: Transaction, *, before: str, count: int) -> int:
    """Forget up to ``count`` answers to requests that are older than a moment."""
    return await tx.run(_FORGET, before=before, count=count)


async def forget_messages(tx: Transaction, *, before: str, count: int) -> int:
    """Forget up to ``count`` messages that are older than a moment, and as many answers to messages."""
    answers = await tx.run(_FORGET_MESSAGES, before=before, count=count)
    return max(answers, await tx.run(_FORGET_LOGGED_MESSAGES, before=before, count=count))


async def log_event(tx: Transaction, *, at: str, kind: str, actor: int, cause: str, payload: object) -> None:
    """Add an entry to the event log."""
    text = orjson.dumps(payload).decode()
    await tx.run(_LOG_EVENT, at=at, kind=kind, actor=actor, cause=cause, payload=text)


async def events_before(reader: Reader, before: int, count: int) -> list[LoggedEvent]:
    """Read up to ``count`` entries of the event log, newest first, before a sequence."""
    return [_event(row) for row in await reader.all(_EVENTS_BEFORE, before=before, count=count)]


async def events_of_cause(reader: Reader, cause: str, kind: str, count: int) -> list[LoggedEvent]:
    """Read up to ``count`` entries of the event log that have one trace id and kind, oldest first."""
    return [_event(row) for row in await reader.all(_EVENTS_OF_CAUSE, cause=cause, kind=kind, count=count)]


def _event(row: Row) -> LoggedEvent:
    seq, at, kind, actor, cause, payload = row
    return LoggedEvent(seq, at, kind, actor, cause, orjson.loads(payload))
