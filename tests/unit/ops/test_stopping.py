from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

import pytest
from tests.fakes import FakeClock, SpyObserver

from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.ops import AlreadyStopping, NoShutdownScheduled, Shutdown

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)


@dataclass
class Process:
    """Knows whether it was stopped, and how often it was told."""

    draining: bool = False
    stops: list[float] = field(default_factory=list)


class House:
    """A shutdown with a supervisor that runs its step."""

    def __init__(self) -> None:
        self.clock, self.process, self.observer = FakeClock(), Process(), SpyObserver()
        self.supervisor = Supervisor(clock=self.clock, observer=self.observer)
        self.shutdown = Shutdown(
            self._stop,
            leaving=self.process,
            wake=lambda: self.supervisor.wake("shutdown"),
            clock=self.clock,
            observer=self.observer,
        )

    async def __aenter__(self) -> Self:
        self.supervisor.start("shutdown", self.shutdown.stop_when_due)
        await self.clock.advance(timedelta(0))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.supervisor.close()

    def _stop(self) -> None:
        self.process.draining = True
        self.process.stops.append(self.clock.monotonic())

    def facts(self) -> list[str]:
        return [type(fact).__name__ for fact in self.observer.facts]


async def test_a_scheduled_shutdown_begins_when_it_is_due_and_once() -> None:
    async with House() as house:
        scheduled = house.shutdown.schedule(MINUTE, reason="new version", by=5)
        assert scheduled.due_at - scheduled.scheduled_at == MINUTE
        await house.clock.advance(timedelta(seconds=59))
        assert house.process.stops == []
        await house.clock.advance(timedelta(seconds=1))
        assert house.process.stops == [60.0]
        await house.clock.advance(timedelta(days=3))
        assert house.process.stops == [60.0]
        assert house.facts() == ["ShutdownScheduled", "ShutdownBegun"]
        assert house.shutdown.scheduled == scheduled


async def test_without_a_delay_it_begins_at_once() -> None:
    async with House() as house:
        house.shutdown.schedule(timedelta(0), reason="", by=5)
        await house.clock.advance(timedelta(0))
        assert house.process.stops == [0.0]


@pytest.mark.parametrize(("second", "due"), [(timedelta(seconds=10), 10.0), (timedelta(minutes=5), 300.0)])
async def test_a_later_word_takes_the_place_of_an_earlier_one(second: timedelta, due: float) -> None:
    async with House() as house:
        house.shutdown.schedule(MINUTE, reason="first", by=5)
        house.shutdown.schedule(second, reason="second", by=8)
        assert house.shutdown.scheduled is not None
        assert (house.shutdown.scheduled.reason, house.shutdown.scheduled.by) == ("second", 8)
        await house.clock.advance(timedelta(minutes=10))
        assert house.process.stops == [due]


async def test_a_cancelled_shutdown_does_not_begin() -> None:
    async with House() as house:
        scheduled = house.shutdown.schedule(MINUTE, reason="first", by=5)
        assert house.shutdown.cancel(by=8) == scheduled
        assert house.shutdown.scheduled is None
        await house.clock.advance(timedelta(days=3))
        assert house.process.stops == []
        with pytest.raises(NoShutdownScheduled):
            house.shutdown.cancel(by=8)


async def test_a_process_that_is_stopping_can_be_told_nothing_more() -> None:
    async with House() as house:
        house.shutdown.schedule(MINUTE, reason="first", by=5)
        house.process.draining = True  # by a signal
        with pytest.raises(AlreadyStopping):
            house.shutdown.cancel(by=5)
        with pytest.raises(AlreadyStopping):
            house.shutdown.schedule(MINUTE, reason="second", by=5)
        await house.clock.advance(timedelta(minutes=2))
        assert house.process.stops == []
