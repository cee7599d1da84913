"""Airtable in a simulated world: a second connector behind its own dialect, and the way there with all its faults."""

import asyncio
import base64
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
from tests.factories.records import a_field, a_table
from tests.fakes import SpyObserver
from tests.unit.web.harness import Door, Droplet, Reply
from tests.world.loop import SeededIds, SimulatedClock
from tests.world.store import OnlyOurs, Point

from airtable_connector.airtable import CloudCall, Done, NotDone, Outcome, Unknown, Why
from airtable_connector.airtable.answers import Answer, judge
from airtable_connector.database import SqliteFile, open_database
from airtable_connector.kernel.ids import RecordId
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.mesh import PeerClient
from airtable_connector.ops import Hooks, PayloadMaker
from airtable_connector.records import (
    Actor,
    AttachmentAddresses,
    AttachmentFiles,
    Change,
    FieldType,
    Operation,
    Query,
    Table,
    Workspace,
    WriteRequest,
    open_workspace,
)
from airtable_connector.sync.outbox import CONNECTOR_KEY
from airtable_connector.web.airtable_api import DERIVED_ID, AirtableApi, BaseName, PaceSettings

TEXT = FieldType.SINGLE_LINE_TEXT
CELLS: Final = ("Name", "Ours", "Theirs", "Both")
PLAIN = a_table("Plain", None, *(a_field(name, TEXT) for name in CELLS))
KEYED = a_table("Keyed", None, *(a_field(name, TEXT) for name in (*CELLS, CONNECTOR_KEY)))
TABLES: Final = (PLAIN, KEYED)

PER_SECOND: Final = 5
LOCKOUT: Final = 30.0
PEOPLE: Final = Actor(77, "00000000-0000-4000-8000-000000000077")
CONNECTOR: Final = Droplet(9, permissions=frozenset({"read", "write", "admin"}))

OPTIONS: Final = {
    "page_size": "pageSize",
    "offset": "offset",
    "formula": "filterByFormula",
    "use_field_ids": "returnFieldsByFieldId",
    "cursor": "cursor",
    "limit": "limit",
}
"""What pyairtable's names for parameters are on the wire."""


class Fault(StrEnum):
    """What may become of a call."""

    NONE = "none"
    UNREACHED = "never arrived, and we know it"
    LOST_REQUEST = "never arrived, and we do not know it"
    LOST_ANSWER = "took effect, and the answer was lost"
    LATE_EFFECT = "was given up, and took effect later"
    LATE_500 = "took effect, and was answered 500"
    BUSY = "503, and repeating is safe"
    LOCKED_OUT = "somebody else asked too often"


@dataclass
class Troubles:
    """How likely each fault is, and how slow Airtable is at most."""

    chances: dict[Fault, float] = field(default_factory=dict)
    slowest: float = 0.3


@dataclass(frozen=True)
class Begun:
    """A call, as it left the connector."""

    at: float
    name: str
    life: object


