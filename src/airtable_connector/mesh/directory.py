"""Reading the lists of droplets that Registries and the Orchestrator answer, in every form that was seen of them."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.mesh.calling import is_this_machine
from airtable_connector.mesh.errors import PeerFailed
from airtable_connector.mesh.tokens.identity import parse_droplet_id

MOST_ENTRIES: Final = 10_000
"""Entries of a list that are read."""

LONGEST_TEXT: Final = 253
"""Characters of an id, a name or a host; a longer one is left out."""

LONGEST_ADDRESS: Final = 2_048
"""Characters of an endpoint; a longer one is left out."""

_NAMES: Final = ("droplet_id", "id", "fqdn", "name")


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """A droplet as a directory shows it.

    ``droplet`` is its number when one of its ids tells it, ``names`` are its ids and names as they were given,
    ``endpoint`` its address without a slash at the end, ``status`` the directory's own word or nothing.
    """

    droplet: int | None
    names: tuple[str, ...]
    endpoint: str | None
    status: str


def read_directory(answer: JsonValue, *, plain_http_hosts: AbstractSet[str] = frozenset()) -> tuple[PeerEntry, ...]:
    """Read a list of droplets: bare, in an object under ``droplets``, or in an envelope's ``payload``.

    What is no entry is passed over; of several thousand droplets one may well be garbage. A host without a scheme is
    asked by https, unless it is this machine or one of ``plain_http_hosts``.

    Raises:
        PeerFailed: there is no list.
    """
    entries = _list_in(answer)
    if entries is None:
        raise PeerFailed("its answer holds no list of droplets")
    return tuple(_readable(entries[:MOST_ENTRIES], plain_http_hosts))


def _list_in(answer: JsonValue) -> Sequence[JsonValue] | None:
    if isinstance(answer, Mapping):
        payload = answer.get("payload")
        answer = (payload if isinstance(payload, Mapping) else answer).get("droplets")
    return answer if isinstance(answer, list) else None


def _readable(entries: Sequence[JsonValue], plain_http_hosts: AbstractSet[str]) -> Iterator[PeerEntry]:
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        metadata = entry.get("metadata")
        beside = metadata if isinstance(metadata, Mapping) else {}
        given = [entry.get(name) for name in _NAMES] + [beside.get("name")]
        names = tuple(dict.fromkeys(text for value in given if (text := _text(value))))
        if names:
            droplet = next((number for name in _NAMES[:3] if (number := parse_droplet_id(entry.get(name)))), None)
            yield PeerEntry(droplet, names, _endpoint(entry, beside, plain_http_hosts), _text(entry.get("status")))


def _text(value: object) -> str:
    """Return an id or a name as text; what is neither is nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_TEXT:
        return value.strip()
    return ""


def _endpoint(
    entry: Mapping[str, JsonValue], metadata: Mapping[str, JsonValue], plain_http_hosts: AbstractSet[str]
) -> str | None:
    for value in (entry.get("endpoint"), metadata.get("endpoint"), entry.get("host"), entry.get("fqdn")):
        if isinstance(value, str) and (address := _address(value.strip(), plain_http_hosts)):
            return address
    return None


def _address(text: str, plain_http_hosts: AbstractSet[str]) -> str | None:
    """Make an address of a text that is one, or is a bare host; None when it is neither."""
    if not text.isascii() or not text.isprintable() or " " in text or not 0 < len(text) <= LONGEST_ADDRESS:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return None
    if not host or parts.username is not None or parts.scheme not in {"", "http", "https"}:
        return None
    if parts.scheme:
        return text.rstrip("/")
    scheme = "http" if is_this_machine(host) or host in plain_http_hosts else "https"
    return f"{scheme}://{text}".rstrip("/")
