"""Who is registered, and how long each has been silent. Kept in memory: a restart forgets, as tests want it to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.localmesh.peer import Refused
from airtable_connector.localmesh.settings import MOST_DROPLETS


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a beat tells of a machine, in percent."""

    cpu: float = 0
    mem: float = 0
    disk: float = 0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One droplet as it last described itself. ``status`` is its own word, whatever generation it speaks."""

    id: str
    name: str = ""
    fqdn: str = ""
    host: str = ""
    ip: str = ""
    role: str = ""
    env: str = ""
    version: str = ""
    steward: str = ""
    endpoint: str = ""
    capabilities: tuple[str, ...] = ()
    cost_hour: float = 0
    status: str = "active"
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    registered_at: datetime
    updated_at: datetime
    last_beat: datetime | None = None
    load: Load = Load()

    @property
    def last_seen(self) -> datetime:
        """Its last beat, or its registration."""
        return max(self.registered_at, self.last_beat or self.registered_at)


class Directory:
    """The entries by key, in the order of their first registration."""

    def __init__(self, *, silence: timedelta) -> None:
        self._silence = silence
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def find(self, key: str) -> Entry | None:
        """Return the entry of this key."""
        return self._entries.get(key)

    def put(self, key: str, entry: Entry) -> None:
        """Add or replace; an entry that was there keeps the moment of its registration and its last beat."""
        present = self._entries.get(key)
        if present is not None:
            entry = replace(entry, registered_at=present.registered_at, last_beat=present.last_beat, load=present.load)
        elif len(self._entries) >= MOST_DROPLETS:
            raise Refused(503, f"this local registry holds {MOST_DROPLETS} droplets and takes no more")
        self._entries[key] = entry

    def beat(self, key: str, *, at: datetime, status: str | None, load: Load) -> bool:
        """Note a beat; False when nobody of that key is registered."""
        present = self._entries.get(key)
        if present is None:
            return False
        self._entries[key] = replace(present, last_beat=at, updated_at=at, status=status or present.status, load=load)
        return True

    def remove(self, key: str) -> bool:
        """Forget a droplet; False when it was not there."""
        return self._entries.pop(key, None) is not None

    def is_down(self, entry: Entry, *, at: datetime) -> bool:
        """Tell whether a droplet has been silent for too long, or says itself that it is down."""
        return entry.status == "down" or self.is_silent(entry, at=at)

    def is_silent(self, entry: Entry, *, at: datetime) -> bool:
        """Tell whether a droplet's last sign is too old."""
        return at - max(entry.updated_at, entry.last_seen) > self._silence


def dashboard(directory: Directory, *, at: datetime) -> JsonValue:
    """Describe the directory as droplet-1's ``GET /dashboard`` does (3.1, section 5)."""
    droplets = [describe_early(directory, entry, at=at) for entry in directory]
    down = sum(directory.is_down(entry, at=at) for entry in directory)
    cost = sum(entry.cost_hour for entry in directory)
    summary = {"total": len(directory), "healthy": len(directory) - down, "down": down, "cost_hour_total": cost}
    return {"summary": summary, "droplets": droplets}


def describe_early(directory: Directory, entry: Entry, *, at: datetime) -> Mapping[str, JsonValue]:
    """Describe one droplet as droplet-1 does (3.1)."""
    return {
        "id": entry.id,
        "name": entry.name,
        "fqdn": entry.fqdn,
        "ip": entry.ip,
        "role": entry.role,
        "env": entry.env,
        "version": entry.version,
        "cost_hour": entry.cost_hour,
        "cpu": entry.load.cpu,
        "mem": entry.load.mem,
        "disk": entry.load.disk,
        "last_seen": int(entry.last_seen.timestamp()),
        "status": "down" if directory.is_down(entry, at=at) else "healthy",
    }
