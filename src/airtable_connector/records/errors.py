"""What can go wrong in the record store, as leaves of the kernel's families."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from airtable_connector.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from airtable_connector.kernel.suggest import did_you_mean


class UnknownTable(NotFound):
    """The base has no table of that name or id."""

    code = "unknown-table"

    def __init__(self, table: str, known: Iterable[str]) -> None:
        super().__init__(f"the base has no table {table[:80]!r}", hint=did_you_mean(table, known))
        self.table = table


class RecordNotFound(NotFound):
    """The table has no record with that id or key."""

    code = "record-not-found"

    def __init__(self, table: str, target: str) -> None:
        super().__init__(
            f"{table} has no record {target[:80]!r}",
            hint="give a record id ('rec' and 14 letters or digits) or the value of the table's key field",
        )
        self.table, self.target = table, target


class CommentNotFound(NotFound):
    """The record has no comment of that id."""

    code = "comment-not-found"

    def __init__(self, comment: str) -> None:
        super().__init__(f"Row comment with id {comment[:80]} does not exist")


class ParentCommentNotFound(NotFound):
    """The comment that is to be answered is none of the record's."""

    code = "parent-comment-not-found"

    def __init__(self) -> None:
        super().__init__("Comment not found", field="parentCommentId")


class CommentOfAnother(Forbidden):
    """A comment is to be changed or removed by somebody who did not write it."""

    code = "comment-of-another"

    def __init__(self) -> None:
        super().__init__("only who wrote a comment may change or remove it")


class CommentRefused(Invalid):
    """A text cannot be a comment's."""

    code = "comment-refused"

    def __init__(self, got: str) -> None:
        super().__init__(
            f"a comment cannot be {got}", field="text", hint="allowed: 1 to 10,000 characters, not all blank"
        )


class TooManyComments(Conflict):
    """A record has as many comments as it may have."""

    code = "too-many-comments"

    def __init__(self, most: int) -> None:
        super().__init__(f"the record has {most} comments, the most there may be", hint="remove some first")


class AttachmentAddressRefused(Forbidden):
    """An address of an attachment is not one that this service made."""

    code = "attachment-address-refused"

    def __init__(self) -> None:
        super().__init__("this is no address that was made here", hint="take the url that the record shows, unchanged")


class AttachmentAddressExpired(Forbidden):
    """An address of an attachment has worked for as long as such addresses do."""

    code = "attachment-address-expired"

    def __init__(self) -> None:
        super().__init__("the address of the attachment has expired", hint="read the record again: it shows a new one")


class AttachmentMissing(NotFound):
    """The bytes of an attachment are not kept here, or not any more."""

    code = "attachment-missing"

    def __init__(self) -> None:
        super().__init__(
            "the attachment's bytes are not here",
            hint="no record has shown it for days, or the base was moved without its attachments",
        )


class AttachmentsFull(Conflict):
    """The attachments together take as much space as they may."""

    code = "attachments-full"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"the attachments take the {most:,} bytes that they may take together",
            hint="remove some, or raise ATTACHMENTS_MAX_BYTES; removed ones give their space back after 7 days",
        )


class AttachmentsUnavailable(Unavailable):
    """The disk does not take or give the bytes of attachments."""

    code = "attachments-unavailable"

    def __init__(self) -> None:
        super().__init__("the folder of attachments cannot be used", retry_after=timedelta(seconds=5))


class UnknownField(Invalid):
    """The table has no field of that name or id."""

    code = "unknown-field"

    def __init__(self, table: str, field: str, known: Iterable[str]) -> None:
        super().__init__(f"{table} has no field {field[:80]!r}", field=field[:80], hint=did_you_mean(field, known))


class InvalidCell(Invalid):
    """A value does not fit its field's type."""

    code = "invalid-cell"

    def __init__(self, field: str, got: str, *, allowed: str) -> None:
        super().__init__(f"{field} cannot hold {got}", field=field, hint=f"allowed: {allowed}")


class UnknownChoice(Invalid):
    """A select field has no such choice."""

    code = "unknown-choice"

    def __init__(self, field: str, choice: str, choices: Iterable[str]) -> None:
        names = list(choices)
        super().__init__(
            f"{field} has no choice {choice[:80]!r}",
            field=field,
            hint=f"allowed: {', '.join(names)}" if len(names) <= 20 else did_you_mean(choice, names),
            facts={"allowed": names[:100]},
        )


class LinkTargetMissing(Invalid):
    """A link names a record that is not in the linked table."""

    code = "link-target-missing"

    def __init__(self, field: str, target: str) -> None:
        super().__init__(
            f"{field} links to {target}, which is not in the linked table",
            field=field,
            hint="create the record first, or leave its id out",
        )
        self.target = target


class KeyTaken(Conflict):
    """Another record already has this value in the table's key field."""

    code = "key-taken"

    def __init__(self, table: str, field: str, key: str, holder: str) -> None:
        super().__init__(
            f"{table} already has a record whose {field} is {key[:80]!r}",
            field=field,
            hint=f"change that record ({holder}), or choose another {field}",
            facts={"record": holder},
        )


