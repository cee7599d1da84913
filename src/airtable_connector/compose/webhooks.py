"""Wiring Airtable's webhooks: payloads made from the feed, receivers notified."""

from airtable_connector.compose.base import Base
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import PeerClient
from airtable_connector.ops import NOTIFY, Hooks, NotificationCourier, PayloadMaker
from airtable_connector.settings import Settings
from airtable_connector.web.airtable_api import DERIVED_ID
from airtable_connector.web.http import Lifecycle

MAKE = "webhooks.make"


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
) -> Hooks:
    """Begin to make payloads and to notify by ``client``, whose connections should be for nothing else."""
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
