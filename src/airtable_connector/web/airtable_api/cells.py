"""The cells of a write: what Airtable refuses in its own words is refused here, the rest by the store."""

from collections.abc import Mapping

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import looks_like_record_id
from airtable_connector.records import (
    Field,
    FieldType,
    InvalidCell,
    LinkTargetMissing,
    Table,
    UnknownChoice,
)
from airtable_connector.web.airtable_api.base import Base
from airtable_connector.web.airtable_api.errors import (
    CellNotAccepted,
    CellNotRead,
    ChoiceNotThere,
    ComputedCell,
    NoAttachment,
    NoRecordId,
    RowMissing,
    RowOfOtherTable,
)

Cells = Mapping[str, object]
"""Cells as they were sent: by field name or id."""


def check_cells(table: Table, cells: Cells) -> None:
    """Refuse what no record of the table can be given.

    Raises:
        UnknownField: the table has no such field.
        ComputedCell, CellNotRead, ChoiceNotThere, NoRecordId: the field cannot hold the value.
    """
    for name, value in cells.items():
        field = table.field(name)
        if field.computed:
            raise ComputedCell(field.name)
        if value is not None and value not in ("", []):
            _check(field, value)


def replacing(table: Table, cells: Cells) -> Cells:
    """Empty the cells that are not named, as PUT wants it; the store's own stay."""
    named = {table.field(name).id for name in cells}
    emptied: dict[str, object] = {
        field.id: None for field in table.fields if not field.computed and field.id not in named
    }
    return {**emptied, **cells}


async def refused_cell(base: Base, table: Table, refusal: ConnectorError) -> ConnectorError:
    """Return, in Airtable's words, why the store refused a cell."""
    field = table.by_name.get(refusal.field or "")
    if field is None:
        return refusal
    match refusal:
        case LinkTargetMissing():
            return await _missing_link(base, field, refusal)
        case InvalidCell() if field.type is FieldType.MULTIPLE_ATTACHMENTS:
            return NoAttachment(field.name)
        case InvalidCell() | UnknownChoice():
            return CellNotAccepted(field.name, refusal.hint)
        case _:
            return refusal


async def _missing_link(base: Base, field: Field, refusal: LinkTargetMissing) -> ConnectorError:
    found = await base.locate(refusal.target)
    if found is None:
        return RowMissing(refusal.target)
    holder, _ = found
    return RowOfOtherTable(refusal.target, held_by=holder.id, linked=field.options["linkedTableId"])


def _check(field: Field, value: object) -> None:
    match field.type:
        case FieldType.SINGLE_SELECT:
            _check_choice(field, value)
        case FieldType.MULTIPLE_SELECTS:
            if not isinstance(value, list):
                raise CellNotRead(field.name)
            for item in value:
                _check_choice(field, item)
        case FieldType.MULTIPLE_RECORD_LINKS:
            for item in value if isinstance(value, list) else [value]:
                if not isinstance(item, str) or not looks_like_record_id(item):
                    raise NoRecordId(field.name, item)


def _check_choice(field: Field, value: object) -> None:
    if not isinstance(value, str):
        raise CellNotRead(field.name)
    if value not in field.choices:
        raise ChoiceNotThere(field.name, value)
