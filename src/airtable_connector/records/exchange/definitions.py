"""Table definitions as people write them, made complete."""

from collections.abc import Iterable, Mapping
from typing import Any

from airtable_connector.kernel.ids import Ids
from airtable_connector.records.errors import InvalidSchema
from airtable_connector.records.schema import Table, table_from_definition


def complete_definition(definition: object, *, tables: Iterable[Table], ids: Ids) -> Table:
    """Make a table of a definition in which ids may be missing.

    ``keyFieldId`` may name a field instead of giving its id, ``linkedTableId`` one of the ``tables`` in the
    same base or the table itself, and a choice may be its bare name.

    Raises:
        InvalidSchema: something else is missing or wrong.
    """
    try:
        return table_from_definition(_completed(definition, tables, ids))
    except (TypeError, ValueError, AttributeError, KeyError) as cause:
        raise InvalidSchema(
            "this is no table definition",
            hint='give {"name", "fields": [{"name", "type", "options"?}], "keyFieldId"?}',
        ) from cause


def _completed(definition: Any, tables: Iterable[Table], ids: Ids) -> dict[str, Any]:
    own_id = definition.get("id") or ids.mint("tbl")
    base = definition.get("baseId")
    known = {table.name: str(table.id) for table in tables if table.base == base} | {str(definition["name"]): own_id}
    fields = [_field(field, known, ids) for field in definition["fields"]]
    if not fields:
        raise InvalidSchema("a table needs a field", field="fields")
    key = definition.get("keyFieldId")
    by_name = {field["name"]: field["id"] for field in fields}
    return {**definition, "id": own_id, "fields": fields, "keyFieldId": by_name.get(key, key)}


def _field(field: Mapping[str, Any], known: Mapping[str, str], ids: Ids) -> dict[str, Any]:
    options = dict(field.get("options") or {})
    if "choices" in options:
        options["choices"] = [_choice(choice, ids) for choice in options["choices"]]
    if "linkedTableId" in options:
        options["linkedTableId"] = known.get(options["linkedTableId"], options["linkedTableId"])
    return {**field, "id": field.get("id") or ids.mint("fld"), "options": options}


def _choice(choice: Any, ids: Ids) -> dict[str, Any]:
    named = {"name": choice} if isinstance(choice, str) else dict(choice)
    return {"id": ids.mint("sel"), **named}
