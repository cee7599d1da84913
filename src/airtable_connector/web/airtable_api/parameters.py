"""A query as names and values, in the spellings that Airtable's clients use.

A list comes as ``fields=a&fields=b``, ``fields[]=a`` or ``fields[0]=a``; a list of objects as
``sort[0][field]=a&sort[0][direction]=desc``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from airtable_connector.web.airtable_api.errors import InvalidParameters
from airtable_connector.web.http import Call

Parameters = dict[str, list[str]]
"""Each parameter's values in their order, under its name without brackets; a sort's under ``sort[0][field]``."""

_LIST: Final = re.compile(r"([A-Za-z]+)\[\d{0,4}\]", re.ASCII)
_SORT: Final = re.compile(r"sort\[(\d{1,4})\]\[(field|direction)\]", re.ASCII)
_DIGITS: Final = re.compile(r"\d{1,9}", re.ASCII)

Value = TypeVar("Value")


def read_parameters(call: Call) -> Parameters:
    """Read a call's query; the length of its address bounds how many there are.

    Raises:
        InvalidParameters: it is not percent-encoded UTF-8.
    """
    found: Parameters = {}
    try:
        pairs = parse_qsl(call.query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeError:
        raise InvalidParameters("query") from None
    for name, value in pairs:
        inside = _LIST.fullmatch(name)
        found.setdefault(inside[1] if inside else name, []).append(value)
    return found


def refuse_parameters(call: Call) -> None:
    """Refuse a query where none is taken; a bare question mark is none."""
    for name in read_parameters(call):
        raise InvalidParameters(name)


def one(name: str, values: list[str]) -> str:
    """Take the value of a parameter that stands once."""
    if len(values) != 1:
        raise InvalidParameters(name)
    return values[0]


def whole_number(name: str, values: list[str]) -> int:
    """Read a whole number without a sign."""
    text = one(name, values)
    if _DIGITS.fullmatch(text) is None:
        raise InvalidParameters(name)
    return int(text)


def yes_or_no(name: str, values: list[str]) -> bool:
    """Read ``true``, ``false``, ``1`` or ``0``."""
    match one(name, values):
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case _:
            raise InvalidParameters(name)


def texts(_name: str, values: list[str]) -> list[str]:
    """Take every value of a list."""
    return values


def take(parameters: Parameters, known: Mapping[str, Callable[[str, list[str]], object]]) -> dict[str, object]:
    """Read the parameters that are known, and refuse all others.

    The values have then the shape that they have in a JSON body; a sort becomes a list of objects.
    """
    taken: dict[str, object] = {}
    sorts: dict[int, dict[str, object]] = {}
    for name, values in parameters.items():
        part = _SORT.fullmatch(name) if "sort" in known else None
        if part is not None:
            sorts.setdefault(int(part[1]), {})[part[2]] = one(name, values)
        elif name in known and name != "sort":
            taken[name] = known[name](name, values)
        else:
            raise InvalidParameters(name)
    if sorts:
        taken["sort"] = [sorts[number] for number in sorted(sorts)]
    return taken
