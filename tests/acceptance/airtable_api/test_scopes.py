"""Which scope each route needs, and when a caller without it learns so."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import pytest
from tests.acceptance.airtable_api.conftest import Wire
from tests.fakes import FakeClock
from tests.service import Service

from airtable_connector.web.airtable_api import AirtableApi, BaseName, PaceSettings
from airtable_connector.web.airtable_api.scopes import BY_PERMISSION, Scope

RECORD = "recAAAAAAAAAAAAAA"
REFUSED = (403, "INVALID_PERMISSIONS", "You are not permitted to perform this operation")


@dataclass(frozen=True)
class Asked:
    """A well-formed request for a route, and the scope that it needs."""

    needs: Scope | None
    body: Any = None
    query: str = ""


ROUTES = {
    "GET /v0/meta/whoami": Asked(None),
    "GET /v0/meta/bases": Asked(Scope.READ_SCHEMA),
    "POST /v0/meta/bases": Asked(Scope.WRITE_SCHEMA, {"name": "x", "workspaceId": "x", "tables": [{"name": "x"}]}),
    "GET /v0/meta/bases/{base}/tables": Asked(Scope.READ_SCHEMA),
    "POST /v0/meta/bases/{base}/tables": Asked(Scope.WRITE_SCHEMA, {"name": "x", "fields": []}),
    "PATCH /v0/meta/bases/{base}/tables/{table}": Asked(Scope.WRITE_SCHEMA, {"description": ""}),
    "POST /v0/meta/bases/{base}/tables/{table}/fields": Asked(Scope.WRITE_SCHEMA, {"name": "", "type": "url"}),
    "PATCH /v0/meta/bases/{base}/tables/{table}/fields/{field}": Asked(Scope.WRITE_SCHEMA, {"description": ""}),
    "GET /v0/{base}/{table}": Asked(Scope.READ_RECORDS),
    "POST /v0/{base}/{table}/listRecords": Asked(Scope.READ_RECORDS, {}),
    "GET /v0/{base}/{table}/{record}": Asked(Scope.READ_RECORDS),
    "POST /v0/{base}/{table}": Asked(Scope.WRITE_RECORDS, {"fields": {}}),
    "PATCH /v0/{base}/{table}": Asked(Scope.WRITE_RECORDS, {"records": [{"id": RECORD, "fields": {}}]}),
    "PUT /v0/{base}/{table}": Asked(Scope.WRITE_RECORDS, {"records": [{"id": RECORD, "fields": {}}]}),
    "DELETE /v0/{base}/{table}": Asked(Scope.WRITE_RECORDS, query=f"?records[]={RECORD}"),
    "PATCH /v0/{base}/{table}/{record}": Asked(Scope.WRITE_RECORDS, {"fields": {}}),
    "PUT /v0/{base}/{table}/{record}": Asked(Scope.WRITE_RECORDS, {"fields": {}}),
    "DELETE /v0/{base}/{table}/{record}": Asked(Scope.WRITE_RECORDS),
    "GET /v0/bases/{base}/webhooks": Asked(Scope.MANAGE_WEBHOOKS),
    "POST /v0/bases/{base}/webhooks": Asked(
        Scope.MANAGE_WEBHOOKS, {"specification": {"options": {"filters": {"dataTypes": ["nothing"]}}}}
    ),
    "DELETE /v0/bases/{base}/webhooks/{webhook}": Asked(Scope.MANAGE_WEBHOOKS),
    "POST /v0/bases/{base}/webhooks/{webhook}/refresh": Asked(Scope.MANAGE_WEBHOOKS),
    "POST /v0/bases/{base}/webhooks/{webhook}/enableNotifications": Asked(Scope.MANAGE_WEBHOOKS, {"enable": True}),
    "GET /v0/bases/{base}/webhooks/{webhook}/payloads": Asked(Scope.MANAGE_WEBHOOKS),
    "POST /v0/{base}/{record}/{field}/uploadAttachment": Asked(
        Scope.WRITE_RECORDS, {"contentType": "text/plain", "file": "eA==", "filename": "x.txt"}
    ),
    "GET /v0/{base}/{table}/{record}/comments": Asked(Scope.READ_COMMENTS),
    "POST /v0/{base}/{table}/{record}/comments": Asked(Scope.WRITE_COMMENTS, {"text": "x"}),
    "PATCH /v0/{base}/{table}/{record}/comments/{comment}": Asked(Scope.WRITE_COMMENTS, {"text": "x"}),
    "DELETE /v0/{base}/{table}/{record}/comments/{comment}": Asked(Scope.WRITE_COMMENTS),
}
"""Every route, so that none is left open."""

WELL_FORMED = {
    "base": "",
    "table": "Droplets",
    "record": RECORD,
    "comment": "comAAAAAAAAAAAAAA",
    "field": "Files",
    "webhook": "achAAAAAAAAAAAAAA",
}


def ask(wire: Wire, route: str, **filled: str) -> tuple[int, Any, str]:
    """Send a route's request, and return its number, and the type and message of a refusal."""
    method, template = route.split()
    path = template.format_map({**WELL_FORMED, "base": wire.base, **filled}) + ROUTES[route].query
    status, body = wire.ask(method, path, json=ROUTES[route].body)
    error = body.get("error", {})
    return status, error.get("type"), error.get("message")


