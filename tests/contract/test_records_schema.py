"""Changing the schema of a base that is in use, in this process and beside others."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import orjson
import pytest
from tests.factories.records import (
    ADA,
    EVERYTHING,
    PROJECTS,
    Base,
    a_field,
    a_table,
    choices,
    opened_base,
)

from airtable_connector.database import Database, DatabaseLocation, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.records import (
    SPRINTS,
    Action,
    Create,
    FieldNameTaken,
    FieldType,
    InvalidSchema,
    Query,
    ShelfLoaded,
    Table,
    TableNameTaken,
    UnknownField,
    Update,
    Verified,
    sort_by,
    verify_feed,
)

TEXT = FieldType.SINGLE_LINE_TEXT
STAGE = EVERYTHING.field("Stage")
TAGS = EVERYTHING.field("Tags")


@pytest.fixture
async def beside(location: DatabaseLocation, base: Base) -> AsyncIterator[Base]:
    """Another process with the same store."""
    async with open_database(location, clock=SystemClock()) as database, opened_base(database) as opened:
        yield opened


def loads(base: Base, table: Table) -> int:
    return sum(fact.table == table.name for fact in base.observer.of(ShelfLoaded))


async def renamed(base: Base, table: Table, field: str, name: str) -> Table:
    return await base.workspace.change_field(table.id, table.field(field).id, name=name, actor=ADA)


async def test_a_new_field_can_be_written_and_read_at_once(base: Base) -> None:
    record = await base.create(PROJECTS, Code="P-1")
    await base.shelved()
    grown = await base.workspace.add_field(PROJECTS.id, a_field("Place", TEXT), actor=ADA)
    assert base.workspace.table("Projects") == grown
    assert [field.name for field in grown.fields] == ["Code", "Place"]
    await base.do(Update(grown, record, {"Place": "here"}))
    # a caller who holds the table as it was is heard, too
    await base.do(Update(PROJECTS, record, {"Code": "P-2"}))
    assert await base.cells(grown, record) == {"Code": "P-2", "Place": "here"}
    assert base.workspace.record_from_memory(grown, record) is not None
    assert await base.walk(Query(grown, sort=sort_by(grown, "-Place")))
    # nothing was written otherwise than before, so nothing is read anew
    assert loads(base, PROJECTS) == 1


async def test_a_renamed_field_shows_in_every_record(base: Base) -> None:
    records = [await base.create(PROJECTS, Code=f"P-{number}") for number in range(5)]
    await base.shelved()
    now = await renamed(base, PROJECTS, "Code", "Number")
    assert await base.names(Query(now), "Number") == [f"P-{number}" for number in range(5)]
    await base.observer.until(lambda _seen: loads(base, PROJECTS) == 2)
    assert await base.names(Query(now), "Number") == [f"P-{number}" for number in range(5)]
    assert orjson.loads(base.workspace.record_from_memory(now, records[3]) or b"")["fields"] == {"Number": "P-3"}
    # who asks with the table as it was is answered with it
    assert await base.names(Query(PROJECTS), "Code") == [f"P-{number}" for number in range(5)]
    with pytest.raises(UnknownField):
        await base.do(Create(PROJECTS, {"Code": "P-9"}))


async def test_readers_are_not_kept_waiting_and_never_see_both_names(base: Base) -> None:
    await base.do(*[Create(PROJECTS, {"Code": f"P-{number:03}"}) for number in range(900)])
    await base.shelved()
    names = ["Code", "One", "Two", "Three"]
    done = False
    seen: set[str] = set()

    async def read(page_size: int) -> None:
        while not done:
            found = await base.walk(Query(base.workspace.table("Projects"), page_size=page_size))
            assert len(found) == 900
            (shown,) = {tuple(record["fields"]) for record in found}
            seen.update(shown)
            # an answer from memory lets nobody else have a turn
            await asyncio.sleep(0)

    async def rename() -> None:
        nonlocal done
        for times, (before, after) in enumerate(pairwise(names), start=2):
            await renamed(base, base.workspace.table("Projects"), before, after)
            assert before not in base.workspace.table("Projects").by_name
            await base.observer.until(lambda _seen, loaded=times: loads(base, PROJECTS) == loaded)
        done = True

    async with asyncio.TaskGroup() as group:
        group.create_task(read(100))
        group.create_task(read(1_000))
        group.create_task(rename())
    assert seen >= {"Code", "Three"}


async def test_a_formula_reads_the_field_under_its_new_name(base: Base) -> None:
    await base.create(PROJECTS, Code="P-1")
    await base.create(PROJECTS, Code="P-2")
    await base.shelved()
    before = base.workspace.formula("{Code}='P-1'", PROJECTS)
    assert len(await base.walk(Query(PROJECTS, formula=before))) == 1
    now = await renamed(base, PROJECTS, "Code", "Number")
    await base.observer.until(lambda _seen: loads(base, PROJECTS) == 2)
    after = base.workspace.formula("{Number}='P-1'", now)
    assert len(await base.walk(Query(now, formula=after))) == 1
    with pytest.raises(Exception, match="Code"):
        base.workspace.formula("{Code}='P-1'", now)


@pytest.mark.parametrize("shelved", [True, False])
async def test_a_renamed_choice_is_renamed_in_every_cell(base: Base, *, shelved: bool) -> None:
    first = await base.create(EVERYTHING, Name="a", Stage="Waiting", Tags=["red", "blue"])
    second = await base.create(EVERYTHING, Name="b", Stage="Active", Tags=["green"])
    third = await base.create(EVERYTHING, Name="c")
    if shelved:
        await base.shelved()
    # two of them change places
    stages = choices("Waiting", "Active", "Done")
    stages[0]["name"], stages[1]["name"] = "Active", "Waiting"
    tags = [{**each, "name": each["name"].upper()} for each in choices("red", "green", "blue")]
    await base.workspace.change_field(EVERYTHING.id, STAGE.id, options={"choices": stages}, actor=ADA)
    now = await base.workspace.change_field(EVERYTHING.id, TAGS.id, options={"choices": tags}, actor=ADA)
    cells = [await base.cells(now, record) for record in (first, second, third)]
    shown: list[Any] = [(each or {}).get("Stage") for each in cells] + [(each or {}).get("Tags") for each in cells]
    assert shown == ["Active", "Waiting", None, ["RED", "BLUE"], ["GREEN"], None]
    with pytest.raises(InvalidSchema):
        await base.workspace.change_field(EVERYTHING.id, TAGS.id, options={"choices": tags[:2]}, actor=ADA)


async def test_choices_are_added_reordered_and_recolored(base: Base) -> None:
    for name, stage in (("a", "Done"), ("b", "Waiting"), ("c", "Active")):
        await base.create(EVERYTHING, Name=name, Stage=stage)
    await base.shelved()
    version = base.workspace.version(EVERYTHING)
    wanted = [{"name": "Done"}, {"name": "Active", "color": "redBright"}, {"name": "Lost"}, {"name": "Waiting"}]
    now = await base.workspace.change_field(EVERYTHING.id, STAGE.id, options={"choices": wanted}, actor=ADA)
    kept = now.by_id[STAGE.id].options["choices"]
    assert [choice["name"] for choice in kept] == ["Done", "Active", "Lost", "Waiting"]
    assert kept[1]["color"] == "redBright"
    assert kept[0]["id"] == STAGE.options["choices"][2]["id"]
    assert kept[2]["id"].startswith("sel")
    # what was answered before in this order is no longer true
    assert base.workspace.version(now) > version
    assert await base.names(Query(now, sort=sort_by(now, "Stage"))) == ["a", "c", "b"]
    await base.create(now, Name="d", Stage="Lost")
    assert loads(base, EVERYTHING) == 1


async def test_every_change_is_an_entry_of_the_chain(base: Base) -> None:
    place = a_field("Place", TEXT)
    await base.workspace.add_field(PROJECTS.id, place, actor=ADA)
    await base.workspace.change_field(PROJECTS.id, place.id, description="Where it is", actor=ADA)
    await base.workspace.change_table(PROJECTS.id, name="Plans", description="What we want", actor=ADA)
    # what is so already is no change
    await base.workspace.change_table(PROJECTS.id, name="Plans", actor=ADA)
    changes = await base.workspace.changes(after=0, count=100)
    assert [(each.action, each.table, each.actor, each.cause) for each in changes] == 3 * [
        (Action.SCHEMA, PROJECTS.id, ADA.droplet, ADA.cause)
    ]
    assert changes[0].before == {place.id: None}
    assert changes[0].after == {place.id: place.definition()}
    assert changes[1].after == {place.id: {**place.definition(), "description": "Where it is"}}
    assert changes[2].before == {"name": "Projects", "description": ""}
    assert changes[2].after == {"name": "Plans", "description": "What we want"}
    assert isinstance(await verify_feed(base.database), Verified)


async def test_what_was_changed_is_there_when_the_base_is_opened_again(database: Database) -> None:
    async with opened_base(database) as base:
        place = a_field("Place", TEXT)
        await base.workspace.add_field(PROJECTS.id, place, actor=ADA)
        await base.workspace.change_field(PROJECTS.id, place.id, name="Site", description="Where", actor=ADA)
        now = await base.workspace.change_table(PROJECTS.id, description="What we want", actor=ADA)
    async with opened_base(database) as base:
        assert base.workspace.table("Projects") == now
        assert now.description == "What we want"
        assert (now.field("Site").description, now.field("Site").id) == ("Where", place.id)


async def test_another_process_shows_the_change(base: Base, beside: Base) -> None:
    record = await base.create(PROJECTS, Code="P-1")
    await beside.shelved()
    now = await renamed(base, PROJECTS, "Code", "Number")
    await beside.workspace.follow()
    assert beside.workspace.table("Projects") == now
    assert await beside.cells(beside.workspace.table("Projects"), record) == {"Number": "P-1"}
    await beside.observer.until(lambda _seen: loads(beside, PROJECTS) == 2)
    assert await beside.names(Query(now), "Number") == ["P-1"]


async def test_another_process_writes_over_a_table_that_it_has_not_seen_yet(base: Base, beside: Base) -> None:
    held = beside.workspace.table("Everything")
    stages = [{**STAGE.options["choices"][0], "name": "Early"}, *STAGE.options["choices"][1:]]
    await base.workspace.change_field(EVERYTHING.id, STAGE.id, options={"choices": stages}, actor=ADA)
    with pytest.raises(Exception, match="Waiting"):
        await beside.do(Create(held, {"Name": "a", "Stage": "Waiting"}))
    await beside.workspace.follow()
    record = await beside.create(beside.workspace.table("Everything"), Name="a", Stage="Early")
    assert (await beside.cells(beside.workspace.table("Everything"), record) or {})["Stage"] == "Early"


async def test_names_are_taken_whatever_their_capitals(base: Base) -> None:
    workspace = base.workspace
    code = PROJECTS.field("Code").id
    with pytest.raises(FieldNameTaken):
        await workspace.add_field(PROJECTS.id, a_field("code", TEXT), actor=ADA)
    with pytest.raises(FieldNameTaken):
        await workspace.add_table(a_table("New", None, a_field("a", TEXT), a_field("A", TEXT)), actor=ADA)
    with pytest.raises(TableNameTaken):
        await workspace.add_table(a_table("PROJECTS", None, a_field("a", TEXT)), actor=ADA)
    with pytest.raises(TableNameTaken):
        await workspace.change_table(PROJECTS.id, name="sprints", actor=ADA)
    # its own name in other letters is free
    await workspace.change_table(PROJECTS.id, name="PROJECTS", actor=ADA)
    await workspace.change_field(PROJECTS.id, code, name="CODE", actor=ADA)
    assert workspace.table("PROJECTS").by_id[code].name == "CODE"


async def test_what_the_mesh_relies_on_keeps_its_name(base: Base) -> None:
    workspace, status = base.workspace, SPRINTS.field("Status")
    other = [{**each, "name": each["name"].upper()} for each in status.options["choices"]]
    with pytest.raises(InvalidSchema, match="keeps its name"):
        await workspace.change_table(SPRINTS.id, name="Runs", actor=ADA)
    with pytest.raises(InvalidSchema, match="keeps its name"):
        await workspace.change_field(SPRINTS.id, status.id, name="State", actor=ADA)
    with pytest.raises(InvalidSchema, match="keeps its name"):
        await workspace.change_field(SPRINTS.id, status.id, options={"choices": other}, actor=ADA)
    await workspace.change_field(SPRINTS.id, status.id, description="How it goes", actor=ADA)
    await workspace.add_field(SPRINTS.id, a_field("Mood", TEXT), actor=ADA)


async def test_there_are_limits(base: Base) -> None:
    workspace = base.workspace
    wide = [a_field(f"f{number}", TEXT) for number in range(501)]
    with pytest.raises(InvalidSchema, match="500"):
        await workspace.add_table(a_table("Wide", None, *wide), actor=ADA)
    table = await workspace.add_table(a_table("Wide", None, *wide[:500]), actor=ADA)
    with pytest.raises(InvalidSchema, match="500"):
        await workspace.add_field(table.id, wide[500], actor=ADA)
    with pytest.raises(InvalidSchema, match="255"):
        await workspace.change_table(table.id, name="n" * 256, actor=ADA)
    with pytest.raises(InvalidSchema, match="20000"):
        await workspace.change_table(table.id, description="n" * 20_001, actor=ADA)
    link = EVERYTHING.field("Projects").id
    with pytest.raises(InvalidSchema, match="linkedTableId"):
        await workspace.change_field(EVERYTHING.id, link, options={"linkedTableId": SPRINTS.id}, actor=ADA)
    assert len(workspace.table("Wide").fields) == 500
