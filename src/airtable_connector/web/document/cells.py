"""What a cell of each field type looks like in an answer, and what a write may send for it."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from airtable_connector.records import LONGEST_TEXT, MOST_ITEMS, Field, FieldType
from airtable_connector.web.document.shapes import TEXT, Schema, closed, list_of, nullable, ref

YEAR_ONE_MS: Final = -62_135_596_800_000
"""Milliseconds since 1970 of the first moment that a cell can hold."""

YEAR_9999_MS: Final = 253_402_300_799_999
"""Milliseconds since 1970 of the last moment that a cell can hold."""

_WEB_ADDRESS: Final = "^[hH][tT][tT][pP][sS]?://[^\\s/\\u0000-\\u001f]+[^\\s\\u0000-\\u001f]*$"


def shown(field: Field) -> Schema:
    """Describe a cell as it is answered; empty cells are left out of a record."""
    schema = {**_SHOWN[field.type](field), "description": f"Airtable type {field.type}."}
    return {**schema, "readOnly": True} if field.computed else schema


def accepted(field: Field) -> Schema:
    """Describe what a write may send for a cell."""
    if field.computed:
        return {"description": "Computed: a value sent is left out, and a warning says so."}
    return {"anyOf": [_TAKEN.get(field.type, _SHOWN[field.type])(field), ref("Empty")]}


def _text(_field: Field) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}


def _any_text(_field: Field) -> Schema:
    return ref("Text")


def _number(_field: Field) -> Schema:
    return {"type": "number"}


def _rating(field: Field) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": int(field.options.get("max", 5))}


def _taken_rating(field: Field) -> Schema:
    return {**_rating(field), "minimum": 0}


def _choice(field: Field) -> Schema:
    return {"type": "string", "enum": list(field.choices)}


def _choices(field: Field) -> Schema:
    return list_of(_choice(field), maxItems=MOST_ITEMS)


def _moment(_field: Field) -> Schema:
    return ref("Moment")


def _taken_moment(_field: Field) -> Schema:
    return {"anyOf": [ref("Moment"), {"type": "number", "minimum": YEAR_ONE_MS, "maximum": YEAR_9999_MS}]}


def _links(_field: Field) -> Schema:
    return list_of(ref("RecordId"), maxItems=MOST_ITEMS)


def _attachments(_field: Field) -> Schema:
    kept = closed({"id": TEXT, "url": TEXT, "size": {"type": "integer"}, "type": TEXT, "filename": TEXT})
    return list_of({"anyOf": [kept, closed({"id": TEXT, "url": TEXT, "filename": TEXT})]}, maxItems=MOST_ITEMS)


def _taken_attachments(_field: Field) -> Schema:
    # callers send back what they were shown: other members are left unread
    url = {"type": "string", "pattern": _WEB_ADDRESS, "maxLength": 2_000}
    new = {"type": "object", "properties": {"url": url, "filename": nullable(TEXT)}, "required": ["url"]}
    held = {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}
    return list_of({"anyOf": [new, held]}, maxItems=MOST_ITEMS)


def _result(field: Field) -> Schema:
    """Describe what a formula gives: a value of its result's type, an error, a number that is not finite."""
    return {"anyOf": [_SHOWN[field.holds](field), _FAILED, _SPECIAL]}


def _collaborator(_field: Field) -> Schema:
    return closed({"id": TEXT, "email": TEXT, "name": TEXT}, optional=("email",))


def _taken_collaborator(_field: Field) -> Schema:
    name, email = nullable(_SHORT), nullable(_EMAIL)
    by_id = closed({"id": _PERSON, "email": email, "name": name}, optional=("email", "name"))
    by_email = closed({"id": {"type": "null"}, "email": _EMAIL, "name": name}, optional=("id", "name"))
    return {"anyOf": [by_id, by_email]}


def _barcode(_field: Field) -> Schema:
    return closed({"text": TEXT, "type": TEXT}, optional=("type",))


def _taken_barcode(_field: Field) -> Schema:
    return closed({"text": TEXT, "type": nullable({**_SHORT, "maxLength": 40})}, optional=("type",))


