"""The common edge of all dialects, and the words they share: `Call`, `Answer`, `Stream`, problems."""

from airtable_connector.web.http.asgi import ARRIVED, WHOLE, App, Header, Receive, Scope, Send
from airtable_connector.web.http.body import read_json
from airtable_connector.web.http.call import (
    EVENT_STREAM,
    JSON,
    Answer,
    Call,
    Caller,
    Endpoint,
    Stream,
    Verify,
    call_of,
)
from airtable_connector.web.http.dialect import Dialect
from airtable_connector.web.http.edge import Edge, Numbers, RequestLog
from airtable_connector.web.http.errors import (
    AddressTooLong,
    ClientGone,
    EmptyBody,
    MalformedJson,
    MalformedRequest,
    MissingPermission,
    RefusedUpstream,
    RequestsTooOften,
    RouteUnknown,
)
from airtable_connector.web.http.gate import Gate, Identify, read_or_write
from airtable_connector.web.http.late import Behind, LateDialect
from airtable_connector.web.http.lifecycle import Lifecycle
from airtable_connector.web.http.limits import TokenBuckets
from airtable_connector.web.http.problems import Problems, describe_error
from airtable_connector.web.http.routes import Methods, Resource
from airtable_connector.web.http.settings import EdgeSettings
from airtable_connector.web.http.upstream import Freshness, Refusal, Settlement, Upstream, fresh, see_all, settled

__all__ = [
    "ARRIVED",
    "EVENT_STREAM",
    "JSON",
    "WHOLE",
    "AddressTooLong",
    "Answer",
    "App",
    "Behind",
    "Call",
    "Caller",
    "ClientGone",
    "Dialect",
    "Edge",
    "EdgeSettings",
    "EmptyBody",
    "Endpoint",
    "Freshness",
    "Gate",
    "Header",
    "Identify",
    "LateDialect",
    "Lifecycle",
    "MalformedJson",
    "MalformedRequest",
    "Methods",
    "MissingPermission",
    "Numbers",
    "Problems",
    "Receive",
    "Refusal",
    "RefusedUpstream",
    "RequestLog",
    "RequestsTooOften",
    "Resource",
    "RouteUnknown",
    "Scope",
    "Send",
    "Settlement",
    "Stream",
    "TokenBuckets",
    "Upstream",
    "Verify",
    "call_of",
    "describe_error",
    "fresh",
    "read_json",
    "read_or_write",
    "see_all",
    "settled",
]
