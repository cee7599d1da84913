"""How the schema differs from before, found by ids: for people, for callers' old names, and for what must be listed.

Pure.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.records import Field, Table
from airtable_connector.sync.mirror.store import FormerName, SchemaChange

ALIASES_FOR: Final = timedelta(days=30)
"""How long callers may use a name that a table or a field had."""

Tables = Mapping[TableId, Table]


def changes(before: Tables, after: Tables, *, at: datetime) -> list[SchemaChange]:
    """Say in words for people what is different."""
    return [change for table in {**before, **after} for change in _changes(before.get(table), after.get(table), at)]


def names(before: Tables, after: Tables, known: Sequence[FormerName], *, at: datetime) -> list[FormerName]:
    """Return the former names that callers may still use; a name that has come back to its owner is none."""
    kept = [each for each in known if each.until > at and each.table in after]
    for table in after.values():
        if table.id in before:
            kept += _new_names(before[table.id], table, at + ALIASES_FOR)
    last = {(each.table, each.field, each.name): each for each in kept}
    return [each for each in last.values() if not _is_present(each, after[each.table])]


def with_names(table: Table, known: Sequence[FormerName]) -> Table:
    """Give a table and its fields the names that they had, so that callers find them."""
    fields = tuple(
        dataclasses.replace(field, former_names=_names_of(table.id, FieldId(field.id), known)) for field in table.fields
    )
    return dataclasses.replace(table, fields=fields, former_names=_names_of(table.id, None, known))


def to_list(before: Tables, after: Tables) -> list[TableId]:
    """Return the tables whose cells may be others although no payload will say so.

    A field was added, is made from something else, or had choices renamed or removed.
    """
    return [table.id for table in after.values() if table.id in before and _cells_may_differ(before[table.id], table)]


def _changes(was: Table | None, now: Table | None, at: datetime) -> Iterator[SchemaChange]:
    if was is None and now is not None:
        yield SchemaChange(at, "table added", now.name)
    elif was is not None and now is None:
        yield SchemaChange(at, "table removed", was.name)
    elif was is not None and now is not None:
        yield from _table_changes(was, now, at)


def _table_changes(was: Table, now: Table, at: datetime) -> Iterator[SchemaChange]:
    if was.name != now.name:
        yield SchemaChange(at, "table renamed", now.name, before=was.name, after=now.name)
    for name in {**was.by_id, **now.by_id}:
        old, new = was.by_id.get(name), now.by_id.get(name)
        if old is None and new is not None:
            yield SchemaChange(at, "field added", now.name, new.name, after=new.type)
        elif old is not None and new is None:
            yield SchemaChange(at, "field removed", now.name, old.name, before=old.type)
        elif old is not None and new is not None:
            yield from _field_changes(now.name, old, new, at)


def _field_changes(table: str, old: Field, new: Field, at: datetime) -> Iterator[SchemaChange]:
    if old.name != new.name:
        yield SchemaChange(at, "field renamed", table, new.name, before=old.name, after=new.name)
    if old.type is not new.type:
        yield SchemaChange(at, "type changed", table, new.name, before=old.type, after=new.type)
    was, now = _choices(old), _choices(new)
    for choice, name in was.items():
        if choice not in now:
            yield SchemaChange(at, "choice removed", table, new.name, before=name)
        elif now[choice] != name:
            yield SchemaChange(at, "choice renamed", table, new.name, before=name, after=now[choice])


def _new_names(was: Table, now: Table, until: datetime) -> Iterator[FormerName]:
    if was.name != now.name:
        yield FormerName(now.id, None, was.name, until)
    for field in now.fields:
        old = was.by_id.get(field.id)
        if old is not None and old.name != field.name:
            yield FormerName(now.id, FieldId(field.id), old.name, until)


def _is_present(former: FormerName, table: Table) -> bool:
    if former.field is None:
        return former.name == table.name
    field = table.by_id.get(former.field)
    return field is None or field.name == former.name


def _names_of(table: TableId, field: FieldId | None, known: Sequence[FormerName]) -> tuple[str, ...]:
    return tuple(each.name for each in known if (each.table, each.field) == (table, field))


def _cells_may_differ(was: Table, now: Table) -> bool:
    for field in now.fields:
        old = was.by_id.get(field.id)
        if old is None or old.type is not field.type or _made_from(old) != _made_from(field):
            return True
        choices = _choices(field)
        if any(choices.get(choice) != name for choice, name in _choices(old).items()):
            return True
    return False


def _made_from(field: Field) -> Mapping[str, Any] | None:
    """Return what a computed cell is made from; nothing for others, whose options are about showing them."""
    return dict(field.options) if field.computed else None


def _choices(field: Field) -> Mapping[str, str]:
    return {str(choice.get("id") or choice["name"]): choice["name"] for choice in field.options.get("choices", ())}
