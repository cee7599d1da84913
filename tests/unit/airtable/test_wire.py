from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.airtable import Change, Payloads, wire
from airtable_connector.airtable.calls import create_call, delete_call, get_call, list_call, update_call, upsert_call
from airtable_connector.airtable.wire import MalformedAnswer
from airtable_connector.kernel.ids import FieldId, RecordId, TableId

BASE, TABLE, NAME = "appAAAAAAAAAAAAAA", TableId("tblAAAAAAAAAAAAAA"), FieldId("fldAAAAAAAAAAAAAA")
ADA, BOB = RecordId("recAAAAAAAAAAAAAA"), RecordId("recBBBBBBBBBBBBBB")
CREATED = "2026-01-05T12:00:00.000Z"
RECORD: dict[str, Any] = {"id": ADA, "createdTime": CREATED, "fields": {NAME: "Ada"}}

READERS: list[Callable[[Any], object]] = [
    wire.read_record,
    wire.read_page,
    partial(wire.read_written, count=1),
    partial(wire.read_merged, count=1),
    wire.read_deleted,
    wire.read_tables,
    wire.read_table,
    wire.read_field,
    wire.read_new_webhook,
    wire.read_webhooks,
    wire.read_expiry,
    wire.read_payloads,
]

NAMES = ["records", "id", "fields", "createdTime", "createdRecords", "tables", "name", "webhooks", "payloads", "cursor",
         "macSecretBase64", "expirationTime", "notificationUrl", "offset", "deleted"]  # fmt: skip
ANYTHING = st.recursive(
    st.sampled_from([None, True, 0, 1.5, "", "x", ADA, CREATED]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)


@given(st.sampled_from(READERS), ANYTHING)
def test_whatever_comes_it_is_read_or_called_malformed(read: Callable[[Any], object], said: Any) -> None:
    try:
        read(said)
    except MalformedAnswer as malformed:
        assert ADA not in str(malformed)  # noqa: PT017 - reading it is as good as refusing it


def test_a_page_has_its_records_by_field_id_and_where_the_next_one_is() -> None:
    page = wire.read_page({"records": [RECORD], "offset": "itrX/recY"})
    (record,) = page.records
    assert (record.id, record.created_at, record.cells) == (ADA, datetime(2026, 1, 5, 12, tzinfo=UTC), {NAME: "Ada"})
    assert page.offset == "itrX/recY"
    assert wire.read_page({"records": []}).offset is None


def test_an_answer_to_a_write_with_another_number_of_records_is_not_believed() -> None:
    with pytest.raises(MalformedAnswer, match="1 records, and 2 were sent"):
        wire.read_written({"records": [RECORD]}, count=2)


def test_an_upsert_tells_what_it_made() -> None:
    said = {"records": [RECORD, {**RECORD, "id": BOB}], "createdRecords": [BOB], "updatedRecords": [ADA]}
    merged = wire.read_merged(said, count=2)
    assert [record.id for record in merged.records] == [ADA, BOB]
    assert merged.created == {BOB}


def test_payloads_are_kept_as_they_came() -> None:
    said = {"payloads": [{"baseTransactionNumber": 4}], "cursor": 5, "mightHaveMore": True}
    assert wire.read_payloads(said) == Payloads(({"baseTransactionNumber": 4},), cursor=5, more=True)


def test_a_secret_and_cells_are_not_shown() -> None:
    hook = wire.read_new_webhook({"id": "achAAAAAAAAAAAAAA", "macSecretBase64": "c2VjcmV0", "expirationTime": None})
    shown = repr(
        [hook, wire.read_record(RECORD), Change(ADA, {NAME: "Ada"}), create_call(BASE, TABLE, [{NAME: "Ada"}])]
    )
    assert "c2VjcmV0" not in shown
    assert "'Ada'" not in shown
    assert hook.mac_key.reveal() == "c2VjcmV0"


def test_writes_name_fields_by_id_and_never_typecast() -> None:
    body = update_call(BASE, TABLE, [Change(ADA, {NAME: None})]).body
    assert body == {"records": [{"id": ADA, "fields": {NAME: None}}], "returnFieldsByFieldId": True}


def test_reads_take_no_view_and_no_sort() -> None:
    assert get_call(BASE, TABLE, [ADA, BOB]).options == {
        "page_size": 100,
        "use_field_ids": True,
        "formula": f"OR(RECORD_ID()='{ADA}',RECORD_ID()='{BOB}')",
    }


@pytest.mark.parametrize(
    "call",
    [
        lambda: create_call(BASE, TABLE, []),
        lambda: create_call(BASE, TABLE, [{}] * 11),
        lambda: delete_call(BASE, TABLE, [ADA] * 11),
        lambda: get_call(BASE, TABLE, [ADA] * 101),
        lambda: list_call(BASE, TABLE, page_size=0),
        lambda: upsert_call(BASE, TABLE, [{NAME: "Ada"}], on=[]),
        lambda: upsert_call(BASE, TABLE, [{NAME: None}], on=[NAME]),
    ],
)
def test_what_airtable_would_refuse_for_its_size_is_not_sent(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"1 to|every record"):
        call()
