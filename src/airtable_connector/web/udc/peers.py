"""``GET /dependencies``, and ``/register``: how we stand with the droplets that we depend on (UDC v1.0).

Both tell what is known; asking a peer because somebody asks us would let a dead one slow us down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.mesh import Addresses, Contact, Contacts, Peer, parse_droplet_id
from airtable_connector.web.http import Answer, Call

MOST_SHOWN: Final = 1_000
"""Other droplets that are listed."""


class Member(Protocol):
    """A membership of ours."""

    @property
    def name(self) -> str:
        """The peer's name in `Contacts`."""
        ...

    @property
    def registered_at(self) -> datetime | None:
        """When the peer took our registration; None when it does not know us."""
        ...


@dataclass(frozen=True)
class Required:
    """A peer that we are configured to be a member of: its droplet number, name and address."""

    droplet: int
    name: str
    endpoint: str
    member: Member


class PeerEndpoints:
    """HTTP endpoints about the mesh around us."""

    def __init__(
        self,
        contacts: Contacts,
        required: Sequence[Required],
        addresses: Addresses,
        *,
        droplet: int,
        name: str,
        clock: Clock,
    ) -> None:
        self._contacts = contacts
        self._addresses = addresses
        self._required = required
        self._droplet = droplet
        self._name = name
        self._clock = clock

    async def dependencies(self, _call: Call) -> Answer:
        """Answer ``GET /dependencies``: required peers, other droplets we know, and required ones never seen."""
        required = [self._shown(peer) for peer in self._required]
        missing = [shown for shown in required if shown["last_contact"] is None]
        body = {"required": required, "optional": self._others(), "missing": missing, "timestamp": self._now()}
        return Answer(200, orjson.dumps(body))

    async def registration(self, _call: Call) -> Answer:
        """Answer ``/register``: at which peers we are registered. Nothing is done, and no body is read."""
        registrations = [_registration(peer) for peer in self._required]
        body = {"id": self._droplet, "name": self._name, "registrations": registrations, "timestamp": self._now()}
        return Answer(200, orjson.dumps(body))

    def _shown(self, peer: Required) -> dict[str, object]:
        contact = self._contacts.of(peer.member.name)
        status = "connected" if contact.connected else "disconnected"
        return {"id": peer.droplet, "name": peer.name, "status": status, "endpoint": peer.endpoint, **_told(contact)}

    def _others(self) -> list[dict[str, object]]:
        """Show the droplets of the directories and those that were heard; available is who is not known to fail."""
        shown = {peer.member.name for peer in self._required} | {f"droplet-{peer.droplet}" for peer in self._required}
        shown.add(f"droplet-{self._droplet}")
        listed = {peer.name: peer for peer in self._addresses.known}
        others = [name for name in dict.fromkeys([*listed, *self._contacts.all]) if name not in shown]
        return [self._other(name, listed.get(name)) for name in others[:MOST_SHOWN]]

    def _other(self, name: str, peer: Peer | None) -> dict[str, object]:
        contact = self._contacts.of(name)
        return {
            "id": parse_droplet_id(name) if peer is None else peer.droplet,
            "name": name if peer is None or not peer.names else peer.names[-1],
            "status": "available" if contact.failing_since is None else "unavailable",
            "endpoint": None if peer is None else peer.endpoint,
            **_told(contact),
        }

    def _now(self) -> str:
        return iso(self._clock.now())


def _told(contact: Contact) -> dict[str, object]:
    return {
        "last_contact": _moment(contact.heard_at),
        "latency_ms": None if contact.took is None else round(contact.took.total_seconds() * 1_000, 3),
        "reason": contact.reason,
        "failing_since": _moment(contact.failing_since),
        "told": None
        if (told := contact.told) is None
        else {"message_type": told.type, "at": iso(told.at), "payload": told.payload},
    }


def _registration(peer: Required) -> dict[str, object]:
    at = peer.member.registered_at
    return {"id": peer.droplet, "name": peer.name, "registered": at is not None, "registered_at": _moment(at)}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else iso(at)
