"""What a start puts off until the service answers: loading what its first answers do not need, and asking peers."""

import asyncio
import gc
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.supervisor import Step
from airtable_connector.mesh import PeerClient

FIRST_LOOK: Final = timedelta(milliseconds=100)
"""How long whoever waits for the start is given to find the service answering, without anything beside."""


class Preparation:
    """Loads late what would make the start longer, and holds back the steps that need it."""

    def __init__(self, client: PeerClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._peers_can_be_asked = asyncio.Event()

    def before(self, step: Step) -> Step:
        """Hold back a step that asks peers until the HTTP client is loaded."""

        async def begin() -> timedelta | None:
            await self._peers_can_be_asked.wait()
            return await step()

        return begin

    def step(self, *loads: Callable[[], object]) -> Step:
        """Return the step that loads the HTTP client, then the rest, each in a thread and in this order."""

        async def prepare() -> None:
            await self._clock.sleep(FIRST_LOOK)
            await self._client.prepare()
            self._peers_can_be_asked.set()
            for load in loads:
                await asyncio.to_thread(load)
            gc.freeze()  # as after the first imports: it is here to stay, and need not be looked through

        return prepare
