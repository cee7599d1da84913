"""Generated code means what the plain walk means, for any formula and any record; any text is read or refused."""

import contextlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.factories.records import EVERYTHING

from airtable_connector.records.formula import (
    FUNCTIONS,
    CellError,
    Context,
    Fact,
    Formula,
    FormulaError,
    FormulaTooCostly,
    Function,
    Kind,
    Value,
    Work,
    as_cell,
    compile_formula,
    explain,
)
from airtable_connector.records.formula.evaluate import walk
from airtable_connector.records.formula.inputs import kind_of
from airtable_connector.records.formula.values import Failed, tidy, to_boolean
from airtable_connector.records.schema import FieldType

CALM = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow], max_examples=1_500
)
NOW = datetime(2026, 11, 25, 12, 30, 15, 123_456, tzinfo=UTC)
LINKED = {f"rec0000000000000{number}": name for number, name in enumerate(("Ada", "Grace, Hopper", "", "12"))}

TEXTS = st.sampled_from(
    [
        *[
            "",
            "a",
            "Active",
            "1",
            "0",
            "-2.5",
            " 7 ",
            "2024-01-31",
            "2024-02-29T23:59:59.999Z",
            "1/2/2024",
            "a, b",
            "ß",
        ],
        *[
            "日本語",
            "day",
            "months",
            "YYYY-MM-DD",
            "LL",
            "[a-z]+",
            "(a",
            "Europe/Berlin",
            "de",
            "x" * 300,
            "\\d+",
            "true",
        ],
    ]
)
NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 0.5, -2.5, 7, 1e-7, 12345678901234, 1e21, 2**53, 0.1])
DAYS = st.sampled_from(["2024-01-31", "2024-02-29", "2026-11-25", "0001-01-01", "9999-12-31"])
MOMENTS = st.sampled_from(["2024-01-31T00:00:00.000Z", "2026-11-25T12:30:15.123Z", "1969-12-31T23:59:59.999Z"])

CELLS: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.RATING: st.integers(1, 5),
    FieldType.DURATION: NUMBERS,
    FieldType.AUTO_NUMBER: st.integers(1, 9),
    FieldType.CHECKBOX: st.just(True),  # noqa: FBT003 - a cell
    FieldType.SINGLE_SELECT: st.sampled_from(["Waiting", "Active", "Done"]),
    FieldType.MULTIPLE_SELECTS: st.lists(st.sampled_from(["red", "green", "blue"]), min_size=1, unique=True),
    FieldType.DATE: DAYS,
    FieldType.DATE_TIME: MOMENTS,
    FieldType.MULTIPLE_RECORD_LINKS: st.lists(st.sampled_from(sorted(LINKED)), min_size=1, unique=True),
    FieldType.MULTIPLE_ATTACHMENTS: st.lists(
        st.just({"id": "att1", "url": "https://a.example/b.png", "filename": "b.png"}), min_size=1, max_size=2
    ),
}


