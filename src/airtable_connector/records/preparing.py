"""What a write can be told before the store is asked, and what the decision about it must know."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import Ids, TableId, looks_like_record_id
from airtable_connector.records.errors import InvalidCell, KeyMissing, UnknownTable
from airtable_connector.records.query import Equals, Query
from airtable_connector.records.requests import (
    Copy,
    Create,
    Delete,
    Forget,
    LogEvent,
    Merge,
    Operation,
    Rename,
    Update,
    Upsert,
)
from airtable_connector.records.schema import (
    Cell,
    Field,
    FieldType,
    Record,
    Surroundings,
    Table,
    as_stored,
    read_cell,
)

LONGEST_KEY = 255
"""Characters of a key; PostgreSQL's index takes no entry beyond some 2,700 bytes."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation whose cells were read; what is left depends on the store."""

    operation: Create | Update | Upsert | Merge | Delete | Copy | Forget | Rename
    cells: Mapping[str, Cell | None]
    key: str | None
    warnings: tuple[str, ...]


Ready: TypeAlias = Prepared | LogEvent


@dataclass(slots=True)
class Needs:
    """What must be loaded before the decision."""

    ids: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    """Those of the ids that may be former ones."""
    keys: dict[TableId, set[str]] = field(default_factory=dict)
    questions: list[Query] = field(default_factory=list)
    positions: set[str] = field(default_factory=set)
    """Records of which it matters where the feed had them last, even if they are gone."""


def prepare_all(operations: Sequence[Operation], ids: Ids) -> list[Ready]:
    """Check a request's operations one by one; a refusal of one among many says which (``index``)."""
    ready: list[Ready] = []
    for operation in operations:
        try:
            ready.append(prepare(operation, ids))
        except ConnectorError as refusal:
            refusal.facts = {**refusal.facts, **place_of(len(ready), operations)}
            raise
    return ready


def renewed(ready: Sequence[Ready], tables: Mapping[TableId, Table], ids: Ids) -> Sequence[Ready]:
    """Prepare anew what was prepared over a table that has changed since.

    Raises:
        UnknownTable, UnknownField, InvalidCell, UnknownChoice: what was right before is wrong now.
    """
    operations = [_over_present_table(item, tables) for item in ready]
    if all(now is None for now in operations):
        return ready
    return prepare_all([now or _asked(item) for now, item in zip(operations, ready, strict=True)], ids)


def _over_present_table(item: Ready, tables: Mapping[TableId, Table]) -> Operation | None:
    """Return the operation over the table as it is now; None when it already is."""
    if isinstance(item, LogEvent):
        return None
    held = item.operation.table
    present = tables.get(held.id)
    if present is None:
        raise UnknownTable(held.name, [table.name for table in tables.values()])
    return None if present is held or present == held else dataclasses.replace(item.operation, table=present)


def _asked(item: Ready) -> Operation:
    return item if isinstance(item, LogEvent) else item.operation


def place_of(index: int, among: Sequence[object]) -> dict[str, object]:
    """Name the refused operation by its place, when there are several."""
    return {"index": index} if len(among) > 1 else {}


def prepare(operation: Operation, ids: Ids) -> Ready:
    """Check an operation as far as that is possible without the store.

    Raises:
        UnknownField, InvalidCell, UnknownChoice: the operation is wrong whatever the store holds.
    """
    if isinstance(operation, LogEvent):
        return operation
    if isinstance(operation, Delete | Forget | Rename):
        return Prepared(operation, {}, None, ())
    if isinstance(operation, Copy):
        return _as_told(operation)
    table, warnings = operation.table, []
    cells: dict[str, Cell | None] = {}
    around = Surroundings(ids, {})
    for name, value in operation.fields.items():
        known = table.field(name)
        if known.computed:
            warnings.append(f"{known.name} is computed ({known.type}); the value sent was left out")
        elif known.type is FieldType.MULTIPLE_ATTACHMENTS and value:
            # which attachments the cell holds already is known only with the record
            cells[known.id] = AsSent(value)  # type: ignore[assignment]
        else:
            cells[known.id] = read_cell(known, value, around)
    key = cells.get(table.key) if table.key is not None else None
    if table.key_field is not None and isinstance(key, str) and len(key) > LONGEST_KEY:
        raise InvalidCell(
            table.key_field.name, f"{len(key)} characters", allowed=f"at most {LONGEST_KEY}, being the table's key"
        )
    if isinstance(operation, Upsert) and key is None:
        raise KeyMissing(table.name, table.key_field.name if table.key_field else None)
    return Prepared(operation, cells, None if key is None else str(key), tuple(warnings))


def _as_told(operation: Copy) -> Prepared:
    table = operation.table
    told = {known.id: operation.cells.get(known.id) for known in table.fields if not known.is_fact}
    cells: dict[str, Cell | None] = {name: as_stored(cell) for name, cell in told.items() if cell not in (None, "", [])}
    key = cells.get(table.key) if table.key is not None else None
    # what is too long for the index is nobody's key
    return Prepared(operation, cells, key if isinstance(key, str) and len(key) <= LONGEST_KEY else None, ())


@dataclass(frozen=True, slots=True)
class AsSent:
    """Attachments as the caller sent them, to be read once the record is known."""

    value: object


