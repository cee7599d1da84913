"""Changes of the schema: decided, recorded in the feed and saved in one transaction."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from airtable_connector.database import Database, Transaction
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import TableId
from airtable_connector.records import storage
from airtable_connector.records.altering import Alteration, Tables, difference
from airtable_connector.records.catalogue import Catalogue, described, to_be_stored
from airtable_connector.records.feed import SCHEMA_RECORD, Action, Change, Entry, Head, seal
from airtable_connector.records.preparing import LONGEST_KEY
from airtable_connector.records.requests import Actor
from airtable_connector.records.schema import Table
from airtable_connector.records.shelving import Shelving
from airtable_connector.records.storage import Recomputation

_Difference: TypeAlias = tuple[TableId, Mapping[str, Any] | None, Mapping[str, Any] | None]
"""A table, and what its definition was and is where it differs; None is for one that is not there."""


class SchemaWriter:
    """Changes tables. Records are left as they are, but for names of choices that change, and what is removed."""

    def __init__(self, database: Database, shelving: Shelving, catalogue: Catalogue, *, clock: Clock) -> None:
        self._database = database
        self._shelving = shelving
        self._catalogue = catalogue
        self._clock = clock

    async def alter(self, actor: Actor, decide: Callable[[Tables], Alteration]) -> Sequence[Table]:
        """Make durable what is decided over the tables as they are now, and return the tables that it makes.

        It shows in this process when this returns, and in others as soon as they have followed the feed. Computed
        cells that it makes different are computed afterwards, in portions.

        Raises:
            FormulaError, CircularFields: a computed field could not work whatever the records hold.
        """
        async with self._database.transaction() as tx:
            head = await storage.lock_head(tx)
            present = {table.id: table for table in await storage.read_tables(tx)}
            alteration = decide(present)
            alteration = dataclasses.replace(alteration, tables=to_be_stored(alteration.tables))
            recomputations = _recomputations(present, alteration, actor)
            entries = self._entries(actor, head, present, alteration)
            if entries:
                await _save(tx, present, alteration)
                for wanted in recomputations:
                    await storage.request_recomputation(tx, wanted, turn=entries[-1].change.seq)
                await storage.append_entries(tx, entries)
                await storage.move_head(tx, Head(entries[-1].change.seq, entries[-1].hash, head.ordinal))
        try:
            await self._shelving.follow()
        except ConnectorError:
            # it is durable all the same; the follower shows it when the store can be read again
            return alteration.tables
        return [self._catalogue.by_id.get(table.id, table) for table in alteration.tables]

    def _entries(self, actor: Actor, head: Head, present: Tables, alteration: Alteration) -> list[Entry]:
        at = iso(self._clock.now())
        entries: list[Entry] = []
        seq, previous = head.seq, head.hash
        for table_id, before, after in _differences(present, alteration):
            seq += 1
            change = Change(seq, at, table_id, SCHEMA_RECORD, Action.SCHEMA, actor.droplet, actor.cause, before, after)
            entries.append(seal(change, previous))
            previous = entries[-1].hash
        return entries


def _differences(present: Tables, alteration: Alteration) -> Iterator[_Difference]:
    for table in alteration.removed:
        yield table.id, table.definition(), None
    for table in alteration.tables:
        before, after = difference(present.get(table.id), table)
        if after:
            yield table.id, before, after


def _recomputations(present: Tables, alteration: Alteration, actor: Actor) -> Sequence[Recomputation]:
    """Say which computed cells must be made anew, or refuse the change."""
    before, _ = described([*present.values()])
    now = {**present, **{table.id: table for table in alteration.tables}}
    for table in alteration.removed:
        del now[table.id]
    _, after = described([*now.values()])
    if after is None:
        return []
    if after.refusals:
        raise after.refusals[0]
    from airtable_connector.records.computing import Node, recomputations  # noqa: PLC0415 - loaded by now

    rewritten = [Node(renamed.table, renamed.field.id) for renamed in alteration.renamed]
    # a new table has no records
    return [each for each in recomputations(before, after, actor, rewritten=rewritten) if each.table in present]


async def _save(tx: Transaction, present: Tables, alteration: Alteration) -> None:
    for base in alteration.bases:
        await storage.add_base(tx, base)
    for table in alteration.removed:
        await storage.remove_table(tx, table.id)
    # before the definitions: some that go may come back as another type
    for emptied in alteration.emptied:
        await storage.empty_cells(tx, emptied.table, emptied.field)
    for table in alteration.tables:
        before = present.get(table.id)
        if before is None:
            await storage.add_table(tx, table)
            continue
        await storage.save_table(tx, table)
        emptied_key = any(each.table == table.id and each.field == table.key for each in alteration.emptied)
        if before.key != table.key or emptied_key:
            await storage.give_keys(tx, table.id, table.key, longest=LONGEST_KEY)
    for numbered in alteration.numbered:
        await storage.number_beyond(tx, numbered.table, numbered.field)
    for renamed in alteration.renamed:
        await storage.rename_choices(tx, renamed.table, renamed.field, renamed.names)
