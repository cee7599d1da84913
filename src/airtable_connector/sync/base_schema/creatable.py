"""Which fields Airtable's Meta API makes, with which options, and what people call the others in Airtable's page."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.sync.base_schema.definitions import LINK, FieldDefinition

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_DATE: Final[Mapping[str, Any]] = MappingProxyType({"dateFormat": {"name": "iso"}})

SETTABLE: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "singleLineText": _NONE,
    "multilineText": _NONE,
    "richText": _NONE,
    "email": _NONE,
    "url": _NONE,
    "phoneNumber": _NONE,
    "number": {"precision": 0},
    "percent": {"precision": 0},
    "currency": {"precision": 2, "symbol": "$"},
    "duration": {"durationFormat": "h:mm:ss"},
    "rating": {"icon": "star", "max": 5, "color": "yellowBright"},
    "checkbox": {"icon": "check", "color": "greenBright"},
    "date": _DATE,
    "dateTime": {**_DATE, "timeFormat": {"name": "24hour"}, "timeZone": "utc"},
    "singleSelect": {"choices": []},
    "multipleSelects": {"choices": []},
    LINK: _NONE,
    "multipleAttachments": _NONE,
    "barcode": _NONE,
    "singleCollaborator": _NONE,
    "multipleCollaborators": _NONE,
})  # fmt: skip
"""The types that can be made, with the options that each must be given, and what they are where nobody says it.

Formulas are not among them: Airtable lets few tokens make one, and theirs name fields by ids that differ in each base.
"""

PRIMARY: Final = SETTABLE.keys() - {
    *("rating", "checkbox", "singleSelect", "multipleSelects", LINK),
    *("multipleAttachments", "singleCollaborator", "multipleCollaborators"),
}
"""Types that can be made as the first field of a table."""

_IN_THE_PAGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "formula": "Formula",
        "rollup": "Rollup",
        "multipleLookupValues": "Lookup",
        "count": "Count",
        "createdTime": "Created time",
        "lastModifiedTime": "Last modified time",
        "createdBy": "Created by",
        "lastModifiedBy": "Last modified by",
        "autoNumber": "Autonumber",
        "button": "Button",
    }
)

_FORMATS: Final = frozenset({"dateFormat", "timeFormat"})


def in_the_page(kind: str) -> str:
    """Return what Airtable's page calls a field type; the API's own name where we do not know it."""
    return _IN_THE_PAGE.get(kind, kind)


def settable_option(kind: str, option: str, options: Mapping[str, Any]) -> JsonValue:
    """Return an option in the form that the API takes, or what it is where ``options`` do not say it."""
    default = SETTABLE[kind][option]
    value: Any = options.get(option, default)
    if option == "choices":
        return [{member: choice[member] for member in ("name", "color") if choice.get(member)} for choice in value]
    if option in _FORMATS:
        # its pattern follows from its name
        value = {"name": value["name"]} if isinstance(value, Mapping) and "name" in value else default
    told: JsonValue = value
    return told


def body_of(field: FieldDefinition, *, linked_id: str | None = None) -> dict[str, JsonValue]:
    """Return what the API is sent to make a field; ``linked_id`` is the id that a link's table has in the base."""
    body: dict[str, JsonValue] = {"name": field.name, "type": field.type}
    if field.description:
        body["description"] = field.description
    options = {option: settable_option(field.type, option, field.options) for option in SETTABLE[field.type]}
    if linked_id is not None:
        options["linkedTableId"] = linked_id
    if options:
        body["options"] = options
    return body
