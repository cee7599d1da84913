"""The two forms of a file of records, and what their readers and writers agree on."""

from enum import StrEnum

from airtable_connector.records.schema import FieldType

FORMAT = "airtable-connector.export"
"""What the header line of a JSON Lines file calls itself."""

VERSION = 2
"""Version of the JSON Lines form; readers refuse later ones."""

VERSION_OF_ONE_BASE = 1
"""The version of a file without tables of made bases: readers that know no other base understand it."""

RECORD_COLUMNS = ("id", "createdTime")
"""The leading columns of a CSV file that are no fields. Either may be missing; elsewhere these names mean fields."""

JSON_TYPES = frozenset(
    {
        FieldType.MULTIPLE_SELECTS,
        FieldType.MULTIPLE_RECORD_LINKS,
        FieldType.MULTIPLE_ATTACHMENTS,
        FieldType.BARCODE,
        FieldType.SINGLE_COLLABORATOR,
        FieldType.MULTIPLE_COLLABORATORS,
    }
)
"""Types whose cells are lists or objects, written as JSON text into one CSV cell."""


class Form(StrEnum):
    """How records are written into a file."""

    JSON_LINES = "jsonl"
    CSV = "csv"
