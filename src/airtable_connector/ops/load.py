"""How hard this machine works: what beats tell the Registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from airtable_connector.kernel.clock import Clock

SHORTEST_WINDOW: Final = 1.0
"""Seconds between two looks at the processor; over less its load is a matter of chance."""


class MachineLoad:
    """Measures when it is asked; nothing here waits.

    Args:
        folder: lies on the disk whose use is told.
        clock: measures spans.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._looked_at: float | None = None
        self._processor: float | None = None

    def prepare(self) -> None:
        """Load what measures, and begin the first window. Safe in a thread."""
        if self._looked_at is None:
            import psutil  # noqa: PLC0415 - 20 ms that no request waits for

            psutil.cpu_percent()
            self._looked_at = self._clock.monotonic()

    def measure(self) -> Mapping[str, float]:
        """Return ``cpu``, ``mem`` and ``disk`` of this machine in percent; ``cpu`` only once a window has ended."""
        self.prepare()
        import psutil  # noqa: PLC0415 - as above

        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at >= SHORTEST_WINDOW:
            self._processor, self._looked_at = min(psutil.cpu_percent(), 100.0), now
        told = {} if self._processor is None else {"cpu": self._processor}
        return {**told, "mem": psutil.virtual_memory().percent, "disk": psutil.disk_usage(str(self._folder)).percent}
