"""The mirror of a base that a second connector serves, behind a proxy that lets things go wrong; on both stores."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.acceptance.airtable_api.conftest import EVENTS, Wire, prepared
from tests.factories.records import EVERYTHING, PROJECTS, a_field, a_table, choices
from tests.fakes import SpyObserver
from tests.fakes.ledger import FakeLedger
from tests.fakes.outgoing import FakeOutgoing
from tests.faults import Fault, FaultyProxy
from tests.postgres import shared_server
from tests.service import Place, Service, running

from airtable_connector.airtable import AirtableClient, CloudSettings, CloudUnavailable, PaceKeeper, PaceSettings
from airtable_connector.database import Database, DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock, iso
from airtable_connector.kernel.ids import FieldId, RandomIds, RecordId, TableId
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import (
    STANDARD_TABLES,
    Actor,
    Copy,
    Create,
    Done,
    FieldType,
    Query,
    Update,
    Workspace,
    WriteRequest,
    open_workspace,
)
from airtable_connector.sync.mirror import (
    HookBroken,
    HookReplaced,
    Mirror,
    MirrorSettings,
    PageListed,
    Phase,
    Rhythm,
    TableWhole,
)
from airtable_connector.sync.overlay import OpenCell, OpenRecord
from airtable_connector.web.airtable_api import DERIVED_ID

pytestmark = pytest.mark.anyio

CALLER = Actor(5, "00000000-0000-4000-8000-0000000000aa")
PLAIN = a_table(
    "Plain",
    None,
    a_field("Label", FieldType.SINGLE_LINE_TEXT),
    a_field("Kind", FieldType.SINGLE_SELECT, choices=choices("one", "two")),
    a_field("Friends", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=PROJECTS.id),
)
"""A table that computes nothing, so that payloads tell its new records whole."""
TABLES = (*STANDARD_TABLES, PROJECTS, EVERYTHING, PLAIN, EVENTS)
UNHURRIED = PaceSettings(per_window=10_000, lockout=timedelta(seconds=1))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Service]:
    with running(prepared(Place(tmp_path / "cloud"), TABLES)) as service:
        yield service


@pytest.fixture
def wire(cloud: Service) -> Iterator[Wire]:
    """Edits the base at the other side as people would."""
    with cloud.client(cloud.headers("read,write,admin")) as client:
        yield Wire(client)


@pytest.fixture
def proxy(cloud: Service) -> Iterator[FaultyProxy]:
    with FaultyProxy(cloud.address) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseLocation:
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "mirror.db")
    return PostgresServer(Secret(shared_server().new_database()))


@dataclass
class Mirrored:
    """A base that is a mirror, and what a test wants to know of it."""

    mirror: Mirror
    workspace: Workspace
    database: Database
    outgoing: FakeOutgoing
    observer: SpyObserver
    woken: list[str] = field(default_factory=list)
    allowed: list[bool] = field(default_factory=list)
    woke: asyncio.Event = field(default_factory=asyncio.Event)

    async def cells(self, table: str, record: str) -> dict[str, Any] | None:
        """Return a record's cells by field name."""
        found = await self.workspace.get(self.workspace.table(table), record)
        return None if found is None else orjson.loads(found)["fields"]

    async def all(self, table: str) -> dict[str, dict[str, Any]]:
        page = await self.workspace.page(Query(self.workspace.table(table)))
        return {record["id"]: record["fields"] for record in map(orjson.loads, page.records)}

    async def write(self, *operations: Any) -> Done:
        done = await self.workspace.write(WriteRequest(CALLER, operations))
        assert isinstance(done, Done)
        return done

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.observer.facts if isinstance(fact, kind)]


