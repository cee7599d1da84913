"""Regular expressions as RE2 has them: their time is linear in the text, and their memory has a limit.

The work of a search is charged by the text's length and the program's size, for that is RE2's worst case.
"""

import re
from functools import lru_cache
from typing import Any

import re2

from airtable_connector.records.formula.values import LONGEST_RESULT, CellError, Failed, Work

LONGEST_PATTERN = 1_000
"""Characters in a regular expression."""

PATTERN_MEMORY = 1 << 20
"""Bytes that RE2 may use for one expression; a repetition that needs more is refused."""

INSTRUCTIONS_PER_STEP = 4
"""Instructions of a program that RE2 tries on a character in about the time of one step."""

STEPS_PER_MATCH = 300
"""What replacing one match costs besides the text."""

_OPTIONS = re2.Options()
_OPTIONS.max_mem = PATTERN_MEMORY
_OPTIONS.log_errors = False

_GROUP = re.compile(r"\$(?:(\$)|(&)|(\d{1,2}))")


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> tuple[Any, int] | None:
    try:
        program = re2.compile(pattern, _OPTIONS)
    except re2.error:
        return None
    return program, 1 + int(program.programsize) // INSTRUCTIONS_PER_STEP


def usable(pattern: str) -> bool:
    """Tell whether RE2 takes a pattern."""
    return _found(pattern) is not None


def _found(pattern: str) -> tuple[Any, int] | None:
    return _compiled(pattern) if len(pattern) <= LONGEST_PATTERN else None


def _prepared(pattern: str, text: str, work: Work) -> Any:
    found = _found(pattern)
    if found is None:
        raise Failed(CellError.BAD_PATTERN)
    program, price = found
    work.spend(len(text) * price)
    return program


def matches(pattern: str, text: str, work: Work) -> bool:
    """Tell whether the pattern matches anywhere in the text."""
    return _prepared(pattern, text, work).search(text) is not None


def extract(pattern: str, text: str, work: Work) -> str:
    """Return the first match; fails when there is none."""
    found = _prepared(pattern, text, work).search(text)
    if found is None:
        raise Failed(CellError.NO_MATCH)
    return str(found.group())


def replace(pattern: str, text: str, replacement: str, work: Work) -> str:
    """Replace every match; ``$1`` stands for what the first group matched, ``$&`` for all of it, ``$$`` for ``$``."""
    program = _prepared(pattern, text, work)
    pieces: list[str] = []
    length, last = 0, 0
    for found in program.finditer(text):
        piece = text[last : found.start()] + _filled(replacement, found, program.groups)
        # also charged here, for an empty pattern matches at every place of the text
        work.spend(len(piece) + STEPS_PER_MATCH)
        length += len(piece)
        if length > LONGEST_RESULT:
            raise Failed(CellError.TOO_LONG)
        pieces.append(piece)
        last = found.end()
    result = "".join(pieces) + text[last:]
    if len(result) > LONGEST_RESULT:
        raise Failed(CellError.TOO_LONG)
    return result


def _filled(replacement: str, found: Any, groups: int) -> str:
    if "$" not in replacement:
        return replacement

    def fill(mark: re.Match[str]) -> str:
        if mark[1]:
            return "$"
        number = int(mark[3] or 0)
        return (found.group(number) or "") if number <= groups else mark[0]

    return _GROUP.sub(fill, replacement)
