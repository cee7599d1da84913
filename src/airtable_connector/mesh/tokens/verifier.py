"""From a token's text to an identity, and fast the second time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from airtable_connector.kernel.errors import Unauthenticated
from airtable_connector.mesh.errors import UntrustedToken, UnusableKey
from airtable_connector.mesh.tokens.claims import Proven, read_claims
from airtable_connector.mesh.tokens.compact import CompactToken, read_object, take_apart
from airtable_connector.mesh.tokens.identity import Identity
from airtable_connector.mesh.tokens.keys import KeyRing

LEEWAY = timedelta(seconds=30)
"""How far another machine's clock may run ahead of ours."""

_LONGEST_REMEMBERED = 2 * 1024  # characters; bounds the memory of the cache, real tokens have 500 to 1,000


@dataclass(frozen=True, slots=True)
class _Remembered:
    identity: Identity
    expires: datetime
    version: int


class TokenVerifier:
    """Verifies tokens with the keys of a ring, and remembers those that were good.

    A remembered token costs a dictionary lookup. It is forgotten when it expires, when the keys change, and, oldest
    first, when there are more than ``cache_size``. Refusals are not remembered. For use from one thread.
    """

    def __init__(self, ring: KeyRing, *, leeway: timedelta = LEEWAY, cache_size: int = 10_000) -> None:
        self._ring = ring
        self._leeway = leeway
        self._cache_size = cache_size
        self._remembered: dict[str, _Remembered] = {}

    def __repr__(self) -> str:
        return f"TokenVerifier({self._ring!r}, {len(self._remembered)} remembered)"

    def warm_up(self) -> None:
        """Load the cryptography and every key of the ring, so that the first caller need not wait for it.

        Takes some tenths of a second: call it in a thread, or before requests come.

        Raises:
            UnusableKey: a key of the ring is none; tokens are tried with the other keys.
        """
        from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

        for key in self._ring.keys:
            rsa.load_public(key.public_pem)

    def verify(self, token: str, *, at: datetime) -> Identity:
        """Return who bears this token at the moment ``at`` (aware).

        Never waits for a key: a token whose key is not known yet is refused now.

        Raises:
            MissingToken: the text is empty.
            MalformedToken: it, or one of its claims, has the wrong shape.
            UntrustedToken: algorithm, signature, issuer or audience are not trusted.
            ExpiredToken: its time is over.
            TokenNotYetValid: its time is to come.
        """
        found = self._remembered.get(token)
        if found is not None and at < found.expires and found.version == self._ring.version:
            return found.identity
        self._remembered.pop(token, None)
        proven = self._examine(take_apart(token), at)
        self._remember(token, proven)
        return proven.identity

    def _examine(self, token: CompactToken, at: datetime) -> Proven:
        from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

        refusal: Unauthenticated | None = None
        for key in self._ring.candidates(token.key_id):
            try:
                if not rsa.signed(token.message, token.signature, by=key.public_pem):
                    continue
            except UnusableKey:
                continue  # `warm_up` tells the operator; a caller could do nothing about it
            try:
                return read_claims(read_object(token.payload, what="payload"), key=key, at=at, leeway=self._leeway)
            except Unauthenticated as reason:
                refusal = reason  # the same key may be trusted for another kind of token as well
        if refusal is not None:
            raise refusal
        if not self._ring.knows(token.key_id):
            self._ring.wanted_unknown_key()
        raise UntrustedToken("no key that is trusted here signed it")

    def _remember(self, token: str, proven: Proven) -> None:
        if len(token) > _LONGEST_REMEMBERED:
            return
        if len(self._remembered) >= self._cache_size:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[token] = _Remembered(proven.identity, proven.expires, self._ring.version)


def signed_claims(token: str, *, by: bytes) -> Mapping[str, object]:
    """Return what a token says once the key with the public PEM ``by`` is proven to have signed it.

    Nothing it says is judged, not even its expiry: for who has rules of their own. All others want `TokenVerifier`.

    Raises:
        MissingToken: the text is empty.
        MalformedToken: it is no RS256 token.
        UntrustedToken: another key, or another algorithm, signed it.
        UnusableKey: ``by`` is no public RSA key.
    """
    from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

    parts = take_apart(token)
    if not rsa.signed(parts.message, parts.signature, by=by):
        raise UntrustedToken("another key signed it")
    return read_object(parts.payload, what="payload")
