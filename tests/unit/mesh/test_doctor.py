import asyncio
import itertools
import json
import re
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from tests.fakes import CountingIds, FakeClock
from tests.fakes.droplet import NOW, Breach, FakeDroplet, a_token, refusal, reply
from werkzeug import Request, Response

from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.doctor import CHECKS, Examination, Failed, Report, Severity, Skipped, examine
from airtable_connector.mesh.doctor.examine import open_visit
from airtable_connector.mesh.doctor.replies import Answer
from airtable_connector.mesh.errors import DropletAddressRefused, UnsendableToken

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "doctor.md"
READ_WRITE = a_token("read", "write")
ADMIN = a_token("read", "write", "admin")
STOPS = ("/shutdown", "/emergency-stop", "/reload-config")
LONG = "a" * 100_000


class SteppingClock(FakeClock):
    """A clock that moves on by a step each time it is looked at."""

    def __init__(self, step: timedelta) -> None:
        super().__init__()
        self._step = step

    def monotonic(self) -> float:
        self._elapsed += self._step.total_seconds()
        return self._elapsed

    async def sleep(self, rest: timedelta) -> None:
        self._elapsed += rest.total_seconds()


@pytest.fixture
def droplet(httpserver: HTTPServer) -> FakeDroplet:
    return FakeDroplet(httpserver)


def visited(droplet: FakeDroplet, token: str | None = READ_WRITE, **changes: Any) -> Report:
    clock = changes.pop("clock", SystemClock())
    order = Examination(droplet.address, token=None if token is None else Secret(token), **changes)
    return asyncio.run(examine(order, clock=clock, ids=RandomIds()))


def failures(report: Report) -> dict[str, str]:
    return {each.check.id: each.outcome.why for each in report.findings if isinstance(each.outcome, Failed)}


def skips(report: Report) -> dict[str, str]:
    return {each.check.id: each.outcome.why for each in report.findings if isinstance(each.outcome, Skipped)}


# a droplet that keeps the rules


def test_a_droplet_that_keeps_every_rule_passes_every_check(droplet) -> None:
    report = visited(droplet, touches_stops=True)
    assert failures(report) == {}
    assert set(skips(report)) == {"header-hsts", "shutdown-bad-body", "reload-config-bad-body"}
    assert report.passed


def test_with_admin_the_rest_is_checked_and_nothing_is_stopped(droplet) -> None:
    report = visited(droplet, ADMIN, touches_stops=True)
    assert failures(report) == {}
    assert set(skips(report)) == {"header-hsts", *(f"{path[1:]}-no-admin" for path in STOPS)}
    assert droplet.stopped == []


def test_a_droplet_may_live_under_a_path(httpserver) -> None:
    assert visited(FakeDroplet(httpserver, base_path="/mesh/7")).passed


def test_what_stops_a_droplet_is_not_touched_unless_asked_for(droplet) -> None:
    report = visited(droplet, ADMIN)
    assert [request for path in STOPS for request in droplet.asked_for(path)] == []
    assert "--include-stop" in skips(report)["shutdown-no-token"]


def test_without_a_token_none_is_shown_and_what_needs_one_is_skipped(droplet) -> None:
    report = visited(droplet, None)
    assert report.passed
    assert skips(report)["state-shape"] == skips(report)["message-accepted"] == "it needs a token"
    assert {"health-shape", "send-no-token", "state-broken-token", "error-form"} & skips(report).keys() == set()


def test_a_token_that_may_only_read_is_not_used_to_write(droplet) -> None:
    report = visited(droplet, a_token("read"))
    assert report.passed
    assert skips(report)["message-accepted"] == "the token may not write"


def test_nothing_is_sent_to_a_third_droplet(droplet) -> None:
    visited(droplet)
    sent = b"".join(request.data for request in droplet.asked_for("/send"))
    assert set(re.findall(rb'"target": "(\w+)"', sent)) == {b"7", b"999999999"}


@pytest.mark.parametrize(("speaks_as", "source"), [(None, "5"), (12, "12")])
def test_messages_come_from_whom_the_caller_says_else_the_token(droplet, speaks_as, source) -> None:
    visited(droplet, speaks_as=speaks_as)
    sent = next(request.data for request in droplet.asked_for("/message") if b"source" in request.data)
    assert json.loads(sent)["source"] == source


