"""What a record shows while callers' writes to it are on their way."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.records import Cell
from airtable_connector.sync.overlay import NOTHING_OPEN, OpenCell, OpenRecord, Rule, Side, Told, overlay

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NAME, AGE = FieldId("fldName"), FieldId("fldAge")

values = st.sampled_from(["a", "b", "c", None])


def told(cells: dict[FieldId, Cell], *, changed_at: datetime | None = None) -> Told:
    return Told(TableId("tblA"), RecordId("recA"), cells, changed_at)


def opened(ours: Cell | None, *before: Cell | None) -> OpenRecord:
    return OpenRecord({NAME: OpenCell(7, ours, before, NOON)})


def test_where_nothing_is_open_the_record_is_as_told() -> None:
    assert overlay(told({NAME: "a"}), NOTHING_OPEN, Rule.NEWEST).cells == {NAME: "a"}


def test_an_open_cell_shows_the_callers_value_and_the_others_are_as_told() -> None:
    shown = overlay(told({NAME: "a", AGE: 7}), opened("b", "a"), Rule.NEWEST)
    assert (shown.cells, shown.conflicts) == ({NAME: "b", AGE: 7}, [])


def test_an_emptied_cell_stays_empty() -> None:
    assert overlay(told({NAME: "a"}), opened(None, "a"), Rule.NEWEST).cells == {}


def test_a_value_that_an_earlier_open_write_has_set_is_nobody_elses() -> None:
    assert overlay(told({NAME: "b"}), opened("c", "a", "b"), Rule.THEIRS).conflicts == []


def test_a_removed_record_does_not_come_back() -> None:
    assert overlay(told({NAME: "a"}), OpenRecord(removed=True), Rule.THEIRS).cells is None


@pytest.mark.parametrize(
    ("rule", "later", "won"),
    [
        (Rule.THEIRS, None, Side.THEIRS),
        (Rule.OURS, 1, Side.OURS),
        (Rule.NEWEST, 1, Side.THEIRS),
        (Rule.NEWEST, -1, Side.OURS),
        (Rule.NEWEST, 0, Side.OURS),
        (Rule.NEWEST, None, Side.OURS),
    ],
)
def test_the_rule_decides_who_wins(rule: Rule, later: int | None, won: Side) -> None:
    changed_at = None if later is None else NOON + timedelta(seconds=later)
    shown = overlay(told({NAME: "x"}, changed_at=changed_at), opened("b", "a"), rule)
    (conflict,) = shown.conflicts
    assert (conflict.won, conflict.ours, conflict.theirs, conflict.intent) == (won, "b", "x", 7)
    assert shown.cells == {NAME: "x" if won is Side.THEIRS else "b"}


@given(values, values, st.lists(values, min_size=1, max_size=3), st.sampled_from(Rule))
def test_without_a_conflict_ours_is_shown_and_with_one_the_winners(
    theirs: str | None, ours: str | None, before: list[str | None], rule: Rule
) -> None:
    shown = overlay(told({} if theirs is None else {NAME: theirs}), opened(ours, *before), rule)
    assert shown.cells is not None
    assert bool(shown.conflicts) == (theirs != ours and theirs not in before)
    wins = [conflict.won for conflict in shown.conflicts] or [Side.OURS]
    assert shown.cells.get(NAME) == (ours if wins == [Side.OURS] else theirs)
