"""Export and import, on either store."""

import asyncio
import csv
import io
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.factories.records import ADA, EVERYTHING, PROJECTS, Base, a_field, a_sprint, a_table, opened_base, sprints

from airtable_connector.database import Database, DatabaseLocation, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds, TableId
from airtable_connector.records import (
    HEARTBEATS,
    SPRINTS,
    STANDARD_TABLES,
    Create,
    Delete,
    FieldType,
    KeptFile,
    Query,
    Table,
    UnknownTable,
    Update,
    Verified,
    stable_id,
    verify_feed,
)
from airtable_connector.records.exchange import (
    Exported,
    Form,
    Import,
    ImportOptions,
    ImportReport,
    MalformedFile,
    OnBad,
    OneTableOnly,
    OnKey,
    RowIds,
    TooManyRefused,
    export_records,
)

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]

NASTY_TEXTS = (
    "=1+1", "+49 30", "-", "@home", '"quoted"', 'a "b" c', "a,b;c\td", "first\nsecond\r\nthird\rfourth", " spaces ",
    "[not a list", "[]", "{}", "null", "true", "ünïcode ✓ 日本", "'single'", "\\back\\slash", "\ufeffmark",
    "1e5", "007",
)  # fmt: skip


@pytest.fixture
async def base(database: Database) -> AsyncIterator[Base]:
    async with opened_base(database) as opened:
        yield opened


@pytest.fixture
async def other(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Base]:
    """A second base, to move records into."""
    async with (
        open_database(SqliteFile(tmp_path / "other.db"), clock=SystemClock()) as database,
        opened_base(database) as opened,
    ):
        yield opened


async def exported(base: Base, *tables: Table, form: Form = Form.JSON_LINES) -> bytes:
    file = io.BytesIO()
    names = [table.name for table in tables]
    await export_records(base.database, tables=names, form=form, write=file.write)
    return file.getvalue()


def importing(base: Base, content: bytes, **options: Any) -> Import:
    more = {name: options.pop(name) for name in ("progress", "take_refused") if name in options}
    form = options.pop("form", Form.JSON_LINES)
    return Import(
        base.database,
        base.workspace,
        io.BytesIO(content),
        ImportOptions(form, **options),
        actor=ADA,
        ids=RandomIds(),
        **more,
    )


async def imported(base: Base, content: bytes, **options: Any) -> ImportReport:
    return await importing(base, content, **options).run()


async def records(base: Base, table: Table = SPRINTS) -> list[dict[str, Any]]:
    return await base.walk(Query(base.workspace.table(table.name), page_size=100))


async def names(base: Base) -> list[str]:
    return [record["fields"]["Sprint_ID"] for record in await records(base)]


def sprint_lines(*numbers: object, **more: object) -> bytes:
    """Write rows without ids and without a header."""
    return b"".join(
        orjson.dumps({"table": "Sprints", "fields": {"Sprint_ID": f"S-{number}", **more}}) + b"\n" for number in numbers
    )


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    tally = report.tally
    return tally.created, tally.updated, tally.present, len(tally.refused)


async def full_base(base: Base) -> None:
    """Fill the base with a record of every field type."""
    project = await base.create(PROJECTS, Code="P-1")
    await base.create(
        EVERYTHING,
        Name="all", Story="long\nstory", Site="https://example.org/?a=1,2", Mail="a@example.org", Phone="+49 30 1",
        Number=12.25, Percent=0.5, Price=1e22, Stars=4, Took=90, Ticked=True, Stage="Done", Tags=["red", "blue"],
        Day="2026-01-31", Moment="2026-01-31T12:00:00.500Z", Projects=[project],
        Files=[{"url": "https://example.org/a.png", "filename": "a.png"}],
        Essay="- one\n", Owner={"email": "ada@example.org"}, Team=[{"id": "usr00000000000001"}],
        **{"Code bars": {"text": "A1", "type": "upce"}},
    )  # fmt: skip
    await base.create(EVERYTHING)
    await base.create(EVERYTHING, Name="numbers", Number=-0.1, Price=2**53, Took=3.5)


