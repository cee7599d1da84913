"""The endpoint that takes the bytes of an attachment."""

import asyncio
import binascii
import re
from collections.abc import Mapping
from typing import Final

import orjson

from airtable_connector.records import (
    LARGEST_FILE,
    Actor,
    AttachmentFiles,
    Done,
    Field,
    FieldType,
    KeptFile,
    Record,
    Table,
    Update,
    WriteRequest,
    storable,
)
from airtable_connector.web.airtable_api.base import Bases
from airtable_connector.web.airtable_api.bodies import read_object
from airtable_connector.web.airtable_api.errors import (
    CellNotAccepted,
    InvalidParameters,
    ModelNotFound,
    UploadsAtOnce,
    UploadTooLarge,
)
from airtable_connector.web.airtable_api.parameters import refuse_parameters
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call

LONGEST_BODY: Final = 8 * 1024 * 1024
"""Bytes of a body: the largest file in base64, with a line break after every 76 characters, and some room."""

MOST_AT_ONCE: Final = 8
"""Uploads in memory at the same time."""

LONGEST_NAME: Final = 255

MEMBERS: Final = frozenset({"contentType", "file", "filename"})

_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}", re.ASCII)


class UploadEndpoint:
    """The HTTP endpoint for uploads."""

    def __init__(self, bases: Bases, files: AttachmentFiles) -> None:
        self._bases = bases
        self._files = files
        self._at_work = 0
        self._disk = asyncio.Lock()
        """The disk takes one file after the other; those that wait here hold no thread."""

    async def upload(self, call: Call) -> Answer:
        """Answer ``POST /v0/{base}/{record}/{field}/uploadAttachment``: put a file behind those that the cell holds.

        Bytes and cell are durable before the answer, the bytes first: a cell never names what is not there.
        """
        refuse_parameters(call)
        if self._at_work >= MOST_AT_ONCE:
            raise UploadsAtOnce(MOST_AT_ONCE)
        self._at_work += 1
        try:
            # in a thread: decoding takes longer than other requests should wait
            content, kind, filename = await asyncio.to_thread(read_upload, await read_object(call))
            table, field = await self._cell(call)
            async with self._disk:
                digest = await asyncio.to_thread(self._files.keep, content)
        finally:
            self._at_work -= 1
        file = KeptFile(digest, len(content), kind, filename)
        record = await self._write(call, Update(table, call.path_params["record"], {field.id: file}))
        shown = {
            "id": record.id,
            "createdTime": record.created_at,
            "fields": {field.id: record.cells.get(field.id, [])},
        }
        return Answer(200, self._bases.attachments.show(orjson.dumps(shown), call.origin), media_type=JSON_UTF8)

    async def _cell(self, call: Call) -> tuple[Table, Field]:
        """Return the field that the address names, and its table, which no address names."""
        found = await self._bases.enter(call).locate(call.path_params["record"])
        if found is None:
            raise ModelNotFound
        table = found[0]
        field = table.field(call.path_params["field"])
        if field.type is not FieldType.MULTIPLE_ATTACHMENTS:
            raise CellNotAccepted(field.name)
        return table, field

    async def _write(self, call: Call, operation: Update) -> Record:
        request = WriteRequest(Actor(call.caller.droplet, call.trace_id), (operation,))
        outcome = await self._bases.workspace.write(request)
        # only a request with an Idempotency-Key is answered from memory
        assert isinstance(outcome, Done)
        (written,) = outcome.written
        assert written.record is not None
        return written.record


def read_upload(body: Mapping[str, object]) -> tuple[bytes, str, str]:
    """Return the bytes, the type and the name of what is uploaded.

    Raises:
        InvalidParameters: a member is missing, unknown or wrong.
        UploadTooLarge: there are more bytes than an attachment may have.
    """
    for name in body.keys() ^ MEMBERS:
        raise InvalidParameters(name)
    return _content(body["file"]), _type(body["contentType"]), _filename(body["filename"])


def _content(file: object) -> bytes:
    if not isinstance(file, str):
        raise InvalidParameters("file")
    try:
        encoded = file.encode("ascii").translate(None, b" \t\r\n")
        content = binascii.a2b_base64(encoded, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidParameters("file") from None
    # the strict mode lets one sign too many pass at the end
    if not content or len(encoded) % 4:
        raise InvalidParameters("file")
    if len(content) > LARGEST_FILE:
        raise UploadTooLarge(LARGEST_FILE)
    return content


def _type(kind: object) -> str:
    essence = kind.partition(";")[0].strip().lower() if isinstance(kind, str) else ""
    if not _TYPE.fullmatch(essence):
        raise InvalidParameters("contentType")
    return essence


def _filename(filename: object) -> str:
    """Keep the name of a file, never the way to it, and nothing that cannot be seen."""
    if not isinstance(filename, str) or not storable(filename):
        raise InvalidParameters("filename")
    last = filename.replace("\\", "/").rpartition("/")[2]
    seen = "".join(letter for letter in last if letter.isprintable()).strip()[:LONGEST_NAME]
    if not seen.strip("."):
        raise InvalidParameters("filename")
    return seen
