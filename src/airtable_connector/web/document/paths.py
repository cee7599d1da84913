"""The operations: every path and method that the service answers."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.records import ATTACHMENTS, DAILY_DIGEST, HEARTBEATS, PROOF, STANDARD_TABLES, Table
from airtable_connector.web.document import examples
from airtable_connector.web.document.airtable_operations import TAG
from airtable_connector.web.document.airtable_paths import ABOUT, airtable_paths
from airtable_connector.web.document.answers import BODY, FRESHNESS, QUOTA, answer, content
from airtable_connector.web.document.budget_paths import budget_paths
from airtable_connector.web.document.message_paths import message_paths
from airtable_connector.web.document.mirror_paths import mirror_paths
from airtable_connector.web.document.operations import body_of, operation, public
from airtable_connector.web.document.own_paths import own_paths
from airtable_connector.web.document.parameters import (
    CHANGES_LIMIT,
    EVENT_LOG_LIMIT,
    ROLLUP_LIMIT,
    address_parameters,
    parameter_ref,
    tables_parameter,
)
from airtable_connector.web.document.record_paths import history_operation, list_operation, paths_of, read_operation
from airtable_connector.web.document.shapes import Schema, ref
from airtable_connector.web.domain.routes import COLLECTIONS, DIGESTS

TAGS: Final[Mapping[str, str]] = {
    "Records": "Sprints, cells, proofs and heartbeats. The same rules hold for the four tables.",
    "Digests": "One row per day, counted by the connector.",
    "Changes": "The change feed: every committed write, in order.",
    "Overview": "What the Dashboard shows.",
    "Webhooks": "What peers tell the connector.",
    "Messages": "What droplets ask and tell each other.",
    "Sample data": "A look and a write to try, refused in production.",
    "Mesh": "How the connector stands with other droplets.",
    "Mirror": "What is on its way to Airtable and back, where the base is a mirror of one there. `docs/sync.md`"
    " explains it.",
    "Service": "What the service tells about itself.",
    TAG: ABOUT,
}

_BY_NAME: Final[Mapping[str, Table]] = {table.name: table for table in STANDARD_TABLES}
_TABLE_NAMES: Final = list(_BY_NAME)


def paths() -> dict[str, Schema]:
    """Return what each path answers, by path."""
    described: dict[str, Schema] = {}
    for path, name in COLLECTIONS.items():
        described |= paths_of(path, _BY_NAME[name])
    described |= _digests() | _changes() | _overview() | _webhooks() | message_paths() | _sample()
    described |= _attachments() | _mesh() | _service() | own_paths() | budget_paths() | mirror_paths()
    described |= airtable_paths()
    return {path: {"parameters": [parameter_ref("TraceId")], **methods} for path, methods in described.items()}


# digests


def _digests() -> dict[str, Schema]:
    written = examples.success({"records": [examples.record(DAILY_DIGEST)]}, summary=examples.DIGEST_SUMMARY)
    return {
        DIGESTS: {
            "get": list_operation(DAILY_DIGEST, "Digests"),
            "post": operation(
                "Digests",
                "writeDigest",
                "Count a day and write its digest",
                {"200": answer("The row, and its summary.", "DigestWritten", written, "Position")},
                description="However often it runs, a date has one row. Without a body, today's is written.",
                body=body_of("DigestRequest", {"date": "2026-01-31"}, required=False),
                refused=BODY,
            ),
        },
        f"{DIGESTS}/{{id}}": {"get": read_operation(DAILY_DIGEST, "Digests")},
        f"{DIGESTS}/{{id}}/history": {"get": history_operation(DAILY_DIGEST, "Digests")},
    }


# changes


def _changes() -> dict[str, Schema]:
    return {
        "/changes": {
            "get": operation(
                "Changes",
                "pullChanges",
                "Read changes beyond a feed position",
                {"200": answer("Changes, oldest first.", "Changes", examples.success(examples.CHANGES), *FRESHNESS)},
                description="Ask again `after` the `position` that was answered, for as long as `more` is true.",
                parameters=[
                    *(parameter_ref("After"), CHANGES_LIMIT, tables_parameter(_TABLE_NAMES)),
                    parameter_ref("MaxStaleness"),
                ],
                refused=(404, 422, 504),
            )
        },
        "/events": {
            "get": operation(
                "Changes",
                "streamChanges",
                "Be told of each change",
                {
                    "200": content(
                        "Endless events named `change`; the data is a Change, the id its `seq`.",
                        "text/event-stream",
                        {"type": "string"},
                        examples.EVENTS,
                        *QUOTA,
                    )
                },
                description="Begins now, or after `Last-Event-ID` or `after`. A silent stream sends comments.",
                parameters=[parameter_ref("After"), tables_parameter(_TABLE_NAMES), parameter_ref("LastEventId")],
                refused=(404, 422),
            )
        },
    }


# attachments


def _attachments() -> dict[str, Schema]:
    bytes_of_it = content(
        "The bytes, for saving. Types that a browser could run are told as `application/octet-stream`.",
        "application/octet-stream",
        {"type": "string"},
        "hello",
    )
    return {
        f"{ATTACHMENTS}{{id}}": {
            "get": public(
                operation(
                    "Records",
                    "readAttachment",
                    "Read the bytes of an attachment",
                    {"200": bytes_of_it},
                    description="Take the `url` of an attachment as a record shows it. It works for some hours and"
                    " needs no token; one that is changed is refused with 403, and so is one that has expired.",
                    parameters=[parameter_ref("Content"), *address_parameters()],
                    refused=(404,),
                )
            )
        }
    }


# overview


def _overview() -> dict[str, Schema]:
    return {
        "/heartbeats/rollup": {
            "get": operation(
                "Overview",
                "readRollups",
                "Read the load of cells by the hour",
                {
                    "200": answer(
                        "Hours by cell, then time.", "Rollups", examples.success({"rollups": [examples.ROLLUP]})
                    )
                },
                parameters=[*map(parameter_ref, ("Cell", "Since", "Until")), ROLLUP_LIMIT, parameter_ref("Offset")],
                refused=(422,),
            )
        },
        "/dashboard": {
            "get": operation(
                "Overview",
                "readDashboard",
                "Read the cells and their sum",
                {
                    "200": answer(
                        "Every cell that has beaten, in `data` and beside it.",
                        "Dashboard",
                        examples.success(examples.DASHBOARD, **examples.DASHBOARD),
                    )
                },
                refused=(422,),
            )
        },
    }


# webhooks


def _webhook(name: str, summary: str, *, notice: str, example: object, received: str, answered: object) -> Schema:
    return operation(
        "Webhooks",
        name,
        summary,
        {"200": answer("Kept.", received, examples.success(answered), "Replayed")},
        parameters=[parameter_ref("IdempotencyKey")],
        body=body_of(notice, example),
        refused=(*BODY, 409),
    )


def _webhooks() -> dict[str, Schema]:
    return {
        "/webhook": {
            "get": operation(
                "Webhooks",
                "readEventLog",
                "Read the event log, newest first",
                {"200": answer("Events.", "LoggedEvents", examples.success({"events": [examples.LOGGED]}))},
                parameters=[parameter_ref("Before"), EVENT_LOG_LIMIT],
                refused=(422,),
            ),
            "post": _webhook(
                "receiveWebhook",
                "Keep an event in the event log",
                notice="AnyObject",
                example=examples.NOTICE,
                received="Received",
                answered={"received": True},
            ),
        },
        "/proof-webhook": {
            "post": _webhook(
                "receiveProof",
                "Keep an event, and add or change the Proof that it tells of",
                notice="ProofNotice",
                example=examples.PROOF_NOTICE,
                received="ProofReceived",
                answered={"received": True, "record": examples.record(PROOF)},
            )
        },
        "/heartbeat-webhook": {
            "post": _webhook(
                "receiveHeartbeat",
                "Keep an event, and add the Heartbeat that it tells of",
                notice="HeartbeatNotice",
                example=examples.HEARTBEAT_NOTICE,
                received="HeartbeatReceived",
                answered={"received": True, "record": examples.record(HEARTBEATS)},
            )
        },
    }


# sample data


def _sample() -> dict[str, Schema]:
    return {
        "/read": {
            "get": operation(
                "Sample data",
                "readSample",
                "Look at the first records of each table",
                {
                    "200": answer(
                        "Up to five records of each table.",
                        "SampleShown",
                        examples.success({table.name: [examples.record(table)] for table in STANDARD_TABLES}),
                    )
                },
            )
        },
        "/write": {
            "post": operation(
                "Sample data",
                "writeSample",
                "Add a sprint, its cell, its proof and a heartbeat",
                {
                    "201": answer(
                        "What was added.",
                        "SampleWritten",
                        examples.success({name: examples.record(_BY_NAME[name]) for name in COLLECTIONS.values()}),
                    )
                },
                refused=(409, 413, 415),
            )
        },
    }


# the mesh around us


def _mesh() -> dict[str, Schema]:
    registrations = content("Registrations.", "application/json", ref("Registrations"), examples.REGISTRATIONS)
    told = "Tells only; it registers nobody, and reads no body."
    return {
        "/dependencies": {
            "get": operation(
                "Mesh",
                "readDependencies",
                "Read how we stand with the droplets we depend on",
                {"200": answer("What is known of each.", "Dependencies", examples.DEPENDENCIES)},
                description="`missing` repeats those required that were never seen. No peer is asked.",
            )
        },
        "/register": {
            method: public(
                operation("Mesh", name, "Read where we are registered", {"200": registrations}, description=told)
            )
            for method, name in (("get", "readRegistrations"), ("post", "showRegistrations"))
        },
    }


# the service itself


def _service() -> dict[str, Schema]:
    return {
        "/health": {
            "get": public(
                operation(
                    "Service",
                    "readHealth",
                    "Tell whether the droplet works",
                    {"200": content("How it is.", "application/json", ref("Health"), examples.HEALTH)},
                    description="The UDC health object. The number is 200 whatever the status: the droplet answers.",
                )
            )
        },
        "/": {
            "get": public(
                operation(
                    "Service",
                    "readIndex",
                    "Tell where to go from here",
                    {"200": content("Addresses.", "application/json", ref("Index"), examples.INDEX)},
                )
            )
        },
        "/metrics": {
            "get": operation(
                "Service",
                "readMetrics",
                "Read the metrics, in Prometheus' text format",
                {"200": content("Metrics.", "text/plain", {"type": "string"}, examples.METRICS, *QUOTA)},
            )
        },
        "/openapi.json": {
            "get": operation(
                "Service",
                "readDocument",
                "Read this document",
                {"200": content("OpenAPI 3.1.", "application/json", ref("AnyObject"), {"openapi": "3.1.0"}, *QUOTA)},
            )
        },
        "/docs": {
            "get": operation(
                "Service",
                "readPage",
                "Read this document as a page for people",
                {"200": content("A page.", "text/html", {"type": "string"}, "<!doctype html>", *QUOTA)},
            )
        },
    }
