"""The operations for messages between droplets."""

from typing import Final

from airtable_connector.web.document.answers import BODY, answer
from airtable_connector.web.document.examples import NOW, TRACE_ID
from airtable_connector.web.document.operations import body_of, operation
from airtable_connector.web.document.shapes import Schema, closed, list_of, nullable, ref, success

_TYPES: Final = ["status", "event", "command", "query", "response", "error"]
_STATES: Final = ["queued", "delivered", "error", "cancelled"]

MESSAGE: Final = {
    "udc_version": "1.0",
    "trace_id": TRACE_ID,
    "source": "5",
    "target": "2",
    "message_type": "query",
    "payload": {"query": "sprints", "filter": {"Status": "Active"}, "limit": 10},
    "timestamp": NOW,
}

_ANSWERED: Final = {
    "received": True,
    "trace_id": TRACE_ID,
    "processed_at": NOW,
    "result": "success",
    "data": {"records": []},
}

_LETTER: Final = {
    "trace_id": TRACE_ID,
    "target": "5",
    "message_type": "event",
    "priority": "normal",
    "status": "delivered",
    "attempts": 1,
    "retry_count": 3,
    "sender": 5,
    "created_at": NOW,
    "next_attempt_at": None,
    "ended_at": NOW,
}

_WHOLE_LETTER: Final = {
    **_LETTER,
    "payload": {"sprint": "SPR-0417"},
    "answer": {"received": True},
    "tries": [{"number": 1, "at": NOW, "took_ms": 12, "http_status": 200, "reason": "delivered"}],
    "replies": [{"at": NOW, "droplet": 5, "source": "5", "message_type": "response", "timestamp": NOW, "payload": {}}],
}


def message_paths() -> dict[str, Schema]:
    """Return what each path for messages answers."""
    return {
        "/message": {
            "post": operation(
                "Messages",
                "receiveMessage",
                "Send this droplet a message",
                {"200": answer("It was taken; `result` says what came of it.", "MessageAnswered", _ANSWERED)},
                description="Queries and commands name a verb in their payload; docs/udc.md lists them. A repeated"
                " trace_id is answered as the first time and done once. What a payload asks for may be refused: then"
                " `result` is `error`, and the number is 200 all the same. Reading needs the permission read, changes"
                " need write.",
                body=body_of("Message", MESSAGE),
                refused=(409, *BODY),
            )
        },
        "/send": {
            "post": operation(
                "Messages",
                "sendMessage",
                "Have a message sent to another droplet",
                {"200": answer("Stored; and delivered, as far as that is known by now.", "MessageSent", _SENT)},
                description="Waits a second for the first attempt, or as long as `Prefer: wait=` says, at most 30."
                " The Orchestrator's form works, too: `target_droplet_id` and `message_type` as query parameters, and"
                " the whole body as payload.",
                parameters=[_PREFER],
                body=body_of("MessageToSend", _TO_SEND),
                refused=(404, 409, *BODY),
            )
        },
        "/messages": {
            "get": operation(
                "Messages",
                "listMessages",
                "List the messages that were sent from here",
                {"200": answer("Newest first.", "Messages", _envelope({"messages": [_LETTER], "counts": {}}))},
                parameters=_LIST_PARAMETERS,
                refused=(404, 422),
            )
        },
        "/messages/{id}": {
            "get": operation(
                "Messages",
                "readMessage",
                "Read what became of a message",
                {"200": answer("With its attempts and replies.", "WholeMessage", _envelope(_WHOLE_LETTER))},
                parameters=[_ID],
                refused=(404,),
            ),
            "delete": operation(
                "Messages",
                "cancelMessage",
                "Withdraw a message that is queued",
                {"200": answer("It is not sent any more.", "OneMessage", _envelope(_LETTER))},
                parameters=[_ID],
                refused=(404, 409, 413, 415),
            ),
        },
        "/messages/{id}/retry": {
            "post": operation(
                "Messages",
                "retryMessage",
                "Queue a message again that failed or was cancelled",
                {"200": answer("It is queued.", "OneMessage", _envelope(_LETTER))},
                parameters=[_ID],
                body=body_of("RetryRequest", {"retry_count": 3}, required=False),
                refused=(404, 409, *BODY),
            ),
        },
    }


def _envelope(data: object) -> dict[str, object]:
    return {"status": "success", "data": data, "timestamp": NOW}


