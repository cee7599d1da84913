"""The calls that are made, as data: what is sent where, and whether it changes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from airtable_connector.airtable.wire import Cells, Change, Definition
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.secret import Secret

MOST_WRITTEN: Final = 10
"""Records of one call that writes; Airtable refuses an eleventh."""

MOST_READ: Final = 100
"""Records of one page."""

MOST_PAYLOADS: Final = 50
"""Payloads of one page."""


@dataclass(frozen=True)
class CloudSettings:
    """Which base is asked, where and with which key. ``timeout`` is for a call as a whole."""

    key: Secret
    base: str
    endpoint: str = "https://api.airtable.com"
    timeout: timedelta = timedelta(seconds=60)
    connect_timeout: timedelta = timedelta(seconds=10)


@dataclass(frozen=True)
class CloudCall:
    """One call. ``options`` are pyairtable's names for the parameters of lists, ``params`` are sent as they are.

    With ``also_posted`` a list whose address would be too long is asked for in a body, below that path.
    """

    name: str
    method: str
    path: tuple[str, ...]
    options: Mapping[str, object] = field(default_factory=dict, repr=False)
    params: Mapping[str, object] = field(default_factory=dict, repr=False)
    body: Mapping[str, JsonValue] | None = field(default=None, repr=False)
    also_posted: str | None = None

    @property
    def changes(self) -> bool:
        """Whether it may have an effect, so that a lost answer matters."""
        return self.method != "GET"


def list_call(
    base: str,
    table: TableId,
    *,
    offset: str | None = None,
    formula: str | None = None,
    fields: Sequence[FieldId] = (),
    page_size: int = MOST_READ,
) -> CloudCall:
    """Ask for a page of a table: no view and no sort, so that nobody's edit of a view changes what is seen."""
    if not 1 <= page_size <= MOST_READ:
        raise ValueError(f"a page has 1 to {MOST_READ} records")
    options: dict[str, object] = {"page_size": page_size, "use_field_ids": True}
    if offset is not None:
        options["offset"] = offset
    if formula is not None:
        options["formula"] = formula
    if fields:
        options["fields"] = list(fields)
    return CloudCall("list", "GET", (base, table), options, also_posted="listRecords")


def get_call(base: str, table: TableId, records: Sequence[RecordId]) -> CloudCall:
    """Ask for these records of a table.

    As a list: a hundred cost one call, and the path of a single record would find one of another table as well.
    """
    if not 1 <= len(records) <= MOST_READ:
        raise ValueError(f"1 to {MOST_READ} records are read together")
    wanted = ",".join(f"RECORD_ID()='{record}'" for record in records)
    return list_call(base, table, formula=f"OR({wanted})")


def create_call(base: str, table: TableId, records: Sequence[Cells]) -> CloudCall:
    """Make records. Repeated, it makes them again."""
    return _write("create", "POST", (base, table), [{"fields": _cells(cells)} for cells in records])


def update_call(base: str, table: TableId, changes: Sequence[Change]) -> CloudCall:
    """Write the cells that are given, and leave the others."""
    return _write("update", "PATCH", (base, table), _changes(changes))


def replace_call(base: str, table: TableId, changes: Sequence[Change]) -> CloudCall:
    """Write the cells that are given, and empty the others."""
    return _write("replace", "PUT", (base, table), _changes(changes))


def upsert_call(base: str, table: TableId, records: Sequence[Cells], *, on: Sequence[FieldId]) -> CloudCall:
    """Update the records that have the same values in the fields ``on``, and make those that nobody has."""
    if not 1 <= len(on) <= 3:  # Airtable's limit
        raise ValueError("records are merged on 1 to 3 fields")
    if any(cells.get(name) is None for cells in records for name in on):
        raise ValueError("every record needs a value in each field to merge on")
    merge: dict[str, JsonValue] = {"performUpsert": {"fieldsToMergeOn": list(on)}}
    return _write("upsert", "PATCH", (base, table), [{"fields": _cells(cells)} for cells in records], merge)


def delete_call(base: str, table: TableId, records: Sequence[RecordId]) -> CloudCall:
    """Delete records; one that is not in the table makes Airtable refuse all."""
    _bounded(len(records))
    return CloudCall("delete", "DELETE", (base, table), params={"records[]": list(records)})


def schema_call(base: str) -> CloudCall:
    """Ask for the definitions of all tables."""
    return CloudCall("schema", "GET", _tables(base))


def create_table_call(base: str, definition: Definition) -> CloudCall:
    """Make a table with its fields. Repeated, it is refused, because the name is taken."""
    return CloudCall("create-table", "POST", _tables(base), body=definition)


def create_field_call(base: str, table: TableId, definition: Definition) -> CloudCall:
    """Make a field behind those of a table. Repeated, it is refused, because the name is taken."""
    return CloudCall("create-field", "POST", (*_tables(base), table, "fields"), body=definition)


def update_field_call(base: str, table: TableId, field: FieldId, change: Definition) -> CloudCall:
    """Change a field's name, description or options; options that are given take the place of those there."""
    return CloudCall("update-field", "PATCH", (*_tables(base), table, "fields", field), body=change)


def create_webhook_call(base: str, specification: Mapping[str, JsonValue], url: str | None) -> CloudCall:
    """Make a webhook. Repeated, it makes another one of the ten that a base may have."""
    body: dict[str, JsonValue] = {"specification": specification}
    if url is not None:
        body["notificationUrl"] = url
    return CloudCall("create-webhook", "POST", _hooks(base), body=body)


def webhooks_call(base: str) -> CloudCall:
    """Ask for the base's webhooks."""
    return CloudCall("webhooks", "GET", _hooks(base))


def refresh_webhook_call(base: str, webhook: str) -> CloudCall:
    """Let a webhook live seven days from now."""
    return CloudCall("refresh-webhook", "POST", (*_hooks(base), webhook, "refresh"))


def delete_webhook_call(base: str, webhook: str) -> CloudCall:
    """Delete a webhook."""
    return CloudCall("delete-webhook", "DELETE", (*_hooks(base), webhook))


def payloads_call(base: str, webhook: str, *, cursor: int) -> CloudCall:
    """Ask for a webhook's payloads from a number on. Asking keeps the webhook alive, too."""
    options: dict[str, object] = {"cursor": cursor, "limit": MOST_PAYLOADS}
    return CloudCall("payloads", "GET", (*_hooks(base), webhook, "payloads"), options)


def _write(
    name: str,
    method: str,
    path: tuple[str, ...],
    records: Sequence[JsonValue],
    more: Mapping[str, JsonValue] = MappingProxyType({}),
) -> CloudCall:
    _bounded(len(records))
    # typecast stays off: it would add choices to the schema, and records to other tables
    return CloudCall(name, method, path, body={"records": records, "returnFieldsByFieldId": True, **more})


def _changes(changes: Sequence[Change]) -> Sequence[JsonValue]:
    return [{"id": change.id, "fields": _cells(change.cells)} for change in changes]


def _cells(cells: Cells) -> JsonValue:
    return {str(name): value for name, value in cells.items()}


def _bounded(count: int) -> None:
    if not 1 <= count <= MOST_WRITTEN:
        raise ValueError(f"1 to {MOST_WRITTEN} records are written together")


def _tables(base: str) -> tuple[str, ...]:
    return ("meta", "bases", base, "tables")


def _hooks(base: str) -> tuple[str, ...]:
    return ("bases", base, "webhooks")
