"""The world: one base at Airtable, one store here, and one life of the connector after the other."""

import asyncio
import contextvars
import gc
import random
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.fakes import SpyObserver
from tests.world.airtable import TABLES, Airtable, Troubles, open_airtable, shown
from tests.world.loop import LIFE, SeededIds, SimulatedClock, SimulatedLoop
from tests.world.store import MortalDatabase, Point

from airtable_connector.compose.base import Base
from airtable_connector.compose.mirroring import Mirroring, open_mirroring
from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile, StoreUnavailable, open_database
from airtable_connector.kernel.ids import RecordId
from airtable_connector.kernel.supervisor import StepFailed
from airtable_connector.mesh import Contacts
from airtable_connector.ops import Metrics
from airtable_connector.records import Actor, Done, Operation, RecordNotFound, Workspace, WriteRequest, open_workspace
from airtable_connector.settings import read_settings
from airtable_connector.sync.outbox import Receipt
from airtable_connector.web.airtable_api import DERIVED_ID

T = TypeVar("T")

SETTINGS: Final = read_settings(
    {
        "AIRTABLE_API_KEY": "patAAAAAAAAAAAAAA",
        "BASE_ID": DERIVED_ID,
        "AIRTABLE_PLAN": "business",
        "AIRTABLE_POLL_SECONDS": "5",
    }
)
MEMORY: Final = Path("/dev/shm")
"""Where files are in memory: a killed process loses nothing there either, and no disk is waited for."""

QUIET_WITHIN_S: Final = 3_600.0
A_WHILE_S: Final = 5.0

EXPECTED: Final = frozenset({"CloudUnavailable", "CloudOutcomeUnknown", "CloudRefused", "CloudClientClosed"})
"""What steps may fail with: Airtable did not do what they asked."""


@dataclass(eq=False)
class Life:
    """The connector from a start to its end."""

    number: int
    observer: SpyObserver = field(default_factory=SpyObserver)
    main: "asyncio.Task[None] | None" = None
    database: MortalDatabase | None = None
    workspace: Workspace = field(init=False)
    mirroring: Mirroring = field(init=False)
    serves: bool = False
    failure: BaseException | None = None


@dataclass(frozen=True)
class Acknowledged:
    """A write that its caller was told is durable."""

    actor: Actor
    operations: tuple[Operation, ...]
    done: Done


