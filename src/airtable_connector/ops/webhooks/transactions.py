"""From entries of the feed to what a transaction came to, record by record."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.records import Action, Cell, Change

MOST_CHANGES = 100
"""Entries of the feed that one payload tells about; a larger transaction is told in several payloads."""

Cells = Mapping[str, Cell | None]


@dataclass(frozen=True, slots=True)
class Net:
    """What became of a record: all cells of one that was created or removed, of a changed one those that differ."""

    action: Action
    before: Cells
    after: Cells


@dataclass(frozen=True, slots=True)
class Transaction:
    """One user action, or a part of a large one: its entries are those from ``first`` to ``last``.

    Parts share ``number``, the feed position where the whole begins.
    """

    number: int
    at: str
    actor: int
    first: int
    last: int
    records: Mapping[TableId, Mapping[RecordId, Net]]


def transactions(changes: Iterable[Change]) -> Iterator[Transaction]:
    """Yield what entries that follow each other came to, in their order.

    A request's entries stand together and share moment, author and cause. Those of the schema are left out: how the
    schema differs is told by comparing it.
    """
    of_records = (change for change in changes if change.action is not Action.SCHEMA)
    for _, run in groupby(of_records, _whose):
        entries = list(run)
        for start in range(0, len(entries), MOST_CHANGES):
            part = entries[start : start + MOST_CHANGES]
            whose = entries[0]
            yield Transaction(whose.seq, whose.at, whose.actor, part[0].seq, part[-1].seq, _net(part))


def whole(changes: Sequence[Change]) -> Sequence[Change]:
    """Leave out the last request's entries when there is another one before it: more of them may be to come."""
    last = _whose(changes[-1])
    end = len(changes)
    while end and _whose(changes[end - 1]) == last:
        end -= 1
    return changes[:end]


def _whose(change: Change) -> tuple[int, str, str]:
    return change.actor, change.cause, change.at


def _net(changes: Iterable[Change]) -> dict[TableId, dict[RecordId, Net]]:
    tables: dict[TableId, dict[RecordId, Net]] = {}
    for change in changes:
        records = tables.setdefault(change.table, {})
        then = Net(change.action, change.before or {}, change.after or {})
        first = records.pop(change.record, None)
        net = then if first is None else _joined(first, then)
        if net is not None:
            records[change.record] = net
    return {table: records for table, records in tables.items() if records}


def _joined(first: Net, then: Net) -> Net | None:
    match first.action, then.action:
        case Action.CREATE, Action.UPDATE:
            return Net(Action.CREATE, {}, {**first.after, **then.after})
        case Action.CREATE, Action.DELETE:
            return None
        case Action.UPDATE, Action.DELETE:
            return Net(Action.DELETE, {**then.before, **first.before}, {})
        case Action.DELETE, Action.CREATE:
            # it came back under its old id: what is told is how it differs
            return _difference(first.before, {**dict.fromkeys(first.before), **then.after})
        case _:
            return _difference({**then.before, **first.before}, {**first.after, **then.after})


def _difference(before: Cells, after: Cells) -> Net | None:
    changed = [name for name in after if after[name] != before.get(name)]
    if not changed:
        return None
    return Net(Action.UPDATE, {name: before.get(name) for name in changed}, {name: after[name] for name in changed})
