"""The mirror as a whole: its steps, what operators may ask of it, and how fresh it is."""

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.airtable import AirtableClient, Lane
from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids, TableId
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Step
from airtable_connector.records import Workspace
from airtable_connector.sync.errors import NoWebhookFree
from airtable_connector.sync.mirror.comparing import Comparer
from airtable_connector.sync.mirror.copying import Copier
from airtable_connector.sync.mirror.facts import NoRoomForHook
from airtable_connector.sync.mirror.hook import HookKeeper
from airtable_connector.sync.mirror.listing import Lister
from airtable_connector.sync.mirror.pulling import Puller
from airtable_connector.sync.mirror.schema import SchemaReader
from airtable_connector.sync.mirror.store import Checks, HookState, Known, MirroredTable, MirrorStore, Phase
from airtable_connector.sync.overlay import Outgoing

TEND: Final = "mirror.tend"
LIST: Final = "mirror.list"
PULL: Final = "mirror.pull"
COMPARE: Final = "mirror.compare"
WATCH: Final = "mirror.watch"

LOOK_EVERY: Final = timedelta(seconds=1)
"""How soon a process sees what another one has mirrored, and what another one wishes."""

TEND_EVERY: Final = timedelta(minutes=1)
GO_ON: Final = timedelta(seconds=1)
"""The rest of a pull that did not come to its end."""

COPYING_PULL: Final = timedelta(minutes=1)
"""The shortest rest between two pulls before the first copy has ended, which wakes the next one. Nothing is fresh until
then, and each pull takes a call that could bring a page; payloads are kept for seven days."""

_MAC: Final = "hmac-sha256="


@dataclass(frozen=True)
class MirrorSettings:
    """How the base is mirrored.

    ``url`` is where Airtable sends notifications; None when it cannot reach us, and payloads are only polled. The
    records of the tables in ``apart`` are not mirrored. A table with more than ``most_touched`` changed records to read
    is listed instead.
    """

    url: str | None = None
    apart: Container[TableId] = frozenset()
    most_touched: int = 2_000


@dataclass(frozen=True)
class Rhythm:
    """How often Airtable is asked; the budget decides it.

    ``poll`` and ``compare`` return the rest between two pulls and between two compared pages; ``allows`` tells whether
    calls of a lane may be made now.
    """

    poll: Callable[[], timedelta]
    compare: Callable[[], timedelta]
    allows: Callable[[Lane], bool]


@dataclass(frozen=True, slots=True)
class MirrorPosition:
    """What reads show: all payloads before ``cursor``, which the feed shows from ``seq`` on."""

    cursor: int
    seq: int


@dataclass(frozen=True, slots=True)
class TableProgress:
    """How much of a table is here: in phase `Phase.LISTING` at least ``listed`` records of it are up to date."""

    table: TableId
    name: str
    phase: Phase
    listed: int


@dataclass(frozen=True, slots=True)
class Drift:
    """What a comparison has found and repaired: rows and cells that no webhook had told of, by table id."""

    rows: Mapping[TableId, int] = field(default_factory=dict)
    cells: Mapping[TableId, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.rows.values())


