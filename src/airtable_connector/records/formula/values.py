"""What a formula computes with: values, their kinds, and how one kind becomes another.

A blank is None, a number a float (an int where the store keeps one), a moment a `Moment`, an array a list. An error is
a value to the reader of a cell (`CellError`) and the exception `Failed` inside an evaluation, so that it passes through
every operator and function by itself.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum, StrEnum
from functools import lru_cache
from typing import NoReturn, TypeAlias

from airtable_connector.records.formula.errors import FormulaTooCostly

LONGEST_RESULT = 100_000
"""Characters in a text that a formula makes: what a long text cell holds."""

FEW = 8
"""Texts that are put together before their length is looked at."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
"""Where a blank date stands among dates."""

_MILLISECOND = timedelta(milliseconds=1)
_NUMERIC = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII | re.IGNORECASE,
)
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
LONGEST_NUMERIC = 400
"""Characters in a text that may spell a number."""

LONGEST_DATE = 60
"""Characters in a text that may spell a date without a format; what is read is remembered, so it is short."""


class Kind(StrEnum):
    """What a value is, as far as can be known before there is a record."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    ARRAY = "array"
    BLANK = "blank"
    ANY = "any"


class CellError(Enum):
    """A wrong cell: shown as ``#ERROR!``, and this is why."""

    ASKED_FOR = "the formula says ERROR()"
    IN_A_CELL = "a cell that the formula reads is an error"
    NO_FORMULA = "the field's formula cannot be used"
    TOO_COSTLY = "the formula takes too much work"
    TOO_MANY = "the field would hold too many values"
    NOT_A_DATE = "this is no date"
    NOT_A_NUMBER = "this is no number"
    NO_RESULT = "the function has no result for this number"
    NO_MATCH = "the regular expression matches nothing"
    BAD_PATTERN = "the regular expression cannot be used"
    TOO_LONG = "the text is longer than a cell"
    OUT_OF_RANGE = "the date is out of the years 1 to 9999"
    UNKNOWN_ZONE = "the time zone is not known"
    UNKNOWN_LOCALE = "the locale is not known"


class Failed(Exception):
    """An evaluation came to an error; it ends where ISERROR or the reader of the cell catches it."""

    def __init__(self, error: CellError) -> None:
        super().__init__(error.value)
        self.error = error


def fail(error: CellError) -> NoReturn:
    """Raise the error where only an expression can stand."""
    raise Failed(error)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or a date with time: the moment in UTC to the millisecond, and how it wants to be shown."""

    at: datetime
    zone: tzinfo = UTC
    locale: str = "en"

    @property
    def local(self) -> datetime:
        """The moment on the clocks of its zone."""
        if self.zone is UTC:
            return self.at
        try:
            return self.at.astimezone(self.zone)
        except OverflowError as cause:
            raise Failed(CellError.OUT_OF_RANGE) from cause

    def moved_to(self, local: datetime) -> "Moment":
        """Return the moment when the zone's clocks show ``local``."""
        try:
            return Moment(local.replace(tzinfo=self.zone).astimezone(UTC), self.zone, self.locale)
        except OverflowError as cause:
            raise Failed(CellError.OUT_OF_RANGE) from cause


Scalar: TypeAlias = str | int | float | bool | Moment | None
Value: TypeAlias = Scalar | list[Scalar]


class Work:
    """The steps that an evaluation may still take; a step is about one character looked at."""

    __slots__ = ("given", "left")

    def __init__(self, steps: int) -> None:
        self.given = steps
        self.left = steps

    def spend(self, steps: int) -> None:
        """Take steps away.

        Raises:
            FormulaTooCostly: none are left.
        """
        self.left -= steps
        if self.left < 0:
            raise FormulaTooCostly(self.given)

    def read(self, text: str) -> str:
        """Pass a text on to somebody who reads all of it, and pay for that."""
        self.left -= len(text)
        if self.left < 0:
            raise FormulaTooCostly(self.given)
        return text


# From one kind to another