@asynccontextmanager
async def mirrored(
    cloud: Service,
    address: str,
    location: DatabaseLocation,
    *,
    url: str | None = None,
    apart: frozenset[TableId] = frozenset(),
    pace: PaceSettings = UNHURRIED,
    poll: timedelta = MINUTE,
) -> AsyncIterator[Mirrored]:
    clock, ids, observer, woken, woke = SystemClock(), RandomIds(), SpyObserver(), list[str](), asyncio.Event()
    allowed: list[bool] = []
    keeper = PaceKeeper(pace, FakeLedger(), clock=clock, observer=observer)
    settings = CloudSettings(Secret(cloud.token("read,write,admin")), DERIVED_ID, address, timedelta(seconds=20))
    client = AirtableClient(settings, keeper, clock=clock, observer=observer)
    async with (
        open_database(location, clock=clock) as database,
        open_workspace(database, clock=clock, ids=ids, observer=observer, tables=()) as workspace,
    ):
        outgoing = FakeOutgoing(lambda: workspace.head.seq)

        def wake(step: str) -> None:
            woken.append(step)
            woke.set()

        mirror = Mirror(
            workspace,
            database,
            client,
            outgoing,
            settings=MirrorSettings(url, apart, most_touched=20),
            rhythm=Rhythm(
                poll=lambda: poll, compare=lambda: MINUTE, allows=lambda _lane: allowed.pop(0) if allowed else True
            ),
            wake=wake,
            clock=clock,
            ids=ids,
            observer=observer,
        )
        await mirror.open()
        try:
            yield Mirrored(mirror, workspace, database, outgoing, observer, woken, allowed, woke)
        finally:
            await client.close()


@pytest.fixture
async def here(cloud: Service, proxy: FaultyProxy, location: DatabaseLocation) -> AsyncIterator[Mirrored]:
    async with mirrored(cloud, proxy.address, location) as opened:
        yield opened


def there(wire: Wire, table: str) -> dict[str, dict[str, Any]]:
    """Return a table's records as the other side has them."""
    found, offset = {}, None
    while True:
        status, body = wire.ask("GET", wire.path(table), params={"offset": offset} if offset else {})
        assert status == 200, body
        found |= {record["id"]: record["fields"] for record in body["records"]}
        offset = body.get("offset")
        if offset is None:
            return found


def patch(wire: Wire, table: str, record: str, **fields: Any) -> None:
    status, body = wire.ask("PATCH", wire.path(table, record), json={"fields": fields})
    assert status == 200, body


def delete(wire: Wire, table: str, *records: str) -> None:
    for first in range(0, len(records), 10):
        params = {"records[]": list(records[first : first + 10])}
        assert wire.ask("DELETE", wire.path(table), params=params)[0] == 200


async def test_the_first_copy_has_every_table_and_every_record(here: Mirrored, wire: Wire) -> None:
    project = wire.create("Projects", {"Code": "P-1"})["id"]
    everything = wire.create(
        "Everything",
        {
            "Name": "all",
            "Number": 1.5,
            "Ticked": True,
            "Stage": "Active",
            "Tags": ["red", "blue"],
            "Day": "2026-01-05",
            "Moment": "2026-01-05T12:00:00.000Z",
            "Projects": [project],
            "Files": [{"url": "https://example.com/a.png", "filename": "a.png"}],
            "Code bars": {"text": "4711", "type": "upce"},
            "Owner": {"email": "ada@example.com"},
        },
    )["id"]
    many = wire.create_many("Plain", *({"Label": f"label {number}"} for number in range(230)))

    assert await here.mirror.sync_now()

    assert set(here.workspace.tables) == {table.name for table in TABLES}
    assert (await here.all("Plain")).keys() == set(many)
    told, shown = there(wire, "Everything")[everything], await here.cells("Everything", everything)
    assert shown is not None
    (file,) = told.pop("Files")
    assert shown.pop("Files") == [{"id": file["id"], "filename": "a.png"}]
    assert shown == told
    assert {each.phase for each in here.mirror.completeness} == {Phase.WHOLE}
    assert {each.name: each.listed for each in here.mirror.completeness}["Plain"] == 230
    age = here.mirror.age
    assert age is not None
    assert age < MINUTE
    assert not await here.mirror.verify()


