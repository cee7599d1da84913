import io
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from tests.fakes import FakeClock

from airtable_connector.kernel.observer import Fact
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import StepFailed
from airtable_connector.ops import TRACE_ID, LogForm, LogObserver, Logs, configure_logging, form_for
from airtable_connector.ops import logs as room
from airtable_connector.ops.logs import LineWriter


class Sink:
    def __init__(self) -> None:
        self.written = b""

    def __call__(self, lines: bytes) -> None:
        self.written += lines


class Opened:
    def __init__(self, logs: Logs, sink: Sink) -> None:
        self.logs, self.sink = logs, sink
        self.events = logs.events

    def lines(self) -> list[dict[str, Any]]:
        self.logs.close()
        return [json.loads(line) for line in self.sink.written.splitlines()]

    def text(self) -> str:
        self.logs.close()
        return self.sink.written.decode()


@pytest.fixture
def opened() -> Iterator[Opened]:
    yield from open_logs("INFO", LogForm.JSON)


@pytest.fixture
def on_terminal() -> Iterator[Opened]:
    yield from open_logs("INFO", LogForm.CONSOLE)


@pytest.fixture
def quiet() -> Iterator[Opened]:
    yield from open_logs("WARNING", LogForm.JSON)


def open_logs(level: str, form: LogForm) -> Iterator[Opened]:
    sink = Sink()
    logs = configure_logging(level, form, sink, clock=FakeClock())
    yield Opened(logs, sink)
    logs.close()


REQUEST: dict[str, Any] = {
    "trace_id": "t-1",
    "method": "GET",
    "path": "/sprints/é\n",
    "route": "/sprints/{id}",
    "status": 200,
    "seconds": 0.00123456,
    "size": 25_000,
    "caller": 5,
    "address": "192.0.2.7",
}


def test_an_event_is_one_json_line(opened: Opened) -> None:
    opened.events.info("started", port=8000, took=timedelta(seconds=1.5))
    assert opened.lines() == [
        {"timestamp": "2026-01-05T12:00:00Z", "level": "info", "event": "started", "port": 8000, "took": 1.5}
    ]


def test_an_access_line_tells_who_asked_what(opened: Opened) -> None:
    opened.logs.request(**REQUEST)
    assert opened.lines() == [
        {
            "timestamp": "2026-01-05T12:00:00Z",
            "level": "info",
            "event": "request",
            "trace_id": "t-1",
            "method": "GET",
            "path": "/sprints/é\n",
            "route": "/sprints/{id}",
            "status": 200,
            "ms": 1.235,
            "bytes": 25_000,
            "caller": 5,
            "address": "192.0.2.7",
        }
    ]


def test_an_access_line_survives_a_path_that_is_no_text(opened: Opened) -> None:
    opened.logs.request(**{**REQUEST, "path": "/\ud800" + "a" * 500})
    [line] = opened.lines()
    assert "ud800" in line["path"]
    assert len(line["path"]) < 250


def test_lines_carry_the_trace_at_work(opened: Opened) -> None:
    token = TRACE_ID.set("t-7")
    opened.events.info("sent")
    TRACE_ID.reset(token)
    opened.events.info("sent")
    assert [line.get("trace_id") for line in opened.lines()] == ["t-7", None]


def test_another_level_holds_for_events_access_lines_and_the_libraries(opened: Opened) -> None:
    def speak(level: str) -> None:
        opened.logs.speak_from(level)
        opened.events.debug("event", level_was=level)
        opened.events.info("event", level_was=level)
        opened.events.error("event", level_was=level)
        opened.logs.request(**{**REQUEST, "trace_id": level})
        logging.getLogger("library").debug(level)
        logging.getLogger("library").warning(level)

    for level in ("error", "debug", "info"):
        speak(level)
    said = [(line["level"], line.get("level_was") or line.get("trace_id") or line["event"]) for line in opened.lines()]
    assert said == [
        ("error", "error"),
        ("debug", "debug"),
        ("info", "debug"),
        ("error", "debug"),
        ("info", "debug"),
        ("debug", "debug"),
        ("warning", "debug"),
        ("info", "info"),
        ("error", "info"),
        ("info", "info"),
        ("warning", "info"),
    ]


def test_secrets_do_not_reach_a_line(opened: Opened) -> None:
    opened.events.info(
        "tried",
        authorization="Bearer hush",
        api_key="hush",
        nested={"Token": "hush", "list": [{"password": "hush"}]},
        wrapped=Secret("hush"),
        key_id="shown",
    )
    assert "hush" not in opened.text()
    assert "shown" in opened.text()


def test_what_json_cannot_say_is_still_logged(opened: Opened) -> None:
    circle: list[object] = []
    opened.events.info("odd", big=2**70, lone="\ud800", names={"b", "a"}, error=ValueError("x"))
    opened.events.info("round", error=circle)
    assert [line["event"].strip("'") for line in opened.lines()] == ["odd", "round"]


