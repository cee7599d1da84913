"""What a caller may do here, in Airtable's words."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from functools import lru_cache
from typing import Final

from airtable_connector.mesh import ALL_BASES, AccessToken
from airtable_connector.web.http import Call, Caller, MissingPermission


class Scope(StrEnum):
    """One thing that a token allows. None includes another."""

    READ_RECORDS = "data.records:read"
    WRITE_RECORDS = "data.records:write"
    READ_COMMENTS = "data.recordComments:read"
    WRITE_COMMENTS = "data.recordComments:write"
    READ_SCHEMA = "schema.bases:read"
    WRITE_SCHEMA = "schema.bases:write"
    MANAGE_WEBHOOKS = "webhook:manage"
    READ_EMAIL = "user.email:read"


BY_PERMISSION: Final[Mapping[str, frozenset[Scope]]] = {
    "read": frozenset({Scope.READ_RECORDS, Scope.READ_COMMENTS, Scope.READ_SCHEMA}),
    "write": frozenset({Scope.WRITE_RECORDS, Scope.WRITE_COMMENTS}),
    "admin": frozenset({Scope.WRITE_SCHEMA, Scope.MANAGE_WEBHOOKS}),
}
"""What the permissions of a mesh token come to."""


def scopes_of(caller: Caller) -> AbstractSet[str]:
    """Return what a caller may do: an access token says it, a permission of the mesh comes to it."""
    if isinstance(caller, AccessToken):
        return caller.scopes
    return _mapped(frozenset(caller.permissions))


def was_granted(caller: Caller, base: str) -> bool:
    """Tell whether a caller may enter a base; the mesh's own may enter every one."""
    return not isinstance(caller, AccessToken) or caller.opens(base)


def may_make_bases(caller: Caller) -> bool:
    """Tell whether the workspace is a caller's: whoever enters single bases only could not enter what they make."""
    return was_granted(caller, ALL_BASES)


def check_scope(call: Call) -> None:
    """Make sure that the caller has the scope that the route needs.

    Raises:
        MissingPermission: they have not.
    """
    if call.needs is not None:
        demand(call, call.needs)


def demand(call: Call, scope: str) -> None:
    """Make sure that the caller has a scope; for one that a request needs because of what it asks for.

    Raises:
        MissingPermission: they have not.
    """
    held = scopes_of(call.caller)
    if scope not in held:
        raise MissingPermission(scope, held)


@lru_cache(maxsize=16)
def _mapped(permissions: frozenset[str]) -> frozenset[Scope]:
    nothing: frozenset[Scope] = frozenset()
    return nothing.union(*(scopes for permission, scopes in BY_PERMISSION.items() if permission in permissions))
