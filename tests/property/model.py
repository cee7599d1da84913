"""A plain model of a table: what the store must do, said once more in dictionaries, without a look at its code."""

import copy
import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.factories.records import a_field, a_table, choices

from airtable_connector.kernel.ids import TableId
from airtable_connector.records import FieldType, Table, stable_id

STAGES = ("Waiting", "Active", "Done")
TABLE_ID = TableId(stable_id("tbl", "tests", "Things"))

THINGS: Table = a_table(
    "Things",
    "Code",
    a_field("Code", FieldType.SINGLE_LINE_TEXT),
    a_field("Words", FieldType.MULTILINE_TEXT),
    a_field("Size", FieldType.NUMBER, precision=8),
    a_field("Stage", FieldType.SINGLE_SELECT, choices=choices(*STAGES)),
    a_field("Ticked", FieldType.CHECKBOX),
    a_field("Tags", FieldType.MULTIPLE_SELECTS, choices=choices("red", "green")),
    a_field("Day", FieldType.DATE),
    a_field("Friends", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=TABLE_ID),
    a_field("Created", FieldType.CREATED_TIME),
    a_field("Modified", FieldType.LAST_MODIFIED_TIME),
)
"""A table that links to itself."""


class Refused(Exception):
    """The request is to be refused whole."""


@dataclass(frozen=True)
class Bad:
    """A value that the store must refuse."""

    sent: Any


@dataclass(frozen=True)
class Op:
    """One operation: its kind, the record it names by key or number, and the values by field name."""

    kind: str
    target: str | int = ""
    values: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Ask:
    """A question: conditions, text, order, page size."""

    equal: tuple[tuple[str, Any], ...] = ()
    text: str | None = None
    sort: tuple[tuple[str, bool], ...] = ()
    since: int | None = None
    size: int = 3


@dataclass
class Thing:
    """A record of the model; ``number`` counts creations."""

    number: int
    created: str
    modified: str
    cells: dict[str, Any]


@dataclass
class Model:
    """All things by number, and the id that the store gave to each."""

    things: dict[int, Thing] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)

    def request(self, operations: tuple[Op, ...], at: str) -> tuple[list[str], "Model"]:
        """Return each operation's effect and the state afterwards.

        Raises:
            Refused: nothing is to happen.
        """
        after = copy.deepcopy(self)
        numbers = itertools.count(len(self.ids))
        return [after._one(operation, at, numbers) for operation in operations], after

    def target(self, named: str | int) -> Thing:
        if isinstance(named, int) and named >= len(self.ids):
            raise Refused  # its id is not known yet
        found = [thing for thing in self.things.values() if named in (thing.number, thing.cells.get("Code"))]
        if not found:
            raise Refused
        return found[0]

    def name(self, number: int) -> str:
        """Return the id that stands for a number; of a number that was never given, one that nobody has."""
        return self.ids[number] if number < len(self.ids) else "recNobodyHasThis0"

    def ask(self, question: Ask) -> list[Thing]:
        found = [thing for thing in self.things.values() if self._meets(thing, question)]
        found.sort(key=lambda thing: thing.number)
        for name, descending in reversed(question.sort):
            found.sort(key=lambda thing: _order(name, thing), reverse=descending)
        return found

    def _one(self, operation: Op, at: str, numbers: Any) -> str:
        values = {name: self._read(value) for name, value in operation.values}
        if operation.kind == "create":
            return self._create(values, at, numbers)
        if operation.kind == "upsert":
            if not values.get("Code"):
                raise Refused
            if all(thing.cells.get("Code") != values["Code"] for thing in self.things.values()):
                return self._create(values, at, numbers)
            return self._update(self.target(values["Code"]), values, at)
        if operation.kind == "update":
            return self._update(self.target(operation.target), values, at)
        gone = self.target(operation.target)
        for thing in self.things.values():
            friends = thing.cells.get("Friends", [])
            if gone.number in friends and thing is not gone:
                self._update(thing, {"Friends": [friend for friend in friends if friend != gone.number]}, at)
        del self.things[gone.number]
        self.touched.add(gone.number)
        return "deleted"

    def _create(self, values: dict[str, Any], at: str, numbers: Any) -> str:
        number = next(numbers)
        self._check(number, values, [])
        self.things[number] = Thing(number, at, at, {name: value for name, value in values.items() if _full(value)})
        self.touched.add(number)
        return "created"

    def _update(self, thing: Thing, values: dict[str, Any], at: str) -> str:
        self._check(thing.number, values, thing.cells.get("Friends", []))
        cells = {name: value for name, value in {**thing.cells, **values}.items() if _full(value)}
        if cells == thing.cells:
            return "unchanged"
        thing.cells, thing.modified = cells, at
        self.touched.add(thing.number)
        return "updated"

    def _check(self, number: int, values: dict[str, Any], held: list[int]) -> None:
        for friend in values.get("Friends") or []:
            if friend not in held and (friend not in self.things or friend >= len(self.ids)):
                raise Refused
        code = values.get("Code")
        if code and any(other.cells.get("Code") == code for other in self.things.values() if other.number != number):
            raise Refused

    def _read(self, value: Any) -> Any:
        if isinstance(value, Bad):
            raise Refused
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return list(dict.fromkeys(value)) if isinstance(value, list) else value

    def _meets(self, thing: Thing, question: Ask) -> bool:
        cells = thing.cells
        for name, value in question.equal:
            cell = cells.get(name)
            if value is None:
                met = cell is None
            elif isinstance(cell, list):
                met = value in cell
            else:
                met = cell == value
            if not met:
                return False
        if question.since is not None and thing.modified < moment(question.since):
            return False
        texts = [cells.get(name) or "" for name in ("Code", "Words", "Stage") if cells.get(name)]
        return question.text is None or any(_plain(question.text) in _plain(text) for text in texts)


def moment(second: int) -> str:
    at = datetime.fromisoformat("2026-01-05T12:00:00+00:00") + timedelta(seconds=second)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _full(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", [])


def _order(name: str, thing: Thing) -> tuple[Any, ...]:
    if name == "Created":
        return (thing.created,)
    if name == "Modified":
        return (thing.modified,)
    cell = thing.cells.get(name)
    if cell is None:
        return (0,)
    if name == "Stage":
        return (1, STAGES.index(cell))
    return (1, _plain(cell)[:200] if isinstance(cell, str) else cell)


def _plain(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)
