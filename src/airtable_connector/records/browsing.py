"""One question to a shelf: block by block, by column, as far as the answer needs it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from operator import eq, le
from typing import TYPE_CHECKING, Final, TypeAlias

from airtable_connector.records.blocks import Block
from airtable_connector.records.cache import Shelf
from airtable_connector.records.findings import Findings
from airtable_connector.records.formula import Fact, Input, source_of
from airtable_connector.records.query import Equals, Page, Query, sort_key, sorts_as_text
from airtable_connector.records.schema import NAMING_MEMBERS, Cell, FieldType, Table, naming
from airtable_connector.records.sieve import Sieve, TooHeavy

if TYPE_CHECKING:
    from airtable_connector.records.formula import Formula

Test: TypeAlias = Callable[[Cell | None], bool]
Index: TypeAlias = tuple[Input, frozenset[str]]
"""A column with an index, and the values of which each record of the answer has one."""

LIGHT_STEPS: Final = 300_000
"""What a formula may cost on the event loop in one piece: three milliseconds where steps are slowest, with dates."""

NOTHING: Final[Sequence[int]] = ()


class ShelfSearch:
    """A question that a shelf can answer alone: one without a text search, whose formula reads no links.

    Made on the event loop, it sees the shelf as it is then. `answer_at_once` is called there, `answer` in a thread.

    Args:
        sieve: the question's formula at work, if it has one.
        room: tells whether columns that can cost so much may be kept.
    """

    def __init__(self, shelf: Shelf, query: Query, sieve: Sieve | None, *, room: Callable[[int], bool]) -> None:
        self._shelf = shelf
        self._query = query
        self._sieve = sieve
        self._formula_reads = query.formula.inputs if query.formula is not None else ()
        self._conditions = [(source_of(each.field), _test(each)) for each in query.equals]
        if query.updated_since is not None:
            self._conditions.append((Fact.MODIFIED, partial(le, query.updated_since)))
        self._order = [source_of(sort.field) for sort in query.sort]
        self._index = index_for(query.table, query.formula, query.equals)
        self._after = 0 if query.after is None or query.sort else query.after.ordinal
        columns = len(self._formula_reads) + len(self._conditions) + len(self._order) + 1
        self._keep = room(shelf.cost_of(columns))
        self._findings = Findings(query)
        self._blocks: Iterator[Block] = iter(self._promising(shelf.blocks()))
        self._given_up = False

    def answer_at_once(self, over: Callable[[], bool]) -> Page | None:
        """Answer the question if that is light work and ends before ``over``, which is asked after each block.

        None: it has come so far, and goes on when this is called again, or `answer`. What the shelf is changed to
        meanwhile does not show.

        Raises:
            FormulaTooCostly: the formula's work is used up.
        """
        for block in self._blocks:
            try:
                self._look_at(block, LIGHT_STEPS)
            except TooHeavy:
                self._blocks = chain([block], self._blocks)
                return None
            if self._findings.missing <= 0:
                break
            if over():
                return None
        return self._findings.page()

    def answer(self) -> Page:
        """Answer the question, however long it takes: meant for a thread.

        Raises:
            FormulaTooCostly: the formula's work is used up.
        """
        for block in self._blocks:
            self._look_at(block, None)
            if self._findings.missing <= 0 or self._given_up:
                break
        return self._findings.page()

    def give_up(self) -> None:
        """Let `answer` end soon, because nobody waits for it any more."""
        self._given_up = True

    def _look_at(self, block: Block, within: int | None) -> None:
        rows = self._candidates(block)
        if rows:
            rows = self._meeting(block, rows)
        if rows and self._sieve is not None:
            rows = self._sifted(block, rows, self._sieve, within)
        if rows:
            self._offer(block, rows)

    def _promising(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """Leave out the blocks of which the index knows already that they hold nothing."""
        if self._index is None:
            return blocks
        source, values = self._index
        return [block for block in blocks if block.may_hold(source, values)]

    def _candidates(self, block: Block) -> Sequence[int]:
        """Return the rows that the index and the place to begin leave."""
        if block.last <= self._after:
            return NOTHING
        rows: Sequence[int] = range(len(block))
        if self._index is not None:
            source, values = self._index
            places = self._shelf.places(block, source, keep=self._keep)
            found = [places[value] for value in values if value in places]
            if not found:
                return NOTHING
            rows = found[0] if len(found) == 1 else sorted(chain.from_iterable(found))
        if block.ordinals[rows[0]] <= self._after:
            begin = block.beyond(self._after)
            rows = [row for row in rows if row >= begin]
        return rows

    def _meeting(self, block: Block, rows: Sequence[int]) -> Sequence[int]:
        """Return the rows that meet the conditions beside the formula."""
        for source, test in self._conditions:
            (column,) = self._shelf.columns(block, [source], keep=self._keep)
            rows = [row for row in rows if test(column[row])]
        return rows

    def _sifted(self, block: Block, rows: Sequence[int], sieve: Sieve, within: int | None) -> Sequence[int]:
        """Return the rows that the formula lets through."""
        columns = self._shelf.columns(block, self._formula_reads, keep=self._keep)
        if len(rows) < len(block):
            columns = [[column[row] for row in rows] for column in columns]
        picked = sieve.pick(columns, len(rows), self._findings.missing, within=within)
        return [rows[number] for number in picked]

    def _offer(self, block: Block, rows: Sequence[int]) -> None:
        rows = rows[: self._findings.missing]
        columns = self._shelf.columns(block, self._order, keep=self._keep)
        keys = [
            [sort_key(sort.field, column[row]) for row in rows]
            for sort, column in zip(self._query.sort, columns, strict=True)
        ]
        each_key = zip(*keys, strict=True) if keys else repeat(())
        ordinals, blobs = block.ordinals, block.blobs
        self._findings.offer([(ordinals[row], blobs[row], key) for row, key in zip(rows, each_key, strict=False)])


def index_for(table: Table, formula: "Formula | None", equals: Sequence[Equals]) -> Index | None:
    """Return the index that narrows a question best, or None: by record id, by key, by a choice."""
    known: list[Index] = [(each.field, frozenset([str(each.cell)])) for each in equals if each.cell is not None]
    if formula is not None:
        known += [(each.source, each.values) for each in formula.equalities()]
    ranks = [(_rank(table, source), number) for number, (source, _) in enumerate(known)]
    best = min(((rank, number) for rank, number in ranks if rank is not None), default=None)
    return None if best is None else known[best[1]]


def _rank(table: Table, source: Input) -> int | None:
    if isinstance(source, Fact):
        return 0 if source is Fact.RECORD_ID else None
    if source.id == table.key:
        return 1
    return 2 if source.type is FieldType.SINGLE_SELECT else None


def _test(asked: Equals) -> Test:
    """Return what tells whether a cell is equal, as the stores compare it."""
    cell, field = asked.cell, asked.field
    if cell is None:
        return lambda held: held is None
    if field.holds is FieldType.CHECKBOX:
        return lambda held: held is not None and not isinstance(held, dict)
    if isinstance(cell, list):
        item = cell[0]
        return lambda held: isinstance(held, list) and item in held
    if field.type in NAMING_MEMBERS:
        return lambda held: naming(field, held) == cell
    if sorts_as_text(field) or field.type is FieldType.SINGLE_SELECT:
        return partial(eq, str(cell))
    number = float(cell)  # type: ignore[arg-type] # the field holds numbers
    return lambda held: isinstance(held, int | float) and held == number
