from dataclasses import dataclass
from datetime import timedelta
from mmap import mmap

import pytest
from tests.fakes import FakeClock

from airtable_connector.ops import OwnUsage, ProcessWatch

pytestmark = pytest.mark.anyio


@dataclass
class Machine:
    """A process that has used so much."""

    cpu: float = 100.0
    memory: int = 50 * 1024 * 1024

    def cpu_seconds(self) -> float:
        return self.cpu

    def memory_bytes(self) -> int:
        return self.memory


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
    usage = OwnUsage()
    cpu, memory = usage.cpu_seconds(), usage.memory_bytes()
    with mmap(-1, 30_000_000) as held:  # not from the heap, which may hold freed memory of earlier tests
        for page in range(0, len(held), 4096):
            held[page] = 1
        sum(number * number for number in range(1_000_000))
        assert usage.cpu_seconds() > cpu
        assert usage.memory_bytes() - memory > 20_000_000
