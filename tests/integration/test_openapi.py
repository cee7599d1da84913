import base64
import hashlib
import html
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from airtable_connector.compose import open_rooms
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.ops import configure_logging
from airtable_connector.settings import Configuration, read_settings
from airtable_connector.web.airtable_api import BEGINNING
from airtable_connector.web.document import PAGE_POLICY, describe, documentation_page
from airtable_connector.web.domain import COLLECTIONS
from airtable_connector.web.domain.routes import MIRRORED
from airtable_connector.web.http import Edge, Lifecycle
from airtable_connector.web.udc import ADMIN

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"
METHODS = {"get", "post", "put", "patch", "delete"}
DOCUMENT: dict[str, Any] = orjson.loads(describe())


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method]


def validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]}, validate_formats=True)


def resolved(thing: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in thing:
        return thing
    found: Any = DOCUMENT
    for name in thing["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def examples() -> Iterator[tuple[str, dict[str, Any], Any]]:
    for method, path, operation in operations():
        parts = {"body": operation.get("requestBody", {}), **operation["responses"]}
        for name, part in parts.items():
            for media in resolved(part).get("content", {}).values():
                yield f"{method} {path} {name}", media["schema"], media["example"]
        for parameter in map(resolved, operation.get("parameters", ())):
            if "example" in parameter:
                yield f"{method} {path} {parameter['name']}", parameter["schema"], parameter["example"]
    for name, header in DOCUMENT["components"]["headers"].items():
        yield name, header["schema"], header["example"]


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Edge]:
    clock = SystemClock()
    logs = configure_logging("error", "json", lambda _line: None, clock=clock)
    settings = read_settings({"DATA_DIR": str(folder)})
    try:
        async with open_rooms(
            settings, Configuration(folder), clock=clock, ids=RandomIds(), logs=logs, lifecycle=Lifecycle()
        ) as rooms:
            yield rooms.edge
    finally:
        logs.close()


def routes_of(edge: Edge) -> set[tuple[str, str]]:
    hot = [*edge._hot._exact.values(), *edge._hot._items.values()]
    found = {(method.lower(), resource.template) for resource in hot for method in resource.methods}
    found |= {
        (method.lower(), route.path) for route in edge._inner._app.get().router.routes for method in route.methods
    }
    (late,) = edge._dialects
    dialect = late._loaded
    found |= {(method.lower(), template) for template, methods in dialect.routes.items() for method in methods}
    return {(method, path) for method, path in found if method != "head"}


@pytest.mark.anyio
async def test_the_document_tells_of_exactly_what_is_answered(tmp_path: Path) -> None:
    async with started(tmp_path) as edge:
        answered = routes_of(edge)
    assert {(method, path) for method, path, _ in operations()} == answered


def test_every_schema_is_a_json_schema_of_the_dialect_that_openapi_names() -> None:
    schemas = [
        *DOCUMENT["components"]["schemas"].values(),
        *(header["schema"] for header in DOCUMENT["components"]["headers"].values()),
        *(
            each["schema"]
            for _, _, operation in operations()
            for each in map(resolved, operation.get("parameters", ()))
        ),
    ]
    for schema in schemas:
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_the_document_is_openapi_3_1() -> None:
    jsonschema_rs.Draft202012Validator(OPENAPI_31).validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_operations_describe_their_parameters_and_answers() -> None:
    for method, path, operation in operations():
        declared = {each["name"] for each in map(resolved, operation.get("parameters", ())) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), (method, path)
        for parameter in map(resolved, operation.get("parameters", ())):
            assert parameter.keys() >= {"name", "in", "schema", "description"}
            assert parameter["in"] != "path" or parameter["required"] is True
        assert all(re.fullmatch(r"[2345]\d\d", status) for status in operation["responses"])
        assert all("description" in resolved(each) for each in operation["responses"].values())


def test_operations_have_names_of_their_own_and_known_tags() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    assert {tag for _, _, each in operations() for tag in each["tags"]} == {each["name"] for each in DOCUMENT["tags"]}


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = set(references(DOCUMENT))
    there = {
        f"#/components/{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    # no listed operation can answer 405; the document explains it beside them
    assert there - used == {"#/components/responses/MethodNotAllowed"}
    assert used - there == set()


def test_the_examples_are_what_their_schemas_allow() -> None:
    assert [(name, example) for name, schema, example in examples() if not validator(schema).is_valid(example)] == []


def test_only_five_paths_need_no_identity() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}]
    public = {path for _, path, operation in operations() if operation.get("security") == []}
    assert public == {"/health", "/register", "/", "/attachments/{id}", "/airtable/notifications"}


