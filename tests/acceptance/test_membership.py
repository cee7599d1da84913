"""The started connector as a member of a mesh: joining, peers that die, hang or answer garbage, tasks, leaving."""

import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer
from tests.localmesh_process import LocalMesh, Peer, running_mesh
from tests.service import Place, Service, eventually, running
from werkzeug import Response

from airtable_connector.mesh import create_shared_pair

QUICK = {
    "REGISTRY_HEARTBEAT_SECONDS": "1",
    "ORCHESTRATOR_REPORT_SECONDS": "1",
    "TASK_POLL_SECONDS": "0.2",
    "PEER_TIMEOUT_SECONDS": "1",
}
BEATS: dict[Peer, str] = {"registry": "/registry/heartbeat", "orchestrator": "/droplets/2/heartbeat"}
PEERS: tuple[Peer, ...] = ("registry", "orchestrator")


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return "127.0.0.1", 0


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LocalMesh]:
    with running_mesh(tmp_path / "mesh", route_seconds=0.2) as started:
        yield started


def member_of(mesh: LocalMesh, **changes: str) -> dict[str, str]:
    return {
        **QUICK,
        "REGISTRY_URL": mesh.registry,
        "REGISTRY_KEY": mesh.registry_key,
        "ORCHESTRATOR_URL": mesh.orchestrator,
        "ORCHESTRATOR_PRIVATE_KEY_FILE": str(mesh.mesh_private_key_file),
        **changes,
    }


def joined(service: Service) -> None:
    for peer in PEERS:
        service.wait_for_log("registered", peer=peer)


def said(service: Service, event: str, **facts: str) -> int:
    """Return how often the log says this so far."""
    lines = [json.loads(line) for line in service.log if line.startswith("{")]
    return sum(line["event"] == event and facts.items() <= line.items() for line in lines)


def last(mesh: LocalMesh, peer: Peer) -> int:
    """Return the number of the last arrival."""
    return mesh.seen(peer)[-1]["number"]


def registrations(mesh: LocalMesh) -> list[dict[str, Any]]:
    return mesh.seen("registry", "/registry/register") + mesh.seen("orchestrator", "/droplets/register")


def accepted(arrival: dict[str, Any]) -> bool:
    return arrival["status"] == 200


def test_it_joins_both_beats_and_says_so(mesh: LocalMesh, sqlite_place: Place) -> None:
    with running(sqlite_place, member_of(mesh)) as service, service.client() as client:
        joined(service)
        for peer in PEERS:
            first = mesh.wait_for(peer, BEATS[peer], where=accepted)
            second = mesh.wait_for(peer, BEATS[peer], where=accepted, after=first["number"])
            assert second["caller"] == 2
        dependencies = client.get("/dependencies").json()
        assert [(each["id"], each["status"]) for each in dependencies["required"]] == [
            (18, "connected"),
            (10, "connected"),
        ]
        assert all(each["latency_ms"] > 0 for each in dependencies["required"])
        assert dependencies["missing"] == []
        health = client.get("/health").json()
        assert health["status"] == "active"
        assert health["checks"] == {"store": "ok", "registry": "connected", "orchestrator": "connected"}
        assert "connector_registry_connected 1.0" in client.get("/metrics").text
        told = "".join(service.log)
        assert [secret for secret in (mesh.registry_key, "eyJ") if secret in told] == []


def test_register_answers_everybody_and_only_tells(mesh: LocalMesh, sqlite_place: Place) -> None:
    with running(sqlite_place, member_of(mesh)) as service, service.client({}) as stranger:
        joined(service)
        before = registrations(mesh)
        for method, body in (("POST", None), ("POST", {"id": 9}), ("GET", None)):
            answer = stranger.request(method, "/register", json=body)
            assert answer.status_code == 200
            assert [each["registered"] for each in answer.json()["registrations"]] == [True, True]
        assert registrations(mesh) == before


