"""A formula that is ready to be asked: what it reads, what it gives, for one record or for all."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeGuard

from airtable_connector.records.formula import parse as parsing
from airtable_connector.records.formula.check import Checked, check, find_field
from airtable_connector.records.formula.evaluate import walk
from airtable_connector.records.formula.generate import (
    TALLEST,
    Columns,
    Evaluating,
    Matching,
    evaluating_code,
    folded,
    matching_code,
    text_equality,
)
from airtable_connector.records.formula.inputs import Context, Input
from airtable_connector.records.formula.syntax import Node, height, names_in
from airtable_connector.records.formula.tree import Apply, Part, kind_of_part
from airtable_connector.records.formula.values import (
    CellError,
    Failed,
    Kind,
    Moment,
    Value,
    iso_text,
    tidy,
    to_boolean,
    to_text,
)
from airtable_connector.records.schema import Cell, Field, FieldType, Table

SHORT = 4_000
"""Characters of a formula that is remembered; only short ones come again and again."""

Row = Sequence[Cell | None]


@dataclass(frozen=True)
class Equality:
    """A condition that holds for every record that a formula lets through: the input's value is one of these."""

    source: Input
    values: frozenset[str]


class Formula:
    """A formula over one table.

    A row holds the cells of `inputs` in their order, as the store keeps them, None for an empty one; facts of the
    record are texts. Cells are taken as they are: what the store would refuse gives results that mean nothing.
    """

    def __init__(self, text: str, checked: Checked, *, tall: bool) -> None:
        self.text = text
        self.tree: Part = checked.root
        self.fields: tuple[Field, ...] = checked.fields
        """The fields that it names, in the order of their first mention."""
        self.inputs: tuple[Input, ...] = checked.inputs
        """What a row must hold: fields with cells of their own, and facts of the record."""
        self.reads_time: bool = checked.reads_time
        """Whether the result changes without the record changing."""
        self.result: Kind = kind_of_part(checked.root)
        self._tall = tall

    @property
    def reads_links(self) -> bool:
        """Whether it reads links, so that its context must name the linked records."""
        return any(isinstance(each, Field) and each.type is FieldType.MULTIPLE_RECORD_LINKS for each in self.inputs)

    def evaluate(self, row: Row, context: Context) -> Value | CellError:
        """Work out the value for one record; an error is a value too.

        Raises:
            FormulaTooCostly: the context's work is used up.
        """
        try:
            return tidy(self._evaluating(row, context))
        except Failed as failure:
            return failure.error

    def matches(self, row: Row, context: Context) -> bool:
        """Tell whether a filter by this formula lets the record through; an error does not.

        Raises:
            FormulaTooCostly: the context's work is used up.
        """
        try:
            return to_boolean(self._evaluating(row, context))
        except Failed:
            return False

    def matching(self, columns: Columns, rows: int, context: Context) -> Iterator[int]:
        """Yield the numbers of the rows that `matches` lets through, as far as somebody asks for them.

        ``columns`` are the inputs, each with one cell per row. Long scans are given in slices, so that others get a
        turn.

        Raises:
            FormulaTooCostly: the context's work is used up.
        """
        return self._matching(columns, rows, context)

    def equalities(self) -> tuple[Equality, ...]:
        """Return what every record that matches has in common, so that an index can be asked first."""
        found = []
        for part in conjuncts(folded(self.tree)):
            alternatives = part.arguments if _is_call(part, "OR") else (part,)
            pairs = [text_equality(each) for each in alternatives]
            known = [pair for pair in pairs if pair is not None]
            if len(known) == len(pairs) and len({read.place for read, _text in known}) == 1:
                found.append(Equality(known[0][0].source, frozenset(text for _read, text in known)))
        return tuple(found)

    @cached_property
    def _evaluating(self) -> Evaluating:
        made = None if self._tall else evaluating_code(self.tree, len(self.inputs))
        return made or (lambda row, context: walk(self.tree, row, context))

    @cached_property
    def _matching(self) -> Matching:
        made = None if self._tall else matching_code(self.tree, len(self.inputs))
        return made or self._walk_rows

    def _walk_rows(self, columns: Columns, rows: int, context: Context) -> Iterator[int]:
        for index in range(rows):
            if self.matches([column[index] for column in columns], context):
                yield index


