"""Being known to the Orchestrator: our own token for it, our registration, beats with metrics, its directory.

`OrchestratorMember.beat_once` is a step for the supervisor. What is odd here answers to what is odd there, as it was
observed of the running droplet-10.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.calling import LARGEST_ANSWER, PeerClient, Reply
from airtable_connector.mesh.contacts import Contacts
from airtable_connector.mesh.directory import PeerEntry, read_directory
from airtable_connector.mesh.errors import MintingRefused, PeerFailed, UnusableKey
from airtable_connector.mesh.membership import (
    AFTER_LEAVING,
    ORCHESTRATOR,
    Condition,
    HeldToken,
    Introduction,
    Registered,
    Rhythm,
    say_farewell,
    taken,
)
from airtable_connector.mesh.tokens.identity import Permission
from airtable_connector.mesh.tokens.minting import mint

LIFETIME: Final = timedelta(hours=24)
"""How long a token that we sign is good."""

ITS_NUMBER: Final = 10

LONGEST_NAME: Final = 100
"""Characters of a droplet's name that it takes."""

LARGEST_REPLY: Final = 64 * 1024
"""Bytes of an answer to a registration or a beat that are read."""

_DISTRUST: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class OrchestratorMember:
    """Our membership at the Orchestrator.

    Args:
        url: its address without a slash at the end.
        key: the private key that the mesh shares; without one there is no token, and so no membership.
        introduction: who we are.
        registers: whether we register ourselves; else somebody must have done it for us.
        client: asks.
        contacts: are told how each round went, under the name `ORCHESTRATOR`.
        rhythm: tells how long to rest.
        condition: tells how we are.
        metrics: tells what beats carry; None when they carry none.
        clock: tells when tokens end.
        ids: names envelopes.
        observer: is told of registrations.
        plain_http_hosts: other machines whose address in the directory is taken as http.

    Raises:
        AddressRefused: the address must not be asked.
    """

    name: Final = ORCHESTRATOR

    def __init__(
        self,
        url: str,
        *,
        key: Secret | None,
        introduction: Introduction,
        registers: bool,
        client: PeerClient,
        contacts: Contacts,
        rhythm: Rhythm,
        condition: Callable[[], Condition],
        metrics: Callable[[], Mapping[str, JsonValue]] | None,
        clock: Clock,
        ids: Ids,
        observer: Observer,
        plain_http_hosts: AbstractSet[str] = frozenset(),
    ) -> None:
        client.check_address(url)
        self._url = url
        self._key = key
        self._us = introduction
        self._registers = registers
        self._client = client
        self._contacts = contacts
        self._rhythm = rhythm
        self._condition = condition
        self._metrics = metrics
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._plain_http_hosts = plain_http_hosts
        self._turn = asyncio.Lock()
        self._signing = asyncio.Lock()
        self._held: HeldToken | None = None
        self._known = False
        self._registered_at: datetime | None = None
        self._left = False

    @property
    def registered_at(self) -> datetime | None:
        """When the Orchestrator last took our registration; None when it does not know us, as far as we know."""
        return self._registered_at if self._known else None

    @property
    def takes_part(self) -> bool:
        """Whether it knows us and answers, and we have not left: only then are its tasks ours to ask for."""
        return self._known and not self._left and self._contacts.of(ORCHESTRATOR).connected

    def token(self) -> Secret | None:
        """Return the token that we last signed for it; None before the first round, or when it has expired."""
        held = self._held
        return held.text if held is not None and self._clock.now() < held.expires else None

    async def beat_once(self) -> timedelta:
        """Do what is due: sign a token, register, beat; return how long to rest.

        An Orchestrator that is away or refuses is no error of this step: `Contacts` keeps the reason.
        """
        async with self._turn:
            if self._left:
                return AFTER_LEAVING
            started = self._clock.monotonic()
            try:
                answered_in = await self._take_part()
            except PeerFailed as failure:
                self._contacts.failed(ORCHESTRATOR, failure.why)
                return self._rhythm.after_failure(took=self._since(started), pause=failure.pause)
            self._contacts.heard(ORCHESTRATOR, answered_in)
            return self._rhythm.after_success(took=self._since(started))

    async def ask(
        self, method: str, path: str, payload: Mapping[str, JsonValue] | None = None, *, most: int = LARGEST_ANSWER
    ) -> Reply:
        """Ask as ourselves, with ``payload`` in an envelope. A token that is distrusted is signed anew, once.

        Raises:
            PeerFailed: no whole answer came, or there is no key to sign a token with.
        """
        body = None if payload is None else self._enclose(payload)
        for _ in range(2):
            token = await self._have_token()
            reply = await self._client.call(method, self._url + path, body=body, bearer=token, most=most)
            if reply.status != HTTPStatus.UNAUTHORIZED:
                break
            self._held = None
        return reply

    async def directory(self) -> Sequence[PeerEntry]:
        """Fetch the droplets that the Orchestrator knows; nothing is kept.

        Raises:
            PeerFailed: it answers no list.
        """
        answer = taken(await self.ask("GET", "/droplets"), "a question for its directory")
        return read_directory(answer, plain_http_hosts=self._plain_http_hosts)

    async def leave(self, within: timedelta) -> None:
        """Say that we are inactive, if the Orchestrator knows us, and beat no more. Never takes longer than ``within``.

        Doing it again changes nothing.
        """
        if self._left:
            return
        self._left = True
        if not self._known:
            return
        left = await say_farewell(ORCHESTRATOR, lambda: self._beat("inactive"), turn=self._turn, within=within)
        self._observer.saw(left)

    # one round

    async def _take_part(self) -> timedelta:
        registered = self._registers and not self._known
        if registered:
            await self._register()
        reply = await self._beat(self._condition())
        if reply.status == HTTPStatus.NOT_FOUND and not registered:
            # whether it does not know us or the path cannot be told from its answer: each 404 of it is alike
            self._known = False
            if not self._registers:
                raise PeerFailed("it does not know us, and REGISTRY_AUTO_REGISTER is off")
            registered = True
            await self._register()
            reply = await self._beat(self._condition())
        if reply.status in _DISTRUST:
            raise PeerFailed(f"it does not believe that we are droplet {self._us.droplet} ({reply.status})")
        taken(reply, "a heartbeat")
        self._known = True
        if registered:
            self._registered_at = self._clock.now()
            self._observer.saw(Registered(ORCHESTRATOR))
        return reply.took

    async def _register(self) -> None:
        """Register; a failure on its side is met by trying once more at once, and then by beating anyway.

        The first registration of a droplet is answered 500 although it is kept, so that only a beat tells.
        """
        us = self._us
        payload: dict[str, JsonValue] = {
            "droplet_id": us.droplet,
            "name": us.name[:LONGEST_NAME],
            "steward": us.steward,
            "endpoint": us.endpoint,
            "capabilities": us.capabilities,
        }
        for _ in range(2):
            reply = await self.ask("POST", "/droplets/register", payload, most=LARGEST_REPLY)
            if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                taken(reply, "a registration")
                return

    async def _beat(self, condition: Condition) -> Reply:
        payload: dict[str, JsonValue] = {"status": condition}
        if self._metrics is not None:
            payload["metrics"] = self._metrics()
        return await self.ask("POST", f"/droplets/{self._us.droplet}/heartbeat", payload, most=LARGEST_REPLY)

    # what is sent

    async def _have_token(self) -> Secret:
        """Return a token that is good for a while; signs one when none is.

        Raises:
            PeerFailed: there is no key, or it is none.
        """
        async with self._signing:
            now = self._clock.now()
            if self._held is not None and now < self._held.renew:
                return self._held.text
            if self._key is None:
                raise PeerFailed("no token can be signed for it: ORCHESTRATOR_PRIVATE_KEY_FILE is not set")
            try:
                # in a thread: the first time this loads the cryptography
                text = await asyncio.to_thread(self._sign, self._key, now)
            except (UnusableKey, MintingRefused) as cause:
                raise PeerFailed(f"no token can be signed for it: {cause.message}") from cause
            self._held = HeldToken.lasting(text, LIFETIME, since=now)
            return self._held.text

    def _sign(self, key: Secret, at: datetime) -> str:
        # no issuer and no audience: it refuses every token that has an audience
        return mint(
            key,
            droplet=self._us.droplet,
            steward=self._us.steward,
            permissions={Permission.READ, Permission.WRITE},
            issued_at=at,
            lifetime=LIFETIME,
        )

    def _enclose(self, payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Put a payload into an envelope; of the types that it takes, its other droplets use "command"."""
        return {
            "udc_version": "1.0",
            "trace_id": self._ids.trace(),
            "source": str(self._us.droplet),
            "target": str(ITS_NUMBER),
            "message_type": "command",
            "timestamp": iso(self._clock.now()),
            "payload": payload,
        }

    def _since(self, started: float) -> timedelta:
        return timedelta(seconds=self._clock.monotonic() - started)
