"""How long a token that we were given is good, as it says itself; nothing of it is proven here."""

import base64
import json
from datetime import datetime, timedelta
from typing import Final, TypeGuard

from airtable_connector.mesh.tokens.compact import LONGEST_TOKEN

_LONGEST: Final = timedelta(days=366)


def lifetime_of(token: str, *, received: datetime) -> timedelta | None:
    """Return how long a token just received is good, at most a year; None when it does not say.

    Its ``exp`` is counted from its own ``iat``, so that a clock here that goes wrong does not make a fresh token old;
    both are whole seconds, so up to a second of it may have been over when it was issued.
    """
    claims = _claims(token)
    ends, issued = claims.get("exp"), claims.get("iat")
    if not _is_moment(ends):
        return None
    begins = issued + 1 if _is_moment(issued) else received.timestamp()
    return timedelta(seconds=min(ends - begins, _LONGEST.total_seconds()))


def _claims(token: str) -> dict[str, object]:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > LONGEST_TOKEN:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _is_moment(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