def cell_of(source: Any) -> st.SearchStrategy[Any]:
    if isinstance(source, Fact):
        return st.just("rec00000000000009") if source is Fact.RECORD_ID else MOMENTS
    filled = CELLS.get(source.type, NUMBERS if kind_of(source) is Kind.NUMBER else TEXTS.filter(bool))
    return st.none() | filled


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def call_of(function: Function, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    most = function.most if function.most is not None else len(function.takes) + 2
    arguments = st.lists(inner, min_size=function.least, max_size=most)
    return arguments.map(lambda given: f"{function.name}({', '.join(given)})")


LEAVES = st.one_of(
    st.sampled_from([f"{{{field.name}}}" for field in EVERYTHING.fields]),
    TEXTS.map(quoted),
    st.sampled_from(["0", "1", "2.5", ".5", "100000", "1000000000000000000000"]),
    st.sampled_from(["RECORD_ID()", "CREATED_TIME()", "LAST_MODIFIED_TIME()", "NOW()", "TODAY()", "BLANK()", "TRUE()"]),
)
OPERATORS = st.sampled_from(["=", "!=", "<", ">", "<=", ">=", "&", "+", "-", "*", "/"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    chain = st.tuples(inner, st.lists(st.tuples(OPERATORS, inner), min_size=1, max_size=3))
    return st.one_of(
        st.sampled_from(list(FUNCTIONS.values())).flatmap(lambda function: call_of(function, inner)),
        chain.map(lambda parts: parts[0] + "".join(f" {operator} {operand}" for operator, operand in parts[1])),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
    )


ANYTHING = st.recursive(LEAVES, larger, max_leaves=12)
"""Formulas that hardly ever make sense."""

FIELDS_OF_A_KIND = {
    kind: [f"{{{field.name}}}" for field in EVERYTHING.fields if kind_of(field) is kind]
    for kind in (Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN, Kind.DATE, Kind.ARRAY)
}
CONSTANTS = {
    Kind.TEXT: st.sampled_from(['"Active"', '"a"', '"A"', '""', '"Done"', '"1"']),
    Kind.NUMBER: st.sampled_from(["0", "1", "2", "3", "0.5"]),
    Kind.BOOLEAN: st.sampled_from(["TRUE()", "FALSE()", "ERROR()"]),
    Kind.DATE: st.sampled_from(['"2024-01-31"', 'DATETIME_PARSE("2026-11-25")', "CREATED_TIME()", "NOW()"]),
    Kind.ARRAY: st.sampled_from(["{Tags}"]),
}


@cache
def sensible(kind: Kind, depth: int) -> st.SearchStrategy[str]:
    """Formulas whose arguments are of the kinds that are wanted."""
    if kind in {Kind.ANY, Kind.BLANK}:
        return st.sampled_from([Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN]).flatmap(lambda some: sensible(some, depth))
    leaves = st.sampled_from(FIELDS_OF_A_KIND[kind]) | CONSTANTS[kind]
    if depth == 0:
        return leaves
    given = [each for each in FUNCTIONS.values() if each.gives is kind and each.fact is None]
    calls = st.sampled_from(given).flatmap(lambda function: sensible_call(function, depth - 1))
    one = sensible(kind, depth - 1)
    choice = st.tuples(sensible(Kind.BOOLEAN, depth - 1), one, one).map(lambda parts: "IF({}, {}, {})".format(*parts))
    more: list[st.SearchStrategy[str]] = [leaves, calls, calls, choice]
    if kind is Kind.TEXT:
        more.append(st.tuples(one, one).map(" & ".join))
    if kind is Kind.NUMBER:
        more.append(st.tuples(one, st.sampled_from("+-*/"), one).map(lambda parts: "({} {} {})".format(*parts)))
    if kind is Kind.BOOLEAN:
        more += [conditions(each, depth - 1) for each in (Kind.TEXT, Kind.NUMBER, Kind.DATE)] * 2
        more.append(st.lists(one, min_size=2, max_size=4).map(lambda parts: f"AND({', '.join(parts)})"))
        more.append(st.lists(one, min_size=2, max_size=4).map(lambda parts: f"OR({', '.join(parts)})"))
    return st.one_of(more)


def sensible_call(function: Function, depth: int) -> st.SearchStrategy[str]:
    most = function.most if function.most is not None else len(function.takes) + 1
    counts = st.integers(function.least, most)
    arguments = counts.flatmap(
        lambda count: st.tuples(*[sensible(function.wants(place), depth) for place in range(count)])
    )
    return arguments.map(lambda parts: f"{function.name}({', '.join(parts)})")


def conditions(kind: Kind, depth: int) -> st.SearchStrategy[str]:
    comparison = st.sampled_from(["=", "!=", "<", ">", "<=", ">="])
    sides = sensible(kind, depth) | CONSTANTS[kind] | st.just("BLANK()")
    return st.tuples(sensible(kind, depth), comparison, sides).map(lambda parts: "{} {} {}".format(*parts))


MEMBERSHIPS = st.lists(
    st.tuples(st.sampled_from(["{Stage}", "{Name}"]), st.sampled_from(["Active", "Done", "a"])), min_size=1, max_size=3
).map(lambda pairs: f"OR({', '.join(f'{field} = {quoted(text)}' for field, text in pairs)})")
FILTERS = st.lists(MEMBERSHIPS | sensible(Kind.BOOLEAN, 1), min_size=1, max_size=3).map(
    lambda parts: f"AND({', '.join(parts)})"
)
FORMULAS = st.one_of(
    ANYTHING, FILTERS, FILTERS, *[sensible(kind, 2) for kind in (Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN, Kind.BOOLEAN)]
)


@st.composite
def formulas_and_rows(draw: st.DrawFn) -> tuple[Formula, list[list[Any]]]:
    while True:
        with contextlib.suppress(FormulaError):
            formula = compile_formula(draw(FORMULAS), EVERYTHING)
            rows = st.lists(
                st.tuples(*[cell_of(source) for source in formula.inputs]).map(list), min_size=1, max_size=6
            )
            return formula, draw(rows)


def context(steps: int = 10_000_000) -> Context:
    return Context(NOW, LINKED, Work(steps))


def walked(formula: Formula, row: Sequence[Any]) -> Value | CellError:
    try:
        return tidy(walk(formula.tree, row, context()))
    except Failed as failure:
        return failure.error


def same(one: object, two: object) -> bool:
    if isinstance(one, float) and isinstance(two, float) and math.isnan(one):
        return math.isnan(two)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    return type(one) is type(two) and one == two


@CALM
@given(formulas_and_rows())
def test_generated_code_and_the_walk_agree_on_every_record(drawn: tuple[Formula, list[list[Any]]]) -> None:
    formula, rows = drawn
    let_through = []
    for index, row in enumerate(rows):
        expected = walked(formula, row)
        found = formula.evaluate(row, context())
        assert same(found, expected), (formula.text, row, found, expected)
        true = not isinstance(expected, CellError) and to_boolean(expected)
        assert formula.matches(row, context()) is true
        let_through += [index] if true else []
        as_cell(found, formula.result)
    columns = list(zip(*rows, strict=True))
    assert list(formula.matching(columns, len(rows), context())) == let_through, formula.text


@CALM
@given(formulas_and_rows())
def test_what_all_matches_have_in_common_is_in_every_match(drawn: tuple[Formula, list[list[Any]]]) -> None:
    formula, rows = drawn
    for row in rows:
        if formula.matches(row, context()):
            for equality in formula.equalities():
                assert row[formula.inputs.index(equality.source)] in equality.values


@CALM
@given(formulas_and_rows())
def test_every_formula_can_be_explained(drawn: tuple[Formula, list[list[Any]]]) -> None:
    formula, _rows = drawn
    lines = explain(formula).lines
    assert all(1 <= line.start <= line.end <= len(formula.text) for line in lines)
    assert lines[0].kind is formula.result


PIECES = st.sampled_from(
    [
        *["{", "}", "(", ")", ",", '"', "'", "\\", "AND(", "IF(", "LEFT(", "Name", "{Number}", "1", ".", "=", "<", "&"],
        *["/*", "*/", "//", "\n", " ", "“", "^", "\x00", "\ud800", "é", "REGEX_MATCH(", '"(?="', "MONTH(", "TRUE()"],
        *["-", "/"],
    ]
)


@CALM
@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)))
@example("")
@example("((((")
@example("{Name")
def test_any_text_is_a_formula_or_refused_with_a_place(text: str) -> None:
    try:
        compile_formula(text, EVERYTHING)
    except FormulaError as refused:
        refusal = refused
    else:
        return
    assert 0 <= refusal.span.start <= len(text)
    assert "^" in refusal.pointing


