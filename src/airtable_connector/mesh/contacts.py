"""What is known of each peer: when it was last heard, how long its answers take, and why not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Fact, Observer

LONGEST_TOLD: Final = 2_000
"""Characters of a payload that is remembered."""

MOST_PEERS: Final = 10_000
"""Peers that are remembered; of further ones nothing is kept."""


@dataclass(frozen=True)
class PeerLost(Fact):
    """A peer does not answer as it should; said once, not for each attempt."""

    peer: str
    reason: str


@dataclass(frozen=True)
class PeerBack(Fact):
    """A peer answers: for the first time, or again after ``away``."""

    peer: str
    away: timedelta | None


@dataclass(frozen=True, slots=True)
class Told:
    """The last event or status that a peer told us; a long one's payload is left to the event log."""

    type: str
    at: datetime
    payload: Mapping[str, JsonValue] | None


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of one peer.

    ``heard_at`` is the moment of its last good answer or message, ``took`` how long that answer took.
    ``failing_since`` and ``reason`` are set while the last attempt failed. ``told`` is since our start.
    """

    heard_at: datetime | None = None
    took: timedelta | None = None
    failing_since: datetime | None = None
    reason: str | None = None
    told: Told | None = None

    @property
    def connected(self) -> bool:
        """Whether the last attempt to reach it worked, or it was heard since."""
        return self.heard_at is not None and self.failing_since is None


class Contacts:
    """Keeps account of peers by name; who calls one says here how it went."""

    def __init__(self, *, clock: Clock, observer: Observer) -> None:
        self._clock = clock
        self._observer = observer
        self._peers: dict[str, Contact] = {}

    @property
    def all(self) -> Mapping[str, Contact]:
        """Every peer that was tried or heard."""
        return self._peers

    def of(self, peer: str) -> Contact:
        """Return what is known of a peer; an unknown one was never heard."""
        return self._peers.get(peer, Contact())

    def heard(self, peer: str, took: timedelta | None = None) -> None:
        """Note a good answer, or with ``took`` left out a message that came from the peer."""
        now, before = self._clock.now(), self.of(peer)
        if not before.connected:
            away = None if before.heard_at is None else now - before.heard_at
            self._observer.saw(PeerBack(peer, away))
        self._keep(peer, Contact(now, before.took if took is None else took, told=before.told))

    def told(self, peer: str, message_type: str, payload: Mapping[str, JsonValue]) -> None:
        """Note what a peer told of itself."""
        kept = payload if len(repr(payload)) <= LONGEST_TOLD else None
        self._keep(peer, replace(self.of(peer), told=Told(message_type, self._clock.now(), kept)))

    def failed(self, peer: str, reason: str) -> None:
        """Note an attempt that failed."""
        now, before = self._clock.now(), self.of(peer)
        if before.failing_since is None:
            self._observer.saw(PeerLost(peer, reason))
        self._keep(peer, replace(before, failing_since=before.failing_since or now, reason=reason))

    def _keep(self, peer: str, contact: Contact) -> None:
        if peer in self._peers or len(self._peers) < MOST_PEERS:
            self._peers[peer] = contact
