"""The operations of Airtable's Web API."""

from typing import Final

from airtable_connector.records import SPRINTS, stable_id
from airtable_connector.web.airtable_api import DERIVED_ID, addresses
from airtable_connector.web.airtable_api.base import VIEW_NAME, view_id
from airtable_connector.web.airtable_api.scopes import BY_PERMISSION, Scope
from airtable_connector.web.document.airtable_answers import BODY
from airtable_connector.web.document.airtable_comments import comment_paths
from airtable_connector.web.document.airtable_designing import designing_paths
from airtable_connector.web.document.airtable_operations import airtable_operation, fresh, written
from airtable_connector.web.document.airtable_parameters import (
    FORM,
    LIST,
    PAGE_OF_BASES,
    RECORDS_TO_REMOVE,
    UPLOAD_FIELD,
    VISIBLE_FIELDS,
    in_base,
)
from airtable_connector.web.document.airtable_webhooks import webhook_paths
from airtable_connector.web.document.answers import answer
from airtable_connector.web.document.examples import CELLS_OF, RECORD_ID, record
from airtable_connector.web.document.operations import body_of
from airtable_connector.web.document.shapes import Schema

ABOUT: Final = (
    "The same records, as clients of Airtable ask for them. Lists of the query may be spelled `fields`, `fields[]` or"
    " `fields[0]`; a `/` at the end of an address is allowed. `docs/airtable-compatibility.md` tells where it differs"
    " from Airtable, and what is not offered. Access tokens (`airtable-connector token create`) are taken here, too."
    " The permissions of the mesh's tokens come to scopes: "
    + "; ".join(
        f"{permission} to {', '.join(f'`{scope}`' for scope in Scope if scope in scopes)}"
        for permission, scopes in BY_PERMISSION.items()
    )
    + "."
)

_CELLS: Final = CELLS_OF[SPRINTS.name]
_RECORD: Final = record(SPRINTS)
_SOME: Final = {"records": [_RECORD]}
_REMOVED: Final = {"id": RECORD_ID, "deleted": True}
_DONE: Final = {"fields": {"Status": "Done"}}
_UPSERT: Final = {"performUpsert": {"fieldsToMergeOn": ["Sprint_ID"]}, "records": [{"fields": _CELLS}]}
_FIELD: Final = SPRINTS.primary_field
_TABLE: Final = {
    "id": SPRINTS.id,
    "name": SPRINTS.name,
    "primaryFieldId": _FIELD.id,
    "fields": [{"id": _FIELD.id, "name": _FIELD.name, "type": str(_FIELD.type)}],
    "views": [{"id": view_id(SPRINTS), "name": VIEW_NAME, "type": "grid"}],
}

_WHOLE: Final = "All or none are written, before the answer comes."
_ANY_TABLE: Final = "The record may be another table's than the address names."
_EMPTIES: Final = "Cells that are not named are emptied, except computed ones."


def airtable_paths() -> dict[str, Schema]:
    """Return what each path below ``/v0/`` answers."""
    designing = designing_paths(_TABLE)
    return {
        addresses.WHOAMI: {"get": _whoami()},
        **designing,
        addresses.BASES: {"get": _bases(), **designing[addresses.BASES]},
        addresses.TABLES: {"get": _tables(), **designing[addresses.TABLES]},
        addresses.RECORDS: {
            "get": fresh(_list()),
            "post": written(_create()),
            "patch": written(_change_many("updateRecords", "Change up to 10 records", "")),
            "put": written(_change_many("replaceRecords", "Replace up to 10 records", _EMPTIES)),
            "delete": written(_remove_many()),
        },
        addresses.LIST_RECORDS: {"post": fresh(_list_by_body())},
        addresses.RECORD: {
            "get": fresh(_read()),
            "patch": written(_change_one("updateRecord", "Change one record", _ANY_TABLE)),
            "put": written(_change_one("replaceRecord", "Replace one record", f"{_EMPTIES} {_ANY_TABLE}")),
            "delete": written(_remove()),
        },
        addresses.UPLOAD: {"post": _upload()},
        **comment_paths(),
        **webhook_paths(),
    }


# the base and who calls


def _whoami() -> Schema:
    scopes = [str(scope) for scope in Scope if scope in BY_PERMISSION["read"]]
    return airtable_operation(
        "whoami",
        "Tell who calls, and what they may do",
        answer("The calling droplet as a user.", "AirtableUser", {"id": stable_id("usr", "5"), "scopes": scopes}),
        None,
    )