@CALM
@given(FORMULAS, st.integers(0, 2_000))
def test_work_that_runs_out_is_the_one_thing_that_ends_an_evaluation(text: str, steps: int) -> None:
    try:
        formula = compile_formula(text, EVERYTHING)
    except FormulaError:
        return
    row = ["2024-01-31T00:00:00.000Z" if isinstance(source, Fact) else None for source in formula.inputs]
    with contextlib.suppress(FormulaTooCostly):
        formula.evaluate(row, context(steps))


@pytest.mark.parametrize("width", [2, 9, 400])
@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "&", "=", "<"])
def test_long_chains_agree(width: int, operator: str) -> None:
    formula = compile_formula(operator.join(["{Number}"] * width), EVERYTHING)
    for cell in (None, 3, -0.5, 2**53):
        assert same(formula.evaluate([cell], context()), walked(formula, [cell]))


@pytest.mark.parametrize("depth", [5, 30, 39, 41, 90])
@pytest.mark.parametrize(
    "around", ["IF({Number}, %s, 2)", "LEFT(%s & 'a', 3)", "-(1 - %s)", "NOT(AND(1, %s))", "ISERROR(%s)"]
)
def test_deep_formulas_agree(depth: int, around: str) -> None:
    text = "{Number}"
    parts_in_each_other = 1 if around[0] == "I" else 2
    for _ in range(depth // parts_in_each_other):
        text = around.replace("%s", text)
    formula = compile_formula(text, EVERYTHING)
    for cell in (None, 3):
        assert same(formula.evaluate([cell], context()), walked(formula, [cell]))
        assert list(formula.matching([[cell]], 1, context())) == [0] * formula.matches([cell], context())
