"""Heartbeats that go up: a base here, and a second connector as Airtable behind a proxy that lets things go wrong."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.factories.records import a_field, a_table
from tests.fakes import CountingIds, FakeClock, SpyObserver
from tests.fakes.ledger import FakeLedger
from tests.faults import Dice, Fault, FaultyProxy
from tests.faults.plan import COMMON
from tests.postgres import shared_server
from tests.service import Place, Service, environment, running

from airtable_connector.airtable import AirtableClient, CloudSettings, PaceKeeper, PaceSettings
from airtable_connector.database import Database, DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock, iso
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.ops import HeartbeatSettings, HeartbeatWatch
from airtable_connector.records import (
    HEARTBEATS,
    STANDARD_TABLES,
    Actor,
    Create,
    FieldType,
    Workspace,
    WriteRequest,
    open_workspace,
)
from airtable_connector.sync.beats import (
    CALL_EVERY,
    BeatSender,
    BeatsLeftOut,
    BeatsMode,
    BeatsRefused,
    BeatsSettings,
    BeatsWithoutTable,
)
from airtable_connector.sync.beats.layout import Column, Layout
from airtable_connector.sync.beats.rows import BeatRow, BeatRows
from airtable_connector.web.airtable_api import DERIVED_ID

pytestmark = pytest.mark.anyio

TEXT = FieldType.SINGLE_LINE_TEXT
KEYED = a_table(
    "Heartbeats",
    None,
    *(a_field(name, TEXT) for name in ("Cell_ID", "Status", "CONNECTOR_KEY")),
    *(a_field(name, FieldType.NUMBER, precision=1) for name in ("CPU_Usage", "RAM_Usage")),
    a_field("Timestamp", FieldType.DATE_TIME, timeZone="utc"),
)
UNFIT = a_table("Heartbeats", None, a_field("Cell_ID", FieldType.NUMBER, precision=0))
OTHERS = tuple(table for table in STANDARD_TABLES if table is not HEARTBEATS)
TABLES = {"keyed": (*OTHERS, KEYED), "plain": STANDARD_TABLES, "unfit": (*OTHERS, UNFIT)}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ME = Actor(5, "a-test")
ROOT = Path(__file__).resolve().parents[2]
ROUND = BeatsSettings().interval


class Clouds:
    """Second connectors, one for each form of the table; started when a test wants one, and emptied for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[Any, Service]] = {}

    def get(self, form: str) -> Service:
        if form not in self._running:
            context = running(prepared(Place(self._folder / form), TABLES[form]))
            self._running[form] = (context, context.__enter__())
        return self._running[form][1]

    def close(self) -> None:
        for context, _ in self._running.values():
            context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    opened = Clouds(tmp_path_factory.mktemp("clouds"))
    yield opened
    opened.close()


