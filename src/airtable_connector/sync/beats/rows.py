"""The rows as they are stored here: which record at Airtable is whose, and what is known of it.

What a call carries is stored before it begins, and what came of it in one transaction after it: who dies in between
leaves rows whose outcome is not known, as a lost answer does.
"""

# ruff: noqa: S608 - every statement is put together from literal texts of this module; values go in as parameters

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from airtable_connector.airtable import MOST_READ, MOST_WRITTEN
from airtable_connector.database import Database, Row, Sql
from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.kernel.ids import RecordId
from airtable_connector.sync.beats.layout import Shown
from airtable_connector.sync.beats.schedule import Waiting, Work

LOOKED_AT: Final = 5
"""Rows looked for together: so few that what others add for the same cells meanwhile leaves them on one page."""

_AFTER_ALL = "9999"
"""Sorts behind every hour."""

# :moments is 1 when a row shows its beat's moment
_DIFFERS = "(sent is null or sent <> content or (cast(:moments as integer) = 1 and sent_at <> at))"
_NEWEST = "hour = '' and state = '' and at >= :keep and (tried_at is null or tried_at < :began)"
_HOUR_WAITS = "hour > '' and state = '' and record_id is null"
_MAY_BE_THERE = "(record_id is not null or state in ('sending', 'sought'))"

_WAITING = (
    "select"
    " coalesce(sum(case when state = 'sought' then 1 else 0 end), 0),"
    " coalesce(sum(case when state = 'doubted' then 1 else 0 end), 0),"
    " coalesce(sum(case when state = '' and record_id is not null and at < :keep then 1 else 0 end), 0),"
    f" coalesce(sum(case when {_NEWEST} and record_id is not null and {_DIFFERS} then 1 else 0 end), 0),"
    f" coalesce(sum(case when {_NEWEST} and record_id is null then 1 else 0 end), 0),"
    f" coalesce(sum(case when {_HOUR_WAITS} then 1 else 0 end), 0),"
    f" coalesce(sum(case when {_MAY_BE_THERE} then 1 else 0 end), 0),"
    f" coalesce(min(case when {_HOUR_WAITS} then hour end), ''),"
    " coalesce(min(case when hour > '' and state = '' and record_id is not null then hour end), '')"
    " from cloud_beats"
)
_COLUMNS = "select hour, cell, at, content, record_id, sending, tried_at, alone from cloud_beats"
_SOUGHT = f"{_COLUMNS} where state = 'sought' order by alone, tried_at, hour, cell limit :count"
_DOUBTED = f"{_COLUMNS} where state = 'doubted' order by hour, cell limit :count"
_EXPIRED = f"{_COLUMNS} where state = '' and record_id is not null and at < :keep order by at, cell limit :count"
_OLDEST_HOURS = (
    f"{_COLUMNS} where hour > '' and hour < :before and state = '' and record_id is not null"
    " order by hour, cell limit :count"
)
_HOURLY = f"{_COLUMNS} where {_HOUR_WAITS} order by alone, hour, cell limit :count"
_CHANGED = (
    f"{_COLUMNS} where {_NEWEST} and record_id is not null and {_DIFFERS}"
    " order by alone, coalesce(tried_at, ''), cell limit :count"
)
_NEW = f"{_COLUMNS} where {_NEWEST} and record_id is null order by alone, coalesce(tried_at, ''), cell limit :count"

