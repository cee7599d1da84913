"""Where droplets live: as the Registry says, else the Orchestrator, else as one of them said last."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from airtable_connector.database import Database, Row
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.mesh.directory import PeerEntry
from airtable_connector.mesh.messaging.model import fold_name
from airtable_connector.mesh.tokens.identity import parse_droplet_id

MOST_PEERS: Final = 10_000
"""Droplets that are remembered."""

EVERY: Final = timedelta(seconds=60)
"""How often the directories are read."""

COOL_DOWN: Final = timedelta(seconds=2)
"""The least time from one look to the next that an unknown droplet asks for."""

SOON: Final = timedelta(seconds=5)
"""How soon they are read again while one of them has never answered."""

_LOAD = "select name, droplet, names, endpoint, listed_by from peers order by name limit 10000"
_FORGET = "delete from peers"
_KEEP = (
    "insert into peers (name, droplet, names, endpoint, listed_by, listed_at)"
    " values (:name, :droplet, :names, :endpoint, :listed_by, :at)"
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A droplet that can be reached. ``names`` are its ids and names as the directories give them."""

    droplet: int | None
    names: tuple[str, ...]
    endpoint: str
    listed_by: str

    @property
    def name(self) -> str:
        """The one name under which it is kept."""
        return f"droplet-{self.droplet}" if self.droplet is not None else fold_name(self.names[0])


class DirectorySource(Protocol):
    """Somebody who knows droplets."""

    @property
    def name(self) -> str:
        """Who it is, for people."""
        ...

    async def directory(self) -> Sequence[PeerEntry]:
        """Fetch everything that is known.

        Raises:
            PeerFailed: no directory came.
        """
        ...


class Addresses:
    """Finds droplets by number, id or name.

    Args:
        database: keeps what was known last, so that a start without a Registry still finds everybody.
        sources: whom to ask; the first that knows a droplet wins.
        fixed: droplets whose address is set, which win over all; their ``listed_by`` is ``settings``.
        clock: dates what is kept.
    """

    def __init__(
        self, database: Database, *, sources: Sequence[DirectorySource], fixed: Sequence[Peer], clock: Clock
    ) -> None:
        self._database = database
        self._sources = sources
        self._fixed = tuple(fixed)
        self._clock = clock
        self._listed: dict[str, tuple[Peer, ...]] = {}
        self._kept: tuple[Peer, ...] = ()
        self._flight = asyncio.Lock()
        self._looked_at = -COOL_DOWN.total_seconds()
        self._by_droplet: dict[int, Peer] = {}
        self._by_name: dict[str, Peer] = {}
        self._index()

    @property
    def known(self) -> Sequence[Peer]:
        """Every droplet that can be found, each once."""
        return tuple(dict.fromkeys([*self._by_droplet.values(), *self._by_name.values()]))

    @property
    def complete(self) -> bool:
        """Whether every source has answered since the start: who is not known now is not known to the mesh."""
        return bool(self._sources) and len(self._listed) == len(self._sources)

    def find(self, target: str) -> Peer | None:
        """Return the droplet of that number, id or name."""
        found = self._by_name.get(fold_name(target))
        if found is not None:
            return found
        droplet = parse_droplet_id(target)
        return None if droplet is None else self._by_droplet.get(droplet)

    async def seek(self, target: str) -> Peer | None:
        """Find a droplet; for one that is not known the directories are read once more, at most every `COOL_DOWN`."""
        return self.find(target) or await self.seek_anew(target)

    async def seek_anew(self, target: str) -> Peer | None:
        """Find a droplet that may have moved: the directories are read first, at most every `COOL_DOWN`."""
        async with self._flight:
            if self._sources and self._clock.monotonic() - self._looked_at >= COOL_DOWN.total_seconds():
                await self._read_directories()
        return self.find(target)

    async def load(self) -> None:
        """Read what was known before the start."""
        async with self._database.reading() as reader:
            self._kept = tuple(map(_peer, await reader.all(_LOAD)))
        self._index()

    async def refresh_once(self) -> timedelta:
        """Read the directories; one that does not answer leaves what it said before."""
        async with self._flight:
            await self._read_directories()
        return EVERY if self.complete or not self._sources else SOON

    async def _read_directories(self) -> None:
        self._looked_at = self._clock.monotonic()
        answered = False
        for source in self._sources:
            try:
                entries = await source.directory()
            except ConnectorError:
                continue  # the source itself keeps account of its outage
            answered = True
            self._listed[source.name] = tuple(_readable(entries, source.name))
        if answered:
            await self._keep()

    async def _keep(self) -> None:
        """Remember what is listed now; droplets that a silent source knew stay."""
        before = self._kept
        listed = [peer for source in self._sources for peer in self._listed.get(source.name, ())]
        silent = [peer for peer in before if peer.listed_by not in self._listed]
        merged: dict[str, Peer] = {}
        for peer in [*listed, *silent]:
            first = merged.setdefault(peer.name, peer)
            if first is not peer:
                merged[peer.name] = replace(first, names=tuple(dict.fromkeys(first.names + peer.names)))
        self._kept = tuple(merged.values())[:MOST_PEERS]
        self._index()
        if set(self._kept) == set(before):
            return
        at = iso(self._clock.now())
        rows: list[Mapping[str, object]] = [
            {
                "name": peer.name,
                "droplet": peer.droplet,
                "names": json.dumps(peer.names),
                "endpoint": peer.endpoint,
                "listed_by": peer.listed_by,
                "at": at,
            }
            for peer in self._kept
        ]
        async with self._database.transaction() as tx:
            await tx.run(_FORGET)
            await tx.run_many(_KEEP, rows)

    def _index(self) -> None:
        self._by_droplet, self._by_name = {}, {}
        for peer in (*self._fixed, *self._kept):
            if peer.droplet is not None:
                self._by_droplet.setdefault(peer.droplet, peer)
            for name in peer.names:
                self._by_name.setdefault(fold_name(name), peer)


def _readable(entries: Iterable[PeerEntry], source: str) -> Iterable[Peer]:
    for entry in entries:
        if entry.endpoint and (entry.names or entry.droplet is not None):
            yield Peer(entry.droplet, entry.names, entry.endpoint.rstrip("/"), source)


def _peer(row: Row) -> Peer:
    _, droplet, names, endpoint, listed_by = row
    return Peer(droplet, tuple(json.loads(names)), endpoint, listed_by)
