"""What this process takes of its machine."""

import resource
from collections import deque
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from airtable_connector.kernel.clock import Clock

if TYPE_CHECKING:
    import psutil

LOOK_EVERY: Final = timedelta(seconds=5)
"""How far looks at the processor time lie apart; a percentage is about the last one or two of these spans."""

MEBIBYTE: Final = 1024 * 1024


class Usage(Protocol):
    """What a process has used and holds."""

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, by all threads together."""
        ...

    def memory_bytes(self) -> int:
        """Return the memory held now (resident)."""
        ...


class OwnUsage:
    """What this process uses; reading it takes microseconds and never waits."""

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, by all threads together."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def memory_bytes(self) -> int:
        """Return the memory held now (resident)."""
        held: int = _process().memory_info().rss
        return held


@cache
def _process() -> "psutil.Process":
    import psutil  # noqa: PLC0415 - 20 ms that the start need not pay

    return psutil.Process()


class ProcessWatch:
    """Measures from two moments: the last look but one, or the beginning, and now."""

    def __init__(self, usage: Usage, *, clock: Clock) -> None:
        self._usage = usage
        self._clock = clock
        self._looks: deque[tuple[float, float]] = deque([self._look()], maxlen=2)

    async def look_once(self) -> timedelta:
        """Begin another span to measure over, as a supervisor's step."""
        self._looks.append(self._look())
        return LOOK_EVERY

    def cpu_percent(self) -> float:
        """Return the share of one processor used lately; over 100 when threads used several."""
        since, used_then = self._looks[0]
        at, used_now = self._look()
        return round(100 * (used_now - used_then) / (at - since), 1) if at > since else 0.0

    def memory_mib(self) -> float:
        """Return the memory held now."""
        return round(self._usage.memory_bytes() / MEBIBYTE, 1)

    def _look(self) -> tuple[float, float]:
        return self._clock.monotonic(), self._usage.cpu_seconds()
