"""The record store's one door: every read and every write of the service's own base, and of those that were made.

Writes of all callers queue up and are committed in groups; reads come from memory where they can. The memory is
brought to the committed state before a writer is answered: whoever was answered reads their own write.
"""

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airtable_connector.database import Database, Reader
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import BaseId, FieldId, Ids, RecordId, TableId, looks_like_record_id
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.records import storage
from airtable_connector.records.adopting import SchemaChange, adopted, owned, set_aside, without_aside
from airtable_connector.records.altering import (
    Alteration,
    FieldChange,
    Tables,
    with_changed_field,
    with_changed_table,
    with_choices,
    with_field,
    with_tables,
)
from airtable_connector.records.catalogue import Catalogue, described, to_be_stored
from airtable_connector.records.comments import Comments
from airtable_connector.records.errors import CannotBeOwned, PositionNotReached, UnknownTable
from airtable_connector.records.feed import Change, Head
from airtable_connector.records.query import Page, Query
from airtable_connector.records.requests import (
    Actor,
    LoggedEvent,
    Outcome,
    Repeatable,
    StoredAnswer,
    WriteRequest,
)
from airtable_connector.records.schema import Field, MadeBase, Record, Table
from airtable_connector.records.schema_writer import SchemaWriter
from airtable_connector.records.searching import Searching
from airtable_connector.records.shelving import Shelving
from airtable_connector.records.storage import Recomputation
from airtable_connector.records.writer import Writer

if TYPE_CHECKING:
    from airtable_connector.records.formula import Formula, FormulaCache

FORMULAS = 256
"""Formulas kept ready, those that were used last."""

FORGET_STEP = 2_000
"""Kept answers forgotten in one transaction."""


@dataclass(frozen=True)
class WorkspaceSettings:
    """How much memory shelves may take together, and how long answers are kept for repetitions.

    ``keep_messages`` is for the answers to messages, and for the messages themselves in the event log. ``portion`` is
    how many records beside its own a request brings up to date where their computed cells depend on it; more of them
    follow at once, so many in a transaction. Formulas that read the clock are worked out anew every
    ``clock_interval``, in the name of ``droplet``.
    """

    memory: int = 512 * 1024 * 1024
    keep_answers: timedelta = timedelta(hours=24)
    keep_messages: timedelta = timedelta(days=30)
    portion: int = 200
    clock_interval: timedelta = timedelta(minutes=5)
    droplet: int = 2


