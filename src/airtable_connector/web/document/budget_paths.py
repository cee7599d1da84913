"""The operation that tells what the month's calls to Airtable were spent on."""

from typing import Final

from airtable_connector.web.document import examples
from airtable_connector.web.document.answers import answer
from airtable_connector.web.document.operations import operation
from airtable_connector.web.document.shapes import Schema, closed, list_of, nullable, ref, success

_BUDGET: Final = {
    "month": "2026-01",
    "ends": "2026-02-01T00:00:00.000Z",
    "plan": "team",
    "allowance": 100_000,
    "calls": 98_440,
    "left": 1_560,
    "spent": False,
    "reserved_for_writes": 404,
    "forecast": {"calls": 100_040, "runs_out": "2026-01-31T23:42:00.000Z"},
    "poll_interval_seconds": 37.345,
    "held": [
        {
            "lane": "anti-entropy",
            "until": "2026-01-31T12:23:37.960Z",
            "because": "what is left of the month's calls is kept for what is more urgent",
        }
    ],
    "purposes": [
        {"lane": "outbox", "call": "create", "calls": 21_004},
        {"lane": "webhooks", "call": "payloads", "calls": 77_430},
    ],
    "callers": [{"droplet": 5, "calls": 18_003.5}, {"droplet": 8, "calls": 3_000.5}],
    "not_told_apart": 6,
}


def budget_paths() -> dict[str, Schema]:
    """Return what the path of the budget answers."""
    return {
        "/budget": {
            "get": operation(
                "Service",
                "readBudget",
                "Read what the month's calls to Airtable were spent on",
                {"200": answer("The present month, in UTC.", "BudgetShown", examples.success(_BUDGET))},
                description="404 with the reason `no-budget` while the base is kept here alone and Airtable is not"
                " asked.",
                refused=(404, 422),
            )
        }
    }


_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_LANE: Final[Schema] = {"enum": ["waiting-caller", "outbox", "webhooks", "mirror", "anti-entropy"]}
_ONLY_WHEN_COUNTED: Final = "Null when the plan's calls are not counted."

BUDGET_SCHEMAS: Final[dict[str, Schema]] = {
    "Budget": closed(
        {
            "month": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
            "ends": ref("Moment"),
            "plan": {"enum": ["free", "team", "business", "enterprise"]},
            "allowance": {**nullable(_COUNT), "description": f"Calls of a month. {_ONLY_WHEN_COUNTED}"},
            "calls": {**_COUNT, "description": "Of all processes; noted in tens, before they are made."},
            "left": {**nullable(_COUNT), "description": f"0 when Airtable takes no more. {_ONLY_WHEN_COUNTED}"},
            "spent": {"type": "boolean", "description": "Whether Airtable said that the calls are used up."},
            "reserved_for_writes": {
                **nullable(_COUNT),
                "description": f"Of `left`, what reads may not use. {_ONLY_WHEN_COUNTED}",
            },
            "forecast": closed(
                {
                    "calls": {**_COUNT, "description": "When the month ends, if it goes on like the last seven days."},
                    "runs_out": {**nullable(ref("Moment")), "description": "Null when calls do not run out."},
                }
            ),
            "poll_interval_seconds": {"type": "number", "exclusiveMinimum": 0},
            "held": {
                **list_of(closed({"lane": _LANE, "until": ref("Moment"), "because": {"type": "string"}})),
                "description": "What no calls are made for now.",
            },
            "purposes": list_of(closed({"lane": _LANE, "call": {"type": "string"}, "calls": _COUNT})),
            "callers": {
                **list_of(closed({"droplet": {"type": "integer"}, "calls": {"type": "number", "minimum": 0}})),
                "description": "A call that carries writes of several is shared out among them. The 1,000 with the most"
                " calls.",
            },
            "not_told_apart": {
                **_COUNT,
                "description": "Calls that were noted and are in no purpose: of the last ten seconds, under way,"
                " lost in a crash.",
            },
        }
    ),
    "BudgetShown": success(ref("Budget")),
}
