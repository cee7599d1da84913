"""Whose token it is, by the Orchestrator's own rules (2.1), which are not those of `mesh`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import Unauthenticated
from airtable_connector.localmesh.peer import Refused
from airtable_connector.mesh import signed_claims

_CHALLENGE: Final[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True)
class Caller:
    """What a token says. ``droplet`` is None unless the claim is a number: "2" as text is nobody."""

    droplet: int | None
    is_admin: bool

    def may_act_for(self, droplet: int) -> bool:
        """Tell whether it is this droplet, or may do as if."""
        return self.is_admin or self.droplet == droplet


class Credentials:
    """Verifies tokens with the one key that the mesh shares."""

    def __init__(self, public_pem: bytes, *, clock: Clock) -> None:
        self._public_pem = public_pem
        self._clock = clock

    def check(self, request: Request) -> Caller:
        """Return the caller, or refuse with 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "Not authenticated", headers=_CHALLENGE)
        try:
            claims = signed_claims(token.strip(), by=self._public_pem)
        except Unauthenticated:
            raise _not_validated() from None
        if not _acceptable(claims, at=self._clock.now()):
            raise _not_validated()
        caller = _caller(claims)
        request.state.caller = caller.droplet
        return caller


def _acceptable(claims: Mapping[str, object], *, at: datetime) -> bool:
    """Judge the claims; what is not judged here (iss, kid, a missing exp or droplet_id) does not matter there."""
    now = at.timestamp()
    expires, begins, issued = claims.get("exp", math.inf), claims.get("nbf", 0), claims.get("iat", 0)
    return (
        "aud" not in claims
        and isinstance(claims.get("sub", ""), str)
        and isinstance(issued, int | float)
        and (isinstance(expires, int | float) and now < expires)
        and (isinstance(begins, int | float) and begins <= now)
    )


def _caller(claims: Mapping[str, object]) -> Caller:
    droplet, permissions = claims.get("droplet_id"), claims.get("permissions")
    return Caller(
        droplet=droplet if isinstance(droplet, int) and not isinstance(droplet, bool) else None,
        is_admin=isinstance(permissions, list) and "admin" in permissions,
    )


def _not_validated() -> Refused:
    return Refused(401, "Could not validate credentials", headers=_CHALLENGE)
