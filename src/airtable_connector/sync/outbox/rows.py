"""Intents as rows, for SQLite and PostgreSQL."""

# ruff: noqa: S608 - every statement is put together from literal texts of this module; values go in as parameters

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import orjson

from airtable_connector.database import Reader, Row, Sql, Transaction
from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.records import Cell
from airtable_connector.sync.outbox.intents import Intent, Kind, Result, State

TAKEN: Final = "outbox-taken"
"""The reader of the feed that makes intents."""

FORGOTTEN: Final = "outbox-forgotten"
"""Up to which feed position receipts may have been forgotten."""

_COLUMNS = (
    "number, table_id, record_id, target, kind, cells, before, actor, cause, at, turn, state, most, call, sent_at,"
    " key_before, key_after, result, reason"
)
_INSERT = (
    f"insert into intents ({_COLUMNS}) values (:number, :table_id, :record_id, :target, :kind, :cells, :before, :actor,"
    " :cause, :at, :turn, :state, :most, :call, :sent_at, :key_before, :key_after, :result, :reason)"
)


def _in(name: str) -> tuple[str, str]:
    return (
        f"in (select value from json_each(:{name}))",
        f"in (select jsonb_array_elements_text(cast(:{name} as jsonb)))",
    )


def _numbers_in(name: str) -> tuple[str, str]:
    sqlite, _ = _in(name)
    return sqlite, f"in (select cast(jsonb_array_elements_text(cast(:{name} as jsonb)) as bigint))"


def _both(statement: str, **lists: tuple[str, str]) -> Sql:
    """Word a statement for both databases, with lists in the place of their names in braces."""
    return Sql(
        statement.format(**{name: each[0] for name, each in lists.items()}),
        statement.format(**{name: each[1] for name, each in lists.items()}),
    )


_SELECT = f"select {_COLUMNS} from intents i"
# one that is behind another one of its record is not asked for: that one goes first, and takes it along
_SENDABLE = _both(
    f"{_SELECT} where ended_at is null and call is null and not table_id {{tables}} and not exists (select 1 from"
    " intents b where b.target = i.target and b.ended_at is null and b.number < i.number)"
    " order by turn, number limit :count",
    tables=_in("tables"),
)
_WAITED_FOR = _both(
    f"{_SELECT} where number >= :first and number <= :last and ended_at is null and call is null"
    " and not table_id {tables} order by number limit :count",
    tables=_in("tables"),
)
_OPEN = _both(
    f"{_SELECT} where target {{targets}} and ended_at is null order by number limit :count", targets=_in("targets")
)
_LATELY = _both(
    f"{_SELECT} where target {{targets}} and ended_at > :since and result = 'done' order by number limit :count",
    targets=_in("targets"),
)
_UNBORN = _both(
    "select record_id from intents where target {targets} and ended_at is null and kind = 'create'"
    " and target = record_id",
    targets=_in("targets"),
)
_RIVALS = _both(
    f"{_SELECT} where ended_at is null and table_id = :table and (key_before {{keys}} or key_after {{keys}})"
    " order by number limit :count",
    keys=_in("keys"),
)
_UNCERTAIN = (
    f"{_SELECT} where call is not null and ended_at is null and table_id = :table and kind = 'create'"
    " and target = record_id order by number limit :count"
)
_OF_CALL = f"{_SELECT} where call = :call and ended_at is null order by number"
_TO_LOOK_AT = (
    "select call from intents where call is not null and state in ('unknown', 'refused') and look_at <= :now"
    " order by look_at, number limit 1"
)
_NEXT_LOOK = "select min(look_at) from intents where call is not null and state in ('unknown', 'refused')"
_RANGE = f"{_SELECT} where number >= :first and number <= :last order by number limit :count"
_ONE = f"{_SELECT} where number = :number"
_DEAD = f"{_SELECT} where state = 'dead' and number < :before order by number desc limit :count"
_SEND = _both(
    "update intents set state = 'sending', call = :call, sent_at = :at where number {numbers} and ended_at is null"
    " and call is null",
    numbers=_numbers_in("numbers"),
)
_WAIT_AGAIN = _both(
    "update intents set state = 'waiting', call = null, look_at = null, most = coalesce(:most, most)"
    " where number {numbers} and ended_at is null",
    numbers=_numbers_in("numbers"),
)
_LOOK_LATER = _both(
    "update intents set state = :state, look_at = :at, reason = :reason where number {numbers} and ended_at is null",
    numbers=_numbers_in("numbers"),
)
_END = _both(
    "update intents set state = :state, result = :result, reason = :reason, call = null, look_at = null, ended_at = :at"
    " where number {numbers} and (ended_at is null or state = 'dead')",
    numbers=_numbers_in("numbers"),
)
_GIVE_UP = _both(
    "update intents set state = 'unknown', look_at = :at where call is not null and state = 'sending'"
    " and not call {calls}",
    calls=_in("calls"),
)
_POSTPONE = "update intents set look_at = :at where call = :call and ended_at is null and state <> 'sending'"
_CLAIM = (
    "insert into cloud_ids (provisional, real) values (:provisional, :real)"
    " on conflict (provisional) do update set real = excluded.real"
)
_RETARGET = "update intents set target = :real where target = :provisional and ended_at is null"
_REAL = _both("select provisional, real from cloud_ids where provisional {ids}", ids=_in("ids"))
_CLAIMED = _both("select real from cloud_ids where real {ids}", ids=_in("ids"))
_REWRITE = "update intents set cells = :cells, before = :before where number = :number"
_FLOOR = "select turn from intents where ended_at is null and call is null order by turn limit 1"
_LAST_TURN = "select max(turn) from intents where actor = :actor and ended_at is null"
_COUNTS = "select state, count(*), min(at) from intents where ended_at is null group by state"
_COUNT_DEAD = "select count(*) from intents where state = 'dead'"
_OLDEST_FINAL = "select number from intents where state = 'final' and ended_at < :before order by ended_at limit :count"
_FORGET = _both("delete from intents where number {numbers}", numbers=_numbers_in("numbers"))
_DROP_UNSENT = "delete from intents where state <> 'final'"

