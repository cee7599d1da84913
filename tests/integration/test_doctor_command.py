import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from tests.fakes.droplet import FakeDroplet, a_token, refusal
from tests.service import COMMAND, environment

TOKEN = a_token("read", "write")
LIMIT_S = 60.0


def doctor(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a process."""
    return subprocess.run(
        [*COMMAND, "doctor", *arguments],
        env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


def findings(address: str, token: str, *arguments: str) -> dict[str, dict[str, Any]]:
    """Examine a droplet and return what each check came to, by its id."""
    ended = doctor(address, "--token", token, "--json", *arguments)
    assert ended.stdout, ended.stderr
    return {each["id"]: each for each in json.loads(ended.stdout)["checks"]}


def assert_in_order(address: str, token: str, *arguments: str) -> None:
    """Examine a droplet in which nothing may fail, neither what must hold nor what should."""
    failed = {
        each["id"]: each["why"] for each in findings(address, token, *arguments).values() if each["result"] == "failed"
    }
    assert failed == {}


@pytest.fixture
def droplet() -> Iterator[FakeDroplet]:
    with HTTPServer(host="127.0.0.1", port=0) as server:
        yield FakeDroplet(server)


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return str(file)


def test_a_droplet_in_order_is_found_in_order(droplet) -> None:
    assert_in_order(droplet.address, TOKEN)
    assert_in_order(droplet.address, TOKEN, "--include-stop")


def test_the_json_says_what_was_found_and_the_exit_code_whether_it_is_well(droplet, token_file) -> None:
    ended = doctor(droplet.address, "--token-file", token_file, "--json")
    report = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (report["passed"], report["complete"], report["counts"]["failed"]) == (True, True, 0)
    assert report["requests"] == len(droplet.requests)
    assert sum(report["counts"].values()) == len(report["checks"])


def test_what_must_hold_and_does_not_ends_with_one(droplet) -> None:
    droplet.breach = lambda request, answer: refusal(500, "INTERNAL_ERROR") if request.path == "/version" else answer
    ended = doctor(droplet.address, "--token", TOKEN)
    assert ended.returncode == 1
    assert "GET /version answered 500, not 200" in ended.stdout
    assert ": not passed; " in ended.stdout


def test_what_should_hold_and_does_not_is_shown_and_ends_with_zero(droplet) -> None:
    def breach(_request, answer):
        answer.headers.pop("Allow", None)
        return answer

    droplet.breach = breach
    ended = doctor(droplet.address, "--token", TOKEN)
    assert ended.returncode == 0
    assert "failed   should  allow-named" in ended.stdout


def test_without_a_terminal_the_findings_are_plain_lines(droplet) -> None:
    ended = doctor(droplet.address)
    assert ended.returncode == 0
    assert "held     must    health-fast" in ended.stdout
    assert "\n                 it needs a token\n" in ended.stdout
    assert "\x1b" not in ended.stdout


def test_on_a_terminal_they_are_a_table_in_which_nothing_said_is_markup(droplet) -> None:
    def breach(request, answer):
        if request.path == "/health":
            answer.set_data(answer.get_data().replace(b'"active"', b'"[bold]up"'))
        return answer

    droplet.breach = breach
    shown = on_a_terminal(droplet.address)
    assert "health-shape" in shown
    assert "[bold]up" in shown
    assert "\x1b[" in shown


def on_a_terminal(address: str) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, "doctor", address], env=environment({"TERM": "xterm"}), stdin=subprocess.DEVNULL, stdout=theirs
    )
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 65_536):
            said += piece
    except OSError:  # how a terminal says that nobody writes any more
        pass
    os.close(ours)
    assert process.wait(LIMIT_S) == 1
    return said.decode()


def test_nobody_at_the_address_ends_with_one(droplet) -> None:
    address = droplet.address
    nobody = address.replace("127.0.0.1", "127.0.0.2")  # the fake listens on one address only
    ended = doctor(nobody, "--json")
    assert ended.returncode == 1
    report = json.loads(ended.stdout)
    assert (report["counts"]["failed"], report["requests"]) == (1, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ftp://127.0.0.1"],
        ["http://ada:secret@127.0.0.1"],
        ["http://127.0.0.1:1", "--timeout", "0"],
        ["http://127.0.0.1:1", "--as", "0"],
        ["http://127.0.0.1:1", "--token", "two secret words"],
        ["http://127.0.0.1:1", "--token", ""],
        ["http://127.0.0.1:1", "--token-file", "no-such-file"],
        ["http://127.0.0.1:1", "--token", "secret", "--token-file", __file__],
        ["http://127.0.0.1:1", "--token-file", os.devnull],
    ],
)
def test_a_question_that_makes_no_sense_ends_with_two(arguments) -> None:
    ended = doctor(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


def test_a_token_is_never_printed(droplet) -> None:
    droplet.breach = lambda _request, _answer: refusal(418, TOKEN)
    ended = doctor(droplet.address, "--token", TOKEN, "--json")
    assert ended.returncode == 1
    assert TOKEN not in ended.stdout + ended.stderr
