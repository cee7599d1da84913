"""A check as a fact, and the conditions under which one can be made."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from airtable_connector.mesh.doctor.outcomes import Outcome, Severity
from airtable_connector.mesh.doctor.visit import Visit

Need: TypeAlias = Callable[[Visit], Awaitable[str | None]]
"""Says why a check cannot be made; None when it can."""

CONTRACT: Final = "UDC v1.0"
SETTLED: Final = "settled in the mesh"
HOUSE_RULES: Final = "house rules of the mesh"
HTTP: Final = "RFC 9110"


@dataclass(frozen=True)
class Check:
    """One thing that a droplet must or should do.

    Args:
        id: what it is called in reports, kebab-case and unique.
        title: the rule as a sentence about the droplet.
        rule: where it comes from.
        severity: what a failure means.
        run: finds out.
        needs: what must be so before it is run, in the order in which it is asked.
    """

    id: str
    title: str
    rule: str
    severity: Severity
    run: Callable[[Visit], Awaitable[Outcome]]
    needs: tuple[Need, ...] = ()


async def token(visit: Visit) -> str | None:
    """Want a token."""
    return "it needs a token" if visit.order.token is None else None


async def writing(visit: Visit) -> str | None:
    """Want a token that does not say of itself that it may only read."""
    if visit.order.token is None:
        return "it needs a token"
    permissions = visit.claims.permissions
    return "the token may not write" if permissions is not None and "write" not in permissions else None


async def own_number(visit: Visit) -> str | None:
    """Want a droplet that says who it is, as messages are addressed to it."""
    return "GET /health gives no droplet number to address" if await visit.droplet() is None else None
