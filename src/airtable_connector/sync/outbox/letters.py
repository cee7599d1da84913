"""Writes that Airtable has refused: listed, replayed as new writes, or dropped."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock
from airtable_connector.records import (
    Actor,
    Create,
    Delete,
    Done,
    Operation,
    Repeatable,
    StoredAnswer,
    UnknownTable,
    Update,
    Workspace,
    WriteRequest,
)
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.errors import DeadLetterNotFound, ReplayRefused
from airtable_connector.sync.outbox.intents import Intent, Kind, Result, State

REPLAYED: Final = "it was replayed as another write"
DROPPED: Final = "it was dropped"


class DeadLetters:
    """The refused writes. Each keeps what was to be written, and why it was refused."""

    def __init__(self, workspace: Workspace, database: Database, *, clock: Clock) -> None:
        self._workspace = workspace
        self._database = database
        self._clock = clock

    async def newest(self, *, before: int | None, count: int) -> Sequence[Intent]:
        """Return up to ``count`` refused writes before a number, newest first."""
        async with self._database.reading() as reader:
            return await rows.dead(reader, before=2**62 if before is None else before, count=count)

    async def replay(self, number: int, fields: Mapping[str, object] | None, *, actor: Actor) -> tuple[int, int]:
        """Write it again, with other cells if ``fields`` are given, and return the feed positions of the new write.

        Repeated by the same actor after a failure in between, it writes no second time.

        Raises:
            DeadLetterNotFound: no refused write has this number.
            ReplayRefused: its table is gone, or the write changed nothing.
            UnknownField, InvalidCell, UnknownChoice, RecordNotFound, KeyTaken: the base refuses it.
            KeyReused: it was replayed before with other cells, and that was cut off.
        """
        intent = await self._one(number)
        operation = self._operation(intent, fields)
        body = orjson.dumps(None if fields is None else dict(fields), option=orjson.OPT_SORT_KEYS)
        once = Repeatable(f"replay {number}", hashlib.sha256(body).digest(), _positions)
        outcome = await self._workspace.write(WriteRequest(actor, (operation,), once))
        answer = outcome.answer
        assert answer is not None  # the request is a repeatable one
        first, seq = orjson.loads(answer.body)
        if isinstance(outcome, Done) and first > seq:
            raise ReplayRefused("the record has these cells already")
        await self._end(number, REPLAYED)
        return first, seq

    async def drop(self, number: int) -> None:
        """Let a refused write go.

        Raises:
            DeadLetterNotFound: no refused write has this number.
        """
        await self._one(number)
        await self._end(number, DROPPED)

    async def _one(self, number: int) -> Intent:
        async with self._database.reading() as reader:
            found = await rows.one(reader, number)
        if found is None or found.state is not State.DEAD:
            raise DeadLetterNotFound(number)
        return found

    async def _end(self, number: int, what: str) -> None:
        intent = await self._one(number)
        async with self._database.transaction() as tx:
            reason = f"{intent.reason}; {what}"
            await rows.end(tx, [number], Result.DROPPED, at=self._clock.now(), reason=reason)

    def _operation(self, intent: Intent, fields: Mapping[str, object] | None) -> Operation:
        try:
            table = self._workspace.table(intent.table)
        except UnknownTable:
            raise ReplayRefused("its table is not in the base any more") from None
        cells: Mapping[str, object] = {str(name): cell for name, cell in intent.cells.items()}
        match intent.kind:
            case Kind.CREATE:
                return Create(table, cells if fields is None else fields)
            case Kind.UPDATE:
                return Update(table, intent.target, cells if fields is None else fields)
            case Kind.DELETE:
                return Delete(table, intent.target)


def _positions(done: Done) -> StoredAnswer:
    return StoredAnswer(200, (), orjson.dumps([done.first, done.seq]))
