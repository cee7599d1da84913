"""What is to be done with each row of a batch. Nothing here awaits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import Ids, RecordId, TableId
from airtable_connector.records.errors import KeyTaken
from airtable_connector.records.exchange.options import OnKey, RowIds
from airtable_connector.records.exchange.rows import Row, Unreadable
from airtable_connector.records.preparing import Prepared, prepare
from airtable_connector.records.requests import Create, Operation, Update
from airtable_connector.records.schema import (
    Cell,
    Field,
    FieldType,
    Record,
    Surroundings,
    Table,
    kept_file,
    read_cell,
    stable_id,
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A row and the operation that takes it in."""

    row: Row
    operation: Operation


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be taken in."""

    row: Row | Unreadable
    error: ConnectorError


@dataclass(frozen=True, slots=True)
class Present:
    """A row whose record is there already, exactly so."""

    row: Row


@dataclass
class Store:
    """What the store holds of a batch's ids and keys; grows with what the batch itself will have added."""

    by_id: dict[str, Record] = field(default_factory=dict)
    by_key: dict[tuple[TableId, str], Record] = field(default_factory=dict)
    _added_ids: set[str] = field(default_factory=set)
    _added_keys: dict[tuple[TableId, str], str] = field(default_factory=dict)

    def know(self, records: Iterable[Record]) -> None:
        """Take note of records that are in the store."""
        for record in records:
            self.by_id[record.id] = record
            if record.key is not None:
                self.by_key[record.table, record.key] = record

    def will_add(self, table: Table, record: RecordId, key: str | None) -> None:
        """Take note of a record that an earlier row of the batch adds."""
        self._added_ids.add(record)
        if key is not None:
            self._added_keys[table.id, key] = record

    def added(self, table: Table, record: RecordId, key: str | None) -> str | None:
        """Return the id of the record that an earlier row adds under this id or key, or None."""
        if record in self._added_ids:
            return record
        return None if key is None else self._added_keys.get((table.id, key))


Plan: TypeAlias = Planned | Refused | Present
"""What is to become of one row."""


class Planner:
    """Plans one import. Cells of link fields come in a second pass, when every record that they name can be there."""

    def __init__(self, *, ids: Ids, row_ids: RowIds, on_key: OnKey) -> None:
        self._ids = ids
        self._row_ids = row_ids
        self._on_key = on_key

    def record_id(self, row: Row) -> RecordId:
        """Say under which id a row's record is added."""
        if row.id is None:
            return row.place
        return row.id if self._row_ids is RowIds.KEEP else copied_id(row.id)

    def key(self, row: Row) -> str | None:
        """Return the text of the row's key when it has a readable one; a wrong one shows when the row is planned."""
        if row.table.key is None:
            return None
        for name, value in row.fields.items():
            if name in (row.table.key, row.table.by_id[row.table.key].name):
                return value if isinstance(value, str) and value else None
        return None

    def records(self, rows: Sequence[Row | Unreadable], store: Store) -> list[Plan]:
        """Plan the first pass over some rows: everything but links."""
        return [self._planned(row, store, self._record) for row in rows]

    def links(self, rows: Sequence[Row | Unreadable], store: Store) -> list[Plan]:
        """Plan the second pass over some rows: links only. Hand in none that the first pass refused."""
        return [self._planned(row, store, self._linking) for row in rows if isinstance(row, Row)]

    def _planned(self, row: Row | Unreadable, store: Store, plan: Callable[[Row, Store], Operation | None]) -> Plan:
        if isinstance(row, Unreadable):
            return Refused(row, row.error)
        try:
            operation = plan(row, store)
        except ConnectorError as error:
            return Refused(row, error)
        return Present(row) if operation is None else Planned(row, operation)

    def _record(self, row: Row, store: Store) -> Operation | None:
        table, record_id = row.table, self.record_id(row)
        fields = _sendable(table, row.fields)
        ready = prepare(Create(table, fields), self._ids)
        assert isinstance(ready, Prepared)
        plain = {name: value for name, value in fields.items() if not _is_link(table.field(name))}
        there = self._there(row, store)
        if there is not None:
            if self._on_key is OnKey.UPDATE and there.table == table.id:
                return Update(table, there.id, plain)
            if there.table == table.id and self._is_same(row, there, plain):
                return None
            raise _taken(table, record_id, ready.key, there.id)
        earlier = store.added(table, record_id, ready.key)
        if earlier is not None:
            if self._on_key is OnKey.UPDATE:
                return Update(table, earlier, plain)
            raise _taken(table, record_id, ready.key, earlier)
        store.will_add(table, record_id, ready.key)
        return Create(table, plain, record_id, row.created_at)

    def _linking(self, row: Row, store: Store) -> Operation | None:
        there = self._there(row, store)
        if there is None or there.table != row.table.id:
            return None
        fields = _sendable(row.table, row.fields)
        links = {name: value for name, value in fields.items() if _is_link(row.table.field(name))}
        wanted = {name: self._link_cell(row.table.field(name), value, store) for name, value in links.items()}
        if self._on_key is OnKey.REFUSE:
            wanted = {name: value for name, value in wanted.items() if value}
            if any(not _is_free(row.table.field(name), there, value) for name, value in wanted.items()):
                raise _taken(row.table, self.record_id(row), self.key(row), there.id)
        return Update(row.table, there.id, wanted) if wanted else None

    def _there(self, row: Row, store: Store) -> Record | None:
        key = self.key(row)
        return store.by_id.get(self.record_id(row)) or (None if key is None else store.by_key.get((row.table.id, key)))

    def _is_same(self, row: Row, there: Record, fields: Mapping[str, object]) -> bool:
        if row.id is not None and there.id != self.record_id(row):
            return False
        around = Surroundings(self._ids, {})
        for name, value in fields.items():
            known = row.table.field(name)
            if _without_ids(known, read_cell(known, value, around)) != _without_ids(known, there.cells.get(known.id)):
                return False
        return True

    def _link_cell(self, known: Field, value: object, store: Store) -> Cell | None:
        """Read a link cell; links lead to the copies of the records that they name, as far as there are copies."""
        cell = read_cell(known, value, Surroundings(self._ids, {}))
        if self._row_ids is RowIds.KEEP or not isinstance(cell, list):
            return cell
        return [copy if (copy := copied_id(target)) in store.by_id else target for target in cell]


