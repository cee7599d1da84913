"""The endpoints of the Meta API that change the schema. What they make is there for the next request, of whoever."""

import dataclasses
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Final

import orjson

from airtable_connector.kernel.ids import BaseId, TableId
from airtable_connector.records import Actor, Field, Table
from airtable_connector.records.formula import FormulaError
from airtable_connector.web.airtable_api.base import Base, Bases
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
from airtable_connector.web.airtable_api.errors import (
    InvalidParameters,
    ModelNotFound,
    OptionsNotTaken,
    WorkspaceMissing,
    WorkspaceUnknown,
)
from airtable_connector.web.airtable_api.parameters import refuse_parameters
from airtable_connector.web.airtable_api.place import WORKSPACE_ID
from airtable_connector.web.airtable_api.schema import shown_field, shown_table
from airtable_connector.web.airtable_api.scopes import check_scope, may_make_bases
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call

_TABLE_MEMBERS: Final = frozenset({"name", "description", "fields"})
"""What a table that is to be made is described by."""


class DesigningEndpoints:
    """HTTP endpoints that add bases, and add and change tables and fields."""

    def __init__(self, bases: Bases) -> None:
        self._bases = bases
        self._workspace = bases.workspace

    async def create_base(self, call: Call) -> Answer:
        """Answer ``POST /v0/meta/bases``: make a base with its first tables."""
        body = await self._read(call, {"name", "workspaceId", "tables"})
        workspace = _workspace_of(body)
        name, asked = text_member(body, "name"), _new_tables_of(body)
        check_scope(call)
        if not may_make_bases(call.caller):
            raise ModelNotFound
        if workspace != WORKSPACE_ID:
            raise WorkspaceUnknown
        ids = self._workspace.ids
        # nothing can be linked to: Airtable, too, takes links only once the tables are there
        tables = [
            self._new_table(each.get("fields"), description, Place(table, [], ids))
            for table, description, each in asked
        ]
        base = BaseId(ids.mint("app"))
        with _formulas_of(name):
            made = await self._workspace.add_base(base, name, tables, actor=_actor(call))
        return _answer({"id": base, "tables": [shown_table(table, shows_fields=True) for table in made]})

    async def create_table(self, call: Call) -> Answer:
        """Answer ``POST /v0/meta/bases/{base}/tables``: add a table with its fields."""
        body = await self._read(call, _TABLE_MEMBERS)
        name, description = text_member(body, "name"), text_member(body, "description", missing="")
        base = self._bases.enter(call)
        made = self._new_table(body.get("fields"), description, self._place(base, name))
        made = dataclasses.replace(made, base=base.made)
        with _formulas_of(name):
            table = await self._workspace.add_table(made, actor=_actor(call))
        return _answer(shown_table(table, shows_fields=True))

    async def change_table(self, call: Call) -> Answer:
        """Answer ``PATCH /v0/meta/bases/{base}/tables/{table}``: change a table's name or description."""
        body = await self._read(call, {"name", "description"})
        change = read_change(body)
        table = await self._workspace.change_table(
            self._bases.table(call).id, name=change.name, description=change.description, actor=_actor(call)
        )
        return _answer(shown_table(table, shows_fields=True))

    async def create_field(self, call: Call) -> Answer:
        """Answer ``POST /v0/meta/bases/{base}/tables/{table}/fields``: add a field."""
        body = await self._read(call, {"name", "type", "description", "options"})
        holder = self._bases.table(call)
        field = new_field(body, self._place(self._bases.of(holder), holder.name))
        with _formulas_of(f"{holder.name}.{field.name}"):
            self._check(field, holder)
            table = await self._workspace.add_field(holder.id, field, actor=_actor(call))
        return _answer(shown_field(table.by_id[field.id]))

    async def change_field(self, call: Call) -> Answer:
        """Answer ``PATCH /v0/meta/bases/{base}/tables/{table}/fields/{field}``: its name, description or options."""
        body = await self._read(call, {"name", "description", "options"})
        change = read_change(body)
        holder = self._bases.table(call)
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

    async def _read(self, call: Call, members: AbstractSet[str]) -> Mapping[str, object]:
        refuse_parameters(call)
        body = await read_object(call)
        check_members(body, members)
        return body

    def _check(self, field: Field, holder: Table) -> None:
        check_what_it_reads(field, holder, self._workspace.table)
        formula = formula_of(field)
        if formula is not None:
            self._workspace.formula(formula, holder)

    def _new_table(self, asked: object, description: str, place: Place) -> Table:
        fields = new_fields(asked, place)
        made = Table(TableId(place.ids.mint("tbl")), place.table, fields, None, description)
        for field in fields:
            check_what_it_reads(field, made, self._workspace.table)
        return made

    def _place(self, base: Base, table: str) -> Place:
        return Place(table, [each.id for each in base.tables.values()], self._workspace.ids)


def _workspace_of(body: Mapping[str, object]) -> str:
    workspace = body.get("workspaceId")
    if workspace is None:
        raise WorkspaceMissing
    if not isinstance(workspace, str):
        raise InvalidParameters("workspaceId")
    return workspace


def _new_tables_of(body: Mapping[str, object]) -> list[tuple[str, str, Mapping[str, object]]]:
    """Return the tables that a new base is to have, one at least, each with its name and its description."""
    asked = body.get("tables")
    if not isinstance(asked, list) or not asked:
        raise InvalidParameters("tables")
    tables: list[tuple[str, str, Mapping[str, object]]] = []
    for each in asked:
        if not isinstance(each, dict):
            raise InvalidParameters("tables")
        check_members(each, _TABLE_MEMBERS)
        tables.append((text_member(each, "name"), text_member(each, "description", missing=""), each))
    return tables


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
