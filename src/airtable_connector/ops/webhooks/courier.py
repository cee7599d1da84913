"""Notifications: telling receivers that there are payloads, each webhook for itself, again until it worked."""

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import Step, Supervisor
from airtable_connector.mesh import AddressRefused, PeerClient, PeerFailed

NOTIFY: Final = "webhooks.notify"
"""The step that finds webhooks whose receiver is to be notified."""

TIMEOUT: Final = timedelta(seconds=10)
"""How long one notification may take, from the name's look-up to the answer's last byte."""

LEASE: Final = TIMEOUT + timedelta(seconds=5)
"""For how long a process has a webhook's notification for itself; who dies in the midst of it lets it run out."""

TRIES: Final = 13
"""How often a receiver is tried, over about a day; then notifications are switched off. Airtable's number."""

FIRST_WAIT: Final = timedelta(seconds=20)

LOOK_AGAIN: Final = timedelta(seconds=2)
"""How often it is looked for notifications of other processes, whose sender is gone."""

MOST_AT_ONCE: Final = 20
"""Receivers notified at a time; more, which several bases can have, wait for their turn."""

LARGEST_REPLY: Final = 4 * 1024
"""Bytes of an answer that are read, to see that it is not empty."""

_DUE = (
    "select id from webhooks where notifies = 1 and (due_at <= :now or due_at > :latest)"
    " and (until < :now or until > :lease) order by due_at limit 20"
)
_NEXT_DUE = "select min(due_at) from webhooks where notifies = 1 and due_at > :now"
_CLAIM = (
    "update webhooks set owner = :owner, until = :lease where id = :id and notifies = 1 and url is not null"
    " and (due_at <= :now or due_at > :latest) and (owner = :owner or until < :now or until > :lease)"
    " returning url, mac_key, next_payload, failures, base"
)
_TOLD = (
    "update webhooks set told_to = :told_to, failures = 0, last_success_at = :at, last_result = :result,"
    " due_at = case when next_payload > :told_to then :at else null end, owner = '', until = ''"
    " where id = :id and owner = :owner and notifies = 1"
)
_NOT_TOLD = (
    "update webhooks set failures = :failures, last_result = :result, due_at = :due_at, notifies = :notifies,"
    " owner = '', until = '' where id = :id and owner = :owner and notifies = 1"
)


@dataclass(frozen=True)
class NotificationFailed(Fact):
    """A receiver was not notified; ``will_be_retried`` is False when notifications were switched off for it."""

    hook: str
    reason: str
    failures: int
    will_be_retried: bool


@dataclass(frozen=True)
class _Due:
    """A notification that is to be sent."""

    hook: str
    url: str
    mac_key: Secret
    told_to: int
    failures: int
    base: str


def wait_after(failures: int, fraction: float) -> timedelta:
    """Return how long to wait after so many failures: 20 s, 40 s … 11 h, a quarter more or less by chance.

    ``fraction`` is drawn from 0 up to 1.
    """
    growth: int = 2 ** min(failures - 1, TRIES - 2)
    return FIRST_WAIT * growth * (0.75 + fraction / 2)


LONGEST_WAIT: Final = wait_after(TRIES, 1.0)
"""A notification that is due later than that was put off by a clock that has been set back since."""


def content_mac(key: Secret, body: bytes) -> str:
    """Sign a notification's body as ``X-Airtable-Content-MAC`` has it; ``key`` is base64."""
    return "hmac-sha256=" + hmac.digest(base64.b64decode(key.reveal()), body, "sha256").hex()