def to_text(value: Value) -> str:
    """Write a value as ``&`` does: a blank is "", a truth 1 or 0, a moment ISO 8601, an array's items joined."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case int() | float():
            return number_text(value)
        case Moment():
            return iso_text(value)
        case _:
            return join_texts(value, ", ")


def join_texts(items: Iterable[Scalar], separator: str) -> str:
    """Join the texts of an array's items; fails when they are too long for a cell."""
    texts = [to_text(item) for item in items]
    if sum(map(len, texts)) + len(separator) * len(texts) > LONGEST_RESULT + len(separator):
        raise Failed(CellError.TOO_LONG)
    return separator.join(texts)


def number_text(number: float) -> str:
    """Write a number in JavaScript's shortest form: no ``.0``, an exponent below 1e-6 and from 1e21 on."""
    if number != number:  # noqa: PLR0124 - only NaN differs from itself
        return "NaN"
    if number in {math.inf, -math.inf}:
        return "Infinity" if number > 0 else "-Infinity"
    size = abs(number)
    if size >= 1e21:
        mantissa, _, exponent = repr(float(number)).partition("e+")
        return f"{mantissa.removesuffix('.0')}e+{int(exponent)}"
    if size >= 2**53:
        # the shortest digits that mean this float, and zeros up to its size
        digits, _, exponent = f"{float(number)!r}e+0".partition("e+")
        digits, exponent = digits.removesuffix(".0"), exponent.removesuffix("e+0")
        whole, _, fraction = digits.partition(".")
        return whole + fraction.ljust(int(exponent), "0")
    if number == int(number):
        return str(int(number))
    if size >= 1e-6:
        text = repr(number)
        return text if "e" not in text else f"{number:.20f}".rstrip("0")
    mantissa, _, exponent = repr(number).partition("e-")
    return f"{mantissa.removesuffix('.0')}e-{int(exponent)}"


def iso_text(moment: Moment) -> str:
    """Write a moment as Airtable does: UTC, milliseconds, ``Z``."""
    return moment.at.isoformat(timespec="milliseconds")[:-6] + "Z"


def to_number(value: Value) -> float:
    """Turn a value into a number: a blank is 0, a text that spells none is NaN, a moment its milliseconds."""
    match value:
        case float():
            return value
        case None:
            return 0.0
        case bool() | int():
            return float(value)
        case str():
            number = spelled_number(value)
            return math.nan if number is None else number
        case Moment():
            return milliseconds(value)
        case _:
            return to_number(to_scalar(value))


def spelled_number(text: str) -> float | None:
    """Read a number that the whole text spells, or return None."""
    text = text.strip()
    if len(text) > LONGEST_NUMERIC or not _NUMERIC.fullmatch(text):
        return None
    return float(text)


