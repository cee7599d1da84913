"""Webhooks of several bases over one feed: each is told of its own base, and found there only."""

import dataclasses
from collections.abc import AsyncIterator

import pytest
from tests.factories.records import ADA, Base, a_field, a_table
from tests.factories.webhooks import Webhooks, asks, webhooks_of
from tests.fakes import FakeClock

from airtable_connector.kernel.ids import BaseId, RandomIds, TableId
from airtable_connector.ops.webhooks.errors import TooManyWebhooks, WebhookFiltersInvalid, WebhookNotFound
from airtable_connector.records import SPRINTS, Create, FieldType, Table

pytestmark = pytest.mark.anyio

ONE, TWO = BaseId("app00000000000001"), BaseId("app00000000000002")
TEXT = FieldType.SINGLE_LINE_TEXT


@pytest.fixture
async def webhooks(base: Base, clock: FakeClock) -> AsyncIterator[Webhooks]:
    async with webhooks_of(base, clock) as opened:
        yield opened


async def made(webhooks: Webhooks, base: BaseId) -> Table:
    """Make a base with a table, whose ids are its own."""
    table = a_table("Sprints", None, dataclasses.replace(a_field("Name", TEXT), id=RandomIds().mint("fld")))
    table = dataclasses.replace(table, id=TableId(RandomIds().mint("tbl")))
    (added,) = await webhooks.base.workspace.add_base(base, "Made", [table], actor=ADA)
    return added


async def test_each_is_told_of_its_own_base(webhooks: Webhooks) -> None:
    one, two = await made(webhooks, ONE), await made(webhooks, TWO)
    hooks = {table.id: await webhooks.add(base=table.base) for table in (SPRINTS, one, two)}
    records = {}
    for table in (SPRINTS, one, two):
        (records[table.id],) = await webhooks.write(Create(table, {"Name": table.id}))
    # one request may write to several bases; each is told its part
    (ours, theirs) = await webhooks.write(Create(SPRINTS, {"Name": "both"}), Create(one, {"Name": "both"}))
    await webhooks.write(Create(two, {"Name": "last"}))
    told = {table.id: await webhooks.told(hooks[table.id], table) for table in (SPRINTS, one, two)}
    assert [list(part["createdRecordsById"]) for part in told[SPRINTS.id]] == [[records[SPRINTS.id]], [ours]]
    assert [list(part["createdRecordsById"]) for part in told[one.id]] == [[records[one.id]], [theirs]]
    assert [len(part["createdRecordsById"]) for part in told[two.id]] == [1, 1]


async def test_the_schema_of_another_base_is_no_news(webhooks: Webhooks) -> None:
    table = await made(webhooks, ONE)
    ours = await webhooks.add(asks("tableFields", "tableMetadata"))
    theirs = await webhooks.add(asks("tableFields", "tableMetadata"), base=ONE)
    await webhooks.base.workspace.add_field(table.id, a_field("More", TEXT), actor=ADA)
    await webhooks.base.workspace.change_table(table.id, name="Renamed", actor=ADA)
    assert await webhooks.payloads(ours) == []
    (told,) = await webhooks.told(theirs, table)
    assert told["changedMetadata"]["current"] == {"name": "Renamed"}
    assert len(told["createdFieldsById"]) == 1


async def test_what_a_specification_names_must_be_in_the_base(webhooks: Webhooks) -> None:
    table = await made(webhooks, ONE)
    await webhooks.add(asks(recordChangeScope=table.id), base=ONE)
    for specification, base in ((asks(recordChangeScope=table.id), None), (asks(recordChangeScope=SPRINTS.id), ONE)):
        with pytest.raises(WebhookFiltersInvalid):
            await webhooks.add(specification, base=base)


async def test_each_base_may_have_ten(webhooks: Webhooks) -> None:
    await made(webhooks, ONE)
    for base in (None, ONE):
        for _ in range(10):
            await webhooks.add(base=base)
        with pytest.raises(TooManyWebhooks):
            await webhooks.add(base=base)
    assert [len(await webhooks.hooks.all(base)) for base in (None, ONE, TWO)] == [10, 10, 0]


async def test_a_webhook_is_found_in_its_base_only(webhooks: Webhooks) -> None:
    await made(webhooks, ONE)
    hook = (await webhooks.add(base=ONE)).id
    for base in (None, TWO):
        for refused in (
            webhooks.hooks.delete(hook, base=base),
            webhooks.hooks.refresh(hook, base=base),
            webhooks.hooks.switch_notifications(hook, on=True, base=base),
            webhooks.hooks.switch_notifications(hook, on=False, base=base),
            webhooks.hooks.payloads(hook, cursor=1, limit=1, base=base),
        ):
            with pytest.raises(WebhookNotFound):
                await refused
    assert [each.notifies for each in await webhooks.hooks.all(ONE)] == [True]
    await webhooks.hooks.delete(hook, base=ONE)
    assert await webhooks.hooks.all(ONE) == []


async def test_a_webhook_of_a_base_that_this_process_does_not_show_yet_is_left_alone(webhooks: Webhooks) -> None:
    hooks = [await webhooks.add(asks(recordChangeScope=SPRINTS.id)), await webhooks.add(asks("tableMetadata"))]
    # as if another process had made them a moment ago, in a base that it had just made
    async with webhooks.base.database.transaction() as tx:
        await tx.run("update webhooks set base = :base, since = 9", base=ONE)
    await webhooks.maker.catch_up()
    shown = {hook.id: (hook.is_enabled, hook.next_payload) for hook in await webhooks.hooks.all(ONE)}
    assert shown == {hook.id: (True, 1) for hook in hooks}
