"""What a page of payloads means for the base here: which records are to be looked at, and whether the schema moved.

Pure. Payloads are read leniently: what is not understood is taken for a change of the schema, which is then read anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from airtable_connector.airtable import Payloads
from airtable_connector.kernel.ids import RecordId, TableId, looks_like_record_id
from airtable_connector.kernel.jsonvalues import JsonValue

_RECORDS: Final = frozenset({"createdRecordsById", "changedRecordsById", "destroyedRecordIds"})


@dataclass
class Digest:
    """What payloads told, each record by what was told of it last.

    ``made`` are records that were made and not touched since, as the payloads tell them. ``fault`` is the code of the
    payload that says that the webhook tells nothing any more.
    """

    changed: dict[TableId, set[RecordId]] = field(default_factory=dict)
    gone: dict[TableId, set[RecordId]] = field(default_factory=dict)
    made: dict[TableId, dict[RecordId, Mapping[str, Any]]] = field(default_factory=dict)
    schema: bool = False
    fault: str | None = None


def digest(payloads: Sequence[Mapping[str, JsonValue]]) -> Digest:
    """Read payloads, oldest first."""
    told = Digest()
    for payload in payloads:
        if payload.get("error") is True:
            told.fault = str(payload.get("code"))[:80]
            continue
        if payload.get("createdTablesById") or payload.get("destroyedTableIds"):
            told.schema = True
        for table, changes in _members(payload.get("changedTablesById")):
            _table(told, TableId(table), changes)
    return told


def jumped(asked: int, answer: Payloads) -> bool:
    """Tell whether payloads are missing before those of an answer, or in its place: they were deleted unread."""
    return answer.cursor - len(answer.payloads) != asked or (answer.more and not answer.payloads)


def _table(told: Digest, table: TableId, changes: Mapping[str, Any]) -> None:
    if changes.keys() - _RECORDS:
        told.schema = True
    made, changed, gone = (
        told.made.setdefault(table, {}),
        told.changed.setdefault(table, set()),
        told.gone.setdefault(table, set()),
    )
    for record, created in _records(changes.get("createdRecordsById")):
        gone.discard(record)
        made[record] = created
    for record, _ in _records(changes.get("changedRecordsById")):
        made.pop(record, None)
        gone.discard(record)
        changed.add(record)
    for record in _ids(changes.get("destroyedRecordIds")):
        made.pop(record, None)
        changed.discard(record)
        gone.add(record)


def _members(said: object) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if not isinstance(said, Mapping):
        return ()
    return ((name, each) for name, each in said.items() if isinstance(each, Mapping))


def _records(said: object) -> Iterable[tuple[RecordId, Mapping[str, Any]]]:
    return ((RecordId(name), each) for name, each in _members(said) if looks_like_record_id(name))


def _ids(said: object) -> Iterable[RecordId]:
    if not isinstance(said, list):
        return ()
    return (RecordId(each) for each in said if isinstance(each, str) and looks_like_record_id(each))
