"""What stands behind the base when the truth is elsewhere: how fresh a read is, and what became of a write.

A base that is itself the truth has nothing behind it: then there is no `Upstream`, and nothing here costs anything.
"""

import dataclasses
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from airtable_connector.records import Done, Written
from airtable_connector.web.http.asgi import Header
from airtable_connector.web.http.call import Answer, Call, Endpoint, Stream
from airtable_connector.web.http.errors import MalformedPreference, RefusedUpstream, StalenessMalformed, TooStale

STALENESS: Final = "max_staleness"
"""The parameter of reads: the age in seconds beyond which an answer is of no use to the caller."""

PATIENCE: Final = timedelta(seconds=5)
"""How long a read waits until the base is as fresh as it asks for."""

LONGEST_WAIT: Final = timedelta(seconds=60)
"""How long a writer may wait at most for Airtable's answer."""

_SECONDS: Final = re.compile(r"\d{1,6}(\.\d{1,3})?", re.ASCII)
_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([^\s\",;]*)\"?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far reads have come after Airtable.

    ``age`` is how long ago reads were known to show all that was there, None when that was never so. ``position`` is
    the feed position that shows it; it never falls. ``copying`` names the tables whose first copy is not complete.
    """

    position: int
    age: timedelta | None
    copying: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Airtable's refusal of one operation of a request, in its own words; ``index`` is the operation's place."""

    index: int
    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a write while its caller waited.

    ``written`` has the records as they are now, under the ids that they have there. Until ``is_final``, the receipt
    tells what becomes of them; a write that changed nothing has none.
    """

    written: tuple[Written, ...]
    receipt: str | None
    is_final: bool
    refusals: tuple[Refusal, ...] = ()


class Upstream(Protocol):
    """The base that ours is a mirror of."""

    @property
    def usual_wait(self) -> timedelta:
        """How long a writer waits who does not say."""
        ...

    @property
    def allowance(self) -> tuple[Header, ...]:
        """What is left of the calls that the base may be asked, as headers of writes."""
        ...

    def check_room(self) -> None:
        """Refuse one more write when too many are on their way: a leaf of `LimitReached`."""
        ...

    def freshness(self) -> Freshness:
        """Tell how fresh reads are now."""
        ...

    async def reach(self, staleness: timedelta, *, within: timedelta) -> bool:
        """Have reads as fresh as that, and tell whether they became so in time."""
        ...

    async def settle(self, done: Done, *, within: timedelta) -> Settlement:
        """Wait until it is known there what becomes of a write, or the time is over."""
        ...


def fresh(endpoint: Endpoint, upstream: Upstream | None) -> Endpoint:
    """Let an endpoint that reads say how fresh its answer is, and wait for what ``max_staleness`` asks for.

    Where nothing is behind the base, every answer is as fresh as can be.

    Raises, when it is called:
        StalenessMalformed: the parameter is no number of seconds.
        TooStale: reads were not as fresh in time.
    """

    async def read(call: Call) -> Answer | Stream:
        if b"max_staleness" in call.query_string:
            await _reach(call, upstream)
        answer = await endpoint(call)
        if upstream is not None:
            answer.headers += _told(upstream.freshness())
        return answer

    return read


async def see_all(upstream: Upstream) -> None:
    """Have everything that happened there until now, for a caller who insists on a version (If-Match).

    Raises:
        TooStale: it could not be had in time.
    """
    if not await upstream.reach(timedelta(0), within=PATIENCE):
        raise TooStale(timedelta(0), upstream.freshness().age)


async def settled(call: Call, done: Done, upstream: Upstream) -> tuple[Done, Settlement, tuple[Header, ...]]:
    """Wait for what becomes of a write as long as its caller wants to (``Prefer: wait=``, RFC 7240 section 4.3).

    Returns the write with its records as they are now, what is known of it, and headers for the answer.

    Raises:
        MalformedPreference: the time is no number of seconds up to 60.
        RefusedUpstream: Airtable has refused it, whole or in part.
    """
    preferred = _preferred_wait(call)
    settlement = await upstream.settle(done, within=upstream.usual_wait if preferred is None else preferred)
    if settlement.refusals:
        first = settlement.refusals[0]
        raise RefusedUpstream(
            first.type,
            first.message,
            receipt=settlement.receipt,
            index=first.index if len(done.written) > 1 else None,
            others=len(done.written) - len(settlement.refusals),
        )
    headers = upstream.allowance
    if settlement.receipt is not None:
        headers += ((b"x-receipt", settlement.receipt.encode()),)
    if preferred is not None:
        headers += ((b"preference-applied", b"wait=%d" % preferred.total_seconds()),)
    if settlement.receipt is not None and not settlement.is_final:
        # RFC 9110 section 15.3.3: an answer of 202 points to where its end can be seen
        headers += ((b"location", b"/receipts/%b" % settlement.receipt.encode()),)
    return dataclasses.replace(done, written=settlement.written), settlement, headers


async def _reach(call: Call, upstream: Upstream | None) -> None:
    asked = call.take(STALENESS)
    if asked is None:
        return
    if _SECONDS.fullmatch(asked) is None:
        raise StalenessMalformed(STALENESS)
    limit = timedelta(seconds=float(asked))
    if upstream is not None and not await upstream.reach(limit, within=PATIENCE):
        raise TooStale(limit, upstream.freshness().age)


def _told(freshness: Freshness) -> tuple[Header, ...]:
    headers: tuple[Header, ...] = ((b"x-mirror-position", b"%d" % freshness.position),)
    if freshness.age is not None:
        headers += ((b"x-mirror-age", b"%.3f" % freshness.age.total_seconds()),)
    if freshness.copying:
        # names may hold what no header can
        named = ", ".join(f'"{name}"' for name in freshness.copying).encode("ascii", "replace")
        headers += ((b"x-mirror-copying", named),)
    return headers


def _preferred_wait(call: Call) -> timedelta | None:
    sent = call.header("prefer")
    found = None if sent is None else _WAIT.search(sent)
    if found is None:
        return None
    if not found[1].isdecimal() or not found[1].isascii() or int(found[1][:9]) > LONGEST_WAIT.total_seconds():
        raise MalformedPreference(int(LONGEST_WAIT.total_seconds()))
    return timedelta(seconds=int(found[1]))
