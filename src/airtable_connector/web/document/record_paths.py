"""The operations of a table: list, add, read, change, remove, history."""

from typing import Final

from airtable_connector.records import Table
from airtable_connector.web.document import examples
from airtable_connector.web.document.answers import BODY, QUOTA, answer, content, not_modified
from airtable_connector.web.document.operations import body_of, operation
from airtable_connector.web.document.parameters import CHANGES_LIMIT, fields_parameter, list_parameters, parameter_ref
from airtable_connector.web.document.records import SINGULAR
from airtable_connector.web.document.shapes import Schema, ref
from airtable_connector.web.domain.bodies import MOST_RECORDS

_VALUES: Final = (
    ' `null`, `""` and `[]` empty a cell. A value for a computed field is left out and named in `warnings`; any other'
    " mistake refuses the whole request with 422 and names the field, what is allowed, and the nearest known name."
)


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
    page = answer("A page of records.", f"{name}List", examples.page(table), "ETag", "Position")
    return operation(
        tag,
        f"list{table.name}",
        f"List {table.name}",
        {"200": page, "304": not_modified()},
        description="Conditions are joined by and; records come in the order of their creation unless `sort` is given."
        " `offset` in the answer leads to the next page, and is absent on the last.",
        parameters=[*list_parameters(table), parameter_ref("IfNoneMatch")],
        refused=(422,),
    )


def _create(table: Table) -> Schema:
    name = SINGULAR[table.name]
    by_key = table.key_field is not None
    schema = {"anyOf": [ref(f"{name}Item"), ref(f"{name}List")]}
    written = ("ETagOfOne", "Position", "Replayed", *QUOTA)
    example = examples.success(examples.record(table))
    answers = {"201": content("Added.", "application/json", schema, example, "Location", *written)}
    if by_key:
        answers["200"] = content("Changed, none was added (`upsert`).", "application/json", schema, example, *written)
    return operation(
        "Records",
        f"create{table.name}",
        f"Add one record of {table.name}, or up to {MOST_RECORDS:,}",
        answers,
        description="All or none are written, before the answer comes. A list is answered with the records in the"
        " order sent." + _VALUES,
        parameters=[*([parameter_ref("Upsert")] if by_key else []), parameter_ref("IdempotencyKey")],
        body=body_of(f"{name}Inputs", examples.CELLS_OF[table.name]),
        refused=(*BODY, 409),
    )


def read_operation(table: Table, tag: str = "Records") -> Schema:
    """Describe reading one record."""
    name = SINGULAR[table.name]
    found = answer("The record.", f"{name}Item", examples.success(examples.record(table)), "ETag")
    return operation(
        tag,
        f"read{name}",
        f"Read one record of {table.name}",
        {"200": found, "304": not_modified()},
        parameters=[
            parameter_ref("Id"),
            fields_parameter(table),
            parameter_ref("AsOf"),
            parameter_ref("IfNoneMatch"),
        ],
        refused=(404, 422),
    )


def _change(table: Table, verb: str, summary: str) -> Schema:
    name = SINGULAR[table.name]
    example = examples.success(examples.record(table))
    field = next(field.name for field in table.fields if field.id != table.key and not field.computed)
    return operation(
        "Records",
        f"{verb}{name}",
        summary,
        {"200": answer("The record as it is now.", f"{name}Item", example, "ETag", "Position", "Replayed")},
        description="Fields that are not named stay as they are." + _VALUES,
        parameters=[parameter_ref("Id"), parameter_ref("IfMatch"), parameter_ref("IdempotencyKey")],
        body=body_of(f"{name}Input", {field: examples.CELLS_OF[table.name][field]}),
        refused=(*BODY, 404, 409, 412),
    )


def _remove(table: Table) -> Schema:
    name = SINGULAR[table.name]
    example = examples.success({"id": examples.RECORD_ID, "deleted": True})
    return operation(
        "Records",
        f"remove{name}",
        f"Remove one record of {table.name}",
        {"200": answer("Removed. Its history stays.", "Removed", example, "Position", "Replayed")},
        parameters=[parameter_ref("Id"), parameter_ref("IfMatch"), parameter_ref("IdempotencyKey")],
        refused=(404, 409, 412, 413, 415, 422),
    )


def history_operation(table: Table, tag: str = "Records") -> Schema:
    """Describe reading one record's changes."""
    return operation(
        tag,
        f"readHistoryOf{SINGULAR[table.name]}",
        f"Read the changes of one record of {table.name}",
        {"200": answer("Its changes, oldest first.", "Changes", examples.success(examples.CHANGES))},
        description="A removed record is found by its id.",
        parameters=[parameter_ref("Id"), parameter_ref("After"), CHANGES_LIMIT],
        refused=(404, 422),
    )
