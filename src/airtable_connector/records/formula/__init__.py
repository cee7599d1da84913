"""Airtable's formula language: read, checked, explained, evaluated."""

from airtable_connector.records.formula.errors import (
    FormulaError,
    FormulaRefused,
    FormulaSyntax,
    FormulaTooCostly,
    FormulaTooLarge,
    Span,
    UnknownFieldNames,
    UnknownFunctionNames,
)
from airtable_connector.records.formula.explain import Explanation, Line, explain
from airtable_connector.records.formula.formula import Equality, Formula, FormulaCache, as_cell, compile_formula
from airtable_connector.records.formula.functions import FUNCTIONS, Function, Section
from airtable_connector.records.formula.inputs import Context, Fact, Input, cell_of, source_of
from airtable_connector.records.formula.locales import locale_named
from airtable_connector.records.formula.moments import write_moment
from airtable_connector.records.formula.values import CellError, Kind, Moment, Value, Work, to_text

__all__ = [
    "FUNCTIONS",
    "CellError",
    "Context",
    "Equality",
    "Explanation",
    "Fact",
    "Formula",
    "FormulaCache",
    "FormulaError",
    "FormulaRefused",
    "FormulaSyntax",
    "FormulaTooCostly",
    "FormulaTooLarge",
    "Function",
    "Input",
    "Kind",
    "Line",
    "Moment",
    "Section",
    "Span",
    "UnknownFieldNames",
    "UnknownFunctionNames",
    "Value",
    "Work",
    "as_cell",
    "cell_of",
    "compile_formula",
    "explain",
    "locale_named",
    "source_of",
    "to_text",
    "write_moment",
]