# one that breaks one


def body_of(request: Request) -> Any:
    try:
        return json.loads(request.data)
    except ValueError:
        return None


def says(path: str, **changes: Any) -> Breach:
    """Answer with these fields changed, and those that are ``...`` left out; a function gives a new value each time."""

    def breach(request: Request, answer: Response) -> Response:
        if request.path != path or answer.status_code != 200:
            return answer
        news = {name: value() if callable(value) else value for name, value in changes.items()}
        document = {**json.loads(answer.get_data()), **news}
        answer.set_data(json.dumps({name: value for name, value in document.items() if value is not ...}))
        return answer

    return breach


def instead(method: str, path: str, other: Callable[[], Response], *, when=lambda request: True) -> Breach:
    """Answer otherwise, with the proper headers."""

    def breach(request: Request, answer: Response) -> Response:
        if (request.method, request.path) != (method, path) or not when(request):
            return answer
        changed = other()
        for name, value in answer.headers.items():
            if name not in {"Content-Length", "Content-Type"}:
                changed.headers.setdefault(name, value)
        return changed

    return breach


def own(request: Request) -> bool:
    return request.headers.get("Authorization", "").endswith(READ_WRITE)


def nobodys(request: Request) -> bool:
    return not own(request) and "Authorization" in request.headers


def unnamed(request: Request) -> bool:
    return "Authorization" not in request.headers


def ok() -> Response:
    return reply({"timestamp": NOW})


def receipt() -> Response:
    return reply({"received": True, "trace_id": "x", "processed_at": NOW, "result": "success"})


def takes(path: str, bad: Callable[[Any], bool], other: Callable[[], Response] = receipt) -> Breach:
    """Accept a body that must be refused."""
    return instead("POST", path, other, when=lambda request: own(request) and bad(body_of(request)))


def refuses(good: Callable[[Any], bool]) -> Breach:
    """Refuse a message that must be accepted."""
    return instead(
        "POST", "/message", lambda: refusal(422, "INVALID_REQUEST"),
        when=lambda request: own(request) and isinstance(body_of(request), dict) and good(body_of(request)),
    )  # fmt: skip


def lacks(name: str) -> Callable[[Any], bool]:
    return lambda body: isinstance(body, dict) and name not in body


def has(name: str, value: Any) -> Callable[[Any], bool]:
    return lambda body: isinstance(body, dict) and body.get(name) == value


def unheaded(name: str, value: str | None = None) -> Breach:
    def breach(_request: Request, answer: Response) -> Response:
        answer.headers.pop(name, None)
        if value is not None:
            answer.headers[name] = value
        return answer

    return breach


def error_says(path: str, **changes: Any) -> Breach:
    """Change the inside of the errors of a path."""

    def breach(request: Request, answer: Response) -> Response:
        if request.path == path and answer.status_code >= 400:
            document = json.loads(answer.get_data())
            document["error"] |= changes
            answer.set_data(json.dumps(document))
        return answer

    return breach


def every_minute() -> Callable[[], str]:
    """Return what tells another moment each time."""
    minutes = itertools.count(10)
    return lambda: f"2026-01-05T12:{next(minutes)}:00Z"


def html(status: int = 200) -> Response:
    return Response("<html></html>", status, content_type="text/html")


def moved() -> Response:
    return Response("", 302, headers={"Location": "http://127.0.0.1:1/health"}, content_type="application/json")


def huge() -> Response:
    return reply({"text": LONG})


def accepted_later(request: Request, answer: Response) -> Response:
    if request.path == "/message" and answer.status_code == 200:
        answer.status_code = 202
    return answer


def delivered_to_nobody(request: Request, answer: Response) -> Response:
    if answer.status_code == 200 and has("target", "999999999")(body_of(request)):
        answer.set_data(json.dumps({"sent": True, "target": "999999999", "trace_id": "x", "status": "success"}))
    return answer


def without_time(request: Request, answer: Response) -> Response:
    if request.path == "/version" and answer.status_code == 401:
        answer.set_data(json.dumps({"status": "error", "error": json.loads(answer.get_data())["error"]}))
    return answer


def dependency(**changes: Any) -> dict[str, Any]:
    return {"id": 18, "name": "Registry", "status": "connected", **changes}


