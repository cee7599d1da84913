"""Our webhook at Airtable: made, kept alive, and made anew when it is of no use any more.

A webhook is stored before anything is listed: what happens during a listing is then told by it. A new one is made
before the one before it is given up, so that nothing falls between them as long as the old one told everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from airtable_connector.airtable import AirtableClient, Done, Lane, NewWebhook, Refused, Webhook, value_of
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.sync.errors import NoWebhookFree
from airtable_connector.sync.mirror.facts import HookBroken, HookReplaced
from airtable_connector.sync.mirror.store import HookState, Known, MirrorStore

REFRESH_EVERY: Final = timedelta(days=1)
"""A webhook lives seven days from its last refreshing."""

TRY_AGAIN: Final = timedelta(minutes=15)
"""How soon a webhook is asked for again when there is no room for one."""

_CAP: Final = "TOO_MANY_WEBHOOKS"
_LANE: Final = Lane.WEBHOOKS
_EVERYTHING: Final[dict[str, JsonValue]] = {
    "options": {"filters": {"dataTypes": ["tableData", "tableFields", "tableMetadata"]}}
}


@dataclass(frozen=True, slots=True)
class _Need:
    """Why another webhook is needed, and whether something may have happened that none has told."""

    why: str
    gap: bool


class HookKeeper:
    """Sees to it that there is a webhook that tells everything.

    Args:
        url: where its notifications go; None for a connector that Airtable cannot reach.
    """

    def __init__(
        self, client: AirtableClient, store: MirrorStore, *, url: str | None, clock: Clock, observer: Observer
    ) -> None:
        self._client = client
        self._store = store
        self._url = url
        self._clock = clock
        self._observer = observer

    async def ensure(self) -> bool:
        """Have a live webhook; True when it is another one than before.

        Raises:
            NoWebhookFree: the base has as many as it may have, and none that is ours to delete.
            CloudUnavailable, CloudDenied, CloudRefused, CloudOutcomeUnknown: Airtable did not do it.
        """
        known = await self._store.known()
        need = self._need(known)
        if need is None and self._is_due(known):
            need = await self._refresh(known)
        if need is None:
            return False
        await self._replace(known, need)
        return True

    async def is_lost(self, hook: str, refused: Refused) -> bool:
        """Tell whether a read of the webhook was refused because it is gone or switched off; if so, note it.

        Raises:
            CloudUnavailable, CloudDenied: Airtable did not tell.
        """
        if _of(hook, await self._all()) is not None:
            return False
        await self.broken(hook, f"its payloads were refused ({refused.type[:80]})")
        return True

    async def broken(self, hook: str, why: str) -> None:
        """Note that the webhook tells nothing any more, or has not told all; `ensure` then makes another."""
        await self._store.broken(hook)
        self._observer.saw(HookBroken(hook, why))

    async def delete(self, hook: str) -> None:
        """Delete a webhook that is of no use any more; one that is gone already is no trouble."""
        match await self._client.delete_webhook(hook, lane=_LANE):
            case Done() | Refused():
                return
            case failed:
                value_of(failed)

    def _need(self, known: Known) -> _Need | None:
        if known.hook is None:
            return _Need("there was none", gap=True)
        if known.state is not HookState.LIVE:
            return _Need("it was broken", gap=True)
        if known.expires_at is not None and known.expires_at <= self._clock.now():
            return _Need("it had expired", gap=True)
        if not known.mac_key.reveal():
            return _Need("its key was lost", gap=False)
        if known.url != self._url:
            return _Need("its address is another one", gap=False)
        return None

    def _is_due(self, known: Known) -> bool:
        return known.refreshed_at is None or known.refreshed_at + REFRESH_EVERY <= self._clock.now()

    async def _refresh(self, known: Known) -> _Need | None:
        assert known.hook is not None
        listed = _of(known.hook, await self._all())
        if listed is None:
            return _Need("it was gone, or switched off", gap=True)
        if known.url is not None and not listed.notifies:
            # Airtable does so when nobody took its notifications for a day; a new webhook has them switched on
            return _Need("its notifications were switched off", gap=False)
        refreshed = await self._client.refresh_webhook(known.hook, lane=_LANE)
        if isinstance(refreshed, Refused) and refreshed.status not in {401, 402, 403}:
            return _Need("it could not be kept alive", gap=True)
        await self._store.refreshed(known.hook, expires_at=value_of(refreshed), at=self._clock.now())
        return None

    async def _replace(self, known: Known, need: _Need) -> None:
        there = await self._all()
        for each in there:
            # made by us, and its key is known to nobody: its creation was answered to a process that is gone
            if self._url is not None and each.url == self._url and each.id not in {known.hook, known.old_hook}:
                await self.delete(each.id)
        made, old = await self._create(known, there)
        # one that could not be read to its end may have had more to tell
        gap = need.gap or known.old_hook is not None or (old is None and known.hook is not None)
        await self._store.new_hook(
            made.id,
            url=self._url,
            mac_key=made.mac_key,
            expires_at=made.expires_at,
            old=old,
            at=self._clock.now(),
            relist=gap,
        )
        self._observer.saw(HookReplaced(made.id, need.why, relisted=gap))

    async def _create(self, known: Known, there: Sequence[Webhook]) -> tuple[NewWebhook, str | None]:
        """Make a webhook; return it, and the one before it if that can still be read."""
        listed = {each.id for each in there}
        if known.old_hook is not None and known.old_hook in listed:
            await self.delete(known.old_hook)
        old = known.hook if known.hook in listed else None
        made = await self._client.create_webhook(_EVERYTHING, url=self._url, lane=_LANE)
        if _is_full(made) and old is not None:
            await self.delete(old)
            old = None
            made = await self._client.create_webhook(_EVERYTHING, url=self._url, lane=_LANE)
        if _is_full(made):
            raise NoWebhookFree(retry_after=TRY_AGAIN)
        return value_of(made), old

    async def _all(self) -> Sequence[Webhook]:
        return value_of(await self._client.webhooks(lane=_LANE))


def _of(hook: str, webhooks: Sequence[Webhook]) -> Webhook | None:
    return next((each for each in webhooks if each.id == hook and each.is_enabled), None)


def _is_full(made: object) -> bool:
    return isinstance(made, Refused) and made.type.startswith(_CAP)
