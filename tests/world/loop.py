"""An event loop in which time passes only when nothing is left to do, and nothing happens beside it.

What would run in a thread runs in the loop itself. So the order of all that happens follows from the program alone.
"""

import asyncio
import contextvars
import random
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from typing import Any

from airtable_connector.kernel.ids import ALPHABET, ID_TAIL, RecordId

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
REAL_PATIENCE_S = 0.2
"""How long another program may take to answer before simulated time goes on all the same."""

LIFE: contextvars.ContextVar[object] = contextvars.ContextVar("life", default=None)
"""Whose task it is: that of one life of the connector, or nobody's."""


class _Leaping(selectors.DefaultSelector):
    """Leaps to the next moment for which something is planned, instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.left: int | None = None
        self.stop: Callable[[], None] = lambda: None
        self.outside = 0
        self.patience_s = REAL_PATIENCE_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                self.left = None
                self.stop()
        found = super().select(0)
        if found or timeout == 0:
            return found
        if self.outside and (found := super().select(self.patience_s)):
            return found
        if timeout is None:
            if self.outside:
                return found
            raise RuntimeError("nothing is planned any more, and somebody waits")
        self.now += max(timeout, 0.0)
        return found


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Runs as far as it is told, and remembers whose each task is."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)
        self._leaping.stop = self.stop
        self.tasks: dict[asyncio.Future[Any], object] = {}
        self.failures: list[dict[str, Any]] = []
        self.set_task_factory(self._new_task)
        self.set_exception_handler(lambda _loop, context: self.failures.append(context))

    def time(self) -> float:
        return self._leaping.now

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        """Run what is for a thread; what it returns may be awaitable, and is then awaited outside of any life."""
        ended = self.create_future()
        self.call_soon(self._run, ended, func, args)
        return ended

    def run_for(self, seconds: float) -> None:
        """Let so much time pass."""
        self.call_later(seconds, self.stop)
        self.run_forever()

    def run_rounds(self, rounds: int) -> None:
        """Let everybody who can go on do so, so often: no more than a few steps of each."""
        self._leaping.left = rounds
        self.run_forever()

    def outside(self, *, more: int) -> None:
        """Take note that an answer of another program is waited for, or no more: no time passes meanwhile."""
        self._leaping.outside += more

    def be_patient(self, seconds: float = REAL_PATIENCE_S) -> None:
        """Wait so long for other programs from now on."""
        self._leaping.patience_s = seconds

    def of(self, life: object) -> list["asyncio.Future[Any]"]:
        """Return the unfinished tasks of a life, the oldest first."""
        return [task for task, whose in self.tasks.items() if whose is life]

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], *, context: Any = None
    ) -> "asyncio.Task[Any]":
        task = asyncio.Task(coro, loop=loop, context=context)
        self.tasks[task] = LIFE.get() if context is None else context.run(LIFE.get)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Future[Any]") -> None:
        self.tasks.pop(task, None)

    def _run(self, ended: "asyncio.Future[Any]", func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if ended.cancelled():
            return
        try:
            result = func(*args)
        except BaseException as error:  # noqa: BLE001 - as a thread would hand it over
            ended.set_exception(error)
            return
        if not isawaitable(result):
            ended.set_result(result)
            return

        async def await_it() -> None:
            outcome = await result
            if not ended.done():
                ended.set_result(outcome)

        self.create_task(await_it(), context=contextvars.Context())


class SimulatedClock:
    """The loop's time as a clock."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, rest: timedelta) -> None:
        await asyncio.sleep(max(0.0, rest.total_seconds()))


class SeededIds:
    """Ids as random as real ones, and the same ones for the same seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def record(self) -> RecordId:
        return RecordId(self.mint("rec"))

    def mint(self, prefix: str) -> str:
        return prefix + "".join(self._dice.choices(ALPHABET, k=ID_TAIL))

    def trace(self) -> str:
        digits = f"{self._dice.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"

    def secret(self) -> str:
        return f"{self._dice.getrandbits(256):064x}"

    def fraction(self) -> float:
        return self._dice.random()
