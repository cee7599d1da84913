"""``GET /attachments/{id}``: the bytes of an attachment, for whoever has an address that a record has shown."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from airtable_connector.records import AttachmentAddresses, AttachmentAddressRefused, AttachmentFiles, AttachmentMissing
from airtable_connector.web.http import Answer, Call, Endpoint, Stream

PORTION: Final = 256 * 1024
"""Bytes read and sent at a time, so that a slow reader costs no more than that."""

ANY_BYTES: Final = "application/octet-stream"

HARMLESS: Final = frozenset(
    {
        "application/json",
        "application/pdf",
        "application/zip",
        "audio/mpeg",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "text/plain",
        "video/mp4",
    }
)
"""Types that are told; any other, such as HTML, could act in our name when a browser opens it, and is bytes."""


class AttachmentEndpoint:
    """Serves files. The address alone is the right to read; it needs no token."""

    def __init__(self, files: AttachmentFiles, addresses: AttachmentAddresses) -> None:
        self._files = files
        self._addresses = addresses

    async def read(self, call: Call) -> Stream:
        """Answer with the bytes, for saving and not for showing.

        Raises:
            AttachmentAddressRefused, AttachmentAddressExpired: the address gives no right.
            AttachmentMissing: the bytes are gone.
        """
        parameters = dict(call.query)
        if len(parameters) != len(call.query):
            raise AttachmentAddressRefused
        file = self._addresses.check(call.path_id or "", parameters)
        size = await asyncio.to_thread(self._files.size, file.digest)
        if size is None:
            raise AttachmentMissing
        return Stream(
            self._portions(file.digest),
            (
                (b"content-length", b"%d" % size),
                (b"content-disposition", _disposition(file.filename)),
                (b"content-security-policy", b"default-src 'none'; sandbox"),
            ),
            (file.type if file.type in HARMLESS else ANY_BYTES).encode(),
            whole=True,
        )

    async def _portions(self, digest: str) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._files.open, digest) as file:
            while portion := await asyncio.to_thread(file.read, PORTION):
                yield portion


def showing(attachments: AttachmentAddresses, endpoint: Endpoint) -> Endpoint:
    """Let an endpoint's whole answer show addresses of attachments that work."""

    async def shown(call: Call) -> Answer | Stream:
        answer = await endpoint(call)
        if isinstance(answer, Answer):
            answer.body = attachments.show(answer.body, call.origin)
        return answer

    return shown


def _disposition(filename: str) -> bytes:
    """Name the file: in ASCII for everybody, and whole as RFC 6266 has it."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in filename)
    quoted = plain.replace("\\", "_").replace('"', "_")
    return f"attachment; filename=\"{quoted}\"; filename*=UTF-8''{quote(filename, safe='')}".encode("ascii")
