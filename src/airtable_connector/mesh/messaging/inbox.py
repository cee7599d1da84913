"""Messages that peers send us: vouched for, understood, answered, and in effect once for each trace_id.

The message goes into the event log, its effect into the store and its answer beside them, in one transaction. Whoever
repeats it, at any time while messages are kept, to any process over the same store, is given that answer.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import ConnectorError, LimitReached, Unauthenticated, Unavailable
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.mesh.contacts import Contacts
from airtable_connector.mesh.errors import (
    AnswerTooLarge,
    ForeignSignature,
    ForeignSource,
    NotOurMessage,
    TraceReused,
    UntrustedSignature,
)
from airtable_connector.mesh.messaging.model import REPLIES, Message, OurNames, read_message
from airtable_connector.mesh.tokens.identity import parse_droplet_id
from airtable_connector.records import (
    MESSAGE_KEY,
    Actor,
    Done,
    KeyReused,
    LogEvent,
    Operation,
    Repeatable,
    Replayed,
    RequestInFlight,
    StoredAnswer,
    Workspace,
    WriteRequest,
)

EVENT_KIND: Final = "message"
"""Under which kind messages stand in the event log."""

LARGEST_ANSWER: Final = 1024 * 1024
"""Bytes of an answer, which is kept for as long as the message."""

Result: TypeAlias = Mapping[str, object]
"""What a message is answered with, besides the contract's own members; JSON values and ``orjson.Fragment``."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The message changes records: these operations take effect together with its being noted."""

    operations: tuple[Operation, ...]
    show: Callable[[Done], Result]


