"""Mesh contract 2.2 to 2.6: error bodies, envelopes, registration, beats, directory."""

import json
from datetime import timedelta

import pytest
from tests.fakes import FakeClock
from tests.unit.localmesh.harness import TRACE, Keys, Network, OrchestratorPeer, enveloped

from airtable_connector.localmesh import AS_WRITTEN

pytestmark = pytest.mark.anyio

REGISTRATION = {"droplet_id": 2, "name": "airtable-connector", "endpoint": "http://d2", "capabilities": ["a", "b"]}
ALIVE = {"status": "active"}


@pytest.fixture
def peer(keys: Keys, clock: FakeClock) -> OrchestratorPeer:
    return OrchestratorPeer(keys, clock)


@pytest.fixture
def as_written(keys: Keys, clock: FakeClock) -> OrchestratorPeer:
    return OrchestratorPeer(keys, clock, quirks=AS_WRITTEN)


# --- 2.2 error bodies -------------------------------------------------------------------------------------------


async def test_2_2_every_404_says_that_the_endpoint_was_not_found(peer: OrchestratorPeer) -> None:
    for path in ("/nowhere", "/droplets/77/capabilities", "/tasks/77"):
        reply = await peer.get(path)
        expected = {"error": True, "message": f"Endpoint not found: {path}", "type": "NotFound"}
        assert (reply.status_code, reply.json()) == (404, expected)


async def test_2_2_as_written_a_404_says_what_was_not_found(as_written: OrchestratorPeer) -> None:
    assert (await as_written.get("/tasks/77")).json() == {"detail": "Task 77 not found"}


async def test_2_2_the_trace_header_is_repeated_when_it_was_sent(peer: OrchestratorPeer) -> None:
    assert (await peer.get("/droplets", headers={"X-Trace-ID": "abc"})).headers["x-trace-id"] == "abc"
    assert (await peer.get("/nowhere", headers={"X-Trace-ID": "abc"})).headers["x-trace-id"] == "abc"
    assert "x-trace-id" not in (await peer.get("/droplets")).headers


# --- 2.3 envelopes ----------------------------------------------------------------------------------------------


