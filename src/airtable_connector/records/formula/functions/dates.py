"""Functions over dates. A blank or unreadable date is an error; only DATETIME_PARSE makes a blank of a blank.

Parts of a date, units and formats follow the clocks of UTC, or of the zone that SET_TIMEZONE gave the date.
"""

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from airtable_connector.records.formula.functions.spec import Example, Function, Section
from airtable_connector.records.formula.inputs import Context
from airtable_connector.records.formula.locales import locale_named
from airtable_connector.records.formula.moments import read_moment, sunday_first, week_of, write_moment
from airtable_connector.records.formula.values import (
    CellError,
    Failed,
    Kind,
    Moment,
    Value,
    iso_text,
    spelled_moment,
    to_moment,
    to_text,
)

FARTHEST = 4_000_000
"""Days, or units of any kind, that a date is moved by at most; ten thousand years are less."""

LONGEST_HOLIDAYS = 20_000
"""Characters in a list of holidays; a hundred years of them."""

_UNITS = {
    "milliseconds": "ms", "millisecond": "ms", "ms": "ms", "seconds": "s", "second": "s", "s": "s",
    "minutes": "m", "minute": "m", "m": "m", "hours": "h", "hour": "h", "h": "h", "days": "d", "day": "d", "d": "d",
    "weeks": "w", "week": "w", "w": "w", "months": "M", "month": "M", "M": "M",
    "quarters": "Q", "quarter": "Q", "Q": "Q", "years": "y", "year": "y", "y": "y",
}  # fmt: skip
_SPANS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MONTHS = {"M": 1, "Q": 3, "y": 12}


def _unit(name: str, otherwise: str) -> str:
    """Read a unit; ``m`` are minutes and ``M`` months, the words are read in any case."""
    return _UNITS.get(name) or _UNITS.get(name.lower(), otherwise)


def _part(read: Callable[[datetime], int]) -> Callable[[Moment], float]:
    return lambda moment: float(read(moment.local))


def _parse(value: Value, form: str = "", locale: str = "en") -> Moment | None:
    if value is None or value == "":
        return None
    if isinstance(value, Moment):
        return value
    known = locale_named(locale)
    if known is None:
        raise Failed(CellError.UNKNOWN_LOCALE)
    return read_moment(to_text(value), form, known) if form else to_moment(value)


def _format(moment: Moment, form: str = "") -> str:
    return write_moment(moment, form) if form else iso_text(moment)


def _add(moment: Moment, count: float, unit: str) -> Moment:
    known = _unit(unit, "")
    # milliseconds are many, yet no more time than the years that there are
    if not known or not abs(count) <= (FARTHEST if known not in {"ms", "s", "m", "h"} else 4e14):
        raise Failed(CellError.OUT_OF_RANGE)
    try:
        if known in _MONTHS:
            return moment.moved_to(_months_ahead(moment.local, int(count) * _MONTHS[known]))
        if known in {"d", "w"}:
            # a day is not always 24 hours where clocks are put forward
            days = int(count) * (7 if known == "w" else 1)
            return moment.moved_to(moment.local.replace(tzinfo=None) + timedelta(days=days))
        return Moment(moment.at + int(count) * _SPANS[known], moment.zone, moment.locale)
    except (OverflowError, ValueError) as cause:
        raise Failed(CellError.OUT_OF_RANGE) from cause


def _months_ahead(day: datetime, count: int) -> datetime:
    years, month = divmod(day.month - 1 + count, 12)
    year = day.year + years
    if not 1 <= year <= 9999:
        raise Failed(CellError.OUT_OF_RANGE)
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]), tzinfo=None)


def _difference(later: Moment, earlier: Moment, unit: str = "seconds") -> float:
    known = _unit(unit, "ms")
    if known in _MONTHS:
        return float(int(_months_between(later, earlier) / _MONTHS[known]))
    distance = later.at - earlier.at
    whole = abs(distance) // _SPANS[known]
    return float(whole if distance >= timedelta(0) else -whole)


def _months_between(later: Moment, earlier: Moment) -> int:
    """Count whole months, towards zero; a month is over on the same day and time, or on the month's last."""
    if later.at < earlier.at:
        return -_months_between(earlier, later)
    zone = earlier.zone
    end, begin = Moment(later.at, zone).local.replace(tzinfo=None), earlier.local.replace(tzinfo=None)
    months = (end.year - begin.year) * 12 + end.month - begin.month
    return months - 1 if months and _months_ahead(begin, months) > end else months


