"""Payloads: which there are, what they say, how long they live. On both stores; numbers are of the ideas followed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.factories.records import ALL_TABLES, EVERYTHING, PROJECTS, Base, opened_base, sprints
from tests.factories.webhooks import US, Webhooks, asks, view_of, webhooks_of
from tests.fakes import FakeClock

from airtable_connector.database import Database, DatabaseLocation, PostgresServer, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.ops import PayloadsDropped, WebhookFailed
from airtable_connector.ops.webhooks.errors import TooManyWebhooks, WebhookExpired, WebhookNotFound
from airtable_connector.records import SPRINTS, Actor, Create, Delete, Update, Upsert, stable_id

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
SPRINT_ID, NAME, STATUS, NOTES = (SPRINTS.field(name).id for name in ("Sprint_ID", "Name", "Status", "Notes"))


@pytest.fixture
async def webhooks(base: Base, clock: FakeClock) -> AsyncIterator[Webhooks]:
    async with webhooks_of(base, clock) as opened:
        yield opened


def values(part: dict[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = part["cellValuesByFieldId"]
    return cells


async def redefine(database: Database, table: str, change: Any) -> None:
    """Change a table's definition as a later version, or an administrator, might."""
    async with database.transaction() as tx:
        row = await tx.one("select definition from tables where id = :id", id=table)
        assert row is not None
        definition = orjson.dumps(change(orjson.loads(row[0]))).decode()
        await tx.run("update tables set definition = :definition where id = :id", id=table, definition=definition)


# --- numbers --------------------------------------------------------------------------------------------------


async def test_only_changes_after_the_creation_are_told_numbered_from_one(webhooks: Webhooks) -> None:
    await webhooks.write(*sprints(3))
    hook = await webhooks.add()
    (record,) = await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-9", "Status": "Active"}))
    (payload,) = await webhooks.payloads(hook)
    choice = next(item for item in SPRINTS.field("Status").options["choices"] if item["name"] == "Active")
    assert payload == {
        "timestamp": "2026-01-05T12:00:00.000Z",
        "baseTransactionNumber": 4,
        "payloadFormat": "v0",
        "actionMetadata": {
            "source": "publicApi",
            "sourceMetadata": {"user": {"id": stable_id("usr", "5"), "permissionLevel": "edit"}},
        },
        "changedTablesById": {
            SPRINTS.id: {
                "createdRecordsById": {
                    record: {
                        "createdTime": "2026-01-05T12:00:00.000Z",
                        "cellValuesByFieldId": {SPRINT_ID: "S-9", STATUS: choice},
                    }
                }
            }
        },
    }
    assert (await webhooks.shown(hook)).next_payload == 2


async def test_a_second_webhook_is_not_told_of_what_the_first_one_saw(webhooks: Webhooks) -> None:
    first = await webhooks.add()
    await webhooks.write(*sprints(1))
    second = await webhooks.add()
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-9"}))
    assert len(await webhooks.payloads(first)) == 2
    (payload,) = await webhooks.told(second, SPRINTS)
    assert [values(each) for each in payload["createdRecordsById"].values()] == [{SPRINT_ID: "S-9"}]


async def test_reading_twice_gives_the_same_also_after_a_restart(
    webhooks: Webhooks, base: Base, clock: FakeClock
) -> None:
    hook = await webhooks.add(asks(includes={"includeCellValuesInFieldIds": "all"}))
    (record,) = await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-1", "Notes": "first"}))
    for number in range(70):
        await webhooks.write(Update(SPRINTS, record, {"Name": f"name {number}"}))
    before = await webhooks.payloads(hook)
    await webhooks.write(Delete(SPRINTS, record))
    async with webhooks_of(base, clock) as again:
        assert await again.payloads(hook) == [*before, *(await again.payloads(hook, 72))]
        assert len(await again.payloads(hook)) == 72


async def test_what_was_written_while_no_maker_ran_is_told_later(
    webhooks: Webhooks, base: Base, clock: FakeClock
) -> None:
    hook = await webhooks.add()
    await webhooks.payloads(hook)
    for number in range(450):
        await webhooks.write(Create(SPRINTS, {"Sprint_ID": f"S-{number}"}))
    async with webhooks_of(base, clock) as again:
        keys = [next(iter(part["createdRecordsById"].values())) for part in await again.told(hook, SPRINTS)]
        assert [values(each)[SPRINT_ID] for each in keys] == [f"S-{number}" for number in range(450)]


