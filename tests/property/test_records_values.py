"""Any value, any offset: read in one form, or refused in the foreseen way."""

import base64
import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories.records import EVERYTHING, PROJECTS
from tests.fakes import CountingIds

from airtable_connector.records import (
    SPRINTS,
    CannotFilter,
    Field,
    FieldType,
    InvalidCell,
    InvalidOffset,
    Position,
    Query,
    UnknownChoice,
    equals,
    read_offset,
    read_text,
    sort_by,
    write_offset,
)
from airtable_connector.records.schema import Surroundings, read_cell

CALM = settings(deadline=None, derandomize=True, database=None)
STORED = [field for field in EVERYTHING.fields if not field.computed]
FIELDS = st.sampled_from(STORED)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([10**400, -(10**400), 2**53 + 1, 2**63, 2**64, -(2**63) - 1]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(),
    st.text(st.characters()),  # with lone surrogates
    st.sampled_from(["\x00", "a\x00b", "rec00000000000001", "Done", "red", "2026-01-31", "https://a.example/b.png"]),
    st.dates().map(str),
    st.datetimes(timezones=st.one_of(st.none(), st.timezones())).map(lambda moment: moment.isoformat()),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.fixed_dictionaries({}, optional={"id": inner, "url": inner, "filename": inner}),
        st.lists(st.fixed_dictionaries({"url": st.just("https://a.example/ä.png")}, optional={"filename": inner})),
        st.fixed_dictionaries({"text": inner}, optional={"type": inner}),
        st.fixed_dictionaries({"id": st.just("usr00000000000001")}, optional={"name": inner, "email": inner}),
        st.fixed_dictionaries({"email": st.just("ada@a.example")}, optional={"name": inner}),
    ),
    max_leaves=5,
)


def around(cell: Any = None) -> Surroundings:
    held = cell if isinstance(cell, list) else []
    return Surroundings(CountingIds(), {item["id"]: item for item in held if isinstance(item, dict)})


@settings(CALM, max_examples=1_000)
@given(FIELDS, JSON)
def test_a_value_is_refused_or_kept_in_a_form_that_reads_as_itself(field: Field, value: Any) -> None:
    try:
        cell = read_cell(field, value, around())
    except (InvalidCell, UnknownChoice):
        return
    encoded = orjson.dumps(cell)
    assert b"\\u0000" not in encoded
    stored = orjson.loads(encoded)
    assert (repr(stored), type(stored)) == (repr(cell), type(cell))
    again = read_cell(field, stored, around(cell))
    assert (repr(again), type(again)) == (repr(cell), type(cell))


@settings(CALM, max_examples=200)
@given(st.sampled_from([field for field in STORED if field.type in {FieldType.NUMBER, FieldType.DURATION}]), JSON)
def test_a_number_is_the_same_whether_written_with_an_exponent_or_without(field: Field, value: Any) -> None:
    with contextlib.suppress(InvalidCell):
        cell = read_cell(field, value, around())
        assert isinstance(cell, int | float | None)
        if cell is not None:
            digits = format(cell, ".0f" if float(cell).is_integer() else "r") if isinstance(cell, int) else repr(cell)
            assert orjson.dumps(orjson.loads(digits)) == orjson.dumps(cell)


@settings(CALM, max_examples=500)
@given(st.sampled_from(EVERYTHING.fields), st.one_of(st.text(), st.text(st.characters()), SCALARS.map(str)))
def test_a_text_is_a_value_of_the_field_or_refused(field: Field, text: str) -> None:
    with contextlib.suppress(InvalidCell, UnknownChoice):
        cell = read_text(field, text)
        assert cell is not None or text == "" or field.type in {FieldType.CHECKBOX, FieldType.RATING}
    with contextlib.suppress(InvalidCell, UnknownChoice, CannotFilter):
        equals(field, text)


SORTS = st.sampled_from(["", "Name", "-Number", "Stage", "-Ticked,Day", "Created,-Modified,Count", "Moment", "Stars"])


