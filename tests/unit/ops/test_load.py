from datetime import timedelta
from pathlib import Path

import pytest
from tests.fakes import FakeClock

from airtable_connector.ops import Load, Metrics

pytestmark = pytest.mark.anyio


async def test_the_processor_is_told_of_only_once_a_window_has_ended(tmp_path: Path) -> None:
    clock = FakeClock()
    load = Load(Metrics(), tmp_path, clock=clock)
    assert "cpu" not in load.machine()
    assert "cpu_percent" not in load.process()

    await clock.advance(timedelta(seconds=1))
    machine, process = load.machine(), load.process()
    assert machine.keys() == {"cpu", "mem", "disk"}
    assert all(0 <= percent <= 100 for percent in machine.values())
    assert process["cpu_percent"] >= 0


async def test_two_who_ask_at_once_are_told_the_same_window(tmp_path: Path) -> None:
    clock = FakeClock()
    load = Load(Metrics(), tmp_path, clock=clock)
    load.prepare()
    await clock.advance(timedelta(seconds=30))
    assert load.machine()["cpu"] == load.machine()["cpu"]


async def test_the_process_is_told_of_as_its_metrics_say(tmp_path: Path) -> None:
    clock, metrics = FakeClock(), Metrics()
    load = Load(metrics, tmp_path, clock=clock)
    await clock.advance(timedelta(seconds=90))
    for status in (200, 500):
        metrics.finished("GET", "/sprints", status, 0.001, clock.monotonic())
    told = load.process()
    assert told["memory_mb"] > 10
    assert {name: told[name] for name in told.keys() - {"cpu_percent", "memory_mb"}} == {
        "uptime_seconds": 90,
        "requests_total": 2,
        "requests_per_minute": 2,
        "errors_last_hour": 1,
    }