_READ_CURSOR = "select seq from cursors where reader = :reader"
_LOCK_CURSOR = Sql(_READ_CURSOR, f"{_READ_CURSOR} for update")
_BEGIN_CURSOR = "insert into cursors (reader, seq) values (:reader, :seq) on conflict (reader) do nothing"
_MOVE_CURSOR = "update cursors set seq = :seq where reader = :reader and seq < :seq"


async def begin_cursor(tx: Transaction, reader: str, seq: int) -> int:
    """Return a reader's position, which is ``seq`` when it never read before, and keep others from moving it."""
    await tx.run(_BEGIN_CURSOR, reader=reader, seq=seq)
    row = await tx.one(_LOCK_CURSOR, reader=reader)
    return 0 if row is None else int(row[0])


async def move_cursor(tx: Transaction, reader: str, seq: int) -> None:
    """Move a reader forward."""
    await tx.run(_MOVE_CURSOR, reader=reader, seq=seq)


async def read_cursor(reader: Reader, name: str) -> int:
    """Return a reader's position; 0 before it began."""
    row = await reader.one(_READ_CURSOR, reader=name)
    return 0 if row is None else int(row[0])


async def add(tx: Transaction, intents: Sequence[Intent]) -> None:
    """Keep new intents."""
    await tx.run_many(_INSERT, [_row(intent) for intent in intents])


async def sendable(reader: Reader, *, but: Iterable[TableId], count: int) -> list[Intent]:
    """Read waiting intents that are the first open ones of their record, in the fair order, ``but`` of some tables."""
    return await _read(reader, _SENDABLE, tables=_list(but), count=count)


async def waited_for(reader: Reader, first: int, last: int, *, but: Iterable[TableId], count: int) -> list[Intent]:
    """Read waiting intents by the range of their numbers."""
    return await _read(reader, _WAITED_FOR, first=first, last=last, tables=_list(but), count=count)


async def open_of(reader: Reader, targets: Iterable[RecordId], *, count: int) -> list[Intent]:
    """Read the open intents of records."""
    return await _read(reader, _OPEN, targets=_list(targets), count=count)


