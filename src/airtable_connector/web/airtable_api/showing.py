"""Records in the form that a caller wants.

The store keeps them as ``{"id","createdTime","fields"}`` with the non-empty cells by name, which is Airtable's own
form: those bytes are sent as they are unless something else is asked for.
"""

from collections.abc import Sequence

import orjson

from airtable_connector.records import Field, FieldType, Table
from airtable_connector.web.airtable_api.base import Base
from airtable_connector.web.airtable_api.options import AsText, Form
from airtable_connector.web.airtable_api.texts import joined, text_of


async def show(base: Base, table: Table, blobs: Sequence[bytes], form: Form, *, origin: str) -> Sequence[bytes]:
    """Put records of a table into a form; fields that the form names must be the table's.

    ``origin`` is where the caller finds us, for the addresses of attachments.
    """
    if table.attachment_fields:
        blobs = [base.attachments.show(blob, origin) for blob in blobs]
    if form.as_stored:
        return blobs
    fields = {table.field(name).name for name in form.fields} or set(table.by_name)
    shown = {field.name: field for field in table.fields if field.name in fields}
    texts = None if form.text is None else _Texts(base, form.text)
    return [await _show(blob, shown, texts, by_id=form.by_id) for blob in blobs]


async def _show(blob: bytes, shown: dict[str, Field], texts: "_Texts | None", *, by_id: bool) -> bytes:
    record = orjson.loads(blob)
    cells: dict[str, object] = {}
    for name, cell in record["fields"].items():
        field = shown.get(name)
        if field is not None:
            cells[field.id if by_id else name] = cell if texts is None else await texts.of(field, cell)
    record["fields"] = cells
    return orjson.dumps(record)


class _Texts:
    """Writes the cells of one answer as texts; a record that is linked to is looked up once."""

    def __init__(self, base: Base, wanted: AsText) -> None:
        self._base = base
        self._wanted = wanted
        self._names: dict[str, str] = {}

    async def of(self, field: Field, cell: object) -> str:
        """Write a cell as the people who look at a table would read it."""
        if field.type is not FieldType.MULTIPLE_RECORD_LINKS:
            return text_of(field, cell, self._wanted)
        assert isinstance(cell, list)
        return joined([await self._name(target) for target in cell])

    async def _name(self, record: str) -> str:
        """Return the text of a record's primary field; one that is gone has none."""
        if record not in self._names:
            found = await self._base.locate(record)
            self._names[record] = "" if found is None else self._primary_text(*found)
        return self._names[record]

    def _primary_text(self, table: Table, blob: bytes) -> str:
        primary = table.primary_field
        cell = orjson.loads(blob)["fields"].get(primary.name)
        # a primary field that holds links would lead on and on
        return "" if cell is None or isinstance(cell, list) else text_of(primary, cell, self._wanted)