@pytest.fixture(params=["keyed", "plain"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cloud(clouds: Clouds, form: str) -> Service:
    return clouds.get(form)


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseLocation:
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "records.db")
    return PostgresServer(Secret(shared_server().new_database()))


class Mesh:
    """A base here with cells that beat, its sender, and a look at what Airtable has."""

    def __init__(
        self, workspace: Workspace, database: Database, clock: FakeClock, proxy: FaultyProxy, cloud: Service
    ) -> None:
        self.workspace = workspace
        self.database = database
        self.proxy = proxy
        self.observer = SpyObserver()
        self.clock = clock
        self.settings = BeatsSettings()
        self.allowed = True
        self.watch = HeartbeatWatch(
            workspace,
            database,
            clock=self.clock,
            ids=CountingIds(),
            observer=self.observer,
            settings=HeartbeatSettings(droplet=2),
        )
        self._wire_client = cloud.client()
        self.wire = Wire(self._wire_client)
        self._cloud = cloud
        self.client = self.new_client("read,write,admin")
        self.sender = self.new_sender()

    def new_client(self, permissions: str) -> AirtableClient:
        keeper = PaceKeeper(PaceSettings(per_window=10_000), FakeLedger(), clock=SystemClock(), observer=self.observer)
        settings = CloudSettings(
            Secret(self._cloud.token(permissions)), DERIVED_ID, self.proxy.address, timedelta(seconds=20)
        )
        return AirtableClient(settings, keeper, clock=SystemClock(), observer=self.observer)

    def new_sender(self, **settings: Any) -> BeatSender:
        """Begin anew, as another process would."""
        self.settings = BeatsSettings(**settings) if settings else self.settings
        self.sender = BeatSender(
            self.workspace,
            self.database,
            self.client,
            allows=lambda: self.allowed,
            clock=self.clock,
            observer=self.observer,
            settings=self.settings,
        )
        return self.sender

    async def close(self) -> None:
        await self.client.close()
        self._wire_client.close()

    async def beat(self, *cells: str, **fields: Any) -> None:
        told = {"CPU_Usage": 12.5, "RAM_Usage": 40.2, "Status": "active", **fields}
        at = iso(self.clock.now())
        creates = tuple(
            Create(HEARTBEATS, {"Cell_ID": cell, **told}, self.workspace.ids.record(), at) for cell in cells
        )
        await self.workspace.write(WriteRequest(ME, creates))

    async def go_on(self, span: timedelta) -> None:
        """Let time pass with the sender and the watch at work."""
        until = self.clock.now() + span
        while self.clock.now() < until:
            while await self.watch.fold_once() == timedelta(0):
                pass
            rest = await self.sender.send_once()
            assert rest is not None
            # a long time passes in longer steps, which no promise forbids
            await self.clock.advance(max(rest, span / 40))

    async def begin_an_hour(self) -> None:
        """Go on until a new hour has begun."""
        hour = self.clock.now().replace(minute=0, second=0, microsecond=0) + HOUR
        await self.go_on(hour + MINUTE - self.clock.now())

    def rows(self) -> list[dict[str, Any]]:
        """Return what a reader sees there."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while not found or "offset" in page:
            offset = {"offset": page["offset"]} if page else {}
            _, page = self.wire.ask("GET", self.wire.path("Heartbeats"), params=offset)
            found += page["records"]
            if not page["records"]:
                break
        return [record["fields"] for record in found]

    def shown(self) -> list[tuple[str, Any]]:
        return sorted((row["Cell_ID"], row.get("CPU_Usage")) for row in self.rows())

    def delete_there(self, **fields: Any) -> None:
        formula = "AND(" + ",".join(f"{{{name}}}='{value}'" for name, value in fields.items()) + ")"
        for record in self.wire.list("Heartbeats", filterByFormula=formula):
            self.wire.ask("DELETE", self.wire.path("Heartbeats", record["id"]))

    def empty(self) -> None:
        while records := self.wire.list("Heartbeats"):
            for first in range(0, len(records), 10):
                ids = [record["id"] for record in records[first : first + 10]]
                self.wire.ask("DELETE", self.wire.path("Heartbeats"), params={"records[]": ids})

    def calls(self) -> int:
        return len(self.proxy.seen)


SEND = """
import asyncio, json, sys
from datetime import timedelta
from pathlib import Path
from tests.fakes.ledger import FakeLedger
from airtable_connector.airtable import AirtableClient, CloudSettings, PaceKeeper, PaceSettings
from airtable_connector.database import PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.kernel.observer import BlindObserver
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import open_workspace
from airtable_connector.sync.beats import BeatSender, BeatsSettings

told = json.load(sys.stdin)
clock, observer = SystemClock(), BlindObserver()


async def send():
    location = SqliteFile(Path(told["file"])) if told["file"] else PostgresServer(Secret(told["url"]))
    keeper = PaceKeeper(PaceSettings(), FakeLedger(), clock=clock, observer=observer)
    settings = CloudSettings(Secret(told["key"]), told["base"], told["address"], timedelta(seconds=20))
    client = AirtableClient(settings, keeper, clock=clock, observer=observer)
    async with (
        open_database(location, clock=clock) as database,
        open_workspace(database, clock=clock, ids=RandomIds(), observer=observer, tables=()) as workspace,
    ):
        sender = BeatSender(
            workspace, database, client, allows=lambda: True, clock=clock, observer=observer, settings=BeatsSettings()
        )
        # the first call reads the schema; the next one need not wait for its time
        for _ in range(2):
            while await sender.send_once() == timedelta(0):
                pass
            sender._next_call_at = clock.monotonic()


asyncio.run(send())
"""
"""A process that makes two calls: for the schema, and for rows."""


def sending(location: DatabaseLocation, proxy: FaultyProxy, key: str) -> "subprocess.Popen[bytes]":
    """Start `SEND` on a store."""
    told = {
        "file": str(location.path) if isinstance(location, SqliteFile) else "",
        "url": location.url.reveal() if isinstance(location, PostgresServer) else "",
        "key": key,
        "base": DERIVED_ID,
        "address": proxy.address,
    }
    process = subprocess.Popen([sys.executable, "-c", SEND], stdin=subprocess.PIPE, cwd=ROOT, env=environment())
    assert process.stdin is not None
    process.stdin.write(json.dumps(told).encode())
    process.stdin.close()
    return process


class KilledError(Exception):
    """Stands for the end of the process: nothing of the sender is used after it."""


class DyingRows(BeatRows):
    """Ends the process after what is stored before a call, or before what is stored after it."""

    def __init__(self, database: Database, when: str) -> None:
        super().__init__(database)
        self._when = when

    async def begin(self, rows: Sequence[BeatRow], *, at: datetime) -> None:
        await super().begin(rows, at=at)
        self._die("begin")

    async def done(self, rows: Sequence[BeatRow], records: Sequence[RecordId]) -> None:
        self._die("done")
        await super().done(rows, records)

    async def checked(self, *, there: Sequence[RecordId], gone: Sequence[RecordId]) -> None:
        self._die("checked")
        await super().checked(there=there, gone=gone)

    def _die(self, when: str) -> None:
        if when == self._when:
            raise KilledError


@pytest.fixture
async def mesh(location: DatabaseLocation, cloud: Service, form: str, anyio_backend: str) -> AsyncIterator[Mesh]:
    clock = FakeClock(datetime.now(UTC))  # the moments of records there are real ones
    async with (
        open_database(location, clock=clock) as database,
        open_workspace(
            database, clock=clock, ids=CountingIds(), observer=SpyObserver(), tables=STANDARD_TABLES
        ) as workspace,
    ):
        with FaultyProxy(cloud.address) as proxy:
            opened = Mesh(workspace, database, clock, proxy, cloud)
            opened.empty()
            await opened.sender.send_once()  # what comes after its first round counts
            await opened.clock.advance(CALL_EVERY)
            yield opened
            await opened.close()


async def test_a_row_of_each_cell_shows_its_newest_beat(mesh: Mesh) -> None:
    await mesh.beat("cell-1", CPU_Usage=10)
    await mesh.beat("cell-1", CPU_Usage=20)
    await mesh.beat("cell-2", CPU_Usage=30)
    await mesh.go_on(MINUTE)
    assert mesh.shown() == [("cell-1", 20), ("cell-2", 30)]
    await mesh.beat("cell-1", CPU_Usage=40)
    await mesh.go_on(ROUND + MINUTE)
    assert mesh.shown() == [("cell-1", 40), ("cell-2", 30)]


async def test_beats_that_change_nothing_there_cost_no_call(mesh: Mesh, form: str) -> None:
    await mesh.beat("cell-1")
    await mesh.go_on(MINUTE)
    calls = mesh.calls()
    await mesh.go_on(HOUR)
    assert mesh.calls() == calls
    await mesh.beat("cell-1")
    await mesh.go_on(HOUR)
    # a table that shows the moment of a beat shows another one
    assert mesh.calls() == calls + (form == "keyed")


async def test_cells_go_up_ten_a_call_and_no_oftener_than_a_round(mesh: Mesh) -> None:
    for cpu in range(5):
        await mesh.beat(*(f"cell-{number}" for number in range(25)), CPU_Usage=cpu)
        await mesh.go_on(2 * MINUTE)
    assert mesh.calls() == 1 + 3
    assert {cpu for _, cpu in mesh.shown()} == {0}
    await mesh.go_on(ROUND)
    assert mesh.calls() == 1 + 3 + 3
    assert [cpu for _, cpu in mesh.shown()] == [4] * 25


async def test_cells_that_change_one_after_the_other_wait_for_the_next_round(mesh: Mesh) -> None:
    cells = [f"cell-{number}" for number in range(25)]
    await mesh.beat(*cells)
    await mesh.go_on(ROUND)
    calls = mesh.calls()
    for cell in cells:
        await mesh.beat(cell, CPU_Usage=1)
        await mesh.go_on(CALL_EVERY)
    assert mesh.calls() == calls + 1
    await mesh.go_on(ROUND)
    assert mesh.calls() == calls + 1 + 3
    assert {cpu for _, cpu in mesh.shown()} == {1}


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LATE_500, Fault.LOST_REQUEST, Fault.EARLY_500])
async def test_a_row_is_made_once_whether_its_answer_is_lost_or_its_request(mesh: Mesh, fault: Fault) -> None:
    await mesh.go_on(MINUTE)
    mesh.proxy.order(fault)
    await mesh.beat("cell-1", "it's \\ 2", CPU_Usage=7)
    await mesh.go_on(ROUND + MINUTE)
    assert mesh.shown() == [("cell-1", 7), ("it's \\ 2", 7)]


@pytest.mark.parametrize("when", ["begin", "done"])
async def test_whoever_dies_around_a_call_leaves_no_row_twice(mesh: Mesh, when: str) -> None:
    await mesh.go_on(MINUTE)
    await mesh.beat("cell-1", "cell-2", CPU_Usage=7)
    mesh.sender._rows = DyingRows(mesh.database, when)
    with pytest.raises(KilledError):
        await mesh.go_on(MINUTE)
    assert len(mesh.rows()) == (2 if when == "done" else 0)
    mesh.new_sender()
    await mesh.beat("cell-1", "cell-2", CPU_Usage=8)
    await mesh.go_on(ROUND + MINUTE)
    assert mesh.shown() == [("cell-1", 8), ("cell-2", 8)]


async def test_a_process_that_is_killed_during_a_call_leaves_no_row_twice(
    mesh: Mesh, location: DatabaseLocation, cloud: Service, form: str
) -> None:
    await mesh.beat("cell-1", "cell-2", CPU_Usage=7)
    mesh.proxy.order(Fault.HELD_ANSWER, method="PATCH" if form == "keyed" else "POST")
    calls = mesh.calls()
    process = sending(location, mesh.proxy, cloud.token("read,write,admin"))
    try:
        await asyncio.to_thread(mesh.proxy.wait_for, calls + 2)
    finally:
        process.kill()
        process.wait()
    mesh.proxy.release()
    assert len(mesh.rows()) == 2
    mesh.new_sender()
    await mesh.beat("cell-1", "cell-2", CPU_Usage=8)
    await mesh.go_on(ROUND + MINUTE)
    assert mesh.shown() == [("cell-1", 8), ("cell-2", 8)]


async def test_whoever_dies_around_a_deletion_deletes_what_is_old_and_nothing_else(mesh: Mesh) -> None:
    mesh.new_sender(keep=HOUR)
    await mesh.beat("cell-1", "cell-2")
    await mesh.go_on(55 * MINUTE)
    await mesh.beat("cell-2", CPU_Usage=3)
    mesh.sender._rows = DyingRows(mesh.database, "checked")
    with pytest.raises(KilledError):
        await mesh.go_on(HOUR)
    assert mesh.shown() == [("cell-2", 3)]
    mesh.new_sender()
    await mesh.beat("cell-2", CPU_Usage=4)
    await mesh.go_on(2 * ROUND)
    assert mesh.shown() == [("cell-2", 4)]
    assert (await mesh.sender.facts())["uncertain"] == 0


async def test_a_process_that_follows_another_does_not_call_at_once(mesh: Mesh) -> None:
    await mesh.beat("cell-1")
    await mesh.sender.send_once()
    calls = mesh.calls()
    await mesh.clock.advance(timedelta(seconds=2))
    rest = await mesh.new_sender().send_once()
    assert rest is not None
    assert rest > timedelta(seconds=9)
    assert mesh.calls() == calls


async def test_a_row_that_a_person_deleted_is_made_again(mesh: Mesh) -> None:
    await mesh.beat("cell-1", "cell-2", CPU_Usage=1)
    await mesh.go_on(MINUTE)
    mesh.delete_there(Cell_ID="cell-1")
    await mesh.beat("cell-1", "cell-2", CPU_Usage=2)
    await mesh.go_on(3 * ROUND)
    assert mesh.shown() == [("cell-1", 2), ("cell-2", 2)]


async def test_finished_hours_go_up_and_leave_when_they_are_old(mesh: Mesh, form: str) -> None:
    mesh.new_sender(mode=BeatsMode.HOURLY, keep=timedelta(hours=3))
    await mesh.begin_an_hour()
    await mesh.beat("cell-1", CPU_Usage=10)
    await mesh.beat("cell-1", CPU_Usage=20)
    hour = iso(mesh.clock.now())[:13]
    await mesh.go_on(HOUR + 5 * MINUTE)
    await mesh.beat("cell-1", CPU_Usage=30)
    await mesh.go_on(ROUND + MINUTE)
    words = f"hour from {hour}:00Z: 2 beats, CPU 10.0 to 20.0, RAM 40.2 to 40.2"
    by_status = {row["Status"]: row["CPU_Usage"] for row in mesh.rows()}
    assert by_status == {"active": 30, words: 15}
    await mesh.go_on(5 * HOUR)
    assert mesh.rows() == []


async def test_old_rows_of_which_a_person_deleted_one_go_all_the_same(mesh: Mesh) -> None:
    mesh.new_sender(keep=HOUR)
    await mesh.beat("cell-1", "cell-2", "cell-3")
    await mesh.go_on(MINUTE)
    mesh.delete_there(Cell_ID="cell-2")
    await mesh.go_on(2 * HOUR)
    assert mesh.rows() == []
    assert (await mesh.sender.facts())["rows_there"] == {"cells": 0, "hours": 0}
    calls = mesh.calls()
    await mesh.go_on(HOUR)
    assert mesh.calls() == calls


async def test_no_more_rows_are_there_than_may_be(mesh: Mesh) -> None:
    mesh.new_sender(mode=BeatsMode.HOURLY, rows=8)
    await mesh.begin_an_hour()
    most = 0
    for number in range(5):
        await mesh.beat("cell-1", "cell-2", "cell-3", CPU_Usage=number)
        await mesh.go_on(HOUR)
        most = max(most, len(mesh.rows()))
    hours = [row["Status"] for row in mesh.rows() if row["Status"] != "active"]
    assert most <= 8
    assert len(mesh.rows()) - len(hours) == 3
    assert len(set(hours)) == 2


async def test_cells_have_rows_before_hours_have(mesh: Mesh) -> None:
    mesh.new_sender(mode=BeatsMode.HOURLY, rows=3)
    await mesh.begin_an_hour()
    for number in range(3):
        await mesh.beat("cell-1", "cell-2", "cell-3", CPU_Usage=number)
        await mesh.go_on(HOUR)
    assert [row["Status"] for row in mesh.rows()] == ["active"] * 3
    assert any(isinstance(fact, BeatsLeftOut) for fact in mesh.observer.facts)


async def test_cells_beyond_the_limit_have_no_row_and_keep_no_other_waiting(mesh: Mesh) -> None:
    mesh.new_sender(rows=2)
    for cpu in range(6):
        await mesh.beat("cell-1", "cell-2", "cell-3", CPU_Usage=cpu)
        await mesh.go_on(ROUND / 2)
    await mesh.go_on(2 * ROUND)
    assert [cpu for _, cpu in mesh.shown()] == [5, 5]


async def test_nothing_is_sent_while_the_budget_says_no(mesh: Mesh) -> None:
    await mesh.go_on(MINUTE)
    calls = mesh.calls()
    mesh.allowed = False
    await mesh.beat("cell-1")
    await mesh.go_on(HOUR)
    assert mesh.calls() == calls
    mesh.allowed = True
    await mesh.go_on(MINUTE)
    assert mesh.shown() == [("cell-1", 12.5)]


async def test_a_key_that_may_not_write_is_said_so_and_tried_again_now_and_then(mesh: Mesh) -> None:
    await mesh.beat("cell-1", CPU_Usage=1)
    await mesh.go_on(MINUTE)
    calls, client = mesh.calls(), mesh.client
    mesh.client = mesh.new_client("read")
    mesh.new_sender()
    await mesh.beat("cell-1", "cell-2", CPU_Usage=2)
    await mesh.go_on(HOUR)
    assert 4 <= mesh.calls() - calls <= 30
    assert "refused" in str((await mesh.sender.facts())["trouble"])
    await mesh.client.close()
    mesh.client = client
    mesh.new_sender()
    await mesh.go_on(2 * ROUND)
    assert mesh.shown() == [("cell-1", 2), ("cell-2", 2)]
    assert (await mesh.sender.facts())["trouble"] is None


async def test_cells_without_a_usable_name_are_counted_and_left_out(mesh: Mesh) -> None:
    await mesh.beat("", " x", "a\nb", "x" * 256, "cell-1")
    await mesh.go_on(MINUTE)
    assert [cell for cell, _ in mesh.shown()] == ["cell-1"]
    facts = await mesh.sender.facts()
    assert facts["beats_without_row"] == 4
    assert facts["rows_there"] == {"cells": 1, "hours": 0}
    assert facts["waiting"] == {"cells": 0, "hours": 0}


@pytest.mark.parametrize("form", ["unfit"])
async def test_a_base_without_a_fitting_table_is_said_to_be_one_and_asked_once_an_hour(mesh: Mesh) -> None:
    await mesh.beat("cell-1")
    await mesh.go_on(3 * HOUR - MINUTE)
    assert mesh.calls() == 3
    assert (await mesh.sender.facts())["trouble"] == "the table Heartbeats has no text field Cell_ID"
    assert {fact.reason for fact in mesh.observer.facts if isinstance(fact, BeatsWithoutTable)} == {
        "the table Heartbeats has no text field Cell_ID"
    }


@pytest.mark.parametrize("mode", [BeatsMode.NONE, BeatsMode.ALL])
async def test_other_modes_have_nothing_to_do_here(mesh: Mesh, mode: BeatsMode) -> None:
    calls = mesh.calls()
    assert await mesh.new_sender(mode=mode).send_once() is None
    assert mesh.calls() == calls


@pytest.mark.parametrize("form", ["plain"])
async def test_rows_are_looked_for_one_by_one_where_others_add_many_for_the_same_cells(mesh: Mesh) -> None:
    await mesh.sender.send_once()
    others = [{"Cell_ID": cell, "Status": "somebody else's"} for cell in ("cell-1", "cell-2") for _ in range(60)]
    await asyncio.to_thread(mesh.wire.create_many, "Heartbeats", *others)
    mesh.proxy.order(Fault.LOST_ANSWER, method="POST")
    await mesh.beat("cell-1", "cell-2", CPU_Usage=1)
    await mesh.go_on(ROUND)
    await mesh.beat("cell-1", "cell-2", CPU_Usage=2)
    await mesh.go_on(3 * ROUND)
    ours = [(row["Cell_ID"], row["CPU_Usage"]) for row in mesh.rows() if "CPU_Usage" in row]
    assert sorted(ours) == [("cell-1", 2), ("cell-2", 2)]


async def test_a_field_that_is_gone_there_is_left_out_once_the_schema_is_read_again(mesh: Mesh) -> None:
    await mesh.beat("cell-1", CPU_Usage=1)
    await mesh.go_on(MINUTE)
    layout = mesh.sender._layout
    assert isinstance(layout, Layout)
    # as it was read before the field went
    mesh.sender._layout = replace(layout, status=Column(FieldId("fldZZZZZZZZZZZZZZ"), "singleLineText"))
    await mesh.beat("cell-1", CPU_Usage=2)
    await mesh.go_on(ROUND + MINUTE)
    assert mesh.shown() == [("cell-1", 2)]
    assert any(isinstance(fact, BeatsRefused) for fact in mesh.observer.facts)


@pytest.mark.parametrize("form", ["keyed"])
async def test_rows_are_found_again_by_their_keys_when_what_was_stored_here_is_lost(mesh: Mesh) -> None:
    await mesh.beat("cell-1", "cell-2", CPU_Usage=1)
    await mesh.go_on(MINUTE)
    async with mesh.database.transaction() as tx:
        await tx.run("delete from cloud_beats")
    await mesh.beat("cell-1", "cell-2", CPU_Usage=2)
    await mesh.go_on(ROUND + MINUTE)
    assert mesh.shown() == [("cell-1", 2), ("cell-2", 2)]


@pytest.mark.parametrize("form", ["keyed"])
async def test_a_copy_that_a_person_made_of_a_row_does_not_stop_the_others(mesh: Mesh) -> None:
    await mesh.beat("cell-1", "cell-2", CPU_Usage=1)
    await mesh.go_on(MINUTE)
    (row,) = [row for row in mesh.rows() if row["Cell_ID"] == "cell-1"]
    mesh.wire.create("Heartbeats", {**row, "Status": "a copy"})
    async with mesh.database.transaction() as tx:
        await tx.run("delete from cloud_beats")
    await mesh.beat("cell-1", "cell-2", CPU_Usage=2)
    await mesh.go_on(6 * ROUND)
    assert sorted((row["Cell_ID"], row["Status"], row["CPU_Usage"]) for row in mesh.rows()) == [
        ("cell-1", "a copy", 1),
        ("cell-1", "active", 2),
        ("cell-2", "active", 2),
    ]
    assert any(isinstance(fact, BeatsRefused) for fact in mesh.observer.facts)


async def test_whatever_goes_wrong_each_cell_has_one_row_with_its_newest_beat(mesh: Mesh, form: str) -> None:
    cells = [f"cell-{number}" for number in range(30)]
    dice = Dice(dict.fromkeys(COMMON, 0.05))
    for cpu in range(3):
        await mesh.beat(*cells, CPU_Usage=cpu)
        mesh.proxy._dice = dice
        await mesh.go_on(2 * MINUTE)
        # a row without a key is looked for by its moment, which is Airtable's and stays behind the clock of a test
        mesh.proxy._dice = dice if form == "keyed" else None
        await mesh.go_on(ROUND)
    mesh.proxy._dice = None
    await mesh.go_on(2 * ROUND)
    assert mesh.shown() == sorted((cell, 2) for cell in cells)
