"""The endpoints of one table: list, read, add, change, remove, history. The same rules hold for every table."""

import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import quote

import orjson

from airtable_connector.kernel.ids import RecordId, looks_like_record_id
from airtable_connector.records import (
    Actor,
    AttachmentAddresses,
    Delete,
    Done,
    Effected,
    Operation,
    RecordNotFound,
    Replayed,
    StoredAnswer,
    Table,
    Update,
    Workspace,
    WriteRequest,
    etag,
    write_offset,
)
from airtable_connector.web.domain.bodies import creations, read_fields_of, read_records, upserts
from airtable_connector.web.domain.changes import changes_json
from airtable_connector.web.domain.conditions import expected_tag, holds, repeatable
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.errors import InvalidParameter, UnknownParameter
from airtable_connector.web.domain.listing import (
    Listing,
    naming_the_filter,
    project,
    read_count,
    read_fields,
    read_listing,
)
from airtable_connector.web.http import Answer, Call, Header, Upstream, read_json, see_all, settled

PATIENCE: Final = timedelta(seconds=5)
"""How long a read waits for the feed position that it asks for (``as_of``)."""

REMEMBERED: Final = 500
"""Queries of a table whose reading is remembered; the same few are asked again and again."""

CACHEABLE: Final[Header] = (b"cache-control", b"private, no-cache")


