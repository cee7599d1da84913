"""``deploy.sh`` with a docker that only remembers: what it is asked for, in which order, and what follows a failure."""

import fcntl
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest
from tests.deployment.scripts import SECRET, Host, copy_project

DOCKER = r"""
image() { case $1 in airtable-connector:*) cat "$STATE/${1#*:}" ;; *) echo "$1" ;; esac; }
case "$*" in
    "compose version") [[ ! -e $STATE/no-compose ]] ;;
    info) [[ ! -e $STATE/no-engine ]] ;;
    "compose ps "*) cat "$STATE/running" 2> /dev/null || true ;;
    "inspect --format {{.Image}} "*) cat "$STATE/image-of-running" ;;
    "compose exec "*) [[ ! -e $STATE/backup-fails ]] ;;
    "compose build "*) [[ ! -e $STATE/build-fails ]] && echo "$COMMIT $BUILD_DATE $DEPLOYED_BY" > "$STATE/built" &&
        echo sha256:new > "$STATE/current" ;;
    "image tag "*) image "$3" > "$STATE/.tag" && mv "$STATE/.tag" "$STATE/${4#*:}" ;;
    "compose up "*) ! grep -qsxF "$(cat "$STATE/current")" "$STATE/unhealthy" &&
        echo container > "$STATE/running" && cp "$STATE/current" "$STATE/image-of-running" ;;
    "compose logs "*) echo "the log's last line" ;;
    "compose stop "*) rm -f "$STATE/running" ;;
    *) echo "not imitated: $*" >&2; exit 64 ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = copy_project(tmp_path / "project")
    (folder / ".env").write_text(f"# ours\nAIRTABLE_API_KEY={SECRET}\nLOG_LEVEL=info\nDROPLET_NAME='a $ here'\n")
    return folder


@pytest.fixture
def host(host: Host) -> Host:
    host.add("docker", DOCKER)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        host.environment["PUBLISH"] = f"127.0.0.1:{free.getsockname()[1]}"
    return host


@pytest.fixture
def running(host: Host) -> Host:
    host.say("running", "container\n")
    host.say("image-of-running", "sha256:old\n")
    host.say("current", "sha256:old\n")
    return host


def asked(host: Host) -> list[str]:
    """Return what was asked of docker after the checks, shortened to the words that matter."""
    known = ("compose exec", "image tag", "compose build", "compose up", "compose logs", "compose stop")
    calls = [call.removeprefix("docker ") for call in host.calls()]
    return [next(word for word in known if call.startswith(word)) for call in calls if call.startswith(known)]


def test_the_first_deployment_builds_and_starts(host: Host, project: Path) -> None:
    ran = host.run(project / "deploy.sh")
    assert (ran.code, asked(host)) == (0, ["compose build", "compose up"])
    assert "healthy" in ran.output
    assert "compose up --detach --no-build --wait --wait-timeout 90" in "\n".join(host.calls())


def test_an_upgrade_backs_up_and_remembers_the_image_before_it_builds(running: Host, project: Path) -> None:
    ran = running.run(project / "deploy.sh")
    assert ran.code == 0
    assert asked(running) == ["compose exec", "compose exec", "image tag", "compose build", "compose up"]
    assert "airtable-connector backup --to /data/backups/" in "\n".join(running.calls())
    assert (running.state / "previous").read_text() == "sha256:old\n"


def test_it_can_be_run_twice(host: Host, project: Path) -> None:
    assert host.run(project / "deploy.sh").code == 0
    host.forget_calls()
    assert host.run(project / "deploy.sh").code == 0
    assert asked(host)[0] == "compose exec"
    assert (host.state / "previous").read_text() == "sha256:new\n"


def test_the_build_is_told_who_builds_what_and_when(host: Host, project: Path) -> None:
    assert host.run(project / "deploy.sh", environment={"DEPLOYED_BY": "ada"}).code == 0
    said = (host.state / "built").read_text().split()
    assert said[-1] == "ada"
    assert said[-2].endswith("Z")


def test_an_unhealthy_upgrade_shows_the_log_and_starts_the_image_before(running: Host, project: Path) -> None:
    running.say("unhealthy", "sha256:new\n")
    ran = running.run(project / "deploy.sh", "--timeout", "7")
    assert ran.code == 1
    assert asked(running)[-4:] == ["compose up", "compose logs", "image tag", "compose up"]
    assert "the log's last line" in ran.output
    assert "not healthy within 7 s" in ran.output
    assert (running.state / "current").read_text() == "sha256:old\n"


def test_when_the_image_before_is_unhealthy_too_that_is_another_exit_code(running: Host, project: Path) -> None:
    running.say("unhealthy", "sha256:new\nsha256:old\n")
    ran = running.run(project / "deploy.sh")
    assert ran.code == 3
    assert "newer-database" in ran.output


def test_an_unhealthy_first_deployment_is_stopped(host: Host, project: Path) -> None:
    host.say("unhealthy", "sha256:new\n")
    assert host.run(project / "deploy.sh").code == 3
    assert asked(host)[-1] == "compose stop"


def test_a_failed_backup_leaves_all_as_it_is_unless_it_was_waived(running: Host, project: Path) -> None:
    running.say("backup-fails")
    ran = running.run(project / "deploy.sh")
    assert (ran.code, asked(running)) == (1, ["compose exec"])
    assert "nothing was changed" in ran.output
    assert running.run(project / "deploy.sh", "--no-backup").code == 0


def test_a_failed_build_leaves_what_runs_alone(running: Host, project: Path) -> None:
    running.say("build-fails")
    ran = running.run(project / "deploy.sh")
    assert (ran.code, "compose up" in asked(running)) == (1, False)
    assert "left alone" in ran.output


@pytest.mark.parametrize("state", ["nothing runs", "something runs"])
def test_a_dry_run_changes_nothing(state: str, host: Host, project: Path) -> None:
    if state == "something runs":
        host.say("running", "container\n")
        host.say("image-of-running", "sha256:old\n")
    ran = host.run(project / "deploy.sh", "--dry-run")
    assert (ran.code, asked(host)) == (0, [])
    assert "would run: docker compose build connector" in ran.output
    assert ran.output.endswith("nothing was done\n")


def test_another_folder_can_be_named(host: Host, project: Path, tmp_path: Path) -> None:
    script = copy_project(tmp_path / "elsewhere") / "deploy.sh"
    assert ".env is missing" in host.run(script).output
    assert host.run(script, str(project)).code == 0


def test_what_is_missing_is_named(host: Host, project: Path) -> None:
    def refused() -> str:
        ran = host.run(project / "deploy.sh")
        assert (ran.code, asked(host)) == (2, [])
        return ran.output

    (project / ".env").rename(project / "put-away")
    assert ".env is missing" in refused()
    host.say("no-engine")
    assert "engine does not answer" in refused()
    (host.programs / "flock").unlink()
    assert "flock (util-linux) is not installed" in refused()
    host.say("no-compose")
    assert "no compose plugin" in refused()
    (host.programs / "docker").unlink()
    assert "docker is not installed" in refused()


def test_a_taken_port_is_named(host: Host, project: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = host.run(project / "deploy.sh", environment={"PUBLISH": where})
    assert (ran.code, asked(host)) == (2, [])
    assert where in ran.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("PROT=8000", "no setting is called PROT"),
        (f"{SECRET}", "not NAME=value on one line, in line 3"),
        (f"AIRTABLE_API_KEY='{SECRET}", "not NAME=value on one line, in line 3"),
        (f'AIRTABLE_API_KEY="{SECRET}', "not NAME=value on one line, in line 3"),
        (f"AIRTABLE_API_KEY=$${SECRET}", "expand, in line 3"),
        (f'AIRTABLE_API_KEY="${SECRET}"', "expand, in line 3"),
    ],
)
def test_a_mistake_in_the_env_file_is_told_without_its_value(line: str, said: str, host: Host, project: Path) -> None:
    (project / ".env").write_text(f"# ours\n\n{line}\n")
    ran = host.run(project / "deploy.sh")
    assert (ran.code, asked(host)) == (2, [])
    assert said in ran.output


def test_two_deployments_at_once_are_one_too_many(host: Host, project: Path) -> None:
    held = os.open(project, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    ran = host.run(project / "deploy.sh")
    os.close(held)
    assert (ran.code, asked(host)) == (2, [])
    assert "at work" in ran.output
