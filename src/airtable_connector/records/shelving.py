"""What readers see: the shelves, the feed's head and its latest changes, kept true by the feed.

A table is loaded from one snapshot and then follows every commit, of this process at once and of other processes as
soon as the database tells. A table that would outgrow the memory limit is left to the store.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import TableId
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.records import storage
from airtable_connector.records.altering import keeps_its_json
from airtable_connector.records.cache import Effect, Put, Remove, Shelf
from airtable_connector.records.catalogue import Catalogue, described
from airtable_connector.records.feed import Change, Head
from airtable_connector.records.query import Page, Position, Query
from airtable_connector.records.schema import Table

RECENT = 2_000
"""Changes kept in memory for those who follow the feed closely."""

LOAD_STEP = 200
"""Records read at a time while a shelf is loaded: so few that requests are not kept waiting meanwhile."""

FOLLOW_STEP = 2_000
"""Entries read at a time while a gap in the feed is closed."""


@dataclass(frozen=True)
class ShelfLoaded(Fact):
    """A table is served from memory now."""

    table: str
    records: int
    memory: int
    seconds: float


@dataclass(frozen=True)
class ShelfGivenUp(Fact):
    """A table outgrew the configured memory and is served from the store."""

    table: str
    memory: int


class Shelving:
    """The shelves of a base and the feed position that they show."""

    def __init__(
        self, database: Database, catalogue: Catalogue, *, clock: Clock, observer: Observer, limit: int
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._observer = observer
        self._limit = limit
        self._shelves: dict[TableId, Shelf] = {}
        self._loading: dict[TableId, list[tuple[int, list[Effect]]]] = {}
        self._due: dict[TableId, None] = {}
        self._wanted = asyncio.Event()
        self._head = Head(0, bytes(32), 0)
        self._recent: deque[Change] = deque(maxlen=RECENT)
        self._advanced = asyncio.Event()
        self._closed = False
        self._following = asyncio.Lock()

    @property
    def head(self) -> Head:
        """Where the feed ends, as far as this process has seen."""
        return self._head

    @property
    def memory(self) -> int:
        """Bytes that the shelves hold, estimated."""
        return sum(shelf.memory for shelf in self._shelves.values())

    def start_at(self, head: Head, tables: Sequence[Table]) -> None:
        """Take the position and the tables of a base that was just opened."""
        self._head = head
        self._adopt(tables, head.seq)

    def close(self) -> None:
        """Let go of everyone who waits for the feed to move."""
        self._closed = True
        self._advanced.set()

    def shelf(self, table: Table) -> Shelf | None:
        """Return a table's shelf when it is held in memory, and shows the table as the caller knows it."""
        shelf = self._shelves.get(table.id)
        return shelf if shelf is not None and (shelf.table is table or shelf.table == table) else None

    def has_room_for(self, cost: int) -> bool:
        """Tell whether so many bytes more would stay below the limit."""
        return self.memory + cost <= self._limit

    def page_from_memory(self, query: Query) -> Page | None:
        """Answer a question for everything in the order of creation; None when the store must be asked."""
        shelf = self.shelf(query.table) if query.plain else None
        if shelf is None:
            return None
        blobs, last = shelf.page(query.after.ordinal if query.after else 0, query.page_size)
        return Page(blobs, None if last is None else Position(last))

    def recent(self, *, after: int, count: int, table: Table | None) -> list[Change] | None:
        """Return changes beyond a position from memory; None when it reaches back too far."""
        if after >= self._head.seq:
            return []
        if not self._recent or after < self._recent[0].seq - 1:
            return None
        fresh = (change for change in self._recent if change.seq > after)
        return list(islice((change for change in fresh if table is None or change.table == table.id), count))

    async def advance_beyond(self, seq: int, *, within: timedelta) -> bool:
        """Wait until the feed stands beyond ``seq``; False when the time is over first."""
        if self._head.seq > seq:
            return True
        timer = asyncio.ensure_future(self._clock.sleep(within))
        try:
            while self._head.seq <= seq and not timer.done() and not self._closed:
                moved = asyncio.ensure_future(self._advanced.wait())
                await asyncio.wait({timer, moved}, return_when=asyncio.FIRST_COMPLETED)
                moved.cancel()
        finally:
            timer.cancel()
        return self._head.seq > seq

    async def follow(self) -> None:
        """Bring the shelves to the store's present state; what other processes wrote is shown afterwards."""
        async with self._following:
            while True:
                async with self._database.reading() as reader:
                    head = await storage.read_head(reader)
                    entries = await storage.entries_after(reader, self._head.seq, FOLLOW_STEP)
                    touched = {entry.change.record for entry in entries}
                    present = {r.id: r for r in await storage.records_by_id(reader, touched)} if touched else {}
                    # the records are of this snapshot, and so must the tables be
                    altered = bool(entries) and await storage.schema_changed(reader, after=self._head.seq)
                    tables = await storage.read_tables(reader) if altered else None
                if not entries:
                    return
                effects: dict[TableId, list[Effect]] = {}
                for change in (entry.change for entry in entries):
                    record = present.get(change.record)
                    # it may have come back under its old id in another table
                    here = record is not None and record.table == change.table
                    shown = Put(record) if record is not None and here else Remove(change.record)
                    effects.setdefault(change.table, []).append(shown)
                last = entries[-1]
                ordinal = max([self._head.ordinal, *(r.ordinal for r in present.values())])
                reached = head if last.change.seq == head.seq else Head(last.change.seq, last.hash, ordinal)
                self.advance(reached, [entry.change for entry in entries], effects, tables)

    def advance(
        self,
        head: Head,
        changes: Iterable[Change],
        effects: Mapping[TableId, list[Effect]],
        tables: Sequence[Table] | None = None,
    ) -> None:
        """Show what was committed up to ``head``; a position that was shown before changes nothing.

        ``tables`` are the base's, where the schema changed.
        """
        if head.seq <= self._head.seq:
            return
        if tables is not None:
            self._adopt(tables, head.seq)
        self._recent.extend(change for change in changes if change.seq > self._head.seq)
        self._head = head
        for table, shown in effects.items():
            if table in self._shelves:
                self._shelves[table].take(head.seq, shown)
            elif table in self._loading:
                self._loading[table].append((head.seq, shown))
        if self.memory > self._limit:
            self._make_room()
        advanced, self._advanced = self._advanced, asyncio.Event()
        advanced.set()

    def _adopt(self, tables: Sequence[Table], seq: int) -> None:
        """Show these tables. Where records are written otherwise now, they come from the store until the shelf is made.

        So nobody waits, and nobody sees records of both forms.
        """
        changed = self._catalogue.adopt(tables)
        for gone in (self._shelves.keys() | self._loading.keys() | self._due.keys()) - self._catalogue.by_id.keys():
            self._shelves.pop(gone, None)
            self._loading.pop(gone, None)
            self._due.pop(gone, None)
        for table in changed:
            shelf = self._shelves.get(table.id)
            if shelf is not None and keeps_its_json(shelf.table, table):
                shelf.table = table
                # the order of choices may be another
                shelf.version = max(shelf.version, seq)
                continue
            self._shelves.pop(table.id, None)
            self._loading.pop(table.id, None)
            self._due[table.id] = None
            self._wanted.set()

    def _make_room(self) -> None:
        """Bring the shelves below the limit: columns go first, since they can be made again."""
        for shelf in self._shelves.values():
            shelf.recount()
        if self.memory <= self._limit:
            return
        for shelf in self._shelves.values():
            shelf.forget_columns()
        if self.memory > self._limit:
            self._give_up_largest()

    def _give_up_largest(self) -> None:
        largest = max(self._shelves.values(), key=lambda shelf: shelf.memory)
        del self._shelves[largest.table.id]
        self._observer.saw(ShelfGivenUp(largest.table.name, largest.memory))

    async def load_due(self) -> None:
        """Wait until tables are to be brought into memory, and do it."""
        await self._wanted.wait()
        while self._due:
            due = next(iter(self._due))
            del self._due[due]
            table = self._catalogue.by_id[due]
            try:
                await self.load(table)
            except ConnectorError:
                if due in self._catalogue.by_id:
                    self._due[due] = None
                raise
        self._wanted.clear()

    async def load(self, table: Table) -> None:
        """Bring a table into memory from one snapshot; changes that arrive meanwhile are applied afterwards."""
        started = self._clock.monotonic()
        shelf = Shelf(table)
        arriving = self._loading[table.id] = []
        try:
            async with self._database.reading() as reader:
                if table not in described(await storage.read_tables(reader))[0]:
                    # it is changed already, and will be due again as soon as that shows
                    return
                seq = (await storage.read_head(reader)).seq
                after = 0
                while records := await storage.records_after(reader, table.id, after, LOAD_STEP):
                    for record in records:
                        shelf.put(record)
                    after = records[-1].ordinal
                    if self.memory + shelf.memory > self._limit:
                        self._observer.saw(ShelfGivenUp(table.name, shelf.memory))
                        return
                    await self._clock.sleep(timedelta(0))
            if self._loading.get(table.id) is not arriving:
                return
            shelf.version = seq
            for reached, effects in arriving:
                if reached > seq:
                    shelf.take(reached, effects)
            self._shelves[table.id] = shelf
        finally:
            if self._loading.get(table.id) is arriving:
                del self._loading[table.id]
        self._observer.saw(ShelfLoaded(table.name, len(shelf), shelf.memory, self._clock.monotonic() - started))
