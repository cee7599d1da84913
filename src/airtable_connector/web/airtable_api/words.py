"""Errors in Airtable's form: the one place where trouble becomes an HTTP number and an Airtable type here.

``{"error":{"type","message"}}``, or ``{"error":"NOT_FOUND"}`` for an address that is none.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from airtable_connector.kernel.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from airtable_connector.records import (
    CannotSort,
    FieldNameTaken,
    KeyTaken,
    RecordNotFound,
    SeveralRecordsMatch,
    TableNameTaken,
    TooManySorts,
    UnknownField,
)
from airtable_connector.records.formula import (
    FormulaError,
    FormulaTooCostly,
    UnknownFieldNames,
    UnknownFunctionNames,
)
from airtable_connector.web.airtable_api.errors import (
    AddressUnknown,
    CellNotAccepted,
    CellNotRead,
    ChoiceNotThere,
    ComputedCell,
    FieldNameEmpty,
    FieldsMissing,
    InvalidRecords,
    ModelNotFound,
    NoAttachment,
    NoRecordId,
    OffsetInvalid,
    OptionsNotTaken,
    RowMissing,
    RowOfOtherTable,
    TypeNotCreated,
    ViewMissing,
    ViewOfOtherTable,
    WorkspaceMissing,
    WorkspaceUnknown,
)
from airtable_connector.web.http import Answer, Header, RefusedUpstream

JSON_UTF8: Final = b"application/json; charset=utf-8"

FAMILIES: Final[Mapping[type[ConnectorError], tuple[int, str]]] = {
    NotFound: (404, "NOT_FOUND"),
    Conflict: (422, "INVALID_REQUEST_UNKNOWN"),
    Invalid: (422, "INVALID_REQUEST_UNKNOWN"),
    Unauthenticated: (401, "AUTHENTICATION_REQUIRED"),
    Forbidden: (403, "INVALID_PERMISSIONS"),
    LimitReached: (429, "RATE_LIMIT_REACHED"),
    Unavailable: (503, "RETRIABLE_ERROR"),
}
"""Each family's HTTP number, and the type of those of its leaves that have none of their own."""

TYPES: Final[Mapping[type[ConnectorError], str]] = {
    CellNotAccepted: "INVALID_VALUE_FOR_COLUMN",
    CellNotRead: "INVALID_VALUE_FOR_COLUMN",
    ChoiceNotThere: "INVALID_MULTIPLE_CHOICE_OPTIONS",
    ComputedCell: "INVALID_VALUE_FOR_COLUMN",
    FieldNameEmpty: "DUPLICATE_OR_EMPTY_FIELD_NAME",
    FieldNameTaken: "DUPLICATE_OR_EMPTY_FIELD_NAME",
    FieldsMissing: "INVALID_REQUEST_MISSING_FIELDS",
    InvalidRecords: "INVALID_RECORDS",
    ModelNotFound: "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
    NoAttachment: "INVALID_ATTACHMENT_OBJECT",
    NoRecordId: "INVALID_RECORD_ID",
    OffsetInvalid: "INVALID_OFFSET_VALUE",
    OptionsNotTaken: "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE",
    RowMissing: "ROW_DOES_NOT_EXIST",
    RowOfOtherTable: "ROW_TABLE_DOES_NOT_MATCH_LINKED_TABLE",
    TableNameTaken: "DUPLICATE_TABLE_NAME",
    TypeNotCreated: "UNSUPPORTED_FIELD_TYPE_FOR_CREATE",
    WorkspaceMissing: "INVALID_REQUEST",
    WorkspaceUnknown: "MODEL_ID_NOT_FOUND",
}
"""The types of this dialect's own leaves, and of some of the store's."""

UNKNOWN_OUTCOME: Final = "commit-unknown"
"""The leaf, by its code, that says that a write may have taken effect or not."""

LEAVES: Final[Mapping[str, tuple[int, str]]] = {
    "address-too-long": (414, "INVALID_REQUEST_UNKNOWN"),
    "airtable-upload-too-large": (413, "REQUEST_TOO_LARGE"),
    "body-too-large": (413, "REQUEST_TOO_LARGE"),
    "comment-not-found": (422, "ROW_COMMENT_DOES_NOT_EXIST"),
    "parent-comment-not-found": (404, "MODEL_ID_NOT_FOUND"),
    "body-too-slow": (408, "INVALID_REQUEST_BODY"),
    "doubled-header": (400, "INVALID_REQUEST_UNKNOWN"),
    "too-many-headers": (431, "INVALID_REQUEST_UNKNOWN"),
    "too-stale": (504, "RETRIABLE_ERROR"),
    "too-many-webhooks": (422, "TOO_MANY_WEBHOOKS_IN_BASE"),
    "webhook-filters-invalid": (422, "INVALID_FILTERS"),
    # it may have taken effect, so nobody should be told that repeating it is safe
    UNKNOWN_OUTCOME: (500, "SERVER_ERROR"),
}
"""Leaves of other rooms, by their code, whose number is not their family's."""

