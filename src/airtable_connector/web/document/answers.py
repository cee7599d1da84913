"""What is answered: successes with their headers, and each kind of error once."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.web.document.examples import RECORD_ID, problem
from airtable_connector.web.document.shapes import Schema, ref

EVERYWHERE: Final = (400, 403, 414, 431, 503)
"""What any request may meet, also one without an identity."""

IDENTIFIED: Final = (401, 429)
"""What a request may meet where an identity is needed."""

BODY: Final = (408, 413, 415, 422)
"""What a request with a body may meet."""


def answer(description: str, schema: str, example: object, *headers: str) -> Schema:
    """Describe a JSON answer to a caller who is known."""
    return content(description, "application/json", ref(schema), example, *headers, *QUOTA)


def content(description: str, media_type: str, schema: Schema, example: object, *headers: str) -> Schema:
    """Describe an answer of any media type, with headers by their names in the document."""
    return {
        "description": description,
        "headers": header_refs(*headers),
        "content": {media_type: {"schema": schema, "example": example}},
    }


def not_modified() -> Schema:
    """Describe the answer to a caller who has the present state already."""
    return {"description": "What the caller has still holds.", "headers": header_refs("ETag", *FRESHNESS, *QUOTA)}


def refusals(*statuses: int) -> dict[str, Schema]:
    """Point to the errors with these numbers."""
    return {str(status): {"$ref": f"#/components/responses/{_ERRORS[status][0]}"} for status in sorted(statuses)}


def responses() -> dict[str, Schema]:
    """Return every error answer by its name."""
    return {
        name: {
            "description": description,
            "headers": header_refs(*headers),
            "content": {"application/json": {"schema": ref("Error"), "example": example}},
        }
        for name, description, example, headers in _ERRORS.values()
    }


def headers() -> dict[str, Schema]:
    """Return every header of an answer by its name in the document."""
    return dict(_HEADERS)


def header_refs(*names: str) -> dict[str, Schema]:
    """Point to headers by their names in the document; every answer has the trace id."""
    return {_NAMES[name]: {"$ref": f"#/components/headers/{name}"} for name in ("TraceId", *names)}


QUOTA: Final = ("RateLimit", "RateLimitPolicy")
"""Names of the headers that tell a known caller what is left."""

FRESHNESS: Final = ("MirrorPosition", "MirrorAge", "MirrorCopying")
"""Names of the headers by which a mirror tells how fresh a read is."""

SETTLED: Final = ("Receipt", "PreferenceApplied")
"""Names of the headers by which a mirror tells what became of a write."""

ON_ITS_WAY: Final = "Written here, and on its way to Airtable: the caller did not want to wait longer for its answer."
"""What 202 means, which only a mirror answers."""

_NAMES: Final[Mapping[str, str]] = {
    "TraceId": "X-Trace-ID",
    "TraceIdOfHttp": "X-Trace-ID",
    "RateLimit": "RateLimit",
    "RateLimitPolicy": "RateLimit-Policy",
    "ETag": "ETag",
    "ETagOfOne": "ETag",
    "Location": "Location",
    "Position": "X-Feed-Position",
    "Replayed": "Idempotency-Replayed",
    "RetryAfter": "Retry-After",
    "Challenge": "WWW-Authenticate",
    "ChallengeOfToken": "WWW-Authenticate",
    "Allow": "Allow",
    "MirrorPosition": "X-Mirror-Position",
    "MirrorAge": "X-Mirror-Age",
    "MirrorCopying": "X-Mirror-Copying",
    "Receipt": "X-Receipt",
    "LocationOfReceipt": "Location",
    "PreferenceApplied": "Preference-Applied",
}
"""Each header's name on the wire."""


def _header(description: str, example: str, *, pattern: str, always: bool = True) -> Schema:
    return {
        "description": description,
        "required": always,
        "schema": {"type": "string", "pattern": pattern},
        "example": example,
    }


_OF_A_MIRROR: Final = "Writes to a mirror also tell the month's calls to Airtable (`airtable-month`)."

_ETAG: Final = '^(W/)?"[!#-~]+"$'

_TRACE_ID: Final = _header(
    "The request's name in the log and the change feed.",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    pattern="^[A-Za-z0-9._-]{1,64}$",
)

