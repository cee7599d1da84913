"""Which addresses the dialect answers, and which of Airtable's it says that it does not offer."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.records import Workspace
from airtable_connector.web.airtable_api import addresses, words
from airtable_connector.web.airtable_api.addresses import read_address
from airtable_connector.web.airtable_api.base import Base, BaseName
from airtable_connector.web.airtable_api.designing import DesigningEndpoints
from airtable_connector.web.airtable_api.errors import AddressUnknown, NotOffered
from airtable_connector.web.airtable_api.pace import Pace, PaceSettings
from airtable_connector.web.airtable_api.reading import ReadingEndpoints
from airtable_connector.web.airtable_api.schema import SCHEMA_PERMISSION, SchemaEndpoints
from airtable_connector.web.airtable_api.writing import WritingEndpoints
from airtable_connector.web.http import Answer, Call, Endpoint, Header, Methods, Resource, Stream

NOT_OFFERED: Final[Mapping[str, Mapping[str, str]]] = {
    addresses.BASES: {"POST": "creating bases"},
    addresses.BASE: {"GET": "information about a base's collaborators", "DELETE": "deleting bases"},
    addresses.ENTERPRISE: dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), "the API for administrators"),
    addresses.COMMENTS: {"GET": "comments", "POST": "comments"},
    addresses.COMMENT: {"PATCH": "comments", "DELETE": "comments"},
    addresses.UPLOAD: {"POST": "uploading attachments; give a url instead"},
    addresses.SYNC: {"POST": "syncing CSV files"},
    addresses.WEBHOOKS: {"GET": "webhooks", "POST": "webhooks"},
    addresses.WEBHOOK: {"GET": "webhooks", "POST": "webhooks", "DELETE": "webhooks"},
}
"""What Airtable answers and we do not, by address and method."""


DESIGNING: Final = frozenset({addresses.TABLES, addresses.TABLE_SCHEMA, addresses.FIELDS, addresses.FIELD})
"""Addresses where whoever does more than read changes the schema."""


class AirtableApi:
    """Airtable's Web API over the record store: a dialect, as the edge asks for one."""

    beginning = addresses.BEGINNING

    def __init__(self, workspace: Workspace, name: BaseName, pace: PaceSettings, *, clock: Clock) -> None:
        base, paced = Base(workspace, name), Pace(pace, clock).keep
        offered = _offered(base)
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
        if address.template == addresses.LIST_RECORDS:
            call.permission = "read"  # it is a POST only because the question may be long
        elif call.method != "GET" and address.template in DESIGNING:
            call.permission = SCHEMA_PERMISSION
        return resource

    def refusal(self, error: ConnectorError, headers: tuple[Header, ...]) -> Answer:
        """Word a refusal as Airtable does."""
        return words.refusal(error, headers)

    def internal(self, trace_id: str) -> Answer:
        """Answer a bug of ours."""
        return words.internal(trace_id)


def _offered(base: Base) -> Mapping[str, Methods]:
    reading, writing, schema = ReadingEndpoints(base), WritingEndpoints(base), SchemaEndpoints(base)
    designing = DesigningEndpoints(base)
    return {
        addresses.WHOAMI: {"GET": schema.whoami},
        addresses.BASES: {"GET": schema.bases},
        addresses.TABLES: {"GET": schema.tables, "POST": designing.create_table},
        addresses.TABLE_SCHEMA: {"PATCH": designing.change_table},
        addresses.FIELDS: {"POST": designing.create_field},
        addresses.FIELD: {"PATCH": designing.change_field},
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
    }


def _missing(what: str) -> Endpoint:
    async def refuse(_call: Call) -> Answer | Stream:
        raise NotOffered(what)

    return refuse
