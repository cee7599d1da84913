"""Carrying letters to their targets: one queue per target in order, each queue for itself, again until it worked."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import Step, Supervisor
from airtable_connector.mesh.calling import PeerClient, Reply
from airtable_connector.mesh.contacts import Contacts
from airtable_connector.mesh.errors import AddressRefused, PeerFailed
from airtable_connector.mesh.messaging.addresses import Addresses, Peer
from airtable_connector.mesh.messaging.model import UDC_VERSION
from airtable_connector.mesh.messaging.outbox import Attempt, Letter, LetterState, Outbox, Settled

DISPATCH: Final = "outbox.dispatch"
"""The step that finds queues with something to send."""

MOST_QUEUES: Final = 200
"""Targets that are sent to at once."""

LOOK_AGAIN: Final = timedelta(seconds=1)
"""How often letters of other processes, whose sender is gone, are looked for."""

CLOCK_STEP: Final = timedelta(seconds=2)
"""A wall clock that goes back by more was set, not slewed."""

FIRST_WAIT: Final = timedelta(seconds=2)
LONGEST_WAIT: Final = timedelta(hours=1)

LARGEST_REPLY: Final = 64 * 1024
"""Bytes of an answer to a delivery that are read."""

DELIVERED: Final = frozenset({200, 201, 202})
"""What counts as delivered (mesh-contract.md 7.5)."""

PASSING: Final = frozenset({401, 408, 425, 429})
"""Refusals that another attempt may not meet: a token just expired, a limit, a time-out."""

Credential = Callable[[Peer], Awaitable[Secret]]
"""Gives the token with which we speak to a peer."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an attempt ended."""

    status: int | None
    reason: str
    delivered: bool = False
    final: bool = False
    pause: timedelta | None = None
    reply: JsonValue = None


def wait_before(attempt: int, fraction: float) -> timedelta:
    """Return how long to wait after the ``attempt``-th failure: 2 s, 10 s, 50 s … up to an hour, of it half by chance.

    ``fraction`` is drawn from 0 up to 1.
    """
    growth: int = 5 ** min(attempt - 1, 8)
    longest = min(FIRST_WAIT * growth, LONGEST_WAIT)
    return longest * (0.5 + fraction / 2)


