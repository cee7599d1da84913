"""Reading the schema at Airtable, and having the same tables here.

Tables and fields are known by their ids, so that nothing that is kept is dropped because of a name.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from airtable_connector.airtable import AirtableClient, CloudTable, Lane, value_of
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids, TableId
from airtable_connector.kernel.observer import Observer
from airtable_connector.records import CLOUD, Actor, Field, InvalidSchema, Table, Workspace
from airtable_connector.sync.errors import SchemaNotBelieved
from airtable_connector.sync.mirror.facts import FieldsLeftOut, SchemaMoved
from airtable_connector.sync.mirror.store import Known, MirrorStore, NotedChange
from airtable_connector.sync.told import told_table

READ_EVERY: Final = timedelta(days=1)
"""How often the schema is read although nothing says that it has changed."""

SUSPECTED_AFTER: Final = timedelta(minutes=1)
"""How long after a reading another one is made on a mere suspicion."""

TRY_AGAIN: Final = timedelta(minutes=1)


class SchemaReader:
    """Keeps the tables here as they are at Airtable."""

    def __init__(
        self,
        workspace: Workspace,
        client: AirtableClient,
        store: MirrorStore,
        *,
        clock: Clock,
        ids: Ids,
        observer: Observer,
    ) -> None:
        self._workspace = workspace
        self._client = client
        self._store = store
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._turn = asyncio.Lock()
        self._read_at: datetime | None = None
        self._suspected = False
        self._left_out: dict[TableId, Mapping[str, str]] = {}

    def is_due(self, known: Known) -> bool:
        """Tell whether the schema is to be read: once after a start, daily, and when it is suspected to be another."""
        if self._read_at is None or known.schema_at is None:
            return True
        return self._clock.now() >= self._read_at + (SUSPECTED_AFTER if self._suspected else READ_EVERY)

    async def suspect(self, table: TableId, fields: Collection[str]) -> None:
        """Take note that records show fields, or choices of them, that are not known; it is read, but not too often.

        Cells that were not understood are read again when the schema is found to be another.
        """
        if self._left_out.get(table, {}).keys() >= set(fields):
            return
        self._suspected = True
        if self._read_at is None or self._clock.now() >= self._read_at + SUSPECTED_AFTER:
            await self.read()

    async def read(self) -> None:
        """Read the schema, and have the tables here like it.

        Raises:
            SchemaNotBelieved: the base there has no table, and here there are some.
            CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
        """
        async with self._turn:
            at = self._clock.now()
            said = value_of(await self._client.schema(lane=Lane.WEBHOOKS))
            before = {table.id: table for table in self._workspace.tables.values() if table.told}
            if before and not said:
                raise SchemaNotBelieved(retry_after=TRY_AGAIN)
            await self._adopt(before, self._tables(said, before))
            self._read_at, self._suspected = at, False

    def _tables(self, said: Sequence[CloudTable], before: dict[TableId, Table]) -> dict[TableId, Table]:
        tables = {}
        for each in said:
            present = before.get(each.id)
            try:
                told = told_table(each, present)
            except InvalidSchema:
                self._observer.saw(FieldsLeftOut(each.name, ()))
                if present is not None:
                    # what cannot be understood is no reason to drop records
                    tables[each.id] = present
                continue
            self._left_out[each.id] = told.left_out
            if told.left_out:
                self._observer.saw(FieldsLeftOut(each.name, tuple(told.left_out.values())))
            tables[each.id] = told.table
        return tables

    async def _adopt(self, before: dict[TableId, Table], after: dict[TableId, Table]) -> None:
        known, now = await self._store.known(), self._clock.now()
        relist = [table.id for table in after.values() if _cells_may_differ(before.get(table.id), table)]
        # before the tables change, or a crash between the two would leave old cells for good; and once more below,
        # because a listing may have ended meanwhile
        await self._store.relist(relist)
        moved = await self._workspace.adopt_tables(list(after.values()), actor=Actor(CLOUD, self._ids.trace()))
        named = {table: each.name for table, each in {**before, **after}.items()}
        noted = [NotedChange(now, str(each.event), named[each.table], each.name, each.before) for each in moved]
        await self._store.schema_read(
            tables=list(after),
            gone=before.keys() - after.keys(),
            relist=relist,
            changes=[*known.changes, *noted],
            at=now,
        )
        for each in noted:
            self._observer.saw(SchemaMoved(each.event, each.table, each.name))


def _cells_may_differ(was: Table | None, now: Table) -> bool:
    """Tell whether cells may be others although no payload will say so.

    A field was added, is of another type or made from something else, or had choices renamed or removed.
    """
    if was is None:
        return False
    for field in now.fields:
        old = was.by_id.get(field.id)
        if old is None or old.type is not field.type or _made_from(old) != _made_from(field):
            return True
        choices = _choices(field)
        if any(choices.get(choice) != name for choice, name in _choices(old).items()):
            return True
    return False


def _made_from(field: Field) -> Mapping[str, Any]:
    """Return what a computed cell is made from; nothing for others, whose options are about showing them."""
    return field.options if field.computed else {}


def _choices(field: Field) -> Mapping[str, str]:
    return {str(choice.get("id") or choice["name"]): choice["name"] for choice in field.options.get("choices", ())}
