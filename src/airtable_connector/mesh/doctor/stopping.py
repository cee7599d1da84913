"""Checks that a droplet cannot be stopped by anybody. Made only when they are asked for.

Each request would be refused for its body, too, where the endpoint takes one: a droplet that forgets to look at the
token is not stopped by being asked. `/emergency-stop` takes none, so there a droplet that is broken stops.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from airtable_connector.mesh.doctor.check import CONTRACT, SETTLED, Check
from airtable_connector.mesh.doctor.judging import BAD_REQUEST, UNKNOWN_CALLER, status_complaints
from airtable_connector.mesh.doctor.outcomes import Outcome, Severity, verdict
from airtable_connector.mesh.doctor.visit import Showing, Visit

_BODIES: Final[Mapping[str, bytes]] = {
    # one second more than allowed: where nobody looks, five minutes are left to notice
    "/shutdown": b'{"delay_seconds": 301, "reason": "this delay is not allowed"}',
    "/reload-config": b'{"config_path": 7}',
    "/emergency-stop": b"{}",
}


async def asked_for(visit: Visit) -> str | None:
    """Want an order that says so."""
    return None if visit.order.touches_stops else "not touched unless asked for (--include-stop)"


async def lacking_admin(visit: Visit) -> str | None:
    """Want a token that says of itself that it has no admin."""
    permissions = visit.claims.permissions
    if permissions is None:
        return "it needs a token that lists its permissions"
    return "the token has admin" if "admin" in permissions else None


async def having_admin(visit: Visit) -> str | None:
    """Want a token that says of itself that it has admin."""
    return None if "admin" in (visit.claims.permissions or ()) else "it needs a token with admin"


def _refuses(path: str, showing: Showing, good: frozenset[int], wanted: str) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        reply = await visit.ask("POST", path, showing=showing, body=_BODIES[path])
        return verdict(status_complaints(reply, good.__contains__, wanted=wanted))

    return run


def _of_path(path: str) -> tuple[Check, ...]:
    name = path.removeprefix("/")
    return (
        Check(
            f"{name}-no-token",
            f"POST {path} without a token is refused with 401 or 403",
            CONTRACT,
            Severity.MUST,
            _refuses(path, Showing.NOTHING, UNKNOWN_CALLER, "401 or 403"),
            (asked_for,),
        ),
        Check(
            f"{name}-no-admin",
            f"POST {path} with a token that lacks admin is refused with 403",
            SETTLED,
            Severity.MUST,
            _refuses(path, Showing.OWN_TOKEN, frozenset({403}), "403"),
            (asked_for, lacking_admin),
        ),
    )


def _of_body(path: str, what: str) -> Check:
    return Check(
        f"{path.removeprefix('/')}-bad-body",
        f"POST {path} {what} is refused with 4xx",
        CONTRACT,
        Severity.MUST,
        _refuses(path, Showing.OWN_TOKEN, BAD_REQUEST, "a 4xx about the body"),
        (asked_for, having_admin),
    )


STOP_CHECKS: Final[tuple[Check, ...]] = (
    *(check for path in _BODIES for check in _of_path(path)),
    _of_body("/shutdown", "with a delay of 301 seconds"),
    _of_body("/reload-config", "with a config_path that is a number"),
)
