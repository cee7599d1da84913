"""Carrying messages to droplets, as the real peers do: no token, no redirects, one try."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

import httpx2
import orjson

from airtable_connector.kernel.jsonvalues import JsonValue

LARGEST_ANSWER: Final = 1024 * 1024
"""Bytes of an answer that is read."""


@dataclass(frozen=True)
class Answered:
    """The droplet answered, with this status."""

    status: int


@dataclass(frozen=True)
class TimedOut:
    """The droplet did not answer in time; it may have received the message."""


@dataclass(frozen=True)
class Unreachable:
    """There was no connection, or it broke."""


Outcome: TypeAlias = Answered | TimedOut | Unreachable


class Courier:
    """Posts over a client that whoever made it closes."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def deliver(self, url: str, message: JsonValue, *, within: timedelta) -> Outcome:
        """Post one message; of the answer only the status is looked at, its body is not read."""
        body, headers = orjson.dumps(message), {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(within.total_seconds()),
                self._client.stream("POST", url, content=body, headers=headers) as reply,
            ):
                return Answered(reply.status_code)
        except (TimeoutError, httpx2.TimeoutException):
            return TimedOut()
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return Unreachable()

    async def fetch(self, url: str, *, within: timedelta) -> bytes | None:
        """Return the body of a 200 answer of at most `LARGEST_ANSWER` bytes, or None."""
        try:
            async with asyncio.timeout(within.total_seconds()), self._client.stream("GET", url) as reply:
                return await _read(reply) if reply.status_code == 200 else None
        except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL):
            return None


async def _read(reply: httpx2.Response) -> bytes | None:
    body = bytearray()
    async for chunk in reply.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            return None
    return bytes(body)
