"""What a change of the schema makes of the tables: new definitions, or a refusal. Nothing here awaits.

Nothing that is asked here removes anything: Airtable's own API removes no field, no table and no choice.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from airtable_connector.kernel.ids import BaseId, FieldId, Ids, TableId
from airtable_connector.records.errors import (
    FieldNameTaken,
    InvalidSchema,
    TableNameTaken,
    TooManyBases,
    UnknownField,
    UnknownTable,
)
from airtable_connector.records.schema import STANDARD_TABLES, Field, FieldType, MadeBase, Table, storable

MOST_BASES: Final = 100
"""Bases that clients made; they cannot be removed."""

MOST_TABLES: Final = 1_000
"""Tables of the service's own base, and as many of all the made ones together: every process holds them all."""

MOST_FIELDS: Final = 500
"""Fields of one table."""

MOST_CHOICES: Final = 1_000
"""Choices of one field."""

LONGEST_NAME: Final = 255
LONGEST_DESCRIPTION: Final = 20_000

COLORS: Final = ("blue", "cyan", "teal", "green", "yellow", "orange", "red", "pink", "purple", "gray")
"""The colors that choices are given in turn when nobody says which, in their lightest shade."""

FIXED_OPTIONS: Final = frozenset({"linkedTableId", "inverseLinkFieldId", "isReversed"})
"""Options that a field is given when it is made, and keeps."""

SELECTS: Final = frozenset({FieldType.SINGLE_SELECT, FieldType.MULTIPLE_SELECTS})

_STANDARD_IDS: Final = frozenset({table.id for table in STANDARD_TABLES})
_STANDARD_FIELD_IDS: Final = frozenset({field.id for table in STANDARD_TABLES for field in table.fields})

Tables: TypeAlias = Mapping[TableId, Table]


@dataclass(frozen=True)
class RenamedChoices:
    """Choices of a field that every cell of the table must be told of: their names before, and now."""

    table: TableId
    field: Field
    names: Mapping[str, str]


@dataclass(frozen=True)
class EmptiedField:
    """A field whose cells mean nothing any more."""

    table: TableId
    field: FieldId


@dataclass(frozen=True)
class NumberedField:
    """A field whose numbers are given here from now on, beyond those that are there."""

    table: TableId
    field: FieldId


@dataclass(frozen=True)
class Alteration:
    """The tables that are new or different, what their cells must be told, the tables that go, and the new bases."""

    tables: Sequence[Table]
    renamed: Sequence[RenamedChoices] = ()
    removed: Sequence[Table] = ()
    emptied: Sequence[EmptiedField] = ()
    bases: Sequence[MadeBase] = ()
    numbered: Sequence[NumberedField] = ()


@dataclass(frozen=True)
class FieldChange:
    """What is to be different about a field; None leaves it as it is.

    ``options`` takes the place of the options of the same names. The choices of a select field are listed all, in
    their new order: those with an ``id``, or with the name of one that is there, are these, maybe renamed or
    recolored; others are new.
    """

    name: str | None = None
    description: str | None = None
    options: Mapping[str, Any] | None = None


def with_tables(
    present: Tables,
    tables: Sequence[Table],
    *,
    ids: Ids,
    inverses: Mapping[FieldId, str] | None = None,
    bases: Sequence[MadeBase] = (),
) -> Alteration:
    """Add tables to those that are there, and the bases that some of them are the first tables of.

    Link fields that name no inverse field are given one in the table that they link to, named after their own. With
    ``inverses`` only those that it names, under the name that it gives.

    Raises:
        TableNameTaken, FieldNameTaken: a name is given already.
        InvalidSchema: a table of that id exists, or a base of that id, there are too many, a base is not there or would
            be empty, or a link leads to a table that is not in the base.
        TooManyBases: there are as many as there may be.
    """
    known = dict(present)
    _check_bases(present, tables, bases)
    for table in tables:
        _check_table_name(known, table.name, table.base)
        if table.id in known:
            raise InvalidSchema(f"there is a table with the id {table.id} already", field="id")
        known[table.id] = table
    own = sum(table.base is None for table in known.values())
    if max(own, len(known) - own) > MOST_TABLES:
        raise InvalidSchema(f"a base has at most {MOST_TABLES} tables, and so have all the made ones together")
    for table in tables:
        for field in table.fields:
            if inverses is None or field.id in inverses:
                name = table.name if inverses is None else inverses[field.id]
                known |= _paired(known, table.id, field, name, ids=ids)
    changed = [table for table in known.values() if present.get(table.id) is not table]
    for table in changed:
        _check_description(table.description)
        _check_fields(table, known)
    altered = [known[table.id] for table in tables] + [table for table in changed if table.id in present]
    return Alteration(altered, bases=bases)


