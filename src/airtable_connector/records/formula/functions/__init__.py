"""The table of functions, which checker, evaluator, generated code and manual read."""

from collections.abc import Mapping

from airtable_connector.records.formula.functions.arrays import ARRAYS
from airtable_connector.records.formula.functions.dates import DATES, zone_named
from airtable_connector.records.formula.functions.logic import LOGIC
from airtable_connector.records.formula.functions.numbers import NUMBERS
from airtable_connector.records.formula.functions.record import RECORD
from airtable_connector.records.formula.functions.spec import Example, Function, Section
from airtable_connector.records.formula.functions.text import TEXT

FUNCTIONS: Mapping[str, Function] = {
    function.name: function for function in (*LOGIC, *TEXT, *NUMBERS, *DATES, *ARRAYS, *RECORD)
}
"""Every function by its name in capital letters."""

__all__ = ["FUNCTIONS", "Example", "Function", "Section", "zone_named"]
