"""Tables with computed fields: tasks that belong to projects, projects that belong to a client."""

from typing import Any

from tests.factories.records import a_table

from airtable_connector.kernel.ids import FieldId
from airtable_connector.records import Field, FieldType, Table, stable_id

CLIENTS_ID, PROJECTS_ID, TASKS_ID = (stable_id("tbl", "tests", name) for name in ("Clients", "Programmes", "Tasks"))


def field_id(table: str, name: str) -> FieldId:
    return FieldId(stable_id("fld", "computed", table, name))


def of(table: str, name: str, kind: FieldType, **options: Any) -> Field:
    return Field(field_id(table, name), name, kind, options)


def formula(table: str, name: str, text: str) -> Field:
    return of(table, name, FieldType.FORMULA, formula=text)


def link(table: str, name: str, to: str) -> Field:
    return of(table, name, FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=to)


def rollup(table: str, name: str, over: str, field: FieldId, text: str) -> Field:
    options = {"recordLinkFieldId": field_id(table, over), "fieldIdInLinkedTable": field, "formula": text}
    return of(table, name, FieldType.ROLLUP, **options)


def lookup(table: str, name: str, over: str, field: FieldId) -> Field:
    options = {"recordLinkFieldId": field_id(table, over), "fieldIdInLinkedTable": field}
    return of(table, name, FieldType.MULTIPLE_LOOKUP_VALUES, **options)


def count(table: str, name: str, over: str) -> Field:
    return of(table, name, FieldType.COUNT, recordLinkFieldId=field_id(table, over))


TASKS: Table = a_table(
    "Tasks",
    "Name",
    of("Tasks", "Name", FieldType.SINGLE_LINE_TEXT),
    of("Tasks", "Hours", FieldType.NUMBER, precision=2),
    of("Tasks", "Done", FieldType.CHECKBOX),
    of("Tasks", "Day", FieldType.DATE),
    formula("Tasks", "Cost", "{Hours} * 50"),
    formula("Tasks", "Label", "IF({Done}, 'done: ', 'open: ') & {Name} & ' (' & {Cost} & ')'"),
    formula("Tasks", "Share", "10 / {Hours}"),
    formula("Tasks", "Shout", "UPPER({Label})"),
)

PROGRAMMES: Table = a_table(
    "Programmes",
    "Name",
    of("Programmes", "Name", FieldType.SINGLE_LINE_TEXT),
    link("Programmes", "Tasks", TASKS_ID),
    count("Programmes", "Count", "Tasks"),
    rollup("Programmes", "Cost", "Tasks", field_id("Tasks", "Cost"), "SUM(values)"),
    lookup("Programmes", "Labels", "Tasks", field_id("Tasks", "Label")),
    formula("Programmes", "Summary", "{Name} & ': ' & {Cost} & ' for ' & {Tasks}"),
)

CLIENTS: Table = a_table(
    "Clients",
    "Name",
    of("Clients", "Name", FieldType.SINGLE_LINE_TEXT),
    link("Clients", "Programmes", PROJECTS_ID),
    rollup("Clients", "Cost", "Programmes", field_id("Programmes", "Cost"), "SUM(values)"),
    formula("Clients", "Invoice", "'to ' & {Name} & ': ' & {Cost} * 1.2"),
)

CHAIN = (TASKS, PROGRAMMES, CLIENTS)
