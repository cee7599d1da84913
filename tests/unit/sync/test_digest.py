"""What payloads mean, whatever order things happened in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.airtable import Payloads
from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.sync.mirror.digest import Digest, digest, jumped

TABLE = TableId("tbl" + "T" * 14)
RECORDS = [RecordId(f"rec{letter * 14}") for letter in "ABC"]
MADE: dict[str, Any] = {"createdTime": "2026-01-05T12:00:00.000Z", "cellValuesByFieldId": {}}
CHANGED: dict[str, Any] = {"current": {"cellValuesByFieldId": {}}}


def payload(**changes: Any) -> dict[str, Any]:
    return {"timestamp": "2026-01-05T12:00:00.000Z", "changedTablesById": {TABLE: changes}}


def event(kind: str, record: RecordId) -> dict[str, Any]:
    match kind:
        case "made":
            return payload(createdRecordsById={record: MADE})
        case "changed":
            return payload(changedRecordsById={record: CHANGED})
        case _:
            return payload(destroyedRecordIds=[record])


@given(st.lists(st.tuples(st.sampled_from(["made", "changed", "gone"]), st.sampled_from(RECORDS))))
def test_each_record_is_known_by_what_was_told_of_it_last(events: list[tuple[str, RecordId]]) -> None:
    told = digest([event(kind, record) for kind, record in events])
    last = {record: kind for kind, record in events}
    found = {
        **dict.fromkeys(told.made.get(TABLE, {}), "made"),
        **dict.fromkeys(told.changed.get(TABLE, set()), "changed"),
        **dict.fromkeys(told.gone.get(TABLE, set()), "gone"),
    }
    # a record that was changed and made, in whatever order, is read
    read = {record for kind, record in events if kind == "changed"}
    assert found.keys() == last.keys()
    assert {record for record, kind in found.items() if kind == "gone"} == {r for r, k in last.items() if k == "gone"}
    assert {record for record, kind in found.items() if kind == "made"} <= {r for r, k in last.items() if k == "made"}
    assert all(found[record] != "made" or last[record] == "made" for record in read)
    assert (told.schema, told.fault) == (False, None)


@pytest.mark.parametrize(
    "said",
    [
        payload(changedFieldsById={"fld1": {"current": {"name": "new"}}}),
        payload(createdFieldsById={"fld1": {"name": "new", "type": "number"}}),
        payload(destroyedFieldIds=["fld1"]),
        payload(changedMetadata={"current": {"name": "new"}}),
        payload(somethingNew={}),
        {"createdTablesById": {"tbl1": {"metadata": {"name": "new"}}}},
        {"destroyedTableIds": ["tbl1"]},
    ],
)
def test_what_is_not_about_records_is_about_the_schema(said: dict[str, Any]) -> None:
    assert digest([said]).schema


def test_a_payload_that_is_an_error_says_which() -> None:
    assert digest([event("gone", RECORDS[0]), {"error": True, "code": "INVALID_HOOK"}]).fault == "INVALID_HOOK"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_nonsense_is_no_trouble(nonsense: Any) -> None:
    parts = ("createdRecordsById", "changedRecordsById", "destroyedRecordIds")
    assert digest([payload(**dict.fromkeys(parts, nonsense)), {"changedTablesById": nonsense}]).fault is None
    assert digest([]) == Digest()


@pytest.mark.parametrize(
    ("asked", "count", "cursor", "more", "missing"),
    [
        (1, 0, 1, False, False),
        (1, 3, 4, False, False),
        (1, 2, 4, True, True),
        (5, 0, 3, False, True),
        (1, 0, 1, True, True),
    ],
)
def test_a_cursor_that_does_not_follow_shows_that_payloads_are_missing(
    asked: int, count: int, cursor: int, *, more: bool, missing: bool
) -> None:
    assert jumped(asked, Payloads([{}] * count, cursor, more)) is missing
