"""``:name`` parameters in PostgreSQL's own numbered form."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

# texts in quotes and casts (two colons) are matched first, so that nothing in them is taken for a parameter
_PIECE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|::|:(?P<name>[a-z_][a-z0-9_]*)")


class Numbered(NamedTuple):
    """A statement with ``$1``, ``$2`` …, and the names that they stand for."""

    text: str
    names: tuple[str, ...]

    def arguments(self, values: Mapping[str, object]) -> tuple[object, ...]:
        """Return the values in the order of the numbers; a missing one is a KeyError."""
        return tuple([values[name] for name in self.names])


@lru_cache(maxsize=1_000)
def numbered(text: str) -> Numbered:
    """Translate a statement; a name that appears twice keeps its number."""
    numbers: dict[str, int] = {}

    def translate(piece: re.Match[str]) -> str:
        name = piece["name"]
        return piece[0] if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

    return Numbered(_PIECE.sub(translate, text), tuple(numbers))
