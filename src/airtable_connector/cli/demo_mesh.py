"""The demo's mesh: a Registry and an Orchestrator as a process of its own, and the settings that make us its member."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from airtable_connector.cli.errors import DemoMeshFailed

ORCHESTRATORS_ADDRESS = "127.0.0.10"
"""The address from which the Orchestrator speaks: its messages carry no token, so it is known by this."""

STOP_WITHIN = 5.0
"""Seconds that the mesh is given to end by itself."""


@contextmanager
def demo_mesh(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run a local mesh and yield the settings, by name, with which a connector joins it.

    It outlives the connector, so that it can be told of its leaving.

    Raises:
        DemoMeshFailed: it does not come up.
    """
    command = [sys.executable, "-m", "airtable_connector", "mesh", "--folder", str(folder)]
    speaks_apart = _is_ours(ORCHESTRATORS_ADDRESS)
    if speaks_apart:
        command += ["--speak-from", ORCHESTRATORS_ADDRESS]
    # a session of its own: Ctrl-C in the terminal is for the connector, which then ends the mesh
    with (
        (folder.parent / "mesh.log").open("wb") as log,
        subprocess.Popen(  # noqa: S603 - the command is put together above
            command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        ) as mesh,
    ):
        try:
            assert mesh.stdout is not None
            line = mesh.stdout.readline()
            if not line:
                raise DemoMeshFailed(folder.parent / "mesh.log")
            yield _settings(json.loads(line), speaks_apart=speaks_apart)
        finally:
            mesh.terminate()
            try:
                mesh.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                mesh.kill()


def free_port() -> int:
    """Return a port that is free now: our address must be known before we listen there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _settings(reachable: Mapping[str, str], *, speaks_apart: bool) -> Mapping[str, str]:
    settings = {
        "REGISTRY_URL": reachable["registry"],
        "REGISTRY_KEY": Path(reachable["registry_key_file"]).read_text(encoding="ascii").strip(),
        "ORCHESTRATOR_URL": reachable["orchestrator"],
        "ORCHESTRATOR_PRIVATE_KEY_FILE": reachable["mesh_private_key_file"],
        "MESH_PUBLIC_KEY_FILE": reachable["mesh_public_key_file"],
    }
    if speaks_apart:
        settings["TRUSTED_NETWORKS"] = f"{ORCHESTRATORS_ADDRESS}/32 = 10: read, write"
    return settings


def _is_ours(address: str) -> bool:
    """Tell whether this machine has an address; Linux has all of 127.0.0.0/8, others only 127.0.0.1."""
    try:
        with socket.create_server((address, 0)):
            return True
    except OSError:
        return False