async def test_a_first_copy_goes_on_where_it_was_interrupted(
    cloud: Service, proxy: FaultyProxy, location: DatabaseLocation, wire: Wire
) -> None:
    many = wire.create_many("Plain", *({"Label": f"label {number}"} for number in range(450)))
    async with mirrored(cloud, proxy.address, location) as here:
        await here.mirror.tend_once()

        class Stopped(Exception):
            pass

        def stop(fact: object) -> None:
            here.observer.facts.append(fact)
            if isinstance(fact, PageListed) and fact.table == PLAIN.id and fact.listed == 200:
                raise Stopped

        here.observer.saw = stop  # type: ignore[method-assign] - where a process is killed
        with pytest.raises(Stopped):
            await here.mirror.list_once()
        assert here.mirror.age is None
    pages = proxy.answered("GET")
    async with mirrored(cloud, proxy.address, location) as here:
        progress = {each.name: each for each in here.mirror.completeness}["Plain"]
        assert (progress.phase, progress.listed >= 200) == (Phase.LISTING, True)
        await here.mirror.list_once()
        assert (await here.all("Plain")).keys() == set(many)
        assert [fact.table for fact in here.of(TableWhole)].count(PLAIN.id) == 1
        # pages three to five, and the end of those tables that had not come to theirs
        assert proxy.answered("GET") - pages <= 3 + len(TABLES)


async def test_a_listing_that_the_budget_stops_goes_on_when_it_may(
    here: Mirrored, proxy: FaultyProxy, wire: Wire
) -> None:
    many = wire.create_many("Plain", *({"Label": f"label {number}"} for number in range(250)))
    await here.mirror.tend_once()
    calls = len(proxy.seen)
    here.allowed += [False] * 100
    await here.mirror.list_once()
    await here.mirror.pull_once()
    await here.mirror.compare_once()
    assert len(proxy.seen) == calls
    assert "mirror.pull" not in here.woken
    for pages in range(1, len(TABLES) + 3):
        assert Phase.LISTING in {each.phase for each in here.mirror.completeness}
        here.allowed[:] = [True] + [False] * 100
        await here.mirror.list_once()
        # not one was read twice
        assert len(proxy.seen) == calls + pages
    assert (await here.all("Plain")).keys() == set(many)
    assert Phase.LISTING not in {each.phase for each in here.mirror.completeness}


async def test_pulls_leave_the_calls_to_the_first_copy_until_it_is_complete(
    cloud: Service, proxy: FaultyProxy, location: DatabaseLocation
) -> None:
    second = timedelta(seconds=1)
    async with mirrored(cloud, proxy.address, location, poll=second) as here:
        assert await here.mirror.pull_once() == MINUTE
        await here.mirror.tend_once()
        assert await here.mirror.pull_once() == MINUTE
        await here.mirror.list_once()
        assert here.woken[-1] == "mirror.pull"
        assert await here.mirror.pull_once() == second


async def test_a_page_whose_iterator_has_expired_begins_the_table_anew(
    here: Mirrored, proxy: FaultyProxy, wire: Wire
) -> None:
    many = wire.create_many("Plain", *({"Label": f"label {number}"} for number in range(250)))
    proxy.order(Fault.EXPIRED_ITERATOR)
    assert await here.mirror.sync_now()
    assert (await here.all("Plain")).keys() == set(many)
    assert {each.name: each.listed for each in here.mirror.completeness}["Plain"] == 250


async def test_what_happens_there_arrives_with_the_next_pull(here: Mirrored, proxy: FaultyProxy, wire: Wire) -> None:
    one, two = wire.create_many("Plain", {"Label": "one"}, {"Label": "two"})
    assert await here.mirror.sync_now()

    three = wire.create("Plain", {"Label": "three", "Kind": "one"})["id"]
    patch(wire, "Plain", one, Label="changed", Kind="two")
    delete(wire, "Plain", two)
    await here.mirror.pull_once()

    assert await here.all("Plain") == there(wire, "Plain")
    assert (await here.all("Plain")).keys() == {one, three}
    position = here.mirror.position
    assert (position.cursor, position.seq) == (4, here.workspace.head.seq)
    changes = await here.workspace.changes(after=0, count=1_000)
    assert {change.actor for change in changes} == {0}
    # a pull without news costs one call and writes nothing
    calls = len(proxy.seen)
    await here.mirror.pull_once()
    assert len(proxy.seen) == calls + 1
    assert here.workspace.head.seq == position.seq