class NotificationCourier:
    """Sends at least one notification after the last payload was made, and few when there are many payloads.

    Args:
        database: holds what is due.
        client: sends.
        supervisor: repeats one step per webhook that is due, so that a slow receiver holds no other up.
        base: the id of the service's own base.
        owner: this process, among those over the same database.
        clock: tells when.
        fraction: draws from 0 up to 1.
        observer: is told of failures.
    """

    def __init__(
        self,
        database: Database,
        *,
        client: PeerClient,
        supervisor: Supervisor,
        base: str,
        owner: str,
        clock: Clock,
        fraction: Callable[[], float],
        observer: Observer,
    ) -> None:
        self._database = database
        self._client = client
        self._supervisor = supervisor
        self._base = base
        self._owner = owner
        self._clock = clock
        self._fraction = fraction
        self._observer = observer
        self._at_work: set[str] = set()
        self._stopped = False

    def stop(self) -> None:
        """Begin no further notification; what is due stays due."""
        self._stopped = True

    async def dispatch_once(self) -> timedelta:
        """Begin to notify every receiver that is due and not being notified."""
        if self._stopped:
            return LOOK_AGAIN
        now = self._clock.now()
        async with self._database.reading() as reader:
            due = await reader.all(_DUE, **self._moments(now))
            row = await reader.one(_NEXT_DUE, now=iso(now))
        for (hook,) in due:
            if hook not in self._at_work and len(self._at_work) < MOST_AT_ONCE:
                self._at_work.add(hook)
                self._supervisor.start(f"webhook {hook}", self._step_of(hook))
        if row is None or row[0] is None:
            return LOOK_AGAIN
        return min(LOOK_AGAIN, max(parse_iso(row[0]) - now, timedelta(milliseconds=50)))

    def _step_of(self, hook: str) -> Step:
        async def step() -> timedelta | None:
            return await self._notify(hook)

        return step

    async def _notify(self, hook: str) -> timedelta | None:
        """Notify one receiver. An outcome that could not be written down is found out again by the next round."""
        due = None if self._stopped else await self._claim(hook)
        if due is None:
            self._at_work.discard(hook)
            return None
        started, ticks = self._clock.now(), self._clock.monotonic()
        trouble = await self._send(due, started)
        took = self._clock.monotonic() - ticks
        await self._settle(due, trouble, took=took)
        return timedelta(0)

    async def _claim(self, hook: str) -> _Due | None:
        async with self._database.transaction() as tx:
            row = await tx.one(_CLAIM, id=hook, owner=self._owner, **self._moments(self._clock.now()))
        return (
            None if row is None else _Due(hook, row[0], Secret(row[1]), int(row[2]), int(row[3]), row[4] or self._base)
        )

    def _moments(self, now: datetime) -> dict[str, str]:
        return {"now": iso(now), "latest": iso(now + LONGEST_WAIT), "lease": iso(now + LEASE)}

    async def _send(self, due: _Due, at: datetime) -> str | None:
        """Send one notification; return what went wrong, if anything did."""
        told = {"base": {"id": due.base}, "webhook": {"id": due.hook}, "timestamp": iso(at)}
        body = orjson.dumps(told)
        headers = {"X-Airtable-Content-MAC": content_mac(due.mac_key, body)}
        try:
            reply = await self._client.call(
                "POST", due.url, body=body, headers=headers, within=TIMEOUT, most=LARGEST_REPLY
            )
        except AddressRefused as refused:
            return f"The address is not asked: {refused.why}"
        except PeerFailed as failed:
            return f"The HTTP request failed: {failed.why}"
        if reply.status not in (200, 204):
            return f"The HTTP request returned a {reply.status} status code instead of 200 or 204"
        return "The HTTP request returned a body, which should be empty" if reply.content else None

    async def _settle(self, due: _Due, trouble: str | None, *, took: float) -> None:
        now = self._clock.now()
        result: dict[str, Any] = {
            "success": trouble is None,
            "completionTimestamp": iso(now),
            "durationMs": round(took * 1_000, 3),
            "retryNumber": due.failures,
        }
        if trouble is None:
            async with self._database.transaction() as tx:
                await tx.run(
                    _TOLD, id=due.hook, owner=self._owner, told_to=due.told_to, at=iso(now), result=_json(result)
                )
            return
        failures = due.failures + 1
        again = failures < TRIES
        result |= {"error": {"message": trouble}, "willBeRetried": again}
        async with self._database.transaction() as tx:
            await tx.run(
                _NOT_TOLD,
                id=due.hook,
                owner=self._owner,
                failures=failures,
                result=_json(result),
                due_at=iso(now + wait_after(failures, self._fraction())) if again else None,
                notifies=int(again),
            )
        self._observer.saw(NotificationFailed(due.hook, trouble, failures, again))


def _json(result: dict[str, Any]) -> str:
    return orjson.dumps(result).decode()
