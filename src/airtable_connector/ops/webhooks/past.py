"""What records held at a position of the feed, from what they hold now and what changed since."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from airtable_connector.database import Reader, Row, Sql
from airtable_connector.kernel.ids import TableId
from airtable_connector.ops.webhooks.transactions import Cells, Transaction
from airtable_connector.records import Action, Field, FieldType, Table

TOGETHER: Final = 1_000
"""Records, and entries of the feed, that one question asks for."""

_ID_LIST = ("(select value from json_each(:ids))", "(select jsonb_array_elements_text(cast(:ids as jsonb)))")
_PRESENT = Sql(
    f"select id, created_at, json(cells) from records where id in {_ID_LIST[0]}",  # noqa: S608 - a text of this module
    f"select id, created_at, cast(cells as text) from records where id in {_ID_LIST[1]}",  # noqa: S608
)
_SINCE = Sql(
    "select record_id, seq, action, before from feed where seq > :after"  # noqa: S608
    f" and record_id in {_ID_LIST[0]} order by seq limit :count",
    "select record_id, seq, action, before from feed where seq > :after"  # noqa: S608
    f" and record_id in {_ID_LIST[1]} order by seq limit :count",
)


@dataclass(frozen=True, slots=True)
class _Later:
    """An entry about a record: what it undid."""

    seq: int
    action: Action
    before: Cells


@dataclass(frozen=True, slots=True)
class _Present:
    created_at: str
    cells: Cells


class Past:
    """Answers for the records that were asked for; of others it knows nothing."""

    def __init__(self) -> None:
        self._present: dict[str, _Present] = {}
        self._later: defaultdict[str, list[_Later]] = defaultdict(list)
        self._known: set[str] = set()

    def created_at(self, record: str) -> str | None:
        """Return when a record that is there now was created."""
        found = self._present.get(record)
        return None if found is None else found.created_at

    def cells(self, record: str, seq: int) -> Cells:
        """Return a record's cells right after the feed position ``seq``; none when it was not there."""
        undone: dict[str, Any] = {}
        for entry in self._later.get(record, ()):
            if entry.seq <= seq:
                continue
            if entry.action is Action.CREATE:
                return undone
            undone = {**entry.before, **undone}
            if entry.action is Action.DELETE:
                return undone
        present = self._present.get(record)
        return {**({} if present is None else present.cells), **undone}

    def name(self, record: str, linked: Table | None, seq: int) -> str:
        """Return what a record was called right after a feed position; empty when it had no name."""
        cell = None if linked is None else self.cells(record, seq).get(linked.primary_field.id)
        return cell if isinstance(cell, str) else "" if cell is None else orjson.dumps(cell).decode()

    async def learn(self, reader: Reader, records: Iterable[str], *, after: int) -> None:
        """Read what is needed to tell of these records at positions from ``after`` on."""
        unknown = sorted(set(records) - self._known)
        self._known.update(unknown)
        for start in range(0, len(unknown), TOGETHER):
            ids = orjson.dumps(unknown[start : start + TOGETHER]).decode()
            for record, created_at, cells in await reader.all(_PRESENT, ids=ids):
                self._present[record] = _Present(created_at, orjson.loads(cells))
            await self._learn_later(reader, ids, after)

    async def _learn_later(self, reader: Reader, ids: str, after: int) -> None:
        rows: list[Row] = []
        while not rows or len(rows) == TOGETHER:
            rows = await reader.all(_SINCE, ids=ids, after=after, count=TOGETHER)
            for record, seq, action, before in rows:
                read = {} if before is None else orjson.loads(before)
                self._later[record].append(_Later(seq, Action(action), read))
                after = seq
            if not rows:
                return


async def read_past(
    reader: Reader, told: Sequence[Transaction], tables: Mapping[TableId, Table], *, beside: bool
) -> Past:
    """Read what payloads about these transactions tell beside the changes: moments, names of linked records.

    With ``beside`` also the cells of changed records that did not change.
    """
    past = Past()
    if not told:
        return past
    after = told[0].number - 1
    nets = [
        (tables[table], record, net, transaction.last)
        for transaction in told
        for table, records in transaction.records.items()
        if table in tables
        for record, net in records.items()
    ]
    wanted = {record for _, record, net, _ in nets if net.action is Action.CREATE or beside}
    await past.learn(reader, wanted, after=after)
    linked: set[str] = set()
    for table, record, net, last in nets:
        for field in table.link_fields:
            linked.update(_linked(net.before.get(field.id)), _linked(net.after.get(field.id)))
            if beside:
                linked.update(_linked(past.cells(record, last).get(field.id)))
    await past.learn(reader, linked, after=after)
    return past


def cell_form(field: Field, cell: Any, *, tables: Mapping[TableId, Table], past: Past, seq: int) -> Any:
    """Put a cell into the form that payloads have: choices and links are objects there, not names and ids."""
    match field.type:
        case FieldType.SINGLE_SELECT if isinstance(cell, str):
            return _choice(field, cell)
        case FieldType.MULTIPLE_SELECTS if isinstance(cell, list):
            return [_choice(field, name) for name in cell]
        case FieldType.MULTIPLE_RECORD_LINKS:
            linked = tables.get(TableId(field.options["linkedTableId"]))
            return [{"id": record, "name": past.name(record, linked, seq)} for record in _linked(cell)]
        case _:
            return cell


def _choice(field: Field, name: str) -> dict[str, Any]:
    for choice in field.options.get("choices", ()):
        if choice["name"] == name:
            return {member: choice[member] for member in ("id", "name", "color") if member in choice}
    return {"name": name}


def _linked(cell: object) -> list[str]:
    return [str(item) for item in cell] if isinstance(cell, list) else []