def leaking(text: str) -> Breach:
    return says("/version", note=text)


BREACHES: list[tuple[str, str, Breach]] = [
    ("health-answers", "text/html", instead("GET", "/health", html)),
    ("health-answers", "a redirect", instead("GET", "/health", moved)),
    ("health-answers", "more than is read", instead("GET", "/health", huge)),
    ("health-answers", "503", instead("GET", "/health", lambda: refusal(503, "DEPENDENCY_UNAVAILABLE"))),
    ("health-answers", "a list", instead("GET", "/health", lambda: reply([]))),
    ("health-answers", "no JSON", instead("GET", "/health", lambda: Response("{", content_type="application/json"))),
    ("health-shape", "another status", says("/health", status="healthy")),
    ("health-shape", "a status in capitals", says("/health", status="ACTIVE")),
    ("health-shape", "no steward", says("/health", steward=...)),
    ("health-shape", "no hash", says("/health", proof="ok")),
    ("health-shape", "a bare host", says("/health", endpoint="drop7.fullpotential.ai")),
    ("health-shape", "a cost as text", says("/health", cost_usd="0.5")),
    ("health-shape", "a time in words", says("/health", updated_at="just now")),
    ("health-shape", "a day that is not", says("/health", updated_at="2026-02-30T12:00:00Z")),
    ("capabilities-answers", "401", instead("GET", "/capabilities", lambda: refusal(401, "UNAUTHORIZED"), when=own)),
    ("capabilities-shape", "another UDC", says("/capabilities", udc_version="2.0")),
    ("capabilities-shape", "UDC as number", says("/capabilities", udc_version=1.0)),
    ("capabilities-shape", "features as text", says("/capabilities", features="all")),
    ("capabilities-shape", "no metadata", says("/capabilities", metadata={})),
    ("state-answers", "500", instead("GET", "/state", lambda: refusal(500, "INTERNAL_ERROR"), when=own)),
    ("state-shape", "negative", says("/state", memory_mb=-1)),
    ("state-shape", "a boolean", says("/state", errors_last_hour=False)),
    ("state-plausible", "requests that fall", says("/state", requests_total=itertools.count(1000, -1).__next__)),
    ("dependencies-answers", "html", instead("GET", "/dependencies", html, when=own)),
    ("dependencies-shape", "another word", says("/dependencies", required=[dependency(status="up")])),
    ("dependencies-shape", "only a name", says("/dependencies", optional=["registry"])),
    ("version-answers", "404", instead("GET", "/version", lambda: refusal(404, "NOT_FOUND"), when=own)),
    ("version-shape", "no environment", says("/version", environment=None)),
    ("timestamps", "none", says("/version", timestamp=...)),
    ("capabilities-no-token", "open", instead("GET", "/capabilities", ok, when=unnamed)),
    ("state-no-token", "open", instead("GET", "/state", ok, when=unnamed)),
    ("message-no-token", "open", instead("POST", "/message", receipt, when=unnamed)),
    (
        "message-no-token",
        "body first",
        instead("POST", "/message", lambda: refusal(422, "INVALID_REQUEST"), when=unnamed),
    ),
    ("send-no-token", "open", instead("POST", "/send", ok, when=unnamed)),
    ("dependencies-broken-token", "open", instead("GET", "/dependencies", ok, when=nobodys)),
    ("send-broken-token", "open", instead("POST", "/send", ok, when=nobodys)),
    ("state-method", "404", instead("DELETE", "/state", lambda: refusal(404, "NOT_FOUND"))),
    ("health-method", "200", instead("DELETE", "/health", ok)),
    ("unknown-path", "200", instead("GET", "/no-such-path-of-this-droplet", ok)),
    ("message-accepted", "202", accepted_later),
    ("message-receipt", "another word", says("/message", result="done")),
    ("message-receipt", "another trace", says("/message", trace_id="another")),
    ("message-receipt", "not received", says("/message", received="true")),
    ("message-repeated", "new", says("/message", processed_at=every_minute())),
    ("message-enveloped", "refused", refuses(lambda body: "udc_version" in body)),
    ("message-ids-int", "refused", refuses(lambda body: isinstance(body.get("target"), int))),
    ("message-ids-prefixed", "refused", refuses(has("target", "droplet-7"))),
    ("message-naive-time", "refused", refuses(lambda body: not str(body.get("timestamp", "Z")).endswith(("Z", "y")))),
    ("message-no-trace-id", "accepted", takes("/message", lacks("trace_id"))),
    ("message-no-source", "accepted", takes("/message", lacks("source"))),
    ("message-no-target", "accepted", takes("/message", lacks("target"))),
    ("message-no-type", "accepted", takes("/message", lacks("message_type"))),
    ("message-no-payload", "accepted", takes("/message", lacks("payload"))),
    ("message-no-time", "accepted", takes("/message", lacks("timestamp"))),
    ("message-bad-trace-id", "accepted", takes("/message", has("trace_id", "not-a-uuid"))),
    ("message-bad-type", "accepted", takes("/message", has("message_type", "gossip"))),
    ("message-bad-payload", "accepted", takes("/message", has("payload", ["status"]))),
    ("message-bad-time", "accepted", takes("/message", has("timestamp", "yesterday"))),
    ("message-not-json", "500", takes("/message", lambda body: body is None, lambda: refusal(500, "INTERNAL_ERROR"))),
    ("message-a-list", "accepted", takes("/message", lambda body: isinstance(body, list))),
    (
        "message-too-large",
        "accepted",
        takes("/message", lambda body: isinstance(body, dict) and "text" in body.get("payload", "")),
    ),
    ("message-for-another", "accepted", takes("/message", has("target", "999999999"))),
    ("send-no-target", "accepted", takes("/send", lacks("target"), ok)),
    ("send-no-type", "404", takes("/send", lacks("message_type"), lambda: refusal(404, "NOT_FOUND"))),
    ("send-bad-type", "accepted", takes("/send", has("message_type", "gossip"), ok)),
    ("send-bad-payload", "accepted", takes("/send", has("payload", ["status"]), ok)),
    ("send-bad-priority", "accepted", takes("/send", has("priority", "whenever"), ok)),
    ("send-bad-retries", "accepted", takes("/send", has("retry_count", 11), ok)),
    ("send-not-json", "accepted", takes("/send", lambda body: body is None, ok)),
    ("send-to-nobody", "delivered", delivered_to_nobody),
    ("send-answer", "no status", says("/send", status=...)),
    ("error-form", "FastAPI's", instead("GET", "/state", lambda: reply({"detail": "no"}, 401), when=unnamed)),
    ("error-form", "no timestamp", without_time),
    ("error-form", "details as list", error_says("/version", details=[])),
    ("error-codes", "another", error_says("/version", code="NOPE")),
    ("error-code-fits", "another's", error_says("/no-such-path-of-this-droplet", code="CONFLICT")),
    ("allow-named", "none", unheaded("Allow")),
    ("no-leaks", "stack", leaking('Traceback (most recent call last):\n File "a.py", line 3')),
    ("no-leaks", "frame", leaking("at Object.run (server.js:10:5)")),
    ("no-leaks", "SQL", leaking("INSERT INTO droplets VALUES (1)")),
    ("no-leaks", "constraint", leaking("new row violates check constraint")),
    ("no-leaks", "path", leaking("cannot open /etc/droplet/config.json")),
    ("no-leaks", "drive", leaking("cannot open C:\\droplet")),
    ("no-leaks", "our token", leaking(f"you sent {READ_WRITE}")),
    ("header-nosniff", "none", unheaded("X-Content-Type-Options")),
    ("header-frames", "SAMEORIGIN", unheaded("X-Frame-Options", "SAMEORIGIN")),
    ("header-csp", "wide", unheaded("Content-Security-Policy", "default-src *")),
    ("header-referrer", "unsafe", unheaded("Referrer-Policy", "unsafe-url")),
    ("trace-echoed", "none", unheaded("X-Trace-ID")),
]


