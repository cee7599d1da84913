"""Tables, fields, and what a cell may hold."""

from airtable_connector.records.schema.cells import (
    LONGEST_TEXT,
    MOST_ITEMS,
    Cell,
    Surroundings,
    naming,
    read_cell,
    read_text,
    storable,
)
from airtable_connector.records.schema.fields import (
    COMPUTED_TYPES,
    FOREIGN_TYPES,
    NAMING_MEMBERS,
    NUMBER_TYPES,
    RECORD_FACTS,
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
    "COMPUTED_TYPES",
    "DAILY_DIGEST",
    "FOREIGN_TYPES",
    "HEARTBEATS",
    "LONGEST_TEXT",
    "MOST_ITEMS",
    "NAMING_MEMBERS",
    "NUMBER_TYPES",
    "PROOF",
    "RECORD_FACTS",
    "SPRINTS",
    "STANDARD_TABLES",
    "TEXT_TYPES",
    "Cell",
    "Field",
    "FieldType",
    "Record",
    "Surroundings",
    "Table",
    "naming",
    "read_cell",
    "read_text",
    "stable_id",
    "storable",
    "table_from_definition",
]
