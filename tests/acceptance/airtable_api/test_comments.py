"""Comments, as Airtable's clients send them."""

from typing import Any

import pytest
import requests
from pyairtable import Api
from tests.acceptance.airtable_api.conftest import Wire
from tests.service import Service

from airtable_connector.web.airtable_api import DERIVED_ID

NOBODY = "recAAAAAAAAAAAAAA"
NO_COMMENT = "comAAAAAAAAAAAAAA"
TABLE = "Odd / table"


@pytest.fixture
def other(served: Service) -> Any:
    """Another droplet than the one that asks."""
    with served.client(served.headers(droplet=7)) as client:
        yield Wire(client)


@pytest.fixture
def record(wire: Wire) -> str:
    made: str = wire.create(TABLE, {"n": 1})["id"]
    return made


def say(wire: Wire, record: str, text: str, **more: Any) -> dict[str, Any]:
    status, comment = wire.ask("POST", wire.path(TABLE, record, "comments"), json={"text": text, **more})
    assert status == 200, comment
    return comment


def texts(wire: Wire, record: str, **parameters: Any) -> tuple[list[str], str | None]:
    status, body = wire.ask("GET", wire.path(TABLE, record, "comments"), params=parameters)
    assert status == 200, body
    return [comment["text"] for comment in body["comments"]], body["offset"]


def test_pyairtable_adds_reads_changes_and_removes_comments(served: Service, record: str) -> None:
    api = Api(served.token(), endpoint_url=served.address, timeout=(20, 20))
    api.session.trust_env = False
    table = api.table(DERIVED_ID, TABLE)
    me = api.whoami()["id"]
    comment = table.add_comment(record, f"Hello, @[{me}]!")
    assert (comment.author.id, comment.mentioned[me].display_name) == (me, "Droplet 5")
    comment.text = "Never mind"
    comment.save()
    assert comment.last_updated_time is not None
    assert comment.mentioned == {}
    answer = table.add_comment(record, "Well")
    assert [each.id for each in table.comments(record)] == [answer.id, comment.id]
    counted = table.all(count_comments=True, formula=f"RECORD_ID()='{record}'")
    assert [each.get("commentCount") for each in counted] == [2]
    comment.delete()
    answer.delete()
    assert table.comments(record) == []
    with pytest.raises(requests.HTTPError, match="MODEL_NOT_FOUND"):
        table.add_comment(NOBODY, "x")
    api.session.close()


def test_pages_are_walked_by_their_offsets(wire: Wire, record: str) -> None:
    for number in range(5):
        say(wire, record, f"{number}")
    first, offset = texts(wire, record, pageSize=3)
    assert first == ["4", "3", "2"]
    assert texts(wire, record, pageSize=3, offset=offset) == (["1", "0"], None)
    assert texts(wire, record, pageSize=5, offset="") == (["4", "3", "2", "1", "0"], None)


def test_an_answer_names_the_comment_that_it_answers(wire: Wire, other: Wire, record: str) -> None:
    question = say(wire, record, "question")
    assert "parentCommentId" not in question
    answer = say(other, record, "answer", parentCommentId=question["id"])
    assert answer["parentCommentId"] == question["id"]
    assert answer["author"]["id"] != question["author"]["id"]
    path = wire.path(TABLE, record, "comments")
    assert wire.refused("POST", path, json={"text": "x", "parentCommentId": NO_COMMENT}) == (
        404, "MODEL_ID_NOT_FOUND", "Comment not found",
    )  # fmt: skip


def test_only_who_wrote_a_comment_changes_or_removes_it(wire: Wire, other: Wire, reader: Wire, record: str) -> None:
    comment = say(wire, record, "mine")["id"]
    path = wire.path(TABLE, record, "comments", comment)
    refusal = (403, "INVALID_PERMISSIONS", "You are not permitted to perform this operation")
    for wrong in (other, reader):
        assert wrong.refused("PATCH", path, json={"text": "x"}) == refusal
        assert wrong.refused("DELETE", path) == refusal
    assert reader.refused("POST", wire.path(TABLE, record, "comments"), json={"text": "x"}) == refusal
    assert texts(reader, record) == (["mine"], None)
    assert wire.ask("DELETE", path) == (200, {"id": comment, "deleted": True})
    assert wire.refused("DELETE", path)[:2] == (422, "ROW_COMMENT_DOES_NOT_EXIST")
    assert wire.refused("PATCH", path, json={"text": "x"}) == (
        422, "ROW_COMMENT_DOES_NOT_EXIST", f"Row comment with id {comment} does not exist",
    )  # fmt: skip


def test_only_droplets_are_mentioned(wire: Wire, record: str) -> None:
    _, me = wire.ask("GET", "/v0/meta/whoami")
    comment = say(wire, record, f"@[usrAAAAAAAAAAAAAA] @[{me['id']}] @[{me['id']}] @[x]")
    assert comment["mentioned"] == {me["id"]: {"type": "user", "id": me["id"], "displayName": "Droplet 5"}}
    assert "mentioned" not in say(wire, record, "@[usrAAAAAAAAAAAAAA]")


def test_counts_are_told_when_asked_for_and_not_zero(wire: Wire, record: str) -> None:
    silent = wire.create(TABLE, {"n": 2})["id"]
    say(wire, record, "x")
    chosen = f"OR(RECORD_ID()='{record}',RECORD_ID()='{silent}')"
    asked = {"filterByFormula": chosen, "recordMetadata[]": "commentCount", "returnFieldsByFieldId": "true"}
    assert [each.get("commentCount") for each in wire.list(TABLE, **asked)] == [1, None]
    assert [each.get("commentCount") for each in wire.list(TABLE, filterByFormula=chosen)] == [None, None]
    body = {"filterByFormula": chosen, "recordMetadata": ["commentCount"]}
    _, listed = wire.ask("POST", wire.path(TABLE, "listRecords"), json=body)
    assert [each.get("commentCount") for each in listed["records"]] == [1, None]


def test_a_record_is_looked_for_in_the_whole_base(wire: Wire, record: str) -> None:
    say(wire, record, "x")
    status, body = wire.ask("GET", wire.path("Sprints", record, "comments"))
    assert (status, len(body["comments"])) == (200, 1)
    for path in (wire.path(TABLE, NOBODY, "comments"), wire.path("Nope", record, "comments")):
        assert wire.refused("GET", path)[:2] == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
    assert wire.refused("GET", wire.path(TABLE, "rec1", "comments")) == (404, "NOT_FOUND", "")


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": 5}, {"text": "x", "y": 1}, {"text": "x", "parentCommentId": 5}, [],
             {"text": "x" * 10_001}]
)  # fmt: skip
def test_a_comment_has_a_text_and_nothing_unknown(wire: Wire, record: str, body: Any) -> None:
    path = wire.path(TABLE, record, "comments")
    assert wire.refused("POST", path, json=body)[:2] == (422, "INVALID_REQUEST_UNKNOWN")


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({"pageSize": "0"}, "INVALID_REQUEST_UNKNOWN"),
        ({"pageSize": "101"}, "INVALID_REQUEST_UNKNOWN"),
        ({"x": "1"}, "INVALID_REQUEST_UNKNOWN"),
        ({"offset": "itrX/comX"}, "INVALID_OFFSET_VALUE"),
        ({"offset": "9" * 19}, "INVALID_OFFSET_VALUE"),
    ],
)
def test_parameters_of_the_list_are_checked(wire: Wire, record: str, parameters: dict[str, str], kind: str) -> None:
    assert wire.refused("GET", wire.path(TABLE, record, "comments"), params=parameters)[:2] == (422, kind)