async def test_a_new_record_of_a_table_that_computes_nothing_costs_no_call_of_its_own(
    here: Mirrored, proxy: FaultyProxy, wire: Wire
) -> None:
    await here.mirror.sync_now()
    project = wire.create("Projects", {"Code": "P-1"})["id"]
    made = wire.create("Plain", {"Label": "new", "Kind": "two", "Friends": [project]})["id"]
    calls = len(proxy.seen)
    await here.mirror.pull_once()
    assert await here.cells("Plain", made) == {"Label": "new", "Kind": "two", "Friends": [project]}
    # the payloads; and the project, whose link back to the new record the second payload tells
    assert len(proxy.seen) - calls <= 2


async def test_a_new_record_that_is_here_as_the_payload_tells_it_is_not_read(
    here: Mirrored, proxy: FaultyProxy, wire: Wire
) -> None:
    await here.mirror.sync_now()
    made = wire.create("Plain", {"Label": "alike", "Kind": "two"})["id"]
    await here.mirror.pull_once()
    calls = len(proxy.seen)
    # told once more, as of a record that callers here have made
    await set_known(here, cursor=1)
    await here.mirror.pull_once()
    assert all("payloads" in each.path for each in proxy.seen[calls:])
    await here.write(Update(here.workspace.table("Plain"), made, {"Kind": None}))
    await set_known(here, cursor=1)
    await here.mirror.pull_once()
    assert await here.all("Plain") == there(wire, "Plain")


async def test_a_bulk_edit_is_read_by_listing_the_table(here: Mirrored, wire: Wire) -> None:
    many = wire.create_many("Plain", *({"Label": f"label {number}"} for number in range(30)))
    await here.mirror.sync_now()
    for record in many:
        patch(wire, "Plain", record, Label="edited")
    before = here.mirror.age
    await here.mirror.pull_once()
    assert "mirror.list" in here.woken
    assert {each.name: each.phase for each in here.mirror.completeness}["Plain"] is Phase.LISTING
    # not up to date before the listing's end, and so it says
    assert here.mirror.age is not None
    assert before is not None
    assert here.mirror.age > before
    await here.mirror.list_once()
    await here.mirror.pull_once()
    assert {cells["Label"] for cells in (await here.all("Plain")).values()} == {"edited"}


async def test_renamed_fields_tables_and_choices_arrive_by_id_and_old_names_still_work(
    here: Mirrored, wire: Wire
) -> None:
    record = wire.create("Plain", {"Label": "x", "Kind": "one"})["id"]
    await here.mirror.sync_now()
    meta = f"/v0/meta/bases/{DERIVED_ID}/tables/{PLAIN.id}"
    label, kind = (PLAIN.field(name).id for name in ("Label", "Kind"))
    assert wire.ask("PATCH", meta, json={"name": "Simple"})[0] == 200
    assert wire.ask("PATCH", f"{meta}/fields/{label}", json={"name": "Title"})[0] == 200
    options = PLAIN.field("Kind").options["choices"]
    renamed = [{**options[0], "name": "first"}, options[1]]
    assert wire.ask("PATCH", f"{meta}/fields/{kind}", json={"options": {"choices": renamed}})[0] == 200
    assert wire.ask("POST", f"{meta}/fields", json={"name": "Extra", "type": "singleLineText"})[0] == 200
    patch(wire, "Simple", record, Extra="new")
    await here.mirror.pull_once()
    await here.mirror.list_once()
    await here.mirror.pull_once()

    assert await here.cells("Simple", record) == {"Title": "x", "Kind": "first", "Extra": "new"}
    assert here.workspace.table("Plain").id == PLAIN.id
    assert here.workspace.table("Simple").field("Label").id == label
    said: Any = here.mirror.facts()["schema"]
    told = {(change["event"], change["before"]) for change in said["changes"]}
    assert {("table-renamed", "Plain"), ("field-renamed", "Label"), ("field-added", None)} <= told


