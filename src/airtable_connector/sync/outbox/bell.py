"""News within a process, for those that wait for it."""

import asyncio
from datetime import timedelta

from airtable_connector.kernel.clock import Clock


class Bell:
    """Wakes whoever waits. One that comes after the ring waits for the next: look first, then listen."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake all that wait now."""
        self._rung.set()
        self._rung = asyncio.Event()

    def listen(self) -> "asyncio.Event":
        """Return what the next ring sets; taken before looking, no news between looking and waiting is missed."""
        return self._rung

    async def wait(self, rung: "asyncio.Event", *, within: timedelta) -> None:
        """Wait for a ring, no longer than that."""
        timer = asyncio.ensure_future(self._clock.sleep(within))
        ring = asyncio.ensure_future(rung.wait())
        try:
            await asyncio.wait({timer, ring}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            ring.cancel()
