"""What can be set about heartbeats."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class HeartbeatSettings:
    """How cells are watched and how long their beats are kept.

    ``droplet`` is our own number: verdicts and deletions are written in its name. ``interval`` is a cell's assumed
    rhythm until its own is known, ``high_percent`` the load from which it gets a Warning, ``keep`` the age at which
    single beats go, ``rollup_keep`` the age at which hours go.
    """

    droplet: int
    interval: timedelta = timedelta(seconds=60)
    high_percent: float = 90.0
    keep: timedelta = timedelta(days=7)
    rollup_keep: timedelta = timedelta(days=400)
