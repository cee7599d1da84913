"""How hard this machine and this process work: what beats tell the Registry and the Orchestrator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.ops.metrics import Metrics

if TYPE_CHECKING:
    import psutil

SHORTEST_WINDOW: Final = 1.0
"""Seconds between two looks at the processor; over less its load is a matter of chance."""

MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Processor:
    """Percentages since the look before."""

    machine: float
    process: float


class Load:
    """Measures when it is asked; nothing here waits.

    Args:
        metrics: count the requests.
        folder: lies on the disk whose use is told.
        clock: measures spans.
    """

    def __init__(self, metrics: Metrics, folder: Path, *, clock: Clock) -> None:
        self._metrics = metrics
        self._folder = folder
        self._clock = clock
        self._started = clock.monotonic()
        self._process: psutil.Process | None = None
        self._processor: _Processor | None = None
        self._looked_at = 0.0

    def prepare(self) -> None:
        """Load what measures, and begin the first window. Safe in a thread."""
        if self._process is None:
            import psutil  # noqa: PLC0415 - 20 ms that no request waits for

            process = psutil.Process()
            psutil.cpu_percent()
            process.cpu_percent()
            self._looked_at = self._clock.monotonic()
            self._process = process

    def machine(self) -> Mapping[str, float]:
        """Return ``cpu``, ``mem`` and ``disk`` of this machine in percent; ``cpu`` only once a window has ended."""
        self.prepare()
        import psutil  # noqa: PLC0415 - as above

        processor = self._look()
        told = {} if processor is None else {"cpu": processor.machine}
        return {**told, "mem": psutil.virtual_memory().percent, "disk": psutil.disk_usage(str(self._folder)).percent}

    def process(self) -> Mapping[str, JsonValue]:
        """Return what UDC's state tells of this process, as far as it was measured."""
        self.prepare()
        assert self._process is not None
        processor, now = self._look(), self._clock.monotonic()
        told: dict[str, JsonValue] = {} if processor is None else {"cpu_percent": processor.process}
        return {
            **told,
            "memory_mb": round(self._process.memory_info().rss / MEGABYTE, 1),
            "uptime_seconds": int(now - self._started),
            "requests_total": self._metrics.requests_total,
            "requests_per_minute": self._metrics.requests_last_minute(now),
            "errors_last_hour": self._metrics.errors_last_hour(now),
        }

    def _look(self) -> _Processor | None:
        now = self._clock.monotonic()
        if self._process is not None and now - self._looked_at >= SHORTEST_WINDOW:
            import psutil  # noqa: PLC0415 - as above

            self._processor = _Processor(min(psutil.cpu_percent(), 100.0), self._process.cpu_percent())
            self._looked_at = now
        return self._processor
