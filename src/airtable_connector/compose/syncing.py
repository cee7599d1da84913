"""What the commands ``sync`` do: beside a running service by asking it, without one by calling Airtable themselves.

No part of the face, because an embedded base does not need it.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

from airtable_connector.airtable import Lane
from airtable_connector.compose.base import Base, open_base
from airtable_connector.compose.errors import LeaseLost
from airtable_connector.compose.mirroring import Following, open_following, outgoing_facts, refuse_own_tables
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.ops import AIRTABLE
from airtable_connector.settings import Settings
from airtable_connector.sync.lease import held_until
from airtable_connector.sync.mirror import WATCH, Drift, TableProgress

LOOK_EVERY: Final = timedelta(seconds=1)

TRIES: Final = 10
"""Pulls before it counts as not done: a webhook that is found broken takes a second one, a flood of payloads more."""

T = TypeVar("T")


class Sync:
    """The mirror in the hands of an operator. Make one with `open_sync`."""

    def __init__(self, settings: Settings, base: Base, parts: Following, *, clock: Clock) -> None:
        self._settings = settings
        self._base = base
        self._parts = parts
        self._clock = clock

    async def leads(self) -> bool:
        """Take the lease and keep it; False when a running service has it, which is then asked to do what is wanted.

        That may take as long as a lease is held that a killed process has left.

        Raises:
            BudgetHeld: no call may be made.
        """
        lease = self._parts.lease
        while not lease.is_anothers:
            rest = await lease.keep_once()
            if lease.held:
                self._parts.supervisor.start("lease", lease.keep_once)
                self._parts.budget.check(Lane.WEBHOOKS)
                return True
            await self._clock.sleep(rest)
        return False

    async def now(self, *, within: timedelta) -> bool:
        """Have all here that happened at Airtable; False when it was not done in time.

        Raises:
            NoWebhookFree, SchemaNotBelieved, CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
            LeaseLost: the store was away for too long.
        """
        if not self._parts.lease.held:
            return await self._parts.mirror.reach(timedelta(0), within=within)
        return await self.while_led(self._pull())

    async def verify(self, *, within: timedelta) -> Drift | None:
        """Compare every table, repair it, and return what was found; None when it was not done in time.

        What was not here yet, and would have come by itself, is no drift.

        Raises:
            NoWebhookFree, SchemaNotBelieved, CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
            LeaseLost: the store was away for too long.
        """
        if not await self.now(within=within):
            return None
        if not self._parts.lease.held:
            return await self._parts.mirror.checked(within=within)
        return await self.while_led(self._parts.mirror.verify())

    async def reset(self, *, within: timedelta) -> bool:
        """Copy every table anew, without dropping anything; False when it was not done in time.

        Raises:
            NoWebhookFree, SchemaNotBelieved, CloudUnavailable, CloudDenied, CloudRefused: Airtable did not tell.
            LeaseLost: the store was away for too long.
        """
        await self._parts.mirror.reset()
        return await self.now(within=within)

    @property
    def completeness(self) -> Sequence[TableProgress]:
        """How much of each table is here."""
        return self._parts.mirror.completeness

    async def facts(self) -> dict[str, JsonValue]:
        """Tell from the store alone how everything stands."""
        until = await held_until(self._base.database, AIRTABLE)
        return {
            "base": self._settings.airtable_api.base_id,
            "followed_until": None if until is None or until < self._clock.now() else iso(until),
            "mirror": self._parts.mirror.facts(),
            "outbox": outgoing_facts(await self._parts.outbox.counts()),
            "budget": dict(await self._parts.budget.facts()),
        }

    async def _pull(self) -> bool:
        for _ in range(TRIES):
            if await self._parts.mirror.sync_now():
                return True
            await self._clock.sleep(LOOK_EVERY)
        return False

    async def while_led(self, work: Coroutine[Any, Any, T]) -> T:
        """Work only as long as no other process may do the same."""
        working, losing = asyncio.ensure_future(work), asyncio.ensure_future(self._until_lost())
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise LeaseLost
            return working.result()
        finally:
            losing.cancel()
            working.cancel()
            await asyncio.gather(working, losing, return_exceptions=True)

    async def _until_lost(self) -> None:
        while self._parts.lease.held:
            await self._clock.sleep(LOOK_EVERY)


@asynccontextmanager
async def open_sync(settings: Settings, *, clock: Clock, ids: Ids, observer: Observer) -> AsyncIterator[Sync]:
    """Open the store of a mirror for a command; no call is made by that.

    Raises:
        AirtableNotNamed: the settings name no base at Airtable.
        BaseNotMirrored: the store has a base of its own.
        StoreUnavailable, NewerDatabase: the store cannot be opened.
    """
    async with open_base(settings, clock=clock, ids=ids, observer=observer) as base:
        await refuse_own_tables(base)
        async with open_following(
            settings, base, told=lambda budget: budget, clock=clock, ids=ids, observer=observer
        ) as parts:
            parts.supervisor.start(WATCH, parts.mirror.watch_once)
            yield Sync(settings, base, parts, clock=clock)
