"""Keeping the Registry's keys: fetched beside the requests, never on their way.

`RegistryKeys.refresh_once` is a step for the supervisor. A request only ever reads the key ring; what it can do
about an unknown key is ask for the next fetch to come early.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.mesh.errors import KeyAddressRefused, KeyFetchFailed, MalformedKeySet
from airtable_connector.mesh.tokens.jwks import read_key_set
from airtable_connector.mesh.tokens.keys import KeyRing, TrustedKey

if TYPE_CHECKING:
    import httpx2

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
        plain_http_hosts: other machines that may serve keys without encryption, for a laboratory.
    """

    url: str
    issuer: str | None
    audience: str | None
    every: timedelta = timedelta(minutes=5)
    keep_for: timedelta = timedelta(hours=24)
    cool_down: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=5)
    plain_http_hosts: frozenset[str] = frozenset()


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
        ring: receives the keys; asks here for an early fetch when a token names an unknown one.
        clock: tells ages; nothing here waits by it.
        observer: is told of changes and outages.
        jitter: gives a number from 0 up to 1 per fetch.
        wake: cuts the rest of the step short (`Supervisor.wake` with the name it was started under).

    Raises:
        KeyAddressRefused: the address must not be asked for keys.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        ring: KeyRing,
        clock: Clock,
        observer: Observer,
        jitter: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        _check_address(source)
        self._source = source
        self._ring = ring
        self._clock = clock
        self._observer = observer
        self._jitter = jitter
        self._wake = wake
        self._client: httpx2.AsyncClient | None = None
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
            except (KeyFetchFailed, MalformedKeySet) as reason:
                return self._endure(reason.message)
            return self._take_in(keys)

    async def close(self) -> None:
        """Close the connections; the keys stay in the ring."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

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
        body = await self._download()
        # in a thread: the first time this loads the cryptography
        return await asyncio.to_thread(read_key_set, body, issuer=self._source.issuer, audience=self._source.audience)

    async def _download(self) -> bytes:
        import httpx2  # noqa: PLC0415 - heavy

        client = await self._open_client()
        try:
            async with (
                asyncio.timeout(self._source.timeout.total_seconds()),
                client.stream("GET", self._source.url) as reply,
            ):
                _check_reply(reply)
                return await _read_body(reply)
        except TimeoutError as cause:
            raise KeyFetchFailed("no whole answer came in time") from cause
        except (httpx2.HTTPError, httpx2.InvalidURL) as cause:
            raise KeyFetchFailed(f"the connection failed ({type(cause).__name__})") from cause

    async def _open_client(self) -> "httpx2.AsyncClient":
        import httpx2  # noqa: PLC0415 - heavy

        if self._client is None:
            # in a thread: it reads the certificates of the authorities
            self._client = await asyncio.to_thread(
                httpx2.AsyncClient,
                timeout=self._source.timeout.total_seconds(),
                follow_redirects=False,  # another address could serve other keys
                trust_env=False,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            )
        return self._client


def _backoff(failures: int, *, longest: timedelta) -> timedelta:
    doublings: int = 2 ** min(failures, 20)
    return min(_FIRST_BACKOFF * doublings, longest)


def _check_reply(reply: "httpx2.Response") -> None:
    if reply.status_code != 200:
        raise KeyFetchFailed(f"the answer was {reply.status_code}")
    if reply.headers.get("content-encoding", "identity") != "identity":
        raise KeyFetchFailed("the answer was compressed, which was not asked for")


async def _read_body(reply: "httpx2.Response") -> bytes:
    body = bytearray()
    async for chunk in reply.aiter_raw():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise KeyFetchFailed(f"the answer was longer than {LARGEST_BODY} bytes")
    return bytes(body)


def _check_address(source: KeySource) -> None:
    try:
        address = urlsplit(source.url)
        host = address.hostname or ""
        _ = address.port
    except ValueError:
        raise KeyAddressRefused("it is not an address") from None
    if address.scheme not in {"http", "https"} or not host:
        raise KeyAddressRefused("it is not an http or https address")
    if address.username is not None or address.password is not None:
        raise KeyAddressRefused("it holds a user or a password")
    if address.scheme == "http" and not _is_this_machine(host) and host not in source.plain_http_hosts:
        raise KeyAddressRefused("plain http would let anybody on the way put in keys")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
