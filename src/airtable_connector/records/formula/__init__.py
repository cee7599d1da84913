"""Airtable's formula language: read, checked, explained, evaluated.

What reads and evaluates is loaded when somebody asks for it: a service starts without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

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
from airtable_connector.records.formula.inputs import Context, Fact, Input, cell_of, name_in, source_of
from airtable_connector.records.formula.values import CellError, Failed, Kind, Moment, Value, Work, to_text

if TYPE_CHECKING:
    from airtable_connector.records.formula.explanation import Explanation, Line, explain
    from airtable_connector.records.formula.formula import (
        Equality,
        Formula,
        FormulaCache,
        as_cell,
        compile_formula,
        fields_named,
        with_field_ids,
    )
    from airtable_connector.records.formula.functions import FUNCTIONS, Function, Section
    from airtable_connector.records.formula.locales import locale_named
    from airtable_connector.records.formula.moments import write_moment

__all__ = [
    "FUNCTIONS",
    "CellError",
    "Context",
    "Equality",
    "Explanation",
    "Fact",
    "Failed",
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
    "fields_named",
    "locale_named",
    "name_in",
    "source_of",
    "to_text",
    "with_field_ids",
    "write_moment",
]

_LOADED_LATER = {
    "explanation": ("Explanation", "Line", "explain"),
    "formula": (
        "Equality",
        "Formula",
        "FormulaCache",
        "as_cell",
        "compile_formula",
        "fields_named",
        "with_field_ids",
    ),
    "functions": ("FUNCTIONS", "Function", "Section"),
    "locales": ("locale_named",),
    "moments": ("write_moment",),
}
"""The module of each name that is not loaded yet."""


def __getattr__(name: str) -> object:
    for module, names in _LOADED_LATER.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