def _before(one: Moment, two: Moment) -> bool:
    return one.at < two.at


def _after(one: Moment, two: Moment) -> bool:
    return one.at > two.at


def _same(one: Moment, two: Moment, unit: str = "ms") -> bool:
    known = _unit(unit, "ms")
    first, second = one.local, Moment(two.at, one.zone).local
    match known:
        case "y":
            return first.year == second.year
        case "Q":
            return (first.year, (first.month - 1) // 3) == (second.year, (second.month - 1) // 3)
        case "M":
            return (first.year, first.month) == (second.year, second.month)
        case "w":
            return (first.toordinal() // 7) == (second.toordinal() // 7)
        case "d":
            return first.date() == second.date()
        case "ms":
            return one.at == two.at
        case _:
            start = first.replace(tzinfo=None), second.replace(tzinfo=None)
            span = _SPANS[known]
            return (start[0] - datetime.min) // span == (start[1] - datetime.min) // span  # noqa: DTZ901 - a wall clock


def _weekday(moment: Moment, starts: str = "Sunday") -> float:
    return float((sunday_first(moment.local) - _week_start(starts)) % 7)


def _week_start(name: str) -> int:
    return 1 if name.strip().lower() == "monday" else 0


def _week_number(moment: Moment, starts: str = "Sunday") -> float:
    return float(week_of(moment.local, starts=_week_start(starts), holds=1).number)


def _with_locale(moment: Moment, name: str) -> Moment:
    known = locale_named(name)
    if known is None:
        raise Failed(CellError.UNKNOWN_LOCALE)
    return Moment(moment.at, moment.zone, known)


def _with_zone(moment: Moment, name: str) -> Moment:
    zone = zone_named(name)
    if zone is None:
        raise Failed(CellError.UNKNOWN_ZONE)
    return Moment(moment.at, zone, moment.locale)


def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone of an IANA name, or None when there is none."""
    return _zone(name) if len(name) <= 100 else None


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def _now(context: Context) -> Moment:
    return context.moment


def _today(context: Context) -> Moment:
    return context.today


_AGES = (
    (45, 1, "a few seconds", ""),
    (90, 60, "a minute", ""),
    (45 * 60, 60, "", "minutes"),
    (90 * 60, 3_600, "an hour", ""),
    (22 * 3_600, 3_600, "", "hours"),
    (36 * 3_600, 86_400, "a day", ""),
    (26 * 86_400, 86_400, "", "days"),
    (46 * 86_400, 2_629_746, "a month", ""),
    (320 * 86_400, 2_629_746, "", "months"),
    (548 * 86_400, 31_556_952, "a year", ""),
)
"""Below so many seconds, in units of so many, the words for one and for several; beyond, years."""


def _age(context: Context, moment: Moment) -> str:
    seconds = abs((context.moment.at - moment.at).total_seconds())
    for below, unit, one, several in _AGES:
        if seconds < below:
            return one or f"{max(2, int(seconds / unit + 0.5))} {several}"
    return f"{max(2, int(seconds / 31_556_952 + 0.5))} years"


def _days_off(text: str) -> tuple[int, ...]:
    if len(text) > LONGEST_HOLIDAYS:
        raise Failed(CellError.TOO_LONG)
    return _holidays(text)


@lru_cache(maxsize=64)
def _holidays(text: str) -> tuple[int, ...]:
    """Read days between commas; those on weekends do not matter."""
    found = set()
    for part in text.split(","):
        if not part.strip():
            continue
        moment = spelled_moment(part)
        if moment is None:
            raise Failed(CellError.NOT_A_DATE)
        if moment.at.weekday() < 5:
            found.add(moment.at.toordinal())
    return tuple(sorted(found))


def _workday(moment: Moment, count: float, holidays: str = "") -> Moment:
    if not abs(count) <= FARTHEST:
        raise Failed(CellError.OUT_OF_RANGE)
    free = _days_off(holidays)
    day, wanted = moment.local.toordinal(), int(count)
    ahead, before = wanted, None
    # every round takes in the holidays that the round before came across; there are finitely many
    while ahead != before:
        before = ahead
        reached = _weekdays_ahead(day, ahead)
        if wanted > 0:
            ahead = wanted + bisect_right(free, reached) - bisect_right(free, day)
        elif wanted < 0:
            ahead = wanted - bisect_left(free, day) + bisect_left(free, reached)
    try:
        return moment.moved_to(datetime.combine(date.fromordinal(reached), moment.local.time()))
    except (ValueError, OverflowError) as cause:
        raise Failed(CellError.OUT_OF_RANGE) from cause


def _weekdays_ahead(day: int, count: int) -> int:
    """Return the ordinal of the day that is so many weekdays later, or earlier."""
    if count == 0:
        return day
    weekday = (day - 1) % 7  # Monday is 0
    if count > 0:
        # from a weekend one counts as from the Friday before
        day, weekday = (day - (weekday - 4), 4) if weekday > 4 else (day, weekday)
        weeks, rest = divmod(count, 5)
        return day + weeks * 7 + rest + (2 if weekday + rest > 4 else 0)
    day, weekday = (day + (7 - weekday), 0) if weekday > 4 else (day, weekday)
    weeks, rest = divmod(-count, 5)
    return day - weeks * 7 - rest - (2 if weekday - rest < 0 else 0)


def _workday_difference(one: Moment, two: Moment, holidays: str = "") -> float:
    first, last = one.local.toordinal(), Moment(two.at, one.zone).local.toordinal()
    if last < first:
        return -_workdays_within(last, first, _days_off(holidays))
    return _workdays_within(first, last, _days_off(holidays))


def _workdays_within(first: int, last: int, free: tuple[int, ...]) -> float:
    def weekdays_until(day: int) -> int:
        weeks, rest = divmod(day, 7)  # ordinal 1 is a Monday
        return weeks * 5 + min(rest, 5)

    return float(
        weekdays_until(last) - weekdays_until(first - 1) - (bisect_right(free, last) - bisect_left(free, first))
    )


_S = Section.DATE
_D = Kind.DATE
_T = Kind.TEXT
_N = Kind.NUMBER
_B = Kind.BOOLEAN
_X = "2024-03-05T06:07:08.009Z"
_WORDS_ONLY = 'Words as of Moment.js, in English, without "in" and "ago".'

DATES = (
    Function(
        "NOW", _S, (), _D, _now, "This moment.", Example("NOW() > TODAY()", "1"), in_context=True, reads_time=True,
        code={0: "context.moment"}, differs="Evaluated for every request; nothing is kept for minutes.",
        never_fails=True,
    ),
    Function(
        "TODAY", _S, (), _D, _today, "Today's midnight in UTC.", Example("TODAY() < NOW()", "1"), in_context=True,
        reads_time=True, code={0: "context.today"}, never_fails=True,
    ),
    Function(
        "DATEADD", _S, (_D, _N, _T), _D, _add, "The date moved by so many units; the days of short months are kept to.",
        Example('DATESTR(DATEADD("2024-01-31", 1, "months"))', "2024-02-29"),
    ),
    Function(
        "DATESTR", _S, (_D,), _T, lambda moment: write_moment(moment, "YYYY-MM-DD"), "The date as YYYY-MM-DD.",
        Example(f'DATESTR("{_X}")', "2024-03-05"),
    ),
    Function(
        "TIMESTR", _S, (_D,), _T, lambda moment: write_moment(moment, "HH:mm:ss"), "The time as HH:mm:ss.",
        Example(f'TIMESTR("{_X}")', "06:07:08"),
    ),
    Function(
        "DATETIME_DIFF", _S, (_D, _D, _T), _N, _difference,
        "The first date minus the second in whole units, towards zero; in seconds when no unit is given.",
        Example('DATETIME_DIFF("2024-03-01", "2024-02-01", "days")', "29"), optional=1,
        differs="An unknown unit means milliseconds, as in Airtable.",
    ),
    Function(
        "DATETIME_FORMAT", _S, (_D, _T), _T, _format, "The date as a text by a format of Moment.js, else as ISO 8601.",
        Example(f'DATETIME_FORMAT("{_X}", "dddd, D MMMM YYYY [at] h:mm A")', "Tuesday, 5 March 2024 at 6:07 AM"),
        optional=1,
    ),
    Function(
        "DATETIME_PARSE", _S, (Kind.ANY, _T, _T), _D, _parse,
        "The date that a text spells: ISO 8601, M/D/YYYY, or by a format of Moment.js.",
        Example('DATESTR(DATETIME_PARSE("5. März 2024", "D. MMMM YYYY", "de"))', "2024-03-05"), optional=2,
        may_be_blank=True, differs="A format needs a year or a Unix time; week numbers cannot be read.",
    ),
    Function("YEAR", _S, (_D,), _N, _part(lambda local: local.year), "The year.", Example(f'YEAR("{_X}")', "2024")),
    Function(
        "MONTH", _S, (_D,), _N, _part(lambda local: local.month), "The month, 1 to 12.", Example(f'MONTH("{_X}")', "3"),
    ),
    Function(
        "DAY", _S, (_D,), _N, _part(lambda local: local.day), "The day of the month.", Example(f'DAY("{_X}")', "5"),
    ),
    Function(
        "HOUR", _S, (_D,), _N, _part(lambda local: local.hour), "The hour, 0 to 23.", Example(f'HOUR("{_X}")', "6"),
    ),
    Function(
        "MINUTE", _S, (_D,), _N, _part(lambda local: local.minute), "The minute.", Example(f'MINUTE("{_X}")', "7"),
    ),
    Function(
        "SECOND", _S, (_D,), _N, _part(lambda local: local.second), "The second.", Example(f'SECOND("{_X}")', "8"),
    ),
    Function(
        "IS_AFTER", _S, (_D, _D), _B, _after, "Whether the first date is later.",
        Example('IS_AFTER("2024-02-01", "2024-01-01")', "1"), never_fails=True,
    ),
    Function(
        "IS_BEFORE", _S, (_D, _D), _B, _before, "Whether the first date is earlier.",
        Example('IS_BEFORE("2024-02-01", "2024-01-01")', "0"), never_fails=True,
    ),
    Function(
        "IS_SAME", _S, (_D, _D, _T), _B, _same, "Whether both dates are the same, to the millisecond or in a unit.",
        Example('IS_SAME("2024-02-01", "2024-02-20", "month")', "1"), optional=1, differs="Weeks begin on Sunday.",
    ),
    Function(
        "FROMNOW", _S, (_D,), _T, _age, "How far the date is from now.", Example("LEN(FROMNOW(NOW()))", "13"),
        in_context=True, reads_time=True, differs=_WORDS_ONLY, never_fails=True,
    ),
    Function(
        "TONOW", _S, (_D,), _T, _age, "How far now is from the date.", Example("TONOW(NOW())", "a few seconds"),
        in_context=True, reads_time=True, differs=_WORDS_ONLY, never_fails=True,
    ),
    Function(
        "SET_LOCALE", _S, (_D, _T), _D, _with_locale, "The date, to be written in the words of a locale.",
        Example(f'DATETIME_FORMAT(SET_LOCALE("{_X}", "fr"), "LL")', "5 mars 2024"),
        differs="Known are en, en-gb, de, es, fr, it, nl, pt; another locale is an error.",
    ),
    Function(
        "SET_TIMEZONE", _S, (_D, _T), _D, _with_zone, "The date, to be shown on the clocks of a time zone.",
        Example(f'DATETIME_FORMAT(SET_TIMEZONE("{_X}", "America/New_York"), "HH:mm Z")', "01:07 -05:00"),
        differs="Parts such as HOUR follow the zone too.",
    ),
    Function(
        "WEEKDAY", _S, (_D, _T), _N, _weekday, 'The day of the week, 0 for Sunday, or for Monday with "Monday".',
        Example(f'WEEKDAY("{_X}")', "2"), optional=1,
    ),
    Function(
        "WEEKNUM", _S, (_D, _T), _N, _week_number,
        'The week of the year; the first holds January 1. Weeks begin on Sunday, or with "Monday" on Monday.',
        Example(f'WEEKNUM("{_X}")', "10"), optional=1,
    ),
    Function(
        "WORKDAY", _S, (_D, _N, _T), _D, _workday,
        "The date so many working days later, without weekends and holidays.",
        Example('DATESTR(WORKDAY("2024-12-23", 3, "2024-12-25, 2024-12-26"))', "2024-12-30"), optional=1,
    ),
    Function(
        "WORKDAY_DIFF", _S, (_D, _D, _T), _N, _workday_difference, "The working days between two dates, both included.",
        Example('WORKDAY_DIFF("2024-01-01", "2024-02-01")', "24"), optional=1,
        differs="Negative when the second date is earlier.",
    ),
)  # fmt: skip
