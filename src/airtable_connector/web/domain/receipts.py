"""What becomes of writes that are on their way to Airtable: receipts, dead letters, conflicts."""

from collections.abc import Mapping

import orjson

from airtable_connector.kernel.clock import iso
from airtable_connector.kernel.ids import FieldId
from airtable_connector.records import Actor, Cell, Field, UnknownTable, Workspace
from airtable_connector.sync.outbox import (
    DeadLetterNotFound,
    Intent,
    Outbox,
    Receipt,
    read_receipt_id,
    receipt_id,
)
from airtable_connector.sync.overlay import Conflict
from airtable_connector.web.domain.bodies import read_fields_of
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.errors import UnknownParameter
from airtable_connector.web.domain.listing import read_count
from airtable_connector.web.http import Answer, Call, read_json

MOST_SHOWN = 1_000
"""Dead letters or conflicts in one answer."""


class ReceiptEndpoints:
    """HTTP endpoints about what callers have written and Airtable makes of it."""

    def __init__(self, outbox: Outbox, workspace: Workspace, envelopes: Envelopes) -> None:
        self._outbox = outbox
        self._workspace = workspace
        self._envelopes = envelopes

    async def read(self, call: Call) -> Answer:
        """Answer ``GET /receipts/{id}``: how far a write is. What is ``done`` or ``refused`` stays so."""
        _refuse_options(call)
        receipt = await self._outbox.receipt(*read_receipt_id(call.path_params["id"]))
        return self._data(_shown_receipt(receipt))

    async def dead_letters(self, call: Call) -> Answer:
        """Answer ``GET /dead-letters?limit=&before=``: writes that Airtable has refused, newest first."""
        before, limit = self._page(call)
        letters = await self._outbox.dead_letters(before=before, count=limit)
        return self._data({"dead_letters": [self._shown_letter(letter) for letter in letters]})

    async def replay(self, call: Call) -> Answer:
        """Answer ``POST /dead-letters/{number}/replay``: write it again, with the cells of the body if it has some."""
        _refuse_options(call)
        body = await call.body()
        fields = read_fields_of(read_json(body)) if body else None
        actor = Actor(call.caller.droplet, call.trace_id)
        first, seq = await self._outbox.replay(_number(call), fields, actor=actor)
        receipt = receipt_id(first, seq)
        headers = ((b"location", b"/receipts/%b" % receipt.encode()), (b"x-receipt", receipt.encode()))
        return Answer(202, self._envelopes.data(orjson.dumps({"receipt": receipt})), headers)

    async def drop(self, call: Call) -> Answer:
        """Answer ``DELETE /dead-letters/{number}``: let it go."""
        _refuse_options(call)
        number = _number(call)
        await self._outbox.drop(number)
        return self._data({"number": number, "dropped": True})

    async def conflicts(self, call: Call) -> Answer:
        """Answer ``GET /conflicts?limit=&before=``: cells changed on both sides, newest first, with both values."""
        before, limit = self._page(call)
        found = await self._outbox.conflicts(before=before, count=limit)
        return self._data({"conflicts": [self._shown_conflict(each) for each in found]})

    def _page(self, call: Call) -> tuple[int | None, int]:
        before, limit = None, 100
        for name, value in call.query:
            match name:
                case "before":
                    before = read_count(name, value, most=2**62)
                case "limit":
                    limit = read_count(name, value, most=MOST_SHOWN)
                case _:
                    raise UnknownParameter(name, ("before", "limit"))
        return before, limit

    def _data(self, shown: Mapping[str, object]) -> Answer:
        return Answer(200, self._envelopes.data(orjson.dumps(shown)))

    def _shown_letter(self, letter: Intent) -> dict[str, object]:
        return {
            "number": letter.number,
            "table": self._table(letter.table),
            "record": letter.target,
            "kind": str(letter.kind),
            "fields": self._named(letter.table, letter.cells),
            "actor": letter.actor,
            "trace_id": letter.cause,
            "at": iso(letter.at),
            "reason": letter.reason,
        }

    def _shown_conflict(self, conflict: Conflict) -> dict[str, object]:
        (field,) = self._named(conflict.table, {conflict.field: None})
        return {
            "number": conflict.intent,
            "table": self._table(conflict.table),
            "record": conflict.record,
            "field": field,
            "ours": conflict.ours,
            "theirs": conflict.theirs,
            "won": str(conflict.won),
        }

    def _table(self, table: str) -> str:
        try:
            return self._workspace.table(table).name
        except UnknownTable:
            return table

    def _named(self, table: str, cells: Mapping[FieldId, Cell | None]) -> dict[str, object]:
        """Name cells by their fields; what the table has no more keeps its id."""
        try:
            known: Mapping[str, Field] = self._workspace.table(table).by_id
        except UnknownTable:
            known = {}
        return {known[name].name if name in known else name: cell for name, cell in cells.items()}


def _shown_receipt(receipt: Receipt) -> dict[str, object]:
    return {
        "id": receipt.id,
        "state": str(receipt.state),
        "final": receipt.final,
        "records": [
            {"written_as": each.record, "id": each.real, "state": str(each.state), "reason": each.reason or None}
            for each in receipt.records
        ],
    }


def _number(call: Call) -> int:
    text = call.path_params["number"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise DeadLetterNotFound(0)
    return int(text)


def _refuse_options(call: Call) -> None:
    for name, _ in call.query:
        raise UnknownParameter(name, ())
