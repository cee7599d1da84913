from datetime import timedelta

import pytest
from tests.fakes import FakeClock, SpyObserver

from airtable_connector.mesh import Contact, Contacts, PeerBack, PeerLost

pytestmark = pytest.mark.anyio


async def test_an_outage_is_said_once_and_so_is_its_end() -> None:
    clock, spy = FakeClock(), SpyObserver()
    contacts = Contacts(clock=clock, observer=spy)
    contacts.heard("registry", timedelta(milliseconds=20))
    for _ in range(100):
        await clock.advance(timedelta(seconds=30))
        contacts.failed("registry", "nobody listens at its address")
    known = contacts.of("registry")
    assert (known.connected, known.reason) == (False, "nobody listens at its address")
    assert clock.now() - known.failing_since == timedelta(seconds=99 * 30)

    contacts.heard("registry", timedelta(milliseconds=30))
    contacts.heard("registry", timedelta(milliseconds=30))

    assert spy.facts == [
        PeerBack("registry", None),
        PeerLost("registry", "nobody listens at its address"),
        PeerBack("registry", timedelta(seconds=3000)),
    ]
    assert contacts.of("registry").connected


async def test_a_peer_that_was_never_heard_is_not_connected() -> None:
    contacts = Contacts(clock=FakeClock(), observer=SpyObserver())

    assert contacts.of("droplet-9") == Contact()
    assert not contacts.of("droplet-9").connected
