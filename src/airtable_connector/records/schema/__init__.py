"""Tables, fields, and what a cell may hold."""

from airtable_connector.records.schema.cells import (
    LONGEST_TEXT,
    MOST_ITEMS,
    Cell,
    KeptFile,
    Surroundings,
    kept_file,
    read_cell,
    read_text,
    storable,
)
from airtable_connector.records.schema.fields import (
    COMPUTED_TYPES,
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
    "HEARTBEATS",
    "LONGEST_TEXT",
    "MOST_ITEMS",
    "NUMBER_TYPES",
    "PROOF",
    "RECORD_FACTS",
    "SPRINTS",
    "STANDARD_TABLES",
    "TEXT_TYPES",
    "Cell",
    "Field",
    "FieldType",
    "KeptFile",
    "Record",
    "Surroundings",
    "Table",
    "kept_file",
    "read_cell",
    "read_text",
    "stable_id",
    "storable",
    "table_from_definition",
]
