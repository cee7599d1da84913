"""What Airtable tells becomes what is kept, and what is kept becomes what Airtable takes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.airtable import CloudRecord, CloudTable
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.records import FieldType, InvalidSchema, Table, table_from_definition
from airtable_connector.sync.told import (
    AIRTABLE_TYPE,
    is_told_whole,
    sent_cells,
    strangers,
    told_cells,
    told_payload_cells,
    told_table,
)

RECORD = RecordId("rec" + "A" * 14)
CREATED = datetime(2026, 1, 5, 12, tzinfo=UTC)
CHOICES = [{"id": f"sel{letter * 14}", "name": letter, "color": "blueLight2"} for letter in "abc"]
RESULT = {"result": {"type": "number", "options": {"precision": 0}}}

OPTIONS: dict[FieldType, dict[str, Any]] = {
    FieldType.SINGLE_SELECT: {"choices": CHOICES},
    FieldType.MULTIPLE_SELECTS: {"choices": CHOICES},
    FieldType.MULTIPLE_RECORD_LINKS: {"linkedTableId": "tbl" + "L" * 14, "inverseLinkFieldId": "fld" + "I" * 14},
    FieldType.FORMULA: {"formula": "1", "isValid": True, **RESULT},
    FieldType.ROLLUP: {"isValid": True, "recordLinkFieldId": "fldL", "fieldIdInLinkedTable": "fldN", **RESULT},
    FieldType.MULTIPLE_LOOKUP_VALUES: {"isValid": True, "recordLinkFieldId": "fldL", "fieldIdInLinkedTable": "fldN"},
    FieldType.COUNT: {"isValid": True, "recordLinkFieldId": "fldL"},
}


def definition(*kinds: str, **more: Any) -> CloudTable:
    fields = [
        {"id": f"fld{number:014d}", "name": f"{kind} {number}", "type": kind, "options": OPTIONS.get(kind)}  # type: ignore[call-overload] - unknown types are asked for on purpose
        for number, kind in enumerate(kinds)
    ]
    said = {"id": "tbl" + "T" * 14, "name": "Things", "fields": fields, "primaryFieldId": fields[0]["id"], **more}
    return CloudTable(TableId(said["id"]), said["name"], said)


EVERYTHING = told_table(definition(*FieldType)).table
NAME = FieldId(EVERYTHING.fields[0].id)


def field_of(kind: FieldType, table: Table = EVERYTHING) -> FieldId:
    return next(FieldId(field.id) for field in table.fields if field.type is kind)


def record(**cells: Any) -> CloudRecord:
    return CloudRecord(RECORD, CREATED, {field_of(FieldType(kind)): cell for kind, cell in cells.items()})


texts = st.text(min_size=1, max_size=20)
numbers = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
record_ids = st.from_regex(r"rec[0-9A-Za-z]{14}", fullmatch=True)
people = st.fixed_dictionaries(
    {"id": st.from_regex(r"usr[0-9A-Za-z]{14}", fullmatch=True), "email": st.emails()}, optional={"name": texts}
)
moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - the zone is written behind it
    lambda moment: moment.isoformat(timespec="milliseconds") + "Z"
)
attachments = st.fixed_dictionaries(
    {
        "id": st.from_regex(r"att[0-9A-Za-z]{14}", fullmatch=True),
        "url": texts.map("https://v5.airtableusercontent.com/".__add__),
        "filename": texts,
        "size": st.integers(0, 10**9),
        "type": st.just("image/png"),
        "thumbnails": st.just({"small": {"url": "https://elsewhere", "width": 1, "height": 1}}),
    }
)
barcodes = st.fixed_dictionaries({"text": texts}, optional={"type": st.just("upce")})
links = st.lists(record_ids, min_size=1, max_size=4, unique=True)
chosen = st.sampled_from("abc")

WRITTEN: dict[FieldType, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        (
            *(FieldType.SINGLE_LINE_TEXT, FieldType.MULTILINE_TEXT, FieldType.URL, FieldType.EMAIL),
            *(FieldType.PHONE_NUMBER, FieldType.RICH_TEXT),
        ),
        texts,
    ),
    **dict.fromkeys((FieldType.NUMBER, FieldType.PERCENT, FieldType.CURRENCY, FieldType.DURATION), numbers),
    FieldType.RATING: st.integers(1, 5),
    FieldType.CHECKBOX: st.just(True),  # noqa: FBT003 - the only tick there is
    FieldType.SINGLE_SELECT: chosen,
    FieldType.MULTIPLE_SELECTS: st.lists(chosen, min_size=1, unique=True),
    FieldType.DATE: st.dates().map(str),
    FieldType.DATE_TIME: moments,
    FieldType.MULTIPLE_RECORD_LINKS: links,
    FieldType.BARCODE: barcodes,
}
"""Types whose cells come back from a write as they were sent."""

NAMED: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.SINGLE_COLLABORATOR: people,
    FieldType.MULTIPLE_COLLABORATORS: st.lists(people, min_size=1, max_size=3),
    FieldType.MULTIPLE_ATTACHMENTS: st.lists(attachments, min_size=1, max_size=3),
}
"""Types whose cells name something by id; a write sends the name alone."""

COMPUTED: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.FORMULA: numbers | texts | st.just({"error": "#ERROR!"}) | st.just({"specialValue": "NaN"}),
    FieldType.ROLLUP: numbers,
    FieldType.MULTIPLE_LOOKUP_VALUES: st.lists(texts | st.none(), min_size=1),
    FieldType.COUNT: st.integers(0, 9),
    FieldType.CREATED_TIME: moments,
    FieldType.LAST_MODIFIED_TIME: moments,
    FieldType.AUTO_NUMBER: st.integers(1, 10**6),
    FieldType.CREATED_BY: people,
    FieldType.LAST_MODIFIED_BY: people,
    FieldType.BUTTON: st.fixed_dictionaries({"label": texts, "url": texts}),
    FieldType.AI_TEXT: st.fixed_dictionaries({"state": st.just("generated"), "isStale": st.booleans(), "value": texts}),
    FieldType.EXTERNAL_SYNC_SOURCE: texts,
}

CLOUD_CELLS = st.fixed_dictionaries(
    {}, optional={field_of(kind): cells for kind, cells in {**WRITTEN, **NAMED, **COMPUTED}.items()}
)


def test_every_type_is_tried() -> None:
    assert {*WRITTEN, *NAMED, *COMPUTED} == set(FieldType)


@given(CLOUD_CELLS)
def test_what_is_sent_back_is_told_again_the_same(cells: dict[FieldId, Any]) -> None:
    told = told_cells(EVERYTHING, CloudRecord(RECORD, CREATED, cells))
    sent = sent_cells(EVERYTHING, told)
    assert sent.keys() == {name for name in cells if not EVERYTHING.by_id[name].computed}
    for kind in WRITTEN:
        assert sent.get(field_of(kind)) == cells.get(field_of(kind)) == told.get(field_of(kind))
    # Airtable fills in what it knows of whom or what an id or an address names
    answered = {**cells, **{name: cell for name, cell in sent.items() if EVERYTHING.by_id[name].type in WRITTEN}}
    assert told_cells(EVERYTHING, CloudRecord(RECORD, CREATED, answered)) == told


@given(CLOUD_CELLS)
def test_all_that_is_told_is_kept_but_for_what_is_a_fact_of_the_record(cells: dict[FieldId, Any]) -> None:
    told = told_cells(EVERYTHING, CloudRecord(RECORD, CREATED, cells))
    assert told.keys() == cells.keys() - {field_of(FieldType.CREATED_TIME)}


@given(st.lists(attachments, min_size=1, max_size=3))
def test_no_address_of_an_attachment_is_kept_wherever_it_stands(files: list[dict[str, Any]]) -> None:
    told = told_cells(EVERYTHING, record(multipleAttachments=files, multipleLookupValues=[*files, None]))
    assert "airtableusercontent" not in repr(told)
    kept = [{name: file[name] for name in ("id", "size", "type", "filename")} for file in files]
    assert told[field_of(FieldType.MULTIPLE_ATTACHMENTS)] == kept
    assert told[field_of(FieldType.MULTIPLE_LOOKUP_VALUES)] == [*kept, None]
    assert sent_cells(EVERYTHING, told)[field_of(FieldType.MULTIPLE_ATTACHMENTS)] == [{"id": f["id"]} for f in files]


def test_a_new_attachment_is_sent_with_its_address_and_a_person_by_their_own() -> None:
    files, owner = field_of(FieldType.MULTIPLE_ATTACHMENTS), field_of(FieldType.SINGLE_COLLABORATOR)
    new = {"id": "att" + "A" * 14, "url": "https://example.com/a.png", "filename": "a.png"}
    ada = {"id": "usr" + "A" * 14, "name": "Ada", "email": "ada@example.com"}
    assert sent_cells(EVERYTHING, {files: [new], owner: ada}) == {
        files: [{"url": "https://example.com/a.png", "filename": "a.png"}],
        owner: {"email": "ada@example.com"},
    }
    assert sent_cells(EVERYTHING, {owner: {"id": "usr" + "B" * 14, "name": "B"}}) == {owner: {"id": "usr" + "B" * 14}}


def test_an_emptied_cell_is_sent_as_null_and_a_computed_one_not_at_all() -> None:
    assert sent_cells(EVERYTHING, {NAME: None, field_of(FieldType.FORMULA): 3}) == {NAME: None}


def test_empty_cells_are_not_kept() -> None:
    told = told_cells(EVERYTHING, record(singleLineText="", checkbox=False, multipleSelects=[], formula=False, count=0))
    assert told == {field_of(FieldType.COUNT): 0}


def test_the_payload_of_a_new_record_is_kept_as_the_record_would_be() -> None:
    told = told_payload_cells(
        EVERYTHING,
        {
            field_of(FieldType.SINGLE_SELECT): CHOICES[0],
            field_of(FieldType.MULTIPLE_SELECTS): CHOICES[:2],
            field_of(FieldType.MULTIPLE_RECORD_LINKS): [{"id": RECORD, "name": "one"}],
            field_of(FieldType.NUMBER): 5,
        },
    )
    assert told == told_cells(
        EVERYTHING, record(singleSelect="a", multipleSelects=["a", "b"], multipleRecordLinks=[RECORD], number=5)
    )


def test_a_payload_tells_all_cells_only_of_a_table_that_computes_none() -> None:
    assert is_told_whole(told_table(definition("singleLineText", "createdTime")).table)
    assert not is_told_whole(told_table(definition("singleLineText", "autoNumber")).table)


@pytest.mark.parametrize(
    ("cells", "strange"),
    [
        ({NAME: "x"}, False),
        ({FieldId("fld" + "Z" * 14): "x"}, True),
        ({field_of(FieldType.SINGLE_SELECT): "a"}, False),
        ({field_of(FieldType.SINGLE_SELECT): "d"}, True),
        ({field_of(FieldType.MULTIPLE_SELECTS): ["a", "d"]}, True),
    ],
)
def test_a_record_shows_that_its_table_has_changed(cells: dict[FieldId, Any], *, strange: bool) -> None:
    assert strangers(EVERYTHING, CloudRecord(RECORD, CREATED, cells)) == (set(cells) if strange else set())


def test_every_field_is_told_and_comes_back_from_its_definition() -> None:
    assert {field.type for field in EVERYTHING.fields} == set(FieldType)
    assert all(field.told and not field.derived and field.inverse is None for field in EVERYTHING.fields)
    assert table_from_definition(EVERYTHING.definition()) == EVERYTHING


def test_a_type_that_is_not_known_keeps_its_json_and_the_rank_in_a_view_is_left_out() -> None:
    table = told_table(definition("singleLineText", "hologram", "manualSort")).table
    assert [field.type for field in table.fields] == [FieldType.SINGLE_LINE_TEXT, FieldType.AI_TEXT]
    strange = table.fields[1]
    assert strange.options == {AIRTABLE_TYPE: "hologram"}
    cells = {FieldId(strange.id): {"depth": [1, {"b": 2}]}}
    assert told_cells(table, CloudRecord(RECORD, CREATED, cells)) == cells


def test_a_broken_field_is_left_out_and_named_and_a_broken_formula_is_kept() -> None:
    said = definition("singleLineText", "formula", "multipleRecordLinks")
    fields: Any = said.definition["fields"]
    fields[1]["options"] = {"isValid": False, "result": None}
    fields[2]["options"] = {}
    told = told_table(said)
    assert [field.type for field in told.table.fields] == [FieldType.SINGLE_LINE_TEXT, FieldType.FORMULA]
    assert list(told.left_out.values()) == ["multipleRecordLinks 2"]
    assert told.table.fields[1].holds is FieldType.SINGLE_LINE_TEXT


def test_a_table_without_fields_is_none() -> None:
    with pytest.raises(InvalidSchema):
        told_table(definition("manualSort"))


def test_the_primary_field_comes_first_and_a_standard_key_is_kept_through_a_renaming() -> None:
    said = definition("number", "singleLineText", "multilineText", name="Sprints")
    fields: Any = said.definition["fields"]
    fields[2]["name"] = "Sprint_ID"
    moved = CloudTable(said.id, "Sprints", {**said.definition, "primaryFieldId": fields[1]["id"]})
    table = told_table(moved).table
    assert [field.id for field in table.fields] == [fields[number]["id"] for number in (1, 0, 2)]
    assert table.key == fields[2]["id"]
    renamed = CloudTable(said.id, "Plans", {**moved.definition, "name": "Plans"})
    assert told_table(renamed).table.key is None
    assert told_table(renamed, table).table.key == fields[2]["id"]
