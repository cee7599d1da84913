"""Wiring messages: what comes in meets the base, what goes out meets the directories and our tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from airtable_connector.compose.base import Base
from airtable_connector.compose.preparation import Preparation
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import (
    DISPATCH,
    Addresses,
    Contacts,
    Courier,
    Credential,
    DirectorySource,
    Inbox,
    OurNames,
    Outbox,
    Peer,
    PeerClient,
    TokenVerifier,
)
from airtable_connector.settings import Settings
from airtable_connector.web.domain import DomainMessages
from airtable_connector.web.http import describe_error

REGISTRYS_NUMBER: Final = 18
ORCHESTRATORS_NUMBER: Final = 10
"""The droplets whose addresses are settings (mesh-contract: who is who)."""


@dataclass(frozen=True)
class Messaging:
    """What the message endpoints stand on."""

    inbox: Inbox
    outbox: Outbox
    addresses: Addresses
    courier: Courier


async def start_messaging(
    settings: Settings,
    base: Base,
    *,
    supervisor: Supervisor,
    client: PeerClient,
    preparation: Preparation,
    contacts: Contacts,
    sources: Sequence[DirectorySource],
    credential: Credential,
    verifier: TokenVerifier,
    messages: DomainMessages,
    clock: Clock,
    ids: Ids,
) -> Messaging:
    """Open inbox and outbox and begin to deliver what waits."""
    droplet = settings.droplet
    outbox = Outbox(
        base.database,
        owner=ids.trace(),
        # an attempt may read two directories before it sends
        lease=4 * settings.mesh.timeout + timedelta(seconds=5),
        clock=clock,
        wake=lambda: supervisor.wake(DISPATCH),
    )
    addresses = Addresses(base.database, sources=sources, fixed=_fixed(settings), clock=clock)
    await addresses.load()
    courier = Courier(
        outbox,
        addresses=addresses,
        client=client,
        contacts=contacts,
        supervisor=supervisor,
        credential=credential,
        us=droplet.id,
        keep=settings.messages.keep,
        clock=clock,
        fraction=ids.fraction,
    )
    inbox = Inbox(
        base.workspace,
        us=OurNames(droplet.id, (droplet.registry_id, droplet.name)),
        verify=verifier.verify,
        understand=messages.understand,
        describe_error=describe_error,
        contacts=contacts,
        clock=clock,
    )
    if sources:
        supervisor.start("addresses", preparation.before(addresses.refresh_once))
    supervisor.start(DISPATCH, preparation.before(courier.dispatch_once))
    supervisor.start("outbox.forget", courier.forget_once)
    return Messaging(inbox, outbox, addresses, courier)


def _fixed(settings: Settings) -> Sequence[Peer]:
    """Name the droplets whose addresses are set: the Registry, the Orchestrator, and ourselves."""
    droplet, mesh = settings.droplet, settings.mesh
    addresses: Mapping[int, tuple[tuple[str, ...], str | None]] = {
        REGISTRYS_NUMBER: (("registry",), mesh.registry_url),
        ORCHESTRATORS_NUMBER: (("orchestrator",), mesh.orchestrator_url),
        droplet.id: ((droplet.registry_id, droplet.name), droplet.url),
    }
    return [
        Peer(number, names, address, "settings")
        for number, (names, address) in addresses.items()
        if address is not None
    ]
