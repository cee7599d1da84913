"""What can be wrong with a request to the Web API, as leaves of the kernel's families.

Their messages are Airtable's, because clients compare them; `words` knows the types and numbers that go with them.
"""

from collections.abc import Iterable
from datetime import timedelta

from airtable_connector.kernel.errors import Forbidden, Invalid, LimitReached, NotFound

MOST_WRITTEN = 10
"""Records of one request that writes; Airtable's own limit."""

SHOWN = 80
"""Characters of a caller's text in a message."""


class AddressUnknown(NotFound):
    """Nothing answers at this address, or an id in it has not the shape of one."""

    code = "airtable-address-unknown"

    def __init__(self) -> None:
        super().__init__("nothing answers at this address", hint="docs/airtable-compatibility.md lists what does")


class NotOffered(NotFound):
    """Airtable offers this, the connector does not."""

    code = "airtable-not-offered"

    def __init__(self, what: str) -> None:
        super().__init__(f"The Airtable Connector does not offer {what}")


class ModelNotFound(Forbidden):
    """The base, the table or the record does not exist; Airtable does not tell it from one that is not allowed."""

    code = "airtable-model-not-found"

    def __init__(self) -> None:
        super().__init__(
            "Invalid permissions, or the requested model was not found. Check that both your user and your token have"
            " the required permissions, and that the model names and/or ids are correct."
        )


class WorkspaceMissing(Invalid):
    """A base is to be made, and nothing says in which workspace."""

    code = "airtable-workspace-missing"

    def __init__(self) -> None:
        super().__init__("Server error", field="workspaceId")


class WorkspaceUnknown(NotFound):
    """A base is to be made in a workspace that is not there."""

    code = "airtable-workspace-unknown"

    def __init__(self) -> None:
        super().__init__("Record not found", field="workspaceId")


class InvalidParameters(Invalid):
    """A parameter, or a member of the body, is unknown, missing, or of the wrong kind."""

    code = "airtable-invalid-parameters"

    def __init__(self, name: str) -> None:
        super().__init__("Invalid request: parameter validation failed. Check your request data.", field=name[:SHOWN])


class NeedsParameter(Invalid):
    """A parameter is given that needs another one beside it."""

    code = "airtable-needs-parameter"

    def __init__(self, name: str, needed: str) -> None:
        super().__init__(f"{name} needs {needed} beside it", field=needed)


class FieldsMissing(Invalid):
    """The body of a write names no cells."""

    code = "airtable-fields-missing"

    def __init__(self) -> None:
        super().__init__('Could not find field "fields" in the request body', field="fields")


class InvalidRecords(Invalid):
    """The records of a batch are none, too many, or not of the shape that this write takes."""

    code = "airtable-invalid-records"

    def __init__(self, expected: str) -> None:
        super().__init__(f"You must provide an array of up to {MOST_WRITTEN} {expected}", field="records")


class ComputedCell(Invalid):
    """A value is sent for a field whose cells the store makes."""

    code = "airtable-computed-cell"

    def __init__(self, field: str) -> None:
        super().__init__(f'Field "{field}" cannot accept a value because the field is computed', field=field)


class CellNotAccepted(Invalid):
    """A value does not fit its field."""

    code = "airtable-cell-not-accepted"

    def __init__(self, field: str, hint: str | None = None) -> None:
        super().__init__(f'Field "{field}" cannot accept the provided value', field=field, hint=hint)


class CellNotRead(Invalid):
    """A value has not the JSON shape that its field takes."""

    code = "airtable-cell-not-read"

    def __init__(self, field: str) -> None:
        super().__init__(f"Cannot parse value for field {field}", field=field)


class ChoiceNotThere(Invalid):
    """A select field has no such choice, and a token of the mesh may not add one."""

    code = "airtable-choice-not-there"

    def __init__(self, field: str, choice: str) -> None:
        super().__init__(f'Insufficient permissions to create new select option ""{choice[:SHOWN]}""', field=field)


class NoAttachment(Invalid):
    """An item of an attachment cell is neither a new attachment nor one that the cell holds."""

    code = "airtable-no-attachment"

    def __init__(self, field: str) -> None:
        super().__init__(
            f'Invalid attachment object for field "{field}": give a "url", or the "id" of one that the cell holds',
            field=field,
        )


