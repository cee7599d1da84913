"""Who is calling: a droplet of the mesh, and what it may do here."""

import re
from dataclasses import dataclass
from enum import StrEnum

MOST_DROPLETS = 2**31 - 1
"""The biggest droplet number; the Orchestrator keeps them in 32 bits."""

_LONGEST_NAME = 253  # as a host name

_DROPLET = re.compile(
    r"(?:droplet[-_]?|drop)?0*([1-9][0-9]{0,9})|(?:droplet[-_]?|drop)0*([1-9][0-9]{0,9})(?:\.[a-z0-9-]+)+\.?",
    re.ASCII | re.IGNORECASE,
)


class Permission(StrEnum):
    """What an identity may do. None includes another."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class Source(StrEnum):
    """Why an identity is believed."""

    REGISTRY = "registry"
    """A token that the Registry signed."""

    MESH = "mesh"
    """A token that a droplet signed with the key all droplets share."""

    OWN = "own"
    """A token that this droplet minted."""

    NETWORK = "network"
    """No token: the caller's address lies in a trusted network."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller that is known. ``steward`` is empty when the token names none."""

    droplet: int
    steward: str
    permissions: frozenset[Permission]
    source: Source

    @property
    def account(self) -> int:
        """Under what its requests are counted: the droplet, with whatever tokens it comes."""
        return self.droplet


def parse_droplet_id(value: object) -> int | None:
    """Read a droplet's number in any form that peers use, or return None.

    Accepted: ``2``, ``"2"``, ``"droplet-2"``, ``"drop2"``, ``"drop2.fullpotential.ai"``; from 1 to `MOST_DROPLETS`.
    A bool and a float are not numbers of droplets.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 1 <= value <= MOST_DROPLETS else None
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        return None
    found = _DROPLET.fullmatch(value.strip())
    if found is None:
        return None
    number = int(found[1] or found[2])
    return number if number <= MOST_DROPLETS else None
