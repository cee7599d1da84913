"""How the cells of each kind of computed field are made, from the record and the records that it links to."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.records.formula import (
    Context,
    Failed,
    Formula,
    FormulaTooCostly,
    Work,
    as_cell,
    cell_of,
    name_in,
    source_of,
)
from airtable_connector.records.preparing import link_targets
from airtable_connector.records.schema import Cell, Field, Record, one_form, stable_id, storable

STEPS_OF_A_CELL: Final = 1_000_000
"""What a formula may cost for one cell, some ten milliseconds; one that takes more is an error in that record."""

MOST_VALUES: Final = 10_000
"""Values that a lookup or a rollup collects; more of them are an error."""

MOST_CHARACTERS: Final = 1_000_000
"""Characters of the texts among them, together."""

MODIFIED: Final = "modified"
"""Stands in a node for the moment of the record's last change by somebody."""


class Node(NamedTuple):
    """A field of a table, or `MODIFIED`, as something that cells are computed from."""

    table: TableId
    field: str


class Named(NamedTuple):
    """A link whose linked records are read by name: by the cell of their primary field."""

    link: FieldId
    primary: Field


@dataclass(frozen=True)
class Edit:
    """A change by somebody, as opposed to one that follows from another: who, when, and the cells that it named."""

    droplet: int
    at: str
    fields: AbstractSet[str]
    creates: bool


class Around(Protocol):
    """What a cell is computed from besides its record."""

    @property
    def now(self) -> datetime:
        """The moment of the write."""
        ...

    def linked(self, record: Record, link: FieldId) -> Sequence[Record]:
        """Return the records that a record links to, in the order of its links."""
        ...

    def edits(self, record: Record) -> Sequence[Edit]:
        """Return what somebody changed, the last first: what this computation follows, or what the feed tells."""
        ...


Compute: TypeAlias = Callable[[Record, Around], Cell | None]


@dataclass(frozen=True, eq=False)
class Rule:
    """What is computed, and how.

    ``rank`` is its place in an order in which each rule comes after those whose cells it reads. ``links`` are the
    fields whose linked records it reads.
    """

    node: Node
    rank: int
    field: Field
    links: frozenset[FieldId]
    compute: Compute
    reads_time: bool = False


def error() -> dict[str, Any]:
    """Return the cell of what cannot be computed, as Airtable shows it."""
    return {"error": "#ERROR!"}


def broken(_record: Record, _around: Around) -> Cell:
    """Make the cell of a field whose definition names what is not there."""
    return error()


def broken_lookup(_record: Record, _around: Around) -> Cell:
    """Make the cell of a lookup whose definition names what is not there; it is a list all the same."""
    return [error()]


def evaluated(formula: Formula, named: Sequence[Named]) -> Compute:
    """Make the cells of a formula field."""

    def compute(record: Record, around: Around) -> Cell | None:
        row = [cell_of(source, record) for source in formula.inputs]
        return _result(formula, row, _names(record, named, around), around)

    return compute


def labelled(label: str, url: Formula | None, named: Sequence[Named]) -> Compute:
    """Make the cells of a button; where no address can be worked out it leads nowhere."""
    address = None if url is None else evaluated(url, named)

    def compute(record: Record, around: Around) -> Cell:
        found = None if address is None else address(record, around)
        return {"label": label, "url": found if isinstance(found, str) else None}

    return compute


def aggregated(formula: Formula, link: FieldId, looked_at: Field) -> Compute:
    """Make the cells of a rollup: its formula over the values of one field of the linked records."""

    def compute(record: Record, around: Around) -> Cell | None:
        values = _collected(record, around, link, looked_at)
        return error() if values is None else _result(formula, [values], {}, around)

    return compute


def looked_up(link: FieldId, looked_at: Field) -> Compute:
    """Make the cells of a lookup: the values of one field of the linked records, without the empty ones."""

    def compute(record: Record, around: Around) -> Cell | None:
        values = _collected(record, around, link, looked_at)
        return [error()] if values is None else [value for value in values if value is not None] or None

    return compute


def counted(link: FieldId) -> Compute:
    """Make the cells of a count: how many records are linked, and 0 is a number too."""
    return lambda record, _around: len(link_targets(record.cells.get(link)))


def signed(field: Field, *, by_creator: bool) -> Compute:
    """Make the cells that say who created a record, or who changed one of some fields last (none means any)."""
    watched = frozenset(field.options.get("referencedFieldIds", ()))

    def compute(record: Record, around: Around) -> Cell | None:
        edits = around.edits(record)
        found = (edit for edit in edits if (edit.creates if by_creator else _concerns(edit, watched)))
        edit = next(found, None)
        return record.cells.get(field.id) if edit is None else collaborator(edit.droplet)

    return compute


def dated(field: Field) -> Compute:
    """Make the cells that say when somebody changed one of some fields last."""
    watched = frozenset(field.options["referencedFieldIds"])

    def compute(record: Record, around: Around) -> Cell | None:
        edit = next((edit for edit in around.edits(record) if _concerns(edit, watched)), None)
        return record.cells.get(field.id) if edit is None else edit.at

    return compute


def collaborator(droplet: int) -> dict[str, Any]:
    """Return a droplet as the user that Airtable's clients expect; its address can receive no mail, and says so."""
    return {
        "id": stable_id("usr", str(droplet)),
        "email": f"droplet-{droplet}@mesh.invalid",
        "name": f"Droplet {droplet}",
    }


def _concerns(edit: Edit, watched: AbstractSet[str]) -> bool:
    return not watched or not watched.isdisjoint(edit.fields)


def _names(record: Record, named: Sequence[Named], around: Around) -> Mapping[str, str]:
    return {
        str(each.id): name_in(cell_of(source_of(primary), each))
        for link, primary in named
        for each in around.linked(record, link)
    }


def _collected(record: Record, around: Around, link: FieldId, looked_at: Field) -> list[Any] | None:
    """Return the values of the linked records, arrays laid flat, None for empty cells; None when they are too many."""
    source = source_of(looked_at)
    values: list[Any] = []
    characters = 0
    for each in around.linked(record, link):
        cell = cell_of(source, each)
        found = cell if isinstance(cell, list) else [cell]
        values += found
        characters += sum(len(value) for value in found if isinstance(value, str))
        if len(values) > MOST_VALUES or characters > MOST_CHARACTERS:
            return None
    return values


def _result(formula: Formula, row: Sequence[Any], names: Mapping[str, str], around: Around) -> Cell | None:
    try:
        value = formula.evaluate(row, Context(around.now, names, Work(STEPS_OF_A_CELL)))
        cell = as_cell(value, formula.result)
    except (Failed, FormulaTooCostly):
        return error()
    return _kept(cell)


def _kept(cell: Any) -> Cell | None:
    """Give a result the one form in which both stores keep it."""
    match cell:
        case bool():
            return cell
        case float():
            return one_form(cell)
        case str():
            return cell if storable(cell) else error()
        case list():
            return [_kept(item) for item in cell if item is not None] or None
        case _:
            kept: Cell | None = cell
            return kept


def needed_links(named: Iterable[Named]) -> frozenset[FieldId]:
    """Return the links whose linked records must be known for their names."""
    return frozenset(link for link, _ in named)