class NoRecordId(Invalid):
    """An item of a link cell is no record id."""

    code = "airtable-no-record-id"

    def __init__(self, field: str, item: object) -> None:
        # an object is shown as JavaScript would show it, because that is what Airtable does
        shown = item[:SHOWN] if isinstance(item, str) else "[object Object]"
        super().__init__(f'Value "{shown}" is not a valid record ID.', field=field)


class RowMissing(Invalid):
    """A record that a write names is not in the table."""

    code = "airtable-row-missing"

    def __init__(self, record: str) -> None:
        super().__init__(f"Record ID {record} does not exist in this table")


class RowOfOtherTable(Invalid):
    """A link names a record of another table than the one it links to."""

    code = "airtable-row-of-other-table"

    def __init__(self, record: str, *, held_by: str, linked: str) -> None:
        super().__init__(f"Record ID {record} belongs to table {held_by}, but the field links to table {linked}")


class RowToDeleteMissing(NotFound):
    """A record that a batch wants removed is not in the table."""

    code = "airtable-row-to-delete-missing"

    def __init__(self, record: str) -> None:
        super().__init__(f'Could not find a record with ID "{record}".')


class ViewMissing(Invalid):
    """The table has no view of that name or id."""

    code = "airtable-view-missing"

    def __init__(self, view: str, *, by_id: bool) -> None:
        super().__init__(f"View {view[:SHOWN]} not found", field="view")
        self.by_id = by_id


class ViewOfOtherTable(Invalid):
    """The view belongs to another table of the base. Airtable gives no message."""

    code = "airtable-view-of-other-table"

    def __init__(self) -> None:
        super().__init__("the view belongs to another table", field="view")


class OffsetInvalid(Invalid):
    """An offset is not one that this list handed out."""

    code = "airtable-offset-invalid"

    def __init__(self, offset: str) -> None:
        super().__init__(f"The value of offset {offset[:SHOWN]} is invalid", field="offset")


class CannotMergeOn(Invalid):
    """An upsert cannot find records by this field."""

    code = "airtable-cannot-merge-on"

    def __init__(self, field: str, types: Iterable[str]) -> None:
        super().__init__(
            f'Records cannot be merged on the field "{field}"; its type is none of {", ".join(sorted(types))}',
            field=field,
        )


class MergeFieldMissing(Invalid):
    """A record of an upsert leaves out a field to merge on."""

    code = "airtable-merge-field-missing"

    def __init__(self, field: str) -> None:
        super().__init__(f'Every record without an id must have the field to merge on "{field}"', field=field)


class FieldNameEmpty(Invalid):
    """A field that is to be made has no name."""

    code = "airtable-field-name-empty"

    def __init__(self) -> None:
        super().__init__("A field needs a name", field="name")


class TypeNotCreated(Invalid):
    """A field of this type cannot be made here, or not in this place."""

    code = "airtable-type-not-created"

    def __init__(self, field: str, kind: str, why: str = "is not supported at this time") -> None:
        name = field[:SHOWN]
        super().__init__(f"Invalid options for {name}: Creating {kind} fields {why}", field=name)


class OptionsNotTaken(Invalid):
    """The options of a field that is to be made or changed are not those of its type."""

    code = "airtable-options-not-taken"

    def __init__(self, field: str, what: str) -> None:
        name = field[:SHOWN]
        super().__init__(f"Invalid options for {name}: Failed schema validation: {what}", field=name)


class UploadTooLarge(Invalid):
    """A file has more bytes than an attachment may have."""

    code = "airtable-upload-too-large"

    def __init__(self, most: int) -> None:
        super().__init__(f"An attachment may have {most:,} bytes", field="file")


class UploadsAtOnce(LimitReached):
    """As many uploads are at work as are held in memory at once."""

    code = "airtable-uploads-at-once"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} uploads are at work; please try again", retry_after=timedelta(seconds=1))


class CalledTooFast(LimitReached):
    """The base was asked more often in a second than the operator allows."""

    code = "airtable-called-too-fast"

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__("Rate limit exceeded. Please try again later", retry_after=retry_after)
