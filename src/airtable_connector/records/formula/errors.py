"""What can be wrong with a formula; each error points at the place."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from airtable_connector.kernel.errors import Invalid
from airtable_connector.kernel.suggest import did_you_mean

SHOWN = 80
"""Characters of a name or of a formula's line in a message."""


class Span(NamedTuple):
    """A stretch of a formula's text: from `start` up to, not including, `end`."""

    start: int
    end: int


def point_at(source: str, span: Span) -> str:
    """Draw the line that a span begins in, with carets under the span."""
    line_start = source.rfind("\n", 0, span.start) + 1
    line_end = source.find("\n", span.start)
    line = source[line_start : len(source) if line_end < 0 else line_end]
    column = span.start - line_start
    first = max(0, column - SHOWN // 2)
    # a tab or another control character would put the caret under the wrong letter
    shown = "".join(letter if letter.isprintable() else " " for letter in line[first : first + SHOWN])
    width = max(1, min(span.end, line_start + first + SHOWN) - span.start)
    return f"{shown}\n{' ' * (column - first)}{'^' * width}"


class FormulaError(Invalid):
    """A formula that cannot be used; `source` and `span` say where, `pointing` draws it."""

    def __init__(self, message: str, *, source: str, span: Span, hint: str | None = None) -> None:
        self.source, self.span = source, span
        self.pointing = point_at(source, span)
        super().__init__(
            message,
            field="formula",
            hint=hint or f"look at character {span.start + 1} of the formula",
            facts={"start": span.start, "end": span.end, "pointing": self.pointing},
        )


class FormulaSyntax(FormulaError):
    """The text is no formula: something is missing, left over, or not of the language."""

    code = "formula-syntax"


class FormulaTooLarge(FormulaError):
    """The formula is longer, deeper or has more parts than is taken."""

    code = "formula-too-large"


class FormulaRefused(FormulaError):
    """The formula is well written, and still cannot work: too many arguments, or one of a kind that never fits."""

    code = "formula-refused"


class UnknownFieldNames(FormulaError):
    """The formula names fields that the table has not; `names` are all of them, the span is the first one's."""

    code = "formula-unknown-fields"

    def __init__(self, names: Sequence[str], known: Iterable[str], *, source: str, span: Span) -> None:
        shown = ", ".join(repr(name[:SHOWN]) for name in names[:10])
        super().__init__(
            f"the table has no field {shown}", source=source, span=span, hint=did_you_mean(names[0], known)
        )
        self.names = tuple(names)


class UnknownFunctionNames(FormulaError):
    """The formula calls functions that there are not; `names` are all of them, the span is the first one's."""

    code = "formula-unknown-functions"

    def __init__(self, names: Sequence[str], known: Iterable[str], *, source: str, span: Span) -> None:
        shown = ", ".join(repr(name[:SHOWN]) for name in names[:10])
        super().__init__(f"there is no function {shown}", source=source, span=span, hint=did_you_mean(names[0], known))
        self.names = tuple(names)


class FormulaTooCostly(Invalid):
    """Evaluating the formula over these records takes more work than one request is given."""

    code = "formula-too-costly"

    def __init__(self, steps: int) -> None:
        super().__init__(
            f"the formula took more than {steps} steps over these records",
            field="formula",
            hint="filter by an equality first, look at shorter texts, or use a simpler regular expression",
            facts={"steps": steps},
        )
