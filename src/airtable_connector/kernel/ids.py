"""Ids: one type per prefix, one parser each, one source that mints them."""

import re
import secrets  # noqa: TID251 - the one place that draws
import string
import uuid
from typing import NewType, Protocol

from airtable_connector.kernel.errors import Invalid

RecordId = NewType("RecordId", str)
TableId = NewType("TableId", str)
FieldId = NewType("FieldId", str)
BaseId = NewType("BaseId", str)

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
"""The 62 characters of Airtable's ids."""

ID_TAIL = 14
"""How many characters follow the three-letter prefix of an Airtable id."""

DRAWN_AT_ONCE = 4_096
"""Random bytes drawn when those before are used up."""

_CHARACTER = bytes(ord(ALPHABET[byte % 62]) for byte in range(256))
_UNEVEN = bytes(range(248, 256))
"""Bytes beyond the last whole 62: with them some characters would come more often than others."""

_RECORD_ID = re.compile(r"rec[0-9A-Za-z]{14}", re.ASCII)
_BASE_ID = re.compile(r"app[0-9A-Za-z]{14}", re.ASCII)


class MalformedId(Invalid):
    """A text that should be an id does not look like one."""

    code = "malformed-id"

    def __init__(self, text: str, *, expected: str) -> None:
        super().__init__(f"{text[:80]!r} is not an id", hint=f"expected {expected}")
        self.text, self.expected = text, expected


def looks_like_record_id(text: str) -> bool:
    """Tell whether a text has a record id's shape: ``rec`` and 14 letters or digits."""
    return _RECORD_ID.fullmatch(text) is not None


def looks_like_base_id(text: str) -> bool:
    """Tell whether a text has a base id's shape: ``app`` and 14 letters or digits."""
    return _BASE_ID.fullmatch(text) is not None


def parse_record_id(text: str) -> RecordId:
    """Turn a text into a record id, or raise `MalformedId`."""
    if not looks_like_record_id(text):
        raise MalformedId(text, expected="'rec' and 14 letters or digits")
    return RecordId(text)


class Ids(Protocol):
    """Where new ids come from; tests count, production draws at random."""

    def record(self) -> RecordId:
        """Mint a record id."""
        ...

    def mint(self, prefix: str) -> str:
        """Mint an id with a three-letter prefix and 14 base-62 characters."""
        ...

    def trace(self) -> str:
        """Mint a trace id, a UUID as text (UDC messages want one)."""
        ...

    def secret(self) -> str:
        """Draw 256 bits that nobody can guess, as 64 hex digits; keep them out of messages and records."""
        ...

    def fraction(self) -> float:
        """Draw a number from 0 up to 1, to scatter what would otherwise happen together."""
        ...


class RandomIds:
    """Ids drawn from the operating system's randomness, a few hundred at a time: each draw is a system call."""

    def __init__(self) -> None:
        self._drawn = b""

    def record(self) -> RecordId:
        """Mint a record id."""
        return RecordId(self.mint("rec"))

    def mint(self, prefix: str) -> str:
        """Mint an id; 83 bits of randomness make a collision a matter of theory."""
        if len(self._drawn) < ID_TAIL:
            self._drawn += secrets.token_bytes(DRAWN_AT_ONCE).translate(_CHARACTER, _UNEVEN)
        tail, self._drawn = self._drawn[:ID_TAIL], self._drawn[ID_TAIL:]
        return prefix + tail.decode("ascii")

    def trace(self) -> str:
        """Mint a random UUID."""
        return str(uuid.uuid4())  # noqa: TID251 - the one place that draws

    def secret(self) -> str:
        """Draw 256 bits, as 64 hex digits."""
        return secrets.token_hex(32)

    def fraction(self) -> float:
        """Draw a number from 0 up to 1."""
        return secrets.randbits(53) / 2**53
