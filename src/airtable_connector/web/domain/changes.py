"""The change feed over HTTP: ``GET /changes`` to pull, ``GET /events`` to be told (server-sent events)."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final

import orjson

from airtable_connector.kernel.ids import TableId
from airtable_connector.records import Action, AttachmentAddresses, Change, Table, UnknownTable, Workspace
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.errors import InvalidHeader, TooManyStreams, UnknownParameter
from airtable_connector.web.domain.listing import read_count
from airtable_connector.web.http import Answer, Call, Stream

MOST_STREAMS: Final = 256
"""Event streams open at once."""

STEP: Final = 200
"""Changes sent at a time to one stream."""

LARGEST_STEP: Final = 1_000
"""Changes in one answer of ``/changes``."""

KEEP_ALIVE: Final = timedelta(seconds=15)
"""A comment is sent on a silent stream this often, so that proxies and callers see it alive."""

FARTHEST: Final = 2**62


def change_json(change: Change, workspace: Workspace) -> dict[str, Any]:
    """Describe a change to callers: cells by field name; ``actor`` is a droplet, ``trace_id`` its request.

    A change of the table itself has no record; what differs in the definition is told as the feed has it. Of a table
    that is gone, only ids are known. Tables of made bases are told by their ids, so that who knows the own base's by
    their names does not mistake one for another.
    """
    table = _present(workspace, change.table)
    of_schema = change.action is Action.SCHEMA
    elsewhere = {} if table is None or table.base is None else {"table_name": table.name, "base": table.base}
    return {
        "seq": change.seq,
        "at": change.at,
        "table": change.table if table is None else table.address,
        **elsewhere,
        "record": None if of_schema else change.record,
        "action": str(change.action),
        "actor": change.actor,
        "trace_id": change.cause,
        "before": change.before if of_schema else _named(table, change.before),
        "after": change.after if of_schema else _named(table, change.after),
    }


def changes_json(changes: Sequence[Change], workspace: Workspace, *, more: bool) -> bytes:
    """Describe a page of changes; ``position`` is where the next page begins."""
    position = changes[-1].seq if changes else None
    shown = [change_json(change, workspace) for change in changes]
    return orjson.dumps({"changes": shown, "position": position, "more": more})


class ChangeEndpoints:
    """HTTP endpoints over the change feed."""

    def __init__(self, workspace: Workspace, envelopes: Envelopes, attachments: AttachmentAddresses) -> None:
        self._workspace = workspace
        self._attachments = attachments
        self._envelopes = envelopes
        self._streams = 0

    async def pull(self, call: Call) -> Answer:
        """Answer ``GET /changes?after=&limit=&table=``: changes beyond a feed position, oldest first."""
        after, limit, table = 0, 100, None
        for name, value in call.query:
            match name:
                case "after":
                    after = read_count(name, value, least=0, most=FARTHEST)
                case "limit":
                    limit = read_count(name, value, most=LARGEST_STEP)
                case "table":
                    table = self._workspace.table(value)
                case _:
                    raise UnknownParameter(name, ("after", "limit", "table"))
        found = await self._workspace.changes(after=after, count=limit + 1, table=table)
        data = changes_json(found[:limit], self._workspace, more=len(found) > limit)
        return Answer(200, self._attachments.show(self._envelopes.data(data), call.origin))

    async def stream(self, call: Call) -> Stream:
        """Answer ``GET /events?after=&table=``: each change as an event whose id is its feed sequence.

        ``Last-Event-ID`` goes on after that event and wins over ``after``; without either, the stream begins now.
        """
        after, table = self._workspace.head.seq, None
        for name, value in call.query:
            match name:
                case "after":
                    after = read_count(name, value, least=0, most=FARTHEST)
                case "table":
                    table = self._workspace.table(value)
                case _:
                    raise UnknownParameter(name, ("after", "table"))
        last = call.header("last-event-id")
        if last is not None:
            if not (last.isascii() and last.isdecimal() and len(last) <= 18):
                raise InvalidHeader("Last-Event-ID", expected="the id of an event that this stream has sent")
            after = int(last)
        if self._streams >= MOST_STREAMS:
            raise TooManyStreams(MOST_STREAMS)
        return Stream(self._events(after, table, call.origin), headers=((b"cache-control", b"no-store"),))

    async def _events(self, after: int, table: Table | None, origin: str) -> AsyncIterator[bytes]:
        workspace = self._workspace
        self._streams += 1
        try:
            yield b": the change feed of droplet 2\nretry: 2000\n\n"
            while True:
                seen = workspace.head.seq
                changes = await workspace.changes(after=after, count=STEP, table=table)
                if changes:
                    yield self._attachments.show(b"".join(self._event(change) for change in changes), origin)
                after = changes[-1].seq if len(changes) == STEP else max(after, seen, *(c.seq for c in changes))
                if len(changes) < STEP and not await workspace.advance_beyond(after, within=KEEP_ALIVE):
                    yield b": still here\n\n"
        finally:
            self._streams -= 1

    def _event(self, change: Change) -> bytes:
        data = orjson.dumps(change_json(change, self._workspace))
        return b"id: %d\nevent: change\ndata: %b\n\n" % (change.seq, data)


def _present(workspace: Workspace, table: TableId) -> Table | None:
    try:
        return workspace.table(table)
    except UnknownTable:
        return None


def _named(table: Table | None, cells: Any) -> dict[str, Any] | None:
    if cells is None or table is None:
        return cells  # type: ignore[no-any-return] # JSON
    return {field.name: cells[field.id] for field in table.fields if field.id in cells}
