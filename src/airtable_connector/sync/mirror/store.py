"""What the mirror knows of the base at Airtable, as the store keeps it for every process and every start."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import orjson

from airtable_connector.database import Database, Reader, Row, Sql, Transaction
from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.kernel.secret import Secret

MOST_CHANGES: Final = 200
"""Changes of the schema that are kept for people; the oldest go."""


class HookState(StrEnum):
    """What is known of our webhook."""

    NONE = "none"
    LIVE = "live"
    BROKEN = "broken"


class Phase(StrEnum):
    """How much of a table is here."""

    LISTING = "listing"
    WHOLE = "whole"


class Touch(StrEnum):
    """What is known of a record that is to be looked at."""

    CHANGED = "changed"
    UNMET = "unmet"
    """A listing did not meet it; it is read by its id before it counts as gone."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class NotedChange:
    """A change of the schema, kept for people: ``event`` is what became of the table, or of what is ``name`` in it."""

    at: datetime
    event: str
    table: str
    name: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The mirror's one row. ``cursor`` is the number of the payload that is read next.

    ``answered_at`` is when the last complete answer was asked for: everything that had happened by then is here.
    ``wanted`` counts the wishes for a pull.
    """

    hook: str | None = None
    url: str | None = None
    mac_key: Secret = Secret("")  # noqa: RUF009 - it does not change
    cursor: int = 1
    state: HookState = HookState.NONE
    expires_at: datetime | None = None
    refreshed_at: datetime | None = None
    old_hook: str | None = None
    old_cursor: int = 1
    wanted: int = 0
    answered_at: datetime | None = None
    answered_cursor: int = 0
    answered_seq: int = 0
    schema_at: datetime | None = None
    changes: tuple[NotedChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Checks:
    """Comparisons of everything that somebody asked for.

    They are numbered; those through ``made`` were made, and the last of them found ``rows`` and ``cells`` by table.
    """

    wanted: int = 0
    made: int = 0
    rows: Mapping[TableId, int] = field(default_factory=dict)
    cells: Mapping[TableId, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MirroredTable:
    """How far a table has come. A listing that was begun anew has another ``generation``."""

    table: TableId
    phase: Phase
    generation: int
    page: str | None
    listed: int
    whole_at: str | None
    compared_to: int
    compare_began: str | None
    compared_at: str | None
    rows_found: int
    cells_found: int
    drift_rows: int
    drift_cells: int


_OPEN = (
    "insert into mirror values (1, null, null, '', 1, 'none', null, null, null, 1, 0, null, 0, 0, null, '[]')"
    " on conflict (id) do nothing"
)
_READ = (
    "select hook, url, mac_key, cursor, hook_state, expires_at, refreshed_at, old_hook, old_cursor, wanted,"
    " answered_at, answered_cursor, answered_seq, schema_at, changes from mirror where id = 1"
)
_NEW_HOOK = (
    "update mirror set old_hook = :old_hook, old_cursor = cursor, hook = :hook, url = :url, mac_key = :mac_key,"
    " cursor = 1, hook_state = 'live', expires_at = :expires_at, refreshed_at = :at"
)
_REFRESHED = "update mirror set expires_at = :expires_at, refreshed_at = :at where hook = :hook"
_BROKEN = "update mirror set hook_state = 'broken' where hook = :hook"
_MOVE = "update mirror set cursor = :cursor where hook = :hook"
_MOVE_OLD = "update mirror set old_cursor = :cursor where old_hook = :hook"
_OLD_ENDED = "update mirror set old_hook = null where old_hook = :hook"
_WANT = "update mirror set wanted = wanted + 1"
_ANSWERED = "update mirror set answered_at = :at, answered_cursor = :cursor, answered_seq = :seq"
_SCHEMA_READ = "update mirror set schema_at = :at, changes = :changes"
_TABLES = (
    "select table_id, phase, generation, page, listed, whole_at, compared_to, compare_began, compared_at, rows_found,"
    " cells_found, drift_rows, drift_cells from mirror_tables order by table_id limit 10000"
)
_ADD_TABLE = (
    "insert into mirror_tables values (:table, 'listing', 1, null, 0, null, 0, null, null, 0, 0, 0, 0)"
    " on conflict (table_id) do nothing"
)
_RELIST = (
    "update mirror_tables set phase = 'listing', generation = generation + 1, page = null, listed = 0"
    " where table_id = :table"
)
_DROP_TABLE = "delete from mirror_tables where table_id = :table"
_DROP_SEEN = "delete from mirror_seen where table_id = :table"
_DROP_TOUCHED = "delete from mirror_touched where table_id = :table"
_PAGE = (
    "update mirror_tables set page = :page, listed = listed + :met where table_id = :table and generation = :generation"
    " and phase = 'listing' returning listed"
)
_SEE = Sql(
    "insert into mirror_seen select :table, value from json_each(:records) where true on conflict do nothing",
    "insert into mirror_seen select :table, jsonb_array_elements_text(cast(:records as jsonb)) on conflict do nothing",
)
_WHOLE = (
    "update mirror_tables set phase = 'whole', page = null, whole_at = :at, compared_to = 0, compare_began = null"
    " where table_id = :table and generation = :generation and phase = 'listing'"
)
_UNMET = (
    "insert into mirror_touched select :table, id, 'unmet', :at, :at from records where table_id = :table"
    " and id not in (select record_id from mirror_seen where table_id = :table) on conflict do nothing"
)
_TOUCH = Sql(
    "insert into mirror_touched select :table, value, :kind, :at, :at from json_each(:records) where true"
    " on conflict (table_id, record_id) do update set kind = excluded.kind, since = excluded.since,"
    " due_at = excluded.due_at",
    "insert into mirror_touched select :table, jsonb_array_elements_text(cast(:records as jsonb)), :kind, :at, :at"
    " on conflict (table_id, record_id) do update set kind = excluded.kind, since = excluded.since,"
    " due_at = excluded.due_at",
)
_TOUCHED = (
    "select table_id, record_id, kind, since from mirror_touched where due_at <= :now"
    " order by table_id, kind, record_id limit :count"
)
_UNTOUCH = "delete from mirror_touched where table_id = :table and record_id = :record and since = :since"
_PUT_OFF = "update mirror_touched set due_at = :due where table_id = :table and record_id = :record and since = :since"
_COUNT_TOUCHED = "select count(*) from mirror_touched where table_id = :table and kind = 'changed'"
_COMPARED = (
    "update mirror_tables set compared_to = :to, compare_began = coalesce(compare_began, :at),"
    " rows_found = rows_found + :rows, cells_found = cells_found + :cells where table_id = :table"
)
_COMPARED_ALL = (
    "update mirror_tables set compared_to = 0, compare_began = null, compared_at = :at,"
    " drift_rows = rows_found + :rows, drift_cells = cells_found + :cells, rows_found = 0, cells_found = 0"
    " where table_id = :table"
)
_HELD = Sql(
    "select id, created_at, json(cells) from records where table_id = :table"
    " and id in (select value from json_each(:records))",
    "select id, created_at, cast(cells as text) from records where table_id = :table"
    " and id in (select jsonb_array_elements_text(cast(:records as jsonb)))",
)
_CLEAR = tuple(
    f"delete from {name}"  # noqa: S608 - names of ours
    for name in ("mirror", "mirror_tables", "mirror_seen", "mirror_touched", "mirror_checks")
)
_WANT_CHECK = (
    "insert into mirror_checks values (1, 1, 0, '{}')"
    " on conflict (id) do update set wanted = mirror_checks.wanted + 1 returning wanted"
)
_CHECKS = "select wanted, made, found from mirror_checks where id = 1"
_CHECKED = "update mirror_checks set made = :made, found = :found where made < :made"
_NEXT = "select ordinal, id from records where table_id = :table and ordinal > :after order by ordinal limit :count"


class MirrorStore:
    """Reads and writes it; every method is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> None:
        """Give a store that knows nothing its row."""
        async with self._database.transaction() as tx:
            await tx.run(_OPEN)

    async def known(self) -> Known:
        """Return the row; that of a store that was not opened says that nothing is known."""
        async with self._database.reading() as reader:
            row = await reader.one(_READ)
        return Known() if row is None else _known(row)

    async def tables(self) -> dict[TableId, MirroredTable]:
        """Return how far each table has come."""
        async with self._database.reading() as reader:
            rows = await reader.all(_TABLES)
        found = (MirroredTable(TableId(row[0]), Phase(row[1]), *row[2:]) for row in rows)
        return {each.table: each for each in found}

    # the webhook

    async def new_hook(
        self,
        hook: str,
        *,
        url: str | None,
        mac_key: Secret,
        expires_at: datetime | None,
        old: str | None,
        at: datetime,
        relist: bool,
    ) -> None:
        """Go by another webhook from its first payload on; ``old`` is to be read to its end.

        With ``relist`` every table is listed anew, because something may have happened that no webhook told.
        """
        async with self._database.transaction() as tx:
            expires = None if expires_at is None else iso(expires_at)
            await tx.run(
                _NEW_HOOK, old_hook=old, hook=hook, url=url, mac_key=mac_key.reveal(), expires_at=expires, at=iso(at)
            )
            if relist:
                await _relist_all(tx)

    async def refreshed(self, hook: str, *, expires_at: datetime | None, at: datetime) -> None:
        """Note until when the webhook lives."""
        async with self._database.transaction() as tx:
            expires = None if expires_at is None else iso(expires_at)
            await tx.run(_REFRESHED, hook=hook, expires_at=expires, at=iso(at))

    async def broken(self, hook: str) -> None:
        """Note that the webhook tells nothing any more."""
        async with self._database.transaction() as tx:
            await tx.run(_BROKEN, hook=hook)

    async def old_ended(self, hook: str) -> None:
        """Forget the webhook before the present one."""
        async with self._database.transaction() as tx:
            await tx.run(_OLD_ENDED, hook=hook)

    async def want(self) -> None:
        """Tell whichever process pulls that somebody waits for it."""
        async with self._database.transaction() as tx:
            await tx.run(_WANT)

    async def answered(self, at: datetime, *, cursor: int, seq: int) -> None:
        """Note that everything that had happened by a moment is here."""
        async with self._database.transaction() as tx:
            await tx.run(_ANSWERED, at=iso(at), cursor=cursor, seq=seq)

    # what payloads say

    async def take_payloads(
        self,
        hook: str,
        *,
        cursor: int,
        is_old: bool,
        changed: Mapping[TableId, Collection[RecordId]],
        gone: Mapping[TableId, Collection[RecordId]],
        at: datetime,
        most: int,
    ) -> None:
        """Note which records payloads have touched and, with that, that those payloads are read.

        A table of which more than ``most`` records are to be read is listed instead.
        """
        async with self._database.transaction() as tx:
            for table, records in gone.items():
                await _touch(tx, table, records, Touch.GONE, at)
            for table, records in changed.items():
                if len(records) + await _number(tx, _COUNT_TOUCHED, table=table) > most:
                    await _relist(tx, table)
                else:
                    await _touch(tx, table, records, Touch.CHANGED, at)
            await tx.run(_MOVE_OLD if is_old else _MOVE, hook=hook, cursor=cursor)

    async def touch(self, table: TableId, records: Collection[RecordId], *, at: datetime) -> None:
        """Note that records are to be read again."""
        async with self._database.transaction() as tx:
            await _touch(tx, table, records, Touch.CHANGED, at)

    async def touched(self, *, now: datetime, count: int) -> list[tuple[TableId, RecordId, Touch, datetime]]:
        """Return up to ``count`` records that are to be looked at by now, those of one table and kind together."""
        async with self._database.reading() as reader:
            rows = await reader.all(_TOUCHED, now=iso(now), count=count)
        return [(TableId(t), RecordId(record), Touch(kind), parse_iso(at)) for t, record, kind, at in rows]

    async def untouch(self, table: TableId, records: Mapping[RecordId, datetime]) -> None:
        """Note that records were looked at; one that was touched anew since the given moment stays."""
        async with self._database.transaction() as tx:
            rows = [{"table": table, "record": record, "since": iso(since)} for record, since in records.items()]
            await tx.run_many(_UNTOUCH, rows)

    async def put_off(self, table: TableId, records: Mapping[RecordId, datetime], *, until: datetime) -> None:
        """Have records looked at again, but not before a moment."""
        async with self._database.transaction() as tx:
            rows = [
                {"table": table, "record": record, "since": iso(since), "due": iso(until)}
                for record, since in records.items()
            ]
            await tx.run_many(_PUT_OFF, rows)

    # listings

    async def page_listed(self, table: MirroredTable, records: Sequence[RecordId], *, page: str | None) -> int | None:
        """Note the records of a page, and the next one; return how many the listing has met by now.

        None: it was begun anew meanwhile.
        """
        async with self._database.transaction() as tx:
            met = await tx.run(_SEE, table=table.table, records=_json(records)) if records else 0
            row = await tx.one(_PAGE, table=table.table, generation=table.generation, page=page, met=met)
        return None if row is None else int(row[0])

    async def whole(self, table: MirroredTable, *, at: datetime) -> bool:
        """End a listing; what it has not met is to be looked at. False when it was begun anew meanwhile."""
        async with self._database.transaction() as tx:
            if not await tx.run(_WHOLE, table=table.table, generation=table.generation, at=iso(at)):
                return False
            await tx.run(_UNMET, table=table.table, at=iso(at))
            await tx.run(_DROP_SEEN, table=table.table)
        return True

    async def relist(self, tables: Collection[TableId]) -> None:
        """Have tables listed anew from their beginning; what is here stays."""
        async with self._database.transaction() as tx:
            for table in tables:
                await _relist(tx, table)

    async def relist_all(self) -> None:
        """Have every table listed anew."""
        async with self._database.transaction() as tx:
            await _relist_all(tx)

    # the schema

    async def schema_read(
        self,
        *,
        tables: Collection[TableId],
        gone: Collection[TableId],
        relist: Collection[TableId],
        changes: Sequence[NotedChange],
        at: datetime,
    ) -> None:
        """Note what the schema is now: tables that are new are to be listed, and what is known of others goes."""
        async with self._database.transaction() as tx:
            for table in tables:
                await tx.run(_ADD_TABLE, table=table)
            for table in relist:
                await _relist(tx, table)
            for table in gone:
                for statement in (_DROP_TABLE, _DROP_SEEN, _DROP_TOUCHED):
                    await tx.run(statement, table=table)
            await tx.run(_SCHEMA_READ, at=iso(at), changes=orjson.dumps(changes[-MOST_CHANGES:]).decode())

    # comparing

    async def held(
        self, table: TableId, records: Sequence[RecordId]
    ) -> dict[RecordId, tuple[str, Mapping[FieldId, object]]]:
        """Return when records were created and their cells, of those that are here."""
        async with self._database.reading() as reader:
            rows = await reader.all(_HELD, table=table, records=_json(records))
        return {RecordId(record): (created_at, orjson.loads(cells)) for record, created_at, cells in rows}

    async def next_records(self, table: TableId, *, after: int, count: int) -> list[tuple[int, RecordId]]:
        """Return the next records behind a place in the order of creation, with their places."""
        async with self._database.reading() as reader:
            rows = await reader.all(_NEXT, table=table, after=after, count=count)
        return [(int(ordinal), RecordId(record)) for ordinal, record in rows]

    async def compared(self, table: TableId, *, to: int, rows: int, cells: int, at: datetime) -> None:
        """Note what the comparison of a page has found."""
        async with self._database.transaction() as tx:
            await tx.run(_COMPARED, table=table, to=to, rows=rows, cells=cells, at=iso(at))

    async def compared_all(self, table: TableId, *, rows: int, cells: int, at: datetime) -> None:
        """Note that a table was compared to its end; ``rows`` and ``cells`` were found since the last page."""
        async with self._database.transaction() as tx:
            await tx.run(_COMPARED_ALL, table=table, rows=rows, cells=cells, at=iso(at))

    async def clear(self) -> None:
        """Know nothing any more."""
        async with self._database.transaction() as tx:
            for statement in _CLEAR:
                await tx.run(statement)

    # comparisons of everything that somebody asked for

    async def want_check(self) -> int:
        """Ask whichever process compares for a comparison of everything; return the wish's number."""
        async with self._database.transaction() as tx:
            row = await tx.one(_WANT_CHECK)
        assert row is not None  # it was added or changed
        return int(row[0])

    async def checks(self) -> Checks:
        """Return what was asked for, and what was found."""
        async with self._database.reading() as reader:
            row = await reader.one(_CHECKS)
        if row is None:
            return Checks()
        found = orjson.loads(row[2])
        return Checks(int(row[0]), int(row[1]), found.get("rows", {}), found.get("cells", {}))

    async def checked(self, number: int, *, rows: Mapping[TableId, int], cells: Mapping[TableId, int]) -> None:
        """Note what a comparison has found that answers the wishes through ``number``."""
        async with self._database.transaction() as tx:
            found = orjson.dumps({"rows": dict(rows), "cells": dict(cells)}).decode()
            await tx.run(_CHECKED, made=number, found=found)


