"""The operations of webhooks in Airtable's Web API, and what they send and answer."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.ops import PAYLOADS_A_PAGE
from airtable_connector.web.airtable_api import addresses
from airtable_connector.web.airtable_api.scopes import Scope
from airtable_connector.web.document.airtable_answers import BODY
from airtable_connector.web.document.airtable_operations import airtable_operation, nothing
from airtable_connector.web.document.airtable_parameters import FARTHEST, in_base, placeholder, query
from airtable_connector.web.document.answers import answer
from airtable_connector.web.document.examples import NOW
from airtable_connector.web.document.operations import body_of
from airtable_connector.web.document.shapes import Schema, airtable_id, closed, list_of, nullable, ref

_ID: Final = "achjGUZmB0cSx1Qm7"
_URL: Final = "https://receiver.example/ping"
_UNTIL: Final = {"expirationTime": "2026-02-07T12:00:00.000Z"}
_SPECIFICATION: Final = {"options": {"filters": {"dataTypes": ["tableData"]}}}
_WEBHOOK: Final = {
    "id": _ID,
    "specification": _SPECIFICATION,
    "notificationUrl": _URL,
    "cursorForNextPayload": 2,
    "isHookEnabled": True,
    "areNotificationsEnabled": True,
    **_UNTIL,
    "lastSuccessfulNotificationTime": NOW,
    "lastNotificationResult": {"success": True, "completionTimestamp": NOW, "durationMs": 41.7, "retryNumber": 0},
}
_PAYLOAD: Final = {
    "timestamp": NOW,
    "baseTransactionNumber": 1041,
    "payloadFormat": "v0",
    "actionMetadata": {"source": "publicApi", "sourceMetadata": {}},
    "changedTablesById": {"tblePkI5XHmiejYkC": {"destroyedRecordIds": ["recT5rq0Wn3xYz8Ka"]}},
}

_WEBHOOK_ID: Final = placeholder("webhook", airtable_id("ach"), "The webhook's id.", _ID)
_PAGE: Final = [
    query(
        "cursor",
        {"type": "integer", "minimum": 1, "maximum": FARTHEST, "default": 1},
        "The number of the first payload to read.",
        example=1,
    ),
    query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": PAYLOADS_A_PAGE, "default": PAYLOADS_A_PAGE},
        "Payloads in one answer.",
        example=10,
    ),
]

_FLAG: Final[Schema] = {"type": "boolean", "default": False}
_FIELDS: Final = list_of(ref("AirtableWatchedField"), maxItems=500)
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_ANYTHING: Final[Schema] = {"type": "object", "additionalProperties": True}
_OWN_ID: Final[Schema] = {"type": "string", "maxLength": 40}

_SOURCES: Final = [
    "client", "publicApi", "formSubmission", "formPageSubmission", "automation", "system", "sync", "anonymousUser",
    "unknown",
]  # fmt: skip

_FILTERS: Final[Mapping[str, Schema]] = {
    "dataTypes": list_of({"enum": ["tableData", "tableFields", "tableMetadata"]}, minItems=1, maxItems=500),
    "recordChangeScope": nullable(ref("AirtableWatchedScope")),
    "changeTypes": list_of({"enum": ["add", "update", "remove"]}, maxItems=500),
    "fromSources": list_of({"enum": _SOURCES}, maxItems=500),
    "watchDataInFieldIds": _FIELDS,
    "watchSchemasOfFieldIds": _FIELDS,
    "sourceOptions": closed(
        {"formSubmission": closed({"viewId": _OWN_ID}), "formPageSubmission": closed({"pageId": _OWN_ID})},
        optional=("formSubmission", "formPageSubmission"),
    ),
}
_INCLUDES: Final[Mapping[str, Schema]] = {
    "includeCellValuesInFieldIds": {"anyOf": [{"const": "all"}, _FIELDS, {"type": "null"}]},
    "includePreviousCellValues": _FLAG,
    "includePreviousFieldDefinitions": _FLAG,
}
_OPTIONS: Final = closed(
    {
        "filters": closed(_FILTERS, optional=tuple(name for name in _FILTERS if name != "dataTypes")),
        "includes": closed(_INCLUDES, optional=tuple(_INCLUDES)),
    },
    optional=("includes",),
)
_PAYLOAD_MEMBERS: Final[Mapping[str, Schema]] = {
    "timestamp": ref("Moment"),
    "baseTransactionNumber": _COUNT,
    "payloadFormat": {"const": "v0"},
    "actionMetadata": closed({"source": {"enum": _SOURCES}, "sourceMetadata": _ANYTHING}),
    "changedTablesById": _ANYTHING,
    "createdTablesById": _ANYTHING,
    "destroyedTableIds": list_of(airtable_id("tbl")),
    "error": {"const": True, "description": "The webhook cannot go on; `code` says why."},
    "code": {"enum": ["INVALID_HOOK", "INVALID_FILTERS"]},
}

WEBHOOK_SCHEMAS: Final[Mapping[str, Schema]] = {
    "AirtableWatchedField": {"type": "string", "pattern": "^fld", "description": "The id of a field of the base."},
    "AirtableWatchedScope": {
        "type": "string",
        "pattern": "^(tbl|viw)",
        "description": "The id of a table or view of the base.",
    },
    "AirtableSpecification": closed({"options": _OPTIONS}),
    "AirtableNotificationUrl": {
        "type": ["string", "null"],
        "description": "Where notifications are sent; `docs/webhooks.md` tells which addresses are taken.",
    },
    "AirtableNewWebhook": closed(
        {"specification": ref("AirtableSpecification"), "notificationUrl": ref("AirtableNotificationUrl")},
        optional=("notificationUrl",),
    ),
    "AirtableWebhookMade": closed(
        {
            "id": airtable_id("ach"),
            "macSecretBase64": {"type": "string", "description": "Signs the notifications; never shown again."},
            "expirationTime": ref("Moment"),
        }
    ),
    "AirtableWebhook": closed(
        {
            "id": airtable_id("ach"),
            "specification": ref("AirtableSpecification"),
            "notificationUrl": ref("AirtableNotificationUrl"),
            "cursorForNextPayload": {"type": "integer", "minimum": 1},
            "isHookEnabled": {"type": "boolean"},
            "areNotificationsEnabled": {"type": "boolean"},
            "expirationTime": ref("Moment"),
            "lastSuccessfulNotificationTime": nullable(ref("Moment")),
            "lastNotificationResult": nullable(ref("AirtableNotificationResult")),
        }
    ),
    "AirtableNotificationResult": closed(
        {
            "success": {"type": "boolean"},
            "completionTimestamp": ref("Moment"),
            "durationMs": {"type": "number", "minimum": 0},
            "retryNumber": _COUNT,
            "error": closed({"message": {"type": "string"}}),
            "willBeRetried": {"type": "boolean"},
        },
        optional=("error", "willBeRetried"),
    ),
    "AirtableWebhooks": closed({"webhooks": list_of(ref("AirtableWebhook"))}),
    "AirtableNothing": {**closed({}), "description": "No body at all means the same."},
    "AirtableSwitch": closed({"enable": {"type": "boolean"}}),
    "AirtableExpiration": closed({"expirationTime": ref("Moment")}),
    "AirtablePayload": closed(
        _PAYLOAD_MEMBERS,
        optional=("changedTablesById", "createdTablesById", "destroyedTableIds", "error", "code"),
    ),
    "AirtablePayloads": closed(
        {
            "cursor": {"type": "integer", "minimum": 1, "description": "Where to go on."},
            "mightHaveMore": {"type": "boolean"},
            "payloads": list_of(ref("AirtablePayload"), maxItems=PAYLOADS_A_PAGE),
        }
    ),
}
"""Each schema by its name."""


def webhook_paths() -> dict[str, Schema]:
    """Return what each path of webhooks answers."""
    one = [*in_base(), _WEBHOOK_ID]
    return {
        addresses.WEBHOOKS: {"get": _list(), "post": _create()},
        addresses.WEBHOOK: {
            "delete": airtable_operation(
                "deleteWebhook",
                "Delete a webhook",
                nothing("Deleted."),
                Scope.MANAGE_WEBHOOKS,
                parameters=one,
                refused=(404, 413, 500),
            )
        },
        addresses.REFRESH: {
            "post": airtable_operation(
                "refreshWebhook",
                "Let a webhook live for seven more days",
                answer("Until when it lives now.", "AirtableExpiration", _UNTIL),
                Scope.MANAGE_WEBHOOKS,
                description="One that has expired is refused.",
                parameters=one,
                body=body_of("AirtableNothing", {}, required=False),
                refused=(404, 500, *BODY),
            )
        },
        addresses.NOTIFICATIONS: {
            "post": airtable_operation(
                "enableNotifications",
                "Switch the notifications of a webhook on or off",
                nothing("Switched."),
                Scope.MANAGE_WEBHOOKS,
                parameters=one,
                body=body_of("AirtableSwitch", {"enable": True}),
                refused=(404, 500, *BODY),
            )
        },
        addresses.PAYLOADS: {
            "get": airtable_operation(
                "listPayloads",
                "Read the payloads of a webhook",
                answer(
                    "Oldest first.",
                    "AirtablePayloads",
                    {"cursor": 2, "mightHaveMore": False, "payloads": [_PAYLOAD]},
                ),
                Scope.MANAGE_WEBHOOKS,
                description="A look lets the webhook live for seven more days.",
                parameters=[*one, *_PAGE],
                refused=(404,),
            )
        },
    }


def _list() -> Schema:
    return airtable_operation(
        "listWebhooks",
        "List the webhooks of a base",
        answer("All of them, whoever made them.", "AirtableWebhooks", {"webhooks": [_WEBHOOK]}),
        Scope.MANAGE_WEBHOOKS,
        parameters=in_base(),
        refused=(404,),
    )


def _create() -> Schema:
    made = {"id": _ID, "macSecretBase64": "c2VjcmV0", **_UNTIL}
    return airtable_operation(
        "createWebhook",
        "Add a webhook",
        answer("The only answer that has its key.", "AirtableWebhookMade", made),
        Scope.MANAGE_WEBHOOKS,
        parameters=in_base(),
        body=body_of("AirtableNewWebhook", {"notificationUrl": _URL, "specification": _SPECIFICATION}),
        refused=(404, 500, *BODY),
    )