async def test_what_could_not_be_written_down_is_written_down_later(webhooks: Webhooks, database: Database) -> None:
    hook = await webhooks.add()
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-1"}))
    async with database.transaction() as tx:
        await tx.run("alter table webhook_payloads rename to away")
    with pytest.raises(Exception, match="webhook_payloads"):
        await webhooks.maker.catch_up()
    async with database.transaction() as tx:
        await tx.run("alter table away rename to webhook_payloads")
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-2"}))
    keys = [
        values(record)[SPRINT_ID]
        for part in await webhooks.told(hook, SPRINTS)
        for record in part["createdRecordsById"].values()
    ]
    assert keys == ["S-1", "S-2"]


async def test_two_makers_at_once_number_every_change_once(
    webhooks: Webhooks, location: DatabaseLocation, clock: FakeClock
) -> None:
    if not isinstance(location, PostgresServer):
        pytest.skip("one process has an SQLite file")
    hook = await webhooks.add()
    async with (
        open_database(location, clock=SystemClock()) as database,
        opened_base(database, clock=clock) as base,
        webhooks_of(base, clock) as other,
    ):
        for number in range(40):
            await webhooks.write(Create(SPRINTS, {"Sprint_ID": f"S-{number}"}))
            await asyncio.gather(webhooks.maker.catch_up(), other.maker.catch_up())
        made = [*(await webhooks.told(hook, SPRINTS))]
        assert made == await other.told(hook, SPRINTS)
        keys = [values(record)[SPRINT_ID] for part in made for record in part["createdRecordsById"].values()]
        assert keys == [f"S-{number}" for number in range(40)]


async def test_what_another_process_has_answered_is_told(
    webhooks: Webhooks, location: DatabaseLocation, clock: FakeClock
) -> None:
    if not isinstance(location, PostgresServer):
        pytest.skip("one process has an SQLite file")
    hook = await webhooks.add()
    async with (
        open_database(location, clock=SystemClock()) as database,
        opened_base(database, clock=clock) as base,
        webhooks_of(base, clock) as other,
    ):
        for number in range(1, 11):
            await webhooks.write(Create(SPRINTS, {"Sprint_ID": f"S-{number}"}))
            assert len(await other.payloads(hook)) == number


async def test_a_page_ends_at_its_limit_and_a_number_beyond_the_end_is_no_trouble(webhooks: Webhooks) -> None:  # 27
    hook = await webhooks.add()
    for number in range(3):
        await webhooks.write(Create(SPRINTS, {"Sprint_ID": f"S-{number}"}))
    page = await webhooks.hooks.payloads(hook.id, cursor=1, limit=2)
    assert (len(page.payloads), page.cursor, page.more) == (2, 3, True)
    page = await webhooks.hooks.payloads(hook.id, cursor=3, limit=2)
    assert (len(page.payloads), page.cursor, page.more) == (1, 4, False)
    page = await webhooks.hooks.payloads(hook.id, cursor=9, limit=2)
    assert (len(page.payloads), page.cursor, page.more) == (0, 9, False)


async def test_a_page_holds_only_so_many_bytes(webhooks: Webhooks) -> None:
    hook = await webhooks.add()
    for number in range(4):
        large = {"Sprint_ID": f"S-{number}", "Notes": "ü" * 100_000}
        await webhooks.write(*(Create(SPRINTS, {**large, "Sprint_ID": f"S-{number}-{n}"}) for n in range(10)))
    page = await webhooks.hooks.payloads(hook.id, cursor=1, limit=50)
    assert (len(page.payloads), page.cursor, page.more) == (2, 3, True)
    assert len(await webhooks.payloads(hook)) == 4


async def test_a_large_request_is_told_in_parts_that_share_its_number(webhooks: Webhooks) -> None:
    hook = await webhooks.add()
    await webhooks.write(*sprints(950))
    payloads = await webhooks.payloads(hook)
    sizes = [len(payload["changedTablesById"][SPRINTS.id]["createdRecordsById"]) for payload in payloads]
    assert sizes == [100] * 9 + [50]
    assert {payload["baseTransactionNumber"] for payload in payloads} == {1}


