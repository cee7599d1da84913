"""Mesh contract 2.7: messages to the Orchestrator, and through it."""

import httpx2
import pytest
from tests.fakes import FakeClock
from tests.unit.localmesh.harness import TRACE, Keys, Network, OrchestratorPeer, enveloped

from airtable_connector.localmesh import AS_WRITTEN

pytestmark = pytest.mark.anyio

NOBODY = {"Authorization": ""}
TASK = {"task_type": "sync", "title": "Pull", "payload": {}}


@pytest.fixture
def peer(keys: Keys, clock: FakeClock, network: Network) -> OrchestratorPeer:
    return OrchestratorPeer(keys, clock, network=network)


# --- POST /message ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{}, {"source": 2, "target": 10}, {"udc_version": None}, {"timestamp": None}])
async def test_a_message_is_answered_in_an_envelope(peer: OrchestratorPeer, changed: dict[str, object]) -> None:
    reply = await peer.post("/message", enveloped({"query": "system_status"}, **changed))
    answer = reply.json()
    assert (reply.status_code, answer["message_type"], answer["target"]) == (200, "response", "2")
    assert (answer["trace_id"], answer["payload"]["received"], answer["payload"]["error"]) == (TRACE, True, None)


@pytest.mark.parametrize("headers", [NOBODY, {"Authorization": "Bearer no.token.at-all"}])
async def test_a_token_is_not_needed(peer: OrchestratorPeer, headers: dict[str, str]) -> None:
    assert (await peer.post("/message", enveloped({}), headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"source": "droplet-2"},
        {"target": "droplet-10"},
        {"trace_id": "not a uuid"},
        {"trace_id": None},
        {"timestamp": "never"},
        {"payload": None},
        {"payload": [1]},
        {"message_type": "status"},
        {"message_type": "error"},
        {"message_type": "proof"},
    ],
)
async def test_a_message_of_the_wrong_shape_is_422(peer: OrchestratorPeer, changed: dict[str, object]) -> None:
    message = {**enveloped({}), **changed}
    reply = await peer.post("/message", {name: value for name, value in message.items() if value is not None})
    assert reply.status_code == 422


@pytest.mark.parametrize("timestamp", ["2001-01-01T00:00:00", 0, "2026-01-05T12:00:00+02:00"])
async def test_a_timestamp_may_be_of_any_age_and_form(peer: OrchestratorPeer, timestamp: object) -> None:
    assert (await peer.post("/message", enveloped({}, timestamp=timestamp))).status_code == 200


@pytest.mark.parametrize("changed", [{"message_type": "heartbeat"}, {"target": 2}])
async def test_heartbeats_and_messages_for_others_answer_200_with_an_error_inside(
    peer: OrchestratorPeer, network: Network, changed: dict[str, object]
) -> None:
    await peer.register(2)
    reply = await peer.post("/message", enveloped({}, **changed))
    answer = reply.json()
    assert (reply.status_code, answer["message_type"]) == (200, "error")
    assert answer["payload"]["error"]["code"] == "INVALID_REQUEST"
    assert network.sent == []  # nothing is relayed


async def test_commands_make_and_cancel_tasks_and_queries_tell_of_them(peer: OrchestratorPeer) -> None:
    async def ask(kind: str, payload: object) -> object:
        return (await peer.post("/message", enveloped(payload, message_type=kind))).json()["payload"]["result"]

    made = await ask("command", {"command": "create_task", "task_data": TASK})
    assert isinstance(made, dict)
    named = {"task_id": made["task_id"]}
    assert await ask("query", {"query": "task_status", **named}) == {**named, "status": "pending"}
    assert await ask("query", {"query": "system_status"}) == {"status": "active", "tasks": {"pending": 1}}
    await ask("command", {"command": "cancel_task", **named})
    assert await ask("query", {"query": "task_status", **named}) == {**named, "status": "cancelled"}
    listed = await ask("query", {"query": "droplet_list"})
    assert isinstance(listed, dict)
    assert listed["total"] == 1


