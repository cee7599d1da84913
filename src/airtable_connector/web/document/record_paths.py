"""The operations of a table: list, add, read, change, remove, history."""

from typing import Final

from airtable_connector.records import Table
from airtable_connector.web.document import examples
from airtable_connector.web.document.answers import (
    BODY,
    FRESHNESS,
    ON_ITS_WAY,
    QUOTA,
    SETTLED,
    answer,
    content,
    not_modified,
)
from airtable_connector.web.document.operations import body_of, operation
from airtable_connector.web.document.parameters import CHANGES_LIMIT, fields_parameter, list_parameters, parameter_ref
from airtable_connector.web.document.records import SINGULAR
from airtable_connector.web.document.shapes import Schema, ref
from airtable_connector.web.domain.bodies import MOST_RECORDS

_VALUES: Final = (
    ' `null`, `""` and `[]` empty a cell. A value for a computed field is left out and named in `warnings`; any other'
    " mistake refuses the whole request with 422 and names the field, what is allowed, and the nearest known name."
)

_MIRRORED: Final = (
    " A mirror sends it on to Airtable. A new record is answered under Airtable's id; what Airtable refuses is undone"
    " here and answered 422, with the reason `refused-upstream` and Airtable's words. Where it is not known in time"
    " what becomes of it, the answer is 202, and a new record's id a provisional one that always leads to the record."
)
_OF_A_CHANGE: Final = [parameter_ref(name) for name in ("Id", "IfMatch", "IdempotencyKey", "Prefer")]


def paths_of(path: str, table: Table) -> dict[str, Schema]:
    """Return the paths of a table that callers write."""
    return {
        path: {"get": list_operation(table), "post": _create(table)},
        f"{path}/{{id}}": {
            "get": read_operation(table),
            "put": _change(table, "put", "Change the fields named (as PATCH does)"),
            "patch": _change(table, "patch", "Change the fields named"),
            "delete": _remove(table),
        },
        f"{path}/{{id}}/history": {"get": history_operation(table)},
    }


def list_operation(table: Table, tag: str = "Records") -> Schema:
    """Describe reading a page of a table."""
    name = SINGULAR[table.name]
    page = answer("A page of records.", f"{name}List", examples.page(table), "ETag", "Position", *FRESHNESS)
    return operation(
        tag,
        f"list{table.name}",
        f"List {table.name}",
        {"200": page, "304": not_modified()},
        description="Conditions are joined by and; records come in the order of their creation unless `sort` is given."
        " `offset` in the answer leads to the next page, and is absent on the last.",
        parameters=[*list_parameters(table), parameter_ref("IfNoneMatch")],
        refused=(422, 504),
    )


def _create(table: Table) -> Schema:
    name = SINGULAR[table.name]
    by_key = table.key_field is not None
    schema = {"anyOf": [ref(f"{name}Item"), ref(f"{name}List")]}
    written = ("ETagOfOne", "Position", "Replayed", *SETTLED, *QUOTA)
    example = examples.success(examples.record(table))
    answers = {"201": content("Added.", "application/json", schema, example, "Location", *written)}
    if by_key:
        answers["200"] = content("Changed, none was added (`upsert`).", "application/json", schema, example, *written)
    answers["202"] = content(ON_ITS_WAY, "application/json", schema, example, "LocationOfReceipt", *written)
    return operation(
        "Records",
        f"create{table.name}",
        f"Add one record of {table.name}, or up to {MOST_RECORDS:,}",
        answers,
        description="All or none are written, before the answer comes. A list is answered with the records in the"
        " order sent." + _VALUES + _MIRRORED,
        parameters=[*([parameter_ref("Upsert")] if by_key else []), *map(parameter_ref, ("IdempotencyKey", "Prefer"))],
        body=body_of(f"{name}Inputs", examples.CELLS_OF[table.name]),
        refused=(*BODY, 409),
    )


def read_operation(table: Table, tag: str = "Records") -> Schema:
    """Describe reading one record."""
    name = SINGULAR[table.name]
    found = answer("The record.", f"{name}Item", examples.success(examples.record(table)), "ETag", *FRESHNESS)
    return operation(
        tag,
        f"read{name}",
        f"Read one record of {table.name}",
        {"200": found, "304": not_modified()},
        parameters=[
            parameter_ref("Id"),
            fields_parameter(table),
            *map(parameter_ref, ("AsOf", "MaxStaleness", "IfNoneMatch")),
        ],
        refused=(404, 422, 504),
    )


def _change(table: Table, verb: str, summary: str) -> Schema:
    name = SINGULAR[table.name]
    example = examples.success(examples.record(table))
    told = ("ETag", "Position", "Replayed", *SETTLED)
    field = next(field.name for field in table.fields if field.id != table.key and not field.computed)
    return operation(
        "Records",
        f"{verb}{name}",
        summary,
        {
            "200": answer("The record as it is now.", f"{name}Item", example, *told),
            "202": answer(ON_ITS_WAY, f"{name}Item", example, "LocationOfReceipt", *told),
        },
        description="Fields that are not named stay as they are." + _VALUES + _MIRRORED,
        parameters=_OF_A_CHANGE,
        body=body_of(f"{name}Input", {field: examples.CELLS_OF[table.name][field]}),
        refused=(*BODY, 404, 409, 412, 504),
    )


def _remove(table: Table) -> Schema:
    name = SINGULAR[table.name]
    example = examples.success({"id": examples.RECORD_ID, "deleted": True})
    told = ("Position", "Replayed", *SETTLED)
    return operation(
        "Records",
        f"remove{name}",
        f"Remove one record of {table.name}",
        {
            "200": answer("Removed. Its history stays.", "Removed", example, *told),
            "202": answer(ON_ITS_WAY, "Removed", example, "LocationOfReceipt", *told),
        },
        description=_MIRRORED.lstrip(),
        parameters=_OF_A_CHANGE,
        refused=(404, 409, 412, 413, 415, 422, 504),
    )


def history_operation(table: Table, tag: str = "Records") -> Schema:
    """Describe reading one record's changes."""
    return operation(
        tag,
        f"readHistoryOf{SINGULAR[table.name]}",
        f"Read the changes of one record of {table.name}",
        {"200": answer("Its changes, oldest first.", "Changes", examples.success(examples.CHANGES), *FRESHNESS)},
        description="A removed record is found by its id.",
        parameters=[parameter_ref("Id"), parameter_ref("After"), CHANGES_LIMIT, parameter_ref("MaxStaleness")],
        refused=(404, 422, 504),
    )