async def test_the_oldest_payloads_go_when_there_are_too_many(webhooks: Webhooks) -> None:
    hook = await webhooks.add()
    await webhooks.write(*sprints(1))
    await webhooks.payloads(hook)
    async with webhooks.base.database.transaction() as tx:
        await tx.run("update webhooks set next_payload = 100001")
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-9"}))
    page = await webhooks.hooks.payloads(hook.id, cursor=1, limit=50)
    assert (len(page.payloads), page.cursor) == (1, 100_002)
    assert webhooks.base.observer.of(PayloadsDropped) == [PayloadsDropped(hook.id, 1)]


# --- what a request came to -----------------------------------------------------------------------------------


async def test_what_one_request_did_to_a_record_is_told_once(webhooks: Webhooks) -> None:
    (old,) = await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-0", "Name": "old"}))
    hook = await webhooks.add(asks(includes={"includePreviousCellValues": True}))
    await webhooks.write(
        Create(SPRINTS, {"Sprint_ID": "S-1", "Name": "a", "Notes": "gone"}),
        Upsert(SPRINTS, {"Sprint_ID": "S-1", "Name": "b", "Notes": None}),
        Create(SPRINTS, {"Sprint_ID": "S-2"}),
        Delete(SPRINTS, "S-2"),
        Update(SPRINTS, old, {"Name": "x"}),
        Update(SPRINTS, old, {"Name": "y", "Notes": "n"}),
        Update(SPRINTS, old, {"Notes": None}),
    )
    await webhooks.write(
        Update(SPRINTS, old, {"Name": "z"}), Update(SPRINTS, old, {"Name": "y"}), Create(SPRINTS, {"Sprint_ID": "S-3"})
    )
    await webhooks.write(Update(SPRINTS, old, {"Name": "z"}), Delete(SPRINTS, old))
    first, second, third = await webhooks.told(hook, SPRINTS)
    assert first.keys() == {"createdRecordsById", "changedRecordsById"}
    (created,) = first["createdRecordsById"].values()
    assert values(created) == {SPRINT_ID: "S-1", NAME: "b"}
    assert first["changedRecordsById"] == {
        old: {"current": {"cellValuesByFieldId": {NAME: "y"}}, "previous": {"cellValuesByFieldId": {NAME: "old"}}}
    }
    assert second.keys() == {"createdRecordsById"}
    assert third == {"destroyedRecordIds": [old]}


async def test_a_request_that_changes_nothing_is_no_payload(webhooks: Webhooks) -> None:
    (record,) = await webhooks.write(*sprints(1, Name="same"))
    hook = await webhooks.add()
    await webhooks.write(Update(SPRINTS, record, {"Name": "same"}))
    assert await webhooks.payloads(hook) == []


async def test_unchanged_cells_are_those_of_the_moment_of_the_change(webhooks: Webhooks) -> None:
    hook = await webhooks.add(
        asks(includes={"includeCellValuesInFieldIds": [NAME, NOTES], "includePreviousCellValues": True})
    )
    (record,) = await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-1", "Name": "one", "Status": "Pending"}))
    await webhooks.write(Update(SPRINTS, record, {"Status": None}))
    await webhooks.write(Update(SPRINTS, record, {"Name": "two"}))
    await webhooks.write(Update(SPRINTS, record, {"Notes": "here", "Sprint_ID": "S-2"}))
    await webhooks.write(Delete(SPRINTS, record))
    parts = [part["changedRecordsById"][record] for part in (await webhooks.told(hook, SPRINTS))[1:4]]
    assert [values(part["current"]) for part in parts] == [
        {STATUS: None},
        {NAME: "two"},
        {NOTES: "here", SPRINT_ID: "S-2"},
    ]
    assert [values(part["previous"]) for part in parts][1:] == [{NAME: "one"}, {NOTES: None, SPRINT_ID: "S-1"}]
    assert [values(part["unchanged"]) for part in parts] == [{NAME: "one"}, {}, {NAME: "two"}]


