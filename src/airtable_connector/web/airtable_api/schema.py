"""The endpoints of the Meta API: who calls, which bases there are, what their tables look like."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from airtable_connector.records import Field, Table, stable_id
from airtable_connector.web.airtable_api.base import VIEW_NAME, Base, view_id, visible_fields
from airtable_connector.web.airtable_api.errors import InvalidParameters, OffsetInvalid
from airtable_connector.web.airtable_api.field_options import complete_options
from airtable_connector.web.airtable_api.parameters import one, read_parameters, refuse_parameters
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call

SCHEMA_PERMISSION: Final = "admin"
"""The permission that changing the schema needs."""

SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "read": ("data.records:read", "schema.bases:read"),
    "write": ("data.records:write",),
    SCHEMA_PERMISSION: ("schema.bases:write",),
}
"""Airtable's scopes that the mesh's permissions come to."""


def may_change_schema(call: Call) -> bool:
    """Tell whether a caller may change tables and fields."""
    return SCHEMA_PERMISSION in call.caller.permissions


class SchemaEndpoints:
    """HTTP endpoints about the base, its tables and the caller."""

    def __init__(self, base: Base) -> None:
        self._base = base

    async def whoami(self, call: Call) -> Answer:
        """Answer ``GET /v0/meta/whoami``: the calling droplet as a user, and what it may do as scopes."""
        refuse_parameters(call)
        held = call.caller.permissions
        scopes = [scope for permission, named in SCOPES.items() if permission in held for scope in named]
        return _answer({"id": stable_id("usr", str(call.caller.droplet)), "scopes": scopes})

    async def bases(self, call: Call) -> Answer:
        """Answer ``GET /v0/meta/bases``: the one base, on the one page."""
        for name, values in read_parameters(call).items():
            if name != "offset":
                raise InvalidParameters(name)
            if one(name, values):
                raise OffsetInvalid(one(name, values))
        level = "create" if may_change_schema(call) else "edit" if "write" in call.caller.permissions else "read"
        return _answer({"bases": [{"id": self._base.id, "name": self._base.name, "permissionLevel": level}]})

    async def tables(self, call: Call) -> Answer:
        """Answer ``GET /v0/meta/bases/{base}/tables``: every table with its fields and views."""
        include: list[str] = []
        for name, values in read_parameters(call).items():
            if name != "include" or values != ["visibleFieldIds"]:
                raise InvalidParameters(name)
            include = values
        self._base.check(call.path_params["base"])
        tables = self._base.workspace.tables.values()
        return _answer({"tables": [shown_table(table, shows_fields=bool(include)) for table in tables]})


def _answer(told: Mapping[str, object]) -> Answer:
    return Answer(200, orjson.dumps(told), media_type=JSON_UTF8)


def shown_table(table: Table, *, shows_fields: bool) -> dict[str, Any]:
    """Describe a table with its fields and its view."""
    view: dict[str, Any] = {"id": view_id(table), "name": VIEW_NAME, "type": "grid"}
    if shows_fields:
        view["visibleFieldIds"] = [field.id for field in visible_fields(table)]
    described = {"description": table.description} if table.description else {}
    return {
        "id": table.id,
        "name": table.name,
        **described,
        "primaryFieldId": table.primary_field.id,
        "fields": [shown_field(field) for field in table.fields],
        "views": [view],
    }


def shown_field(field: Field) -> dict[str, Any]:
    """Describe a field, with every option that clients look for."""
    shown = field.definition()
    options = complete_options(field)
    return {**shown, "options": options} if options else shown
