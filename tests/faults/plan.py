"""What goes wrong, and when: decided here, carried out by the proxy."""

import random
import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit


class Fault(StrEnum):
    """One thing that goes wrong with one request."""

    LOST_REQUEST = "the connection breaks before the request arrives"
    LOST_ANSWER = "it takes effect, and the connection breaks before the answer"
    BROKEN_ANSWER = "it takes effect, and the connection breaks within the answer"
    HELD_ANSWER = "it takes effect, and the answer comes when the test lets it go"
    EARLY_500 = "500 without effect"
    LATE_500 = "500 after it took effect"
    LATE_502 = "502 of a gateway after it took effect"
    PLAIN_503 = "503 of a gateway without effect"
    RETRIABLE_503 = "503 that says that it had no effect"
    EXPIRED_ITERATOR = "the list's iterator has expired"
    INVALID_HOOK = "the webhook is broken from now on"
    LOST_PING = "it is answered, and goes nowhere"


COMMON = (
    *(Fault.LOST_REQUEST, Fault.LOST_ANSWER, Fault.BROKEN_ANSWER, Fault.EARLY_500, Fault.LATE_500, Fault.LATE_502),
    *(Fault.PLAIN_503, Fault.RETRIABLE_503),
)
"""Faults that can befall every request, in an order that stays, because what is drawn depends on it."""

_PAYLOADS = re.compile(r"/bases/[^/]+/webhooks/(?P<hook>[^/]+)/payloads$")


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def hook(self) -> str | None:
        """The webhook whose payloads are asked for."""
        found = _PAYLOADS.search(self.path)
        return None if found is None else found["hook"]

    def can_suffer(self, fault: Fault) -> bool:
        match fault:
            case Fault.EXPIRED_ITERATOR:
                return self.method == "GET" and "offset=" in urlsplit(self.target).query
            case Fault.INVALID_HOOK:
                return self.method == "GET" and self.hook is not None
            case Fault.LOST_PING:
                return self.method == "POST" and not self.path.startswith("/v0/")
            case _:
                return True


class Dice:
    """Draws faults. The n-th request of a method to a path suffers the same in every run with the same seed."""

    def __init__(self, odds: Mapping[Fault, float], *, seed: int | None = None) -> None:
        self.seed = random.SystemRandom().randrange(10**9) if seed is None else seed
        print(f"faults are drawn from seed {self.seed}")  # noqa: T201 - shown when a test fails
        self._odds = odds
        self._numbers: Counter[tuple[str, str]] = Counter()

    def draw(self, request: Request) -> Fault | None:
        route = (request.method, request.path)
        self._numbers[route] += 1
        drawn = random.Random(f"{self.seed} {route} {self._numbers[route]}").random()
        for fault, odds in self._odds.items():
            if not request.can_suffer(fault):
                continue
            if drawn < odds:
                return fault
            drawn -= odds
        return None


@dataclass(frozen=True)
class Limits:
    """Airtable's: five calls in any second, none for thirty seconds after one too many, perhaps a quota."""

    per_window: int = 5
    window: timedelta = timedelta(seconds=1)
    lockout: timedelta = timedelta(seconds=30)
    quota: int | None = None

    def scaled(self, factor: float) -> Self:
        """Make its times shorter, so that a test need not last as long as they do."""
        return replace(self, window=self.window * factor, lockout=self.lockout * factor)


@dataclass
class Gate:
    """Lets calls through as far as the limits allow; asked by one thread at a time."""

    limits: Limits
    calls: int = 0
    refused: int = 0
    closed_until: float = 0.0
    _latest: deque[float] = field(default_factory=deque)

    def admit(self, at: float) -> str | None:
        """Return None, or the type of the error that a call at this moment gets."""
        self.calls += 1
        if self.limits.quota is not None and self.calls > self.limits.quota:
            return self._refuse("PUBLIC_API_BILLING_LIMIT_EXCEEDED")
        if at < self.closed_until:
            return self._refuse("RATE_LIMIT_REACHED")
        while self._latest and at - self._latest[0] >= self.limits.window.total_seconds():
            self._latest.popleft()
        if len(self._latest) >= self.limits.per_window:
            self.closed_until = at + self.limits.lockout.total_seconds()
            return self._refuse("RATE_LIMIT_REACHED")
        self._latest.append(at)
        return None

    def _refuse(self, kind: str) -> str:
        self.refused += 1
        return kind
