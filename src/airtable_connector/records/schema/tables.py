"""A table: its fields, its key, and the JSON form of its records."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from airtable_connector.kernel.ids import BaseId, FieldId, RecordId, TableId, looks_like_base_id
from airtable_connector.records.errors import InvalidSchema, UnknownField
from airtable_connector.records.schema.cells import Cell
from airtable_connector.records.schema.fields import TEXT_TYPES, Field, FieldType


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the store keeps it; ``cells`` is keyed by field id and holds no empty cell.

    ``ordinal`` is the record's place in the order of creation, never used twice. Moments are ISO texts in UTC.
    ``changed`` is the feed sequence of its last change.
    """

    ordinal: int
    id: RecordId
    table: TableId
    key: str | None
    created_at: str
    modified_at: str
    changed: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class MadeBase:
    """A base that a client made, beside the service's own, which is none of these. ``created_at`` is an ISO text."""

    id: BaseId
    name: str
    created_at: str


@dataclass(frozen=True)
class Table:
    """A typed table. ``key`` is the field whose value names a record to people, unique when it is not empty.

    Under its ``former_names`` it is found where no other table has that name.
    ``base`` is the made base that it belongs to; None is the service's own. Names of tables are unique in a base.
    """

    id: TableId
    name: str
    fields: tuple[Field, ...]
    key: FieldId | None = None
    description: str = ""
    former_names: tuple[str, ...] = ()
    base: BaseId | None = None

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if len(set(names)) != len(names) or len(self.by_id) != len(names):
            raise InvalidSchema(f"table {self.name} has two fields of one name or id")
        if self.key is not None and (self.key not in self.by_id or not _can_be_key(self.by_id[self.key])):
            raise InvalidSchema(f"the key of table {self.name} is not one of its text or date fields")

    @cached_property
    def by_id(self) -> Mapping[str, Field]:
        """The fields by id."""
        return {field.id: field for field in self.fields}

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """The fields by name."""
        return {field.name: field for field in self.fields}

    @property
    def address(self) -> str:
        """How the table is called where those of every base are spoken of: by name in the own base, else by id."""
        return self.name if self.base is None else self.id

    @cached_property
    def by_former_name(self) -> Mapping[str, Field]:
        """The fields by the names that they had before."""
        return {name: field for field in self.fields for name in field.former_names}

    @cached_property
    def told(self) -> bool:
        """Whether the whole table is another base's."""
        return bool(self.fields) and all(field.told for field in self.fields)

    @cached_property
    def key_field(self) -> Field | None:
        """The field that names a record, if the table has one."""
        return self.by_id[self.key] if self.key is not None else None

    @cached_property
    def primary_field(self) -> Field:
        """The field whose value names a record where others link to it."""
        return self.key_field or self.fields[0]

    @cached_property
    def text_fields(self) -> tuple[Field, ...]:
        """The fields that a text search looks into."""
        return tuple(field for field in self.fields if field.holds in TEXT_TYPES | {FieldType.SINGLE_SELECT})

    @cached_property
    def link_fields(self) -> tuple[Field, ...]:
        """The fields that link to records."""
        return tuple(field for field in self.fields if field.type is FieldType.MULTIPLE_RECORD_LINKS)

    @cached_property
    def attachment_fields(self) -> tuple[Field, ...]:
        """The fields that hold attachments."""
        return tuple(field for field in self.fields if field.type is FieldType.MULTIPLE_ATTACHMENTS)

    @cached_property
    def derived_fields(self) -> tuple[Field, ...]:
        """The fields whose cells are made anew when what they depend on changes."""
        return tuple(field for field in self.fields if field.derived)

    @cached_property
    def inverse_links(self) -> tuple[Field, ...]:
        """The link fields whose links the linked table holds, too."""
        return tuple(field for field in self.link_fields if field.inverse is not None)

    @cached_property
    def depends_on_store(self) -> bool:
        """Whether cells of the table can be judged only beside what the store holds."""
        return bool(self.link_fields or self.attachment_fields)

    @cached_property
    def numbered(self) -> bool:
        """Whether the table has autonumbers to give."""
        return any(field.numbered for field in self.fields)

    def field(self, name_or_id: str) -> Field:
        """Find a field by name, else by id, else by a former name.

        Raises:
            UnknownField: there is none; the error names the nearest one.
        """
        found = self.find_field(name_or_id)
        if found is None:
            raise UnknownField(self.name, name_or_id, self.by_name)
        return found

    def find_field(self, name_or_id: str) -> Field | None:
        """Find a field as `field` does; None when there is none."""
        found = self.by_name.get(name_or_id) or self.by_id.get(name_or_id)
        return found or self.by_former_name.get(name_or_id)

    def key_of(self, cells: Mapping[str, Cell]) -> str | None:
        """Return the key's text in these cells, or None when it is empty."""
        return None if self.key is None else str(cells[self.key]) if self.key in cells else None

    def named(self, cells: Mapping[str, Cell]) -> dict[str, Cell]:
        """Key the cells by field name, in the table's order; fields that are gone are left out."""
        return {field.name: cells[field.id] for field in self.fields if field.id in cells}

    def encode(self, record: Record) -> bytes:
        """Write a record as JSON: ``{"id", "createdTime", "fields"}`` with non-empty cells by field name."""
        if self._shows_facts:
            shown = dict(self._shown_cells(record))
        else:
            cells = record.cells
            shown = {name: cells[known] for name, known in self._names if known in cells}
        return orjson.dumps({"id": record.id, "createdTime": record.created_at, "fields": shown})

    def definition(self) -> dict[str, Any]:
        """Describe the table in the form of Airtable's Meta API, with our ``keyFieldId`` and ``baseId``."""
        description = {"description": self.description} if self.description else {}
        former_names = {"formerNames": list(self.former_names)} if self.former_names else {}
        base = {} if self.base is None else {"baseId": self.base}
        return {
            "id": self.id,
            "name": self.name,
            **base,
            **description,
            **former_names,
            "primaryFieldId": self.primary_field.id,
            "keyFieldId": self.key,
            "fields": [field.definition() for field in self.fields],
        }

    @cached_property
    def _names(self) -> list[tuple[str, str]]:
        return [(field.name, field.id) for field in self.fields]

    @cached_property
    def _shows_facts(self) -> bool:
        return any(field.is_fact for field in self.fields)

    def _shown_cells(self, record: Record) -> Iterator[tuple[str, Cell]]:
        cells = record.cells
        for field in self.fields:
            if field.is_fact:
                yield (
                    field.name,
                    record.created_at if field.type is FieldType.CREATED_TIME else record.modified_at,
                )
            elif field.id in cells:
                yield field.name, cells[field.id]


