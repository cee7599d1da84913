"""What a request may say outside of its body: query, path and headers."""

from typing import Final

from airtable_connector.records import (
    LARGEST_PAGE,
    MOST_SORTS,
    CannotFilter,
    CannotSort,
    Field,
    FieldType,
    Table,
    equals,
    sort_by,
)
from airtable_connector.web.document import examples
from airtable_connector.web.document.shapes import Schema, list_of, ref
from airtable_connector.web.domain.changes import LARGEST_STEP
from airtable_connector.web.domain.listing import LONGEST_TEXT
from airtable_connector.web.domain.overview import LARGEST_ROLLUP
from airtable_connector.web.domain.webhooks import LARGEST_LOG_PAGE

FARTHEST: Final = 10**18 - 1
"""The largest feed position that a request can name."""

_POSITION: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": FARTHEST}
_MOMENT: Final = ref("Moment")
_NUL_FREE: Final = "^[^\\u0000]*$"


def parameter_ref(name: str) -> Schema:
    """Point to a parameter of the document."""
    return {"$ref": f"#/components/parameters/{name}"}


def parameters() -> dict[str, Schema]:
    """Return the parameters that several operations share, by name."""
    return dict(_SHARED)


def list_parameters(table: Table) -> list[Schema]:
    """Return the query of a table's list: its options, and one equality parameter per field."""
    return [
        *(parameter_ref(name) for name in ("Filter", "Text")),
        _query(
            "sort",
            list_of({"enum": _sort_keys(table)}, minItems=1, maxItems=MOST_SORTS),
            "Fields to order by, the first one first; a minus means descending. Empty cells come first ascending.",
            example=[f"-{table.fields[-1].name}"],
        ),
        fields_parameter(table),
        *(parameter_ref(name) for name in ("PageSize", "Offset", "UpdatedSince", "AsOf", "MaxStaleness")),
        *(_equality(field) for field in table.fields if _can_be_asked(field)),
    ]


def fields_parameter(table: Table) -> Schema:
    """Return the parameter that names the fields to show."""
    names = [field.name for field in table.fields]
    return _query(
        "fields",
        list_of({"enum": names}, minItems=1),
        "Fields to show; the others are left out.",
        example=names[:2],
    )


def address_parameters() -> list[Schema]:
    """Return the query of an attachment's address, which no caller makes up."""
    told = {
        "name": ("The file's name.", "report.txt"),
        "type": ("The type that was told when it was uploaded.", "text/plain"),
        "expires": ("Microseconds since 1970.", "1769868000000000"),
        "signature": ("Vouches for all of the address.", "oJyrg9DcZCZfWTNgJzPvA2IwZIv4cYpFZ2aZ0A3Yc7k"),
    }
    return [
        {**_query(name, {"type": "string"}, description, example=example), "required": True}
        for name, (description, example) in told.items()
    ]


