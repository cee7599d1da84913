"""UDC messages over HTTP: ``/message`` takes one, ``/send`` sends one, ``/messages`` shows what became of it."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, cast

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue, describe
from airtable_connector.mesh import (
    EVENT_KIND,
    Addresses,
    Attempt,
    Inbox,
    Letter,
    LetterQuestion,
    LetterState,
    MalformedMessage,
    Outbox,
    Peer,
    Priority,
    TargetUnknown,
    is_uuid,
    letter_json,
    parse_droplet_id,
    queue_of,
    read_type,
)
from airtable_connector.records import AttachmentAddresses, Workspace
from airtable_connector.web.http import Answer, Call, RequestsTooOften, TokenBuckets, read_json

USUAL_RETRIES: Final = 3
MOST_RETRIES: Final = 10

USUAL_WAIT: Final = timedelta(seconds=1)
"""How long ``/send`` waits for the first attempt, so that it can say more than "queued"."""

LONGEST_WAIT: Final = 30
"""Seconds that a caller may have it wait (``Prefer: wait=``, RFC 7240)."""

LONGEST_LOOK: Final = timedelta(seconds=2)
"""How long the directories are asked for a target that is not known."""

MOST_REPLIES: Final = 100
"""Messages shown as replies to one of ours."""

LARGEST_PAGE: Final = 200

_SEND_MEMBERS: Final = ("target", "message_type", "payload", "priority", "retry_count", "trace_id")
_QUERY_MEMBERS: Final = ("target_droplet_id", "target", "message_type", "priority", "retry_count", "trace_id")


class MessageEndpoint:
    """``POST /message``: messages of other droplets."""

    def __init__(self, inbox: Inbox, attachments: AttachmentAddresses, *, per_minute: int, clock: Clock) -> None:
        self._inbox = inbox
        self._attachments = attachments
        self._quotas: TokenBuckets[int] = TokenBuckets(per_minute)
        self._monotonic = clock.monotonic

    def allow(self, per_minute: int) -> None:
        """Set how many messages a droplet may send in a minute."""
        self._quotas.allow(per_minute)

    async def receive(self, call: Call) -> Answer:
        """Answer with exactly 200, whatever the message asks for: peers take other numbers for a failed delivery.

        Raises:
            RequestsTooOften: the sender's messages of this minute are used up.
        """
        self._spend(call.caller.droplet)
        answer = await self._inbox.receive(await call.json(), call.caller)
        # the answer that is kept for repetitions shows no address that could expire
        return Answer(200, self._attachments.show(answer, call.origin))

    def _spend(self, droplet: int) -> None:
        quotas = self._quotas
        left = quotas.take(droplet, self._monotonic())
        if left < 0.0:
            wait = quotas.seconds_until(1.0, left + 1.0)
            raise RequestsTooOften(per_minute=quotas.per_minute, retry_after=timedelta(seconds=wait))


class LetterEndpoints:
    """``/send`` and ``/messages``: messages to other droplets."""

    def __init__(self, outbox: Outbox, addresses: Addresses, workspace: Workspace, *, clock: Clock, ids: Ids) -> None:
        self._outbox = outbox
        self._addresses = addresses
        self._workspace = workspace
        self._clock = clock
        self._ids = ids

    async def send(self, call: Call) -> Answer:
        """Answer ``POST /send``: the message is stored; what is known of its delivery after a moment is said.

        ``{"target", "message_type", "payload", "priority"?, "retry_count"?, "trace_id"?}``; or the form of the
        Orchestrator, these members as query parameters and the whole body as payload. A repeated trace_id is the same
        message. ``sent`` is true when the target has it.
        """
        letter = await self._letter(call, read_json(await call.body()))
        stored = await self._outbox.add(letter)
        wait = _preferred_wait(call.header("prefer"))
        if stored.state is LetterState.QUEUED and stored.attempts == 0 and wait:
            stored = await self._after_first_attempt(stored, wait)
        answer = {
            "sent": stored.state is LetterState.DELIVERED,
            "target": stored.target,
            "trace_id": stored.trace_id,
            "status": _word(stored.state),
            "timestamp": iso(self._clock.now()),
        }
        return Answer(200, orjson.dumps(answer))

    async def list(self, call: Call) -> Answer:
        """Answer ``GET /messages?state=&target=&trace_id=&before=&limit=``: messages that we sent, newest first."""
        question, trace_id = self._question(call)
        if trace_id is not None:
            letter, _ = await self._outbox.get(trace_id)
            letters = [letter]
            if (question.state or letter.state) != letter.state or (question.queue or letter.queue) != letter.queue:
                letters = []
        else:
            letters = list(await self._outbox.page(question))
        data: dict[str, object] = {"messages": [letter_json(letter) for letter in letters]}
        if trace_id is None and len(letters) == question.count:
            data["before"] = letters[-1].seq
        data["counts"] = await self._outbox.count()
        return self._success(data)

    async def read(self, call: Call) -> Answer:
        """Answer ``GET /messages/{trace_id}``: one message with its payload, its attempts and the replies to it."""
        letter, attempts = await self._outbox.get((call.path_id or "").lower())
        said = await self._workspace.events_because_of(letter.trace_id, kind=EVENT_KIND, count=MOST_REPLIES)
        replies = [{"at": event.at, "droplet": event.actor, **_mapping(event.payload)} for event in said]
        data = {
            **letter_json(letter),
            "payload": letter.payload,
            "answer": letter.reply,
            "tries": [_attempt_json(attempt) for attempt in attempts],
            "replies": replies,
        }
        return self._success(data)

    async def cancel(self, call: Call) -> Answer:
        """Answer ``DELETE /messages/{trace_id}``: withdraw a message that is queued."""
        letter = await self._outbox.cancel((call.path_id or "").lower())
        return self._success(letter_json(letter))

    async def retry(self, call: Call) -> Answer:
        """Answer ``POST /messages/{trace_id}/retry``: queue a dead or cancelled message again."""
        retries = USUAL_RETRIES
        if call.has_body():
            body = await call.json()
            if not isinstance(body, Mapping) or set(body) - {"retry_count"}:
                raise MalformedMessage("body", "is something else", expected='{"retry_count": 3}, or nothing')
            retries = _retries(body.get("retry_count", USUAL_RETRIES))
        letter = await self._outbox.retry(call.path_params["id"].lower(), retries=retries)
        return self._success(letter_json(letter))

    async def _after_first_attempt(self, letter: Letter, wait: timedelta) -> Letter:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await self._outbox.wait_for_attempt(letter.trace_id)
        now, _ = await self._outbox.get(letter.trace_id)
        return now

    async def _letter(self, call: Call, body: JsonValue) -> Letter:
        said = _from_query(call, body) if call.query_string else _from_body(body)
        letter = Letter(
            trace_id=_trace_id(said) or self._ids.trace(),
            target=_target(said),
            queue="",
            type=read_type(said.get("message_type")),
            payload=_payload(said.get("payload")),
            priority=_priority(said.get("priority", "normal")),
            retries=_retries(said.get("retry_count", USUAL_RETRIES)),
            sender=call.caller.droplet,
            cause=call.trace_id,
            created_at=self._clock.now(),
        )
        peer = await self._seek(letter.target)
        if peer is None and self._addresses.complete:
            raise TargetUnknown(letter.target)
        droplet = parse_droplet_id(letter.target) if peer is None else peer.droplet
        return replace(letter, queue=queue_of(letter.target, droplet))

    async def _seek(self, target: str) -> Peer | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_LOOK.total_seconds()):
                return await self._addresses.seek(target)
        return None

    def _question(self, call: Call) -> tuple[LetterQuestion, str | None]:
        state: LetterState | None = None
        queue, trace_id, before, count = None, None, 2**62, 100
        for name, value in call.query:
            match name:
                case "state":
                    state = _state(value)
                case "target":
                    target = _target({name: value})
                    peer = self._addresses.find(target)
                    queue = queue_of(target, parse_droplet_id(target) if peer is None else peer.droplet)
                case "trace_id":
                    trace_id = _trace_id({name: value})
                case "before":
                    before = _number(name, value, most=2**62)
                case "limit":
                    count = _number(name, value, most=LARGEST_PAGE)
                case _:
                    raise MalformedMessage(
                        name[:80], "is no parameter here", expected="state, target, trace_id, before or limit"
                    )
        return LetterQuestion(state, queue, before, count), trace_id

    def _success(self, data: Mapping[str, object]) -> Answer:
        return Answer(200, orjson.dumps({"status": "success", "data": data, "timestamp": iso(self._clock.now())}))


def _from_body(body: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(body, Mapping):
        raise MalformedMessage("body", f"is {describe(body)}", expected="an object with target, message_type, payload")
    for name in body:
        if name not in _SEND_MEMBERS:
            raise MalformedMessage(name[:80], "is no member of a message to send", expected=", ".join(_SEND_MEMBERS))
    return body


def _from_query(call: Call, body: JsonValue) -> Mapping[str, JsonValue]:
    said: dict[str, JsonValue] = {"payload": body}
    for name, value in call.query:
        if name not in _QUERY_MEMBERS:
            raise MalformedMessage(name[:80], "is no parameter here", expected=", ".join(_QUERY_MEMBERS))
        counts = name == "retry_count" and value.isascii() and value.isdecimal() and len(value) < 4
        said[name.removesuffix("_droplet_id")] = int(value) if counts else value
    return said


def _trace_id(said: Mapping[str, JsonValue]) -> str | None:
    given = said.get("trace_id")
    if given is not None and not is_uuid(given):
        raise MalformedMessage("trace_id", "is no UUID", expected="a UUID, or none to be given one")
    return None if given is None else str(given).lower()


def _target(said: Mapping[str, JsonValue]) -> str:
    target = said.get("target")
    if isinstance(target, int) and not isinstance(target, bool):
        target = str(target)
    if not isinstance(target, str) or not target.strip() or len(target) > 253 or not target.isprintable():
        raise MalformedMessage("target", "is missing or names nobody", expected="a droplet's number, id or name")
    return target.strip()


def _payload(value: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(value, Mapping):
        raise MalformedMessage("payload", f"is {describe(value)}", expected="a JSON object")
    return value


def _priority(value: JsonValue) -> Priority:
    words = {priority.name.lower(): priority for priority in Priority}
    if not isinstance(value, str) or value not in words:
        raise MalformedMessage("priority", "is not one that is known", expected="one of " + ", ".join(words))
    return words[value]


def _retries(value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RETRIES:
        raise MalformedMessage("retry_count", "is out of bounds", expected=f"a whole number from 0 to {MOST_RETRIES}")
    return value


def _state(value: str) -> LetterState:
    words = {state.value: state for state in LetterState}
    if value not in words:
        raise MalformedMessage("state", "is not one that is known", expected="one of " + ", ".join(words))
    return words[value]


def _number(name: str, value: str, *, most: int) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 19 and 1 <= int(value) <= most):
        raise MalformedMessage(name, "is out of bounds", expected=f"a whole number from 1 to {most}")
    return int(value)


def _preferred_wait(prefer: str | None) -> timedelta:
    """Read ``Prefer: wait=SECONDS`` (RFC 7240 section 4.3); what else is preferred is passed over, as the RFC wants."""
    for part in (prefer or "").split(","):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "wait" and value.strip().isdecimal() and len(value) < 9:
            return timedelta(seconds=min(int(value), LONGEST_WAIT))
    return USUAL_WAIT


def _word(state: LetterState) -> str:
    """Say a state in the three words that UDC has for it."""
    return "error" if state is LetterState.CANCELLED else state.value


def _attempt_json(attempt: Attempt) -> Mapping[str, JsonValue]:
    return {
        "number": attempt.number,
        "at": iso(attempt.at),
        "took_ms": round(attempt.took.total_seconds() * 1_000),
        "http_status": attempt.status,
        "reason": attempt.reason,
    }


def _mapping(payload: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", payload) if isinstance(payload, Mapping) else {"payload": payload}