def with_field(present: Tables, table_id: TableId, field: Field, *, ids: Ids) -> Alteration:
    """Add a field behind those of a table; the linked table of a link field is given its inverse.

    Raises:
        UnknownTable: the base has no such table.
        FieldNameTaken: the table has a field of that name.
        InvalidSchema: it has too many fields, or the field links to a table that is not in the base.
    """
    table = _table(present, table_id)
    grown = dataclasses.replace(table, fields=(*_without_name(table, field.name), field))
    known = {**present, table.id: grown}
    paired = _paired(known, table.id, field, table.name, ids=ids)
    known |= paired
    grown = known[table.id]
    for changed in (grown, *paired.values()):
        _check_fields(changed, known)
    return Alteration([grown, *(changed for changed in paired.values() if changed is not grown)])


def with_changed_field(
    present: Tables, table_id: TableId, field_id: FieldId, change: FieldChange, *, ids: Ids
) -> Alteration:
    """Change a field's name, description or options. Its type stays.

    Raises:
        UnknownTable, UnknownField: there is no such table or field.
        FieldNameTaken: another field has the name.
        InvalidSchema: the mesh relies on the name that would change, an option cannot change, or a choice would go.
    """
    table = _table(present, table_id)
    old = table.by_id.get(field_id)
    if old is None:
        raise UnknownField(table.name, field_id, table.by_id)
    name = old.name if change.name is None else change.name
    if name != old.name:
        _refuse_standard(old.id in _STANDARD_FIELD_IDS, f"{table.name}.{old.name}")
        _check_name(name, "a field")
        _without_name(table, name, beside=old)
    options = old.options if change.options is None else _changed_options(old, change.options, ids)
    description = old.description if change.description is None else _check_description(change.description)
    new = dataclasses.replace(old, name=name, options=options, description=description)
    fields = tuple(new if field is old else field for field in table.fields)
    renamed = renamed_choices(old, new)
    if renamed:
        _refuse_standard(old.id in _STANDARD_FIELD_IDS, f"the choices of {table.name}.{old.name}")
    return Alteration(
        [dataclasses.replace(table, fields=fields)], [RenamedChoices(table.id, new, renamed)] if renamed else []
    )


def with_choices(
    present: Tables, table_id: TableId, field_id: FieldId, names: Sequence[str], *, ids: Ids
) -> Alteration:
    """Add choices to a select field, behind those that it has; a name that it has already is no choice more.

    Raises:
        UnknownTable, UnknownField: there is no such table or field.
        InvalidSchema: it would have too many choices.
    """
    field = _table(present, table_id).by_id.get(field_id)
    held = () if field is None else field.choices
    added = [name for name in dict.fromkeys(names) if name not in held]
    wanted = [{"name": name} for name in (*held, *added)]
    return with_changed_field(present, table_id, field_id, FieldChange(options={"choices": wanted}), ids=ids)


def with_changed_table(
    present: Tables, table_id: TableId, *, name: str | None = None, description: str | None = None
) -> Alteration:
    """Change a table's name or description.

    Raises:
        UnknownTable: there is no such table.
        TableNameTaken: another table has the name.
        InvalidSchema: the mesh relies on the table's name.
    """
    table = _table(present, table_id)
    if name is not None and name != table.name:
        _refuse_standard(table.id in _STANDARD_IDS, table.name)
        _check_table_name({each.id: each for each in present.values() if each is not table}, name, table.base)
        table = dataclasses.replace(table, name=name)
    if description is not None:
        table = dataclasses.replace(table, description=_check_description(description))
    return Alteration([table])


