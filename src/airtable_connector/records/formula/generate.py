"""Python made from a checked formula.

The text that is compiled consists of templates of this file and of the function table, and of names that we number;
what the caller wrote reaches it only as objects bound to such names. It means what `evaluate.walk` means.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from airtable_connector.records.formula import values
from airtable_connector.records.formula.errors import FormulaTooCostly
from airtable_connector.records.formula.evaluate import STEPS_PER_CALL, STEPS_PER_PART, walk
from airtable_connector.records.formula.inputs import Context, Fact, may_fail, reading
from airtable_connector.records.formula.tree import (
    COMPARISONS,
    Apply,
    Constant,
    Negate,
    Operate,
    Part,
    Read,
    kind_of_part,
    may_be_blank,
)
from airtable_connector.records.formula.values import Failed, Kind, Moment, Value, Work
from airtable_connector.records.schema import Cell

Columns: TypeAlias = Sequence[Sequence[Cell | None]]
Matching: TypeAlias = Callable[[Columns, int, Context], Iterator[int]]
Evaluating: TypeAlias = Callable[[Sequence[Cell | None], Context], Value]

DEEPEST = 80
"""Parentheses inside each other in generated code; Python reads some two hundred. What is deeper is walked."""

TALLEST = 40
"""Parts inside each other that code is made of; a taller formula is walked."""

WIDEST = 8
"""Operands that are written one after the other; Python nests them, so that longer chains are worked off by a loop."""

FOLDING_STEPS = 200_000
"""What working out a formula's constant parts may cost; what costs more is left to the evaluation."""

LONGEST_FOLDED = 1_000
"""Characters in a constant text that is worked out beforehand."""

_NUMERIC = frozenset({Kind.NUMBER, Kind.BOOLEAN, Kind.BLANK})
_TEXTUAL = frozenset({Kind.TEXT, Kind.BLANK})
_DATED = frozenset({Kind.DATE, Kind.BLANK})
_UNSURE = frozenset({Kind.ARRAY, Kind.ANY})
_PYTHON = {"=": "==", "!=": "!="}
_GENERIC = {
    "=": "equal({0}, {1})",
    "!=": "(not equal({0}, {1}))",
    "<": "less({0}, {1})",
    ">": "more({0}, {1})",
    "<=": "at_most({0}, {1})",
    ">=": "at_least({0}, {1})",
}


def _more(left: Value, right: Value) -> bool:
    return values.less(right, left)


def _at_least(left: Value, right: Value) -> bool:
    return values.at_most(right, left)


def _computed(operators: Sequence[str], operands: Sequence[float]) -> float:
    result = float(operands[0])
    for operator, operand in zip(operators, operands[1:], strict=True):
        match operator:
            case "+":
                result += operand
            case "-":
                result -= operand
            case "*":
                result *= operand
            case _:
                result = values.divide(result, operand)
    return result


_HELPERS: Mapping[str, object] = {
    "Failed": Failed,
    "at_least": _at_least,
    "at_most": values.at_most,
    "computed": _computed,
    "divide": values.divide,
    "equal": values.equal,
    "instant": values.instant,
    "join": values.join,
    "less": values.less,
    "more": _more,
    "number_text": values.number_text,
    "stored_moment": values.stored_moment,
    "to_array": values.to_array,
    "to_boolean": values.to_boolean,
    "to_moment": values.to_moment,
    "to_number": values.to_number,
    "to_text": values.to_text,
}

_MATCHING = """\
def matching(columns, rows, context):
    work = context.work
    read = work.read
    for index, {names} in enumerate({rows}):
        work.left -= {weight}
        if work.left < 0:
            work.spend(0)
        try:
            if not {truth}:
                continue
        except Failed:
            continue
        yield index
"""

_EVALUATING = """\
def evaluating(row, context):
    work = context.work
    read = work.read
    work.spend({weight})
    {names} = row
    return {value}
"""


def matching_code(root: Part, width: int) -> Matching | None:
    """Make the function that finds the rows for which the formula holds, or None when the formula is too deep."""
    writer = _Writer()
    truth = writer.truth(folded(root), lenient=True)
    names = "_" if width == 0 else "c0" if width == 1 else f"({', '.join(_cells(width))})"
    rows = "range(rows)" if width == 0 else "columns[0]" if width == 1 else "zip(*columns)"
    made: Matching | None = writer.made("matching", _MATCHING, truth, names=names, rows=rows, truth=truth)
    return made


