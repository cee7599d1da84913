"""Calendar days of a time zone as spans of time, and the moments at which something is due each day. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day: from its first moment up to the next day's, in UTC. It lasts 23 to 25 hours."""

    date: date
    start: datetime
    end: datetime


def day_of(day: date, zone: ZoneInfo) -> Day:
    """Return a date's day in a time zone."""
    return Day(day, moment_on(day, time(0), zone), moment_on(day + ONE_DAY, time(0), zone))


def date_at(moment: datetime, zone: ZoneInfo) -> date:
    """Return the date that a calendar in the time zone shows at a moment."""
    return moment.astimezone(zone).date()


def moment_on(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return when a time of day comes on a date, in UTC.

    A time that clocks show twice is meant the first time; one that they leave out comes as much later as they jump,
    so every date has its moment exactly once.
    """
    return datetime.combine(day, at.replace(fold=0), tzinfo=zone).astimezone(UTC)


def last_due(now: datetime, at: time, zone: ZoneInfo) -> date:
    """Return the last date whose moment has come."""
    today = date_at(now, zone)
    return today if moment_on(today, at, zone) <= now else today - ONE_DAY