def difference(old: Table | None, new: Table) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Tell what a table's definition was and is where it differs; fields stand under their ids.

    ``fieldOrder`` is there when fields that were and are in the table changed places.
    """
    if old is None:
        return None, new.definition()
    before, after = _members(old, new), _members(new, old)
    differing = [name for name in (before | after) if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in differing}, {name: after.get(name) for name in differing}


def keeps_its_json(old: Table, new: Table) -> bool:
    """Tell whether the records of a table are written as JSON as they were before its schema changed."""
    kept = new.fields[: len(old.fields)]
    return (
        len(kept) == len(old.fields)
        and all(_writes_alike(was, now) for was, now in zip(old.fields, kept, strict=True))
        and not any(field.computed for field in new.fields[len(kept) :])
    )


def _writes_alike(was: Field, now: Field) -> bool:
    if (was.id, was.name, was.type) != (now.id, now.name, now.type):
        return False
    return was.options == now.options or not (now.computed or renamed_choices(was, now))


def _members(table: Table, other: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "description": table.description,
        "formerNames": list(table.former_names),
        "keyFieldId": table.key,
        "fieldOrder": [field.id for field in table.fields if field.id in other.by_id],
        **{str(field.id): field.definition() for field in table.fields},
    }


def _table(present: Tables, table_id: TableId) -> Table:
    if table_id not in present:
        raise UnknownTable(table_id, present)
    return present[table_id]


def _check_bases(present: Tables, tables: Sequence[Table], bases: Sequence[MadeBase]) -> None:
    """A base is known by its tables, of which none ever goes: it has one from the beginning."""
    there = {table.base for table in present.values()} - {None}
    new = {base.id for base in bases}
    for base in bases:
        _check_name(base.name, "a base")
    if len(there) + len(bases) > MOST_BASES:
        raise TooManyBases(MOST_BASES)
    if len(new) < len(bases) or new & there:
        raise InvalidSchema("there is a base of that id already", field="id")
    named = {table.base for table in tables} - {None}
    if not new <= named or not named <= there | new:
        raise InvalidSchema("a table names a base that is not there, or a new base has no table", field="baseId")


def _check_table_name(present: Tables, name: str, base: BaseId | None) -> None:
    _check_name(name, "a table")
    if any(table.base == base and table.name.casefold() == name.casefold() for table in present.values()):
        raise TableNameTaken(name)


def _check_name(name: str, whose: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME or not storable(name):
        raise InvalidSchema(f"the name of {whose} has 1 to {LONGEST_NAME} characters, and no NUL", field="name")


def _check_fields(table: Table, known: Tables) -> None:
    if not 1 <= len(table.fields) <= MOST_FIELDS:
        raise InvalidSchema(f"a table has 1 to {MOST_FIELDS} fields", field="fields")
    names = set[str]()
    for field in table.fields:
        if field.name.casefold() in names:
            raise FieldNameTaken(table.name, field.name)
        names.add(field.name.casefold())
        _check_name(field.name, "a field")
        _check_description(field.description)
        _check_choices(field.name, field.choices)
        if "linkedTableId" in field.options and _linked(known, table, field) is None:
            raise InvalidSchema(f"{field.name} links to a table that is not in the base", field=field.name)
        if field.inverse is not None and not is_paired(known, table.id, field):
            raise InvalidSchema(f"the inverse field of {field.name} is not its inverse", field=field.name)


def is_paired(known: Tables, table_id: TableId, field: Field) -> bool:
    """Tell whether the field that a link field names as its inverse names it, too."""
    linked = known.get(field.options["linkedTableId"])
    other = None if linked is None or field.inverse is None else linked.by_id.get(field.inverse)
    return (
        other is not None
        and other.id != field.id
        and other.inverse == field.id
        and other.options["linkedTableId"] == table_id
    )


def _paired(known: Tables, table_id: TableId, field: Field, name: str, *, ids: Ids) -> dict[TableId, Table]:
    """Give a new link field its inverse, as Airtable does: not where it names one, nor within its own table."""
    is_free = field.type is FieldType.MULTIPLE_RECORD_LINKS and field.inverse is None and not field.told
    if not is_free or field.options.get("linkedTableId") == table_id:
        return {}
    table = known[table_id]
    linked = _linked(known, table, field)
    if linked is None:
        raise InvalidSchema(f"{field.name} links to a table that is not in the base", field=field.name)
    inverse_id = FieldId(ids.mint("fld"))
    shown = {"isReversed": False, "prefersSingleRecordLink": False}
    options = {**shown, **field.options, "inverseLinkFieldId": inverse_id}
    back = {"linkedTableId": table_id, **shown, "inverseLinkFieldId": field.id}
    inverse = Field(inverse_id, _free_name(linked, name), field.type, back)
    paired = dataclasses.replace(field, options=options)
    fields = tuple(paired if each.id == field.id else each for each in table.fields)
    return {
        table.id: dataclasses.replace(table, fields=fields),
        linked.id: dataclasses.replace(linked, fields=(*linked.fields, inverse)),
    }


def _linked(known: Tables, table: Table, field: Field) -> Table | None:
    """Return the table that a field links to when it is in the base of the field's own table."""
    found = known.get(TableId(field.options.get("linkedTableId", "")))
    return found if found is not None and found.base == table.base else None


