"""Which addresses the dialect answers, and which of Airtable's it says that it does not offer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.ops import Hooks
from airtable_connector.records import AttachmentAddresses, AttachmentFiles, Workspace
from airtable_connector.web.airtable_api import addresses, words
from airtable_connector.web.airtable_api.addresses import read_address
from airtable_connector.web.airtable_api.base import BaseName, Bases
from airtable_connector.web.airtable_api.commenting import CommentEndpoints
from airtable_connector.web.airtable_api.designing import DesigningEndpoints
from airtable_connector.web.airtable_api.errors import AddressUnknown, NotOffered
from airtable_connector.web.airtable_api.pace import Paces, PaceSettings
from airtable_connector.web.airtable_api.place import BEGINNING
from airtable_connector.web.airtable_api.reading import ReadingEndpoints
from airtable_connector.web.airtable_api.schema import SchemaEndpoints
from airtable_connector.web.airtable_api.scopes import Scope
from airtable_connector.web.airtable_api.uploading import LONGEST_BODY, UploadEndpoint
from airtable_connector.web.airtable_api.webhooks import WebhookEndpoints
from airtable_connector.web.airtable_api.writing import WritingEndpoints
from airtable_connector.web.http import Answer, Call, Endpoint, Header, Resource, Stream, Upstream, Verify, fresh

NOT_OFFERED: Final[Mapping[str, Mapping[str, str]]] = {
    addresses.BASE: {"GET": "information about a base's collaborators", "DELETE": "deleting bases"},
    addresses.ENTERPRISE: dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), "the API for administrators"),
    addresses.SYNC: {"POST": "syncing CSV files"},
}
"""What Airtable answers and we do not, by address and method."""

_SCHEMA: Final = "changing the schema of a base that is a mirror of Airtable's, where it is to be changed,"
_COMMENTS: Final = "the comments of a base that is a mirror of Airtable's"

NOT_OFFERED_OF_A_MIRROR: Final[Mapping[str, Mapping[str, str]]] = {
    addresses.BASES: {"POST": "creating bases beside the mirror of one at Airtable"},
    addresses.TABLES: {"POST": _SCHEMA},
    addresses.TABLE_SCHEMA: {"PATCH": _SCHEMA},
    addresses.FIELDS: {"POST": _SCHEMA},
    addresses.FIELD: {"PATCH": _SCHEMA},
    addresses.COMMENTS: dict.fromkeys(("GET", "POST"), _COMMENTS),
    addresses.COMMENT: dict.fromkeys(("PATCH", "DELETE"), _COMMENTS),
    addresses.UPLOAD: {"POST": "uploading to a base that is a mirror of Airtable's"},
}
"""What we do not answer beside that while Airtable is the truth: it would be known here only."""


@dataclass(frozen=True, slots=True)
class Route:
    """What answers one method of an address, and the scope that it needs; None: whoever is known may ask."""

    endpoint: Endpoint
    needs: Scope | None


class AirtableApi:
    """Airtable's Web API over the record store: a dialect, as the edge asks for one."""

    beginning = BEGINNING

    def __init__(
        self,
        workspace: Workspace,
        name: BaseName,
        pace: PaceSettings,
        *,
        files: AttachmentFiles,
        attachments: AttachmentAddresses,
        hooks: Callable[[], Hooks],
        verify: Verify,
        clock: Clock,
        upstream: Upstream | None = None,
    ) -> None:
        self.verify = verify
        bases = Bases(workspace, name, attachments)
        paced = Paces(pace, clock, bases.is_made).keep
        offered = _offered(bases, files, hooks, clock, upstream)
        self._resources: dict[str, Resource] = {}
        not_offered = dict(NOT_OFFERED)
        if upstream is not None:
            for template, methods in NOT_OFFERED_OF_A_MIRROR.items():
                not_offered[template] = {**not_offered.get(template, {}), **methods}
                kept = {method: route for method, route in offered[template].items() if method not in methods}
                offered = {**offered, template: kept}
        for template in offered.keys() | not_offered.keys():
            missing = {method: _missing(what) for method, what in not_offered.get(template, {}).items()}
            present = {method: paced(route.endpoint) for method, route in offered.get(template, {}).items()}
            self._resources[template] = Resource(template, {**missing, **present})
        self.routes = {
            template: {method: route.needs for method, route in methods.items()}
            for template, methods in offered.items()
        }
        """What is answered, by address and method: the scope that it needs."""

    def find(self, call: Call) -> Resource:
        """Return what answers a call, or raise `AddressUnknown`."""
        address = read_address(call)
        resource = self._resources[address.template]
        if call.method not in resource.methods:
            raise AddressUnknown
        call.scope["path_params"] = address.values
        offered = self.routes.get(address.template)
        if offered is not None:
            call.needs = offered.get("GET" if call.method == "HEAD" else call.method)
        if address.template == addresses.UPLOAD:
            call.body_room = LONGEST_BODY
        return resource

    def refusal(self, error: ConnectorError, headers: tuple[Header, ...]) -> Answer:
        """Word a refusal as Airtable does."""
        return words.refusal(error, headers)

    def internal(self, trace_id: str) -> Answer:
        """Answer a bug of ours."""
        return words.internal(trace_id)


