"""Checks of ``POST /send``. Nothing is sent to anybody but the droplet itself and one that does not exist."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from airtable_connector.mesh.doctor.check import CONTRACT, Check, own_number, writing
from airtable_connector.mesh.doctor.judging import BAD_REQUEST, status_complaints
from airtable_connector.mesh.doctor.messages import NOBODY
from airtable_connector.mesh.doctor.outcomes import Failed, Held, Outcome, Severity, Skipped, verdict
from airtable_connector.mesh.doctor.replies import NoAnswer, Reply, object_in, shown
from airtable_connector.mesh.doctor.shapes import SENDING, misshapen
from airtable_connector.mesh.doctor.visit import Visit

_REFUSED: Final[Mapping[str, tuple[str, Mapping[str, object] | bytes]]] = {
    "no-target": ("without target", {"target": ...}),
    "no-type": ("without message_type", {"message_type": ...}),
    "bad-type": ("of an unknown message_type", {"message_type": "gossip"}),
    "bad-payload": ("whose payload is a list", {"payload": ["status"]}),
    "bad-priority": ("of an unknown priority", {"priority": "whenever"}),
    "bad-retries": ("with more than ten retries", {"retry_count": 11}),
    "not-json": ("that is not JSON", b"{not json"),
}
"""What is changed in a good body (``...`` is left out), or what is sent instead of it."""

_GATEWAY: Final = frozenset({502, 503, 504})
"""How a droplet says that it could not reach the target, or whoever knows where it is."""

_NOT_DELIVERED: Final = frozenset({"error", "queued", "failed"})


def _body(target: int) -> dict[str, object]:
    # no retries: a droplet that tries again and again to reach nobody is of no use to anybody
    return {
        "target": str(target),
        "message_type": "query",
        "payload": {"query": "status"},
        "priority": "low",
        "retry_count": 0,
    }


async def _post(visit: Visit, body: Mapping[str, object] | bytes) -> Reply:
    return await visit.ask("POST", "/send", body=body if isinstance(body, bytes) else json.dumps(body).encode())


def _refuses(change: Mapping[str, object] | bytes) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        body: Mapping[str, object] | bytes = change
        if not isinstance(change, bytes):
            body = {name: value for name, value in {**_body(NOBODY), **change}.items() if value is not ...}
        reply = await _post(visit, body)
        return verdict(status_complaints(reply, BAD_REQUEST.__contains__, wanted="a 4xx about the body"))

    return run


async def _admits_that_nobody_is_there(visit: Visit) -> Outcome:
    reply = await _post(visit, _body(NOBODY))
    if isinstance(reply, NoAnswer) or not 200 <= reply.status < 300:
        good = BAD_REQUEST | _GATEWAY | {404}
        return verdict(status_complaints(reply, good.__contains__, wanted="4xx, or 2xx with what became of it"))
    told = object_in(reply) or {}
    if told.get("status") in _NOT_DELIVERED or told.get("sent") is False:
        return Held()
    return Failed(f"sent is {shown(told.get('sent'))} and status {shown(told.get('status'))}, to a droplet that is not")


async def _tells_what_became_of_it(visit: Visit) -> Outcome:
    target = await visit.droplet()
    assert target is not None  # own_number is among the needs
    reply = await _post(visit, _body(target))
    if isinstance(reply, NoAnswer):
        return Failed(f"{reply.request}: {reply.why}")
    if not 200 <= reply.status < 300:
        return Skipped(f"the droplet does not send to itself: {reply.status}")
    document = object_in(reply)
    return Failed("POST /send gave no JSON object") if document is None else verdict(misshapen(document, SENDING))


SENDING_CHECKS: Final[tuple[Check, ...]] = (
    *(
        Check(
            f"send-{name}",
            f"POST /send refuses a body {what} with 4xx",
            CONTRACT,
            Severity.MUST,
            _refuses(change),
            (writing,),
        )
        for name, (what, change) in _REFUSED.items()
    ),
    Check(
        "send-to-nobody",
        "POST /send to a droplet that does not exist does not claim to have delivered",
        CONTRACT,
        Severity.MUST,
        _admits_that_nobody_is_there,
        (writing,),
    ),
    Check(
        "send-answer",
        "POST /send, to the droplet itself, says sent, target, trace_id, status",
        CONTRACT,
        Severity.MUST,
        _tells_what_became_of_it,
        (writing, own_number),
    ),
)