class Mirror:
    """Keeps the base here like the one at Airtable.

    The steps belong to one process at a time; `watch_once`, `pinged`, `reach` and the figures to every one. The figures
    are as of the last look at the store, at most `LOOK_EVERY` ago where `watch_once` runs.

    Args:
        outgoing: knows what callers have written and Airtable has not answered.
        rhythm: how often it is asked.
        wake: cuts the rest of the step of a name short, as `Supervisor.wake` does.
    """

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        client: AirtableClient,
        outgoing: Outgoing,
        *,
        settings: MirrorSettings,
        rhythm: Rhythm,
        wake: Callable[[str], None],
        clock: Clock,
        ids: Ids,
        observer: Observer,
    ) -> None:
        self._workspace = workspace
        self._settings = settings
        self._rhythm = rhythm
        self._wake = wake
        self._clock = clock
        self._observer = observer
        self._store = MirrorStore(database)
        self._hooks = HookKeeper(client, self._store, url=settings.url, clock=clock, observer=observer)
        self._schema = SchemaReader(workspace, client, self._store, clock=clock, ids=ids, observer=observer)
        copier = Copier(workspace, client, outgoing, clock=clock, ids=ids)
        self._puller = Puller(
            workspace,
            client,
            self._store,
            copier,
            hooks=self._hooks,
            schema=self._schema,
            apart=settings.apart,
            most_touched=settings.most_touched,
            clock=clock,
            observer=observer,
        )
        self._lister = Lister(
            workspace,
            client,
            self._store,
            copier,
            self._schema,
            apart=settings.apart,
            may_go_on=lambda: rhythm.allows(Lane.MIRROR),
            clock=clock,
            observer=observer,
        )
        self._comparer = Comparer(
            workspace,
            client,
            self._store,
            copier,
            self._puller,
            apart=settings.apart,
            clock=clock,
            observer=observer,
        )
        self._known = Known()
        self._tables: Mapping[TableId, MirroredTable] = {}
        self._checks = Checks()
        self._served = 0
        self._heeded = 0
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Read what is known; call it before anything else."""
        await self._store.open()
        await self._look()

    @property
    def steps(self) -> Mapping[str, Step]:
        """The steps of the one process that asks Airtable, by name."""
        return {TEND: self.tend_once, LIST: self.list_once, PULL: self.pull_once, COMPARE: self.compare_once}

    async def tend_once(self) -> timedelta:
        """Have a live webhook and the present schema."""
        try:
            await self._hooks.ensure()
        except NoWebhookFree as full:
            self._observer.saw(NoRoomForHook())
            await self._look()
            return full.retry_after
        if self._schema.is_due(await self._store.known()):
            await self._schema.read()
        await self._look()
        self._wake_what_waits()
        return TEND_EVERY

    async def list_once(self) -> timedelta:
        """List the tables that are to be listed, to their ends."""
        await self._look()
        # a table is listed only while a webhook tells what happens meanwhile
        if self._is_followed and self._is_listing:
            await self._lister.list_all()
            await self._look()
            if not self._is_listing:
                # only now can a pull tell that everything is here
                self._wake(PULL)
        return TEND_EVERY

    async def pull_once(self) -> timedelta:
        """Read what the webhook has to tell."""
        await self._look()
        self._served = self._known.wanted
        if not self._rhythm.allows(Lane.WEBHOOKS):
            return self._rhythm.poll()
        was_followed = self._is_followed
        complete = await self._puller.pull()
        await self._look()
        if was_followed and not self._is_followed:
            self._wake(TEND)
        self._wake_what_waits()
        poll = self._rhythm.poll()
        if self._known.answered_at is None and (self._is_listing or not self._is_followed):
            return max(COPYING_PULL, poll)
        return poll if complete or self._is_listing or not self._is_followed else min(GO_ON, poll)

    async def compare_once(self) -> timedelta:
        """Compare a page, or everything when somebody asked for that: then the writes' reserve alone is left alone."""
        checks = self._checks = await self._store.checks()
        self._heeded = checks.wanted
        if self._is_unchecked and self._is_followed and self._rhythm.allows(Lane.WEBHOOKS):
            found = await self.verify()
            await self._store.checked(checks.wanted, rows=found.rows, cells=found.cells)
            await self._look()
        elif self._is_followed and self._rhythm.allows(Lane.ANTI_ENTROPY):
            await self._comparer.compare_page()
            await self._look()
        return self._rhythm.compare()

    async def watch_once(self) -> timedelta:
        """Look at what is known; a wish of another process wakes the step that fulfils it, if this process is asked."""
        await self._look()
        if self._known.wanted != self._served:
            self._wake(PULL)
        if self._is_unchecked and self._checks.wanted != self._heeded:
            self._heeded = self._checks.wanted
            self._wake(COMPARE)
        return LOOK_EVERY

    # what callers and operators may ask

    async def pinged(self, webhook: str, body: bytes, mac: str) -> bool:
        """Take a notification; False when it is not one of our webhook's. It means no more than: pull now.

        Args:
            webhook: its id, as the notification says.
            body: as it came, to the byte.
            mac: the header ``X-Airtable-Content-MAC``.
        """
        known = self._known
        if webhook != known.hook or not hmac.compare_digest(mac.encode(errors="replace"), _mac(known, body)):
            return False
        await self._want()
        return True

    async def reach(self, max_age: timedelta, *, within: timedelta) -> bool:
        """Have the mirror no older than ``max_age``, if that can be had within a time; tell whether it is."""
        oldest = self._clock.now() - max_age
        if self._shows(oldest):
            return True
        await self._want()
        return await self._becomes(lambda: self._shows(oldest), within=within)

    async def checked(self, *, within: timedelta) -> Drift | None:
        """Have the process that asks Airtable `verify`, and return what it found; None when the time is over before.

        The wish stays. A process that waits needs `watch_once` running.
        """
        number = await self._store.want_check()
        if not await self._becomes(lambda: self._checks.made >= number, within=within):
            return None
        return Drift(self._checks.rows, self._checks.cells)

    async def sync_now(self) -> bool:
        """Do all that the steps would do in time, but compare; True when everything that happened there is here.

        What the budget does not allow is left to the steps.

        Raises:
            NoWebhookFree, SchemaNotBelieved: see there.
            CloudUnavailable, CloudDenied, CloudRefused, CloudOutcomeUnknown: Airtable did not do it.
        """
        await self._hooks.ensure()
        await self._schema.read()
        await self._lister.list_all()
        complete = await self._puller.pull()
        await self._look()
        return complete

    async def verify(self) -> Drift:
        """Compare every table as a whole, repair it, and return what was found.

        Raises:
            CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
        """
        found = await self._comparer.compare_all()
        await self._look()
        return Drift(
            {table: effect.rows for table, effect in found.items()},
            {table: effect.cells for table, effect in found.items()},
        )

    async def reset(self) -> None:
        """Copy every table anew. Nothing is dropped: what is here is shown until it is found to be another."""
        await self._store.relist_all()
        await self._look()
        # another process may be the one that lists; before it rests, a pull looks whether there is something to list
        await self._want()
        self._wake(LIST)

    async def leave(self) -> None:
        """Have no webhook there any more, and forget what is known; the tables and their records stay.

        Raises:
            CloudUnavailable, CloudDenied, CloudOutcomeUnknown: the webhook may still be there; it may be tried again.
        """
        known = await self._store.known()
        for hook in (known.old_hook, known.hook):
            if hook is not None:
                await self._hooks.delete(hook)
        await self._store.clear()

    # figures

    @property
    def position(self) -> MirrorPosition:
        """What reads show of what happened at Airtable."""
        return MirrorPosition(self._known.answered_cursor, self._known.answered_seq)

    @property
    def age(self) -> timedelta | None:
        """How long ago everything at Airtable was here; None before the first copy is complete."""
        at = self._known.answered_at
        return None if at is None else max(self._clock.now() - at, timedelta(0))

    @property
    def completeness(self) -> tuple[TableProgress, ...]:
        """How much of each table is here."""
        return tuple(
            TableProgress(known.table, table.name, known.phase, known.listed)
            for table in self._workspace.tables.values()
            if (known := self._mirrored.get(table.id)) is not None
        )

    @property
    def drift(self) -> Drift:
        """What the last comparison of each table has found."""
        tables = self._mirrored.items()
        return Drift({name: t.drift_rows for name, t in tables}, {name: t.drift_cells for name, t in tables})

    def facts(self) -> dict[str, JsonValue]:
        """Return all that is known of the mirror, as JSON for people; without secrets and cells."""
        known, age = self._known, self.age
        return {
            "webhook": {
                "id": known.hook,
                "state": str(known.state),
                "notified": known.url is not None,
                "expires_at": None if known.expires_at is None else iso(known.expires_at),
            },
            "position": {"cursor": known.answered_cursor, "seq": known.answered_seq},
            "age_seconds": None if age is None else age.total_seconds(),
            "tables": [self._table_facts(each) for each in self.completeness],
            "schema": {
                "read_at": None if known.schema_at is None else iso(known.schema_at),
                "changes": [
                    {
                        "at": iso(change.at),
                        "event": change.event,
                        "table": change.table,
                        "name": change.name,
                        "before": change.before,
                    }
                    for change in known.changes
                ],
            },
        }

    def _table_facts(self, progress: TableProgress) -> dict[str, JsonValue]:
        known = self._mirrored[progress.table]
        return {
            "id": progress.table,
            "name": progress.name,
            "phase": str(progress.phase),
            "listed": progress.listed,
            "whole_at": known.whole_at,
            "compared_at": known.compared_at,
            "drift_rows": known.drift_rows,
            "drift_cells": known.drift_cells,
        }

    @property
    def _mirrored(self) -> Mapping[TableId, MirroredTable]:
        return {name: each for name, each in self._tables.items() if name not in self._settings.apart}

    @property
    def _is_followed(self) -> bool:
        return self._known.state is HookState.LIVE and self._known.schema_at is not None

    @property
    def _is_unchecked(self) -> bool:
        return self._checks.made < self._checks.wanted

    @property
    def _is_listing(self) -> bool:
        return any(each.phase is Phase.LISTING for each in self._mirrored.values())

    async def _look(self) -> None:
        self._known, self._tables = await self._store.known(), await self._store.tables()
        self._checks = await self._store.checks()
        self._news.set()
        self._news = asyncio.Event()

    async def _becomes(self, holds: Callable[[], bool], *, within: timedelta) -> bool:
        """Wait until something holds after a look at the store, or the time is over; tell whether it does."""
        timer = asyncio.ensure_future(self._clock.sleep(within))
        try:
            while not holds() and not timer.done():
                looked = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({timer, looked}, return_when=asyncio.FIRST_COMPLETED)
                looked.cancel()
        finally:
            timer.cancel()
        return holds()

    async def _want(self) -> None:
        # in the store, because another process may be the one that pulls
        await self._store.want()
        self._wake(PULL)

    def _wake_what_waits(self) -> None:
        if self._is_followed and self._is_listing:
            self._wake(LIST)
        if self._known.wanted != self._served:
            self._wake(PULL)

    def _shows(self, moment: datetime) -> bool:
        at = self._known.answered_at
        return at is not None and at >= moment


def _mac(known: Known, body: bytes) -> bytes:
    """Return the header that our webhook would send with a body; nothing that anybody can send without a key."""
    try:
        key = base64.b64decode(known.mac_key.reveal(), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        return b"\x00"
    return f"{_MAC}{hmac.new(key, body, hashlib.sha256).hexdigest()}".encode()
