"""``install.sh``: how it switches and goes back, with programs that only remember; and one real installation."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.deployment.scripts import ROOT, SECRET, Host, Ran, copy_project, machine_settings
from tests.service import eventually

REAL_PYTHON = sys.executable

# makes an environment whose programs only remember: as healthy as "unhealthy" does not name its release
PYTHON = f"""
case "$*" in
    "-c "*) [[ ! -e $STATE/old-python ]] ;;
    "-m venv "*)
        mkdir -p "$3/bin"
        printf '#!/bin/bash\\nSTATE=%s\\n' "$STATE" | tee "$3/bin/python" > "$3/bin/airtable-connector"
        cat "$STATE/environment-python" >> "$3/bin/python"
        cat "$STATE/environment-command" >> "$3/bin/airtable-connector"
        chmod +x "$3/bin/"* ;;
    *build_info.py*) exec {REAL_PYTHON} "$@" ;;
    *) echo "not imitated: $*" >&2; exit 64 ;;
esac
"""
ENVIRONMENT_PYTHON = r"""
case "$*" in
    "-m pip "*) [[ ! -e $STATE/pip-fails ]] ;;
    *healthcheck.py*)
        if [[ -e $STATE/unhealthy && $(readlink -f "$1") == *"$(< "$STATE/unhealthy")"* ]]; then
            echo "port $2: no answer"
            exit 1
        fi ;;
esac
"""
ENVIRONMENT_COMMAND = r"""
echo "airtable-connector $*" >> "$STATE/calls"
if [[ -e $STATE/no-store ]]; then echo "airtable-connector: there is no store yet" >&2; exit 1; fi
if [[ -e $STATE/backup-fails ]]; then echo "airtable-connector: no room" >&2; exit 1; fi
echo content > "$3"
"""
SYSTEMCTL = r"""
case "$1" in
    is-active) [[ -e $STATE/active ]] ;;
    restart) touch "$STATE/active" ;;
    show) [[ ! -e $STATE/no-systemd ]] ;;
esac
"""


Install = Callable[..., Ran]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path / "project")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "installed"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    folder = tmp_path / "units"
    folder.mkdir()
    return folder


@pytest.fixture
def user(host: Host) -> str:
    """Who runs the tests: no test makes an account."""
    host.add_real("tee")
    host.add("python3", PYTHON)
    host.say("environment-python", ENVIRONMENT_PYTHON)
    host.say("environment-command", ENVIRONMENT_COMMAND)
    host.add("systemctl", SYSTEMCTL)
    host.add("journalctl", 'echo "the log\'s last line"')
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def install(host: Host, project: Path, prefix: Path, units: Path, user: str) -> Install:
    """Run the script of the project on a host where no port is taken."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        number = free.getsockname()[1]
    (project / ".env").write_text(f"PORT={number}\nAIRTABLE_API_KEY={SECRET}\n")

    def run(*more: str) -> Ran:
        host.forget_calls()
        given = ("--prefix", str(prefix), "--user", user, "--unit-dir", str(units), "--timeout", "1")
        return host.run(project / "install.sh", *given, *more)

    return run


def change(project: Path) -> None:
    """Make another version of the sources."""
    file = project / "src" / "airtable_connector" / "__init__.py"
    file.write_text(file.read_text() + "\n")


def asked(host: Host) -> list[str]:
    wanted = ("systemctl daemon-reload", "systemctl enable", "systemctl restart", "airtable-connector backup")
    return [next(each for each in wanted if call.startswith(each)) for call in host.calls() if call.startswith(wanted)]


def current(prefix: Path) -> str:
    return str((prefix / "current").readlink())


def test_the_first_installation_places_all_and_starts(
    install, host: Host, prefix: Path, units: Path, user: str
) -> None:
    ran = install()
    assert (ran.code, asked(host)) == (0, ["systemctl daemon-reload", "systemctl enable", "systemctl restart"])
    unit = (units / "airtable-server.service").read_text()
    assert f"\nExecStart={prefix}/current/bin/airtable-connector serve\n" in unit
    assert f"\nUser={user}\n" in unit
    assert "/opt/" not in unit
    assert (prefix / ".env").stat().st_mode & 0o777 == 0o640
    assert (prefix / "data").stat().st_mode & 0o777 == 0o700


