from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from tests.fakes import FakeClock, SpyObserver

from airtable_connector.mesh import Contacts, Peer
from airtable_connector.web.udc import PeerEndpoints, Required

pytestmark = pytest.mark.anyio


@dataclass
class Membership:
    name: str
    registered_at: datetime | None = None


@dataclass
class Directories:
    """What `PeerEndpoints` looks at in `Addresses`."""

    known: tuple[Peer, ...] = ()


class Mesh:
    """A Registry and an Orchestrator, as this process knows them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.contacts = Contacts(clock=self.clock, observer=SpyObserver())
        self.registry, self.orchestrator = Membership("registry"), Membership("orchestrator")
        required = [
            Required(18, "Registry", "https://drop18.example", self.registry),
            Required(10, "Orchestrator", "https://drop10.example", self.orchestrator),
        ]
        self.addresses = Directories()
        self.endpoints = PeerEndpoints(
            self.contacts, required, self.addresses, droplet=2, name="Connector", clock=self.clock
        )

    async def dependencies(self) -> dict[str, Any]:
        return orjson.loads((await self.endpoints.dependencies(None)).body)

    async def registrations(self) -> dict[str, Any]:
        return orjson.loads((await self.endpoints.registration(None)).body)


async def test_a_peer_that_was_never_seen_is_missing() -> None:
    mesh = Mesh()
    mesh.contacts.failed("registry", "nobody listens at its address")
    mesh.contacts.heard("orchestrator", timedelta(milliseconds=12.3456))
    told = await mesh.dependencies()
    registry, orchestrator = told["required"]
    assert told["missing"] == [registry]
    assert registry == {
        "id": 18,
        "name": "Registry",
        "status": "disconnected",
        "endpoint": "https://drop18.example",
        "last_contact": None,
        "latency_ms": None,
        "reason": "nobody listens at its address",
        "failing_since": "2026-01-05T12:00:00.000Z",
        "told": None,
    }
    assert (orchestrator["status"], orchestrator["latency_ms"]) == ("connected", 12.346)
    assert orchestrator["last_contact"] == told["timestamp"] == "2026-01-05T12:00:00.000Z"


async def test_a_peer_that_was_lost_is_disconnected_and_not_missing() -> None:
    mesh = Mesh()
    for peer in ("registry", "orchestrator"):
        mesh.contacts.heard(peer, timedelta(milliseconds=5))
    await mesh.clock.advance(timedelta(hours=1))
    mesh.contacts.failed("registry", "no whole answer within 5 s")
    told = await mesh.dependencies()
    registry = told["required"][0]
    assert told["missing"] == []
    assert registry["status"] == "disconnected"
    assert registry["last_contact"] == "2026-01-05T12:00:00.000Z"
    assert registry["failing_since"] == "2026-01-05T13:00:00.000Z"


async def test_other_droplets_are_optional_and_no_peer_is_told_of_twice() -> None:
    mesh = Mesh()
    mesh.addresses.known = tuple(
        Peer(number, (f"{number}", name), f"https://drop{number}.example", "registry")
        for number, name in ((2, "Connector"), (4, "Clouds"), (5, "Dashboard"), (18, "Registry"))
    )
    for name in ("droplet-5", "droplet-18"):
        mesh.contacts.heard(name)
    mesh.contacts.failed("chat", "no")
    told = await mesh.dependencies()
    assert [(each["id"], each["name"], each["status"], each["endpoint"]) for each in told["optional"]] == [
        (4, "Clouds", "available", "https://drop4.example"),
        (5, "Dashboard", "available", "https://drop5.example"),
        (None, "chat", "unavailable", None),
    ]


async def test_register_tells_where_we_are_registered() -> None:
    mesh = Mesh()
    mesh.registry.registered_at = mesh.clock.now()
    assert await mesh.registrations() == {
        "id": 2,
        "name": "Connector",
        "registrations": [
            {"id": 18, "name": "Registry", "registered": True, "registered_at": "2026-01-05T12:00:00.000Z"},
            {"id": 10, "name": "Orchestrator", "registered": False, "registered_at": None},
        ],
        "timestamp": "2026-01-05T12:00:00.000Z",
    }
