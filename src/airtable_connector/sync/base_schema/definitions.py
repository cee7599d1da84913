"""Tables and fields by their names, read from definitions in the form of Airtable's Meta API.

Two bases never share ids, so a link is read as the names of what its ids lead to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, TypeVar

from airtable_connector.kernel.jsonvalues import describe
from airtable_connector.sync.base_schema.errors import MalformedDefinition

LINK: Final = "multipleRecordLinks"
SELECTS: Final = frozenset({"singleSelect", "multipleSelects"})

_MOST_TABLES: Final = 1_000
_MOST_FIELDS: Final = 1_000


@dataclass(frozen=True)
class Linked:
    """Where a link field leads: a table, and the field there that holds the same links the other way round."""

    table: str
    inverse: str | None


@dataclass(frozen=True)
class FieldDefinition:
    """A field as it is or as it is wanted. ``linked`` is None also for a link that leads to no table we see."""

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    id: str | None = None
    linked: Linked | None = None

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The names of a select field's choices; none for other fields."""
        return tuple(choice["name"] for choice in self.options.get("choices", ())) if self.type in SELECTS else ()


@dataclass(frozen=True)
class TableDefinition:
    """A table as it is or as it is wanted; the first of its fields is its primary one."""

    name: str
    fields: Sequence[FieldDefinition]
    description: str = ""
    id: str | None = None

    def field(self, name: str) -> FieldDefinition | None:
        """Find a field by its name, in another letter case if need be: Airtable does not let two differ in it only."""
        return _named(self.fields, name)


@dataclass(frozen=True)
class BaseSchema:
    """The tables of a base."""

    tables: Sequence[TableDefinition]

    def table(self, name: str) -> TableDefinition | None:
        """Find a table by its name, in another letter case if need be."""
        return _named(self.tables, name)


def read_schema(definitions: object) -> BaseSchema:
    """Read the definitions of a base's tables.

    Raises:
        MalformedDefinition: they have not the form of such definitions.
    """
    listed = _list(definitions, "the whole", _MOST_TABLES)
    tables = [_read_table(each, f"[{number}]") for number, each in enumerate(listed)]
    table_names = {table.id: table.name for table in tables if table.id is not None}
    field_names = {each.id: each.name for table in tables for each in table.fields if each.id is not None}
    return BaseSchema(
        [
            replace(table, fields=[_with_names(each, table_names, field_names) for each in table.fields])
            for table in tables
        ]
    )


def _with_names(
    found: FieldDefinition, table_names: Mapping[str, str], field_names: Mapping[str, str]
) -> FieldDefinition:
    table = table_names.get(str(found.options.get("linkedTableId")))
    if found.type != LINK or table is None:
        return found
    linked = Linked(table, field_names.get(str(found.options.get("inverseLinkFieldId"))))
    return replace(found, linked=linked)


def _read_table(said: object, where: str) -> TableDefinition:
    found = _object(said, where)
    name = _text(found.get("name"), f"{where}.name")
    listed = _list(found.get("fields"), f"{where}.fields", _MOST_FIELDS)
    fields = [_read_field(each, f"{where}.fields[{number}]") for number, each in enumerate(listed)]
    if not fields:
        raise MalformedDefinition(f"{where}.fields is empty")
    primary = found.get("primaryFieldId")
    fields.sort(key=lambda each: each.id is None or each.id != primary)
    return TableDefinition(name, fields, _perhaps_text(found, "description", where), _perhaps_id(found, where))


def _read_field(said: object, where: str) -> FieldDefinition:
    found = _object(said, where)
    kind = _text(found.get("type"), f"{where}.type")
    options = _object(found.get("options") or {}, f"{where}.options")
    if kind in SELECTS:
        for number, choice in enumerate(_list(options.get("choices"), f"{where}.options.choices", None)):
            place = f"{where}.options.choices[{number}]"
            _text(_object(choice, place).get("name"), f"{place}.name")
    return FieldDefinition(
        _text(found.get("name"), f"{where}.name"),
        kind,
        options,
        _perhaps_text(found, "description", where),
        _perhaps_id(found, where),
    )


N = TypeVar("N", FieldDefinition, TableDefinition)


def _named(known: Sequence[N], name: str) -> N | None:
    alike = [each for each in known if each.name.casefold() == name.casefold()]
    return next((each for each in alike if each.name == name), alike[0] if alike else None)


def _object(said: object, where: str) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise MalformedDefinition(f"{where} is {describe(said)} and no object")
    return said


def _list(said: object, where: str, most: int | None) -> Sequence[object]:
    if not isinstance(said, list):
        raise MalformedDefinition(f"{where} is {describe(said)} and no list")
    if most is not None and len(said) > most:
        raise MalformedDefinition(f"{where} has more than {most} members")
    return said


def _text(said: object, where: str) -> str:
    if not isinstance(said, str):
        raise MalformedDefinition(f"{where} is {describe(said)} and no text")
    if not said.strip():
        raise MalformedDefinition(f"{where} is empty")
    return said


def _perhaps_text(found: Mapping[str, Any], member: str, where: str) -> str:
    said = found.get(member)
    if said is not None and not isinstance(said, str):
        raise MalformedDefinition(f"{where}.{member} is {describe(said)} and no text")
    return said or ""


def _perhaps_id(found: Mapping[str, Any], where: str) -> str | None:
    return None if found.get("id") is None else _text(found["id"], f"{where}.id")
