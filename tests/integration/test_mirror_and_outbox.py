"""Callers here and people there at work on the same records, while calls get lost: in the end both have the same.

The seed is printed, and repeats a run as far as the order of what happens at once allows.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.factories.records import a_field, a_table, choices
from tests.fakes import SpyObserver
from tests.fakes.ledger import FakeLedger
from tests.faults import COMMON, Dice, FaultyProxy
from tests.postgres import shared_server
from tests.service import Place, Service, running

from airtable_connector.airtable import AirtableClient, CloudSettings, PaceKeeper, PaceSettings
from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds, RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import StepFailed, Supervisor
from airtable_connector.records import (
    STANDARD_TABLES,
    Actor,
    Create,
    Delete,
    Done,
    FieldType,
    Query,
    RecordNotFound,
    Update,
    Workspace,
    WriteRequest,
    open_workspace,
)
from airtable_connector.sync.mirror import Mirror, MirrorSettings, Rhythm
from airtable_connector.sync.outbox import Outbox, OutboxSettings, Wording
from airtable_connector.sync.told import sent_cells, told_cells
from airtable_connector.web.airtable_api import DERIVED_ID

pytestmark = pytest.mark.anyio

THINGS = a_table(
    "Things",
    None,
    a_field("Name", FieldType.SINGLE_LINE_TEXT),
    a_field("Ours", FieldType.SINGLE_LINE_TEXT),
    a_field("Theirs", FieldType.SINGLE_LINE_TEXT),
    a_field("Number", FieldType.NUMBER, precision=0),
    a_field("Stage", FieldType.SINGLE_SELECT, choices=choices("one", "two")),
)
STEPS = 60
QUIET_WITHIN_S = 60.0
SECOND = timedelta(seconds=1)
CALLER = Actor(5, "00000000-0000-4000-8000-0000000000aa")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Service]:
    with running(prepared(Place(tmp_path / "cloud"), (*STANDARD_TABLES, THINGS))) as service:
        yield service


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseLocation:
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "mirror.db")
    return PostgresServer(Secret(shared_server().new_database()))


@dataclass
class Both:
    workspace: Workspace
    mirror: Mirror
    outbox: Outbox
    observer: SpyObserver

    async def write(self, operation: Create | Update | Delete) -> Done | None:
        try:
            done = await self.workspace.write(WriteRequest(CALLER, (operation,)))
        except RecordNotFound:
            return None  # people there were faster
        assert isinstance(done, Done)
        return done

    async def quiet(self) -> None:
        """Return when all that callers wrote is settled, and all that was asked for before now is here."""
        async with asyncio.timeout(QUIET_WITHIN_S):
            while True:
                await self.outbox.take()
                counts = await self.outbox.counts()
                if not (counts.waiting or counts.under_way or counts.unknown or counts.refused):
                    break
                await self.workspace.advance_beyond(self.workspace.head.seq, within=SECOND / 20)
            assert await self.mirror.reach(timedelta(0), within=timedelta(seconds=QUIET_WITHIN_S))


@asynccontextmanager
async def kept_alike(cloud: Service, address: str, location: DatabaseLocation) -> AsyncIterator[Both]:
    clock, ids, observer = SystemClock(), RandomIds(), SpyObserver()
    keeper = PaceKeeper(PaceSettings(per_window=10_000), FakeLedger(), clock=clock, observer=observer)
    settings = CloudSettings(Secret(cloud.token("read,write,admin")), DERIVED_ID, address, 5 * SECOND)
    client = AirtableClient(settings, keeper, clock=clock, observer=observer)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(location, clock=clock))
        workspace = await stack.enter_async_context(
            open_workspace(database, clock=clock, ids=ids, observer=observer, tables=())
        )
        stack.push_async_callback(client.close)
        # lost calls are looked at as soon as they have timed out
        wishes = OutboxSettings(look_after=SECOND / 5)
        outbox = Outbox(
            workspace,
            database,
            client,
            Wording(told_cells, sent_cells),
            wishes,
            clock=clock,
            ids=ids,
            observer=observer,
        )
        await outbox.open()
        supervisor = await stack.enter_async_context(Supervisor(clock=clock, observer=observer))
        mirror = Mirror(
            workspace,
            database,
            client,
            outbox,
            settings=MirrorSettings(),
            rhythm=Rhythm(poll=lambda: SECOND / 20, compare=lambda: SECOND / 5, allows=lambda _lane: True),
            wake=supervisor.wake,
            clock=clock,
            ids=ids,
            observer=observer,
        )
        await mirror.open()
        if mirror.age is None:
            assert await mirror.sync_now()
        for name, step in {**mirror.steps, **outbox.steps()}.items():
            supervisor.start(name, step)
        yield Both(workspace, mirror, outbox, observer)


class Callers:
    """Writes here, and knows what it was told is done."""

    def __init__(self, both: Both, dice: random.Random) -> None:
        self._both = both
        self._dice = dice
        self.made: dict[str, RecordId] = {}
        self.ours: dict[str, str] = {}

    async def act(self, number: int) -> None:
        table = self._both.workspace.table("Things")
        kind = self._dice.choice(["make", "change", "change", "both", "drop"])
        name = self._dice.choice([*self.made, ""])
        if kind == "make" or not name:
            new = f"made {number}"
            done = await self._both.write(Create(table, {"Name": new, "Ours": f"first {number}", "Stage": "one"}))
            assert done is not None
            assert done.written[0].record is not None
            self.made[new] = done.written[0].record.id
            self.ours[new] = f"first {number}"
        elif kind == "drop" and len(self.made) > 5:
            await self._both.write(Delete(table, self.made.pop(name)))
            del self.ours[name]
        else:
            cells: dict[str, Any] = {"Ours": f"ours {number}"}
            if kind == "both":
                cells["Number"] = number
            if await self._both.write(Update(table, self.made[name], cells)):
                self.ours[name] = f"ours {number}"


def people(wire: Wire, dice: random.Random, number: int) -> None:
    """Edit something there, as people do: never the field that only callers write."""
    records = wire.list("Things")
    kind = dice.choice(["make", "change", "change", "both"])
    if kind == "make" or not records:
        wire.create("Things", {"Name": f"theirs {number}", "Theirs": "new"})
        return
    record = dice.choice(records)["id"]
    cells = {"Theirs": f"theirs {number}", **({"Number": -number} if kind == "both" else {})}
    # it may be gone by now
    wire.ask("PATCH", wire.path("Things", record), json={"fields": cells})


async def here(both: Both) -> dict[str, dict[str, Any]]:
    table = both.workspace.table("Things")
    page = await both.workspace.page(Query(table))
    return {record["id"]: record["fields"] for record in map(orjson.loads, page.records)}


def there(wire: Wire) -> dict[str, dict[str, Any]]:
    records = wire.list("Things", pageSize=100)
    assert len(records) < 100
    return {record["id"]: record["fields"] for record in records}


@pytest.mark.parametrize("seed", [None, 2_026])
async def test_both_sides_have_the_same_in_the_end_and_nothing_that_was_acknowledged_is_lost(
    cloud: Service, location: DatabaseLocation, seed: int | None
) -> None:
    faults = Dice(dict.fromkeys(COMMON, 0.02), seed=seed)
    dice = random.Random(faults.seed)
    with FaultyProxy(cloud.address, dice=faults) as proxy, cloud.client() as client:
        wire = Wire(client)
        async with kept_alike(cloud, cloud.address, location):
            pass  # the first copy, without faults
        async with kept_alike(cloud, proxy.address, location) as both:
            callers = Callers(both, dice)
            for number in range(STEPS):
                if dice.random() < 0.6:
                    await callers.act(number)
                else:
                    await asyncio.to_thread(people, wire, dice, number)
            await both.quiet()
            shown, stored = await here(both), there(wire)
            assert shown == stored
            table = both.workspace.table("Things")
            for name, record in callers.made.items():
                found = await both.workspace.find(table, record)
                assert found is not None, name
                assert stored[found.id]["Ours"] == callers.ours[name]
            names = [cells["Name"] for cells in stored.values()]
            assert len(set(names)) == len(names)
            bugs = [fact for fact in both.observer.facts if isinstance(fact, StepFailed)]
            assert {type(fact.error).__name__ for fact in bugs} <= {"CloudUnavailable", "CloudOutcomeUnknown"}
        async with kept_alike(cloud, cloud.address, location) as both:
            assert not await both.mirror.verify()
