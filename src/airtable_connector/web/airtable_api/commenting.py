"""The endpoints of comments. A record is looked for in the whole base, as single records are."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import NEWEST, Comment, Table
from airtable_connector.web.airtable_api.base import Base, Bases
from airtable_connector.web.airtable_api.bodies import read_object
from airtable_connector.web.airtable_api.errors import InvalidParameters, ModelNotFound, OffsetInvalid
from airtable_connector.web.airtable_api.options import LARGEST_PAGE
from airtable_connector.web.airtable_api.parameters import one, read_parameters, refuse_parameters, whole_number
from airtable_connector.web.airtable_api.users import mentioned, user
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call

NEW_MEMBERS: Final = frozenset({"text", "parentCommentId"})
CHANGE_MEMBERS: Final = frozenset({"text"})


class CommentEndpoints:
    """HTTP endpoints over the comments of one record."""

    def __init__(self, bases: Bases) -> None:
        self._bases = bases

    async def list(self, call: Call) -> Answer:
        """Answer ``GET …/{record}/comments``: one page, newest first."""
        size, before = _read_page(read_parameters(call))
        _, record = await self._record(call)
        found = await self._bases.workspace.comments.page(record, before=before, count=size + 1)
        page = found[:size]
        offset = str(page[-1].seq) if len(found) > size else None
        return _answer({"comments": [_shown(comment) for comment in page], "offset": offset})

    async def create(self, call: Call) -> Answer:
        """Answer ``POST …/{record}/comments``: write a comment, or an answer to one."""
        refuse_parameters(call)
        body = await read_object(call)
        text, parent = _text(body, NEW_MEMBERS), body.get("parentCommentId")
        if parent is not None and not isinstance(parent, str):
            raise InvalidParameters("parentCommentId")
        table, record = await self._record(call)
        comment = await self._bases.workspace.comments.add(
            table, record, text, author=call.caller.droplet, parent=parent
        )
        return _answer(_shown(comment))

    async def change(self, call: Call) -> Answer:
        """Answer ``PATCH …/{record}/comments/{comment}``: replace the text of an own comment."""
        refuse_parameters(call)
        text = _text(await read_object(call), CHANGE_MEMBERS)
        _, record = await self._record(call)
        comment = call.path_params["comment"]
        return _answer(
            _shown(await self._bases.workspace.comments.change(record, comment, text, author=call.caller.droplet))
        )

    async def remove(self, call: Call) -> Answer:
        """Answer ``DELETE …/{record}/comments/{comment}``: remove an own comment."""
        refuse_parameters(call)
        _, record = await self._record(call)
        comment = call.path_params["comment"]
        await self._bases.workspace.comments.remove(record, comment, author=call.caller.droplet)
        return _answer({"id": comment, "deleted": True})

    async def _record(self, call: Call) -> tuple[Table, RecordId]:
        """Return the record that the address names, and the table that holds it."""
        base = self._bases.of(self._bases.table(call))
        found = await base.locate(RecordId(call.path_params["record"]))
        if found is None:
            raise ModelNotFound
        table, blob = found
        # the address may have the record's former id
        return table, RecordId(orjson.loads(blob)["id"])


async def with_comment_counts(base: Base, blobs: Sequence[bytes]) -> Sequence[bytes]:
    """Put on each record how many comments it has; one without any is left as it is, as Airtable does it."""
    records: list[dict[str, Any]] = [orjson.loads(blob) for blob in blobs]
    counts = await base.workspace.comments.counts([record["id"] for record in records])
    return [
        orjson.dumps({**record, "commentCount": counts[record["id"]]}) if record["id"] in counts else blob
        for record, blob in zip(records, blobs, strict=True)
    ]


def _read_page(parameters: Mapping[str, list[str]]) -> tuple[int, int]:
    size, before = LARGEST_PAGE, NEWEST
    for name, values in parameters.items():
        match name:
            case "pageSize":
                size = whole_number(name, values)
            case "offset":
                before = _read_offset(one(name, values))
            case _:
                raise InvalidParameters(name)
    if not 1 <= size <= LARGEST_PAGE:
        raise InvalidParameters("pageSize")
    return size, before


def _read_offset(offset: str) -> int:
    if not offset:
        return NEWEST
    if not (offset.isascii() and offset.isdecimal() and len(offset) <= 18):
        raise OffsetInvalid(offset)
    return int(offset)


def _text(body: Mapping[str, object], known: frozenset[str]) -> str:
    for name in body:
        if name not in known:
            raise InvalidParameters(name)
    text = body.get("text")
    if not isinstance(text, str):
        raise InvalidParameters("text")
    return text


def _answer(told: Mapping[str, object]) -> Answer:
    return Answer(200, orjson.dumps(told), media_type=JSON_UTF8)


def _shown(comment: Comment) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": comment.id,
        "author": user(comment.author),
        "text": comment.text,
        "createdTime": comment.created_at,
        "lastUpdatedTime": comment.changed_at,
    }
    if named := mentioned(comment.text):
        shown["mentioned"] = named
    if comment.parent is not None:
        shown["parentCommentId"] = comment.parent
    return shown
