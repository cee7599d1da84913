"""The process: what it prints, how it ends, what it forgets, and that both peers do what tests need over real sockets.

What each peer answers is tested in `tests/unit/localmesh`, section by section of the mesh contract.
"""

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from tests.localmesh_process import LocalMesh, running_mesh
from tests.service import COMMAND, environment, eventually

from airtable_connector.mesh import load_key_pair, public_half, read_private_key

REGISTRATION = {"droplet_id": 2, "name": "airtable-connector", "endpoint": "http://127.0.0.1:1", "capabilities": ["a"]}
ENTRY = {"id": "drop2.fullpotential.ai", "droplet_id": 2, "host": "drop2.fullpotential.ai", "status": "active"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh in a hurry, shared by tests that use droplets of their own."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), route_seconds=0.1, silence_seconds=60) as started:
        yield started


def register(mesh: LocalMesh, droplet: int, **described: object) -> None:
    """Register at the Orchestrator until it says yes: the first time it does not (2.4)."""
    for expected in (500, 201):
        reply = mesh.ask(
            "orchestrator",
            "POST",
            "/droplets/register",
            json={**REGISTRATION, "droplet_id": droplet, **described},
            headers=bearer(mesh.orchestrator_token(droplet)),
        )
        assert reply.status_code == expected, reply.text


def test_its_files_belong_together_and_the_private_ones_are_private(mesh: LocalMesh) -> None:
    private = read_private_key(mesh.mesh_private_key_file)
    assert public_half(private) == mesh.mesh_public_key_file.read_bytes()
    published = mesh.ask("registry", "GET", "/.well-known/jwks.json").json()["public_key"]
    assert published == mesh.registry_public_key_file.read_text()
    for file in (mesh.mesh_private_key_file, mesh.registry_key_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_both_say_that_they_are_stand_ins(mesh: LocalMesh) -> None:
    for peer in ("registry", "orchestrator"):
        assert mesh.ask(peer, "GET", "/health").json()["local"] is True


@pytest.mark.parametrize("number", ["registry", "orchestrator"])
def test_a_restart_on_the_same_ports_forgets_the_droplets_and_keeps_the_keys(tmp_path: Path, number: str) -> None:
    with running_mesh(tmp_path / "mesh") as mesh:
        token, before = mesh.registry_token(), (mesh.registry, mesh.orchestrator)
        if number == "registry":
            beat = ("registry", "POST", "/registry/heartbeat")
            ask = {"json": ENTRY, "headers": bearer(token)}
            assert mesh.ask("registry", "POST", "/registry/register", **ask).status_code == 200
        else:
            beat = ("orchestrator", "POST", "/droplets/2/heartbeat")
            ask = {"json": {"status": "active"}, "headers": bearer(mesh.orchestrator_token())}
            register(mesh, 2)
        assert mesh.ask(*beat, **ask).status_code == 200
        mesh.restart()
        assert (mesh.registry, mesh.orchestrator) == before
        assert mesh.ask(*beat, **ask).status_code == 404


def test_a_paused_mesh_answers_nothing_and_a_resumed_one_goes_on(tmp_path: Path) -> None:
    with running_mesh(tmp_path / "mesh") as mesh:
        mesh.pause()
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.get(f"{mesh.registry}/health", timeout=0.3, trust_env=False, verify=False)
        mesh.resume()
        assert mesh.ask("registry", "GET", "/health").status_code == 200


def test_a_signal_ends_it_with_0_and_its_log_is_json(tmp_path: Path) -> None:
    with running_mesh(tmp_path / "mesh") as mesh:
        assert mesh.stop() == 0
        assert "local_mesh_ready" in {json.loads(line)["event"] for line in mesh.log}


def test_a_taken_port_ends_it_with_2_and_no_traceback(mesh: LocalMesh, tmp_path: Path) -> None:
    port = mesh.registry.rpartition(":")[2]
    ended = subprocess.run(
        [*COMMAND, "mesh", "--folder", str(tmp_path), "--registry-port", port],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"cannot listen at 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_token_and_no_key_stands_in_the_log_or_in_what_was_seen(tmp_path: Path) -> None:
    with running_mesh(tmp_path / "mesh") as mesh:
        token = mesh.registry_token()
        mesh.ask("registry", "POST", "/registry/register", json={**ENTRY, "signature": token}, headers=bearer(token))
        shown = json.dumps(mesh.seen("registry"))
        assert mesh.stop() == 0
        told = "".join(mesh.log) + shown
        private = load_key_pair(mesh.folder / "registry").private_pem.reveal()
        assert "/registry/register" in told
        assert [secret for secret in (token, mesh.registry_key, private) if secret in told] == []


def test_a_rotated_key_ends_the_old_tokens_only_when_told_so(tmp_path: Path) -> None:
    with running_mesh(tmp_path / "mesh") as mesh:

        def status(token: str) -> int:
            return mesh.ask("registry", "GET", "/registry/droplets", headers=bearer(token)).status_code

        first = mesh.registry_token()
        second_key = mesh.rotate_registry_key()
        assert mesh.ask("registry", "GET", "/.well-known/jwks.json").json()["keys"][0]["kid"] == second_key
        assert (status(first), status(mesh.registry_token())) == (200, 200)
        mesh.rotate_registry_key(previous="drop")
        assert (status(first), status(mesh.registry_token())) == (401, 200)


def test_a_message_sent_through_the_orchestrator_arrives_without_a_token(
    mesh: LocalMesh, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/message", method="POST").respond_with_json({"received": True})
    register(mesh, 21, endpoint=httpserver.url_for(""))
    reply = mesh.ask(
        "orchestrator",
        "POST",
        "/send",
        params={"target_droplet_id": 21, "message_type": "anything"},
        json={"do": "it"},
        headers=bearer(mesh.orchestrator_token(5)),
    )
    assert (reply.status_code, reply.json()["sent"]) == (200, True)
    arrived, _ = httpserver.log[-1]
    assert "Authorization" not in arrived.headers
    message = arrived.get_json()
    assert (message["source"], message["target"], message["message_type"]) == ("droplet-10", "droplet-21", "anything")
    assert message["payload"] == {"do": "it"}
    assert "Z" not in message["timestamp"]
    assert "+" not in message["timestamp"]


def test_a_task_is_given_out_beside_the_requests(mesh: LocalMesh) -> None:
    register(mesh, 22, capabilities=["only-22"])
    headers = bearer(mesh.orchestrator_token(22))
    task = {"task_type": "t", "title": "T", "payload": {}, "required_capability": "only-22"}
    made = mesh.ask("orchestrator", "POST", "/tasks", json=task, headers=headers).json()["payload"]

    def assigned() -> bool:
        path = f"/tasks/{made['task_id']}"
        shown = mesh.ask("orchestrator", "GET", path, headers=headers).json()["payload"]["task"]
        return (shown["status"], shown["assigned_droplet_id"]) == ("assigned", 22)

    eventually(assigned)


def test_the_orchestrator_asks_the_registry_for_its_list(mesh: LocalMesh) -> None:
    assert mesh.wait_for("registry", "/droplets")["status"] == 200


def test_two_meshes_on_one_folder_believe_the_same_tokens(mesh: LocalMesh) -> None:
    with running_mesh(mesh.folder) as other:
        token = bearer(mesh.registry_token())
        assert other.ask("registry", "GET", "/registry/droplets", headers=token).status_code == 200
