"""What a signed token says, held against what its key demands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airtable_connector.mesh.errors import ExpiredToken, MalformedToken, TokenNotYetValid, UntrustedToken
from airtable_connector.mesh.tokens.identity import Identity, Permission, Source, parse_droplet_id
from airtable_connector.mesh.tokens.keys import TrustedKey

_LAST_MOMENT = 253_402_300_799  # the end of the year 9999 in seconds of the epoch
_LONGEST_STEWARD = 200
_DROPLET_ROLE = "droplet"
_PERMISSIONS = {permission.value: permission for permission in Permission}
_ROLE_PERMISSIONS = frozenset({Permission.READ, Permission.WRITE})
_FOR_ANOTHER = "ask the Registry for a token of this mesh"


@dataclass(frozen=True, slots=True)
class Proven:
    """An identity that a token proves until it expires."""

    identity: Identity
    expires: datetime


def read_claims(claims: Mapping[str, object], *, key: TrustedKey, at: datetime, leeway: timedelta) -> Proven:
    """Decide who the bearer is (mesh-wide rules: UDC tokens, and what each kind of key demands).

    ``leeway`` forgives clocks that run ahead (``iat``, ``nbf``); expiry is to the second.

    Raises:
        UntrustedToken: issuer or audience are not the ones that the key signs for.
        ExpiredToken: its time is over.
        TokenNotYetValid: its time is to come.
        MalformedToken: a claim is missing or is not what it should be.
    """
    _check_issuer(claims, key)
    _check_audience(claims, key)
    expires = _moment(claims, "exp")
    if expires is None:
        raise MalformedToken("it has no exp, and a token must end", claim="exp")
    for claim in ("iat", "nbf"):
        begins = _moment(claims, claim)
        if begins is not None and begins > at + leeway:
            raise TokenNotYetValid(claim, valid_from=begins)
    if at >= expires:
        raise ExpiredToken(expires)
    identity = Identity(
        droplet=_droplet(claims, key.source),
        steward=_steward(claims),
        permissions=_permissions(claims),
        source=key.source,
    )
    return Proven(identity, expires)


def _check_issuer(claims: Mapping[str, object], key: TrustedKey) -> None:
    if key.issuer is not None and claims.get("iss") != key.issuer:
        raise UntrustedToken("its iss is missing or names another issuer", hint=_FOR_ANOTHER)


def _check_audience(claims: Mapping[str, object], key: TrustedKey) -> None:
    if key.audience is None:
        return
    audience = claims.get("aud")
    if audience != key.audience and not (isinstance(audience, list) and key.audience in audience):
        raise UntrustedToken("its aud is missing or names somebody else", hint=_FOR_ANOTHER)


def _moment(claims: Mapping[str, object], claim: str) -> datetime | None:
    seconds = claims.get(claim)
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise MalformedToken(f"its {claim} is not a number of seconds", claim=claim)
    if not 0 <= seconds <= _LAST_MOMENT:  # false for NaN as well
        raise MalformedToken(f"its {claim} is not a moment", claim=claim)
    return datetime.fromtimestamp(seconds, UTC)


def _droplet(claims: Mapping[str, object], source: Source) -> int:
    if "droplet_id" in claims:
        claim = "droplet_id"
    elif source is Source.REGISTRY and "sub" in claims:
        claim = "sub"
    else:
        raise MalformedToken("it has no droplet_id", claim="droplet_id")
    droplet = parse_droplet_id(claims[claim])
    if droplet is None:
        raise MalformedToken(f"its {claim} is not the number or name of a droplet", claim=claim)
    return droplet


def _steward(claims: Mapping[str, object]) -> str:
    steward = claims.get("steward")
    if steward is None:
        return ""
    if not isinstance(steward, str) or len(steward) > _LONGEST_STEWARD:
        raise MalformedToken(f"its steward is not a text of at most {_LONGEST_STEWARD} characters", claim="steward")
    return steward


def _permissions(claims: Mapping[str, object]) -> frozenset[Permission]:
    if "permissions" not in claims:
        return _ROLE_PERMISSIONS if _is_droplet(claims) else frozenset()
    names = claims["permissions"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MalformedToken("its permissions are not a list of texts", claim="permissions")
    return frozenset(_PERMISSIONS[name] for name in names if name in _PERMISSIONS)


def _is_droplet(claims: Mapping[str, object]) -> bool:
    scope = claims.get("scope")
    scopes = scope.split() if isinstance(scope, str) else scope
    return claims.get("role") == _DROPLET_ROLE or (isinstance(scopes, list) and _DROPLET_ROLE in scopes)
