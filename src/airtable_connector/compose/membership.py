"""Joining the mesh: the Registry, the Orchestrator and its tasks, each a step; and taking leave of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from airtable_connector import __version__
from airtable_connector.compose.preparation import Preparation
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import Step, Supervisor
from airtable_connector.mesh import (
    ORCHESTRATOR,
    REGISTRY,
    Condition,
    Contacts,
    Introduction,
    OrchestratorMember,
    PeerClient,
    RegistryMember,
    Rhythm,
    TaskHandler,
    TaskRunner,
    read_private_key,
)
from airtable_connector.settings import Settings
from airtable_connector.web.http import Lifecycle

LEAVE_WITHIN: Final = timedelta(seconds=3)
"""How long the farewells to all peers may take together."""

LONGEST_START: Final = timedelta(seconds=2)
"""When the first round begins at the latest: not before we answer, and not when all others of a restarted mesh do."""

DATA: Final = ("sprints", "cells", "proof", "heartbeats")
"""What we are asked for besides tasks."""


@dataclass(frozen=True)
class Membership:
    """Where we are members, and what is known of every peer."""

    contacts: Contacts
    registry: RegistryMember | None
    orchestrator: OrchestratorMember | None


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a membership is handed in from the other rooms."""

    client: PeerClient
    preparation: Preparation
    contacts: Contacts
    supervisor: Supervisor
    lifecycle: Lifecycle
    condition: Callable[[], Condition]
    machine: Callable[[], Mapping[str, float]]
    metrics: Callable[[], Mapping[str, JsonValue]]
    clock: Clock
    ids: Ids
    observer: Observer


def configured_peers(settings: Settings) -> frozenset[str]:
    """Name the peers that the settings want us to be a member of."""
    urls = {REGISTRY: settings.mesh.registry_url, ORCHESTRATOR: settings.mesh.orchestrator_url}
    return frozenset(name for name, url in urls.items() if url is not None)


@asynccontextmanager
async def open_membership(
    settings: Settings, around: Surroundings, *, handlers: Mapping[str, TaskHandler]
) -> AsyncIterator[Membership]:
    """Begin to join what is configured; when the process drains, and at the end, take leave.

    Nothing is waited for: peers that are away are joined when they come. The steps' names are ``registry``,
    ``orchestrator``, ``orchestrator.tasks`` and ``membership.leave``.

    Raises:
        AddressRefused: a peer's address must not be asked.
        KeyFileMissing: the file of the mesh's private key is not there.
        KeyFileExposed: others than its owner may read it.
        KeyFileUnreadable: it cannot be read.
    """
    us = _introduction(settings, handlers)
    registry = _registry(settings, around, us)
    orchestrator = _orchestrator(settings, around, us, await asyncio.to_thread(_shared_key, settings))
    supervisor, one_leaves = around.supervisor, asyncio.Lock()
    members = [member for member in (registry, orchestrator) if member is not None]

    async def leave() -> None:
        async with one_leaves:
            await asyncio.gather(*(member.leave(LEAVE_WITHIN) for member in members))

    async def leave_when_draining() -> timedelta:
        # at once, so that nobody sends us anything while we finish
        await around.lifecycle.wait_for_drain()
        await leave()
        return timedelta(days=365)

    if registry is not None:
        supervisor.start("registry", _begun_later(registry.beat_once, settings.mesh.registry_interval, around))
    if orchestrator is not None:
        every = settings.mesh.orchestrator_interval
        runner = _runner(settings, around, orchestrator, handlers)
        supervisor.start("orchestrator", _begun_later(orchestrator.beat_once, every, around))
        supervisor.start("orchestrator.tasks", around.preparation.before(runner.work_once))
    if members:
        supervisor.start("membership.leave", leave_when_draining)
    try:
        yield Membership(around.contacts, registry, orchestrator)
    finally:
        await leave()


def _introduction(settings: Settings, handlers: Mapping[str, TaskHandler]) -> Introduction:
    droplet = settings.droplet
    return Introduction(
        droplet=droplet.id,
        registry_id=droplet.registry_id,
        name=droplet.name,
        steward=droplet.steward,
        endpoint=droplet.url,
        version=__version__,
        environment=settings.server.environment,
        cost_per_hour=float(droplet.cost_per_hour),
        capabilities=(*DATA, *sorted(handlers)),
    )


def _registry(settings: Settings, around: Surroundings, us: Introduction) -> RegistryMember | None:
    mesh = settings.mesh
    if mesh.registry_url is None:
        return None
    return RegistryMember(
        mesh.registry_url,
        key=mesh.registry_key,
        introduction=us,
        registers=mesh.auto_register,
        client=around.client,
        contacts=around.contacts,
        rhythm=Rhythm(mesh.registry_interval, jitter=around.ids.fraction),
        condition=around.condition,
        load=around.machine,
        clock=around.clock,
        observer=around.observer,
        plain_http_hosts=frozenset(mesh.plain_http_hosts),
    )


def _orchestrator(
    settings: Settings, around: Surroundings, us: Introduction, key: Secret | None
) -> OrchestratorMember | None:
    mesh = settings.mesh
    if mesh.orchestrator_url is None:
        return None
    return OrchestratorMember(
        mesh.orchestrator_url,
        key=key,
        introduction=us,
        registers=mesh.auto_register,
        client=around.client,
        contacts=around.contacts,
        rhythm=Rhythm(mesh.orchestrator_interval, jitter=around.ids.fraction),
        condition=around.condition,
        metrics=around.metrics if mesh.report_state else None,
        clock=around.clock,
        ids=around.ids,
        observer=around.observer,
        plain_http_hosts=frozenset(mesh.plain_http_hosts),
    )


def _runner(
    settings: Settings,
    around: Surroundings,
    orchestrator: OrchestratorMember,
    handlers: Mapping[str, TaskHandler],
) -> TaskRunner:
    return TaskRunner(
        handlers,
        orchestrator=orchestrator,
        droplet=settings.droplet.id,
        every=settings.mesh.task_interval,
        clock=around.clock,
        jitter=around.ids.fraction,
        observer=around.observer,
    )


def _shared_key(settings: Settings) -> Secret | None:
    path = settings.mesh.private_key_file
    return None if path is None or settings.mesh.orchestrator_url is None else read_private_key(path)


def _begun_later(step: Step, interval: timedelta, around: Surroundings) -> Step:
    """Put a step's first round off by a part of its interval that is left to chance."""
    waits = [min(interval, LONGEST_START) * (0.1 + 0.9 * around.ids.fraction())]

    async def begin() -> timedelta | None:
        return waits.pop() if waits else await step()

    return around.preparation.before(begin)
