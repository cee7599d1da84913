"""What is sent and answered below ``/v0/``, for a table of any fields."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.records import MOST_SORTS, FieldType
from airtable_connector.web.airtable_api.bodies import MOST_MERGE_FIELDS
from airtable_connector.web.airtable_api.errors import MOST_WRITTEN
from airtable_connector.web.airtable_api.options import DIRECTIONS, LARGEST_PAGE
from airtable_connector.web.airtable_api.schema import LEVELS
from airtable_connector.web.airtable_api.scopes import Scope
from airtable_connector.web.document.shapes import Schema, airtable_id, closed, list_of, ref

_LARGEST_NUMBER: Final = 2**31 - 1
_NAME: Final[Schema] = {"type": "string", "minLength": 1}
_WORD: Final = "[0-9A-Za-z][0-9A-Za-z!#$&^_.+-]{0,62}"
_SIGN: Final = "[0-9A-Za-z+/]"
_FLAG: Final[Schema] = {"type": "boolean", "default": False}


def _write(members: Mapping[str, Schema]) -> Schema:
    asked = {"typecast": _FLAG, "returnFieldsByFieldId": _FLAG}
    return closed({**members, **asked}, optional=tuple(asked))


def _some(record: Schema) -> Schema:
    return list_of(record, minItems=1, maxItems=MOST_WRITTEN)


_UPSERT: Final = closed({"fieldsToMergeOn": list_of(ref("AirtableMergeField"), minItems=1, maxItems=MOST_MERGE_FIELDS)})
_RECORDS: Final[Mapping[str, Schema]] = {
    "records": list_of(ref("AirtableRecord"), minItems=1, maxItems=MOST_WRITTEN),
}
_QUESTION: Final[Mapping[str, Schema]] = {
    "pageSize": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": LARGEST_PAGE},
    "maxRecords": {"type": "integer", "minimum": 1, "maximum": _LARGEST_NUMBER},
    "offset": {"type": "string"},
    "view": ref("AirtableViewName"),
    "filterByFormula": {"type": "string"},
    "sort": list_of(
        closed(
            {"field": ref("AirtableSortField"), "direction": {"enum": list(DIRECTIONS), "default": "asc"}},
            optional=("direction",),
        ),
        maxItems=MOST_SORTS,
    ),
    "fields": list_of(ref("AirtableFieldName")),
    "cellFormat": {"enum": ["json", "string"]},
    "timeZone": {"type": "string"},
    "userLocale": {"type": "string"},
    "returnFieldsByFieldId": _FLAG,
    "recordMetadata": list_of({"const": "commentCount"}),
    "includeDateDependencyMetadata": _FLAG,
    "method": {"description": "Sent by airtable.js, and ignored."},
}

AIRTABLE_SCHEMAS: Final[Mapping[str, Schema]] = {
    "AirtableBaseId": airtable_id("app"),
    "AirtableFieldName": {**_NAME, "description": "A field's name or id."},
    "AirtableSortField": {**_NAME, "description": "The name or id of a field whose type has an order."},
    "AirtableMergeField": {**_NAME, "description": "The name or id of a field whose type can be compared."},
    "AirtableViewName": {**_NAME, "description": "A view's name or id."},
    "AirtableCells": {
        "type": "object",
        "additionalProperties": True,
        "description": "The cells that are not empty, by field name; by field id or as texts, where that is asked for.",
    },
    "AirtableCellsSent": {
        "type": "object",
        "additionalProperties": True,
        "description": 'Cells by field name or id. `null`, `""` and `[]` empty one; a computed one cannot be sent.',
    },
    "AirtableRecord": closed(
        {
            "id": ref("RecordId"),
            "createdTime": ref("Moment"),
            "fields": ref("AirtableCells"),
            "commentCount": {"type": "integer", "minimum": 1, "description": "Where `recordMetadata` asks for it."},
        },
        optional=("commentCount",),
    ),
    "AirtablePage": closed(
        {"records": list_of(ref("AirtableRecord"), maxItems=LARGEST_PAGE), "offset": ref("Offset")},
        optional=("offset",),
    ),
    "AirtableQuestion": closed(_QUESTION, optional=tuple(_QUESTION)),
    "AirtableNewRecord": closed({"fields": ref("AirtableCellsSent")}),
    "AirtableChangedRecord": closed({"id": ref("RecordId"), "fields": ref("AirtableCellsSent")}),
    "AirtableNew": {
        "anyOf": [_write({"fields": ref("AirtableCellsSent")}), _write({"records": _some(ref("AirtableNewRecord"))})],
        "description": "One record, or a list of them.",
    },
    "AirtableChange": _write({"fields": ref("AirtableCellsSent")}),
    "AirtableChanges": {
        "anyOf": [
            _write({"records": _some(ref("AirtableChangedRecord"))}),
            _write(
                {
                    "records": _some({"anyOf": [ref("AirtableNewRecord"), ref("AirtableChangedRecord")]}),
                    "performUpsert": _UPSERT,
                }
            ),
        ],
        "description": "Records by their ids; with `performUpsert` also such as are found by fields, or else added.",
    },
    "AirtableWritten": {"anyOf": [ref("AirtableRecord"), closed(_RECORDS)]},
    "AirtableChanged": closed(
        {
            **_RECORDS,
            "createdRecords": {**list_of(ref("RecordId")), "description": "Of an upsert: those that were added."},
            "updatedRecords": {**list_of(ref("RecordId")), "description": "Of an upsert: those that were there."},
        },
        optional=("createdRecords", "updatedRecords"),
    ),
    "AirtableRemoved": closed({"id": ref("RecordId"), "deleted": {"const": True}}),
    "AirtableRemovedRecords": closed(
        {"records": list_of(ref("AirtableRemoved"), minItems=1, maxItems=MOST_WRITTEN)},
    ),
    "AirtableUpload": closed(
        {
            "contentType": {"type": "string", "pattern": f"^{_WORD}/{_WORD}(;.*)?$"},
            "filename": {**_NAME, "description": "Kept without what stands before the last `/` or `\\`."},
            "file": {
                "type": "string",
                "contentEncoding": "base64",
                "pattern": f"^({_SIGN}{{4}})*{_SIGN}{{2}}({_SIGN}{{2}}|{_SIGN}=|==)$",
                "description": "The bytes in base64, in which white space may stand.",
            },
        }
    ),
    "AirtableUser": closed({"id": airtable_id("usr"), "scopes": list_of({"enum": [str(scope) for scope in Scope]})}),
    "AirtableBases": closed(
        {
            "bases": list_of(
                closed(
                    {
                        "id": airtable_id("app"),
                        "name": {"type": "string"},
                        "permissionLevel": {"enum": list(LEVELS.values())},
                    }
                )
            )
        }
    ),
    "AirtableFieldShown": closed(
        {
            "id": airtable_id("fld"),
            "name": _NAME,
            "type": {"enum": [str(kind) for kind in FieldType]},
            "description": {"type": "string"},
            "options": {"type": "object", "additionalProperties": True, "description": "What the type has."},
        },
        optional=("description", "options"),
    ),
    "AirtableViewShown": closed(
        {
            "id": airtable_id("viw"),
            "name": _NAME,
            "type": {"const": "grid"},
            "visibleFieldIds": {**list_of(airtable_id("fld")), "description": "Where `include` asks for it."},
        },
        optional=("visibleFieldIds",),
    ),
    "AirtableTableShown": closed(
        {
            "id": airtable_id("tbl"),
            "name": _NAME,
            "description": {"type": "string"},
            "primaryFieldId": airtable_id("fld"),
            "fields": list_of(ref("AirtableFieldShown"), minItems=1),
            "views": list_of(ref("AirtableViewShown")),
        },
        optional=("description",),
    ),
    "AirtableBaseMade": closed(
        {"id": airtable_id("app"), "tables": list_of(ref("AirtableTableShown"), minItems=1)},
    ),
    "AirtableTables": closed({"tables": list_of(ref("AirtableTableShown"))}),
}
"""Each schema by its name."""
