"""A field's options as Airtable shows them: what the store does not keep is filled in.

Clients read the members of a type without looking whether they are there.
"""

from collections.abc import Mapping
from typing import Any, Final

from airtable_connector.records import Field, FieldType

DATE_FORMAT: Final = {"name": "iso", "format": "YYYY-MM-DD"}
TIME_FORMAT: Final = {"name": "24hour", "format": "HH:mm"}
_MOMENT: Final = {"dateFormat": DATE_FORMAT, "timeFormat": TIME_FORMAT, "timeZone": "utc"}
_RESULT: Final = {"type": str(FieldType.DATE_TIME), "options": _MOMENT}

_USUAL: Final[Mapping[FieldType, Mapping[str, Any]]] = {
    FieldType.NUMBER: {"precision": 0},
    FieldType.PERCENT: {"precision": 0},
    FieldType.CURRENCY: {"precision": 2, "symbol": "$"},
    FieldType.RATING: {"icon": "star", "max": 5, "color": "yellowBright"},
    FieldType.DURATION: {"durationFormat": "h:mm"},
    FieldType.CHECKBOX: {"icon": "check", "color": "greenBright"},
    FieldType.DATE: {"dateFormat": DATE_FORMAT},
    FieldType.DATE_TIME: _MOMENT,
    FieldType.CREATED_TIME: {"result": _RESULT},
    FieldType.LAST_MODIFIED_TIME: {"isValid": True, "referencedFieldIds": [], "result": _RESULT},
    FieldType.MULTIPLE_RECORD_LINKS: {"isReversed": False, "prefersSingleRecordLink": False},
    FieldType.MULTIPLE_ATTACHMENTS: {"isReversed": False},
    FieldType.AI_TEXT: {"prompt": [], "referencedFieldIds": []},
    FieldType.EXTERNAL_SYNC_SOURCE: {"choices": []},
}
"""Each type's members and what they are when nobody has said otherwise."""


def complete_options(field: Field) -> dict[str, Any]:
    """Return the field's options with every member that its type has; Airtable keeps a rollup's formula to itself."""
    options = {**_USUAL.get(field.type, {}), **field.options}
    if field.type is FieldType.ROLLUP:
        del options["formula"]
    if (result := options.get("result")) is not None and result["type"] in _USUAL:
        options["result"] = {**result, "options": {**_USUAL[FieldType(result["type"])], **result.get("options", {})}}
    return options
