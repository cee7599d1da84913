"""The Orchestrator's directory: who is registered, what each can do, and who has fallen silent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.localmesh.peer import Refused
from airtable_connector.localmesh.settings import MOST_DROPLETS

OURSELVES: Final = 10
STATUSES: Final = ("active", "inactive", "error")


@dataclass(frozen=True, kw_only=True)
class Droplet:
    """One row."""

    id: int
    name: str
    endpoint: str
    steward: str | None = None
    capabilities: Sequence[str] = ()
    status: str = "active"
    registered_at: datetime
    last_beat: datetime


class Droplets:
    """The rows by number. The Orchestrator's own is among them from the start (2.5)."""

    def __init__(self, *, silence: timedelta, beats_itself: bool, at: datetime) -> None:
        self._silence = silence
        self._beats_itself = beats_itself
        self._rows: dict[int, Droplet] = {}
        self.put(
            Droplet(id=OURSELVES, name="Orchestrator", endpoint="http://localhost", registered_at=at, last_beat=at)
        )

    def __iter__(self) -> Iterator[Droplet]:
        return iter(self._rows.values())

    def find(self, droplet: int) -> Droplet | None:
        """Return a row."""
        return self._rows.get(droplet)

    def put(self, row: Droplet) -> None:
        """Add a row, or replace all of it but the moment of its first registration."""
        present = self._rows.get(row.id)
        if present is not None:
            row = replace(row, registered_at=present.registered_at)
        elif len(self._rows) >= MOST_DROPLETS:
            raise Refused(503, f"this local Orchestrator holds {MOST_DROPLETS} droplets and takes no more")
        self._rows[row.id] = row

    def beat(self, row: Droplet, *, status: str, at: datetime) -> None:
        """Note a beat, and what the droplet says of itself."""
        self._rows[row.id] = replace(row, status=status, last_beat=at)

    def mark(self, row: Droplet, *, status: str) -> None:
        """Change a row's status without a beat."""
        self._rows[row.id] = replace(row, status=status)

    def workers(self) -> list[Droplet]:
        """Return who may be given tasks and messages: the active ones, but not the Orchestrator itself."""
        return [row for row in self if row.status == "active" and row.id != OURSELVES]

    def silence_those_without_beats(self, *, at: datetime) -> list[int]:
        """Mark as inactive whoever was silent for too long; return who was active until now."""
        fallen = [row for row in self if row.status == "active" and self._is_silent(row, at=at)]
        for row in fallen:
            self.mark(row, status="inactive")
        return [row.id for row in fallen]

    def _is_silent(self, row: Droplet, *, at: datetime) -> bool:
        beats_itself = self._beats_itself and row.id == OURSELVES
        return not beats_itself and at - row.last_beat > self._silence