async def test_links_and_choices_are_objects_named_as_they_were(webhooks: Webhooks) -> None:
    tags, linked = EVERYTHING.field("Tags"), EVERYTHING.field("Projects")
    hook = await webhooks.add(asks(recordChangeScope=EVERYTHING.id, includes={"includeCellValuesInFieldIds": "all"}))
    (project,) = await webhooks.write(Create(PROJECTS, {"Code": "before"}))
    (record,) = await webhooks.write(
        Create(EVERYTHING, {"Name": "a", "Tags": ["red", "blue"], "Projects": [project], "Number": 1.5})
    )
    await webhooks.write(Update(PROJECTS, project, {"Code": "after"}))
    await webhooks.write(Update(EVERYTHING, record, {"Number": 2}))
    await webhooks.write(Delete(PROJECTS, project))
    created, changed, emptied = await webhooks.told(hook, EVERYTHING)
    cells = values(created["createdRecordsById"][record])
    ids = {item["name"]: item["id"] for item in tags.options["choices"]}
    assert cells[tags.id] == [{"id": ids["red"], "name": "red"}, {"id": ids["blue"], "name": "blue"}]
    assert cells[linked.id] == [{"id": project, "name": "before"}]
    assert cells[EVERYTHING.field("Count").id] == 1
    beside = values(changed["changedRecordsById"][record]["unchanged"])
    assert beside[linked.id] == [{"id": project, "name": "after"}]
    assert values(emptied["changedRecordsById"][record]["current"]) == {linked.id: None}


# --- filters --------------------------------------------------------------------------------------------------


async def walk(webhooks: Webhooks) -> str:
    """Create two records in two tables, change one, remove it; return it."""
    (record,) = await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-1", "Notes": "n"}))
    await webhooks.write(Create(PROJECTS, {"Code": "P-1"}))
    await webhooks.write(Update(SPRINTS, record, {"Name": "x"}))
    await webhooks.write(Update(SPRINTS, record, {"Notes": "m"}), droplet=US)
    await webhooks.write(Delete(SPRINTS, record))
    return record


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({}, "create create update update delete"),
        ({"recordChangeScope": SPRINTS.id}, "create update update delete"),
        ({"changeTypes": ["add", "remove"]}, "create create delete"),
        ({"changeTypes": ["update"]}, "update update"),
        ({"fromSources": ["system"]}, "update"),
        ({"fromSources": ["publicApi", "client"]}, "create create update delete"),
        ({"fromSources": ["formSubmission"], "sourceOptions": {"formSubmission": {"viewId": "viw1"}}}, ""),
        # the cell that is watched is set, changed, and goes with its record
        ({"watchDataInFieldIds": [NOTES]}, "create update delete"),
        ({"watchDataInFieldIds": [STATUS]}, ""),
        ({"watchDataInFieldIds": [NAME], "changeTypes": ["add", "update"]}, "update"),
    ],
)
async def test_filters_leave_out_what_nobody_asked_for(webhooks: Webhooks, filters: dict[str, Any], told: str) -> None:
    hook = await webhooks.add(asks(**filters))
    await walk(webhooks)
    names = {"createdRecordsById": "create", "changedRecordsById": "update", "destroyedRecordIds": "delete"}
    payloads = await webhooks.payloads(hook)
    parts = [part for payload in payloads for part in payload["changedTablesById"].values()]
    assert " ".join(names[name] for part in parts for name in part) == told


async def test_cells_that_are_not_watched_are_told_only_when_they_are_asked_for(webhooks: Webhooks) -> None:
    narrow = await webhooks.add(asks(watchDataInFieldIds=[NAME]))
    wide = await webhooks.add(asks(watchDataInFieldIds=[NAME], includes={"includeCellValuesInFieldIds": [NOTES]}))
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-1", "Name": "x", "Notes": "n", "Status": "Done"}))
    for hook, expected in ((narrow, {NAME: "x"}), (wide, {NAME: "x", NOTES: "n"})):
        (part,) = await webhooks.told(hook, SPRINTS)
        assert [values(record) for record in part["createdRecordsById"].values()] == [expected]


async def test_a_view_is_told_as_a_view(webhooks: Webhooks) -> None:
    hook = await webhooks.add(asks(recordChangeScope=view_of(SPRINTS)))
    record = await walk(webhooks)
    parts = await webhooks.told(hook, SPRINTS)
    assert [list(part) for part in parts] == [["changedViewsById"]] * 4
    assert parts[3]["changedViewsById"][view_of(SPRINTS)] == {"destroyedRecordIds": [record]}


