"""Copying tables page by page: at first, and whenever a webhook has not told everything.

Pages are no snapshot. What changes meanwhile is told by the webhook, which is older than the listing; what was met by
no page is read by its id before it counts as gone.
"""

import asyncio
from collections.abc import Callable, Container, Iterator
from typing import Final

from airtable_connector.airtable import ITERATOR_EXPIRED, AirtableClient, Lane, Page, Refused, value_of
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import TableId
from airtable_connector.kernel.observer import Observer
from airtable_connector.records import Table, Workspace
from airtable_connector.sync.mirror.copying import Basis, Copier
from airtable_connector.sync.mirror.facts import PageListed, TableWhole
from airtable_connector.sync.mirror.schema import SchemaReader
from airtable_connector.sync.mirror.store import MirroredTable, MirrorStore, Phase

AT_ONCE: Final = 4
"""Tables that are listed together: with answers of 300 ms two are needed to ask five times a second."""


class Lister:
    """Lists the tables that are to be listed.

    Args:
        may_go_on: whether another page may be asked for now; a listing that may not goes on when it is begun the next
            time.
    """

    def __init__(
        self,
        workspace: Workspace,
        client: AirtableClient,
        store: MirrorStore,
        copier: Copier,
        schema: SchemaReader,
        *,
        apart: Container[TableId],
        may_go_on: Callable[[], bool],
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._workspace = workspace
        self._client = client
        self._store = store
        self._copier = copier
        self._schema = schema
        self._apart = apart
        self._may_go_on = may_go_on
        self._clock = clock
        self._observer = observer

    async def list_all(self) -> None:
        """List every table that is to be listed, to its end if it may; goes on where a listing before has come to.

        Raises:
            CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell; the pages before are kept.
        """
        waiting = [
            each
            for each in (await self._store.tables()).values()
            if each.phase is Phase.LISTING and each.table not in self._apart and self._table(each.table) is not None
        ]
        left = iter(waiting)
        endings = await asyncio.gather(*(self._list_some(left) for _ in range(AT_ONCE)), return_exceptions=True)
        for ending in endings:
            if isinstance(ending, BaseException):
                raise ending

    async def _list_some(self, left: Iterator[MirroredTable]) -> None:
        """List tables one after the other, as long as any is left by those that do the same beside this."""
        for table in left:
            await self._list(table)

    async def _list(self, progress: MirroredTable) -> None:
        if not self._may_go_on():
            return
        basis, page = await self._fetch(progress.table, progress.page)
        while page.offset is not None:
            if not self._may_go_on():
                await self._write(progress, page, basis)
                return
            # the next page is on its way while this one is written down
            is_current, (basis, page) = await asyncio.gather(
                self._write(progress, page, basis), self._fetch(progress.table, page.offset)
            )
            if not is_current:
                return
        if await self._write(progress, page, basis) and await self._store.whole(progress, at=self._clock.now()):
            self._observer.saw(TableWhole(progress.table))

    async def _fetch(self, table: TableId, offset: str | None) -> tuple[Basis, Page]:
        basis = await self._copier.begin()
        outcome = await self._client.list_page(table, offset=offset, lane=Lane.MIRROR)
        if isinstance(outcome, Refused) and outcome.type == ITERATOR_EXPIRED and offset is not None:
            # from the beginning; what is here already costs no write
            return await self._fetch(table, None)
        return basis, value_of(outcome)

    async def _write(self, progress: MirroredTable, page: Page, basis: Basis) -> bool:
        """Write a page down; False when the listing was begun anew meanwhile, or the table is gone."""
        table = self._table(progress.table)
        if table is None:
            return False
        effect = await self._copier.copy(table, page.records, basis)
        if effect.strange:
            await self._schema.suspect(table.id, effect.strange)
        if effect.overtaken:
            await self._store.touch(table.id, effect.overtaken, at=self._clock.now())
        listed = await self._store.page_listed(progress, [record.id for record in page.records], page=page.offset)
        if listed is not None:
            self._observer.saw(PageListed(table.id, listed, effect.rows))
        return listed is not None

    def _table(self, table: TableId) -> Table | None:
        return next((each for each in self._workspace.tables.values() if each.id == table), None)