@pytest.mark.parametrize(("check", "breach"), [(check, breach) for check, _, breach in BREACHES],
                         ids=[f"{check}: {what}" for check, what, _ in BREACHES])  # fmt: skip
def test_a_breach_is_found_by_the_check_that_is_meant_for_it_and_no_other(droplet, check, breach) -> None:
    droplet.breach = breach
    report = visited(droplet)
    assert list(failures(report)) == [check]
    weight = next(each.severity for each in CHECKS if each.id == check)
    assert report.passed == (weight is Severity.SHOULD)


@pytest.mark.parametrize(
    ("check", "path", "token", "status"),
    [
        *((f"{path[1:]}-no-token", path, None, 422) for path in STOPS),
        *((f"{path[1:]}-no-admin", path, READ_WRITE, 200) for path in STOPS),
        ("shutdown-bad-body", "/shutdown", ADMIN, 200),
        ("reload-config-bad-body", "/reload-config", ADMIN, 500),
    ],
)
def test_a_droplet_that_anybody_could_stop_is_found_out(droplet, check, path, token, status) -> None:
    def asks_so(request: Request) -> bool:
        return request.headers.get("Authorization") == (None if token is None else f"Bearer {token}")

    other = ok if status == 200 else lambda: refusal(status, "INVALID_REQUEST" if status < 500 else "INTERNAL_ERROR")
    droplet.breach = instead("POST", path, other, when=asks_so)
    assert list(failures(visited(droplet, token or READ_WRITE, touches_stops=True))) == [check]