async def test_our_own_changes_come_from_the_system_and_have_no_user(webhooks: Webhooks) -> None:
    hook = await webhooks.add()
    await webhooks.write(*sprints(1), droplet=US)
    (payload,) = await webhooks.payloads(hook)
    assert payload["actionMetadata"] == {"source": "system", "sourceMetadata": {}}


# --- the schema -----------------------------------------------------------------------------------------------


async def test_a_webhook_whose_table_or_field_is_gone_says_so_once_and_ends(
    database: Database, clock: FakeClock
) -> None:  # 28
    async with opened_base(database, clock=clock) as base, webhooks_of(base, clock) as webhooks:
        watched = await webhooks.add(asks(watchDataInFieldIds=[NOTES]))
        beside = await webhooks.add(asks(includes={"includeCellValuesInFieldIds": [NOTES]}))
        whole = await webhooks.add()
    await redefine(
        database,
        SPRINTS.id,
        lambda shown: {**shown, "fields": [field for field in shown["fields"] if field["id"] != NOTES]},
    )
    async with opened_base(database, clock=clock) as base, webhooks_of(base, clock) as webhooks:
        await webhooks.write(*sprints(2))
        for hook, code in ((watched, "INVALID_HOOK"), (beside, "INVALID_FILTERS")):
            (payload,) = await webhooks.payloads(hook)
            assert (payload["error"], payload["code"], payload["payloadFormat"]) == (True, code, "v0")
            assert not (await webhooks.shown(hook)).lives(clock.now())
        await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-9"}))
        assert len(await webhooks.payloads(watched)) == 1
        assert len(await webhooks.payloads(whole)) == 2
        assert {fact.hook for fact in base.observer.of(WebhookFailed)} == {watched.id, beside.id}


async def test_changes_of_tables_and_fields_are_told_to_those_who_watch_them(
    database: Database, clock: FakeClock
) -> None:
    def change(shown: dict[str, Any]) -> dict[str, Any]:
        kept = [field for field in shown["fields"] if field["id"] != STATUS]
        renamed = [{**field, "name": "Title"} if field["id"] == NAME else field for field in kept]
        return {
            **shown,
            "name": "Runs",
            "fields": [*renamed, {"id": "fldNEW00000000000", "name": "New", "type": "url"}],
        }

    async with opened_base(database, clock=clock, tables=ALL_TABLES[:-1]) as base, webhooks_of(base, clock) as webhooks:
        fields = await webhooks.add(asks("tableFields", includes={"includePreviousFieldDefinitions": True}))
        one = await webhooks.add(asks("tableFields", watchSchemasOfFieldIds=[NAME]))
        tables = await webhooks.add(asks("tableMetadata"))
        records = await webhooks.add()
        await webhooks.base.workspace.add_table(EVERYTHING, actor=Actor(5, "trace"))
    await redefine(database, SPRINTS.id, change)
    async with opened_base(database, clock=clock) as base, webhooks_of(base, clock) as webhooks:
        (told,) = await webhooks.told(fields, SPRINTS)
        assert told == {
            "createdFieldsById": {"fldNEW00000000000": {"name": "New", "type": "url"}},
            "changedFieldsById": {NAME: {"current": {"name": "Title"}, "previous": {"name": "Name"}}},
            "destroyedFieldIds": [STATUS],
        }
        assert await webhooks.told(one, SPRINTS) == [{"changedFieldsById": {NAME: {"current": {"name": "Title"}}}}]
        (payload,) = await webhooks.payloads(tables)
        assert payload["actionMetadata"]["source"] == "unknown"
        renamed = {"changedMetadata": {"current": {"name": "Runs"}, "previous": {"name": "Sprints"}}}
        assert payload["changedTablesById"] == {SPRINTS.id: renamed}
        created = payload["createdTablesById"][EVERYTHING.id]
        assert created["metadata"] == {"name": "Everything"}
        assert len(created["fieldsById"]) == len(EVERYTHING.fields)
        assert await webhooks.payloads(records) == []
        assert len(await webhooks.payloads(fields)) == 1


# --- life -----------------------------------------------------------------------------------------------------