async def test_a_record_in_which_a_callers_write_is_open_keeps_it(here: Mirrored, wire: Wire) -> None:
    record = RecordId(wire.create("Plain", {"Label": "x", "Kind": "one"})["id"])
    await here.mirror.sync_now()
    table = here.workspace.table("Plain")
    await here.write(Update(table, record, {"Label": "ours"}))
    label = FieldId(table.field("Label").id)
    here.outgoing.open[record] = OpenRecord({label: OpenCell(1, "ours", ("x",), datetime.now(UTC))})
    patch(wire, "Plain", record, Kind="two")
    await here.mirror.pull_once()
    assert await here.cells("Plain", record) == {"Label": "ours", "Kind": "two"}
    assert not await here.mirror.verify()

    patch(wire, "Plain", record, Label="theirs")
    await here.mirror.pull_once()
    assert await here.cells("Plain", record) == {"Label": "ours", "Kind": "two"}
    assert [(conflict.ours, conflict.theirs) for conflict in here.outgoing.conflicts][-1:] == [("ours", "theirs")]


async def test_a_record_that_callers_have_just_made_is_not_taken_for_deleted(here: Mirrored, wire: Wire) -> None:
    await here.mirror.sync_now()
    done = await here.write(Create(here.workspace.table("Plain"), {"Label": "ours"}))
    made = done.written[0].record
    assert made is not None
    here.outgoing.open[made.id] = OpenRecord(created=True)
    await here.mirror.reset()
    await here.mirror.sync_now()
    assert not await here.mirror.verify()
    assert await here.cells("Plain", made.id) == {"Label": "ours"}


async def test_a_reset_drops_nothing_and_finds_what_is_gone_and_changed(here: Mirrored, wire: Wire) -> None:
    kept, gone = wire.create_many("Plain", {"Label": "kept"}, {"Label": "gone"})
    await here.mirror.sync_now()
    seq = here.workspace.head.seq
    await here.mirror.reset()
    await here.mirror.sync_now()
    assert here.workspace.head.seq == seq
    delete(wire, "Plain", gone)
    await overlook(here, wire)
    await here.mirror.reset()
    await here.mirror.list_once()
    await here.mirror.pull_once()
    assert (await here.all("Plain")).keys() == {kept}


async def test_a_field_that_came_lets_its_table_be_listed(here: Mirrored, wire: Wire) -> None:
    record = wire.create("Plain", {"Label": "x"})["id"]
    await here.mirror.sync_now()
    fields = f"/v0/meta/bases/{DERIVED_ID}/tables/{PLAIN.id}/fields"
    assert wire.ask("POST", fields, json={"name": "Extra", "type": "singleLineText"})[0] == 200
    patch(wire, "Plain", record, Extra="told by no payload")
    await overlook(here, wire)
    await here.mirror.sync_now()
    assert await here.cells("Plain", record) == {"Label": "x", "Extra": "told by no payload"}


def hooks(wire: Wire) -> list[dict[str, Any]]:
    return wire.ask("GET", f"/v0/bases/{DERIVED_ID}/webhooks")[1]["webhooks"]


async def test_a_webhook_that_was_deleted_is_replaced_and_what_it_missed_is_found(here: Mirrored, wire: Wire) -> None:
    record = wire.create("Plain", {"Label": "x"})["id"]
    await here.mirror.sync_now()
    (hook,) = hooks(wire)
    wire.client.delete(f"/v0/bases/{DERIVED_ID}/webhooks/{hook['id']}")
    patch(wire, "Plain", record, Label="unseen")
    here.woken.clear()
    await here.mirror.pull_once()
    assert here.woken == ["mirror.tend"]
    await here.mirror.tend_once()
    await here.mirror.list_once()
    await here.mirror.pull_once()
    assert await here.cells("Plain", record) == {"Label": "unseen"}
    assert [fact.why for fact in here.of(HookReplaced)] == ["there was none", "it was broken"]
    assert len(hooks(wire)) == 1


async def test_an_invalid_hook_is_replaced_and_the_old_one_let_go(
    here: Mirrored, proxy: FaultyProxy, wire: Wire
) -> None:
    record = wire.create("Plain", {"Label": "x"})["id"]
    await here.mirror.sync_now()
    proxy.order(Fault.INVALID_HOOK)
    patch(wire, "Plain", record, Label="unseen")
    await here.mirror.pull_once()
    assert "mirror.tend" in here.woken
    assert [fact.why for fact in here.of(HookBroken)] == ["it says INVALID_HOOK"]
    assert await here.mirror.sync_now()
    assert await here.cells("Plain", record) == {"Label": "unseen"}
    assert len(hooks(wire)) == 1


