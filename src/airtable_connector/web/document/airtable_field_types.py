"""Fields as Airtable's Meta API makes them: which options each type must or may have."""

from collections.abc import Iterable, Mapping
from typing import Final

from airtable_connector.records import FieldType
from airtable_connector.web.airtable_api.definitions import (
    BRIGHT,
    CHECKBOX_ICONS,
    COLORS,
    DATE_FORMATS,
    DURATIONS,
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    MOST_FIELDS,
    NEVER_CREATED,
    RATING_ICONS,
    TIME_FORMATS,
)
from airtable_connector.web.document.shapes import KEY, Schema, airtable_id, closed, list_of, nullable, ref, said

NAME: Final = said(LONGEST_NAME)
DESCRIPTION: Final = nullable({"type": "string", "maxLength": LONGEST_DESCRIPTION, "pattern": "^[^\\u0000]*$"})


def new_field() -> Schema:
    """Describe a field to make: the types without options together, each of the others by itself."""
    plain = [str(kind) for kind in FieldType if kind not in {*_NEEDED, *_ALLOWED, *NEVER_CREATED}]
    forms = [_form({"enum": plain}, nullable(closed({})))]
    forms += [_form({"const": str(kind)}, nullable(options)) for kind, options in _ALLOWED.items()]
    forms += [_form({"const": str(kind)}, options, "options") for kind, options in _NEEDED.items()]
    return {"anyOf": forms}


def _form(kind: Schema, options: Schema, *needed: str) -> Schema:
    members = {"name": NAME, "type": kind, "description": DESCRIPTION, "options": options}
    return closed(members, optional=tuple({"description", "options"} - {*needed}))


def _one_of(known: Iterable[str]) -> Schema:
    return {"enum": sorted(known)}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _format(known: Mapping[str, str]) -> Schema:
    return {
        "anyOf": [
            closed({"name": {"const": name}, "format": {"const": form}}, optional=("format",))
            for name, form in known.items()
        ]
    }


_LABEL: Final = {**KEY, "minLength": 1, "maxLength": LONGEST_NAME}
_CHOICE: Final = closed({"name": _LABEL, "color": nullable(_one_of(COLORS))}, optional=("color",))
_CHOICES: Final = closed({"choices": list_of(_CHOICE, minItems=1)})
_DATE: Final = {"dateFormat": _format(DATE_FORMATS)}
_LOOKED_UP: Final = {
    "recordLinkFieldId": ref("AirtableLinkField"),
    "fieldIdInLinkedTable": ref("AirtableFieldBehind"),
}
_WATCHED: Final = closed(
    {"referencedFieldIds": list_of(ref("AirtableOwnField"), maxItems=MOST_FIELDS)}, optional=("referencedFieldIds",)
)

_NEEDED: Final[Mapping[FieldType, Schema]] = {
    FieldType.NUMBER: closed({"precision": _whole(0, 8)}),
    FieldType.PERCENT: closed({"precision": _whole(0, 8)}),
    FieldType.CURRENCY: closed({"precision": _whole(0, 7), "symbol": {**_LABEL, "maxLength": 20}}),
    FieldType.DURATION: closed({"durationFormat": _one_of(DURATIONS)}),
    FieldType.RATING: closed({"icon": _one_of(RATING_ICONS), "max": _whole(1, 10), "color": _one_of(BRIGHT)}),
    FieldType.CHECKBOX: closed({"icon": _one_of(CHECKBOX_ICONS), "color": _one_of(BRIGHT)}),
    FieldType.DATE: closed(_DATE),
    FieldType.DATE_TIME: closed({**_DATE, "timeFormat": _format(TIME_FORMATS), "timeZone": ref("AirtableFieldZone")}),
    FieldType.SINGLE_SELECT: _CHOICES,
    FieldType.MULTIPLE_SELECTS: _CHOICES,
    FieldType.MULTIPLE_RECORD_LINKS: closed(
        {"linkedTableId": ref("AirtableLinkedTable"), "viewIdForRecordSelection": airtable_id("viw")},
        optional=("viewIdForRecordSelection",),
    ),
    FieldType.FORMULA: closed({"formula": ref("AirtableFormula")}),
    FieldType.ROLLUP: closed({**_LOOKED_UP, "formula": ref("AirtableRollup")}),
    FieldType.MULTIPLE_LOOKUP_VALUES: closed(_LOOKED_UP),
    FieldType.COUNT: closed({"recordLinkFieldId": ref("AirtableLinkField")}),
}
_ALLOWED: Final[Mapping[FieldType, Schema]] = {
    FieldType.LAST_MODIFIED_BY: _WATCHED,
    FieldType.LAST_MODIFIED_TIME: _WATCHED,
    FieldType.BUTTON: closed({"label": _LABEL, "url": ref("AirtableFormula")}, optional=("label", "url")),
}

FIELD_TYPE_SCHEMAS: Final[Mapping[str, Schema]] = {
    "AirtableFieldZone": {"type": "string", "description": "A zone of the IANA data base, `utc` or `client`."},
    "AirtableLinkedTable": {**airtable_id("tbl"), "description": "The id of a table of the base."},
    "AirtableLinkField": {**airtable_id("fld"), "description": "The id of a link field of the same table."},
    "AirtableFieldBehind": {**airtable_id("fld"), "description": "The id of a field of the linked table."},
    "AirtableOwnField": {**airtable_id("fld"), "description": "The id of a field of the same table."},
    "AirtableFormula": {"type": "string", "minLength": 1, "description": "A formula over the record."},
    "AirtableRollup": {"type": "string", "minLength": 1, "description": "A formula over `values`."},
    "AirtableNewField": new_field(),
}
"""Each schema by its name."""
