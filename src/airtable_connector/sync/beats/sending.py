"""Sending heartbeats to Airtable: one call at a time, each for as many rows as it takes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, TypeVar, assert_never

from airtable_connector.airtable import (
    DENIED,
    AirtableClient,
    Change,
    CloudClientClosed,
    CloudQuotaSpent,
    CloudRecord,
    Done,
    Lane,
    NotDone,
    Outcome,
    PaceQueueFull,
    Refused,
    Unknown,
    Why,
)
from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.ids import RecordId
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.records import Workspace
from airtable_connector.sync.beats.intake import Intake
from airtable_connector.sync.beats.layout import Layout, Unfit, by_cells, by_keys, find_layout, key_of
from airtable_connector.sync.beats.rows import BeatRow, BeatRows
from airtable_connector.sync.beats.schedule import CALL_EVERY, Round, Waiting, Work, begin_round, choose
from airtable_connector.sync.beats.settings import BeatsMode, BeatsSettings

T = TypeVar("T")

PAUSE: Final = timedelta(seconds=30)
"""After a call that was not done, when nobody said for how long."""

REFUSED_PAUSE: Final = timedelta(minutes=5)
"""After a refusal of our own key."""

UNFIT_PAUSE: Final = timedelta(hours=1)
"""Before the schema is read again that has no fitting table."""

LAYOUT_LIVES: Final = timedelta(days=1)
"""Before a schema that fits is read again."""

LAYOUT_IS_NEW: Final = timedelta(minutes=10)
"""A refusal under a schema that was read within this time is about the rows, else perhaps about the schema."""

CLOCKS_DIFFER: Final = timedelta(minutes=2)
"""How far Airtable's clock may be from ours."""


@dataclass(frozen=True)
class BeatsSent(Fact):
    """A call for heartbeats at Airtable was done: what for, and how many rows it carried."""

    work: str
    rows: int


@dataclass(frozen=True)
class BeatsRefused(Fact):
    """Airtable refused a call for heartbeats; ``kind`` is its word for why."""

    work: str
    rows: int
    kind: str


@dataclass(frozen=True)
class BeatsWithoutTable(Fact):
    """Heartbeats have nowhere to go at Airtable; the schema is looked at again in an hour."""

    reason: str


@dataclass(frozen=True)
class BeatsLeftOut(Fact):
    """Rows of an hour were not made, because as many rows are there as may be, and none of them is older."""

    hour: str
    rows: int


