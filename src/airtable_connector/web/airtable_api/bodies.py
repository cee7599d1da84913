"""What the body of a write asks for, as far as that can be told without looking at the table."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from airtable_connector.kernel.ids import looks_like_record_id
from airtable_connector.web.airtable_api.cells import Cells
from airtable_connector.web.airtable_api.errors import MOST_WRITTEN, FieldsMissing, InvalidParameters, InvalidRecords
from airtable_connector.web.http import Call, EmptyBody, read_json

MOST_MERGE_FIELDS: Final = 3
"""Fields that one upsert may merge on; Airtable's own limit."""

TO_CREATE: Final = 'record objects, each with a "fields" object for cell values.'
TO_CHANGE: Final = 'record objects, each with an "id" ID field and a "fields" object for cell values.'
TO_REMOVE: Final = "record IDs."

CREATE_MEMBERS: Final = frozenset({"fields", "records", "typecast", "returnFieldsByFieldId"})
CHANGE_MEMBERS: Final = frozenset({"records", "typecast", "returnFieldsByFieldId", "performUpsert"})
CHANGE_ONE_MEMBERS: Final = frozenset({"fields", "typecast", "returnFieldsByFieldId"})


@dataclass(frozen=True, slots=True)
class Sent:
    """One record of a write: its cells, and its id when one was given."""

    cells: Cells
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A write: its records in their order, and how it wants them read and answered."""

    records: Sequence[Sent]
    many: bool
    """Whether the records came as a list; a list is answered with a list."""
    typecast: bool
    by_id: bool
    merge_on: tuple[str, ...] | None = None
    """Names or ids of the fields that an upsert finds records by; None when it is no upsert."""


async def read_object(call: Call) -> Mapping[str, object]:
    """Read a call's body, a JSON object; none at all counts as an empty one.

    Raises:
        InvalidParameters: it is another JSON value.
        NotJson, MalformedJson, NestedTooDeeply: it cannot be read.
    """
    body = await call.body()
    try:
        value = read_json(body)
    except EmptyBody:
        return {}
    if not isinstance(value, dict):
        raise InvalidParameters("body")
    return value


def read_creation(body: Mapping[str, object]) -> Write:
    """Read a body that adds records.

    Raises:
        InvalidParameters, FieldsMissing, InvalidRecords: it is of another shape.
    """
    check_members(body, CREATE_MEMBERS)
    if "records" not in body:
        return _one(body)
    if "fields" in body:
        raise InvalidParameters("fields")
    items = _items(body["records"], TO_CREATE)
    return _many(body, [Sent(_cells_of(item, {"fields"}, TO_CREATE)) for item in items])


def read_change_of_one(body: Mapping[str, object]) -> Write:
    """Read a body that changes the record that the address names.

    Raises:
        InvalidParameters, FieldsMissing: it is of another shape.
    """
    check_members(body, CHANGE_ONE_MEMBERS)
    return _one(body)


def read_changes(body: Mapping[str, object]) -> Write:
    """Read a body that changes records, or adds those that are not there (``performUpsert``).

    Raises:
        InvalidParameters, InvalidRecords: it is of another shape.
    """
    check_members(body, CHANGE_MEMBERS)
    merge_on = _merge_on(body["performUpsert"]) if "performUpsert" in body else None
    sent = []
    for item in _items(body.get("records"), TO_CHANGE):
        if merge_on is not None and "id" not in item:
            sent.append(Sent(_cells_of(item, {"fields"}, TO_CHANGE)))
            continue
        cells, record = _cells_of(item, {"id", "fields"}, TO_CHANGE), item["id"]
        if not isinstance(record, str) or not looks_like_record_id(record):
            raise InvalidRecords(TO_CHANGE)
        sent.append(Sent(cells, record))
    return _many(body, sent, merge_on)


def read_removals(parameters: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Read which records a query wants removed; one that stands twice counts once.

    Raises:
        InvalidParameters, InvalidRecords: it names none, too many, or something else.
    """
    for name in parameters:
        if name != "records":
            raise InvalidParameters(name)
    records = parameters.get("records", ())
    if not 1 <= len(records) <= MOST_WRITTEN or not all(map(looks_like_record_id, records)):
        raise InvalidRecords(TO_REMOVE)
    return list(dict.fromkeys(records))


def _one(body: Mapping[str, object]) -> Write:
    if "fields" not in body:
        raise FieldsMissing
    cells = body["fields"]
    if not isinstance(cells, dict):
        raise InvalidParameters("fields")
    return Write(
        [Sent(cells)], many=False, typecast=_flag(body, "typecast"), by_id=_flag(body, "returnFieldsByFieldId")
    )


def _many(body: Mapping[str, object], sent: Sequence[Sent], merge_on: tuple[str, ...] | None = None) -> Write:
    typecast, by_id = _flag(body, "typecast"), _flag(body, "returnFieldsByFieldId")
    return Write(sent, many=True, typecast=typecast, by_id=by_id, merge_on=merge_on)


def check_members(body: Mapping[str, object], known: AbstractSet[str]) -> None:
    """Refuse a body that has other members.

    Raises:
        InvalidParameters: it has.
    """
    for name in body:
        if name not in known:
            raise InvalidParameters(name)


def _items(records: object, expected: str) -> Sequence[Mapping[str, object]]:
    if not isinstance(records, list) or not 1 <= len(records) <= MOST_WRITTEN:
        raise InvalidRecords(expected)
    for item in records:
        if not isinstance(item, dict):
            raise InvalidRecords(expected)
    return records


def _cells_of(item: Mapping[str, object], members: set[str], expected: str) -> Cells:
    cells = item.get("fields")
    if item.keys() != members or not isinstance(cells, dict):
        raise InvalidRecords(expected)
    return cells


def _merge_on(asked: object) -> tuple[str, ...]:
    if not isinstance(asked, dict) or asked.keys() != {"fieldsToMergeOn"}:
        raise InvalidParameters("performUpsert")
    names = asked["fieldsToMergeOn"]
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_MERGE_FIELDS:
        raise InvalidParameters("fieldsToMergeOn")
    if not all(isinstance(name, str) for name in names):
        raise InvalidParameters("fieldsToMergeOn")
    return tuple(names)


def _flag(body: Mapping[str, object], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InvalidParameters(name)
    return value