_HEADERS: Final[Mapping[str, Schema]] = {
    "TraceId": _TRACE_ID,
    # a request that is no HTTP is refused before it has a name
    "TraceIdOfHttp": {**_TRACE_ID, "required": False},
    "RateLimit": _header(
        f"r: requests left; t: seconds until all are back. {_OF_A_MIRROR}",
        '"default";r=5999;t=1',
        pattern='^("airtable-month";r=[0-9]+;t=[0-9]+, ?)?"default";r=[0-9]+;t=[0-9]+$',
    ),
    "RateLimitPolicy": _header(
        f"q: requests in w seconds. {_OF_A_MIRROR}",
        '"default";q=6000;w=60',
        pattern='^("airtable-month";q=[0-9]+;w=[0-9]+, ?)?"default";q=[0-9]+;w=60$',
    ),
    "ETag": _header("Names the state that was answered.", '"9a8f3b1e0c7d2f4a6b5c8d9e"', pattern=_ETAG),
    "ETagOfOne": _header(
        "Names the record's state; not when many were sent.",
        '"9a8f3b1e0c7d2f4a6b5c8d9e"',
        pattern=_ETAG,
        always=False,
    ),
    "Location": _header(
        "Where the new record is; not when many were sent.",
        f"/sprints/{RECORD_ID}",
        pattern="^/[a-z-]+/rec[0-9A-Za-z]{14}$",
        always=False,
    ),
    "Position": _header("The feed position that shows what was answered.", "1041", pattern="^[0-9]+$"),
    "Replayed": _header(
        "true when this is the answer to an earlier request with the same Idempotency-Key.",
        "true",
        pattern="^true$",
        always=False,
    ),
    "RetryAfter": _header("Seconds to wait before the next try.", "1", pattern="^[1-9][0-9]*$"),
    "Challenge": _header("What is missing (RFC 6750).", 'Bearer realm="droplet-2"', pattern="^Bearer realm="),
    "ChallengeOfToken": _header(
        "The permission that the token lacks, when that is the reason (RFC 6750).",
        'Bearer realm="droplet-2", error="insufficient_scope", scope="write"',
        pattern="^Bearer realm=",
        always=False,
    ),
    "Allow": _header("The methods that are possible.", "GET, HEAD, POST", pattern="^[A-Z]+(, [A-Z]+)*$"),
    "MirrorPosition": _header(
        "Of a mirror: the feed position that shows all that was at Airtable `X-Mirror-Age` ago. It never falls.",
        "1041",
        pattern="^[0-9]+$",
        always=False,
    ),
    "MirrorAge": _header(
        "Of a mirror: how many seconds ago everything at Airtable was shown. Not before the first copy is complete.",
        "3.225",
        pattern="^[0-9]+[.][0-9]{3}$",
        always=False,
    ),
    "MirrorCopying": _header(
        "Of a mirror: the tables that are being copied, and may lack records until then.",
        '"Sprints", "Cells"',
        pattern='^".*"$',
        always=False,
    ),
    "Receipt": _header(
        "Of a mirror: names the write. `GET /receipts/{id}` tells what becomes of it.",
        "rcp1041-1041",
        pattern="^rcp[0-9]+-[0-9]+$",
        always=False,
    ),
    "LocationOfReceipt": _header(
        "Where the write's end can be seen.",
        "/receipts/rcp1041-1041",
        pattern="^/receipts/rcp[0-9]+-[0-9]+$",
    ),
    "PreferenceApplied": _header(
        "Of a mirror: how long the write would have waited, if `Prefer` said so (RFC 7240).",
        "wait=5",
        pattern="^wait=[0-9]+$",
        always=False,
    ),
}