def test_what_is_sent_is_what_was_measured(mesh: LocalMesh, sqlite_place: Place) -> None:
    with running(sqlite_place, member_of(mesh, DROPLET_URL="http://127.0.0.1:9")) as service:
        joined(service)

        def measured(arrival: dict[str, Any]) -> bool:
            payload = arrival["body"].get("payload", arrival["body"])
            return {"cpu", "cpu_percent"} & payload["metrics"].keys() != set()

        beats = {peer: mesh.wait_for(peer, BEATS[peer], where=measured)["body"] for peer in PEERS}
        assert 0 < beats["registry"]["mem"] <= 100
        assert beats["orchestrator"]["payload"]["metrics"]["memory_mb"] > 10
        registration = mesh.seen("registry", "/registry/register")[0]["body"]
        assert (registration["host"], registration["ip"]) == ("127.0.0.1:9", "127.0.0.1")


def test_peers_that_die_and_forget_us_have_us_again_and_the_log_says_it_once(
    mesh: LocalMesh, sqlite_place: Place
) -> None:
    with running(sqlite_place, member_of(mesh)) as service, service.client() as client:
        joined(service)
        mesh.kill()
        for peer in PEERS:
            service.wait_for_log("peer_lost", peer=peer)
        assert client.get("/health").json()["checks"]["registry"] == "disconnected"
        assert client.get("/health").json()["status"] == "active"
        for number in range(50):
            assert client.post("/sprints", json={"Sprint_ID": f"away-{number}"}).status_code == 201
        mesh.start()
        for peer in PEERS:
            mesh.wait_for(peer, BEATS[peer], where=accepted)
            eventually(lambda peer=peer: said(service, "registered", peer=peer) == 2)
            assert said(service, "peer_lost", peer=peer) == 1


def test_peers_that_are_absent_at_the_start_are_joined_when_they_come(mesh: LocalMesh, sqlite_place: Place) -> None:
    settings = member_of(mesh)
    mesh.kill()
    with running(sqlite_place, settings) as service, service.client() as client:
        for peer in PEERS:
            service.wait_for_log("peer_lost", peer=peer)
        missing = client.get("/dependencies").json()["missing"]
        assert [each["id"] for each in missing] == [18, 10]
        mesh.start()
        joined(service)
        assert client.get("/dependencies").json()["missing"] == []


def test_peers_that_hang_hold_nobody_up(mesh: LocalMesh, sqlite_place: Place) -> None:
    with running(sqlite_place, member_of(mesh)) as service, service.client() as client:
        joined(service)
        mesh.pause()
        for peer in PEERS:
            service.wait_for_log("peer_lost", peer=peer, reason="no whole answer within 1 s")
        for number in range(50):
            assert client.post("/sprints", json={"Sprint_ID": f"hung-{number}"}).status_code == 201
            assert client.get("/health").status_code == 200
        assert all(said(service, "peer_lost", peer=peer) == 1 for peer in PEERS)
        mesh.resume()
        for peer in PEERS:
            service.wait_for_log("peer_back", peer=peer)
            eventually(lambda peer=peer: said(service, "peer_back", peer=peer) == 2)


def test_tokens_that_last_seconds_are_renewed_without_a_refused_beat(tmp_path: Path, sqlite_place: Place) -> None:
    with (
        running_mesh(tmp_path / "mesh", token_seconds=3) as mesh,
        running(sqlite_place, member_of(mesh)) as service,
    ):
        joined(service)
        eventually(lambda: len(mesh.seen("registry", "/auth/token")) >= 4)
        beats = mesh.seen("registry", BEATS["registry"])
        assert {beat["status"] for beat in beats} == {200}
        assert len(mesh.seen("registry", "/registry/register")) == 1


def test_a_registry_with_new_keys_is_asked_for_a_new_token(mesh: LocalMesh, sqlite_place: Place) -> None:
    with running(sqlite_place, member_of(mesh)) as service:
        joined(service)
        before = last(mesh, "registry")
        mesh.rotate_registry_key(previous="drop")
        mesh.wait_for("registry", "/auth/token", after=before)
        eventually(lambda: accepted(mesh.seen("registry", BEATS["registry"])[-1]))
        assert said(service, "peer_lost") == 0


