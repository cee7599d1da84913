"""Looking at Airtable where nobody can tell what a call has done, and putting back what it refused."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, assert_never

from airtable_connector.airtable import (
    AirtableClient,
    CloudClientClosed,
    CloudRecord,
    Done,
    Lane,
    NotDone,
    Outcome,
    Page,
    Refused,
    Unknown,
)
from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import LimitReached
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.records import Cell, Table, Workspace
from airtable_connector.sync.outbox import rows
from airtable_connector.sync.outbox.aftermath import Aftermath
from airtable_connector.sync.outbox.bell import Bell
from airtable_connector.sync.outbox.conflicts import Conflicts
from airtable_connector.sync.outbox.fates import (
    Again,
    Fate,
    Stored,
    likely,
    looked_at_create,
    looked_at_deletion,
    looked_at_update,
)
from airtable_connector.sync.outbox.intents import (
    CreationKey,
    Element,
    Intent,
    Kind,
    State,
    by_target,
    creation_key,
    opened,
)
from airtable_connector.sync.outbox.opening import table_or_none, with_real_links
from airtable_connector.sync.outbox.sending import IDLE, MOST_READ, REST, TABLE_GONE, Sender
from airtable_connector.sync.outbox.settling import Settlement, Shown
from airtable_connector.sync.outbox.wording import Wording
from airtable_connector.sync.overlay import Conflict, Told, overlay

PAUSE: Final = timedelta(seconds=5)
"""How long a look that Airtable did not answer is put off."""

CLOCKS: Final = timedelta(minutes=2)
"""How much Airtable's clock may be behind ours."""

MOST_PAGES: Final = 100
"""Pages read in search of records that may be ours; no table grows by so much so soon."""


@dataclass(frozen=True)
class LostCallSettled(Fact):
    """A look at Airtable has shown what became of a call whose outcome was unknown."""

    table: TableId
    kind: Kind
    records: int


@dataclass(frozen=True)
class WriteRefused(Fact):
    """Airtable has refused a write; the record here is as Airtable has it again, and the write is kept for people."""

    table: TableId
    number: int
    kind: Kind
    actor: int


class _LookFailed(Exception):
    """Airtable did not answer; nothing is known yet."""

    def __init__(self, pause: timedelta) -> None:
        super().__init__()
        self.pause = pause


