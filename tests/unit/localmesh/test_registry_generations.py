"""Mesh contract 3.1, 3.2 and 3.4: the other Registries."""

from datetime import timedelta

import httpx2
import pytest
from tests.fakes import FakeClock
from tests.unit.localmesh.harness import TRACE, Keys, Network, RegistryPeer, enveloped

pytestmark = pytest.mark.anyio

OURS = "drop2.fullpotential.ai"
MACHINE = {"name": "airtable-connector", "ip": "10.0.0.2", "role": "connector", "env": "dev", "version": "1"}
REGISTRATION = {"id": OURS, "fqdn": OURS, "cost_hour": 0.25, **MACHINE}
BEAT = {"id": OURS, "fqdn": OURS, "status": "healthy", "cpu": 1, "mem": 2, "disk": 3}

TOKEN_PATHS = [("post", "/auth/token"), ("get", "/.well-known/jwks.json"), ("get", "/auth/public_key")]


@pytest.mark.parametrize("generation", ["early", "pg", "memory"])
@pytest.mark.parametrize(("method", "path"), TOKEN_PATHS)
async def test_only_v2_knows_tokens(keys: Keys, clock: FakeClock, generation: str, method: str, path: str) -> None:
    peer = RegistryPeer(keys, clock, generation)
    assert (await getattr(peer, method)(path)).status_code == 404


# --- 3.1 droplet-1 ----------------------------------------------------------------------------------------------


@pytest.fixture
def early(keys: Keys, clock: FakeClock) -> RegistryPeer:
    return RegistryPeer(keys, clock, "early")


@pytest.mark.parametrize("path", ["/registry/droplets", "/dashboard"])
async def test_3_1_everything_wants_the_shared_key(early: RegistryPeer, path: str) -> None:
    reply = await early.get(path, headers={"X-Registry-Key": "", "Authorization": "Bearer a.b.c"})
    assert (reply.status_code, reply.json()) == (401, {"detail": "unauthorized"})


@pytest.mark.parametrize(("body", "answered"), [(REGISTRATION, OURS), ({"fqdn": OURS}, OURS), ({"id": 2}, 2)])
async def test_3_1_a_registration_answers_the_id_as_it_came(
    early: RegistryPeer, body: dict[str, object], answered: object
) -> None:
    reply = await early.post("/registry/register", body)
    assert (reply.status_code, reply.json()) == (201, {"id": answered})
    assert (await early.get("/registry/droplets")).json()[0]["id"] == str(answered)


async def test_3_1_an_envelope_has_no_id(early: RegistryPeer) -> None:
    reply = await early.post("/registry/register", enveloped(REGISTRATION))
    assert (reply.status_code, reply.json()) == (400, {"detail": "id or fqdn required"})


async def test_3_1_broken_json_crashes_it(early: RegistryPeer) -> None:
    assert (await early._client.post("/registry/register", content=b"{")).status_code == 500


async def test_3_1_a_beat_needs_the_id_of_a_registered_droplet(early: RegistryPeer) -> None:
    assert (await early.post("/registry/heartbeat", {"fqdn": OURS})).status_code == 400
    unknown = await early.post("/registry/heartbeat", BEAT)
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "unknown droplet"})
    await early.post("/registry/register", REGISTRATION)
    assert (await early.post("/registry/heartbeat", BEAT)).json() == {"status": "ok"}


async def test_3_1_load_is_clamped_and_text_crashes_it(early: RegistryPeer, clock: FakeClock) -> None:
    await early.post("/registry/register", REGISTRATION)
    await clock.advance(timedelta(seconds=60))
    await early.post("/registry/heartbeat", {**BEAT, "cpu": 150, "mem": -1, "metrics": {"disk": 9}})
    assert (await early.get("/registry/droplets")).json() == [
        {
            "id": OURS,
            "fqdn": OURS,
            **MACHINE,
            "cost_hour": 0.25,
            "cpu": 100.0,
            "mem": 0.0,
            "disk": 3.0,
            "last_seen": int(clock.now().timestamp()),
            "status": "healthy",
        }
    ]
    assert (await early.post("/registry/heartbeat", {**BEAT, "cpu": "much"})).status_code == 500


