"""Dates as texts: the tokens of Moment.js, written and read.

A token is a run of letters with a meaning; everything else, and what stands in square brackets, is copied.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from airtable_connector.records.formula.locales import LOCALES, Locale
from airtable_connector.records.formula.values import LONGEST_RESULT, CellError, Failed, Moment, milliseconds

LONGEST_FORMAT = 1_000
"""Characters in a date format."""

_TOKENS = re.compile(
    r"\[([^\]]*)\]|(LTS|LT|L{1,4}|l{1,4}|Mo|M{1,4}|Qo|Q|Do|DDDo|D{1,4}|do|d{1,4}|e|E|wo|ww|w|Wo|WW|W"
    r"|YYYY|YY|Y|gggg|gg|GGGG|GG|A|a|HH|H|hh|h|kk|k|mm|m|ss|s|S{1,9}|ZZ|Z|zz|z|X|x)|(.)",
    re.DOTALL,
)


class _Shown(NamedTuple):
    """What the tokens look at."""

    local: datetime
    moment: Moment
    locale: Locale


class Week(NamedTuple):
    """A week and the year that it belongs to."""

    year: int
    number: int


def week_of(day: datetime, *, starts: int, holds: int) -> Week:
    """Return a day's week; the first one of a year holds a certain day of January.

    ``holds`` is the first in America, the fourth in ISO 8601; ``starts`` is the day that a week begins with, 0 for
    Sunday.
    """
    ordinal = day.toordinal()
    year = day.year
    if ordinal >= _first_week(year + 1, starts, holds):
        return Week(year + 1, 1)
    if ordinal < _first_week(year, starts, holds):
        year -= 1
    return Week(year, (ordinal - _first_week(year, starts, holds)) // 7 + 1)


def _first_week(year: int, starts: int, holds: int) -> int:
    # by arithmetic, for the years beside the first and the last are asked for too
    past = year - 1
    anchor = past * 365 + past // 4 - past // 100 + past // 400 + holds
    return anchor - (anchor - starts) % 7


def sunday_first(day: datetime) -> int:
    """Return the day of the week, 0 for Sunday."""
    return day.isoweekday() % 7


def _offset(shown: _Shown, separator: str) -> str:
    minutes = int((shown.local.utcoffset() or timedelta(0)).total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}{separator}{abs(minutes) % 60:02}"


def _local_week(shown: _Shown) -> Week:
    return week_of(shown.local, starts=shown.locale.week_starts, holds=shown.locale.first_week_holds)


def _iso_week(shown: _Shown) -> Week:
    return week_of(shown.local, starts=1, holds=4)


def _quarter(shown: _Shown) -> int:
    return (shown.local.month + 2) // 3


def _day_of_year(shown: _Shown) -> int:
    return shown.local.timetuple().tm_yday


_WRITERS: Mapping[str, Callable[[_Shown], object]] = {
    "M": lambda s: s.local.month,
    "Mo": lambda s: s.locale.ordinal(s.local.month),
    "MM": lambda s: f"{s.local.month:02}",
    "MMM": lambda s: s.locale.short_months[s.local.month - 1],
    "MMMM": lambda s: s.locale.months[s.local.month - 1],
    "Q": _quarter,
    "Qo": lambda s: s.locale.ordinal(_quarter(s)),
    "D": lambda s: s.local.day,
    "Do": lambda s: s.locale.ordinal(s.local.day),
    "DD": lambda s: f"{s.local.day:02}",
    "DDD": _day_of_year,
    "DDDo": lambda s: s.locale.ordinal(_day_of_year(s)),
    "DDDD": lambda s: f"{_day_of_year(s):03}",
    "d": lambda s: sunday_first(s.local),
    "do": lambda s: s.locale.ordinal(sunday_first(s.local)),
    "dd": lambda s: s.locale.least_days[sunday_first(s.local)],
    "ddd": lambda s: s.locale.short_days[sunday_first(s.local)],
    "dddd": lambda s: s.locale.days[sunday_first(s.local)],
    "e": lambda s: (sunday_first(s.local) - s.locale.week_starts) % 7,
    "E": lambda s: s.local.isoweekday(),
    "w": lambda s: _local_week(s).number,
    "wo": lambda s: s.locale.ordinal(_local_week(s).number),
    "ww": lambda s: f"{_local_week(s).number:02}",
    "W": lambda s: _iso_week(s).number,
    "Wo": lambda s: s.locale.ordinal(_iso_week(s).number),
    "WW": lambda s: f"{_iso_week(s).number:02}",
    "YYYY": lambda s: f"{s.local.year:04}",
    "YY": lambda s: f"{s.local.year % 100:02}",
    "Y": lambda s: s.local.year,
    "gggg": lambda s: f"{_local_week(s).year:04}",
    "gg": lambda s: f"{_local_week(s).year % 100:02}",
    "GGGG": lambda s: f"{_iso_week(s).year:04}",
    "GG": lambda s: f"{_iso_week(s).year % 100:02}",
    "A": lambda s: "AM" if s.local.hour < 12 else "PM",
    "a": lambda s: "am" if s.local.hour < 12 else "pm",
    "H": lambda s: s.local.hour,
    "HH": lambda s: f"{s.local.hour:02}",
    "h": lambda s: s.local.hour % 12 or 12,
    "hh": lambda s: f"{s.local.hour % 12 or 12:02}",
    "k": lambda s: s.local.hour or 24,
    "kk": lambda s: f"{s.local.hour or 24:02}",
    "m": lambda s: s.local.minute,
    "mm": lambda s: f"{s.local.minute:02}",
    "s": lambda s: s.local.second,
    "ss": lambda s: f"{s.local.second:02}",
    "Z": lambda s: _offset(s, ":"),
    "ZZ": lambda s: _offset(s, ""),
    "z": lambda s: s.local.tzname() or "",
    "zz": lambda s: s.local.tzname() or "",
    "X": lambda s: int(milliseconds(s.moment) // 1000),
    "x": lambda s: int(milliseconds(s.moment)),
}


@lru_cache(maxsize=256)
def _tokens(form: str, locale: str) -> tuple[tuple[str, str], ...]:
    """Split a format into (token, "") and ("", text to copy); forms such as LL become what they stand for."""
    found: list[tuple[str, str]] = []
    for bracketed, token, other in _TOKENS.findall(form):
        if token and token[0] in "Ll":
            found.extend(_tokens(_spelled_out(token, LOCALES[locale]), locale))
        else:
            found.append((token, "" if token else bracketed or other))
    return tuple(found)


def _spelled_out(token: str, locale: Locale) -> str:
    form = locale.forms[token.upper()]
    # the small letters mean the same in short: no zeros in front, short names
    short = {"MMMM": "MMM", "MM": "M", "DD": "D", "dddd": "ddd"}
    return re.sub(r"MMMM|MM|DD|dddd", lambda part: short[part[0]], form) if token.islower() else form


def write_moment(moment: Moment, form: str) -> str:
    """Write a moment by a format of Moment.js, on the clocks and in the words that it wants to be shown with."""
    if len(form) > LONGEST_FORMAT:
        raise Failed(CellError.TOO_LONG)
    shown = _Shown(moment.local, moment, LOCALES[moment.locale])
    pieces = []
    for token, copied in _tokens(form, moment.locale):
        if not token:
            pieces.append(copied)
        elif token[0] == "S":
            pieces.append(f"{moment.at.microsecond * 1000:09}"[: len(token)])
        else:
            pieces.append(str(_WRITERS[token](shown)))
    text = "".join(pieces)
    if len(text) > LONGEST_RESULT:
        raise Failed(CellError.TOO_LONG)
    return text


# Reading

_DIGITS: Mapping[str, str] = {
    "YYYY": r"(?P<year>\d{4})",
    "YY": r"(?P<short_year>\d{2})",
    "Y": r"(?P<year>\d{1,4})",
    "M": r"(?P<month>\d{1,2})",
    "MM": r"(?P<month>\d{1,2})",
    "D": r"(?P<day>\d{1,2})",
    "DD": r"(?P<day>\d{1,2})",
    "Do": r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|ste|de|\.|º)?",
    "DDD": r"(?P<day_of_year>\d{1,3})",
    "DDDD": r"(?P<day_of_year>\d{3})",
    "Q": r"(?P<quarter>[1-4])",
    "H": r"(?P<hour>\d{1,2})",
    "HH": r"(?P<hour>\d{1,2})",
    "h": r"(?P<hour>\d{1,2})",
    "hh": r"(?P<hour>\d{1,2})",
    "k": r"(?P<hour>\d{1,2})",
    "kk": r"(?P<hour>\d{1,2})",
    "m": r"(?P<minute>\d{1,2})",
    "mm": r"(?P<minute>\d{1,2})",
    "s": r"(?P<second>\d{1,2})",
    "ss": r"(?P<second>\d{1,2})",
    "A": r"(?P<half>[ap]\.?m\.?)",
    "a": r"(?P<half>[ap]\.?m\.?)",
    "Z": r"(?P<zone>Z|[+-]\d{2}:?\d{2})",
    "ZZ": r"(?P<zone>Z|[+-]\d{2}:?\d{2})",
    "X": r"(?P<unix>-?\d{1,12})(?:\.\d+)?",
    "x": r"(?P<unix_ms>-?\d{1,15})",
}


@lru_cache(maxsize=256)
def _reader(form: str, locale: str) -> re.Pattern[str] | None:
    """Turn a format into an expression that reads it, or None when it holds a token that cannot be read.

    Every group has a length of its own bounds, so that matching is linear; white space is free.
    """
    words = LOCALES[locale]
    pieces = [r"\s*"]
    for token, copied in _tokens(form, locale):
        if not token and copied.isspace():
            # two of them beside each other could share the spaces in many ways
            pieces += [r"\s*"] if pieces[-1] != r"\s*" else []
        elif not token:
            pieces.append(re.escape(copied))
        elif token[0] == "S":
            pieces.append(r"(?P<fraction>\d{1,9})")
        elif token in {"MMM", "MMMM"}:
            names = sorted({*words.months, *words.short_months}, key=len, reverse=True)
            pieces.append(f"(?P<month_name>{'|'.join(map(re.escape, names))})")
        elif token in {"dd", "ddd", "dddd"}:
            names = sorted({*words.days, *words.short_days, *words.least_days}, key=len, reverse=True)
            pieces.append(f"(?P<weekday>{'|'.join(map(re.escape, names))})")
        elif token in _DIGITS:
            pieces.append(_DIGITS[token])
        else:
            return None
    try:
        return re.compile("".join(pieces), re.IGNORECASE | re.ASCII)
    except re.error:  # the same part of a date twice
        return None


def read_moment(text: str, form: str, locale: str) -> Moment:
    """Read a date by a format of Moment.js; fails when the text does not begin as the format says.

    What the format leaves out is the first: of the year, of the month, of the day. The year itself must be there.
    """
    if len(form) > LONGEST_FORMAT:
        raise Failed(CellError.TOO_LONG)
    found = _read(text[:LONGEST_FORMAT], form, locale)
    if found is None:
        raise Failed(CellError.NOT_A_DATE)
    return found


@lru_cache(maxsize=4_096)
def _read(text: str, form: str, locale: str) -> Moment | None:
    reader = _reader(form, locale)
    found = reader.match(text) if reader is not None else None
    if found is None:
        return None
    parts = {name: part for name, part in found.groupdict().items() if part}
    try:
        return Moment(_put_together(parts, locale), UTC, locale)
    except (ValueError, OverflowError):
        return None


def _put_together(parts: Mapping[str, str], locale: str) -> datetime:
    if "unix" in parts or "unix_ms" in parts:
        seconds = timedelta(seconds=int(parts.get("unix", 0)), milliseconds=int(parts.get("unix_ms", 0)))
        return datetime(1970, 1, 1, tzinfo=UTC) + seconds
    day = datetime(_year(parts), _month(parts, locale), int(parts.get("day", 1)), tzinfo=UTC)
    if "day_of_year" in parts:
        ahead = timedelta(days=int(parts["day_of_year"]) - 1)
        if (day.replace(month=1, day=1) + ahead).year != day.year:
            raise ValueError("the year has no such day")
        day = day.replace(month=1, day=1) + ahead
    hour = _hour(parts)
    time = day.replace(
        minute=int(parts.get("minute", 0)),
        second=int(parts.get("second", 0)),
        microsecond=int(parts.get("fraction", "0").ljust(3, "0")[:3]) * 1000,
    )
    return time + timedelta(hours=hour) - _zone(parts.get("zone", "Z"))


def _year(parts: Mapping[str, str]) -> int:
    if "short_year" in parts:
        short = int(parts["short_year"])
        return short + (1900 if short > 68 else 2000)
    if "year" not in parts:
        raise ValueError("a year is missing")
    return int(parts["year"])


def _month(parts: Mapping[str, str], locale: str) -> int:
    if "month_name" in parts:
        name = parts["month_name"].casefold()
        words = LOCALES[locale]
        for names in (words.months, words.short_months):
            folded = [each.casefold() for each in names]
            if name in folded:
                return folded.index(name) + 1
    if "quarter" in parts and "month" not in parts:
        return int(parts["quarter"]) * 3 - 2
    return int(parts.get("month", 1))


def _hour(parts: Mapping[str, str]) -> int:
    hour = int(parts.get("hour", 0))
    if hour > 24:
        raise ValueError("a day has no such hour")
    half = parts.get("half", "").lower()
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    return hour


def _zone(text: str) -> timedelta:
    if text in "Zz":
        return timedelta(0)
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return -size if text[0] == "-" else size