def evaluating_code(root: Part, width: int) -> Evaluating | None:
    """Make the function that works out the formula's value for a row, or None when the formula is too deep."""
    writer = _Writer()
    value = writer.value(folded(root))
    names = f"[{', '.join(_cells(width))}]"
    made: Evaluating | None = writer.made("evaluating", _EVALUATING, value, names=names, value=value)
    return made


def _cells(width: int) -> list[str]:
    return [f"c{place}" for place in range(width)]


# Before writing: what does not depend on the record


def folded(root: Part) -> Part:
    """Return the part with everything worked out that is the same for all records and at all times."""
    return _folded(root, Context(now=values.EPOCH, work=Work(FOLDING_STEPS)))


def _folded(part: Part, nowhere: Context) -> Part:
    match part:
        case Negate():
            operand = _folded(part.operand, nowhere)
            return _worked_out(Negate(operand, part.span), (operand,), nowhere)
        case Operate():
            operands = tuple([_folded(each, nowhere) for each in part.operands])
            return _worked_out(Operate(operands, part.operators, part.span), operands, nowhere)
        case Apply():
            arguments = tuple([_folded(each, nowhere) for each in part.arguments])
            again = Apply(part.function, arguments, part.kind, part.span)
            return again if part.function.in_context else _worked_out(again, arguments, nowhere)
        case _:
            return part


def _worked_out(part: Part, inner: tuple[Part, ...], nowhere: Context) -> Part:
    if not all(isinstance(each, Constant) for each in inner):
        return part
    try:
        value = walk(part, (), nowhere)
    except (Failed, FormulaTooCostly):
        return part
    # a formula that is kept must not keep a thousand long texts with it
    if isinstance(value, str) and len(value) > LONGEST_FOLDED:
        return part
    return Constant(value, _kind_of_value(value), part.span)


def _kind_of_value(value: Value) -> Kind:
    match value:
        case None:
            return Kind.BLANK
        case bool():
            return Kind.BOOLEAN
        case int() | float():
            return Kind.NUMBER
        case str():
            return Kind.TEXT
        case Moment():
            return Kind.DATE
        case _:
            return Kind.ARRAY


def can_fail(part: Part) -> bool:
    """Tell whether a part can be an error."""
    match part:
        case Constant():
            return False
        case Read():
            return may_fail(part.source)
        case Negate():
            return _unsure(part.operand) or can_fail(part.operand)
        case Operate():
            return part.operators[0] == "&" or any(_unsure(each) or can_fail(each) for each in part.operands)
        case Apply():
            return not part.function.never_fails or any(
                _turning_fails(part, place) or can_fail(each) for place, each in enumerate(part.arguments)
            )


def _unsure(part: Part) -> bool:
    # an array stands for its joined texts, which may be too long
    return kind_of_part(part) in _UNSURE


def _turning_fails(part: Apply, place: int) -> bool:
    wanted = part.function.wants(place)
    if wanted is Kind.DATE:
        return True
    return wanted in {Kind.TEXT, Kind.NUMBER} and _unsure(part.arguments[place])