_SENT: Final = {"sent": True, "target": "5", "trace_id": TRACE_ID, "status": "delivered", "timestamp": NOW}
_TO_SEND: Final = {
    "target": "5",
    "message_type": "event",
    "payload": {"sprint": "SPR-0417"},
    "retry_count": 10,
    "trace_id": TRACE_ID,
}

_TEXT: Final[Schema] = {"type": "string"}
_UUID: Final[Schema] = {"type": "string", "format": "uuid"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_PARTY: Final[Schema] = {
    "anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1, "maxLength": 253}],
    "description": "A droplet's number, id or name.",
}
_RETRIES: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 10}
_PRIORITY: Final[Schema] = {"enum": ["high", "normal", "low"]}
_OBJECT: Final[Schema] = {"type": "object"}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


_ID: Final[Schema] = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": _UUID,
    "description": "The trace_id.",
    "example": TRACE_ID,
}
_PREFER: Final[Schema] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait=SECONDS` (RFC 7240).",
}
_LIST_PARAMETERS: Final = [
    _query("state", {"enum": _STATES}, "Only messages in this state."),
    _query("target", {"type": "string", "minLength": 1, "maxLength": 253}, "Only those to this droplet."),
    _query("trace_id", _UUID, "Only this one."),
    _query("before", {"type": "integer", "minimum": 1, "maximum": 2**62}, "As the page before said."),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "Messages in one answer; 100 when left out."),
]

_LETTER_MEMBERS: Final[dict[str, Schema]] = {
    "trace_id": _UUID,
    "target": _TEXT,
    "message_type": {"enum": _TYPES},
    "priority": _PRIORITY,
    "status": {"enum": _STATES},
    "attempts": _COUNT,
    "retry_count": _COUNT,
    "sender": _COUNT,
    "created_at": ref("Moment"),
    "next_attempt_at": nullable(ref("Moment")),
    "ended_at": nullable(ref("Moment")),
}

MESSAGE_SCHEMAS: Final[dict[str, Schema]] = {
    "Message": {
        "type": "object",
        "required": ["trace_id", "source", "target", "message_type", "payload", "timestamp"],
        "properties": {
            "udc_version": {"description": "`1.0`; nothing depends on it."},
            "trace_id": _UUID,
            "source": _PARTY,
            "target": _PARTY,
            "message_type": {"enum": _TYPES},
            "payload": _OBJECT,
            "timestamp": {"type": "string", "format": "date-time"},
            "signature": nullable({"type": "string", "description": "A token of the sender's, when it gives one."}),
        },
    },
    "MessageAnswered": closed(
        {
            "received": {"const": True},
            "trace_id": _UUID,
            "processed_at": ref("Moment"),
            "result": {"enum": ["success", "queued", "error"]},
            "data": _OBJECT,
            "error": {"type": "object", "required": ["code", "message", "details"]},
        },
        optional=("data", "error"),
    ),
    "MessageToSend": closed(
        {
            "target": _PARTY,
            "message_type": {"enum": _TYPES},
            "payload": _OBJECT,
            "priority": _PRIORITY,
            "retry_count": _RETRIES,
            "trace_id": nullable(_UUID),
        },
        optional=("priority", "retry_count", "trace_id"),
    ),
    "MessageSent": closed(
        {
            "sent": {"type": "boolean"},
            "target": _TEXT,
            "trace_id": _UUID,
            "status": {"enum": ["delivered", "queued", "error"]},
            "timestamp": ref("Moment"),
        }
    ),
    "SentMessage": closed(_LETTER_MEMBERS),
    "OneMessage": success(ref("SentMessage")),
    "Messages": success(
        closed(
            {
                "messages": list_of(ref("SentMessage")),
                "counts": {"type": "object", "additionalProperties": _COUNT, "description": "All messages by status."},
                "before": _COUNT,
            },
            optional=("before",),
        )
    ),
    "WholeMessage": success(
        closed(
            {
                **_LETTER_MEMBERS,
                "payload": _OBJECT,
                "answer": {"description": "What the target answered to the delivery."},
                "tries": list_of(
                    closed(
                        {
                            "number": _COUNT,
                            "at": ref("Moment"),
                            "took_ms": _COUNT,
                            "http_status": nullable(_COUNT),
                            "reason": _TEXT,
                        }
                    )
                ),
                "replies": list_of(_OBJECT),
            }
        )
    ),
    "RetryRequest": closed({"retry_count": _RETRIES}, optional=("retry_count",)),
}
