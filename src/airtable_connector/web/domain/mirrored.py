"""The paths of a base that is a mirror of one at Airtable. Loaded only where it is one."""

from collections.abc import Mapping

from airtable_connector.kernel.clock import Clock
from airtable_connector.records import Workspace
from airtable_connector.sync.mirror import Mirror
from airtable_connector.sync.outbox import Outbox
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.notifications import NotificationEndpoint
from airtable_connector.web.domain.receipts import ReceiptEndpoints
from airtable_connector.web.domain.routes import NOTIFICATIONS
from airtable_connector.web.http import Methods


def mirrored_routes(workspace: Workspace, outbox: Outbox, mirror: Mirror, clock: Clock) -> Mapping[str, Methods]:
    """Return the endpoints by path; `routes.MIRRORED` has the same paths where there is no mirror."""
    receipts = ReceiptEndpoints(outbox, workspace, Envelopes(clock, records_alias=False))
    return {
        "/receipts/{id}": {"GET": receipts.read},
        "/dead-letters": {"GET": receipts.dead_letters},
        "/dead-letters/{number}": {"DELETE": receipts.drop},
        "/dead-letters/{number}/replay": {"POST": receipts.replay},
        "/conflicts": {"GET": receipts.conflicts},
        NOTIFICATIONS: {"POST": NotificationEndpoint(mirror).receive},
    }
