"""The command ``mesh``: a Registry and an Orchestrator on this machine, for laptops and tests."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs

import asyncio
import os
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer

from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds

if TYPE_CHECKING:
    from airtable_connector.localmesh import LocalMeshSettings, Reachable

Port = Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")]


def add_mesh_command(app: typer.Typer) -> None:
    """Add ``mesh`` to the command line."""
    app.command("mesh")(run_mesh)


def run_mesh(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on. Anything but this machine is at your own risk.")] = (
        "127.0.0.1"
    ),
    registry_port: Port = 0,
    orchestrator_port: Port = 0,
    folder: Annotated[Path, typer.Option(help="Where the keys are kept; made at the first start.")] = Path(
        ".local/mesh"
    ),
    quirks: Annotated[
        Literal["real", "none"], typer.Option(help="real: the Orchestrator's observed faults; none: as written.")
    ] = "real",
    generation: Annotated[
        Literal["v2", "early", "pg", "memory"], typer.Option(help="Which Registry is imitated.")
    ] = "v2",
    token_seconds: Annotated[
        float, typer.Option(min=1, max=31_622_400, help="How long the Registry's tokens are valid.")
    ] = 86_400,
    route_seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="How often tasks are given out.")] = 10,
    silence_seconds: Annotated[
        float | None,
        typer.Option(min=0.1, max=86_400, help="When a droplet counts as gone; 180 and 90 without it."),
    ] = None,
    droplet: Annotated[
        int | None, typer.Option(min=1, help="Say on standard error how to point this droplet here.")
    ] = None,
) -> None:
    """Run a Registry and an Orchestrator for laptops and tests until a signal says stop.

    When both answer, one JSON line on the standard output says where they are and where their keys lie. They forget
    everything but the keys when they end.
    """
    from airtable_connector import localmesh

    silence = None if silence_seconds is None else timedelta(seconds=silence_seconds)
    settings = localmesh.LocalMeshSettings(
        folder=folder,
        host=host,
        registry_port=registry_port,
        orchestrator_port=orchestrator_port,
        registry=localmesh.RegistrySettings(
            generation=localmesh.Generation(generation),
            token_lifetime=timedelta(seconds=token_seconds),
            **({} if silence is None else {"silence": silence}),
        ),
        orchestrator=localmesh.OrchestratorSettings(
            quirks=localmesh.AS_OBSERVED if quirks == "real" else localmesh.AS_WRITTEN,
            route_every=timedelta(seconds=route_seconds),
            **({} if silence is None else {"silence": silence}),
        ),
    )
    _run(settings, droplet)


def _run(settings: "LocalMeshSettings", droplet: int | None) -> None:
    from airtable_connector.localmesh import run_local_mesh
    from airtable_connector.ops import LogForm, LogObserver, configure_logging

    clock = SystemClock()
    logs = configure_logging("INFO", LogForm.JSON, _write_line, clock=clock)

    def greet(reachable: "Reachable") -> None:
        logs.events.warning("local_mesh_ready", note="a stand-in for laptops and tests, not the mesh")
        if droplet is not None:
            typer.echo(_directions(reachable, droplet), err=True)
        typer.echo(orjson.dumps(asdict(reachable), default=str).decode())

    try:
        asyncio.run(
            run_local_mesh(settings, clock=clock, ids=RandomIds(), observer=LogObserver(logs.events), on_ready=greet)
        )
    finally:
        logs.close()


def _directions(reachable: "Reachable", droplet: int) -> str:
    return (
        "To point a connector at this mesh (bash):\n"
        f"  DROPLET_ID={droplet} REGISTRY_URL={reachable.registry} ORCHESTRATOR_URL={reachable.orchestrator} \\\n"
        f'  REGISTRY_KEY="$(cat {reachable.registry_key_file})" \\\n'
        f"  ORCHESTRATOR_PRIVATE_KEY_FILE={reachable.mesh_private_key_file} airtable-connector serve"
    )


def _write_line(line: bytes) -> None:
    while line:
        line = line[os.write(sys.stderr.fileno(), line) :]
