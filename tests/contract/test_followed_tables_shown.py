"""What callers are shown of tables that follow another base, and the names that they may still use."""

import dataclasses
from typing import Any

import orjson
import pytest
from tests.factories.records import Base, opened_base
from tests.factories.told import AIRTABLE, NAME, ONE, SIZE, TASKS, adopt, copy, with_fields
from tests.fakes import FakeClock

from airtable_connector.database import Database
from airtable_connector.records import Forget
from airtable_connector.web.airtable_api.schema import shown_field, shown_table
from airtable_connector.web.domain.changes import changes_json
from airtable_connector.web.domain.listing import read_listing

pytestmark = pytest.mark.anyio


@pytest.fixture
async def base(database: Database, clock: FakeClock) -> Any:
    async with opened_base(database, clock=clock, tables=[]) as opened:
        yield opened


async def test_a_list_takes_a_former_name_for_a_condition(base: Base) -> None:
    await adopt(base, TASKS)
    await copy(base, ONE, Name="Ada", Size=2)
    await adopt(base, with_fields(TASKS, NAME, dataclasses.replace(SIZE, name="Hours")))
    now = base.workspace.table("Tasks")
    listing = read_listing(now, [("Size", "2"), ("fields", "Size")], base.workspace.formula)
    assert await base.names(listing.query) == ["Ada"]
    assert listing.fields == {"Hours"}


async def test_changes_of_a_table_that_is_gone_show_ids(base: Base) -> None:
    await adopt(base, TASKS)
    await copy(base, ONE, Name="Ada")
    named = orjson.loads(changes_json(await base.workspace.changes(after=1, count=9), base.workspace, more=False))
    assert [(each["table"], each["after"]) for each in named["changes"]] == [("Tasks", {"Name": "Ada"})]

    await base.do(Forget(TASKS, ONE), actor=AIRTABLE)
    await adopt(base)
    shown = orjson.loads(changes_json(await base.workspace.changes(after=1, count=9), base.workspace, more=False))
    created, removed, gone = shown["changes"]
    assert (created["table"], created["after"]) == (TASKS.id, {NAME.id: "Ada"})
    assert removed["before"] == {NAME.id: "Ada"}
    assert (gone["action"], gone["record"], gone["after"]) == ("schema", None, None)


async def test_clients_of_airtable_see_nothing_of_what_only_this_store_knows(base: Base) -> None:
    await adopt(base, TASKS)
    await adopt(base, with_fields(TASKS, NAME, dataclasses.replace(SIZE, name="Hours"), name="Work"))
    now = base.workspace.table("Tasks")
    assert shown_field(now.field("Size")) == {
        "id": SIZE.id, "name": "Hours", "type": "number", "options": {"precision": 1},
    }  # fmt: skip
    assert "formerNames" not in shown_table(now, shows_fields=False)