async def _touch(tx: Transaction, table: TableId, records: Collection[RecordId], kind: Touch, at: datetime) -> None:
    await tx.run(_TOUCH, table=table, records=_json(sorted(records)), kind=str(kind), at=iso(at))


async def _relist(tx: Transaction, table: TableId) -> None:
    await tx.run(_RELIST, table=table)
    await tx.run(_DROP_SEEN, table=table)
    await tx.run(_DROP_TOUCHED, table=table)


async def _relist_all(tx: Transaction) -> None:
    for row in await tx.all(_TABLES):
        await _relist(tx, TableId(row[0]))


async def _number(reader: Reader, question: str, **values: object) -> int:
    row = await reader.one(question, **values)
    return int(row[0]) if row else 0


def _json(records: Sequence[RecordId]) -> str:
    return orjson.dumps(records).decode()


def _known(row: Row) -> Known:
    hook, url, key, cursor, state, expires, refreshed, old, old_cursor, wanted, at, answered, seq, schema, told = row
    return Known(
        hook=hook,
        url=url,
        mac_key=Secret(key),
        cursor=int(cursor),
        state=HookState(state),
        expires_at=_moment(expires),
        refreshed_at=_moment(refreshed),
        old_hook=old,
        old_cursor=int(old_cursor),
        wanted=int(wanted),
        answered_at=_moment(at),
        answered_cursor=int(answered),
        answered_seq=int(seq),
        schema_at=_moment(schema),
        changes=tuple(NotedChange(**{**each, "at": parse_iso(each["at"])}) for each in orjson.loads(told)),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_iso(text)
