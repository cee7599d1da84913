"""A Registry and an Orchestrator as one process: started, asked over HTTP, paused, killed, restarted on the same ports.

Both live and die together. A test that wants one of them gone starts two of these on one folder (they share its
keys) and uses one peer of each.
"""

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx2
from tests.service import COMMAND, NEWS_LIMIT_S, START_LIMIT_S, STOP_LIMIT_S, environment, eventually

from airtable_connector.mesh import Permission, mint, read_private_key

Peer = Literal["registry", "orchestrator"]
Options = Mapping[str, object]


@dataclass
class LocalMesh:
    """A running mesh. Its addresses stay the same through `restart`, its memory does not."""

    folder: Path
    options: Options
    registry: str = ""
    orchestrator: str = ""
    registry_key_file: Path = Path()
    mesh_private_key_file: Path = Path()
    mesh_public_key_file: Path = Path()
    registry_public_key_file: Path = Path()
    log: list[str] = field(default_factory=list)
    _process: "subprocess.Popen[str] | None" = None
    _reader: threading.Thread | None = None

    @property
    def registry_key(self) -> str:
        """What callers send as ``X-Registry-Key``."""
        return self.registry_key_file.read_text().strip()

    def start(self) -> None:
        """Start the process, and return when both peers answer."""
        ports = {f"{peer}_port": url.rpartition(":")[2] for peer, url in self._addresses() if url}
        chosen = {"folder": self.folder, **self.options, **ports}
        arguments = [text for name, value in chosen.items() for text in (f"--{name.replace('_', '-')}", str(value))]
        self._process = subprocess.Popen(
            [*COMMAND, "mesh", *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        self._take_in(self._first_line(self._process))

    def stop(self) -> int:
        """Ask the process to end, and return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process as a power cut would; its ports are free again."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it, unless that was done, and start it on the same ports: everything but the keys is forgotten."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Let it hang: connections are accepted by the system, and nothing is answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)

    def ask(self, peer: Peer, method: str, path: str, **request: Any) -> httpx2.Response:
        """Ask one of the two over a connection of its own."""
        url = f"{dict(self._addresses())[peer]}{path}"
        return httpx2.request(method, url, timeout=NEWS_LIMIT_S, trust_env=False, verify=False, **request)

    def registry_token(self, droplet_id: object = 2) -> str:
        """Have the Registry issue a token."""
        reply = self.ask(
            "registry",
            "POST",
            "/auth/token",
            params={"droplet_id": str(droplet_id)},
            headers={"X-Registry-Key": self.registry_key},
        )
        assert reply.status_code == 200, reply.text
        return str(reply.json()["token"])

    def orchestrator_token(self, droplet: int = 2, *permissions: str) -> str:
        """Sign a token as a droplet does for the Orchestrator; read and write unless said otherwise."""
        return mint(
            read_private_key(self.mesh_private_key_file),
            droplet=droplet,
            steward="Ada",
            permissions={Permission(name) for name in permissions or ("read", "write")},
            issued_at=datetime.now(UTC),
            lifetime=timedelta(hours=1),
        )

    def rotate_registry_key(self, *, previous: Literal["keep", "drop"] = "keep") -> str:
        """Have the Registry sign with a new key; ``drop`` ends every token issued before. Return the new ``kid``."""
        reply = self.ask("registry", "POST", "/local/keys/rotate", params={"previous": previous})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["kid"])

    def seen(self, peer: Peer, path: str = "/") -> list[dict[str, Any]]:
        """Return what arrived at paths that begin so, oldest first: number, at, method, path, caller, status, body."""
        arrivals: list[dict[str, Any]] = self.ask(peer, "GET", "/local/seen", params={"path": path}).json()["arrivals"]
        return arrivals

    def wait_for(
        self, peer: Peer, path: str, *, where: Callable[[dict[str, Any]], bool] = lambda _arrival: True, after: int = 0
    ) -> dict[str, Any]:
        """Return the first arrival that fits and is younger than number ``after``; bounded."""
        found: list[dict[str, Any]] = []

        def came() -> bool:
            found[:] = [each for each in self.seen(peer, path) if each["number"] > after and where(each)]
            return bool(found)

        eventually(came)
        return found[0]

    def _addresses(self) -> tuple[tuple[Peer, str], ...]:
        return ("registry", self.registry), ("orchestrator", self.orchestrator)

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "it is not running"
        return self._process

    def _take_in(self, line: str) -> None:
        for name, value in json.loads(line).items():
            setattr(self, name, Path(value) if name.endswith("_file") else value)

    def _first_line(self, process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        too_late = threading.Timer(START_LIMIT_S, process.kill)
        too_late.start()
        line = process.stdout.readline()
        too_late.cancel()
        if not line:
            self.kill()
            raise AssertionError(f"the local mesh did not start:\n{''.join(self.log[-30:])}")
        return line

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        self.log.extend(process.stderr)

    def _end(self, number: int) -> int:
        process, self._process = self._running(), None
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a paused one hears SIGTERM only when it goes on
        try:
            return process.wait(STOP_LIMIT_S)
        finally:
            process.kill()
            process.wait()
            assert self._reader is not None
            self._reader.join(STOP_LIMIT_S)
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()


@contextmanager
def running_mesh(folder: Path, **options: object) -> Iterator[LocalMesh]:
    """Run ``airtable-connector mesh`` with these options (``token_seconds=5``), and kill it in the end."""
    mesh = LocalMesh(folder, options)
    mesh.start()
    try:
        yield mesh
    finally:
        mesh.kill()
