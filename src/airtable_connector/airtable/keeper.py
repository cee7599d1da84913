"""Waiting for one's turn at a base: all parts of the process that ask it share one `PaceKeeper`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from math import ceil
from typing import Protocol

from airtable_connector.airtable.budget import CallLedger, CallMeter
from airtable_connector.airtable.errors import PaceQueueFull
from airtable_connector.airtable.pace import Behind, Claim, Go, Lane, NotBefore, Pace, PaceSettings, Ticket
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Fact, Observer


@dataclass(frozen=True)
class LockedOut(Fact):
    """Airtable said that the base was asked too often; none of us asks for ``rest``."""

    rest: timedelta


@dataclass(frozen=True)
class QuotaSpent(Fact):
    """Airtable said that the month's calls are used up, after ``calls`` that we know of."""

    calls: int


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to one call now. `end` must be called once, when nothing of the call is under way any more."""

    waited: timedelta
    end: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Place:
    """The first place of the queue, just before its turn: what the call carries can be settled now.

    Whoever has it holds up all others, so ``begin`` or ``leave`` soon. `begin` waits for the turn, and raises what
    `PaceKeeper.turn` does. `leave` must be called in the end; it does nothing once the call has begun.
    """

    lane: Lane
    begin: Callable[[], Awaitable[Turn]]
    leave: Callable[[], None]


class _Asked(Protocol):
    """`Pace.look` or `Pace.claim`."""

    def __call__(self, ticket: Ticket, *, at: float) -> Claim: ...


class PaceKeeper:
    """Lets calls to one base begin when its limits allow it: the most urgent first, and of those the oldest.

    Belongs to one event loop. It asks nobody and sends nothing; its users tell it what Airtable said. ``admit`` is
    called before a call queues, and raises when none is to be made in its lane.
    """

    def __init__(
        self,
        settings: PaceSettings,
        ledger: CallLedger,
        *,
        clock: Clock,
        observer: Observer,
        admit: Callable[[Lane], None] = lambda _lane: None,
    ) -> None:
        self.at_once = settings.at_once
        """How many calls are under way at most."""
        self._ahead = settings.ahead.total_seconds()
        self._pace = Pace(settings)
        self._meter = CallMeter(ledger, clock=clock)
        self._clock = clock
        self._observer = observer
        self._admit = admit
        self._wakes: dict[Ticket, asyncio.Event] = {}

    @property
    def calls_of_month(self) -> int:
        """How many calls the base has had in this month, as far as is known here."""
        return self._meter.calls

    def locked_out_for(self) -> timedelta:
        """Tell how long no call begins because there were too many; zero when that is over."""
        return self._pace.locked_out_for(at=self._clock.monotonic())

    def waiting(self, lane: Lane) -> int:
        """Tell how many calls of a lane wait for their turn."""
        return self._pace.waiting(lane)

    async def turn(self, lane: Lane) -> Turn:
        """Wait until a call may begin, and take the turn. Begin it at once: the next one counts from this moment.

        Raises:
            CloudQuotaSpent: the month's quota is spent, or became so while this call waited.
            PaceQueueFull: too many of this lane wait already.
            LimitReached: ``admit`` lets no call of this lane be made now.
        """
        return await self._begin(await self._enter(lane))

    async def place(self, lane: Lane) -> Place:
        """Wait as for a turn, but for the moment just before it.

        Raises:
            CloudQuotaSpent, PaceQueueFull, LimitReached: as `turn` does.
        """
        ticket = await self._enter(lane)
        try:
            await self._until(ticket, self._pace.look, ahead=self._ahead)
        except BaseException:
            self._leave(ticket)
            raise
        return Place(lane, partial(self._begin, ticket), partial(self._leave, ticket))

    def locked_out(self, asked: timedelta | None) -> None:
        """Let no call begin for a while; Airtable asked for ``asked``, if it said a time."""
        rest = self._pace.lock_out(at=self._clock.monotonic(), asked=asked)
        self._observer.saw(LockedOut(rest))

    def quota_spent(self) -> None:
        """Refuse calls until the month ends or `reopen` is called, those that wait now as well."""
        if self._meter.spend():
            self._observer.saw(QuotaSpent(self._meter.calls))
        for wake in self._wakes.values():
            wake.set()

    async def reopen(self) -> None:
        """Let calls begin again in a month whose quota was spent, on an operator's word."""
        await self._meter.reopen()

    async def _enter(self, lane: Lane) -> Ticket:
        self._admit(lane)
        # counted before it queues: a store that takes its time here would shift calls that had their turn
        await self._meter.count()
        try:
            ticket = self._pace.enter(lane, at=self._clock.monotonic())
        except PaceQueueFull:
            self._meter.give_back()
            raise
        self._wakes[ticket] = asyncio.Event()
        return ticket

    async def _begin(self, ticket: Ticket) -> Turn:
        try:
            await self._until(ticket, self._pace.claim)
        except BaseException:
            self._leave(ticket)
            raise
        del self._wakes[ticket]
        self._wake_first()
        return Turn(timedelta(seconds=self._clock.monotonic() - ticket.came), partial(self._end, ticket))

    def _leave(self, ticket: Ticket) -> None:
        if self._wakes.pop(ticket, None) is not None:
            self._pace.leave(ticket)
            self._meter.give_back()
            self._wake_first()

    async def _until(self, ticket: Ticket, ask: _Asked, *, ahead: float = 0.0) -> None:
        wake = self._wakes[ticket]
        while True:
            await self._meter.check()
            wake.clear()
            now = self._clock.monotonic()
            match ask(ticket, at=now):
                case Go():
                    return
                case NotBefore(moment):
                    left = moment - ahead - now
                    if left <= 0:
                        return
                    # rounded up: a sleep that ends too early would begin again and again
                    await self._clock.sleep(timedelta(microseconds=ceil(left * 1_000_000)))
                case Behind():
                    await wake.wait()

    def _wake_first(self) -> None:
        first = self._pace.first
        if first is not None:
            self._wakes[first].set()

    def _end(self, ticket: Ticket) -> None:
        self._pace.end(ticket, at=self._clock.monotonic())
        self._wake_first()
