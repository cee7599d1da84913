"""How often a base may be asked: Airtable's own limit, for those who want to test against it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from airtable_connector.kernel.clock import Clock
from airtable_connector.web.airtable_api.errors import CalledTooFast
from airtable_connector.web.http import Answer, Call, Endpoint, Stream

WINDOW = 1.0
"""Seconds that requests are counted over."""


@dataclass(frozen=True)
class PaceSettings:
    """How many requests a second each base takes (0: any number), and how long it takes none after one too many."""

    per_second: int = 0
    lockout: timedelta = timedelta(seconds=30)


class Pace:
    """Counts the requests to one base, of all callers together, in this process."""

    def __init__(self, settings: PaceSettings, clock: Clock) -> None:
        self._settings = settings
        self._monotonic = clock.monotonic
        self._latest: deque[float] = deque(maxlen=max(1, settings.per_second))
        self._closed_until = 0.0

    def spend(self) -> None:
        """Count one request.

        Raises:
            CalledTooFast: it is one too many, or comes while the base is closed because of one.
        """
        now, lockout = self._monotonic(), self._settings.lockout
        if now < self._closed_until:
            raise CalledTooFast(retry_after=timedelta(seconds=self._closed_until - now))
        if len(self._latest) == self._settings.per_second and now - self._latest[0] < WINDOW:
            self._closed_until = now + lockout.total_seconds()
            raise CalledTooFast(retry_after=lockout)
        self._latest.append(now)


class Paces:
    """The pace of every base; calls that are about none, or about one that is not there, count for the own one."""

    def __init__(self, settings: PaceSettings, clock: Clock, is_made: Callable[[str], bool]) -> None:
        self._settings = settings
        self._clock = clock
        self._is_made = is_made
        self._own = Pace(settings, clock)
        self._made: dict[str, Pace] = {}

    def keep(self, endpoint: Endpoint) -> Endpoint:
        """Count every call of an endpoint, and refuse those that come too soon."""
        if self._settings.per_second == 0:
            return endpoint

        async def paced(call: Call) -> Answer | Stream:
            self.of(call.path_params.get("base", "")).spend()
            return await endpoint(call)

        return paced

    def of(self, base: str) -> Pace:
        """Return the pace that a call counts in whose address names a base."""
        if not self._is_made(base):
            return self._own
        if base not in self._made:
            self._made[base] = Pace(self._settings, self._clock)
        return self._made[base]