def allowed(route: str, scopes: AbstractSet[str]) -> bool:
    needs = ROUTES[route].needs
    return needs is None or needs in scopes


def test_the_table_has_every_route_and_its_scope() -> None:
    api = AirtableApi(
        None, BaseName("x"), PaceSettings(), files=None, attachments=None, hooks=None, verify=None, clock=FakeClock()
    )
    offered = {f"{method} {path}": needs for path, methods in api.routes.items() for method, needs in methods.items()}
    assert offered == {route: asked.needs for route, asked in ROUTES.items()}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("permission", BY_PERMISSION)
def test_a_permission_of_the_mesh_opens_what_its_scopes_open(route: str, permission: str, served: Service) -> None:
    with served.client(served.headers(permission)) as client:
        assert (ask(Wire(client), route) != REFUSED) == allowed(route, BY_PERMISSION[permission])


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("scope", Scope)
def test_an_access_token_opens_what_its_scope_opens(
    route: str, scope: Scope, served: Service, keys: Mapping[str, str]
) -> None:
    with served.client({"Authorization": f"Bearer {keys[scope]}"}) as client:
        assert (ask(Wire(client), route) != REFUSED) == allowed(route, {scope})


def test_a_head_request_needs_what_its_get_needs(served: Service) -> None:
    with served.client(served.headers("write")) as client:
        assert client.head(Wire(client).path("Sprints")).status_code == 403


def test_a_list_that_another_caller_asked_for_is_not_shown(served: Service, wire: Wire) -> None:
    assert len(wire.list("Sprints", pageSize="7")) < 7
    with served.client(served.headers("write")) as client:
        assert Wire(client).refused("GET", wire.path("Sprints"), params={"pageSize": "7"}) == REFUSED


def test_errors_are_told_in_the_order_of_airtable(reader: Wire) -> None:
    other, table = "appBBBBBBBBBBBBBB", reader.path("Nowhere")
    # what is asked is judged first, then the base, then the scope, then the table
    assert reader.refused("POST", table, json={"records": []})[:2] == (422, "INVALID_RECORDS")
    assert reader.refused("POST", f"/v0/{other}/Nowhere", json={"fields": {}})[:2] == (
        403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
    )  # fmt: skip
    assert reader.refused("POST", table, json={"fields": {}}) == REFUSED
    assert reader.refused("GET", table)[:2] == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


def test_the_header_names_the_scope_that_is_missing(reader: Wire) -> None:
    answer = reader.client.post(reader.path("Sprints"), json={"fields": {}})
    assert 'error="insufficient_scope", scope="data.records:write"' in answer.headers["www-authenticate"]