class TableEndpoints:
    """HTTP endpoints over one table."""

    def __init__(
        self,
        workspace: Workspace,
        table: str,
        path: str,
        envelopes: Envelopes,
        attachments: AttachmentAddresses,
        *,
        upstream: Upstream | None = None,
    ) -> None:
        self._workspace = workspace
        self._name = table
        self._path = path
        self._envelopes = envelopes
        self._attachments = attachments
        self._upstream = upstream
        self._listings: dict[bytes, Listing] = {}

    @property
    def _table(self) -> Table:
        """The table as it is now: its schema may change."""
        return self._workspace.table(self._name)

    async def list(self, call: Call) -> Answer:
        """Answer ``GET /{collection}``: one page of records, 304 when the caller has it."""
        listing = self._listing(call)
        query = listing.query
        if listing.as_of:
            await self._workspace.reach(listing.as_of, within=PATIENCE)
        # read before the records: a tag that is too old only costs a repeated read
        # addresses of attachments expire, so that what a caller has may no longer do
        version = None if self._table.attachment_fields else self._workspace.version_of(query)
        position = (b"x-feed-position", b"%d" % self._workspace.head.seq)
        headers: tuple[Header, ...] = (CACHEABLE,)
        if version is not None:
            tag = b'W/"%d-%x"' % (version, zlib.crc32(call.query_string))
            headers = ((b"etag", tag), CACHEABLE)
            if holds(call, tag):
                return Answer(304, headers=headers)
        page = self._workspace.page_from_memory(query)
        if page is None:
            with naming_the_filter():
                page = await self._workspace.page(query)
        offset = None if page.next is None else write_offset(query, page.next)
        body = self._envelopes.records(project(page.records, listing.fields), offset=offset)
        return Answer(200, self._addressed(call, body), (*headers, position))

    async def read(self, call: Call) -> Answer:
        """Answer ``GET /{collection}/{id}``: one record by id or key, 304 when the caller has it."""
        target = call.path_id or ""
        fields = None
        if call.query_string:
            fields = await self._read_options(call)
        blob = self._workspace.record_from_memory(self._table, target)
        if blob is None:
            blob = await self._workspace.get(self._table, target)
        if blob is None:
            raise RecordNotFound(self._table.name, target)
        tag = etag(blob).encode()
        if holds(call, tag) and not self._table.attachment_fields:
            return Answer(304, headers=((b"etag", tag), CACHEABLE))
        (shown,) = project([blob], fields)
        return Answer(200, self._addressed(call, self._envelopes.data(shown)), ((b"etag", tag), CACHEABLE))

    async def create(self, call: Call) -> Answer:
        """Answer ``POST /{collection}``: add one record or up to 1,000, whole or not at all.

        With ``?upsert=true`` a record whose key exists is changed instead.
        """
        upsert = self._wants_upsert(call)
        body = await call.body()
        sent = read_records(read_json(body))
        asked = upserts(self._table, sent) if upsert else creations(self._table, sent)
        answer = self._answer_many if sent.many else self._answer_one
        return await self._write(call, body, asked, answer)

    async def change(self, call: Call) -> Answer:
        """Answer ``PUT`` and ``PATCH /{collection}/{id}``: change only the fields named."""
        self._refuse_options(call)
        body = await call.body()
        fields = read_fields_of(read_json(body))
        asked = Update(self._table, call.path_id or "", fields, expected_tag(call))
        return await self._write(call, body, (asked,), self._answer_one)

    async def remove(self, call: Call) -> Answer:
        """Answer ``DELETE /{collection}/{id}`` with the id of what was removed, always as JSON."""
        self._refuse_options(call)
        asked = Delete(self._table, call.path_id or "", expected_tag(call))
        return await self._write(call, b"", (asked,), self._answer_removed)

    async def history(self, call: Call) -> Answer:
        """Answer ``GET /{collection}/{id}/history``: the record's changes, oldest first, also after its removal."""
        after, limit = 0, 100
        for name, value in call.query:
            if name == "after":
                after = read_count(name, value, least=0, most=2**62)
            elif name == "limit":
                limit = read_count(name, value, most=1_000)
            else:
                raise UnknownParameter(name, ("after", "limit"))
        target = call.path_params["id"]
        record = await self._workspace.find(self._table, target)
        if record is None and not looks_like_record_id(target):
            raise RecordNotFound(self._table.name, target)
        record_id = record.id if record is not None else RecordId(target)
        found = await self._workspace.history(record_id, after=after, count=limit + 1)
        shown = [change for change in found[:limit] if change.table == self._table.id]
        if record is None and not shown and not await self._ever_held(record_id):
            raise RecordNotFound(self._table.name, target)
        data = changes_json(shown, self._workspace, more=len(found) > limit)
        return Answer(200, self._addressed(call, self._envelopes.data(data)))

    async def _ever_held(self, record_id: RecordId) -> bool:
        first = await self._workspace.history(record_id, after=0, count=1)
        return bool(first) and first[0].table == self._table.id

    # what is asked

    def _listing(self, call: Call) -> Listing:
        known = self._listings.get(call.query_string)
        if known is None or not self._workspace.is_present(known.query.table):
            known = read_listing(self._table, call.query, self._workspace.formula)
            # compiled formulas are large: the workspace keeps those that were used last
            if known.query.formula is None:
                if len(self._listings) >= REMEMBERED:
                    self._listings.clear()
                self._listings[call.query_string] = known
        return known

    async def _read_options(self, call: Call) -> frozenset[str] | None:
        fields = None
        for name, value in call.query:
            if name == "fields":
                fields = read_fields(self._table, value)
            elif name == "as_of":
                await self._workspace.reach(read_count(name, value, least=0, most=2**62), within=PATIENCE)
            else:
                raise UnknownParameter(name, ("fields", "as_of"))
        return fields

    def _wants_upsert(self, call: Call) -> bool:
        wanted = False
        for name, value in call.query:
            if name != "upsert":
                raise UnknownParameter(name, ("upsert",))
            if value not in ("true", "false"):
                raise InvalidParameter("upsert", allowed="true or false")
            wanted = value == "true"
        return wanted

    def _refuse_options(self, call: Call) -> None:
        for name, _ in call.query:
            raise UnknownParameter(name, ())

    # what is answered

    async def _write(
        self,
        call: Call,
        body: bytes,
        operations: Sequence[Operation],
        answer: Callable[[Done], StoredAnswer],
    ) -> Answer:
        actor = Actor(call.caller.droplet, call.trace_id)
        request = WriteRequest(actor, tuple(operations), repeatable(call, body, answer))
        if self._upstream is not None:
            self._upstream.check_room()
            if call.field(b"if-match") is not None:
                # the version is to be the one there as well
                await see_all(self._upstream)
        outcome = await self._workspace.write(request)
        if isinstance(outcome, Replayed):
            return self._said(call, outcome.answer, (b"idempotency-replayed", b"true"))
        if self._upstream is not None:
            return await self._said_of(call, outcome, answer, self._upstream)
        return self._said(call, outcome.answer or answer(outcome))

    async def _said_of(
        self, call: Call, done: Done, answer: Callable[[Done], StoredAnswer], upstream: Upstream
    ) -> Answer:
        done, settlement, headers = await settled(call, done, upstream)
        stored = answer(done)
        if settlement.is_final:
            return self._said(call, stored, *headers)
        kept = tuple(each for each in stored.headers if each[0] != "Location")
        return self._said(call, StoredAnswer(202, kept, stored.body), *headers)

    def _said(self, call: Call, stored: StoredAnswer, *more: Header) -> Answer:
        # what is kept for repetitions shows no address that could expire
        headers = tuple((name.lower().encode(), value.encode()) for name, value in stored.headers)
        return Answer(stored.status, self._addressed(call, stored.body), (*headers, *more))

    def _addressed(self, call: Call, body: bytes) -> bytes:
        return self._attachments.show(body, call.origin) if self._table.attachment_fields else body

    def _answer_one(self, done: Done) -> StoredAnswer:
        (written,) = done.written
        assert written.record is not None
        assert written.table is not None
        blob = written.table.encode(written.record)
        created = written.effect is Effected.CREATED
        headers = [("ETag", etag(blob)), ("X-Feed-Position", str(done.seq))]
        if created:
            headers.append(("Location", f"{self._path}/{quote(written.record.id)}"))
        body = self._envelopes.data(blob, warnings=written.warnings)
        return StoredAnswer(201 if created else 200, tuple(headers), body)

    def _answer_many(self, done: Done) -> StoredAnswer:
        blobs = [each.table.encode(each.record) for each in done.written if each.table and each.record]
        warnings = list(dict.fromkeys(warning for written in done.written for warning in written.warnings))
        created = any(written.effect is Effected.CREATED for written in done.written)
        body = self._envelopes.records(blobs, warnings=warnings)
        return StoredAnswer(201 if created else 200, (("X-Feed-Position", str(done.seq)),), body)

    def _answer_removed(self, done: Done) -> StoredAnswer:
        (written,) = done.written
        assert written.record is not None
        data = orjson.dumps({"id": written.record.id, "deleted": True})
        return StoredAnswer(200, (("X-Feed-Position", str(done.seq)),), self._envelopes.data(data))