def _bases() -> Schema:
    base = {"id": DERIVED_ID, "name": "Airtable Connector", "permissionLevel": "edit"}
    return airtable_operation(
        "listBases",
        "List the bases",
        answer("Those that were granted, the service's own first.", "AirtableBases", {"bases": [base]}),
        Scope.READ_SCHEMA,
        parameters=[PAGE_OF_BASES],
    )


def _tables() -> Schema:
    return airtable_operation(
        "getBaseSchema",
        "List the tables of a base",
        answer("Every table with its fields and views.", "AirtableTables", {"tables": [_TABLE]}),
        Scope.READ_SCHEMA,
        parameters=[*in_base(), VISIBLE_FIELDS],
        refused=(404,),
    )


# reading records


def _list() -> Schema:
    return airtable_operation(
        "listRecords",
        "List records",
        answer("A page of records.", "AirtablePage", _SOME),
        Scope.READ_RECORDS,
        description="In the order of their creation unless `sort` is given. `offset` in the answer leads to the next"
        " page, and is absent on the last.",
        parameters=[*in_base("Table", *FORM), *LIST],
        refused=(404,),
    )


def _list_by_body() -> Schema:
    return airtable_operation(
        "listRecordsByBody",
        "List records, for questions that are too long for an address",
        answer("A page of records.", "AirtablePage", _SOME),
        Scope.READ_RECORDS,
        parameters=in_base("Table", "TimeZone", "UserLocale"),
        body=body_of("AirtableQuestion", {"filterByFormula": '{Status} = "Active"', "pageSize": 50}, required=False),
        refused=(404, *BODY),
    )


def _read() -> Schema:
    return airtable_operation(
        "getRecord",
        "Read one record",
        answer("The record.", "AirtableRecord", _RECORD),
        Scope.READ_RECORDS,
        description=_ANY_TABLE,
        parameters=in_base("Table", "Record", *FORM),
        refused=(404,),
    )


# writing records


def _create() -> Schema:
    return airtable_operation(
        "createRecords",
        "Add one record, or up to 10",
        answer("What was added, in the order sent.", "AirtableWritten", _SOME),
        Scope.WRITE_RECORDS,
        description=f"{_WHOLE} The values of a table's key are unique.",
        parameters=in_base("Table"),
        body=body_of("AirtableNew", {"records": [{"fields": _CELLS}], "typecast": True}),
        refused=(404, 500, *BODY),
    )


def _change_many(name: str, summary: str, more: str) -> Schema:
    return airtable_operation(
        name,
        summary,
        answer("The records as they are now, in the order sent.", "AirtableChanged", _SOME),
        Scope.WRITE_RECORDS,
        description=f"{_WHOLE} {more}".rstrip(),
        parameters=in_base("Table"),
        body=body_of("AirtableChanges", _UPSERT),
        refused=(404, 500, *BODY),
    )


def _change_one(name: str, summary: str, description: str) -> Schema:
    return airtable_operation(
        name,
        summary,
        answer("The record as it is now.", "AirtableRecord", _RECORD),
        Scope.WRITE_RECORDS,
        description=description,
        parameters=in_base("Table", "Record"),
        body=body_of("AirtableChange", _DONE),
        refused=(404, 500, *BODY),
    )


def _remove() -> Schema:
    return airtable_operation(
        "deleteRecord",
        "Remove one record",
        answer("Removed.", "AirtableRemoved", _REMOVED),
        Scope.WRITE_RECORDS,
        description=_ANY_TABLE,
        parameters=in_base("Table", "Record"),
        refused=(404, 413, 500),
    )


def _remove_many() -> Schema:
    return airtable_operation(
        "deleteRecords",
        "Remove up to 10 records",
        answer("Removed; one that was named twice counts once.", "AirtableRemovedRecords", {"records": [_REMOVED]}),
        Scope.WRITE_RECORDS,
        description=_WHOLE,
        parameters=[*in_base("Table"), RECORDS_TO_REMOVE],
        refused=(404, 413, 500),
    )


def _upload() -> Schema:
    kept = {
        "id": "attW8eG2x0ew1Af3Q",
        "url": "https://drop2.fullpotential.ai/attachments/…",
        "size": 5,
        "type": "text/plain",
        "filename": "report.txt",
    }
    return airtable_operation(
        "uploadAttachment",
        "Put a file behind those that a cell holds",
        answer("The record, with this cell alone.", "AirtableRecord", {**_RECORD, "fields": {_FIELD.id: [kept]}}),
        Scope.WRITE_RECORDS,
        parameters=[*in_base("Record"), UPLOAD_FIELD],
        body=body_of("AirtableUpload", {"contentType": "text/plain", "filename": "report.txt", "file": "aGVsbG8="}),
        refused=(404, 500, *BODY),
    )