async def done_lately(reader: Reader, targets: Iterable[RecordId], *, since: datetime, count: int) -> list[Intent]:
    """Read the intents of records that were done after a moment."""
    return await _read(reader, _LATELY, targets=_list(targets), since=iso(since), count=count)


async def unborn(reader: Reader, records: Collection[RecordId]) -> frozenset[RecordId]:
    """Return those of the records that were created here and that Airtable has given no id yet."""
    rows = await reader.all(_UNBORN, targets=_list(records)) if records else []
    return frozenset(RecordId(row[0]) for row in rows)


async def rivals(reader: Reader, table: TableId, keys: Collection[str], *, count: int) -> list[Intent]:
    """Read the open intents that take or give free one of these values of the table's own key."""
    return await _read(reader, _RIVALS, table=table, keys=_list(keys), count=count)


async def uncertain(reader: Reader, table: TableId, *, count: int) -> list[Intent]:
    """Read the creates of a table that are under way or must be looked at."""
    return await _read(reader, _UNCERTAIN, table=table, count=count)


async def of_call(reader: Reader, call: str) -> list[Intent]:
    """Read the open intents of a call."""
    return await _read(reader, _OF_CALL, call=call)


async def call_to_look_at(reader: Reader, now: datetime) -> str | None:
    """Return the call that is longest due to be looked at, if one is."""
    row = await reader.one(_TO_LOOK_AT, now=iso(now))
    return None if row is None else str(row[0])


async def next_look(reader: Reader) -> datetime | None:
    """Return when the next call is due to be looked at."""
    row = await reader.one(_NEXT_LOOK)
    return None if row is None or row[0] is None else parse_iso(row[0])


async def in_range(reader: Reader, first: int, last: int, *, count: int) -> list[Intent]:
    """Read intents by the range of their numbers, whatever their state."""
    return await _read(reader, _RANGE, first=first, last=last, count=count)


async def one(reader: Reader, number: int) -> Intent | None:
    """Read an intent."""
    found = await _read(reader, _ONE, number=number)
    return found[0] if found else None


async def dead(reader: Reader, *, before: int, count: int) -> list[Intent]:
    """Read dead intents before a number, newest first."""
    return await _read(reader, _DEAD, before=before, count=count)


async def send(tx: Transaction, numbers: Sequence[int], call: str, *, at: datetime) -> bool:
    """Note that a call carries these intents; False when one of them was not waiting."""
    return await tx.run(_SEND, numbers=_list(numbers), call=call, at=iso(at)) == len(numbers)


async def wait_again(tx: Transaction, numbers: Sequence[int], most: int | None = None) -> None:
    """Let intents wait to be sent, in calls of at most so many if that is to change."""
    await tx.run(_WAIT_AGAIN, numbers=_list(numbers), most=most)


async def look_later(tx: Transaction, numbers: Sequence[int], state: State, *, at: datetime, reason: str = "") -> None:
    """Let a look settle intents, at that moment or later."""
    await tx.run(_LOOK_LATER, numbers=_list(numbers), state=str(state), at=iso(at), reason=reason)


async def postpone(tx: Transaction, call: str, *, at: datetime) -> None:
    """Look at a call later."""
    await tx.run(_POSTPONE, call=call, at=iso(at))


async def give_up(tx: Transaction, *, but: Iterable[str], look_at: datetime) -> int:
    """Let a look settle whatever was noted as under way, but the calls that really are; return how many intents."""
    return await tx.run(_GIVE_UP, calls=_list(but), at=iso(look_at))


async def end(
    tx: Transaction,
    numbers: Sequence[int],
    result: Result,
    *,
    at: datetime,
    reason: str = "",
    state: State = State.FINAL,
) -> None:
    """Let intents be final, or dead."""
    await tx.run(_END, numbers=_list(numbers), state=str(state), result=str(result), reason=reason, at=iso(at))


async def claim(tx: Transaction, provisional: RecordId, real: RecordId) -> None:
    """Note which id Airtable has given to a record, and let its intents have it."""
    await tx.run(_CLAIM, provisional=provisional, real=real)
    await tx.run(_RETARGET, provisional=provisional, real=real)