def test_the_document_tells_which_operations_need_an_administrator() -> None:
    admins = {path for _, path, operation in operations() if operation.get("security") == [{"bearer": ["admin"]}]}
    assert admins == ADMIN | {path for path in MIRRORED if path.startswith("/dead-letters")}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("SprintInput", {"Nmae": "x"}),
        ("SprintInput", {"Status": "Actve"}),
        ("SprintInput", {"Time_Spent_hr": "6"}),
        ("SprintInput", {"fields": {"Name": 1}}),
        ("SprintInputs", []),
        ("CellInput", {"Health_Status": "ok"}),
        ("ProofInput", {"Timestamp": True}),
        ("ProofNotice", {"proof_id": " ", "sprint_id": "s", "status": "passed"}),
        ("Sprint", {"id": "rec1", "createdTime": "2026-01-31T12:00:00.000Z", "fields": {}}),
    ],
)
def test_the_schemas_refuse_what_the_service_refuses(name: str, wrong: Any) -> None:
    assert not validator({"$ref": f"#/components/schemas/{name}"}).is_valid(wrong)


@pytest.mark.parametrize("empty", [None, "", []])
def test_every_cell_may_be_emptied(empty: Any) -> None:
    assert validator({"$ref": "#/components/schemas/SprintInput"}).is_valid(
        {"Name": empty, "Status": empty, "Time_Spent_hr": empty}
    )


def test_a_computed_field_may_be_sent_and_is_shown_as_read_only() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert validator({"$ref": "#/components/schemas/HeartbeatInput"}).is_valid({"Timestamp": "whatever"})
    assert schemas["HeartbeatFields"]["properties"]["Timestamp"]["readOnly"] is True


class Page(HTMLParser):
    """Collects what a browser would run, load or style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read_page() -> Page:
    page = Page()
    page.feed(documentation_page().decode())
    page.close()
    assert page.open == []
    return page


def test_the_page_runs_nothing_and_loads_nothing_foreign() -> None:
    page = read_page()
    assert {"script", "link", "img", "iframe"} & set(page.tags) == set()
    assert [name for name in page.attributes if name == "style" or name.startswith("on")] == []
    assert [each for each in page.addresses if not each.startswith(("#", "/openapi.json"))] == []


def test_the_page_leads_nowhere_that_is_not_on_it() -> None:
    page = read_page()
    assert {each[1:] for each in page.addresses if each.startswith("#")} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


def test_the_page_may_be_styled_by_its_own_style_only() -> None:
    (style,) = re.findall(r"<style>(.*)</style>", documentation_page().decode())
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest())
    assert b"default-src 'none'; style-src 'sha256-" + digest + b"'" in PAGE_POLICY


def test_the_page_tells_of_every_operation_and_every_error() -> None:
    page = html.unescape(documentation_page().decode())
    for method, path, operation in operations():
        assert f"<strong>{method.upper()}</strong> <code>{path}</code>" in page
        assert f'id="{operation["operationId"]}"' in page
    for response in DOCUMENT["components"]["responses"].values():
        assert response["description"] in page


def test_the_manual_names_the_endpoints_that_the_document_names() -> None:
    told = re.findall(r"^\| `([A-Z]+) (/[^`]*)`", MANUAL.read_text(encoding="utf-8"), re.MULTILINE)
    named = {(method, path.replace("/{table}", table)) for method, path in told for table in COLLECTIONS}
    # Airtable's Web API has a manual of its own
    assert named == {(method.upper(), path) for method, path, _ in operations() if not path.startswith(BEGINNING)}


def test_the_manual_names_every_error_number_of_the_document() -> None:
    told = set(re.findall(r"^\| (\d{3}) \|", MANUAL.read_text(encoding="utf-8"), re.MULTILINE))
    numbers = {status for _, _, operation in operations() for status in operation["responses"] if status >= "400"}
    assert told == numbers | {"405", "500"}
