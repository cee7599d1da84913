"""What another base's tables make of those that are kept like them. Nothing here awaits.

What the other base has is taken as it is, a removal as well; the names that things had before still lead to them.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.records.altering import (
    Alteration,
    EmptiedField,
    NumberedField,
    RenamedChoices,
    Tables,
    renamed_choices,
)
from airtable_connector.records.errors import CannotBeOwned, InvalidSchema, TableNameTaken
from airtable_connector.records.schema import FOREIGN_TYPES, Field, FieldType, Table

MOST_FORMER_NAMES: Final = 50
"""Former names of one table or field, those that it had last."""

N = TypeVar("N", Table, Field)


class SchemaEvent(StrEnum):
    """What became of a table or a field."""

    TABLE_ADDED = "table-added"
    TABLE_RENAMED = "table-renamed"
    TABLE_CHANGED = "table-changed"
    """Its description, its key or the order of its fields."""
    TABLE_REMOVED = "table-removed"
    """Its records are removed, too."""
    FIELD_ADDED = "field-added"
    FIELD_RENAMED = "field-renamed"
    FIELD_CHANGED = "field-changed"
    """Its description or its options."""
    FIELD_RETYPED = "field-retyped"
    """Its cells are of another type now; they are empty until they are told."""
    FIELD_REMOVED = "field-removed"


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference that was adopted; ``name`` is what the table or field is called now, or was at last."""

    event: SchemaEvent
    table: TableId
    field: FieldId | None
    name: str
    before: str | None = None
    """What a renamed table or field was called."""


_ASIDE: Final = " (before Airtable)"
"""Follows the names of tables that were set aside."""


def is_aside(table: Table) -> bool:
    """Tell whether a table was set aside."""
    return not table.told and table.name.endswith(_ASIDE)


def name_before(table: Table) -> str:
    """Return the name that a table has or had when it was not set aside."""
    return table.name.removesuffix(_ASIDE) if is_aside(table) else table.name


def set_aside(present: Tables) -> Alteration:
    """Give the names of all tables that are not told free for told ones."""
    own = [table for table in present.values() if not table.told and not is_aside(table)]
    return Alteration([dataclasses.replace(table, name=f"{table.name}{_ASIDE}") for table in own])


def without_aside(present: Tables) -> Alteration:
    """Have no tables more that were set aside, nor their records."""
    return Alteration([], removed=[table for table in present.values() if is_aside(table)])


def owned(present: Tables) -> Alteration:
    """Have all told tables as our own: what follows from other cells is worked out here from now on.

    Attachments go, whose bytes another base has.

    Raises:
        CannotBeOwned: fields cannot be had here; it names them all.
    """
    refused: list[str] = []
    own = {table.id: _owned_table(table, present, refused) for table in present.values() if table.told}
    if refused:
        raise CannotBeOwned(refused)
    emptied: list[EmptiedField] = []
    numbered: list[NumberedField] = []
    for table in own.values():
        was = present[table.id]
        facts = {field.id for field in table.fields if field.is_fact and not was.by_id[field.id].is_fact}
        gone = facts | {field.id for field in table.attachment_fields}
        emptied += [EmptiedField(table.id, field) for field in sorted(gone)]
        numbered += [NumberedField(table.id, field.id) for field in table.fields if field.numbered]
    return Alteration([*own.values()], emptied=emptied, numbered=numbered)


def _owned_table(table: Table, present: Tables, refused: list[str]) -> Table:
    fields = []
    for field in table.fields:
        if field.type in FOREIGN_TYPES:
            refused.append(f"{table.name}.{field.name} holds what only Airtable fills")
        try:
            fields.append(dataclasses.replace(field, told=False, options=_own_options(field, present)))
        except InvalidSchema as cause:
            refused.append(f"{table.name}.{field.name}: {cause.message}")
    return dataclasses.replace(table, fields=tuple(fields) or table.fields)


def _own_options(field: Field, present: Tables) -> Mapping[str, Any]:
    """Leave out where a link leads that is not here."""
    if field.type is not FieldType.MULTIPLE_RECORD_LINKS:
        return field.options
    options = dict(field.options)
    linked = present.get(options.get("linkedTableId", ""))
    if linked is None:
        del options["linkedTableId"]
    elif options.get("inverseLinkFieldId") not in linked.by_id:
        options.pop("inverseLinkFieldId", None)
    return options


@dataclass(frozen=True)
class Adoption:
    """What is to be changed, and what that means."""

    alteration: Alteration
    changes: Sequence[SchemaChange]


