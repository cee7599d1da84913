"""Log lines: one JSON object per line, or a readable form on a terminal.

Lines leave through a bounded buffer that one thread empties, because a pipe that nobody reads must never stall
the event loop, and because an error has to get out even while the loop is stuck. That is why this is a thread and
not a supervisor step.
"""

import atexit
import contextlib
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol, TextIO

import orjson

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Fact
from airtable_connector.kernel.supervisor import StepFailed

TRACE_ID: ContextVar[str] = ContextVar("trace_id", default="")
"""The trace id of the request or step at work; every log line written meanwhile carries it."""

LINES_HELD = 10_000
"""How many lines wait at most; further access lines are dropped and counted."""

LINES_RESERVED = 1_000
"""Room above `LINES_HELD` that only lines other than access lines may use."""

PAUSE = 0.1
"""Seconds between two flushes when nothing urgent was said."""

LAST_FLUSH = 2.0
"""Seconds that closing waits for the sink."""

LONGEST_PATH = 200
"""Characters of a request's path that an access line keeps."""

_SECRET_KEY = re.compile(
    r"authorization|token|secret|passw|credential|cookie|(^|[_-])key$|(api|private|registry|signing)[_-]?key",
    re.IGNORECASE,
)
_EVENT_NAME = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ACCESS_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_JSON_OPTIONS = _ACCESS_OPTIONS | orjson.OPT_NON_STR_KEYS
_HIDDEN = "***"

EventDict = MutableMapping[str, Any]


class LogForm(StrEnum):
    """How a line looks."""

    JSON = "json"
    CONSOLE = "console"


def form_for(setting: str, stream: TextIO) -> LogForm:
    """Choose the form: ``json`` and ``console`` as said, ``auto`` by whether the stream is a terminal."""
    if setting == "auto":
        return LogForm.CONSOLE if stream.isatty() else LogForm.JSON
    return LogForm(setting)


class LineWriter:
    """Holds lines until a thread hands them to the sink, in order, several at a time."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self.dropped = 0
        """Lines that found the buffer full or that the sink refused."""
        self._sink = sink
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._flushing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Take an access line; it leaves within `PAUSE` seconds, or is dropped when too many wait."""
        if len(self._lines) >= LINES_HELD:
            self.dropped += 1
        else:
            self._lines.append(line)

    def put_event(self, line: bytes) -> None:
        """Take a line that matters more than an access line."""
        if len(self._lines) >= LINES_HELD + LINES_RESERVED:
            self.dropped += 1
            return
        self._lines.append(line)
        if self._closed:
            self._flush()

    def put_urgent(self, line: bytes) -> None:
        """Take a warning or an error and wake the thread at once."""
        self.put_event(line)
        self._wake.set()

    def close(self) -> None:
        """Write what waits, for at most `LAST_FLUSH` seconds; lines that come later are written directly."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self._thread.join(LAST_FLUSH)
        if self._flushing.acquire(timeout=LAST_FLUSH):
            self._flushing.release()
            self._flush()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(PAUSE)
            self._wake.clear()
            self._flush()

    def _flush(self) -> None:
        with self._flushing:
            waiting = [self._lines.popleft() for _ in range(len(self._lines))]
            if not waiting:
                return
            try:
                self._sink(b"".join(waiting))
            except (OSError, ValueError):  # the reader of the pipe is gone, or the stream is closed
                self.dropped += len(waiting)


class EventLogger(Protocol):
    """What the rest of the program may say to a log."""

    def debug(self, event: str, /, **facts: object) -> object:
        """Note a detail."""
        ...

    def info(self, event: str, /, **facts: object) -> object:
        """Note something ordinary."""
        ...

    def warning(self, event: str, /, **facts: object) -> object:
        """Note something that somebody should look at."""
        ...

    def error(self, event: str, /, **facts: object) -> object:
        """Note a failure; ``exc_info`` takes the exception."""
        ...


class _Events:
    """An event logger that can be made more or less talkative; structlog's own is made for one level."""

    debug: Callable[..., object]
    info: Callable[..., object]
    warning: Callable[..., object]
    error: Callable[..., object]

    def __init__(self, logger_of: Callable[[int], EventLogger], level: int) -> None:
        self._logger_of = logger_of
        self.speak_from(level)

    def speak_from(self, level: int) -> None:
        """Skip what is less important than ``level``."""
        logger = self._logger_of(level)
        self.debug, self.info, self.warning, self.error = logger.debug, logger.info, logger.warning, logger.error


