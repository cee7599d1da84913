"""Airtable's JSON as facts; what has another form than its manual says is told apart from what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from airtable_connector.kernel.clock import parse_iso
from airtable_connector.kernel.ids import FieldId, RecordId, TableId, looks_like_record_id
from airtable_connector.kernel.jsonvalues import JsonValue, describe
from airtable_connector.kernel.secret import Secret

Cells: TypeAlias = Mapping[FieldId, JsonValue]
Definition: TypeAlias = Mapping[str, JsonValue]
"""A table or a field as Airtable's Meta API writes it."""


class MalformedAnswer(ValueError):
    """An answer has not the form that it must have. The message shows nothing of its content."""


@dataclass(frozen=True, slots=True)
class CloudRecord:
    """A record as Airtable has it. Empty cells are left out, also unticked boxes."""

    id: RecordId
    created_at: datetime
    cells: Cells = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """Cells to write into a record that exists. A cell that is None is emptied."""

    id: RecordId
    cells: Cells = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a table. ``offset`` leads to the next one, for some minutes; None: this was the last."""

    records: Sequence[CloudRecord]
    offset: str | None


@dataclass(frozen=True, slots=True)
class Merged:
    """What an upsert did: the records in the order of the request, and which of them it has made."""

    records: Sequence[CloudRecord]
    created: frozenset[RecordId]


@dataclass(frozen=True, slots=True)
class CloudTable:
    """A table's definition. ``definition`` is all that Airtable says of it, with what we do not know of yet."""

    id: TableId
    name: str
    definition: Definition = field(repr=False)


@dataclass(frozen=True, slots=True)
class CloudField:
    """A field's definition, with all that Airtable says of it."""

    id: FieldId
    name: str
    definition: Definition = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook that was just made; its secret is never told again."""

    id: str
    mac_key: Secret
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook of the base, perhaps somebody else's. One that is not enabled is told nothing any more."""

    id: str
    url: str | None
    next_payload: int
    is_enabled: bool
    notifies: bool
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Payloads:
    """Payloads of a webhook, oldest first, and the number of the one after them."""

    payloads: Sequence[Mapping[str, JsonValue]] = field(repr=False)
    cursor: int
    more: bool


def read_record(said: JsonValue) -> CloudRecord:
    """Read a record whose cells are named by field ids."""
    found = _object(said, "a record")
    cells = {FieldId(name): value for name, value in _object(found.get("fields"), "a record's cells").items()}
    return CloudRecord(_record_id(found.get("id")), _moment(found.get("createdTime")), cells)


def read_page(said: JsonValue) -> Page:
    """Read a page of a list."""
    found = _object(said, "a page")
    offset = found.get("offset")
    return Page(_records(found), None if offset is None else _text(offset, "an offset"))


def read_written(said: JsonValue, *, count: int) -> Sequence[CloudRecord]:
    """Read the records of a write, in the order of the request."""
    records = _records(_object(said, "an answer to a write"))
    if len(records) != count:
        raise MalformedAnswer(f"it has {len(records)} records, and {count} were sent")
    return records


def read_merged(said: JsonValue, *, count: int) -> Merged:
    """Read the answer to an upsert."""
    created = _list(_object(said, "an answer to an upsert").get("createdRecords"), "the list of made records")
    return Merged(read_written(said, count=count), frozenset(_record_id(each) for each in created))


def read_deleted(said: JsonValue) -> frozenset[RecordId]:
    """Read which records were deleted."""
    found = _list(_object(said, "an answer to a deletion").get("records"), "the list of records")
    told = [_object(each, "a deleted record") for each in found]
    return frozenset(_record_id(each.get("id")) for each in told if each.get("deleted") is True)


def read_tables(said: JsonValue) -> Sequence[CloudTable]:
    """Read a base's schema."""
    return tuple(read_table(each) for each in _list(_object(said, "a schema").get("tables"), "the list of tables"))


def read_table(said: JsonValue) -> CloudTable:
    """Read the definition of one table."""
    found = _object(said, "a table")
    return CloudTable(
        TableId(_text(found.get("id"), "a table's id")), _text(found.get("name"), "a table's name"), found
    )


def read_field(said: JsonValue) -> CloudField:
    """Read the definition of one field."""
    found = _object(said, "a field")
    return CloudField(
        FieldId(_text(found.get("id"), "a field's id")), _text(found.get("name"), "a field's name"), found
    )


def read_new_webhook(said: JsonValue) -> NewWebhook:
    """Read the answer to the creation of a webhook."""
    found = _object(said, "a new webhook")
    key = Secret(_text(found.get("macSecretBase64"), "a webhook's secret"))
    return NewWebhook(_text(found.get("id"), "a webhook's id"), key, _perhaps_moment(found.get("expirationTime")))


def read_webhooks(said: JsonValue) -> Sequence[Webhook]:
    """Read the list of a base's webhooks."""
    return tuple(
        _webhook(_object(each, "a webhook"))
        for each in _list(_object(said, "an answer").get("webhooks"), "the list of webhooks")
    )


def read_expiry(said: JsonValue) -> datetime | None:
    """Read until when a refreshed webhook lives."""
    return _perhaps_moment(_object(said, "an answer to a refresh").get("expirationTime"))


def read_payloads(said: JsonValue) -> Payloads:
    """Read a page of payloads."""
    found = _object(said, "a page of payloads")
    payloads = tuple(_object(each, "a payload") for each in _list(found.get("payloads"), "the list of payloads"))
    return Payloads(payloads, _number(found.get("cursor"), "a cursor"), found.get("mightHaveMore") is True)


def read_nothing(_said: JsonValue) -> None:
    """Read an answer that says no more than that it was done."""


def _webhook(found: Mapping[str, JsonValue]) -> Webhook:
    url = found.get("notificationUrl")
    return Webhook(
        id=_text(found.get("id"), "a webhook's id"),
        url=None if url is None else _text(url, "a webhook's address"),
        next_payload=_number(found.get("cursorForNextPayload"), "a cursor"),
        is_enabled=found.get("isHookEnabled") is True,
        notifies=found.get("areNotificationsEnabled") is True,
        expires_at=_perhaps_moment(found.get("expirationTime")),
    )


def _records(found: Mapping[str, JsonValue]) -> Sequence[CloudRecord]:
    return tuple(read_record(each) for each in _list(found.get("records"), "the list of records"))


def _object(said: JsonValue, what: str) -> Mapping[str, JsonValue]:
    if not isinstance(said, Mapping):
        raise MalformedAnswer(f"{what} is {describe(said)} and no object")
    return said


def _list(said: JsonValue, what: str) -> Sequence[JsonValue]:
    if not isinstance(said, list):
        raise MalformedAnswer(f"{what} is {describe(said)} and no list")
    return said


def _text(said: JsonValue, what: str) -> str:
    if not isinstance(said, str):
        raise MalformedAnswer(f"{what} is {describe(said)} and no text")
    return said


def _number(said: JsonValue, what: str) -> int:
    if not isinstance(said, int) or isinstance(said, bool):
        raise MalformedAnswer(f"{what} is {describe(said)} and no whole number")
    return said


def _record_id(said: JsonValue) -> RecordId:
    text = _text(said, "a record's id")
    if not looks_like_record_id(text):
        raise MalformedAnswer("a record's id has not the form of one")
    return RecordId(text)


def _moment(said: JsonValue) -> datetime:
    try:
        return parse_iso(_text(said, "a moment"))
    except ValueError:
        raise MalformedAnswer("a moment is none") from None


def _perhaps_moment(said: JsonValue) -> datetime | None:
    return None if said is None else _moment(said)
