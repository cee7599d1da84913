"""Time as a value that is handed in, so that tests move it instead of waiting."""

import asyncio
import time  # noqa: TID251 - the one place that reads it
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where every room reads the time. All moments are aware and in UTC."""

    def now(self) -> datetime:
        """Return the wall clock's moment, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards; only differences mean something."""
        ...

    async def sleep(self, rest: timedelta) -> None:
        """Wait for ``rest``; zero or less gives other tasks one turn."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall clock's moment, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that reads it

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, rest: timedelta) -> None:
        """Wait for ``rest`` on the event loop."""
        await asyncio.sleep(max(0.0, rest.total_seconds()))  # noqa: TID251 - the one place that waits


def iso(moment: datetime) -> str:
    """Write a moment as Airtable and UDC do: UTC, milliseconds, ``Z``.

    Such texts sort as the moments do, which the stores rely on.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_iso(text: str) -> datetime:
    """Read an ISO 8601 moment; one without a zone means UTC.

    Raises:
        ValueError: the text is not an ISO 8601 date or moment.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