class Logs:
    """The open log: events through structlog, access lines through a shorter way. Close it last."""

    def __init__(self, writer: LineWriter, events: _Events, form: LogForm, *, level: int, clock: Clock) -> None:
        self.events: EventLogger = events
        """Where everything but access lines goes."""
        self._events = events
        self._writer = writer
        self._clock = clock
        self._writes_access_lines = level <= logging.INFO
        self._access = _access_json if form is LogForm.JSON else _access_text
        self._undo: list[Callable[[], object]] = []

    @property
    def dropped(self) -> int:
        """Lines lost so far because the reader of the log is too slow or gone."""
        return self._writer.dropped

    def request(
        self,
        *,
        trace_id: str,
        method: str,
        path: str,
        route: str,
        status: int,
        seconds: float,
        size: int,
        caller: int | None,
        address: str,
    ) -> None:
        """Write one access line; queries and headers are left out, since they may hold secrets."""
        if status < 500 and not self._writes_access_lines:
            return
        line = self._access(
            {
                "timestamp": self._clock.now(),
                "level": "info" if status < 500 else "error",
                "event": "request",
                "trace_id": trace_id,
                "method": method,
                "path": path[:LONGEST_PATH],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 3),
                "bytes": size,
                "caller": caller,
                "address": address,
            }
        )
        if status < 500:
            self._writer.put(line)
        else:
            self._writer.put_urgent(line)

    def failed(self, *, trace_id: str, method: str, route: str, error: BaseException) -> None:
        """Write a request's bug with its stack; the caller only ever sees the trace id."""
        self.events.error("request_failed", trace_id=trace_id, method=method, route=route, exc_info=error)

    def speak_from(self, level: str) -> None:
        """Skip lines that are less important than ``level`` (debug, info, warning or error) from now on."""
        number = _number_of(level)
        self._events.speak_from(number)
        self._writes_access_lines = number <= logging.INFO
        logging.getLogger().setLevel(number)

    def on_close(self, undo: Callable[[], object]) -> None:
        """Have ``undo`` called by `close`."""
        self._undo.append(undo)

    def close(self) -> None:
        """Write what waits and give the standard library's logging back."""
        while self._undo:
            self._undo.pop()()
        self._writer.close()


class LogObserver:
    """Turns facts into log lines: a failed step into an error with its stack, anything else into information."""

    def __init__(self, events: EventLogger) -> None:
        self._events = events

    def saw(self, fact: Fact) -> None:
        """Write one fact; the event is the fact's class name in snake case."""
        event = _EVENT_NAME.sub("_", type(fact).__name__).lower()
        if isinstance(fact, StepFailed):
            self._events.error(event, step=fact.step, failures=fact.failures, rest=fact.rest, exc_info=fact.error)
            return
        facts: dict[str, object] = {f.name: getattr(fact, f.name) for f in fields(fact)} if is_dataclass(fact) else {}
        # "event" and "level" are the line's own words
        self._events.info(event, **{f"{name}_" if name in ("event", "level") else name: v for name, v in facts.items()})


