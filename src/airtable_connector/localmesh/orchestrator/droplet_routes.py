"""``/droplets`` of the Orchestrator: registration, beats, directory (2.4, 2.5, 2.6)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.localmesh.orchestrator.credentials import Credentials
from airtable_connector.localmesh.orchestrator.droplets import STATUSES, Droplet, Droplets
from airtable_connector.localmesh.orchestrator.envelope import Envelopes
from airtable_connector.localmesh.peer import Refused, read_model, read_number, route
from airtable_connector.localmesh.quirks import Quirk, Quirks

BEAT_EVERY: Final = timedelta(seconds=60)
"""What registrations are told, and the time until the next deadline."""

REGISTRAR: Final = 1
"""The droplet that may beat for anyone (2.5)."""

LONGEST_ENDPOINT: Final = 255

_FIRST_TIME: Final = (
    "Failed to register droplet: WebSocketManager.broadcast_droplet_registered() takes 2 positional arguments"
    " but 3 were given"
)


class _Registration(BaseModel):
    droplet_id: Annotated[int, Field(gt=0, le=2**31 - 1)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    endpoint: str
    steward: str | None = None
    capabilities: list[str] = Field(default_factory=list)


class _Beat(BaseModel):
    status: str
    metrics: dict[str, Any] | None = None


class DropletRoutes:
    """Its endpoints."""

    def __init__(
        self, droplets: Droplets, credentials: Credentials, envelopes: Envelopes, quirks: Quirks, *, clock: Clock
    ) -> None:
        self._droplets = droplets
        self._credentials = credentials
        self._envelopes = envelopes
        self._quirks = quirks
        self._clock = clock

    def routes(self) -> list[Route]:
        """List what it answers. ``/droplets/heartbeat`` is a droplet's path to it, so POST there answers 405."""
        return [
            route("/droplets/register", self.register, "POST"),
            route("/droplets", self.list_droplets),
            route("/droplets/{id}", self.show),
            route("/droplets/{id}/heartbeat", self.beat, "POST"),
            route("/droplets/{id}/capabilities", self.show_capabilities),
            route("/droplets/{id}/activate", self.activate, "POST"),
            route("/droplets/{id}/deactivate", self.deactivate, "POST"),
        ]

    async def register(self, request: Request) -> Response:
        """Answer ``POST /droplets/register``. Nobody asks whether the token is the registered droplet's."""
        self._credentials.check(request)
        enclosed = await self._envelopes.open(request)
        said = read_model(_Registration, enclosed.payload)
        self._check_endpoint(said.endpoint)
        at = self._clock.now()
        is_new = self._droplets.find(said.droplet_id) is None
        described = said.model_dump(exclude={"droplet_id"})
        self._droplets.put(Droplet(id=said.droplet_id, **described, registered_at=at, last_beat=at))
        if is_new and Quirk.FIRST_REGISTRATION_FAILS in self._quirks:
            raise Refused(500, _FIRST_TIME)
        seconds = int(BEAT_EVERY.total_seconds())
        payload: dict[str, JsonValue] = {
            "registered": True,
            "droplet_id": said.droplet_id,
            "registered_at": naive(at),
            "heartbeat_required_every_seconds": seconds,
            "status": "new" if is_new else "updated",
            "heartbeat_interval_seconds": seconds,
            "next_heartbeat_deadline": _deadline(at),
        }
        return self._envelopes.enclose(payload, to=enclosed, status=201)

    async def beat(self, request: Request) -> Response:
        """Answer ``POST /droplets/{id}/heartbeat``."""
        caller = self._credentials.check(request)
        droplet = read_number(request.path_params["id"], "droplet_id")
        enclosed = await self._envelopes.open(request)
        said = read_model(_Beat, enclosed.payload)
        if caller.droplet not in (droplet, REGISTRAR):
            raise Refused(403, f"Droplet {caller.droplet} cannot send heartbeat for droplet {droplet}")
        row = self._known(droplet)
        self._check_status(said.status)
        at = self._clock.now()
        self._droplets.beat(row, status=said.status, at=at)
        return self._envelopes.enclose({"received": True, "next_heartbeat_deadline": _deadline(at)}, to=enclosed)

    async def list_droplets(self, request: Request) -> Response:
        """Answer ``GET /droplets[?status=&capability=]``."""
        self._credentials.check(request)
        status, capability = (request.query_params.get(name) for name in ("status", "capability"))
        if capability is not None and '"' in capability and Quirk.QUOTE_CRASHES in self._quirks:
            raise Refused(500, "invalid input syntax for type json")
        at = self._clock.now()
        found = [
            self._describe(row, at=at)
            for row in self._droplets
            if status in (None, row.status) and (capability is None or capability in row.capabilities)
        ]
        filters = {"status": status, "capability": capability}
        return self._envelopes.enclose({"droplets": found, "total": len(found), "filters": filters})

    async def show(self, request: Request) -> Response:
        """Answer ``GET /droplets/{id}``."""
        self._credentials.check(request)
        row = self._named(request)
        if Quirk.DROPLET_READ_CRASHES in self._quirks:
            raise Refused(500, 'column reference "status" is ambiguous')
        return self._envelopes.enclose({"droplet": self._describe(row, at=self._clock.now())})

    async def show_capabilities(self, request: Request) -> Response:
        """Answer ``GET /droplets/{id}/capabilities``."""
        self._credentials.check(request)
        row = self._named(request)
        return self._envelopes.enclose({"droplet_id": row.id, "capabilities": self._as_json(list(row.capabilities))})

    async def activate(self, request: Request) -> Response:
        """Answer ``POST /droplets/{id}/activate``."""
        return self._mark(request, "active")

    async def deactivate(self, request: Request) -> Response:
        """Answer ``POST /droplets/{id}/deactivate``."""
        return self._mark(request, "inactive")

    def summary(self) -> JsonValue:
        """Describe the directory for ``POST /message`` (2.7)."""
        at = self._clock.now()
        found = [self._describe(row, at=at) for row in self._droplets]
        return {"droplets": found, "total": len(found)}

    def _mark(self, request: Request, status: str) -> Response:
        caller = self._credentials.check(request)
        row = self._named(request)
        if not caller.may_act_for(row.id):
            raise Refused(403, f"Droplet {caller.droplet} cannot change droplet {row.id}")
        self._droplets.mark(row, status=status)
        return self._envelopes.enclose({"droplet_id": row.id, "old_status": row.status, "new_status": status})

    def _named(self, request: Request) -> Droplet:
        return self._known(read_number(request.path_params["id"], "droplet_id"))

    def _known(self, droplet: int) -> Droplet:
        row = self._droplets.find(droplet)
        if row is None:
            raise Refused(404, f"Droplet {droplet} not found")
        return row

    def _check_endpoint(self, endpoint: str) -> None:
        if len(endpoint) > LONGEST_ENDPOINT:
            crashes = Quirk.LONG_ENDPOINT_CRASHES in self._quirks
            raise Refused(500 if crashes else 422, "value too long for type character varying(255)")

    def _check_status(self, status: str) -> None:
        if status not in STATUSES:
            crashes = Quirk.STATUS_CRASHES in self._quirks
            raise Refused(500 if crashes else 422, 'new row violates check constraint "droplets_status_check"')

    def _describe(self, row: Droplet, *, at: datetime) -> Mapping[str, JsonValue]:
        return {
            "droplet_id": row.id,
            "name": row.name,
            "steward": row.steward,
            "endpoint": row.endpoint,
            "capabilities": self._as_json(list(row.capabilities)),
            "status": row.status,
            "last_heartbeat": naive(row.last_beat),
            "registered_at": naive(row.registered_at),
            "seconds_since_heartbeat": (at - row.last_beat).total_seconds(),
        }

    def _as_json(self, value: JsonValue) -> JsonValue:
        return orjson.dumps(value).decode() if Quirk.TEXT_FOR_JSON in self._quirks else value


def naive(moment: datetime) -> str:
    """Write a moment as the payloads do: without its zone (2.3)."""
    return moment.replace(tzinfo=None).isoformat()


def _deadline(at: datetime) -> float:
    return (at + BEAT_EVERY).timestamp()
