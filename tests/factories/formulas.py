"""Asking one formula about one record."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.factories.records import EVERYTHING

from airtable_connector.records import Table
from airtable_connector.records.formula import CellError, Context, Fact, Formula, Value, compile_formula

NOW = datetime(2026, 11, 25, 12, 30, 15, 123_000, tzinfo=UTC)
LINKED = {"rec00000000000001": "Ada", "rec00000000000002": "Grace"}
FACTS = {
    Fact.RECORD_ID: "rec00000000000009",
    Fact.CREATED: "2026-01-02T03:04:05.000Z",
    Fact.MODIFIED: "2026-11-24T00:00:00.000Z",
}


def at_noon(names: Mapping[str, str] = LINKED) -> Context:
    return Context(NOW, names)


def row_of(formula: Formula, cells: Mapping[str, Any]) -> list[Any]:
    """Lay out cells, by field name, as the formula wants them; an unnamed one is empty."""
    return [FACTS[each] if isinstance(each, Fact) else cells.get(each.name) for each in formula.inputs]


def ask(text: str, cells: Mapping[str, Any] | None = None, *, table: Table = EVERYTHING) -> Value | CellError:
    formula = compile_formula(text, table)
    return formula.evaluate(row_of(formula, cells or {}), at_noon())


def lets_through(text: str, cells: Mapping[str, Any] | None = None, *, table: Table = EVERYTHING) -> bool:
    """Filter one record, in both ways; they must agree."""
    formula = compile_formula(text, table)
    row = row_of(formula, cells or {})
    found = formula.matches(row, at_noon())
    assert list(formula.matching([[cell] for cell in row], 1, at_noon())) == [0] * found
    return found