async def test_3_1_after_180_seconds_of_silence_a_droplet_is_down(early: RegistryPeer, clock: FakeClock) -> None:
    await early.post("/registry/register", REGISTRATION)
    await clock.advance(timedelta(seconds=181))
    shown = (await early.get("/dashboard")).json()
    assert shown["summary"] == {"total": 1, "healthy": 0, "down": 1, "cost_hour_total": 0.25}
    assert shown["droplets"] == (await early.get("/registry/droplets")).json()


# --- 3.2 the fragment over PostgreSQL ---------------------------------------------------------------------------


@pytest.fixture
def fragment(keys: Keys, clock: FakeClock) -> RegistryPeer:
    return RegistryPeer(keys, clock, "pg")


async def test_3_2_a_registration_answers_the_fqdn(fragment: RegistryPeer) -> None:
    reply = await fragment.post("/registry/register", REGISTRATION)
    assert (reply.status_code, reply.json()) == (200, {"id": OURS, "registered_at": "2026-01-05T12:00:00.000Z"})
    assert [each["id"] for each in (await fragment.get("/registry/discover")).json()] == [OURS]


@pytest.mark.parametrize("missing", ["name", "fqdn", "ip", "role", "env", "version"])
async def test_3_2_a_registration_needs_all_of_six(fragment: RegistryPeer, missing: str) -> None:
    body = {name: value for name, value in REGISTRATION.items() if name != missing}
    assert (await fragment.post("/registry/register", body)).status_code == 422


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"status": "unknown"}, 200),
        ({"status": "active"}, 422),
        ({"cpu": 150}, 422),
        ({"id": 2}, 422),
        ({"id": None}, 422),
    ],
)
async def test_3_2_a_beat_is_strict(fragment: RegistryPeer, change: dict[str, object], status: int) -> None:
    await fragment.post("/registry/register", REGISTRATION)
    assert (await fragment.post("/registry/heartbeat", {**BEAT, **change})).status_code == status


async def test_3_2_a_beat_of_an_unknown_droplet_makes_it_known(fragment: RegistryPeer) -> None:
    reply = await fragment.post("/registry/heartbeat", {**BEAT, "status": "down"})
    assert reply.json() == {"status": "ok", "updated_at": "2026-01-05T12:00:00.000Z"}
    assert (await fragment.get("/dashboard")).json()["summary"]["down"] == 1


async def test_3_2_a_droplet_is_what_it_says_of_itself(fragment: RegistryPeer) -> None:
    await fragment.post("/registry/register", REGISTRATION)
    await fragment.post("/registry/heartbeat", {**BEAT, "status": "down"})
    assert (await fragment.get("/registry/discover")).json()[0]["status"] == "down"


async def test_3_2_there_is_no_list_of_droplets(fragment: RegistryPeer) -> None:
    assert (await fragment.get("/registry/droplets")).status_code == 404


# --- 3.4 SERVICES/registry --------------------------------------------------------------------------------------

DROPLET = {"id": 2, "name": "airtable-connector", "endpoint": "http://d2", "steward": "Ada"}


@pytest.fixture
def memory(keys: Keys, clock: FakeClock, network: Network) -> RegistryPeer:
    return RegistryPeer(keys, clock, "memory", network=network)


async def test_3_4_a_name_can_be_registered_once(memory: RegistryPeer) -> None:
    first = await memory.post("/droplets", DROPLET)
    assert first.status_code == 201
    shown = first.json()["droplet"]
    assert set(shown) == {
        "id",
        "name",
        "steward",
        "status",
        "endpoint",
        "proof",
        "cost_usd",
        "yield_usd",
        "metadata",
        "registered_at",
        "updated_at",
    }
    assert (shown["id"], shown["status"]) == ("2", "active")
    assert (await memory.post("/droplets", DROPLET)).status_code == 409
    assert (await memory.post("/register", {**DROPLET, "id": 3, "url": "http://d3"})).status_code == 409