class Courier:
    """Sends what the outbox holds.

    Args:
        outbox: holds it.
        addresses: know where to.
        client: sends.
        contacts: are told how it went.
        supervisor: repeats one step per queue that has letters.
        credential: the token for a peer, which also signs the message.
        us: our droplet number, the source of every message.
        keep: how long ended letters are kept.
        clock: tells when.
        fraction: draws from 0 up to 1.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        addresses: Addresses,
        client: PeerClient,
        contacts: Contacts,
        supervisor: Supervisor,
        credential: Credential,
        us: int,
        keep: timedelta,
        clock: Clock,
        fraction: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._addresses = addresses
        self._client = client
        self._contacts = contacts
        self._supervisor = supervisor
        self._credential = credential
        self._us = us
        self._keep = keep
        self._clock = clock
        self._fraction = fraction
        self._under_way: dict[str, Settled] = {}
        self._queues: set[str] = set()
        self._stopped = False
        self._ahead = clock.now() - timedelta(seconds=clock.monotonic())

    def stop(self) -> None:
        """Begin no further attempt; what waits stays in the outbox."""
        self._stopped = True

    async def dispatch_once(self) -> timedelta:
        """Begin to work off every queue that is due and not being worked off."""
        if self._stopped:
            return LOOK_AGAIN
        if self._clock_was_set_back():
            await self._outbox.make_due()
        for queue in await self._outbox.due_queues():
            if len(self._queues) >= MOST_QUEUES:
                break
            if queue not in self._queues:
                self._queues.add(queue)
                self._supervisor.start(f"outbox {queue}", self._step_of(queue))
        due = await self._outbox.next_due()
        if due is None:
            return LOOK_AGAIN
        return min(LOOK_AGAIN, max(due - self._clock.now(), timedelta(milliseconds=20)))

    def _clock_was_set_back(self) -> bool:
        """Tell whether the wall clock went back since the last look, compared with the one that never does."""
        ahead = self._clock.now() - timedelta(seconds=self._clock.monotonic())
        before, self._ahead = self._ahead, ahead
        return ahead < before - CLOCK_STEP

    async def forget_once(self) -> timedelta:
        """Forget letters that ended long ago."""
        more = await self._outbox.forget(before=self._clock.now() - self._keep)
        return timedelta(0) if more else timedelta(minutes=10)

    def _step_of(self, queue: str) -> Step:
        async def step() -> timedelta | None:
            return await self._work_off(queue)

        return step

    async def _work_off(self, queue: str) -> timedelta | None:
        """Send one letter. An attempt that could not be written down is written down by the next round."""
        letter = await self._outbox.take(queue, self._under_way.get(queue))
        self._under_way.pop(queue, None)
        if letter is None or self._stopped:
            self._queues.discard(queue)
            return None
        self._under_way[queue] = await self._try(letter)
        return timedelta(0)

    async def _try(self, letter: Letter) -> Settled:
        started, ticks = self._clock.now(), self._clock.monotonic()
        seek = self._addresses.seek_anew if letter.attempts else self._addresses.seek
        peer = await seek(letter.target)
        outcome = _Outcome(None, "no directory knows its address") if peer is None else await self._send(letter, peer)
        took = timedelta(seconds=self._clock.monotonic() - ticks)
        if peer is not None:
            if outcome.status is None:
                self._contacts.failed(peer.name, outcome.reason)
            else:
                self._contacts.heard(peer.name, took)
        attempt = Attempt(letter.attempts + 1, started, took, outcome.status, outcome.reason)
        return Settled(self._after(letter, outcome, at=self._clock.now()), attempt)

    def _after(self, letter: Letter, outcome: _Outcome, *, at: datetime) -> Letter:
        attempts = letter.attempts + 1
        if outcome.delivered:
            return replace(letter, state=LetterState.DELIVERED, attempts=attempts, ended_at=at, reply=outcome.reply)
        if outcome.final or attempts > letter.retries:
            return replace(letter, state=LetterState.ERROR, attempts=attempts, ended_at=at, reply=outcome.reply)
        wait = max(wait_before(attempts, self._fraction()), outcome.pause or timedelta(0))
        return replace(letter, attempts=attempts, due_at=at + wait)

    async def _send(self, letter: Letter, peer: Peer) -> _Outcome:
        token = await self._credential(peer)
        body: dict[str, JsonValue] = {
            "udc_version": UDC_VERSION,
            "trace_id": letter.trace_id,
            "source": str(self._us),
            "target": letter.target if peer.droplet is None else str(peer.droplet),
            "message_type": letter.type.value,
            "timestamp": iso(letter.created_at),
            "payload": letter.payload,
            "signature": token.reveal(),
        }
        headers = {"X-Trace-ID": letter.trace_id}
        try:
            reply = await self._client.call(
                "POST", f"{peer.endpoint}/message", body=body, headers=headers, bearer=token, most=LARGEST_REPLY
            )
        except AddressRefused as refused:
            return _Outcome(None, refused.message, final=True)
        except PeerFailed as failed:
            return _Outcome(None, failed.why)
        return _judge(reply)


def _judge(reply: Reply) -> _Outcome:
    content = _content(reply)
    if reply.status in DELIVERED:
        return _Outcome(reply.status, "delivered", delivered=True, reply=content)
    final = 400 <= reply.status < 500 and reply.status not in PASSING
    return _Outcome(reply.status, f"answered {reply.status}", final=final, pause=reply.pause, reply=content)


def _content(reply: Reply) -> JsonValue:
    try:
        return reply.json()
    except PeerFailed:
        return None


def letter_json(letter: Letter) -> Mapping[str, JsonValue]:
    """Describe a letter to people and droplets."""
    return {
        "trace_id": letter.trace_id,
        "target": letter.target,
        "message_type": letter.type.value,
        "priority": letter.priority.name.lower(),
        "status": letter.state.value,
        "attempts": letter.attempts,
        "retry_count": letter.retries,
        "sender": letter.sender,
        "created_at": iso(letter.created_at),
        "next_attempt_at": iso(letter.due_at) if letter.state is LetterState.QUEUED and letter.due_at else None,
        "ended_at": None if letter.ended_at is None else iso(letter.ended_at),
    }
