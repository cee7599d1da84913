"""Checks of ``POST /message``: what is accepted, and what is not."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from airtable_connector.kernel.clock import iso
from airtable_connector.mesh.doctor.check import CONTRACT, HOUSE_RULES, SETTLED, Check, Need, own_number, writing
from airtable_connector.mesh.doctor.judging import BAD_REQUEST, object_complaints, status_complaints
from airtable_connector.mesh.doctor.outcomes import Outcome, Severity, Skipped, verdict
from airtable_connector.mesh.doctor.replies import NoAnswer, Reply, object_in
from airtable_connector.mesh.doctor.shapes import RECEIPT, misshapen
from airtable_connector.mesh.doctor.visit import Visit

NOBODY: Final = 999_999_999
"""A droplet that does not exist."""

LARGEST_BODY: Final = 1024 * 1024
"""Bytes of a message that the mesh allows."""

Message: TypeAlias = dict[str, object]

Bend: TypeAlias = Callable[[Message], object]
"""Makes something else of a good message: an object, a list, or bytes to send as they are."""


class _Sender:
    """Writes messages from one droplet to another."""

    def __init__(self, visit: Visit, target: int) -> None:
        self._visit = visit
        self.source = visit.speaks_as
        self.target = target

    def message(self) -> Message:
        """Return a message that nobody may refuse: numeric text ids, all seven fields, a UUID, UTC."""
        return {
            "trace_id": self._visit.ids.trace(),
            "source": str(self.source),
            "target": str(self.target),
            "message_type": "query",
            "payload": {"query": "status"},
            "timestamp": iso(self._visit.clock.now()),
            "signature": self._visit.token_text,
        }

    async def post(self, message: object) -> Reply:
        """Send it, bytes as they are and all else as JSON."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return await self._visit.ask("POST", "/message", body=body)

    async def post_first(self) -> Reply:
        """Send one good message per visit, and return its answer each time."""
        return await self._visit.once("POST /message", lambda: self.post(self.message()))


async def _sender(visit: Visit) -> _Sender:
    target = await visit.droplet()
    assert target is not None  # own_number is among the needs
    return _Sender(visit, target)


def _not_taken(reply: Reply) -> list[str]:
    return status_complaints(reply, range(200, 300).__contains__, wanted="200")


async def accepting(visit: Visit) -> str | None:
    """Want a droplet that takes valid messages: of another, a refusal says nothing."""
    reply = await (await _sender(visit)).post_first()
    return "not even a valid message is accepted" if _not_taken(reply) else None


# what is accepted


async def _accepts(visit: Visit) -> Outcome:
    return verdict(object_complaints(await (await _sender(visit)).post_first()))


async def _confirms(visit: Visit) -> Outcome:
    sender = await _sender(visit)
    message = sender.message()
    receipt = object_in(await sender.post(message))
    if receipt is None:
        return Skipped("a valid message is not answered with a JSON object")
    complaints = misshapen(receipt, RECEIPT)
    if not complaints and receipt["trace_id"] != message["trace_id"]:
        complaints.append("trace_id is another than the message's")
    return verdict(complaints)


async def _repeats_itself(visit: Visit) -> Outcome:
    sender = await _sender(visit)
    message = sender.message()
    first = object_in(await sender.post(message))
    again = await sender.post(message)
    second = object_in(again)
    if first is None:
        return Skipped("a valid message is not answered with a JSON object")
    if complaints := _not_taken(again):
        return verdict(complaints)
    names = [each.name for each in RECEIPT]
    return verdict([f"{name} differs" for name in names if second is None or first.get(name) != second.get(name)])


def _accepts_also(bend: Callable[[_Sender, Message], Message]) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        sender = await _sender(visit)
        return verdict(_not_taken(await sender.post(bend(sender, sender.message()))))

    return run


def _with_ids(form: Callable[[int], object]) -> Callable[[_Sender, Message], Message]:
    return lambda sender, message: {**message, "source": form(sender.source), "target": form(sender.target)}


