"""A checked formula: names are resolved, kinds are known as far as they can be, and every part knows its place."""

from typing import NamedTuple, TypeAlias

from airtable_connector.records.formula.errors import Span
from airtable_connector.records.formula.functions import Function
from airtable_connector.records.formula.inputs import Input
from airtable_connector.records.formula.values import Kind, Value


class Constant(NamedTuple):
    """A value that stands in the formula."""

    value: Value
    kind: Kind
    span: Span


class Read(NamedTuple):
    """The row's value at a place."""

    place: int
    source: Input
    kind: Kind
    may_be_blank: bool
    span: Span


class Apply(NamedTuple):
    """A function and its arguments."""

    function: Function
    arguments: "tuple[Part, ...]"
    kind: Kind
    span: Span


class Negate(NamedTuple):
    """The minus before a part."""

    operand: "Part"
    span: Span


class Operate(NamedTuple):
    """Parts with operators of one precedence between them, worked off from the left."""

    operands: "tuple[Part, ...]"
    operators: tuple[str, ...]
    span: Span


Part: TypeAlias = Constant | Read | Apply | Negate | Operate

COMPARISONS = frozenset({"=", "!=", "<", ">", "<=", ">="})


def kind_of_operation(operator: str) -> Kind:
    """Return the kind of what an operator gives."""
    return Kind.BOOLEAN if operator in COMPARISONS else Kind.TEXT if operator == "&" else Kind.NUMBER


def kind_of_part(part: Part) -> Kind:
    """Return the kind of a part's value."""
    match part:
        case Negate():
            return Kind.NUMBER
        case Operate():
            return kind_of_operation(part.operators[0])
        case _:
            return part.kind


def may_be_blank(part: Part) -> bool:
    """Tell whether a part's value can be a blank."""
    match part:
        case Constant():
            return part.value is None
        case Read():
            return part.may_be_blank
        case Apply():
            return part.function.may_be_blank or part.kind is Kind.ANY
        case _:
            return False
