"""Payloads in Airtable's form v0: what one transaction, or one change of the schema, means to one webhook."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.ops.webhooks.past import Past, cell_form
from airtable_connector.ops.webhooks.transactions import Cells, Net, Transaction
from airtable_connector.ops.webhooks.watch import DataType, Fault, Watch
from airtable_connector.records import Action, Table, stable_id

PUBLIC_API: Final = "publicApi"
SYSTEM: Final = "system"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Scene:
    """What a payload tells beside the transaction: the schema, the records' past, and who we are."""

    tables: Mapping[TableId, Table]
    past: Past
    us: int


def payload_of(transaction: Transaction, watch: Watch, scene: Scene) -> bytes | None:
    """Tell a transaction to a webhook; None when nothing of it is watched."""
    source = SYSTEM if transaction.actor == scene.us else PUBLIC_API
    if DataType.TABLE_DATA not in watch.data_types or not _comes_from(source, watch):
        return None
    changed: dict[str, Any] = {}
    for table_id, records in transaction.records.items():
        table = scene.tables.get(table_id)
        if table is None or watch.table not in (None, table_id):
            continue
        told = _Teller(transaction, watch, scene, table).tell(records)
        if told:
            changed[table_id] = told if watch.view is None else {"changedViewsById": {watch.view: told}}
    if not changed:
        return None
    user = {"user": {"id": stable_id("usr", str(transaction.actor)), "permissionLevel": "edit"}}
    head = _head(transaction.at, transaction.number, source, user if source == PUBLIC_API else {})
    return orjson.dumps({**head, "changedTablesById": changed})


def schema_payload(
    before: Mapping[str, Any], after: Mapping[str, Any], watch: Watch, *, at: str, seq: int
) -> bytes | None:
    """Tell a webhook how the tables (in the form of `outline`) differ; None when nothing of it is watched."""
    if not _comes_from(UNKNOWN, watch):
        return None
    scope = {table for table in (*before, *after) if watch.table in (None, table)}
    changed = {
        table: changes
        for table in sorted(scope)
        if table in before and table in after and (changes := _table_changes(before[table], after[table], watch))
    }
    told: dict[str, Any] = {"changedTablesById": changed} if changed else {}
    if DataType.TABLE_METADATA in watch.data_types:
        made = {table: _new_table(after[table]) for table in sorted(scope) if table not in before}
        gone = sorted(table for table in scope if table not in after)
        told.update({"createdTablesById": made} if made else {}, **({"destroyedTableIds": gone} if gone else {}))
    return orjson.dumps({**_head(at, seq, UNKNOWN, {}), **told}) if told else None


def fault_payload(fault: Fault, *, at: str, seq: int) -> bytes:
    """Tell a webhook that it cannot go on."""
    return orjson.dumps({"error": True, "code": str(fault), **_head(at, seq, SYSTEM, {})})


def outline(tables: Mapping[TableId, Table]) -> dict[str, Any]:
    """Describe the tables as far as payloads tell of their changes."""
    return {
        table.id: {
            "name": table.name,
            "fields": {field.id: {"name": field.name, "type": str(field.type)} for field in table.fields},
        }
        for table in tables.values()
    }


def _comes_from(source: str, watch: Watch) -> bool:
    return watch.sources is None or source in watch.sources


def _head(at: str, number: int, source: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "timestamp": at,
        "baseTransactionNumber": number,
        "payloadFormat": "v0",
        "actionMetadata": {"source": source, "sourceMetadata": metadata},
    }