@dataclass(frozen=True, slots=True)
class Asks:
    """The message is answered by asking; doing that again changes nothing more."""

    ask: Callable[[], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Tells:
    """The message tells us something, and being noted is all that it wants."""


Wish: TypeAlias = Changes | Asks | Tells


class Sender(Protocol):
    """Who sends a message, as the edge has proved it."""

    @property
    def droplet(self) -> int:
        """Its droplet number."""
        ...

    @property
    def permissions(self) -> AbstractSet[str]:
        """Some of ``read``, ``write``, ``admin``."""
        ...


Understand = Callable[[Message, Sender], Wish]
"""Makes out what a message wants, or raises a leaf of the kernel's families, which becomes its answer."""

DescribeError = Callable[[ConnectorError], Mapping[str, object]]
"""Puts an error into UDC's form: code, message, details."""


class Verify(Protocol):
    """Tells who bears a token, or raises a leaf of Unauthenticated."""

    def __call__(self, token: str, *, at: datetime) -> Sender:
        """Return the token's identity at a moment."""
        ...


class Inbox:
    """Receives messages.

    Args:
        workspace: notes them and takes their effects.
        us: tells whether a message is for us.
        verify: checks a signature.
        understand: makes out what a message wants.
        describe_error: puts a refusal into words.
        contacts: are told who was heard.
        clock: tells when.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        us: OurNames,
        verify: Verify,
        understand: Understand,
        describe_error: DescribeError,
        contacts: Contacts,
        clock: Clock,
    ) -> None:
        self._workspace = workspace
        self._us = us
        self._verify = verify
        self._understand = understand
        self._describe_error = describe_error
        self._contacts = contacts
        self._clock = clock
        self._at_work: dict[tuple[int, str], asyncio.Future[bytes]] = {}

    async def receive(self, body: JsonValue, caller: Sender) -> bytes:
        """Take a message and return its answer as JSON: received, trace_id, processed_at, result, and data or error.

        What a message asks for may be refused; that is an answer with result ``error``, not an exception here.

        Raises:
            MalformedMessage, NotOurMessage, ForeignSource, ForeignSignature, UntrustedSignature: it is no message for
                us from this caller; nothing was noted.
            TraceReused: the trace_id was another message's.
            Unavailable, LimitReached: it was not taken, or that is not known; send it again with the same trace_id.
        """
        message = read_message(body)
        self._check_parties(message, caller)
        self._contacts.heard(f"droplet-{caller.droplet}")
        place = (caller.droplet, _key(message))
        running = self._at_work.get(place)
        if running is None:
            running = self._at_work[place] = asyncio.ensure_future(self._answer(message, caller))
            running.add_done_callback(lambda _: self._at_work.pop(place, None))
        # the first caller may leave; the message is taken all the same
        return await asyncio.shield(running)

    def _check_parties(self, message: Message, caller: Sender) -> None:
        if not self._us.mean_us(message.target):
            raise NotOurMessage(message.target, self._us.droplet)
        named = parse_droplet_id(message.source)
        if named is not None and named != caller.droplet:
            raise ForeignSource(message.source, caller.droplet)
        if message.signature is not None:
            signer = self._signer(message.signature)
            if signer.droplet != caller.droplet:
                raise ForeignSignature(signer.droplet, caller.droplet)

    def _signer(self, signature: str) -> Sender:
        try:
            return self._verify(signature, at=self._clock.now())
        except Unauthenticated as refusal:
            raise UntrustedSignature(refusal.message) from refusal

    async def _answer(self, message: Message, caller: Sender) -> bytes:
        try:
            return await self._take(message, caller)
        except KeyReused:
            raise TraceReused from None

    async def _take(self, message: Message, caller: Sender) -> bytes:
        actor = Actor(caller.droplet, message.trace_id)
        noted = LogEvent(EVENT_KIND, _as_logged(message))
        kept = await self._workspace.kept_answer(actor, self._repeatable(message, lambda _: {}))
        if kept is not None:
            return kept.body
        try:
            operations, show = await self._effect(message, caller)
            return await self._note(actor, message, (noted, *operations), show)
        except (KeyReused, RequestInFlight, Unavailable, LimitReached):
            raise
        except ConnectorError as refusal:
            error = self._describe_error(refusal)
            return await self._note(actor, message, (noted,), lambda _: {"result": "error", "error": error})

    async def _effect(self, message: Message, caller: Sender) -> tuple[tuple[Operation, ...], Callable[[Done], Result]]:
        match self._understand(message, caller):
            case Changes(operations, show):
                return operations, show
            case Asks(ask):
                result = await ask()
                # now, because the answer is made within the transaction, where it is too late for a refusal
                if len(orjson.dumps(result)) > LARGEST_ANSWER:
                    raise AnswerTooLarge(LARGEST_ANSWER)
                return (), lambda _: result
            case Tells():
                self._contacts.told(f"droplet-{caller.droplet}", message.type.value, message.payload)
                return (), lambda _: {}

    async def _note(
        self, actor: Actor, message: Message, operations: tuple[Operation, ...], show: Callable[[Done], Result]
    ) -> bytes:
        request = WriteRequest(actor, operations, self._repeatable(message, show))
        outcome = await self._workspace.write(request)
        if isinstance(outcome, Replayed):
            return outcome.answer.body
        assert outcome.answer is not None
        return outcome.answer.body

    def _repeatable(self, message: Message, show: Callable[[Done], Result]) -> Repeatable:
        def answer(done: Done) -> StoredAnswer:
            body = {
                "received": True,
                "trace_id": message.trace_id,
                "processed_at": iso(self._clock.now()),
                "result": "success",
                **show(done),
            }
            return StoredAnswer(200, (), orjson.dumps(body))

        return Repeatable(_key(message), _fingerprint(message), answer)


def _key(message: Message) -> str:
    """Name a message among its sender's; a reply shares its trace_id with what it answers, so it is named apart."""
    kind = f"{message.type.value} " if message.type in REPLIES else ""
    return f"{MESSAGE_KEY}{kind}{message.trace_id}"


def _fingerprint(message: Message) -> bytes:
    """Sum up what makes a message this one: a repetition may carry another time and another signature."""
    said = orjson.dumps([message.type.value, message.payload], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(said).digest()


def _as_logged(message: Message) -> Mapping[str, JsonValue]:
    return {
        "source": message.source,
        "message_type": message.type.value,
        "timestamp": iso(message.timestamp),
        "payload": message.payload,
    }
