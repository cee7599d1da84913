"""The schema that a base is to have: the mesh's own tables, or those of a file."""

from collections import Counter
from dataclasses import replace
from typing import Final

import orjson

from airtable_connector.records import STANDARD_TABLES
from airtable_connector.sync.base_schema.definitions import LINK, BaseSchema, FieldDefinition, read_schema
from airtable_connector.sync.base_schema.errors import MalformedDefinition, SchemaFileRefused

LARGEST_FILE: Final = 16 * 1024 * 1024
"""Bytes of a file that is read."""

CONNECTOR_KEY: Final = "CONNECTOR_KEY"
"""The field by which a create that is sent again finds the record that it made before."""

_KEY_FIELD: Final = FieldDefinition(
    CONNECTOR_KEY,
    "singleLineText",
    description="Written by the Airtable Connector, which finds by it what it has made already. Leave it as it is.",
)


def standard_target() -> BaseSchema:
    """Return the tables that the mesh relies on, each with the connector's key field."""
    return _with_key_fields(read_schema([table.definition() for table in STANDARD_TABLES]))


def read_target(text: bytes) -> BaseSchema:
    """Read the tables of a file, a list of definitions; each is wanted with the connector's key field as well.

    Raises:
        SchemaFileRefused: it is no such list, names something twice, or has a link that leads out of it.
    """
    if len(text) > LARGEST_FILE:
        raise SchemaFileRefused(f"it is longer than {LARGEST_FILE} bytes")
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError as cause:
        raise SchemaFileRefused("it is not JSON") from cause
    try:
        target = read_schema(said)
    except MalformedDefinition as cause:
        raise SchemaFileRefused(str(cause)) from cause
    _check(target)
    return _with_key_fields(target)


def _check(target: BaseSchema) -> None:
    _check_once("the file", [table.name for table in target.tables])
    for table in target.tables:
        _check_once(f"the table {table.name}", [field.name for field in table.fields])
        for field in table.fields:
            if field.type == LINK and field.linked is None:
                raise SchemaFileRefused(f"the link {table.name}.{field.name} leads to no table of the file")


def _check_once(where: str, names: list[str]) -> None:
    # Airtable does not let two names differ in their letter case only
    for name, count in Counter(name.casefold() for name in names).items():
        if count > 1:
            raise SchemaFileRefused(f"{where} has the name {name[:80]!r} more than once")


def _with_key_fields(target: BaseSchema) -> BaseSchema:
    return BaseSchema(
        [
            table if table.field(CONNECTOR_KEY) else replace(table, fields=[*table.fields, _KEY_FIELD])
            for table in target.tables
        ]
    )
