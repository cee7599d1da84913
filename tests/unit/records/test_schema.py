"""Tables and fields: what may be defined, and how it is described."""

import pytest
from tests.factories.records import EVERYTHING, a_field, a_table, choices

from airtable_connector.records import (
    STANDARD_TABLES,
    Field,
    FieldType,
    InvalidSchema,
    UnknownField,
    stable_id,
    table_from_definition,
)


def test_the_standard_tables_are_the_meshs_and_keep_their_ids() -> None:
    assert [table.name for table in STANDARD_TABLES] == ["Sprints", "Cells", "Proof", "Heartbeats", "Daily_Digest"]
    keys = [table.key_field.name if table.key_field else None for table in STANDARD_TABLES]
    assert keys == ["Sprint_ID", "Cell_ID", "Proof_ID", None, "Date"]
    # clients remember these ids, exports carry them: they never change
    assert STANDARD_TABLES[0].id == "tblePkI5XHmiejYkC"
    assert STANDARD_TABLES[0].field("Sprint_ID").id == "fld8U6vqM4ca65Z2E"


@pytest.mark.parametrize("table", [*STANDARD_TABLES, EVERYTHING], ids=lambda table: str(table.name))
def test_a_description_of_a_table_reads_as_the_table(table: object) -> None:
    assert table_from_definition(table.definition()) == table  # type: ignore[attr-defined]


def test_a_stable_id_depends_on_all_names_in_their_places() -> None:
    ids = {stable_id("fld", *names) for names in (("a", "b"), ("ab",), ("b", "a"), ("a", "b", ""))}
    assert len(ids) == 4
    assert all(len(one) == 17 for one in ids)


@pytest.mark.parametrize(
    "make",
    [
        lambda: a_field("", FieldType.URL),
        lambda: a_field("x" * 256, FieldType.URL),
        lambda: a_field("Stage", FieldType.SINGLE_SELECT),
        lambda: a_field("Tags", FieldType.MULTIPLE_SELECTS, choices=[]),
        lambda: a_field("Links", FieldType.MULTIPLE_RECORD_LINKS),
        lambda: a_table("T", None, a_field("A", FieldType.URL), a_field("A", FieldType.EMAIL)),
        lambda: a_table(
            "T", None, a_field("A", FieldType.URL), Field(a_field("A", FieldType.URL).id, "B", FieldType.URL)
        ),
        lambda: a_table("T", "A", a_field("A", FieldType.NUMBER)),
        lambda: a_table("T", "A", a_field("A", FieldType.SINGLE_SELECT, choices=choices("a"))),
        lambda: table_from_definition({}),
        lambda: table_from_definition({"id": "tbl1", "name": "T", "fields": [5]}),
        lambda: table_from_definition(
            {"id": "tbl1", "name": "T", "fields": [{"id": "f", "name": "F", "type": "rollup"}]}
        ),
        lambda: table_from_definition({"id": "tbl1", "name": "T", "fields": [], "keyFieldId": "fld1"}),
    ],
)
def test_what_contradicts_itself_is_no_table(make: object) -> None:
    with pytest.raises(InvalidSchema):
        make()  # type: ignore[operator]


def test_a_field_is_found_by_name_before_id_and_the_nearest_is_told() -> None:
    number = EVERYTHING.field("Number")
    assert EVERYTHING.field(number.id) is number
    with pytest.raises(UnknownField) as refusal:
        EVERYTHING.field("number")
    assert "Number" in str(refusal.value.hint)