async def test_2_3_an_answer_repeats_trace_and_source_of_the_envelope(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    answer = (await peer.post("/droplets/2/heartbeat", enveloped(ALIVE, source=["any", "thing"]))).json()
    assert (answer["trace_id"], answer["target"]) == (TRACE, ["any", "thing"])
    assert (answer["udc_version"], answer["source"], answer["message_type"]) == ("1.0", "droplet-10", "response")
    assert answer["timestamp"] == "2026-01-05T12:00:00.000000+00:00"


async def test_2_3_an_answer_to_a_plain_body_has_a_new_trace_and_goes_to_the_client(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    answer = (await peer.post("/droplets/2/heartbeat", ALIVE)).json()
    assert (len(answer["trace_id"]), answer["target"]) == (36, "client")


@pytest.mark.parametrize("kind", ["status", "event", "command", "query", "response", "error"])
async def test_2_3_six_message_types_are_taken(peer: OrchestratorPeer, kind: str) -> None:
    await peer.register(2)
    assert (await peer.post("/droplets/2/heartbeat", enveloped(ALIVE, message_type=kind))).status_code == 200


@pytest.mark.parametrize("kind", ["heartbeat", "registration", "proof", None, 5])
async def test_2_3_other_message_types_are_refused(peer: OrchestratorPeer, kind: object) -> None:
    await peer.register(2)
    reply = await peer.post("/droplets/2/heartbeat", enveloped(ALIVE, message_type=kind))
    assert reply.status_code == 400
    assert reply.json()["detail"].startswith(f"Invalid UDC envelope: Invalid message_type: {kind}. Must be one of: ")


async def test_2_3_as_written_heartbeat_is_a_message_type(as_written: OrchestratorPeer) -> None:
    await as_written.register(2)
    reply = await as_written.post("/droplets/2/heartbeat", enveloped(ALIVE, message_type="heartbeat"))
    assert reply.status_code == 200


async def test_2_3_nothing_else_in_an_envelope_is_checked(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    careless = enveloped(ALIVE, udc_version=7, trace_id="not a uuid", source=99, target="nobody", timestamp="never")
    assert (await peer.post("/droplets/2/heartbeat", careless)).status_code == 200


async def test_2_3_an_envelope_without_udc_version_is_read_as_a_payload(
    peer: OrchestratorPeer, as_written: OrchestratorPeer
) -> None:
    envelope = enveloped(REGISTRATION, udc_version=None)
    assert (await peer.post("/droplets/register", envelope)).status_code == 422
    assert (await as_written.post("/droplets/register", envelope)).status_code == 201


@pytest.mark.parametrize("body", [[1], enveloped([1])])
async def test_2_3_what_is_no_object_crashes_it(
    peer: OrchestratorPeer, as_written: OrchestratorPeer, body: object
) -> None:
    assert (await peer.post("/droplets/register", body)).status_code == 500
    assert (await as_written.post("/droplets/register", body)).status_code == 422


async def test_2_3_empty_and_broken_bodies_are_400(peer: OrchestratorPeer) -> None:
    empty = await peer.post("/droplets/register")
    assert (empty.status_code, empty.json()) == (400, {"detail": "Empty request body"})
    broken = await peer._client.post("/droplets/register", content=b"{")
    assert (broken.status_code, broken.json()) == (400, {"detail": "Invalid JSON"})


# --- 2.4 registration -------------------------------------------------------------------------------------------


async def test_2_4_the_first_registration_fails_although_the_droplet_is_registered(peer: OrchestratorPeer) -> None:
    first = await peer.post("/droplets/register", enveloped(REGISTRATION))
    assert first.status_code == 500
    assert first.json()["detail"].startswith("Failed to register droplet: WebSocketManager")
    assert (await peer.post("/droplets/2/heartbeat", ALIVE)).status_code == 200


async def test_2_4_later_registrations_answer_201(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    reply = await peer.post("/droplets/register", enveloped(REGISTRATION))
    assert reply.status_code == 201
    assert reply.json()["payload"] == {
        "registered": True,
        "droplet_id": 2,
        "registered_at": "2026-01-05T12:00:00",
        "heartbeat_required_every_seconds": 60,
        "status": "updated",
        "heartbeat_interval_seconds": 60,
        "next_heartbeat_deadline": peer.seconds(60),
    }


async def test_2_4_as_written_the_first_registration_answers_201(as_written: OrchestratorPeer) -> None:
    reply = await as_written.post("/droplets/register", REGISTRATION)
    assert (reply.status_code, reply.json()["payload"]["status"]) == (201, "new")


@pytest.mark.parametrize(
    "change",
    [
        {"droplet_id": "droplet-2"},
        {"droplet_id": 0},
        {"name": ""},
        {"name": "n" * 101},
        {"endpoint": None},
        {"capabilities": [{"name": "a"}]},
    ],
)
async def test_2_4_a_registration_of_the_wrong_shape_is_422(peer: OrchestratorPeer, change: dict[str, object]) -> None:
    await peer.register(2)
    reply = await peer.post("/droplets/register", {**REGISTRATION, **change})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"][1] == next(iter(change))


async def test_2_4_numeric_text_is_a_droplet_id_and_unknown_members_are_ignored(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    body = {**REGISTRATION, "droplet_id": "2", "endpoint": "no scheme", "more": [1]}
    assert (await peer.post("/droplets/register", body)).status_code == 201


async def test_2_4_a_long_endpoint_crashes_it(peer: OrchestratorPeer, as_written: OrchestratorPeer) -> None:
    body = {**REGISTRATION, "endpoint": "http://" + "e" * 255}
    assert (await peer.post("/droplets/register", body)).status_code == 500
    assert (await as_written.post("/droplets/register", body)).status_code == 422


async def test_2_4_anyone_may_register_anyone_and_replaces_all_fields_but_the_first_moment(
    peer: OrchestratorPeer, clock: FakeClock
) -> None:
    await peer.register(2, steward="Ada", capabilities=["a"])
    await clock.advance(timedelta(seconds=5))
    body = {"droplet_id": 2, "name": "another", "endpoint": "http://elsewhere"}
    assert (await peer.post("/droplets/register", body, headers=peer.as_droplet(9))).status_code == 201
    row = (await peer.droplets())[2]
    assert (row["name"], row["endpoint"], row["steward"], row["capabilities"]) == (
        "another",
        "http://elsewhere",
        None,
        "[]",
    )
    assert (row["registered_at"], row["last_heartbeat"]) == ("2026-01-05T12:00:00", "2026-01-05T12:00:05")


# --- 2.5 beats --------------------------------------------------------------------------------------------------


async def test_2_5_a_beat_is_told_its_deadline(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    reply = await peer.post("/droplets/2/heartbeat", {"status": "active", "metrics": {"cpu": 1}})
    assert reply.json()["payload"] == {"received": True, "next_heartbeat_deadline": peer.seconds(60)}


@pytest.mark.parametrize("status", ["maintenance", "healthy", "ACTIVE", ""])
async def test_2_5_any_other_status_crashes_it(
    peer: OrchestratorPeer, as_written: OrchestratorPeer, status: str
) -> None:
    for each, expected in ((peer, 500), (as_written, 422)):
        await each.register(2)
        reply = await each.post("/droplets/2/heartbeat", {"status": status})
        assert reply.status_code == expected
        assert "check constraint" in reply.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"status": "active", "metrics": [1]}])
async def test_2_5_a_beat_of_the_wrong_shape_is_422(peer: OrchestratorPeer, body: object) -> None:
    await peer.register(2)
    assert (await peer.post("/droplets/2/heartbeat", body)).status_code == 422


async def test_2_5_a_droplet_that_is_not_registered_is_404(peer: OrchestratorPeer) -> None:
    assert (await peer.post("/droplets/2/heartbeat", ALIVE)).status_code == 404


async def test_2_5_only_the_droplet_itself_and_droplet_1_may_beat(peer: OrchestratorPeer) -> None:
    await peer.register(10)
    reply = await peer.post("/droplets/10/heartbeat", ALIVE)
    assert (reply.status_code, reply.json()) == (403, {"detail": "Droplet 2 cannot send heartbeat for droplet 10"})
    assert (await peer.post("/droplets/10/heartbeat", ALIVE, headers=peer.as_droplet(1))).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/droplets/droplet-2/heartbeat", 422), ("/heartbeat", 404), ("/droplets/heartbeat", 405)]
)
async def test_2_5_other_paths_do_not_beat(peer: OrchestratorPeer, path: str, status: int) -> None:
    assert (await peer.post(path, ALIVE)).status_code == status


async def test_2_5_after_90_seconds_of_silence_a_droplet_is_inactive_until_its_next_beat(
    peer: OrchestratorPeer, clock: FakeClock
) -> None:
    await peer.register(2)
    await clock.advance(timedelta(seconds=90))
    assert await peer.step("check-silence") == timedelta(seconds=60)
    assert (await peer.droplets())[2]["status"] == "active"
    await clock.advance(timedelta(seconds=1))
    await peer.step("check-silence")
    assert (await peer.droplets())[2]["status"] == "inactive"
    await peer.post("/droplets/2/heartbeat", ALIVE)
    assert (await peer.droplets())[2]["status"] == "active"


async def test_2_5_the_orchestrator_itself_falls_silent(
    peer: OrchestratorPeer, as_written: OrchestratorPeer, clock: FakeClock
) -> None:
    await clock.advance(timedelta(seconds=91))
    for each, status in ((peer, "inactive"), (as_written, "active")):
        await each.step("check-silence")
        assert (await each.droplets())[10]["status"] == status


# --- 2.6 directory ----------------------------------------------------------------------------------------------


async def test_2_6_the_directory_lists_droplets_with_capabilities_as_text(
    peer: OrchestratorPeer, clock: FakeClock
) -> None:
    await peer.register(2, capabilities=["a", "b"], steward="Ada")
    await peer.register(3, capabilities=["aa"])
    await clock.advance(timedelta(seconds=5))
    payload = (await peer.get("/droplets", params={"capability": "a"})).json()["payload"]
    assert (payload["total"], payload["filters"]) == (1, {"status": None, "capability": "a"})
    assert payload["droplets"] == [
        {
            "droplet_id": 2,
            "name": "d2",
            "steward": "Ada",
            "endpoint": "http://d2",
            "capabilities": '["a","b"]',
            "status": "active",
            "last_heartbeat": "2026-01-05T12:00:00",
            "registered_at": "2026-01-05T12:00:00",
            "seconds_since_heartbeat": 5.0,
        }
    ]


async def test_2_6_as_written_capabilities_are_a_list(as_written: OrchestratorPeer) -> None:
    await as_written.register(2, capabilities=["a"])
    assert (await as_written.droplets())[2]["capabilities"] == ["a"]
    payload = (await as_written.get("/droplets/2/capabilities")).json()["payload"]
    assert payload == {"droplet_id": 2, "capabilities": ["a"]}


async def test_2_6_the_directory_is_filtered_by_status(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    await peer.post("/droplets/2/heartbeat", {"status": "error"})
    assert list(await peer.droplets(status="error")) == [2]


async def test_2_6_a_quote_in_a_capability_crashes_it(peer: OrchestratorPeer, as_written: OrchestratorPeer) -> None:
    assert (await peer.get("/droplets", params={"capability": 'a"b'})).status_code == 500
    assert await as_written.droplets(capability='a"b') == {}


async def test_2_6_one_droplet_cannot_be_read(peer: OrchestratorPeer, as_written: OrchestratorPeer) -> None:
    for each, status in ((peer, 500), (as_written, 200)):
        assert (await each.get("/droplets/2")).status_code == 404
        await each.register(2)
        assert (await each.get("/droplets/2")).status_code == status


async def test_2_6_a_droplets_capabilities_are_text(peer: OrchestratorPeer) -> None:
    await peer.register(2, capabilities=["a"])
    payload = (await peer.get("/droplets/2/capabilities")).json()["payload"]
    assert json.loads(payload["capabilities"]) == ["a"]


async def test_2_6_a_droplet_is_switched_off_and_on_by_itself_or_an_admin(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    off = (await peer.post("/droplets/2/deactivate")).json()["payload"]
    assert (off["old_status"], off["new_status"]) == ("active", "inactive")
    assert (await peer.post("/droplets/2/activate", headers=peer.as_droplet(5))).status_code == 403
    on = await peer.post("/droplets/2/activate", headers=peer.as_droplet(5, "admin"))
    assert on.json()["payload"]["new_status"] == "active"


# --- 2.10 what it asks of the Registry --------------------------------------------------------------------------


async def test_2_10_a_bare_list_overwrites_what_droplets_said_but_not_their_status(
    keys: Keys, clock: FakeClock, network: Network
) -> None:
    peer = OrchestratorPeer(keys, clock, network=network)
    await peer.register(2, capabilities=["mine"])
    row = {"id": 2, "name": "theirs", "endpoint": "http://theirs", "capabilities": [], "status": "inactive"}
    rows = [row, {**row, "id": 3}, {**row, "id": "5"}, {**row, "id": 4, "status": "healthy"}]
    network.answers["registry"] = json.dumps(rows).encode()
    assert await peer.step("sync-directory") == timedelta(seconds=300)
    assert "authorization" not in network.sent[0].headers
    droplets = await peer.droplets()
    assert (droplets[2]["endpoint"], droplets[2]["capabilities"], droplets[2]["status"]) == (
        "http://theirs",
        "[]",
        "active",
    )
    assert (droplets[3]["status"], droplets.keys() & {4, 5}) == ("inactive", set())


@pytest.mark.parametrize("answer", [b'{"droplets":[]}', b"<html>", 404, 500])
async def test_2_10_anything_but_a_bare_list_changes_nothing(
    keys: Keys, clock: FakeClock, network: Network, answer: int | bytes
) -> None:
    peer = OrchestratorPeer(keys, clock, network=network)
    network.answers["registry"] = answer
    await peer.step("sync-directory")
    assert list(await peer.droplets()) == [10]


# --- ours -------------------------------------------------------------------------------------------------------


async def test_what_arrived_can_be_looked_at_with_its_moments_and_answers(
    peer: OrchestratorPeer, clock: FakeClock
) -> None:
    await peer.register(2)
    await clock.advance(timedelta(seconds=30))
    await peer.post("/droplets/2/heartbeat", enveloped({"status": "active"}, signature="a.b.c"))
    shown = (await peer.get("/local/seen", params={"path": "/droplets/2"})).json()
    assert shown["total"] == 3
    (beat,) = shown["arrivals"]
    assert (beat["number"], beat["at"], beat["caller"], beat["status"]) == (3, "2026-01-05T12:00:30.000Z", 2, 200)
    assert (beat["body"]["payload"], beat["body"]["signature"]) == ({"status": "active"}, "***")


async def test_a_body_of_more_than_a_mebibyte_is_refused(peer: OrchestratorPeer) -> None:
    reply = await peer.post("/droplets/register", {"name": "n" * 1024 * 1024})
    assert reply.status_code == 413
