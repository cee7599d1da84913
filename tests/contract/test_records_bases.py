"""Bases that clients make beside the service's own, on either store: they share nothing but the feed."""

import dataclasses
import io
from pathlib import Path

import pytest
from tests.factories.records import ADA, PROJECTS, SPRINTS, Base, a_field, a_table, link_to, opened_base

from airtable_connector.database import Database, DatabaseLocation, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import BaseId, RandomIds, TableId
from airtable_connector.records import (
    STANDARD_TABLES,
    Action,
    FieldNameTaken,
    FieldType,
    InvalidSchema,
    LinkTargetMissing,
    MadeBase,
    Query,
    Table,
    TableNameTaken,
    TooManyBases,
    UnknownTable,
    Update,
    Verified,
    verify_feed,
)
from airtable_connector.records.altering import MOST_BASES, MOST_TABLES, with_tables
from airtable_connector.records.exchange import Form, Import, ImportOptions, MalformedFile, export_records

pytestmark = pytest.mark.anyio

ONE, TWO = BaseId("app00000000000001"), BaseId("app00000000000002")
FIRST_BY_NAME = BaseId("app00000000000000")
TEXT = FieldType.SINGLE_LINE_TEXT


def a_twin(of: Table, base: BaseId) -> Table:
    """Return a table of the same name and fields in another base."""
    ids = RandomIds()
    fields = tuple(dataclasses.replace(field, id=ids.mint("fld")) for field in of.fields)
    return dataclasses.replace(of, id=TableId(ids.mint("tbl")), fields=fields, key=None, base=base)


def things(name: str = "Things") -> Table:
    return a_twin(a_table(name, None, a_field("Name", TEXT)), ONE)


async def made(base: Base, base_id: BaseId = ONE, *tables: Table) -> list[Table]:
    return list(await base.workspace.add_base(base_id, "Made", tables or [things()], actor=ADA))


# --- apart from each other --------------------------------------------------------------------------------------


async def test_tables_of_one_name_hold_their_own_records(base: Base) -> None:
    (one,) = await made(base, ONE, a_twin(PROJECTS, ONE))
    (two,) = await made(base, TWO, a_twin(PROJECTS, TWO))
    records = {table.id: await base.create(table, Code=str(table.base)) for table in (PROJECTS, one, two)}
    for table in (PROJECTS, one, two):
        assert [record["id"] for record in await base.walk(Query(table))] == [records[table.id]]
        for other in (PROJECTS, one, two):
            found = await base.workspace.locate(records[table.id], other.base)
            assert (found is not None and found[0].id) == (other.id == table.id and table.id)
    assert base.workspace.table("Projects").id == PROJECTS.id
    assert base.workspace.table(one.id) == one
    assert {name: table.id for name, table in base.workspace.tables_of(TWO).items()} == {"Projects": two.id}
    # their moments are the same
    await made(base, FIRST_BY_NAME)
    assert [each.id for each in await base.workspace.bases()] == [ONE, TWO, FIRST_BY_NAME]


async def test_what_speaks_of_names_speaks_of_the_own_base(base: Base) -> None:
    before = list(base.workspace.tables)
    (thing,) = await made(base)
    assert list(base.workspace.tables) == before
    with pytest.raises(UnknownTable):
        base.workspace.table("Things")
    assert base.workspace.table_of(ONE, "Things") == base.workspace.table_of(ONE, thing.id) == thing
    assert base.workspace.table_of(None, "Things") is base.workspace.table_of(None, thing.id) is None
    assert base.workspace.table_of(ONE, SPRINTS.id) is base.workspace.table_of(ONE, "Sprints") is None
    assert base.workspace.table_of(TWO, "Things") is None
    assert (thing.address, SPRINTS.address) == (thing.id, "Sprints")


async def test_names_are_unique_within_a_base_only(base: Base) -> None:
    (thing,) = await made(base)
    with pytest.raises(TableNameTaken):
        await base.workspace.add_table(things("THINGS"), actor=ADA)
    await base.workspace.add_table(things("Sprints"), actor=ADA)
    renamed = await base.workspace.change_table(thing.id, name="Projects", actor=ADA)
    assert renamed.base == ONE
    with pytest.raises(TableNameTaken):
        await base.workspace.change_table(thing.id, name="sprints", actor=ADA)
    with pytest.raises(TableNameTaken):
        await made(base, TWO, a_twin(PROJECTS, TWO), a_twin(PROJECTS, TWO))
    with pytest.raises(FieldNameTaken):
        await base.workspace.add_field(thing.id, a_field("name", TEXT), actor=ADA)
    assert [base.id for base in await base.workspace.bases()] == [ONE]


