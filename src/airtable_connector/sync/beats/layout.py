"""What a row shows, and in which fields of the table there."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import orjson

from airtable_connector.airtable import CloudRecord, CloudTable
from airtable_connector.kernel.clock import iso
from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.kernel.jsonvalues import JsonValue

TABLE: Final = "Heartbeats"
CELL, CPU, RAM, STATUS, MOMENT = "Cell_ID", "CPU_Usage", "RAM_Usage", "Status", "Timestamp"

KEY: Final = "CONNECTOR_KEY"
"""The field that tells rows of ours from each other, where a table has it."""

LONGEST_CELL: Final = 255
"""Characters of a Cell_ID that has a row."""

LONGEST_STATUS: Final = 200
"""Characters of a status that are shown."""

ROUNDED_AWAY: Final = 0.5
"""A field without decimals may show a number so much otherwise than it was sent."""

_TEXTS = frozenset({"singleLineText", "multilineText"})


@dataclass(frozen=True, slots=True)
class Shown:
    """The load and the words that a row shows."""

    cpu: float | None = None
    ram: float | None = None
    status: str = ""

    def text(self) -> str:
        """Write it as it is stored: equal ones are equal texts."""
        return orjson.dumps([self.cpu, self.ram, self.status]).decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `text` wrote."""
        return cls(*orjson.loads(text))


def of_beat(cpu: float | None, ram: float | None, status: str) -> Shown:
    """Show a beat: loads in tenths, so that less than that is no news, and the words on one line."""
    return Shown(_tenths(cpu), _tenths(ram), " ".join(status.split())[:LONGEST_STATUS])


@dataclass(frozen=True, slots=True)
class HourOfLoad:
    """Lowest, average and highest load of a cell in an hour."""

    low: float
    average: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.1f} to {self.high:.1f}"


def of_hour(hour: str, beats: int, cpu: HourOfLoad | None, ram: HourOfLoad | None) -> Shown:
    """Show an hour: its averages, and in words which one it was, how many beats it had, and their spans."""
    spans = [f"{name} {load}" for name, load in (("CPU", cpu), ("RAM", ram)) if load is not None]
    words = ", ".join([f"hour from {hour[:16]}Z: {beats} beats", *spans])
    return Shown(_tenths(cpu.average if cpu else None), _tenths(ram.average if ram else None), words)


def can_have_a_row(cell: str) -> bool:
    """Tell whether a cell's name can be found there again: a line of text that nobody trims."""
    return 0 < len(cell) <= LONGEST_CELL and cell.isprintable() and cell == cell.strip()


def key_of(cell: str, hour: str) -> str:
    """Return what tells a row from all others: the same for ever, also when what is stored here was lost.

    It is a hash, because case, length and signs of a cell's name must not matter to who compares.
    """
    return "beat-" + hashlib.sha256(orjson.dumps([cell, hour])).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Column:
    """A field that takes what we have: its type, and of a select its choices."""

    field: FieldId
    type: str
    choices: frozenset[str] = frozenset()

    def number(self, value: float | None) -> JsonValue:
        """Say a number in its form."""
        return value if value is None or self.type == "number" else f"{value:g}"

    def text(self, value: str) -> JsonValue:
        """Say a text in its form; a choice that it has not would be refused."""
        return value if value and (self.type in _TEXTS or value in self.choices) else None


@dataclass(frozen=True, slots=True)
class Layout:
    """The table there, and its fields as far as they take something of ours."""

    table: TableId
    cell: FieldId
    cpu: Column | None = None
    ram: Column | None = None
    status: Column | None = None
    moment: Column | None = None
    key: FieldId | None = None

    @property
    def shows_moments(self) -> bool:
        """Whether a row shows when its beat came, so that each beat is news."""
        return self.moment is not None

    @property
    def tells_hours(self) -> bool:
        """Whether an hour's row can be told from that of the newest beat."""
        return self.status is not None and self.status.type in _TEXTS

    def cells(self, cell: str, shown: Shown, at: datetime) -> dict[FieldId, JsonValue]:
        """Return the cells of a row."""
        cells: dict[FieldId, JsonValue] = {self.cell: cell}
        if self.cpu:
            cells[self.cpu.field] = self.cpu.number(shown.cpu)
        if self.ram:
            cells[self.ram.field] = self.ram.number(shown.ram)
        if self.status:
            cells[self.status.field] = self.status.text(shown.status)
        if self.moment:
            cells[self.moment.field] = iso(at)
        return cells

    def is_row(self, record: CloudRecord, cell: str, shown: Shown) -> bool:
        """Tell whether a record is what was sent as a row, its moment aside."""
        sent = self.cells(cell, shown, record.created_at)
        if self.moment:
            del sent[self.moment.field]
        return all(_is_alike(record.cells.get(name), value) for name, value in sent.items())


@dataclass(frozen=True, slots=True)
class Unfit:
    """The base has no table for heartbeats, or not one that they can go into."""

    reason: str


def find_layout(tables: Iterable[CloudTable]) -> Layout | Unfit:
    """Find the table for heartbeats, and what of them it takes."""
    table = next((each for each in tables if each.name == TABLE), None)
    if table is None:
        return Unfit(f"the base has no table {TABLE}")
    columns = dict(map(_column, _fields(table.definition)))
    cell = columns.get(CELL)
    if cell is None or cell.type not in _TEXTS:
        return Unfit(f"the table {TABLE} has no text field {CELL}")
    key = columns.get(KEY)
    return Layout(
        table.id,
        cell.field,
        _taking(columns.get(CPU), {"number"} | _TEXTS),
        _taking(columns.get(RAM), {"number"} | _TEXTS),
        _taking(columns.get(STATUS), {"singleSelect"} | _TEXTS),
        _taking(columns.get(MOMENT), {"dateTime"} | _TEXTS),
        key.field if key is not None and key.type in _TEXTS else None,
    )


def by_keys(keys: Sequence[str]) -> str:
    """Return the formula that finds rows by their keys."""
    return _any_of(KEY, keys)


def by_cells(cells: Sequence[str], *, after: datetime, before: datetime) -> str:
    """Return the formula that finds rows of some cells that were made in a span of time."""
    return (
        f"AND(IS_AFTER(CREATED_TIME(),'{iso(after)}'),IS_BEFORE(CREATED_TIME(),'{iso(before)}'),{_any_of(CELL, cells)})"
    )


def _any_of(name: str, values: Sequence[str]) -> str:
    return f"OR({','.join(f'{{{name}}}={_quoted(value)}' for value in values)})"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _tenths(load: float | None) -> float | None:
    return None if load is None else round(load, 1)


def _is_alike(there: JsonValue, sent: JsonValue) -> bool:
    if isinstance(there, int | float) and isinstance(sent, int | float):
        return abs(there - sent) <= ROUNDED_AWAY
    return there == sent


def _taking(column: Column | None, types: set[str]) -> Column | None:
    return column if column is not None and column.type in types else None


def _fields(definition: Mapping[str, JsonValue]) -> list[Mapping[str, JsonValue]]:
    found = definition.get("fields")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _column(definition: Mapping[str, JsonValue]) -> tuple[str, Column]:
    match definition.get("options"):
        case {"choices": list(listed)}:
            choices = frozenset(str(each["name"]) for each in listed if isinstance(each, Mapping) and "name" in each)
        case _:
            choices = frozenset()
    column = Column(FieldId(str(definition.get("id"))), str(definition.get("type")), choices)
    return str(definition.get("name")), column
