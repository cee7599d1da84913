"""The compose file: its form against the specification's schema, its content against our rules."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deployment.scripts import ROOT

FILE = ROOT / "docker-compose.yml"
PROFILES = {"connector": None, "postgres": ["postgres"], "mesh": ["mesh"]}


def read() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


@pytest.fixture(params=PROFILES)
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = read()["services"][request.param]
    return found


def test_it_is_what_the_compose_specification_calls_a_compose_file() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", FILE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout


def test_compose_itself_understands_it(tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0
    ):
        pytest.skip("this machine has no docker compose")
    shutil.copy(FILE, tmp_path / FILE.name)
    (tmp_path / ".env").touch()
    for profiles in ([], ["--profile", "postgres"], ["--profile", "mesh"]):
        command = ["docker", "compose", *profiles, "config", "--quiet"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr


def test_the_services_are_these_and_only_the_connector_starts_unasked() -> None:
    assert {name: each.get("profiles") for name, each in read()["services"].items()} == PROFILES


def test_a_service_has_no_more_rights_than_it_needs(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert not any("docker.sock" in volume for volume in service["volumes"])


def test_only_what_starts_as_root_gets_capabilities_back() -> None:
    assert [name for name, each in read()["services"].items() if "cap_add" in each] == ["postgres"]


def test_a_service_is_started_again_and_bounded(service: dict[str, Any]) -> None:
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}


def test_a_service_is_reached_from_this_machine_only(service: dict[str, Any]) -> None:
    for port in service.get("ports", []):
        assert re.sub(r"\$\{PUBLISH:-(.+)\}", r"\1", port).startswith("127.0.0.1:")


def test_every_service_has_a_health_check() -> None:
    for name, each in read()["services"].items():
        assert "healthcheck" in each or name == "connector"  # whose check is its image's
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_nothing_in_the_env_file_moves_the_connector_from_its_port_and_volume() -> None:
    connector = read()["services"]["connector"]
    assert connector["env_file"] == ".env"
    assert connector["environment"] == {"HOST": "0.0.0.0", "PORT": "8000", "DATA_DIR": "/data"}
    assert connector["volumes"] == ["data:/data"]


def test_no_secret_is_written_into_it() -> None:
    postgres = read()["services"]["postgres"]
    assert postgres["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    assert "POSTGRES_PASSWORD" not in postgres["environment"]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert read()["secrets"]["postgres_password"]["file"].split("/")[1] + "/" in ignored


def test_images_of_others_are_named_by_their_full_version() -> None:
    assert re.fullmatch(r"postgres:\d+\.\d+-\w+", read()["services"]["postgres"]["image"])


def test_the_mesh_is_the_same_program_and_its_health_is_asked_where_it_listens() -> None:
    mesh = read()["services"]["mesh"]
    assert mesh["image"] == read()["services"]["connector"]["image"]
    assert mesh["command"][:2] == ["airtable-connector", "mesh"]
    options = dict(option.split("=") for option in mesh["command"][2:])
    asked = mesh["healthcheck"]["test"][3:]
    assert asked == [options["--registry-port"], options["--orchestrator-port"]]


def test_the_connector_has_time_to_finish_what_it_took() -> None:
    assert int(read()["services"]["connector"]["stop_grace_period"].removesuffix("s")) > 10.5


def test_the_proxy_example_knows_who_the_proxy_is() -> None:
    subnet = read()["networks"]["default"]["ipam"]["config"][0]["subnet"]
    gateway = re.sub(r"\$\{SUBNET:-([\d.]+)\.0/24\}", r"\1.1/32", subnet)
    assert gateway in (ROOT / "deploy" / "nginx.conf").read_text()
    assert gateway in (ROOT / "docs" / "deployment.md").read_text()
