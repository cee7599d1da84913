import json
from datetime import timedelta

import pytest

from airtable_connector.airtable import (
    CloudDenied,
    CloudOutcomeUnknown,
    CloudRefused,
    CloudUnavailable,
    Done,
    NotDone,
    Refused,
    Unknown,
    Why,
    value_of,
)
from airtable_connector.airtable.answers import LONGEST_PAUSE, LONGEST_TEXT, Answer, judge
from airtable_connector.kernel.errors import ConnectorError

RECORD = "recAAAAAAAAAAAAAA"
LIMITED = {"error": {"type": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}}
LIMITED_AS_LIST = {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded"}]}
BILLING = {"error": {"type": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "message": "API billing plan limit exceeded"}}


def answered(status: int, body: object = None, retry_after: str | None = None) -> Answer:
    return Answer(status, body if isinstance(body, bytes) else json.dumps(body).encode(), retry_after)


@pytest.mark.parametrize("body", [LIMITED, LIMITED_AS_LIST, b"<html>", b"", 7])
def test_too_many_calls_are_a_lockout_whatever_the_body_looks_like(body: object) -> None:
    assert judge(answered(429, body)) == NotDone(Why.LOCKED_OUT)


def test_a_spent_quota_is_told_from_a_lockout() -> None:
    assert judge(answered(429, BILLING)) == NotDone(Why.QUOTA_SPENT)


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("7", timedelta(seconds=7)),
        ("999999", LONGEST_PAUSE),
        ("1" * 400, None),
        ("-1", None),
        ("٣", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        (None, None),
    ],
)
def test_a_pause_is_believed_up_to_an_hour(said: str | None, pause: timedelta | None) -> None:
    assert judge(answered(429, LIMITED, said)) == NotDone(Why.LOCKED_OUT, pause=pause)


def test_only_a_503_that_says_so_is_safe_to_repeat() -> None:
    body = {"error": {"type": "RETRIABLE_ERROR", "message": "it is safe to retry the request"}}
    assert judge(answered(503, body, "3")) == NotDone(Why.RETRIABLE, pause=timedelta(seconds=3))
    assert judge(answered(503, b"<html>")) == Unknown("it answered 503")


@pytest.mark.parametrize("status", [302, 500, 502, 504, 599])
def test_what_a_gateway_says_leaves_open_what_happened_behind_it(status: int) -> None:
    assert judge(answered(status, {"error": {"type": "SERVER_ERROR"}})) == Unknown(f"it answered {status}")


def test_a_request_that_was_given_up_may_have_arrived() -> None:
    assert isinstance(judge(answered(408, b"")), Unknown)


@pytest.mark.parametrize(
    ("status", "body", "kind", "record", "field_name"),
    [
        (404, {"error": "NOT_FOUND"}, "NOT_FOUND", None, None),
        (404, {"error": {"type": "NOT_FOUND"}}, "NOT_FOUND", None, None),
        (422, {"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE",
         None, None),
        (422, {"error": {"type": "ROW_DOES_NOT_EXIST", "message": f"Record ID {RECORD} does not exist in this table"}},
         "ROW_DOES_NOT_EXIST", RECORD, None),
        (404, {"error": {"type": "NOT_FOUND", "message": f'Could not find a record with ID "{RECORD}".'}},
         "NOT_FOUND", RECORD, None),
        (422, {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": 'Field "Cost, $" cannot accept it'}},
         "INVALID_VALUE_FOR_COLUMN", None, "Cost, $"),
        (422, {"error": {"type": "UNKNOWN_FIELD_NAME", "message": 'Unknown field name: "Nome"'}},
         "UNKNOWN_FIELD_NAME", None, "Nome"),
        (413, b"<html>too large</html>", "HTTP 413", None, None),
        (400, [], "HTTP 400", None, None),
        (400, {"error": {"type": 7}}, "HTTP 400", None, None),
    ],
)  # fmt: skip
def test_a_refusal_names_what_airtable_names(
    status: int, body: object, kind: str, record: str | None, field_name: str | None
) -> None:
    refused = judge(answered(status, body))
    assert isinstance(refused, Refused)
    assert (refused.status, refused.type, refused.record, refused.field_name) == (status, kind, record, field_name)


def test_airtables_words_are_kept_in_part_and_shown_to_no_log() -> None:
    answer = answered(422, {"error": {"type": "INVALID_RECORD_ID", "message": "Value " + "secret" * 1_000}})
    refused = judge(answer)
    assert isinstance(refused, Refused)
    assert len(refused.message) == LONGEST_TEXT
    assert "secret" not in repr(refused) + repr(answer) + repr(Done("secret"))


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Refused(422, "INVALID_RECORDS", "secret"), CloudRefused),
        (Refused(401, "AUTHENTICATION_REQUIRED", "secret"), CloudDenied),
        (Refused(403, "INVALID_PERMISSIONS", "secret"), CloudDenied),
        (NotDone(Why.UNREACHED, "its name is not known"), CloudUnavailable),
        (Unknown("it answered 502"), CloudOutcomeUnknown),
    ],
)
def test_who_wants_the_value_only_gets_an_error_for_everything_else(
    outcome: Refused | NotDone | Unknown, error: type[ConnectorError]
) -> None:
    with pytest.raises(error) as raised:
        value_of(outcome)
    assert "secret" not in raised.value.message
    assert value_of(Done(7)) == 7
