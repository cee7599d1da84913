"""The only place that loops: background work is a step that one can await once.

A step does one round and returns how long to rest, or None when there is nothing left to do for it. The supervisor
repeats it, backs off when it fails, keeps one step's failure from the others, and reports.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self, TypeAlias

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Fact, Observer

Step: TypeAlias = Callable[[], Awaitable[timedelta | None]]

FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=1)


@dataclass(frozen=True)
class StepFailed(Fact):
    """A background step raised; it will be tried again after ``rest``."""

    step: str
    error: BaseException
    failures: int
    rest: timedelta


@dataclass(frozen=True)
class StepRecovered(Fact):
    """A background step works again after failing ``failures`` times."""

    step: str
    failures: int


class Supervisor:
    """Runs steps until it is closed. Use as an async context manager."""

    def __init__(self, *, clock: Clock, observer: Observer) -> None:
        self._clock = clock
        self._observer = observer
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wakes: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def start(self, name: str, step: Step) -> None:
        """Begin repeating ``step``; the name must be new."""
        if name in self._tasks:
            raise ValueError(f"a step named {name} runs already")
        self._wakes[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._repeat(name, step), name=name)  # noqa: TID251 - the one place

    def runs(self, name: str) -> bool:
        """Tell whether a step of this name is being repeated."""
        return name in self._tasks

    def wake(self, name: str) -> None:
        """Cut the rest of a step short; a step that is not running is no trouble."""
        if name in self._wakes:
            self._wakes[name].set()

    async def close(self) -> None:
        """Cancel every step and wait for it to end."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        self._wakes.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, name: str, step: Step) -> None:
        wake = self._wakes[name]
        failures = 0
        while True:
            wake.clear()
            try:
                wanted = await step()
            except Exception as error:  # noqa: BLE001 - a step's bug must not end the others
                failures += 1
                rest = min(FIRST_BACKOFF * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
                self._observer.saw(StepFailed(step=name, error=error, failures=failures, rest=rest))
            else:
                if failures:
                    self._observer.saw(StepRecovered(step=name, failures=failures))
                failures = 0
                if wanted is None:
                    self._tasks.pop(name, None)
                    self._wakes.pop(name, None)
                    return
                rest = wanted
            await self._rest(wake, rest)

    async def _rest(self, wake: asyncio.Event, rest: timedelta) -> None:
        if rest <= timedelta(0):
            await self._clock.sleep(rest)
            return
        sleeping = asyncio.ensure_future(self._clock.sleep(rest))
        waking = asyncio.ensure_future(wake.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
