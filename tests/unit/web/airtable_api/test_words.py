"""How errors of other rooms are told to clients of Airtable."""

from datetime import timedelta

import orjson
import pytest

from airtable_connector.database import CommitUnknown, StoreUnavailable
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.mesh import MissingToken
from airtable_connector.records import KeyTaken, QueueFull, RecordNotFound, SeveralRecordsMatch
from airtable_connector.web.airtable_api import words
from airtable_connector.web.airtable_api.errors import AddressUnknown, ViewOfOtherTable
from airtable_connector.web.http import AddressTooLong, MalformedJson, MissingPermission, RequestsTooOften


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (MissingToken(), 401, "AUTHENTICATION_REQUIRED"),
        (MissingPermission("write", ["read"]), 403, "INVALID_PERMISSIONS"),
        (RecordNotFound("Sprints", "recAAAAAAAAAAAAAA"), 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
        (AddressTooLong("address", longest=15_999), 414, "INVALID_REQUEST_UNKNOWN"),
        (MalformedJson("x"), 422, "INVALID_REQUEST_BODY"),
        (KeyTaken("Sprints", "Sprint_ID", "S-1", "rec1"), 422, "INVALID_VALUE_FOR_COLUMN"),
        (SeveralRecordsMatch("Sprints", ["Name"]), 422, "INVALID_REQUEST_UNKNOWN"),
        (RequestsTooOften(per_minute=5, retry_after=timedelta(seconds=1)), 429, "RATE_LIMIT_REACHED"),
        (QueueFull(5), 503, "RETRIABLE_ERROR"),
        (StoreUnavailable("locked"), 503, "RETRIABLE_ERROR"),
        # repeating it could do it twice
        (CommitUnknown("connection-lost"), 500, "SERVER_ERROR"),
    ],
)
def test_an_error_has_its_number_and_type(error: ConnectorError, status: int, kind: str) -> None:
    answer = words.refusal(error, ((b"x-a", b"b"),))
    told = orjson.loads(answer.body)["error"]
    assert (answer.status, told["type"], answer.headers) == (status, kind, ((b"x-a", b"b"),))
    assert told.keys() == {"type", "message"}


def test_only_what_may_be_repeated_says_when() -> None:
    headers = ((b"x-a", b"b"), (b"retry-after", b"1"))
    assert words.refusal(StoreUnavailable("locked"), headers).headers == headers
    assert words.refusal(CommitUnknown("connection-lost"), headers).headers == headers[:1]


def test_two_errors_have_a_form_of_their_own() -> None:
    assert words.refusal(AddressUnknown(), ()).body == b'{"error":"NOT_FOUND"}'
    assert words.refusal(ViewOfOtherTable(), ()).body == b'{"error":{"type":"FAILED_STATE_CHECK"}}'


def test_a_bug_of_ours_is_found_by_its_trace_id() -> None:
    answer = words.internal("t-9")
    assert answer.status == 500
    assert "t-9" in orjson.loads(answer.body)["error"]["message"]
