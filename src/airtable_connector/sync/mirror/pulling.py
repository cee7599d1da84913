"""Reading what the webhook tells: payloads are taken to be news of records, which are then read themselves.

A page of payloads and what it touches are noted in one transaction, and the records are read afterwards: a crash
between the two loses nothing, and repeating is harmless. A ping means no more than that there may be something.
"""

import asyncio
from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from airtable_connector.airtable import AirtableClient, Done, Lane, Payloads, Refused, value_of
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.kernel.observer import Observer
from airtable_connector.records import Table, Workspace
from airtable_connector.sync.mirror.copying import Copier, Effect
from airtable_connector.sync.mirror.digest import Digest, digest, jumped
from airtable_connector.sync.mirror.facts import PayloadsPulled
from airtable_connector.sync.mirror.hook import HookKeeper
from airtable_connector.sync.mirror.schema import SchemaReader
from airtable_connector.sync.mirror.store import HookState, MirrorStore, Phase, Touch
from airtable_connector.sync.told import is_told_whole, told_payload_cells

MOST_PAGES: Final = 40
"""Pages of payloads of one pull; what is left comes with the next."""

AT_ONCE: Final = 100
"""Records that are read in one call, or written down together."""

UNREADABLE_FOR: Final = timedelta(minutes=1)
"""How long a record that was changed, and is not to be read, is looked for before it counts as gone."""

LOOK_AGAIN: Final = timedelta(seconds=5)

_LANE: Final = Lane.WEBHOOKS


