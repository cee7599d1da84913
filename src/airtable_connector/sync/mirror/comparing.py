"""Comparing the base here with the one at Airtable, a page now and then: what no webhook told is drift.

What differs at first sight may be on its way. So the webhook is read before differing records are read once more, and
only what it did not bring counts. It is repaired by being counted.
"""

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.airtable import AirtableClient, CloudRecord, Lane, value_of
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.kernel.observer import Observer
from airtable_connector.records import Cell, Table, Workspace
from airtable_connector.sync.mirror.copying import Basis, Copier, Effect
from airtable_connector.sync.mirror.facts import Drifted
from airtable_connector.sync.mirror.pulling import Puller
from airtable_connector.sync.mirror.store import MirroredTable, MirrorStore, Phase
from airtable_connector.sync.overlay import NOTHING_OPEN, Told, overlay
from airtable_connector.sync.told import told_cells

PAGE: Final = 100
"""Records that are compared together: as many as one call reads."""

CLOCKS_DIFFER: Final = timedelta(minutes=2)
"""By how much Airtable's clock may differ from ours."""

_LANE: Final = Lane.ANTI_ENTROPY


class Comparer:
    """Measures and repairs drift."""

    def __init__(
        self,
        workspace: Workspace,
        client: AirtableClient,
        store: MirrorStore,
        copier: Copier,
        puller: Puller,
        *,
        apart: Container[TableId],
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._workspace = workspace
        self._client = client
        self._store = store
        self._copier = copier
        self._puller = puller
        self._apart = apart
        self._clock = clock
        self._observer = observer

    async def compare_page(self) -> bool:
        """Compare the next page of the table that was compared the longest ago; False when none is whole.

        Records are compared by their ids; at a table's end those are looked for that were made there since its
        comparison before began, and are not here.

        Raises:
            CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
        """
        tables = [each for each in (await self._store.tables()).values() if self._is_comparable(each)]
        if not tables:
            return False
        chosen = min(tables, key=lambda each: (each.compare_began is None, each.compared_at or "", each.table))
        table, now = self._workspace.table(chosen.table), self._clock.now()
        records = await self._store.next_records(table.id, after=chosen.compared_to, count=PAGE)
        if records:
            found = await self._compare_ids(table, [record for _, record in records])
            await self._store.compared(table.id, to=records[-1][0], rows=found.rows, cells=found.cells, at=now)
        if len(records) < PAGE:
            found = await self._compare_newest(table, chosen)
            await self._store.compared_all(table.id, rows=found.rows, cells=found.cells, at=now)
        return True

    async def compare_all(self) -> dict[TableId, Effect]:
        """Compare every table as a whole, now; return what was found and repaired."""
        found = {}
        for each in (await self._store.tables()).values():
            if self._is_comparable(each):
                table, now = self._workspace.table(each.table), self._clock.now()
                found[table.id] = await self._compare_whole(table)
                effect = found[table.id]
                await self._store.compared_all(table.id, rows=effect.rows, cells=effect.cells, at=now)
        return found

    async def _compare_ids(self, table: Table, records: Sequence[RecordId]) -> Effect:
        basis = await self._copier.begin()
        page = value_of(await self._client.get(table.id, records, lane=_LANE))
        differing = await self._differing(table, page.records, basis)
        missing = set(records) - {record.id for record in page.records}
        return await self._repair(table, differing | await self._not_ours(missing, basis))

    async def _compare_newest(self, table: Table, progress: MirroredTable) -> Effect:
        since = progress.compared_at or progress.whole_at
        formula = None if since is None else _made_after(since)
        differing, _ = await self._walk(table, formula)
        return await self._repair(table, differing)

    async def _compare_whole(self, table: Table) -> Effect:
        began = self._workspace.head.seq
        differing, met = await self._walk(table, None)
        after = 0
        while records := await self._store.next_records(table.id, after=after, count=PAGE):
            after = records[-1][0]
            unmet = {record for _, record in records} - met
            differing |= await self._not_ours(unmet, Basis(began, self._clock.now()))
        return await self._repair(table, differing)

    async def _walk(self, table: Table, formula: str | None) -> tuple[set[RecordId], set[RecordId]]:
        """Return the records of a listing that differ from those here, and all that it has met."""
        differing: set[RecordId] = set()
        met: set[RecordId] = set()
        offset = None
        while True:
            basis = await self._copier.begin()
            page = value_of(await self._client.list_page(table.id, formula=formula, offset=offset, lane=_LANE))
            differing |= await self._differing(table, page.records, basis)
            met |= {record.id for record in page.records}
            offset = page.offset
            if offset is None:
                return differing, met

    async def _differing(self, table: Table, records: Sequence[CloudRecord], basis: Basis) -> set[RecordId]:
        held = await self._store.held(table.id, [record.id for record in records])
        opened = await self._copier.open_records([record.id for record in records], basis)
        differing = set()
        for record in records:
            told = Told(table.id, record.id, told_cells(table, record))
            shown = overlay(told, opened.get(record.id, NOTHING_OPEN), self._copier.rule(table.id)).cells
            if shown is not None and not _is_alike(held.get(record.id), record.created_at, shown, table):
                differing.add(record.id)
        return differing

    async def _not_ours(self, records: set[RecordId], basis: Basis) -> set[RecordId]:
        """Leave out records that callers have just made: Airtable does not know them yet."""
        opened = await self._copier.open_records(records, basis) if records else {}
        return {record for record in records if not opened.get(record, NOTHING_OPEN).created}

    async def _repair(self, table: Table, records: set[RecordId]) -> Effect:
        found = Effect()
        if not records:
            return found
        await self._puller.pull()
        waiting = sorted(records)
        for first in range(0, len(waiting), PAGE):
            asked = waiting[first : first + PAGE]
            effect = await self._copier.read_again(table.id, asked, lane=_LANE)
            if effect.missing:
                gone = await self._copier.forget(table, sorted(effect.missing), await self._copier.begin())
                effect.add(gone)
            if effect.overtaken:
                await self._store.touch(table.id, effect.overtaken, at=self._clock.now())
            found.add(effect)
        if found.rows:
            self._observer.saw(Drifted(table.id, found.rows, found.cells))
        return found

    def _is_comparable(self, progress: MirroredTable) -> bool:
        present = any(table.id == progress.table for table in self._workspace.tables.values())
        return present and progress.phase is Phase.WHOLE and progress.table not in self._apart


def _made_after(since: str) -> str:
    moment = iso(datetime.fromisoformat(since) - CLOCKS_DIFFER)
    return f"IS_AFTER(CREATED_TIME(), DATETIME_PARSE('{moment}'))"


def _is_alike(
    held: tuple[str, Mapping[FieldId, object]] | None,
    created_at: datetime,
    shown: Mapping[FieldId, Cell],
    table: Table,
) -> bool:
    if held is None:
        return False
    known = {name: cell for name, cell in held[1].items() if name in table.by_id}
    return held[0] == iso(created_at) and known == dict(shown)
