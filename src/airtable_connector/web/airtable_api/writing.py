"""The endpoints that write records. A request takes effect whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from airtable_connector.kernel.ids import FieldId
from airtable_connector.records import (
    Actor,
    Create,
    Delete,
    Done,
    Effected,
    FieldType,
    InvalidCell,
    LinkTargetMissing,
    Merge,
    Operation,
    Table,
    UnknownChoice,
    Update,
    WriteRequest,
    Written,
)
from airtable_connector.web.airtable_api.base import Base, Bases
from airtable_connector.web.airtable_api.bodies import (
    Write,
    read_change_of_one,
    read_changes,
    read_creation,
    read_object,
    read_removals,
)
from airtable_connector.web.airtable_api.cells import Cells, check_cells, refused_cell, replacing
from airtable_connector.web.airtable_api.errors import (
    CannotMergeOn,
    MergeFieldMissing,
    ModelNotFound,
    RowMissing,
    RowToDeleteMissing,
)
from airtable_connector.web.airtable_api.options import Form
from airtable_connector.web.airtable_api.parameters import read_parameters, refuse_parameters
from airtable_connector.web.airtable_api.scopes import Scope, scopes_of
from airtable_connector.web.airtable_api.showing import show
from airtable_connector.web.airtable_api.typecasting import new_choices, typecast
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call, Header, Upstream, settled

MERGEABLE: Final = frozenset(
    {
        FieldType.SINGLE_LINE_TEXT,
        FieldType.MULTILINE_TEXT,
        FieldType.URL,
        FieldType.EMAIL,
        FieldType.PHONE_NUMBER,
        FieldType.NUMBER,
        FieldType.PERCENT,
        FieldType.CURRENCY,
        FieldType.SINGLE_SELECT,
        FieldType.DATE,
        FieldType.DATE_TIME,
    }
)
"""Types of fields by whose cells an upsert finds records."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What was written, and how that is to be answered."""

    written: Sequence[Written]
    status: int = 200
    headers: tuple[Header, ...] = ()


