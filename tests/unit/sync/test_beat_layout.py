"""What a row shows, and where."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airtable_connector.airtable import CloudRecord, CloudTable
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.sync.beats.layout import (
    HourOfLoad,
    Layout,
    Shown,
    Unfit,
    by_cells,
    can_have_a_row,
    find_layout,
    key_of,
    of_beat,
    of_hour,
)

AT = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
CALM = settings(deadline=None, derandomize=True, database=None)
STANDARD = {
    "Cell_ID": "singleLineText",
    "CPU_Usage": "number",
    "RAM_Usage": "number",
    "Status": "singleLineText",
    "Timestamp": "createdTime",
}


def a_table(fields: dict[str, Any], name: str = "Heartbeats") -> CloudTable:
    told = [
        {"id": f"fld{field}", "name": field, **(kind if isinstance(kind, dict) else {"type": kind})}
        for field, kind in fields.items()
    ]
    return CloudTable(TableId("tbl1"), name, {"fields": told})


def layout_of(**fields: Any) -> Layout:
    found = find_layout([a_table({}, "Sprints"), a_table({**STANDARD, **fields})])
    assert isinstance(found, Layout)
    return found


def test_a_created_time_takes_no_moment_and_a_row_shows_the_rest() -> None:
    layout = layout_of()
    assert layout.cells("cell-1", Shown(12.5, None, "active"), AT) == {
        "fldCell_ID": "cell-1",
        "fldCPU_Usage": 12.5,
        "fldRAM_Usage": None,
        "fldStatus": "active",
    }
    assert (layout.shows_moments, layout.tells_hours, layout.key) == (False, True, None)


def test_a_moment_goes_into_a_field_that_takes_one() -> None:
    layout = layout_of(Timestamp="dateTime")
    assert layout.cells("c", Shown(), AT)[FieldId("fldTimestamp")] == "2026-01-05T12:30:00.000Z"
    assert layout.shows_moments


def test_a_select_takes_the_choices_that_it_has_and_cannot_tell_hours() -> None:
    status = {"type": "singleSelect", "options": {"choices": [{"id": "sel1", "name": "active"}]}}
    layout = layout_of(Status=status)
    assert layout.cells("c", Shown(status="active"), AT)[FieldId("fldStatus")] == "active"
    assert layout.cells("c", Shown(status="gone"), AT)[FieldId("fldStatus")] is None
    assert not layout.tells_hours


def test_fields_of_other_types_are_left_alone() -> None:
    layout = layout_of(CPU_Usage="formula", RAM_Usage="singleLineText", Status="checkbox", CONNECTOR_KEY="autoNumber")
    assert layout.cells("c", Shown(1.5, 40.0, "x"), AT) == {"fldCell_ID": "c", "fldRAM_Usage": "40"}
    assert layout.key is None


def test_a_key_field_is_used_where_there_is_one() -> None:
    assert layout_of(CONNECTOR_KEY="singleLineText").key == "fldCONNECTOR_KEY"


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ([], "the base has no table Heartbeats"),
        ([a_table({"Name": "singleLineText"})], "the table Heartbeats has no text field Cell_ID"),
        ([a_table({"Cell_ID": "multipleRecordLinks"})], "the table Heartbeats has no text field Cell_ID"),
        ([CloudTable(TableId("tbl1"), "Heartbeats", {})], "the table Heartbeats has no text field Cell_ID"),
    ],
)
def test_a_base_that_has_no_place_for_heartbeats_is_told_so(tables: list[CloudTable], reason: str) -> None:
    assert find_layout(tables) == Unfit(reason)


def test_an_hour_says_which_it_was_how_many_beats_it_had_and_their_spans() -> None:
    shown = of_hour("2026-01-05T11:00:00.000Z", 118, HourOfLoad(3, 12.34, 80.5), None)
    assert shown == Shown(12.3, None, "hour from 2026-01-05T11:00Z: 118 beats, CPU 3.0 to 80.5")


def test_a_beat_is_shown_in_tenths_and_on_one_line() -> None:
    assert of_beat(12.34, None, " two\nlines ") == Shown(12.3, None, "two lines")
    assert len(of_beat(None, None, "x" * 999).status) == 200


@given(st.text(min_size=1), st.text(min_size=1))
@settings(CALM)
def test_rows_of_other_cells_and_hours_have_other_keys(cell: str, hour: str) -> None:
    assert key_of(cell, hour) == key_of(cell, hour)
    assert len({key_of(cell, ""), key_of(cell, hour), key_of(cell + hour, ""), key_of(hour, cell + " ")}) == 4


@pytest.mark.parametrize("cell", ["", " x", "x ", "a\nb", "a\x00b", "x" * 256])
def test_a_name_that_could_not_be_found_again_has_no_row(cell: str) -> None:
    assert not can_have_a_row(cell)
    assert can_have_a_row("it's cell \\ 7")


def test_a_name_with_quotes_stays_one_text_in_a_formula() -> None:
    formula = by_cells(["it's \\"], after=AT, before=AT)
    assert "OR({Cell_ID}='it\\'s \\\\')" in formula


@given(st.floats(0, 100), st.text(max_size=20))
@settings(CALM)
def test_what_was_sent_is_known_again_although_a_field_rounds_it(cpu: float, status: str) -> None:
    layout = layout_of(Timestamp="dateTime")
    shown = of_beat(cpu, None, status)
    sent = layout.cells("c", shown, AT)
    told = {name: value for name, value in sent.items() if value is not None}
    assert isinstance(shown.cpu, float)
    told[FieldId("fldCPU_Usage")] = round(shown.cpu)
    record = CloudRecord(RecordId("rec1"), AT, told)
    assert layout.is_row(record, "c", shown)
    assert not layout.is_row(record, "d", shown)
    assert not layout.is_row(record, "c", Shown(shown.cpu, 7.0, shown.status))
    assert Shown.read(shown.text()) == shown
