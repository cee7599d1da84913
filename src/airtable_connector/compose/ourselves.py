"""Wiring what the droplet tells about itself, and how it ends."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import airtable_connector
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.ops import Build, Logs, Metrics, OwnUsage, ProcessWatch, Shutdown, State
from airtable_connector.records import Workspace
from airtable_connector.settings import Settings
from airtable_connector.web.http import Lifecycle
from airtable_connector.web.udc import AboutEndpoints, ControlEndpoints, Reload

PACKAGE: Final = Path(airtable_connector.__file__).parent


@dataclass(frozen=True)
class Ourselves:
    """The endpoints about ourselves, and what they measure."""

    about: AboutEndpoints
    control: ControlEndpoints
    state: State


def start_ourselves(
    settings: Settings,
    workspace: Workspace,
    *,
    build: Build,
    dependencies: Sequence[str],
    reload: Reload,
    supervisor: Supervisor,
    lifecycle: Lifecycle,
    metrics: Metrics,
    logs: Logs,
    observer: Observer,
    clock: Clock,
    more: Mapping[str, Callable[[], JsonValue]],
) -> Ourselves:
    """Begin to measure, and to wait for the word to stop."""
    process = ProcessWatch(OwnUsage(), clock=clock)
    supervisor.start("process", process.look_once)
    shutdown = Shutdown(
        lifecycle.stop,
        leaving=lifecycle,
        wake=lambda: supervisor.wake("shutdown"),
        clock=clock,
        observer=observer,
    )
    supervisor.start("shutdown", shutdown.stop_when_due)
    state = State(
        metrics=metrics,
        process=process,
        shutdown=shutdown,
        workspace=workspace,
        store=store_name(settings),
        more=more,
        clock=clock,
    )
    about = AboutEndpoints(
        build=build,
        environment=settings.server.environment,
        state=state,
        features=_features(settings, dependencies),
        dependencies=dependencies,
        clock=clock,
    )
    control = ControlEndpoints(shutdown=shutdown, reload=reload, end=lambda: _end(logs), clock=clock, observer=observer)
    return Ourselves(about, control, state)


def store_name(settings: Settings) -> str:
    """Say which kind of database is used."""
    return "sqlite" if settings.store.database_url is None else "postgresql"


def _features(settings: Settings, dependencies: Sequence[str]) -> list[str]:
    """Name what is switched on and has no path of its own; what is found by its path need not be named."""
    switched_on = {
        "registry-keys": "registry" in dependencies,
        "registry-membership": settings.mesh.registry_url is not None,
        "orchestrator-membership": settings.mesh.orchestrator_url is not None,
        "orchestrator-tasks": settings.mesh.orchestrator_url is not None,
        "sample-data": settings.server.environment != "production",
    }
    return [feature for feature, on in switched_on.items() if on]


def _end(logs: Logs) -> None:
    """End the process without any cleaning up; what was acknowledged is on disk, which is all that was promised."""
    logs.close()
    # 0, so that a supervisor that restarts what has failed lets it lie
    os._exit(0)