class _Teller:
    """Tells one webhook of one table's records in one transaction."""

    def __init__(self, transaction: Transaction, watch: Watch, scene: Scene, table: Table) -> None:
        self._transaction = transaction
        self._watch = watch
        self._scene = scene
        self._table = table

    def tell(self, records: Mapping[RecordId, Net]) -> dict[str, Any]:
        created: dict[str, Any] = {}
        changed: dict[str, Any] = {}
        destroyed: list[str] = []
        for record, net in records.items():
            if net.action not in self._watch.actions or not self._touches(net):
                continue
            match net.action:
                case Action.CREATE:
                    created[record] = self._created(record, net)
                case Action.UPDATE:
                    changed[record] = self._changed(record, net)
                case Action.DELETE:
                    destroyed.append(record)
        parts = {"createdRecordsById": created, "changedRecordsById": changed, "destroyedRecordIds": destroyed}
        return {name: part for name, part in parts.items() if part}

    def _touches(self, net: Net) -> bool:
        watched = self._watch.fields
        cells = net.before if net.action is Action.DELETE else net.after
        if net.action is Action.UPDATE and not any(name in self._table.by_id for name in cells):
            return False
        return watched is None or any(name in watched for name, cell in cells.items() if self._counts(net, cell))

    @staticmethod
    def _counts(net: Net, cell: object) -> bool:
        """Tell whether a cell changed: an empty one of a record that came or went did not."""
        return net.action is Action.UPDATE or cell is not None

    def _created(self, record: RecordId, net: Net) -> dict[str, Any]:
        filled = {name: cell for name, cell in net.after.items() if cell is not None and self._shows(name)}
        created_at = self._scene.past.created_at(record) or self._transaction.at
        return {"createdTime": created_at, **self._values(filled, self._transaction.last)}

    def _changed(self, record: RecordId, net: Net) -> dict[str, Any]:
        shown = [name for name in net.after if self._shows(name)]
        after = self._transaction.last
        told = {"current": self._values({name: net.after[name] for name in shown}, after)}
        if self._watch.previous_cells:
            # linked records are called what they were called before
            before = {name: net.before.get(name) for name in shown}
            told["previous"] = self._values(before, self._transaction.first - 1)
        if self._watch.included:
            cells = self._scene.past.cells(record, after)
            beside = {
                name: cell
                for name, cell in cells.items()
                if cell is not None and name not in net.after and self._watch.tells_beside(name)
            }
            told["unchanged"] = self._values(beside, after)
        return told

    def _shows(self, name: str) -> bool:
        return self._watch.fields is None or name in self._watch.fields or self._watch.tells_beside(name)

    def _values(self, cells: Cells, seq: int) -> dict[str, Any]:
        scene, fields = self._scene, self._table.by_id
        return {
            "cellValuesByFieldId": {
                name: None
                if cell is None
                else cell_form(fields[name], cell, tables=scene.tables, past=scene.past, seq=seq)
                for name, cell in cells.items()
                if name in fields
            }
        }


def _table_changes(before: Mapping[str, Any], after: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if DataType.TABLE_METADATA in watch.data_types and before["name"] != after["name"]:
        told["changedMetadata"] = {"current": {"name": after["name"]}, "previous": {"name": before["name"]}}
    if DataType.TABLE_FIELDS in watch.data_types:
        told.update(_field_changes(before["fields"], after["fields"], watch))
    return told


def _field_changes(before: Mapping[str, Any], after: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    def watched(field: str, action: Action) -> bool:
        return action in watch.actions and (watch.schema_fields is None or field in watch.schema_fields)

    created = {field: after[field] for field in after if field not in before and watched(field, Action.CREATE)}
    destroyed = [field for field in before if field not in after and watched(field, Action.DELETE)]
    changed = {}
    for field in after:
        if field in before and before[field] != after[field] and watched(field, Action.UPDATE):
            names = [name for name in after[field] if before[field][name] != after[field][name]]
            changed[field] = {"current": {name: after[field][name] for name in names}}
            if watch.previous_definitions:
                changed[field]["previous"] = {name: before[field][name] for name in names}
    parts = {"createdFieldsById": created, "changedFieldsById": changed, "destroyedFieldIds": destroyed}
    return {name: part for name, part in parts.items() if part}


def _new_table(table: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": table["name"]}, "fieldsById": table["fields"], "recordsById": {}}
