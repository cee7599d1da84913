"""The webhooks of every base: made, listed, kept alive, switched, deleted, and their payloads read by number."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from airtable_connector.database import Database, Reader
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import BaseId, Ids, TableId
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh import AddressRefused, PeerClient
from airtable_connector.ops.heartbeats.cursors import lock_cursor, move_cursor
from airtable_connector.ops.webhooks.errors import (
    NotificationUrlRefused,
    TooManyWebhooks,
    WebhookExpired,
    WebhookNotFound,
)
from airtable_connector.ops.webhooks.hook import LIFE, Hook, read_hook, read_hooks, stored
from airtable_connector.ops.webhooks.maker import READER, PayloadMaker, write_outline
from airtable_connector.ops.webhooks.watch import read_watch
from airtable_connector.records import Workspace

MOST_HOOKS: Final = 10
"""Webhooks of a base that live at a time; Airtable's own limit."""

PAYLOADS_A_PAGE: Final = 50
"""Payloads on a page; Airtable's own limit."""

LARGEST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of payloads on a page; one payload that is larger stands alone."""

LONGEST_URL: Final = 2_000
"""Characters of an address that is notified."""

WORTH_A_COMMIT: Final = timedelta(minutes=1)
"""By how much reading must lengthen a webhook's life before that is written down."""

FORGET_STEP: Final = 1_000
"""Payloads forgotten in one transaction."""

FORGET_EVERY: Final = timedelta(minutes=10)

_LIVING = "select count(*) from webhooks where base = :base and expires_at > :now"
_ENABLED = "select count(*) from webhooks where is_enabled = 1"
_HEAD = "select seq from chain where id = 1"
_INSERT = (
    "insert into webhooks (id, created_at, url, specification, scope_table, mac_key, since, next_payload, told_to,"
    " is_enabled, notifies, expires_at, outline, failures, owner, until, base)"
    " values (:id, :at, :url, :specification, :scope_table, :mac_key, :since, 1, 1, 1, 1, :expires_at, :outline, 0,"
    " '', '', :base)"
)
_DELETE = "delete from webhooks where id = :id and base = :base"
_REFRESH = "update webhooks set expires_at = :until where id = :id and expires_at > :now"
_SWITCH_ON = (
    "update webhooks set notifies = 1, failures = 0,"
    " due_at = case when url is not null and next_payload > told_to then :now else null end"
    " where id = :id and base = :base"
)
_SWITCH_OFF = "update webhooks set notifies = 0, due_at = null where id = :id and base = :base"
_SIZES = (
    "select number, size from webhook_payloads where hook = :hook and number >= :cursor order by number limit :limit"
)
_BODIES = (
    "select body from webhook_payloads where hook = :hook and number >= :first and number <= :last"
    " order by number limit :limit"
)
_FORGET_HOOKS = "delete from webhooks where expires_at < :before"
_FORGET_PAYLOADS = (
    "delete from webhook_payloads where (hook, number) in"
    " (select hook, number from webhook_payloads where at < :before limit :count)"
)
_FORGET_ORPHANS = (
    "delete from webhook_payloads where (hook, number) in"
    " (select hook, number from webhook_payloads where hook not in (select id from webhooks) limit :count)"
)


@dataclass(frozen=True)
class NewHook:
    """What the creator of a webhook is told, and nobody else ever again."""

    id: str
    mac_key: Secret
    """The key of notifications, base64; what notifications are signed with."""
    expires_at: datetime


@dataclass(frozen=True)
class PayloadPage:
    """Payloads as JSON texts, oldest first; ``cursor`` is the number behind the last of them."""

    payloads: Sequence[str]
    cursor: int
    more: bool