class WritingEndpoints:
    """HTTP endpoints that change records."""

    def __init__(self, bases: Bases, upstream: Upstream | None = None) -> None:
        self._bases = bases
        self._upstream = upstream

    async def create(self, call: Call) -> Answer:
        """Answer ``POST /v0/{base}/{table}``: add one record, or up to ten."""
        refuse_parameters(call)
        write = read_creation(await read_object(call))
        table, cells = await self._cells(call, self._bases.table(call), write)
        operations = [Create(table, each) for each in cells]
        return await self._answer(call, write, table, await self._write(call, table, operations))

    async def change(self, call: Call) -> Answer:
        """Answer ``PATCH /v0/{base}/{table}/{record}``: change only the cells named."""
        return await self._change_one(call, replaces=False)

    async def replace(self, call: Call) -> Answer:
        """Answer ``PUT /v0/{base}/{table}/{record}``: change the cells named and empty the others."""
        return await self._change_one(call, replaces=True)

    async def change_many(self, call: Call) -> Answer:
        """Answer ``PATCH /v0/{base}/{table}``: change up to ten records, or add those that are not there."""
        return await self._change_many(call, replaces=False)

    async def replace_many(self, call: Call) -> Answer:
        """Answer ``PUT /v0/{base}/{table}``: the same, emptying the cells that are not named."""
        return await self._change_many(call, replaces=True)

    async def remove(self, call: Call) -> Answer:
        """Answer ``DELETE /v0/{base}/{table}/{record}``."""
        refuse_parameters(call)
        record = call.path_params["record"]
        table = await self._holder(self._bases.of(self._bases.table(call)), record)
        said = await self._write(call, table, [Delete(table, record)])
        return Answer(said.status, orjson.dumps(_removed(record)), said.headers, JSON_UTF8)

    async def remove_many(self, call: Call) -> Answer:
        """Answer ``DELETE /v0/{base}/{table}?records[]=``: remove up to ten records."""
        records = read_removals(read_parameters(call))
        table = self._bases.table(call)
        for record in records:
            if not await self._holds(table, record):
                raise RowToDeleteMissing(record)
        said = await self._write(call, table, [Delete(table, record) for record in records])
        removed = orjson.dumps({"records": [_removed(record) for record in records]})
        return Answer(said.status, removed, said.headers, JSON_UTF8)

    # what is asked

    async def _change_one(self, call: Call, *, replaces: bool) -> Answer:
        refuse_parameters(call)
        write = read_change_of_one(await read_object(call))
        record = call.path_params["record"]
        # Airtable looks for a single record in the whole base, and so it may be another table's
        table = await self._holder(self._bases.of(self._bases.table(call)), record)
        table, (cells,) = await self._cells(call, table, write)
        operation = Update(table, record, replacing(table, cells) if replaces else cells)
        return await self._answer(call, write, table, await self._write(call, table, [operation]))

    async def _change_many(self, call: Call, *, replaces: bool) -> Answer:
        refuse_parameters(call)
        write = read_changes(await read_object(call))
        table = self._bases.table(call)
        merge_on = _fields_to_merge_on(table, write)
        operations: list[Operation] = []
        table, cells_of_each = await self._cells(call, table, write)
        for sent, cells in zip(write.records, cells_of_each, strict=True):
            wanted = replacing(table, cells) if replaces else cells
            if sent.id is None:
                _check_merge_fields(table, cells, merge_on)
                operations.append(Merge(table, wanted, merge_on))
            elif await self._holds(table, sent.id):
                operations.append(Update(table, sent.id, wanted))
            else:
                raise RowMissing(sent.id)
        return await self._answer(call, write, table, await self._write(call, table, operations))

    async def _cells(self, call: Call, table: Table, write: Write) -> tuple[Table, Sequence[Cells]]:
        """Read the cells of every record, and return them with the table, which typecast may have given choices."""
        cells: list[Cells] = [sent.cells for sent in write.records]
        if write.typecast:
            cells = [await typecast(self._bases.of(table), table, each) for each in cells]
            # the choices of a mirror are Airtable's
            if self._upstream is None and Scope.WRITE_SCHEMA in scopes_of(call.caller):
                table = await self._with_new_choices(call, table, cells)
        for each in cells:
            check_cells(table, each)
        return table, cells

    async def _with_new_choices(self, call: Call, table: Table, cells: Sequence[Cells]) -> Table:
        for each in cells:
            for field, names in new_choices(table, each).items():
                actor = Actor(call.caller.droplet, call.trace_id)
                table = await self._bases.workspace.add_choices(table.id, field, names, actor=actor)
        return table

    async def _holder(self, base: Base, record: str) -> Table:
        found = await base.locate(record)
        if found is None:
            raise ModelNotFound
        return found[0]

    async def _holds(self, table: Table, record: str) -> bool:
        """Tell whether the table has a record of this id; the store would also take its key."""
        if self._bases.workspace.record_from_memory(table, record) is not None:
            return True
        found = await self._bases.of(table).locate(record)
        return found is not None and found[0].id == table.id

    # what is done and answered

    async def _write(self, call: Call, table: Table, operations: Sequence[Operation]) -> _Said:
        request = WriteRequest(Actor(call.caller.droplet, call.trace_id), tuple(operations))
        if self._upstream is not None:
            self._upstream.check_room()
        try:
            outcome = await self._bases.workspace.write(request)
        except (InvalidCell, UnknownChoice, LinkTargetMissing) as refusal:
            raise await refused_cell(self._bases.of(table), table, refusal) from refusal
        # only a request with an Idempotency-Key is answered from memory
        assert isinstance(outcome, Done)
        if self._upstream is None:
            return _Said(outcome.written)
        done, settlement, headers = await settled(call, outcome, self._upstream)
        return _Said(done.written, 200 if settlement.is_final else 202, headers)

    async def _answer(self, call: Call, write: Write, table: Table, said: _Said) -> Answer:
        stored = [each.table.encode(each.record) for each in said.written if each.table and each.record]
        shown = self._bases.workspace.table(table.id)
        blobs = await show(self._bases.of(shown), shown, stored, Form(by_id=write.by_id), origin=call.origin)
        if not write.many:
            return Answer(said.status, blobs[0], said.headers, JSON_UTF8)
        end = b"]}" if write.merge_on is None else b"]," + orjson.dumps(_merged(said.written))[1:]
        return Answer(said.status, b'{"records":[' + b",".join(blobs) + end, said.headers, JSON_UTF8)


def _fields_to_merge_on(table: Table, write: Write) -> tuple[FieldId, ...]:
    fields = [table.field(name) for name in write.merge_on or ()]
    for field in fields:
        if field.type not in MERGEABLE:
            raise CannotMergeOn(field.name, MERGEABLE)
    return tuple(dict.fromkeys(field.id for field in fields))


def _check_merge_fields(table: Table, cells: Cells, merge_on: Sequence[FieldId]) -> None:
    named = {table.field(name).id for name in cells}
    for field in merge_on:
        if field not in named:
            raise MergeFieldMissing(table.by_id[field].name)


def _merged(written: Sequence[Written]) -> dict[str, list[str]]:
    """Tell which records of an upsert were added, and which were there."""
    records = {"createdRecords": list[str](), "updatedRecords": list[str]()}
    for each in written:
        if each.record is not None:
            records["createdRecords" if each.effect is Effected.CREATED else "updatedRecords"].append(each.record.id)
    return records


def _removed(record: str) -> dict[str, object]:
    return {"id": record, "deleted": True}