def test_a_second_run_changes_nothing(install: Install, host: Host, prefix: Path) -> None:
    assert install().code == 0
    (prefix / ".env").write_text((prefix / ".env").read_text() + "LOG_LEVEL=debug\n")
    (prefix / "data" / "kept").touch()
    before = current(prefix)
    ran = install()
    assert (ran.code, asked(host), current(prefix)) == (0, [], before)
    assert "runs already" in ran.output
    assert "LOG_LEVEL=debug" in (prefix / ".env").read_text()
    assert (prefix / "data" / "kept").exists()


def test_an_upgrade_backs_up_with_the_old_release_before_it_switches(
    install: Install, host: Host, project: Path, prefix: Path
) -> None:
    assert install().code == 0
    before = current(prefix)
    change(project)
    assert install().code == 0
    assert asked(host) == ["airtable-connector backup", "systemctl enable", "systemctl restart"]
    assert current(prefix) != before
    assert [file.read_text() for file in (prefix / "backups").iterdir()] == ["content\n"]


def test_an_unhealthy_upgrade_goes_back_to_the_release_before(
    install: Install, host: Host, project: Path, prefix: Path
) -> None:
    assert install().code == 0
    before = current(prefix)
    change(project)
    ran = install("--dry-run")
    name = next(line.split()[-1] for line in ran.output.splitlines() if "making release" in line)
    host.say("unhealthy", name)
    ran = install()
    assert (ran.code, current(prefix)) == (1, before)
    assert asked(host).count("systemctl restart") == 2
    assert "the log's last line" in ran.output
    host.say("unhealthy", "releases")
    assert install().code == 3


def test_an_unhealthy_first_installation_says_so(install: Install, host: Host) -> None:
    host.say("unhealthy", "releases")
    ran = install()
    assert ran.code == 3
    assert "no answer" in ran.output


def test_a_failed_backup_leaves_what_runs_alone_unless_it_was_waived(
    install: Install, host: Host, project: Path, prefix: Path
) -> None:
    assert install().code == 0
    before = current(prefix)
    change(project)
    host.say("backup-fails")
    ran = install()
    assert (ran.code, current(prefix), asked(host)) == (1, before, ["airtable-connector backup"])
    assert "no room" in ran.output
    assert install("--no-backup").code == 0


def test_a_base_without_a_store_needs_no_backup(install: Install, host: Host, project: Path) -> None:
    assert install().code == 0
    change(project)
    host.say("no-store")
    assert install().code == 0


def test_a_release_that_cannot_be_made_whole_is_not_switched_to_and_made_again(
    install: Install, host: Host, project: Path, prefix: Path
) -> None:
    assert install().code == 0
    before = current(prefix)
    change(project)
    host.say("pip-fails")
    ran = install()
    assert (ran.code, current(prefix), asked(host)) == (1, before, [])
    assert "left alone" in ran.output
    host.unsay("pip-fails")
    assert install().code == 0
    assert current(prefix) != before


def test_old_releases_and_backups_are_removed_and_the_current_one_is_not(
    install: Install, host: Host, project: Path, prefix: Path
) -> None:
    for _ in range(7):
        change(project)
        assert install().code == 0
    releases = [release.name for release in (prefix / "releases").iterdir()]
    assert len(releases) == 3
    assert current(prefix).removeprefix("releases/") in releases
    assert len(list((prefix / "backups").iterdir())) <= 5


def test_a_release_taken_into_use_again_is_not_the_oldest(
    install: Install, host: Host, project: Path, prefix: Path
) -> None:
    file = project / "src" / "airtable_connector" / "__init__.py"
    first = file.read_text()
    for _ in range(3):
        assert install().code == 0
        change(project)
    host.say("unhealthy", "releases")  # the fourth, which stays beside the three
    assert install().code == 3
    host.unsay("unhealthy")
    file.write_text(first)
    assert install().code == 0
    assert (prefix / "current" / "bin").is_dir()


def test_a_dry_run_changes_nothing(install: Install, host: Host, prefix: Path, units: Path) -> None:
    ran = install("--dry-run")
    assert (ran.code, asked(host)) == (0, [])
    assert "would run: systemctl restart" in ran.output
    assert not prefix.exists()
    assert list(units.iterdir()) == []


