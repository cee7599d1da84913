"""The daily digest: one row per date in Daily_Digest, counted over all records, written each day and on demand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.ops.census import Census, take_census
from airtable_connector.ops.days import ONE_DAY, date_at, day_of, last_due, moment_on
from airtable_connector.ops.heartbeats.verdicts import Verdict
from airtable_connector.records import (
    DAILY_DIGEST,
    Actor,
    Cell,
    Done,
    Record,
    Table,
    Upsert,
    Workspace,
    WriteRequest,
    Written,
)

LOOK_EVERY: Final = timedelta(minutes=10)
"""The longest rest of the daily step, so that a wall clock that is set does not put a digest off."""


@dataclass(frozen=True)
class DigestSettings:
    """When the daily digest is written. ``droplet`` is our own number, ``zone`` the one whose days are counted."""

    droplet: int
    at: time
    zone: ZoneInfo


@dataclass(frozen=True)
class DigestWritten(Fact):
    """The digest of a date was written, for the first time or again."""

    date: str


@dataclass(frozen=True)
class Digest:
    """A digest that was written: what became of its row, the feed position that shows it, and its summary."""

    written: Written
    seq: int
    summary: Mapping[str, object]


class DailyDigest:
    """Writes digests. However often and by how many replicas a date is written, it has one row."""

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        *,
        clock: Clock,
        ids: Ids,
        observer: Observer,
        settings: DigestSettings,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._settings = settings

    def today(self) -> date:
        """Return today's date in the digest's time zone."""
        return date_at(self._clock.now(), self._settings.zone)

    async def write(self, day: date, actor: Actor) -> Digest:
        """Count, and write the row of a date.

        What was created on the day is counted by its date; totals and states are those of this moment.
        """
        now = self._clock.now()
        census = await self._census(day, now)
        request = WriteRequest(actor, (Upsert(self._table(), _row(day, census, now)),))
        outcome = await self._workspace.write(request)
        if not isinstance(outcome, Done):
            raise TypeError("a write without an Idempotency-Key is never replayed")
        self._observer.saw(DigestWritten(day.isoformat()))
        return Digest(outcome.written[0], outcome.seq, summary(day, census))

    async def count(self, day: date) -> Mapping[str, object]:
        """Count a date like `write`, and write nothing; returns the summary."""
        return summary(day, await self._census(day, self._clock.now()))

    async def _census(self, day: date, now: datetime) -> Census:
        async with self._database.reading() as reader:
            return await take_census(reader, self._workspace, day_of(day, self._settings.zone), now=now)

    async def write_when_due(self) -> timedelta:
        """Write the digest of the last due moment unless that was done, as a supervisor's step.

        A moment missed while the process was down is made up for. The day before is written once more when it has a
        row, because it was not over when that was written.
        """
        zone, at = self._settings.zone, self._settings.at
        now = self._clock.now()
        due = last_due(now, at, zone)
        written_at = await self._written_at(due)
        if written_at is None or written_at < moment_on(due, at, zone):
            actor = Actor(self._settings.droplet, self._ids.trace())
            if await self._written_at(due - ONE_DAY) is not None:
                await self.write(due - ONE_DAY, actor)
            await self.write(due, actor)
        return min(moment_on(due + ONE_DAY, at, zone) - now, LOOK_EVERY)

    async def _written_at(self, day: date) -> datetime | None:
        record = await self._workspace.find(self._table(), day.isoformat())
        return None if record is None else _timestamp(self._table(), record)

    def _table(self) -> Table:
        return self._workspace.table(DAILY_DIGEST.name)


def summary(day: date, census: Census) -> dict[str, object]:
    """Return a digest as droplet 5, the Dashboard, reads it; what was not measured is 0 there."""
    return {
        "date": day.isoformat(),
        "total_droplets": census.droplets,
        "active_droplets": census.active,
        "uptime_percentage": round(census.uptime or 0.0, 2),
        "offline_cells": census.cells.get(Verdict.OFFLINE, 0),
        "new_sprints_today": census.sprints_today,
        "total_sprints_in_system": sum(census.sprints.values()),
        "completed_sprints": census.sprints.get("Done", 0),
        "active_sprints": census.sprints.get("Active", 0),
        "pending_sprints": census.sprints.get("Pending", 0),
        "total_proofs_in_system": sum(census.proofs.values()),
        "proofs_submitted_today": sum(census.proofs_today.values()),
        "proofs_verified_today": census.proofs_today.get("verified", 0),
        "proofs_failed_today": census.proofs_today.get("failed", 0),
        "proofs_pending_today": census.proofs_today.get("pending", 0),
    }


def _row(day: date, census: Census, now: datetime) -> dict[str, Cell | None]:
    active = census.sprints.get("Active", 0)
    return {
        "Date": day.isoformat(),
        "Total_Droplets": census.droplets,
        "Active_Droplets": census.active,
        "Uptime_Percentage": _rounded(census.uptime, 2),
        "Offline_Cells": census.cells.get(Verdict.OFFLINE, 0),
        "New_Sprints_Today": census.sprints_today,
        "Total_Sprints": sum(census.sprints.values()),
        "Completed_Sprints": census.sprints.get("Done", 0),
        "Active_Sprints": active,
        "Pending_Sprints": census.sprints.get("Pending", 0),
        "In_Progress_Sprints": active,
        "Total_Proofs": sum(census.proofs.values()),
        "Verified_Proofs": census.proofs.get("verified", 0),
        "Failed_Proofs": census.proofs.get("failed", 0),
        "Pending_Proofs": census.proofs.get("pending", 0),
        "Average_CPU": _rounded(census.average_cpu, 1),
        "Average_RAM": _rounded(census.average_ram, 1),
        "Last_Ping_Time": census.last_beat,
        "Warnings": _warnings(census),
        "Daily_Summary": _sentence(day, census),
        "Timestamp": iso(now),
    }


def _warnings(census: Census) -> str | None:
    parts = [
        _named(census.cells.get(Verdict.OFFLINE, 0), "Offline", census.offline),
        _named(census.cells.get(Verdict.WARNING, 0), "under high load", census.loaded),
    ]
    return "; ".join(part for part in parts if part) or None


def _named(count: int, state: str, names: tuple[str, ...]) -> str:
    if not count:
        return ""
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return f"{count} cell{'s' if count > 1 else ''} {state}: {', '.join(names)}{more}"


def _sentence(day: date, census: Census) -> str:
    uptime = "" if census.uptime is None else f" (uptime {census.uptime:.2f} %)"
    submitted, verified = sum(census.proofs_today.values()), census.proofs_today.get("verified", 0)
    return (
        f"{day.isoformat()}: {census.active} of {census.droplets} droplets active{uptime};"
        f" {census.sprints_today} new sprints, {census.sprints.get('Done', 0)} of {sum(census.sprints.values())} done,"
        f" {census.sprints.get('Active', 0)} active, {census.sprints.get('Pending', 0)} pending;"
        f" {submitted} proofs submitted, {verified} of them verified."
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _timestamp(table: Table, record: Record) -> datetime:
    """Return when a digest was written; a row whose Timestamp somebody emptied goes by its last change."""
    cell = record.cells.get(table.field("Timestamp").id)
    return parse_iso(cell if isinstance(cell, str) else record.modified_at)
