from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.fakes import FakeClock

from airtable_connector.database import Database
from airtable_connector.mesh import Addresses, Peer, PeerEntry, PeerFailed

pytestmark = pytest.mark.anyio


def entry(droplet: int | None, names: tuple[str, ...], endpoint: str | None) -> PeerEntry:
    return PeerEntry(droplet, names, endpoint, "active")


@dataclass
class Source:
    """A directory that says what a test wants."""

    name: str
    entries: list[PeerEntry] = field(default_factory=list)
    away: bool = False
    asked: int = 0

    async def directory(self) -> Sequence[PeerEntry]:
        self.asked += 1
        if self.away:
            raise PeerFailed("nobody listens at its address")
        return self.entries


DASHBOARD = entry(5, ("drop5.fullpotential.ai", "Dashboard"), "https://drop5.fullpotential.ai/")
ALIEN = entry(None, ("Alien Service",), "https://alien.example")


def addresses(database: Database, *sources: Source, fixed: Sequence[Peer] = ()) -> Addresses:
    return Addresses(database, sources=sources, fixed=fixed, clock=FakeClock())


@pytest.mark.parametrize(
    "target", ["5", "droplet-5", "drop5.fullpotential.ai", "DROP5.fullpotential.ai", "Dashboard", "dashboard"]
)
async def test_a_droplet_is_found_by_number_id_and_name(database: Database, target: str) -> None:
    known = addresses(database, Source("registry", [DASHBOARD, ALIEN]))
    await known.refresh_once()

    found = known.find(target)

    assert found is not None
    assert (found.droplet, found.endpoint) == (5, "https://drop5.fullpotential.ai")
    assert known.find("alien-service") is not None
    assert known.find("6") is None


async def test_the_registry_wins_over_the_orchestrator_and_the_settings_over_both(database: Database) -> None:
    registry = Source("registry", [DASHBOARD, entry(7, ("seven",), None)])
    orchestrator = Source(
        "orchestrator",
        [entry(5, ("Old Dashboard",), "https://old.example"), entry(7, ("seven",), "https://seven.example")],
    )
    own = Peer(2, ("Airtable Connector",), "https://us.example", "settings")
    known = addresses(database, registry, orchestrator, fixed=[own])
    await known.refresh_once()

    assert [known.find(target).endpoint for target in ("5", "old dashboard", "7", "2")] == [
        "https://drop5.fullpotential.ai",
        "https://drop5.fullpotential.ai",
        "https://seven.example",
        "https://us.example",
    ]


async def test_what_was_known_last_outlives_the_registry_and_a_restart(database: Database) -> None:
    registry = Source("registry", [DASHBOARD])
    known = addresses(database, registry)
    assert await known.refresh_once() == timedelta(seconds=60)
    registry.away = True
    assert await known.refresh_once() == timedelta(seconds=60)
    assert known.find("5") is not None

    restarted = addresses(database, registry)
    assert restarted.find("5") is None
    await restarted.load()
    await restarted.refresh_once()

    assert restarted.find("Dashboard").endpoint == "https://drop5.fullpotential.ai"
    assert not restarted.complete


async def test_a_droplet_that_the_registry_no_longer_lists_is_forgotten(database: Database) -> None:
    registry = Source("registry", [DASHBOARD, ALIEN])
    known = addresses(database, registry)
    await known.refresh_once()
    registry.entries = [ALIEN]
    await known.refresh_once()

    assert known.find("5") is None
    assert known.complete
    restarted = addresses(database, registry)
    await restarted.load()
    assert restarted.find("5") is None


async def test_a_droplet_that_joined_just_now_is_looked_for_but_not_at_every_question(database: Database) -> None:
    registry = Source("registry", [ALIEN])
    clock = FakeClock()
    known = Addresses(database, sources=[registry], fixed=(), clock=clock)
    await known.refresh_once()
    await clock.advance(timedelta(seconds=3))
    registry.entries = [ALIEN, DASHBOARD]

    assert await known.seek("5") is not None
    asked = registry.asked
    for _ in range(10):
        assert await known.seek("nobody") is None
    assert registry.asked == asked
    await clock.advance(timedelta(seconds=3))
    assert await known.seek("nobody") is None
    assert registry.asked == asked + 1


async def test_a_directory_that_was_not_there_at_the_start_is_asked_again_soon(database: Database) -> None:
    registry, orchestrator = Source("registry", [DASHBOARD], away=True), Source("orchestrator", [ALIEN])
    known = addresses(database, registry, orchestrator)

    assert await known.refresh_once() == timedelta(seconds=5)
    assert known.find("5") is None
    registry.away = False
    assert await known.refresh_once() == timedelta(seconds=60)
    assert known.find("5") is not None
