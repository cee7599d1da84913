"""The month's calls in the store: several processes, and one that is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes import FakeClock

from airtable_connector.airtable import BLOCK, CloudQuotaSpent, Month, Noted
from airtable_connector.airtable.budget import CallMeter
from airtable_connector.database import Database, DatabaseLocation, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.sync.budget import StoredLedger

pytestmark = pytest.mark.anyio

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)

COUNT = """
import asyncio, sys
from pathlib import Path

from airtable_connector.airtable.budget import CallMeter
from airtable_connector.database import PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret
from airtable_connector.sync.budget import StoredLedger


async def count(kind, place):
    clock = SystemClock()
    location = SqliteFile(Path(place)) if kind == "sqlite" else PostgresServer(Secret(place))
    async with open_database(location, clock=clock) as database:
        meter = CallMeter(StoredLedger(database), clock=clock)
        while True:
            await meter.count()
            print(clock.now().strftime("%Y-%m"), flush=True)


asyncio.run(count(*sys.argv[1:]))
"""


def started(program: str, location: DatabaseLocation, folder: Path) -> "subprocess.Popen[str]":
    place = ["sqlite", str(location.path)] if isinstance(location, SqliteFile) else ["pg", location.url.reveal()]
    return subprocess.Popen([sys.executable, "-c", program, *place], stdout=subprocess.PIPE, text=True, cwd=folder)


@pytest.fixture
async def elsewhere(location: DatabaseLocation, database: Database) -> AsyncIterator[Database]:
    """The same database, opened as another process does."""
    async with open_database(location, clock=SystemClock()) as opened:
        yield opened


async def test_a_month_that_nobody_called_in_has_no_calls(database: Database) -> None:
    ledger = StoredLedger(database)
    assert ledger.known(JANUARY) == Noted(0, spent=False)
    assert await ledger.look(JANUARY) == Noted(0, spent=False)


async def test_what_was_noted_is_there_for_all_and_each_month_for_itself(
    database: Database, elsewhere: Database
) -> None:
    ours, theirs = StoredLedger(database), StoredLedger(elsewhere)
    assert await ours.add(JANUARY, 10) == Noted(10, spent=False)
    assert await theirs.add(JANUARY, 7) == Noted(17, spent=False)
    assert await ours.add(FEBRUARY, 1) == Noted(1, spent=False)
    assert ours.known(JANUARY) == Noted(0, spent=False)  # it looked at another month last
    assert await ours.look(JANUARY) == Noted(17, spent=False)
    assert ours.known(JANUARY) == Noted(17, spent=False)


async def test_nothing_is_lost_when_processes_note_at_the_same_time(database: Database, elsewhere: Database) -> None:
    ledgers = [StoredLedger(database), StoredLedger(elsewhere)]
    await asyncio.gather(*(ledger.add(JANUARY, number) for ledger in ledgers for number in range(1, 21)))
    assert await ledgers[0].look(JANUARY) == Noted(420, spent=False)


async def test_a_month_that_is_spent_stays_so_for_all_until_it_is_reopened(
    database: Database, elsewhere: Database
) -> None:
    ours, theirs = StoredLedger(database), StoredLedger(elsewhere)
    await ours.mark_spent(JANUARY)
    assert ours.known(JANUARY) == Noted(0, spent=True)
    assert await theirs.add(JANUARY, 3) == Noted(3, spent=True)
    assert await theirs.look(FEBRUARY) == Noted(0, spent=False)
    await theirs.reopen(JANUARY)
    await theirs.reopen(FEBRUARY)
    assert await ours.look(JANUARY) == Noted(3, spent=False)


async def test_another_process_makes_no_call_in_a_spent_month(
    database: Database, elsewhere: Database, clock: FakeClock
) -> None:
    first, second = (CallMeter(StoredLedger(each), clock=clock) for each in (database, elsewhere))
    first.spend()
    with pytest.raises(CloudQuotaSpent):
        await first.count()
    with pytest.raises(CloudQuotaSpent) as refused:
        await second.count()
    assert refused.value.retry_after == JANUARY.ends - clock.now()
    clock.step(JANUARY.ends - clock.now())
    await second.count()


async def test_a_killed_process_leaves_its_calls_noted_and_less_than_a_block_more(
    location: DatabaseLocation, database: Database, tmp_path: Path
) -> None:
    process = started(COUNT, location, tmp_path)
    assert process.stdout is not None
    with process.stdout as lines:
        counted = [lines.readline().strip() for _ in range(3 * BLOCK + 4)]
        os.kill(process.pid, signal.SIGKILL)
        counted += [line.strip() for line in lines]  # what it counted before the signal reached it
    assert process.wait(10) == -signal.SIGKILL

    for month in set(counted):
        year, number = map(int, month.split("-"))
        noted = await StoredLedger(database).look(Month(year, number))
        # a line may be missing for the call that was counted last
        assert counted.count(month) <= noted.calls <= counted.count(month) + BLOCK
