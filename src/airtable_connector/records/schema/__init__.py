"""Tables, fields, and what a cell may hold."""

from airtable_connector.records.schema.cells import (
    LONGEST_TEXT,
    MOST_ITEMS,
    Cell,
    Surroundings,
    one_form,
    read_cell,
    read_text,
    storable,
)
from airtable_connector.records.schema.fields import (
    COLLABORATOR_TYPES,
    COMPUTED_TYPES,
    DERIVED_TYPES,
    FAILING_TYPES,
    NUMBER_TYPES,
    TEXT_TYPES,
    Field,
    FieldType,
    stable_id,
)
from airtable_connector.records.schema.standard import (
    CELLS,
    DAILY_DIGEST,
    HEARTBEATS,
    PROOF,
    SPRINTS,
    STANDARD_TABLES,
)
from airtable_connector.records.schema.tables import Record, Table, table_from_definition

__all__ = [
    "CELLS",
    "COLLABORATOR_TYPES",
    "COMPUTED_TYPES",
    "DAILY_DIGEST",
    "DERIVED_TYPES",
    "FAILING_TYPES",
    "HEARTBEATS",
    "LONGEST_TEXT",
    "MOST_ITEMS",
    "NUMBER_TYPES",
    "PROOF",
    "SPRINTS",
    "STANDARD_TABLES",
    "TEXT_TYPES",
    "Cell",
    "Field",
    "FieldType",
    "Record",
    "Surroundings",
    "Table",
    "one_form",
    "read_cell",
    "read_text",
    "stable_id",
    "storable",
    "table_from_definition",
]
