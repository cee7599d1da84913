"""Running Registry and Orchestrator in one process until a signal says stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import uvicorn
from starlette.types import ASGIApp

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.localmesh.courier import Courier
from airtable_connector.localmesh.errors import MeshAddressUnusable
from airtable_connector.localmesh.keyfolder import KeyFolder
from airtable_connector.localmesh.orchestrator import build_orchestrator
from airtable_connector.localmesh.registry import build_registry
from airtable_connector.localmesh.settings import LocalMeshSettings

MOST_CONNECTIONS: Final = 512
"""Of each peer; further ones are answered 503."""

FINISH_LIMIT: Final = 2
"""Seconds that running requests get when a signal says stop."""


@dataclass(frozen=True)
class Reachable:
    """Where a running local mesh is, and the files to configure a droplet with."""

    registry: str
    orchestrator: str
    registry_key_file: Path
    mesh_private_key_file: Path
    mesh_public_key_file: Path
    registry_public_key_file: Path


async def run_local_mesh(
    settings: LocalMeshSettings,
    *,
    clock: Clock,
    ids: Ids,
    observer: Observer,
    on_ready: Callable[[Reachable], None],
) -> None:
    """Serve both until SIGTERM or SIGINT; ``on_ready`` is called when both answer.

    Raises:
        MeshAddressUnusable: one of them cannot listen there.
        MeshFolderUnusable: the keys cannot be made or read.
    """
    folder = KeyFolder(settings.folder.resolve())
    async with AsyncExitStack() as stack:
        registry_door = stack.enter_context(_listen(settings.host, settings.registry_port))
        orchestrator_door = stack.enter_context(_listen(settings.host, settings.orchestrator_port))
        # the courier has limits of its own, for a whole exchange
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=None, trust_env=False))
        supervisor = await stack.enter_async_context(Supervisor(clock=clock, observer=observer))
        courier = Courier(client)
        registry = build_registry(
            settings.registry, folder=folder, courier=courier, clock=clock, ids=ids, observer=observer
        )
        orchestrator = build_orchestrator(
            settings.orchestrator,
            public_pem=folder.open_mesh_pair().public_pem,
            registry_url=_url(registry_door),
            courier=courier,
            clock=clock,
            ids=ids,
            observer=observer,
        )
        reachable = Reachable(
            registry=_url(registry_door),
            orchestrator=_url(orchestrator_door),
            registry_key_file=folder.registry_key_file,
            mesh_private_key_file=folder.mesh_private_key_file,
            mesh_public_key_file=folder.mesh_public_key_file,
            registry_public_key_file=folder.registry_public_key_file,
        )
        for name, step in orchestrator.steps.items():
            supervisor.start(name, step)
        await _serve(
            {registry_door: registry, orchestrator_door: orchestrator.app}, on_ready=lambda: on_ready(reachable)
        )


async def _serve(apps: dict[socket.socket, ASGIApp], *, on_ready: Callable[[], None]) -> None:
    waiting = len(apps)

    def started() -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            on_ready()

    servers = {door: _Server(_config(app), on_started=started) for door, app in apps.items()}

    def stop() -> None:
        for server in servers.values():
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve(sockets=[door]) for door, server in servers.items()))


class _Server(uvicorn.Server):
    """uvicorn's server, without its signals: one signal stops two of them."""

    def __init__(self, config: uvicorn.Config, *, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `_serve`."""
        yield


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=FINISH_LIMIT,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as cause:
        raise MeshAddressUnusable(host, port, cause.strerror or "no such address") from cause


def _url(door: socket.socket) -> str:
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
