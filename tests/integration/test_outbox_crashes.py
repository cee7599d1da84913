"""The outbox ends at any moment and begins anew: each write takes effect once all the same."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TypeAlias

import pytest
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.factories.cloud import CLOUD_TABLES, HERE, WAIT, Side, one_side
from tests.faults import Dice, Fault, FaultyProxy
from tests.postgres import shared_server
from tests.service import Place, Service, running

from airtable_connector.database import (
    Database,
    DatabaseLocation,
    Dialect,
    PostgresServer,
    Reader,
    SqliteFile,
    StoreUnavailable,
    Transaction,
)
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import STANDARD_TABLES, Create, Delete, Done, Table, Update
from airtable_connector.sync.outbox import ReceiptState

pytestmark = pytest.mark.anyio

PLAIN, KEYED, OWN, _ = HERE.values()


class CrashingDatabase:
    """A database that goes away at the ``at``-th commit, before it or right after it, and stays away if it is to."""

    def __init__(self, database: Database, *, at: int, after: bool, stays_away: bool = True) -> None:
        self._stays_away = stays_away
        self._database = database
        self._at = at
        self._after = after
        self._commits = 0
        self.crashed = asyncio.Event()

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        self._check()
        async with self._database.transaction() as tx:
            yield tx
            self._commits += 1
            if self._commits == self._at and not self._after:
                self._crash()
            self._check()
        if self._commits == self._at and self._after:
            self._crash()

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._transaction()

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        self._check()
        return self._database.reading()

    async def foreign_commit(self) -> None:
        self._check()
        await self._database.foreign_commit()

    async def close(self) -> None:
        await self._database.close()

    def _crash(self) -> None:
        self.crashed.set()
        raise StoreUnavailable("io-error")

    def _check(self) -> None:
        if self.crashed.is_set() and self._stays_away:
            raise StoreUnavailable("io-error")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = prepared(Place(tmp_path_factory.mktemp("cloud") / "data"), (*STANDARD_TABLES, *CLOUD_TABLES))
    with running(place) as service:
        yield service


@pytest.fixture
def there(cloud: Service) -> Iterator[Wire]:
    with cloud.client() as client:
        wire = Wire(client)
        for table in CLOUD_TABLES:
            while found := [record["id"] for record in wire.list(table.name, pageSize=10)]:
                wire.ask("DELETE", wire.path(table.name), params={"records[]": found})
        yield wire


NewPlace: TypeAlias = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgres"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> NewPlace:
    """Return what makes a new place for a base: a file's name or a URL."""
    if request.param == "postgres":
        return lambda: shared_server().new_database()
    numbers = itertools.count()
    return lambda: str(tmp_path / f"{next(numbers)}" / "records.db")


def location_of(place: str) -> DatabaseLocation:
    return PostgresServer(Secret(place)) if "://" in place else SqliteFile(Path(place))


async def written(side: Side, table: Table) -> list[Done]:
    """Write what the process that crashes is to send: four records, one of them changed and one deleted."""
    name = table.fields[0].name
    done = [await side.write(Create(table, {name: each})) for each in ("one", "two", "three", "four")]
    records = [each.written[0].record for each in done]
    assert records[1] is not None
    assert records[2] is not None
    done.append(await side.write(Update(table, records[1].id, {"Age": 7})))
    return done


async def settled(side: Side, done: list[Done]) -> None:
    for each in done:
        assert (await side.settled(each)).state is ReceiptState.DONE


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
@pytest.mark.parametrize("table", [PLAIN, KEYED, OWN], ids=["plain", "keyed", "own"])
async def test_whichever_commit_is_the_last_each_write_takes_effect_once(
    new_place: NewPlace,
    cloud: Service,
    there: Wire,
    table: Table,
    moment: str,
) -> None:
    key, name = cloud.token("read,write,admin"), table.fields[0].name
    for number in range(1, 100):
        location = location_of(new_place())
        async with one_side(location, cloud.address, key) as side:
            done = await written(side, table)
        if not await crashed(location, cloud, number, done, after=moment == "after the commit"):
            break
        async with one_side(location, cloud.address, key) as side:
            side.start()
            await settled(side, done)
            await side.settled(await side.write(Delete(table, record_of(done[2]))))
            stored = there.list(table.name)
            assert sorted((each["fields"][name], each["fields"].get("Age")) for each in stored) == WANTED, number
            ids = [each["id"] for each in stored]
            there.ask("DELETE", there.path(table.name), params={"records[]": ids})
    assert number > 5


