"""A formula at work on the rows of one question."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airtable_connector.records.formula import Context, FormulaTooCostly
from airtable_connector.records.schema import Cell

if TYPE_CHECKING:
    from airtable_connector.records.formula import Formula


class TooHeavy(Exception):
    """Rows take more work than they may where they were looked at; nothing was found out about them."""


class Sieve:
    """Tells which rows a formula lets through, for as long as the context's work lasts."""

    def __init__(self, formula: "Formula", context: Context) -> None:
        self._formula = formula
        self._context = context
        self._given = self._left = context.work.left

    @property
    def spent(self) -> int:
        """The steps taken."""
        return self._given - self._left

    def pick(
        self, columns: Sequence[Sequence[Cell | None]], rows: int, most: int, *, within: int | None = None
    ) -> list[int]:
        """Return the numbers of the first ``most`` rows that match, which may take ``within`` steps.

        Raises:
            TooHeavy: they take more than that.
            FormulaTooCostly: the work is used up.
        """
        work = self._context.work
        given = work.left = self._left if within is None else min(self._left, within)
        found: list[int] = []
        try:
            for row in self._formula.matching(columns, rows, self._context):
                found.append(row)
                if len(found) == most:
                    break
        except FormulaTooCostly:
            if given < self._left:
                raise TooHeavy from None
            raise
        finally:
            self._left -= given - work.left
        return found
