"""Random requests to a started process: whatever comes, the answer is one that the document describes."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import schemathesis
from tests.random_requests import ask_at_random, by_example, labels, operations
from tests.service import EventStream, Place, Service, running

from airtable_connector.web.airtable_api import BEGINNING
from airtable_connector.web.document import describe
from airtable_connector.web.domain.routes import MIRRORED, NOTIFICATIONS
from airtable_connector.web.udc import ADMIN

DEAD_LETTERS = {path for path in MIRRORED if path.startswith("/dead-letters")}

DOCUMENT: dict[str, Any] = orjson.loads(describe())
NOT_FUZZED = {
    "/events",  # has no end; it is asked in a test of its own
    "/attachments/{id}",  # its addresses are signed, and nobody can make one up
    *DEAD_LETTERS,  # need an administrator, and a base that is kept here alone has none
    *ADMIN,  # would end the service that is asked
}

WITHOUT_TOKEN = {
    "/attachments/{id}": 403,  # an address that was made up is refused whoever comes with it
    NOTIFICATIONS: 404,  # a base that is kept here alone is not told of anything
}
"""What public paths answer that do not answer 200."""

REFUSED_BY_NATURE = {
    "not-mirrored",  # a started base without Airtable is kept here alone
    "invalid-offset",  # offsets are opaque: only what a list has handed out is one
    *("formula-syntax", "formula-refused", "formula-unknown-fields", "formula-unknown-functions"),  # a language
    "idempotency-key-reused",  # the same key comes with another body by chance
    "key-missing",  # a record to upsert must carry its key
    "record-changed",  # no random If-Match is a present state
    "not-our-message",  # who we are is a setting
    "foreign-source",  # who calls is in the token
    "trace-id-reused",  # the same trace_id comes with another message by chance
    "malformed-message",  # names must be printable, in whatever script
}
"""Reasons to refuse what a schema cannot help but allow."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(Place(tmp_path_factory.mktemp("fuzz"))) as started:
        started.wait_for_log("digest_written")
        yield started


def fuzzed() -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    for path in list(document["paths"]):
        if path in NOT_FUZZED or path.startswith(BEGINNING):
            del document["paths"][path]
    # a bound this large beside a pattern costs the generator seconds each time; it has a test of its own
    del document["components"]["schemas"]["Text"]["maxLength"]
    # its example is a position that an empty base has not reached
    del document["components"]["parameters"]["AsOf"]["example"]
    return document


