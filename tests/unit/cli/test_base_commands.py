import asyncio
import csv
import gzip
import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from tests.factories.records import opened_base, sprints
from typer.testing import CliRunner

from airtable_connector.cli.base_commands import StoreMissing, add_base_commands
from airtable_connector.database import SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.records import STANDARD_TABLES, AttachmentFiles, InvalidSchema
from airtable_connector.records.backup import DamagedBackup, StoreNotEmpty
from airtable_connector.records.exchange import MalformedFile
from airtable_connector.settings import NOT_USED, READERS
from airtable_connector.web.airtable_api import DERIVED_ID, WORKSPACE_ID

ROOT = Path(__file__).resolve().parents[3]
MADE = "app00000000000001"
STORE = Path("data") / "connector.sqlite3"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without files, and an environment without our names."""
    for name in [*READERS, *NOT_USED]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Ran:
    """What a command printed, and how it ended."""

    def __init__(self, arguments: Sequence[str]) -> None:
        app = typer.Typer()
        add_base_commands(app)
        result = CliRunner().invoke(app, list(arguments))
        self.code, self.out, self.err, self.raw = result.exit_code, result.stdout, result.stderr, result.stdout_bytes
        self.error = result.exception if isinstance(result.exception, ConnectorError) else None
        if self.error is None and not isinstance(result.exception, SystemExit | None):
            raise result.exception


def run(*arguments: str) -> Ran:
    return Ran(arguments)


@pytest.fixture
def store(folder: Path) -> Path:
    """The configured store, with 30 sprints."""
    asyncio.run(fill(folder / STORE))
    return folder / STORE


async def fill(path: Path) -> None:
    async with (
        open_database(SqliteFile(path), clock=SystemClock()) as database,
        opened_base(database, clock=SystemClock(), tables=STANDARD_TABLES) as base,
    ):
        await base.do(*sprints(30, Status="Active"))


async def tamper(path: Path) -> None:
    async with open_database(SqliteFile(path), clock=SystemClock()) as database, database.transaction() as tx:
        await tx.run("update feed set actor = 99 where seq = 17")


def write(name: str, *lines: object) -> str:
    Path(name).write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return name


def a_row(number: object, **more: object) -> dict[str, object]:
    return {"table": "Sprints", "fields": {"Sprint_ID": f"S-{number}", **more}}


# --- export and import ------------------------------------------------------------------------------------------


def test_an_export_goes_to_the_standard_output_and_its_counts_to_the_standard_error(store: Path) -> None:
    ran = run("export", "--table", "Sprints")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 31
    assert ran.err.splitlines() == ["Sprints: 30 records", "30 records exported, as of feed position 30"]


def test_an_export_to_a_csv_file_is_csv_that_only_its_owner_reads(store: Path) -> None:
    assert run("export", "--table", "Sprints", "--to", "sprints.csv").code == 0
    with Path("sprints.csv").open(newline="") as file:
        assert [row["Sprint_ID"] for row in csv.DictReader(file)] == [f"S-{number}" for number in range(30)]
    assert stat.S_IMODE(Path("sprints.csv").stat().st_mode) == 0o600


def test_an_export_that_fails_leaves_the_file_of_that_name_alone(store: Path) -> None:
    write("kept.csv", "before")
    assert run("export", "--to", "kept.csv").error is not None
    assert Path("kept.csv").read_text() == "before"
    assert sorted(path.name for path in Path().iterdir()) == ["data", "kept.csv"]


def test_what_was_exported_is_imported_into_an_empty_place(store: Path) -> None:
    run("export", "--to", "base.jsonl")
    ran = run("import", "base.jsonl", "--data-dir", "elsewhere")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "30 rows created, 0 updated, 0 there already, 0 refused, 0 of other tables left out\n"
    exported, again = run("export").out, run("export", "--data-dir", "elsewhere").out
    assert exported.splitlines()[1:] == again.splitlines()[1:]


def test_a_bad_row_stops_the_import_and_is_named_with_what_to_do(store: Path) -> None:
    file = write("rows.jsonl", a_row("new"), a_row("bad", Status="Doing"), a_row("later"))
    ran = run("import", file)
    assert ran.code == 1
    assert ran.err.splitlines()[:2] == [
        "line 2: Status: Status has no choice 'Doing' (allowed: Pending, Active, Done)",
        "1 rows created, 0 updated, 0 there already, 1 refused, 0 of other tables left out",
    ]
    assert "run the same command" in ran.err

    write("rows.jsonl", a_row("new"), a_row("bad", Status="Done"), a_row("later"))
    assert "2 rows created, 0 updated, 1 there already, 0 refused" in run("import", file).err


def test_bad_rows_can_be_skipped_and_kept_in_a_file_that_can_be_imported(store: Path) -> None:
    file = write("rows.csv", "Sprint_ID,Time_Spent_hr\n", "A-1,1\n", "A-2,much\n", 'A-3,"more\nthan that"\n', "A-4,4\n")
    ran = run("import", file, "--table", "Sprints", "--skip-bad", "--refused", "refused.csv")
    assert ran.code == 1
    assert "2 rows created, 0 updated, 0 there already, 2 refused" in ran.err
    assert Path("refused.csv").read_text() == 'Sprint_ID,Time_Spent_hr\nA-2,much\nA-3,"more\nthan that"\n'
    assert "line 3: Time_Spent_hr: " in ran.err

    write("refused.csv", Path("refused.csv").read_text().replace("much", "2").replace('"more\nthan that"', "3"))
    assert "2 rows created" in run("import", "refused.csv", "--table", "Sprints").err


def test_no_file_of_refused_rows_is_made_when_none_is_refused(store: Path) -> None:
    assert run("import", write("rows.jsonl", a_row("new")), "--refused", "refused.jsonl").code == 0
    assert not Path("refused.jsonl").exists()


def test_an_import_updates_and_copies_when_asked(store: Path) -> None:
    ran = run("import", write("rows.jsonl", a_row(3, Name="three")), "--on-key", "update")
    assert "0 rows created, 1 updated" in ran.err
    beat = {"table": "Heartbeats", "id": "rec" + "1" * 14, "fields": {"Cell_ID": "C-1"}}
    run("import", write("beat.jsonl", beat))
    assert "1 rows created" in run("import", "beat.jsonl", "--new-ids").err
    assert "0 rows created, 0 updated, 1 there already" in run("import", "beat.jsonl", "--new-ids").err


def test_a_csv_import_must_say_its_table(store: Path) -> None:
    ran = run("import", write("rows.csv", "Sprint_ID\nS-1\n"))
    assert ran.code == 2
    assert "--table" in ran.err


def test_rows_written_before_the_file_became_unreadable_are_counted(store: Path) -> None:
    file = write("rows.csv", 'Sprint_ID,Name\nA-1,x\nA-2,"open\n')
    ran = run("import", file, "--table", "Sprints", "--batch", "1")
    assert isinstance(ran.error, MalformedFile)
    assert "1 rows created" in ran.err


# --- backup and restore -----------------------------------------------------------------------------------------


def test_a_base_is_backed_up_restored_and_verified(store: Path) -> None:
    backup = run("backup", "--to", "base.backup")
    assert backup.code == 0
    assert stat.S_IMODE(Path("base.backup").stat().st_mode) == 0o600
    restored = run("restore", "base.backup", "--data-dir", "restored")
    assert restored.code == 0
    assert restored.err.splitlines()[-1] == backup.err.splitlines()[-1]
    assert run("export", "--data-dir", "restored").out == run("export").out
    assert run("audit", "verify", "--data-dir", "restored").out == run("audit", "verify").out


def test_attachments_are_backed_up_and_restored(store: Path) -> None:
    clock = SystemClock()
    kept = AttachmentFiles(Path("data/attachments"), most_bytes=10_000, clock=clock)
    digest = kept.keep(b"hello")
    run("backup", "--to", "base.backup")
    assert run("restore", "base.backup", "--data-dir", "restored").code == 0
    assert AttachmentFiles(Path("restored/attachments"), most_bytes=0, clock=clock).read(digest) == b"hello"
    assert stat.S_IMODE(Path("restored/attachments", digest).stat().st_mode) == 0o600


def test_a_store_with_records_is_not_restored_over(store: Path) -> None:
    run("backup", "--to", "base.backup")
    assert isinstance(run("restore", "base.backup").error, StoreNotEmpty)


def test_a_damaged_backup_is_refused_and_makes_no_store(store: Path) -> None:
    run("backup", "--to", "base.backup")
    content = gzip.decompress(Path("base.backup").read_bytes())
    Path("base.backup").write_bytes(gzip.compress(content.replace(b"S-7", b"S-8")))
    assert isinstance(run("restore", "base.backup", "--data-dir", "restored").error, DamagedBackup)
    assert not Path("restored").exists()


# --- audit ------------------------------------------------------------------------------------------------------


def test_a_sound_feed_is_described(store: Path) -> None:
    ran = run("audit", "verify")
    assert ran.code == 0
    assert ran.out.splitlines()[:2] == ["entries           30", "contents dropped  0"]
    assert len(ran.out.splitlines()[2].split()[1]) == 64


def test_the_first_bad_entry_of_a_damaged_feed_is_named(store: Path) -> None:
    asyncio.run(tamper(store))
    ran = run("audit", "verify")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "entry 17 of the feed is not what was written: its content is not what was written\n"


def test_a_damaged_feed_is_restored_but_not_silently(store: Path) -> None:
    asyncio.run(tamper(store))
    run("backup", "--to", "base.backup")
    ran = run("restore", "base.backup", "--data-dir", "restored")
    assert ran.code == 1
    assert "entry 17" in ran.err


@pytest.mark.parametrize(
    "command", [["export"], ["backup", "--to", "x"], ["audit", "verify"], ["schema", "show"], ["schema", "bases"]]
)
def test_a_command_that_only_reads_makes_no_store(command: list[str]) -> None:
    assert isinstance(run(*command).error, StoreMissing)
    assert list(Path().iterdir()) == []


# --- schema -----------------------------------------------------------------------------------------------------


def test_the_schema_is_shown_as_json(store: Path) -> None:
    tables = json.loads(run("schema", "show").out)
    assert [table["name"] for table in tables] == [table.name for table in STANDARD_TABLES]


def test_a_table_is_added_from_a_definition_without_ids(store: Path) -> None:
    definition = {
        "name": "Tasks",
        "keyFieldId": "Task",
        "fields": [
            {"name": "Task", "type": "singleLineText"},
            {"name": "Stage", "type": "singleSelect", "options": {"choices": ["New", {"name": "Old"}]}},
            {"name": "After", "type": "multipleRecordLinks", "options": {"linkedTableId": "Tasks"}},
            {"name": "Sprint", "type": "multipleRecordLinks", "options": {"linkedTableId": "Sprints"}},
        ],
    }
    ran = run("schema", "add-table", write("tasks.json", definition))
    assert ran.code == 0
    added = json.loads(run("schema", "show").out)[-1]
    task, stage, after, sprint = added["fields"]
    assert added["id"] == ran.out.strip()
    assert added["keyFieldId"] == task["id"]
    assert [choice["name"] for choice in stage["options"]["choices"]] == ["New", "Old"]
    assert all(choice["id"].startswith("sel") for choice in stage["options"]["choices"])
    assert after["options"]["linkedTableId"] == added["id"]
    assert sprint["options"]["linkedTableId"] == STANDARD_TABLES[0].id

    row = {"table": "Tasks", "fields": {"Task": "T-1", "Stage": "Old"}}
    assert "1 rows created" in run("import", write("rows.jsonl", row)).err


def test_a_table_is_added_to_the_base_that_its_definition_names(store: Path) -> None:
    name = {"id": "fld00000000000001", "name": "Name", "type": "singleLineText"}
    table = {"id": "tbl00000000000001", "name": "Sprints", "baseId": MADE, "fields": [name]}
    base = {"id": MADE, "name": "Made elsewhere", "createdTime": "2026-01-05T12:00:00.000Z"}
    header = {"format": "airtable-connector.export", "version": 2, "bases": [base], "tables": [table]}
    assert run("import", write("made.jsonl", header)).code == 0

    link = {"name": "Sprint", "type": "multipleRecordLinks", "options": {"linkedTableId": "Sprints"}}
    definition = {"name": "Tasks", "baseId": MADE, "fields": [{"name": "Task", "type": "singleLineText"}, link]}
    assert run("schema", "add-table", write("tasks.json", definition)).code == 0
    added = json.loads(run("schema", "show").out)[-1]
    assert (added["baseId"], added["fields"][1]["options"]["linkedTableId"]) == (MADE, table["id"])

    lines = [line.split("\t") for line in run("schema", "bases").out.splitlines()]
    assert [line[0] for line in lines] == [WORKSPACE_ID, DERIVED_ID, MADE]
    assert lines[2][1:] == ["Made elsewhere", "2026-01-05T12:00:00.000Z"]


@pytest.mark.parametrize(
    "definition",
    [
        "not json",
        "[]",
        '{"name": "T"}',
        '{"name": "T", "fields": []}',
        '{"name": "T", "fields": ["x"]}',
        '{"name": "T", "fields": [{"name": "x"}]}',
        '{"name": "T", "fields": [{"name": "x", "type": "magic"}]}',
        '{"name": "T", "fields": [{"name": "x", "type": "singleSelect", "options": {"choices": [7]}}]}',
        '{"name": "T", "keyFieldId": ["x"], "fields": [{"name": "x", "type": "singleLineText"}]}',
        '{"name": "T", "fields": [{"name": "x", "type": "multipleRecordLinks", "options": {"linkedTableId": [1]}}]}',
        '{"name": "Sprints", "fields": [{"name": "x", "type": "singleLineText"}]}',
        '{"name": "T", "baseId": 7, "fields": [{"name": "x", "type": "singleLineText"}]}',
        '{"name": "T", "baseId": "app", "fields": [{"name": "x", "type": "singleLineText"}]}',
        '{"name": "T", "baseId": "app00000000000009", "fields": [{"name": "x", "type": "singleLineText"}]}',
    ],
)
def test_a_wrong_definition_is_refused(store: Path, definition: str) -> None:
    assert isinstance(run("schema", "add-table", write("wrong.json", definition)).error, InvalidSchema)
