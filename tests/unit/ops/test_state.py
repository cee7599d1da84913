from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.fakes import FakeClock, SpyObserver

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.ops import Metrics, ProcessWatch, Shutdown, State
from airtable_connector.records import Head

pytestmark = pytest.mark.anyio


class Machine:
    """A process that has used so much."""

    def cpu_seconds(self) -> float:
        return 3.0

    def memory_bytes(self) -> int:
        return 64 * 1024 * 1024


@dataclass
class Store:
    head: Head = field(default_factory=lambda: Head(7, b"\xab" * 32, 3))
    trouble: ConnectorError | None = None
    memory: int = 1_234
    recomputations: int = 2


@dataclass
class Process:
    draining: bool = False


def state_of(clock: FakeClock, store: Store, metrics: Metrics) -> tuple[State, Shutdown]:
    shutdown = Shutdown(lambda: None, leaving=Process(), wake=lambda: None, clock=clock, observer=SpyObserver())
    process = ProcessWatch(Machine(), clock=clock)
    state = State(
        metrics=metrics, process=process, shutdown=shutdown, workspace=store, store="sqlite", more={}, clock=clock
    )
    return state, shutdown


async def test_the_state_is_what_was_counted_and_measured() -> None:
    clock, metrics = FakeClock(), Metrics()
    state, _ = state_of(clock, Store(), metrics)
    await clock.advance(timedelta(seconds=100))
    for status in (200, 404, 503):
        metrics.finished("GET", "/sprints", status, 0.001, clock.monotonic())
    await clock.advance(timedelta(seconds=50))
    metrics.finished("GET", "/sprints", 200, 0.001, clock.monotonic())
    await clock.advance(timedelta(seconds=30))
    assert state.facts() == {
        "cpu_percent": 0.0,
        "memory_mb": 64.0,
        "uptime_seconds": 180.0,
        "requests_total": 4,
        "requests_per_minute": 1,
        "errors_last_hour": 1,
        "last_restart": "2026-01-05T12:00:00.000Z",
        "shutdown": None,
        "store": {"kind": "sqlite", "head": 7, "writable": True, "cache_bytes": 1_234, "recomputations": 2},
    }
    await clock.advance(timedelta(hours=1))
    assert (state.facts()["requests_total"], state.facts()["errors_last_hour"]) == (4, 0)


async def test_a_store_in_trouble_is_not_writable() -> None:
    state, _ = state_of(FakeClock(), Store(trouble=ConnectorError("the disk is full")), Metrics())
    assert state.facts()["store"]["writable"] is False


async def test_a_scheduled_shutdown_is_shown() -> None:
    state, shutdown = state_of(FakeClock(), Store(), Metrics())
    shutdown.schedule(timedelta(seconds=90), reason="new version", by=5)
    assert state.facts()["shutdown"] == {
        "reason": "new version",
        "scheduled_at": "2026-01-05T12:00:00.000Z",
        "due_at": "2026-01-05T12:01:30.000Z",
        "by": 5,
    }
