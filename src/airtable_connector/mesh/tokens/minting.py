"""Making tokens: for our own callers, and for peers that take tokens of the mesh's shared key."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.errors import MintingRefused
from airtable_connector.mesh.tokens.identity import MOST_DROPLETS, Permission, parse_droplet_id

OWN_ISSUER = "airtable-connector"
"""The ``iss`` of the tokens that this droplet mints for callers of its own."""

LONGEST_LIFETIME = timedelta(days=366)


def mint(
    private_pem: Secret,
    *,
    droplet: int,
    steward: str,
    permissions: Iterable[Permission],
    issued_at: datetime,
    lifetime: timedelta,
    issuer: str | None = None,
    audience: str | None = None,
    subject: str | None = None,
    key_id: str | None = None,
) -> str:
    """Sign an RS256 token with the claims of UDC v1.0: droplet_id (a number), steward, permissions, iat, exp.

    ``iss``, ``aud`` and ``sub`` are left out when None; the Orchestrator refuses every token that has an ``aud``.
    Moments are whole seconds, rounded down.

    Raises:
        MintingRefused: the droplet is no droplet's number, or the lifetime is not within `LONGEST_LIFETIME`.
        UnusableKey: the private key is none.
    """
    _check(droplet, lifetime)
    granted = frozenset(permissions)
    claims: dict[str, JsonValue] = {
        "droplet_id": droplet,
        "steward": steward,
        "permissions": [permission.value for permission in Permission if permission in granted],
        "iat": int(issued_at.timestamp()),
        "exp": int((issued_at + lifetime).timestamp()),
    }
    if issuer is not None:
        claims["iss"] = issuer
    if audience is not None:
        claims["aud"] = audience
    if subject is not None:
        claims["sub"] = subject

    from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

    return rsa.sign_claims(claims, private_pem, key_id=key_id)


def _check(droplet: int, lifetime: timedelta) -> None:
    if parse_droplet_id(droplet) is None:
        raise MintingRefused(
            "that is no droplet's number", field="droplet", hint=f"give a number from 1 to {MOST_DROPLETS}"
        )
    if not timedelta(seconds=1) <= lifetime <= LONGEST_LIFETIME:
        raise MintingRefused(
            "its lifetime is out of bounds",
            field="lifetime",
            hint=f"give one from a second to {LONGEST_LIFETIME.days} days",
        )
