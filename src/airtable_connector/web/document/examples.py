"""Examples: one record of each table, and the answers around it."""

from typing import Any, Final

from airtable_connector.records import CELLS, DAILY_DIGEST, HEARTBEATS, PROOF, SPRINTS, Table

Example = dict[str, Any]

NOW: Final = "2026-01-31T12:00:00.000Z"
TRACE_ID: Final = "0f8fad5b-d9cb-469f-a165-70867728950e"
RECORD_ID: Final = "recT5rq0Wn3xYz8Ka"
CONTENT: Final = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

CELLS_OF: Final[dict[str, Example]] = {
    SPRINTS.name: {
        "Sprint_ID": "SPR-0417",
        "Name": "Retry queue for failed writes",
        "Dev_Name": "Amira",
        "Status": "Active",
        "Proof_URL": "https://git.example/mesh/pull/417",
        "Time_Spent_hr": 6.5,
        "Notes": "Backs off, then gives up with a reason.",
    },
    CELLS.name: {
        "Cell_ID": "cell-07",
        "Role": "Builder",
        "IP_Address": "10.1.0.7",
        "Health_Status": "OK",
        "Cost_per_hr": 0.0125,
    },
    PROOF.name: {
        "Proof_ID": "PRF-0932",
        "Sprint_ID": "SPR-0417",
        "Result": "passed: 42 tests",
        "Token": "9f2d6c",
        "Timestamp": NOW,
    },
    HEARTBEATS.name: {"Cell_ID": "cell-07", "CPU_Usage": 12.5, "RAM_Usage": 40.2, "Status": "active"},
    DAILY_DIGEST.name: {
        "Date": "2026-01-31",
        "Total_Droplets": 12,
        "Active_Droplets": 11,
        "Uptime_Percentage": 99.2,
        "Total_Sprints": 340,
        "Completed_Sprints": 301,
        "Daily_Summary": "2026-01-31: 11 of 12 droplets active.",
        "Timestamp": NOW,
    },
}
"""What a write may send; what the store computes is not among it."""

CHANGE: Final[Example] = {
    "seq": 1041,
    "at": NOW,
    "table": SPRINTS.name,
    "record": RECORD_ID,
    "action": "update",
    "actor": 5,
    "trace_id": TRACE_ID,
    "before": {"Status": "Active"},
    "after": {"Status": "Done"},
}
CHANGES: Final[Example] = {"changes": [CHANGE], "position": 1041, "more": False}

DASHBOARD: Final[Example] = {
    "droplets": [
        {
            "id": "cell-07",
            "name": "cell-07",
            "role": "Builder",
            "ip": "10.1.0.7",
            "cost_hour": 0.0125,
            "cpu": 12.5,
            "mem": 40.2,
            "last_seen": 1769860800,
            "status": "healthy",
        }
    ],
    "summary": {"total": 1, "healthy": 1, "down": 0, "cost_hour_total": 0.0125},
}

DIGEST_SUMMARY: Final[Example] = {
    "date": "2026-01-31",
    "total_droplets": 12,
    "active_droplets": 11,
    "uptime_percentage": 99.2,
    "offline_cells": 1,
    "new_sprints_today": 3,
    "total_sprints_in_system": 340,
    "completed_sprints": 301,
    "active_sprints": 24,
    "pending_sprints": 15,
    "total_proofs_in_system": 290,
    "proofs_submitted_today": 5,
    "proofs_verified_today": 4,
    "proofs_failed_today": 0,
    "proofs_pending_today": 1,
}

HEALTH: Final[Example] = {
    "id": 2,
    "name": "Airtable Connector",
    "steward": "Haythem",
    "status": "active",
    "endpoint": "https://drop2.fullpotential.ai",
    "proof": "5d41402abc4b2a76b9719d911017c592ae3f1d0a8c2e6f7b94a1d35e0c8f2b67",
    "cost_usd": 0.0125,
    "yield_usd": 0.0,
    "updated_at": NOW,
    "checks": {"store": "ok", "registry": "connected", "orchestrator": "not configured"},
}

DEPENDENCIES: Final[Example] = {
    "required": [
        {
            "id": 18,
            "name": "Registry",
            "status": "connected",
            "endpoint": "https://drop18.fullpotential.ai",
            "last_contact": NOW,
            "latency_ms": 41.7,
            "reason": None,
            "failing_since": None,
            "told": None,
        }
    ],
    "optional": [],
    "missing": [],
    "timestamp": NOW,
}

REGISTRATIONS: Final[Example] = {
    "id": 2,
    "name": "Airtable Connector",
    "registrations": [{"id": 18, "name": "Registry", "registered": True, "registered_at": NOW}],
    "timestamp": NOW,
}

INDEX: Final[Example] = {
    "name": "Airtable Connector",
    "health": "/health",
    "docs": "/docs",
    "openapi": "/openapi.json",
}

ROLLUP: Final[Example] = {
    "cell_id": "cell-07",
    "hour": "2026-01-31T11:00:00.000Z",
    "beats": 60,
    "cpu": {"min": 3.5, "avg": 11.9, "max": 48.0},
    "ram": {"min": 39.8, "avg": 40.1, "max": 40.9},
}

PROOF_NOTICE: Final[Example] = {
    "proof_id": "PRF-0932",
    "sprint_id": "SPR-0417",
    "status": "passed: 42 tests",
    "developer": "Amira",
}
HEARTBEAT_NOTICE: Final[Example] = {"cell_id": "cell-07", "status": "active", "cpu": 12.5, "memory": 40.2}
NOTICE: Final[Example] = {"event": "deploy", "version": "1.4.0"}

LOGGED: Final[Example] = {
    "seq": 77,
    "at": NOW,
    "kind": "webhook",
    "actor": 5,
    "trace_id": TRACE_ID,
    "payload": NOTICE,
}

EVENTS: Final = (
    ": the change feed of droplet 2\nretry: 2000\n\n"
    'id: 1041\nevent: change\ndata: {"seq":1041,"table":"Sprints","action":"update","after":{"Status":"Done"}}\n\n'
)

METRICS: Final = "# TYPE connector_http_requests_total counter\n"


def record(table: Table) -> Example:
    """Show a record as it is answered."""
    facts = {field.name: NOW for field in table.fields if field.computed}
    return {"id": RECORD_ID, "createdTime": NOW, "fields": CELLS_OF[table.name] | facts}


def success(data: object, **beside: object) -> Example:
    """Show data in the success envelope."""
    return {"status": "success", "data": data, **beside, "timestamp": NOW}


def page(table: Table) -> Example:
    """Show a page of a list that goes on."""
    members = {"records": [record(table)], "offset": "WyJhMWIyYzNkNGU1ZjYiLDQxN10"}
    return success(members, **members)


def records(table: Table) -> Example:
    """Show the records of a write that sent many."""
    members = {"records": [record(table)]}
    return success(members, **members)


def problem(code: str, message: str, **details: object) -> Example:
    """Show an error."""
    return {
        "status": "error",
        "error": {"code": code, "message": message, "details": {"trace_id": TRACE_ID, **details}},
        "timestamp": NOW,
    }
