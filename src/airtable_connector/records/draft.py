"""The pure decision what a batch of writes changes.

Nothing here awaits or touches the store: `Draft` holds what was loaded, decides request after request in order, and
ends up with what must be saved. A request takes effect whole or not at all.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import Ids, RecordId, TableId
from airtable_connector.records.cache import Effect, Put, Remove
from airtable_connector.records.errors import (
    InvalidCell,
    KeyReused,
    KeyTaken,
    LinkTargetMissing,
    RecordChanged,
    RecordNotFound,
    SeveralRecordsMatch,
)
from airtable_connector.records.feed import Action, Change, Entry, Head, canonical, seal
from airtable_connector.records.preparing import AsSent, Prepared, Ready, link_targets, place_of
from airtable_connector.records.requests import (
    Actor,
    Copy,
    Create,
    Delete,
    Effected,
    Forget,
    LogEvent,
    Merge,
    Rename,
    Repeatable,
    StoredAnswer,
    Update,
    Upsert,
    Written,
    etag,
)
from airtable_connector.records.schema import MOST_ITEMS, Cell, Field, FieldType, Record, Surroundings, Table, read_cell
from airtable_connector.records.storage import Link


@dataclass(slots=True)
class _Layer:
    """Changes on top of what was loaded, dropped whole when their request is refused."""

    records: dict[str, Record | None] = field(default_factory=dict)
    keys: dict[tuple[TableId, str], str | None] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    latest: dict[str, int] = field(default_factory=dict)
    """The place in ``changes`` of a record's last one."""
    events: list[tuple[LogEvent, Actor]] = field(default_factory=list)
    numbers: dict[TableId, int] = field(default_factory=dict)
    renames: list[tuple[str, str]] = field(default_factory=list)