async def overlook(here: Mirrored, wire: Wire) -> None:
    """Let all that happened there so far be told by no payload, as far as we know."""
    hook: Any = here.mirror.facts()["webhook"]
    status, told = wire.ask("GET", f"/v0/bases/{DERIVED_ID}/webhooks/{hook['id']}/payloads")
    assert (status, told["mightHaveMore"]) == (200, False)
    await set_known(here, cursor=told["cursor"])


async def set_known(here: Mirrored, **columns: Any) -> None:
    async with here.database.transaction() as tx:
        for name, value in columns.items():
            await tx.run(f"update mirror set {name} = :value", value=value)


@pytest.mark.parametrize(
    ("columns", "why"),
    [({"expires_at": "2026-01-01T00:00:00.000Z"}, "it had expired"), ({"mac_key": ""}, "its key was lost")],
)
async def test_a_webhook_that_is_of_no_use_is_read_to_its_end_and_replaced(
    here: Mirrored, wire: Wire, columns: dict[str, Any], why: str
) -> None:
    record = wire.create("Plain", {"Label": "x"})["id"]
    await here.mirror.sync_now()
    (before,) = hooks(wire)
    patch(wire, "Plain", record, Label="between")
    await set_known(here, **columns)
    await here.mirror.tend_once()
    await here.mirror.pull_once()
    assert await here.cells("Plain", record) == {"Label": "between"}
    assert here.of(HookReplaced)[-1].why == why
    (after,) = hooks(wire)
    assert after["id"] != before["id"]


@pytest.mark.parametrize("is_followed", [True, False])
async def test_payloads_that_were_deleted_unread_are_noticed(
    here: Mirrored, cloud: Service, wire: Wire, *, is_followed: bool
) -> None:
    record = wire.create("Plain", {"Label": "x"})["id"]
    await here.mirror.sync_now()
    await here.mirror.pull_once()
    patch(wire, "Plain", record, Label="unseen")
    if is_followed:
        patch(wire, "Plain", record, Kind="two")
    (hook,) = hooks(wire)
    assert wire.client.get(f"/v0/bases/{DERIVED_ID}/webhooks/{hook['id']}/payloads").status_code == 200
    async with open_database(cloud.place.location, clock=SystemClock()) as store, store.transaction() as tx:
        assert await tx.run("delete from webhook_payloads where number = 1") == 1
    await here.mirror.pull_once()
    assert [fact.why for fact in here.of(HookBroken)] == ["payloads were deleted before they were read"]
    assert await here.mirror.sync_now()
    assert await here.all("Plain") == there(wire, "Plain")


async def test_at_the_cap_our_own_orphans_go_and_without_any_it_is_said(
    cloud: Service, proxy: FaultyProxy, location: DatabaseLocation, wire: Wire
) -> None:
    ours = "https://93.184.216.34/airtable/notifications"
    for number in range(10):
        url = ours if number < 2 else None
        body = {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}, "notificationUrl": url}
        assert wire.ask("POST", f"/v0/bases/{DERIVED_ID}/webhooks", json=body)[0] == 200
    async with mirrored(cloud, proxy.address, location) as here:
        assert await here.mirror.tend_once() == timedelta(minutes=15)
        assert here.mirror.facts()["webhook"] == {
            "id": None, "state": "none", "notified": False, "expires_at": None,
        }  # fmt: skip
        await here.mirror.list_once()
        assert proxy.answered("GET", 200) == 1
    async with mirrored(cloud, proxy.address, location, url=ours) as here:
        await here.mirror.tend_once()
        assert [hook["notificationUrl"] for hook in hooks(wire)].count(ours) == 1


