"""SERVICES/registry (3.4): names are unique, nobody beats, and it sends messages itself."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.localmesh.courier import Answered, Courier
from airtable_connector.localmesh.peer import Refused, answer, read_json, read_model, route
from airtable_connector.localmesh.settings import MOST_DROPLETS

_Status = Literal["active", "inactive", "error"]
_SEND_LIMIT: Final = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Droplet:
    """One entry."""

    id: str
    name: str
    steward: str | None
    endpoint: str
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    status: str = "active"
    registered_at: datetime
    updated_at: datetime

    def described(self) -> Mapping[str, JsonValue]:
        """Describe it; the proof is a digest of everything else."""
        told: dict[str, JsonValue] = {
            "id": self.id,
            "name": self.name,
            "steward": self.steward,
            "status": self.status,
            "endpoint": self.endpoint,
            "cost_usd": 0,
            "yield_usd": 0,
            "metadata": self.metadata,
            "registered_at": iso(self.registered_at),
            "updated_at": iso(self.updated_at),
        }
        return {**told, "proof": hashlib.sha256(orjson.dumps(told)).hexdigest()}


class _Registration(BaseModel):
    id: int | str | None = None
    name: str
    endpoint: str
    steward: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class _OldRegistration(BaseModel):
    id: int | str
    name: str
    steward: str | None = None
    url: str | None = None
    endpoint: str | None = None


class _Change(BaseModel):
    status: _Status | None = None
    endpoint: str | None = None
    metadata: dict[str, Any] | None = None


class _Message(BaseModel):
    trace_id: UUID
    source: str
    target: str
    message_type: Literal["status", "event", "command", "query"]
    payload: dict[str, Any]
    timestamp: datetime


class _ToSend(BaseModel):
    target: str
    message_type: Literal["status", "event", "command", "query"]
    payload: dict[str, Any]
    priority: Literal["high", "normal", "low"] = "normal"
    retry_count: Annotated[int, Field(ge=0, le=10)] = 3


class MemoryRegistry:
    """Its endpoints. Nothing asks who calls."""

    def __init__(self, courier: Courier, *, clock: Clock, ids: Ids) -> None:
        self._droplets: dict[str, Droplet] = {}
        self._courier = courier
        self._clock = clock
        self._ids = ids

    def __len__(self) -> int:
        return len(self._droplets)

    def routes(self) -> list[Route]:
        """List what it answers; there is no heartbeat, so one answers 405."""
        return [
            route("/droplets", self.register, "POST"),
            route("/droplets", self.list_droplets),
            route("/droplets/name/{name}", self.show_by_name),
            route("/droplets/{id}", self.show),
            route("/droplets/{id}", self.change, "PATCH"),
            route("/register", self.register_old, "POST"),
            route("/message", self.take_message, "POST"),
            route("/send", self.send, "POST"),
        ]

    async def register(self, request: Request) -> Response:
        """Answer ``POST /droplets``: 201, or 409 when the name is taken."""
        said = read_model(_Registration, await read_json(request, malformed=422))
        given = self._ids.trace() if said.id is None else str(said.id)
        droplet = self._add(given, said.name, said.steward, said.endpoint, said.metadata)
        return answer({"droplet": droplet.described(), "timestamp": iso(droplet.registered_at)}, 201)

    async def register_old(self, request: Request) -> Response:
        """Answer ``POST /register``, the older form."""
        said = read_model(_OldRegistration, await read_json(request, malformed=422))
        endpoint = said.url or said.endpoint
        if not endpoint:
            raise Refused(422, [{"type": "missing", "loc": ["body", "url"], "msg": "Field required"}])
        droplet = self._add(str(said.id), said.name, said.steward, endpoint, {})
        return answer({"success": True, "droplet_id": droplet.id, "message": f"{droplet.name} is registered"})

    async def list_droplets(self, _request: Request) -> Response:
        """Answer ``GET /droplets``: an object, which the Orchestrator's sync cannot read (2.10)."""
        droplets = [droplet.described() for droplet in self._droplets.values()]
        return answer({"droplets": droplets, "total": len(droplets), "timestamp": iso(self._clock.now())})

    async def show(self, request: Request) -> Response:
        """Answer ``GET /droplets/{id}``."""
        return self._shown(self._droplets.get(request.path_params["id"]))

    async def show_by_name(self, request: Request) -> Response:
        """Answer ``GET /droplets/name/{name}``."""
        return self._shown(self._named(request.path_params["name"]))

    async def change(self, request: Request) -> Response:
        """Answer ``PATCH /droplets/{id}``: what is not mentioned stays."""
        said = read_model(_Change, await read_json(request, malformed=422))
        droplet = self._droplets.get(request.path_params["id"])
        if droplet is None:
            raise Refused(404, "Droplet not found")
        changed = replace(droplet, **said.model_dump(exclude_none=True), updated_at=self._clock.now())
        self._droplets[droplet.id] = changed
        return self._shown(changed)

    async def take_message(self, request: Request) -> Response:
        """Answer ``POST /message``: source and target are texts here, numbers answer 422."""
        said = read_model(_Message, await read_json(request, malformed=422))
        return answer(
            {
                "received": True,
                "trace_id": str(said.trace_id),
                "processed_at": iso(self._clock.now()),
                "result": "success",
            }
        )

    async def send(self, request: Request) -> Response:
        """Answer ``POST /send``: always 200; only a 200 of the droplet counts as sent.

        ``retry_count`` is taken and not acted on: a droplet that is tested here should see one message for one call.
        """
        said = read_model(_ToSend, await read_json(request, malformed=422))
        droplet = self._named(said.target)
        if droplet is None:
            raise Refused(404, "Droplet not found")
        trace_id = self._ids.trace()
        message: dict[str, JsonValue] = {
            "trace_id": trace_id,
            "source": "registry",
            "target": droplet.name,
            "message_type": said.message_type,
            "payload": said.payload,
            "timestamp": iso(self._clock.now()),
        }
        outcome = await self._courier.deliver(f"{droplet.endpoint}/message", message, within=_SEND_LIMIT)
        sent = outcome == Answered(200)
        result = "success" if sent else "error"
        return answer({"sent": sent, "target": said.target, "trace_id": trace_id, "result": result})

    def _add(
        self, given: str, name: str, steward: str | None, endpoint: str, metadata: Mapping[str, JsonValue]
    ) -> Droplet:
        if self._named(name) is not None:
            raise Refused(409, f"Droplet with name '{name}' already exists")
        if given not in self._droplets and len(self._droplets) >= MOST_DROPLETS:
            raise Refused(503, f"this local registry holds {MOST_DROPLETS} droplets and takes no more")
        at = self._clock.now()
        self._droplets[given] = Droplet(
            id=given,
            name=name,
            steward=steward,
            endpoint=endpoint,
            metadata=metadata,
            registered_at=at,
            updated_at=at,
        )
        return self._droplets[given]

    def _named(self, name: str) -> Droplet | None:
        return next((droplet for droplet in self._droplets.values() if droplet.name == name), None)

    def _shown(self, droplet: Droplet | None) -> Response:
        if droplet is None:
            raise Refused(404, "Droplet not found")
        return answer({"droplet": droplet.described(), "timestamp": iso(self._clock.now())})