def _offered(
    bases: Bases, files: AttachmentFiles, hooks: Callable[[], Hooks], clock: Clock, upstream: Upstream | None
) -> Mapping[str, Mapping[str, Route]]:
    reading, writing, schema = ReadingEndpoints(bases), WritingEndpoints(bases, upstream), SchemaEndpoints(bases)
    listed, listed_by_body, read = (
        fresh(each, upstream) for each in (reading.list, reading.list_by_body, reading.read)
    )
    comments, uploads = CommentEndpoints(bases), UploadEndpoint(bases, files)
    webhooks, designing = WebhookEndpoints(bases, hooks, clock), DesigningEndpoints(bases)
    return {
        addresses.WHOAMI: {"GET": Route(schema.whoami, None)},
        addresses.BASES: {
            "GET": Route(schema.bases, Scope.READ_SCHEMA),
            "POST": Route(designing.create_base, Scope.WRITE_SCHEMA),
        },
        addresses.TABLES: {
            "GET": Route(schema.tables, Scope.READ_SCHEMA),
            "POST": Route(designing.create_table, Scope.WRITE_SCHEMA),
        },
        addresses.TABLE_SCHEMA: {"PATCH": Route(designing.change_table, Scope.WRITE_SCHEMA)},
        addresses.FIELDS: {"POST": Route(designing.create_field, Scope.WRITE_SCHEMA)},
        addresses.FIELD: {"PATCH": Route(designing.change_field, Scope.WRITE_SCHEMA)},
        addresses.RECORDS: {
            "GET": Route(listed, Scope.READ_RECORDS),
            "POST": Route(writing.create, Scope.WRITE_RECORDS),
            "PATCH": Route(writing.change_many, Scope.WRITE_RECORDS),
            "PUT": Route(writing.replace_many, Scope.WRITE_RECORDS),
            "DELETE": Route(writing.remove_many, Scope.WRITE_RECORDS),
        },
        addresses.LIST_RECORDS: {"POST": Route(listed_by_body, Scope.READ_RECORDS)},
        addresses.RECORD: {
            "GET": Route(read, Scope.READ_RECORDS),
            "PATCH": Route(writing.change, Scope.WRITE_RECORDS),
            "PUT": Route(writing.replace, Scope.WRITE_RECORDS),
            "DELETE": Route(writing.remove, Scope.WRITE_RECORDS),
        },
        addresses.COMMENTS: {
            "GET": Route(comments.list, Scope.READ_COMMENTS),
            "POST": Route(comments.create, Scope.WRITE_COMMENTS),
        },
        addresses.COMMENT: {
            "PATCH": Route(comments.change, Scope.WRITE_COMMENTS),
            "DELETE": Route(comments.remove, Scope.WRITE_COMMENTS),
        },
        addresses.UPLOAD: {"POST": Route(uploads.upload, Scope.WRITE_RECORDS)},
        addresses.WEBHOOKS: {
            "GET": Route(webhooks.list, Scope.MANAGE_WEBHOOKS),
            "POST": Route(webhooks.create, Scope.MANAGE_WEBHOOKS),
        },
        addresses.WEBHOOK: {"DELETE": Route(webhooks.delete, Scope.MANAGE_WEBHOOKS)},
        addresses.REFRESH: {"POST": Route(webhooks.refresh, Scope.MANAGE_WEBHOOKS)},
        addresses.NOTIFICATIONS: {"POST": Route(webhooks.enable_notifications, Scope.MANAGE_WEBHOOKS)},
        addresses.PAYLOADS: {"GET": Route(webhooks.payloads, Scope.MANAGE_WEBHOOKS)},
    }


def _missing(what: str) -> Endpoint:
    async def refuse(_call: Call) -> Answer | Stream:
        raise NotOffered(what)

    return refuse
