"""What is to be examined, and under which limits."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from airtable_connector.kernel.errors import Unauthenticated
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.errors import DropletAddressRefused, UnsendableToken
from airtable_connector.mesh.tokens.compact import LONGEST_TOKEN, read_object, take_apart
from airtable_connector.mesh.tokens.identity import parse_droplet_id

OURSELVES: Final = 2
"""Whom the doctor speaks as when neither the caller nor the token says."""


@dataclass(frozen=True)
class Examination:
    """An order to examine a droplet.

    Args:
        address: http or https, with a path when the droplet lives under one.
        token: shown to the droplet; without one only what needs none is checked.
        speaks_as: the droplet that messages come from; None leaves it to the token.
        touches_stops: whether ``/shutdown``, ``/emergency-stop`` and ``/reload-config`` are asked to refuse.
        at_most: for the whole examination.
        per_answer: for one answer.
    """

    address: str
    token: Secret | None = None
    speaks_as: int | None = None
    touches_stops: bool = False
    at_most: timedelta = timedelta(seconds=60)
    per_answer: timedelta = timedelta(seconds=10)


def base_address(address: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        DropletAddressRefused: it is not one that a droplet can be asked at.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise DropletAddressRefused("it cannot be read") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise DropletAddressRefused("it is not an http or https address")
    if parts.username is not None or parts.password is not None:
        raise DropletAddressRefused("it holds a user or a password")
    if parts.query or parts.fragment:
        raise DropletAddressRefused("it holds a query or a fragment")
    return address.rstrip("/")


def check_token(token: Secret) -> None:
    """Refuse a text that cannot stand in a header.

    Whether it is a token, the droplet decides.

    Raises:
        UnsendableToken: it is empty, too long, or holds spaces or other than ASCII.
    """
    text = token.reveal()
    if not 1 <= len(text) <= LONGEST_TOKEN or not all("!" <= char <= "~" for char in text):
        raise UnsendableToken(f"it is not 1 to {LONGEST_TOKEN} visible ASCII characters")


@dataclass(frozen=True)
class Claims:
    """What a token says of itself, unproven: only what may be asked is chosen by it.

    ``permissions`` is None when the token does not list them.
    """

    droplet: int | None
    permissions: frozenset[str] | None


def claims_of(token: Secret) -> Claims:
    """Read a token's claims; one that cannot be read says nothing."""
    try:
        claims = read_object(take_apart(token.reveal()).payload, what="payload")
    except Unauthenticated:
        return Claims(None, None)
    listed = claims.get("permissions")
    permissions = (
        frozenset(map(str, listed)) if isinstance(listed, Collection) and not isinstance(listed, str) else None
    )
    return Claims(parse_droplet_id(claims.get("droplet_id", claims.get("sub"))), permissions)
