"""Mesh contract 3.3: Registry v2."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from tests.fakes import FakeClock
from tests.unit.localmesh.harness import Keys, RegistryPeer

from airtable_connector.localmesh import AUDIENCE, ISSUER

pytestmark = pytest.mark.anyio

OURS = "drop2.fullpotential.ai"
ENTRY = {
    "droplet_id": 2,
    "id": OURS,
    "host": OURS,
    "ip": "10.0.0.2",
    "status": "active",
    "metadata": {"name": "airtable-connector", "steward": "Ada", "endpoint": f"https://{OURS}", "capabilities": ["a"]},
}
SUPERSET = {
    "id": OURS, "droplet_id": 2, "fqdn": OURS, "host": OURS, "ip": "10.0.0.2", "name": "airtable-connector",
    "role": "connector", "env": "dev", "version": "1", "steward": "Ada", "endpoint": f"https://{OURS}",
    "capabilities": ["a"], "cost_hour": 0.5, "status": "active", "metadata": {},
}  # fmt: skip


@pytest.fixture
def peer(keys: Keys, clock: FakeClock) -> RegistryPeer:
    return RegistryPeer(keys, clock)


async def listed(peer: RegistryPeer) -> dict[str, Any]:
    (only,) = (await peer.get("/registry/droplets", headers=await peer.bearer())).json()["droplets"]
    return dict(only)


async def register(peer: RegistryPeer, **changed: object) -> None:
    reply = await peer.post("/registry/register", {**ENTRY, **changed}, headers=await peer.bearer())
    assert (reply.status_code, reply.json()) == (200, {"ok": True})


# --- tokens and keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "droplet"), [("2", 2), (OURS, 2), ("droplet-12", 12)])
async def test_a_token_has_the_claims_of_udc_and_the_id_as_given(peer: RegistryPeer, given: str, droplet: int) -> None:
    reply = (await peer.post("/auth/token", params={"droplet_id": given})).json()
    assert (set(reply), reply["droplet_id"], reply["algorithm"]) == (
        {"token", "droplet_id", "algorithm"},
        given,
        "RS256",
    )
    key = (await peer.get("/.well-known/jwks.json")).json()["public_key"]
    claims = jwt.decode(reply["token"], key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER, options={
        "verify_exp": False, "verify_iat": False,
    })  # fmt: skip
    assert (claims["sub"], claims["droplet_id"], claims["exp"] - claims["iat"]) == (given, droplet, 86_400)


async def test_a_wrong_key_gets_no_token(peer: RegistryPeer) -> None:
    reply = await peer.post("/auth/token", params={"droplet_id": "2"}, headers={"X-Registry-Key": "wrong"})
    assert (reply.status_code, reply.json()) == (401, {"detail": "Invalid registry key"})


@pytest.mark.parametrize("query", [{}, {"droplet_id": "somebody"}])
async def test_a_token_without_a_droplet_is_422(peer: RegistryPeer, query: dict[str, str]) -> None:
    assert (await peer.post("/auth/token", params=query)).status_code == 422


async def test_the_key_is_published_in_each_form_that_droplets_read(peer: RegistryPeer) -> None:
    published = (await peer.get("/.well-known/jwks.json")).json()
    header = jwt.get_unverified_header(await peer.token())
    assert [key["kid"] for key in published["keys"]] == [header["kid"]]
    for path in ("/auth/public_key", "/auth/public-key"):
        assert (await peer.get(path)).json() == {"public_key": published["public_key"]}


async def test_a_token_ends_after_the_lifetime_that_is_set(keys: Keys, clock: FakeClock) -> None:
    peer = RegistryPeer(keys, clock, token_lifetime=timedelta(seconds=3))
    headers = await peer.bearer()
    assert (await peer.get("/registry/droplets", headers=headers)).status_code == 200
    await clock.advance(timedelta(seconds=3))
    assert (await peer.get("/registry/droplets", headers=headers)).status_code == 401


async def test_a_rotation_keeps_the_last_key_or_drops_it(own_keys: Keys, clock: FakeClock) -> None:
    peer = RegistryPeer(own_keys, clock)

    async def statuses(*tokens: dict[str, str]) -> list[int]:
        return [(await peer.get("/registry/droplets", headers=token)).status_code for token in tokens]

    first = await peer.bearer()
    kid = (await peer.post("/local/keys/rotate")).json()["kid"]
    second = await peer.bearer()
    assert await statuses(first, second) == [200, 200]
    published = (await peer.get("/.well-known/jwks.json")).json()["keys"]
    assert (published[0]["kid"], len(published)) == (kid, 2)
    await peer.post("/local/keys/rotate", params={"previous": "drop"})
    assert await statuses(first, second, await peer.bearer()) == [401, 401, 200]


# --- the directory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/registry/register"),
        ("post", "/registry/heartbeat"),
        ("get", "/registry/droplets"),
        ("get", "/registry/droplet/2"),
        ("delete", "/registry/droplets/2"),
        ("post", "/deregister"),
    ],
)
async def test_a_shared_key_alone_opens_nothing_and_a_wrong_one_beside_a_token_neither(
    peer: RegistryPeer, method: str, path: str
) -> None:
    ask = getattr(peer, method)
    assert (await ask(path)).status_code == 401
    both = {**await peer.bearer(), "X-Registry-Key": "wrong"}
    assert (await ask(path, headers=both)).json() == {"detail": "Invalid registry key"}


@pytest.mark.parametrize(
    "body",
    [
        ENTRY,
        SUPERSET,
        {"droplet_id": 2},
        {"id": OURS},
        {"fqdn": OURS},
        {"id": 2, "droplet_id": 2, "host": f"http://{OURS}", "anything": [1]},
    ],
)
async def test_every_clients_registration_is_taken(peer: RegistryPeer, body: dict[str, object]) -> None:
    headers = await peer.bearer()
    assert (await peer.post("/registry/register", body, headers=headers)).json() == {"ok": True}
    assert (await peer.post("/registry/heartbeat", {"id": "2"}, headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/registry/register", "/registry/heartbeat", "/deregister"])
async def test_a_body_without_an_id_is_422(peer: RegistryPeer, path: str) -> None:
    reply = await peer.post(path, {"status": "active"}, headers=await peer.bearer())
    assert (reply.status_code, reply.json()) == (422, {"detail": "droplet id missing"})


async def test_the_list_is_an_object_with_a_count_and_bare_entries(peer: RegistryPeer, clock: FakeClock) -> None:
    await register(peer)
    assert await listed(peer) == {
        "id": OURS,
        "host": OURS,
        "ip": "10.0.0.2",
        "status": "active",
        "metadata": ENTRY["metadata"],
        "registered_at": "2026-01-05T12:00:00",
        "last_updated": "2026-01-05T12:00:00",
    }
    await clock.advance(timedelta(seconds=30))
    headers = await peer.bearer()
    await peer.post("/registry/heartbeat", {"id": OURS, "status": "active"}, headers=headers)
    reply = (await peer.get("/registry/droplets", headers=headers)).json()
    assert reply["count"] == 1
    assert reply["droplets"][0]["last_heartbeat"] == clock.now().timestamp()


@pytest.mark.parametrize(
    "body",
    [
        {"id": OURS, "droplet_id": 2, "status": "active", "metrics": {"cpu": 1}},
        {"id": "2", "status": "healthy", "load": 0.7, "metadata": {}},
        {"droplet_id": "droplet-2", "load": {"cpu": 5, "mem": 6}},
        {"fqdn": OURS, "status": "active"},
    ],
)
async def test_every_clients_beat_is_taken(peer: RegistryPeer, clock: FakeClock, body: dict[str, object]) -> None:
    await register(peer)
    reply = await peer.post("/registry/heartbeat", body, headers=await peer.bearer())
    assert (reply.status_code, reply.json()) == (200, {"ok": True, "ts": clock.now().timestamp()})


async def test_a_beat_of_an_unknown_droplet_is_404(peer: RegistryPeer) -> None:
    assert (await peer.post("/registry/heartbeat", {"id": OURS}, headers=await peer.bearer())).status_code == 404


async def test_after_180_seconds_of_silence_a_droplet_is_down_until_its_next_beat(
    peer: RegistryPeer, clock: FakeClock
) -> None:
    await register(peer)
    await clock.advance(timedelta(seconds=180))
    assert (await listed(peer))["status"] == "active"
    await clock.advance(timedelta(seconds=1))
    assert (await listed(peer))["status"] == "down"
    await peer.post("/registry/heartbeat", {"id": OURS, "status": "active"}, headers=await peer.bearer())
    assert (await listed(peer))["status"] == "active"


async def test_registering_again_replaces_all_but_the_first_moment(peer: RegistryPeer, clock: FakeClock) -> None:
    await register(peer)
    await clock.advance(timedelta(seconds=5))
    await register(peer, id="2", host="another")
    entry = await listed(peer)
    assert (entry["host"], entry["registered_at"], entry["last_updated"]) == (
        "another",
        "2026-01-05T12:00:00",
        "2026-01-05T12:00:05",
    )


@pytest.mark.parametrize("name", [OURS, "2", "airtable-connector"])
async def test_one_droplet_is_shown_with_its_endpoint(peer: RegistryPeer, name: str) -> None:
    await register(peer)
    shown = (await peer.get(f"/registry/droplet/{name}", headers=await peer.bearer())).json()
    assert shown["endpoint"] == f"https://{OURS}"


async def test_a_droplet_is_removed_in_two_ways(peer: RegistryPeer) -> None:
    headers = await peer.bearer()
    for remove in (
        lambda: peer.delete(f"/registry/droplets/{OURS}", headers=headers),
        lambda: peer.post("/deregister", {"droplet_id": 2}, headers=headers),
    ):
        await register(peer)
        assert (await remove()).json() == {"ok": True}
        assert (await remove()).status_code == 404


async def test_2_10_the_bare_list_is_what_the_orchestrator_wants(peer: RegistryPeer, clock: FakeClock) -> None:
    await register(peer)
    reply = await peer.get("/droplets", headers={"X-Registry-Key": ""})
    expected = {
        "id": 2,
        "name": "airtable-connector",
        "steward": "Ada",
        "endpoint": f"https://{OURS}",
        "capabilities": ["a"],
        "status": "active",
    }
    assert reply.json() == [expected]
    await clock.advance(timedelta(seconds=181))
    assert (await peer.get("/droplets")).json()[0]["status"] == "inactive"


async def test_the_dashboard_has_droplet_1s_shape(peer: RegistryPeer) -> None:
    await register(peer, cost_hour=0.5)
    headers = await peer.bearer()
    beat = {"id": OURS, "metrics": {"cpu": 12, "mem": 34}}
    await peer.post("/registry/heartbeat", beat, headers=headers)
    shown = (await peer.get("/dashboard")).json()
    assert shown["summary"] == {"total": 1, "healthy": 1, "down": 0, "cost_hour_total": 0.5}
    assert (shown["droplets"][0]["cpu"], shown["droplets"][0]["mem"]) == (12, 34)
    assert (await peer.get("/dashboard", headers={"X-Registry-Key": "wrong"})).status_code == 401


async def test_health_says_that_it_is_a_stand_in(peer: RegistryPeer) -> None:
    shown = (await peer.get("/health", headers={"X-Registry-Key": ""})).json()
    assert (shown["status"], shown["local"], shown["generation"]) == ("active", True, "v2")


async def test_what_arrived_tells_who_called_but_no_token_and_nothing_of_who_looked(peer: RegistryPeer) -> None:
    await register(peer)
    assert (await peer.get("/local/seen")).json()["total"] == 2
    assert (await peer.get("/local/seen")).json()["total"] == 2
    shown = (await peer.get("/local/seen", params={"path": "/registry/"})).json()["arrivals"]
    assert [(each["path"], each["caller"], each["body"]) for each in shown] == [("/registry/register", 2, ENTRY)]


async def test_a_thousand_droplets_are_held_and_no_more(peer: RegistryPeer) -> None:
    headers = await peer.bearer()
    for number in range(1, 1_001):
        await peer.post("/registry/register", {"droplet_id": number}, headers=headers)
    assert (await peer.post("/registry/register", {"droplet_id": 1_001}, headers=headers)).status_code == 503
    assert (await peer.post("/registry/register", {"droplet_id": 1_000}, headers=headers)).status_code == 200
    assert len((await peer.get("/local/seen")).json()["arrivals"]) == 1_000
