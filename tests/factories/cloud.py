"""Two sides for tests: a second connector that stands for Airtable, and a base here that follows it."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.factories.records import WatchedObserver, a_field, a_table, link_to
from tests.fakes.ledger import FakeLedger

from airtable_connector.airtable import AirtableClient, CloudRecord, CloudSettings, PaceKeeper, PaceSettings
from airtable_connector.database import Database, DatabaseLocation, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import FieldId, RandomIds, RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.records import (
    Actor,
    Cell,
    Done,
    FieldType,
    Operation,
    Table,
    Workspace,
    WriteRequest,
    open_workspace,
)
from airtable_connector.sync.outbox import CONNECTOR_KEY, Outbox, OutboxSettings, Receipt, Wording
from airtable_connector.web.airtable_api import DERIVED_ID

TEXT, NUMBER = FieldType.SINGLE_LINE_TEXT, FieldType.NUMBER

DAY = a_field("Day", FieldType.DATE_TIME, timeZone="utc")
"""A text here and a moment there, so that callers can write what is refused, or spelled otherwise."""

PLAIN = a_table("Plain", None, a_field("Name", TEXT), a_field("Age", NUMBER, precision=0), DAY)
KEYED = a_table("Keyed", None, a_field("Name", TEXT), a_field("Age", NUMBER, precision=0), a_field(CONNECTOR_KEY, TEXT))
OWN = a_table("Own", "Code", a_field("Code", TEXT), a_field("Age", NUMBER, precision=0))
LINKED = a_table("Linked", None, a_field("Name", TEXT), link_to(KEYED, "Ones"))
CLOUD_TABLES = (PLAIN, KEYED, OWN, LINKED)

UNHURRIED = PaceSettings(per_window=10_000, lockout=timedelta(milliseconds=300))
WAIT = timedelta(seconds=20)
ADA, BOB = Actor(5, "00000000-0000-4000-8000-0000000000aa"), Actor(6, "00000000-0000-4000-8000-0000000000bb")


def told(table: Table) -> Table:
    """Make a table as the base here has it: all that follows from other cells is told."""
    return dataclasses.replace(table, fields=tuple(dataclasses.replace(field, told=True) for field in table.fields))


HERE = {table.name: told(table) for table in CLOUD_TABLES}
HERE["Plain"] = dataclasses.replace(
    HERE["Plain"],
    fields=tuple(
        dataclasses.replace(field, type=TEXT, options={}) if field.id == DAY.id else field
        for field in HERE["Plain"].fields
    ),
)


def cells_told(table: Table, record: CloudRecord) -> Mapping[FieldId, Cell]:
    return {name: cell for name, cell in record.cells.items() if name in table.by_id and cell is not None}  # type: ignore[misc]


def cells_sent(_table: Table, cells: Mapping[FieldId, Cell | None]) -> Mapping[FieldId, Any]:
    return dict(cells)


@dataclass
class Side:
    """The base here, and what sends its writes."""

    workspace: Workspace
    database: Database
    outbox: Outbox
    client: AirtableClient
    observer: WatchedObserver
    supervisor: Supervisor

    def start(self) -> None:
        for name, step in self.outbox.steps().items():
            self.supervisor.start(name, step)

    async def write(self, *operations: Operation, actor: Actor = ADA) -> Done:
        done = await self.workspace.write(WriteRequest(actor, operations))
        assert isinstance(done, Done)
        return done

    async def settled(self, done: Done, within: timedelta = WAIT) -> Receipt:
        return await self.outbox.wait(done.first, done.seq, within=within)

    async def do(self, *operations: Operation, actor: Actor = ADA) -> Receipt:
        """Write, and wait until Airtable has answered."""
        receipt = await self.settled(await self.write(*operations, actor=actor))
        assert receipt.final, receipt
        return receipt

    async def cells(self, table: Table, record: RecordId) -> Mapping[str, Any] | None:
        """Return a record's cells by the names of their fields."""
        found = await self.workspace.find(table, record)
        return None if found is None else table.named(found.cells)


@asynccontextmanager
async def one_side(
    location: DatabaseLocation,
    address: str,
    key: str,
    *,
    settings: OutboxSettings | None = None,
    pace: PaceSettings = UNHURRIED,
    timeout: timedelta = WAIT,  # noqa: ASYNC109 - a setting of the client
    wrapped: Callable[[Database], Database] = lambda database: database,
    begun: bool = True,
) -> AsyncIterator[Side]:
    """Open the base at a location; nothing is sent before `Side.start`."""
    clock, ids, observer = SystemClock(), RandomIds(), WatchedObserver()
    async with AsyncExitStack() as stack:
        database = wrapped(await stack.enter_async_context(open_database(location, clock=clock)))
        opened = open_workspace(database, clock=clock, ids=ids, observer=observer, tables=tuple(HERE.values()))
        workspace = await stack.enter_async_context(opened)
        keeper = PaceKeeper(pace, FakeLedger(), clock=clock, observer=observer)
        cloud = CloudSettings(Secret(key), DERIVED_ID, address, timeout)
        client = AirtableClient(cloud, keeper, clock=clock, observer=observer)
        stack.push_async_callback(client.close)
        await client.prepare()
        wording = Wording(cells_told, cells_sent)
        outbox = Outbox(
            workspace,
            database,
            client,
            wording,
            settings or OutboxSettings(look_after=timedelta(0)),
            clock=clock,
            ids=ids,
            observer=observer,
        )
        if begun:
            await outbox.open()
            await outbox.recover()
        supervisor = await stack.enter_async_context(Supervisor(clock=clock, observer=observer))
        yield Side(workspace, database, outbox, client, observer, supervisor)