_ERRORS: Final[Mapping[int, tuple[str, str, Schema, tuple[str, ...]]]] = {
    400: (
        "BadRequest",
        "The body is not JSON, a header stands twice, or this is not HTTP.",
        problem(
            "INVALID_REQUEST",
            "the body is not JSON: unexpected end of data at line 1, column 9",
            reason="malformed-json",
            hint="send UTF-8 JSON, as RFC 8259 says",
        ),
        ("TraceIdOfHttp",),
    ),
    401: (
        "Unauthorized",
        "No token came, or one that is not believed.",
        problem(
            "UNAUTHORIZED",
            "the request carries no token",
            reason="missing-token",
            field="Authorization",
            hint="send Authorization: Bearer <token>",
        ),
        ("Challenge",),
    ),
    403: (
        "Forbidden",
        "The caller may not do this, or came in plain text where HTTPS is required.",
        problem(
            "FORBIDDEN",
            "this needs the permission write; the caller has read",
            reason="missing-permission",
            hint="use a token whose permissions include write",
            needed="write",
            held=["read"],
        ),
        ("ChallengeOfToken",),
    ),
    404: (
        "NotFound",
        "There is no such record, table or write, no shutdown to cancel; or the base has no mirror to tell of.",
        problem(
            "NOT_FOUND",
            "Sprints has no record 'SPR-9999'",
            reason="record-not-found",
            hint="give a record id ('rec' and 14 letters or digits) or the value of the table's key field",
        ),
        (),
    ),
    405: (
        "MethodNotAllowed",
        "The path exists, but not for this method.",
        problem(
            "INVALID_REQUEST",
            "DELETE is not possible here",
            reason="method-not-allowed",
            hint="allowed: GET, HEAD, POST",
        ),
        ("Allow",),
    ),
    408: (
        "BodyTooSlow",
        "The body did not arrive in time.",
        problem(
            "INVALID_REQUEST", "the body did not arrive within 30 s", reason="body-too-slow", hint="repeat the request"
        ),
        (),
    ),
    409: (
        "Conflict",
        "Another record has this key, the first request with this key is still at work, or the service is stopping.",
        problem(
            "CONFLICT",
            "Sprints already has a record whose Sprint_ID is 'SPR-0417'",
            reason="key-taken",
            field="Sprint_ID",
            hint=f"change that record ({RECORD_ID}), or choose another Sprint_ID",
            record=RECORD_ID,
        ),
        (),
    ),
    412: (
        "PreconditionFailed",
        "The record is no longer in the state that If-Match names.",
        problem(
            "CONFLICT",
            "SPR-0417 is no longer in the state that If-Match names",
            reason="record-changed",
            field="If-Match",
            hint="read the record again, decide, and repeat with its present ETag",
            etag='"9a8f3b1e0c7d2f4a6b5c8d9e"',
        ),
        (),
    ),
    413: (
        "BodyTooLarge",
        "The body is larger than this path takes; the connection is closed.",
        problem(
            "INVALID_REQUEST",
            "the body is larger than 1048576 bytes",
            reason="body-too-large",
            hint="split the request into smaller ones",
            bytes=1_048_576,
        ),
        (),
    ),
    414: (
        "AddressTooLong",
        "The path or the query is too long.",
        problem(
            "INVALID_REQUEST",
            "the query is longer than 8192 bytes",
            reason="address-too-long",
            field="query",
            bytes=8_192,
        ),
        (),
    ),
    415: (
        "NotJson",
        "The body is not declared as JSON.",
        problem(
            "INVALID_REQUEST",
            "the body is not declared as JSON",
            reason="not-json",
            field="Content-Type",
            hint="send Content-Type: application/json (UTF-8)",
        ),
        (),
    ),
    422: (
        "Invalid",
        "The request is understood and something in it is wrong; nothing was changed.",
        problem(
            "INVALID_REQUEST",
            "Status has no choice 'Actve'",
            reason="unknown-choice",
            field="Status",
            hint="allowed: Pending, Active, Done",
            allowed=["Pending", "Active", "Done"],
        ),
        (),
    ),
    429: (
        "TooManyRequests",
        "The caller's requests of the minute are used up, or too many bad tokens came from its address.",
        problem(
            "RATE_LIMITED",
            "more than 6000 requests a minute",
            reason="requests-too-often",
            hint="wait for Retry-After; the RateLimit header tells what is left",
            per_minute=6_000,
        ),
        ("RetryAfter",),
    ),
    431: (
        "HeadersTooLarge",
        "The headers are too many or too long; the connection is closed.",
        problem(
            "INVALID_REQUEST",
            "the request's headers are too many or too long",
            reason="too-many-headers",
            hint="send at most 100 headers of 16384 bytes in all",
            most=100,
            bytes=16_384,
        ),
        (),
    ),
    503: (
        "Unavailable",
        "The store does not answer, or too much is waiting; the message says whether anything was changed.",
        problem(
            "DEPENDENCY_UNAVAILABLE",
            "too many requests are at work; nothing was changed",
            reason="overloaded",
            hint="repeat it after a pause",
        ),
        ("RetryAfter",),
    ),
    504: (
        "NotInTime",
        "Reads did not come as far as `as_of`, `max_staleness` or a mirror's `If-Match` asks for, within five seconds.",
        problem(
            "DEPENDENCY_UNAVAILABLE",
            "reads are 42.100 s old, and 2 s were asked for",
            reason="too-stale",
            field="max_staleness",
            hint="repeat, or allow more; without max_staleness reads are answered as they are",
            age=42.1,
        ),
        ("RetryAfter",),
    ),
}
"""Each error's name, meaning, example and headers, by HTTP number."""
