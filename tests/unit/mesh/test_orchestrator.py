"""The Orchestrator as sections 2.1 to 2.6 of the mesh contract show its answers, its faults among them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from pytest_httpserver import HTTPServer
from tests.unit.mesh.membership import HTML, METRICS, REDIRECT, House, Peer, as_json, nobody

from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh import Left, OrchestratorMember, PeerEntry, PeerFailed, Registered

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
REGISTER = "POST /droplets/register"
BEAT = "POST /droplets/2/heartbeat"
UNKNOWN = (404, {"error": True, "message": "Endpoint not found: /droplets/2/heartbeat", "type": "NotFound"})
FIRST_TIME = (500, {"detail": "Failed to register droplet: WebSocketManager.broadcast_droplet_registered() takes 2"})
DISTRUST = (401, {"detail": "Could not validate credentials"})


def enveloped(payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "udc_version": "1.0",
        "trace_id": "00000000-0000-4000-8000-000000000001",
        "source": "droplet-10",
        "target": "2",
        "message_type": "response",
        "timestamp": "2026-01-05T12:00:00.000000+00:00",
        "payload": payload,
    }


REGISTERED = (201, enveloped({"registered": True, "droplet_id": 2, "status": "updated"}))
RECEIVED = (200, enveloped({"received": True, "next_heartbeat_deadline": 1767614460.0}))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    opened = House(interval=MINUTE)
    yield opened
    await opened.client.close()


@pytest.fixture
def peer(httpserver: HTTPServer) -> Peer:
    """An Orchestrator that has seen us before."""
    orchestrator = Peer(httpserver)
    orchestrator.set(REGISTER, REGISTERED)
    orchestrator.set(BEAT, RECEIVED)
    return orchestrator


async def joined(house: House, peer: Peer, mesh: Any, **changes: Any) -> OrchestratorMember:
    member = house.orchestrator(peer.url, key=mesh.private, **changes)
    await member.beat_once()
    assert house.contacts.of("orchestrator").connected, house.contacts.of("orchestrator").reason
    peer.clear()
    return member


def bearer(peer: Peer) -> str:
    return peer.arrivals[-1].headers["Authorization"].removeprefix("Bearer ")


async def test_the_first_round_registers_and_beats(house: House, peer: Peer, mesh) -> None:
    member = house.orchestrator(peer.url, key=mesh.private)
    assert not member.takes_part
    assert await member.beat_once() == MINUTE

    assert peer.lines == [REGISTER, BEAT]
    assert peer.said(REGISTER)["payload"] == {
        "droplet_id": 2,
        "name": "Airtable Connector",
        "steward": "Haythem",
        "endpoint": "http://127.0.0.1:8000",
        "capabilities": ["digest", "export"],
    }
    assert house.facts(Registered) == [Registered("orchestrator")]
    assert member.takes_part
    assert member.registered_at == house.clock.now()


async def test_everything_is_sent_in_an_envelope_that_it_takes(house: House, peer: Peer, mesh) -> None:
    await house.orchestrator(peer.url, key=mesh.private).beat_once()
    envelope = peer.said(BEAT)
    assert envelope.pop("payload") == {"status": "active", "metrics": METRICS}
    assert UUID(envelope.pop("trace_id")).version == 4
    assert envelope == {
        "udc_version": "1.0",
        "source": "2",
        "target": "10",
        "message_type": "command",
        "timestamp": "2026-01-05T12:00:00.000Z",
    }


async def test_beats_carry_no_metrics_when_state_is_not_reported(house: House, peer: Peer, mesh) -> None:
    await house.orchestrator(peer.url, key=mesh.private, metrics=None).beat_once()
    assert peer.said(BEAT)["payload"] == {"status": "active"}


@pytest.mark.parametrize("answers", [[FIRST_TIME, REGISTERED], [FIRST_TIME]])
async def test_a_registration_that_fails_on_its_side_is_tried_again_at_once_and_then_beats_tell(
    house: House, peer: Peer, mesh, answers: list[Any]
) -> None:
    peer.set(REGISTER, *answers)
    member = house.orchestrator(peer.url, key=mesh.private)
    await member.beat_once()
    assert peer.lines == [REGISTER, REGISTER, BEAT]
    assert member.takes_part


async def test_an_orchestrator_that_forgot_us_is_told_again_in_the_same_round(house: House, peer: Peer, mesh) -> None:
    member = await joined(house, peer, mesh)
    peer.set(BEAT, UNKNOWN, RECEIVED)
    await member.beat_once()
    assert peer.lines == [BEAT, REGISTER, BEAT]
    assert len(house.facts(Registered)) == 2


async def test_one_that_knows_no_such_path_is_asked_once_a_round(house: House, peer: Peer, mesh) -> None:
    member = await joined(house, peer, mesh)
    peer.set(BEAT, UNKNOWN)
    await member.beat_once()
    await member.beat_once()
    assert peer.lines == [BEAT, REGISTER, BEAT, REGISTER, BEAT]
    assert house.contacts.of("orchestrator").reason == "it refused a heartbeat (404)"
    assert not member.takes_part


async def test_a_refused_registration_is_no_membership(house: House, peer: Peer, mesh) -> None:
    peer.set(REGISTER, (422, {"detail": []}))
    await house.orchestrator(peer.url, key=mesh.private).beat_once()
    assert peer.lines == [REGISTER]
    assert house.contacts.of("orchestrator").reason == "it refused a registration (422)"


async def test_a_beat_is_enough_where_nobody_lets_us_register(house: House, peer: Peer, mesh) -> None:
    member = house.orchestrator(peer.url, key=mesh.private, registers=False)
    await member.beat_once()
    peer.set(BEAT, UNKNOWN)
    await member.beat_once()
    assert peer.lines == [BEAT, BEAT]
    assert house.contacts.of("orchestrator").reason == "it does not know us, and REGISTRY_AUTO_REGISTER is off"


async def test_trouble_of_our_own_is_said_in_the_beat(house: House, peer: Peer, mesh) -> None:
    member = await joined(house, peer, mesh)
    house.condition = "error"
    await member.beat_once()
    assert peer.said(BEAT)["payload"]["status"] == "error"


# tokens


async def test_the_token_is_what_it_verifies_and_no_more(house: House, peer: Peer, mesh) -> None:
    await house.orchestrator(peer.url, key=mesh.private).beat_once()
    now = int(house.clock.now().timestamp())
    claims = jwt.decode(bearer(peer), mesh.public, algorithms=["RS256"], options={"verify_exp": False})
    assert claims == {
        "droplet_id": 2,
        "steward": "Haythem",
        "permissions": ["read", "write"],
        "iat": now,
        "exp": now + 24 * 3600,
    }


async def test_a_token_is_signed_anew_after_four_fifths_of_its_time(house: House, peer: Peer, mesh) -> None:
    member = await joined(house, peer, mesh)
    first = member.token()
    await house.clock.advance(timedelta(hours=19))
    await member.beat_once()
    assert member.token() == first

    await house.clock.advance(timedelta(hours=1))
    await member.beat_once()
    assert member.token() != first
    assert Secret(bearer(peer)) == member.token()


async def test_a_token_that_it_does_not_believe_is_signed_anew_once(house: House, peer: Peer, mesh) -> None:
    member = await joined(house, peer, mesh)
    await house.clock.advance(MINUTE)
    peer.set(BEAT, DISTRUST, RECEIVED)
    await member.beat_once()
    first, second = (arrival.headers["Authorization"] for arrival in peer.arrivals)
    assert first != second
    assert member.takes_part


@pytest.mark.parametrize("answer", [DISTRUST, (403, {"detail": "Droplet 2 cannot send heartbeat for droplet 10"})])
async def test_a_key_that_it_does_not_believe_is_said(house: House, peer: Peer, mesh, answer: Any) -> None:
    peer.set(BEAT, answer)
    await house.orchestrator(peer.url, key=mesh.private).beat_once()
    reason = house.contacts.of("orchestrator").reason
    assert reason == f"it does not believe that we are droplet 2 ({answer[0]})"


async def test_without_a_key_nothing_is_sent_and_the_setting_is_named(house: House, peer: Peer) -> None:
    member = house.orchestrator(peer.url, key=None)
    await member.beat_once()
    assert peer.lines == []
    assert "ORCHESTRATOR_PRIVATE_KEY_FILE is not set" in house.contacts.of("orchestrator").reason
    assert member.token() is None


async def test_a_key_that_is_none_is_said_without_showing_it(house: House, peer: Peer) -> None:
    await house.orchestrator(peer.url, key=Secret("hunter2")).beat_once()
    reason = house.contacts.of("orchestrator").reason
    assert "no token can be signed" in reason
    assert "hunter2" not in reason


# outages


@pytest.mark.parametrize("line", [REGISTER, BEAT])
@pytest.mark.parametrize("told", [(HTML, "no JSON"), (REDIRECT, "elsewhere"), (429, "refused")])
async def test_a_page_a_redirect_or_a_limit_is_no_membership(
    house: House, peer: Peer, mesh, line: str, told: tuple[Any, str]
) -> None:
    peer.set(line, told[0])
    await house.orchestrator(peer.url, key=mesh.private).beat_once()
    assert told[1] in house.contacts.of("orchestrator").reason


async def test_after_an_outage_one_round_is_enough(house: House, peer: Peer, mesh) -> None:
    member = await joined(house, peer, mesh)
    peer.set(BEAT, (500, {"detail": "database is gone"}))
    rests = [await member.beat_once() for _ in range(12)]
    assert max(rests) <= MINUTE
    assert not member.takes_part
    peer.set(BEAT, UNKNOWN, RECEIVED)
    assert await member.beat_once() == MINUTE
    assert member.takes_part


async def test_one_that_is_not_there_is_said_to_be_away(house: House, mesh) -> None:
    await house.orchestrator(nobody(), key=mesh.private).beat_once()
    assert house.contacts.of("orchestrator").reason == "nobody listens at its address"


async def test_leaving_is_said_once_and_nothing_after_it(house: House, peer: Peer, mesh) -> None:
    member = await joined(house, peer, mesh)
    await member.leave(timedelta(seconds=3))
    await member.leave(timedelta(seconds=3))
    await member.beat_once()
    assert [arrival.body["payload"]["status"] for arrival in peer.arrivals] == ["inactive"]
    assert house.facts(Left) == [Left("orchestrator")]
    assert not member.takes_part


# the directory


async def test_its_directory_is_read(house: House, peer: Peer, mesh) -> None:
    entry = {"droplet_id": 5, "name": "Dashboard", "endpoint": "https://drop5.example", "capabilities": '["a"]'}
    peer.set("GET /droplets", (200, enveloped({"droplets": [{**entry, "status": "active"}], "total": 1})))
    listed = await house.orchestrator(peer.url, key=mesh.private).directory()
    assert list(listed) == [PeerEntry(5, ("5", "Dashboard"), "https://drop5.example", "active")]


@pytest.mark.parametrize("answer", [404, 500, HTML, as_json([])])
async def test_a_directory_that_is_none_is_refused(house: House, peer: Peer, mesh, answer: Any) -> None:
    peer.set("GET /droplets", answer)
    with pytest.raises(PeerFailed):
        await house.orchestrator(peer.url, key=mesh.private).directory()