class Draft:
    """Everything one transaction will change, decided request after request."""

    def __init__(
        self,
        head: Head,
        at: str,
        loaded: Iterable[Record],
        tables: Mapping[TableId, Table],
        *,
        ids: Ids,
        first_numbers: Mapping[TableId, int],
        positions: Mapping[str, int],
        former: Mapping[str, str],
    ) -> None:
        self.at = at
        self._start = head
        self._head = head
        self._ids = ids
        self._tables = tables
        self._first_numbers = first_numbers
        self._positions = positions
        self._former = former
        self._base = {record.id: record for record in loaded}
        self._base_keys = {
            (record.table, record.key): str(record.id) for record in self._base.values() if record.key is not None
        }
        self._linked_to = {linked.options["linkedTableId"] for table in tables.values() for linked in table.link_fields}
        self._kept = _Layer()
        self._open = _Layer()
        self._entries: list[Entry] = []
        self._reached: dict[str, int] = {}
        """The feed position of the last change that was kept, of each record that has one."""

    @property
    def head(self) -> Head:
        """Where the feed will end; its hash is that of what is kept."""
        return self._head

    @property
    def entries(self) -> Sequence[Entry]:
        """What the feed gains by the requests that are kept."""
        return self._entries

    @property
    def changes(self) -> Sequence[Change]:
        """What the present request changes, in order."""
        return self._open.changes

    @property
    def events(self) -> Sequence[tuple[LogEvent, Actor]]:
        """What the event log gains."""
        return self._kept.events

    @property
    def renames(self) -> Sequence[tuple[str, str]]:
        """Which ids lead to which others from now on, in this order."""
        return self._kept.renames

    def decide(self, actor: Actor, ready: Sequence[Ready]) -> tuple[Written, ...]:
        """Decide one request, which `keep` ends; a refusal leaves the draft as it was.

        Raises:
            KeyTaken, RecordNotFound, RecordChanged, LinkTargetMissing, InvalidCell: the request is refused.
        """
        before = self._head
        self._open = _Layer()
        written: list[Written] = []
        try:
            for item in ready:
                written.append(self._decide_one(actor, item))  # noqa: PERF401 - a refusal needs the count so far
        except ConnectorError as refusal:
            self._head = before
            refusal.facts = {**refusal.facts, **place_of(len(written), ready)}
            self._open = _Layer()
            raise
        return tuple(written)

    def keep(self) -> None:
        """Seal what the present request changes, with all that was computed; later requests build on it."""
        chained = self._entries[-1].hash if self._entries else self._start.hash
        for change in self._open.changes:
            entry = seal(change, chained)
            self._entries.append(entry)
            chained = entry.hash
        self._head = Head(self._head.seq, chained, self._head.ordinal)
        self._kept.records.update(self._open.records)
        self._kept.keys.update(self._open.keys)
        self._kept.events.extend(self._open.events)
        self._kept.numbers.update(self._open.numbers)
        self._kept.renames.extend(self._open.renames)
        self._reached.update((change.record, change.seq) for change in self._open.changes)
        self._open = _Layer()

    # what is computed after the decision

    def find(self, record_id: str) -> Record | None:
        """Return a record as the present request leaves it; None when it is gone or was not loaded."""
        return self._find(record_id)

    def knows(self, record_id: str) -> bool:
        """Tell whether a record was loaded or changed here."""
        layers = (self._open.records, self._kept.records, self._base)
        return any(record_id in layer for layer in layers)

    def is_new(self, record_id: str) -> bool:
        """Tell whether a record is in no store yet."""
        return RecordId(record_id) not in self._base

    def learn(self, loaded: Iterable[Record]) -> None:
        """Take records that were loaded later; those that are known stay as they are."""
        for record in loaded:
            if record.id not in self._base:
                self._base[record.id] = record
                if record.key is not None:
                    self._base_keys.setdefault((record.table, record.key), str(record.id))

    def compute(self, actor: Actor, record: Record, cells: Mapping[str, Cell | None]) -> None:
        """Put computed cells, which differ from the record's, into the present request's change of the record.

        A record that the request did not change is given a change of its own; nobody edited it, so that the moment of
        its last modification stays.
        """
        before = {name: record.cells.get(name) for name in cells}
        full = {name: cell for name, cell in {**record.cells, **cells}.items() if cell is not None}
        place = self._open.latest.get(record.id)
        if place is None:
            changed = dataclasses.replace(record, changed=self._head.seq + 1, cells=full)
            self._append(actor, changed, Action.UPDATE, before, cells)
        else:
            changed = dataclasses.replace(record, cells=full)
            change = self._open.changes[place]
            if change.before is None:
                change = dataclasses.replace(change, after=full)
            else:
                merged = {**(change.after or {}), **cells}
                change = dataclasses.replace(change, before={**before, **change.before}, after=merged)
            self._open.changes[place] = change
        self._open.records[record.id] = changed

    def links(self) -> tuple[list[Link], list[Link]]:
        """Return the links that the index gains and those that it loses."""
        if not self._linked_to:
            return [], []
        gained: list[Link] = []
        lost: list[Link] = []
        for record_id, record in self._kept.records.items():
            old = self._base.get(RecordId(record_id))
            held = set() if old is None else self._links_of(old)
            holds = set() if record is None else self._links_of(record)
            gained += sorted(holds - held)
            lost += sorted(held - holds)
        return gained, lost

    def _links_of(self, record: Record) -> set[Link]:
        return {
            Link(linked.id, target, record.ordinal)
            for linked in self._tables[record.table].link_fields
            for target in link_targets(record.cells.get(linked.id))
        }

    def freed_keys(self) -> list[tuple[Table, list[str]]]:
        """Return the keys that nobody has any more, of tables in which a record can be without the key in its cell."""
        freed: dict[TableId, list[str]] = {}
        for (table, key), holder in self._kept.keys.items():
            if holder is None and self._tables[table].told:
                freed.setdefault(table, []).append(key)
        return [(self._tables[table], keys) for table, keys in freed.items()]

    def saved(self) -> tuple[list[Record], list[Record], list[Record]]:
        """Return the records to insert, to update and to delete."""
        inserts, updates, deletes = [], [], []
        for record_id, record in self._kept.records.items():
            old = self._base.get(RecordId(record_id))
            if record is None:
                deletes += [old] if old is not None else []
            elif old is None:
                inserts.append(record)
            elif old.ordinal == record.ordinal:
                updates.append(record)
            else:
                deletes.append(old)
                inserts.append(record)
        return inserts, updates, deletes

    def effects(self) -> dict[TableId, list[Effect]]:
        """Return what the shelves must show afterwards, by table."""
        shown: dict[TableId, list[Effect]] = {}
        for record_id, record in self._kept.records.items():
            old = self._base.get(RecordId(record_id))
            # it may have come back under its old id in another table
            if old is not None and (record is None or record.table != old.table):
                shown.setdefault(old.table, []).append(Remove(record_id))
            if record is not None:
                shown.setdefault(record.table, []).append(Put(record))
        return shown

    # one operation

    def _decide_one(self, actor: Actor, item: Ready) -> Written:
        if isinstance(item, LogEvent):
            self._open.events.append((item, actor))
            return Written(Effected.LOGGED)
        match item.operation:
            case Create():
                return self._create(actor, item, item.operation)
            case Upsert():
                holder = self._holder(item.operation.table.id, str(item.key))
                if holder is None:
                    return self._create(actor, item, Create(item.operation.table, item.operation.fields))
                return self._update(actor, item, self._record(holder))
            case Merge():
                return self._merge(actor, item, item.operation)
            case Update():
                record = self._target(item.operation)
                return self._update(actor, item, record)
            case Delete():
                return self._delete(actor, item.operation)
            case Copy():
                return self._copy(actor, item, item.operation)
            case Forget():
                return self._forget(actor, item.operation)
            case Rename():
                return self._rename(actor, item.operation)

    def _create(self, actor: Actor, item: Prepared, operation: Create) -> Written:
        table = operation.table
        record_id = operation.record or self._ids.record()
        if operation.record is not None and self._find(record_id) is not None:
            raise KeyTaken(table.name, "id", record_id, record_id)
        cells = self._settled(table, item.cells, {})
        cells.update(self._numbers(table))
        key = table.key_of(cells)
        self._claim_key(table, key, record_id)
        created_at = operation.created_at or self.at
        ordinal = self._head.ordinal + 1
        self._head = Head(self._head.seq, self._head.hash, ordinal)
        record = Record(ordinal, record_id, table.id, key, created_at, self.at, self._head.seq + 1, cells)
        self._append(actor, record, Action.CREATE, None, cells)
        self._open.records[record_id] = record
        self._mirror(actor, record, {})
        return Written(Effected.CREATED, table, self._record(record_id), item.warnings)

    def _update(self, actor: Actor, item: Prepared, record: Record) -> Written:
        written = self._change(actor, item, record)
        if written.effect is Effected.UNCHANGED:
            return written
        self._mirror(actor, self._record(record.id), record.cells)
        return dataclasses.replace(written, record=self._record(record.id))

    def _mirror(self, actor: Actor, record: Record, before: Mapping[str, Cell]) -> None:
        """Bring the inverse fields of linked records in line with a record's links, which were ``before``."""
        for linked in self._tables[record.table].inverse_links:
            held, holds = link_targets(before.get(linked.id)), link_targets(record.cells.get(linked.id))
            for target in holds:
                if target not in held:
                    self._link_back(actor, linked, target, record.id, links=True)
            for target in held:
                if target not in holds:
                    self._link_back(actor, linked, target, record.id, links=False)

    def _link_back(self, actor: Actor, linked: Field, target: str, source: str, *, links: bool) -> None:
        partner = self._find(target)
        # one that is gone left every cell before
        if partner is None or linked.inverse is None:
            return
        held = link_targets(partner.cells.get(linked.inverse))
        if (source in held) is links:
            return
        wanted = [*held, source] if links else [each for each in held if each != source]
        table = self._tables[partner.table]
        if len(wanted) > MOST_ITEMS:
            raise InvalidCell(
                linked.name, f"a link to {target}", allowed=f"at most {MOST_ITEMS} records that link to the same one"
            )
        item = Prepared(Update(table, target, {}), {linked.inverse: wanted or None}, None, ())
        self._change(actor, item, partner)

    def _change(self, actor: Actor, item: Prepared, record: Record) -> Written:
        """Change a record by itself; what links to it stays as it is."""
        table = item.operation.table
        wanted = self._settled(table, item.cells, record.cells)
        sent = {name: wanted.get(name) for name in item.cells}
        return self._replace_cells(actor, record, sent, item.warnings)

    def _replace_cells(
        self, actor: Actor, record: Record, sent: Mapping[str, Cell | None], warnings: tuple[str, ...]
    ) -> Written:
        table = self._tables[record.table]
        before = {name: record.cells.get(name) for name in sent if record.cells.get(name) != sent[name]}
        if not before:
            return Written(Effected.UNCHANGED, table, record, warnings)
        after = {name: sent[name] for name in before}
        merged = {**record.cells, **after}
        cells = {name: cell for name, cell in merged.items() if cell is not None}
        # a record whose key another one has stays without it until its cell changes
        key = table.key_of(cells) if table.key in before else record.key
        if key != record.key:
            self._claim_key(table, key, record.id)
            if record.key is not None:
                self._open.keys[table.id, record.key] = None
        changed = dataclasses.replace(record, key=key, modified_at=self.at, changed=self._head.seq + 1, cells=cells)
        self._append(actor, changed, Action.UPDATE, before, after)
        self._open.records[record.id] = changed
        return Written(Effected.UPDATED, table, changed, warnings)

    def _merge(self, actor: Actor, item: Prepared, operation: Merge) -> Written:
        found = self._counterparts(operation, {name: item.cells.get(name) for name in operation.on})
        if len(found) > 1:
            raise SeveralRecordsMatch(operation.table.name, [operation.table.by_id[name].name for name in operation.on])
        if not found:
            return self._create(actor, item, Create(operation.table, operation.fields))
        return self._update(actor, item, self._record(found[0]))

    def _delete(self, actor: Actor, operation: Delete) -> Written:
        record = self._target(operation)
        self._empty_links(actor, record)
        self._remove(actor, record)
        return Written(Effected.DELETED, operation.table, record)

    # what another base tells

    def _copy(self, actor: Actor, item: Prepared, operation: Copy) -> Written:
        table, record = operation.table, self._find(operation.record)
        if record is not None and record.table != table.id:
            raise KeyTaken(table.name, "id", record.id, record.id)
        if self._is_overtaken(operation.record, operation.basis):
            return Written(Effected.OVERTAKEN, table, record)
        told = {name: cell for name, cell in item.cells.items() if cell is not None}
        if record is None:
            ordinal = self._head.ordinal + 1
            self._head = Head(self._head.seq, self._head.hash, ordinal)
            new = Record(ordinal, operation.record, table.id, None, operation.created_at, self.at, 0, {})
            copied = self._as_copied(item, new, told)
            self._append(actor, copied, Action.CREATE, None, told)
            return Written(Effected.CREATED, table, copied)
        names = (name for name in {**record.cells, **told} if not _alike(record.cells.get(name), told.get(name)))
        before = {name: record.cells.get(name) for name in names}
        if not before and record.created_at == operation.created_at:
            return Written(Effected.UNCHANGED, table, record)
        copied = self._as_copied(item, dataclasses.replace(record, created_at=operation.created_at), told)
        self._append(actor, copied, Action.UPDATE, before, {name: told.get(name) for name in before})
        return Written(Effected.UPDATED, table, copied)

    def _as_copied(self, item: Prepared, record: Record, told: Mapping[str, Cell]) -> Record:
        key = self._free_key(item.operation.table, item.key, record)
        copied = dataclasses.replace(record, key=key, modified_at=self.at, changed=self._head.seq + 1, cells=told)
        self._open.records[record.id] = copied
        return copied

    def _forget(self, actor: Actor, operation: Forget) -> Written:
        table, record = operation.table, self._find(operation.record)
        if self._is_overtaken(operation.record, operation.basis):
            return Written(Effected.OVERTAKEN, table, record)
        if record is None or record.table != table.id:
            return Written(Effected.UNCHANGED, table)
        self._remove(actor, record)
        return Written(Effected.DELETED, table, record)

    def _rename(self, actor: Actor, operation: Rename) -> Written:
        table, becomes = operation.table, operation.becomes
        old, new = self._find(operation.record), self._find(becomes)
        if new is not None and new.table != table.id:
            raise KeyTaken(table.name, "id", becomes, becomes)
        if operation.record == becomes:
            return Written(Effected.UNCHANGED, table, new)
        before = self._head.seq
        self._open.renames.append((operation.record, becomes))
        if old is not None and old.table == table.id:
            self._replace_record(actor, operation, old, new)
        self._redirect_links(actor, table, operation.record, becomes)
        effect = Effected.UNCHANGED if self._head.seq == before else Effected.UPDATED
        return Written(effect, table, self._find(becomes))

    def _replace_record(self, actor: Actor, operation: Rename, old: Record, new: Record | None) -> None:
        self._remove(actor, old)
        if new is None:
            seq = self._head.seq + 1
            new = dataclasses.replace(
                old, id=operation.becomes, created_at=operation.created_at, modified_at=self.at, changed=seq
            )
            self._append(actor, new, Action.CREATE, None, new.cells)
            self._open.records[new.id] = new
            if new.key is not None:
                self._open.keys[new.table, new.key] = new.id

    def _redirect_links(self, actor: Actor, table: Table, former: RecordId, becomes: RecordId) -> None:
        for record in self._all_records() if table.id in self._linked_to else ():
            cells: dict[str, Cell | None] = {}
            for linked in self._tables[record.table].link_fields:
                targets = link_targets(record.cells.get(linked.id))
                if former in targets and linked.options["linkedTableId"] == table.id:
                    cells[linked.id] = list(dict.fromkeys(becomes if each == former else each for each in targets))
            if cells:
                self._replace_cells(actor, record, cells, ())

    def _is_overtaken(self, record_id: str, basis: int | None) -> bool:
        """Tell whether a record changed beyond a position; what the present request itself did does not count."""
        if basis is None:
            return False
        names = {record_id}
        for former, becomes in reversed(self._open.renames):
            names |= {former} if becomes in names else set()
        return any(self._position(name) > basis for name in names)

    def _position(self, record_id: str) -> int:
        """Return where the feed had a record last before the present request."""
        if record_id in self._reached:
            return self._reached[record_id]
        held = self._base.get(RecordId(record_id))
        return self._positions.get(record_id, 0) if held is None else held.changed

    def _free_key(self, table: Table, key: str | None, record: Record) -> str | None:
        """Give a record the key if nobody else has it, and let go of the one that it had."""
        holder = None if key is None else self._holder(table.id, key)
        free = None if holder not in (None, record.id) else key
        if record.key is not None and record.key != free:
            self._open.keys[table.id, record.key] = None
        if free is not None:
            self._open.keys[table.id, free] = record.id
        return free

    def _remove(self, actor: Actor, record: Record) -> None:
        self._append(actor, record, Action.DELETE, record.cells, None)
        self._open.records[record.id] = None
        if record.key is not None:
            self._open.keys[record.table, record.key] = None

    def _empty_links(self, actor: Actor, gone: Record) -> None:
        if gone.table not in self._linked_to:
            return
        for record in self._all_records():
            table = self._tables[record.table]
            for linked in table.link_fields:
                targets = link_targets(record.cells.get(linked.id))
                if gone.id in targets and record.id != gone.id and not linked.told:
                    left = [target for target in targets if target != gone.id]
                    item = Prepared(Update(table, record.id, {}), {linked.id: left or None}, None, ())
                    self._change(actor, item, self._record(record.id))

    # what the draft knows

    def _all_records(self) -> list[Record]:
        merged: dict[str, Record | None] = {**self._base, **self._kept.records, **self._open.records}  # type: ignore[dict-item]
        return [record for record in merged.values() if record is not None]

    def _find(self, record_id: str) -> Record | None:
        for layer in (self._open.records, self._kept.records):
            if record_id in layer:
                return layer[record_id]
        return self._base.get(RecordId(record_id))

    def _known_by(self, name: str) -> Record | None:
        """Return the record that has or had an id."""
        record = self._find(name)
        while record is None and (becomes := self._becomes(name)) is not None:
            name = becomes
            record = self._find(name)
        return record

    def _becomes(self, record_id: str) -> str | None:
        for former, becomes in reversed([*self._kept.renames, *self._open.renames]):
            if record_id == becomes:
                return None
            if record_id == former:
                return becomes
        return self._former.get(record_id)

    def _record(self, record_id: str) -> Record:
        record = self._find(record_id)
        if record is None:
            raise LookupError("a key names a record that was not loaded")
        return record

    def _holder(self, table: TableId, key: str) -> str | None:
        for layer in (self._open.keys, self._kept.keys):
            if (table, key) in layer:
                return layer[table, key]
        return self._base_keys.get((table, key))

    def _counterparts(self, operation: Merge, wanted: Mapping[str, Cell | None]) -> list[str]:
        """Return the records that had these cells before the present request, as far as they are still there."""
        table = operation.table
        if None in wanted.values():
            return []
        if table.key is not None and table.key in wanted:
            before = self._keyed_before(table.id, str(wanted[table.key]))
        else:
            untouched = (record for record in self._base.values() if record.id not in self._kept.records)
            before = [*untouched, *(record for record in self._kept.records.values() if record is not None)]
        return [
            record.id
            for record in before
            if record.table == table.id
            and all(record.cells.get(name) == cell for name, cell in wanted.items())
            and self._find(record.id) is not None
        ]

    def _keyed_before(self, table: TableId, key: str) -> list[Record]:
        """Return the record that held a key before the present request."""
        name = (table, key)
        holder = self._kept.keys[name] if name in self._kept.keys else self._base_keys.get(name)
        record = None if holder is None else self._kept.records.get(holder, self._base.get(RecordId(holder)))
        return [] if record is None else [record]

    def _target(self, operation: Update | Delete) -> Record:
        table, target = operation.table, operation.target
        record = self._find(target)
        if record is None or record.table != table.id:
            holder = self._holder(table.id, target)
            record = self._known_by(target) if holder is None else self._find(holder)
        if record is None or record.table != table.id:
            raise RecordNotFound(table.name, target)
        if operation.expected is not None:
            current = etag(table.encode(record))
            if operation.expected not in ("*", current):
                raise RecordChanged(target, current)
        return record

    def _claim_key(self, table: Table, key: str | None, record_id: str) -> None:
        if key is None:
            return
        holder = self._holder(table.id, key)
        if holder is not None and holder != record_id:
            known = table.key_field
            raise KeyTaken(table.name, known.name if known else "", key, holder)
        self._open.keys[table.id, key] = record_id

    def _settled(self, table: Table, cells: Mapping[str, Cell | None], held: Mapping[str, Cell]) -> dict[str, Cell]:
        """Finish the cells that depend on the store: attachments keep what they hold, links must exist."""
        if not table.depends_on_store:
            return {name: cell for name, cell in cells.items() if cell is not None}
        settled: dict[str, Cell] = {}
        for name, cell in cells.items():
            known = table.by_id[name]
            value: Any = cell
            if isinstance(value, AsSent):
                holds = {item["id"]: item for item in held.get(name, []) if isinstance(item, dict)}  # type: ignore[union-attr]
                value = read_cell(known, value.value, Surroundings(self._ids, holds))
            if value is None:
                continue
            if known.type is FieldType.MULTIPLE_RECORD_LINKS:
                value = self._present_links(known, value, held.get(name))
            settled[name] = value
        return settled

    def _present_links(self, known: Field, targets: list[str], held: object) -> list[str]:
        """Return links by the ids that records have now; those that the cell held already stay as they are."""
        present: dict[str, None] = {}
        held_already = frozenset(link_targets(held))
        for target in targets:
            if target in held_already:
                present[target] = None
                continue
            record = self._known_by(target)
            if record is None or record.table != known.options["linkedTableId"]:
                raise LinkTargetMissing(known.name, target)
            present[record.id] = None
        return list(present)

    def _numbers(self, table: Table) -> dict[str, Cell]:
        if not table.numbered:
            return {}
        numbered = [known for known in table.fields if known.numbered]
        number = self._open.numbers.get(
            table.id, self._kept.numbers.get(table.id, self._first_numbers.get(table.id, 1))
        )
        self._open.numbers[table.id] = number + 1
        return {known.id: number for known in numbered}

    def _append(
        self,
        actor: Actor,
        record: Record,
        action: Action,
        before: Mapping[str, Cell | None] | None,
        after: Mapping[str, Cell | None] | None,
    ) -> None:
        seq = self._head.seq + 1
        change = Change(seq, self.at, record.table, record.id, action, actor.droplet, actor.cause, before, after)
        self._head = Head(seq, self._head.hash, self._head.ordinal)
        self._open.latest[record.id] = len(self._open.changes)
        self._open.changes.append(change)


def _alike(one: Cell | None, other: Cell | None) -> bool:
    """Tell whether two cells are the same JSON; to Python 1 and true are equal."""
    return one == other and canonical({"": one}) == canonical({"": other})


def recognise(kept: tuple[bytes, StoredAnswer] | None, repeatable: Repeatable) -> StoredAnswer | None:
    """Return the kept answer when this is the very same request, None when there is none.

    Raises:
        KeyReused: the key came with another request before.
    """
    if kept is None:
        return None
    fingerprint, answer = kept
    if fingerprint != repeatable.fingerprint:
        raise KeyReused
    return answer
