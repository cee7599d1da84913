"""Generated code means what the plain walk means, for any formula and any record; any text is read or refused."""

import contextlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.factories.random_formulas import FORMULAS, LINKED, cell_of
from tests.factories.records import EVERYTHING

from airtable_connector.records.formula import (
    CellError,
    Context,
    Fact,
    Formula,
    FormulaError,
    FormulaTooCostly,
    Value,
    Work,
    as_cell,
    compile_formula,
    explain,
)
from airtable_connector.records.formula.evaluate import walk
from airtable_connector.records.formula.values import Failed, tidy, to_boolean

CALM = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow], max_examples=1_500
)
NOW = datetime(2026, 11, 25, 12, 30, 15, 123_456, tzinfo=UTC)


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
