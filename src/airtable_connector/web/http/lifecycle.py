"""Where the process stands between start and stop, shared by server, edge, streams and /health."""

import asyncio
from collections.abc import Callable


class Lifecycle:
    """Serving until `begin_drain`; then every answer closes its connection and streams end."""

    def __init__(self) -> None:
        self.draining = False
        """True from the first stop signal on."""
        self._begun = asyncio.Event()
        self._stop: Callable[[], object] = self.begin_drain

    def begin_drain(self) -> None:
        """Start saying goodbye; doing it again changes nothing. Only from the event loop's thread."""
        self.draining = True
        self._begun.set()

    def stops_by(self, stop: Callable[[], object]) -> None:
        """Let the server say how it is stopped."""
        self._stop = stop

    def stop(self) -> None:
        """Stop as at the first stop signal. Only from the event loop's thread."""
        self._stop()

    async def wait_for_drain(self) -> None:
        """Return when draining has begun."""
        await self._begun.wait()
