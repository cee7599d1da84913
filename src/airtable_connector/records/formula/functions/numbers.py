"""Functions over numbers, which are JavaScript's: floats of 64 bits."""

import math
import re
from collections.abc import Callable, Iterator

from airtable_connector.records.formula.functions.spec import Example, Function, Section
from airtable_connector.records.formula.values import CellError, Failed, Kind, Scalar, Value, spelled_number

_NOT_OF_A_NUMBER = re.compile(r"[^0-9.eE+\-]")
_EXACT = 2.0**53


def _items(values: tuple[Value, ...]) -> Iterator[Scalar]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _numbers(values: tuple[Value, ...]) -> list[float]:
    """Pick the numbers out of arguments and arrays; texts, dates and blanks are left aside."""
    return [float(item) for item in _items(values) if isinstance(item, int | float)]


def _sum(*values: Value) -> float:
    total = 0.0
    for number in _numbers(values):
        total += number
    return total


def _average(*values: Value) -> float:
    numbers = _numbers(values)
    return _sum(*numbers) / len(numbers) if numbers else math.nan


def _most(*values: Value) -> float:
    numbers = _numbers(values)
    return math.nan if any(map(math.isnan, numbers)) else max(numbers, default=0.0)


def _least(*values: Value) -> float:
    numbers = _numbers(values)
    return math.nan if any(map(math.isnan, numbers)) else min(numbers, default=0.0)


def _count(*values: Value) -> float:
    return float(sum(isinstance(item, int | float) for item in _items(values)))


def _count_filled(*values: Value) -> float:
    return float(sum(item is not None and item != "" for item in _items(values)))


def _count_all(*values: Value) -> float:
    return float(sum(1 for _ in _items(values)))


def _rounded(how: Callable[[float], int]) -> Callable[..., float]:
    """Make a function that rounds to decimal places, or, with a negative number of them, to tens and hundreds.

    The shift goes through the shortest decimal form, so that 1.005 to two places is what a reader expects.
    """

    def rounded(number: float, places: float = 0.0) -> float:
        if not math.isfinite(number) or abs(number) >= _EXACT:
            return number
        digits = int(max(-20.0, min(places, 20.0))) if places == places else 0  # noqa: PLR0124 - NaN
        shifted = float(f"{number!r}e{digits}") if "e" not in repr(number) else number * 10.0**digits
        if abs(shifted) >= _EXACT:
            return number
        return float(f"{how(shifted)}e{-digits}")

    return rounded


def _nearest(number: float) -> int:
    return math.floor(number + 0.5) if number - math.floor(number) != 0.5 else math.floor(number) + 1


def _away(number: float) -> int:
    return math.ceil(number) if number > 0 else math.floor(number)


def _to_multiple(how: Callable[[float], int]) -> Callable[..., float]:
    def to_multiple(number: float, step: float = 1.0) -> float:
        if step == 0 or not math.isfinite(step):
            raise Failed(CellError.NO_RESULT)
        parts = number / step
        if not math.isfinite(parts) or abs(parts) >= _EXACT:
            return number
        return how(parts) * step

    return to_multiple


def _whole(number: float) -> float:
    return float(math.floor(number)) if math.isfinite(number) else number


def _even(number: float) -> float:
    if not math.isfinite(number) or abs(number) >= _EXACT:
        return number
    away = _away(number)
    return float(away if away % 2 == 0 else away + (1 if away > 0 else -1))


def _odd(number: float) -> float:
    if not math.isfinite(number) or abs(number) >= _EXACT:
        return number
    away = _away(number)
    return float(away if away % 2 else away + (-1 if away < 0 else 1))


def _modulo(number: float, divisor: float) -> float:
    if divisor == 0 or not math.isfinite(number):
        raise Failed(CellError.NO_RESULT)
    if not math.isfinite(divisor):
        return number
    return number % divisor


def _power(base: float, exponent: float) -> float:
    try:
        # math.pow, for the operator makes complex numbers of negative ones
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan


def _exponential(number: float) -> float:
    try:
        return math.exp(number)
    except OverflowError:
        return math.inf


def _logarithm(number: float, base: float = 10.0) -> float:
    if not number > 0 or not base > 0 or base == 1 or math.isinf(base) or math.isinf(number):
        raise Failed(CellError.NO_RESULT)
    return math.log10(number) if base == 10.0 else math.log2(number) if base == 2.0 else math.log(number, base)


def _root(number: float) -> float:
    if number < 0:
        raise Failed(CellError.NO_RESULT)
    return math.sqrt(number)


def _spelled(value: Value) -> float | None:
    match value:
        case None | "" | []:
            return None
        case bool() | int() | float():
            return float(value)
        case str():
            negative = value.strip().startswith("(") and value.strip().endswith(")")
            number = spelled_number(_NOT_OF_A_NUMBER.sub("", value[:1_000]))
            if number is None:
                raise Failed(CellError.NOT_A_NUMBER)
            return -number if negative else number
        case [item]:
            return _spelled(item)
        case _:
            raise Failed(CellError.NOT_A_NUMBER)


