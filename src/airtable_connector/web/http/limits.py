"""How often a caller may come, kept in memory and bounded."""

from collections.abc import Hashable
from dataclasses import dataclass
from math import ceil
from typing import Final, Generic, TypeVar

BUCKETS_HELD: Final = 10_000
"""Callers or addresses remembered; the one first seen is forgotten for a new one."""

CREDENTIALS_HELD: Final = 1_000
"""Good credentials remembered while their address is under suspicion."""

WINDOW: Final = 60.0
"""Seconds that a quota is for."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class Bucket:
    """What is left of one caller's quota, and as of when (monotonic seconds)."""

    left: float
    at: float


class TokenBuckets(Generic[Key]):
    """A quota per minute for each key: may be used at once, and flows back evenly."""

    def __init__(self, per_minute: int) -> None:
        self._buckets: dict[Key, Bucket] = {}
        self.allow(per_minute)

    def allow(self, per_minute: int) -> None:
        """Set the quota; what a key has used of another one stays used."""
        self.per_minute = per_minute
        self._rate = per_minute / WINDOW

    def take(self, key: Key, at: float) -> float:
        """Use one request of a key's quota.

        Returns:
            how many are left after it; below zero: nothing was used, and the caller came too soon.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._open(key, at)
        left = bucket.left + (at - bucket.at) * self._rate
        if left > self.per_minute:
            left = float(self.per_minute)
        bucket.at = at
        if left < 1.0:
            bucket.left = left
            return left - 1.0
        bucket.left = left - 1.0
        return bucket.left

    def left(self, key: Key, at: float) -> float:
        """Return what is left of a key's quota."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return float(self.per_minute)
        return min(float(self.per_minute), bucket.left + (at - bucket.at) * self._rate)

    def holds(self, key: Key) -> bool:
        """Tell whether the key has been seen and not forgotten."""
        return key in self._buckets

    def forget(self, key: Key) -> None:
        """Give a key its whole quota back."""
        self._buckets.pop(key, None)

    def seconds_until(self, wanted: float, left: float) -> int:
        """Return the whole seconds, at least 1, until ``wanted`` requests are left."""
        return max(1, ceil((wanted - left) / self._rate))

    def seconds_until_full(self, left: float) -> int:
        """Return the whole seconds until the whole quota is back."""
        return int((self.per_minute - left) / self._rate) + 1

    def _open(self, key: Key, at: float) -> Bucket:
        if len(self._buckets) >= BUCKETS_HELD:
            del self._buckets[next(iter(self._buckets))]
        bucket = self._buckets[key] = Bucket(float(self.per_minute), at)
        return bucket


class GuessGuard:
    """Stops listening to an address that keeps sending bad tokens.

    Callers with good tokens share addresses with the others (a proxy, a host of many droplets). So a credential
    that was good while its address was under suspicion is still listened to when the address no longer is.
    """

    def __init__(self, per_minute: int) -> None:
        self._failures: TokenBuckets[str] = TokenBuckets(per_minute)
        self._good: dict[bytes, None] = {}

    def suspects(self, address: str) -> bool:
        """Tell whether the address has sent bad credentials; if not, neither `wait` nor `passed` need be asked."""
        return self._failures.holds(address)

    def wait(self, address: str, credential: bytes, at: float) -> int:
        """Return the seconds that this address must wait before its credential is looked at; 0: none."""
        if not self._failures.holds(address) or credential in self._good:
            return 0
        left = self._failures.left(address, at)
        return 0 if left >= 1.0 else self._failures.seconds_until(1.0, left)

    def failed(self, address: str, credential: bytes, at: float) -> None:
        """Note a bad credential."""
        self._good.pop(credential, None)
        self._failures.take(address, at)

    def passed(self, address: str, credential: bytes, at: float) -> None:
        """Note a good credential; it costs nothing unless its address is under suspicion."""
        if not self._failures.holds(address):
            return
        if self._failures.left(address, at) >= self._failures.per_minute:
            self._failures.forget(address)
            return
        if credential not in self._good:
            if len(self._good) >= CREDENTIALS_HELD:
                del self._good[next(iter(self._good))]
            self._good[credential] = None
