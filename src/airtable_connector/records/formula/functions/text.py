"""Functions over texts. Places count from 1, in code points."""

from urllib.parse import quote

from airtable_connector.records.formula import patterns
from airtable_connector.records.formula.functions.spec import Example, Function, Section
from airtable_connector.records.formula.inputs import Context
from airtable_connector.records.formula.values import LONGEST_RESULT, CellError, Failed, Kind, Value, join


def _whole(number: float) -> int:
    """Cut a number to a count of characters; one that is none, or absurd, becomes the nearest that is not."""
    return int(max(-1.0, min(number, LONGEST_RESULT + 1.0))) if number == number else 0  # noqa: PLR0124 - NaN


def _find(needle: str, text: str, start: float = 0.0) -> float:
    return float(text.find(needle, max(_whole(start) - 1, 0)) + 1)


def _search(needle: str, text: str, start: float = 0.0) -> float | None:
    return _find(needle.lower(), text.lower(), start) or None


def _left(text: str, count: float = 1.0) -> str:
    return text[: max(_whole(count), 0)]


def _right(text: str, count: float = 1.0) -> str:
    return text[max(len(text) - max(_whole(count), 0), 0) :]


def _mid(text: str, start: float, count: float) -> str:
    first = max(_whole(start) - 1, 0)
    return text[first : first + max(_whole(count), 0)]


def _replace(text: str, start: float, count: float, new: str) -> str | None:
    first = max(_whole(start) - 1, 0)
    if first > len(text):
        return None
    return join(text[:first], new, text[first + max(_whole(count), 0) :])


def _substitute(text: str, old: str, new: str, index: float | None = None) -> str:
    if not old:
        return text
    if index is None:
        if len(text) + text.count(old) * (len(new) - len(old)) > LONGEST_RESULT:
            raise Failed(CellError.TOO_LONG)
        return text.replace(old, new)
    pieces = text.split(old)
    place = _whole(index)
    if not 1 <= place < len(pieces):
        return text
    return join(old.join(pieces[:place]), new, old.join(pieces[place:]))


def _repeat(text: str, count: float) -> str:
    times = max(_whole(count), 0)
    if len(text) * times > LONGEST_RESULT:
        raise Failed(CellError.TOO_LONG)
    return text * times


def _text_only(value: Value) -> Value:
    return value if isinstance(value, str) else None


def _encode(text: str) -> str:
    return join(quote(text, safe="-_.~"))


def _matches(context: Context, text: str, pattern: str) -> bool:
    return patterns.matches(pattern, text, context.work)


def _extract(context: Context, text: str, pattern: str) -> str:
    return patterns.extract(pattern, text, context.work)


def _replace_matches(context: Context, text: str, pattern: str, new: str) -> str:
    return patterns.replace(pattern, text, new, context.work)


def _length(text: str) -> float:
    return float(len(text))


_S = Section.TEXT
_P = Section.PATTERN
_T = Kind.TEXT
_N = Kind.NUMBER
_COUNTS_CODE_POINTS = "Counts code points; whether Airtable counts UTF-16 units is not documented."
_AMOUNT_ONE = "The count may be left out and is 1 then."

