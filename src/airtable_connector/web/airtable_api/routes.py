"""Which addresses the dialect answers, and which of Airtable's it says that it does not offer."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.records import AttachmentAddresses, AttachmentFiles, Workspace
from airtable_connector.web.airtable_api import addresses, words
from airtable_connector.web.airtable_api.addresses import read_address
from airtable_connector.web.airtable_api.base import Base, BaseName
from airtable_connector.web.airtable_api.commenting import CommentEndpoints
from airtable_connector.web.airtable_api.errors import AddressUnknown, NotOffered
from airtable_connector.web.airtable_api.pace import Pace, PaceSettings
from airtable_connector.web.airtable_api.reading import ReadingEndpoints
from airtable_connector.web.airtable_api.schema import SchemaEndpoints
from airtable_connector.web.airtable_api.uploading import LONGEST_BODY, UploadEndpoint
from airtable_connector.web.airtable_api.writing import WritingEndpoints
from airtable_connector.web.http import Answer, Call, Endpoint, Header, Methods, Resource, Stream

NOT_OFFERED: Final[Mapping[str, Mapping[str, str]]] = {
    addresses.BASES: {"POST": "creating bases"},
    addresses.BASE: {"GET": "information about a base's collaborators", "DELETE": "deleting bases"},
    addresses.TABLES: {"POST": "creating tables"},
    addresses.TABLE_SCHEMA: {"PATCH": "changing tables"},
    addresses.FIELDS: {"POST": "creating fields"},
    addresses.FIELD: {"PATCH": "changing fields"},
    addresses.ENTERPRISE: dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), "the API for administrators"),
    addresses.SYNC: {"POST": "syncing CSV files"},
    addresses.WEBHOOKS: {"GET": "webhooks", "POST": "webhooks"},
    addresses.WEBHOOK: {"GET": "webhooks", "POST": "webhooks", "DELETE": "webhooks"},
}
"""What Airtable answers and we do not, by address and method."""


NEEDED_SCOPES: Final[Mapping[str, Mapping[str, str]]] = {
    addresses.LIST_RECORDS: {"POST": "data.records:read"},  # a POST only because the question may be long
    addresses.UPLOAD: {"POST": "data.records:write"},
    addresses.COMMENTS: {"GET": "data.recordComments:read", "POST": "data.recordComments:write"},
    addresses.COMMENT: {"PATCH": "data.recordComments:write", "DELETE": "data.recordComments:write"},
}
"""Airtable's scope that a route needs, where its method does not tell; the part behind the colon is our permission."""


class AirtableApi:
    """Airtable's Web API over the record store: a dialect, as the edge asks for one."""

    beginning = addresses.BEGINNING

    def __init__(
        self,
        workspace: Workspace,
        name: BaseName,
        pace: PaceSettings,
        *,
        files: AttachmentFiles,
        attachments: AttachmentAddresses,
        clock: Clock,
    ) -> None:
        base, paced = Base(workspace, name, attachments), Pace(pace, clock).keep
        offered = _offered(base, files)
        self._resources: dict[str, Resource] = {}
        for template in offered.keys() | NOT_OFFERED.keys():
            missing = {method: _missing(what) for method, what in NOT_OFFERED.get(template, {}).items()}
            methods = {method: paced(endpoint) for method, endpoint in offered.get(template, {}).items()}
            self._resources[template] = Resource(template, {**missing, **methods})
        self.routes = {template: frozenset(methods) for template, methods in offered.items()}
        """What is answered, by address: the methods."""

    def find(self, call: Call) -> Resource:
        """Return what answers a call, or raise `AddressUnknown`."""
        address = read_address(call)
        resource = self._resources[address.template]
        if call.method not in resource.methods:
            raise AddressUnknown
        call.scope["path_params"] = address.values
        scope = NEEDED_SCOPES.get(address.template, {}).get(call.method)
        if scope is not None:
            call.permission = scope.rpartition(":")[2]
        if address.template == addresses.UPLOAD:
            call.body_room = LONGEST_BODY
        return resource

    def refusal(self, error: ConnectorError, headers: tuple[Header, ...]) -> Answer:
        """Word a refusal as Airtable does."""
        return words.refusal(error, headers)

    def internal(self, trace_id: str) -> Answer:
        """Answer a bug of ours."""
        return words.internal(trace_id)


def _offered(base: Base, files: AttachmentFiles) -> Mapping[str, Methods]:
    reading, writing, schema = ReadingEndpoints(base), WritingEndpoints(base), SchemaEndpoints(base)
    comments, uploads = CommentEndpoints(base), UploadEndpoint(base, files)
    return {
        addresses.WHOAMI: {"GET": schema.whoami},
        addresses.BASES: {"GET": schema.bases},
        addresses.TABLES: {"GET": schema.tables},
        addresses.RECORDS: {
            "GET": reading.list,
            "POST": writing.create,
            "PATCH": writing.change_many,
            "PUT": writing.replace_many,
            "DELETE": writing.remove_many,
        },
        addresses.LIST_RECORDS: {"POST": reading.list_by_body},
        addresses.RECORD: {
            "GET": reading.read,
            "PATCH": writing.change,
            "PUT": writing.replace,
            "DELETE": writing.remove,
        },
        addresses.UPLOAD: {"POST": uploads.upload},
        addresses.COMMENTS: {"GET": comments.list, "POST": comments.create},
        addresses.COMMENT: {"PATCH": comments.change, "DELETE": comments.remove},
    }


def _missing(what: str) -> Endpoint:
    async def refuse(_call: Call) -> Answer | Stream:
        raise NotOffered(what)

    return refuse
