"""What the OpenAPI document says of Airtable's Web API, beside what the code does and the manual tells."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.test_airtable_manual import rows
from tests.integration.test_openapi import operations, resolved, started, validator

from airtable_connector.web.airtable_api import BEGINNING
from airtable_connector.web.airtable_api.words import FAMILIES, LEAVES, TYPES
from airtable_connector.web.document import documentation_page


def dialect() -> Iterator[tuple[str, str, dict[str, Any]]]:
    return ((method, path, operation) for method, path, operation in operations() if path.startswith(BEGINNING))


def types_of(refusal: dict[str, Any]) -> set[str]:
    """Return the types that a refusal of the document may have."""
    schema = refusal["content"]["application/json"]["schema"]
    found: set[str] = set()
    for form in schema.get("anyOf", [schema]):
        error = form.get("properties", {}).get("error", {}).get("properties")
        if error is not None:
            # a mirror passes on whatever type Airtable tells
            found |= set(error["type"].get("enum", [error["type"]["const"]] if "const" in error["type"] else []))
    return found


def refusals() -> dict[int, set[str]]:
    """Return the types of error by their number."""
    return {
        int(status): types_of(resolved(answer))
        for _, _, operation in dialect()
        for status, answer in operation["responses"].items()
        if status >= "400"
    }


@pytest.mark.anyio
async def test_every_operation_tells_the_scope_that_its_route_needs(tmp_path: Path) -> None:
    async with started(tmp_path) as edge:
        (late,) = edge._dialects
        api = late._loaded
        needed = {
            (method.lower(), path): scope for path, methods in api.routes.items() for method, scope in methods.items()
        }
    told = {(method, path): operation.get("security") for method, path, operation in dialect()}
    assert told == {route: None if scope is None else [{"bearer": [str(scope)]}] for route, scope in needed.items()}


def test_the_document_names_the_types_of_error_that_the_manual_names_with_the_same_numbers() -> None:
    numbers = {kind: re.findall(r"\d{3}", number) for kind, number in rows("Errors").items()}
    told = refusals()
    assert numbers.keys() == {kind for kinds in told.values() for kind in kinds}
    assert [kind for kind, (number,) in numbers.items() if kind not in told[int(number)]] == []


def test_the_document_gives_each_type_of_error_the_number_that_the_code_gives_it() -> None:
    told = refusals()
    given = {(number, kind) for number, kind in [*FAMILIES.values(), *LEAVES.values()]}
    for leaf, kind in TYPES.items():
        given.add((next(FAMILIES[family][0] for family in leaf.__mro__ if family in FAMILIES), kind))
    assert [(number, kind) for number, kind in given if kind not in told[number]] == []


def test_the_page_tells_how_a_list_is_sent() -> None:
    page = documentation_page().decode()
    assert "<td><code>records[]</code></td><td>query</td><td>repeated: " in page
    assert "<td><code>fields</code></td><td>query</td><td>comma-separated: " in page


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("AirtableNew", {}),
        ("AirtableNew", {"records": []}),
        ("AirtableNew", {"records": [{"fields": {}, "id": "recT5rq0Wn3xYz8Ka"}]}),
        ("AirtableNew", {"fields": {}, "records": [{"fields": {}}]}),
        ("AirtableNew", {"records": [{"fields": {}}] * 11}),
        ("AirtableChange", {"fields": {}, "typecast": 1}),
        ("AirtableChanges", {"records": [{"fields": {}}]}),
        ("AirtableChanges", {"records": [{"fields": {}}], "performUpsert": {}}),
        ("AirtableQuestion", {"pageSize": 101}),
        ("AirtableQuestion", {"limit": 5}),
        ("AirtableQuestion", {"sort": [{"direction": "asc"}]}),
    ],
)
def test_the_schemas_refuse_what_the_dialect_refuses(name: str, wrong: Any) -> None:
    assert not validator({"$ref": f"#/components/schemas/{name}"}).is_valid(wrong)