def needs(ready: Iterable[Ready]) -> Needs:
    """Say which records the decision about these operations must know."""
    wanted = Needs()
    for item in ready:
        if isinstance(item, LogEvent):
            continue
        operation = item.operation
        if item.key is not None:
            wanted.keys.setdefault(operation.table.id, set()).add(item.key)
        if isinstance(operation, Update | Delete):
            _need_target(operation, wanted)
        if isinstance(operation, Create) and operation.record is not None:
            wanted.ids.add(operation.record)
        if isinstance(operation, Copy | Forget):
            wanted.ids.add(operation.record)
            if operation.basis is not None:
                wanted.positions.add(operation.record)
            continue
        if isinstance(operation, Merge) and (question := _counterparts(operation, item.cells)) is not None:
            wanted.questions.append(question)
        if isinstance(operation, Rename):
            wanted.ids.update({operation.record, operation.becomes})
            wanted.positions.update({operation.record, operation.becomes})
        for linked in operation.table.link_fields:
            wanted.named.update(link_targets(item.cells.get(linked.id)))
    wanted.ids |= wanted.named
    return wanted


def _counterparts(operation: Merge, cells: Mapping[str, Cell | None]) -> Query | None:
    """Ask for the records that a merge may change; None when the key tells, or when there can be none."""
    table = operation.table
    wanted = tuple(Equals(table.by_id[name], cells.get(name)) for name in operation.on)
    if table.key in operation.on or any(each.cell is None for each in wanted):
        return None
    return Query(table, equals=wanted)


def _need_target(operation: Update | Delete, wanted: Needs) -> None:
    if looks_like_record_id(operation.target):
        wanted.named.add(operation.target)
    # a key may look like a record id
    if operation.table.key is not None:
        wanted.keys.setdefault(operation.table.id, set()).add(operation.target)


def links_to_empty(
    ready: Sequence[Ready], loaded: Iterable[Record], tables: Iterable[Table], former: Mapping[str, str]
) -> list[tuple[Field, set[str]]]:
    """Say which link fields may hold records that are about to be deleted, and which records those are."""
    targets = {
        (item.operation.table.id, name)
        for item in ready
        if isinstance(item, Prepared) and isinstance(item.operation, Delete)
        for name in (item.operation.target, former.get(item.operation.target, item.operation.target))
    }
    # a deleted key may be one that a record is only now given; any that was loaded may be that record
    moved = {
        item.operation.table.id
        for item in ready
        if isinstance(item, Prepared) and item.key is not None and (item.operation.table.id, item.key) in targets
    }
    doomed: dict[str, set[str]] = {}
    for record in loaded if targets else ():
        if record.table in moved or (record.table, record.id) in targets or (record.table, record.key) in targets:
            doomed.setdefault(record.table, set()).add(record.id)
    return [
        (linked, doomed[linked.options["linkedTableId"]])
        for table in (tables if doomed else ())
        for linked in table.link_fields
        if not linked.told and linked.options["linkedTableId"] in doomed
    ]


def links_to_redirect(ready: Sequence[Ready], tables: Iterable[Table]) -> list[tuple[Field, set[str]]]:
    """Say which link fields may hold records that are about to be given another id, and which records those are."""
    renamed: dict[str, set[str]] = {}
    for item in ready:
        if isinstance(item, Prepared) and isinstance(item.operation, Rename):
            renamed.setdefault(item.operation.table.id, set()).add(item.operation.record)
    return [
        (linked, renamed[linked.options["linkedTableId"]])
        for table in (tables if renamed else ())
        for linked in table.link_fields
        if linked.options["linkedTableId"] in renamed
    ]


def partners(ready: Sequence[Ready], loaded: Iterable[Record], former: Mapping[str, str]) -> set[str]:
    """Name the records whose inverse fields may change with these operations: those that are linked to now.

    Those that will be linked to are among the needs of the operations. Those of a record that is deleted link to it, so
    that `links_to_empty` tells of them.
    """
    named: set[tuple[TableId, str | None]] = set()
    tables = set[TableId]()
    known = [item for item in ready if isinstance(item, Prepared) and item.operation.table.inverse_links]
    linking = [item for item in known if _writes_links(item)]
    for item in linking:
        operation = item.operation
        if isinstance(operation, Update):
            named.add((operation.table.id, operation.target))
            named.add((operation.table.id, former.get(operation.target)))
        if isinstance(operation, Merge):
            tables.add(operation.table.id)
        if isinstance(operation, Upsert):
            named.add((operation.table.id, item.key))
    # a record may only now be given the key that a later operation names it by
    tables |= {item.operation.table.id for item in known if (item.operation.table.id, item.key) in named}
    by_id = {item.operation.table.id: item.operation.table for item in linking}
    return {
        target
        for record in (loaded if linking else ())
        if record.table in tables or {(record.table, record.id), (record.table, record.key)} & named
        for linked in by_id[record.table].inverse_links
        for target in link_targets(record.cells.get(linked.id))
    }


def _writes_links(item: Prepared) -> bool:
    return any(field.id in item.cells for field in item.operation.table.inverse_links)


def link_targets(cell: object) -> list[str]:
    """List the record ids in a link cell."""
    return [str(item) for item in cell] if isinstance(cell, list) else []
