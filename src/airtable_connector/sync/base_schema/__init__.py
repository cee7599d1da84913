"""The schema of the base at Airtable: what it lacks, compared with what the mesh relies on, and making that.

Nothing is ever deleted, renamed, or given another type.
"""

from airtable_connector.sync.base_schema.applying import Applied, CloudSchema, Refusal, SchemaChanged, SchemaClient
from airtable_connector.sync.base_schema.comparison import (
    ByHand,
    Differs,
    Finding,
    NewChoices,
    NewField,
    NewTable,
    Plan,
    Step,
    compare,
)
from airtable_connector.sync.base_schema.definitions import (
    BaseSchema,
    FieldDefinition,
    TableDefinition,
    read_schema,
)
from airtable_connector.sync.base_schema.errors import SchemaFileRefused
from airtable_connector.sync.base_schema.targets import (
    CONNECTOR_KEY,
    LARGEST_FILE,
    read_target,
    standard_target,
)

__all__ = [
    "CONNECTOR_KEY",
    "LARGEST_FILE",
    "Applied",
    "BaseSchema",
    "ByHand",
    "CloudSchema",
    "Differs",
    "FieldDefinition",
    "Finding",
    "NewChoices",
    "NewField",
    "NewTable",
    "Plan",
    "Refusal",
    "SchemaChanged",
    "SchemaClient",
    "SchemaFileRefused",
    "Step",
    "TableDefinition",
    "compare",
    "read_schema",
    "read_target",
    "standard_target",
]
