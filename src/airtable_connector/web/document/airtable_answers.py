"""What the routes below ``/v0/`` answer when they refuse: Airtable's numbers, types and messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from airtable_connector.web.document.answers import header_refs
from airtable_connector.web.document.shapes import Schema, closed, ref

EVERYWHERE: Final = (400, 401, 403, 414, 422, 429, 431, 503)
"""What any request may meet; none of these routes leaves a query that it does not know unread."""

BODY: Final = (408, 413)
"""What a request with a body may meet besides."""


@dataclass(frozen=True)
class Refusal:
    """One number: its name in the document, what it means, the types that come with it, the first one's message."""

    name: str
    description: str
    types: tuple[str, ...]
    message: str
    headers: tuple[str, ...] = ()
    also: tuple[Schema, ...] = ()
    """Other forms that its body may have."""


def airtable_refusals(*statuses: int) -> dict[str, Schema]:
    """Point to the refusals with these numbers."""
    return {str(status): {"$ref": f"#/components/responses/{_REFUSALS[status].name}"} for status in sorted(statuses)}


def airtable_responses() -> dict[str, Schema]:
    """Return every refusal by its name."""
    return {refusal.name: _response(refusal) for refusal in _REFUSALS.values()}


def _response(refusal: Refusal) -> Schema:
    error = closed({"error": closed({"type": {"enum": list(refusal.types)}, "message": {"type": "string"}})})
    media = {
        "schema": {"anyOf": [error, *refusal.also]} if refusal.also else error,
        "example": {"error": {"type": refusal.types[0], "message": refusal.message}},
    }
    return {
        "description": f"Airtable Web API: {refusal.description}",
        "headers": header_refs(*refusal.headers),
        "content": {"application/json": media},
    }


_AIRTABLES_OWN: Final[Schema] = {
    **closed({"error": closed({"type": {"type": "string", "pattern": "^[A-Z_]+$"}, "message": {"type": "string"}})}),
    "description": "Of a mirror: what Airtable answered to the write, which is undone here.",
}

_REFUSALS: Final[Mapping[int, Refusal]] = {
    400: Refusal(
        "AirtableBadRequest",
        "a header stands twice. What is no HTTP is refused in the form of the other paths.",
        ("INVALID_REQUEST_UNKNOWN",),
        "the header Authorization stands more than once",
        ("TraceIdOfHttp",),
        also=(ref("Error"),),
    ),
    401: Refusal(
        "AirtableUnauthorized",
        "no token came, or one that is not believed; the header says why.",
        ("AUTHENTICATION_REQUIRED",),
        "Authentication required",
        ("Challenge",),
    ),
    403: Refusal(
        "AirtableForbidden",
        "the token lacks the scope; or there is no such base, table or record.",
        ("INVALID_PERMISSIONS", "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
        "You are not permitted to perform this operation",
        ("ChallengeOfToken",),
    ),
    404: Refusal(
        "AirtableNotFound",
        "an id in the address has not the shape of one; or a record that a batch removes, a webhook, the comment to"
        " answer, or the workspace of a new base is not there.",
        ("NOT_FOUND", "MODEL_ID_NOT_FOUND"),
        'Could not find a record with ID "recT5rq0Wn3xYz8Ka".',
        also=(closed({"error": {"const": "NOT_FOUND"}}),),
    ),
    408: Refusal(
        "AirtableBodyTooSlow",
        "the body did not arrive in time.",
        ("INVALID_REQUEST_BODY",),
        "the body did not arrive within 30 s",
    ),
    413: Refusal(
        "AirtableBodyTooLarge",
        "the body is larger than the operator allows; the connection is closed.",
        ("REQUEST_TOO_LARGE",),
        "the body is larger than 1048576 bytes",
    ),
    414: Refusal(
        "AirtableAddressTooLong",
        "path and query are too long; longer questions go to `listRecords`.",
        ("INVALID_REQUEST_UNKNOWN",),
        "the address is longer than 15999 bytes",
    ),
    422: Refusal(
        "AirtableInvalid",
        "something in the request is wrong; nothing was changed. `docs/airtable-compatibility.md` explains each type.",
        (
            "INVALID_VALUE_FOR_COLUMN",
            "INVALID_REQUEST_UNKNOWN",
            "INVALID_REQUEST",
            "INVALID_REQUEST_BODY",
            "INVALID_REQUEST_MISSING_FIELDS",
            "INVALID_RECORDS",
            "UNKNOWN_FIELD_NAME",
            "INVALID_MULTIPLE_CHOICE_OPTIONS",
            "INVALID_ATTACHMENT_OBJECT",
            "INVALID_RECORD_ID",
            "ROW_DOES_NOT_EXIST",
            "ROW_COMMENT_DOES_NOT_EXIST",
            "ROW_TABLE_DOES_NOT_MATCH_LINKED_TABLE",
            "VIEW_NAME_NOT_FOUND",
            "VIEW_ID_NOT_FOUND",
            "INVALID_FILTER_BY_FORMULA",
            "INVALID_OFFSET_VALUE",
            "INVALID_FILTERS",
            "TOO_MANY_WEBHOOKS_IN_BASE",
            "DUPLICATE_OR_EMPTY_FIELD_NAME",
            "DUPLICATE_TABLE_NAME",
            "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE",
            "UNSUPPORTED_FIELD_TYPE_FOR_CREATE",
        ),
        'Field "Time_Spent_hr" cannot accept the provided value',
        also=(
            # Airtable gives no message with this one
            closed({"error": closed({"type": {"const": "FAILED_STATE_CHECK"}})}),
            _AIRTABLES_OWN,
        ),
    ),
    429: Refusal(
        "AirtableTooManyRequests",
        "the caller's requests of the minute, or the base's of the second, are used up.",
        ("RATE_LIMIT_REACHED",),
        "Rate limit exceeded. Please try again later",
        ("RetryAfter",),
    ),
    431: Refusal(
        "AirtableHeadersTooLarge",
        "the headers are too many or too long; the connection is closed.",
        ("INVALID_REQUEST_UNKNOWN",),
        "the request's headers are too many or too long",
    ),
    500: Refusal(
        "AirtableChangeUnknown",
        "it is not known whether the change took effect; read before repeating it.",
        ("SERVER_ERROR",),
        "the record store fell silent during a commit: the change may or may not have taken effect",
    ),
    503: Refusal(
        "AirtableUnavailable",
        "the store does not answer, or too much is waiting; nothing was changed.",
        ("RETRIABLE_ERROR",),
        "too many requests are at work; nothing was changed",
        ("RetryAfter",),
    ),
    504: Refusal(
        "AirtableNotInTime",
        "a mirror's reads did not become as fresh as `max_staleness` asks for, within five seconds.",
        ("RETRIABLE_ERROR",),
        "reads are 42.100 s old, and 2 s were asked for",
        ("RetryAfter",),
    ),
}
"""Each refusal by its HTTP number."""
