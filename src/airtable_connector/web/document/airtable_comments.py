"""The operations of comments in Airtable's Web API, and what they send and answer."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.records import LONGEST_COMMENT
from airtable_connector.web.airtable_api import addresses
from airtable_connector.web.airtable_api.options import LARGEST_PAGE
from airtable_connector.web.airtable_api.scopes import Scope
from airtable_connector.web.airtable_api.users import user
from airtable_connector.web.document.airtable_answers import BODY
from airtable_connector.web.document.airtable_operations import airtable_operation
from airtable_connector.web.document.airtable_parameters import in_base, placeholder, query
from airtable_connector.web.document.answers import answer
from airtable_connector.web.document.examples import NOW
from airtable_connector.web.document.operations import body_of
from airtable_connector.web.document.shapes import Schema, airtable_id, closed, list_of, nullable, ref, said

_ID: Final = "comB5z37Mg9zaEPw6"
_COMMENT: Final = {
    "id": _ID,
    "author": user(5),
    "text": "Proof is in.",
    "createdTime": NOW,
    "lastUpdatedTime": None,
}
_WRITE: Final = {"text": "Proof is in."}

_PAGE: Final = [
    query(
        "pageSize",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": LARGEST_PAGE},
        "Comments on a page.",
        example=50,
    ),
    query("offset", {"type": "string"}, "The `offset` of the page before."),
]
_COMMENT_ID: Final = placeholder("comment", {"type": "string", "minLength": 1}, "The comment's id.", _ID)
_OWN: Final = "Only the droplet that wrote it may do this."

COMMENT_SCHEMAS: Final[Mapping[str, Schema]] = {
    "AirtableComment": closed(
        {
            "id": airtable_id("com"),
            "author": closed({"id": airtable_id("usr"), "name": {"type": "string"}}),
            "text": {"type": "string"},
            "createdTime": ref("Moment"),
            "lastUpdatedTime": nullable(ref("Moment")),
            "mentioned": {
                "type": "object",
                "additionalProperties": closed(
                    {"type": {"const": "user"}, "id": airtable_id("usr"), "displayName": {"type": "string"}}
                ),
                "description": "Droplets that the text names as `@[usr…]`, by id.",
            },
            "parentCommentId": {**airtable_id("com"), "description": "The comment that it answers."},
        },
        optional=("mentioned", "parentCommentId"),
    ),
    "AirtableComments": closed(
        {"comments": list_of(ref("AirtableComment"), maxItems=LARGEST_PAGE), "offset": nullable(ref("Offset"))}
    ),
    "AirtableCommentText": said(LONGEST_COMMENT),
    "AirtableNewComment": closed(
        {"text": ref("AirtableCommentText"), "parentCommentId": nullable({"type": "string"})},
        optional=("parentCommentId",),
    ),
    "AirtableCommentChange": closed({"text": ref("AirtableCommentText")}),
    "AirtableCommentRemoved": closed({"id": airtable_id("com"), "deleted": {"const": True}}),
}
"""Each schema by its name."""


def comment_paths() -> dict[str, Schema]:
    """Return what each path of comments answers."""
    return {
        addresses.COMMENTS: {
            "get": airtable_operation(
                "listComments",
                "List the comments of a record",
                answer("Newest first.", "AirtableComments", {"comments": [_COMMENT], "offset": None}),
                Scope.READ_COMMENTS,
                parameters=[*in_base("Table", "Record"), *_PAGE],
                refused=(404,),
            ),
            "post": airtable_operation(
                "createComment",
                "Write a comment, or an answer to one",
                answer("The comment.", "AirtableComment", _COMMENT),
                Scope.WRITE_COMMENTS,
                parameters=in_base("Table", "Record"),
                body=body_of("AirtableNewComment", _WRITE),
                refused=(404, 500, *BODY),
            ),
        },
        addresses.COMMENT: {
            "patch": airtable_operation(
                "updateComment",
                "Change the text of a comment",
                answer("The comment as it is now.", "AirtableComment", _COMMENT),
                Scope.WRITE_COMMENTS,
                description=_OWN,
                parameters=[*in_base("Table", "Record"), _COMMENT_ID],
                body=body_of("AirtableCommentChange", _WRITE),
                refused=(404, 500, *BODY),
            ),
            "delete": airtable_operation(
                "deleteComment",
                "Remove a comment",
                answer("Removed; its answers stay.", "AirtableCommentRemoved", {"id": _ID, "deleted": True}),
                Scope.WRITE_COMMENTS,
                description=_OWN,
                parameters=[*in_base("Table", "Record"), _COMMENT_ID],
                refused=(404, 413, 500),
            ),
        },
    }