_S = Section.NUMBER
_N = Kind.NUMBER
_A = Kind.ANY
_NUMBERS_ONLY = "Texts, dates and blanks are left aside, in arrays too."
_AWAY = "Rounds away from and towards zero for negative numbers too."

NUMBERS = (
    Function("ABS", _S, (_N,), _N, abs, "The number without its sign.", Example("ABS(-3)", "3"), never_fails=True),
    Function(
        "AVERAGE", _S, (_A,), _N, _average, "The mean of the numbers; NaN when there are none.",
        Example('AVERAGE(1, 2, "x", BLANK(), 6)', "3"), rest=_A, differs=_NUMBERS_ONLY, never_fails=True,
    ),
    Function(
        "CEILING", _S, (_N, _N), _N, _to_multiple(math.ceil),
        "The next multiple upwards, of 1 or of the second argument.", Example("CEILING(2.1, 0.5)", "2.5"), optional=1,
    ),
    Function(
        "COUNT", _S, (_A,), _N, _count, "How many of the items are numbers.", Example('COUNT(1, "a", 2)', "2"), rest=_A,
        never_fails=True,
    ),
    Function(
        "COUNTA", _S, (_A,), _N, _count_filled, "How many of the items are not empty.",
        Example('COUNTA(1, "", "a", BLANK())', "2"), rest=_A, never_fails=True,
    ),
    Function(
        "COUNTALL", _S, (_A,), _N, _count_all, "How many items there are, empty ones too.",
        Example('COUNTALL(1, "", BLANK())', "3"), rest=_A, never_fails=True,
    ),
    Function(
        "EVEN", _S, (_N,), _N, _even, "The next even number away from zero.", Example("EVEN(-1.5)", "-2"),
        never_fails=True,
    ),
    Function(
        "EXP", _S, (_N,), _N, _exponential, "e to the power of the number.", Example("EXP(0)", "1"), never_fails=True,
    ),
    Function(
        "FLOOR", _S, (_N, _N), _N, _to_multiple(math.floor),
        "The next multiple downwards, of 1 or of the second argument.", Example("FLOOR(2.9, 0.5)", "2.5"), optional=1,
    ),
    Function(
        "INT", _S, (_N,), _N, _whole, "The next whole number downwards.", Example("INT(-1.5)", "-2"), never_fails=True,
    ),
    Function(
        "LOG", _S, (_N, _N), _N, _logarithm, "The logarithm, to base 10 or to the second argument.",
        Example("LOG(1024, 2)", "10"), optional=1,
    ),
    Function(
        "MAX", _S, (_A,), _N, _most, "The largest number; 0 when there are none.", Example("MAX(1, 5, 3)", "5"),
        rest=_A, differs=_NUMBERS_ONLY, never_fails=True,
    ),
    Function(
        "MIN", _S, (_A,), _N, _least, "The smallest number; 0 when there are none.", Example("MIN(4, 2, 3)", "2"),
        rest=_A, differs=_NUMBERS_ONLY, never_fails=True,
    ),
    Function(
        "MOD", _S, (_N, _N), _N, _modulo, "The rest of a division; an error for a division by zero.",
        Example("MOD(-3, 2)", "1"), differs="The result has the divisor's sign; Airtable does not document it.",
    ),
    Function(
        "ODD", _S, (_N,), _N, _odd, "The next odd number away from zero.", Example("ODD(1.5)", "3"), never_fails=True,
    ),
    Function(
        "POWER", _S, (_N, _N), _N, _power, "The first argument to the power of the second.",
        Example("POWER(2, 10)", "1024"), never_fails=True,
    ),
    Function(
        "ROUND", _S, (_N, _N), _N, _rounded(_nearest), "Rounded to so many decimal places; halves go up.",
        Example("ROUND(-2.5)", "-2"), optional=1, never_fails=True,
    ),
    Function(
        "ROUNDDOWN", _S, (_N, _N), _N, _rounded(math.trunc), "Rounded towards zero.",
        Example("ROUNDDOWN(1.19, 1)", "1.1"), optional=1, differs=_AWAY, never_fails=True,
    ),
    Function(
        "ROUNDUP", _S, (_N, _N), _N, _rounded(_away), "Rounded away from zero.", Example("ROUNDUP(1.11, 1)", "1.2"),
        optional=1, differs=_AWAY, never_fails=True,
    ),
    Function("SQRT", _S, (_N,), _N, _root, "The square root; an error for a negative number.", Example("SQRT(9)", "3")),
    Function(
        "SUM", _S, (_A,), _N, _sum, "The sum of the numbers.", Example('SUM(1, 2, "x")', "3"), rest=_A,
        differs=_NUMBERS_ONLY, never_fails=True,
    ),
    Function(
        "VALUE", _S, (_A,), _N, _spelled, "The number that a text spells; currency signs and commas are dropped.",
        Example('VALUE("$1,234.5")', "1234.5"), may_be_blank=True,
        differs="Blank for an empty text; an error for one that spells no number.",
    ),
)  # fmt: skip
