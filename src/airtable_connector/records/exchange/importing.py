"""From a file into the bases, in batches that can be interrupted anywhere and repeated without doubling anything.

A batch and the note that it is done are one transaction, so a second run passes over what the first one did. The note
is kept for a day; rows whose record is there with the same cells are passed over without it, whoever wrote them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Literal

from airtable_connector.database import Database
from airtable_connector.kernel.errors import Conflict, ConnectorError, Invalid, NotFound
from airtable_connector.kernel.ids import Ids, TableId
from airtable_connector.records import storage
from airtable_connector.records.altering import is_paired
from airtable_connector.records.errors import UnknownTable
from airtable_connector.records.exchange.errors import MalformedRow, TooManyRefused
from airtable_connector.records.exchange.options import ImportOptions, OnBad, RowIds
from airtable_connector.records.exchange.planning import (
    Plan,
    Planned,
    Planner,
    Present,
    Refused,
    Store,
    copied_id,
    has_links,
    link_targets,
)
from airtable_connector.records.exchange.rows import Row, Unreadable, digest, read_header, read_rows
from airtable_connector.records.exchange.tally import Refusal, Tally
from airtable_connector.records.requests import Actor, Done, Repeatable, Replayed, StoredAnswer, WriteRequest
from airtable_connector.records.schema import Field, Table, table_from_definition
from airtable_connector.records.workspace import Workspace

MOST_REFUSED = 10_000
"""Refusals that are kept for the report; one more stops the import."""

_OF_THE_ROW = (Invalid, NotFound, Conflict)
"""Families of errors that one row can be blamed for; any other stops the import where it is."""

Pass = Literal["records", "links"]
"""Links are set in a second pass, when the records that they name are there."""

ShowProgress = Callable[[int, int], None]
TakeRefused = Callable[[bytes, Refusal], None]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file. ``stopped_by`` is the bad row that ended the import early, if one did."""

    tally: Tally
    tables_added: tuple[str, ...]
    stopped_by: Refusal | None


