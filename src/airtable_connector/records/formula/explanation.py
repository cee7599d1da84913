"""A formula explained: its parts as a tree, with kinds and places, and what an index could do for it."""

from collections.abc import Iterator
from dataclasses import dataclass

from airtable_connector.records.formula.formula import Formula, conjuncts
from airtable_connector.records.formula.inputs import Fact, Input
from airtable_connector.records.formula.tree import Apply, Constant, Negate, Operate, Part, Read, kind_of_part
from airtable_connector.records.formula.values import Kind, to_text

SHOWN = 40
"""Characters of a constant in an explanation."""


@dataclass(frozen=True)
class Line:
    """One part: how deep it stands, what it is, of which kind, and where in the text (counted from 1)."""

    level: int
    words: str
    kind: Kind
    start: int
    end: int


@dataclass(frozen=True)
class Explanation:
    """What a formula is made of; `str` makes a page of it."""

    lines: tuple[Line, ...]
    reads: tuple[str, ...]
    indexable: tuple[str, ...]
    conditions: int

    def __str__(self) -> str:
        width = max(2 * line.level + len(line.words) for line in self.lines)
        tree = [
            f"{'  ' * line.level + line.words:{width}}  {line.kind:8} {line.start}-{line.end}" for line in self.lines
        ]
        reads = f"reads: {', '.join(self.reads) or 'nothing of the record'}"
        found = "; ".join(self.indexable) or "none"
        return "\n".join([*tree, reads, f"conditions: {self.conditions}, for an index: {found}"])


def explain(formula: Formula) -> Explanation:
    """Explain a formula."""
    return Explanation(
        lines=tuple(_lines(formula.tree, 0)),
        reads=tuple(_named(source) for source in formula.inputs),
        indexable=tuple(
            f"{_named(each.source)} is {' or '.join(repr(_short(text)) for text in sorted(each.values)[:5])}"
            f"{f' or {len(each.values) - 5} more' if len(each.values) > 5 else ''}"
            for each in formula.equalities()
        ),
        conditions=sum(1 for _ in conjuncts(formula.tree)),
    )


def _lines(part: Part, level: int) -> Iterator[Line]:
    words, inner = _described(part)
    yield Line(level, words, kind_of_part(part), part.span.start + 1, part.span.end)
    for each in inner:
        yield from _lines(each, level + 1)


def _described(part: Part) -> tuple[str, tuple[Part, ...]]:
    match part:
        case Constant():
            text = _short(to_text(part.value))
            return (repr(text) if part.kind is Kind.TEXT else text or "blank"), ()
        case Read():
            return _named(part.source), ()
        case Negate():
            return "minus", (part.operand,)
        case Operate():
            return " ".join(dict.fromkeys(part.operators)), part.operands
        case Apply():
            return f"{part.function.name}()", part.arguments


def _named(source: Input) -> str:
    return f"the record's {source.replace('record ', '')}" if isinstance(source, Fact) else f"{{{source.name}}}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
