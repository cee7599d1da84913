"""Webhooks at work over a base, with a clock that stands still unless a test moves it."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from tests.factories.records import Base
from tests.fakes import FakeClock

from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import BaseId, RandomIds, TableId
from airtable_connector.mesh import PeerClient
from airtable_connector.ops import Hooks, NewHook, PayloadMaker
from airtable_connector.records import Actor, Table, stable_id

US = 2
ADA = 5
TRACES = itertools.count(1)


def view_of(table: Table) -> str:
    return stable_id("viw", table.id)


def asks(*data_types: str, includes: dict[str, Any] | None = None, **filters: Any) -> dict[str, Any]:
    """Make a specification; without data types, of records."""
    options: dict[str, Any] = {"filters": {"dataTypes": list(data_types or ("tableData",)), **filters}}
    return {"options": options if includes is None else {**options, "includes": includes}}


@dataclass
class Webhooks:
    """A base with webhooks, as one process has them."""

    base: Base
    clock: FakeClock
    client: PeerClient
    woken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        base = self.base
        self.maker = PayloadMaker(
            base.workspace,
            base.database,
            us=US,
            wake_courier=lambda: self.woken.append("courier"),
            clock=self.clock,
            observer=base.observer,
        )
        self.hooks = Hooks(
            base.workspace,
            base.database,
            maker=self.maker,
            client=self.client,
            encrypted_only=False,
            wake_maker=lambda: self.woken.append("maker"),
            clock=self.clock,
            ids=RandomIds(),
        )

    async def add(
        self, specification: dict[str, Any] | None = None, *, url: str | None = None, base: BaseId | None = None
    ) -> NewHook:
        views = {view_of(table): TableId(table.id) for table in self.base.workspace.tables_of(base).values()}
        wanted = asks() if specification is None else specification
        return await self.hooks.create(wanted, url=url, views=views, base=base)

    async def write(self, *operations: Any, droplet: int = ADA) -> list[str]:
        """Write one request, with a trace id of its own, and return the records' ids."""
        written = await self.base.do(*operations, actor=Actor(droplet, f"trace-{next(TRACES)}"))
        return [each.record.id for each in written if each.record is not None]

    async def payloads(self, hook: NewHook, cursor: int = 1, *, base: BaseId | None = None) -> list[dict[str, Any]]:
        """Read all payloads from a number on, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self.hooks.payloads(hook.id, cursor=cursor, limit=50, base=base)
            found += [orjson.loads(payload) for payload in page.payloads]
            assert page.cursor == cursor + len(page.payloads)
            cursor = page.cursor
            if not page.more:
                return found

    async def told(self, hook: NewHook, table: Table) -> list[dict[str, Any]]:
        """Return what the payloads say of one table."""
        return [payload["changedTablesById"][table.id] for payload in await self.payloads(hook, base=table.base)]

    async def shown(self, hook: NewHook) -> Any:
        return next((each for each in await self.hooks.all() if each.id == hook.id), None)


@asynccontextmanager
async def webhooks_of(base: Base, clock: FakeClock) -> AsyncIterator[Webhooks]:
    client = PeerClient(clock=SystemClock(), timeout=timedelta(seconds=5))
    yield Webhooks(base, clock, client)
    await client.close()
