"""What a newcomer sees: ``make run-mirror``, and the lines that it prints, run as printed."""

import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.service import COMMAND, STOP_LIMIT_S, Place, Service, environment, eventually

RECORDS = 300
AWAY_S = 2

COPY_LIMIT_S = 90.0
"""How long the demo may be silent: on a busy machine calls may come too close to each other, and be locked out."""


@dataclass
class MirrorDemo:
    """A running demo, and what it has printed."""

    service: Service
    folder: Path
    shown: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _last_run: float = 0.0

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.service.process.stdout is not None
        for line in self.service.process.stdout:
            with self._news:
                self.shown.append(line)
                self._news.notify_all()

    def wait_for(self, words: str) -> None:
        """Wait until the demo has said something."""
        with self._news:
            assert self._news.wait_for(lambda: words in self.text, COPY_LIMIT_S), self.text

    @property
    def text(self) -> str:
        return "".join(self.shown)

    @property
    def names(self) -> dict[str, str]:
        """The addresses and keys, under the names that they are given for the shell."""
        return dict(re.findall(r"^    ([A-Z]+)=(http\S+|ey\S+)$", self.text, re.MULTILINE))

    @property
    def lines(self) -> list[str]:
        """The commands, each with the lines that continue it."""
        return re.findall(r"^    ((?:curl|kill|ANSWER).*(?:\n {5,}\S.*)*)$", self.text, re.MULTILINE)

    def run(self, *lines: str) -> str:
        """Run lines in bash, as a person would who types no two within a second: the stand-in counts calls."""
        eventually(lambda: time.monotonic() - self._last_run > 1.1)
        named = "\n".join(f"{name}={value}" for name, value in self.names.items())
        done = subprocess.run(
            ["bash", "-c", "\n".join([named, *lines])],
            env=environment({"NO_PROXY": "*"}),
            capture_output=True,
            text=True,
            timeout=STOP_LIMIT_S,
            check=True,
        )
        self._last_run = time.monotonic()
        return done.stdout

    def ask(self, line: str) -> Any:
        """Run a line and read the answer's body; its head, where the line shows that, is passed over."""
        return json.loads(self.run(line).rpartition("\n\n")[2])

    def ask_until(self, line: str, holds: Callable[[Any], bool]) -> None:
        """Ask again and again: the base may be locked out for a while, because all calls together came too fast."""
        eventually(lambda: holds(self.ask(line)), within=COPY_LIMIT_S)

    def close(self) -> None:
        self._reader.join(STOP_LIMIT_S)
        assert self.service.process.stdout is not None
        self.service.process.stdout.close()


@contextmanager
def mirror_demo(folder: Path) -> Iterator[MirrorDemo]:
    options = ["--records", str(RECORDS), "--away-seconds", str(AWAY_S), "--data-dir", str(folder / "mirror")]
    process = subprocess.Popen(
        [*COMMAND, "demo-mirror", *options],
        cwd=folder,
        # a base that somebody mirrors in earnest is left alone
        env=environment({"AIRTABLE_API_KEY": "not-for-the-demo", "BASE_ID": "app00000000000000"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    shown = MirrorDemo(Service(process, Place(folder / "mirror")), folder / "mirror")
    try:
        shown.wait_for("Ctrl-C ends both")
        yield shown
    finally:
        shown.service.stop(signal.SIGINT)
        shown.close()


def statuses(answer: Any) -> list[str]:
    """Return the statuses of the records in an answer; one that refuses has none."""
    return [record["fields"]["Status"] for record in answer.get("records", [])]


def listens(address: str) -> bool:
    host, port = address.removeprefix("http://").partition("/")[0].split(":")
    with socket.socket() as caller:
        return caller.connect_ex((host, int(port))) == 0


def test_what_is_written_on_either_side_appears_on_the_other_by_the_lines_as_printed(tmp_path: Path) -> None:
    with mirror_demo(tmp_path) as shown:
        write, read_there, edit_there, read, end, write_alone, receipt, state, budget = shown.lines
        assert re.search(rf"^{RECORDS + 1} records are copied, ", shown.text, re.MULTILINE)  # and the day's digest
        assert {each["phase"] for each in shown.ask(state)["airtable"]["mirror"]["tables"]} == {"whole"}

        shown.ask(write)
        shown.ask_until(read_there, lambda there: statuses(there) == ["Active"])
        shown.ask_until(edit_there, lambda there: statuses(there) == ["Done"])
        shown.ask_until(read, lambda here: statuses(here) == ["Done"])
        assert "x-mirror-age: " in shown.run(read)

        shown.run(end)
        shown.wait_for("has ended")
        assert not (shown.folder / "airtable.pid").exists()
        answer, _, told = shown.run(write_alone, "echo ===", receipt).partition("===")
        assert answer.startswith("HTTP/1.1 202 ")
        promised = json.loads(told)["data"]
        assert not promised["final"]
        shown.wait_for("is back")
        ask_again = f'curl -s -H "Authorization: Bearer $TOKEN" "$MIRROR/receipts/{promised["id"]}"'
        shown.ask_until(ask_again, lambda told: told["data"]["state"] == "done")
        shown.ask_until(read_there.replace("90001", "90002"), lambda there: len(there.get("records", [])) == 1)
        assert shown.ask(budget)["data"]["calls"] > 0


def test_ctrl_c_ends_both_processes_and_the_next_start_goes_on_with_both_bases(tmp_path: Path) -> None:
    with mirror_demo(tmp_path) as shown:
        shown.ask(shown.lines[0])
        places = shown.names
        assert listens(places["MIRROR"])
        assert listens(places["AIRTABLE"])
        assert shown.service.stop(signal.SIGINT) == 0
        assert not listens(places["MIRROR"])
        assert not listens(places["AIRTABLE"])
        assert list(shown.folder.glob("*.pid")) == []
    with mirror_demo(tmp_path) as shown:
        assert f"{RECORDS + 2} records" not in shown.text  # the copy is not made anew
        shown.ask_until(shown.lines[3], lambda here: statuses(here) == ["Active"])


def test_a_mirror_that_ends_by_itself_is_told_and_ends_the_stand_in(tmp_path: Path) -> None:
    with mirror_demo(tmp_path) as shown:
        places = shown.names
        shown.run(f'kill "$(cat {shown.folder / "mirror.pid"})"')
        assert shown.service.wait() == 1
        assert "the demo's mirror has ended" in "".join(shown.service.log)
        assert not listens(places["AIRTABLE"])