class Import:
    """One import of one file. ``tally`` tells what was done so far, also after an error."""

    def __init__(
        self,
        database: Database,
        workspace: Workspace,
        file: BinaryIO,
        options: ImportOptions,
        *,
        actor: Actor,
        ids: Ids,
        progress: ShowProgress = lambda _done, _all: None,
        take_refused: TakeRefused = lambda _raw, _refusal: None,
    ) -> None:
        """Prepare to read ``file``, which must allow seeking.

        ``progress`` is told bytes done and bytes there are; ``take_refused`` gets each refused row as it stands.
        """
        self.tally = Tally()
        self._database = database
        self._workspace = workspace
        self._file = file
        self._options = options
        self._actor = actor
        self._progress = progress
        self._take_refused = take_refused
        self._planner = Planner(ids=ids, row_ids=options.ids, on_key=options.on_key)
        self._run_key = ""
        self._called: dict[TableId, TableId] = {}
        """Which tables are here of those that the file defines, by their ids in the file."""

    async def run(self) -> ImportReport:
        """Take the file in.

        Raises:
            MalformedFile: the file cannot be read (on); earlier batches stay written.
            UnknownTable: the table that was asked for does not exist.
            TooManyRefused: more than `MOST_REFUSED` rows were refused.
            StoreUnavailable, CommitUnknown: earlier batches stay written; run it again to go on.
        """
        added = await self._add_missing_tables()
        only = None if self._options.table is None else self._found(self._options.table)
        await self._find_run()
        stopped_by = await self._take(only)
        if stopped_by is None:
            await self._note(f"{self._run_key}:end", Tally())
        return ImportReport(self.tally, added, stopped_by)

    # --- before the rows ----------------------------------------------------------------------------------------

    async def _add_missing_tables(self) -> tuple[str, ...]:
        """Add the tables that the file defines and their bases lack, all together: links may point both ways."""
        header = read_header(self._file, self._options.form)
        found = {table.id: self._workspace.tables_of(table.base).get(table.name) for table in header.tables}
        self._called = ids = {table: present.id for table, present in found.items() if present is not None}
        missing = [table for table in header.tables if found[table.id] is None]
        wanted = [table for table in missing if self._options.table in (None, table.address, table.id)]
        if wanted:
            relinked = [_relinked(table, ids) for table in wanted]
            known = {table.id: table for table in (*self._workspace.every_table, *relinked)}
            lost = [
                field for table in relinked for field in table.inverse_links if not is_paired(known, table.id, field)
            ]
            names = {field.id: field.name for table in header.tables for field in table.fields}
            named = {table.base for table in wanted}
            await self._workspace.add_tables(
                [_without_inverses(table, lost) for table in relinked],
                inverses={field.id: names[field.inverse] for field in lost if field.inverse in names},
                bases=[base for base in header.bases if base.id in named and not self._workspace.tables_of(base.id)],
                actor=self._actor,
            )
        return tuple(table.address for table in wanted)

    async def _find_run(self) -> None:
        """Continue the run that was interrupted; after one that came to its end, begin another."""
        wishes = (digest(self._file), *vars(self._options).values())
        name = hashlib.sha256("\x1f".join(map(str, wishes)).encode()).hexdigest()
        run = 0
        while await self._noted(f"import:{name}:{run}:end") is not None:
            run += 1
        self._run_key = f"import:{name}:{run}"

    # --- the rows -----------------------------------------------------------------------------------------------

    async def _take(self, only: Table | None) -> Refusal | None:
        with_links = [table for table in self._workspace.every_table if has_links(table) and only in (None, table)]
        passes: tuple[Pass, ...] = ("records", "links") if with_links else ("records",)
        size = self._file.seek(0, 2) * len(passes)
        try:
            for number, which in enumerate(passes):
                before = number * size // len(passes)
                for batch_number, rows in enumerate(self._batches(which, only)):
                    await self._take_batch(which, batch_number, rows)
                    self._progress(before + self._file.tell(), size)
        except _Stopped as stop:
            return stop.refusal
        return None

    def _batches(self, which: Pass, only: Table | None) -> Iterator[list[Row | Unreadable]]:
        rows = read_rows(self._file, self._options.form, lambda name: self._table(name, only))
        while batch := list(islice(rows, self._options.batch)):
            yield [row for row in batch if self._is_wanted(row, which, only)]

    def _table(self, name: str | None, only: Table | None) -> Table:
        if name is not None:
            return self._found(name)
        if only is None:
            hint = 'say --table, or give each row a "table"'
            raise MalformedRow("nothing says which table this row belongs to", field="table", hint=hint)
        return only

    def _found(self, name_or_id: str) -> Table:
        return self._workspace.table(self._called.get(TableId(name_or_id), name_or_id))

    def _is_wanted(self, row: Row | Unreadable, which: Pass, only: Table | None) -> bool:
        if isinstance(row, Unreadable):
            if only is not None and isinstance(row.error, UnknownTable):
                self.tally.left_out += which == "records"
                return False
            return which == "records"
        if only is not None and row.table.id != only.id:
            self.tally.left_out += which == "records"
            return False
        return which == "records" or has_links(row.table)

    async def _take_batch(self, which: Pass, number: int, rows: Sequence[Row | Unreadable]) -> None:
        key = f"{self._run_key}:{which}:{number}"
        noted = await self._noted(key)
        if noted is not None:
            self._add(which, rows, noted)
            return
        batch = _Batch(key, Tally())
        try:
            await self._write_batch(which, rows, batch)
        finally:
            self._add(which, rows, batch.tally)

    async def _write_batch(self, which: Pass, rows: Sequence[Row | Unreadable], batch: "_Batch") -> None:
        refused_before = {refusal.line for refusal in self.tally.refused}
        due = [row for row in rows if row.line not in refused_before]
        store = await self._look(which, due)
        plans = self._planner.records(due, store) if which == "records" else self._planner.links(due, store)
        plans, stop = self._split_at_the_first_bad(plans)
        for plan in plans:
            if isinstance(plan, Refused):
                self._refuse(batch.tally, plan.row, plan.error)
        batch.tally.present += sum(isinstance(plan, Present) for plan in plans)
        planned = [plan for plan in plans if isinstance(plan, Planned)]
        if stop is not None:
            await self._write(planned, batch.tally, None)
            self._refuse(batch.tally, stop.row, stop.error)
            raise _Stopped(batch.tally.refused[-1])
        if planned and not await self._write(planned, batch.tally, batch.key):
            await self._note(batch.key, batch.tally)

    def _split_at_the_first_bad(self, plans: list[Plan]) -> tuple[list[Plan], Refused | None]:
        if self._options.on_bad is OnBad.SKIP:
            return plans, None
        for number, plan in enumerate(plans):
            if isinstance(plan, Refused):
                return plans[:number], plan
        return plans, None

    async def _look(self, which: Pass, rows: Iterable[Row | Unreadable]) -> Store:
        """Look up what the store holds under the rows' ids and keys, and of the copies that their links name."""
        ids: set[str] = set()
        keys: dict[TableId, set[str]] = {}
        for row in (row for row in rows if isinstance(row, Row)):
            ids.add(self._planner.record_id(row))
            key = self._planner.key(row)
            if key is not None:
                keys.setdefault(row.table.id, set()).add(key)
            if which == "links" and self._options.ids is RowIds.NEW:
                ids.update(copied_id(target) for target in link_targets(row))
        store = Store()
        async with self._database.reading() as reader:
            store.know(await storage.records_by_id(reader, ids) if ids else [])
            for table, wanted in keys.items():
                store.know(await storage.records_by_key(reader, table, wanted))
        return store

    async def _write(self, planned: Sequence[Planned], tally: Tally, key: str | None) -> bool:
        """Write some rows together; when that is refused, find the rows to blame by halving.

        Returns whether all were written in one transaction, which then noted ``key``.
        """
        operations = tuple(plan.operation for plan in planned)
        repeatable = None if key is None else _repeatable(key, lambda done: _counted(tally, done))
        if not operations:
            return True
        try:
            outcome = await self._workspace.write(WriteRequest(self._actor, operations, repeatable))
        except _OF_THE_ROW as error:
            await self._write_halves(planned, tally, error)
            return False
        if isinstance(outcome, Replayed):
            # another process imports the same file, and was faster
            tally.present += len(planned)
        else:
            tally.count(outcome.written)
        return True

    async def _write_halves(self, planned: Sequence[Planned], tally: Tally, error: ConnectorError) -> None:
        if len(planned) == 1:
            self._refuse(tally, planned[0].row, error)
            if self._options.on_bad is OnBad.STOP:
                raise _Stopped(tally.refused[-1])
            return
        middle = len(planned) // 2
        await self._write(planned[:middle], tally, None)
        await self._write(planned[middle:], tally, None)

    # --- what was done ------------------------------------------------------------------------------------------

    def _refuse(self, tally: Tally, row: Row | Unreadable, error: ConnectorError) -> None:
        tally.refused.append(Refusal.of(row.line, error))
        if len(self.tally.refused) + len(tally.refused) > MOST_REFUSED:
            raise TooManyRefused(MOST_REFUSED)

    def _add(self, which: Pass, rows: Iterable[Row | Unreadable], batch: Tally) -> None:
        # the second pass goes over rows that the first one counted
        self.tally.add(batch if which == "records" else Tally(refused=batch.refused))
        raw = {row.line: row.raw for row in rows} if batch.refused else {}
        for refusal in batch.refused:
            self._take_refused(raw[refusal.line], refusal)

    async def _noted(self, key: str) -> Tally | None:
        async with self._database.reading() as reader:
            kept = await storage.kept_answer(reader, self._actor.droplet, key, since="")
        return None if kept is None else Tally.from_json(kept[1].body)

    async def _note(self, key: str, tally: Tally) -> None:
        repeatable = _repeatable(key, lambda _done: tally)
        await self._workspace.write(WriteRequest(self._actor, (), repeatable))