_ALSO_ACCEPTED: Final[tuple[tuple[str, str, str, Callable[[_Sender, Message], Message]], ...]] = (
    ("enveloped", "with udc_version is", CONTRACT, lambda _, message: {**message, "udc_version": "1.0"}),
    ("ids-int", "whose ids are numbers (2) is", SETTLED, _with_ids(lambda number: number)),
    ("ids-prefixed", "whose ids are written droplet-2 is", SETTLED, _with_ids(lambda number: f"droplet-{number}")),
    (
        "naive-time",
        "whose timestamp has no zone is",
        SETTLED,
        lambda _, message: {**message, "timestamp": str(message["timestamp"]).removesuffix("Z")},
    ),
)


# what is not


def _refuses(bend: Bend, *, also: frozenset[int] = frozenset()) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        sender = await _sender(visit)
        reply = await sender.post(bend(sender.message()))
        return verdict(status_complaints(reply, (BAD_REQUEST | also).__contains__, wanted="a 4xx about the message"))

    return run


async def _refuses_too_much(visit: Visit) -> Outcome:
    sender = await _sender(visit)
    reply = await sender.post({**sender.message(), "payload": {"text": "a" * LARGEST_BODY}})
    if isinstance(reply, NoAnswer) and reply.broke:
        # a droplet that refuses a body for its length may close at once, and then its answer can be lost on the way
        return Skipped("the connection was closed while the message was sent; an answer may have been lost by that")
    return verdict(status_complaints(reply, BAD_REQUEST.__contains__, wanted="a 4xx about the message"))


def _without(name: str) -> Bend:
    return lambda message: {each: value for each, value in message.items() if each != name}


def _with(**changes: object) -> Bend:
    return lambda message: {**message, **changes}


_REFUSED: Final[Mapping[str, tuple[str, Bend]]] = {
    "no-trace-id": ("without trace_id", _without("trace_id")),
    "no-source": ("without source", _without("source")),
    "no-target": ("without target", _without("target")),
    "no-type": ("without message_type", _without("message_type")),
    "no-payload": ("without payload", _without("payload")),
    "bad-trace-id": ("whose trace_id is no UUID", _with(trace_id="not-a-uuid")),
    "bad-type": ("of an unknown message_type", _with(message_type="gossip")),
    "bad-payload": ("whose payload is a list", _with(payload=["status"])),
    "bad-time": ("whose timestamp is no time", _with(timestamp="yesterday")),
    "not-json": ("that is not JSON", lambda _: b"{not json"),
    "a-list": ("that is a list", lambda message: [message]),
}

_FOR_ANOTHER: Final = frozenset({403, 404})
"""How a droplet may say, too, that it is not the target."""


_NEEDS: Final[tuple[Need, ...]] = (writing, own_number, accepting)

MESSAGE_CHECKS: Final[tuple[Check, ...]] = (
    Check(
        "message-accepted",
        "POST /message answers a valid message with exactly 200 and a JSON object",
        SETTLED,
        Severity.MUST,
        _accepts,
        (writing, own_number),
    ),
    Check(
        "message-receipt",
        "The answer says received, the same trace_id, processed_at, result",
        CONTRACT,
        Severity.MUST,
        _confirms,
        _NEEDS,
    ),
    Check(
        "message-repeated",
        "A message that comes twice is answered the same",
        SETTLED,
        Severity.MUST,
        _repeats_itself,
        _NEEDS,
    ),
    *(
        Check(
            f"message-{name}",
            f"A message {what} accepted",
            rule,
            Severity.MUST,
            _accepts_also(bend),
            _NEEDS,
        )
        for name, what, rule, bend in _ALSO_ACCEPTED
    ),
    *(
        Check(
            f"message-{name}",
            f"A message {what} is refused with 4xx",
            CONTRACT,
            Severity.MUST,
            _refuses(bend),
            _NEEDS,
        )
        for name, (what, bend) in _REFUSED.items()
    ),
    Check(
        "message-too-large",
        "A message of more than 1 MB is refused with 4xx",
        HOUSE_RULES,
        Severity.MUST,
        _refuses_too_much,
        _NEEDS,
    ),
    Check(
        "message-no-time",
        "A message without timestamp is refused with 4xx",
        CONTRACT,
        Severity.SHOULD,
        _refuses(_without("timestamp")),
        _NEEDS,
    ),
    Check(
        "message-for-another",
        "A message for another droplet is refused with 4xx",
        SETTLED,
        Severity.MUST,
        _refuses(_with(target=str(NOBODY)), also=_FOR_ANOTHER),
        _NEEDS,
    ),
)
