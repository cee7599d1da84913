"""Functions over arrays: links, lists of choices, attachments, and what other functions make of them."""

from airtable_connector.records.formula.functions.spec import Example, Function, Section
from airtable_connector.records.formula.values import Kind, Scalar, join_texts

Items = list[Scalar]


def _join(items: Items, separator: str = ", ") -> str:
    return join_texts(items, separator)


def _unique(items: Items) -> Items:
    # by type too, for Python takes 1 and True for the same
    return list({(type(item), item): item for item in items}.values())


def _compact(items: Items) -> Items:
    return [item for item in items if item is not None and item != ""]


def _flatten(items: Items) -> Items:
    return items


def _slice(items: Items, first: float, last: float | None = None) -> Items:
    """Cut as Airtable does: places count from 1, the last one is included, negative ones count from the end."""
    begin = _place(first, len(items))
    end = len(items) if last is None else _place(last, len(items)) + 1
    return items[max(begin, 0) : max(end, 0)]


def _place(number: float, length: int) -> int:
    place = int(max(-10_000.0, min(number, 10_000.0))) if number == number else 1  # noqa: PLR0124 - NaN
    return place + length if place < 0 else place - 1


_S = Section.ARRAY
_A = Kind.ARRAY

ARRAYS = (
    Function(
        "ARRAYJOIN", _S, (_A, Kind.TEXT), Kind.TEXT, _join,
        'The items\' texts with ", " or the second argument between.', Example('ARRAYJOIN("a", "-")', "a"), optional=1,
    ),
    Function(
        "ARRAYUNIQUE", _S, (_A,), _A, _unique, "The items, each once.", Example('ARRAYUNIQUE("a")', "a"),
        never_fails=True,
    ),
    Function(
        "ARRAYCOMPACT", _S, (_A,), _A, _compact, "The items that are not empty.", Example('ARRAYCOMPACT("")', ""),
        never_fails=True,
    ),
    Function(
        "ARRAYFLATTEN", _S, (_A,), _A, _flatten, "The items in one array; arrays here hold no arrays.",
        Example('ARRAYFLATTEN("a")', "a"), never_fails=True,
    ),
    Function(
        "ARRAYSLICE", _S, (_A, Kind.NUMBER, Kind.NUMBER), _A, _slice,
        "The items from one place to another; negative places count from the end.",
        Example('ARRAYSLICE("a", 1, 1)', "a"), optional=1, never_fails=True,
    ),
)  # fmt: skip