def count_parameter(name: str, most: int, usual: int) -> Schema:
    """Return a parameter that bounds how many items are answered."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return _query(name, schema, f"How many at most; {usual} when it is left out.", example=2)


def tables_parameter(names: list[str]) -> Schema:
    """Return the parameter that narrows the feed to one table."""
    return _query("table", {"enum": names}, "Only changes of this table (its id is taken as well).", example=names[0])


def _equality(field: Field) -> Schema:
    text = f"Only records whose {field.name} is this; empty: only records where it is empty."
    return _query(field.name, _asked(field), text)


def _asked(field: Field) -> Schema:
    match field.holds:
        case FieldType.SINGLE_SELECT | FieldType.MULTIPLE_SELECTS:
            return {"enum": [*field.choices, ""]}
        case FieldType.CHECKBOX:
            return {"enum": ["true", "false", ""]}
        case (
            FieldType.NUMBER
            | FieldType.PERCENT
            | FieldType.CURRENCY
            | FieldType.RATING
            | FieldType.DURATION
            | FieldType.AUTO_NUMBER
        ):
            return _or_empty({"type": "number"})
        case FieldType.DATE:
            return _or_empty(ref("Date"))
        case FieldType.DATE_TIME | FieldType.CREATED_TIME | FieldType.LAST_MODIFIED_TIME:
            return _or_empty(_MOMENT)
        case FieldType.MULTIPLE_RECORD_LINKS:
            return _or_empty(ref("RecordId"))
        case _:
            return {"type": "string", "pattern": _NUL_FREE}


def _or_empty(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"const": ""}]}


def _can_be_asked(field: Field) -> bool:
    try:
        equals(field, "")
    except CannotFilter:
        return False
    return True


def _sort_keys(table: Table) -> list[str]:
    keys = []
    for field in table.fields:
        try:
            sort_by(table, field.name)
        except CannotSort:
            continue
        keys += [field.name, f"-{field.name}"]
    return keys


def _query(name: str, schema: Schema, description: str, *, example: object = None) -> Schema:
    described: Schema = {"name": name, "in": "query", "description": description, "schema": schema}
    if schema.get("type") == "array":
        described |= {"style": "form", "explode": False}
    return described if example is None else {**described, "example": example}


def _header(name: str, schema: Schema, description: str, *, example: object) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": schema, "example": example}


_SHARED: Final[dict[str, Schema]] = {
    "Id": {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "A record id, or the value of the table's key field where it has one.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 500},
        "example": "recT5rq0Wn3xYz8Ka",
    },
    "Content": {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The SHA-256 of the attachment's content.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "example": examples.CONTENT,
    },
    "Filter": _query(
        "filter",
        {"type": "string", "minLength": 1},
        "Only records that this formula, in Airtable's language, lets through. An answer whose formula reads the time"
        " has no ETag.",
        example='IS_AFTER(CREATED_TIME(), "2026-01-31")',
    ),
    "Text": _query(
        "q",
        {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": _NUL_FREE},
        "Only records with this text in a text or select field, whatever the case of its ASCII letters.",
        example="retry",
    ),
    "PageSize": _query(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": LARGEST_PAGE},
        "Records on a page.",
        example=50,
    ),
    "Offset": _query(
        "offset",
        {"type": "string"},
        "The `offset` of the page before, unchanged, with the same filters and sort. It stays true while records are"
        " added and removed.",
    ),
    "UpdatedSince": _query(
        "updated_since",
        _MOMENT,
        "Only records changed at or after this moment; without a zone it means UTC.",
        example="2026-01-31T00:00:00Z",
    ),
    "AsOf": _query(
        "as_of",
        _POSITION,
        "Wait until this feed position (the `X-Feed-Position` of a write) can be seen; 504 when that takes more than"
        " five seconds.",
        example=1042,
    ),
    "MaxStaleness": _query(
        "max_staleness",
        {"type": "string", "pattern": "^[0-9]{1,6}([.][0-9]{1,3})?$"},
        "Of a mirror: how many seconds old the answer may be (`X-Mirror-Age`). Airtable is asked if it is older; 504"
        " when that takes more than five seconds. A base that is kept here alone is never old.",
        example="60",
    ),
    "After": _query("after", {**_POSITION, "default": 0}, "Only changes beyond this feed position.", example=1040),
    "Cell": _query(
        "cell", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _NUL_FREE}, "Only this Cell_ID."
    ),
    "Since": _query("since", _MOMENT, "From this moment on; a day ago when it is left out."),
    "Until": _query("until", _MOMENT, "Up to this moment; now when it is left out."),
    "Upsert": _query(
        "upsert",
        {"type": "boolean", "default": False},
        "Change the record that has the key sent, or add one when there is none. Each record must carry its key.",
    ),
    "Before": _query(
        "before", {"type": "integer", "minimum": 1, "maximum": FARTHEST}, "Only events before this one's `seq`."
    ),
    "TraceId": _header(
        "X-Trace-ID",
        {"type": "string"},
        "Names the request in the log, the change feed and the answer: 1 to 64 letters, digits, dots, dashes or"
        " underscores. Anything else is ignored, as is `traceparent` when this is sent; a new one is made then.",
        example="0f8fad5b-d9cb-469f-a165-70867728950e",
    ),
    "IdempotencyKey": _header(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\u0021-\\u007e]+$"},
        "Makes a repeated request the same request for 24 hours: it takes effect once and is answered alike.",
        example="5f2c9c3e-import-17",
    ),
    "IfMatch": _header(
        "If-Match",
        {"anyOf": [{"const": "*"}, {"type": "string", "pattern": '^(W/)?"[!#-~]{0,120}"$'}]},
        "The ETag of the record's state that this write is meant for; 412 when it has changed since, here or at"
        " the Airtable that is mirrored.",
        example='"9a8f3b1e0c7d2f4a6b5c8d9e"',
    ),
    "IfNoneMatch": _header(
        "If-None-Match",
        {"type": "string"},
        "ETags that the caller has; 304 without a body when one of them still holds.",
        example='"9a8f3b1e0c7d2f4a6b5c8d9e"',
    ),
    "Prefer": _header(
        "Prefer",
        {"type": "string"},
        "`wait=SECONDS` (RFC 7240): how long a mirror's caller waits for Airtable's answer, 0 to 60; `WRITE_WAIT` when"
        " it is left out. A base that is kept here alone has nothing to wait for.",
        example="wait=5",
    ),
    "LastEventId": _header(
        "Last-Event-ID",
        {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "Go on after this event; wins over `after`.",
        example="1040",
    ),
}

ROLLUP_LIMIT: Final = count_parameter("limit", LARGEST_ROLLUP, LARGEST_ROLLUP)
CHANGES_LIMIT: Final = count_parameter("limit", LARGEST_STEP, 100)
EVENT_LOG_LIMIT: Final = count_parameter("limit", LARGEST_LOG_PAGE, 100)
