"""The operations about the droplet itself: UDC's state, capabilities, version, shutdown, emergency stop and reload."""

from typing import Final

from airtable_connector.web.document.answers import BODY, answer
from airtable_connector.web.document.examples import NOW
from airtable_connector.web.document.operations import admin, body_of, operation
from airtable_connector.web.document.shapes import Schema, closed, list_of, nullable, ref

_SCHEDULED: Final = {
    "reason": "new version",
    "scheduled_at": NOW,
    "due_at": "2026-01-31T12:00:10.000Z",
    "by": 5,
}

_STATE: Final = {
    "cpu_percent": 3.2,
    "memory_mb": 96.4,
    "uptime_seconds": 86_400.5,
    "requests_total": 1_204_511,
    "requests_per_minute": 840,
    "errors_last_hour": 0,
    "last_restart": "2026-01-30T12:00:00.000Z",
    "shutdown": None,
    "store": {"kind": "sqlite", "head": 1041, "writable": True, "cache_bytes": 1_843_200, "recomputations": 0},
    "timestamp": NOW,
}

_BUILD: Final = {"build_date": "2026-01-30T10:12:00+00:00", "commit_hash": "99b0462c9365f52d71dd644f513837799b383410"}

_CAPABILITIES: Final = {
    "version": "0.1.0",
    "features": ["records", "change-feed", "event-stream"],
    "dependencies": ["registry"],
    "udc_version": "1.0",
    "metadata": {**_BUILD, "source": "build", "environment": "production"},
    "timestamp": NOW,
}

_VERSION: Final = {
    "version": "0.1.0",
    **_BUILD,
    "environment": "production",
    "deployed_by": "Haythem",
    "source": "build",
    "modified": None,
    "timestamp": NOW,
}

_RELOADED: Final = {
    "reloaded": True,
    "config_path": "udc_config.json",
    "changed": [
        {"name": "RATE_LIMIT_PER_MINUTE", "applied": True, "before": "6000", "after": "600"},
        {"name": "PORT", "applied": False, "before": "8000", "after": "8080"},
    ],
    "needs_restart": ["PORT"],
    "timestamp": NOW,
}


def own_paths() -> dict[str, Schema]:
    """Return what each path about ourselves answers."""
    return {
        "/state": {
            "get": operation(
                "Service",
                "readState",
                "Read what the process has done and what it uses",
                {"200": answer("Measured, all of it, and of this process alone.", "State", _STATE)},
            )
        },
        "/capabilities": {
            "get": operation(
                "Service",
                "readCapabilities",
                "Read what the droplet can do as it is set up",
                {"200": answer("What is switched on.", "Capabilities", _CAPABILITIES)},
            )
        },
        "/version": {
            "get": operation(
                "Service",
                "readVersion",
                "Read which program this is",
                {"200": answer("What is not known is `unknown`.", "Version", _VERSION)},
                description="`source` tells who says so: `build` (an image or an installation), `checkout` (git; the"
                " date is the commit's), or `unknown`.",
            )
        },
        "/shutdown": _shutdown(),
        "/emergency-stop": {
            "post": admin(
                operation(
                    "Service",
                    "emergencyStop",
                    "End the process at once",
                    {
                        "200": answer(
                            "The last answer.",
                            "EmergencyStopped",
                            {"emergency_stop": True, "initiated_by": 5, "timestamp": NOW},
                        )
                    },
                    description="Requests at work are broken off. What was acknowledged is on disk. No body is read.",
                    refused=(413, 415),
                )
            )
        },
        "/reload-config": {
            "post": admin(
                operation(
                    "Service",
                    "reloadConfig",
                    "Read the settings' files again",
                    {"200": answer("What has changed since the settings in force.", "ConfigReloaded", _RELOADED)},
                    description="Whole or not at all: with one mistake nothing is changed, and all are listed in"
                    " `error.details.mistakes`. Environment and command line stay stronger than the files.",
                    body=body_of("ReloadRequest", {"config_path": "udc_config.json"}, required=False),
                    refused=BODY,
                )
            )
        },
    }


def _shutdown() -> dict[str, Schema]:
    scheduled = {"shutdown_scheduled": True, "delay_seconds": 10, **_SCHEDULED, "replaced": None, "timestamp": NOW}
    cancelled = {"shutdown_scheduled": False, "cancelled": _SCHEDULED, "timestamp": NOW}
    return {
        "post": admin(
            operation(
                "Service",
                "scheduleShutdown",
                "Stop after a delay, with everything finished",
                {"200": answer("When it will be.", "ShutdownScheduled", scheduled)},
                description="Takes the place of one that was scheduled before. `GET /state` shows it.",
                body=body_of("ShutdownRequest", {"delay_seconds": 10, "reason": "new version"}, required=False),
                refused=(*BODY, 409),
            )
        ),
        "delete": admin(
            operation(
                "Service",
                "cancelShutdown",
                "Call the scheduled shutdown off",
                {"200": answer("What will not be.", "ShutdownCancelled", cancelled)},
                refused=(404, 409, 413, 415),
            )
        ),
    }