WANTED = [("four", None), ("one", None), ("two", 7)]


def record_of(done: Done) -> str:
    record = done.written[0].record
    assert record is not None
    return record.id


async def crashed(location: DatabaseLocation, cloud: Service, number: int, done: list[Done], *, after: bool) -> bool:
    """Let a process send until it has committed so often; False when it was done before."""
    databases: list[CrashingDatabase] = []

    def wrapped(database: Database) -> Database:
        databases.append(CrashingDatabase(database, at=number, after=after))
        return databases[0]

    try:
        async with one_side(location, cloud.address, cloud.token("read,write,admin"), wrapped=wrapped) as side:
            side.start()
            crash = asyncio.ensure_future(databases[0].crashed.wait())
            end = asyncio.ensure_future(settled(side, done))
            await asyncio.wait({crash, end}, return_when=asyncio.FIRST_COMPLETED)
            crash.cancel()
            end.cancel()
            await asyncio.gather(crash, end, return_exceptions=True)
    except StoreUnavailable:
        return True  # it was not even opened
    return databases[0].crashed.is_set()


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
async def test_a_store_that_is_away_for_a_moment_is_no_harm(
    new_place: NewPlace, cloud: Service, there: Wire, moment: str
) -> None:
    """The process goes on; what it could not note is looked at."""
    for number in (7, 8, 9, 10):  # those of the first call and of what follows it
        location = location_of(new_place())
        databases: list[CrashingDatabase] = []

        def wrapped(
            database: Database, number: int = number, databases: list[CrashingDatabase] = databases
        ) -> Database:
            after = moment == "after the commit"
            databases.append(CrashingDatabase(database, at=number, after=after, stays_away=False))
            return databases[0]

        async with one_side(location, cloud.address, cloud.token("read,write,admin"), wrapped=wrapped) as side:
            done = [await side.write(Create(PLAIN, {"Name": name})) for name in ("one", "two")]
            side.start()
            await settled(side, done)
            assert databases[0].crashed.is_set(), number
        stored = there.list("Plain")
        assert sorted(each["fields"]["Name"] for each in stored) == ["one", "two"], number
        there.ask("DELETE", there.path("Plain"), params={"records[]": [each["id"] for each in stored]})


@pytest.mark.parametrize("table", ["Plain", "Keyed"])
async def test_killed_again_and_again_each_acknowledged_write_takes_effect_once(
    new_place: NewPlace, cloud: Service, there: Wire, table: str
) -> None:
    place, key = new_place(), cloud.token("read,write,admin")
    acknowledged: list[str] = []
    dice = Dice({Fault.LOST_ANSWER: 0.1, Fault.LATE_500: 0.1})
    with FaultyProxy(cloud.address, dice=dice) as proxy:
        for run in range(3):
            arguments = [place, proxy.address, key, table, f"run{run}"]
            acknowledged += await asyncio.to_thread(until_killed, arguments, proxy, calls=1 + run)
        async with one_side(location_of(place), proxy.address, key) as side:
            side.start()
            await quiet(side)
    stored = [record["fields"]["Name"] for record in there.list(table, pageSize=100)]
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    assert len(acknowledged) > 4


def until_killed(arguments: list[str], proxy: FaultyProxy, *, calls: int) -> list[str]:
    """Let a process write and send until it has made so many calls, and return what it said was acknowledged."""
    seen = len(proxy.seen)
    with Popen([sys.executable, "-m", "tests.outbox_process", *arguments], stdout=PIPE, text=True) as process:
        try:
            proxy.wait_for(seen + calls)
        finally:
            process.kill()
        said, _ = process.communicate()
    return said.split("\n")[:-1]


async def quiet(side: Side) -> None:
    """Wait until nothing is on its way any more."""
    await side.outbox.take()
    async with asyncio.timeout(WAIT.total_seconds()):
        facts = -1
        while (await side.outbox.counts()).oldest is not None:
            await side.observer.until(lambda seen, facts=facts: len(seen.facts) > facts)
            facts = len(side.observer.facts)
