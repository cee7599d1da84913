"""The cloud client against a second connector in embedded mode, behind a proxy that lets things go wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from tests.acceptance.airtable_api.conftest import DROPLETS, Wire, prepared
from tests.fakes import SpyObserver
from tests.fakes.ledger import FakeLedger
from tests.faults import COMMON, Dice, Fault, FaultyProxy, Limits
from tests.service import NEWS_LIMIT_S, Place, Service, free_port, running
from werkzeug import Response

from airtable_connector.airtable import (
    ITERATOR_EXPIRED,
    AirtableClient,
    Change,
    CloudCalled,
    CloudClientClosed,
    CloudQuotaSpent,
    CloudSettings,
    Done,
    Lane,
    NotDone,
    PaceKeeper,
    PaceSettings,
    Payloads,
    Refused,
    Unknown,
    Why,
    value_of,
)
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.web.airtable_api import DERIVED_ID

pytestmark = pytest.mark.anyio

TABLE = DROPLETS.id
FQDN, NAME, CPU = (FieldId(DROPLETS.field(name).id) for name in ("fqdn", "name", "cpu"))
LANE = Lane.OUTBOX
NUMBERS = count(1)
TEXT_FIELD = {"name": "Name", "type": "singleLineText"}
MISSING = RecordId("recZZZZZZZZZZZZZZ")

UNHURRIED = PaceSettings(per_window=10_000, lockout=timedelta(seconds=1))
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(prepared(Place(tmp_path_factory.mktemp("cloud") / "data"))) as service:
        yield service


@pytest.fixture
def wire(cloud: Service) -> Iterator[Wire]:
    """Looks at the base past the proxy."""
    with cloud.client() as client:
        yield Wire(client)


@pytest.fixture
def proxy(cloud: Service) -> Iterator[FaultyProxy]:
    with FaultyProxy(cloud.address) as opened:
        yield opened


@asynccontextmanager
async def asking(
    cloud: Service,
    address: str,
    *,
    pace: PaceSettings = UNHURRIED,
    timeout: timedelta = 20 * SECOND,  # noqa: ASYNC109 - a setting of the client
    key: str | None = None,
    observer: SpyObserver | None = None,
) -> AsyncIterator[AirtableClient]:
    clock, observer = SystemClock(), observer or SpyObserver()
    keeper = PaceKeeper(pace, FakeLedger(), clock=clock, observer=observer)
    settings = CloudSettings(Secret(key or cloud.token("read,write,admin")), DERIVED_ID, address, timeout)
    client = AirtableClient(settings, keeper, clock=clock, observer=observer)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def client(cloud: Service, proxy: FaultyProxy) -> AsyncIterator[AirtableClient]:
    async with asking(cloud, proxy.address) as opened:
        yield opened


def plain_client(address: str) -> httpx2.Client:
    return httpx2.Client(base_url=address, trust_env=False, verify=False)


def some_name() -> str:
    return f"name-{next(NUMBERS)}"


def stored(wire: Wire, name: str) -> int:
    """Count the records of a name, as the base has them."""
    return len(wire.list("Droplets", filterByFormula=f"{{fqdn}}='{name}'"))


async def test_records_are_made_changed_replaced_read_and_deleted_by_the_ids_of_fields(client: AirtableClient) -> None:
    one, two = some_name(), some_name()
    ada, bob = value_of(await client.create(TABLE, [{FQDN: one, CPU: 1.5}, {FQDN: two}], lane=LANE))
    assert ada.cells == {FQDN: one, CPU: 1.5}

    (changed,) = value_of(await client.update(TABLE, [Change(ada.id, {NAME: "n"})], lane=LANE))
    assert changed.cells == {FQDN: one, NAME: "n", CPU: 1.5}
    (replaced,) = value_of(await client.replace(TABLE, [Change(ada.id, {NAME: "m"})], lane=LANE))
    assert replaced.cells == {NAME: "m"}

    found = value_of(await client.get(TABLE, [bob.id, MISSING, ada.id], lane=LANE))
    assert {record.id: record.cells for record in found.records} == {ada.id: {NAME: "m"}, bob.id: {FQDN: two}}
    assert {record.created_at for record in found.records} == {ada.created_at, bob.created_at}

    assert value_of(await client.delete(TABLE, [ada.id, bob.id], lane=LANE)) == {ada.id, bob.id}
    assert value_of(await client.get(TABLE, [ada.id, bob.id], lane=LANE)).records == ()


async def test_an_upsert_tells_what_it_made_from_what_it_found(client: AirtableClient) -> None:
    one, two = some_name(), some_name()
    first = value_of(await client.upsert(TABLE, [{FQDN: one}], on=[FQDN], lane=LANE))
    again = value_of(await client.upsert(TABLE, [{FQDN: two}, {FQDN: one, NAME: "n"}], on=[FQDN], lane=LANE))
    assert first.created == {first.records[0].id}
    assert again.created == {again.records[0].id}
    assert again.records[1].id == first.records[0].id


async def test_a_table_is_read_page_by_page(client: AirtableClient, wire: Wire) -> None:
    made = set(wire.create_many("events", *({"name": some_name()} for _ in range(23))))
    events = next(table for table in value_of(await client.schema(lane=LANE)) if table.name == "events")
    read, offset, pages = set(), None, 0
    while pages == 0 or offset is not None:
        page = value_of(await client.list_page(events.id, offset=offset, page_size=10, lane=LANE))
        read |= {record.id for record in page.records}
        offset, pages = page.offset, pages + 1
    assert (read, pages) == (made, 3)


async def test_a_list_for_which_no_address_is_long_enough_is_asked_for_in_a_body(
    client: AirtableClient, proxy: FaultyProxy, wire: Wire
) -> None:
    name = some_name()
    wire.create("Droplets", {"fqdn": name})
    formula = f"OR({{fqdn}}='{name}',{{fqdn}}='{'x' * 17_000}')"
    page = value_of(await client.list_page(TABLE, formula=formula, lane=LANE))
    assert [record.cells for record in page.records] == [{FQDN: name}]
    assert [(each.method, each.path.rpartition("/")[2]) for each in proxy.seen] == [("POST", "listRecords")]


async def test_the_schema_is_told_with_all_that_airtable_says(client: AirtableClient) -> None:
    tables = {table.id: table for table in value_of(await client.schema(lane=LANE))}
    fields: Any = tables[TABLE].definition["fields"]
    assert tables[TABLE].name == "Droplets"
    assert {field["id"]: field["type"] for field in fields}[CPU] == "number"


async def test_tables_fields_and_choices_are_made_and_told_as_airtable_has_them(client: AirtableClient) -> None:
    name = some_name()
    table = value_of(await client.create_table({"name": name, "fields": [TEXT_FIELD]}, lane=LANE))
    wanted = {"name": "s", "type": "singleSelect", "options": {"choices": [{"name": "a"}]}}
    field = value_of(await client.create_field(table.id, wanted, lane=LANE))
    options: Any = field.definition["options"]
    more = {"options": {"choices": [*options["choices"], {"name": "b"}]}}
    changed = value_of(await client.update_field(table.id, field.id, more, lane=LANE))
    (told,) = [each for each in value_of(await client.schema(lane=LANE)) if each.id == table.id]
    fields: Any = told.definition["fields"]
    assert (told.name, [each["name"] for each in fields]) == (name, ["Name", "s"])
    assert fields[1] == changed.definition
    assert [each["name"] for each in fields[1]["options"]["choices"]] == ["a", "b"]


async def test_a_table_whose_answer_is_lost_may_be_there_and_is_refused_when_it_is_sent_again(
    client: AirtableClient, proxy: FaultyProxy
) -> None:
    wanted: dict[str, Any] = {"name": some_name(), "fields": [TEXT_FIELD]}
    proxy.order(Fault.LOST_ANSWER)
    assert isinstance(await client.create_table(wanted, lane=LANE), Unknown)
    again = await client.create_table(wanted, lane=LANE)
    assert isinstance(again, Refused)
    assert (again.status, again.type) == (422, "DUPLICATE_TABLE_NAME")
    assert [table.name for table in value_of(await client.schema(lane=LANE))].count(wanted["name"]) == 1


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.BROKEN_ANSWER, Fault.LATE_500, Fault.LATE_502])
async def test_a_create_whose_answer_is_lost_is_sent_once_and_its_outcome_is_unknown(
    client: AirtableClient, proxy: FaultyProxy, wire: Wire, fault: Fault
) -> None:
    name = some_name()
    proxy.order(fault)
    assert isinstance(await client.create(TABLE, [{FQDN: name}], lane=LANE), Unknown)
    assert proxy.answered("POST") == 1
    assert stored(wire, name) == 1


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.EARLY_500, Fault.PLAIN_503])
async def test_a_create_that_never_arrived_looks_the_same(
    client: AirtableClient, proxy: FaultyProxy, wire: Wire, fault: Fault
) -> None:
    name = some_name()
    proxy.order(fault)
    assert isinstance(await client.create(TABLE, [{FQDN: name}], lane=LANE), Unknown)
    assert stored(wire, name) == 0


async def test_a_503_that_says_so_had_no_effect(client: AirtableClient, proxy: FaultyProxy, wire: Wire) -> None:
    name = some_name()
    proxy.order(Fault.RETRIABLE_503)
    assert await client.create(TABLE, [{FQDN: name}], lane=LANE) == NotDone(Why.RETRIABLE)
    assert stored(wire, name) == 0


@pytest.mark.parametrize("fault", COMMON)
async def test_a_read_that_fails_had_no_effect_and_the_next_one_works(
    client: AirtableClient, proxy: FaultyProxy, fault: Fault
) -> None:
    proxy.order(fault)
    outcome = await client.get(TABLE, [MISSING], lane=LANE)
    assert isinstance(outcome, NotDone)
    assert outcome.why is (Why.RETRIABLE if fault is Fault.RETRIABLE_503 else Why.READING_FAILED)
    assert isinstance(await client.get(TABLE, [MISSING], lane=LANE), Done)


async def test_what_was_not_reached_was_not_done(cloud: Service) -> None:
    async with asking(cloud, f"http://127.0.0.1:{free_port()}") as client:
        outcome = await client.create(TABLE, [{FQDN: some_name()}], lane=LANE)
    assert outcome == NotDone(Why.UNREACHED, "no connection came about")


async def test_an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown(
    cloud: Service, proxy: FaultyProxy, wire: Wire
) -> None:
    name = some_name()
    proxy.order(Fault.HELD_ANSWER)
    async with asking(cloud, proxy.address, timeout=SECOND / 2) as client:
        assert await client.create(TABLE, [{FQDN: name}], lane=LANE) == Unknown("no answer came in time")
    assert stored(wire, name) == 1


async def test_a_batch_that_is_refused_for_one_record_names_it_and_changes_nothing(
    client: AirtableClient, wire: Wire
) -> None:
    name = some_name()
    there = RecordId(wire.create("Droplets", {"fqdn": name})["id"])
    refused = await client.update(TABLE, [Change(there, {FQDN: "other"}), Change(MISSING, {FQDN: "x"})], lane=LANE)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.type, refused.record) == (422, "ROW_DOES_NOT_EXIST", MISSING)
    assert stored(wire, name) == 1


async def test_an_expired_iterator_is_refused_by_its_name(
    client: AirtableClient, proxy: FaultyProxy, wire: Wire
) -> None:
    wire.create_many("Droplets", {"fqdn": some_name()}, {"fqdn": some_name()})
    page = value_of(await client.list_page(TABLE, page_size=1, lane=LANE))
    proxy.order(Fault.EXPIRED_ITERATOR)
    refused = await client.list_page(TABLE, page_size=1, offset=page.offset, lane=LANE)
    assert isinstance(refused, Refused)
    assert refused.type == ITERATOR_EXPIRED


async def test_a_webhook_is_made_read_kept_alive_and_deleted(client: AirtableClient, wire: Wire) -> None:
    specification = {"options": {"filters": {"dataTypes": ["tableData"], "recordChangeScope": TABLE}}}
    hook = value_of(await client.create_webhook(specification, url=None, lane=LANE))
    made = wire.create("Droplets", {"fqdn": some_name()})["id"]

    payloads = Payloads((), cursor=1, more=False)
    async with asyncio.timeout(NEWS_LIMIT_S):
        while not payloads.payloads:
            payloads = value_of(await client.payloads(hook.id, cursor=1, lane=LANE))
    told: Any = payloads.payloads[0]
    assert made in told["changedTablesById"][TABLE]["createdRecordsById"]
    assert (payloads.cursor, payloads.more) == (2, False)

    assert value_of(await client.refresh_webhook(hook.id, lane=LANE)) is not None
    (listed,) = value_of(await client.webhooks(lane=LANE))
    assert (listed.id, listed.is_enabled, listed.next_payload, listed.url) == (hook.id, True, 2, None)

    assert await client.delete_webhook(hook.id, lane=LANE) == Done(None)
    assert value_of(await client.webhooks(lane=LANE)) == ()


async def test_a_webhook_that_breaks_says_so_in_its_payloads_and_in_the_list(
    client: AirtableClient, proxy: FaultyProxy
) -> None:
    specification = {"options": {"filters": {"dataTypes": ["tableData"]}}}
    hook = value_of(await client.create_webhook(specification, url=None, lane=LANE))
    proxy.order(Fault.INVALID_HOOK)
    payloads = value_of(await client.payloads(hook.id, cursor=1, lane=LANE))
    (listed,) = value_of(await client.webhooks(lane=LANE))
    assert payloads.payloads[0]["code"] == "INVALID_HOOK"
    assert not listed.is_enabled
    value_of(await client.delete_webhook(hook.id, lane=LANE))


async def test_a_ping_that_is_lost_is_answered_and_does_not_arrive(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/airtable/notifications").respond_with_data("", 204)
    with FaultyProxy(httpserver.url_for("")) as proxy, plain_client(proxy.address) as sender:
        proxy.order(Fault.LOST_PING)
        answers = [sender.post("/airtable/notifications", content=b"{}").status_code for _ in range(2)]
    assert answers == [204, 204]
    assert len(httpserver.log) == 1


async def test_a_wrong_key_is_refused_and_shown_nowhere(cloud: Service, proxy: FaultyProxy) -> None:
    observer = SpyObserver()
    async with asking(cloud, proxy.address, key="patSECRET.secret", observer=observer) as client:
        outcome = await client.schema(lane=LANE)
        shown = repr([outcome, client, vars(client), observer.facts])
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.type) == (401, "AUTHENTICATION_REQUIRED")
    assert "SECRET" not in shown


async def test_the_limits_of_the_base_are_kept_however_many_ask(cloud: Service) -> None:
    limits = Limits().scaled(0.4)
    pace = PaceSettings(window=limits.window, slack=timedelta(milliseconds=120))
    with FaultyProxy(cloud.address, limits=limits) as proxy:
        async with asking(cloud, proxy.address, pace=pace) as client:
            await client.prepare()
            lanes = [lane for lane in Lane for _ in range(4)]
            outcomes = await asyncio.gather(*(client.get(TABLE, [MISSING], lane=lane) for lane in lanes))
        assert [type(outcome) for outcome in outcomes] == [Done] * 20
        assert proxy.most_in(limits.window.total_seconds()) == 5
        assert proxy.answered("GET", 429) == 0


async def test_a_lockout_that_others_caused_is_waited_out_by_all(cloud: Service) -> None:
    limits = Limits(window=SECOND / 2, lockout=SECOND)
    pace = PaceSettings(window=limits.window, lockout=limits.lockout + SECOND / 10)
    with FaultyProxy(cloud.address, limits=limits) as proxy:
        async with asking(cloud, proxy.address, pace=pace) as client:
            await client.prepare()
            with plain_client(proxy.address) as other:
                while other.get("/v0/meta/whoami").status_code != 429:
                    pass
            assert await client.get(TABLE, [MISSING], lane=LANE) == NotDone(Why.LOCKED_OUT)
            refused_at = proxy.seen[-1].at
            outcomes = await asyncio.gather(*(client.get(TABLE, [MISSING], lane=lane) for lane in Lane))
        assert [type(outcome) for outcome in outcomes] == [Done] * len(Lane)
        assert proxy.seen[-len(Lane)].at - refused_at >= limits.lockout.total_seconds()


async def test_a_spent_quota_ends_the_calls_of_the_month(cloud: Service) -> None:
    with FaultyProxy(cloud.address, limits=Limits(quota=1)) as proxy:
        async with asking(cloud, proxy.address) as client:
            value_of(await client.get(TABLE, [MISSING], lane=LANE))
            assert await client.get(TABLE, [MISSING], lane=LANE) == NotDone(Why.QUOTA_SPENT)
            with pytest.raises(CloudQuotaSpent):
                await client.get(TABLE, [MISSING], lane=LANE)
        assert len(proxy.seen) == 2


async def test_a_call_that_is_given_up_still_takes_effect_and_its_place(
    cloud: Service, proxy: FaultyProxy, wire: Wire
) -> None:
    name = some_name()
    proxy.order(Fault.HELD_ANSWER)
    async with asking(cloud, proxy.address, pace=PaceSettings(at_once=1)) as client:
        given_up = asyncio.ensure_future(client.create(TABLE, [{FQDN: name}], lane=LANE))
        await asyncio.to_thread(proxy.wait_for, 1)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        following = asyncio.ensure_future(client.get(TABLE, [MISSING], lane=LANE))
        done, _ = await asyncio.wait({following}, timeout=0.2)
        assert done == set()
        proxy.release()
        assert isinstance(await following, Done)
    assert stored(wire, name) == 1


async def test_a_closed_client_asks_no_more(client: AirtableClient, proxy: FaultyProxy) -> None:
    await client.close()
    with pytest.raises(CloudClientClosed):
        await client.schema(lane=LANE)
    assert proxy.seen == []


async def test_every_call_is_told_with_what_is_known_of_it(cloud: Service, proxy: FaultyProxy) -> None:
    observer = SpyObserver()
    async with asking(cloud, proxy.address, observer=observer) as client:
        await client.get(TABLE, [MISSING], lane=Lane.MIRROR)
        proxy.order(Fault.LOST_ANSWER)
        await client.create(TABLE, [{FQDN: some_name()}], lane=LANE)
    told = [(fact.call, fact.lane, fact.outcome) for fact in observer.facts if isinstance(fact, CloudCalled)]
    assert told == [("list", Lane.MIRROR, "Done"), ("create", LANE, "Unknown")]


async def test_a_redirect_is_not_followed_and_gets_no_key(cloud: Service, httpserver: HTTPServer) -> None:
    there = httpserver.url_for("/thief")
    httpserver.expect_request("/thief").respond_with_data("{}")
    httpserver.expect_request(f"/v0/{DERIVED_ID}/{TABLE}").respond_with_data("", 302, {"Location": there})
    async with asking(cloud, httpserver.url_for("")) as client:
        assert await client.create(TABLE, [{FQDN: "x"}], lane=LANE) == Unknown("it answered 302")
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<html>hello</html>", "its answer is no JSON"),
        ('{"records": 7}', "its answer is malformed: the list of records is a number and no list"),
        ("", "its answer is malformed: an answer to a write is null and no object"),
    ],
)
async def test_a_200_that_says_something_else_leaves_the_outcome_unknown(
    cloud: Service, httpserver: HTTPServer, body: str, why: str
) -> None:
    httpserver.expect_request(f"/v0/{DERIVED_ID}/{TABLE}").respond_with_response(
        Response(body, content_type="application/json")
    )
    async with asking(cloud, httpserver.url_for("")) as client:
        assert await client.create(TABLE, [{FQDN: "x"}], lane=LANE) == Unknown(why)


@pytest.mark.parametrize("seed", [None, 2_026])
async def test_whatever_goes_wrong_each_record_is_made_once(cloud: Service, wire: Wire, seed: int | None) -> None:
    """An upsert is repeated until it is done; a create is looked for first, when its outcome is unknown."""
    names = [some_name() for _ in range(30)]
    dice = Dice(dict.fromkeys(COMMON, 0.05), seed=seed)
    with FaultyProxy(cloud.address, dice=dice) as proxy:
        async with asking(cloud, proxy.address) as client, asyncio.timeout(3 * NEWS_LIMIT_S):
            await asyncio.gather(
                *(_until_upserted(client, names[first : first + 3]) for first in range(0, 15, 3)),
                *(_until_created(client, name) for name in names[15:]),
            )
    assert [stored(wire, name) for name in names] == [1] * len(names)


async def _until_upserted(client: AirtableClient, names: list[str]) -> None:
    while not isinstance(await client.upsert(TABLE, [{FQDN: name} for name in names], on=[FQDN], lane=LANE), Done):
        pass


async def _until_created(client: AirtableClient, name: str) -> None:
    while True:
        match await client.create(TABLE, [{FQDN: name}], lane=LANE):
            case Done():
                return
            case Unknown():
                page = await client.list_page(TABLE, formula=f"{{fqdn}}='{name}'", lane=LANE)
                while not isinstance(page, Done):
                    page = await client.list_page(TABLE, formula=f"{{fqdn}}='{name}'", lane=LANE)
                if page.value.records:
                    return