class _Writer:
    """Writes expressions and keeps what their names are bound to."""

    def __init__(self) -> None:
        self._bound: dict[str, object] = dict(_HELPERS)
        self._weight = 0

    def made(self, name: str, template: str, expression: str, **parts: str) -> Any:
        """Compile a template around an expression, or return None when the expression is too deep for that."""
        if _depth(expression) > DEEPEST:
            return None
        source = template.format(weight=max(self._weight, STEPS_PER_PART), **parts)
        # safe: the text is made of our templates, numbered names and nothing of the caller's
        exec(compile(source, f"<formula {name}>", "exec"), self._bound)  # noqa: S102
        return self._bound[name]

    # A part as one kind or another

    def value(self, part: Part) -> str:
        """Write a part as it is."""
        self._weight += STEPS_PER_PART
        match part:
            case Constant():
                return self._constant(part.value)
            case Read():
                return self._read(part)
            case Negate():
                return f"(-{self._float(part.operand)})"
            case Operate():
                return self._operate(part)
            case Apply():
                return self._apply(part)

    def truth(self, part: Part, *, lenient: bool = False) -> str:
        """Write an expression that is true or false in Python's eyes as the part is in a formula's.

        Where ``lenient``, an error and false come to the same, so that AND may stop at the first argument that is
        false.
        """
        if isinstance(part, Constant):
            return str(values.to_boolean(part.value))
        if isinstance(part, Read) and not may_fail(part.source):
            # these cells hold no NaN, no empty text and no empty list
            return f"c{part.place}"
        if isinstance(part, Apply) and part.function.junction:
            return self._junction(part, lenient=lenient)
        sure = kind_of_part(part) in {Kind.TEXT, Kind.BOOLEAN, Kind.DATE, Kind.BLANK}
        return self.value(part) if sure else f"to_boolean({self.value(part)})"

    def _bool(self, part: Part) -> str:
        kind = kind_of_part(part)
        if kind is Kind.BOOLEAN and not may_be_blank(part):
            return self.value(part)
        return f"(not not {self.truth(part)})"

    def _text(self, part: Part) -> str:
        if isinstance(part, Constant):
            return self._constant(values.to_text(part.value))
        code = self.value(part)
        match kind_of_part(part):
            case Kind.TEXT:
                return f"({code} or '')" if may_be_blank(part) else code
            case Kind.NUMBER if not may_be_blank(part):
                return f"number_text({code})"
            case _:
                return f"to_text({code})"

    def _paid_text(self, part: Part) -> str:
        return self._text(part) if isinstance(part, Constant) else f"read({self._text(part)})"

    def _number(self, part: Part) -> str:
        """Write a number that may be an int, as cells have them; small enough to be exact as a float."""
        if isinstance(part, Constant):
            return self._constant(values.to_number(part.value))
        code = self.value(part)
        if kind_of_part(part) in {Kind.NUMBER, Kind.BOOLEAN}:
            return f"({code} or 0.0)" if may_be_blank(part) else code
        return f"to_number({code})"

    def _float(self, part: Part) -> str:
        """Write a number that is a float, so that what is computed with it overflows as JavaScript's numbers do."""
        return self._number(part) if isinstance(part, Constant) else f"float({self._number(part)})"

    def _moment(self, part: Part) -> str:
        if isinstance(part, Constant):
            try:
                return self._constant(values.to_moment(part.value))
            except Failed:
                return f"to_moment({self._constant(part.value)})"
        return f"to_moment({self.value(part)})"

    def _wanted(self, part: Part, kind: Kind, *, strict: bool) -> str:
        """Write a part as a function's argument, ``strict`` where the very type matters."""
        match kind:
            case Kind.TEXT:
                return self._paid_text(part)
            case Kind.NUMBER:
                return self._float(part)
            case Kind.BOOLEAN:
                return self._bool(part) if strict else self.truth(part)
            case Kind.DATE:
                return self._moment(part)
            case Kind.ARRAY:
                return f"to_array({self.value(part)})"
            case Kind.ANY | Kind.BLANK:
                return self.value(part)

    # The shapes of parts

    def _constant(self, value: Value) -> str:
        return self._bind("k", value)

    def _bind(self, prefix: str, value: object) -> str:
        name = f"{prefix}{len(self._bound)}"
        self._bound[name] = value
        return name

    def _read(self, part: Read) -> str:
        cell = f"c{part.place}"
        method = reading(part.source)
        if method is not None:
            return f"context.{method}({cell})"
        if part.kind is Kind.DATE:
            return f"stored_moment({cell})" if isinstance(part.source, Fact) else f"({cell} and stored_moment({cell}))"
        return cell

    def _apply(self, part: Apply) -> str:
        function = part.function
        if function.junction:
            return f"(not not {self._junction(part, lenient=False)})"
        template = function.code.get(len(part.arguments))
        arguments = [
            self._wanted(each, function.wants(place), strict=template is None)
            for place, each in enumerate(part.arguments)
        ]
        if template is not None:
            return template.format(*arguments)
        self._weight += STEPS_PER_CALL
        if function.lazy:
            arguments = [f"lambda: {each}" for each in arguments]
        context = ["context"] if function.in_context else []
        return f"{self._bind('f', function.run)}({', '.join([*context, *arguments])})"

    def _junction(self, part: Apply, *, lenient: bool) -> str:
        """Write AND or OR: with Python's own where skipping what comes later cannot hide an error."""
        function = part.function
        if function.junction == "and" and lenient:
            return f"({' and '.join([self.truth(each, lenient=True) for each in part.arguments])})"
        sets, others = self._memberships(part) if function.junction == "or" else ([], list(part.arguments))
        if not any(can_fail(each) for each in others[0 if sets else 1 :]):
            return f"({f' {function.junction} '.join([*sets, *[self.truth(each) for each in others]])})"
        everything = [*sets, *[self._bool(each) for each in others]]
        return f"{self._bind('f', function.run)}({', '.join(everything)})"

    def _memberships(self, part: Apply) -> tuple[list[str], list[Part]]:
        """Take comparisons of one text with several constants together: a thousand record ids are one look-up."""
        wanted: dict[int, set[str]] = {}
        others = []
        for each in part.arguments:
            found = text_equality(each)
            if found is None:
                others.append(each)
            else:
                wanted.setdefault(found[0].place, set()).add(found[1])
        self._weight += STEPS_PER_PART * len(wanted)
        return [f"(c{place} in {self._bind('k', frozenset(texts))})" for place, texts in wanted.items()], others

    def _operate(self, part: Operate) -> str:
        operators, operands = part.operators, part.operands
        if operators[0] == "&":
            return f"join({', '.join([self._paid_text(each) for each in operands])})"
        if operators[0] in COMPARISONS:
            result = self._compare(operators[0], operands[0], operands[1])
            for operator, right in zip(operators[1:], operands[2:], strict=True):
                result = _GENERIC[operator].format(result, self.value(right))
            return result
        numbers = [self._float(operands[0]), *[self._number(each) for each in operands[1:]]]
        if len(numbers) > WIDEST:
            return f"computed({self._bind('k', operators)}, ({', '.join(numbers)}))"
        result = numbers[0]
        for operator, number in zip(operators, numbers[1:], strict=True):
            result = f"divide({result}, {number})" if operator == "/" else f"{result} {operator} {number}"
        return f"({result})"

    def _compare(self, operator: str, left: Part, right: Part) -> str:
        left, right = _dated(left, right), _dated(right, left)
        kinds = {kind_of_part(left), kind_of_part(right)}
        python = _PYTHON.get(operator, operator)
        if operator in _PYTHON and (truth := self._emptiness(operator, left, right)):
            return truth
        if kinds <= _NUMERIC and kinds != {Kind.BLANK}:
            return f"({self._number(left)} {python} {self._number(right)})"
        if kinds <= _TEXTUAL and kinds != {Kind.BLANK}:
            # a cell is blank or a text that is not empty, so that its equality needs no other form
            bare = operator in _PYTHON and all(isinstance(each, Read | Constant) for each in (left, right))
            write = self.value if bare else self._text
            return f"({write(left)} {python} {write(right)})"
        if kinds == {Kind.DATE}:
            return f"(instant({self.value(left)}) {python} instant({self.value(right)}))"
        return _GENERIC[operator].format(self.value(left), self.value(right))

    def _emptiness(self, operator: str, left: Part, right: Part) -> str | None:
        """Write ``{Text} = ""`` and ``{Date} = BLANK()`` as a look at the cell, or return None."""
        for one, other in ((left, right), (right, left)):
            if _is_bare(one) and isinstance(other, Constant) and other.value in (None, ""):
                kind = one.kind
                if kind is Kind.TEXT or (kind in {Kind.DATE, Kind.NUMBER, Kind.BOOLEAN} and other.value is None):
                    return f"(not c{one.place})" if operator == "=" else f"(not not c{one.place})"
        return None


def _dated(part: Part, other: Part) -> Part:
    """Turn a constant text that is compared with a date into the date that it spells, if it spells one."""
    if kind_of_part(other) is not Kind.DATE or not isinstance(part, Constant) or not isinstance(part.value, str):
        return part
    moment = values.spelled_moment(part.value)
    return part if moment is None else Constant(moment, Kind.DATE, part.span)


def text_equality(part: Part) -> tuple[Read, str] | None:
    """Take ``{Text} = "constant"`` apart, in either order, or return None."""
    if not isinstance(part, Operate) or part.operators != ("=",):
        return None
    for one, other in (part.operands, part.operands[::-1]):
        if _is_bare(one) and one.kind is Kind.TEXT and isinstance(other, Constant):
            return (one, other.value) if isinstance(other.value, str) and other.value else None
    return None


def _is_bare(part: Part) -> TypeGuard[Read]:
    """Tell whether a part is a cell that is its own value."""
    return isinstance(part, Read) and reading(part.source) is None


def _depth(expression: str) -> int:
    deepest = depth = 0
    for letter in expression:
        if letter == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif letter == ")":
            depth -= 1
    return deepest