def test_what_is_missing_is_named(install: Install, host: Host, project: Path, units: Path, prefix: Path) -> None:
    def refused() -> str:
        ran = install()
        assert (ran.code, prefix.exists()) == (2, False)
        return ran.output

    units.rmdir()
    assert "there is no folder" in refused()
    host.say("no-systemd")
    assert "systemd does not answer" in refused()
    (host.programs / "systemctl").unlink()
    assert "there is no systemctl" in refused()
    host.say("old-python")
    assert "older than 3.11" in refused()
    (project / "requirements.txt").unlink()
    assert "holds no requirements.txt" in refused()


def test_a_taken_port_is_named(install: Install, project: Path, prefix: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        number = taken.getsockname()[1]
        (project / ".env").write_text(f"PORT='{number}'\n")
        ran = install()
    assert (ran.code, prefix.exists()) == (2, False)
    assert f"port {number}" in ran.output


@pytest.mark.parametrize("bad", [("--prefix", "relative"), ("--prefix", "/a|b"), ("--user", "a b"), ("--timeout", "0")])
def test_what_would_break_the_unit_is_refused(bad: tuple[str, str], install: Install, prefix: Path) -> None:
    assert install(*bad).code == 2
    assert not prefix.exists()


# --- for real -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything in place, made by the script from the pinned requirements; without a service manager."""
    folder = tmp_path_factory.mktemp("real")
    prefix = folder / "installed"
    host = Host(folder / "host", environment={**machine_settings(), "DEPLOYED_BY": "ada"})
    ran = host.run(ROOT / "install.sh", "--prefix", str(prefix), "--python", REAL_PYTHON, "--no-systemd")
    assert ran.code == 0, ran.output
    return prefix


@contextmanager
def started(prefix: Path) -> Iterator[int]:
    """Start what the unit starts, where it starts it, on a free port; and end it as the service manager does."""
    unit = dict(
        line.split("=", 1) for line in (prefix / "airtable-server.service").read_text().splitlines() if "=" in line
    )
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*unit["ExecStart"].split(), "--port", str(port)],
        cwd=unit["WorkingDirectory"],
        env={"PATH": "/usr/bin:/bin"},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.terminate()
        assert process.wait(20) == 0


def healthcheck(prefix: Path, port: int) -> "subprocess.CompletedProcess[str]":
    command = [prefix / "current/bin/python", prefix / "current/healthcheck.py", str(port)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.slow
def test_a_real_installation_ends_with_a_service_that_is_well(installed: Path) -> None:
    with started(installed) as port:
        eventually(lambda: healthcheck(installed, port).returncode == 0)
        answer = httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False)
        assert answer.json()["status"] == "active"
    assert (installed / "data" / "connector.sqlite3").exists()
    ended = healthcheck(installed, port)
    assert (ended.returncode, ended.stdout) == (1, f"port {port}: no answer (ConnectionRefusedError)\n")


@pytest.mark.slow
def test_a_real_installation_knows_what_was_built(installed: Path) -> None:
    found = next((installed / "current" / "lib").glob("python*/site-packages/airtable_connector/build_info.json"))
    info = json.loads(found.read_text())
    assert list(info) == ["commit", "built_at", "deployed_by"]
    assert info["deployed_by"] == "ada"
    assert info["built_at"].endswith("Z")
    assert not (ROOT / "src/airtable_connector/build_info.json").exists()


@pytest.mark.slow
def test_a_real_installation_is_installed_once(installed: Path) -> None:
    host = Host(installed.parent / "again", environment=machine_settings())
    ran = host.run(ROOT / "install.sh", "--prefix", str(installed), "--python", REAL_PYTHON, "--no-systemd")
    assert ran.code == 0
    assert "is there already" in ran.output


@pytest.mark.slow
def test_the_real_unit_is_one_that_systemd_understands(installed: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd-analyze")
    unit = installed / "airtable-server.service"
    command = ["systemd-analyze", "verify", str(unit)]
    verified = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert judged.returncode == 0, judged.stdout  # exposure 2.0 of 10 at most
