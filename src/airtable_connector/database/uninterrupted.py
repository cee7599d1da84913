"""Work that must come to its end although its caller is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def _wait_patiently() -> None:
    """Let the work take the time it takes."""


async def uninterrupted(work: Awaitable[T], *, hurry: Callable[[], None] = _wait_patiently) -> T:
    """Wait for ``work`` to its end however often the caller is cancelled; only then pass the cancellation on.

    A cancelled caller does not learn what became of the work. The work must be bounded in time; ``hurry`` is called at
    each cancellation, to make it end sooner.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as order:
            cancelled = order
            hurry()
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # asyncio complains about a failure that nobody looked at
    raise cancelled