TEXT = (
    Function(
        "CONCATENATE", _S, (_T,), _T, join, "The arguments' texts in a row, as & does.",
        Example('CONCATENATE("a", 1, "b")', "a1b"), rest=_T,
    ),
    Function(
        "ENCODE_URL_COMPONENT", _S, (_T,), _T, _encode, "The text as a part of an address.",
        Example('ENCODE_URL_COMPONENT("a b/ä")', "a%20b%2F%C3%A4"),
    ),
    Function(
        "FIND", _S, (_T, _T, _N), _N, _find,
        "Where the first text stands in the second, from a place on; 0 when it does not.",
        Example('FIND("b", "abcb", 3)', "4"), optional=1, code={2: "({1}.find({0}) + 1.0)"},
        differs="An empty text is found at the place where the search begins.", never_fails=True,
    ),
    Function(
        "LEFT", _S, (_T, _N), _T, _left, "The first characters.", Example('LEFT("abc", 2)', "ab"), optional=1,
        differs=_AMOUNT_ONE, never_fails=True,
    ),
    Function(
        "LEN", _S, (_T,), _N, _length, "How many characters a text has.", Example('LEN("abc")', "3"),
        code={1: "len({0})"}, differs=_COUNTS_CODE_POINTS, never_fails=True,
    ),
    Function(
        "LOWER", _S, (_T,), _T, str.lower, "The text in small letters.", Example('LOWER("AbC")', "abc"),
        code={1: "{0}.lower()"}, never_fails=True,
    ),
    Function(
        "MID", _S, (_T, _N, _N), _T, _mid, "So many characters from a place on.", Example('MID("abcdef", 2, 3)', "bcd"),
        never_fails=True,
    ),
    Function(
        "REPLACE", _S, (_T, _N, _N, _T), _T, _replace,
        "The text with so many characters from a place on replaced; blank when the place is past the end.",
        Example('REPLACE("abcdef", 2, 3, "X")', "aXef"), may_be_blank=True,
    ),
    Function("REPT", _S, (_T, _N), _T, _repeat, "The text so many times.", Example('REPT("ab", 3)', "ababab")),
    Function(
        "RIGHT", _S, (_T, _N), _T, _right, "The last characters.", Example('RIGHT("abc", 2)', "bc"), optional=1,
        differs=_AMOUNT_ONE, never_fails=True,
    ),
    Function(
        "SEARCH", _S, (_T, _T, _N), _N, _search, "As FIND, without regard to case, and blank when there is nothing.",
        Example('SEARCH("B", "abc")', "2"), optional=1, may_be_blank=True,
        differs="Blank when nothing is found, as Airtable's reference says; some saw 0.", never_fails=True,
    ),
    Function(
        "SUBSTITUTE", _S, (_T, _T, _T, _N), _T, _substitute,
        "The text with every occurrence of the second replaced by the third, or only the one of that number.",
        Example('SUBSTITUTE("a-b-c", "-", "+", 2)', "a-b+c"), optional=1,
    ),
    Function(
        "T", _S, (Kind.ANY,), _T, _text_only, "The argument when it is a text, else blank.",
        Example('T("a") & T(1)', "a"), may_be_blank=True, never_fails=True,
    ),
    Function(
        "TRIM", _S, (_T,), _T, str.strip, "The text without spaces at its ends.", Example('TRIM("  a b ")', "a b"),
        code={1: "{0}.strip()"}, never_fails=True,
    ),
    Function(
        "UPPER", _S, (_T,), _T, str.upper, "The text in capital letters.", Example('UPPER("AbC")', "ABC"),
        code={1: "{0}.upper()"}, never_fails=True,
    ),
    Function(
        "REGEX_MATCH", _P, (_T, _T), Kind.BOOLEAN, _matches,
        "Whether the regular expression matches anywhere in the text.",
        Example('REGEX_MATCH("order 66", "[0-9]+")', "1"), in_context=True,
    ),
    Function(
        "REGEX_EXTRACT", _P, (_T, _T), _T, _extract,
        "What the regular expression matches first; an error when nothing.",
        Example('REGEX_EXTRACT("order 66", "[0-9]+")', "66"), in_context=True,
    ),
    Function(
        "REGEX_REPLACE", _P, (_T, _T, _T), _T, _replace_matches,
        "The text with every match replaced; $1 stands for what the first group matched.",
        Example('REGEX_REPLACE("a1b2", "([0-9])", "<$1>")', "a<1>b<2>"), in_context=True,
        differs="$1 to $99, $& and $$ work; Airtable does not document them.",
    ),
)  # fmt: skip
