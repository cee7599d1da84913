"""What Airtable tells, as the base here keeps it, and cells of the base as Airtable takes them.

Pure. Cells are keyed by field id. Nothing is worked out: computed cells are kept as they are told. An attachment is
kept by its id and name and never by its address, which is another one whenever it is read.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from airtable_connector.airtable import Cells, CloudRecord, CloudTable
from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.kernel.ids import FieldId
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.records import STANDARD_TABLES, Cell, Field, FieldType, InvalidSchema, Table

AIRTABLE_TYPE: Final = "airtableType"
"""The option that holds the type of a field whose type is not known here."""

UNKEPT: Final = frozenset({"manualSort"})
"""Types that say nothing to people: the rank of a row in a view."""

_KEPT_OF_ATTACHMENT: Final = ("id", "size", "type", "filename")
_KEPT_OF_PERSON: Final = ("id", "name", "email")
_PEOPLE: Final = frozenset({FieldType.SINGLE_COLLABORATOR, FieldType.CREATED_BY, FieldType.LAST_MODIFIED_BY})
_SELECTS: Final = frozenset({FieldType.SINGLE_SELECT, FieldType.MULTIPLE_SELECTS})
_STANDARD_KEYS: Final = {table.name: table.key_field.name for table in STANDARD_TABLES if table.key_field is not None}


@dataclass(frozen=True, slots=True)
class ToldTable:
    """A table that is kept as Airtable tells it; ``left_out`` are the fields that cannot be kept, names by id."""

    table: Table
    left_out: Mapping[str, str]


def told_table(said: CloudTable, present: Table | None = None) -> ToldTable:
    """Read a table's definition; ``present`` is the table as the base has it, whose key it keeps while it can.

    A field of a type that is not known here is kept as text that Airtable makes (`FieldType.AI_TEXT`), with its JSON as
    it comes, and cannot be written.

    Raises:
        InvalidSchema: it is no definition of a table, or one without a field that can be kept.
    """
    fields: list[Field] = []
    left_out: dict[str, str] = {}
    for each in _definitions(said):
        try:
            if each["type"] not in UNKEPT:
                fields.append(_told_field(each))
                continue
        except (InvalidSchema, KeyError, TypeError):
            pass
        left_out[str(each.get("id"))] = str(each.get("name"))[:80]
    primary = said.definition.get("primaryFieldId")
    # the sort keeps the order of the others
    fields.sort(key=lambda field: field.id != primary)
    if not fields:
        raise InvalidSchema(f"no field of table {said.name[:80]} can be kept", field=said.name[:80])
    described = said.definition.get("description")
    table = Table(said.id, said.name, tuple(fields), None, described if isinstance(described, str) else "")
    return ToldTable(_with_key(table, present), left_out)


def told_cells(table: Table, record: CloudRecord) -> dict[FieldId, Cell]:
    """Return a record's cells as they are kept; those of fields that the table has not are left out."""
    return _kept(table, record.cells)


def told_payload_cells(table: Table, cells: Mapping[str, JsonValue]) -> dict[FieldId, Cell]:
    """Return the cells of a new record as a webhook's payload tells them; they differ where a cell names something.

    Only `is_told_whole` tables' payloads tell all cells.
    """
    return _kept(table, {FieldId(name): _as_in_records(table.by_id.get(name), cell) for name, cell in cells.items()})


def is_told_whole(table: Table) -> bool:
    """Tell whether a payload about a new record has all its cells: computed ones may come later, or not at all."""
    return not any(field.computed and not field.is_fact for field in table.fields)


def strangers(table: Table, record: CloudRecord) -> set[str]:
    """Return the fields that a record shows and the table has not, or of which it has another choice."""
    return {name for name, cell in record.cells.items() if _is_strange(table.by_id.get(name), cell)}


def _is_strange(field: Field | None, cell: object) -> bool:
    if field is None:
        return True
    named = cell if isinstance(cell, list) else [cell]
    return field.type in _SELECTS and any(each not in field.choices for each in named)


def sent_cells(table: Table, cells: Mapping[FieldId, Cell | None]) -> Cells:
    """Return cells as Airtable takes them in a write; None empties a cell. Cells that nobody writes are left out.

    An attachment that has an address is sent as a new one, from that address; give those whose bytes are kept here an
    address that Airtable can reach before. One without is held by the cell already.
    """
    writable = ((name, cell) for name, cell in cells.items() if name in table.by_id and not table.by_id[name].computed)
    return {name: None if cell is None else _sent(table.by_id[name], cell) for name, cell in writable}


# --- definitions ------------------------------------------------------------------------------------------------


def _definitions(said: CloudTable) -> Iterator[Mapping[str, Any]]:
    fields = said.definition.get("fields")
    if not isinstance(fields, Sequence) or isinstance(fields, str):
        raise InvalidSchema(f"table {said.name[:80]} has no list of fields", field=said.name[:80])
    return (each for each in fields if isinstance(each, Mapping))


def _told_field(said: Mapping[str, Any]) -> Field:
    kind, options = str(said["type"]), dict(said.get("options") or {})
    if kind not in set(FieldType):
        return _field(said, FieldType.AI_TEXT, {**options, AIRTABLE_TYPE: kind})
    if "result" in options and not _is_known(options["result"]):
        del options["result"]
    return _field(said, FieldType(kind), options)


