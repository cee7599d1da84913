"""Keeping the Registry's keys: fetched beside the requests, never on their way.

`RegistryKeys.refresh_once` is a step for the supervisor. A request only ever reads the key ring; what it can do
about an unknown key is ask for the next fetch to come early.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.mesh.calling import PeerClient
from airtable_connector.mesh.errors import KeyFetchFailed, MalformedKeySet, PeerFailed
from airtable_connector.mesh.tokens.jwks import read_key_set
from airtable_connector.mesh.tokens.keys import KeyRing, TrustedKey

LARGEST_BODY = 256 * 1024
"""Bytes of a key set; a longer one is not read to its end."""

_FIRST_BACKOFF = timedelta(seconds=2)
_JITTER = 0.1  # of the interval, so that droplets that started together do not ask together


@dataclass(frozen=True)
class KeySource:
    """Where the Registry's keys are served and how they are kept.

    Args:
        url: https, or http to this machine; no user, no password.
        issuer: the ``iss`` that tokens of these keys must carry; None when it does not matter.
        audience: the ``aud`` that they must carry or list; None when it does not matter.
        every: how often to fetch.
        keep_for: how long the last good keys stay trusted while fetching fails; then nobody is.
        cool_down: the least time from one fetch to a next one that an unknown key asks for.
        timeout: for one fetch as a whole.
        also: further addresses, asked in their order when those before them serve no keys.
    """

    url: str
    issuer: str | None
    audience: str | None
    every: timedelta = timedelta(minutes=5)
    keep_for: timedelta = timedelta(hours=24)
    cool_down: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=5)
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeysFetched(Fact):
    """The Registry's keys came: for the first time, changed, or after an outage. Not said for each fetch."""

    keys: int


@dataclass(frozen=True)
class KeysFetchFailed(Fact):
    """The Registry's keys could not be fetched; said once per outage. The last good ones stay for ``kept_for``."""

    reason: str
    kept_for: timedelta


@dataclass(frozen=True)
class KeysDropped(Fact):
    """The outage outlasted the age that keys may have: tokens of the Registry are refused until it is back."""

    after: timedelta


class RegistryKeys:
    """Fetches the Registry's keys into a ring.

    Args:
        source: where and how often.
        client: asks.
        ring: receives the keys; asks here for an early fetch when a token names an unknown one.
        clock: tells ages; nothing here waits by it.
        observer: is told of changes and outages.
        jitter: gives a number from 0 up to 1 per fetch.
        wake: cuts the rest of the step short (`Supervisor.wake` with the name it was started under).

    Raises:
        AddressRefused: an address must not be asked for keys.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        client: PeerClient,
        ring: KeyRing,
        clock: Clock,
        observer: Observer,
        jitter: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        for url in (source.url, *source.also):
            client.check_address(url)
        self._source = source
        self._client = client
        self._ring = ring
        self._clock = clock
        self._observer = observer
        self._jitter = jitter
        self._wake = wake
        self._flight = asyncio.Lock()
        self._not_before = clock.monotonic()
        self._good_until: float | None = None
        self._failures = 0
        self._asked_early = False
        ring.call_when_unknown(self.ask_early)

    def ask_early(self) -> None:
        """Have the keys fetched as soon as the cool-down allows. Returns at once; asking again changes nothing."""
        if not self._asked_early:
            self._asked_early = True
            self._wake()

    async def refresh_once(self) -> timedelta:
        """Fetch the keys, unless that was done or failed just now; return how long to rest.

        An outage is no error of this step: it keeps the last good keys, and drops them when they are too old.
        Of several that run at once one fetches, the others find it done.
        """
        async with self._flight:
            too_early = self._not_before - self._clock.monotonic()
            if too_early > 0:
                return timedelta(seconds=too_early)
            self._asked_early = False
            try:
                keys = await self._fetch()
            except KeyFetchFailed as reason:
                return self._endure(reason.message)
            return self._take_in(keys)

    def _take_in(self, keys: tuple[TrustedKey, ...]) -> timedelta:
        now, version = self._clock.monotonic(), self._ring.version
        self._ring.replace_fetched(keys)
        if self._failures or self._ring.version != version:
            self._observer.saw(KeysFetched(keys=len(keys)))
        self._failures = 0
        self._good_until = now + self._source.keep_for.total_seconds()
        self._not_before = now + self._source.cool_down.total_seconds()
        return self._source.every * (1 - _JITTER * self._jitter())

    def _endure(self, reason: str) -> timedelta:
        now = self._clock.monotonic()
        left = timedelta(0) if self._good_until is None else timedelta(seconds=max(0.0, self._good_until - now))
        if not self._failures:
            self._observer.saw(KeysFetchFailed(reason=reason, kept_for=left))
        rest = _backoff(self._failures, longest=self._source.every)
        self._failures += 1
        if left:
            rest = min(rest, left)  # so that the keys end on time
        elif self._good_until is not None:
            self._good_until = None
            self._ring.replace_fetched(())
            self._observer.saw(KeysDropped(after=self._source.keep_for))
        self._not_before = now + rest.total_seconds()
        return rest

    async def _fetch(self) -> tuple[TrustedKey, ...]:
        """Ask the addresses in their order; the reason of the first stands for all when none has keys."""
        reasons: list[str] = []
        for url in (self._source.url, *self._source.also):
            try:
                return await self._ask(url)
            except PeerFailed as failure:
                reasons.append(failure.why)
            except MalformedKeySet as failure:
                reasons.append(failure.message)
        raise KeyFetchFailed(reasons[0])

    async def _ask(self, url: str) -> tuple[TrustedKey, ...]:
        reply = await self._client.call("GET", url, within=self._source.timeout, most=LARGEST_BODY)
        if reply.status != HTTPStatus.OK:
            raise PeerFailed(f"the answer was {reply.status}")
        # in a thread: the first time this loads the cryptography
        return await asyncio.to_thread(
            read_key_set, reply.content, issuer=self._source.issuer, audience=self._source.audience
        )


def _backoff(failures: int, *, longest: timedelta) -> timedelta:
    doublings: int = 2 ** min(failures, 20)
    return min(_FIRST_BACKOFF * doublings, longest)