def comparable(moved: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what is made anew: ids of attachments, the moment of the last change."""
    for record in moved:
        record["fields"].pop("Modified", None)
        for file in record["fields"].get("Files", []):
            file.pop("id")
    return list(moved)


# --- moving -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 500])
async def test_every_field_type_survives_json_lines(base: Base, other: Base, batch: int) -> None:
    await full_base(base)
    report = await imported(other, await exported(base), batch=batch)
    assert counts(report) == (4, 0, 0, 0)
    assert comparable(await records(other, EVERYTHING)) == comparable(await records(base, EVERYTHING))
    assert await records(other, PROJECTS) == await records(base, PROJECTS)


async def test_every_field_type_survives_csv(base: Base, other: Base) -> None:
    await full_base(base)
    for table in (PROJECTS, EVERYTHING):
        content = await exported(base, table, form=Form.CSV)
        report = await imported(other, content, form=Form.CSV, table=table.name)
        assert report.tally.refused == []
    assert comparable(await records(other, EVERYTHING)) == comparable(await records(base, EVERYTHING))


@pytest.mark.parametrize("form", list(Form))
async def test_a_file_that_is_kept_is_named_by_its_content_and_not_doubled(base: Base, other: Base, form: Form) -> None:
    await base.create(EVERYTHING, Name="x")
    file = KeptFile("0123456789abcdef" * 4, 3, "text/plain", "a.txt")
    await base.do(Update(EVERYTHING, "x", {"Files": [file, {"url": "https://x.example/a"}]}))
    moved = await exported(base, EVERYTHING, form=form)
    for expected in ((1, 0, 0, 0), (0, 0, 1, 0)):
        table = "Everything" if form is Form.CSV else None
        assert counts(await imported(other, moved, form=form, table=table)) == expected
    (there,), (here,) = await records(other, EVERYTHING), await records(base, EVERYTHING)
    assert [{**item, "id": ""} for item in there["fields"]["Files"]] == [
        {**item, "id": ""} for item in here["fields"]["Files"]
    ]


@pytest.mark.parametrize("form", list(Form))
async def test_a_text_comes_back_as_it_was_whatever_it_holds(base: Base, other: Base, form: Form) -> None:
    await base.do(*[a_sprint(number, Name=text, Notes=text) for number, text in enumerate(NASTY_TEXTS)])
    await imported(other, await exported(base, SPRINTS, form=form), form=form, table="Sprints")
    assert await records(other) == await records(base)
    assert [record["fields"]["Notes"] for record in await records(other)] == list(NASTY_TEXTS)


async def test_an_export_of_an_import_is_the_same_export(base: Base, other: Base) -> None:
    await base.do(*sprints(30, Status="Active", Time_Spent_hr=1.5))
    await base.do(*[Create(HEARTBEATS, {"Cell_ID": "C-1", "CPU_Usage": number}) for number in range(10)])
    content = await exported(base)
    await imported(other, content, batch=7)
    assert (await exported(other)).splitlines()[1:] == content.splitlines()[1:]


async def test_an_export_shows_one_moment_although_others_write(base: Base) -> None:
    await base.do(*sprints(900))
    await base.do(*[a_sprint(f"more-{number}") for number in range(900)])
    going_on = asyncio.Event()

    async def write_on() -> None:
        for number in range(1_000):
            if going_on.is_set():
                return
            await base.do(a_sprint(f"late-{number}"))

    async def export() -> Exported:
        await base.do(a_sprint("last before"))
        shown = await export_records(base.database, tables=["Sprints"], form=Form.JSON_LINES, write=len)
        going_on.set()
        return shown

    shown, _ = await asyncio.gather(export(), write_on())
    # each entry of the feed is one creation, so the position says how many records there were
    assert shown.records == {"Sprints": shown.seq}
    assert base.workspace.head.seq > shown.seq


async def test_an_export_reads_in_steps_and_loses_nothing_between_them(base: Base) -> None:
    await base.do(*sprints(600))
    await base.do(*[Create(SPRINTS, {"Sprint_ID": f"T-{number}"}) for number in range(600)])
    content = await exported(base, SPRINTS, form=Form.CSV)
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["Sprint_ID"] for row in rows] == await names(base)
    assert len(rows) == 1_200


async def test_only_the_tables_asked_for_are_exported(base: Base) -> None:
    await base.create(PROJECTS, Code="P-1")
    await base.do(*sprints(2))
    header, *lines = map(orjson.loads, (await exported(base, PROJECTS)).splitlines())
    assert [table["name"] for table in header["tables"]] == ["Projects"]
    assert [line["table"] for line in lines] == ["Projects"]
    with pytest.raises(UnknownTable, match="Sprintz"):
        await export_records(base.database, tables=["Sprintz"], form=Form.JSON_LINES, write=len)
    with pytest.raises(OneTableOnly):
        await exported(base, PROJECTS, SPRINTS, form=Form.CSV)


async def test_tables_that_the_base_lacks_are_added_with_their_links(base: Base, other: Base) -> None:
    teams = a_table("Teams", "Name", a_field("Name", FieldType.SINGLE_LINE_TEXT))
    people = a_table(
        "People",
        None,
        a_field("Who", FieldType.SINGLE_LINE_TEXT),
        a_field("Team", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=teams.id),
    )
    await base.workspace.add_table(teams, actor=ADA)
    await base.workspace.add_table(people, actor=ADA)
    team = await base.create(teams, Name="Blue")
    await base.create(people, Who="Ada", Team=[team])
    await other.workspace.add_table(
        Table(TableId(stable_id("tbl", "elsewhere")), "Teams", teams.fields, teams.key), actor=ADA
    )

    report = await imported(other, await exported(base, teams, people))

    assert report.tables_added == ("People",)
    linked = other.workspace.table("People").field("Team").options["linkedTableId"]
    assert linked == other.workspace.table("Teams").id
    assert (await records(other, people))[0]["fields"] == {"Who": "Ada", "Team": [team]}


async def test_links_may_point_forward_and_in_circles(base: Base, other: Base) -> None:
    tasks = a_table("Tasks", "Name", a_field("Name", FieldType.SINGLE_LINE_TEXT))
    after = a_field("After", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=tasks.id)
    tasks = Table(tasks.id, "Tasks", (*tasks.fields, after), tasks.key)
    await base.workspace.add_table(tasks, actor=ADA)
    first = await base.create(tasks, Name="first")
    second = await base.create(tasks, Name="second", After=[first])
    await base.do(Update(tasks, first, {"After": [second, first]}))

    report = await imported(other, await exported(base, tasks), batch=1)

    assert counts(report) == (2, 0, 0, 0)
    assert await records(other, tasks) == await records(base, tasks)


async def test_new_ids_make_copies_whose_links_lead_to_copies(base: Base) -> None:
    project = await base.create(PROJECTS, Code="P-1")
    outside = await base.create(PROJECTS, Code="P-2")
    await base.create(EVERYTHING, Story="mine", Projects=[project, outside])
    lines = (await exported(base, PROJECTS, EVERYTHING)).splitlines(keepends=True)
    content = b"".join(line for line in lines if b"P-2" not in line).replace(b'"P-1"', b'"P-1 copy"')

    report = await imported(base, content, ids=RowIds.NEW)

    assert counts(report) == (2, 0, 0, 0)
    _, _, copied_project = await records(base, PROJECTS)
    _, copy = await records(base, EVERYTHING)
    assert copied_project["fields"] == {"Code": "P-1 copy"}
    assert copied_project["id"] != project
    assert copy["fields"]["Projects"] == [copied_project["id"], outside]
    assert counts(await imported(base, content, ids=RowIds.NEW)) == (0, 0, 2, 0)


async def test_the_feed_says_who_imported_and_why(base: Base) -> None:
    await imported(base, sprint_lines(1))
    (change,) = await base.workspace.changes(after=0, count=10)
    assert (change.actor, change.cause) == (ADA.droplet, ADA.cause)


# --- rows that exist --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", list(Form))
async def test_importing_what_is_there_writes_nothing(base: Base, form: Form) -> None:
    await full_base(base)
    content = await exported(base, EVERYTHING, form=form)
    head = base.workspace.head
    assert counts(await imported(base, content, form=form, table="Everything")) == (0, 0, 3, 0)
    assert base.workspace.head.seq == head.seq


async def test_a_key_that_is_taken_is_refused_or_updates_as_asked(base: Base) -> None:
    await base.do(a_sprint(1, Name="old", Notes="stays"))
    lines = sprint_lines(1, Name="new")
    refused = await imported(base, lines, on_bad=OnBad.SKIP)
    assert [(one.line, one.code, one.field) for one in refused.tally.refused] == [(1, "key-taken", "Sprint_ID")]
    assert counts(await imported(base, lines, on_key=OnKey.UPDATE)) == (0, 1, 0, 0)
    assert (await records(base))[0]["fields"] == {"Sprint_ID": "S-1", "Name": "new", "Notes": "stays"}


async def test_an_id_that_is_taken_is_refused_or_updates_as_asked(base: Base) -> None:
    record = await base.create(HEARTBEATS, Cell_ID="C-1")
    line = orjson.dumps({"table": "Heartbeats", "id": record, "fields": {"Cell_ID": "C-2"}})
    refused = await imported(base, line, on_bad=OnBad.SKIP)
    assert [(one.code, one.field) for one in refused.tally.refused] == [("key-taken", "id")]
    assert counts(await imported(base, line, on_key=OnKey.UPDATE)) == (0, 1, 0, 0)


async def test_an_id_of_another_table_is_refused_in_either_way(base: Base) -> None:
    project = await base.create(PROJECTS, Code="P-1")
    line = orjson.dumps({"table": "Sprints", "id": project, "fields": {"Sprint_ID": "S-1"}})
    for on_key in OnKey:
        report = await imported(base, line, on_key=on_key, on_bad=OnBad.SKIP)
        assert [one.code for one in report.tally.refused] == ["key-taken"]


async def test_the_links_of_a_refused_row_are_not_given_to_the_record_in_its_way(base: Base) -> None:
    project = await base.create(PROJECTS, Code="P-1")
    await base.create(EVERYTHING, Name="mine", Story="mine")
    row = {"table": "Everything", "fields": {"Name": "mine", "Story": "theirs", "Projects": [project]}}
    report = await imported(base, orjson.dumps(row), on_bad=OnBad.SKIP)
    assert [one.code for one in report.tally.refused] == ["key-taken"]
    assert "Projects" not in (await records(base, EVERYTHING))[0]["fields"]


async def test_a_key_that_comes_twice_in_one_batch_is_refused_or_updates_as_asked(base: Base, other: Base) -> None:
    lines = sprint_lines(1, Name="first") + sprint_lines(1, Name="second")
    report = await imported(base, lines, on_bad=OnBad.SKIP)
    assert [(one.line, one.code) for one in report.tally.refused] == [(2, "key-taken")]
    assert counts(await imported(other, lines, on_key=OnKey.UPDATE)) == (1, 1, 0, 0)
    assert (await records(other))[0]["fields"]["Name"] == "second"


async def test_an_empty_csv_cell_empties_when_updating_and_a_missing_column_does_not(base: Base) -> None:
    await base.do(a_sprint(1, Name="old", Notes="stays"))
    await imported(base, b"Sprint_ID,Name\nS-1,\n", form=Form.CSV, table="Sprints", on_key=OnKey.UPDATE)
    assert (await records(base))[0]["fields"] == {"Sprint_ID": "S-1", "Notes": "stays"}


# --- bad rows ---------------------------------------------------------------------------------------------------


async def test_bad_rows_are_named_by_line_and_the_good_ones_of_their_batch_go_in(base: Base) -> None:
    taken: list[bytes] = []
    bad = {
        2: sprint_lines(2, Nmae="x"),
        4: sprint_lines(4, Time_Spent_hr="much"),
        5: sprint_lines(5, Status="Doing"),
        7: b"{not json\n",
        8: b"[1]\n",
        9: b'{"table":"Sprints","fields":[]}\n',
        10: b'{"fields":{}}\n',
        11: b'{"table":"Sprintz","fields":{}}\n',
        12: b'{"table":"Sprints","id":"rec1","fields":{}}\n',
        13: b'{"table":"Sprints","createdTime":"soon","fields":{}}\n',
        14: b'{"table":"Sprints","Name":"flat"}\n',
        15: b'{"table":7,"fields":{}}\n',
        16: b'{"table":"Sprints","fields":{"Name":"\xff"}}\n',
        17: b'{"table":"Sprints","id":17,"fields":{}}\n',
    }
    content = b"".join(bad.get(line, sprint_lines(line)) for line in range(1, 20))

    report = await imported(base, content, on_bad=OnBad.SKIP, take_refused=lambda raw, _refusal: taken.append(raw))

    assert report.stopped_by is None
    assert [refusal.line for refusal in report.tally.refused] == list(bad)
    assert [(one.code, one.field) for one in report.tally.refused[:3]] == [
        ("unknown-field", "Nmae"), ("invalid-cell", "Time_Spent_hr"), ("unknown-choice", "Status"),
    ]  # fmt: skip
    assert report.tally.refused[0].hint == "did you mean 'Name'?"
    assert all(refusal.hint for refusal in report.tally.refused)
    assert taken == list(bad.values())
    assert await names(base) == ["S-1", "S-3", "S-6", "S-18", "S-19"]


async def test_rows_that_only_the_store_can_refuse_do_not_take_their_batch_along(base: Base) -> None:
    gone = "rec" + "9" * 14
    rows = [{"Name": f"E-{number}", "Projects": [gone] if number in (3, 4, 11) else []} for number in range(16)]
    content = b"".join(orjson.dumps({"table": "Everything", "fields": row}) + b"\n" for row in rows)
    report = await imported(base, content, on_bad=OnBad.SKIP)
    assert [(one.line, one.code) for one in report.tally.refused] == [
        (4, "link-target-missing"), (5, "link-target-missing"), (12, "link-target-missing"),
    ]  # fmt: skip
    assert len(await records(base, EVERYTHING)) == 16
    again = await imported(base, content, on_bad=OnBad.SKIP)
    assert again.tally.refused == report.tally.refused


async def test_the_first_bad_row_stops_and_a_corrected_file_goes_on_without_doubling(base: Base) -> None:
    beats = [b'{"table":"Heartbeats","fields":{"Cell_ID":"C-%d"}}\n' % number for number in range(10)]
    wrong = b"".join(beats).replace(b'"C-6"', b"6")

    stopped = await imported(base, wrong, batch=4)
    assert stopped.stopped_by is not None
    assert (stopped.stopped_by.line, stopped.stopped_by.field) == (7, "Cell_ID")
    assert len(await records(base, HEARTBEATS)) == 6

    corrected = await imported(base, b"".join(beats), batch=4)
    assert counts(corrected) == (4, 0, 6, 0)
    assert [beat["fields"]["Cell_ID"] for beat in await records(base, HEARTBEATS)] == [f"C-{n}" for n in range(10)]


async def test_csv_rows_are_refused_by_the_line_they_begin_at(base: Base) -> None:
    content = (
        b"\xef\xbb\xbfid,Sprint_ID,Notes,Time_Spent_hr\r\n"
        b',S-1,"over\r\nthree\r\nlines",1\r\n'
        b",S-2,,much\r\n"
        b"\r\n"
        b",S-3,x\r\n"
        b",S-4,\xff,2\r\n"
        b"rec1,S-5,,2\r\n"
        b",S-6,,2"
    )
    report = await imported(base, content, form=Form.CSV, table="Sprints", on_bad=OnBad.SKIP)
    assert [(one.line, one.code) for one in report.tally.refused] == [
        (5, "invalid-cell"), (7, "malformed-row"), (8, "malformed-row"), (9, "malformed-id"),
    ]  # fmt: skip
    assert await names(base) == ["S-1", "S-6"]
    assert (await records(base))[0]["fields"]["Notes"] == "over\r\nthree\r\nlines"


async def test_csv_that_cannot_be_told_apart_into_rows_stops_even_when_bad_rows_are_skipped(base: Base) -> None:
    content = b'Sprint_ID,Name\nS-1,fine\nS-2,"open\nS-3,lost\n'
    with pytest.raises(MalformedFile, match="line 4"):
        await imported(base, content, form=Form.CSV, table="Sprints", on_bad=OnBad.SKIP, batch=1)
    assert await names(base) == ["S-1"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"Sprint_ID,Nmae\nS-1,x\n", "no field 'Nmae'"),
        (b"Sprint_ID,Sprint_ID\nS-1,x\n", "same field"),
        (b"", "names of the columns"),
        (b"\nS-1,x\n", "names of the columns"),
        (b"Sprint_ID,\xff\nS-1,x\n", "no field"),
    ],
)
async def test_a_csv_header_that_is_wrong_takes_nothing_in(base: Base, content: bytes, complaint: str) -> None:
    with pytest.raises(MalformedFile, match=re.escape(complaint)):
        await imported(base, content, form=Form.CSV, table="Sprints", on_bad=OnBad.SKIP)
    assert await records(base) == []


@pytest.mark.parametrize(
    "header",
    [
        b'{"format":"airtable-connector.backup","version":1}\n',
        b'{"format":"airtable-connector.export","version":99,"tables":[]}\n',
        b'{"format":"airtable-connector.export","version":1}\n',
    ],
)
async def test_a_file_of_another_kind_is_refused(base: Base, header: bytes) -> None:
    with pytest.raises(MalformedFile, match="line 1"):
        await imported(base, header + sprint_lines(1))
    assert await records(base) == []


async def test_with_a_table_named_rows_of_others_are_left_out(base: Base) -> None:
    content = sprint_lines(1) + b'{"table":"Projects","fields":{"Code":"P-1"}}\n{"fields":{"Sprint_ID":"S-2"}}\n'
    report = await imported(base, content, table="Sprints")
    assert (report.tally.created, report.tally.left_out) == (2, 1)
    assert await names(base) == ["S-1", "S-2"]
    assert await records(base, PROJECTS) == []


async def test_a_file_that_is_all_wrong_is_given_up(base: Base) -> None:
    with pytest.raises(TooManyRefused):
        await imported(base, b"x\n" * 20_000, on_bad=OnBad.SKIP)


# --- interruptions ----------------------------------------------------------------------------------------------


class Interrupted(Exception):
    pass


def interrupting(batches: int) -> Any:
    left = iter(range(batches))

    def progress(_done: int, _all: int) -> None:
        if next(left, None) is None:
            raise Interrupted

    return progress


async def test_an_interrupted_import_goes_on_where_it_was(base: Base) -> None:
    content = sprint_lines(*range(50)) + b"broken\n"
    with pytest.raises(Interrupted):
        await imported(base, content, batch=5, on_bad=OnBad.SKIP, progress=interrupting(3))
    written = base.workspace.head.seq
    assert written == 20
    await base.do(Update(SPRINTS, "S-3", {"Name": "edited meanwhile"}))

    report = await imported(base, content, batch=5, on_bad=OnBad.SKIP)

    assert counts(report) == (50, 0, 0, 1)
    assert await names(base) == [f"S-{number}" for number in range(50)]
    assert base.workspace.head.seq == 51
    assert (await records(base))[3]["fields"]["Name"] == "edited meanwhile"


async def test_an_import_that_came_to_its_end_can_be_repeated_to_bring_deleted_records_back(base: Base) -> None:
    content = sprint_lines(*range(10))
    await imported(base, content, batch=4)
    await base.do(Delete(SPRINTS, "S-3"))
    assert counts(await imported(base, content, batch=4)) == (1, 0, 9, 0)
    assert sorted(await names(base)) == [f"S-{number}" for number in range(10)]


async def test_rows_without_ids_and_keys_are_not_doubled_by_another_run(base: Base) -> None:
    beat = b'{"table":"Heartbeats","fields":{"Cell_ID":"C-1","CPU_Usage":5}}\n'
    assert counts(await imported(base, beat * 3)) == (3, 0, 0, 0)
    # other batches: the notes of the first run do not fit
    assert counts(await imported(base, beat * 3, batch=2)) == (0, 0, 3, 0)
    assert len(await records(base, HEARTBEATS)) == 3


KILLED = """
import asyncio, sys
from pathlib import Path
from airtable_connector.database import PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.kernel.observer import BlindObserver
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import Actor, STANDARD_TABLES, open_workspace
from airtable_connector.records.exchange import Form, Import, ImportOptions

kind, place, file = sys.argv[1:]
location = SqliteFile(Path(place)) if kind == "sqlite" else PostgresServer(Secret(place))
batches = iter(range(4))

def progress(done, all_):
    if next(batches, None) is None:
        print("here", flush=True)
        sys.stdin.read()  # until the end comes

async def main():
    clock, ids = SystemClock(), RandomIds()
    async with open_database(location, clock=clock) as database, open_workspace(
        database, clock=clock, ids=ids, observer=BlindObserver(), tables=STANDARD_TABLES
    ) as workspace:
        with open(file, "rb") as rows:
            await Import(
                database, workspace, rows, ImportOptions(Form.JSON_LINES, batch=20), actor=Actor(5, "killed"), ids=ids,
                progress=progress,
            ).run()

asyncio.run(main())
"""


def import_and_kill(location: DatabaseLocation, file: Path) -> None:
    place = ("sqlite", str(location.path)) if isinstance(location, SqliteFile) else ("postgres", location.url.reveal())
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *place, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"here\n"
        child.kill()


async def test_an_import_that_was_killed_goes_on_without_losing_or_doubling(
    location: DatabaseLocation, tmp_path: Path
) -> None:
    content = sprint_lines(*range(300))
    file = tmp_path / "rows.jsonl"
    file.write_bytes(content)
    import_and_kill(location, file)

    async with (
        open_database(location, clock=SystemClock()) as database,
        opened_base(database, clock=SystemClock(), tables=STANDARD_TABLES) as base,
    ):
        assert len(await records(base)) == 100
        report = await imported(base, content, batch=20)
        assert counts(report) == (300, 0, 0, 0)
        assert await names(base) == [f"S-{number}" for number in range(300)]
        verdict = await verify_feed(base.database)
        assert isinstance(verdict, Verified)
        assert verdict.entries == 300


async def test_two_imports_of_one_file_at_the_same_time_write_it_once(base: Base, location: DatabaseLocation) -> None:
    content = sprint_lines(*range(20))
    async with (
        open_database(location, clock=SystemClock()) as database,
        opened_base(database) as second,
    ):
        reports = await asyncio.gather(imported(base, content, batch=5), imported(second, content, batch=5))
    assert [report.tally.written for report in reports] == [20, 20]
    await base.workspace.follow()
    assert await names(base) == [f"S-{number}" for number in range(20)]
    assert base.workspace.head.seq == 20
