from dataclasses import dataclass
from datetime import timedelta

import pytest
from tests.fakes import FakeClock

from airtable_connector.ops import ProcessWatch, Usage, usage_of_this_process

pytestmark = pytest.mark.anyio


@dataclass
class Machine:
    """A process that has used so much."""

    cpu: float = 100.0
    memory: int = 50 * 1024 * 1024

    def __call__(self) -> Usage:
        return Usage(self.cpu, self.memory)


async def test_the_processor_is_measured_between_the_last_look_but_one_and_now() -> None:
    clock, machine = FakeClock(), Machine()
    watch = ProcessWatch(machine, clock=clock)
    for used in (4.0, 1.0, 0.5):
        await clock.advance(timedelta(seconds=5))
        machine.cpu += used
        assert await watch.look_once() == timedelta(seconds=5)
    assert watch.cpu_percent() == 10.0  # the half second of the last five
    await clock.advance(timedelta(seconds=5))
    machine.cpu += 7.0
    assert watch.cpu_percent() == 75.0  # and seven of the five since: two threads


async def test_before_the_first_look_it_is_measured_since_the_beginning() -> None:
    clock, machine = FakeClock(), Machine()
    watch = ProcessWatch(machine, clock=clock)
    assert watch.cpu_percent() == 0.0
    await clock.advance(timedelta(seconds=2))
    machine.cpu += 1.0
    assert watch.cpu_percent() == 50.0


async def test_memory_is_what_is_held_now() -> None:
    machine = Machine()
    watch = ProcessWatch(machine, clock=FakeClock())
    assert watch.memory_mib() == 50.0
    machine.memory *= 2
    assert watch.memory_mib() == 100.0


async def test_this_process_is_measured() -> None:
    read = usage_of_this_process()
    before = read()
    held = bytearray(30_000_000)
    held[::4096] = b"x" * len(held[::4096])
    sum(number * number for number in range(1_000_000))
    after = read()
    assert after.cpu_seconds > before.cpu_seconds
    assert after.memory_bytes - before.memory_bytes > 20_000_000