_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_TEXT: Final[Schema] = {"type": "string"}
_SOURCE: Final[Schema] = {"enum": ["build", "checkout", "unknown"]}
_PLAN: Final[dict[str, Schema]] = {
    "reason": _TEXT,
    "scheduled_at": ref("Moment"),
    "due_at": ref("Moment"),
    "by": {"type": "integer", "description": "The droplet that asked for it."},
}

OWN_SCHEMAS: Final[dict[str, Schema]] = {
    "State": closed(
        {
            "cpu_percent": {
                "type": "number",
                "minimum": 0,
                "description": "Of one processor, over the last five to ten seconds; all threads together.",
            },
            "memory_mb": {"type": "number", "description": "Resident, in MiB."},
            "uptime_seconds": {"type": "number", "minimum": 0},
            "requests_total": {**_COUNT, "description": "Answered since the start."},
            "requests_per_minute": {**_COUNT, "description": "Answered in the last minute, to the second."},
            "errors_last_hour": {**_COUNT, "description": "Answered with 5xx in the last hour, to ten seconds."},
            "last_restart": ref("Moment"),
            "shutdown": nullable(ref("PlannedShutdown")),
            "store": closed(
                {
                    "kind": {"enum": ["sqlite", "postgresql"]},
                    "head": {**_COUNT, "description": "The feed's last sequence."},
                    "writable": {"type": "boolean", "description": "Whether the last write or probe worked."},
                    "cache_bytes": {**_COUNT, "description": "Memory of records kept ready, estimated."},
                    "recomputations": {**_COUNT, "description": "Recomputations of cells that wait."},
                }
            ),
            "airtable": {
                "type": "object",
                "additionalProperties": True,
                "description": "Of a mirror: whether this process asks Airtable (`leads`), how far the `mirror` has"
                " come, and what the `outbox` holds. docs/sync.md explains it.",
            },
            "timestamp": ref("Moment"),
        },
        optional=("airtable",),
    ),
    "PlannedShutdown": closed(_PLAN),
    "Capabilities": closed(
        {
            "version": _TEXT,
            "features": list_of(_TEXT),
            "dependencies": {**list_of(_TEXT), "description": "Droplets that this one is set up to need."},
            "udc_version": {"const": "1.0"},
            "metadata": closed({"build_date": _TEXT, "commit_hash": _TEXT, "source": _SOURCE, "environment": _TEXT}),
            "timestamp": ref("Moment"),
        }
    ),
    "Version": closed(
        {
            "version": _TEXT,
            "build_date": _TEXT,
            "commit_hash": _TEXT,
            "environment": {"enum": ["development", "production"]},
            "deployed_by": _TEXT,
            "source": _SOURCE,
            "modified": {
                **nullable({"type": "boolean"}),
                "description": "Whether a checkout's files differ from its commit.",
            },
            "timestamp": ref("Moment"),
        }
    ),
    "ShutdownRequest": closed(
        {
            "delay_seconds": nullable({"type": "number", "minimum": 0, "maximum": 300}),
            "reason": nullable({"type": "string", "maxLength": 200, "description": "One line."}),
        },
        optional=("delay_seconds", "reason"),
    ),
    "ShutdownScheduled": closed(
        {
            "shutdown_scheduled": {"const": True},
            "delay_seconds": {"type": "number"},
            **_PLAN,
            "replaced": nullable(ref("PlannedShutdown")),
            "timestamp": ref("Moment"),
        }
    ),
    "ShutdownCancelled": closed(
        {
            "shutdown_scheduled": {"const": False},
            "cancelled": ref("PlannedShutdown"),
            "timestamp": ref("Moment"),
        }
    ),
    "EmergencyStopped": closed(
        {
            "emergency_stop": {"const": True},
            "initiated_by": {"type": "integer", "description": "The droplet that asked for it."},
            "timestamp": ref("Moment"),
        }
    ),
    "ReloadRequest": closed(
        {
            "config_path": nullable(
                {
                    "type": "string",
                    "description": "A .json file in the working directory, in the place of udc_config.json.",
                }
            )
        },
        optional=("config_path",),
    ),
    "ConfigReloaded": closed(
        {
            "reloaded": {"const": True},
            "config_path": _TEXT,
            "changed": list_of(
                closed(
                    {
                        "name": _TEXT,
                        "applied": {"type": "boolean", "description": "false: it waits for the next start."},
                        "before": {**_TEXT, "description": "The value in force; secrets are hidden."},
                        "after": _TEXT,
                    }
                )
            ),
            "needs_restart": list_of(_TEXT),
            "timestamp": ref("Moment"),
        }
    ),
}
"""Schemas of what is said about ourselves."""
