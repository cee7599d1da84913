"""What a check comes to, and how much it weighs."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

MOST_COMPLAINTS: Final = 5
"""Complaints that one check tells; of the others it tells the number."""


class Severity(StrEnum):
    """What it means when a check fails."""

    MUST = "must"
    """The droplet breaks the contract: the examination is not passed."""

    SHOULD = "should"
    """The droplet could do better."""


@dataclass(frozen=True)
class Held:
    """The droplet does as the rule says."""


@dataclass(frozen=True)
class Failed:
    """It does not; ``why`` says what was seen instead, in a bounded text without secrets."""

    why: str


@dataclass(frozen=True)
class Skipped:
    """It could not be found out, or must not be tried; nothing is said about the droplet."""

    why: str


Outcome: TypeAlias = Held | Failed | Skipped


def verdict(complaints: Sequence[str]) -> Held | Failed:
    """Turn what there is to complain about into an outcome; nothing means that the rule holds."""
    if not complaints:
        return Held()
    told = list(complaints[:MOST_COMPLAINTS])
    if len(complaints) > MOST_COMPLAINTS:
        told.append(f"and {len(complaints) - MOST_COMPLAINTS} more")
    return Failed("; ".join(told))