def configure_logging(level: str, form: LogForm, sink: Callable[[bytes], object], *, clock: Clock) -> Logs:
    """Open the log and route the standard library's loggers (uvicorn, asyncio) into it.

    Args:
        level: DEBUG, INFO, WARNING or ERROR; quieter lines are skipped. Access lines are information.
        form: how a line looks.
        sink: receives whole lines as bytes, from a thread; it may block.
        clock: stamps the lines.
    """
    import structlog  # noqa: PLC0415 - 0.1 s that only a running server pays

    number = _number_of(level)
    writer = LineWriter(sink)
    outlet = _Outlet(writer)
    render = _render_json if form is LogForm.JSON else _console_renderer()

    def logger_of(least: int) -> EventLogger:
        lazy = structlog.wrap_logger(
            outlet,
            processors=[
                _add_trace_id,
                structlog.processors.add_log_level,
                _stamp(clock),
                structlog.processors.format_exc_info,
                _mask,
                render,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(least),
        )
        logger: EventLogger = lazy.bind()
        return logger

    logs = Logs(writer, _Events(logger_of, number), form, level=number, clock=clock)
    _route_standard_logging(logs, number)
    atexit.register(writer.close)
    logs.on_close(lambda: atexit.unregister(writer.close))
    return logs


def _number_of(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


class _Outlet:
    """structlog's wrapped logger: takes rendered lines, and knows which of them are urgent."""

    def __init__(self, writer: LineWriter) -> None:
        self.debug = self.info = writer.put_event
        self.warning = self.error = self.critical = writer.put_urgent


class _StandardHandler(logging.Handler):
    """Hands the standard library's records to our own log."""

    def __init__(self, events: EventLogger) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; its logger's name is kept."""
        if record.levelno >= logging.ERROR:
            write = self._events.error
        elif record.levelno >= logging.WARNING:
            write = self._events.warning
        else:
            write = self._events.info if record.levelno >= logging.INFO else self._events.debug
        with contextlib.suppress(TypeError, ValueError):  # a record whose arguments do not fit its message
            error = record.exc_info[1] if record.exc_info else None
            write(record.getMessage(), logger=record.name, **({"exc_info": error} if error else {}))


def _route_standard_logging(logs: Logs, level: int) -> None:
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    root.handlers[:] = [_StandardHandler(logs.events)]
    root.setLevel(level)
    # it tells of each request with its whole address, at each beat of ours
    logging.getLogger("httpx2").setLevel(logging.WARNING)

    def restore() -> None:
        root.handlers[:] = before
        root.setLevel(level_before)
        logging.getLogger("httpx2").setLevel(logging.NOTSET)

    logs.on_close(restore)


def _add_trace_id(_logger: object, _method: str, event: EventDict) -> EventDict:
    if "trace_id" not in event and (trace_id := TRACE_ID.get()):
        event["trace_id"] = trace_id
    return event


def _stamp(clock: Clock) -> Callable[[object, str, EventDict], EventDict]:
    def stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["timestamp"] = clock.now()
        return event

    return stamp


def _mask(_logger: object, _method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        event[name] = _masked(name, value)
    return event


def _masked(name: str, value: object) -> object:
    if _SECRET_KEY.search(name):
        return _HIDDEN
    if isinstance(value, Mapping):
        return {key: _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    return value


def _render_json(_logger: object, _method: str, event: EventDict) -> bytes:
    line = {name: event.pop(name) for name in ("timestamp", "level", "event")}
    line.update(event)
    try:
        return orjson.dumps(line, default=_plain, option=_JSON_OPTIONS)
    except TypeError:  # a number beyond 64 bits, a lone surrogate, a circle
        return orjson.dumps({name: ascii(value) for name, value in line.items()}, option=_JSON_OPTIONS)


def _console_renderer() -> Callable[[object, str, EventDict], bytes]:
    from structlog.dev import ConsoleRenderer, plain_traceback  # noqa: PLC0415 - as in configure_logging

    render = ConsoleRenderer(exception_formatter=plain_traceback)

    def render_bytes(logger: object, method: str, event: EventDict) -> bytes:
        event["timestamp"] = f"{event['timestamp']:%H:%M:%S}"
        return f"{render(logger, method, event)}\n".encode(errors="backslashreplace")

    return render_bytes


def _plain(value: object) -> object:
    """Say what JSON cannot: durations in seconds, errors as kind and text, the rest as Python writes it."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value)


def _access_json(line: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(line, option=_ACCESS_OPTIONS)
    except TypeError:  # a path with a lone surrogate
        return orjson.dumps({**line, "path": ascii(line["path"])}, option=_ACCESS_OPTIONS)


def _access_text(line: dict[str, Any]) -> bytes:
    caller = "-" if line["caller"] is None else f"droplet {line['caller']}"
    return (
        f"{line['timestamp']:%H:%M:%S} {line['status']} {line['method']:<6} {ascii(line['path'])[1:-1]} "
        f"{line['ms']:.1f} ms {line['bytes']} B {caller} {line['trace_id']}\n"
    ).encode()
