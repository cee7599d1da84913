"""What a newcomer sees: ``make run``, and the lines that it prints, run as printed."""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from tests.service import COMMAND, START_LIMIT_S, STOP_LIMIT_S, Place, Service, environment, eventually, everything


@dataclass(frozen=True)
class Demo:
    """A running demo, and what it printed."""

    shown: str

    @property
    def address(self) -> str:
        return re.findall(r"^    (http://127\.0\.0\.1:\d+)$", self.shown, re.MULTILINE)[0]

    @property
    def token(self) -> str:
        return re.findall(r"^    TOKEN=(\S+)$", self.shown, re.MULTILINE)[0]

    @property
    def lines(self) -> list[str]:
        """The commands, each with the lines that continue it."""
        return re.findall(r"^    (curl (?:.*\\\n)*.*)$", self.shown, re.MULTILINE)


@contextmanager
def demo(folder: Path) -> Iterator[Demo]:
    process = subprocess.Popen(
        [*COMMAND, "demo", "--data-dir", str(folder / "demo")],
        cwd=folder,
        # the samples must not get into anybody's base at Airtable
        env=environment(
            {"SHUTDOWN_GRACE_SECONDS": "0.1", "AIRTABLE_API_KEY": "patSomebodys", "BASE_ID": "appA1b2C3d4E5f6G7"}
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    service = Service(process, Place(folder / "demo"))
    assert process.stdout is not None
    too_late = threading.Timer(START_LIMIT_S, process.kill)
    too_late.start()
    try:
        shown = ""
        for line in process.stdout:
            shown += line
            if "Ctrl-C stops it" in line:
                break
        too_late.cancel()
        yield Demo(shown)
    finally:
        too_late.cancel()
        assert service.stop() == 0
        process.stdout.close()


def run_as_printed(shown: Demo, line: str, folder: Path) -> tuple[int, str]:
    """Run a line in bash, as a person would; curl's own settings file has it print the status as well."""
    (folder / ".curlrc").write_text('write-out = "\\n%{http_code}"\n')
    done = subprocess.run(
        ["bash", "-c", f"TOKEN={shown.token}\n{line}"],
        env=environment({"CURL_HOME": str(folder), "NO_PROXY": "*"}),
        capture_output=True,
        text=True,
        timeout=STOP_LIMIT_S,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def counted(shown: Demo) -> dict[str, int]:
    with httpx2.Client(base_url=shown.address, headers={"Authorization": f"Bearer {shown.token}"}) as client:
        return {path: len(everything(client, path)) for path in ("/sprints", "/cells", "/proof", "/heartbeats")}


def test_the_demo_prints_lines_that_work_and_keeps_one_set_of_samples(tmp_path: Path) -> None:
    with demo(tmp_path) as shown:
        before = counted(shown)
        assert before["/sprints"] >= 100
        assert all(before.values())
        assert len(shown.lines) == 5
        for line in shown.lines:
            status, body = run_as_printed(shown, line, tmp_path)
            assert 200 <= status < 300, (line, body)
        with httpx2.Client(base_url=shown.address, headers={"Authorization": f"Bearer {shown.token}"}) as client:
            eventually(lambda: set(client.get("/health").json()["checks"].values()) == {"ok", "connected"})
            eventually(lambda: all(one["registered"] for one in client.get("/register").json()["registrations"]))
            eventually(lambda: client.get("/messages?state=delivered").json()["data"]["counts"].get("delivered") == 1)
        after = counted(shown)
        assert after == {**before, "/sprints": before["/sprints"] + 1}
    with demo(tmp_path) as shown:
        assert counted(shown) == after
        for line in shown.lines:
            status, body = run_as_printed(shown, line, tmp_path)
            assert 200 <= status < 300, (line, body)
        assert counted(shown) == after
