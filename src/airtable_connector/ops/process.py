"""What this process takes of its machine."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from airtable_connector.kernel.clock import Clock

LOOK_EVERY: Final = timedelta(seconds=5)
"""How far looks at the processor time lie apart; a percentage is about the last one or two of these spans."""

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """Processor time used so far, by all threads together, and memory held now (resident)."""

    cpu_seconds: float
    memory_bytes: int


def usage_of_this_process() -> Callable[[], Usage]:
    """Return what reads this process' usage: some 25 µs a time, and nothing that could wait."""
    import psutil  # noqa: PLC0415 - only a serving process pays for it

    process = psutil.Process()

    def read() -> Usage:
        times = process.cpu_times()
        return Usage(times.user + times.system, process.memory_info().rss)

    return read


class ProcessWatch:
    """Measures from two moments: the last look but one, or the beginning, and now."""

    def __init__(self, read: Callable[[], Usage], *, clock: Clock) -> None:
        self._read = read
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
        return round(self._read().memory_bytes / MEBIBYTE, 1)

    def _look(self) -> tuple[float, float]:
        return self._clock.monotonic(), self._read().cpu_seconds
