"""The endpoints of the Meta API that change the schema. What they make is there for the next request, of whoever."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import orjson

from airtable_connector.kernel.ids import TableId
from airtable_connector.records import Actor, Field, Table
from airtable_connector.records.formula import FormulaError
from airtable_connector.web.airtable_api.base import Base
from airtable_connector.web.airtable_api.bodies import check_members, read_object
from airtable_connector.web.airtable_api.definitions import (
    Place,
    check_what_it_reads,
    formula_of,
    new_field,
    new_fields,
    read_change,
    text_member,
)
from airtable_connector.web.airtable_api.errors import ModelNotFound, OptionsNotTaken
from airtable_connector.web.airtable_api.parameters import refuse_parameters
from airtable_connector.web.airtable_api.schema import shown_field, shown_table
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call


class DesigningEndpoints:
    """HTTP endpoints that add and change tables and fields."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._workspace = base.workspace

    async def create_table(self, call: Call) -> Answer:
        """Answer ``POST /v0/meta/bases/{base}/tables``: add a table with its fields."""
        body = await self._read(call, {"name", "description", "fields"})
        name, description = text_member(body, "name"), text_member(body, "description", missing="")
        self._base.enter(call)
        fields = new_fields(body.get("fields"), self._place(name))
        made = Table(TableId(self._workspace.ids.mint("tbl")), name, fields, None, description)
        for field in fields:
            check_what_it_reads(field, made, self._workspace.table)
        with _formulas_of(name):
            table = await self._workspace.add_table(made, actor=_actor(call))
        return _answer(shown_table(table, shows_fields=True))

    async def change_table(self, call: Call) -> Answer:
        """Answer ``PATCH /v0/meta/bases/{base}/tables/{table}``: change a table's name or description."""
        body = await self._read(call, {"name", "description"})
        change = read_change(body)
        table = await self._workspace.change_table(
            self._base.table(call).id, name=change.name, description=change.description, actor=_actor(call)
        )
        return _answer(shown_table(table, shows_fields=True))

    async def create_field(self, call: Call) -> Answer:
        """Answer ``POST /v0/meta/bases/{base}/tables/{table}/fields``: add a field."""
        body = await self._read(call, {"name", "type", "description", "options"})
        holder = self._base.table(call)
        field = new_field(body, self._place(holder.name))
        with _formulas_of(f"{holder.name}.{field.name}"):
            self._check(field, holder)
            table = await self._workspace.add_field(holder.id, field, actor=_actor(call))
        return _answer(shown_field(table.by_id[field.id]))

    async def change_field(self, call: Call) -> Answer:
        """Answer ``PATCH /v0/meta/bases/{base}/tables/{table}/fields/{field}``: its name, description or options."""
        body = await self._read(call, {"name", "description", "options"})
        change = read_change(body)
        holder = self._base.table(call)
        known = holder.by_id.get(call.path_params["field"])
        if known is None:
            raise ModelNotFound
        options = change.options_of(known, table=holder.name)
        with _formulas_of(f"{holder.name}.{known.name}"):
            if options is not None:
                self._check(dataclasses.replace(known, options={**known.options, **options}), holder)
            table = await self._workspace.change_field(
                holder.id,
                known.id,
                name=change.name,
                description=change.description,
                options=options,
                actor=_actor(call),
            )
        return _answer(shown_field(table.by_id[known.id]))

    async def _read(self, call: Call, members: set[str]) -> Mapping[str, object]:
        refuse_parameters(call)
        body = await read_object(call)
        check_members(body, members)
        return body

    def _check(self, field: Field, holder: Table) -> None:
        check_what_it_reads(field, holder, self._workspace.table)
        formula = formula_of(field)
        if formula is not None:
            self._workspace.formula(formula, holder)

    def _place(self, table: str) -> Place:
        return Place(table, [each.id for each in self._workspace.tables.values()], self._workspace.ids)


@contextmanager
def _formulas_of(what: str) -> Iterator[None]:
    """Tell of a formula that cannot work as of an option; elsewhere in this dialect it is one that filters records."""
    try:
        yield
    except FormulaError as wrong:
        raise OptionsNotTaken(what, wrong.message) from wrong


def _actor(call: Call) -> Actor:
    return Actor(call.caller.droplet, call.trace_id)


def _answer(told: Mapping[str, object]) -> Answer:
    return Answer(200, orjson.dumps(told), media_type=JSON_UTF8)
