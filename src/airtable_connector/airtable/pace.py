"""How often a base may be asked, decided without a clock: who is next, and when.

Airtable takes five calls in any second, whoever sends them, and none for 30 seconds after one too many. Everything
here is about moments that are handed in; `keeper` waits.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import count
from math import inf, nextafter
from statistics import median
from types import MappingProxyType
from typing import Final, TypeAlias

from airtable_connector.airtable.errors import PaceQueueFull


class Lane(StrEnum):
    """What a call is for; earlier ones go first."""

    WAITING_CALLER = "waiting-caller"
    OUTBOX = "outbox"
    WEBHOOKS = "webhooks"
    MIRROR = "mirror"
    ANTI_ENTROPY = "anti-entropy"


LATEST: Final = 20
"""The calls by which it is known how long one usually takes."""

FEWEST: Final = 3
"""As many calls must have ended before that is known; the first ones connect as well."""

PATIENCE: Final[Mapping[Lane, timedelta]] = MappingProxyType(
    {
        Lane.WAITING_CALLER: timedelta(0),
        Lane.OUTBOX: timedelta(seconds=2),
        Lane.WEBHOOKS: timedelta(seconds=5),
        Lane.MIRROR: timedelta(seconds=15),
        Lane.ANTI_ENTROPY: timedelta(seconds=60),
    }
)
"""A call goes in as though it had come so much later, so that those of earlier lanes overtake it; but only those
that come within this span, so that it does not starve."""


@dataclass(frozen=True)
class PaceSettings:
    """The limits that are kept.

    ``slack`` makes each window longer, because calls do not travel equally long: what began over a second apart
    should not arrive within one. A call whose answer comes later than usual by more than half of it may have arrived
    later, too, and counts from later, by ``most_late`` at most. ``at_once`` bounds the calls under way, ``waiting``
    those that wait in each lane. Who settles late what a call carries is told ``ahead`` of its turn.
    """

    per_window: int = 5
    window: timedelta = timedelta(seconds=1)
    slack: timedelta = timedelta(milliseconds=25)
    lockout: timedelta = timedelta(seconds=30)
    at_once: int = 10
    waiting: int = 200
    ahead: timedelta = timedelta(milliseconds=50)
    most_late: timedelta = timedelta(milliseconds=300)


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A place in the queue: ``due`` first, and of those due together the one that came first."""

    due: float
    number: int
    came: float = field(compare=False)
    lane: Lane = field(compare=False)


@dataclass(frozen=True, slots=True)
class Go:
    """The call begins now."""


@dataclass(frozen=True, slots=True)
class NotBefore:
    """It is the first of the queue, and can begin at that moment, or will be told a later one."""

    moment: float


@dataclass(frozen=True, slots=True)
class Behind:
    """Another one is first, or as many calls are under way as may be; it must be asked again when that changes."""


Claim: TypeAlias = Go | NotBefore | Behind


@dataclass(slots=True)
class _Call:
    """A call that has begun, and how long it took when it has ended."""

    began: float
    took: float | None = None


class Pace:
    """The queue in front of one base, and what its limits have been used for.

    All moments are seconds of one monotonic clock and must not run backwards.
    """

    def __init__(self, settings: PaceSettings) -> None:
        self._settings = settings
        self._span = (settings.window + settings.slack).total_seconds()
        self._most_late = settings.most_late.total_seconds()
        self._begun: deque[_Call] = deque()
        self._at_work: dict[Ticket, _Call] = {}
        self._took: deque[float] = deque(maxlen=LATEST)
        self._usual = inf
        self._queue: list[Ticket] = []
        self._waiting: Counter[Lane] = Counter()
        self._numbers = count()
        self._reopens: float | None = None

    @property
    def first(self) -> Ticket | None:
        """The ticket that is next to begin."""
        return self._queue[0] if self._queue else None

    def waiting(self, lane: Lane) -> int:
        """Tell how many calls of a lane wait."""
        return self._waiting[lane]

    def enter(self, lane: Lane, *, at: float) -> Ticket:
        """Queue a call.

        Raises:
            PaceQueueFull: as many of its lane wait as are kept; a flood of one lane leaves room to the others.
        """
        if self._waiting[lane] >= self._settings.waiting:
            left = timedelta(seconds=self._waiting[lane] * self._span / self._settings.per_window)
            raise PaceQueueFull(self._settings.waiting, retry_after=left)
        ticket = Ticket(at + PATIENCE[lane].total_seconds(), next(self._numbers), at, lane)
        insort(self._queue, ticket)
        self._waiting[lane] += 1
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Take back a call that has not begun."""
        del self._queue[bisect_left(self._queue, ticket)]
        self._waiting[ticket.lane] -= 1

    def look(self, ticket: Ticket, *, at: float) -> Claim:
        """Tell what `claim` would say, and begin nothing."""
        if ticket is not self._queue[0] or len(self._at_work) >= self._settings.at_once:
            return Behind()
        opens = self._opens(at)
        return NotBefore(opens) if opens > at else Go()

    def claim(self, ticket: Ticket, *, at: float) -> Claim:
        """Begin a waiting call, if it is its turn and the limits allow it."""
        claim = self.look(ticket, at=at)
        if isinstance(claim, Go):
            self.leave(ticket)
            self._at_work[ticket] = call = _Call(at)
            self._begun.append(call)
        return claim

    def end(self, ticket: Ticket, *, at: float) -> None:
        """Note that a call that had begun has ended."""
        call = self._at_work.pop(ticket)
        call.took = at - call.began
        self._took.append(call.took)
        if len(self._took) >= FEWEST:
            self._usual = median(self._took)

    def lock_out(self, *, at: float, asked: timedelta | None) -> timedelta:
        """Begin no call for a while, because Airtable said that there were too many; return how long.

        Calls that are under way now may bring the same news: each counts from its own moment, and none shortens
        what an earlier one has said.
        """
        rest = max(self._settings.lockout, asked or timedelta(0))
        self._reopens = max(self._reopens or 0.0, at + rest.total_seconds())
        return timedelta(seconds=self._reopens - at)

    def locked_out_for(self, *, at: float) -> timedelta:
        """Tell how long no call begins because there were too many; zero when that is over."""
        return timedelta(seconds=max(0.0, (self._reopens or at) - at))

    def _opens(self, at: float) -> float:
        allowed = self._settings.per_window
        grows = inf
        if self._reopens is not None:
            if at < self._reopens:
                return self._reopens
            # one call in the first window, two in the second: whoever else was locked out returns now, too
            windows = int((at - self._reopens) / self._span)
            allowed = min(allowed, 1 + windows)
            grows = self._reopens + (windows + 1) * self._span
        arrived = self._arrivals(at)
        if len(arrived) < allowed:
            return at
        free = arrived[-allowed] + self._span
        if free <= at:
            return at
        # rounding may put the next window at this very moment, and it has not begun by the count above
        return min(free, max(grows, nextafter(at, inf)))

    def _arrivals(self, at: float) -> list[float]:
        """Return since when the latest calls count, in order."""
        while self._begun and self._begun[0].began < at - self._span - self._most_late:
            self._begun.popleft()
        unsuspicious = self._usual + self._settings.slack.total_seconds() / 2
        late = ((call.began, (at - call.began if call.took is None else call.took)) for call in self._begun)
        return sorted(began + min(max(took - unsuspicious, 0.0), self._most_late) for began, took in late)