class Puller:
    """Brings the base here to what the webhook tells."""

    def __init__(
        self,
        workspace: Workspace,
        client: AirtableClient,
        store: MirrorStore,
        copier: Copier,
        *,
        hooks: HookKeeper,
        schema: SchemaReader,
        apart: Container[TableId],
        most_touched: int,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._workspace = workspace
        self._client = client
        self._store = store
        self._copier = copier
        self._hooks = hooks
        self._schema = schema
        self._apart = apart
        self._most_touched = most_touched
        self._clock = clock
        self._observer = observer
        self._turn = asyncio.Lock()

    async def pull(self) -> bool:
        """Read all that the webhook has to tell; True when everything that it told is here.

        Raises:
            CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell; what it told before is not lost.
        """
        async with self._turn:
            known = await self._store.known()
            if known.old_hook is not None:
                await self._read_old(known.old_hook, known.old_cursor)
            if known.hook is None or known.state is not HookState.LIVE:
                return False
            return await self._read(known.hook, known.cursor)

    async def _read(self, hook: str, cursor: int) -> bool:
        for _ in range(MOST_PAGES):
            at = self._clock.now()
            outcome = await self._client.payloads(hook, cursor=cursor, lane=_LANE)
            if isinstance(outcome, Refused) and await self._hooks.is_lost(hook, outcome):
                return False
            answer = value_of(outcome)
            if jumped(cursor, answer):
                await self._hooks.broken(hook, "payloads were deleted before they were read")
                return False
            told = digest(answer.payloads)
            await self._take(hook, answer, told, is_old=False)
            if told.fault is not None:
                await self._hooks.broken(hook, f"it says {told.fault}")
                return False
            cursor = answer.cursor
            if not answer.more:
                done = await self.look_at_touched() and not await self._is_listing()
                if done:
                    await self._store.answered(at, cursor=cursor, seq=self._workspace.head.seq)
                return done
        return False

    async def _read_old(self, hook: str, cursor: int) -> None:
        """Read the webhook before the present one to its end, as far as it can be read, and let it go."""
        for _ in range(MOST_PAGES):
            outcome = await self._client.payloads(hook, cursor=cursor, lane=_LANE)
            if not isinstance(outcome, Done | Refused):
                value_of(outcome)
            if isinstance(outcome, Refused):
                break
            assert isinstance(outcome, Done)
            told = digest(outcome.value.payloads)
            await self._take(hook, outcome.value, told, is_old=True)
            cursor = outcome.value.cursor
            if told.fault is not None or not outcome.value.more:
                break
        else:
            return
        await self._hooks.delete(hook)
        await self._store.old_ended(hook)

    async def _take(self, hook: str, answer: Payloads, told: Digest, *, is_old: bool) -> None:
        if told.schema or self._names_strangers(told):
            # first: the records that follow are of the tables as they are now
            await self._schema.read()
        changed = {table: set(records) for table, records in told.changed.items()}
        for table, made in told.made.items():
            left = await self._make(table, made)
            changed.setdefault(table, set()).update(left)
        mirrored = self._mirrored()
        touched = {table: records for table, records in changed.items() if table in mirrored and records}
        gone = {table: records for table, records in told.gone.items() if table in mirrored and records}
        await self._store.take_payloads(
            hook,
            cursor=answer.cursor,
            is_old=is_old,
            changed=touched,
            gone=gone,
            at=self._clock.now(),
            most=self._most_touched,
        )
        if answer.payloads:
            count = sum(map(len, touched.values())) + sum(map(len, gone.values()))
            self._observer.saw(PayloadsPulled(len(answer.payloads), count))

    async def _make(self, table_id: TableId, made: Mapping[RecordId, Mapping[str, Any]]) -> set[RecordId]:
        """Add new records as the payloads tell them, where those tell all; return those that must be read."""
        table = self._mirrored().get(table_id)
        if table is None or not made or not is_told_whole(table):
            return set(made)
        basis = await self._copier.begin()
        # one that is here may have been changed since, by us or by a listing
        held = await self._store.held(table_id, list(made))
        told, left = [], set()
        for record, said in made.items():
            created_at, cells = _moment(said.get("createdTime")), said.get("cellValuesByFieldId")
            if created_at is None or not isinstance(cells, Mapping):
                left.add(record)
                continue
            shown = told_payload_cells(table, cells)
            if record not in held:
                told.append((record, created_at, shown))
            elif held[record] != (created_at, shown):
                left.add(record)
            # else it is mostly one that callers here have made: it is known, and what follows is told by what follows
        for first in range(0, len(told), AT_ONCE):
            left |= (await self._copier.copy_told(table, told[first : first + AT_ONCE], basis)).overtaken
        return left

    async def look_at_touched(self) -> bool:
        """Read the records that are to be looked at by now; False when callers keep overtaking one."""
        while True:
            now = self._clock.now()
            touched = await self._store.touched(now=now, count=AT_ONCE)
            if not touched:
                return True
            table, kind = touched[0][0], touched[0][2]
            together = {record: since for name, record, what, since in touched if (name, what) == (table, kind)}
            if table not in self._mirrored():
                await self._store.untouch(table, together)
            elif not await self._look_at(table, kind, together):
                return False

    async def _look_at(self, table: TableId, kind: Touch, records: Mapping[RecordId, datetime]) -> bool:
        if kind is Touch.GONE:
            effect = await self._forget(table, list(records))
        else:
            effect = await self._copier.read_again(table, list(records), lane=_LANE)
            if effect.strange:
                await self._schema.suspect(table, effect.strange)
            await self._settle_missing(table, kind, records, effect)
        done = {record: since for record, since in records.items() if record not in effect.overtaken | effect.missing}
        await self._store.untouch(table, done)
        return not effect.overtaken

    async def _forget(self, table: TableId, records: Sequence[RecordId]) -> Effect:
        basis = await self._copier.begin()
        return await self._copier.forget(self._workspace.table(table), records, basis)

    async def _settle_missing(
        self, table: TableId, kind: Touch, records: Mapping[RecordId, datetime], effect: Effect
    ) -> None:
        """Forget what Airtable has not; a record that a payload has just told of may only not be readable yet."""
        now = self._clock.now()
        surely = {record for record in effect.missing if kind is Touch.UNMET or now - records[record] >= UNREADABLE_FOR}
        if surely:
            forgotten = await self._forget(table, sorted(surely))
            effect.missing -= surely
            effect.overtaken = effect.overtaken | forgotten.overtaken
        if effect.missing:
            later = {record: records[record] for record in effect.missing}
            await self._store.put_off(table, later, until=now + LOOK_AGAIN)

    async def _is_listing(self) -> bool:
        # a table that is being listed is not up to date before its last page
        tables = (await self._store.tables()).values()
        return any(each.phase is Phase.LISTING and each.table not in self._apart for each in tables)

    def _names_strangers(self, told: Digest) -> bool:
        known = {table.id for table in self._workspace.tables.values()}
        return not {*told.changed, *told.made, *told.gone} <= known

    def _mirrored(self) -> Mapping[TableId, Table]:
        return {table.id: table for table in self._workspace.tables.values() if table.id not in self._apart}


def _moment(said: object) -> str | None:
    try:
        return iso(parse_iso(said)) if isinstance(said, str) else None
    except ValueError:
        return None
