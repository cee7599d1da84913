"""What a write's body asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airtable_connector.kernel.jsonvalues import describe
from airtable_connector.records import Create, Table, Upsert
from airtable_connector.web.domain.errors import InvalidBody, TooManyRecords

MOST_RECORDS = 1_000
"""Records in one request."""

ONE = 'flat fields {"Name": …} or {"fields": {"Name": …}}'
MANY = f'{ONE}, or a list of up to {MOST_RECORDS} of these, or {{"records": [ … ]}}'


@dataclass(frozen=True)
class Sent:
    """The records of a body, and whether they came as a list."""

    records: Sequence[Mapping[str, object]]
    many: bool


def read_records(body: object) -> Sent:
    """Read one record or a list of records.

    Raises:
        InvalidBody: it is neither.
        TooManyRecords: the list is empty or longer than `MOST_RECORDS`.
    """
    if isinstance(body, Mapping) and isinstance(body.get("records"), list) and len(body) == 1:
        body = body["records"]
    if not isinstance(body, list):
        return Sent([read_fields_of(body, expected=MANY)], many=False)
    if not 1 <= len(body) <= MOST_RECORDS:
        raise TooManyRecords(len(body), MOST_RECORDS)
    return Sent([read_fields_of(item, expected=MANY) for item in body], many=True)


def read_fields_of(body: object, *, expected: str = ONE) -> Mapping[str, object]:
    """Read the fields of one record, flat or under ``fields``.

    Raises:
        InvalidBody: it is no object, or ``fields`` is none.
    """
    if not isinstance(body, Mapping):
        raise InvalidBody(describe(body), expected=expected)
    if set(body) == {"fields"}:
        fields = body["fields"]
        if not isinstance(fields, Mapping):
            raise InvalidBody(f"an object whose fields are {describe(fields)}", expected=expected)
        return fields
    return body


def creations(table: Table, sent: Sent) -> tuple[Create, ...]:
    """Ask for each record to be added."""
    return tuple(Create(table, fields) for fields in sent.records)


def upserts(table: Table, sent: Sent) -> tuple[Upsert, ...]:
    """Ask for each record to be added, or changed when its key exists."""
    return tuple(Upsert(table, fields) for fields in sent.records)
