"""Webhooks: what peers tell us is kept in the event log; proofs and heartbeats also write their record."""

from collections.abc import Mapping
from typing import Final

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.records import (
    HEARTBEATS,
    PROOF,
    Actor,
    Create,
    Done,
    LogEvent,
    Operation,
    Replayed,
    StoredAnswer,
    Upsert,
    Workspace,
    WriteRequest,
)
from airtable_connector.web.domain.conditions import repeatable
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.errors import InvalidBody, InvalidMember, UnknownParameter
from airtable_connector.web.domain.listing import read_count
from airtable_connector.web.http import Answer, Call, read_json

LARGEST_LOG_PAGE: Final = 200


class WebhookEndpoints:
    """HTTP endpoints that peers call to tell us something."""

    def __init__(self, workspace: Workspace, envelopes: Envelopes, clock: Clock) -> None:
        self._workspace = workspace
        self._envelopes = envelopes
        self._clock = clock

    async def receive(self, call: Call) -> Answer:
        """Answer ``POST /webhook``: keep any JSON object in the event log."""
        body = await call.body()
        payload = _read_object(body)
        return await self._keep(call, body, (LogEvent("webhook", payload),))

    async def receive_proof(self, call: Call) -> Answer:
        """Answer ``POST /proof-webhook`` ``{proof_id, sprint_id, status, developer?}``: log it, write the Proof.

        A proof that came before, by its ``proof_id``, is changed.
        """
        body = await call.body()
        payload = _read_object(body)
        fields = {
            "Proof_ID": _text(payload, "proof_id"),
            "Sprint_ID": _text(payload, "sprint_id"),
            "Result": _text(payload, "status"),
            "Timestamp": iso(self._clock.now()),
        }
        table = self._workspace.table(PROOF.name)
        return await self._keep(call, body, (LogEvent("proof-webhook", payload), Upsert(table, fields)))

    async def receive_heartbeat(self, call: Call) -> Answer:
        """Answer ``POST /heartbeat-webhook`` ``{cell_id, status?, cpu?, memory?}``: log it, write the Heartbeat."""
        body = await call.body()
        payload = _read_object(body)
        fields = {
            "Cell_ID": _text(payload, "cell_id"),
            "Status": payload.get("status"),
            "CPU_Usage": payload.get("cpu"),
            "RAM_Usage": payload.get("memory"),
        }
        table = self._workspace.table(HEARTBEATS.name)
        return await self._keep(call, body, (LogEvent("heartbeat-webhook", payload), Create(table, fields)))

    async def log(self, call: Call) -> Answer:
        """Answer ``GET /webhook?before=&limit=``: the event log, newest first."""
        before, limit = 2**62, 100
        for name, value in call.query:
            match name:
                case "before":
                    before = read_count(name, value, most=2**62)
                case "limit":
                    limit = read_count(name, value, most=LARGEST_LOG_PAGE)
                case _:
                    raise UnknownParameter(name, ("before", "limit"))
        events = await self._workspace.logged_events(before=before, count=limit)
        shown = [
            {
                "seq": event.seq,
                "at": event.at,
                "kind": event.kind,
                "actor": event.actor,
                "trace_id": event.cause,
                "payload": event.payload,
            }
            for event in events
        ]
        return Answer(200, self._envelopes.data(orjson.dumps({"events": shown})))

    async def _keep(self, call: Call, body: bytes, operations: tuple[Operation, ...]) -> Answer:
        actor = Actor(call.caller.droplet, call.trace_id)
        request = WriteRequest(actor, operations, repeatable(call, body, self._received))
        outcome = await self._workspace.write(request)
        if isinstance(outcome, Replayed):
            return Answer(outcome.answer.status, outcome.answer.body, ((b"idempotency-replayed", b"true"),))
        answer = outcome.answer or self._received(outcome)
        return Answer(answer.status, answer.body)

    def _received(self, done: Done) -> StoredAnswer:
        data: dict[str, object] = {"received": True}
        warnings: tuple[str, ...] = ()
        for written in done.written:
            if written.table is not None and written.record is not None:
                data["record"] = orjson.Fragment(written.table.encode(written.record))
                warnings = written.warnings
        return StoredAnswer(200, (), self._envelopes.data(orjson.dumps(data), warnings=warnings))


def _read_object(body: bytes) -> Mapping[str, object]:
    payload = read_json(body)
    if not isinstance(payload, dict):
        raise InvalidBody("no object", expected="a JSON object")
    return payload


def _text(payload: Mapping[str, object], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidMember(name, expected="a text that is not empty")
    return value