class SeveralRecordsMatch(Conflict):
    """A record to be merged has more than one counterpart in the table."""

    code = "several-records-match"

    def __init__(self, table: str, fields: Iterable[str]) -> None:
        names = ", ".join(fields)
        super().__init__(
            f"more than one record of {table} has these values in {names}",
            hint="merge on fields that name one record, or change the records by id",
        )


class KeyMissing(Invalid):
    """A write by key leaves the key out."""

    code = "key-missing"

    def __init__(self, table: str, field: str | None) -> None:
        super().__init__(
            f"a record of {table} is found by its {field}, which is missing"
            if field
            else f"records of {table} have no key to be found by",
            field=field,
            hint=f"send {field}" if field else "create records, or change them by id",
        )


class RecordChanged(Conflict):
    """The record is no longer the version that the caller knows (If-Match)."""

    code = "record-changed"

    def __init__(self, target: str, current: str) -> None:
        super().__init__(
            f"{target[:80]} is no longer in the state that If-Match names",
            field="If-Match",
            hint="read the record again, decide, and repeat with its present ETag",
            facts={"etag": current},
        )


class KeyReused(Invalid):
    """An Idempotency-Key came again with another request."""

    code = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__(
            "this Idempotency-Key was used for another request",
            field="Idempotency-Key",
            hint="use a new key for a new request; keep the key only when repeating the very same one",
        )


class RequestInFlight(Conflict):
    """The first request with this Idempotency-Key is still at work."""

    code = "request-in-flight"

    def __init__(self) -> None:
        super().__init__(
            "the first request with this Idempotency-Key is still at work",
            field="Idempotency-Key",
            hint="wait a moment and repeat it unchanged",
        )


class QueueFull(Unavailable):
    """More writes wait than the connector holds; this one was not taken."""

    code = "write-queue-full"

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"{waiting} writes wait already; this one was not taken",
            retry_after=timedelta(seconds=1),
            hint="repeat it after a pause",
        )


class StoreClosing(Unavailable):
    """The connector is shutting down; this write was not taken."""

    code = "store-closing"

    def __init__(self) -> None:
        super().__init__(
            "the connector is shutting down; this write was not taken",
            retry_after=timedelta(seconds=5),
            hint="repeat it when the connector is back",
        )


class InvalidOffset(Invalid):
    """A page offset is not one that this list handed out."""

    code = "invalid-offset"

    def __init__(self) -> None:
        super().__init__(
            "this offset does not belong to this list",
            field="offset",
            hint="pass the offset of the previous page unchanged, with the same filters and sort",
        )


class CannotSort(Invalid):
    """A field's type has no order."""

    code = "cannot-sort"

    def __init__(self, field: str, kind: str) -> None:
        super().__init__(f"{field} is of type {kind}, which has no order", field="sort", hint="sort by another field")


class TooManySorts(Invalid):
    """A list is to be sorted by more fields than its offsets can carry."""

    code = "too-many-sorts"

    def __init__(self, asked: int, most: int) -> None:
        super().__init__(f"{asked} fields to sort by are too many", field="sort", hint=f"sort by at most {most} fields")


class CannotFilter(Invalid):
    """A field's type cannot be compared with a text."""

    code = "cannot-filter"

    def __init__(self, field: str, kind: str) -> None:
        super().__init__(
            f"{field} is of type {kind}, which cannot be filtered by equality", field=field, hint="filter another field"
        )


class InvalidSchema(Invalid):
    """A table definition contradicts itself or asks for what is not offered."""

    code = "invalid-schema"


class TooManyBases(Conflict):
    """There are as many made bases as there may be."""

    code = "too-many-bases"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} bases were made here, the most there may be", hint="add tables to one of them")


class TableNameTaken(InvalidSchema):
    """The base has another table of that name."""

    code = "table-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the base has a table {name[:80]!r} already", field="name", hint="names differ in more than capitals"
        )


class CannotBeOwned(Conflict):
    """Tables that are kept like another base's cannot become our own: some fields cannot be computed or kept here."""

    code = "cannot-be-owned"

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(
            f"{len(fields)} fields cannot be had here: {'; '.join(fields[:20])}; nothing was changed",
            hint="delete them there, or change their types, and try again",
            facts={"fields": len(fields)},
        )


class FieldNameTaken(InvalidSchema):
    """A table would have two fields of one name."""

    code = "field-name-taken"

    def __init__(self, table: str, name: str) -> None:
        super().__init__(
            f"{table[:80]} has a field {name[:80]!r} already", field="name", hint="names differ in more than capitals"
        )


class PositionNotReached(Unavailable):
    """The feed has not come to the position that the caller wants to see."""

    code = "position-not-reached"

    def __init__(self, wanted: int, head: int) -> None:
        super().__init__(
            f"the feed stands at {head} and did not reach {wanted} in time",
            retry_after=timedelta(seconds=1),
            field="as_of",
            hint="repeat, or ask for a position that a write has returned",
            facts={"head": head},
        )