@dataclass(frozen=True, slots=True)
class _Batch:
    key: str
    tally: Tally


class _Stopped(Exception):
    """A row was refused, and the import is to stop at the first."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def _counted(tally: Tally, done: Done) -> Tally:
    """Say what a batch will have done once it is committed, without counting it yet."""
    counted = Tally()
    counted.add(tally)
    counted.count(done.written)
    return counted


def _repeatable(key: str, tally: Callable[[Done], Tally]) -> Repeatable:
    return Repeatable(
        key,
        hashlib.sha256(key.encode()).digest(),
        lambda done: StoredAnswer(200, (), tally(done).to_json()),
    )


def _relinked(table: Table, ids: dict[TableId, TableId]) -> Table:
    """Lead a table's links to the tables that bear the linked names here."""
    definition = table.definition()
    for field in definition["fields"]:
        linked = field.get("options", {}).get("linkedTableId")
        if linked in ids:
            field["options"]["linkedTableId"] = ids[linked]
    return table_from_definition(definition)


def _without_inverses(table: Table, lost: Sequence[Field]) -> Table:
    """Leave out which inverse fields some fields had: a table that the base has already lacks them."""
    definition = table.definition()
    for field, shown in zip(table.fields, definition["fields"], strict=True):
        if field in lost:
            del shown["options"]["inverseLinkFieldId"]
    return table_from_definition(definition)
