"""Wiring the attachments whose bytes are kept here."""

import hashlib
import hmac
from dataclasses import dataclass

from airtable_connector.compose.base import Base, attachment_files
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import OwnKeyPair
from airtable_connector.ops import Metrics
from airtable_connector.records import AttachmentAddresses, AttachmentFiles, AttachmentSweep
from airtable_connector.settings import Settings


@dataclass(frozen=True)
class Attachments:
    """Where the bytes are, and the addresses under which they are shown."""

    files: AttachmentFiles
    addresses: AttachmentAddresses


def start_attachments(
    settings: Settings,
    base: Base,
    own_keys: OwnKeyPair,
    *,
    supervisor: Supervisor,
    metrics: Metrics,
    clock: Clock,
    observer: Observer,
) -> Attachments:
    """Open the folder of attachments, and begin to look after it."""
    files = attachment_files(settings, clock=clock)
    addresses = AttachmentAddresses(address_key(own_keys), lifetime=settings.store.attachment_url_life, clock=clock)
    sweep = AttachmentSweep(files, base.database, clock=clock, observer=observer)
    supervisor.start("attachments", sweep.sweep_once)
    metrics.gauge("connector_attachment_bytes", "Space that attachments take on disk.", lambda: files.used)
    return Attachments(files, addresses)


def address_key(own_keys: OwnKeyPair) -> bytes:
    """Derive what addresses are signed with from the own key pair: there is no second secret to look after."""
    return hmac.digest(own_keys.private_pem.reveal().encode(), b"addresses of attachments", hashlib.sha256)
