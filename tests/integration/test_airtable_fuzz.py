"""Random requests in Airtable's dialect to a started process: whatever comes, the answer is as documented."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import schemathesis
from tests.acceptance.airtable_api.conftest import prepared
from tests.factories.records import EVERYTHING, PROJECTS, a_field, a_table
from tests.random_requests import METHODS, ask_at_random, by_example, labels, operations
from tests.service import Place, Service, running

from airtable_connector.records import STANDARD_TABLES, CannotSort, Field, FieldType, Table, sort_by_fields, stable_id
from airtable_connector.web.airtable_api import BEGINNING, DERIVED_ID, addresses
from airtable_connector.web.airtable_api.base import VIEW_NAME, view_id
from airtable_connector.web.airtable_api.scopes import BY_PERMISSION
from airtable_connector.web.airtable_api.writing import MERGEABLE
from airtable_connector.web.document import describe
from airtable_connector.web.document.cells import accepted, shown
from airtable_connector.web.document.shapes import closed, ref

DOCUMENT: dict[str, Any] = orjson.loads(describe())

KEPT, DOOMED = 20, 200
"""Records that random requests change, and such as they may remove."""

LEFT_OUT = {
    *(FieldType.RICH_TEXT, FieldType.BARCODE),
    *(FieldType.SINGLE_COLLABORATOR, FieldType.MULTIPLE_COLLABORATORS),
    *(FieldType.URL, FieldType.EMAIL, FieldType.PHONE_NUMBER),
    *(FieldType.PERCENT, FieldType.CURRENCY, FieldType.DURATION),
}
"""Types that are read as another one, or tried with all of their values in other tests; each field more costs the
generator seconds."""

LINK, LINKED = (stable_id("fld", "tests", name) for name in ("Projects", "Code"))
OVER_LINK = {"recordLinkFieldId": LINK, "fieldIdInLinkedTable": LINKED}
TRIED = a_table(
    "Tried",
    "Name",
    *(field for field in EVERYTHING.fields if field.type not in LEFT_OUT),
    a_field("Inverse", FieldType.FORMULA, formula="1 / {Number}"),
    a_field("Text", FieldType.FORMULA, formula="{Name} & {Stage} & {Projects}"),
    a_field("Codes", FieldType.ROLLUP, **OVER_LINK, formula="CONCATENATE(values)"),
    a_field("Looked up", FieldType.MULTIPLE_LOOKUP_VALUES, **OVER_LINK),
    a_field("Links", FieldType.COUNT, recordLinkFieldId=LINK),
    a_field("Author", FieldType.CREATED_BY),
    a_field("Editor", FieldType.LAST_MODIFIED_BY),
    a_field("Open", FieldType.BUTTON, label="Open", url="'https://example.org/' & {Name}"),
)
"""A table with a field of every other type."""

SHAPED_LINK = a_field("Linked", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=PROJECTS.id)
SHAPED = a_table("Shaped", None, a_field("Shape", FieldType.SINGLE_LINE_TEXT), SHAPED_LINK)
"""A table that is changed itself."""

SURELY_A_NAME = re.compile(r"[!-.0-9A-Z^-~]*[0-9A-Za-z]", re.ASCII)
"""Not only dots, and nothing that cannot be seen or leads somewhere."""

SPECIFICATION = {"options": {"filters": {"dataTypes": ["tableData"]}}}
ZONES, LOCALES = ["UTC", "client", "Europe/Berlin"], ["en", "en-gb", "de"]

REFUSED_BY_NATURE: Mapping[str, tuple[str, ...]] = {
    "INVALID_OFFSET_VALUE": ("",),  # offsets are opaque: only what a list has handed out is one
    "INVALID_FILTER_BY_FORMULA": ("",),  # a language
    "INVALID_ATTACHMENT_OBJECT": ("",),  # an id is one of those that the cell holds
    "ROW_COMMENT_DOES_NOT_EXIST": ("",),  # an earlier request has removed it
    "TOO_MANY_WEBHOOKS_IN_BASE": ("",),  # earlier requests have made them
    "DUPLICATE_TABLE_NAME": ("",),  # earlier requests have made it
    "DUPLICATE_OR_EMPTY_FIELD_NAME": ("",),  # the same
    "UNSUPPORTED_FIELD_TYPE_FOR_CREATE": ("as the primary field",),  # which stands among the others
    "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE": ("",),  # choices have names of their own; a field belongs to its table
    "INVALID_VALUE_FOR_COLUMN": (": the record ",),  # keys are unique
    "INVALID_REQUEST_UNKNOWN": (
        "must have the field to merge on",
        "Cannot update more than one record",
        "bases were made here",  # by earlier requests
        "and so have all the made ones together",  # the same
    ),
}
"""Types of refusals that a schema cannot help but allow, each with parts of the messages that are meant."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(
        prepared(Place(tmp_path_factory.mktemp("airtable_fuzz")), (*STANDARD_TABLES, PROJECTS, TRIED, SHAPED))
    ) as started:
        started.wait_for_log("digest_written")
        yield started