async def test_a_webhook_whose_notifications_were_switched_off_is_replaced(
    cloud: Service, proxy: FaultyProxy, location: DatabaseLocation, wire: Wire
) -> None:
    async with mirrored(cloud, proxy.address, location, url="https://93.184.216.34/airtable/notifications") as here:
        await here.mirror.sync_now()
        (before,) = hooks(wire)
        switch = f"/v0/bases/{DERIVED_ID}/webhooks/{before['id']}/enableNotifications"
        assert wire.client.post(switch, json={"enable": False}).status_code == 200
        await set_known(here, refreshed_at="2026-01-01T00:00:00.000Z")
        await here.mirror.tend_once()
        assert here.of(HookReplaced)[-1].why == "its notifications were switched off"
        assert not here.of(HookReplaced)[-1].relisted
        await here.mirror.pull_once()
        (after,) = hooks(wire)
        assert after["areNotificationsEnabled"]


async def test_only_a_ping_of_our_webhook_wakes_the_pull(here: Mirrored) -> None:
    await here.mirror.sync_now()
    hook: Any = here.mirror.facts()["webhook"]
    async with here.database.reading() as reader:
        ((key,),) = await reader.all("select mac_key from mirror")
    body = b'{"webhook": {"id": "any"}}'
    mac = "hmac-sha256=" + hmac.new(base64.b64decode(key), body, hashlib.sha256).hexdigest()
    here.woken.clear()
    assert not await here.mirror.pinged(hook["id"], body, mac[:-1] + ("0" if mac[-1] != "0" else "1"))
    assert not await here.mirror.pinged(hook["id"], body + b" ", mac)
    assert not await here.mirror.pinged(hook["id"], body, "\x00")
    assert not await here.mirror.pinged("ach" + "0" * 14, body, mac)
    assert here.woken == []
    assert await here.mirror.pinged(hook["id"], body, mac)
    assert here.woken == ["mirror.pull"]
    assert key not in repr([here.mirror.facts(), vars(here.mirror)])


async def test_a_ping_is_signed_as_airtable_signs_it(here: Mirrored) -> None:
    """The notification and its signature are those by which a client of Airtable's checks its own reading."""
    await here.mirror.sync_now()
    await set_known(here, hook="ach00000000000000", mac_key=base64.b64encode(b"secret-key").decode())
    await here.mirror.watch_once()
    body = json.dumps(
        {
            "base": {"id": "app00000000000000"},
            "webhook": {"id": "ach00000000000000"},
            "timestamp": "2022-02-01T21:25:05.663Z",
        }
    ).encode()
    mac = "hmac-sha256=e26da696a90933647bddc83995c3e1e3bb1c3d8ce1ff61cb7469767d50b2b2d4"
    assert await here.mirror.pinged("ach00000000000000", body, mac)


async def test_a_wish_of_another_process_wakes_the_one_that_pulls(
    here: Mirrored, cloud: Service, proxy: FaultyProxy, location: DatabaseLocation
) -> None:
    await here.mirror.sync_now()
    async with mirrored(cloud, proxy.address, location) as other:
        reaching = asyncio.ensure_future(other.mirror.reach(timedelta(0), within=MINUTE))
        await other.woke.wait()
        here.woken.clear()
        await here.mirror.watch_once()
        assert here.woken == ["mirror.pull"]
        await here.mirror.pull_once()
        await other.mirror.watch_once()
        assert await reaching


async def test_a_mirror_that_cannot_be_made_fresh_in_time_says_so(here: Mirrored) -> None:
    assert not await here.mirror.reach(MINUTE, within=timedelta(0))
    await here.mirror.sync_now()
    assert await here.mirror.reach(MINUTE, within=timedelta(0))
    assert not await here.mirror.reach(timedelta(0), within=timedelta(milliseconds=1))