_OF_ONE = "where hour = :hour and cell = :cell"
_BEGIN = f"update cloud_beats set state = 'sending', sending = :sending, tried_at = :now {_OF_ONE}"
_DONE = (
    "update cloud_beats set state = '', sending = null, record_id = :record, sent = :sent, sent_at = :sent_at,"
    f" alone = 0 {_OF_ONE}"
)
_RELEASE = f"update cloud_beats set state = '', sending = null, tried_at = :tried_at {_OF_ONE}"
_PUT_OFF = f"update cloud_beats set state = :state, sending = null, alone = :alone {_OF_ONE}"
_SEEK = f"update cloud_beats set state = 'sought', alone = 1 {_OF_ONE}"
_NOT_FOUND = f"update cloud_beats set state = '', sending = null {_OF_ONE}"
_GONE = (
    "update cloud_beats set state = '', sending = null, record_id = null, sent = null, sent_at = null, tried_at = null"
    " where record_id = :record and hour = ''"
)
_HOUR_GONE = "delete from cloud_beats where record_id = :record and hour > ''"
_STILL_THERE = "update cloud_beats set state = '' where record_id = :record"
_SETTLE = (
    "update cloud_beats set"
    " state = case when record_id is null and cast(:keyed as integer) = 0 then 'sought' else '' end"
    " where state = 'sending' and tried_at <= :settled"
)
_UNSETTLED = "select 1 from cloud_beats where state = 'sending' and tried_at <= :settled limit 1"
_LEAVE_OUT = f"delete from cloud_beats where {_HOUR_WAITS} and hour = :hour"
_LEAVE_OUT_ONE = f"delete from cloud_beats {_OF_ONE} and record_id is null"
_CLAIMED = Sql(
    "select record_id from cloud_beats where record_id in (select value from json_each(:records))",
    "select record_id from cloud_beats where record_id in (select jsonb_array_elements_text(cast(:records as jsonb)))",
)
_LAST_TRIED = "select max(tried_at) from cloud_beats"
_COUNTS = (
    "select coalesce(sum(case when hour = '' and record_id is not null then 1 else 0 end), 0),"
    " coalesce(sum(case when hour > '' and record_id is not null then 1 else 0 end), 0),"
    " coalesce(sum(case when hour = '' and state = '' and (sent is null or sent <> content) then 1 else 0 end), 0),"
    f" coalesce(sum(case when {_HOUR_WAITS} then 1 else 0 end), 0),"
    " coalesce(sum(case when state <> '' then 1 else 0 end), 0)"
    " from cloud_beats"
)