async def test_an_unknown_command_is_answered_with_those_that_are_known(peer: OrchestratorPeer) -> None:
    result = (await peer.post("/message", enveloped({"command": "fly"}))).json()["payload"]["result"]
    expected = {"error": "Unknown command: fly", "supported_commands": ["create_task", "cancel_task"]}
    assert result == expected


# --- POST /send -------------------------------------------------------------------------------------------------


async def send(peer: OrchestratorPeer, body: object = None, **headers: str) -> httpx2.Response:
    query = {"target_droplet_id": 2, "message_type": "whatever"}
    return await peer.post("/send", {"do": "it"} if body is None else body, params=query, headers=headers)


async def test_send_posts_an_unsigned_envelope_to_the_droplet(peer: OrchestratorPeer, network: Network) -> None:
    await peer.register(2)
    network.answers["d2"] = 204
    reply = await send(peer, enveloped({"inner": 1}))
    (message,), (request,) = network.bodies(), network.sent
    assert (request.method, str(request.url)) == ("POST", "http://d2/message")
    assert "authorization" not in request.headers
    assert message == {
        "udc_version": "1.0",
        "trace_id": message["trace_id"],
        "source": "droplet-10",
        "target": "droplet-2",
        "message_type": "whatever",
        "timestamp": "2026-01-05T12:00:00",
        "payload": enveloped({"inner": 1}),  # nested: the whole body is the payload
    }
    answer = reply.json()
    assert (reply.status_code, answer["sent"], answer["target_droplet"], answer["target_droplet_id"]) == (
        200,
        True,
        "d2",
        2,
    )
    assert answer["trace_id"] != message["trace_id"]


async def test_as_written_send_answers_the_trace_id_of_its_message(
    keys: Keys, clock: FakeClock, network: Network
) -> None:
    peer = OrchestratorPeer(keys, clock, quirks=AS_WRITTEN, network=network)
    await peer.register(2)
    network.answers["d2"] = 200
    assert (await send(peer)).json()["trace_id"] == network.bodies()[0]["trace_id"]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (200, 200),
        (202, 200),
        (302, 502),
        (400, 502),
        (503, 502),
        (httpx2.ConnectError("refused"), 500),
        (httpx2.ReadTimeout("late"), 504),
    ],
)
async def test_any_2xx_of_the_droplet_counts_as_sent(
    peer: OrchestratorPeer, network: Network, outcome: int | Exception, status: int
) -> None:
    await peer.register(2)
    network.answers["d2"] = outcome
    reply = await send(peer)
    assert reply.status_code == status
    if status == 502:
        assert reply.json() == {"detail": f"Error from d2: {outcome}"}
    assert len(network.sent) == 1  # no redirects, no retries


async def test_a_trailing_slash_of_an_endpoint_is_doubled_on_the_wire(peer: OrchestratorPeer, network: Network) -> None:
    await peer.register(2, endpoint="http://d2/")
    network.answers["d2"] = 200
    await send(peer)
    assert str(network.sent[0].url) == "http://d2//message"


async def test_send_needs_a_token_and_a_registered_droplet(peer: OrchestratorPeer) -> None:
    assert (await send(peer, Authorization="")).status_code == 401
    assert (await send(peer)).status_code == 404


# --- POST /broadcast --------------------------------------------------------------------------------------------


async def test_a_broadcast_reaches_every_active_droplet_under_one_trace(
    peer: OrchestratorPeer, network: Network
) -> None:
    for droplet in (2, 3, 4):
        await peer.register(droplet, capabilities=["a"] if droplet != 4 else [])
    network.answers.update(d2=200, d3=500)
    admin = peer.as_droplet(5, "admin")
    query = {"message_type": "event", "capability_filter": "a"}
    reply = await peer.post("/broadcast", {}, params=query, headers=admin)
    assert [(each["droplet_id"], each["status"]) for each in reply.json()["results"]] == [(2, "sent"), (3, "failed")]
    assert {message["trace_id"] for message in network.bodies()} == {reply.json()["trace_id"]}


async def test_only_an_admin_may_broadcast(peer: OrchestratorPeer) -> None:
    assert (await peer.post("/broadcast", {}, params={"message_type": "event"})).status_code == 403