def adopted(present: Tables, told: Sequence[Table]) -> Adoption:
    """Have exactly these told tables beside those that are not told.

    Raises:
        TableNameTaken: a table that is not told has the name of one of them.
    """
    ids = {table.id for table in told}
    before = {table.id: table for table in present.values() if table.told or table.id in ids}
    local = {table.name.casefold() for table in present.values() if table.id not in before}
    for table in told:
        if table.name.casefold() in local:
            raise TableNameTaken(table.name)
    now = [_grown(before.get(table.id), table) for table in _with_former_names(before, told)]
    kept = {table.id for table in now}
    removed = [table for table in before.values() if table.id not in kept]
    pairs = [(before.get(table.id), table) for table in now]
    changed = [(was, table) for was, table in pairs if was != table]
    alteration = Alteration(
        [table for _, table in changed],
        [each for was, table in changed if was is not None for each in _renamed(was, table)],
        removed,
        [each for was, table in changed if was is not None for each in _emptied(was, table)],
    )
    gone = [SchemaChange(SchemaEvent.TABLE_REMOVED, table.id, None, table.name) for table in removed]
    return Adoption(alteration, [*gone, *(each for was, table in changed for each in _changes(was, table))])


def _grown(was: Table | None, table: Table) -> Table:
    """Return a table whose fields keep the names that led to them."""
    if was is None:
        return table
    return dataclasses.replace(table, fields=tuple(_with_former_names(was.by_id, table.fields)))


def _with_former_names(before: Mapping[TableId, N] | Mapping[str, N], now: Sequence[N]) -> list[N]:
    """Let the names that things had lead to them; a name that several had leads to the last of them."""
    known: Mapping[str, N] = before  # type: ignore[assignment] # ids of tables are texts
    pairs = [(known.get(each.id), each) for each in now]
    given_up = {was.name: was.id for was, each in pairs if was is not None and was.name != each.name}
    return [
        each if was is None else dataclasses.replace(each, former_names=tuple(_former_names(was, each, given_up)))
        for was, each in pairs
    ]


def _former_names(was: N, now: N, given_up: Mapping[str, str]) -> Sequence[str]:
    names = dict.fromkeys([*was.former_names, was.name])
    mine: Iterable[str] = (name for name in names if name != now.name and given_up.get(name, now.id) == now.id)
    return list(mine)[-MOST_FORMER_NAMES:]


def _renamed(was: Table, now: Table) -> Iterator[RenamedChoices]:
    for field in now.fields:
        old = was.by_id.get(field.id)
        names = {} if old is None or old.type is not field.type else renamed_choices(old, field)
        if names:
            yield RenamedChoices(now.id, field, names)


def _emptied(was: Table, now: Table) -> Iterator[EmptiedField]:
    for field in was.fields:
        left = now.by_id.get(field.id)
        if left is None or _is_retyped(field, left):
            yield EmptiedField(was.id, field.id)


def _is_retyped(was: Field, now: Field) -> bool:
    return (was.type, was.holds) != (now.type, now.holds)


def _changes(was: Table | None, now: Table) -> Iterator[SchemaChange]:
    if was is None:
        yield SchemaChange(SchemaEvent.TABLE_ADDED, now.id, None, now.name)
        return
    if was.name != now.name:
        yield SchemaChange(SchemaEvent.TABLE_RENAMED, now.id, None, now.name, was.name)
    if (was.description, was.key, _order(was, now)) != (now.description, now.key, _order(now, was)):
        yield SchemaChange(SchemaEvent.TABLE_CHANGED, now.id, None, now.name)
    for field in was.fields:
        if field.id not in now.by_id:
            yield SchemaChange(SchemaEvent.FIELD_REMOVED, now.id, field.id, field.name)
    for field in now.fields:
        yield from _changes_of_field(now.id, was.by_id.get(field.id), field)


def _changes_of_field(table: TableId, was: Field | None, now: Field) -> Iterator[SchemaChange]:
    if was is None:
        yield SchemaChange(SchemaEvent.FIELD_ADDED, table, now.id, now.name)
        return
    if was.name != now.name:
        yield SchemaChange(SchemaEvent.FIELD_RENAMED, table, now.id, now.name, was.name)
    if _is_retyped(was, now):
        yield SchemaChange(SchemaEvent.FIELD_RETYPED, table, now.id, now.name)
    elif (was.description, was.options) != (now.description, now.options):
        yield SchemaChange(SchemaEvent.FIELD_CHANGED, table, now.id, now.name)


def _order(table: Table, other: Table) -> list[FieldId]:
    return [field.id for field in table.fields if field.id in other.by_id]
