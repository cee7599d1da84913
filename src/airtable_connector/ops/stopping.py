"""Ending the process on somebody's word: after a delay and with everything finished, or at once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import Conflict, NotFound
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.ops.health import Leaving

UNTIL_WOKEN: Final = timedelta(days=1)


class NoShutdownScheduled(NotFound):
    """There is no scheduled shutdown to cancel."""

    code = "no-shutdown-scheduled"

    def __init__(self) -> None:
        super().__init__("no shutdown is scheduled", hint="GET /state shows the one that is, if any")


class AlreadyStopping(Conflict):
    """The service is stopping already, and that cannot be taken back."""

    code = "already-stopping"

    def __init__(self) -> None:
        super().__init__(
            "the service is stopping already; that can be neither changed nor taken back",
            hint="start it again when it has ended; POST /emergency-stop ends it at once",
        )


@dataclass(frozen=True)
class ShutdownScheduled(Fact):
    """A droplet wants the service to stop at ``due_at``; ``replaced`` tells that it had been another moment."""

    reason: str
    by: int
    due_at: datetime
    replaced: bool


@dataclass(frozen=True)
class ShutdownCancelled(Fact):
    """A droplet has called a scheduled shutdown off."""

    by: int


@dataclass(frozen=True)
class ShutdownBegun(Fact):
    """A scheduled shutdown is due."""

    reason: str
    by: int


@dataclass(frozen=True)
class EmergencyStop(Fact):
    """A droplet ends the process at once; this is the last that is heard of it."""

    by: int


@dataclass(frozen=True)
class Scheduled:
    """A shutdown to come: why, on whose word, decided when, and due when."""

    reason: str
    by: int
    scheduled_at: datetime
    due_at: datetime

    def shown(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "reason": self.reason,
            "scheduled_at": iso(self.scheduled_at),
            "due_at": iso(self.due_at),
            "by": self.by,
        }


class Shutdown:
    """The one shutdown that may be scheduled. It is of this process: nothing of it outlives a restart."""

    def __init__(
        self,
        stop: Callable[[], object],
        *,
        leaving: Leaving,
        wake: Callable[[], object],
        clock: Clock,
        observer: Observer,
    ) -> None:
        """Hold no shutdown yet.

        Args:
            stop: begins what a stop signal begins.
            leaving: knows whether that has begun.
            wake: has `stop_when_due` called soon.
            clock: tells the time.
            observer: is told.
        """
        self._stop = stop
        self._leaving = leaving
        self._wake = wake
        self._clock = clock
        self._observer = observer
        self._due = 0.0
        self.scheduled: Scheduled | None = None
        """The shutdown to come, or the one that has begun."""

    def schedule(self, delay: timedelta, *, reason: str, by: int) -> Scheduled:
        """Stop after ``delay``, and no longer when it was to be before.

        Raises:
            AlreadyStopping: the process is stopping.
        """
        if self._leaving.draining:
            raise AlreadyStopping
        now = self._clock.now()
        replaced = self.scheduled is not None
        self.scheduled = Scheduled(reason, by, scheduled_at=now, due_at=now + delay)
        self._due = self._clock.monotonic() + delay.total_seconds()
        self._observer.saw(ShutdownScheduled(reason, by, self.scheduled.due_at, replaced))
        self._wake()
        return self.scheduled

    def cancel(self, *, by: int) -> Scheduled:
        """Call the scheduled shutdown off, and return it.

        Raises:
            AlreadyStopping: the process is stopping.
            NoShutdownScheduled: there is none.
        """
        if self._leaving.draining:
            raise AlreadyStopping
        cancelled = self.scheduled
        if cancelled is None:
            raise NoShutdownScheduled
        self.scheduled = None
        self._observer.saw(ShutdownCancelled(by))
        return cancelled

    async def stop_when_due(self) -> timedelta:
        """Begin to stop when it is time, as a supervisor's step."""
        if self.scheduled is None or self._leaving.draining:
            return UNTIL_WOKEN
        left = self._due - self._clock.monotonic()
        if left > 0:
            return timedelta(seconds=left)
        self._observer.saw(ShutdownBegun(self.scheduled.reason, self.scheduled.by))
        self._stop()
        return UNTIL_WOKEN
