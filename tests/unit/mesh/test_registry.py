"""The Registry's generations, as sections 3.1 to 3.4 of the mesh contract show their answers."""

import base64
import json
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from tests.unit.mesh.membership import HTML, INTERVAL, LOAD, REDIRECT, House, Peer, as_json, nobody
from werkzeug import Response

from airtable_connector.mesh import Left, PeerBack, PeerEntry, PeerFailed, PeerLost, Registered, RegistryMember

pytestmark = pytest.mark.anyio

TOKEN = "POST /auth/token"
REGISTER = "POST /registry/register"
BEAT = "POST /registry/heartbeat"
F = "drop2.fullpotential.ai"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    opened = House()
    yield opened
    await opened.client.close()


@pytest.fixture
def peer(httpserver: HTTPServer) -> Peer:
    """Registry v2 (3.3), which issues tokens."""
    v2 = Peer(httpserver)
    v2.set(TOKEN, (200, issued("first")))
    v2.set(REGISTER, (200, {"ok": True}))
    v2.set(BEAT, (200, {"ok": True, "ts": 1}))
    return v2


def token(name: str, *, lifetime: float = 86_400, begins: float = 1_767_614_400) -> str:
    claims = {"sub": F, "name": name, "iat": begins, "exp": begins + lifetime}
    parts = [{"alg": "RS256"}, claims, {"signature": "of nobody"}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def issued(name: str, **claims: float) -> dict[str, object]:
    return {"token": token(name, **claims), "droplet_id": F, "algorithm": "RS256"}


async def joined(house: House, peer: Peer) -> RegistryMember:
    member = house.registry(peer.url)
    await member.beat_once()
    assert house.contacts.of("registry").connected, house.contacts.of("registry").reason
    peer.clear()
    return member


async def test_the_first_round_fetches_a_token_registers_and_beats(house: House, peer: Peer) -> None:
    member = house.registry(peer.url)
    rest = await member.beat_once()

    assert peer.lines == [TOKEN, REGISTER, BEAT]
    asked, registered, beat = peer.arrivals
    assert (asked.query, asked.headers["X-Registry-Key"], asked.body) == ({"droplet_id": F}, "registry-key", None)
    for arrival in (registered, beat):
        assert arrival.headers["Authorization"] == f"Bearer {token('first')}"
        assert arrival.headers["X-Registry-Key"] == "registry-key"
    assert rest == INTERVAL
    assert house.contacts.of("registry").connected
    assert house.facts(Registered) == [Registered("registry")]
    assert member.token().reveal() == token("first")


async def test_bodies_are_what_every_generation_takes(house: House, peer: Peer) -> None:
    await house.registry(peer.url).beat_once()

    described = {
        "name": "Airtable Connector",
        "steward": "Haythem",
        "version": "0.1.0",
        "endpoint": "http://127.0.0.1:8000",
        "capabilities": ["digest", "export"],
    }
    assert peer.said(REGISTER) == {
        "id": F,
        "droplet_id": F,
        "fqdn": F,
        **described,
        "host": "127.0.0.1:8000",
        "ip": "127.0.0.1",
        "role": "connector",
        "env": "development",
        "cost_hour": 0.0125,
        "status": "active",
        "metadata": {**described, "udc_version": "1.0"},
    }
    assert peer.said(BEAT) == {"id": F, "droplet_id": F, "fqdn": F, **LOAD, "status": "active", "metrics": LOAD}


async def test_later_rounds_only_beat(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    await member.beat_once()
    assert peer.lines == [BEAT]


@pytest.mark.parametrize("answer", [(201, {"ok": True}), (201, {"id": 2}), (409, {"detail": "exists"})])
async def test_these_answers_mean_registered(house: House, peer: Peer, answer: object) -> None:
    """3.1 and 3.3 answer 201, 3.4 a conflict when we are there already."""
    peer.set(REGISTER, answer)
    await house.registry(peer.url).beat_once()
    assert house.contacts.of("registry").connected


async def test_a_registry_that_forgot_us_is_told_again_in_the_same_round(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    peer.set(BEAT, (404, {"detail": "unknown droplet"}), (200, {"ok": True}))
    await member.beat_once()

    assert peer.lines == [BEAT, REGISTER, BEAT]
    assert house.contacts.of("registry").connected
    assert len(house.facts(Registered)) == 2


async def test_a_token_that_is_refused_is_replaced_and_we_register_again(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    peer.set(TOKEN, (200, issued("second")))
    peer.set(BEAT, (401, {"detail": "expired"}), (200, {"ok": True}))
    await member.beat_once()

    assert peer.lines == [BEAT, TOKEN, REGISTER, BEAT]
    assert peer.arrivals[-1].headers["Authorization"] == f"Bearer {token('second')}"
    assert member.token().reveal() == token("second")


async def test_a_registry_that_refuses_every_token_is_asked_once_a_round(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    for line in (REGISTER, BEAT):
        peer.set(line, (401, {"detail": "no"}))
    await member.beat_once()

    assert peer.lines == [BEAT, TOKEN, REGISTER, TOKEN, REGISTER]
    assert house.contacts.of("registry").reason == "it refused a registration (401)"


async def test_one_that_forgets_at_once_is_said_to_refuse_beats(house: House, peer: Peer) -> None:
    peer.set(BEAT, (404, {"detail": "unknown droplet"}))
    member = house.registry(peer.url)
    await member.beat_once()
    assert house.contacts.of("registry").reason == "it refused a heartbeat (404)"
    assert member.registered_at is None
    assert house.facts(Registered) == []


async def test_active_becomes_healthy_once_it_was_refused_and_stays_so(house: House, peer: Peer) -> None:
    """3.2 (pg) knows healthy, down and unknown only."""

    def strict(arrival) -> Response:
        fits = arrival.body["status"] in {"healthy", "down", "unknown"}
        return as_json({"status": "ok", "updated_at": "now"}) if fits else as_json({"detail": []}, 422)

    peer.set(BEAT, strict)
    member = house.registry(peer.url)
    await member.beat_once()
    assert [a.body["status"] for a in peer.arrivals if a.line == BEAT] == ["active", "healthy"]
    assert house.contacts.of("registry").connected
    peer.clear()

    house.condition = "error"
    await member.beat_once()
    await member.leave(timedelta(seconds=3))
    assert [a.body["status"] for a in peer.arrivals] == ["down", "down"]


async def test_trouble_of_our_own_is_said_in_the_beat(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    house.condition = "error"
    await member.beat_once()
    assert peer.said(BEAT)["status"] == "error"


@pytest.mark.parametrize("status", [404, 405])
async def test_an_early_registry_without_tokens_takes_the_key_alone(house: House, peer: Peer, status: int) -> None:
    """3.1: no /auth/token, X-Registry-Key on everything."""
    peer.set(TOKEN, (status, {"detail": "Not Found"}))
    member = await joined(house, peer)
    await member.beat_once()

    assert peer.lines == [BEAT]  # it is not asked for tokens again and again
    assert "Authorization" not in peer.arrivals[0].headers
    assert peer.arrivals[0].headers["X-Registry-Key"] == "registry-key"
    assert member.token() is None


async def test_an_early_registry_that_is_replaced_by_one_with_tokens_gets_them_at_once(
    house: House, peer: Peer
) -> None:
    peer.set(TOKEN, 404)
    member = await joined(house, peer)
    peer.set(TOKEN, (200, issued("new")))
    peer.set(BEAT, (401, {"detail": "Not authenticated"}), (200, {"ok": True}))
    await member.beat_once()
    assert peer.lines == [BEAT, TOKEN, REGISTER, BEAT]
    assert house.contacts.of("registry").connected


async def test_without_a_key_we_register_where_that_is_allowed(house: House, peer: Peer) -> None:
    await house.registry(peer.url, key=None).beat_once()

    assert peer.lines == [REGISTER, BEAT]
    assert all("X-Registry-Key" not in arrival.headers for arrival in peer.arrivals)
    assert house.contacts.of("registry").connected


@pytest.mark.parametrize("line", [REGISTER, BEAT])
async def test_without_a_key_where_one_is_needed_the_reason_says_so(house: House, peer: Peer, line: str) -> None:
    peer.set(line, (401, {"detail": "unauthorized"}))
    await house.registry(peer.url, key=None).beat_once()
    assert house.contacts.of("registry").reason == "it wants a token, and REGISTRY_KEY is not set"


async def test_a_wrong_key_is_said_and_no_registration_tried(house: House, peer: Peer) -> None:
    peer.set(TOKEN, (401, {"detail": "Invalid registry key"}))
    await house.registry(peer.url).beat_once()
    assert peer.lines == [TOKEN]
    assert house.contacts.of("registry").reason == "it refuses our REGISTRY_KEY (401)"
    assert "registry-key" not in repr(house.spy.facts)


async def test_a_registry_in_memory_is_known_by_its_doors(house: House, httpserver: HTTPServer) -> None:
    """3.4: POST /droplets registers, there are no beats, PATCH refreshes."""
    peer = Peer(httpserver)
    beat = f"PATCH /droplets/{F}"
    peer.set("POST /droplets", (201, {"droplet": {"id": F}, "timestamp": "now"}))
    peer.set(beat, (200, {"droplet": {"id": F}, "timestamp": "now"}))
    member = house.registry(peer.url)
    await member.beat_once()
    assert peer.lines == [TOKEN, REGISTER, "POST /droplets", beat]
    assert {"id", "name", "endpoint", "steward", "metadata"} <= peer.said("POST /droplets").keys()
    assert peer.said(beat)["status"] == "active"
    peer.clear()

    await member.beat_once()
    await member.leave(timedelta(seconds=3))
    assert peer.lines == [beat, beat]
    assert peer.said(beat)["status"] == "inactive"


async def test_a_beat_is_enough_where_nobody_lets_us_register(house: House, peer: Peer) -> None:
    member = house.registry(peer.url, registers=False)
    await member.beat_once()
    assert peer.lines == [TOKEN, BEAT]

    peer.set(BEAT, (404, {"detail": "unknown droplet"}))
    await member.beat_once()
    assert REGISTER not in peer.lines
    assert house.contacts.of("registry").reason == "it does not know us, and REGISTRY_AUTO_REGISTER is off"


# tokens


async def test_a_token_is_renewed_well_before_it_ends(house: House, peer: Peer) -> None:
    peer.set(TOKEN, (200, issued("short", lifetime=100)), (200, issued("next", lifetime=100)))
    member = await joined(house, peer)
    await house.clock.advance(timedelta(seconds=79))
    await member.beat_once()
    assert peer.lines == [BEAT]

    await house.clock.advance(timedelta(seconds=2))
    await member.beat_once()
    assert peer.lines == [BEAT, TOKEN, BEAT]
    assert member.token().reveal() == token("next", lifetime=100)


async def test_a_round_comes_early_when_the_token_wants_it(house: House, peer: Peer) -> None:
    peer.set(TOKEN, (200, issued("short", lifetime=3)))
    # of three seconds one may have been over, because moments in tokens are whole seconds
    assert await house.registry(peer.url).beat_once() == timedelta(seconds=1.6)


async def test_while_a_token_is_good_failing_to_renew_it_stops_no_beat(house: House, peer: Peer) -> None:
    peer.set(TOKEN, (200, issued("only", lifetime=100)), 503)
    member = await joined(house, peer)
    await house.clock.advance(timedelta(seconds=90))
    assert await member.beat_once() == INTERVAL
    assert house.contacts.of("registry").connected

    await house.clock.advance(timedelta(seconds=11))
    assert member.token() is None
    await member.beat_once()
    assert house.contacts.of("registry").reason == "it failed at a token request (503)"


async def test_a_clock_that_differs_from_the_registrys_makes_no_token_old(house: House, peer: Peer) -> None:
    yesterday = house.clock.now().timestamp() - 100_000
    peer.set(TOKEN, (200, issued("theirs", begins=yesterday, lifetime=100)))
    member = await joined(house, peer)
    assert member.token() is not None
    await house.clock.advance(timedelta(seconds=100))
    assert member.token() is None


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ({"token": "opaque"}, 24),
        ({"token": "opaque", "expires_in": 3600}, 1),
        ({"token": "a.b.c", "expires_in": -1}, 24),
    ],
)
async def test_a_token_that_does_not_say_how_long_is_taken_for_a_day(
    house: House, peer: Peer, said, hours: int
) -> None:
    peer.set(TOKEN, (200, said))
    member = await joined(house, peer)
    await house.clock.advance(timedelta(hours=hours, seconds=-1))
    assert member.token() is not None
    await house.clock.advance(timedelta(seconds=1))
    assert member.token() is None


@pytest.mark.parametrize("said", [{}, {"token": None}, {"token": ""}, {"token": "ünlesbar"}, {"token": "a\r\nX: b"}])
async def test_an_answer_without_a_usable_token_is_said_to_hold_none(house: House, peer: Peer, said) -> None:
    peer.set(TOKEN, (200, said))
    await house.registry(peer.url).beat_once()
    assert house.contacts.of("registry").reason == "its answer to a token request holds no token"


# outages


@pytest.mark.parametrize("line", [TOKEN, REGISTER, BEAT])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HTML, "no JSON"),
        (REDIRECT, "elsewhere"),
        (500, "failed at"),
        (403, "refused"),
        ((200, ["ok"]), "no JSON object"),
    ],
)
async def test_a_page_a_redirect_or_a_failure_is_no_membership(house, peer: Peer, line: str, answer, reason) -> None:
    peer.set(line, answer)
    await house.registry(peer.url).beat_once()
    known = house.contacts.of("registry")
    assert not known.connected
    assert reason in known.reason


async def test_an_outage_is_said_once_and_its_end_found_within_an_interval(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    peer.set(BEAT, 503)
    rests = [await member.beat_once() for _ in range(20)]
    assert rests[:5] == [timedelta(seconds=s) for s in (1, 2, 4, 8, 16)]
    assert set(rests[5:]) == {INTERVAL}

    peer.set(BEAT, (200, {"ok": True}))
    assert await member.beat_once() == INTERVAL
    assert house.spy.facts == [
        Registered("registry"),
        PeerBack("registry", None),
        PeerLost("registry", "it failed at a heartbeat (503)"),
        PeerBack("registry", timedelta(0)),
    ]


async def test_a_registry_that_was_never_there_is_joined_when_it_comes(house: House) -> None:
    url = nobody()
    member = house.registry(url)
    await member.beat_once()
    assert house.contacts.of("registry").reason == "nobody listens at its address"
    assert member.registered_at is None

    with HTTPServer("127.0.0.1", int(url.rpartition(":")[2])) as server:
        peer = Peer(server)
        for line in (TOKEN, REGISTER, BEAT):
            peer.set(line, (200, issued("late")))
        await member.beat_once()
    assert peer.lines == [TOKEN, REGISTER, BEAT]
    assert house.contacts.of("registry").connected


async def test_a_peer_that_asks_for_a_pause_gets_it_within_the_interval(house: House, peer: Peer) -> None:
    peer.set(BEAT, Response("{}", 429, {"Retry-After": "7"}), Response("{}", 503, {"Retry-After": "3600"}))
    member = house.registry(peer.url)
    assert await member.beat_once() == timedelta(seconds=7)
    assert await member.beat_once() == INTERVAL


# leaving


async def test_leaving_is_said_once_and_nothing_after_it(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    await member.leave(timedelta(seconds=3))
    await member.leave(timedelta(seconds=3))
    await member.beat_once()
    assert [arrival.body["status"] for arrival in peer.arrivals] == ["inactive"]
    assert house.facts(Left) == [Left("registry")]


async def test_who_never_joined_says_no_farewell(house: House, peer: Peer) -> None:
    await house.registry(peer.url).leave(timedelta(seconds=3))
    assert peer.lines == []


async def test_a_farewell_that_is_not_taken_is_said(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    peer.set(BEAT, 503)
    await member.leave(timedelta(seconds=3))
    assert house.facts(Left) == [Left("registry", "it failed at a farewell (503)")]


async def test_a_registry_that_hangs_holds_nobody_back_who_leaves(house: House, peer: Peer) -> None:
    member = await joined(house, peer)
    gone = threading.Event()

    def hang(_arrival: object) -> int:
        gone.wait(20)
        return 503

    peer.set(BEAT, hang)
    await member.leave(timedelta(seconds=0.2))
    gone.set()
    assert house.facts(Left) == [Left("registry", "it did not answer within 0.2 s")]


# the directory

ENTRY = {"id": "drop4.fullpotential.ai", "host": "drop4.fullpotential.ai", "ip": "1.2.3.4", "status": "active"}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/registry/droplets", {"droplets": [{**ENTRY, "metadata": {}}], "count": 1}),  # 3.3
        ("/registry/droplets", [{**ENTRY, "fqdn": ENTRY["id"], "name": "", "last_seen": 1}]),  # 3.1
        ("/droplets", {"droplets": [{**ENTRY, "endpoint": "https://drop4.fullpotential.ai/"}], "total": 1}),  # 3.4
        ("/registry/discover", [ENTRY]),  # 3.2
    ],
)
async def test_the_directory_is_found_where_each_generation_has_it(house: House, peer: Peer, path, answer) -> None:
    peer.set(f"GET {path}", (200, answer))
    member = await joined(house, peer)
    listed = await member.directory()
    assert list(listed) == [PeerEntry(4, (ENTRY["id"],), "https://drop4.fullpotential.ai", "active")]
    assert peer.arrivals[0].headers["Authorization"] == f"Bearer {token('first')}"


@pytest.mark.parametrize("answer", [404, 500, HTML, (200, {"droplets": "none"})])
async def test_a_directory_that_is_none_is_refused(house: House, peer: Peer, answer) -> None:
    peer.set("GET /registry/droplets", answer)
    with pytest.raises(PeerFailed):
        await house.registry(peer.url).directory()
