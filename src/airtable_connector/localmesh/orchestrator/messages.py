"""``/message``, ``/send`` and ``/broadcast`` of the Orchestrator (2.7)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.localmesh.courier import Answered, Courier, Outcome, TimedOut, Unreachable
from airtable_connector.localmesh.orchestrator.commands import Commands
from airtable_connector.localmesh.orchestrator.credentials import Caller, Credentials
from airtable_connector.localmesh.orchestrator.droplet_routes import naive
from airtable_connector.localmesh.orchestrator.droplets import OURSELVES, Droplet, Droplets
from airtable_connector.localmesh.orchestrator.envelope import NAME
from airtable_connector.localmesh.peer import Refused, answer, read_json, read_model, route
from airtable_connector.localmesh.quirks import Quirk, Quirks

SEND_LIMIT: Final = timedelta(seconds=10)
BROADCAST_LIMIT: Final = timedelta(seconds=5)
"""For each droplet; they are told one after another."""


class _Message(BaseModel):
    trace_id: UUID
    source: int
    target: int
    message_type: Literal["command", "query", "response", "event", "heartbeat"]
    payload: dict[str, Any]
    timestamp: datetime | None = None


class _ToOne(BaseModel):
    target_droplet_id: int
    message_type: str


class _ToAll(BaseModel):
    message_type: str
    capability_filter: str | None = None


class MessageRoutes:
    """Its endpoints."""

    def __init__(
        self,
        droplets: Droplets,
        commands: Commands,
        credentials: Credentials,
        courier: Courier,
        quirks: Quirks,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._droplets = droplets
        self._commands = commands
        self._credentials = credentials
        self._courier = courier
        self._quirks = quirks
        self._clock = clock
        self._ids = ids

    def routes(self) -> list[Route]:
        """List what it answers."""
        return [
            route("/message", self.take, "POST"),
            route("/send", self.send, "POST"),
            route("/broadcast", self.broadcast, "POST"),
        ]

    async def take(self, request: Request) -> Response:
        """Answer ``POST /message``: for the Orchestrator itself, and with or without a token."""
        said = read_model(_Message, await read_json(request, malformed=422))
        if said.message_type == "heartbeat":
            return self._refuse(said, "Invalid message_type: heartbeat")
        if said.target != OURSELVES:
            return self._refuse(said, f"Message target {said.target} is not {OURSELVES}")
        at = self._clock.now()
        result = self._commands.run(said.message_type, said.payload, self._caller(request), sender=said.source)
        payload: dict[str, JsonValue] = {"received": True, "processed_at": naive(at), "result": result, "error": None}
        return answer(self._envelope(said, "response", payload))

    async def send(self, request: Request) -> Response:
        """Answer ``POST /send``: the whole body is the payload, and it really goes to the droplet."""
        self._credentials.check(request)
        said = read_model(_ToOne, dict(request.query_params), where="query")
        payload = await read_json(request)
        row = self._droplets.find(said.target_droplet_id)
        if row is None:
            raise Refused(404, f"Droplet {said.target_droplet_id} not found")
        trace_id = self._ids.trace()
        outcome = await self._deliver(row, said.message_type, payload, trace_id=trace_id, within=SEND_LIMIT)
        refusal = _refusal(outcome, row)
        if refusal is not None:
            raise refusal
        is_another = Quirk.SENT_UNDER_ANOTHER_TRACE in self._quirks
        return answer(
            {
                "sent": True,
                "target_droplet": row.name,
                "target_droplet_id": row.id,
                "message_delivered_at": naive(self._clock.now()),
                "trace_id": self._ids.trace() if is_another else trace_id,
            }
        )

    async def broadcast(self, request: Request) -> Response:
        """Answer ``POST /broadcast``: one message to every active droplet, one after another."""
        if not self._credentials.check(request).is_admin:
            raise Refused(403, "Admin permission required")
        said = read_model(_ToAll, dict(request.query_params), where="query")
        payload = await read_json(request)
        trace_id = self._ids.trace()
        results: list[JsonValue] = []
        for row in self._droplets.workers():
            if said.capability_filter is None or said.capability_filter in row.capabilities:
                outcome = await self._deliver(
                    row, said.message_type, payload, trace_id=trace_id, within=BROADCAST_LIMIT
                )
                refusal = _refusal(outcome, row)
                results.append(
                    {
                        "droplet_id": row.id,
                        "name": row.name,
                        "status": "sent" if refusal is None else "failed",
                        "error": None if refusal is None else refusal.detail,
                    }
                )
        return answer({"broadcast": True, "trace_id": trace_id, "total": len(results), "results": results})

    async def _deliver(
        self, row: Droplet, message_type: str, payload: JsonValue, *, trace_id: str, within: timedelta
    ) -> Outcome:
        message: dict[str, JsonValue] = {
            "udc_version": "1.0",
            "trace_id": trace_id,
            "source": NAME,
            "target": f"droplet-{row.id}",
            "message_type": message_type,
            "timestamp": naive(self._clock.now()),
            "payload": payload,
        }
        return await self._courier.deliver(f"{row.endpoint}/message", message, within=within)

    def _caller(self, request: Request) -> Caller | None:
        """Return who calls when a good token says so; a bad one is as good as none here."""
        try:
            return self._credentials.check(request)
        except Refused:
            return None

    def _refuse(self, said: _Message, message: str) -> Response:
        error: dict[str, JsonValue] = {"code": "INVALID_REQUEST", "message": message, "details": {}}
        payload: dict[str, JsonValue] = {"status": "error", "error": error, "timestamp": naive(self._clock.now())}
        return answer(self._envelope(said, "error", payload))

    def _envelope(self, said: _Message, message_type: str, payload: JsonValue) -> Mapping[str, JsonValue]:
        return {
            "udc_version": "1.0",
            "trace_id": str(said.trace_id),
            "source": NAME,
            "target": str(said.source),
            "message_type": message_type,
            "timestamp": self._clock.now().isoformat(timespec="microseconds"),
            "payload": payload,
        }


def _refusal(outcome: Outcome, row: Droplet) -> Refused | None:
    """Say how the caller learns of a message that did not arrive; any 2xx is an arrival."""
    match outcome:
        case Answered(status) if 200 <= status < 300:
            return None
        case Answered(status):
            return Refused(502, f"Error from {row.name}: {status}")
        case TimedOut():
            return Refused(504, f"Timeout sending message to {row.name}")
        case Unreachable():
            return Refused(500, f"Failed to send message to {row.name}")
