"""Who may pass: transport, identity, quota, permission, in this order."""

import ipaddress
from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Final, Protocol

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import Unauthenticated
from airtable_connector.mesh import MissingToken, client_address
from airtable_connector.web.http.call import Call, Caller, Verify
from airtable_connector.web.http.dialect import Dialect
from airtable_connector.web.http.errors import (
    HttpsRequired,
    MissingPermission,
    RefusedTooOften,
    RequestsTooOften,
    UnknownScheme,
)
from airtable_connector.web.http.limits import GuessGuard, TokenBuckets
from airtable_connector.web.http.settings import EdgeSettings

PEERS_HELD: Final = 10_000
"""Peers of whom it is remembered whether they are proxies."""

HEALTH: Final = "/health"
"""The one path that the machine itself may ask in plain text."""

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


Identify = Callable[[str], Caller | None]
"""Tells who calls from an address without a token."""

PermissionRule = Callable[[str, str], str]
"""Tells which permission a method and path need."""


class Turnstile(Protocol):
    """Counts those who do not pass."""

    def refused(self, reason: str) -> None:
        """Count a caller who is not known."""
        ...

    def rate_limited(self) -> None:
        """Count a caller who came too soon."""
        ...


def read_or_write(method: str, path: str) -> str:  # noqa: ARG001 - a rule is asked about both
    """Return the permission that most paths need: reading for GET, HEAD and OPTIONS, else writing."""
    return "read" if method in READING else "write"


class Gate:
    """Lets a call pass and tells it who its caller is, or raises why not."""

    def __init__(
        self,
        settings: EdgeSettings,
        *,
        verify: Verify,
        identify: Identify,
        permission_for: PermissionRule,
        clock: Clock,
        turnstile: Turnstile,
    ) -> None:
        self._public = settings.public_paths
        self._public_prefixes = settings.public_prefixes
        self._verify = verify
        self._permission_for = permission_for
        self._clock = clock
        self._turnstile = turnstile
        self._quotas: TokenBuckets[Hashable] = TokenBuckets(settings.requests_per_minute)
        self._guesses = GuessGuard(settings.refusals_per_minute)
        self.adopt(settings, identify)

    def adopt(self, settings: EdgeSettings, identify: Identify) -> None:
        """Go by another quota, other proxies and other addresses that are known; the rest of the settings stays."""
        self._settings = settings
        self._identify = identify
        self._quotas.allow(settings.requests_per_minute)
        self._proxies: dict[str, bool] = {}

    def locate(self, call: Call) -> None:
        """Find the caller's address and scheme: the peer's, unless that is a trusted proxy, which then tells them."""
        if self._settings.trusted_proxies and self._is_proxy(call.peer):
            call.address = client_address(call.peer, call.header("x-forwarded-for"), self._settings.trusted_proxies)
            forwarded = (call.header("x-forwarded-proto") or "").strip().lower()
            if forwarded in {"http", "https"}:
                call.scheme = forwarded

    def admit(self, call: Call, at: float, dialect: Dialect | None = None) -> None:
        """Check the call; ``at`` is now in monotonic seconds.

        What the caller may do is left to the dialect that the call belongs to: its clients expect to be told later.

        Raises:
            Forbidden: plain text where https is required, or a permission is missing.
            Unauthenticated: nobody knows who calls.
            LimitReached: the caller comes too often.
        """
        if self._settings.https_only and not self._is_safe(call):
            raise HttpsRequired
        path = call.path
        if path in self._public or (self._public_prefixes and path.startswith(self._public_prefixes)):
            return
        caller = call.identity = self._recognise(call, at, self._verify if dialect is None else dialect.verify)
        self._spend(call, caller.account, at)
        if dialect is not None:
            return
        needed = self._permission_for(call.method, path)
        if needed not in caller.permissions:
            raise MissingPermission(needed, caller.permissions)

    def _recognise(self, call: Call, at: float, verify: Verify) -> Caller:
        authorization = call.field(b"authorization")
        if authorization is None:
            caller = self._identify(call.address)
            if caller is None:
                self._turnstile.refused(MissingToken.code)
                raise MissingToken
            return caller
        suspected = self._guesses.suspects(call.address)
        if suspected and (wait := self._guesses.wait(call.address, authorization, at)):
            self._turnstile.rate_limited()
            raise RefusedTooOften(retry_after=timedelta(seconds=wait))
        try:
            caller = verify(_bearer_token(authorization), at=self._clock.now())
        except Unauthenticated as reason:
            self._turnstile.refused(reason.code)
            self._guesses.failed(call.address, authorization, at)
            raise
        if suspected:
            self._guesses.passed(call.address, authorization, at)
        return caller

    def _spend(self, call: Call, account: Hashable, at: float) -> None:
        quotas = self._quotas
        left = quotas.take(account, at)
        if left >= 0.0:
            # draft-ietf-httpapi-ratelimit-headers-10: r = requests left, t = seconds until all are back
            call.quota = b'"default";r=%d;t=%d' % (left, quotas.seconds_until_full(left))
            return
        wait = quotas.seconds_until(1.0, left + 1.0)
        call.quota = b'"default";r=0;t=%d' % wait
        self._turnstile.rate_limited()
        raise RequestsTooOften(per_minute=quotas.per_minute, retry_after=timedelta(seconds=wait))

    def _is_safe(self, call: Call) -> bool:
        if call.scope["scheme"] == "https":
            return True
        forwarded = call.header("x-forwarded-proto")
        if forwarded is not None and self._is_proxy(call.peer):
            return forwarded.strip().lower() == "https"
        return call.path == HEALTH and _is_loopback(call.peer)

    def _is_proxy(self, peer: str) -> bool:
        known = self._proxies.get(peer)
        if known is None:
            known = _lies_in(peer, self._settings)
            if len(self._proxies) < PEERS_HELD:
                self._proxies[peer] = known
        return known


def _bearer_token(authorization: bytes) -> str:
    if authorization[:7] == b"Bearer ":
        return authorization[7:].decode("latin-1")
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        raise UnknownScheme
    return token.strip().decode("latin-1")


def _lies_in(peer: str, settings: EdgeSettings) -> bool:
    address = _read_address(peer)
    return address is not None and any(address in network for network in settings.trusted_proxies)


def _is_loopback(peer: str) -> bool:
    address = _read_address(peer)
    return address is not None and address.is_loopback


def _read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # a peer without an address, such as a Unix socket
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
