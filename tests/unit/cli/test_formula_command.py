"""The command that explains a formula."""

import asyncio
import json
from pathlib import Path

import pytest
import typer
from tests.factories.records import a_sprint, opened_base
from typer.testing import CliRunner, Result

from airtable_connector.cli.base_commands import StoreMissing
from airtable_connector.cli.formula_command import add_formula_command
from airtable_connector.database import SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.records import STANDARD_TABLES, UnknownTable
from airtable_connector.records.formula import FormulaError
from airtable_connector.settings import NOT_USED, READERS


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without files, and an environment without our names."""
    for name in [*READERS, *NOT_USED]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> None:
    asyncio.run(fill(folder / "data" / "connector.sqlite3"))


async def fill(path: Path) -> None:
    async with (
        open_database(SqliteFile(path), clock=SystemClock()) as database,
        opened_base(database, clock=SystemClock(), tables=STANDARD_TABLES) as base,
    ):
        await base.do(*(a_sprint(n, Status=["Active", "Done"][n % 2], Time_Spent_hr=n) for n in range(30)))


def run(*arguments: str) -> Result:
    app = typer.Typer()
    add_formula_command(app)
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.usefixtures("store")
def test_a_formula_is_taken_apart_and_its_first_matches_are_shown() -> None:
    text = 'AND({Status} = "Active", {Time_Spent_hr} > 9)'
    *lines, first, second = run(text, "--table", "Sprints", "--limit", "2").stdout.splitlines()
    shown = "\n".join(lines)
    assert lines[0].split() == ["AND()", "boolean", f"1-{len(text)}"]
    assert "reads: {Status}, {Time_Spent_hr}" in shown
    assert "records are looked up by Status" in shown
    assert "of 200,000,000 steps" in shown
    assert "lets through 2, and there are more" in shown
    assert [json.loads(each)["fields"]["Sprint_ID"] for each in (first, second)] == ["S-10", "S-12"]


@pytest.mark.usefixtures("store")
def test_it_says_when_every_record_is_looked_at() -> None:
    shown = run("{Time_Spent_hr} > 99", "--table", "Sprints").stdout
    assert "every record is looked at" in shown
    assert shown.splitlines()[-1].endswith("lets through 0")


@pytest.mark.usefixtures("store")
def test_a_wrong_formula_is_pointed_at() -> None:
    result = run("AND({Nmae} = 1)", "--table", "Sprints")
    assert isinstance(result.exception, FormulaError)
    assert result.stderr == "AND({Nmae} = 1)\n    ^^^^^^\n"
    assert isinstance(run("1", "--table", "Nothing").exception, UnknownTable)


def test_nothing_is_made_where_no_store_is(folder: Path) -> None:
    assert isinstance(run("1", "--table", "Sprints").exception, StoreMissing)
    assert list(folder.iterdir()) == []