class World:
    """Runs as far as it is told. ``seed`` decides everything that is not decided by who tells it.

    The store is on ``server`` if one is given, else a file. On a server the order of what happens at once is its own.
    """

    def __init__(
        self,
        seed: int,
        *,
        server: PostgresServer | None = None,
        on_statement: Point | None = None,
    ) -> None:
        self.loop = SimulatedLoop()
        self.clock = SimulatedClock(self.loop)
        self.dice = random.Random(seed)
        self.acknowledged: list[Acknowledged] = []
        self.receipts: dict[tuple[int, int], Receipt] = {}
        """What was told last of each write."""
        self.broken_promises: list[str] = []
        self._folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        folder = Path(self._folder.name)
        self._location: DatabaseLocation = server or SqliteFile(folder / "here" / "records.db")
        self._on_statement = on_statement
        self._ids = SeededIds(random.Random(seed))
        self._numbers = 0
        self._stack = AsyncExitStack()
        opened = open_airtable(folder, self.clock, random.Random(seed + 1))
        self.airtable: Airtable = self.do(self._stack.enter_async_context(opened))
        self.life = self._begin()

    # the connector

    def kill(self, *, after_rounds: int = 0) -> None:
        """End the life at the await that each of its tasks has come to; nothing that it leaves can do anything."""
        if after_rounds:
            self.loop.run_rounds(after_rounds)
        self._bury()
        self.life = self._begin()

    def stop(self) -> None:
        """Stop the connector as an operator does, and start it again."""
        if self.life.main is not None:
            self.life.main.cancel()
            self.loop.run_for(A_WHILE_S)
        self._bury()
        self.life = self._begin()

    def close(self) -> None:
        self._bury()
        self.do(self._stack.aclose())
        for task in list(self.loop.tasks):
            task.cancel()
        self.loop.run_for(1.0)
        self.loop.close()
        self._folder.cleanup()

    def _begin(self) -> Life:
        self._numbers += 1
        life = Life(self._numbers)
        self.airtable.life = life
        life.main = self._in(life, self._live(life))
        while not (life.serves or life.main.done()):
            self.loop.run_for(0.05)
        return life

    async def _live(self, life: Life) -> None:
        try:
            async with AsyncExitStack() as stack:
                stack.callback(self._outside, -1)
                self._outside(1)
                opened = await stack.enter_async_context(open_database(self._location, clock=self.clock))
                self._outside(-1)
                life.database = MortalDatabase(opened, on_statement=self._on_statement, outside=self._outside)
                stack.callback(self._outside, 1)  # closing waits for the other program, too
                life.workspace = await stack.enter_async_context(
                    open_workspace(life.database, clock=self.clock, ids=self._ids, observer=life.observer, tables=())
                )
                life.mirroring = await stack.enter_async_context(
                    open_mirroring(
                        SETTINGS,
                        Base(life.database, life.workspace),
                        contacts=Contacts(clock=self.clock, observer=life.observer),
                        metrics=Metrics(),
                        clock=self.clock,
                        ids=self._ids,
                        observer=life.observer,
                        transport=self.airtable,
                    )
                )
                life.serves = True
                await asyncio.Event().wait()
        except Exception as error:  # noqa: BLE001 - looked at by who awaits the start
            life.failure = error

    def _outside(self, more: int) -> None:
        if isinstance(self._location, PostgresServer):
            self.loop.outside(more=more)

    def _bury(self) -> None:
        """Let every task end where it is; what closes connections is not disturbed twice."""
        if self.life.database is not None:
            self.life.database.dead = True
        self.loop.be_patient(0.02)  # a connection whose user was killed is not always closed in good order
        while left := self.loop.of(self.life):
            for task in left:
                task.cancel()
            for _ in range(30):
                if not self.loop.of(self.life):
                    break
                self.loop.run_rounds(10)
        self.loop.be_patient()

    def _in(self, life: Life, coro: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        context = contextvars.Context()
        context.run(LIFE.set, life)
        return self.loop.create_task(coro, context=context)

    # what happens

    def do(self, coro: Coroutine[Any, Any, T]) -> T:
        """Do something outside of the connector, to its end."""
        return self.loop.run_until_complete(coro)

    def here(self, coro: Coroutine[Any, Any, T]) -> T:
        """Ask the connector something, and wait for the answer."""
        return self.loop.run_until_complete(self._in(self.life, coro))

    def call(self, actor: Actor, *operations: Operation, wait: float = 2.0) -> "asyncio.Task[None]":
        """Let a caller write; what it is told is remembered, if it lives to be told."""
        return self._in(self.life, self._write(self.life, actor, operations, timedelta(seconds=wait)))

    async def _write(self, life: Life, actor: Actor, operations: tuple[Operation, ...], wait: timedelta) -> None:
        try:
            done = await life.workspace.write(WriteRequest(actor, operations))
        except (RecordNotFound, StoreUnavailable):
            return  # it is gone by now, or the connector is
        assert isinstance(done, Done)
        self.acknowledged.append(Acknowledged(actor, operations, done))
        try:
            settlement = await life.mirroring.upstream.settle(done, within=wait)
            if settlement.is_final and done.first <= done.seq:
                await self._look(life, done)
        except StoreUnavailable:
            return  # as above

    async def _look(self, life: Life, done: Done) -> None:
        receipt = await life.mirroring.outbox.receipt(done.first, done.seq)
        known = self.receipts.get((done.first, done.seq))
        if known is not None and known.final and _told(known) != _told(receipt):
            self.broken_promises.append(f"final, and not so any more: {known} {receipt}")
        self.receipts[done.first, done.seq] = receipt

    def look_at_receipts(self) -> None:
        async def look() -> None:
            for each in self.acknowledged:
                if each.done.first <= each.done.seq:
                    await self._look(self.life, each.done)

        self.here(look())

    # how it ends

    def settle(self) -> None:
        """Let all faults end, and wait until nothing is on its way any more and the mirror shows what there is."""
        self.airtable.troubles = Troubles()
        self.loop.run_for(A_WHILE_S)  # who is about to write does so
        until = self.clock.monotonic() + QUIET_WITHIN_S
        while not self.here(self._is_quiet(self.life)):
            self.loop.run_for(10.0)
            assert self.clock.monotonic() < until, self.state()
        assert self.here(self.life.mirroring.mirror.reach(timedelta(0), within=timedelta(minutes=20))), self.state()

    async def _is_quiet(self, life: Life) -> bool:
        outbox, mirror = life.mirroring.outbox, life.mirroring.mirror
        await outbox.take()
        counts = await outbox.counts()
        return not (counts.waiting or counts.under_way or counts.unknown or counts.refused) and mirror.age is not None

    def state(self) -> str:
        """Say how things stand, for whoever must find out why they do not settle."""
        mirroring = self.life.mirroring
        failures = [fact for fact in self.life.observer.facts if isinstance(fact, StepFailed)][-5:]
        counts = self.here(mirroring.outbox.counts())
        return f"{mirroring.facts()} {counts} {failures} {self.loop.failures[:3]}"

    def bugs(self) -> list[object]:
        """Return failures that are nobody's fault but ours."""
        failed = [fact for fact in self.life.observer.facts if isinstance(fact, StepFailed)]
        return [each for each in failed if type(each.error).__name__ not in EXPECTED]

    def real_ids(self) -> dict[RecordId, RecordId]:
        """Return the ids that Airtable gave to records that callers made, by the provisional ones."""

        async def read() -> dict[RecordId, RecordId]:
            assert self.life.database is not None
            async with self.life.database.reading() as reader:
                return {row[0]: row[1] for row in await reader.all("select provisional, real from cloud_ids")}

        return self.here(read())

    def both(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all records, as they are shown here and as Airtable has them."""

        async def ours() -> dict[str, Any]:
            return {
                each.name: await shown(self.life.workspace, self.life.workspace.table(each.name)) for each in TABLES
            }

        async def theirs() -> dict[str, Any]:
            return {each.name: await self.airtable.records(each) for each in TABLES}

        return self.here(ours()), self.do(theirs())


def _told(receipt: Receipt) -> object:
    return receipt.state, [(each.record, each.state) for each in receipt.records]


def forget_the_dead() -> None:
    """Collect what ended worlds have left, so that nobody is blamed for it later."""
    gc.collect()