def of_a_mirror(document: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a document that only a mirror has something to say at."""
    return {**document, "paths": {path: item for path, item in document["paths"].items() if path in MIRRORED}}


def reason(answer: schemathesis.Response) -> str:
    try:
        return str(answer.json()["error"]["details"]["reason"])
    except (ValueError, KeyError, TypeError):
        return ""


def test_every_answer_is_one_that_the_document_describes(service: Service) -> None:
    document = fuzzed()
    outcome = ask_at_random(
        document,
        service,
        rightly_refused=lambda _case, answer: reason(answer) in REFUSED_BY_NATURE,
        # a read of a position that is far ahead rightly takes five seconds and ends in a 504
        wanted=lambda case: not (case.query or {}).get("as_of"),
        # a message to nobody is not waited for
        headers={"Prefer": "wait=0"},
    )
    assert "\n\n".join(outcome.failures[:20]) == ""
    # what a base that is kept here alone has not
    assert labels(document) - outcome.succeeded == {"GET /budget", *labels(of_a_mirror(document))}


def test_without_a_token_only_the_public_paths_answer(service: Service) -> None:
    with service.client({}) as client:
        for method, path, operation in operations(DOCUMENT):
            answer = client.request(**by_example(DOCUMENT, method, path))
            if operation.get("security") == []:
                assert answer.status_code == WITHOUT_TOKEN.get(path, 200)
            else:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_a_wrong_token_opens_nothing_and_is_soon_no_longer_looked_at(tmp_path: Path) -> None:
    # a process of its own: after this, it listens to no new token from here for a while
    with running(Place(tmp_path)) as service, service.client({"Authorization": "Bearer wrong"}) as client:
        answers = [
            client.request(**by_example(DOCUMENT, method, path))
            for method, path, operation in operations(DOCUMENT)
            if operation.get("security") != []
        ]
    statuses = [answer.status_code for answer in answers]
    assert set(statuses[:30]) == {401}
    assert set(statuses[31:]) == {429}


def needed_for(method: str, path: str) -> str:
    if path in ADMIN | DEAD_LETTERS:
        return "admin"
    return "read" if method == "get" or path == "/message" else "write"


@pytest.mark.parametrize("permission", ["read", "write"])
def test_a_token_opens_only_what_its_permission_allows(permission: str, service: Service) -> None:
    with service.client(service.headers(permission, droplet=6)) as client:
        for method, path, operation in operations(DOCUMENT):
            if operation.get("security") == [] or needed_for(method, path) == permission or path.startswith(BEGINNING):
                continue
            answer = client.request(**by_example(DOCUMENT, method, path))
            assert answer.status_code == 403, (method, path)
            assert answer.json()["error"]["details"]["needed"] == needed_for(method, path)


@pytest.mark.parametrize(("field", "schema"), [("Notes", "Text"), ("Sprint_ID", "Key")])
def test_a_text_of_the_longest_length_is_taken_and_a_longer_one_is_not(
    field: str, schema: str, service: Service
) -> None:
    longest = DOCUMENT["components"]["schemas"][schema]["maxLength"]
    with service.client() as client:
        assert client.post("/sprints", json={field: "x" * longest}).status_code == 201
        assert client.post("/sprints", json={field: "x" * (longest + 1)}).status_code == 422


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("table=Sprints", {}, 200),
        ("after=0", {"Last-Event-ID": "1"}, 200),
        ("after=-1", {}, 422),
        ("after=1e3", {}, 422),
        ("table=Nothing", {}, 404),
        ("since=0", {}, 422),
        ("", {"Last-Event-ID": "x"}, 422),
        ("", {"Last-Event-ID": "9" * 19}, 422),
    ],
)
def test_the_stream_of_events_begins_or_is_refused_as_documented(
    query: str, headers: dict[str, str], status: int, service: Service
) -> None:
    described = DOCUMENT["paths"]["/events"]["get"]["responses"]
    with service.client() as client, client.stream("GET", f"/events?{query}", headers=headers) as answer:
        assert answer.status_code == status
        assert str(status) in described
        wanted = "text/event-stream" if status == 200 else "application/json"
        assert answer.headers["Content-Type"] == wanted
        assert answer.headers["X-Trace-ID"]
        if status == 200:
            assert next(answer.iter_lines()).startswith(":")


@pytest.mark.parametrize(
    ("day", "status"),
    [
        ("9999-12-30", 200),
        ("9999-12-31", 422),
        ("0001-01-01", 422),
        ("2026-02-30", 422),
        ("2026-1-31", 422),
        (20260131, 422),
        (True, 422),
    ],
)
def test_a_digest_is_written_for_any_day_of_the_calendar_but_its_first_and_last(
    day: object, status: int, service: Service
) -> None:
    with service.client() as client:
        assert client.post("/daily-digest", json={"date": day}).status_code == status


def test_rollups_lead_from_page_to_page(service: Service) -> None:
    # a name of its own, which the random requests do not send
    cells = [f"rollup-cell-{number}" for number in range(3)]
    with service.client() as client, EventStream(service, table="Cells") as stream:
        client.post("/heartbeats", json=[{"Cell_ID": cell, "CPU_Usage": 10} for cell in cells])
        for cell in cells:
            stream.next(where=lambda change, cell=cell: (change["after"] or {}).get("Cell_ID") == cell)
        rows, offset = [], {}
        for _ in range(5_000):
            data = client.get("/heartbeats/rollup", params={"limit": 2, **offset}).json()["data"]
            rows += [(row["cell_id"], row["hour"]) for row in data["rollups"]]
            if "offset" not in data:
                break
            offset = {"offset": data["offset"]}
    assert [cell for cell, _ in rows if cell in cells] == cells
    assert rows == sorted(set(rows))
