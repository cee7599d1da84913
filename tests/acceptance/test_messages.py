"""Two connectors and a mesh between them: messages over real sockets, processes killed and paused."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.acceptance.conftest import STORES, new_place
from tests.localmesh_process import LocalMesh, running_mesh
from tests.service import Place, Service, changes, eventually, free_port, running

from airtable_connector.records import Verified

BEATS = {"REGISTRY_HEARTBEAT_SECONDS": "1", "ORCHESTRATOR_REPORT_SECONDS": "1", "TASK_POLL_SECONDS": "0.2"}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    with running_mesh(tmp_path_factory.mktemp("mesh"), route_seconds=0.2) as started:
        yield started


def member(mesh: LocalMesh, droplet: int, port: int, **more: str) -> dict[str, str]:
    """Return the settings of a droplet of this mesh."""
    return {
        **BEATS,
        "DROPLET_ID": str(droplet),
        "DROPLET_NAME": f"Connector {droplet}",
        "DROPLET_REGISTRY_ID": f"drop{droplet}.fullpotential.ai",
        "DROPLET_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "REGISTRY_URL": mesh.registry,
        "REGISTRY_KEY": mesh.registry_key,
        "ORCHESTRATOR_URL": mesh.orchestrator,
        "ORCHESTRATOR_PRIVATE_KEY_FILE": str(mesh.mesh_private_key_file),
        "MESSAGE_RATE_PER_MINUTE": "1000000",
        **more,
    }


@contextmanager
def droplet(mesh: LocalMesh, number: int, place: Place, **more: str) -> Iterator[Service]:
    """Run a droplet until it is registered at both."""
    with running(place, member(mesh, number, free_port(), **more)) as service:
        for peer in ("registry", "orchestrator"):
            service.wait_for_log("registered", peer=peer)
        yield service


def a_message(payload: Mapping[str, Any], *, target: int = 2, source: int = 5, **changes: Any) -> dict[str, Any]:
    return {
        "trace_id": str(uuid4()),
        "source": source,
        "target": target,
        "message_type": "command",
        "payload": dict(payload),
        "timestamp": datetime.now(UTC).isoformat(),
        **changes,
    }


def creating(name: str) -> dict[str, Any]:
    return {"command": "create", "table": "sprints", "fields": {"Sprint_ID": name}}


def outcome(client: httpx2.Client, trace_id: str) -> dict[str, Any]:
    data: dict[str, Any] = client.get(f"/messages/{trace_id}").json()["data"]
    return data


@pytest.mark.parametrize("store", STORES)
def test_two_connectors_find_each_other_and_speak(mesh: LocalMesh, store: str, tmp_path: Path) -> None:
    with (
        droplet(mesh, 2, new_place(store, tmp_path / "two")) as two,
        droplet(mesh, 7, new_place(store, tmp_path / "seven")) as seven,
        two.client() as client,
        seven.client() as other,
    ):
        sent = client.post(
            "/send", json={"target": "Connector 7", "message_type": "command", "payload": creating("FROM-2")}
        ).json()

        # at once, unless its directory still shows the address that droplet 7 had in the test before
        eventually(lambda: outcome(client, sent["trace_id"])["status"] == "delivered")
        told = outcome(client, sent["trace_id"])
        assert told["answer"]["data"]["records"][0]["fields"]["Sprint_ID"] == "FROM-2"
        assert told["tries"][-1]["http_status"] == 200
        (change,) = [
            change
            for change in other.get("/changes").json()["data"]["changes"]
            if change["trace_id"] == sent["trace_id"]
        ]
        assert (change["actor"], change["table"]) == (2, "Sprints")

        reply = a_message({"thanks": True}, source=7, message_type="response", trace_id=sent["trace_id"])
        registry_token = mesh.registry_token("drop7.fullpotential.ai")
        answer = client.post("/message", json=reply, headers={"Authorization": f"Bearer {registry_token}"})
        assert answer.json()["result"] == "success"
        assert outcome(client, sent["trace_id"])["replies"][0]["payload"] == {"thanks": True}


def test_the_orchestrators_own_way_of_sending_reaches_us_from_a_trusted_network(
    tmp_path: Path, sqlite_place: Place
) -> None:
    with (
        running_mesh(tmp_path / "mesh", speak_from="127.0.0.10") as mesh,
        droplet(mesh, 2, sqlite_place, TRUSTED_NETWORKS="127.0.0.10/32 = 10: read, write") as two,
        two.client() as client,
    ):
        token = {"Authorization": f"Bearer {mesh.orchestrator_token(5, 'read', 'write', 'admin')}"}
        query = {"target_droplet_id": 2, "message_type": "command"}
        sent = mesh.ask("orchestrator", "POST", "/send", params=query, json=creating("FROM-10"), headers=token)
        broadcast = mesh.ask(
            "orchestrator", "POST", "/broadcast", params={"message_type": "event"}, json={"news": 1}, headers=token
        )

        assert (sent.status_code, broadcast.status_code) == (200, 200)
        assert client.get("/sprints/FROM-10").status_code == 200
        assert {"news": 1} in [
            event["payload"].get("payload") for event in client.get("/webhook").json()["data"]["events"]
        ]


@pytest.mark.parametrize("store", STORES)
def test_the_same_message_fifty_times_at_once_has_one_effect_across_two_processes_and_a_restart(
    store: str, tmp_path: Path
) -> None:
    place = new_place(store, tmp_path)
    message = a_message(creating("ONCE"))

    async def send(*services: Service) -> list[bytes]:
        async def one(number: int, client: httpx2.AsyncClient) -> bytes:
            answer = await client.post("/message", json=message)
            assert answer.status_code == 200, answer.text
            return answer.content

        clients = [service.async_client() for service in services]
        try:
            return await asyncio.gather(*(one(number, clients[number % len(clients)]) for number in range(50)))
        finally:
            for client in clients:
                await client.aclose()

    rate = {"MESSAGE_RATE_PER_MINUTE": "1000000"}
    with running(place, rate) as one:
        if store == "postgres":
            with running(place, rate) as another:
                answers = asyncio.run(send(one, another))
        else:
            answers = asyncio.run(send(one))
        one.kill()
    with running(place, rate) as again:
        answers += asyncio.run(send(again))
        with again.client() as client:
            events = client.get("/webhook").json()["data"]["events"]

    assert len(set(answers)) == 1
    assert place.stored_keys().count("ONCE") == 1
    assert len([event for event in events if event["kind"] == "message"]) == 1


@pytest.mark.parametrize("store", STORES)
def test_a_thousand_queued_messages_and_kill_9_lose_none_and_do_each_once(
    mesh: LocalMesh, store: str, tmp_path: Path
) -> None:
    sender, receiver = new_place(store, tmp_path / "sender"), new_place(store, tmp_path / "receiver")
    port = free_port()
    settings = member(mesh, 2, free_port())
    names = [f"M-{number:04d}" for number in range(1000)]
    with running(receiver, member(mesh, 7, port)) as seven:
        seven.wait_for_log("registered", peer="registry")
        with running(sender, settings) as two:
            two.wait_for_log("registered", peer="registry")
            seven.kill()
            traces = asyncio.run(_send_all(two, names))
            two.kill()
    with running(receiver, member(mesh, 7, port)) as seven:
        with running(sender, settings) as two, two.client() as client:
            eventually(lambda: client.get("/messages").json()["data"]["counts"].get("delivered", 0) > 100, within=60)
            two.kill()  # in the midst of delivering
        with running(sender, settings) as two, two.client() as client:
            eventually(lambda: client.get("/messages").json()["data"]["counts"] == {"delivered": 1000}, within=90)
            assert all(outcome(client, trace)["status"] == "delivered" for trace in traces[::100])
        assert seven.stop() == 0

    stored = [key for key in receiver.stored_keys() if key.startswith("M-")]
    assert sorted(stored) == names
    assert isinstance(receiver.verify(), Verified)


async def _send_all(service: Service, names: list[str]) -> list[str]:
    async with service.async_client(connections=20) as client:

        async def send(name: str) -> str:
            body = {"target": "7", "message_type": "command", "payload": creating(name), "retry_count": 10}
            answer = await client.post("/send", json=body, headers={"Prefer": "wait=0"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["status"] == "queued"
            return str(answer.json()["trace_id"])

        return await asyncio.gather(*map(send, names))


def test_a_storm_of_messages_is_limited_while_others_are_served(sqlite_place: Place) -> None:
    with running(sqlite_place, {"MESSAGE_RATE_PER_MINUTE": "100"}) as service:
        storm, quiet = asyncio.run(_storm(service))

    assert storm.count(200) == pytest.approx(100, abs=10)
    assert set(storm) == {200, 429}
    assert set(quiet) == {200}


async def _storm(service: Service) -> tuple[list[int], list[int]]:
    async with service.async_client() as client:
        reader = service.headers("read", droplet=9)
        storm: list[int] = []

        async def send() -> None:
            answer = await client.post("/message", json=a_message({"command": "ping"}))
            storm.append(answer.status_code)
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1
                assert json.loads(answer.content)["error"]["code"] == "RATE_LIMITED"

        quiet: list[int] = []
        for _ in range(20):
            others = [client.get("/health"), client.get("/sprints", headers=reader)]
            *_, health, read = await asyncio.gather(*(send() for _ in range(100)), *others)
            quiet += [health.status_code, read.status_code]
        return storm, quiet


def test_requests_are_answered_while_a_target_hangs(mesh: LocalMesh, tmp_path: Path) -> None:
    with (
        droplet(mesh, 2, new_place("sqlite", tmp_path / "two")) as two,
        droplet(mesh, 7, new_place("sqlite", tmp_path / "seven")) as seven,
        droplet(mesh, 8, new_place("sqlite", tmp_path / "eight")) as _eight,
        two.client() as client,
    ):
        seven.pause()
        try:
            hanging = client.post(
                "/send", json={"target": 7, "message_type": "event", "payload": {}}, headers={"Prefer": "wait=0"}
            ).json()
            for _ in range(20):
                sent = client.post("/send", json={"target": 8, "message_type": "event", "payload": {}}).json()
                assert sent["status"] == "delivered"
            assert outcome(client, hanging["trace_id"])["status"] == "queued"
        finally:
            seven.resume()
        eventually(lambda: outcome(client, hanging["trace_id"])["status"] == "delivered", within=60)


@contextmanager
def losing_answers(behind: int, *, first: int) -> Iterator[int]:
    """Pass connections on to a port, and cut the first ones off when their answer comes: the work is done by then."""
    left = [first]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", behind)

        async def forward() -> None:
            while data := await reader.read(65_536):
                server_writer.write(data)

        forwarding = asyncio.ensure_future(forward())
        try:
            while data := await server_reader.read(65_536):
                if left[0] > 0:
                    left[0] -= 1
                    break
                writer.write(data)
        finally:
            forwarding.cancel()
            writer.close()
            server_writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        loop.close()


def test_a_message_whose_answer_is_lost_is_sent_again_and_done_once(mesh: LocalMesh, tmp_path: Path) -> None:
    port = free_port()
    with (
        losing_answers(port, first=2) as proxy,
        running(
            new_place("sqlite", tmp_path / "seven"),
            {**member(mesh, 7, port), "DROPLET_URL": f"http://127.0.0.1:{proxy}"},
        ) as seven,
        droplet(mesh, 2, new_place("sqlite", tmp_path / "two")) as two,
        two.client() as client,
        seven.client() as other,
    ):
        seven.wait_for_log("registered", peer="registry")
        sent = client.post(
            "/send", json={"target": "7", "message_type": "command", "payload": creating("LOST"), "retry_count": 10}
        ).json()
        eventually(lambda: outcome(client, sent["trace_id"])["status"] == "delivered", within=150)

        tries = outcome(client, sent["trace_id"])["tries"]
        assert [attempt["http_status"] for attempt in tries[-3:]] == [None, None, 200]
        made = [change for change in changes(other) if change["trace_id"] == sent["trace_id"]]
        assert [change["action"] for change in made] == ["create"]