def milliseconds(moment: Moment) -> float:
    """Return the milliseconds from 1970 to a moment."""
    return float((moment.at - EPOCH) // _MILLISECOND)


def to_boolean(value: Value) -> bool:
    """Tell whether a value counts as true: blanks, "", 0, NaN and empty arrays do not."""
    return bool(value) and value == value  # noqa: PLR0124 - only NaN differs from itself


def to_moment(value: Value) -> Moment:
    """Turn a value into a moment; fails when it is blank or no date."""
    if type(value) is Moment:
        return value
    scalar = to_scalar(value)
    found = scalar if isinstance(scalar, Moment) else spelled_moment(scalar) if isinstance(scalar, str) else None
    if found is None:
        raise Failed(CellError.NOT_A_DATE)
    return found


def to_array(value: Value) -> list[Scalar]:
    """Turn a value into an array: a blank has no items, another scalar is its own."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def to_scalar(value: Value) -> Scalar:
    """Turn an array into what it stands for alone: nothing, its only item, or the joined texts."""
    if not isinstance(value, list):
        return value
    if len(value) > 1:
        return join_texts(value, ", ")
    return value[0] if value else None


def spelled_moment(text: str) -> Moment | None:
    """Read an ISO 8601 date or moment, or an American date; without a zone it means UTC. None when it is neither."""
    return stored_moment(text) if len(text) <= LONGEST_DATE else None


@lru_cache(maxsize=16_384)
def stored_moment(text: str) -> Moment | None:
    """Read a date as `spelled_moment` does, and remember it; for short texts only, such as cells of dates are."""
    text = text.strip()
    if found := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, fraction, zone = found.groups()
        millis = int((fraction or "0").ljust(3, "0")[:3])
        try:
            at = datetime(
                int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), millis * 1000, UTC
            )
            return Moment(at - _offset(zone))
        except (ValueError, OverflowError):
            return None
    if found := _AMERICAN.fullmatch(text):
        try:
            return Moment(datetime(int(found[3]), int(found[1]), int(found[2]), tzinfo=UTC))
        except ValueError:
            return None
    return None


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta(0)
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return -size if zone[0] == "-" else size


# Comparing and computing


def equal(left: Value, right: Value) -> bool:
    """Tell whether ``left = right``: a blank equals "", 0 and FALSE(), a text that spells a number equals it.

    Texts are compared to the letter, moments to the millisecond.
    """
    one, two = to_scalar(left), to_scalar(right)
    if one is None or one == "":
        return two is None or (not isinstance(two, Moment) and two in ("", 0))
    if two is None or two == "":
        return not isinstance(one, Moment) and one == 0
    if type(one) is type(two):
        return one.at == two.at if isinstance(one, Moment) and isinstance(two, Moment) else one == two
    if isinstance(one, Moment) or isinstance(two, Moment):
        first, second = _instants(one, two)
        return first == second
    return to_number(one) == to_number(two)


def ordered(left: Value, right: Value) -> tuple[str, str] | tuple[float, float] | tuple[datetime, datetime]:
    """Return two things to compare with ``<`` in place of two values.

    Two texts are compared by code point, moments by time with a blank first, everything else as numbers.
    """
    one, two = to_scalar(left), to_scalar(right)
    if isinstance(one, Moment) or isinstance(two, Moment):
        return _instants(one, two)
    if isinstance(one, str | None) and isinstance(two, str | None):
        return one or "", two or ""
    return to_number(one), to_number(two)


def _instants(one: Scalar, two: Scalar) -> tuple[datetime, datetime] | tuple[str, str] | tuple[float, float]:
    first, second = _moment_or_none(one), _moment_or_none(two)
    if (first is None and one not in (None, "")) or (second is None and two not in (None, "")):
        if isinstance(one, str) or isinstance(two, str):
            return to_text(one), to_text(two)
        return to_number(one), to_number(two)
    return instant(first), instant(second)


def _moment_or_none(value: Scalar) -> Moment | None:
    if isinstance(value, Moment):
        return value
    return spelled_moment(value) if isinstance(value, str) else None


def instant(moment: Moment | None) -> datetime:
    """Return what a moment is compared by; a blank comes before all."""
    return BEFORE_ALL if moment is None else moment.at


def less(left: Value, right: Value) -> bool:
    """Tell whether ``left < right``."""
    one, two = ordered(left, right)
    return one < two  # type: ignore[operator] # both are of one type


def at_most(left: Value, right: Value) -> bool:
    """Tell whether ``left <= right``."""
    one, two = ordered(left, right)
    return one <= two  # type: ignore[operator] # both are of one type


def divide(left: float, right: float) -> float:
    """Divide as JavaScript does: by zero it gives an infinity, or NaN for zero by zero."""
    if right != 0:
        return left / right
    if left == 0 or left != left:  # noqa: PLR0124 - only NaN differs from itself
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def join(*parts: str) -> str:
    """Put texts together; fails when the result is too long for a cell."""
    # many are counted first, for a thousand long texts would fill the memory before anyone could look at the result
    if len(parts) > FEW and sum(map(len, parts)) > LONGEST_RESULT:
        raise Failed(CellError.TOO_LONG)
    text = "".join(parts)
    if len(text) > LONGEST_RESULT:
        raise Failed(CellError.TOO_LONG)
    return text


# What a reader sees


def tidy(value: Value) -> Value:
    """Give a result one form: whole numbers are ints where they are exact, and there is no negative zero."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return [item for item in map(tidy, value) if not isinstance(item, list)] if isinstance(value, list) else value


def unite(kinds: Sequence[Kind]) -> Kind:
    """Return the kind of a value that is of one of these kinds."""
    known = [kind for kind in dict.fromkeys(kinds) if kind is not Kind.BLANK]
    if not known:
        return Kind.BLANK
    return known[0] if len(known) == 1 else Kind.ANY
