"""What being a member takes wherever we are one: who we say we are, how we rest between rounds, what is reported."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Fact
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.calling import Reply
from airtable_connector.mesh.errors import PeerFailed

REGISTRY: Final = "registry"
"""The Registry's name in `Contacts` and in log lines."""

ORCHESTRATOR: Final = "orchestrator"
"""The Orchestrator's name there."""

FIRST_BACKOFF: Final = timedelta(seconds=1)
"""The longest rest after a first failure; each further one doubles it, up to the interval."""

RENEW_AT: Final = 0.8
"""The part of a token's lifetime after which a new one is fetched or signed."""

AFTER_LEAVING: Final = timedelta(hours=1)
"""How long a step rests once we have left: there is nothing left to do for it."""

Condition: TypeAlias = Literal["active", "error", "inactive"]
"""How we are, in UDC's words."""


@dataclass(frozen=True, kw_only=True)
class Introduction:
    """Who we say we are. ``endpoint`` is our public address without a slash at its end."""

    droplet: int
    registry_id: str
    name: str
    steward: str
    endpoint: str
    version: str
    environment: str
    cost_per_hour: float
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class Registered(Fact):
    """A peer took our registration: the first one, or one more because it had forgotten us."""

    peer: str


@dataclass(frozen=True)
class Left(Fact):
    """A peer was told that we leave; ``reason`` says why it was not."""

    peer: str
    reason: str | None = None


class Rhythm:
    """Rests between rounds with one peer.

    Never longer than the interval, so that a peer's return is noticed within one. By chance up to a tenth shorter while
    it answers and up to half while it does not, so that droplets that lost it together do not all come back together.

    Args:
        interval: the time from one beat to the next.
        jitter: draws a number from 0 up to 1.
    """

    def __init__(self, interval: timedelta, *, jitter: Callable[[], float]) -> None:
        self._interval = interval
        self._jitter = jitter
        self._failures = 0

    def after_success(self, *, took: timedelta) -> timedelta:
        """Return how long to rest after a round that lasted ``took`` and went well."""
        self._failures = 0
        return max(self._interval * (1 - 0.1 * self._jitter()) - took, timedelta(0))

    def after_failure(self, *, took: timedelta, pause: timedelta | None) -> timedelta:
        """Return how long to rest after one that failed; ``pause`` is what the peer asked for, kept within bounds."""
        doublings: int = 2 ** min(self._failures, 12)
        self._failures += 1
        longest = min(FIRST_BACKOFF * doublings, self._interval)
        shortest = longest / 2  # also when the round alone took longer: a peer that hangs is not to be crowded
        rest = max(longest * (1 - 0.5 * self._jitter()) - took, shortest)
        return max(rest, min(pause or timedelta(0), self._interval))


@dataclass(frozen=True)
class HeldToken:
    """A token with which we speak to a peer. ``renew`` is the moment from which on another is wanted."""

    text: Secret
    expires: datetime
    renew: datetime

    @classmethod
    def lasting(cls, text: str, lifetime: timedelta, *, since: datetime) -> "HeldToken":
        """Hold a token, and plan to renew it well before its end."""
        return cls(Secret(text), since + lifetime, since + lifetime * RENEW_AT)


def taken(reply: Reply, what: str) -> Mapping[str, JsonValue]:
    """Return what an answer says that took ``what`` we sent.

    Raises:
        PeerFailed: it did not take it, or answers something else than a JSON object, as a page of a proxy would.
    """
    status = reply.status
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise PeerFailed(f"it sends {what} elsewhere ({status}), which is not followed")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise PeerFailed(f"it failed at {what} ({status})", pause=reply.pause)
    if not reply.accepted:
        raise PeerFailed(f"it refused {what} ({status})", pause=reply.pause)
    return reply.object()


async def say_farewell(
    peer: str, say: Callable[[], Awaitable[Reply]], *, turn: asyncio.Lock, within: timedelta
) -> Left:
    """Say to a peer that we leave, after the round that may be under way, and return how it went."""
    try:
        async with asyncio.timeout(within.total_seconds()), turn:
            taken(await say(), "a farewell")
    except TimeoutError:
        return Left(peer, f"it did not answer within {within.total_seconds():g} s")
    except PeerFailed as failure:
        return Left(peer, failure.why)
    return Left(peer)