def _field(said: Mapping[str, Any], kind: FieldType, options: Mapping[str, Any]) -> Field:
    name, described = said["name"], said.get("description")
    if not isinstance(name, str) or not isinstance(said["id"], str):
        raise TypeError("a field's name or id is no text")
    return Field(FieldId(said["id"]), name, kind, options, described if isinstance(described, str) else "", told=True)


def _is_known(result: object) -> bool:
    return isinstance(result, Mapping) and result.get("type") in set(FieldType)


def _with_key(table: Table, present: Table | None) -> Table:
    """Give a table the field by which people name its records here: the one it had, else that of the standard table."""
    named = _STANDARD_KEYS.get(table.name)
    candidates = [
        None if present is None else present.key,
        *(field.id for field in table.fields if field.name == named),
    ]
    for key in candidates:
        if key is not None and key in table.by_id:
            try:
                return Table(table.id, table.name, table.fields, key, table.description)
            except InvalidSchema:
                continue  # its type has become one that is no key
    return table


# --- cells from there -------------------------------------------------------------------------------------------


def _kept(table: Table, cells: Cells) -> dict[FieldId, Cell]:
    kept: dict[FieldId, Cell] = {}
    for name, said in cells.items():
        field = table.by_id.get(name)
        if field is None or field.is_fact:
            continue
        cell = _cell(field, said)
        if cell is not None and cell is not False and cell not in ("", []):
            kept[name] = cell
    return kept


def _cell(field: Field, said: Any) -> Any:
    if field.type in _PEOPLE:
        return _person(said) if isinstance(said, Mapping) else None
    match field.type:
        case FieldType.MULTIPLE_COLLABORATORS:
            return [_person(each) for each in said if isinstance(each, Mapping)] if isinstance(said, list) else None
        case FieldType.BARCODE:
            return _barcode(said)
        case FieldType.DATE_TIME | FieldType.LAST_MODIFIED_TIME:
            return _moment(said)
        case FieldType.MULTIPLE_RECORD_LINKS | FieldType.MULTIPLE_SELECTS:
            return (
                list(dict.fromkeys(each for each in said if isinstance(each, str))) if isinstance(said, list) else None
            )
        case _:
            return _plain(said)


def _plain(said: Any) -> Any:
    """Keep JSON as it is, but for the addresses of attachments and numbers that are none."""
    if isinstance(said, float) and not math.isfinite(said):
        return None
    if isinstance(said, Mapping):
        if isinstance(said.get("id"), str) and "filename" in said and "url" in said:
            return {name: said[name] for name in _KEPT_OF_ATTACHMENT if said.get(name) is not None}
        return {name: _plain(each) for name, each in said.items()}
    if isinstance(said, list):
        return [_plain(each) for each in said]
    return said


def _person(said: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: said[name] for name in _KEPT_OF_PERSON if isinstance(said.get(name), str)}
    # what names a person is always there, as in cells that callers have written
    told.setdefault("name", told.get("email") or told.get("id") or "")
    return told


def _barcode(said: Any) -> dict[str, Any] | None:
    if not isinstance(said, Mapping) or not isinstance(said.get("text"), str):
        return None
    kind = said.get("type")
    return {"text": said["text"], "type": kind} if isinstance(kind, str) else {"text": said["text"]}


def _moment(said: Any) -> Any:
    try:
        moment: datetime = parse_iso(said)
    except (TypeError, ValueError):
        return _plain(said)
    return iso(moment)


def _as_in_records(field: Field | None, said: Any) -> Any:
    """Turn a cell's form in payloads into its form in records."""
    match None if field is None else field.type:
        case FieldType.SINGLE_SELECT:
            return said.get("name") if isinstance(said, Mapping) else said
        case FieldType.MULTIPLE_SELECTS:
            return _members(said, "name")
        case FieldType.MULTIPLE_RECORD_LINKS:
            return _members(said, "id")
        case _:
            return said


def _members(said: Any, member: str) -> Any:
    if not isinstance(said, list):
        return said
    return [each.get(member) if isinstance(each, Mapping) else each for each in said]


# --- cells to there ---------------------------------------------------------------------------------------------


def _sent(field: Field, cell: Any) -> JsonValue:
    match field.type:
        case FieldType.MULTIPLE_ATTACHMENTS:
            return [_sent_attachment(each) for each in cell]
        case FieldType.SINGLE_COLLABORATOR:
            return _sent_person(cell)
        case FieldType.MULTIPLE_COLLABORATORS:
            return [_sent_person(each) for each in cell]
        case _:
            sent: JsonValue = cell
            return sent


def _sent_attachment(cell: Mapping[str, Any]) -> JsonValue:
    if "url" not in cell:
        return {"id": cell["id"]}
    return {"url": cell["url"], "filename": cell["filename"]}


def _sent_person(cell: Mapping[str, Any]) -> JsonValue:
    # the id of a person whom a caller named by their address was derived here, and is not Airtable's
    return {"email": cell["email"]} if "email" in cell else {"id": cell["id"]}
