"""The operations of a base that is a mirror of one at Airtable: what is on its way there, and what comes from there."""

from typing import Final

from airtable_connector.records import SPRINTS
from airtable_connector.sync.outbox import Kind, ReceiptState
from airtable_connector.sync.overlay import Side
from airtable_connector.web.document import examples
from airtable_connector.web.document.answers import BODY, answer, header_refs, refusals
from airtable_connector.web.document.examples import NOW, RECORD_ID, TRACE_ID
from airtable_connector.web.document.operations import admin, body_of, operation, public
from airtable_connector.web.document.parameters import FARTHEST, count_parameter
from airtable_connector.web.document.shapes import Schema, airtable_id, closed, list_of, nullable, ref, success
from airtable_connector.web.domain.receipts import MOST_SHOWN
from airtable_connector.web.domain.routes import NOTIFICATIONS

_RECEIPT: Final = "rcp1041-1041"
_NOT_MIRRORED: Final = "404 with the reason `not-mirrored` while the base is kept here alone."

_SHOWN_RECEIPT: Final = {
    "id": _RECEIPT,
    "state": str(ReceiptState.DONE),
    "final": True,
    "records": [{"written_as": "recB1mWq7Zc0Ty5Lp", "id": RECORD_ID, "state": "done", "reason": None}],
}
_LETTER: Final = {
    "number": 2082,
    "table": SPRINTS.name,
    "record": RECORD_ID,
    "kind": str(Kind.UPDATE),
    "fields": {"Status": "Active"},
    "actor": 5,
    "trace_id": TRACE_ID,
    "at": NOW,
    "reason": 'INVALID_MULTIPLE_CHOICE_OPTIONS: Insufficient permissions to create new select option ""Active""',
}
_CONFLICT: Final = {
    "number": 2084,
    "table": SPRINTS.name,
    "record": RECORD_ID,
    "field": "Status",
    "ours": "Done",
    "theirs": "Pending",
    "won": str(Side.OURS),
}

_PAGE: Final[list[Schema]] = [
    {
        "name": "before",
        "in": "query",
        "description": "Only those before this `number`.",
        "schema": {"type": "integer", "minimum": 1, "maximum": FARTHEST},
    },
    count_parameter("limit", MOST_SHOWN, 100),
]
_NUMBER: Final[Schema] = {
    "name": "number",
    "in": "path",
    "required": True,
    "description": "Its number, as the list has it.",
    "schema": {"type": "integer", "minimum": 1, "maximum": FARTHEST},
    "example": 2082,
}


def mirror_paths() -> dict[str, Schema]:
    """Return what each path that belongs to a mirror answers."""
    return {
        "/receipts/{id}": {"get": _receipt()},
        "/dead-letters": {"get": _dead_letters()},
        "/dead-letters/{number}": {"delete": _drop()},
        "/dead-letters/{number}/replay": {"post": _replay()},
        "/conflicts": {"get": _conflicts()},
        NOTIFICATIONS: {"post": _notification()},
    }


def _receipt() -> Schema:
    return operation(
        "Mirror",
        "readReceipt",
        "Read how far a write is on its way to Airtable",
        {"200": answer("What is known of it now.", "ReceiptShown", examples.success(_SHOWN_RECEIPT))},
        description=f"What is `final` stays so. It is forgotten seven days after it became final. {_NOT_MIRRORED}",
        parameters=[
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "As `X-Receipt` of the write had it.",
                "schema": {"type": "string", "pattern": "^rcp[1-9][0-9]{0,17}-[1-9][0-9]{0,17}$"},
                "example": _RECEIPT,
            }
        ],
        refused=(404, 422),
    )


def _dead_letters() -> Schema:
    return admin(
        operation(
            "Mirror",
            "listDeadLetters",
            "List the writes that Airtable has refused",
            {"200": answer("Newest first.", "DeadLetters", examples.success({"dead_letters": [_LETTER]}))},
            description=f"Their records are as Airtable has them. {_NOT_MIRRORED}",
            parameters=_PAGE,
            refused=(404, 422),
        )
    )


def _drop() -> Schema:
    dropped = examples.success({"number": 2082, "dropped": True})
    return admin(
        operation(
            "Mirror",
            "dropDeadLetter",
            "Let a refused write go",
            {"200": answer("It is no longer listed.", "DeadLetterDropped", dropped)},
            description=_NOT_MIRRORED,
            parameters=[_NUMBER],
            refused=(404, 413, 415, 422),
        )
    )