class Workspace:
    """Bases: their tables, their records, their one feed. Opened with `open_workspace`.

    A base is named by its id; None is the service's own, of which everything speaks that speaks of names only.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        ids: Ids,
        observer: Observer,
        settings: WorkspaceSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._ids = ids
        self._catalogue = Catalogue()
        self._shelving = Shelving(database, self._catalogue, clock=clock, observer=observer, limit=settings.memory)
        self._searching = Searching(database, self._shelving, self._catalogue, clock=clock)
        self._schema_writer = SchemaWriter(database, self._shelving, self._catalogue, clock=clock)
        self.comments = Comments(database, clock=clock, ids=ids)
        """What is written beside the records."""
        self._writer = Writer(
            database,
            self._shelving,
            self._catalogue,
            clock=clock,
            ids=ids,
            observer=observer,
            keep_answers=settings.keep_answers,
            keep_messages=settings.keep_messages,
            portion=settings.portion,
        )

    @property
    def tables(self) -> Mapping[str, Table]:
        """The own base's tables by name. After a change of the schema they are others."""
        return self._catalogue.by_name

    def tables_of(self, base: BaseId | None) -> Mapping[str, Table]:
        """Return a base's tables by name; none when there is no such base, for every base has one."""
        return self._catalogue.of(base)

    @property
    def every_table(self) -> Iterable[Table]:
        """The tables of all bases."""
        return self._catalogue.by_id.values()

    def table_of(self, base: BaseId | None, name_or_id: str) -> Table | None:
        """Return a table of a base by name, else by id; None when the base has none of it."""
        found = self._catalogue.of(base).get(name_or_id) or self._catalogue.by_id.get(TableId(name_or_id))
        return found if found is not None and found.base == base else None

    @property
    def ids(self) -> Ids:
        """Where the ids of new tables and fields come from."""
        return self._ids

    @property
    def head(self) -> Head:
        """Where the feed ends, as far as this process has seen."""
        return self._shelving.head

    @property
    def trouble(self) -> ConnectorError | None:
        """Why the store cannot be written at the moment; None when the last attempt worked."""
        return self._writer.trouble

    @property
    def memory(self) -> int:
        """Bytes that the shelves hold, estimated."""
        return self._shelving.memory

    def table(self, name_or_id: str) -> Table:
        """Find a table of the own base by name, else one of any base by id, else one of the own base by a former name.

        Raises:
            UnknownTable: there is none.
        """
        found = self.tables.get(name_or_id) or self._catalogue.by_id.get(TableId(name_or_id))
        found = found or self._catalogue.by_former_name.get(name_or_id)
        if found is None:
            raise UnknownTable(name_or_id, self.tables)
        return found

    def is_present(self, table: Table) -> bool:
        """Tell whether a table is as the base has it; what was kept about another must be made anew."""
        return self._catalogue.by_id.get(table.id) is table

    def formula(self, text: str, table: Table) -> "Formula":
        """Read a formula over a table, for a question; one that was used lately costs a look-up.

        Raises:
            FormulaSyntax, FormulaTooLarge: the text is no formula, or one that is too large.
            UnknownFieldNames, UnknownFunctionNames, FormulaRefused: it cannot work over this table.
        """
        return self._formulas.formula(text, table)

    @cached_property
    def _formulas(self) -> "FormulaCache":
        # loads the language when the first formula comes: a service starts without it
        from airtable_connector.records.formula import FormulaCache  # noqa: PLC0415

        return FormulaCache(FORMULAS)

    async def add_table(self, table: Table, *, actor: Actor) -> Table:
        """Add a table to its base, and return it as it is now: its link fields are given inverse fields.

        Raises:
            TableNameTaken, FieldNameTaken: a name is given already.
            InvalidSchema: a table of that id exists, its base does not, or a link field names a table that is not in
                the base.
            FormulaError, CircularFields: a computed field cannot work whatever the records hold.
        """
        added, *_ = await self._alter(actor, lambda present: with_tables(present, [table], ids=self._ids))
        return added

    async def add_tables(
        self,
        tables: Sequence[Table],
        *,
        inverses: Mapping[FieldId, str],
        actor: Actor,
        bases: Sequence[MadeBase] = (),
    ) -> None:
        """Add tables that may link to each other; of their link fields those in ``inverses`` get one, of that name.

        ``bases`` are those of them that are not there yet.

        Raises:
            TableNameTaken, FieldNameTaken: a name is given already.
            InvalidSchema: a table or base of that id exists, or a link field names a table or an inverse field that
                does not.
            TooManyBases: there are as many as there may be.
        """
        await self._alter(
            actor, lambda present: with_tables(present, tables, ids=self._ids, inverses=inverses, bases=bases)
        )

    async def add_base(self, base: BaseId, name: str, tables: Sequence[Table], *, actor: Actor) -> Sequence[Table]:
        """Make a base with its first tables, one at least, and return them as they are now. It cannot be removed.

        Raises:
            TableNameTaken, FieldNameTaken: a name is given twice.
            InvalidSchema: a table or a base of that id exists, there are no tables, or they cannot be so.
            TooManyBases: there are as many as there may be.
            FormulaError, CircularFields: a computed field cannot work whatever the records hold.
        """
        made = MadeBase(base, name, iso(self._clock.now()))
        inside = [dataclasses.replace(table, base=base) for table in tables]
        return await self._alter(actor, lambda present: with_tables(present, inside, ids=self._ids, bases=[made]))

    async def bases(self) -> list[MadeBase]:
        """Return the made bases in the order of their making; without any, the store is not asked."""
        made = self._catalogue.made
        if not made:
            return []
        async with self._database.reading() as reader:
            known = {base.id: base for base in await storage.read_bases(reader)}
        # in the order of their first tables; what another process has made a moment ago shows with its tables
        return [known[base] for base in made if base in known]

    async def adopt_tables(self, tables: Sequence[Table], *, actor: Actor) -> Sequence[SchemaChange]:
        """Have exactly these tables as told ones, in one transaction, and return what that changed.

        Tables and fields are the same where their ids are; those that go take their records and cells along. Choices
        that were renamed are renamed in every cell, and the cells of a field with another type are empty until they
        are told. Tables that are not told stay as they are.

        Raises:
            TableNameTaken: a table that is not told has the name of one of these.
        """
        changes: Sequence[SchemaChange] = ()

        def decide(present: Tables) -> Alteration:
            nonlocal changes
            adoption = adopted(present, tables)
            changes = adoption.changes
            return adoption.alteration

        await self._alter(actor, decide)
        return changes

    async def set_aside(self, *, actor: Actor) -> None:
        """Rename all tables that are not told, so that told ones can have their names; repeated, it changes nothing."""
        await self._alter(actor, set_aside)

    async def own_tables(self, *, actor: Actor) -> None:
        """Have all told tables as our own, in one transaction. What is computed in them is computed here afterwards.

        Raises:
            CannotBeOwned: fields cannot be had here; nothing was changed.
        """

        def decide(present: Tables) -> Alteration:
            alteration = owned(present)
            _, plan = described([*{**present, **{table.id: table for table in alteration.tables}}.values()])
            if plan is not None and plan.refusals:
                raise CannotBeOwned([refusal.message for refusal in plan.refusals])
            return alteration

        await self._alter(actor, decide)

    async def remove_aside(self, *, actor: Actor) -> None:
        """Remove the tables that were set aside, with whatever records they still have."""
        await self._alter(actor, without_aside)

    async def add_field(self, table: TableId, field: Field, *, actor: Actor) -> Table:
        """Add a field behind those of a table, and return the table as it is now.

        A link field is given an inverse field in the linked table, unless it is the same table. The cells of a
        computed field are made afterwards, in portions.

        Raises:
            UnknownTable: there is no such table.
            FieldNameTaken: the table has a field of that name, in whatever letters.
            InvalidSchema: the table is full, or a link field names a table that is not in the base.
            FormulaError, CircularFields: a computed field cannot work whatever the records hold.
        """
        changed, *_ = await self._alter(actor, lambda present: with_field(present, table, field, ids=self._ids))
        return changed

    async def change_field(
        self,
        table: TableId,
        field: FieldId,
        *,
        name: str | None = None,
        description: str | None = None,
        options: Mapping[str, Any] | None = None,
        actor: Actor,
    ) -> Table:
        """Change a field's name, description or options, and return the table as it is now.

        ``options`` take the place of those of the same names. Choices are listed all, in their order: those with the
        ``id`` or the name of one that is there are these, maybe renamed or recolored, others are new. A renamed
        choice is renamed in every cell.

        Raises:
            UnknownTable, UnknownField: there is no such table or field.
            FieldNameTaken: another field of the table has the name, in whatever letters.
            InvalidSchema: the mesh relies on the name, an option cannot change, or a choice would go.
            FormulaError, CircularFields: a computed field could not work any more.
        """
        change = FieldChange(name, description, options)
        (changed,) = await self._alter(
            actor, lambda present: with_changed_field(present, table, field, change, ids=self._ids)
        )
        return changed

    async def add_choices(self, table: TableId, field: FieldId, names: Sequence[str], *, actor: Actor) -> Table:
        """Add choices to a select field as far as it lacks them, and return the table as it is now.

        Raises:
            UnknownTable, UnknownField: there is no such table or field.
            InvalidSchema: it would have too many choices.
        """
        changed, *_ = await self._alter(
            actor, lambda present: with_choices(present, table, field, names, ids=self._ids)
        )
        return changed

    async def change_table(
        self, table: TableId, *, name: str | None = None, description: str | None = None, actor: Actor
    ) -> Table:
        """Change a table's name or description, and return the table as it is now.

        Raises:
            UnknownTable: there is no such table.
            TableNameTaken: another table has the name, in whatever letters.
            InvalidSchema: the mesh relies on the name.
        """
        (changed,) = await self._alter(
            actor, lambda present: with_changed_table(present, table, name=name, description=description)
        )
        return changed

    async def page(self, query: Query) -> Page:
        """Answer a question with one page.

        From memory when the question is for everything in the order of creation and the table is held there; from
        a snapshot of the store otherwise.

        Raises:
            FormulaTooCostly: the question's formula takes more work than one question is given.
        """
        return self.page_from_memory(query) or await self._searching.page(query)

    def page_from_memory(self, query: Query) -> Page | None:
        """Answer a question at once when that is possible; None when it must go to the store."""
        return self._shelving.page_from_memory(query)

    def version(self, table: Table) -> int:
        """Return a number that changes with every change to the table."""
        shelf = self._shelving.shelf(table)
        return self.head.seq if shelf is None else shelf.version

    def version_of(self, query: Query) -> int | None:
        """Return a number that changes whenever the answer may; None when the passing of time can change it."""
        formula = query.formula
        if formula is None:
            return self.version(query.table)
        if formula.reads_time:
            return None
        # a linked record may get another name
        return self.head.seq if formula.reads_links else self.version(query.table)

    def record_from_memory(self, table: Table, record_id: str) -> bytes | None:
        """Return a record as JSON by its id when it is held in memory."""
        shelf = self._shelving.shelf(table)
        return None if shelf is None else shelf.get(record_id)

    async def get(self, table: Table, target: str) -> bytes | None:
        """Return a record as JSON by its id or key, or None."""
        blob = self.record_from_memory(table, target)
        if blob is not None:
            return blob
        record = await self.find(table, target)
        return None if record is None else table.encode(record)

    async def find(self, table: Table, target: str) -> Record | None:
        """Return a record by its id or key, or None, as the store holds it."""
        async with self._database.reading() as reader:
            if looks_like_record_id(target):
                found = [r for r in await storage.records_by_id(reader, [target]) if r.table == table.id]
                if found:
                    return found[0]
            if table.key is not None:
                found = await storage.records_by_key(reader, table.id, [target])
                if found:
                    return found[0]
            found = [r for r in await _formerly(reader, target) if r.table == table.id]
        return found[0] if found else None

    async def records(self, ids: Sequence[RecordId]) -> Mapping[RecordId, Record]:
        """Return those of the records that are there, by these ids, which may be former ones."""
        async with self._database.reading() as reader:
            present = await storage.present_ids(reader, ids)
            wanted = {record: RecordId(present.get(record, record)) for record in ids}
            found = {each.id: each for each in await storage.records_by_id(reader, wanted.values())}
        return {record: found[now] for record, now in wanted.items() if now in found}

    async def oldest(self, table: Table, *, count: int) -> Sequence[Record]:
        """Return up to ``count`` records of a table as the store has them, in the order of creation."""
        async with self._database.reading() as reader:
            return await storage.records_after(reader, table.id, 0, count)

    async def locate(self, record: str, base: BaseId | None = None) -> tuple[Table, bytes] | None:
        """Return a record of a base as JSON by its id, whichever table holds it, and that table; None without one."""
        for table in self.tables_of(base).values():
            blob = self.record_from_memory(table, record)
            if blob is not None:
                return table, blob
        async with self._database.reading() as reader:
            found = await storage.records_by_id(reader, [record]) or await _formerly(reader, record)
        if not found:
            return None
        holder = self._catalogue.by_id.get(found[0].table)
        # its table may be gone already, or not be shown yet
        return (holder, holder.encode(found[0])) if holder is not None and holder.base == base else None

    async def count(self, table: Table) -> int:
        """Count a table's records."""
        shelf = self._shelving.shelf(table)
        if shelf is not None:
            return len(shelf)
        async with self._database.reading() as reader:
            return await storage.count_records(reader, table.id)

    async def history(self, record: RecordId, *, after: int, count: int) -> list[Change]:
        """Return up to ``count`` changes of one record beyond a feed position, oldest first, under all its ids."""
        async with self._database.reading() as reader:
            ids = await storage.ids_of(reader, record)
            return [entry.change for entry in await storage.entries_of_record(reader, ids, after, count)]

    async def present_ids(self, records: Iterable[RecordId]) -> Mapping[str, str]:
        """Return the id that each of these records has now, of those that had another one before."""
        async with self._database.reading() as reader:
            return await storage.present_ids(reader, records)

    async def changes(self, *, after: int, count: int, table: Table | None = None) -> list[Change]:
        """Return up to ``count`` changes beyond a feed position, oldest first, of one table if named."""
        recent = self._shelving.recent(after=after, count=count, table=table)
        if recent is not None:
            return recent
        async with self._database.reading() as reader:
            if table is None:
                entries = await storage.entries_after(reader, after, count)
            else:
                entries = await storage.entries_of_table(reader, table.id, after, count)
        return [entry.change for entry in entries]

    async def logged_events(self, *, before: int, count: int) -> list[LoggedEvent]:
        """Return up to ``count`` entries of the event log before a sequence, newest first."""
        async with self._database.reading() as reader:
            return await storage.events_before(reader, before, count)

    async def events_because_of(self, cause: str, *, kind: str, count: int) -> list[LoggedEvent]:
        """Return up to ``count`` entries of the event log with this trace id and kind, oldest first."""
        async with self._database.reading() as reader:
            return await storage.events_of_cause(reader, cause, kind, count)

    async def kept_answer(self, actor: Actor, repeatable: Repeatable) -> StoredAnswer | None:
        """Return the answer that this request was given before, without writing anything.

        Raises:
            KeyReused: the key came with another request before.
        """
        return await self._writer.kept_answer(actor, repeatable)

    async def advance_beyond(self, seq: int, *, within: timedelta) -> bool:
        """Wait until the feed stands beyond ``seq``; False when the time is over first."""
        return await self._shelving.advance_beyond(seq, within=within)

    async def reach(self, seq: int, *, within: timedelta) -> None:
        """Wait until reads show the feed position ``seq``.

        Raises:
            PositionNotReached: the time was over first.
        """
        if seq > 0 and not await self.advance_beyond(seq - 1, within=within):
            raise PositionNotReached(seq, self.head.seq)

    async def write(self, request: WriteRequest) -> Outcome:
        """Make a request durable and return what it did.

        Raises:
            UnknownField, InvalidCell, UnknownChoice, RecordNotFound, RecordChanged, KeyTaken, LinkTargetMissing,
            KeyReused: the request is refused whole; nothing was changed.
            RequestInFlight: the first request with its Idempotency-Key is still at work.
            QueueFull, StoreClosing: it was not taken.
            StoreUnavailable: the database refused; nothing was changed.
            CommitUnknown: the database went away during the commit; repeat with the same Idempotency-Key.
        """
        return await self._writer.write(request)

    async def drop_content(self, table: Table, *, before: datetime, after: int, through: int) -> int:
        """Drop the cells from a table's feed entries older than a moment, between two feed positions.

        For telemetry only, whose history would outgrow the plan's. Digests and hashes stay, so the chain still
        verifies and says how many entries lost their content.
        """
        async with self._database.transaction() as tx:
            return await storage.drop_content(tx, table.id, before=iso(before), after=after, through=through)

    async def recompute(self, table: Table, fields: Iterable[FieldId], *, actor: Actor) -> None:
        """Have computed fields made anew in every record of a table, in portions, beginning as soon as possible."""
        wanted = Recomputation(table.id, None, None, tuple(fields), actor.droplet, actor.cause)
        async with self._database.transaction() as tx:
            head = await storage.lock_head(tx)
            await storage.request_recomputation(tx, wanted, turn=head.seq)
        self._writer.look_for_recomputations()

    async def count_recomputations(self) -> int:
        """Count what waits to be computed anew, each for some records of a table, as the store has it."""
        async with self._database.reading() as reader:
            return await storage.count_recomputations(reader)

    @property
    def recomputations(self) -> int:
        """How many of them waited when the step that does them last looked."""
        return self._writer.pending

    async def follow(self) -> None:
        """Show what other processes have written up to now."""
        await self._shelving.follow()

    async def open(self, tables: Sequence[Table], supervisor: Supervisor) -> None:
        """Read the base, giving a new one its tables, and begin the background steps."""
        await self._read_base(tables)
        supervisor.start("records.write", self._writer.write_once)
        supervisor.start("records.probe", self._writer.probe_once)
        supervisor.start("records.recompute", self._writer.recompute_once)
        supervisor.start("records.clock", self._clock_once)
        supervisor.start("records.follow", self._follow_once)
        supervisor.start("records.load", self._load_once)
        supervisor.start("records.forget", self._forget_once)

    async def close(self) -> None:
        """Take no more writes, and finish those that were taken."""
        self._shelving.close()
        await self._writer.close()

    async def _read_base(self, tables: Sequence[Table]) -> None:
        async with self._database.transaction() as tx:
            await storage.lock_head(tx)
            if not await storage.read_tables(tx):
                for table in to_be_stored(tables):
                    await storage.add_table(tx, table)
        async with self._database.reading() as reader:
            tables = await storage.read_tables(reader)
            self._shelving.start_at(await storage.read_head(reader), tables)

    async def _clock_once(self) -> timedelta:
        """Ask for the fields whose formulas read the clock; only cells that changed are written."""
        actor = Actor(self._settings.droplet, self._ids.trace())
        plan = self._catalogue.plan
        for table, fields in plan.by_time.items() if plan is not None else ():
            if fields:
                await self.recompute(self._catalogue.by_id[table], fields, actor=actor)
        return self._settings.clock_interval

    async def _follow_once(self) -> timedelta:
        await self._database.foreign_commit()
        await self.follow()
        # another process may have left some, or changed the schema
        self._writer.look_for_recomputations()
        return timedelta(0)

    async def _load_once(self) -> timedelta:
        await self._shelving.load_due()
        return timedelta(0)

    async def _forget_once(self) -> timedelta:
        now = self._clock.now()
        answers, messages = iso(now - self._settings.keep_answers), iso(now - self._settings.keep_messages)
        async with self._database.transaction() as tx:
            forgotten = await storage.forget_answers(tx, before=answers, count=FORGET_STEP)
            forgotten = max(forgotten, await storage.forget_messages(tx, before=messages, count=FORGET_STEP))
        return timedelta(0) if forgotten == FORGET_STEP else timedelta(minutes=10)

    async def _alter(self, actor: Actor, decide: Callable[[Tables], Alteration]) -> Sequence[Table]:
        altered = await self._schema_writer.alter(actor, decide)
        self._writer.look_for_recomputations()
        return altered


async def _formerly(reader: Reader, target: str) -> list[Record]:
    """Return the record that had an id before, if it had one and is there."""
    if not looks_like_record_id(target):
        return []
    present = await storage.present_ids(reader, [target])
    return await storage.records_by_id(reader, present.values()) if present else []


@asynccontextmanager
async def open_workspace(
    database: Database,
    *,
    clock: Clock,
    ids: Ids,
    observer: Observer,
    tables: Sequence[Table],
    settings: WorkspaceSettings | None = None,
) -> AsyncIterator[Workspace]:
    """Open a base; a new one is given ``tables``. Closing waits for the writes that were taken."""
    workspace = Workspace(database, clock=clock, ids=ids, observer=observer, settings=settings or WorkspaceSettings())
    async with Supervisor(clock=clock, observer=observer) as supervisor:
        await workspace.open(tables, supervisor)
        try:
            yield workspace
        finally:
            await workspace.close()