class Hooks:
    """The webhooks of every base. Each is found in its own base only; without one named, the service's own is meant.

    Args:
        workspace: the bases.
        database: keeps them.
        maker: makes their payloads.
        client: will notify; it says which addresses may be asked.
        encrypted_only: whether notifications go to https addresses only, not even to this machine by http.
        wake_maker: lets the maker look at once whether there is a webhook.
        clock: tells when.
        ids: mints ids and keys.
    """

    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        *,
        maker: PayloadMaker,
        client: PeerClient,
        encrypted_only: bool,
        wake_maker: Callable[[], None],
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._maker = maker
        self._client = client
        self._encrypted_only = encrypted_only
        self._wake_maker = wake_maker
        self._clock = clock
        self._ids = ids

    async def create(
        self,
        specification: Mapping[str, Any],
        *,
        url: str | None,
        views: Mapping[str, TableId],
        base: BaseId | None = None,
    ) -> NewHook:
        """Add a webhook; it is told of every change that is asked for after this returns.

        ``views`` are the base's views and their tables.

        Raises:
            WebhookFiltersInvalid: the specification is not of Airtable's form, or names what the base has not.
            NotificationUrlRefused: notifications are not sent there.
            TooManyWebhooks: there are as many as there may be.
        """
        watch = read_watch(specification, views)
        tables = {table.id: table for table in self._workspace.tables_of(base).values()}
        watch.check_against(tables)
        if url is not None:
            self._check_url(url)
        now = self._clock.now()
        new = NewHook(self._ids.mint("ach"), self._mint_key(), now + LIFE)
        known = write_outline(tables) if watch.watches_schema else None
        async with self._database.transaction() as tx:
            # the maker and other creators wait here until this one is done
            await lock_cursor(tx, READER)
            if await _number(tx, _LIVING, base=stored(base), now=iso(now)) >= MOST_HOOKS:
                raise TooManyWebhooks(MOST_HOOKS)
            since = await _number(tx, _HEAD)
            if await _number(tx, _ENABLED) == 0:
                # nobody followed the feed so far
                await move_cursor(tx, READER, since)
            await tx.run(
                _INSERT,
                id=new.id,
                at=iso(now),
                url=url,
                specification=orjson.dumps(specification).decode(),
                scope_table=watch.table,
                mac_key=new.mac_key.reveal(),
                since=since,
                expires_at=iso(new.expires_at),
                outline=known,
                base=stored(base),
            )
        self._wake_maker()
        return new

    async def all(self, base: BaseId | None = None) -> list[Hook]:
        """Return every webhook of a base, the oldest first; an expired one is still among them for a week."""
        async with self._database.reading() as reader:
            return await read_hooks(reader, base)

    async def delete(self, hook: str, *, base: BaseId | None = None) -> None:
        """Forget a webhook, and its payloads with it.

        Raises:
            WebhookNotFound: there is none.
        """
        async with self._database.transaction() as tx:
            if not await tx.run(_DELETE, id=hook, base=stored(base)):
                raise WebhookNotFound(hook)

    async def refresh(self, hook: str, *, base: BaseId | None = None) -> datetime:
        """Lengthen a webhook's life; return when it will end.

        Raises:
            WebhookNotFound, WebhookExpired: there is nothing to lengthen.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if await read_hook(tx, hook, base) is None:
                raise WebhookNotFound(hook)
            if not await tx.run(_REFRESH, id=hook, until=iso(now + LIFE), now=iso(now)):
                raise WebhookExpired
        return now + LIFE

    async def switch_notifications(self, hook: str, *, on: bool, base: BaseId | None = None) -> None:
        """Begin or cease to notify; what came meanwhile is notified at once when it is switched on.

        Raises:
            WebhookNotFound: there is none.
        """
        async with self._database.transaction() as tx:
            if on:
                found = await tx.run(_SWITCH_ON, id=hook, base=stored(base), now=iso(self._clock.now()))
            else:
                found = await tx.run(_SWITCH_OFF, id=hook, base=stored(base))
            if not found:
                raise WebhookNotFound(hook)

    async def payloads(self, hook: str, *, cursor: int, limit: int, base: BaseId | None = None) -> PayloadPage:
        """Read payloads from a number on, and so keep a living webhook alive.

        Whoever was answered a write before finds it among them, unless very much was written at once.

        Raises:
            WebhookNotFound: there is none.
        """
        await self._maker.catch_up()
        async with self._database.reading() as reader:
            found = await read_hook(reader, hook, base)
            if found is None:
                raise WebhookNotFound(hook)
            sizes = await reader.all(_SIZES, hook=hook, cursor=cursor, limit=min(limit, PAYLOADS_A_PAGE))
            numbers = _fitting([(int(number), int(size)) for number, size in sizes])
            rows = (
                await reader.all(_BODIES, hook=hook, first=numbers[0], last=numbers[-1], limit=PAYLOADS_A_PAGE)
                if numbers
                else []
            )
        await self._keep_alive(found)
        behind = numbers[-1] + 1 if numbers else cursor
        return PayloadPage([body for (body,) in rows], behind, behind < found.next_payload)

    async def forget_once(self) -> timedelta:
        """Forget old payloads, and webhooks that expired long ago; a supervisor's step."""
        before = iso(self._clock.now() - LIFE)
        async with self._database.transaction() as tx:
            await tx.run(_FORGET_HOOKS, before=before)
            forgotten = await tx.run(_FORGET_PAYLOADS, before=before, count=FORGET_STEP)
            forgotten = max(forgotten, await tx.run(_FORGET_ORPHANS, count=FORGET_STEP))
        return timedelta(0) if forgotten == FORGET_STEP else FORGET_EVERY

    async def _keep_alive(self, hook: Hook) -> None:
        now = self._clock.now()
        if hook.lives(now) and now + LIFE - hook.expires_at >= WORTH_A_COMMIT:
            async with self._database.transaction() as tx:
                await tx.run(_REFRESH, id=hook.id, until=iso(now + LIFE), now=iso(now))

    def _check_url(self, url: str) -> None:
        if len(url) > LONGEST_URL:
            raise NotificationUrlRefused(f"it is longer than {LONGEST_URL} characters")
        try:
            self._client.check_address(url)
        except AddressRefused as refused:
            raise NotificationUrlRefused(refused.why) from refused
        if self._encrypted_only and not url.lower().startswith("https:"):
            raise NotificationUrlRefused("here it must be https")

    def _mint_key(self) -> Secret:
        """Mint 56 characters with more than 256 bits of chance in them."""
        drawn = "".join(self._ids.mint("") for _ in range(4))
        return Secret(base64.b64encode(drawn.encode()).decode())


async def _number(reader: Reader, question: str, **values: object) -> int:
    row = await reader.one(question, **values)
    return int(row[0]) if row else 0


def _fitting(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """Return the numbers of as many payloads as fit one answer, at least one."""
    numbers: list[int] = []
    room = LARGEST_ANSWER
    for number, size in sizes:
        room -= size
        if room < 0 and numbers:
            break
        numbers.append(number)
    return numbers
