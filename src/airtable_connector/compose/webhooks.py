"""Wiring Airtable's webhooks: payloads made from the feed, receivers notified."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from airtable_connector.compose.base import Base
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import PeerClient
from airtable_connector.settings import Settings
from airtable_connector.web.http import Lifecycle

if TYPE_CHECKING:
    from airtable_connector.ops import Hooks

MAKE: Final = "webhooks.make"

AFTER_START: Final = timedelta(milliseconds=200)
"""How long the first answers have the process for themselves; nobody is notified later for that."""


def start_webhooks(
    settings: Settings,
    base: Base,
    *,
    client: PeerClient,
    supervisor: Supervisor,
    lifecycle: Lifecycle,
    clock: Clock,
    ids: Ids,
    observer: Observer,
) -> "Callable[[], Hooks]":
    """Begin soon to make payloads and to notify by ``client``, whose connections should be for nothing else.

    Returned is what gives the webhooks; whoever asks before that moment makes them begin now.
    """

    @cache
    def begin() -> "Hooks":
        from airtable_connector.ops import (  # noqa: PLC0415 - a start does not wait for it
            NOTIFY,
            Hooks,
            NotificationCourier,
            PayloadMaker,
        )
        from airtable_connector.web.airtable_api import DERIVED_ID  # noqa: PLC0415 - as above

        courier = NotificationCourier(
            base.database,
            client=client,
            supervisor=supervisor,
            base=settings.airtable_api.base_id or DERIVED_ID,
            owner=ids.trace(),
            clock=clock,
            fraction=ids.fraction,
            observer=observer,
        )
        maker = PayloadMaker(
            base.workspace,
            base.database,
            us=settings.droplet.id,
            wake_courier=lambda: supervisor.wake(NOTIFY),
            clock=clock,
            observer=observer,
        )
        hooks = Hooks(
            base.workspace,
            base.database,
            maker=maker,
            client=client,
            encrypted_only=settings.server.environment == "production",
            wake_maker=lambda: supervisor.wake(MAKE),
            clock=clock,
            ids=ids,
        )

        async def stop_notifying() -> None:
            await lifecycle.wait_for_drain()
            courier.stop()

        supervisor.start(MAKE, maker.make_once)
        supervisor.start(NOTIFY, courier.dispatch_once)
        supervisor.start("webhooks.forget", hooks.forget_once)
        supervisor.start("webhooks.stop", stop_notifying)
        return hooks

    async def begin_soon() -> None:
        await clock.sleep(AFTER_START)
        begin()

    supervisor.start("webhooks.begin", begin_soon)
    return begin