async def test_links_stay_within_a_base(base: Base) -> None:
    people, teams = await made(base, ONE, things("People"), things("Teams"))
    linking = await base.workspace.add_field(teams.id, link_to(people, "Members"), actor=ADA)
    inverse = base.workspace.table(people.id).field("Teams")
    assert linking.field("Members").inverse == inverse.id
    ada, sprint = await base.create(people, Name="Ada"), await base.create(SPRINTS, Sprint_ID="S-1")
    team = await base.create(linking, Name="Blue", Members=[ada])
    assert (await base.cells(base.workspace.table(people.id), ada) or {})["Teams"] == [team]
    with pytest.raises(LinkTargetMissing):
        await base.do(Update(linking, team, {"Members": [sprint]}))
    for table, linked in ((teams, SPRINTS), (SPRINTS, teams)):
        with pytest.raises(InvalidSchema, match="not in the base"):
            await base.workspace.add_field(table.id, link_to(linked, "Across"), actor=ADA)
    (alone,) = await made(base, TWO)
    with pytest.raises(InvalidSchema, match="not in the base"):
        await base.workspace.add_field(alone.id, link_to(people, "Across"), actor=ADA)


async def test_a_base_is_there_whole_or_not_at_all(base: Base) -> None:
    with pytest.raises(InvalidSchema, match="no table"):
        await base.workspace.add_base(ONE, "Empty", [], actor=ADA)
    with pytest.raises(InvalidSchema, match="base that is not there"):
        await base.workspace.add_table(things(), actor=ADA)
    with pytest.raises(InvalidSchema, match="the name of a base"):
        await base.workspace.add_base(ONE, " ", [things()], actor=ADA)
    linking = a_twin(a_table("Linking", None, a_field("Name", TEXT), link_to(PROJECTS)), ONE)
    with pytest.raises(InvalidSchema, match="not in the base"):
        await made(base, ONE, things(), linking)
    assert (await base.workspace.bases(), dict(base.workspace.tables_of(ONE))) == ([], {})
    assert base.workspace.head.seq == 0
    await made(base)
    with pytest.raises(InvalidSchema, match="that id already"):
        await made(base, ONE, things("Others"))


def test_there_are_only_so_many() -> None:
    ids, first = RandomIds(), things()
    bases = [MadeBase(BaseId(ids.mint("app")), "Made", "2026-01-05T12:00:00.000Z") for _ in range(MOST_BASES)]
    full = {table.id: table for table in (a_twin(first, base.id) for base in bases)}
    with pytest.raises(TooManyBases):
        with_tables(full, [first], ids=ids, bases=[MadeBase(ONE, "One more", "2026-01-05T12:00:00.000Z")])
    more = {table.id: table for table in (a_twin(things(f"T{n}"), bases[0].id) for n in range(MOST_TABLES - 100))}
    with pytest.raises(InvalidSchema, match=f"at most {MOST_TABLES} tables"):
        with_tables({**full, **more}, [dataclasses.replace(first, base=bases[1].id, name="One more")], ids=ids)
    with_tables({**full, **more}, [dataclasses.replace(first, base=None)], ids=ids)


# --- kept, and told ---------------------------------------------------------------------------------------------


async def test_a_base_is_there_after_a_restart_and_in_other_processes(
    location: DatabaseLocation, database: Database
) -> None:
    async with (
        opened_base(database) as base,
        open_database(location, clock=SystemClock()) as other_database,
        opened_base(other_database) as other,
    ):
        (thing,) = await made(base)
        record = await base.create(thing, Name="kept")
        await other.workspace.follow()
        assert other.workspace.table_of(ONE, "Things") == thing
        assert await other.cells(thing, record) == {"Name": "kept"}
        known = await base.workspace.bases()
    async with open_database(location, clock=SystemClock()) as again, opened_base(again) as base:
        assert await base.workspace.bases() == known == [MadeBase(ONE, "Made", "2026-01-05T12:00:00.000Z")]
        assert base.workspace.table_of(ONE, "Things") == thing
        assert await base.cells(thing, record) == {"Name": "kept"}