def _free_name(table: Table, name: str) -> str:
    """Return a name that no field of the table has: with a number behind it where it must be."""
    taken = {field.name.casefold() for field in table.fields}
    wanted, number = name, 2
    while wanted.casefold() in taken:
        wanted = f"{name[: LONGEST_NAME - 5]} {number}"
        number += 1
    return wanted


def _without_name(table: Table, name: str, beside: Field | None = None) -> tuple[Field, ...]:
    """Return the table's fields, none of which may have the name, but for the one that is to be renamed."""
    if any(field is not beside and field.name.casefold() == name.casefold() for field in table.fields):
        raise FieldNameTaken(table.name, name)
    return table.fields


def _check_description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION or not storable(text):
        raise InvalidSchema(
            f"a description has at most {LONGEST_DESCRIPTION} characters, and no NUL", field="description"
        )
    return text


def _check_choices(field: str, names: Sequence[str]) -> None:
    if len(names) > MOST_CHOICES:
        raise InvalidSchema(f"{field} has more than {MOST_CHOICES} choices", field=field)
    if len(set(names)) != len(names):
        raise InvalidSchema(f"{field} has two choices of one name", field=field)


def _refuse_standard(standard: bool, what: str) -> None:  # noqa: FBT001 - reads as the sentence it is
    if standard:
        raise InvalidSchema(
            f"{what} keeps its name: other droplets send it", field="name", hint="change the description instead"
        )


def _changed_options(field: Field, wanted: Mapping[str, Any], ids: Ids) -> dict[str, Any]:
    for name in FIXED_OPTIONS & wanted.keys():
        if wanted[name] != field.options.get(name):
            raise InvalidSchema(f"{name} of {field.name} cannot change", field=name)
    options = {**field.options, **wanted}
    if field.type in SELECTS and "choices" in wanted:
        options["choices"] = _changed_choices(field, wanted["choices"], ids)
    return options


def _changed_choices(field: Field, wanted: Any, ids: Ids) -> list[dict[str, Any]]:
    held = {str(choice["id"]): choice for choice in field.options["choices"] if "id" in choice}
    by_name = {str(choice["name"]): choice for choice in field.options["choices"]}
    choices: list[dict[str, Any]] = []
    try:
        for item in wanted:
            known = held[item["id"]] if "id" in item else by_name.get(item["name"], {})
            color = COLORS[len(choices) % len(COLORS)] + "Light2"
            made = {} if known else {"id": ids.mint("sel"), "color": color}
            kept = {name: str(item[name]) for name in ("name", "color") if name in item}
            choices.append({**made, **known, **kept})
        names = [choice["name"] for choice in choices]
        _check_choices(field.name, names)
    except (KeyError, TypeError, AttributeError) as cause:
        raise InvalidSchema(
            f"these are no choices of {field.name}", field="choices", hint='give [{"id"?, "name", "color"?}, …]'
        ) from cause
    for name in names:
        _check_name(name, f"a choice of {field.name}")
    identities = {choice.get("id", choice["name"]) for choice in choices}
    if any(choice.get("id", choice["name"]) not in identities for choice in field.options["choices"]):
        raise InvalidSchema(f"a choice of {field.name} would go", field="choices", hint="list all choices")
    return choices


def renamed_choices(old: Field, new: Field) -> dict[str, str]:
    """Return the choices of a select field that have other names now: the names before, and now."""
    if old.type not in SELECTS or old.options == new.options:
        return {}
    now = {choice["id"]: choice["name"] for choice in new.options["choices"] if "id" in choice}
    before = {choice["id"]: choice["name"] for choice in old.options["choices"] if "id" in choice}
    return {name: now[known] for known, name in before.items() if now.get(known, name) != name}