def test_an_uptime_that_jumps_is_not_believed(droplet) -> None:
    droplet.breach = says("/state", uptime_seconds=itertools.count(0, 500).__next__)
    assert "uptime_seconds grew by 500" in failures(visited(droplet))["state-plausible"]


def test_a_restart_that_wanders_is_not_believed(droplet) -> None:
    droplet.breach = says("/state", last_restart=every_minute())
    assert "last_restart moved" in failures(visited(droplet))["state-plausible"]


def test_every_check_was_seen_to_fail() -> None:
    elsewhere = {
        "reachable",
        "health-fast",
        "header-hsts",
        *(each.id for each in CHECKS if each.id.startswith(STOP_NAMES)),
    }
    like_another = {"dependencies-no-token", "version-no-token", "capabilities-broken-token", "state-broken-token",
                    "version-broken-token", "message-broken-token", "capabilities-method", "dependencies-method",
                    "version-method", "message-method", "send-method"}  # fmt: skip
    assert {each.id for each in CHECKS} - {check for check, _, _ in BREACHES} - elsewhere == like_another


STOP_NAMES = tuple(path[1:] for path in STOPS)


def test_strict_transport_is_wanted_over_https_only() -> None:
    check = next(each for each in CHECKS if each.id == "header-hsts")

    async def outcomes(address: str, headers: dict[str, str]) -> tuple[str | None, str]:
        async with open_visit(Examination(address), clock=FakeClock(), ids=CountingIds()) as visit:
            visit.seen.append(Answer("GET /health", 200, headers, b"{}", None, timedelta(0), "x"))
            return await check.needs[0](visit), type(await check.run(visit)).__name__

    strict = {"strict-transport-security": "max-age=31536000; includeSubDomains"}
    assert asyncio.run(outcomes("https://drop7.example", strict)) == (None, "Held")
    assert asyncio.run(outcomes("https://drop7.example", {})) == (None, "Failed")
    assert asyncio.run(outcomes("https://drop7.example", {"strict-transport-security": "max-age=0"}))[1] == "Failed"
    assert asyncio.run(outcomes("http://drop7.example", {}))[0] is not None


# one that answers badly, late, or not at all


def test_a_slow_health_is_found(droplet) -> None:
    clock = SteppingClock(timedelta(milliseconds=300))
    report = visited(droplet, clock=clock, at_most=timedelta(hours=1))
    assert list(failures(report)) == ["health-fast"]
    assert "ms, not under 500" in failures(report)["health-fast"]


def test_nobody_at_the_address_is_one_finding_and_the_rest_is_skipped(httpserver) -> None:
    droplet = FakeDroplet(httpserver)
    httpserver.stop()
    try:
        report = visited(droplet)
    finally:
        httpserver.start()
    assert failures(report) == {"reachable": "the connection failed (ConnectError)"}
    assert set(skips(report).values()) == {"the droplet does not answer"}
    assert not report.passed


def test_a_droplet_that_never_answers_is_not_waited_for(droplet) -> None:
    release = threading.Event()

    def hang(_request: Request, answer: Response) -> Response:
        release.wait(10)
        return answer

    droplet.breach = hang
    try:
        report = visited(droplet, per_answer=timedelta(seconds=0.2))
    finally:
        release.set()
    assert failures(report) == {"reachable": "no whole answer came in 0.2 s"}
    assert report.took < timedelta(seconds=5)


