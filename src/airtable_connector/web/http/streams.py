"""Sending an answer in parts, until the parts, the caller or the process end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from airtable_connector.web.http.asgi import Receive, Send
from airtable_connector.web.http.lifecycle import Lifecycle


async def send_parts(parts: AsyncIterator[bytes], receive: Receive, send: Send, lifecycle: Lifecycle) -> int:
    """Send each part as soon as it is there, then the end.

    Returns:
        the bytes sent.
    """
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    draining = asyncio.ensure_future(lifecycle.wait_for_drain())
    sent = 0
    try:
        while (part := await _next_before(parts, gone, draining)) is not None:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            sent += len(part)
    finally:
        gone.cancel()
        draining.cancel()
        await asyncio.gather(gone, draining, return_exceptions=True)
        await _close(parts)
    await send({"type": "http.response.body", "body": b""})
    return sent


async def _next_before(parts: AsyncIterator[bytes], *ends: asyncio.Future[None]) -> bytes | None:
    """Return the next part, or None when there is none or one of ``ends`` comes first."""
    upcoming = asyncio.ensure_future(_next(parts))
    try:
        waited: list[asyncio.Future[Any]] = [upcoming, *ends]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not upcoming.done():
            upcoming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await upcoming
    if upcoming.cancelled() or any(end.done() for end in ends):
        return None
    return upcoming.result()


async def _next(parts: AsyncIterator[bytes]) -> bytes | None:
    return await anext(parts, None)


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _close(parts: AsyncIterator[bytes]) -> None:
    close = getattr(parts, "aclose", None)
    if close is not None:
        await close()
