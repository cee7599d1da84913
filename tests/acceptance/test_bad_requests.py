"""For each endpoint a wrong request: a clear answer, and nothing changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from tests.service import Service, changes_of_callers, position, proof

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Wrong:
    """A request, and how it must be answered; ``{id}`` stands for a record that exists."""

    method: str
    template: str
    status: int
    reason: str
    field: str | None
    query: str = ""
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path or self.template}{self.query} {self.reason} {self.field or ''}"


def _table(collection: str, known: bytes, number: str) -> list[Wrong]:
    item, history = f"{collection}/{{id}}", f"{collection}/{{id}}/history"
    nowhere, its_history = f"{collection}/nobody", f"{collection}/nobody/history"
    several = b'[{"%b": "bad-new"}, {"%b": 7}]' % (known, known)
    rows = [
        Wrong("GET", collection, 422, "unknown-parameter", "Sprnt_ID", "?Sprnt_ID=1"),
        Wrong("GET", collection, 422, "invalid-parameter", "page_size", "?page_size=0"),
        Wrong("GET", collection, 422, "invalid-parameter", "page_size", "?page_size=1001"),
        Wrong("GET", collection, 422, "invalid-parameter", "updated_since", "?updated_since=yesterday"),
        Wrong("GET", collection, 422, "invalid-parameter", "as_of", "?as_of=-1"),
        Wrong("GET", collection, 422, "invalid-parameter", "q", "?q="),
        Wrong("GET", collection, 422, "unknown-field", "Cel", "?sort=-Cel"),
        Wrong("GET", collection, 422, "unknown-field", "Cel", "?fields=Cel"),
        Wrong("GET", collection, 422, "invalid-offset", "offset", "?offset=zzz"),
        Wrong("GET", collection, 422, "invalid-cell", number, f"?{number}=much"),
        Wrong("GET", collection, 422, "formula-syntax", "filter", "?filter=AND("),
        Wrong("GET", collection, 422, "formula-refused", "filter", "?filter=LEN()"),
        Wrong("GET", collection, 422, "formula-unknown-fields", "filter", "?filter={Nme}=1"),
        Wrong("GET", collection, 422, "formula-unknown-functions", "filter", "?filter=LENN(1)"),
        Wrong("GET", collection, 422, "formula-too-large", "filter", f"?filter={'(' * 200}"),
        Wrong("GET", collection, 422, "invalid-parameter", "filter", "?filter=1&filter=1"),
        Wrong("POST", collection, 422, "unknown-parameter", "upsrt", "?upsrt=true", b"{}", JSON),
        Wrong("POST", collection, 422, "invalid-parameter", "upsert", "?upsert=yes", b"{}", JSON),
        Wrong("POST", collection, 422, "unknown-field", "Nme", "", b'{"Nme": 1}', JSON),
        Wrong("POST", collection, 422, "invalid-cell", known.decode(), "", several, JSON),
        Wrong("POST", collection, 422, "invalid-body", "body", "", b"7", JSON),
        Wrong("POST", collection, 422, "invalid-body", "body", "", b'{"fields": 7}', JSON),
        Wrong("POST", collection, 422, "too-many-records", "body", "", b"[]", JSON),
        Wrong(
            "POST", collection, 422, "invalid-header", "Idempotency-Key", "", b"{}", JSON | {"Idempotency-Key": "a b"}
        ),
        Wrong("POST", collection, 400, "malformed-json", "body", "", b'{"a": ', JSON),
        Wrong("POST", collection, 415, "not-json", "Content-Type", "", b"a=1", {"Content-Type": "text/plain"}),
        Wrong("DELETE", collection, 405, "method-not-allowed", None),
        Wrong("GET", item, 422, "unknown-parameter", "feilds", "?feilds=x"),
        Wrong("GET", item, 422, "unknown-field", "Cel", "?fields=Cel"),
        Wrong("GET", item, 404, "record-not-found", None, path=nowhere),
        Wrong("DELETE", item, 422, "unknown-parameter", "force", "?force=1"),
        Wrong("DELETE", item, 404, "record-not-found", None, path=nowhere),
        Wrong("DELETE", item, 412, "record-changed", "If-Match", headers={"If-Match": '"old"'}),
        Wrong("DELETE", item, 422, "invalid-header", "If-Match", headers={"If-Match": "old"}),
        Wrong("POST", item, 405, "method-not-allowed", None, "", b"{}", JSON),
        Wrong("GET", history, 422, "invalid-parameter", "limit", "?limit=none"),
        Wrong("GET", history, 422, "unknown-parameter", "befor", "?befor=1"),
        Wrong("GET", history, 404, "record-not-found", None, path=its_history),
    ]
    for method in ("PUT", "PATCH"):
        changed = b'{"%b": "changed"}' % known
        rows += [
            Wrong(method, item, 422, "unknown-field", "Nme", "", b'{"Nme": 1}', JSON),
            Wrong(method, item, 422, "invalid-cell", number, "", b'{"%b": "much"}' % number.encode(), JSON),
            Wrong(method, item, 422, "invalid-body", "body", "", b'[{"%b": "x"}]' % known, JSON),
            Wrong(method, item, 422, "unknown-parameter", "upsert", "?upsert=true", changed, JSON),
            Wrong(method, item, 412, "record-changed", "If-Match", "", changed, JSON | {"If-Match": '"old"'}),
            Wrong(method, item, 404, "record-not-found", None, "", changed, JSON, nowhere),
            Wrong(method, item, 415, "not-json", "Content-Type", "", b"x", {"Content-Type": "text/csv"}),
        ]
    return rows


def _message(**changes: Any) -> bytes:
    usual = {
        "trace_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "source": "5",
        "target": "2",
        "message_type": "event",
        "payload": {},
        "timestamp": "2026-01-31T12:00:00Z",
    }
    return json.dumps({**usual, **changes}).encode()


def _letter(**changes: Any) -> bytes:
    return json.dumps({"target": "5", "message_type": "event", "payload": {}, **changes}).encode()


WRONG = [
    *_table("/sprints", b"Sprint_ID", "Time_Spent_hr"),
    *_table("/cells", b"Cell_ID", "Cost_per_hr"),
    # proofs have no number; a moment is spelt as wrongly
    *_table("/proof", b"Proof_ID", "Timestamp"),
    *_table("/heartbeats", b"Cell_ID", "CPU_Usage"),
    Wrong("POST", "/sprints", 422, "unknown-choice", "Status", "", b'{"Status": "Finished"}', JSON),
    Wrong("POST", "/sprints", 409, "key-taken", "Sprint_ID", "", b'[{"Name": "a"}, {"Sprint_ID": "bad-1"}]', JSON),
    Wrong("PATCH", "/cells/{id}", 422, "unknown-choice", "Role", "", b'{"Role": "builder"}', JSON),
    Wrong("POST", "/sprints", 422, "key-missing", "Sprint_ID", "?upsert=true", b'{"Name": "a"}', JSON),
    Wrong("POST", "/heartbeats", 422, "key-missing", None, "?upsert=true", b'{"Status": "a"}', JSON),
    Wrong("GET", "/daily-digest", 422, "unknown-parameter", "Dat", "?Dat=2026-01-01"),
    Wrong("GET", "/daily-digest", 422, "invalid-cell", "Date", "?Date=today"),
    Wrong("POST", "/daily-digest", 422, "invalid-member", "date", "", b'{"date": "31.12.2026"}', JSON),
    Wrong("POST", "/daily-digest", 422, "unknown-parameter", "day", "", b'{"day": "2026-01-01"}', JSON),
    Wrong("POST", "/daily-digest", 422, "invalid-body", "body", "", b"[]", JSON),
    Wrong("GET", "/daily-digest/{id}", 404, "record-not-found", None, path="/daily-digest/1999-01-01"),
    Wrong("GET", "/daily-digest/{id}", 422, "unknown-parameter", "x", "?x=1", path="/daily-digest/1999-01-01"),
    Wrong("GET", "/daily-digest/{id}/history", 404, "record-not-found", None, path="/daily-digest/1999-01-01/history"),
    Wrong("GET", "/daily-digest/{id}/history", 422, "unknown-parameter", "x", "?x=1", path="/daily-digest/1/history"),
    Wrong("GET", "/heartbeats/rollup", 422, "invalid-parameter", "since", "?since=soon"),
    Wrong("GET", "/heartbeats/rollup", 422, "invalid-parameter", "cell", "?cell="),
    Wrong("GET", "/heartbeats/rollup", 422, "invalid-parameter", "limit", "?limit=0"),
    Wrong("GET", "/heartbeats/rollup", 422, "invalid-offset", "offset", "?offset=x"),
    Wrong("GET", "/heartbeats/rollup", 422, "unknown-parameter", "sinse", "?sinse=1"),
    Wrong("GET", "/attachments/{id}", 403, "attachment-address-refused", None, path=f"/attachments/{'0' * 64}"),
    Wrong("GET", "/changes", 422, "invalid-parameter", "after", "?after=now"),
    Wrong("GET", "/changes", 422, "unknown-parameter", "befor", "?befor=1"),
    Wrong("GET", "/changes", 404, "unknown-table", None, "?table=Sprnts"),
    Wrong("GET", "/events", 422, "invalid-parameter", "after", "?after=now"),
    Wrong("GET", "/events", 422, "unknown-parameter", "tabel", "?tabel=Sprints"),
    Wrong("GET", "/events", 404, "unknown-table", None, "?table=Sprnts"),
    Wrong("GET", "/events", 422, "invalid-header", "Last-Event-ID", headers={"Last-Event-ID": "last"}),
    Wrong("GET", "/dashboard", 422, "unknown-parameter", "cell", "?cell=1"),
    Wrong("GET", "/read", 422, "unknown-parameter", "table", "?table=Sprints"),
    Wrong("POST", "/write", 422, "unknown-parameter", "table", "?table=Sprints"),
    Wrong("GET", "/webhook", 422, "invalid-parameter", "limit", "?limit=201"),
    Wrong("GET", "/webhook", 422, "unknown-parameter", "after", "?after=1"),
    Wrong("POST", "/webhook", 422, "invalid-body", "body", "", b'["a list"]', JSON),
    Wrong("POST", "/webhook", 415, "not-json", "Content-Type", "", b"{}"),
    Wrong("POST", "/proof-webhook", 422, "invalid-member", "sprint_id", "", b'{"proof_id": "bad-1"}', JSON),
    Wrong("POST", "/proof-webhook", 422, "invalid-body", "body", "", b"1", JSON),
    Wrong("POST", "/heartbeat-webhook", 422, "invalid-member", "cell_id", "", b'{"cell_id": " "}', JSON),
    Wrong("POST", "/heartbeat-webhook", 422, "invalid-cell", "CPU_Usage", "", b'{"cell_id":"a","cpu":"hot"}', JSON),
    Wrong("POST", "/message", 422, "malformed-message", "payload", "", b"{}", JSON),
    Wrong("POST", "/message", 422, "malformed-message", "body", "", b"[]", JSON),
    Wrong("POST", "/message", 422, "malformed-message", "trace_id", "", _message(trace_id="reg-1"), JSON),
    Wrong("POST", "/message", 422, "malformed-message", "message_type", "", _message(message_type="heartbeat"), JSON),
    Wrong("POST", "/message", 422, "malformed-message", "timestamp", "", _message(timestamp="soon"), JSON),
    Wrong("POST", "/message", 422, "not-our-message", "target", "", _message(target="3"), JSON),
    Wrong("POST", "/message", 403, "foreign-source", "source", "", _message(source="6"), JSON),
    Wrong("POST", "/message", 401, "untrusted-signature", "signature", "", _message(signature="truthy"), JSON),
    Wrong("POST", "/message", 415, "not-json", "Content-Type", "", b"{}"),
    Wrong("POST", "/send", 422, "malformed-message", "target", "", b"{}", JSON),
    Wrong("POST", "/send", 422, "malformed-message", "body", "", b"7", JSON),
    Wrong("POST", "/send", 422, "malformed-message", "message_type", "", _letter(message_type="hi"), JSON),
    Wrong("POST", "/send", 422, "malformed-message", "priority", "", _letter(priority="urgent"), JSON),
    Wrong("POST", "/send", 422, "malformed-message", "retry_count", "", _letter(retry_count=11), JSON),
    Wrong("POST", "/send", 422, "malformed-message", "payload", "", _letter(payload=[1]), JSON),
    Wrong("POST", "/send", 422, "malformed-message", "reties", "", _letter(reties=1), JSON),
    Wrong("POST", "/send", 422, "malformed-message", "trget", "?trget=5", b"{}", JSON),
    Wrong("GET", "/messages", 422, "malformed-message", "state", "?state=lost"),
    Wrong("GET", "/messages", 422, "malformed-message", "limit", "?limit=0"),
    Wrong("GET", "/messages", 422, "malformed-message", "stat", "?stat=queued"),
    Wrong("GET", "/messages/{id}", 404, "message-not-found", None, path="/messages/nothing"),
    Wrong("DELETE", "/messages/{id}", 404, "message-not-found", None, path="/messages/nothing"),
    Wrong("POST", "/messages/{id}/retry", 404, "message-not-found", None, path="/messages/nothing/retry"),
    Wrong("POST", "/messages/{id}/retry", 422, "malformed-message", "body", "", b"[]", JSON, "/messages/x/retry"),
    Wrong("POST", "/shutdown", 403, "missing-permission", None, "", b"{}", JSON),
    Wrong("DELETE", "/shutdown", 403, "missing-permission", None),
    Wrong("POST", "/emergency-stop", 403, "missing-permission", None),
    Wrong("POST", "/reload-config", 403, "missing-permission", None, "", b"{}", JSON),
    Wrong("DELETE", "/state", 405, "method-not-allowed", None),
    Wrong("DELETE", "/capabilities", 405, "method-not-allowed", None),
    Wrong("DELETE", "/version", 405, "method-not-allowed", None),
    Wrong("POST", "/health", 405, "method-not-allowed", None, "", b"{}", JSON),
    Wrong("DELETE", "/register", 405, "method-not-allowed", None),
    Wrong("DELETE", "/dependencies", 405, "method-not-allowed", None),
    Wrong("DELETE", "/", 405, "method-not-allowed", None),
    Wrong("POST", "/metrics", 405, "method-not-allowed", None, "", b"{}", JSON),
    Wrong("DELETE", "/openapi.json", 405, "method-not-allowed", None),
    Wrong("DELETE", "/docs", 405, "method-not-allowed", None),
    Wrong("GET", "/nowhere", 404, "route-unknown", None),
    Wrong("GET", "/budget", 404, "no-budget", None),
    Wrong("GET", "/receipts/{id}", 404, "not-mirrored", None, path="/receipts/rcp1-1"),
    Wrong("GET", "/dead-letters", 403, "missing-permission", None),
    Wrong("DELETE", "/dead-letters/{number}", 403, "missing-permission", None, path="/dead-letters/1"),
    Wrong("POST", "/dead-letters/{number}/replay", 403, "missing-permission", None, path="/dead-letters/1/replay"),
    Wrong("GET", "/conflicts", 404, "not-mirrored", None),
    Wrong("POST", "/airtable/notifications", 404, "not-mirrored", None, "", b"{}", JSON),
]

METHODLESS = {
    "/",
    "/health",
    "/register",
    "/dependencies",
    "/state",
    "/capabilities",
    "/version",
    "/metrics",
    "/openapi.json",
    "/docs",
}
"""Paths where nothing but the method can be wrong."""


@pytest.fixture(scope="module")
def records(shared: Service) -> Mapping[str, str]:
    """The id of one record of each table that callers write, by the table's path."""
    keys = {"/sprints": "Sprint_ID", "/cells": "Cell_ID", "/proof": "Proof_ID", "/heartbeats": "Cell_ID"}
    with shared.client() as client:
        made = {path: client.post(path, json={key: "bad-1"}).json()["data"]["id"] for path, key in keys.items()}
    # the service writes down what it thinks of the cell, which is not to be taken for a wrong request's doing
    shared.wait_for_log("cell_verdict_changed", cell="bad-1")
    return made


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_wrong_request_is_answered_clearly_and_changes_nothing(
    client: httpx2.Client, records: Mapping[str, str], wrong: Wrong
) -> None:
    collection = "/" + wrong.template.split("/")[1]
    path = (wrong.path or wrong.template).replace("{id}", records.get(collection, ""))
    begun, before = position(client), proof(client)
    answer = client.request(wrong.method, path + wrong.query, content=wrong.body, headers=dict(wrong.headers))
    assert answer.status_code == wrong.status, answer.text
    body = answer.json()
    error = body["error"]
    assert body["status"] == "error"
    assert error["details"]["reason"] == wrong.reason
    assert error["details"].get("field") == wrong.field
    assert error["message"]
    assert len(error["details"].get("hint", "")) > 5
    assert error["details"]["trace_id"] == answer.headers["x-trace-id"]
    assert error["code"] == _code(wrong.status)
    # the head moves when the service itself writes, too, which is rare
    assert proof(client) == before or changes_of_callers(client, after=begun) == []


def _code(status: int) -> str:
    codes = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 409: "CONFLICT", 412: "CONFLICT"}
    return codes.get(status, "INVALID_REQUEST")


def test_every_documented_endpoint_has_a_wrong_request_here(client: httpx2.Client) -> None:
    everything = client.get("/openapi.json").json()["paths"]
    # Airtable's dialect has its own form of errors, and tests of its own
    paths = {path: methods for path, methods in everything.items() if not path.startswith("/v0/")}
    documented = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if method in {"get", "post", "put", "patch", "delete"} and path not in METHODLESS
    }
    assert documented - {(wrong.method, wrong.template) for wrong in WRONG} == set()
    assert set(paths) - {wrong.template for wrong in WRONG} == set()
