from datetime import timedelta
from pathlib import Path

import pytest
from tests.fakes import FakeClock

from airtable_connector.ops import MachineLoad

pytestmark = pytest.mark.anyio


async def test_the_processor_is_told_of_only_once_a_window_has_ended(tmp_path: Path) -> None:
    clock = FakeClock()
    load = MachineLoad(tmp_path, clock=clock)
    assert "cpu" not in load.measure()

    await clock.advance(timedelta(seconds=1))
    told = load.measure()
    assert told.keys() == {"cpu", "mem", "disk"}
    assert all(0 <= percent <= 100 for percent in told.values())


async def test_two_who_ask_at_once_are_told_the_same_window(tmp_path: Path) -> None:
    clock = FakeClock()
    load = MachineLoad(tmp_path, clock=clock)
    load.prepare()
    await clock.advance(timedelta(seconds=30))
    assert load.measure()["cpu"] == load.measure()["cpu"]