@pytest.mark.parametrize("generation", ["early", "pg", "memory"])
def test_older_registries_take_us_as_well(tmp_path: Path, sqlite_place: Place, generation: str) -> None:
    with (
        running_mesh(tmp_path / "mesh", generation=generation) as mesh,
        running(sqlite_place, member_of(mesh)) as service,
        service.client() as client,
    ):
        joined(service)
        assert client.get("/dependencies").json()["required"][0]["status"] == "connected"
        mesh.kill()
        service.wait_for_log("peer_lost", peer="registry")
        mesh.start()
        eventually(lambda: client.get("/dependencies").json()["required"][0]["status"] == "connected")


# tasks


def create(mesh: LocalMesh, task_type: str, **payload: object) -> int:
    task = {"task_type": task_type, "title": f"a {task_type}", "payload": payload}
    answer = mesh.ask("orchestrator", "POST", "/tasks", json=task, headers=signed(mesh, 10))
    assert answer.status_code == 201, answer.text
    return answer.json()["payload"]["task_id"]


def task(mesh: LocalMesh, number: int) -> dict[str, Any]:
    answer = mesh.ask("orchestrator", "GET", f"/tasks/{number}", headers=signed(mesh, 10))
    return answer.json()["payload"]["task"]


def signed(mesh: LocalMesh, droplet: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {mesh.orchestrator_token(droplet)}"}


def ended(mesh: LocalMesh, number: int, state: str) -> dict[str, Any]:
    eventually(lambda: task(mesh, number)["status"] == state)
    return task(mesh, number)


def test_tasks_are_done_and_their_results_told(mesh: LocalMesh, place: Place) -> None:
    with running(place, member_of(mesh)) as service, service.client() as client:
        client.post("/sprints", json={"Sprint_ID": "a"})
        joined(service)
        digest, export = create(mesh, "digest", date="2026-01-31"), create(mesh, "export", tables=["Sprints"])
        chain, sync = create(mesh, "verify_chain"), create(mesh, "sync")
        assert json.loads(ended(mesh, digest, "completed")["result"])["date"] == "2026-01-31"
        exported = json.loads(ended(mesh, export, "completed")["result"])
        file = place.data_dir / "exports" / exported["file"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == exported["sha256"]
        assert exported["rows"] == 1
        assert json.loads(ended(mesh, chain, "completed")["result"])["intact"] is True
        assert "its own truth" in ended(mesh, sync, "failed")["error_message"]
        assert client.get("/daily-digest/2026-01-31").status_code == 200


def test_a_task_of_another_trade_is_given_back(mesh: LocalMesh, sqlite_place: Place) -> None:
    with running(sqlite_place, member_of(mesh)) as service:
        joined(service)
        number = create(mesh, "paint_the_console")
        service.wait_for_log("task_returned", task=number)
        done = create(mesh, "verify_chain")
        ended(mesh, done, "completed")
        moves = {(move["from"], move["to"]) for move in task(mesh, number)["state_history"]}
        assert ("assigned", "pending") in moves


def test_a_task_that_a_dead_process_left_in_progress_is_done_by_the_next(mesh: LocalMesh, sqlite_place: Place) -> None:
    entry = {"droplet_id": 2, "name": "us", "endpoint": "http://127.0.0.1:9", "capabilities": []}
    for _ in range(2):  # the first time is answered 500
        mesh.ask("orchestrator", "POST", "/droplets/register", json=entry, headers=signed(mesh, 2))
    number = create(mesh, "verify_chain")
    ended(mesh, number, "assigned")
    accept = {"json": {"status": "in_progress"}, "headers": signed(mesh, 2)}
    assert mesh.ask("orchestrator", "PATCH", f"/tasks/{number}", **accept).status_code == 200
    with running(sqlite_place, member_of(mesh)):
        assert json.loads(ended(mesh, number, "completed")["result"])["intact"] is True


# leaving


def status_of(peer: Peer, arrival: dict[str, Any]) -> str:
    return arrival["body"]["status"] if peer == "registry" else arrival["body"]["payload"]["status"]


def test_who_leaves_says_so_to_both_and_says_nothing_after_it(mesh: LocalMesh, sqlite_place: Place) -> None:
    with running(sqlite_place, member_of(mesh)) as service:
        joined(service)
        assert service.stop() == 0
        for peer in PEERS:
            words = [status_of(peer, arrival) for arrival in mesh.seen(peer, BEATS[peer])]
            assert words[-1] == "inactive"
            assert words.count("inactive") == 1
            assert said(service, "left", peer=peer) == 1


def test_peers_are_told_at_the_first_signal_already(mesh: LocalMesh, sqlite_place: Place) -> None:
    slow = member_of(mesh, SHUTDOWN_GRACE_SECONDS="60")
    with running(sqlite_place, slow) as service:
        joined(service)
        service.tell(15)
        for peer in PEERS:
            mesh.wait_for(peer, BEATS[peer], where=lambda each, peer=peer: status_of(peer, each) == "inactive")
        assert service.process.poll() is None


@pytest.mark.parametrize("trouble", ["dead", "hanging"])
def test_who_leaves_a_mesh_in_trouble_ends_well(mesh: LocalMesh, sqlite_place: Place, trouble: str) -> None:
    with running(sqlite_place, member_of(mesh)) as service:
        joined(service)
        if trouble == "dead":
            mesh.kill()
        else:
            mesh.pause()
        assert service.stop() == 0
        for peer in PEERS:
            service.wait_for_log("left", peer=peer)


# peers that are none


PAGES: dict[str, tuple[Response, str]] = {
    "a page": (Response("<html>maintenance</html>", 200, content_type="text/html"), "no JSON"),
    "a redirect": (Response("", 307, {"Location": "http://127.0.0.1:9/"}), "not followed"),
    "garbage": (Response(b"\x00\xff" * 1_000, 200, content_type="application/json"), "no JSON"),
    "a failure": (Response("bad gateway", 502), "502"),
}


@pytest.mark.parametrize("kind", PAGES)
def test_whoever_answers_instead_of_the_peers_is_no_peer(
    httpserver: HTTPServer, tmp_path: Path, sqlite_place: Place, kind: str
) -> None:
    page, reason = PAGES[kind]
    httpserver.expect_request(re.compile(".*")).respond_with_response(page)
    with running(sqlite_place, at(httpserver.url_for(""), tmp_path)) as service, service.client() as client:
        for peer in PEERS:
            assert reason in service.wait_for_log("peer_lost", peer=peer)["reason"]
        told = client.get("/dependencies").json()
        assert [each["status"] for each in told["required"]] == ["disconnected"] * 2
        assert client.get("/health").json()["status"] == "active"


def test_a_certificate_that_nobody_vouches_for_gets_no_key_and_no_token(tmp_path: Path, sqlite_place: Place) -> None:
    with impostor(tmp_path) as (url, heard):
        with running(sqlite_place, at(url, tmp_path)) as service:
            for peer in PEERS:
                lost = service.wait_for_log("peer_lost", peer=peer)
                assert lost["reason"] == "its certificate is not to be trusted"
        assert heard == []


def test_a_peer_in_plain_text_elsewhere_is_refused_at_the_start(tmp_path: Path, sqlite_place: Place) -> None:
    settings = {**at("http://registry.example", tmp_path), "ORCHESTRATOR_URL": ""}
    with pytest.raises(AssertionError, match="plain http"), running(sqlite_place, settings):
        pass


def at(url: str, folder: Path) -> dict[str, str]:
    """Point both memberships at one address."""
    private, _ = create_shared_pair(folder / "shared")
    url = url.rstrip("/")
    return {
        **QUICK,
        "REGISTRY_URL": url,
        "REGISTRY_KEY": "hunter2",
        "ORCHESTRATOR_URL": url,
        "ORCHESTRATOR_PRIVATE_KEY_FILE": str(private),
    }


@contextlib.contextmanager
def impostor(folder: Path) -> Iterator[tuple[str, list[bytes]]]:
    """Serve TLS with a certificate of its own; yields its address and what callers told it."""
    context, heard = own_certificate(folder), []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    with caller, contextlib.suppress(OSError):
                        heard.append(context.wrap_socket(caller, server_side=True).recv(1_000))

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def own_certificate(folder: Path) -> ssl.SSLContext:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    now = datetime.now(UTC)
    certificate = (
        builder.serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    both = folder / "server.pem"
    both.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context
