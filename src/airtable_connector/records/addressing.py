"""The addresses of attachments whose bytes are kept here.

A cell holds one that never changes and tells only the content (``attachment:…``), so that records, their versions and
their history stay as they are. Whoever shows records puts a signed one into its place, which works without a token and
for some time.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import orjson

from airtable_connector.kernel.clock import Clock
from airtable_connector.records.errors import AttachmentAddressExpired, AttachmentAddressRefused
from airtable_connector.records.schema import KeptFile, kept_file

ATTACHMENTS: Final = "/attachments/"
"""Where the bytes are served, by their hash."""

_MARK: Final = b'"url":"attachment:'

_AS_KEPT: Final = (
    rb'"id":"att[0-9A-Za-z]{14}"',
    rb'"url":"attachment:[0-9a-f]{64}"',
    rb'"size":\d{1,18}',
    rb'"type":"[^"\\]{1,200}"',
    rb'"filename":"(?:[^"\\]|\\.){1,2000}"',
)
"""The members of an attachment in the order of a cell; the feed has them in the order of their names."""

_ITEM: Final = re.compile(
    # inside a list, which tells it from an object of cells; a quote in a text is escaped, so that no text looks like it
    rb"(?<=[\[,])\{(?:" + b",".join(_AS_KEPT) + b"|" + b",".join(sorted(_AS_KEPT)) + rb")\}"
)
_MICROSECONDS: Final = re.compile(r"\d{1,18}", re.ASCII)
_PARAMETERS: Final = frozenset({"name", "type", "expires", "signature"})


class AttachmentAddresses:
    """Makes and checks signed addresses.

    Args:
        key: what they are signed with; every process that serves the same callers needs the same one.
        lifetime: how long an address works from the moment it is shown.
    """

    def __init__(self, key: bytes, *, lifetime: timedelta, clock: Clock) -> None:
        self._key = key
        self._lifetime = lifetime
        self._clock = clock

    def show(self, json: bytes, origin: str) -> bytes:
        """Put addresses at ``origin`` (``https://host``) into JSON that holds attachments in lists, at any depth."""
        if _MARK not in json:
            return json
        return _ITEM.sub(lambda found: self._shown(found[0], origin), json)

    def check(self, digest: str, parameters: Mapping[str, str]) -> KeptFile:
        """Return which file an address names.

        Raises:
            AttachmentAddressRefused: we did not make it.
            AttachmentAddressExpired: it has worked for long enough.
        """
        expires = parameters.get("expires", "")
        if parameters.keys() != _PARAMETERS or not _MICROSECONDS.fullmatch(expires):
            raise AttachmentAddressRefused
        file = KeptFile(digest, 0, parameters["type"], parameters["name"])
        right = self._signature(file, expires)
        if not hmac.compare_digest(right.encode(), parameters["signature"].encode(errors="replace")):
            raise AttachmentAddressRefused
        if int(expires) <= _microseconds(self._clock.now()):
            raise AttachmentAddressExpired
        return file

    def _shown(self, item: bytes, origin: str) -> bytes:
        shown = orjson.loads(item)
        file = kept_file(shown)
        assert file is not None
        # to the microsecond, so that no two looks see the same address and nobody takes it for a name
        expires = str(_microseconds(self._clock.now() + self._lifetime))
        parameters = {
            "name": file.filename,
            "type": file.type,
            "expires": expires,
            "signature": self._signature(file, expires),
        }
        shown["url"] = f"{origin}{ATTACHMENTS}{file.digest}?{urlencode(parameters)}"
        return orjson.dumps(shown)

    def _signature(self, file: KeptFile, expires: str) -> str:
        # no part that we sign holds a line break, so that none can be moved from one part into the next
        signed = f"{file.digest}\n{file.type}\n{file.filename}\n{expires}".encode(errors="replace")
        return base64.urlsafe_b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode().rstrip("=")


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
