"""Who may call: one at a time, over either store, whatever the clocks say."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fakes import FakeClock, SpyObserver
from tests.fakes.store import FakeStore

from airtable_connector.database import CommitUnknown, Database, DatabaseLocation, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.sync.lease import (
    LOOK_EVERY,
    MARGIN,
    RENEW_EVERY,
    TERM,
    Lease,
    LeaseEnded,
    LeaseTaken,
    held_until,
)

pytestmark = pytest.mark.anyio

HOLD = """
import asyncio, sys
from pathlib import Path

from airtable_connector.database import PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.observer import BlindObserver
from airtable_connector.kernel.secret import Secret
from airtable_connector.sync.lease import Lease


async def hold(kind, place):
    clock = SystemClock()
    location = SqliteFile(Path(place)) if kind == "sqlite" else PostgresServer(Secret(place))
    async with open_database(location, clock=clock) as database:
        lease = Lease(database, "airtable", owner="the other process", clock=clock, observer=BlindObserver())
        await lease.keep_once()
        print(lease.held, flush=True)
        while True:
            await lease.keep_once()


asyncio.run(hold(*sys.argv[1:]))
"""


class Replica:
    """A process with a clock of its own."""

    def __init__(self, database: Database, owner: str) -> None:
        self.clock = FakeClock()
        self.observer = SpyObserver()
        self.lease = Lease(database, "airtable", owner=owner, clock=self.clock, observer=self.observer)

    @property
    def news(self) -> list[type]:
        return [type(fact) for fact in self.observer.facts]


def started(program: str, location: DatabaseLocation, folder: Path) -> "subprocess.Popen[str]":
    place = ["sqlite", str(location.path)] if isinstance(location, SqliteFile) else ["pg", location.url.reveal()]
    return subprocess.Popen([sys.executable, "-c", program, *place], stdout=subprocess.PIPE, text=True, cwd=folder)


@pytest.fixture
async def elsewhere(location: DatabaseLocation, database: Database) -> AsyncIterator[Database]:
    """The same database, opened as another process does."""
    async with open_database(location, clock=SystemClock()) as opened:
        yield opened


@pytest.fixture
def first(database: Database) -> Replica:
    return Replica(database, "first")


@pytest.fixture
def second(elsewhere: Database) -> Replica:
    return Replica(elsewhere, "second")


async def both_advance(by: timedelta, *replicas: Replica) -> None:
    for replica in replicas:
        await replica.clock.advance(by)


async def test_the_first_that_asks_has_it_and_the_other_looks_on(first: Replica, second: Replica) -> None:
    assert not first.lease.held
    assert await first.lease.keep_once() == RENEW_EVERY
    assert await second.lease.keep_once() == LOOK_EVERY
    assert (first.lease.held, second.lease.held) == (True, False)
    assert (first.news, second.news) == ([LeaseTaken], [])


async def test_of_many_that_ask_at_once_one_has_it(database: Database, elsewhere: Database) -> None:
    replicas = [Replica(each, f"{place} {n}") for n in range(5) for place, each in enumerate((database, elsewhere))]
    await asyncio.gather(*(replica.lease.keep_once() for replica in replicas))
    assert sum(replica.lease.held for replica in replicas) == 1


async def test_of_many_that_find_it_run_out_at_once_one_has_it(database: Database, elsewhere: Database) -> None:
    await Replica(database, "gone").lease.keep_once()
    replicas = [Replica(each, f"{place} {n}") for n in range(5) for place, each in enumerate((database, elsewhere))]
    for _ in range(2):
        await asyncio.gather(*(replica.lease.keep_once() for replica in replicas))
        await both_advance(TERM, *replicas)
    assert sum(replica.lease.held for replica in replicas) == 0  # they hold it for less than a term
    assert sum(LeaseTaken in replica.news for replica in replicas) == 1


async def test_who_renews_keeps_it(first: Replica, second: Replica) -> None:
    for _ in range(20):
        await first.lease.keep_once()
        await second.lease.keep_once()
        await both_advance(RENEW_EVERY, first, second)
        assert (first.lease.held, second.lease.held) == (True, False)
    assert first.news == [LeaseTaken]


async def test_it_is_taken_over_when_it_was_not_renewed_for_a_term_and_held_by_one_at_a_time(
    first: Replica, second: Replica
) -> None:
    await first.lease.keep_once()
    await second.lease.keep_once()
    await both_advance(TERM - MARGIN, first, second)
    assert not first.lease.held
    await second.lease.keep_once()
    assert not second.lease.held
    await both_advance(MARGIN, first, second)
    await second.lease.keep_once()
    assert second.lease.held

    assert await first.lease.keep_once() == LOOK_EVERY
    assert not first.lease.held
    assert first.news == [LeaseTaken, LeaseEnded]


async def test_who_was_late_and_was_not_succeeded_has_it_again(first: Replica) -> None:
    await first.lease.keep_once()
    await first.clock.advance(10 * TERM)
    assert not first.lease.held
    await first.lease.keep_once()
    assert first.lease.held


async def test_who_renews_at_the_last_moment_is_not_succeeded(first: Replica, elsewhere: Database) -> None:
    store = FakeStore(elsewhere)
    second = Replica(store, "second")
    await first.lease.keep_once()
    await second.lease.keep_once()
    await both_advance(TERM, first, second)

    async def first_renews() -> None:
        await first.lease.keep_once()

    store.before = first_renews  # after the other has looked, and before it takes
    await second.lease.keep_once()
    assert (first.lease.held, second.lease.held) == (True, False)


async def test_who_was_not_told_that_it_has_it_has_it_with_the_next_round(database: Database) -> None:
    store = FakeStore(database)
    replica = Replica(store, "first")
    store.silent = True
    for _ in range(2):
        with pytest.raises(CommitUnknown):
            await replica.lease.keep_once()
        assert not replica.lease.held
    store.silent = False
    await replica.lease.keep_once()
    assert replica.lease.held


async def test_it_runs_out_while_the_store_is_silent(database: Database) -> None:
    store = FakeStore(database)
    replica = Replica(store, "first")
    await replica.lease.keep_once()
    store.silent = True
    for _ in range(4):
        await replica.clock.advance(RENEW_EVERY)
        with pytest.raises(CommitUnknown):
            await replica.lease.keep_once()
    assert not replica.lease.held
    assert replica.news == [LeaseTaken, LeaseEnded]


@pytest.mark.parametrize("wrong", [timedelta(hours=-3), timedelta(seconds=-4), timedelta(seconds=4), timedelta(days=2)])
async def test_a_wall_clock_that_is_wrong_neither_hands_it_over_nor_keeps_it(
    first: Replica, second: Replica, wrong: timedelta
) -> None:
    second.clock.step(wrong)
    await first.lease.keep_once()
    for _ in range(10):
        await second.lease.keep_once()
        await both_advance(RENEW_EVERY, first, second)
        await first.lease.keep_once()
        assert (first.lease.held, second.lease.held) == (True, False)
    await second.lease.keep_once()
    await both_advance(TERM, first, second)
    await second.lease.keep_once()
    assert (first.lease.held, second.lease.held) == (False, True)


async def test_a_machine_that_was_asleep_holds_nothing_although_its_ticks_stood_still(first: Replica) -> None:
    await first.lease.keep_once()
    first.clock.step(TERM)
    assert not first.lease.held


async def test_one_that_is_given_up_is_free_at_once(first: Replica, second: Replica) -> None:
    await first.lease.keep_once()
    await second.lease.keep_once()
    await second.lease.give_up()  # which is not its to give up
    await second.lease.keep_once()
    assert (first.lease.held, second.lease.held) == (True, False)
    await first.lease.give_up()
    assert not first.lease.held
    await second.lease.keep_once()
    assert second.lease.held
    assert first.news == [LeaseTaken, LeaseEnded]


async def test_leases_of_other_names_are_others(first: Replica, second: Replica) -> None:
    await first.lease.keep_once()
    other = Lease(second.lease._database, "beats", owner="second", clock=second.clock, observer=second.observer)
    await other.keep_once()
    assert other.held


async def test_a_step_rests_while_the_lease_is_not_held(first: Replica) -> None:
    rounds: list[str] = []

    async def step() -> timedelta:
        rounds.append("done")
        return timedelta(minutes=5)

    guarded = first.lease.while_held(step)
    assert await guarded() == LOOK_EVERY
    assert rounds == []
    await first.lease.keep_once()
    assert await guarded() == timedelta(minutes=5)
    assert rounds == ["done"]


async def test_a_process_that_is_killed_is_succeeded_a_term_later(
    location: DatabaseLocation, second: Replica, tmp_path: Path
) -> None:
    process = started(HOLD, location, tmp_path)
    assert process.stdout is not None
    with process.stdout as lines:
        assert lines.readline().strip() == "True"
        await second.lease.keep_once()
        assert not second.lease.held
        os.kill(process.pid, signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL

    await second.lease.keep_once()  # sees its last renewal
    await second.clock.advance(TERM - timedelta(milliseconds=1))
    await second.lease.keep_once()
    assert not second.lease.held
    await second.clock.advance(timedelta(milliseconds=1))
    await second.lease.keep_once()
    assert second.lease.held


async def test_it_is_known_to_be_anothers_once_that_one_was_seen_renewing_it(
    database: Database, first: Replica, second: Replica
) -> None:
    assert await held_until(database, "airtable") is None
    await first.lease.keep_once()
    until = await held_until(database, "airtable")
    assert until == first.clock.now() + TERM - MARGIN
    await second.lease.keep_once()
    await second.lease.keep_once()
    assert not second.lease.is_anothers  # it may be that of a process that was killed
    await first.lease.keep_once()
    await second.lease.keep_once()
    assert second.lease.is_anothers
    assert not first.lease.is_anothers