def conjuncts(part: Part) -> Iterator[Part]:
    """Yield the conditions that must all hold: the arguments of an AND, and of the ANDs in it."""
    if _is_call(part, "AND"):
        for argument in part.arguments:
            yield from conjuncts(argument)
    else:
        yield part


def compile_formula(text: str, table: Table) -> Formula:
    """Read a formula over a table.

    Raises:
        FormulaSyntax, FormulaTooLarge: the text is no formula, or one that is too large.
        UnknownFieldNames, UnknownFunctionNames, FormulaRefused: it cannot work over this table.
    """
    node = _remembered(text) if len(text) <= SHORT else parsing.parse(text)
    return Formula(text, check(text, node, table), tall=height(node) > TALLEST)


def fields_named(text: str, table: Table) -> tuple[Field, ...]:
    """Return the fields that a formula names, whatever else may be wrong with it.

    Raises:
        FormulaSyntax, FormulaTooLarge: the text is no formula, or one that is too large.
    """
    found = [find_field(table, name.name) for name in names_in(parsing.parse(text))]
    return tuple({field.id: field for field in reversed(found) if field is not None}.values())


def with_field_ids(text: str, table: Table) -> str:
    """Write a formula with the ids of its fields, so that it survives their renaming; unknown names stay.

    Raises:
        FormulaSyntax, FormulaTooLarge: the text is no formula, or one that is too large.
    """
    for name in sorted(names_in(parsing.parse(text)), key=lambda name: name.start, reverse=True):
        found = find_field(table, name.name)
        if found is not None:
            text = f"{text[: name.start]}{{{found.id}}}{text[name.end :]}"
    return text


@lru_cache(maxsize=256)
def _remembered(text: str) -> Node:
    return parsing.parse(text)


class FormulaCache:
    """The formulas that were used last, so that a filter that comes again costs a look-up."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, str], tuple[Table, Formula]] = OrderedDict()

    def formula(self, text: str, table: Table) -> Formula:
        """Return the formula over the table, compiled now or before; raises what `compile_formula` raises."""
        key = (table.id, text)
        kept = self._kept.get(key)
        # a table whose fields were changed is another object
        if kept is not None and kept[0] is table:
            self._kept.move_to_end(key)
            return kept[1]
        formula = compile_formula(text, table)
        if len(text) <= SHORT:
            self._kept[key] = (table, formula)
            self._kept.move_to_end(key)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return formula


def as_cell(value: Value | CellError, kind: Kind) -> Any:
    """Turn a formula's value into the JSON of a formula field's cell; None when the cell is empty.

    ``kind`` is `Formula.result`. A formula with results of several kinds is a text column, and a zero in it is empty.

    Raises:
        Failed: an array's items are too long for the one text that they make.
    """
    if isinstance(value, CellError):
        return {"error": "#ERROR!"}
    if value in (None, "", False) and not (value == 0 and type(value) is not bool and kind is not Kind.ANY):
        return None
    if kind is Kind.ANY and not isinstance(value, str):
        return to_text(value) or None
    match value:
        case Moment():
            return iso_text(value)
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            return {"specialValue": to_text(value)}
        case list():
            return [as_cell(item, _of_item(item)) for item in value] or None
        case _:
            return value


def _of_item(item: Value) -> Kind:
    return Kind.TEXT if isinstance(item, str) else Kind.NUMBER


def _is_call(part: Part, name: str) -> TypeGuard[Apply]:
    return isinstance(part, Apply) and part.function.name == name