def copied_id(record: RecordId) -> RecordId:
    """Return the id that the copy of a record gets, the same in every import."""
    return RecordId(stable_id("rec", "copy of", record))


def link_targets(row: Row | Unreadable) -> list[RecordId]:
    """List the record ids in a row's link cells, as far as they look like any."""
    if isinstance(row, Unreadable):
        return []
    found: list[RecordId] = []
    for known in row.table.fields:
        if _is_link(known):
            cell = row.fields.get(known.id, row.fields.get(known.name))
            found += [RecordId(target) for target in cell if isinstance(target, str)] if isinstance(cell, list) else []
    return found


def has_links(table: Table) -> bool:
    """Tell whether a table's records may link to others."""
    return any(_is_link(known) for known in table.fields)


def _is_link(known: Field) -> bool:
    return known.type is FieldType.MULTIPLE_RECORD_LINKS


def _is_free(known: Field, there: Record, wanted: Cell | None) -> bool:
    """Tell whether a link cell may be set: it is empty, or so already, or has some of it from its inverse field."""
    held = there.cells.get(known.id)
    if held is None or held == wanted:
        return True
    if known.inverse is None or not isinstance(held, list) or not isinstance(wanted, list):
        return False
    return set(held) <= set(wanted)


def _sendable(table: Table, fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out what the store computes; attachments come as new ones, for their ids belong to the base they left."""
    sendable: dict[str, object] = {}
    for name, value in fields.items():
        known = table.field(name)
        if not known.computed:
            sendable[name] = _without_ids(known, value)
    return sendable


def _without_ids(known: Field, value: object) -> object:
    if known.type is not FieldType.MULTIPLE_ATTACHMENTS or not isinstance(value, list):
        return value
    return [_without_id(item) if isinstance(item, dict) else item for item in value]


def _without_id(item: dict[str, object]) -> object:
    # a file that is kept keeps its content's name; its bytes come by another way
    return kept_file(item) or {name: item[name] for name in ("url", "filename") if name in item}


def _taken(table: Table, record: RecordId, key: str | None, holder: str) -> KeyTaken:
    known = table.key_field
    if holder == record or key is None or known is None:
        return KeyTaken(table.name, "id", record, holder)
    return KeyTaken(table.name, known.name, key, holder)
