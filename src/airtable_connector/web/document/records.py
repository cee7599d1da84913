"""The schemas of a table's records and of what a write may send, made from the table's definition."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from airtable_connector.records import CELLS, DAILY_DIGEST, HEARTBEATS, PROOF, SPRINTS, Field, Table
from airtable_connector.web.document.cells import accepted, shown
from airtable_connector.web.document.shapes import Schema, closed, list_of, ref, success
from airtable_connector.web.domain.bodies import MOST_RECORDS

SINGULAR: Final[Mapping[str, str]] = {
    SPRINTS.name: "Sprint",
    CELLS.name: "Cell",
    PROOF.name: "Proof",
    HEARTBEATS.name: "Heartbeat",
    DAILY_DIGEST.name: "Digest",
}
"""What one record of a table is called in schema names."""


def answered(table: Table) -> dict[str, Schema]:
    """Describe a table's records, alone and in lists."""
    name = SINGULAR[table.name]
    page = {"records": list_of(ref(name)), "offset": ref("Offset")}
    return {
        f"{name}Fields": {
            "description": f"The cells of {table.name} that are not empty, or those of them named by `fields`.",
            **_cells(table, shown),
        },
        name: closed({"id": ref("RecordId"), "createdTime": ref("Moment"), "fields": ref(f"{name}Fields")}),
        f"{name}Item": success(ref(name), warnings=True),
        f"{name}List": success(closed(page, optional=("offset",)), beside=page, warnings=True),
    }


def sent(table: Table) -> dict[str, Schema]:
    """Describe what a write to a table may send: one record, or many."""
    name = SINGULAR[table.name]
    one = ref(f"{name}Input")
    many = list_of(one, minItems=1, maxItems=MOST_RECORDS)
    return {
        f"{name}Cells": {
            "description": f"Cells of {table.name} by field name; a field's id is taken as well.",
            **_cells(table, partial(_accepted, table)),
        },
        f"{name}Input": {"anyOf": [ref(f"{name}Cells"), closed({"fields": ref(f"{name}Cells")})]},
        f"{name}Inputs": {"anyOf": [one, many, closed({"records": many})]},
    }


def _accepted(table: Table, field: Field) -> Schema:
    # the keys of the tables that callers write are texts
    return {"anyOf": [ref("Key"), ref("Empty")]} if field.id == table.key else accepted(field)


def _cells(table: Table, describe: Callable[[Field], Schema]) -> Schema:
    return closed(
        {field.name: describe(field) for field in table.fields}, optional=tuple(field.name for field in table.fields)
    )