def _replay() -> Schema:
    replayed = answer(
        "A new write, on its way.", "DeadLetterReplayed", examples.success({"receipt": _RECEIPT}), "Receipt"
    )
    replayed["headers"] |= header_refs("LocationOfReceipt")
    return admin(
        operation(
            "Mirror",
            "replayDeadLetter",
            "Write again what Airtable has refused",
            {"202": replayed},
            description="With the fields of the body in the place of its own, if it has some. It is no longer listed"
            f" afterwards. {_NOT_MIRRORED}",
            parameters=[_NUMBER],
            body=body_of("AnyObject", {"fields": {"Status": "Done"}}, required=False),
            refused=(404, 409, *BODY),
        )
    )


def _conflicts() -> Schema:
    return operation(
        "Mirror",
        "listConflicts",
        "List the cells that were changed on both sides",
        {"200": answer("Newest first, with both values.", "Conflicts", examples.success({"conflicts": [_CONFLICT]}))},
        description=f"`AIRTABLE_CONFLICTS` decides who wins. {_NOT_MIRRORED}",
        parameters=_PAGE,
        refused=(404, 422),
    )


def _notification() -> Schema:
    described = public(
        operation(
            "Mirror",
            "takeNotification",
            "Be told by Airtable that something has changed there",
            {"204": {"description": "It is looked at now.", "headers": header_refs()}},
            description="Only Airtable calls this: it signs what it sends (`X-Airtable-Content-MAC`) with the key of"
            f" our webhook, and so needs no token. Anything else is refused with 401. {_NOT_MIRRORED}",
            body=body_of(
                "AnyObject",
                {
                    "base": {"id": "appLkNDICXNqxSDhG"},
                    "webhook": {"id": "ach00000000000001"},
                    "timestamp": NOW,
                },
            ),
            refused=(404, *BODY),
        )
    )
    return {**described, "responses": described["responses"] | refusals(401)}


_RECORD_ID: Final[Schema] = airtable_id("rec")
_TABLE: Final[Schema] = {"type": "string", "description": "Its name; its id when it is gone."}
_STATE: Final[Schema] = {"enum": [str(state) for state in ReceiptState]}
_POSITIVE: Final[Schema] = {"type": "integer", "minimum": 1}

MIRROR_SCHEMAS: Final[dict[str, Schema]] = {
    "Receipt": closed(
        {
            "id": {"type": "string"},
            "state": {
                **_STATE,
                "description": "refused: Airtable has refused some of its records, and they are undone here.",
            },
            "final": {"type": "boolean", "description": "Whether nothing of it changes any more."},
            "records": list_of(
                closed(
                    {
                        "written_as": {**_RECORD_ID, "description": "The id that the answer to the write had."},
                        "id": {
                            **nullable(_RECORD_ID),
                            "description": "Airtable's. Null while a new record is not there.",
                        },
                        "state": _STATE,
                        "reason": {
                            "type": ["string", "null"],
                            "description": "Why it was refused, or what else became of it.",
                        },
                    }
                )
            ),
        }
    ),
    "ReceiptShown": success(ref("Receipt")),
    "DeadLetter": closed(
        {
            "number": _POSITIVE,
            "table": _TABLE,
            "record": _RECORD_ID,
            "kind": {"enum": [str(kind) for kind in Kind]},
            "fields": {"type": "object", "additionalProperties": True, "description": "What was to be written."},
            "actor": {"type": "integer", "description": "The droplet that wrote it."},
            "trace_id": {"type": "string", "description": "The request that wrote it."},
            "at": ref("Moment"),
            "reason": {"type": "string", "description": "Airtable's words."},
        }
    ),
    "DeadLetters": success(closed({"dead_letters": list_of(ref("DeadLetter"), maxItems=MOST_SHOWN)})),
    "DeadLetterDropped": success(closed({"number": _POSITIVE, "dropped": {"const": True}})),
    "DeadLetterReplayed": success(closed({"receipt": {"type": "string"}})),
    "Conflict": closed(
        {
            "number": _POSITIVE,
            "table": _TABLE,
            "record": _RECORD_ID,
            "field": {"type": "string", "description": "Its name; its id when it is gone."},
            "ours": {"description": "What was written here; null: emptied."},
            "theirs": {"description": "What was written at Airtable; null: emptied."},
            "won": {"enum": [str(side) for side in Side]},
        }
    ),
    "Conflicts": success(closed({"conflicts": list_of(ref("Conflict"), maxItems=MOST_SHOWN)})),
}
"""Schemas of what is told about a mirror."""