async def test_a_webhook_that_nobody_reads_expires_after_seven_days(webhooks: Webhooks, clock: FakeClock) -> None:  # 28
    hook = await webhooks.add()
    assert hook.expires_at == clock.now() + 7 * DAY
    clock.step(7 * DAY - timedelta(seconds=1))
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "in time"}))
    clock.step(timedelta(seconds=1))
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "too late"}))
    (part,) = await webhooks.told(hook, SPRINTS)
    assert [values(record) for record in part["createdRecordsById"].values()] == [{SPRINT_ID: "in time"}]
    assert not (await webhooks.shown(hook)).lives(clock.now())
    with pytest.raises(WebhookExpired):
        await webhooks.hooks.refresh(hook.id)


async def test_an_expired_webhook_can_be_read_for_seven_days_and_is_then_forgotten(
    webhooks: Webhooks, clock: FakeClock
) -> None:
    hook = await webhooks.add()
    clock.step(6 * DAY)
    await webhooks.write(*sprints(1))
    await webhooks.maker.catch_up()
    clock.step(7 * DAY)
    await webhooks.hooks.forget_once()
    assert len(await webhooks.payloads(hook)) == 1
    assert (await webhooks.shown(hook)).expires_at == hook.expires_at
    clock.step(2 * DAY)
    await webhooks.hooks.forget_once()
    with pytest.raises(WebhookNotFound):
        await webhooks.payloads(hook)


@pytest.mark.parametrize("by", ["refreshing", "reading"])
async def test_refreshing_and_reading_keep_a_webhook_alive(webhooks: Webhooks, clock: FakeClock, by: str) -> None:
    hook = await webhooks.add()
    for _ in range(3):
        clock.step(6 * DAY)
        if by == "refreshing":
            assert await webhooks.hooks.refresh(hook.id) == clock.now() + 7 * DAY
        else:
            await webhooks.payloads(hook)
        assert (await webhooks.shown(hook)).expires_at == clock.now() + 7 * DAY


async def test_payloads_are_forgotten_after_seven_days_and_numbers_go_on(webhooks: Webhooks, clock: FakeClock) -> None:
    hook = await webhooks.add()
    await webhooks.write(*sprints(1))
    await webhooks.payloads(hook)
    clock.step(6 * DAY)
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "later"}))
    await webhooks.payloads(hook)
    clock.step(2 * DAY)
    await webhooks.hooks.forget_once()
    page = await webhooks.hooks.payloads(hook.id, cursor=1, limit=50)
    assert (len(page.payloads), page.cursor, page.more) == (1, 3, False)


async def test_ten_webhooks_may_live_and_an_expired_one_makes_room(webhooks: Webhooks, clock: FakeClock) -> None:
    for _ in range(10):
        await webhooks.add()
    with pytest.raises(TooManyWebhooks):
        await webhooks.add()
    clock.step(7 * DAY)
    await webhooks.add()


async def test_a_deleted_webhook_leaves_nothing(webhooks: Webhooks) -> None:
    hook = await webhooks.add()
    await webhooks.write(*sprints(1))
    await webhooks.payloads(hook)
    await webhooks.hooks.delete(hook.id)
    await webhooks.hooks.forget_once()
    assert await webhooks.hooks.all() == []
    async with webhooks.base.database.reading() as reader:
        assert await reader.all("select hook from webhook_payloads") == []
    for ask in (webhooks.hooks.delete(hook.id), webhooks.hooks.refresh(hook.id), webhooks.payloads(hook)):
        with pytest.raises(WebhookNotFound):
            await ask


async def test_the_key_is_shown_to_nobody_but_its_creator(webhooks: Webhooks) -> None:
    hook = await webhooks.add()
    assert hook.mac_key.reveal() not in repr(hook)
    assert hook.mac_key.reveal() not in repr(await webhooks.hooks.all())


async def test_the_maker_rests_while_there_is_no_webhook_and_is_woken_by_the_first(webhooks: Webhooks) -> None:
    await webhooks.write(*sprints(3))
    assert await webhooks.maker.make_once() == timedelta(seconds=5)
    hook = await webhooks.add()
    assert webhooks.woken == ["maker"]
    await webhooks.write(Create(SPRINTS, {"Sprint_ID": "S-9"}))
    await webhooks.maker.catch_up()
    assert webhooks.woken == ["maker", "courier"]
    assert len(await webhooks.payloads(hook)) == 1
