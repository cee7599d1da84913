"""What can be wrong with the schema that a base is compared with."""

from airtable_connector.kernel.errors import Invalid


class SchemaFileRefused(Invalid):
    """A file that says which tables a base is to have cannot be used."""

    code = "schema-file-refused"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the schema file cannot be used: {why}",
            hint="'airtable-connector schema export' and 'schema show' print such files",
        )


class MalformedDefinition(ValueError):
    """A definition of a table or a field has not the form that the Meta API gives it. The message says where."""
