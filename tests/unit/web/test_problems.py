import json
from datetime import timedelta

import pytest
from tests.fakes import FakeClock

from airtable_connector.kernel.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from airtable_connector.records.errors import PositionNotReached, RecordChanged
from airtable_connector.web.http import Problems
from airtable_connector.web.http import errors as edge_errors
from airtable_connector.web.http.problems import LEAVES

SOON = timedelta(seconds=2)


@pytest.fixture
def problems() -> Problems:
    return Problems(clock=FakeClock(), realm="droplet-2")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("x"), 404, "NOT_FOUND"),
        (Conflict("x"), 409, "CONFLICT"),
        (Invalid("x"), 422, "INVALID_REQUEST"),
        (Unauthenticated("x"), 401, "UNAUTHORIZED"),
        (Forbidden("x"), 403, "FORBIDDEN"),
        (LimitReached("x", retry_after=SOON), 429, "RATE_LIMITED"),
        (Unavailable("x", retry_after=SOON), 503, "DEPENDENCY_UNAVAILABLE"),
        (RecordChanged("rec1", '"3"'), 412, "CONFLICT"),
        (ConnectorError("x"), 500, "INTERNAL_ERROR"),
    ],
)
def test_each_family_has_its_number_and_code(problems: Problems, error: ConnectorError, status: int, code: str) -> None:
    answer = problems.answer(error, "t-1")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (status, code)


def test_a_problem_has_the_udc_form(problems: Problems) -> None:
    error = Invalid("wrong", field="Name", hint="write text", facts={"allowed": ["a"], "trace_id": "forged"})
    assert json.loads(problems.answer(error, "t-1").body) == {
        "status": "error",
        "error": {
            "code": "INVALID_REQUEST",
            "message": "wrong",
            "details": {
                "trace_id": "t-1",
                "reason": "invalid",
                "field": "Name",
                "hint": "write text",
                "allowed": ["a"],
            },
        },
        "timestamp": "2026-01-05T12:00:00.000Z",
    }


def test_every_leaf_with_a_number_of_its_own_exists() -> None:
    leaves = {leaf.code for leaf in vars(edge_errors).values() if isinstance(leaf, type) and hasattr(leaf, "code")}
    assert set(LEAVES) <= leaves | {RecordChanged.code, PositionNotReached.code}