class Looker:
    """Settles calls whose outcome is unknown, and buries what was refused: one call's intents at a time."""

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        client: AirtableClient,
        *,
        sender: Sender,
        aftermath: Aftermath,
        settlement: Settlement,
        conflicts: Conflicts,
        wording: Wording,
        look_after: timedelta,
        news: Bell,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._client = client
        self._sender = sender
        self._aftermath = aftermath
        self._settlement = settlement
        self._conflicts = conflicts
        self._wording = wording
        self._look_after = look_after
        self._news = news
        self._clock = clock
        self._observer = observer

    async def recover(self) -> None:
        """Let looks settle what was noted as under way by a process that has ended, or could not be settled here."""
        self._sender.left_open = False
        async with self._database.transaction() as tx:
            at = self._clock.now() + self._look_after
            await rows.give_up(tx, but=self._sender.under_way, look_at=at)

    async def look_once(self) -> timedelta:
        """Settle the call that is due longest, or wait until one is."""
        if self._sender.left_open:
            await self.recover()
        rung = self._news.listen()
        now = self._clock.now()
        async with self._database.reading() as reader:
            call = await rows.call_to_look_at(reader, now)
            intents = [] if call is None else await rows.of_call(reader, call)
            intents = await with_real_links(reader, self._workspace, intents)
            following = await rows.next_look(reader)
        if call is None:
            left = IDLE if following is None else min(following - now, IDLE)
            await self._news.wait(rung, within=left)
            return timedelta(0)
        try:
            await self._settle(intents)
        except _LookFailed as failed:
            async with self._database.transaction() as tx:
                await rows.postpone(tx, call, at=now + failed.pause)
        self._news.ring()
        return timedelta(0)

    async def _settle(self, intents: Sequence[Intent]) -> None:
        table = table_or_none(self._workspace, intents[0])
        refused = [each for each in intents if each.state is State.REFUSED]
        if refused:
            await self._bury(table, refused)
            return
        elements = [Element(tuple(group)) for group in by_target(intents).values()]
        if table is None:
            await self._lose(elements)
        elif elements[0].kind is Kind.DELETE:
            there = await self._read(table, [each.target for each in elements])
            fates = [(each, looked_at_deletion(there.get(each.target))) for each in elements]
            await self._aftermath.apply(table, fates)
        else:
            await self._settle_written(table, elements)
        self._observer.saw(LostCallSettled(intents[0].table, elements[0].kind, len(elements)))

    async def _settle_written(self, table: Table, elements: Sequence[Element]) -> None:
        born = [each for each in elements if not each.first.unborn]
        unborn = [each for each in elements if each.first.unborn]
        key = creation_key(table)
        keyed = {text: each for each in unborn if (text := each.key(key)) is not None}
        keyless = [each for each in unborn if each.key(key) is None]
        if born:
            await self._settle_updates(table, born)
        if keyed and key is not None:
            await self._aftermath.apply(table, await self._find_by_key(table, keyed, key))
        if keyless:
            await self._settle_keyless(table, keyless, key)

    async def _lose(self, elements: Sequence[Element]) -> None:
        intents = [intent for element in elements for intent in element.intents]
        await self._bury_all(None, intents, {}, TABLE_GONE)

    async def _bury(self, table: Table | None, refused: Sequence[Intent]) -> None:
        wanted = [each.target for each in refused if not each.unborn]
        there = await self._read(table, wanted) if wanted and table is not None else {}
        await self._bury_all(table, refused, there, None)

    async def _bury_all(
        self, table: Table | None, intents: Sequence[Intent], there: Mapping[RecordId, CloudRecord], reason: str | None
    ) -> None:
        for intent in intents:
            await self._settlement.bury(table, intent, there.get(intent.target), reason=reason or intent.reason)
            self._observer.saw(WriteRefused(intent.table, intent.number, intent.kind, intent.actor))

    async def _settle_updates(self, table: Table, elements: Sequence[Element]) -> None:
        there = await self._read(table, [each.target for each in elements])
        fates: list[tuple[Element, Fate]] = []
        conflicts: list[Conflict] = []
        changed: list[Shown] = []
        for element in elements:
            found = there.get(element.target)
            stored = {} if found is None else self._wording.told(table, found)
            fate = looked_at_update(element, found, stored)
            fates.append((element, fate))
            if isinstance(fate, Again):
                told = Told(table.id, element.target, stored)
                conflicts += overlay(told, opened(element.intents), self._conflicts.rule(table.id)).conflicts
                changed.append(Shown(table, element.target, found, ()))
        await self._aftermath.apply(table, fates)
        # once they wait again, for only from what waits can a value be taken that has lost
        await self._conflicts.record(conflicts)
        await self._settlement.show(changed if conflicts else ())

    async def _find_by_key(
        self, table: Table, keyed: Mapping[str, Element], key: CreationKey
    ) -> Sequence[tuple[Element, Fate]]:
        wanted = ",".join(f"{{{key.field}}}={_quoted(text)}" for text in keyed)
        found: dict[str, list[CloudRecord]] = {text: [] for text in keyed}
        for record in await self._search(table, f"OR({wanted})"):
            found.setdefault(str(record.cells.get(key.field)), []).append(record)
        return [(element, looked_at_create(found[text])) for text, element in keyed.items()]

    async def _settle_keyless(self, table: Table, elements: Sequence[Element], key: CreationKey | None) -> None:
        """Claim records that are as the creates would have made them, and that are no other intent's work."""
        async with self._sender.held(elements):
            if await self._could_be_anothers(table, elements, key):
                raise _LookFailed(IDLE)
            since = min(each.first.sent_at or each.first.at for each in elements) - CLOCKS
            records = await self._search(table, f"IS_AFTER(CREATED_TIME(), '{iso(since)}')")
            fates = await self._claims(table, elements, records)
            await self._aftermath.apply(table, fates)

    async def _could_be_anothers(self, table: Table, elements: Sequence[Element], key: CreationKey | None) -> bool:
        """Tell whether what is found could be the work of a create that is under way, or must be looked at first."""
        async with self._database.reading() as reader:
            creates = await rows.uncertain(reader, table.id, count=MOST_READ)
            intents = await rows.open_of(reader, {each.target for each in creates}, count=MOST_READ)
        groups = by_target(each for each in intents if each.call is not None).values()
        others = [Element(tuple(group)) for group in groups]
        keyless = [each for each in others if each.key(key) is None]
        return any(_could_be_mistaken(other, each) for other in keyless for each in elements)

    async def _claims(
        self, table: Table, elements: Sequence[Element], records: Sequence[CloudRecord]
    ) -> Sequence[tuple[Element, Fate]]:
        async with self._database.reading() as reader:
            claimed = await rows.claimed(reader, [each.id for each in records])
        there = {each.id: each for each in records}
        free = {
            each.id: _writable(table, self._wording.told(table, each)) for each in records if each.id not in claimed
        }
        attachments = {field.id for field in table.attachment_fields}
        fates: list[tuple[Element, Fate]] = []
        # those that wrote most first: what has their cells has the fewer ones of others, too
        for element in sorted(elements, key=lambda each: -len(_filled(each))):
            fate = looked_at_create(there[each] for each in likely(element, free, uncompared=attachments))
            if isinstance(fate, Stored):
                del free[fate.record.id]
            fates.append((element, fate))
        return fates

    # asking

    async def _read(self, table: Table, records: Sequence[RecordId]) -> Mapping[RecordId, CloudRecord]:
        page = await _page(self._client.get(table.id, records, lane=Lane.OUTBOX))
        return {each.id: each for each in page.records}

    async def _search(self, table: Table, formula: str) -> list[CloudRecord]:
        found: list[CloudRecord] = []
        offset = None
        for _ in range(MOST_PAGES):
            asked = self._client.list_page(table.id, formula=formula, offset=offset, lane=Lane.OUTBOX)
            page = await _page(asked)
            found += page.records
            offset = page.offset
            if offset is None:
                return found
        raise _LookFailed(REST)