class BeatSender:
    """Keeps a row for each cell at Airtable, and rows for hours, at a cost that does not grow with the beats.

    Only the process that holds the lease may run the step. ``allows`` tells whether a call may be made now.
    """

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        client: AirtableClient,
        *,
        allows: Callable[[], bool],
        clock: Clock,
        observer: Observer,
        settings: BeatsSettings,
    ) -> None:
        self._client = client
        self._allows = allows
        self._clock = clock
        self._observer = observer
        self._settings = settings
        self._intake = Intake(workspace, database, clock=clock, settings=settings)
        self._rows = BeatRows(database)
        self._layout: Layout | Unfit | None = None
        self._layout_read_at = clock.monotonic()
        self._round: Round | None = None
        self._passed_over = 0
        self._next_call_at: float | None = None
        self._last_called: datetime | None = None
        self._refused: str | None = None
        self._left_out = 0

    async def send_once(self) -> timedelta | None:
        """Do one round as a supervisor's step: take what has come, and make one call at most.

        What was sent without a known outcome is looked at again when it cannot be at work there any more.
        """
        if self._settings.mode in {BeatsMode.NONE, BeatsMode.ALL}:
            return None
        if not await self._intake.take():
            return timedelta(0)
        rest = await self._rest_before_call()
        if rest > timedelta(0):
            return min(rest, CALL_EVERY)
        if self._allows():
            await self._call()
        return CALL_EVERY

    async def facts(self) -> dict[str, JsonValue]:
        """Return how the heartbeats stand, all of it counted."""
        counts = await self._rows.counts()
        return {
            "mode": self._settings.mode.value,
            "rows_there": {"cells": counts.cells, "hours": counts.hours},
            "waiting": {"cells": counts.cells_waiting, "hours": counts.hours_waiting},
            "uncertain": counts.uncertain,
            "left_out": self._left_out + self._intake.left_out,
            "beats_without_row": self._intake.without_row,
            "last_call": iso(self._last_called) if self._last_called else None,
            "trouble": self._layout.reason if isinstance(self._layout, Unfit) else self._refused,
        }

    # --- when ---------------------------------------------------------------------------------------------------

    async def _rest_before_call(self) -> timedelta:
        at = self._clock.monotonic()
        if self._next_call_at is None:
            # a process that was here before may have called a moment ago
            last = await self._rows.last_tried()
            since = self._clock.now() - last if last else CALL_EVERY
            self._next_call_at = at + max(timedelta(0), min(CALL_EVERY - since, CALL_EVERY)).total_seconds()
        return timedelta(seconds=self._next_call_at - at)

    def _calls_now(self) -> None:
        self._last_called = self._clock.now()
        self._next_call_at = self._clock.monotonic() + CALL_EVERY.total_seconds()

    def _pause(self, pause: timedelta) -> None:
        self._next_call_at = self._clock.monotonic() + max(pause, CALL_EVERY).total_seconds()

    # --- what for -----------------------------------------------------------------------------------------------

    async def _call(self) -> None:
        if self._layout is None or self._layout_is_older_than(LAYOUT_LIVES) or isinstance(self._layout, Unfit):
            await self._read_layout()
            return
        now, layout = self._clock.now(), self._layout
        await self._rows.settle(settled=now - self._settings.settle, keyed=layout.key is not None)
        waiting = await self._waiting(now, layout)
        work = choose(waiting, limit=self._settings.rows, passed_over=self._passed_over)
        if work is None:
            return
        rows = await self._rows.chosen(
            work,
            waiting,
            keep=now - self._settings.keep,
            began=self._round.began if self._round else now,
            moments=layout.shows_moments,
            room=waiting.room(self._settings.rows),
        )
        await self._do(work, rows, layout)

    async def _waiting(self, now: datetime, layout: Layout) -> Waiting:
        """Return what waits, and begin a round, end one, or leave out hours, as that needs."""
        running = self._round if self._round and self._round.calls else None
        waiting = await self._rows.waiting(
            keep=now - self._settings.keep, began=running.began if running else now, moments=layout.shows_moments
        )
        waiting = waiting.within(self._settings.rows)
        if not layout.tells_hours:
            waiting = replace(waiting, hourly=0, first_hour_waiting="")
        if running is None:
            running = begin_round(waiting, now=now, before=self._round, interval=self._settings.interval)
            self._round = running or self._round
        elif waiting.changed == waiting.new == 0:
            self._round = replace(running, calls=0)
        if running is None:
            waiting = replace(waiting, changed=0, new=0)
        if waiting.is_stuck(self._settings.rows):
            rows = await self._rows.leave_out_hour(waiting.first_hour_waiting)
            self._left_out += rows
            self._observer.saw(BeatsLeftOut(waiting.first_hour_waiting, rows))
            waiting = replace(waiting, hourly=0)
        return waiting

    def _layout_is_older_than(self, age: timedelta) -> bool:
        return self._clock.monotonic() - self._layout_read_at >= age.total_seconds()

    async def _read_layout(self) -> None:
        self._calls_now()
        match await _sent(self._client.schema(lane=Lane.OUTBOX)):
            case Done(tables):
                self._layout = find_layout(tables)
                self._layout_read_at = self._clock.monotonic()
                if isinstance(self._layout, Unfit):
                    self._observer.saw(BeatsWithoutTable(self._layout.reason))
                    self._pause(UNFIT_PAUSE)
            case Refused() as refused:
                self._refuse("schema", 0, refused)
                self._pause(REFUSED_PAUSE)
            case NotDone(_, _, pause):
                self._pause(pause or PAUSE)
            case Unknown():
                self._pause(PAUSE)

    # --- calls --------------------------------------------------------------------------------------------------

    async def _do(self, work: Work, rows: Sequence[BeatRow], layout: Layout) -> None:
        self._passed_over = 0 if work is Work.LATEST else self._passed_over + 1
        self._calls_now()
        match work:
            case Work.LOOK:
                await self._look(rows, layout)
            case Work.CHECK:
                await self._check(rows, layout)
            case Work.EXPIRE | Work.MAKE_ROOM:
                await self._delete(work, rows, layout)
            case Work.HOURLY | Work.LATEST:
                await self._send(work, rows, layout)
            case _:
                assert_never(work)

    async def _send(self, work: Work, rows: Sequence[BeatRow], layout: Layout) -> None:
        await self._rows.begin(rows, at=self._clock.now())
        outcome = await _sent(self._written(rows, layout))
        if work is Work.LATEST and self._round and isinstance(outcome, Done | Unknown):
            self._round = self._round.called()
        if isinstance(outcome, Done):
            await self._rows.done(rows, [record.id for record in outcome.value])
            self._succeed(work, rows)
            return
        await self._learn(work, rows, outcome)

    async def _written(self, rows: Sequence[BeatRow], layout: Layout) -> Outcome[Sequence[CloudRecord]]:
        table = layout.table
        wanted = [layout.cells(row.cell, row.shown, _moment(row)) for row in rows]
        known = [row.record for row in rows if row.record is not None]
        if known:
            changes = [Change(record, cells) for record, cells in zip(known, wanted, strict=True)]
            return await self._client.update(table, changes, lane=Lane.OUTBOX)
        if layout.key is None:
            return await self._client.create(table, wanted, lane=Lane.OUTBOX)
        for row, cells in zip(rows, wanted, strict=True):
            cells[layout.key] = key_of(row.cell, row.hour)
        outcome = await self._client.upsert(table, wanted, on=[layout.key], lane=Lane.OUTBOX)
        return Done(outcome.value.records) if isinstance(outcome, Done) else outcome

    async def _delete(self, work: Work, rows: Sequence[BeatRow], layout: Layout) -> None:
        await self._rows.begin(rows, at=self._clock.now())
        records = _records(rows)
        outcome = await _sent(self._client.delete(layout.table, records, lane=Lane.OUTBOX))
        if isinstance(outcome, Done):
            await self._rows.checked(there=(), gone=records)
            self._succeed(work, rows)
            return
        await self._learn(work, rows, outcome)

    async def _check(self, rows: Sequence[BeatRow], layout: Layout) -> None:
        """See which records are there, after a call was refused that named some."""
        records = _records(rows)
        outcome = await _sent(self._client.get(layout.table, records, lane=Lane.OUTBOX))
        if not isinstance(outcome, Done):
            self._read_failed(Work.CHECK, rows, outcome)
            return
        there = {record.id for record in outcome.value.records}
        await self._rows.checked(there=sorted(there), gone=[record for record in records if record not in there])
        self._succeed(Work.CHECK, rows)

    async def _look(self, rows: Sequence[BeatRow], layout: Layout) -> None:
        """Find rows whose creation has no known outcome, before they are made again.

        By their keys; without, what was sent must be alike, made in that time, and no other row of ours.
        """
        if layout.key is None:
            tried = [parse_iso(row.tried_at or row.at) for row in rows]
            span = {"after": min(tried) - CLOCKS_DIFFER, "before": max(tried) + self._settings.settle + CLOCKS_DIFFER}
            formula = by_cells(sorted({row.cell for row in rows}), **span)
        else:
            formula = by_keys([key_of(row.cell, row.hour) for row in rows])
        outcome = await _sent(self._client.list_page(layout.table, formula=formula, lane=Lane.OUTBOX))
        if not isinstance(outcome, Done):
            self._read_failed(Work.LOOK, rows, outcome)
            return
        records = sorted(outcome.value.records, key=lambda record: (record.created_at, record.id))
        claimed = await self._rows.claimed([record.id for record in records])
        found = _matched(rows, [record for record in records if record.id not in claimed], layout)
        missing = [row for row in rows if row not in found]
        if outcome.value.offset is not None and missing and len(rows) > 1:
            # more was made for these cells than a page holds: each is looked for by itself
            await self._rows.seek(missing)
            missing = []
        await self._rows.found({row: (record, layout.key is None) for row, record in found.items()}, missing)
        self._succeed(Work.LOOK, rows)

    # --- what came of it ----------------------------------------------------------------------------------------

    async def _learn(self, work: Work, rows: Sequence[BeatRow], outcome: Refused | NotDone | Unknown) -> None:
        match outcome:
            case NotDone(_, _, pause):
                await self._rows.release(rows)
                self._pause(pause or PAUSE)
            case Unknown():
                # they stay as they were stored before the call, until they are settled
                self._pause(PAUSE)
            case Refused():
                self._refuse(work, len(rows), outcome)
                await self._put_off(work, rows, outcome)
            case _:
                assert_never(outcome)

    async def _put_off(self, work: Work, rows: Sequence[BeatRow], refused: Refused) -> None:
        named = refused.record is not None or refused.status == HTTPStatus.NOT_FOUND
        if refused.status in DENIED:
            # a record that is gone is answered like one that our key must not see
            await (self._rows.release(rows) if rows[0].record is None else self._rows.doubt(rows))
            self._layout = None
            self._pause(REFUSED_PAUSE)
        elif rows[0].record is not None and named:
            await self._rows.doubt(rows)
        elif work in {Work.EXPIRE, Work.MAKE_ROOM}:
            # it says nothing of what is gone, so the same rows would be chosen again at once
            await self._rows.doubt(rows)
            self._pause(REFUSED_PAUSE)
        elif not rows[0].alone and self._layout_is_older_than(LAYOUT_IS_NEW):
            await self._rows.release(rows)
            self._layout = None
        elif len(rows) > 1:
            await self._rows.part(rows)
        elif work is Work.HOURLY:
            await self._rows.leave_out(rows[0])
        elif rows[0].record is None:
            # a copy of its record may be there, with the same key
            await self._rows.seek(rows)
        else:
            await self._rows.part(rows)

    def _read_failed(self, work: Work, rows: Sequence[BeatRow], outcome: Refused | NotDone | Unknown) -> None:
        match outcome:
            case Refused():
                self._refuse(work, len(rows), outcome)
                self._layout = None
                self._pause(REFUSED_PAUSE)
            case NotDone(_, _, pause):
                self._pause(pause or PAUSE)
            case Unknown():
                self._pause(PAUSE)
            case _:
                assert_never(outcome)

    def _refuse(self, work: str, rows: int, refused: Refused) -> None:
        self._refused = f"Airtable refused a call ({refused.type})"
        self._observer.saw(BeatsRefused(work, rows, refused.type))

    def _succeed(self, work: Work, rows: Sequence[BeatRow]) -> None:
        self._refused = None
        self._observer.saw(BeatsSent(work, len(rows)))


async def _sent(call: Awaitable[Outcome[T]]) -> Outcome[T]:
    """Make a call; one that was not even begun is one that was not done."""
    try:
        return await call
    except (CloudQuotaSpent, PaceQueueFull) as error:
        return NotDone(Why.LOCKED_OUT, error.code, error.retry_after)
    except CloudClientClosed as error:
        return NotDone(Why.UNREACHED, error.code)


def _matched(rows: Sequence[BeatRow], records: Sequence[CloudRecord], layout: Layout) -> dict[BeatRow, RecordId]:
    """Say which record is which row, the oldest one first, and none of them twice."""
    free = list(records)
    found = {}
    for row in rows:
        match = next((record for record in free if _is(record, row, layout)), None)
        if match is not None:
            free.remove(match)
            found[row] = match.id
    return found


def _is(record: CloudRecord, row: BeatRow, layout: Layout) -> bool:
    if layout.key is not None:
        return record.cells.get(layout.key) == key_of(row.cell, row.hour)
    return layout.is_row(record, row.cell, row.sending or row.shown)


def _records(rows: Sequence[BeatRow]) -> list[RecordId]:
    return [row.record for row in rows if row.record is not None]


def _moment(row: BeatRow) -> datetime:
    return parse_iso(row.at)