async def real_ids(reader: Reader, records: Collection[RecordId]) -> dict[RecordId, RecordId]:
    """Return the ids that Airtable has given, by provisional id."""
    rows = await reader.all(_REAL, ids=_list(records)) if records else []
    return {RecordId(row[0]): RecordId(row[1]) for row in rows}


async def claimed(reader: Reader, records: Collection[RecordId]) -> frozenset[RecordId]:
    """Return those of the records that are known to be the work of an intent."""
    rows = await reader.all(_CLAIMED, ids=_list(records)) if records else []
    return frozenset(RecordId(row[0]) for row in rows)


async def rewrite(tx: Transaction, intents: Sequence[Intent]) -> None:
    """Keep what intents write, and what they found, anew."""
    await tx.run_many(
        _REWRITE,
        [{"number": each.number, "cells": _json(each.cells), "before": _json(each.before)} for each in intents],
    )


async def next_turns(tx: Transaction, actors: Collection[int]) -> dict[int, int]:
    """Return the turn of each actor's next intent: behind its others, and not before those that wait now."""
    row = await tx.one(_FLOOR)
    floor = 0 if row is None else int(row[0])
    turns = {}
    for actor in actors:
        last = await tx.one(_LAST_TURN, actor=actor)
        turns[actor] = floor if last is None or last[0] is None else max(floor, int(last[0]) + 1)
    return turns


async def counts(reader: Reader) -> tuple[dict[State, int], datetime | None]:
    """Count intents by state, and return when the oldest open one was written."""
    rows = await reader.all(_COUNTS)
    found = {State(state): int(count) for state, count, _ in rows}
    gone = await reader.one(_COUNT_DEAD)
    found[State.DEAD] = 0 if gone is None else int(gone[0])
    return found, min((parse_iso(at) for _, _, at in rows), default=None)


async def forget(tx: Transaction, *, before: datetime, count: int) -> int:
    """Forget final intents that ended before a moment; return how many."""
    rows = await tx.all(_OLDEST_FINAL, before=iso(before), count=count)
    if rows:
        await tx.run(_FORGET, numbers=_list(row[0] for row in rows))
        await begin_cursor(tx, FORGOTTEN, 0)
        await move_cursor(tx, FORGOTTEN, max(int(row[0]) for row in rows) // 2)
    return len(rows)


async def drop_unsent(tx: Transaction) -> None:
    """Forget all intents that are not final."""
    await tx.run(_DROP_UNSENT)


async def _read(reader: Reader, statement: Sql | str, **values: object) -> list[Intent]:
    return [_intent(row) for row in await reader.all(statement, **values)]


def _row(intent: Intent) -> dict[str, object]:
    return {
        "number": intent.number,
        "table_id": intent.table,
        "record_id": intent.record,
        "target": intent.target,
        "kind": str(intent.kind),
        "cells": _json(intent.cells),
        "before": _json(intent.before),
        "actor": intent.actor,
        "cause": intent.cause,
        "at": iso(intent.at),
        "turn": intent.turn,
        "state": str(intent.state),
        "most": intent.most,
        "call": intent.call,
        "sent_at": None if intent.sent_at is None else iso(intent.sent_at),
        "key_before": intent.key_before,
        "key_after": intent.key_after,
        "result": str(intent.result),
        "reason": intent.reason,
    }


def _intent(row: Row) -> Intent:
    (number, table, record, target, kind, cells, before, actor, cause, at, turn, state, most, call, sent_at) = row[:15]
    key_before, key_after, result, reason = row[15:]
    return Intent(
        number, TableId(table), RecordId(record), RecordId(target), Kind(kind), orjson.loads(cells),
        orjson.loads(before), actor, cause, parse_iso(at), turn, State(state), most, call,
        None if sent_at is None else parse_iso(sent_at), key_before, key_after, Result(result), reason,
    )  # fmt: skip


def _list(values: Iterable[object]) -> str:
    return json.dumps(list(values))


def _json(cells: Mapping[FieldId, Cell | None]) -> str:
    return orjson.dumps(cells).decode()