def test_when_the_time_is_over_the_rest_is_skipped_and_nothing_is_passed(droplet) -> None:
    report = visited(droplet, clock=SteppingClock(timedelta(seconds=1)), at_most=timedelta(seconds=60))
    assert set(list(skips(report).values())[-5:]) == {"the time for the examination was over"}
    assert (report.complete, report.passed) == (False, False)


def test_an_unknown_certificate_is_not_trusted(httpserver) -> None:
    droplet = FakeDroplet(httpserver)
    droplet.address = droplet.address.replace("http:", "https:")
    assert failures(visited(droplet)) == {"reachable": "the connection failed (ConnectError)"}


def test_a_droplet_that_counts_our_requests_is_not_called_healthy(droplet) -> None:
    droplet.breach = instead("POST", "/send", lambda: refusal(429, "RATE_LIMITED"), when=own)
    report = visited(droplet)
    assert not report.passed
    assert "examine it again later" in failures(report)["send-to-nobody"]


def test_a_connection_closed_while_too_much_is_sent_says_neither_yes_nor_no(droplet) -> None:
    def hang_up(request: Request, answer: Response) -> Response:
        if len(request.data) > 1024 * 1024:
            connection = request.environ["werkzeug.socket"]
            connection.shutdown(socket.SHUT_RDWR)
        return answer

    droplet.breach = hang_up
    report = visited(droplet)
    assert failures(report) == {}
    assert "may have been lost" in skips(report)["message-too-large"]


def test_a_droplet_that_takes_no_message_gains_nothing_from_refusing_bad_ones(droplet) -> None:
    droplet.breach = instead("POST", "/message", lambda: refusal(422, "INVALID_REQUEST"), when=own)
    report = visited(droplet)
    assert list(failures(report)) == ["message-accepted"]
    assert skips(report)["message-bad-type"] == "not even a valid message is accepted"


def test_each_question_is_asked_once_and_a_redirect_is_not_followed(droplet) -> None:
    droplet.breach = instead("GET", "/version", moved)
    report = visited(droplet)
    assert "a redirect is not followed" in failures(report)["version-answers"]
    assert len(droplet.requests) == report.requests < 80


# what is told


def test_nothing_that_is_told_shows_the_token_or_is_long(droplet) -> None:
    droplet.breach = says("/health", status=f"x{READ_WRITE}", proof=LONG[:9000], name="\x1b[31m", cost_usd=READ_WRITE)
    told = json.dumps(visited(droplet).document())
    assert READ_WRITE not in told
    assert max(len(each) for each in failures(visited(droplet)).values()) < 1000


def test_what_is_told_holds_no_control_characters(droplet) -> None:
    droplet.breach = says("/health", status="\x1b[31m")
    assert "\\x1b" in failures(visited(droplet))["health-shape"]


def test_many_complaints_are_counted_not_told(droplet) -> None:
    droplet.breach = unheaded("Referrer-Policy")
    assert re.search(r"; and \d\d more$", failures(visited(droplet))["header-referrer"])


@pytest.mark.parametrize(
    "address",
    ["", "drop7.example", "ftp://drop7.example", "https://", "https://ada:secret@drop7.example", "http://[::1",
     "https://drop7.example:port", "https://drop7.example/?token=secret", "https://drop7.example/#x"],
)  # fmt: skip
def test_an_address_that_no_droplet_has_is_refused_without_showing_it(address) -> None:
    with pytest.raises(DropletAddressRefused) as refused:
        asyncio.run(examine(Examination(address), clock=FakeClock(), ids=CountingIds()))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "two words", "line\nfeed", "t\u00f6ken", "x" * 9000])
def test_a_token_that_fits_no_header_is_refused_without_showing_it(text) -> None:
    with pytest.raises(UnsendableToken) as refused:
        asyncio.run(
            examine(Examination("http://127.0.0.1:1", token=Secret(text)), clock=FakeClock(), ids=CountingIds())
        )
    assert not text or text not in str(refused.value)


def test_the_manual_lists_every_check_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (must|should) \| (.+) \| (.+) \|$", MANUAL.read_text(), re.MULTILINE)
    assert rows == [(each.id, str(each.severity), each.title, each.rule) for each in CHECKS]
