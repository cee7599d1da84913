"""The meaning of a formula: a plain walk over its tree. Generated code must agree with it, and a test holds it to that.

Every part costs `STEPS_PER_PART`, every call `STEPS_PER_CALL` more, and every text that a function reads its
characters.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from airtable_connector.records.formula.functions import Function
from airtable_connector.records.formula.inputs import Context, value_of
from airtable_connector.records.formula.tree import Apply, Constant, Negate, Operate, Part, Read
from airtable_connector.records.formula.values import (
    Kind,
    Value,
    at_most,
    divide,
    equal,
    join,
    less,
    to_array,
    to_boolean,
    to_moment,
    to_number,
    to_text,
)
from airtable_connector.records.schema import Cell

STEPS_PER_PART = 20
"""What a part of a formula costs each time that it is evaluated, in the steps of `Work`."""

STEPS_PER_CALL = 150
"""What calling a function costs besides; the slowest, those over dates, take some microseconds."""


def walk(part: Part, row: Sequence[Cell | None], context: Context) -> Value:
    """Evaluate a part over the cells of one record.

    Raises:
        Failed: the part is an error.
        FormulaTooCostly: the context's work is used up.
    """
    context.work.spend(STEPS_PER_PART)
    match part:
        case Constant():
            return part.value
        case Read():
            return value_of(part.source, row[part.place], context)
        case Apply():
            return _apply(part, row, context)
        case Negate():
            return -to_number(walk(part.operand, row, context))
        case Operate():
            return _operate(part, row, context)


def turned(value: Value, kind: Kind, context: Context) -> Value:
    """Turn a value into the kind that a function wants; a text is paid for, since the function reads it."""
    match kind:
        case Kind.TEXT:
            return context.work.read(to_text(value))
        case Kind.NUMBER:
            return to_number(value)
        case Kind.BOOLEAN:
            return to_boolean(value)
        case Kind.DATE:
            return to_moment(value)
        case Kind.ARRAY:
            return to_array(value)
        case Kind.ANY | Kind.BLANK:
            return value


def _apply(part: Apply, row: Sequence[Cell | None], context: Context) -> Value:
    function = part.function
    context.work.spend(STEPS_PER_CALL)
    arguments: list[Value | Callable[[], Value]] = []
    for place, argument in enumerate(part.arguments):
        call = partial(_argument, function, place, argument, row, context)
        arguments.append(call if function.lazy else call())
    return function.run(context, *arguments) if function.in_context else function.run(*arguments)


def _argument(function: Function, place: int, argument: Part, row: Sequence[Cell | None], context: Context) -> Value:
    return turned(walk(argument, row, context), function.wants(place), context)


_COMPARE: Mapping[str, Callable[[Value, Value], bool]] = {
    "=": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": less,
    ">": lambda left, right: less(right, left),
    "<=": at_most,
    ">=": lambda left, right: at_most(right, left),
}

_COMPUTE: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": divide,
}


def _operate(part: Operate, row: Sequence[Cell | None], context: Context) -> Value:
    if part.operators[0] == "&":
        texts = []
        for operand in part.operands:
            texts.append(context.work.read(to_text(walk(operand, row, context))))  # noqa: PERF401 - a frame less
        return join(*texts)
    result = walk(part.operands[0], row, context)
    for operator, operand in zip(part.operators, part.operands[1:], strict=True):
        value = walk(operand, row, context)
        if operator in _COMPARE:
            result = _COMPARE[operator](result, value)
        else:
            result = _COMPUTE[operator](to_number(result), to_number(value))
    return result