def asked(sort: str) -> Query:
    return Query(EVERYTHING, sort=sort_by(EVERYTHING, sort) if sort else ())


@settings(CALM, max_examples=300)
@given(SORTS, st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_garbage_is_no_offset(sort: str, text: str) -> None:
    with contextlib.suppress(InvalidOffset):
        read_offset(asked(sort), text)
        raise AssertionError("garbage was taken for an offset")


TAMPERED = st.one_of(st.integers(-3, 5), st.integers(-(2**63), 2**64 - 1), SCALARS, st.lists(SCALARS, max_size=2))


@settings(CALM, max_examples=800)
@given(
    SORTS, st.one_of(st.integers(0, 5), TAMPERED), st.lists(st.one_of(st.sampled_from([0, 1]), TAMPERED), max_size=6)
)
def test_a_tampered_offset_is_refused_or_one_that_could_have_been_given(
    sort: str, ordinal: Any, keys: list[Any]
) -> None:
    query = asked(sort)
    try:
        text = base64.urlsafe_b64encode(orjson.dumps([query.fingerprint, ordinal, *keys])).decode()
    except TypeError:
        return  # not even JSON
    try:
        position = read_offset(query, text)
    except InvalidOffset:
        return
    assert type(position.ordinal) is int
    assert 0 <= position.ordinal < 2**63
    assert len(position.keys) == 2 * len(query.sort)
    for present, key, by in zip(position.keys[::2], position.keys[1::2], query.sort, strict=True):
        assert present in (0, 1)
        if by.field.type in {FieldType.SINGLE_SELECT, FieldType.CHECKBOX}:
            assert isinstance(key, int)
            assert 0 <= key <= 3
        elif isinstance(key, str):
            assert "\x00" not in key
        else:
            float(key)


@pytest.mark.parametrize(
    ("sort", "ordinal", "keys"),
    [
        ("", -1, []),
        ("", 2**62, []),
        ("", 1.0, []),
        ("", "1", []),
        ("", True, []),
        ("", None, []),
        ("", 1, [1]),
        ("Name", 1, [1, "a\x00b"]),
        ("Name", 1, [1, 5]),
        ("Name", 1, [1, None]),
        ("Name", 1, [2, "a"]),
        ("Name", 1, [True, "a"]),
        ("Name", 1, ["1", "a"]),
        ("Name", 1, [1]),
        ("Name", 1, [1, "a", 1]),
        ("-Number", 1, [1, "5"]),
        ("-Number", 1, [1, True]),
        ("-Number", 1, [1, [5]]),
        ("Stage", 1, [1, 4]),
        ("Stage", 1, [1, -1]),
        ("Stage", 1, [1, 1.0]),
        ("Stage", 1, [1, 2**40]),
        ("Stage", 1, [1, "Done"]),
        ("-Ticked,Day", 1, [1, 2, 1, "2026-01-01"]),
        ("-Ticked,Day", 1, [1, 1, 1, 20260101]),
    ],
)
def test_an_offset_that_was_never_given_is_refused(sort: str, ordinal: object, keys: list[object]) -> None:
    query = asked(sort)
    text = base64.urlsafe_b64encode(orjson.dumps([query.fingerprint, ordinal, *keys])).decode()
    with pytest.raises(InvalidOffset):
        read_offset(query, text)


@settings(CALM, max_examples=150)
@given(st.integers(0, 2**40), st.text(max_size=200), st.floats(allow_nan=False, allow_infinity=False))
def test_an_offset_brings_the_position_back(ordinal: int, text: str, number: float) -> None:
    query = asked("Name,-Number")
    position = Position(ordinal, (1, text.replace("\x00", ""), 0, number))
    assert read_offset(query, write_offset(query, position)) == position
    for other in (asked("Name"), Query(SPRINTS), Query(PROJECTS)):
        with contextlib.suppress(InvalidOffset):
            read_offset(other, write_offset(query, position))
            raise AssertionError("an offset was taken by another question")
