"""What a function is: the facts that checker, evaluator, generated code and manual all read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from airtable_connector.records.formula.inputs import Fact
from airtable_connector.records.formula.values import Kind, Value

Gives: TypeAlias = Kind | Callable[[Sequence[Kind]], Kind]
"""The kind of the result, or how it follows from the kinds of the arguments."""


class Section(StrEnum):
    """Where a function stands in the manual."""

    LOGIC = "Logic"
    TEXT = "Text"
    PATTERN = "Regular expressions"
    NUMBER = "Numbers"
    DATE = "Dates"
    ARRAY = "Arrays"
    RECORD = "The record"


@dataclass(frozen=True)
class Example:
    """A formula and what it gives, written as `to_text` writes it; the manual shows it and a test tries it."""

    formula: str
    gives: str


@dataclass(frozen=True)
class Function:
    """One function of the language.

    ``takes`` are the kinds that arguments are turned into before ``run`` gets them, ``optional`` is how many of the
    last may be left out, ``rest`` the kind of any number of further ones. A lazy function gets calls to make instead of
    values. ``in_context`` puts the `Context` before the arguments. ``code`` is the same as ``run`` for some number of
    arguments, as an expression to be put into generated code; each placeholder stands in it once at most.
    ``junction`` is Python's operator that gives the same truth, where skipping arguments cannot hide an error.
    ``never_fails`` says that an error can only come from the arguments.
    """

    name: str
    section: Section
    takes: tuple[Kind, ...]
    gives: Gives
    run: Callable[..., Value]
    about: str
    example: Example
    optional: int = 0
    rest: Kind | None = None
    never_fails: bool = False
    may_be_blank: bool = False
    lazy: bool = False
    in_context: bool = False
    reads_time: bool = False
    fact: Fact | None = None
    junction: Literal["and", "or"] | None = None
    code: Mapping[int, str] = field(default_factory=dict)
    differs: str = ""

    @property
    def least(self) -> int:
        """How many arguments it needs."""
        return len(self.takes) - self.optional

    @property
    def most(self) -> int | None:
        """How many arguments it takes, or None when there is no limit of its own."""
        return None if self.rest is not None else len(self.takes)

    def wants(self, place: int) -> Kind:
        """Return the kind that the argument at a place is turned into."""
        if place < len(self.takes):
            return self.takes[place]
        assert self.rest is not None
        return self.rest

    def result(self, arguments: Sequence[Kind]) -> Kind:
        """Return the kind of the result."""
        return self.gives if isinstance(self.gives, Kind) else self.gives(arguments)
