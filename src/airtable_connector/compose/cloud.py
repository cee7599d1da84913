"""Opening the way to Airtable itself; no part of the face, because a plain start does not need it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from airtable_connector.airtable import AirtableClient, CloudSettings, Month, Noted, PaceKeeper, PaceSettings
from airtable_connector.compose.errors import AirtableNotNamed
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Observer
from airtable_connector.settings import Settings


def cloud_settings(settings: Settings) -> CloudSettings:
    """Return which base at Airtable the settings name, and the key for it.

    Raises:
        AirtableNotNamed: they name none.
    """
    key, base = settings.cloud.api_key, settings.airtable_api.base_id
    if key is None or base is None:
        missing = [name for name, value in (("AIRTABLE_API_KEY", key), ("BASE_ID", base)) if value is None]
        raise AirtableNotNamed(missing)
    return CloudSettings(key, base, settings.cloud.endpoint_url)


@asynccontextmanager
async def open_cloud(settings: CloudSettings, *, clock: Clock, observer: Observer) -> AsyncIterator[AirtableClient]:
    """Open a client of a base at Airtable for a command, which makes a few calls and ends.

    Its pace is its own: what a running service asks meanwhile counts for Airtable, too, and is not known here.
    """
    keeper = PaceKeeper(PaceSettings(), _UnkeptLedger(), clock=clock, observer=observer)
    client = AirtableClient(settings, keeper, clock=clock, observer=observer)
    try:
        yield client
    finally:
        await client.close()


class _UnkeptLedger:
    """Forgets its numbers with the command: so few calls are not worth opening the store for."""

    async def add(self, _month: Month, calls: int) -> Noted:
        return Noted(calls, spent=False)

    async def mark_spent(self, _month: Month) -> None:
        """Nothing to do: the meter itself remembers it while the command runs."""

    async def reopen(self, _month: Month) -> None:
        """Nothing to do, as above."""
