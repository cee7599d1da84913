"""Every schema of the document: the tables' own are made from their definitions, the rest is told here once."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.records import DAILY_DIGEST, LONGEST_KEY, LONGEST_TEXT, STANDARD_TABLES, Action
from airtable_connector.web.document.airtable_comments import COMMENT_SCHEMAS
from airtable_connector.web.document.airtable_designing import DESIGNING_SCHEMAS
from airtable_connector.web.document.airtable_schemas import AIRTABLE_SCHEMAS
from airtable_connector.web.document.airtable_webhooks import WEBHOOK_SCHEMAS
from airtable_connector.web.document.budget_paths import BUDGET_SCHEMAS
from airtable_connector.web.document.message_paths import MESSAGE_SCHEMAS
from airtable_connector.web.document.mirror_paths import MIRROR_SCHEMAS
from airtable_connector.web.document.own_paths import OWN_SCHEMAS
from airtable_connector.web.document.records import SINGULAR, answered, sent
from airtable_connector.web.document.shapes import (
    KEY,
    TEXT,
    Schema,
    airtable_id,
    closed,
    list_of,
    nullable,
    ref,
    said,
    success,
)


def schemas() -> dict[str, Schema]:
    """Return every schema of the document by its name."""
    airtable = {**AIRTABLE_SCHEMAS, **DESIGNING_SCHEMAS, **COMMENT_SCHEMAS, **WEBHOOK_SCHEMAS}
    described = {**_COMMON, **MESSAGE_SCHEMAS, **OWN_SCHEMAS, **BUDGET_SCHEMAS, **MIRROR_SCHEMAS, **airtable}
    for table in STANDARD_TABLES:
        described.update(answered(table))
        if table.name != DAILY_DIGEST.name:
            described.update(sent(table))
    return described


_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_PEER_WORDS: Final = ["connected", "disconnected", "not configured"]
_LOAD: Final = nullable(closed({"min": {"type": "number"}, "avg": {"type": "number"}, "max": {"type": "number"}}))
_CELLS_OF_A_CHANGE: Final[Schema] = {
    "type": ["object", "null"],
    "additionalProperties": True,
    "description": "Cells by field name. Of an update only those that differ; null where there was no record. With the"
    " action `schema` the members of the table's definition that differ, fields under their ids.",
}

_DROPLETS: Final[Mapping[str, Schema]] = {
    "droplets": list_of(
        closed(
            {
                "id": {"type": "string"},
                "name": {"type": "string"},
                "role": {"type": "string"},
                "ip": {"type": "string"},
                "cost_hour": {"type": "number"},
                "cpu": {"type": "number", "minimum": 0, "maximum": 100},
                "mem": {"type": "number", "minimum": 0, "maximum": 100},
                "last_seen": {"type": "integer", "description": "Seconds since 1970."},
                "status": {"enum": ["healthy", "down"]},
            },
            optional=("role", "ip", "cost_hour", "cpu", "mem"),
        )
    ),
    "summary": closed(
        {"total": _COUNT, "healthy": _COUNT, "down": _COUNT, "cost_hour_total": {"type": "number"}},
    ),
}

_DIGEST_COUNTS: Final = (
    "total_droplets", "active_droplets", "offline_cells", "new_sprints_today", "total_sprints_in_system",
    "completed_sprints", "active_sprints", "pending_sprints", "total_proofs_in_system", "proofs_submitted_today",
    "proofs_verified_today", "proofs_failed_today", "proofs_pending_today",
)  # fmt: skip

_COMMON: Final[Mapping[str, Schema]] = {
    "Error": closed(
        {
            "status": {"const": "error"},
            "error": closed(
                {
                    "code": {
                        "enum": [
                            "INVALID_REQUEST",
                            "UNAUTHORIZED",
                            "FORBIDDEN",
                            "NOT_FOUND",
                            "CONFLICT",
                            "RATE_LIMITED",
                            "DEPENDENCY_UNAVAILABLE",
                            "INTERNAL_ERROR",
                        ]
                    },
                    "message": {"type": "string", "description": "What was wrong, for people."},
                    "details": ref("ErrorDetails"),
                },
            ),
            "timestamp": ref("Moment"),
        }
    ),
    "ErrorDetails": {
        "type": "object",
        "required": ["trace_id", "reason"],
        "properties": {
            "trace_id": {"type": "string", "description": "Finds the request in the connector's log."},
            "reason": {
                "type": "string",
                "pattern": "^[a-z]+(-[a-z]+)*$",
                "description": "What was wrong, for programs.",
            },
            "field": {"type": "string", "description": "Which input was wrong."},
            "hint": {"type": "string", "description": "What to do about it."},
            "index": {**_COUNT, "description": "Which record of a list was refused, counted from 0."},
        },
        "additionalProperties": True,
    },
    "Warnings": {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "description": "What was left out of the write, and why.",
    },
    "Moment": {"type": "string", "format": "date-time", "description": "ISO 8601; without a zone it means UTC."},
    "Date": {"type": "string", "format": "date"},
    "RecordId": {"type": "string", "pattern": "^rec[0-9A-Za-z]{14}$"},
    "Offset": {"type": "string", "minLength": 1, "description": "Opaque; asks for the next page. Absent on the last."},
    "Text": TEXT,
    "Key": {**KEY, "description": "Names the record, and no other of its table."},
    "Empty": {"enum": [None, "", []], "description": "Empties the cell."},
    "Removed": success(closed({"id": ref("RecordId"), "deleted": {"const": True}})),
    "Health": closed(
        {
            "id": {"type": "integer"},
            "name": {"type": "string"},
            "steward": {"type": "string"},
            "status": {
                "enum": ["active", "inactive", "error"],
                "description": "inactive: stopping; error: cannot write.",
            },
            "endpoint": {"type": "string"},
            "proof": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Hash at the change feed's head."},
            "cost_usd": {"type": "number", "description": "What this process has cost this month."},
            "yield_usd": {"type": "number"},
            "updated_at": ref("Moment"),
            "checks": closed(
                {
                    "store": {"enum": ["ok", "error"]},
                    "registry": {"enum": _PEER_WORDS},
                    "orchestrator": {"enum": _PEER_WORDS},
                    "airtable": {"enum": _PEER_WORDS, "description": "Of a mirror."},
                },
                optional=("airtable",),
            ),
        }
    ),
    "Dependency": closed(
        {
            "id": {"type": ["integer", "null"], "description": "Its droplet number, when that is known."},
            "name": {"type": "string"},
            "status": {"enum": ["connected", "disconnected", "available", "unavailable"]},
            "endpoint": {"type": ["string", "null"]},
            "last_contact": nullable(ref("Moment")),
            "latency_ms": {"type": ["number", "null"], "description": "How long its last good answer took."},
            "reason": {"type": ["string", "null"], "description": "Why not, while it does not answer."},
            "failing_since": nullable(ref("Moment")),
            "told": nullable(
                closed(
                    {
                        "message_type": {"type": "string"},
                        "at": ref("Moment"),
                        "payload": nullable({"type": "object", "additionalProperties": True}),
                    }
                )
            ),
        }
    ),
    "Dependencies": closed(
        {
            "required": list_of(ref("Dependency")),
            "optional": list_of(ref("Dependency")),
            "missing": {**list_of(ref("Dependency")), "description": "Those required that were never seen."},
            "timestamp": ref("Moment"),
        }
    ),
    "Registrations": closed(
        {
            "id": {"type": "integer"},
            "name": {"type": "string"},
            "registrations": list_of(
                closed(
                    {
                        "id": {"type": "integer"},
                        "name": {"type": "string"},
                        "registered": {"type": "boolean"},
                        "registered_at": nullable(ref("Moment")),
                    }
                )
            ),
            "timestamp": ref("Moment"),
        }
    ),
    "Index": closed({name: {"type": "string"} for name in ("name", "health", "docs", "openapi")}),
    "Change": closed(
        {
            "seq": {"type": "integer", "minimum": 1, "description": "Its position in the feed."},
            "at": ref("Moment"),
            "table": {
                "type": "string",
                "description": "Its name; in a base that was made below `/v0/` its id, for a name may be there twice.",
            },
            "table_name": {"type": "string", "description": "Of a table in such a base."},
            "base": {**airtable_id("app"), "description": "Such a base."},
            "record": nullable(ref("RecordId")),
            "action": {"enum": [str(action) for action in Action]},
            "actor": {"type": "integer", "description": "The droplet that asked for it."},
            "trace_id": {"type": "string", "description": "The request that did it."},
            "before": _CELLS_OF_A_CHANGE,
            "after": _CELLS_OF_A_CHANGE,
        },
        optional=("table_name", "base"),
    ),
    "Changes": success(
        closed(
            {
                "changes": list_of(ref("Change")),
                "position": {"type": ["integer", "null"], "description": "Ask for the next page `after` this."},
                "more": {"type": "boolean"},
            }
        )
    ),
    "Rollup": closed(
        {
            "cell_id": {"type": "string"},
            "hour": {**ref("Moment"), "description": "The beginning of the UTC hour."},
            "beats": _COUNT,
            "cpu": _LOAD,
            "ram": _LOAD,
        }
    ),
    "Rollups": success(
        closed({"rollups": list_of(ref("Rollup")), "offset": ref("Offset")}, optional=("offset",)),
    ),
    "Dashboard": closed(
        {
            "status": {"const": "success"},
            "data": closed(_DROPLETS),
            **_DROPLETS,
            "timestamp": ref("Moment"),
        }
    ),
    "DigestRequest": {
        **closed({"date": nullable(ref("Date"))}, optional=("date",)),
        "description": "Without a date, today in the digest's time zone.",
    },
    "DigestSummary": closed(
        {
            "date": ref("Date"),
            "uptime_percentage": {"type": "number", "minimum": 0, "maximum": 100},
            **dict.fromkeys(_DIGEST_COUNTS, _COUNT),
        }
    ),
    "DigestWritten": closed(
        {
            "status": {"const": "success"},
            "data": closed({"records": list_of(ref("Digest"), minItems=1, maxItems=1)}),
            "summary": ref("DigestSummary"),
            "timestamp": ref("Moment"),
        }
    ),
    "LoggedEvent": closed(
        {
            "seq": {"type": "integer", "minimum": 1},
            "at": ref("Moment"),
            "kind": {"enum": ["webhook", "proof-webhook", "heartbeat-webhook", "message"]},
            "actor": {"type": "integer"},
            "trace_id": {"type": "string"},
            "payload": {"type": "object", "additionalProperties": True},
        }
    ),
    "LoggedEvents": success(closed({"events": list_of(ref("LoggedEvent"))})),
    "AnyObject": {"type": "object", "additionalProperties": True},
    "ProofNotice": {
        "type": "object",
        "required": ["proof_id", "sprint_id", "status"],
        "properties": {
            "proof_id": said(LONGEST_KEY),
            "sprint_id": said(LONGEST_TEXT),
            "status": {**said(LONGEST_TEXT), "description": "Becomes the proof's Result."},
            "developer": {"description": "Kept in the event log."},
        },
        "additionalProperties": True,
    },
    "HeartbeatNotice": {
        "type": "object",
        "required": ["cell_id"],
        "properties": {
            "cell_id": said(LONGEST_TEXT),
            "status": {"anyOf": [ref("Text"), ref("Empty")]},
            "cpu": {"anyOf": [{"type": "number"}, ref("Empty")], "description": "Percent."},
            "memory": {"anyOf": [{"type": "number"}, ref("Empty")], "description": "Percent."},
        },
        "additionalProperties": True,
    },
    "Received": success(closed({"received": {"const": True}})),
    "ProofReceived": success(closed({"received": {"const": True}, "record": ref("Proof")})),
    "HeartbeatReceived": success(closed({"received": {"const": True}, "record": ref("Heartbeat")})),
    "SampleShown": success(
        closed({table.name: list_of(ref(SINGULAR[table.name])) for table in STANDARD_TABLES}),
    ),
    "SampleWritten": success(
        closed({name: ref(SINGULAR[name]) for name in ("Sprints", "Cells", "Proof", "Heartbeats")}),
    ),
}
"""Schemas that no table defines."""