@dataclass(frozen=True, slots=True)
class BeatRow:
    """A row and what it is to show. ``hour`` is empty for that of a cell's newest beat.

    ``sending`` is what was last sent without a known outcome, ``tried_at`` when a call last carried it.
    """

    hour: str
    cell: str
    at: str
    shown: Shown = field(repr=False)
    record: RecordId | None
    sending: Shown | None = field(repr=False)
    tried_at: str | None
    alone: bool

    @property
    def place(self) -> dict[str, object]:
        """Its primary key."""
        return {"hour": self.hour, "cell": self.cell}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows are there for newest beats and for hours, wait, or are under way or in doubt."""

    cells: int
    hours: int
    cells_waiting: int
    hours_waiting: int
    uncertain: int


class BeatRows:
    """Reads and writes ``cloud_beats``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, *, keep: datetime, began: datetime, moments: bool) -> Waiting:
        """Return what is to be done, of newest beats what no call carried since ``began``."""
        async with self._database.reading() as reader:
            row = await reader.one(_WAITING, keep=iso(keep), began=iso(began), moments=int(moments))
        return Waiting(*row) if row else Waiting()

    async def chosen(
        self, work: Work, waiting: Waiting, *, keep: datetime, began: datetime, moments: bool, room: int
    ) -> Sequence[BeatRow]:
        """Return the rows of one call. Newest beats are either all of rows that are there, or all of new ones."""
        newest = {"keep": iso(keep), "began": iso(began)}
        most_new = min(room, MOST_WRITTEN)
        match work:
            case Work.LOOK:
                return _together(await self._rows(_SOUGHT, count=LOOKED_AT))
            case Work.CHECK:
                return await self._rows(_DOUBTED, count=MOST_READ)
            case Work.EXPIRE:
                return await self._rows(_EXPIRED, keep=iso(keep), count=MOST_WRITTEN)
            case Work.MAKE_ROOM:
                # for newest beats any hour may go
                before = _AFTER_ALL if waiting.new else waiting.first_hour_waiting
                needed = min(waiting.new + waiting.hourly - room, MOST_WRITTEN)
                return await self._rows(_OLDEST_HOURS, before=before, count=needed)
            case Work.HOURLY:
                return _together(await self._rows(_HOURLY, count=most_new))
            case Work.LATEST if waiting.changed:
                return _together(await self._rows(_CHANGED, **newest, moments=int(moments), count=MOST_WRITTEN))
            case Work.LATEST:
                return _together(await self._rows(_NEW, **newest, count=most_new))

    async def _rows(self, statement: str, **values: object) -> list[BeatRow]:
        async with self._database.reading() as reader:
            return [_row(row) for row in await reader.all(statement, **values)]

    # --- around a call ------------------------------------------------------------------------------------------

    async def begin(self, rows: Sequence[BeatRow], *, at: datetime) -> None:
        """Store what a call is about to carry."""
        await self._each(_BEGIN, [{**row.place, "sending": row.shown.text(), "now": iso(at)} for row in rows])

    async def done(self, rows: Sequence[BeatRow], records: Sequence[RecordId]) -> None:
        """Store that these records show what was sent."""
        await self._each(
            _DONE,
            [
                {**row.place, "record": record, "sent": row.shown.text(), "sent_at": row.at}
                for row, record in zip(rows, records, strict=True)
            ],
        )

    async def release(self, rows: Sequence[BeatRow]) -> None:
        """Have it as though the call had not been: it had no effect."""
        await self._each(_RELEASE, [{**row.place, "tried_at": row.tried_at} for row in rows])

    async def part(self, rows: Sequence[BeatRow]) -> None:
        """Let each of these travel by itself, because one of them was refused."""
        await self._each(_PUT_OFF, [{**row.place, "state": "", "alone": 1} for row in rows])

    async def seek(self, rows: Sequence[BeatRow]) -> None:
        """Let each be looked for by itself: it may be there, perhaps more than once."""
        await self._each(_SEEK, [row.place for row in rows])

    async def doubt(self, rows: Sequence[BeatRow]) -> None:
        """Let it be checked whether they are there."""
        await self._each(_PUT_OFF, [{**row.place, "state": "doubted", "alone": int(row.alone)} for row in rows])

    async def leave_out(self, row: BeatRow) -> None:
        """Forget a row that is not there and cannot be made."""
        await self._each(_LEAVE_OUT_ONE, [row.place])

    # --- what was learned ---------------------------------------------------------------------------------------

    async def found(self, found: Mapping[BeatRow, tuple[RecordId, bool]], missing: Sequence[BeatRow]) -> None:
        """Store which records rows are, and whether they show what was sent; others are not there."""
        rows = [
            {
                **row.place,
                "record": record,
                "sent": row.sending.text() if shows and row.sending else None,
                "sent_at": "",  # of which beat it was is not known any more
            }
            for row, (record, shows) in found.items()
        ]
        async with self._database.transaction() as tx:
            await tx.run_many(_DONE, rows)
            await tx.run_many(_NOT_FOUND, [row.place for row in missing])

    async def checked(self, *, there: Sequence[RecordId], gone: Sequence[RecordId]) -> None:
        """Store which records are there. A newest beat's row that is gone is made again; an hour's is not."""
        async with self._database.transaction() as tx:
            await tx.run_many(_STILL_THERE, [{"record": record} for record in there])
            await tx.run_many(_GONE, [{"record": record} for record in gone])
            await tx.run_many(_HOUR_GONE, [{"record": record} for record in gone])

    async def settle(self, *, settled: datetime, keyed: bool) -> None:
        """Let go what was sent until then without a known outcome: it is not at work there any more.

        What can be repeated will be; a row that would be made twice is looked for first.
        """
        async with self._database.reading() as reader:
            if await reader.one(_UNSETTLED, settled=iso(settled)) is None:
                return
        async with self._database.transaction() as tx:
            await tx.run(_SETTLE, settled=iso(settled), keyed=int(keyed))

    async def leave_out_hour(self, hour: str) -> int:
        """Forget what waits of an hour, because there is no room for it; return how many rows that were."""
        async with self._database.transaction() as tx:
            return await tx.run(_LEAVE_OUT, hour=hour)

    async def claimed(self, records: Sequence[RecordId]) -> frozenset[RecordId]:
        """Return those that are rows already."""
        async with self._database.reading() as reader:
            rows = await reader.all(_CLAIMED, records=orjson.dumps(list(records)).decode())
        return frozenset(RecordId(row[0]) for row in rows)

    async def last_tried(self) -> datetime | None:
        """Return when the last call began that carried rows."""
        async with self._database.reading() as reader:
            row = await reader.one(_LAST_TRIED)
        return parse_iso(row[0]) if row and row[0] else None

    async def counts(self) -> Counts:
        """Count the rows."""
        async with self._database.reading() as reader:
            row = await reader.one(_COUNTS)
        return Counts(*row) if row else Counts(0, 0, 0, 0, 0)

    async def _each(self, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
        async with self._database.transaction() as tx:
            await tx.run_many(statement, rows)


def _together(rows: list[BeatRow]) -> list[BeatRow]:
    """Return what travels together: all rows that may, or else one."""
    return [row for row in rows if not row.alone] or rows[:1]


def _row(row: Row) -> BeatRow:
    hour, cell, at, content, record, sending, tried_at, alone = row
    return BeatRow(
        hour,
        cell,
        at,
        Shown.read(content),
        RecordId(record) if record else None,
        Shown.read(sending) if sending else None,
        tried_at,
        bool(alone),
    )
