"""Running the service until a signal says stop."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import uvloop

from airtable_connector.compose.demo import DEMO_CALLER, SampleTables, directions, load_sample
from airtable_connector.compose.ourselves import store_name
from airtable_connector.compose.rooms import Rooms, open_rooms
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.mesh import OWN_ISSUER, Permission, mint
from airtable_connector.ops import configure_logging, form_for
from airtable_connector.settings import Configuration, Settings
from airtable_connector.web.http import Lifecycle
from airtable_connector.web.server import ServerLimits
from airtable_connector.web.server import serve as serve_app

SWITCH_INTERVAL: Final = 0.0005
"""Seconds after which a thread that computes lets another one go on."""


def serve(settings: Settings, configuration: Configuration) -> int:
    """Serve until somebody says stop; return the exit code. ``configuration`` is where the settings came from."""

    async def prepare(rooms: Rooms) -> None:
        # the demo does not: it is to end with its terminal, which says so by this signal
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, rooms.reloader.ask)

    def greet(rooms: Rooms, address: str) -> None:
        rooms.logs.events.info("ready", address=address, store=store_name(settings))

    return _run(settings, configuration, prepare=prepare, greet=greet)


def demo(settings: Settings, configuration: Configuration, sample_tables: SampleTables) -> int:
    """Serve sample data and print how to ask for it; return the exit code."""
    clock = SystemClock()

    async def prepare(rooms: Rooms) -> None:
        await load_sample(rooms.base.workspace, sample_tables(clock.now()), droplet=settings.droplet.id)

    def greet(rooms: Rooms, address: str) -> None:
        token = mint(
            rooms.own_keys.private_pem,
            droplet=DEMO_CALLER,
            steward=settings.droplet.steward,
            permissions=frozenset({Permission.READ, Permission.WRITE}),
            issued_at=clock.now(),
            lifetime=timedelta(hours=24),
            issuer=OWN_ISSUER,
            key_id=rooms.own_keys.key_id,
        )
        sys.stdout.write(directions(address, token, settings))
        sys.stdout.flush()

    return _run(settings, configuration, prepare=prepare, greet=greet)


def _run(
    settings: Settings,
    configuration: Configuration,
    *,
    prepare: Callable[[Rooms], Awaitable[None]],
    greet: Callable[[Rooms, str], None],
) -> int:
    # threads compute now and then, and the event loop is not to wait five milliseconds for each turn of its own
    sys.setswitchinterval(SWITCH_INTERVAL)
    clock, ids, lifecycle = SystemClock(), RandomIds(), Lifecycle()
    form = form_for(settings.server.log_format, sys.stderr)
    logs = configure_logging(settings.server.log_level, form, _write_line, clock=clock)

    async def work() -> None:
        async with open_rooms(settings, configuration, clock=clock, ids=ids, logs=logs, lifecycle=lifecycle) as rooms:
            await prepare(rooms)
            await serve_app(
                rooms.edge,
                host=settings.server.host,
                port=settings.server.port,
                lifecycle=lifecycle,
                limits=ServerLimits(grace=settings.server.shutdown_grace),
                on_ready=lambda host, port: greet(rooms, _address(host, port)),
                on_abort=logs.close,
            )

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())
    finally:
        logs.close()
    return 0


def _write_line(line: bytes) -> None:
    # past Python's own buffer, whose lock a stalled reader would hold when the process wants to end
    while line:
        line = line[os.write(sys.stderr.fileno(), line) :]


def _address(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"
