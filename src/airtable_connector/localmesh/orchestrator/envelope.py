"""UDC envelopes as the Orchestrator reads and writes them (2.3): it checks one member and believes the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.localmesh.peer import Refused, answer, read_json
from airtable_connector.localmesh.quirks import Quirk, Quirks

NAME: Final = "droplet-10"
TYPES: Final = ("status", "event", "command", "query", "response", "error")
BEAT_TYPES: Final = ("heartbeat", "registration")


@dataclass(frozen=True)
class Enclosed:
    """A payload, and what its envelope says that an answer repeats."""

    payload: Mapping[str, Any]
    trace_id: JsonValue = None
    source: JsonValue = None


class Envelopes:
    """Opens what comes and encloses what goes."""

    def __init__(self, quirks: Quirks, *, clock: Clock, ids: Ids) -> None:
        self._quirks = quirks
        self._clock = clock
        self._ids = ids

    async def open(self, request: Request) -> Enclosed:
        """Return a request's payload: the body's, when it is an envelope, else the body itself."""
        body = await read_json(request)
        if not isinstance(body, dict):
            raise self._no_object("'list' object has no attribute 'get'")
        if not self._is_envelope(body):
            return Enclosed(body)
        self._check_type(body.get("message_type"))
        payload = body["payload"]
        if not isinstance(payload, dict):
            raise self._no_object("argument after ** must be a mapping")
        return Enclosed(payload, body.get("trace_id"), body.get("source"))

    def enclose(self, payload: JsonValue, *, to: Enclosed | None = None, status: int = 200) -> Response:
        """Answer in an envelope, whoever asked, and however."""
        target = None if to is None else to.source
        message: dict[str, JsonValue] = {
            "udc_version": "1.0",
            "trace_id": (None if to is None else to.trace_id) or self._ids.trace(),
            "source": NAME,
            "target": "client" if target is None else target,
            "message_type": "response",
            "timestamp": self._clock.now().isoformat(timespec="microseconds"),
            "payload": payload,
        }
        return answer(message, status)

    def _is_envelope(self, body: Mapping[str, Any]) -> bool:
        sign = "udc_version" if Quirk.VERSION_MAKES_THE_ENVELOPE in self._quirks else "message_type"
        return sign in body and "payload" in body

    def _check_type(self, message_type: object) -> None:
        allowed = TYPES if Quirk.BEAT_TYPES_REFUSED in self._quirks else TYPES + BEAT_TYPES
        if message_type not in allowed:
            known = ", ".join(allowed)
            raise Refused(400, f"Invalid UDC envelope: Invalid message_type: {message_type}. Must be one of: {known}")

    def _no_object(self, crash: str) -> Refused:
        if Quirk.PAYLOAD_CRASHES in self._quirks:
            return Refused(500, crash)
        return Refused(422, [{"type": "dict_type", "loc": ["body"], "msg": "Input should be a valid dictionary"}])
