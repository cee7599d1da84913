"""A UDC message as a value: what the contract asks of it, and what peers really send (mesh-contract.md 1, 4, 7.5)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from airtable_connector.kernel.clock import parse_iso
from airtable_connector.kernel.jsonvalues import JsonValue, describe
from airtable_connector.mesh.errors import MalformedMessage
from airtable_connector.mesh.tokens.identity import parse_droplet_id

UDC_VERSION: Final = "1.0"

LONGEST_NAME: Final = 253
"""Characters of a source or target; as a host name."""

EVERYBODY: Final = frozenset({"broadcast", "all"})
"""Targets that mean every droplet."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NOT_OF_NAMES: Final = re.compile(r"[^a-z0-9.]+")


class MessageType(StrEnum):
    """The words that UDC and its peers use; heartbeats and registrations have endpoints of their own."""

    STATUS = "status"
    EVENT = "event"
    COMMAND = "command"
    QUERY = "query"
    RESPONSE = "response"
    ERROR = "error"


_TYPES: Final = {kind.value: kind for kind in MessageType}

REPLIES: Final = frozenset({MessageType.RESPONSE, MessageType.ERROR, MessageType.STATUS})
"""Types that may answer a message of ours, under its trace_id."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a peer sent. ``signature`` is a token of the sender's, when it gave one."""

    trace_id: str
    source: str
    target: str
    type: MessageType
    payload: Mapping[str, JsonValue]
    timestamp: datetime
    signature: str | None


class OurNames:
    """Every way in which peers may mean us: ``2``, ``"2"``, ``"droplet-2"``, our Registry id, our registered name."""

    def __init__(self, droplet: int, names: Iterable[str]) -> None:
        self.droplet = droplet
        self._names = frozenset(map(fold_name, names))

    def mean_us(self, target: str) -> bool:
        """Tell whether a message with this target is for us."""
        if parse_droplet_id(target) == self.droplet:
            return True
        return target.strip().lower() in EVERYBODY or fold_name(target) in self._names


def fold_name(name: str) -> str:
    """Bring a name into the form in which names are compared: ``Airtable Connector`` is ``airtable-connector``."""
    return _NOT_OF_NAMES.sub("-", name.strip().lower()).strip("-")


def queue_of(target: str, droplet: int | None) -> str:
    """Name the queue of a target: by its droplet number when that is known, else by its folded name."""
    return fold_name(target) if droplet is None else f"droplet-{droplet}"


def is_uuid(text: object) -> bool:
    """Tell whether something is a UUID written with hyphens."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def read_message(body: JsonValue) -> Message:
    """Read a message, with or without ``udc_version``; members that the contract does not name are passed over.

    A payload that is a whole message again, as the Orchestrator makes of an envelope it is given to send, is unpacked.

    Raises:
        MalformedMessage: a member is missing or is not what it must be.
    """
    if not isinstance(body, Mapping):
        raise MalformedMessage("body", f"is {describe(body)}", expected="a JSON object with the members of a message")
    payload = _member(body, "payload")
    if not isinstance(payload, Mapping):
        raise MalformedMessage("payload", f"is {describe(payload)}", expected="a JSON object")
    trace_id = _member(body, "trace_id")
    if not isinstance(trace_id, str) or not is_uuid(trace_id):
        raise MalformedMessage("trace_id", "is no UUID", expected="a UUID, a new one for each message")
    return Message(
        trace_id=trace_id.lower(),
        source=_party(body, "source"),
        target=_party(body, "target"),
        type=read_type(_member(body, "message_type")),
        payload=_unpacked(payload),
        timestamp=_moment(_member(body, "timestamp")),
        signature=_signature(body.get("signature")),
    )


def read_type(value: JsonValue) -> MessageType:
    """Read a message type.

    Raises:
        MalformedMessage: it is none.
    """
    known = _TYPES.get(value) if isinstance(value, str) else None
    if known is None:
        raise MalformedMessage("message_type", "is not one that is known", expected="one of " + ", ".join(_TYPES))
    return known


def _member(body: Mapping[str, JsonValue], name: str) -> JsonValue:
    if name not in body:
        raise MalformedMessage(name, "is missing", expected=f"a message with {name}")
    return body[name]


def _party(body: Mapping[str, JsonValue], name: str) -> str:
    value = _member(body, name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME or not value.isprintable():
        raise MalformedMessage(name, "names nobody", expected="a droplet's number, id or name")
    return value


def _moment(value: JsonValue) -> datetime:
    if isinstance(value, str) and len(value) <= LONGEST_NAME:
        try:
            return parse_iso(value)
        except (ValueError, OverflowError):
            pass
    raise MalformedMessage("timestamp", "is no moment", expected="ISO 8601, such as 2026-01-31T12:00:00Z")


def _signature(value: JsonValue) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise MalformedMessage("signature", f"is {describe(value)}", expected="a token as text, or none")
    return value


def _unpacked(payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    inner = payload.get("payload")
    return inner if "udc_version" in payload and isinstance(inner, Mapping) else payload
