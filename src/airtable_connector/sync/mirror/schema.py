"""Reading the schema at Airtable, and having the same tables here: by ids, so that nothing that is kept is dropped
because of a name."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from airtable_connector.airtable import AirtableClient, CloudTable, Lane, value_of
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids, TableId
from airtable_connector.kernel.observer import Observer
from airtable_connector.records import CLOUD, Actor, InvalidSchema, Table, Workspace
from airtable_connector.sync.errors import SchemaNotBelieved
from airtable_connector.sync.mirror.facts import FieldsLeftOut, SchemaMoved
from airtable_connector.sync.mirror.schema_changes import changes, names, to_list, with_names
from airtable_connector.sync.mirror.store import Known, MirrorStore
from airtable_connector.sync.told import told_table

READ_EVERY: Final = timedelta(days=1)
"""How often the schema is read although nothing says that it has changed."""

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
        self._was_read = False

    def is_due(self, known: Known) -> bool:
        """Tell whether the schema is to be read: once after a start, and daily."""
        return (
            not self._was_read or known.schema_at is None or known.schema_at + READ_EVERY <= self._clock.now()
        )

    async def read(self) -> None:
        """Read the schema, and have the tables here like it.

        Raises:
            SchemaNotBelieved: the base there has no table, and here there are some.
            CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
        """
        async with self._turn:
            said = value_of(await self._client.schema(lane=Lane.WEBHOOKS))
            before = {table.id: table for table in self._workspace.tables.values()}
            if before and not said:
                raise SchemaNotBelieved(retry_after=TRY_AGAIN)
            await self._adopt(before, self._tables(said, before))
            self._was_read = True

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
            if told.left_out:
                self._observer.saw(FieldsLeftOut(each.name, told.left_out))
            tables[each.id] = told.table
        return tables

    async def _adopt(self, before: dict[TableId, Table], after: dict[TableId, Table]) -> None:
        known, now = await self._store.known(), self._clock.now()
        former = names(before, after, known.names, at=now)
        moved = changes(before, after, at=now)
        relist = to_list(before, after)
        if relist:
            # noted before the tables change, or a crash between the two would leave old cells for good; and once more
            # below, because a listing may have ended meanwhile
            await self._store.relist(relist)
        tables = [with_names(table, former) for table in after.values()]
        await self._workspace.adopt_tables(tables, actor=Actor(CLOUD, self._ids.trace()))
        await self._store.schema_read(
            tables=list(after),
            gone=before.keys() - after.keys(),
            relist=relist,
            names=former,
            changes=[*known.changes, *moved],
            at=now,
        )
        for each in moved:
            self._observer.saw(SchemaMoved(each.kind, each.table, each.field))