UNREADABLE: Final = frozenset({"not-json", "malformed-json", "nested-too-deeply"})
"""Leaves, by their code, that say that a body could not be read."""

TOO_OFTEN: Final = frozenset({"requests-too-often", "refused-too-often"})
"""Leaves of the edge, by their code, that clients know under Airtable's own message."""

NOT_PERMITTED: Final = frozenset({"missing-permission", "comment-of-another"})
"""Leaves, by their code, that clients know under Airtable's own message."""

BAD_FORMULA: Final = "The formula for filtering records is invalid: "


def refusal(error: ConnectorError, headers: tuple[Header, ...]) -> Answer:
    """Word an error as Airtable does."""
    if isinstance(error, AddressUnknown):
        return Answer(404, b'{"error":"NOT_FOUND"}', headers, JSON_UTF8)
    if isinstance(error, ViewOfOtherTable):
        return Answer(422, b'{"error":{"type":"FAILED_STATE_CHECK"}}', headers, JSON_UTF8)
    if error.code == UNKNOWN_OUTCOME:
        # a client that is told when to repeat a create may do it twice
        headers = tuple(header for header in headers if header[0] != b"retry-after")
    status, kind, message = _worded(error)
    return Answer(status, orjson.dumps({"error": {"type": kind, "message": message}}), headers, JSON_UTF8)


def internal(trace_id: str) -> Answer:
    """Answer a bug of ours."""
    told = {
        "type": "SERVER_ERROR",
        "message": f"Something went wrong here; the trace id {trace_id} finds it in the log",
    }
    return Answer(500, orjson.dumps({"error": told}), (), JSON_UTF8)


def _worded(error: ConnectorError) -> tuple[int, str, str]:
    if error.code in LEAVES:
        return *LEAVES[error.code], error.message
    if error.code in UNREADABLE:
        return 422, "INVALID_REQUEST_BODY", "Could not parse request body"
    if error.code in TOO_OFTEN:
        return 429, "RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later"
    match error:
        case FormulaError() | FormulaTooCostly():
            return 422, "INVALID_FILTER_BY_FORMULA", BAD_FORMULA + _why(error)
        case ViewMissing():
            return 422, "VIEW_ID_NOT_FOUND" if error.by_id else "VIEW_NAME_NOT_FOUND", error.message
        case UnknownField():
            return 422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{error.field}"'
        case KeyTaken():
            held = f'Field "{error.field}" cannot accept the provided value: the record {error.facts["record"]} has it'
            return 422, "INVALID_VALUE_FOR_COLUMN", held
        case RecordNotFound():
            # it was there a moment ago
            return _worded(ModelNotFound())
        case SeveralRecordsMatch():
            return 422, "INVALID_REQUEST_UNKNOWN", "Cannot update more than one record for fields to merge on"
        case RefusedUpstream():
            return 422, error.type, error.said
        case CannotSort() | TooManySorts():
            return 422, "INVALID_REQUEST_UNKNOWN", f"{error.message}; {error.hint}"
    for family in type(error).__mro__:
        if family in FAMILIES:
            status, kind = FAMILIES[family]
            return status, TYPES.get(type(error), kind), _message(error)
    return 500, "SERVER_ERROR", error.message


def _message(error: ConnectorError) -> str:
    match error:
        case Unauthenticated():
            # why a token is refused stands in WWW-Authenticate; clients compare this text
            return "Authentication required"
        case Forbidden() if error.code in NOT_PERMITTED:
            return "You are not permitted to perform this operation"
        case _:
            return error.message


def _why(error: ConnectorError) -> str:
    match error:
        case UnknownFieldNames():
            return f"Unknown field names: {', '.join(name.lower() for name in error.names)}"
        case UnknownFunctionNames():
            return f"Unknown function names: {', '.join(error.names)}"
        case FormulaTooCostly():
            return f"{error.message}; {error.hint}"
        case _:
            return "Invalid formula. Please check your formula text."
