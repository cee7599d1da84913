"""The Registry's tokens: issued for its shared key, published so that others can verify them, verified by itself."""

import asyncio
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from starlette.requests import Request

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import Unauthenticated
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.secret import Secret
from airtable_connector.localmesh.keyfolder import KeyFolder
from airtable_connector.localmesh.peer import Refused
from airtable_connector.localmesh.settings import AUDIENCE, ISSUER
from airtable_connector.mesh import (
    KeyRing,
    OwnKeyPair,
    Permission,
    Source,
    TokenVerifier,
    TrustedKey,
    mint,
    parse_droplet_id,
)

GRANTED: Final = frozenset({Permission.READ, Permission.WRITE})
KEY_HEADER: Final = "x-registry-key"


class Issuer:
    """Signs with the newest pair; believes it and, after a rotation that keeps it, the one before."""

    def __init__(self, folder: KeyFolder, registry_key: Secret, *, lifetime: timedelta, clock: Clock) -> None:
        self._folder = folder
        self._registry_key = registry_key
        self._lifetime = lifetime
        self._clock = clock
        self._pairs: tuple[OwnKeyPair, ...] = (folder.open_registry_pair(),)
        self._ring = KeyRing(_trusted(self._pairs))
        self._verifier = TokenVerifier(self._ring)
        self._rotating = asyncio.Lock()

    @property
    def public_pem(self) -> str:
        """The newest key."""
        return self._pairs[0].public_pem.decode("ascii")

    def jwks(self) -> JsonValue:
        """Publish the keys in both forms that droplets read: ``keys[]``, newest first, and ``public_key`` (3.3)."""
        keys: list[JsonValue] = []
        for pair in self._pairs:
            listed = pair.jwks()["keys"]
            assert isinstance(listed, list)
            keys += listed
        return {"keys": keys, "public_key": self.public_pem}

    def issue(self, droplet_id: str) -> str:
        """Sign a token whose ``sub`` is the id as it was given."""
        droplet = parse_droplet_id(droplet_id)
        if droplet is None:
            raise Refused(422, "droplet_id is not the number or name of a droplet")
        newest = self._pairs[0]
        return mint(
            newest.private_pem,
            droplet=droplet,
            steward="",
            permissions=GRANTED,
            issued_at=self._clock.now(),
            lifetime=self._lifetime,
            issuer=ISSUER,
            audience=AUDIENCE,
            subject=droplet_id,
            key_id=newest.key_id,
        )

    async def rotate(self, *, keep: int) -> str:
        """Sign with a new pair from now on, believe the ``keep`` pairs before it; return the new key's id."""
        async with self._rotating:
            newest = await asyncio.to_thread(self._folder.replace_registry_pair)
            self._pairs = (newest, *self._pairs[:keep])
            self._ring.replace_fixed(_trusted(self._pairs))
            return newest.key_id

    def has_key(self, request: Request) -> bool:
        """Tell whether the caller sent the shared key."""
        sent = request.headers.get(KEY_HEADER, "").encode()
        return hmac.compare_digest(sent, self._registry_key.reveal().encode())

    def check_bearer(self, request: Request) -> None:
        """Refuse a caller without a token of this Registry, or with a wrong shared key beside it."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "Not authenticated", headers=_CHALLENGE)
        try:
            identity = self._verifier.verify(token.strip(), at=self._clock.now())
        except Unauthenticated:
            raise Refused(401, "Invalid or expired token", headers=_CHALLENGE) from None
        request.state.caller = identity.droplet
        if KEY_HEADER in request.headers and not self.has_key(request):
            raise Refused(401, "Invalid registry key")


_CHALLENGE: Final[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


def _trusted(pairs: tuple[OwnKeyPair, ...]) -> tuple[TrustedKey, ...]:
    return tuple(TrustedKey(Source.REGISTRY, pair.public_pem, pair.key_id, ISSUER, AUDIENCE) for pair in pairs)