async def _page(asked: Awaitable[Outcome[Page]]) -> Page:
    try:
        outcome = await asked
    except LimitReached as refusal:  # before anything was sent
        raise _LookFailed(min(refusal.retry_after, REST)) from refusal
    except CloudClientClosed as closed:
        raise _LookFailed(REST) from closed
    match outcome:
        case Done(page):
            return page
        case NotDone(_, _, pause):
            raise _LookFailed(min(pause or PAUSE, REST))
        case Refused():
            raise _LookFailed(REST)
        case Unknown():
            raise _LookFailed(PAUSE)
        case _:
            assert_never(outcome)


def _writable(table: Table, cells: Mapping[FieldId, Cell]) -> Mapping[FieldId, Cell]:
    return {name: cell for name, cell in cells.items() if name in table.by_id and not table.by_id[name].computed}


def _filled(element: Element) -> Mapping[FieldId, Cell]:
    return {name: cell for name, cell in element.cells.items() if cell is not None}


def _could_be_mistaken(other: Element, element: Element) -> bool:
    """Tell whether another create's record would look like this one's, so that the other's fate must be known first."""
    mine = _filled(element)
    if other.target == element.target or not all(other.cells.get(name) == cell for name, cell in mine.items()):
        return False
    is_elsewhere = other.first.call != element.first.call
    return other.first.state is State.SENDING or (is_elsewhere and len(_filled(other)) > len(mine))


def _quoted(text: str) -> str:
    """Write a text for a formula."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