async def test_drift_is_found_measured_and_repaired_page_by_page_and_as_a_whole(here: Mirrored, wire: Wire) -> None:
    changed, deleted = wire.create_many("Plain", {"Label": "a"}, {"Label": "b"})
    await here.mirror.sync_now()

    # what is on its way is no drift
    patch(wire, "Plain", changed, Label="on its way")
    assert not await here.mirror.verify()
    assert await here.all("Plain") == there(wire, "Plain")

    patch(wire, "Plain", changed, Label="overlooked", Kind="one")
    await overlook(here, wire)
    drift = await here.mirror.verify()
    assert (drift.rows[PLAIN.id], drift.cells[PLAIN.id]) == (1, 2)
    assert await here.all("Plain") == there(wire, "Plain")
    assert not await here.mirror.verify()

    delete(wire, "Plain", deleted)
    made = wire.create("Plain", {"Label": "d"})["id"]
    patch(wire, "Plain", changed, Label="overlooked, too")
    await overlook(here, wire)
    for _ in TABLES:
        await here.mirror.compare_once()
    assert here.mirror.drift.rows[PLAIN.id] == 3
    assert await here.all("Plain") == there(wire, "Plain")
    assert made in await here.all("Plain")


async def test_the_records_of_a_table_that_is_kept_apart_are_not_mirrored(
    cloud: Service, proxy: FaultyProxy, location: DatabaseLocation, wire: Wire
) -> None:
    wire.create("Plain", {"Label": "x"})
    async with mirrored(cloud, proxy.address, location, apart=frozenset({PLAIN.id})) as here:
        assert await here.mirror.sync_now()
        wire.create("Plain", {"Label": "y"})
        await here.mirror.pull_once()
        assert await here.all("Plain") == {}
        assert "Plain" not in {each.name for each in here.mirror.completeness}


async def test_a_call_that_fails_is_repeated_by_the_next_round(here: Mirrored, proxy: FaultyProxy, wire: Wire) -> None:
    many = wire.create_many("Plain", *({"Label": f"label {number}"} for number in range(120)))
    await here.mirror.tend_once()
    proxy.order(Fault.LOST_ANSWER, method="GET")
    with pytest.raises(CloudUnavailable):
        await here.mirror.list_once()
    await here.mirror.list_once()
    await here.mirror.pull_once()
    assert (await here.all("Plain")).keys() == set(many)


async def test_a_record_that_cannot_be_read_is_looked_for_a_minute_before_it_counts_as_gone(here: Mirrored) -> None:
    await here.mirror.sync_now()
    plain = here.workspace.table("Plain")
    lost = RecordId("recLost0000000001")
    await here.write(Copy(plain, lost, "2026-01-05T12:00:00.000Z", {FieldId(plain.field("Label").id): "x"}))
    now = datetime.now(UTC)

    async def touched(since: datetime) -> None:
        async with here.database.transaction() as tx:
            await tx.run("delete from mirror_touched")
            await tx.run(
                "insert into mirror_touched values (:table, :record, 'changed', :since, :since)",
                table=PLAIN.id,
                record=lost,
                since=iso(since),
            )

    await touched(now)
    await here.mirror.pull_once()
    assert await here.cells("Plain", lost) == {"Label": "x"}
    await touched(now - MINUTE)
    await here.mirror.pull_once()
    assert await here.cells("Plain", lost) is None
    async with here.database.reading() as reader:
        assert await reader.all("select record_id from mirror_touched") == []


async def test_a_write_while_airtable_is_asked_is_not_overwritten(
    cloud: Service, proxy: FaultyProxy, location: DatabaseLocation, wire: Wire
) -> None:
    record = RecordId(wire.create("Plain", {"Label": "x", "Kind": "one"})["id"])
    async with mirrored(cloud, proxy.address, location) as here:
        await here.mirror.sync_now()
        hasty = 2

        async def write() -> None:
            nonlocal hasty
            if hasty:
                hasty -= 1
                table = here.workspace.table("Plain")
                await here.write(Update(table, record, {"Label": f"ours {hasty}"}))
                cell = OpenCell(1, f"ours {hasty}", ("x", "ours 1"), datetime.now(UTC))
                here.outgoing.open[record] = OpenRecord({FieldId(table.field("Label").id): cell})

        async def take() -> int:
            position = here.workspace.head.seq
            await write()
            return position

        here.outgoing.take = take  # type: ignore[method-assign] - when callers write
        patch(wire, "Plain", record, Kind="two")
        await here.mirror.pull_once()
        assert await here.cells("Plain", record) == {"Label": "ours 0", "Kind": "two"}
        assert hasty == 0
