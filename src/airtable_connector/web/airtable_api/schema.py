"""The endpoints of the Meta API: who calls, which bases there are, what their tables look like."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from airtable_connector.records import Field, Table
from airtable_connector.web.airtable_api.base import VIEW_NAME, Bases, view_id, visible_fields
from airtable_connector.web.airtable_api.errors import InvalidParameters, OffsetInvalid
from airtable_connector.web.airtable_api.field_options import complete_options
from airtable_connector.web.airtable_api.parameters import one, read_parameters, refuse_parameters
from airtable_connector.web.airtable_api.scopes import Scope, check_scope, scopes_of
from airtable_connector.web.airtable_api.users import user_id
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call

LEVELS: Final = {
    Scope.WRITE_SCHEMA: "create",
    Scope.WRITE_RECORDS: "edit",
    Scope.WRITE_COMMENTS: "comment",
    Scope.READ_SCHEMA: "read",
}
"""What a base says of a caller's level, by the first of these scopes that they have."""


class SchemaEndpoints:
    """HTTP endpoints about the bases, their tables and the caller."""

    def __init__(self, bases: Bases) -> None:
        self._bases = bases

    async def whoami(self, call: Call) -> Answer:
        """Answer ``GET /v0/meta/whoami``: the calling droplet as a user, and what it may do as scopes."""
        refuse_parameters(call)
        held = scopes_of(call.caller)
        scopes = [scope for scope in Scope if scope in held]
        return _answer({"id": user_id(call.caller.droplet), "scopes": scopes})

    async def bases(self, call: Call) -> Answer:
        """Answer ``GET /v0/meta/bases``: those that were granted to the caller, on the one page that there is."""
        for name, values in read_parameters(call).items():
            if name != "offset":
                raise InvalidParameters(name)
            if one(name, values):
                raise OffsetInvalid(one(name, values))
        check_scope(call)
        held = scopes_of(call.caller)
        level = next(level for scope, level in LEVELS.items() if scope in held)
        granted = await self._bases.granted(call.caller)
        return _answer({"bases": [{"id": base.id, "name": base.name, "permissionLevel": level} for base in granted]})

    async def tables(self, call: Call) -> Answer:
        """Answer ``GET /v0/meta/bases/{base}/tables``: every table with its fields and views."""
        include: list[str] = []
        for name, values in read_parameters(call).items():
            if name != "include" or values != ["visibleFieldIds"]:
                raise InvalidParameters(name)
            include = values
        tables = self._bases.enter(call).tables.values()
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
    # what only this connector has is of no use to Airtable's clients
    shown = {name: member for name, member in field.definition().items() if name not in {"told", "formerNames"}}
    options = complete_options(field)
    return {**shown, "options": options} if options else shown