_PERSON: Final[Schema] = {"type": "string", "pattern": "^(usr|ugp)[0-9A-Za-z]{14}$"}
_SHORT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^\\u0000]*$"}
_EMAIL: Final[Schema] = {**_SHORT, "pattern": "^[^\\u0000]*@[^\\u0000]*$"}


_FAILED: Final = closed({"error": {"const": "#ERROR!"}})
_SPECIAL: Final = closed({"specialValue": {"enum": ["NaN", "Infinity", "-Infinity"]}})

_Describe: TypeAlias = Callable[[Field], Schema]

_SHOWN: Final[Mapping[FieldType, _Describe]] = {
    FieldType.SINGLE_LINE_TEXT: _text,
    FieldType.MULTILINE_TEXT: _text,
    FieldType.URL: _text,
    FieldType.EMAIL: _text,
    FieldType.PHONE_NUMBER: _text,
    FieldType.RICH_TEXT: _text,
    FieldType.NUMBER: _number,
    FieldType.PERCENT: _number,
    FieldType.CURRENCY: _number,
    FieldType.RATING: _rating,
    FieldType.DURATION: _number,
    FieldType.CHECKBOX: lambda _field: {"const": True},
    FieldType.SINGLE_SELECT: _choice,
    FieldType.MULTIPLE_SELECTS: _choices,
    FieldType.DATE: lambda _field: ref("Date"),
    FieldType.DATE_TIME: _moment,
    FieldType.CREATED_TIME: _moment,
    FieldType.LAST_MODIFIED_TIME: _moment,
    FieldType.AUTO_NUMBER: lambda _field: {"type": "integer", "minimum": 1},
    FieldType.MULTIPLE_RECORD_LINKS: _links,
    FieldType.MULTIPLE_ATTACHMENTS: _attachments,
    FieldType.FORMULA: _result,
    FieldType.ROLLUP: _result,
    FieldType.MULTIPLE_LOOKUP_VALUES: lambda _field: {"type": "array", "minItems": 1},
    FieldType.COUNT: lambda _field: {"anyOf": [{"type": "integer", "minimum": 0}, _FAILED]},
    FieldType.BARCODE: _barcode,
    FieldType.SINGLE_COLLABORATOR: _collaborator,
    FieldType.MULTIPLE_COLLABORATORS: lambda field: list_of(_collaborator(field), maxItems=MOST_ITEMS),
    FieldType.AI_TEXT: _text,
    FieldType.EXTERNAL_SYNC_SOURCE: _text,
    FieldType.CREATED_BY: _collaborator,
    FieldType.LAST_MODIFIED_BY: _collaborator,
    FieldType.BUTTON: lambda _field: closed({"label": TEXT, "url": {"anyOf": [TEXT, {"type": "null"}]}}),
}
"""How each type's cells look in an answer."""

_TAKEN: Final[Mapping[FieldType, _Describe]] = {
    FieldType.SINGLE_LINE_TEXT: _any_text,
    FieldType.MULTILINE_TEXT: _any_text,
    FieldType.URL: _any_text,
    FieldType.EMAIL: _any_text,
    FieldType.PHONE_NUMBER: _any_text,
    # a line break is put behind it
    FieldType.RICH_TEXT: lambda _field: {**TEXT, "maxLength": LONGEST_TEXT - 1},
    FieldType.BARCODE: _taken_barcode,
    FieldType.SINGLE_COLLABORATOR: _taken_collaborator,
    FieldType.MULTIPLE_COLLABORATORS: lambda field: list_of(
        {"anyOf": [_taken_collaborator(field), _PERSON]}, maxItems=MOST_ITEMS
    ),
    FieldType.RATING: _taken_rating,
    FieldType.CHECKBOX: lambda _field: {"type": "boolean"},
    FieldType.DATE_TIME: _taken_moment,
    FieldType.MULTIPLE_ATTACHMENTS: _taken_attachments,
}
"""What a write may send for the types that take more than they show."""
