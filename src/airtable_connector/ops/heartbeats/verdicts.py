"""What is said about a cell, decided from its beats alone."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from airtable_connector.ops.heartbeats.beats import Watched

MISSED_BEATS: Final = 3
"""A cell silent for more than this many of its intervals is Offline."""

FULL_LOAD: Final = 100.0
"""Above this a load is no percentage: some droplets send RAM in megabytes. It is kept, but not judged."""


class Verdict(StrEnum):
    """The choices of Cells.Health_Status."""

    OK = "OK"
    WARNING = "Warning"
    OFFLINE = "Offline"


def judge(cell: Watched, *, now: datetime, listening_since: datetime, high_percent: float) -> str:
    """Return the verdict on a cell; empty when it was never judged and it is too early to call it Offline.

    While we were away nobody could beat here, so a silence only counts from ``listening_since`` on; until it is long
    enough the last verdict stands. Who was Offline stays so until it beats again.
    """
    patience = MISSED_BEATS * cell.interval
    if now - cell.last_beat_at <= patience:
        return Verdict.WARNING if is_high(cell.cpu, high_percent) or is_high(cell.ram, high_percent) else Verdict.OK
    if now - max(cell.last_beat_at, listening_since) > patience:
        return Verdict.OFFLINE
    return cell.verdict


def is_high(load: float | None, high_percent: float) -> bool:
    """Tell whether a load is a percentage, and a high one."""
    return load is not None and high_percent <= load <= FULL_LOAD