class Airtable:
    """The base at Airtable, and all that was asked of it."""

    def __init__(self, clock: SimulatedClock, dice: random.Random) -> None:
        self.clock = clock
        self.dice = dice
        self.troubles = Troubles()
        self.life: object = None
        """Which life of the connector asks now."""
        self.begun: list[Begun] = []
        self.violations: list[str] = []
        self.on_call: Point | None = None
        """Told before each call leaves and after it has taken effect; may keep it for ever."""
        self._latest: deque[float] = deque(maxlen=PER_SECOND)
        self._closed_until = 0.0
        self._told: dict[object, float] = {}
        self.workspace: Workspace
        self.hooks: Hooks
        self._door: Door

    # the way there (`Asking`)

    def ask(self, call: CloudCall, read: Callable[[JsonValue], Any]) -> Any:
        self._count(call)
        return self._make(call, read, self.life)

    def close(self) -> None:
        pass

    def _count(self, call: CloudCall) -> None:
        now = self.clock.monotonic()
        self.begun.append(Begun(now, call.name, self.life))
        if len(self._latest) == PER_SECOND and now - self._latest[0] < 1.0:
            self.violations.append(f"a sixth call within a second: {call.name} at {now}")
        self._latest.append(now)
        if now < (until := self._told.get(self.life, 0.0)):
            self.violations.append(f"{call.name} at {now}, and it was told: not before {until}")

    async def _make(self, call: CloudCall, read: Callable[[JsonValue], Any], life: object) -> Outcome[Any]:
        fault = self._fault()
        if self.on_call is not None:
            await self.on_call(call.name, after=False)
        await self._travel()
        match fault:
            case Fault.UNREACHED:
                return NotDone(Why.UNREACHED)
            case Fault.LOST_REQUEST:
                return _unknown(call)
            case Fault.BUSY:
                body = b'{"error":{"type":"RETRIABLE_ERROR","message":"busy"}}'
                return judge(Answer(503, body))
            case Fault.LATE_EFFECT if call.changes:
                self._later(call)
                await asyncio.sleep(60.0)
                return _unknown(call)
        if fault is Fault.LOCKED_OUT or self.clock.monotonic() < self._closed_until:
            self._closed_until = max(self._closed_until, self.clock.monotonic() + LOCKOUT)
            self._told[life] = self._closed_until
            return judge(Answer(429, b'{"errors":[{"error":"RATE_LIMIT_REACHED","message":"slower"}]}', "30"))
        reply = await self._answer(call)
        if self.on_call is not None:
            await self.on_call(call.name, after=True)
        await self._travel()
        match fault:
            case Fault.LOST_ANSWER:
                return _unknown(call)
            case Fault.LATE_500:
                return judge(Answer(500, b"")) if call.changes else NotDone(Why.READING_FAILED)
        if reply.status != 200:
            return judge(Answer(reply.status, reply.body, reply.header("retry-after")))
        return Done(read(orjson.loads(reply.body)))

    def _fault(self) -> Fault:
        chances = self.troubles.chances
        rest = max(0.0, 1.0 - sum(chances.values()))
        (fault,) = self.dice.choices([*chances, Fault.NONE], [*chances.values(), rest])
        return fault

    def _later(self, call: CloudCall) -> None:
        async def take_effect() -> None:
            await asyncio.sleep(self.dice.uniform(1.0, 55.0))
            await self._answer(call)

        self._late = asyncio.ensure_future(take_effect())

    async def _travel(self) -> None:
        await asyncio.sleep(self.dice.uniform(0.0, self.troubles.slowest))

    async def _answer(self, call: CloudCall) -> Reply:
        """Ask the dialect, as its clients do over the wire."""
        names = {OPTIONS[name]: value for name, value in call.options.items()} | dict(call.params)
        said = {name: "true" if value is True else value for name, value in names.items()}
        path = "/v0/" + "/".join(map(quote, call.path))
        body = None if call.body is None else orjson.dumps(call.body)
        return await self._door.ask(call.method, path, body=body, query=urlencode(said, doseq=True).encode())

    # what people do, and what is there

    async def edit(self, *operations: Operation) -> None:
        await self.workspace.write(WriteRequest(PEOPLE, operations))

    async def lose_hooks(self) -> None:
        """Take away every webhook, as somebody with rights may."""
        for hook in await self.hooks.all():
            await self.hooks.delete(hook.id)

    async def records(self, table: Table) -> dict[RecordId, dict[str, Any]]:
        return await shown(self.workspace, table)

    async def values(self, name: str) -> dict[RecordId, list[Any]]:
        """Return every value that a field of a record has had, in order."""
        found: dict[RecordId, list[Any]] = {}
        for change in await changes(self.workspace):
            table = self.workspace.table(change.table)
            cells = change.after or {}
            id_ = table.field(name).id
            if id_ in cells:
                found.setdefault(change.record, []).append(cells[id_])
        return found


def _unknown(call: CloudCall) -> Outcome[Any]:
    return Unknown("the connection failed") if call.changes else NotDone(Why.READING_FAILED)


async def shown(workspace: Workspace, table: Table) -> dict[RecordId, dict[str, Any]]:
    page = await workspace.page(Query(table))
    assert page.next is None
    return {each["id"]: each["fields"] for each in map(orjson.loads, page.records)}


async def changes(workspace: Workspace) -> list[Change]:
    """Return all entries of the feed about records."""
    found = await workspace.changes(after=0, count=10_000)
    assert len(found) < 10_000
    return [each for each in found if each.action != "schema"]


@asynccontextmanager
async def open_airtable(folder: Path, clock: SimulatedClock, dice: random.Random) -> AsyncIterator[Airtable]:
    airtable = Airtable(clock, dice)
    observer, ids = SpyObserver(), SeededIds(dice)
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_database(SqliteFile(folder / "airtable.db"), clock=clock))
        database = OnlyOurs(opened)
        workspace = await stack.enter_async_context(
            open_workspace(database, clock=clock, ids=ids, observer=observer, tables=TABLES)
        )
        client = PeerClient(clock=clock)
        stack.push_async_callback(client.close)
        maker = PayloadMaker(workspace, database, us=2, wake_courier=lambda: None, clock=clock, observer=observer)
        airtable.hooks = Hooks(
            workspace,
            database,
            maker=maker,
            client=client,
            encrypted_only=False,
            wake_maker=lambda: None,
            clock=clock,
            ids=ids,
        )
        api = AirtableApi(
            workspace,
            BaseName("Airtable", DERIVED_ID),
            PaceSettings(),
            files=AttachmentFiles(folder / "files", most_bytes=0, clock=clock),
            attachments=AttachmentAddresses(base64.b64encode(b"key"), lifetime=timedelta(hours=1), clock=clock),
            hooks=lambda: airtable.hooks,
            verify=lambda _token, **_: CONNECTOR,
            clock=clock,
        )
        airtable.workspace = workspace
        airtable._door = Door(dialects=[api], requests_per_minute=1_000_000_000)
        yield airtable
