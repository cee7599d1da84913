"""Tables, questions and an opened base for tests of the record store."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from tests.fakes import FakeClock

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import FieldId, RandomIds, TableId
from airtable_connector.records import (
    SPRINTS,
    STANDARD_TABLES,
    Actor,
    Create,
    Done,
    Field,
    FieldType,
    Query,
    Repeatable,
    ShelfLoaded,
    StoredAnswer,
    Table,
    Workspace,
    WorkspaceSettings,
    WriteRequest,
    Written,
    open_workspace,
    read_offset,
    stable_id,
    write_offset,
)

F = TypeVar("F")

ADA = Actor(5, "00000000-0000-4000-8000-0000000000aa")


def a_field(name: str, kind: FieldType, **options: Any) -> Field:
    return Field(FieldId(stable_id("fld", "tests", name)), name, kind, options)


def choices(*names: str) -> list[dict[str, str]]:
    return [{"id": stable_id("sel", name), "name": name} for name in names]


def a_table(name: str, key: str | None, *fields: Field) -> Table:
    key_id = next((field.id for field in fields if field.name == key), None)
    return Table(TableId(stable_id("tbl", "tests", name)), name, fields, key_id)


def link_to(table: Table, name: str | None = None, **options: Any) -> Field:
    return a_field(name or table.name, FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=table.id, **options)


PROJECTS = a_table("Projects", "Code", a_field("Code", FieldType.SINGLE_LINE_TEXT))
"""What `EVERYTHING` links to."""

EVERYTHING = a_table(
    "Everything",
    "Name",
    a_field("Name", FieldType.SINGLE_LINE_TEXT),
    a_field("Story", FieldType.MULTILINE_TEXT),
    a_field("Site", FieldType.URL),
    a_field("Mail", FieldType.EMAIL),
    a_field("Phone", FieldType.PHONE_NUMBER),
    a_field("Number", FieldType.NUMBER, precision=2),
    a_field("Percent", FieldType.PERCENT, precision=1),
    a_field("Price", FieldType.CURRENCY, precision=2, symbol="€"),
    a_field("Stars", FieldType.RATING, max=5),
    a_field("Took", FieldType.DURATION, durationFormat="h:mm"),
    a_field("Ticked", FieldType.CHECKBOX),
    a_field("Stage", FieldType.SINGLE_SELECT, choices=choices("Waiting", "Active", "Done")),
    a_field("Tags", FieldType.MULTIPLE_SELECTS, choices=choices("red", "green", "blue")),
    a_field("Day", FieldType.DATE),
    a_field("Moment", FieldType.DATE_TIME, timeZone="utc"),
    a_field("Created", FieldType.CREATED_TIME),
    a_field("Modified", FieldType.LAST_MODIFIED_TIME),
    a_field("Count", FieldType.AUTO_NUMBER),
    a_field("Projects", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=PROJECTS.id),
    a_field("Files", FieldType.MULTIPLE_ATTACHMENTS),
    a_field("Essay", FieldType.RICH_TEXT),
    a_field("Code bars", FieldType.BARCODE),
    a_field("Owner", FieldType.SINGLE_COLLABORATOR),
    a_field("Team", FieldType.MULTIPLE_COLLABORATORS),
    a_field("Summary", FieldType.AI_TEXT, prompt=["Sum it up"]),
    a_field("Source", FieldType.EXTERNAL_SYNC_SOURCE, choices=choices("elsewhere")),
)
"""A table with a field of every type."""

ALL_TABLES = (*STANDARD_TABLES, PROJECTS, EVERYTHING)


class WatchedObserver:
    """Keeps every fact, and lets a test wait for one."""

    def __init__(self) -> None:
        self.facts: list[object] = []
        self._seen = asyncio.Event()

    def saw(self, fact: object) -> None:
        self.facts.append(fact)
        self._seen.set()

    def of(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def until(self, condition: Callable[["WatchedObserver"], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                self._seen.clear()
                await self._seen.wait()


@dataclass
class Base:
    """An opened workspace and what it was given."""

    workspace: Workspace
    database: Database
    observer: WatchedObserver

    async def do(self, *operations: Any, actor: Actor = ADA, repeatable: Repeatable | None = None) -> list[Written]:
        """Write one request and return what it did."""
        done = await self.workspace.write(WriteRequest(actor, operations, repeatable))
        assert isinstance(done, Done)
        return list(done.written)

    async def create(self, table: Table, **fields: object) -> str:
        """Create one record and return its id."""
        (written,) = await self.do(Create(table, fields))
        assert written.record is not None
        return written.record.id

    async def cells(self, table: Table, target: str) -> dict[str, Any] | None:
        """Return a record's shown cells by name, or None."""
        blob = await self.workspace.get(table, target)
        return None if blob is None else orjson.loads(blob)["fields"]

    async def walk(self, query: Query) -> list[dict[str, Any]]:
        """Ask for page after page, each by the offset of the one before, and return all records."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self.workspace.page(query)
            found += [orjson.loads(blob) for blob in page.records]
            if page.next is None:
                return found
            assert len(page.records) == query.page_size
            query = dataclasses.replace(query, after=read_offset(query, write_offset(query, page.next)))

    async def names(self, query: Query, field: str = "Name") -> list[Any]:
        """Walk the pages and return one cell of each record, None where it is empty."""
        return [record["fields"].get(field) for record in await self.walk(query)]

    async def shelved(self) -> None:
        """Wait until every table is served from memory."""
        await self.observer.until(lambda seen: len(seen.of(ShelfLoaded)) == len(self.workspace.tables))


@asynccontextmanager
async def opened_base(
    database: Database,
    *,
    clock: Clock | None = None,
    tables: Sequence[Table] = ALL_TABLES,
    settings: WorkspaceSettings | None = None,
) -> AsyncIterator[Base]:
    """Open a workspace with every field type on a database that is open already."""
    observer = WatchedObserver()
    async with open_workspace(
        database,
        clock=clock or FakeClock(),
        ids=RandomIds(),
        observer=observer,
        tables=tables,
        settings=settings,
    ) as workspace:
        yield Base(workspace, database, observer)


def a_sprint(number: object, **more: object) -> Create:
    return Create(SPRINTS, {"Sprint_ID": f"S-{number}", **more})


def sprints(count: int, **more: object) -> list[Create]:
    return [a_sprint(number, **more) for number in range(count)]


def answering(body: bytes = b"{}") -> Callable[[Done], StoredAnswer]:
    return lambda _done: StoredAnswer(201, (("location", "/sprints/S-1"),), body)


def once(key: str, content: bytes = b"content", body: bytes = b"{}") -> Repeatable:
    return Repeatable(key, content, answering(body))


def shown(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return [record["id"] for record in records]