def table_from_definition(definition: Mapping[str, Any]) -> Table:
    """Read what `Table.definition` wrote.

    Raises:
        InvalidSchema: something is missing, contradictory, or of a type that this version does not keep.
    """
    try:
        fields = tuple(_field_from_definition(field) for field in definition["fields"])
        key, description = definition.get("keyFieldId"), definition.get("description") or ""
        base = None if definition.get("baseId") is None else _base_id(definition["baseId"])
        former_names = tuple(definition.get("formerNames", ()))
        return Table(TableId(definition["id"]), definition["name"], fields, key, description, former_names, base)
    except (KeyError, TypeError, AttributeError) as cause:
        raise InvalidSchema(
            "this is no table definition", hint='give {"id","name","fields":[{"id","name","type","options"?}]}'
        ) from cause


def _base_id(text: str) -> BaseId:
    if not looks_like_base_id(text):
        raise InvalidSchema("baseId is no id of a base", field="baseId", hint="'app' and 14 letters or digits")
    return BaseId(text)


def _field_from_definition(definition: Mapping[str, Any]) -> Field:
    try:
        kind = FieldType(definition["type"])
    except ValueError as cause:
        raise InvalidSchema(
            f"fields of type {str(definition['type'])[:40]!r} are not kept by this version",
            field=str(definition["name"])[:80],
            hint=f"types: {', '.join(FieldType)}",
        ) from cause
    options, description = definition.get("options") or {}, definition.get("description") or ""
    told, former_names = definition.get("told") is True, tuple(definition.get("formerNames", ()))
    return Field(FieldId(definition["id"]), definition["name"], kind, options, description, told, former_names)


def _can_be_key(field: Field) -> bool:
    return field.type in TEXT_TYPES | {FieldType.DATE}
