import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.service import eventually
from typer.core import TyperGroup
from typer.main import get_command

from airtable_connector.cli import main
from airtable_connector.cli.app import app
from airtable_connector.cli.serving import given, read_plain
from airtable_connector.settings import NOT_USED, READERS

PLAIN = [
    [],
    ["--port", "8080"],
    ["--port", "0"],
    ["--host", "::1", "--port", "65535", "--data-dir", "/srv/base"],
    ["--port", "1", "--port", "2"],
    ["--host", ""],
    ["--data-dir", "a folder"],
]

NOT_PLAIN = [
    ["--port=8080"],
    ["--port", "65536"],
    ["--port", "-1"],
    ["--port", "08"],
    ["--port", "eighty"],
    ["--port", "٣"],
    ["--port", ""],
    ["--port"],
    ["--host", "--port"],
    ["--help"],
    ["--workers", "4"],
    ["extra"],
]


def said(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in settings.items() if text}


@pytest.mark.parametrize("options", PLAIN, ids=" ".join)
def test_a_plain_serve_is_read_as_the_command_line_library_reads_it(options: list[str]) -> None:
    library = get_command(app)
    assert isinstance(library, TyperGroup)
    read = library.commands["serve"].make_context("serve", list(options)).params
    plain = read_plain(["serve", *options])
    assert plain is not None
    assert said(plain) == said(given(read["host"], read["port"], read["data_dir"]))


@pytest.mark.parametrize("options", NOT_PLAIN, ids=" ".join)
def test_anything_else_is_left_to_the_command_line_library(options: list[str]) -> None:
    assert read_plain(["serve", *options]) is None


def test_another_command_is_no_plain_serve() -> None:
    assert read_plain([]) is None
    assert read_plain(["demo", "--port", "8080"]) is None
    assert read_plain(["--port", "8080"]) is None


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--port", "65536"], "less than or equal to 65535"), (["--workers", "4"], "No such option: --workers")],
)
def test_a_wrong_serve_is_told_what_is_wrong(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *options]) == 2
    shown = capsys.readouterr().err
    assert "Usage: airtable-connector serve [OPTIONS]" in shown
    assert told in shown


def test_settings_that_are_wrong_are_told_by_a_plain_serve_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [*READERS, *NOT_USED]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG_LEVEL", "loud")
    assert main(["serve", "--port", "0"]) == 2
    assert capsys.readouterr().err.startswith("airtable-connector: ")


def test_nothing_given_takes_no_setting_away() -> None:
    assert said(given("", None, "")) == {}


def test_an_interrupted_start_ends_without_a_word(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    os.mkfifo(settings)  # reading the settings waits for who writes them, so that the moment is known
    written: list[int] = []

    def is_read() -> bool:
        with contextlib.suppress(OSError):
            written.append(os.open(settings, os.O_WRONLY | os.O_NONBLOCK))
        return bool(written)

    command = [sys.executable, "-m", "airtable_connector", "serve", "--port", "0"]
    starting = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        eventually(is_read, within=30)
        # a signal that came between opening and reading would be forgotten by the read
        eventually(lambda: sleeps_over(starting.pid, settings), within=30)
        starting.send_signal(signal.SIGINT)
        assert starting.stderr is not None
        assert (starting.wait(30), starting.stderr.read()) == (130, b"")
    finally:
        starting.kill()
        starting.communicate()
        for each in written:
            os.close(each)


def sleeps_over(process: int, file: Path) -> bool:
    """Tell whether a process waits with this file open."""
    folder = Path(f"/proc/{process}")
    opened = [each.readlink() for each in (folder / "fd").iterdir()]
    state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
    return file in opened and state == "S"