@dataclass(frozen=True)
class Ids:
    """Ids of what was added for the random requests; what is doomed they may remove."""

    kept: list[str]
    doomed: list[str]
    linked: list[str]
    comments: list[str]
    webhooks: list[str]
    fields: list[Field]
    """The table's fields as the service shows them: it knows of what type a formula's result is."""


@pytest.fixture(scope="module")
def ids(service: Service) -> Ids:
    """Add records without any cells, so that no random key is taken by them, and comments of the first one."""
    base = f"{BEGINNING}{DERIVED_ID}"

    def add(path: str, body: dict[str, Any], number: int) -> list[dict[str, Any]]:
        answers = [client.post(path, json=body) for _ in range(number)]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json() for answer in answers]

    def records(table: Table, number: int) -> list[str]:
        pages = add(f"{base}/{table.id}", {"records": [{"fields": {}}] * 10}, number // 10)
        return [record["id"] for page in pages for record in page["records"]]

    with service.client(service.headers("read,write,admin")) as client:
        kept = records(TRIED, KEPT)
        comments = add(f"{base}/{TRIED.id}/{kept[0]}/comments", {"text": "x"}, 60)
        webhooks = add(f"{BEGINNING}bases/{DERIVED_ID}/webhooks", {"specification": SPECIFICATION}, 7)
        return Ids(
            kept,
            records(TRIED, DOOMED),
            records(PROJECTS, 10),
            [each["id"] for each in comments],
            [each["id"] for each in webhooks],
            fields_shown(client.get(f"{BEGINNING}meta/bases/{DERIVED_ID}/tables").json()),
        )


def fields_shown(tables: dict[str, Any]) -> list[Field]:
    (found,) = (table for table in tables["tables"] if table["id"] == TRIED.id)
    return [
        # a rollup's formula is not shown
        Field(each["id"], each["name"], FieldType(each["type"]), {"formula": "", **each.get("options", {})})
        for each in found["fields"]
    ]


def narrowed(ids: Ids) -> dict[str, Any]:
    """Return the part of the document that is the dialect's, for one table and the names that it knows."""
    document: dict[str, Any] = without_examples(DOCUMENT)
    document["paths"] = {path: item for path, item in document["paths"].items() if path.startswith(BEGINNING)}
    parameters, schemas = document["components"]["parameters"], document["components"]["schemas"]
    # without cellFormat=string any text is taken
    parameters["AirtableTimeZone"]["schema"] = {"anyOf": [{"enum": ZONES}, {"type": "string"}]}
    parameters["AirtableUserLocale"]["schema"] = {"anyOf": [{"enum": LOCALES}, {"type": "string"}]}
    question = schemas["AirtableQuestion"]["properties"]
    question["timeZone"] = parameters["AirtableTimeZone"]["schema"]
    question["userLocale"] = parameters["AirtableUserLocale"]["schema"]
    schemas |= names_known() | {"AirtableCells": cells_shown(ids.fields), "AirtableCellsSent": cells_sent(ids)}
    schemas["AirtableChangedRecord"]["properties"]["id"] = {"enum": ids.kept}
    # a bound this large beside a pattern costs the generator seconds each time; other tests try them
    del schemas["Text"]["maxLength"], schemas["AirtableCommentText"]["maxLength"]
    for path, item in document["paths"].items():
        for method in item.keys() & set(METHODS):
            known = ids_known(ids, method, path)
            item[method]["parameters"] = [only(each, known) for each in item[method].get("parameters", ())]
    return document


def names_known() -> dict[str, Any]:
    fields = TRIED.fields
    return {
        "AirtableBaseId": {"const": DERIVED_ID},
        "AirtableViewName": {"enum": [VIEW_NAME, view_id(TRIED)]},
        "AirtableFieldName": {"enum": [*TRIED.by_name, *TRIED.by_id]},
        "AirtableSortField": {"enum": [field.name for field in fields if has_order(field)]},
        "AirtableMergeField": {"enum": [field.name for field in fields if field.type in MERGEABLE]},
        "AirtableFieldZone": {"enum": ["utc", "client", "Europe/Berlin"]},
        "AirtableLinkedTable": {"enum": [PROJECTS.id]},
        "AirtableLinkField": {"enum": [SHAPED_LINK.id]},
        "AirtableFieldBehind": {"enum": [LINKED]},
        "AirtableOwnField": {"enum": list(SHAPED.by_id)},
        "AirtableFormula": {"enum": ["1 + 1", "UPPER({Shape})"]},
        "AirtableRollup": {"enum": ["CONCATENATE(values)", "COUNTA(values)"]},
        "AirtableWatchedField": {"enum": list(TRIED.by_id)},
        "AirtableWatchedScope": {"enum": [TRIED.id, view_id(TRIED)]},
        "AirtableNotificationUrl": {"enum": [None, "http://127.0.0.1:9/nobody-listens"]},
    }


def ids_known(ids: Ids, method: str, path: str) -> dict[str, list[str]]:
    """Return what the parameters of an operation may be; a removal finds what nothing else asks for."""
    removes, comments = method == "delete", ids.comments[: len(ids.comments) // 2]
    tables = {"AirtableTable": [TRIED.id, TRIED.name, TRIED.name.upper()]}
    if path in {addresses.COMMENTS, addresses.COMMENT}:
        doomed = [comment for comment in ids.comments if comment not in comments]
        return {**tables, "AirtableRecord": ids.kept[:1], "comment": doomed if removes else comments}
    if path in {addresses.TABLE_SCHEMA, addresses.FIELDS, addresses.FIELD}:
        return {"AirtableTable": [SHAPED.id], "field": [SHAPED_LINK.id]}
    return {
        **tables,
        "AirtableRecord": ids.doomed[::2] if removes else ids.kept,
        "records[]": ids.doomed[1::2],
        "field": [field.name for field in TRIED.fields if field.type is FieldType.MULTIPLE_ATTACHMENTS],
        "webhook": ids.webhooks[3:] if removes else ids.webhooks[:3],
    }


def only(parameter: dict[str, Any], known: Mapping[str, list[str]]) -> dict[str, Any]:
    """Have a parameter take what is known, if something is said of it."""
    shared = parameter.get("$ref", "").rpartition("/")[2]
    values = known.get(shared or parameter["name"])
    if values is None:
        return parameter
    described = DOCUMENT["components"]["parameters"][shared] if shared else parameter
    schema = described["schema"]
    narrow = {**schema, "items": {"enum": values}} if schema.get("type") == "array" else {"enum": values}
    return {**without_examples(described), "schema": narrow}


def without_examples(value: Any) -> Any:
    """Copy a document without its examples: they name other records and fields."""
    if isinstance(value, dict):
        return {name: without_examples(each) for name, each in value.items() if name != "example"}
    return [without_examples(each) for each in value] if isinstance(value, list) else value


def has_order(field: Field) -> bool:
    try:
        sort_by_fields(TRIED, [(field.name, False)])
    except CannotSort:
        return False
    return True


def cells_sent(ids: Ids) -> dict[str, Any]:
    """Describe what a write may give the table's fields, every second one by its id."""
    cells: dict[str, Any] = {}
    for place, field in enumerate(field for field in TRIED.fields if not field.computed):
        schema = accepted(field)
        if field.id == TRIED.key:
            schema = {"anyOf": [ref("Key"), ref("Empty")]}
        elif field.type is FieldType.MULTIPLE_RECORD_LINKS:
            schema["anyOf"][0]["items"] = {"enum": ids.linked}
        # this many items cost the generator seconds each time
        schema["anyOf"][0].pop("maxItems", None)
        cells[field.id if place % 2 else field.name] = schema
    return closed(cells, optional=tuple(cells))


def cells_shown(fields: list[Field]) -> dict[str, Any]:
    """Describe the table's cells by name, by id, and as texts."""
    named = [{field.name: field for field in fields}, {field.id: field for field in fields}]
    forms = [{name: shown(field) for name, field in each.items()} for each in named]
    forms += [{name: {"type": "string"} for name in each} for each in named]
    return {"anyOf": [closed(form, optional=tuple(form)) for form in forms]}


def rightly_refused(case: schemathesis.Case, answer: schemathesis.Response) -> bool:
    error = answer.json()["error"]
    if any(part in error["message"] for part in REFUSED_BY_NATURE.get(error["type"], ())):
        return True
    return error["type"] == "INVALID_REQUEST_UNKNOWN" and asks_for_too_much(case)


def asks_for_too_much(case: schemathesis.Case) -> bool:
    """Tell whether a request asks for what this answers with no more than that something is wrong."""
    asked = {**(case.query or {}), **(case.body if isinstance(case.body, dict) else {})}
    as_text = asked.get("cellFormat") == "string"
    return (
        (as_text and not (asked.get("timeZone") in ZONES and asked.get("userLocale") in LOCALES))
        or ("sort[0][direction]" in asked and "sort[0][field]" not in asked)
        or ("filename" in asked and not SURELY_A_NAME.fullmatch(asked["filename"]))
    )


@pytest.mark.parametrize("permissions", ["read,write", "admin"])
def test_every_answer_is_one_that_the_document_describes(permissions: str, ids: Ids, service: Service) -> None:
    document = narrowed(ids)
    leave_what_opens(document, permissions)
    outcome = ask_at_random(
        document,
        service,
        rightly_refused=rightly_refused,
        # earlier requests have made a table of this name
        wanted=lambda case: (case.path_parameters or {}).get("table") != "0",
        # Airtable knows no 405: another method is another address
        unchecked=("unsupported_method",),
        stateful=False,
        headers=service.headers(permissions),
    )
    assert "\n\n".join(outcome.failures[:20]) == ""
    assert labels(document) - outcome.succeeded == set()


def leave_what_opens(document: dict[str, Any], permissions: str) -> None:
    """Take the operations out of a document that a token with these permissions does not open."""
    scopes = {str(scope) for permission in permissions.split(",") for scope in BY_PERMISSION[permission]}
    for method, path, operation in list(operations(document)):
        if not needed(operation) <= scopes:
            del document["paths"][path][method]
    document["paths"] = {path: item for path, item in document["paths"].items() if item.keys() & set(METHODS)}


def needed(operation: dict[str, Any]) -> set[str]:
    """Return the scope that an operation needs, if it needs one."""
    return {scope for each in operation.get("security", ()) for scope in each["bearer"]}


def dialect() -> Iterator[tuple[str, str, dict[str, Any]]]:
    return (each for each in operations(DOCUMENT) if each[1].startswith(BEGINNING))


def test_without_a_token_nothing_answers_and_says_so_in_airtables_words(service: Service) -> None:
    with service.client({}) as client:
        for method, path, _ in dialect():
            answer = client.request(**by_example(DOCUMENT, method, path))
            assert answer.status_code == 401, (method, path)
            assert answer.json() == {"error": {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}}
            assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


@pytest.mark.parametrize("permission", ["read", "write", "admin"])
def test_a_token_opens_only_what_its_scopes_allow(permission: str, service: Service) -> None:
    with service.client(service.headers(permission, droplet=6)) as client:
        for method, path, operation in dialect():
            missing = needed(operation) - BY_PERMISSION[permission]
            if not missing:
                continue
            answer = client.request(**by_example(DOCUMENT, method, path))
            assert answer.status_code == 403, (method, path)
            assert answer.json()["error"]["type"] == "INVALID_PERMISSIONS"
            assert answer.headers["WWW-Authenticate"].endswith(f'scope="{missing.pop()}"')