def test_an_exception_comes_with_its_stack(opened: Opened) -> None:
    try:
        json.loads("{")
    except ValueError as error:
        opened.logs.failed(trace_id="t-1", method="GET", route="/sprints", error=error)
    [line] = opened.lines()
    assert (line["level"], line["event"], line["trace_id"]) == ("error", "request_failed", "t-1")
    assert "test_logs.py" in line["exception"]
    assert "JSONDecodeError" in line["exception"]


def test_the_standard_librarys_lines_take_the_same_form(opened: Opened) -> None:
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("asyncio").error("odd %s", "thing")
    logging.getLogger("quiet").debug("not shown")
    assert [(line["level"], line["logger"], line["event"]) for line in opened.lines()] == [
        ("info", "uvicorn.error", "Started server process [7]"),
        ("error", "asyncio", "odd thing"),
    ]


def test_closing_gives_the_standard_librarys_logging_back() -> None:
    before = logging.getLogger().handlers[:]
    logs = configure_logging("INFO", LogForm.JSON, Sink(), clock=FakeClock())
    assert logging.getLogger().handlers != before
    logs.close()
    assert logging.getLogger().handlers == before


def test_a_quieter_level_leaves_access_lines_out(quiet: Opened) -> None:
    quiet.logs.request(**REQUEST)
    quiet.events.info("started")
    quiet.logs.request(**{**REQUEST, "status": 500})
    assert [line["level"] for line in quiet.lines()] == ["error"]


def test_a_terminal_gets_readable_lines(on_terminal: Opened) -> None:
    on_terminal.events.info("started", port=8000)
    on_terminal.logs.request(**REQUEST)
    first, second = on_terminal.text().splitlines()
    assert "started" in first
    assert second == "12:00:00 200 GET    /sprints/\\xe9\\n 1.2 ms 25000 B droplet 5 t-1"


@pytest.mark.parametrize(("setting", "form"), [("auto", LogForm.JSON), ("json", LogForm.JSON), ("console", "console")])
def test_the_form_follows_the_setting_then_the_stream(setting: str, form: str) -> None:
    assert form_for(setting, io.StringIO()) == form


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class CellWentOffline(Fact):
    cell: str
    since: datetime
    level: Colour
    after: timedelta


def test_facts_become_lines_with_their_fields(opened: Opened) -> None:
    fact = CellWentOffline("CELL-1", datetime(2026, 1, 5, tzinfo=UTC), Colour.RED, timedelta(minutes=3))
    LogObserver(opened.events).saw(fact)
    [line] = opened.lines()
    assert line == {
        "timestamp": "2026-01-05T12:00:00Z",
        "level": "info",
        "event": "cell_went_offline",
        "cell": "CELL-1",
        "since": "2026-01-05T00:00:00Z",
        "level_": "red",
        "after": 180.0,
    }


def test_a_failed_step_is_an_error_with_its_cause(opened: Opened) -> None:
    LogObserver(opened.events).saw(StepFailed("fetch-keys", OSError("refused"), 2, timedelta(seconds=2)))
    [line] = opened.lines()
    assert (line["level"], line["event"], line["step"], line["rest"]) == ("error", "step_failed", "fetch-keys", 2.0)
    assert "OSError: refused" in line["exception"]


def test_a_sink_that_blocks_never_blocks_the_program() -> None:
    may_go_on = threading.Event()
    written: list[bytes] = []

    def stuck(lines: bytes) -> None:
        may_go_on.wait(10)
        written.append(lines)

    writer = LineWriter(stuck)
    writer.put_urgent(b"first\n")
    for _ in range(room.LINES_HELD + 100):
        writer.put(b"access\n")
    dropped = writer.dropped
    assert 100 <= dropped <= 101
    writer.put_event(b"still taken\n")
    assert writer.dropped == dropped
    may_go_on.set()
    writer.close()
    assert b"".join(written).endswith(b"still taken\n")


def test_a_broken_pipe_is_counted_and_survived() -> None:
    def broken(_lines: bytes) -> None:
        raise BrokenPipeError

    writer = LineWriter(broken)
    writer.put(b"lost\n")
    writer.close()
    assert writer.dropped == 1


def test_an_error_is_written_without_waiting_for_company() -> None:
    arrived = threading.Event()
    writer = LineWriter(lambda _lines: arrived.set())
    writer.put_urgent(b"error\n")
    assert arrived.wait(5)
    writer.close()


def test_a_line_after_closing_is_written_directly() -> None:
    sink = Sink()
    writer = LineWriter(sink)
    writer.close()
    writer.put_event(b"late\n")
    assert sink.written == b"late\n"
