"""An access token: who its bearer is and what it opens, and the shape of its key."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from airtable_connector.kernel.secret import Secret

PREFIX: Final = "pat"
"""How keys and ids of access tokens begin, as Airtable's do. No signed token of the mesh begins so."""

ALL_BASES: Final = "all"
"""Stands in the place of a base's id for every base, those that are made later among them."""

_ID: Final = re.compile(r"pat[0-9A-Za-z]{14}", re.ASCII)
_KEY: Final = re.compile(r"pat[0-9A-Za-z]{14}\.[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that is known: a caller of the mesh's kind whose permissions are none and whose scopes are its own.

    It acts as ``droplet``, in ``bases`` alone: their ids, or `ALL_BASES`. ``last_used`` is as of some moments ago.
    """

    id: str
    name: str
    scopes: frozenset[str]
    bases: frozenset[str]
    droplet: int
    created: datetime
    expires: datetime
    last_used: datetime | None = None
    revoked: datetime | None = None

    def opens(self, base: str) -> bool:
        """Tell whether it opens a base."""
        return base in self.bases or ALL_BASES in self.bases

    @property
    def steward(self) -> str:
        """Who answers for the droplet: it does not say."""
        return ""

    @property
    def permissions(self) -> frozenset[str]:
        """None of the mesh's: it opens nothing but what its scopes name."""
        return frozenset()

    @property
    def account(self) -> str:
        """Under what its requests are counted."""
        return self.id


def is_token_id(text: str) -> bool:
    """Tell whether a text has the shape of a token's id: ``pat`` and 14 letters or digits."""
    return _ID.fullmatch(text) is not None


def is_access_key(text: str) -> bool:
    """Tell whether what a caller shows is meant as an access token's key, well-formed or not."""
    return text.startswith(PREFIX)


def join_key(token_id: str, secret: str) -> Secret:
    """Make a key: the token's id, and 256 random bits as 64 hex digits."""
    return Secret(f"{token_id}.{secret}")


def hash_key(key: str) -> bytes | None:
    """Return what is stored and looked up instead of a key; None when the text is no key.

    One SHA-256 is enough, and no salt is needed: a slow hash protects what people choose and others can guess, while
    nobody runs through 256 random bits.
    """
    return hashlib.sha256(key.encode("ascii")).digest() if _KEY.fullmatch(key) else None
