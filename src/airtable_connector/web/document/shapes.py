"""The words in which schemas are written."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from airtable_connector.records import LONGEST_KEY, LONGEST_TEXT

Schema: TypeAlias = dict[str, Any]

TEXT: Final[Schema] = {"type": "string", "maxLength": LONGEST_TEXT, "pattern": "^[^\\u0000]*$"}
"""A text that a cell can hold."""

KEY: Final[Schema] = {**TEXT, "maxLength": LONGEST_KEY}
"""A text that names a record."""


SOMETHING_SAID: Final = "^[^\\u0000]*[^\\s\\u0000-\\u001f\\u0085][^\\u0000]*$"
"""A text with at least one character that is no white space."""


def said(longest: int) -> Schema:
    """Describe a text that says something."""
    return {"type": "string", "maxLength": longest, "pattern": SOMETHING_SAID}


def airtable_id(prefix: str) -> Schema:
    """Describe an id by the three letters that tell what it names."""
    return {"type": "string", "pattern": f"^{prefix}[0-9A-Za-z]{{14}}$"}


def ref(name: str) -> Schema:
    """Point to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def closed(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """Describe an object that has these members and no others."""
    required = [name for name in properties if name not in optional]
    shape: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**shape, "required": required} if required else shape


def success(data: Schema, *, beside: Mapping[str, Schema] | None = None, warnings: bool = False) -> Schema:
    """Put data into the success envelope; ``beside`` stand at the top level, too."""
    more = dict(beside or {})
    if warnings:
        more["warnings"] = ref("Warnings")
    members = {"status": {"const": "success"}, "data": data, **more, "timestamp": ref("Moment")}
    return closed(members, optional=tuple(more))


def list_of(items: Schema, **bounds: int) -> Schema:
    """Describe a list; ``bounds`` are minItems and maxItems."""
    return {"type": "array", "items": items, **bounds}


def nullable(schema: Schema) -> Schema:
    """Describe what may also be null."""
    return {"anyOf": [schema, {"type": "null"}]}