async def test_the_feed_tells_which_base_a_table_was_added_to(base: Base) -> None:
    (thing,) = await made(base)
    await base.workspace.change_table(thing.id, description="What it is for", actor=ADA)
    change, _ = await base.workspace.changes(after=0, count=10)
    assert (change.action, change.table, change.actor) == (Action.SCHEMA, thing.id, ADA.droplet)
    assert (change.after or {})["baseId"] == ONE
    assert isinstance(await verify_feed(base.database), Verified)


# --- export and import ------------------------------------------------------------------------------------------


async def exported(base: Base, *tables: str, form: Form = Form.JSON_LINES) -> bytes:
    file = io.BytesIO()
    await export_records(base.database, tables=tables, form=form, write=file.write)
    return file.getvalue()


async def imported(base: Base, content: bytes, table: str | None = None) -> tuple[str, ...]:
    options = ImportOptions(Form.JSON_LINES, table)
    file = io.BytesIO(content)
    report = await Import(base.database, base.workspace, file, options, actor=ADA, ids=RandomIds()).run()
    assert report.stopped_by is None
    return report.tables_added


async def test_what_is_exported_comes_back_into_its_base(base: Base, tmp_path: Path) -> None:
    people, teams = await made(base, ONE, things("People"), things("Teams"))
    teams = await base.workspace.add_field(teams.id, link_to(people, "Members"), actor=ADA)
    (twin,) = await made(base, TWO, a_twin(PROJECTS, TWO))
    ada = await base.create(people, Name="Ada")
    await base.create(teams, Name="Blue", Members=[ada])
    await base.create(twin, Code="of two")
    await base.create(PROJECTS, Code="our own")
    content = await exported(base)
    async with (
        open_database(SqliteFile(tmp_path / "other.db"), clock=SystemClock()) as database,
        opened_base(database) as other,
    ):
        assert set(await imported(other, content)) == {people.id, teams.id, twin.id}
        assert await other.workspace.bases() == await base.workspace.bases()
        assert other.workspace.tables_of(ONE) == base.workspace.tables_of(ONE)
        assert (await exported(other)).splitlines()[1:] == content.splitlines()[1:]
        assert await imported(other, content) == ()
        assert (await exported(other)).splitlines()[1:] == content.splitlines()[1:]


async def test_one_table_of_a_made_base_is_named_by_its_id(base: Base, tmp_path: Path) -> None:
    (thing,) = await made(base)
    await base.create(thing, Name="a")
    assert b"a\r\n" in await exported(base, thing.id, form=Form.CSV)
    with pytest.raises(UnknownTable):
        await exported(base, "Things")
    content = await exported(base)
    async with (
        open_database(SqliteFile(tmp_path / "other.db"), clock=SystemClock()) as database,
        opened_base(database) as other,
    ):
        assert await imported(other, content, "Sprints") == ()
        assert await other.workspace.bases() == []
        assert await imported(other, content, thing.id) == (thing.id,)
        assert len(await other.walk(Query(thing))) == 1


async def test_a_file_of_the_own_base_alone_can_be_read_by_an_earlier_program(base: Base) -> None:
    await made(base)
    assert b'"version":1,' in (await exported(base, "Sprints")).splitlines()[0]
    header = (await exported(base)).splitlines()[0]
    assert b'"version":2,' in header
    with pytest.raises(MalformedFile, match="a base that is none"):
        await imported(base, header.replace(ONE.encode(), b"nothing", 1))


async def test_links_are_set_where_no_other_base_has_any(base: Base, tmp_path: Path) -> None:
    people, teams = await made(base, ONE, things("People"), things("Teams"))
    teams = await base.workspace.add_field(teams.id, link_to(people, "Members"), actor=ADA)
    ada = await base.create(people, Name="Ada")
    team = await base.create(teams, Name="Blue", Members=[ada])
    content = await exported(base, people.id, teams.id)
    async with (
        open_database(SqliteFile(tmp_path / "other.db"), clock=SystemClock()) as database,
        opened_base(database, tables=STANDARD_TABLES) as other,
    ):
        await imported(other, content)
        assert await other.cells(teams, team) == {"Name": "Blue", "Members": [ada]}
