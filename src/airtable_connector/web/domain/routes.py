"""Which paths the domain dialect answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.ops import DailyDigest, Dashboard, Rollups
from airtable_connector.records import (
    ATTACHMENTS,
    CELLS,
    DAILY_DIGEST,
    HEARTBEATS,
    PROOF,
    SPRINTS,
    AttachmentAddresses,
    AttachmentFiles,
    Workspace,
)
from airtable_connector.web.domain.attachments import AttachmentEndpoint, showing
from airtable_connector.web.domain.budget import BudgetEndpoint, BudgetShown
from airtable_connector.web.domain.changes import ChangeEndpoints
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.errors import NotMirrored
from airtable_connector.web.domain.overview import OverviewEndpoints
from airtable_connector.web.domain.sample import SampleEndpoints
from airtable_connector.web.domain.tables import TableEndpoints
from airtable_connector.web.domain.webhooks import WebhookEndpoints
from airtable_connector.web.http import Answer, Call, Methods, Upstream, fresh

COLLECTIONS: Mapping[str, str] = {
    "/sprints": SPRINTS.name,
    "/cells": CELLS.name,
    "/proof": PROOF.name,
    "/heartbeats": HEARTBEATS.name,
}
"""The paths of the four tables that callers write."""

NOTIFICATIONS = "/airtable/notifications"
"""Where Airtable tells that something has changed there."""

MIRRORED: Mapping[str, tuple[str, ...]] = {
    "/receipts/{id}": ("GET",),
    "/dead-letters": ("GET",),
    "/dead-letters/{number}": ("DELETE",),
    "/dead-letters/{number}/replay": ("POST",),
    "/conflicts": ("GET",),
    NOTIFICATIONS: ("POST",),
}
"""The paths that only a mirror of a base at Airtable has something to say at, and their methods."""

DIGESTS = "/daily-digest"
"""The path of the table that only the connector writes."""


@dataclass(frozen=True)
class DomainRoutes:
    """The dialect's endpoints: those that the edge answers itself, and those behind it."""

    hot: Mapping[str, Methods]
    cold: Mapping[str, Methods]


def domain_routes(
    workspace: Workspace,
    *,
    rollups: Rollups,
    digest: DailyDigest,
    dashboard: Dashboard,
    files: AttachmentFiles,
    attachments: AttachmentAddresses,
    budget: BudgetShown | None = None,
    clock: Clock,
    ids: Ids,
    production: bool,
    records_alias: bool,
    upstream: Upstream | None = None,
    mirrored: Mapping[str, Methods] | None = None,
) -> DomainRoutes:
    """Put the dialect's endpoints together.

    ``budget``, ``upstream`` and ``mirrored`` (`mirrored_routes`) belong to a mirror of a base at Airtable; without them
    the base is kept here alone.
    """
    envelopes = Envelopes(clock, records_alias=records_alias)
    changes = ChangeEndpoints(workspace, envelopes, attachments)
    webhooks = WebhookEndpoints(workspace, envelopes, clock)
    sample = SampleEndpoints(workspace, envelopes, clock=clock, ids=ids, production=production)
    overview = OverviewEndpoints(rollups=rollups, digest=digest, dashboard=dashboard, envelopes=envelopes, clock=clock)
    digests = TableEndpoints(workspace, DAILY_DIGEST.name, DIGESTS, envelopes, attachments)
    hot: dict[str, Methods] = {
        DIGESTS: {"GET": digests.list, "POST": showing(attachments, overview.write_digest)},
        f"{DIGESTS}/{{id}}": {"GET": digests.read},
        "/heartbeats/rollup": {"GET": overview.rollup},
        "/dashboard": {"GET": overview.dashboard},
        "/budget": {"GET": BudgetEndpoint(budget, envelopes).show},
        "/changes": {"GET": changes.pull},
        "/events": {"GET": changes.stream},
        "/webhook": {"GET": webhooks.log, "POST": webhooks.receive},
        "/proof-webhook": {"POST": showing(attachments, webhooks.receive_proof)},
        "/heartbeat-webhook": {"POST": showing(attachments, webhooks.receive_heartbeat)},
        f"{ATTACHMENTS}{{id}}": {"GET": AttachmentEndpoint(files, attachments).read},
        "/read": {"GET": showing(attachments, sample.read)},
        "/write": {"POST": showing(attachments, sample.write)},
    }
    cold: dict[str, Methods] = {f"{DIGESTS}/{{id}}/history": {"GET": digests.history}}
    for path, name in COLLECTIONS.items():
        table = TableEndpoints(workspace, name, path, envelopes, attachments, upstream=upstream)
        hot[path] = {"GET": table.list, "POST": table.create}
        hot[f"{path}/{{id}}"] = {
            "GET": table.read,
            "PUT": table.change,
            "PATCH": table.change,
            "DELETE": table.remove,
        }
        cold[f"{path}/{{id}}/history"] = {"GET": table.history}
    cold |= _NOT_MIRRORED if mirrored is None else mirrored
    return DomainRoutes(_fresh(hot, upstream), _fresh(cold, upstream))


def _fresh(paths: Mapping[str, Methods], upstream: Upstream | None) -> Mapping[str, Methods]:
    """Let everything that reads tables say how fresh it is."""
    return {
        path: {method: fresh(each, upstream) if method == "GET" else each for method, each in methods.items()}
        for path, methods in paths.items()
    }


async def _not_mirrored(_call: Call) -> Answer:
    raise NotMirrored


_NOT_MIRRORED: Mapping[str, Methods] = {
    path: dict.fromkeys(methods, _not_mirrored) for path, methods in MIRRORED.items()
}