async def test_3_4_another_name_replaces_the_droplet_of_the_same_id(memory: RegistryPeer) -> None:
    await memory.post("/droplets", DROPLET)
    assert (await memory.post("/droplets", {**DROPLET, "name": "renamed"})).status_code == 201
    listed = (await memory.get("/droplets")).json()
    assert (listed["total"], listed["droplets"][0]["name"]) == (1, "renamed")


@pytest.mark.parametrize("member", ["url", "endpoint"])
async def test_3_4_the_older_registration_answers_200(memory: RegistryPeer, member: str) -> None:
    body = {"id": "droplet-2", "name": "airtable-connector", "steward": "Ada", member: "http://d2", "version": "1"}
    reply = await memory.post("/register", body)
    assert (reply.status_code, reply.json()["success"], reply.json()["droplet_id"]) == (200, True, "droplet-2")


async def test_3_4_a_change_keeps_what_it_does_not_mention(memory: RegistryPeer) -> None:
    await memory.post("/droplets", DROPLET)
    before = (await memory.get("/droplets/2")).json()["droplet"]
    changed = (await memory.patch("/droplets/2", {"status": "error"})).json()["droplet"]
    assert (changed["status"], changed["endpoint"]) == ("error", "http://d2")
    assert changed["proof"] != before["proof"]
    assert (await memory.patch("/droplets/2", {"status": "healthy"})).status_code == 422
    assert (await memory.patch("/droplets/9", {"status": "error"})).status_code == 404


async def test_3_4_a_droplet_is_found_by_id_and_by_name(memory: RegistryPeer) -> None:
    await memory.post("/droplets", DROPLET)
    for path in ("/droplets/2", "/droplets/name/airtable-connector"):
        assert (await memory.get(path)).json()["droplet"]["endpoint"] == "http://d2"
    assert (await memory.get("/droplets/name/nobody")).status_code == 404


async def test_3_4_there_is_no_heartbeat(memory: RegistryPeer) -> None:
    assert (await memory.post("/droplets/heartbeat", BEAT)).status_code == 405


async def test_3_4_it_is_inactive_while_nobody_is_registered(memory: RegistryPeer) -> None:
    assert (await memory.get("/health")).json()["status"] == "inactive"
    await memory.post("/droplets", DROPLET)
    assert (await memory.get("/health")).json()["status"] == "active"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 200),
        ({"source": 2}, 422),
        ({"message_type": "response"}, 422),
        ({"timestamp": None}, 422),
        ({"trace_id": None}, 422),
    ],
)
async def test_3_4_a_message_names_source_and_target_as_texts(
    memory: RegistryPeer, changed: dict[str, object], status: int
) -> None:
    reply = await memory.post("/message", enveloped({}, **changed))
    assert reply.status_code == status
    if status == 200:
        assert (reply.json()["received"], reply.json()["trace_id"]) == (True, TRACE)


@pytest.mark.parametrize(
    ("outcome", "sent"), [(200, True), (201, False), (202, False), (500, False), (httpx2.ConnectError("no"), False)]
)
async def test_3_4_only_a_200_of_the_droplet_counts_as_sent(
    memory: RegistryPeer,
    network: Network,
    outcome: int | Exception,
    sent: bool,  # noqa: FBT001
) -> None:
    await memory.post("/droplets", DROPLET)
    network.answers["d2"] = outcome
    body = {"target": "airtable-connector", "message_type": "event", "payload": {"a": 1}}
    reply = await memory.post("/send", body)
    assert (reply.status_code, reply.json()["sent"]) == (200, sent)
    (message,) = network.bodies()
    assert message == {
        "trace_id": message["trace_id"],
        "source": "registry",
        "target": "airtable-connector",
        "message_type": "event",
        "payload": {"a": 1},
        "timestamp": "2026-01-05T12:00:00.000Z",
    }
    assert "authorization" not in network.sent[0].headers
