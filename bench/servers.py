"""Processes that are measured: started pinned to one core, watched, and stopped."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_LIMIT = 60.0
"""Seconds until a started process must answer."""

IDLE_LIMIT = 20.0
"""Seconds that a server is given to finish what its clients no longer wait for."""

PROGRAM = Path(sys.executable).with_name("airtable-connector")

_MAKE_A_BASE = (
    "bench/base.py",
    "src/airtable_connector/cli/sample.py",
    "src/airtable_connector/database/migrations.py",
)
"""Files on which the content of a filled base depends."""


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[str | Path],
    *,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command for as long as the context lasts; it is ended with SIGTERM, then SIGKILL."""
    pin: Callable[[], None] | None = None if core is None else lambda: os.sched_setaffinity(0, {core})
    with (log or Path(os.devnull)).open("wb") as stderr:
        child = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            preexec_fn=pin,  # noqa: PLW1509 - this process has one thread
        )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for_health(port: int, child: subprocess.Popen[bytes]) -> float:
    """Return the monotonic moment of the first 200 on /health.

    Raises:
        SystemExit: the process ended, or did not answer in `START_LIMIT` seconds.
    """
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if b" 200 " in connection.recv(4096)[:20]:
                    return time.monotonic()
        except OSError:
            time.sleep(0.002)
    raise SystemExit(f"bench: a server at port {port} did not come up (exit code {child.poll()})")


def wait_for_port(port: int, child: subprocess.Popen[bytes]) -> None:
    """Wait until something listens at a port.

    Raises:
        SystemExit: nothing does after `START_LIMIT` seconds, or the process ended.
    """
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and child.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise SystemExit(f"bench: nothing listens at port {port} (exit code {child.poll()})")


def boot_seconds(command: Sequence[str | Path], port: int, environment: Mapping[str, str]) -> float:
    """Start a server, and return the time from its start to its first 200 on /health."""
    started = time.monotonic()
    with process(command, environment=environment) as child:
        return wait_for_health(port, child) - started


def service_environment(data_dir: Path, *, target: int | None = None) -> dict[str, str]:
    """Return the settings under which the service is measured; all others have their defaults.

    ``target`` is the port of a stand-in to which messages can be sent; as the Registry its address is known, and to
    be a Registry is all that it refuses.
    """
    mesh = {} if target is None else {"REGISTRY_URL": f"http://127.0.0.1:{target}"}
    return {
        **mesh,
        "MESSAGE_RATE_PER_MINUTE": "10000000",
        "DATA_DIR": str(data_dir),
        "HOST": "127.0.0.1",
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "json",
        "RATE_LIMIT_PER_MINUTE": "10000000",
    }


def serve_command(port: int) -> list[str | Path]:
    """Return the command that starts the service."""
    return [PROGRAM, "serve", "--port", str(port)]


def token(data_dir: Path, permissions: str = "read,write") -> str:
    """Return a token that the service over this folder believes."""
    command = [PROGRAM, "token", "--id", "5", "--permissions", permissions, "--data-dir", data_dir]
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def wait_for_log(log: Path, words: bytes) -> None:
    """Wait until a log line holds these words.

    Raises:
        SystemExit: it does not come in `START_LIMIT` seconds.
    """
    deadline = time.monotonic() + START_LIMIT
    while words not in log.read_bytes():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: no log line with {words!r} came")
        time.sleep(0.05)


def resident_bytes(process_id: int) -> int:
    """Return the memory that a process has resident and shares with no other."""
    lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))) * 1024


def cpu_seconds(process_id: int | None) -> float:
    """Return the processor time that a process has used; 0 for one that is not known."""
    if process_id is None:
        return 0.0
    after_name = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_idle(process_id: int | None) -> None:
    """Wait until a process uses less than a tenth of a core, for at most `IDLE_LIMIT` seconds."""
    deadline = time.monotonic() + IDLE_LIMIT
    before = cpu_seconds(process_id)
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = cpu_seconds(process_id)
        if now - before <= 0.01:
            return
        before = now


def fetch(port: int, path: str, bearer: str) -> bytes:
    """Return the body of one GET."""
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {bearer}"})
    with urllib.request.urlopen(asked, timeout=20) as reply:
        body: bytes = reply.read()
        return body


def filled_base(folder: Path, count: int) -> Path:
    """Return a folder with a base of ``count`` sprints, made at the first run and kept for the next ones."""
    mark = hashlib.sha256(b"".join(Path(name).read_bytes() for name in _MAKE_A_BASE)).hexdigest()[:12]
    made = folder / f"base-{count}-{mark}"
    if not made.exists():
        for old in folder.glob("base-*"):
            shutil.rmtree(old)
        unfinished = folder / "base-unfinished"
        unfinished.mkdir(parents=True)
        command = [sys.executable, "-m", "bench.base", unfinished, str(count)]
        subprocess.run([str(word) for word in command], check=True)
        unfinished.rename(made)
    return made
