"""The operations of Airtable's Meta API that add bases, and add and change tables and fields."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.records import SPRINTS
from airtable_connector.web.airtable_api import WORKSPACE_ID, addresses
from airtable_connector.web.airtable_api.definitions import MOST_FIELDS
from airtable_connector.web.airtable_api.scopes import Scope
from airtable_connector.web.document.airtable_answers import BODY
from airtable_connector.web.document.airtable_field_types import DESCRIPTION, FIELD_TYPE_SCHEMAS, NAME
from airtable_connector.web.document.airtable_operations import airtable_operation
from airtable_connector.web.document.airtable_parameters import in_base, placeholder
from airtable_connector.web.document.answers import answer
from airtable_connector.web.document.operations import body_of
from airtable_connector.web.document.shapes import Schema, airtable_id, closed, list_of, ref

_FIELD: Final = SPRINTS.primary_field
_SHOWN: Final = {"id": _FIELD.id, "name": "Effort", "type": "number", "options": {"precision": 1}}
_NEW: Final = {"name": "Effort", "type": "number", "options": {"precision": 1}}
_NAMED: Final = {"name": "Name", "type": "singleLineText"}
_BASE: Final = "app8Wn2sQx5Tz1Kc0"
_REFUSED: Final = (404, 500, *BODY)

_OPTIONS: Final[Schema] = {
    "type": "object",
    "additionalProperties": True,
    "description": "Those of the field's type that are to change; of a select field all `choices`, those that are there"
    " by their `id` or name.",
}

DESIGNING_SCHEMAS: Final[Mapping[str, Schema]] = {
    **FIELD_TYPE_SCHEMAS,
    "AirtableNewTable": closed(
        {
            "name": NAME,
            "description": DESCRIPTION,
            "fields": list_of(ref("AirtableNewField"), minItems=1, maxItems=MOST_FIELDS),
        },
        optional=("description",),
    ),
    "AirtableNewBase": closed(
        {
            "name": NAME,
            "workspaceId": {"const": WORKSPACE_ID, "description": "The one workspace, in which every base is."},
            "tables": list_of(ref("AirtableNewTable"), minItems=1),
        }
    ),
    "AirtableTableChange": {
        **closed({"name": NAME, "description": DESCRIPTION}, optional=("name", "description")),
        "minProperties": 1,
    },
    "AirtableFieldChange": {
        **closed(
            {"name": NAME, "description": DESCRIPTION, "options": _OPTIONS},
            optional=("name", "description", "options"),
        ),
        "minProperties": 1,
    },
}
"""What is sent to make bases, and to make and change tables and fields."""


def designing_paths(table: Schema) -> dict[str, Schema]:
    """Return what changes the schema, by path; ``table`` is the example of a table."""
    return {
        addresses.BASES: {"post": _create_base(table)},
        addresses.TABLES: {"post": _create_table(table)},
        addresses.TABLE_SCHEMA: {"patch": _change_table(table)},
        addresses.FIELDS: {"post": _create_field()},
        addresses.FIELD: {"patch": _change_field()},
    }


def _create_base(table: Schema) -> Schema:
    tables = [{"name": "Efforts", "fields": [_NAMED, _NEW]}]
    return airtable_operation(
        "createBase",
        "Make a base",
        answer("The base, which is there at once.", "AirtableBaseMade", {"id": _BASE, "tables": [table]}),
        Scope.WRITE_SCHEMA,
        description="An access token must be one of all bases. Tables that are made together cannot link to each other:"
        " add the link fields afterwards. A base is not removed.",
        body=body_of("AirtableNewBase", {"name": "Plans", "workspaceId": WORKSPACE_ID, "tables": tables}),
        refused=_REFUSED,
    )


def _create_table(table: Schema) -> Schema:
    return airtable_operation(
        "createTable",
        "Add a table",
        answer("The table, which is there at once.", "AirtableTableShown", table),
        Scope.WRITE_SCHEMA,
        description="The first field is the primary one. A link field is given its inverse in the linked table.",
        parameters=in_base(),
        body=body_of("AirtableNewTable", {"name": "Efforts", "fields": [_NAMED, _NEW]}),
        refused=_REFUSED,
    )


def _change_table(table: Schema) -> Schema:
    return airtable_operation(
        "updateTable",
        "Change a table's name or description",
        answer("The table as it is now.", "AirtableTableShown", table),
        Scope.WRITE_SCHEMA,
        parameters=in_base("Table"),
        body=body_of("AirtableTableChange", {"description": "What was worked"}),
        refused=_REFUSED,
    )


def _create_field() -> Schema:
    return airtable_operation(
        "createField",
        "Add a field",
        answer("The field, which is there at once.", "AirtableFieldShown", _SHOWN),
        Scope.WRITE_SCHEMA,
        description="The cells of a computed field are made within moments.",
        parameters=in_base("Table"),
        body=body_of("AirtableNewField", _NEW),
        refused=_REFUSED,
    )


def _change_field() -> Schema:
    return airtable_operation(
        "updateField",
        "Change a field's name, description or options",
        answer("The field as it is now.", "AirtableFieldShown", _SHOWN),
        Scope.WRITE_SCHEMA,
        parameters=[
            *in_base("Table"),
            placeholder("field", airtable_id("fld"), "The field's id.", _FIELD.id),
        ],
        body=body_of("AirtableFieldChange", {"description": "In hours"}),
        refused=_REFUSED,
    )
