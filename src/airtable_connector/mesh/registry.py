"""Being known to the Registry: its token, our registration, beats, its directory, and a word when we leave.

`RegistryMember.beat_once` is a step for the supervisor. Registries of several generations are alive; what they differ
in is found out by asking, and one that is restarted as another is found out again.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlsplit

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.calling import PeerClient, Reply
from airtable_connector.mesh.contacts import Contacts
from airtable_connector.mesh.directory import PeerEntry, read_directory
from airtable_connector.mesh.errors import PeerFailed
from airtable_connector.mesh.membership import (
    AFTER_LEAVING,
    REGISTRY,
    Condition,
    HeldToken,
    Introduction,
    Registered,
    Rhythm,
    say_farewell,
    taken,
)
from airtable_connector.mesh.tokens.lifetime import lifetime_of

KEY_HEADER: Final = "X-Registry-Key"

USUAL_LIFETIME: Final = timedelta(hours=24)
"""How long a token is taken to be good that does not say so itself."""

LARGEST_REPLY: Final = 64 * 1024
"""Bytes of an answer to a token request, a registration or a beat that are read."""

LOOK_UP: Final = timedelta(seconds=2)
"""How long the address of our own name is looked for."""

_NOT_THERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_FORGOTTEN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND})
_NO_KEY: Final = "it wants a token, and REGISTRY_KEY is not set"
_LISTS: Final = ("/registry/droplets", "/droplets", "/registry/discover")
"""Where the generations answer their directory."""


@dataclass(frozen=True)
class _Door:
    """Where one generation takes registrations and beats, ``{id}`` standing for our id there."""

    register: str
    beat_method: str
    beat: str


_DOORS: Final = (
    _Door("/registry/register", "POST", "/registry/heartbeat"),
    _Door("/droplets", "PATCH", "/droplets/{id}"),  # knows no beats, but an entry that is changed is fresh
)

_Words = Mapping[Condition, str]
_OWN_WORDS: Final[_Words] = MappingProxyType({"active": "active", "error": "error", "inactive": "inactive"})
_OTHER_WORDS: Final[_Words] = MappingProxyType({"active": "healthy", "error": "down", "inactive": "down"})
"""What is said to a Registry that refuses our own words."""


class RegistryMember:
    """Our membership at one Registry.

    Args:
        url: its address without a slash at the end.
        key: what it gives tokens for; without one we register and beat without a token, where that is allowed.
        introduction: who we are.
        registers: whether we register ourselves; else somebody must have done it for us.
        client: asks.
        contacts: are told how each round went, under the name `REGISTRY`.
        rhythm: tells how long to rest.
        condition: tells how we are.
        load: tells ``cpu``, ``mem`` and ``disk`` of this machine in percent, as far as they were measured.
        clock: tells when tokens end.
        observer: is told of registrations.
        plain_http_hosts: other machines whose address in the directory is taken as http.

    Raises:
        AddressRefused: the address must not be asked.
    """

    name: Final = REGISTRY

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
        load: Callable[[], Mapping[str, float]],
        clock: Clock,
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
        self._load = load
        self._clock = clock
        self._observer = observer
        self._plain_http_hosts = plain_http_hosts
        self._turn = asyncio.Lock()
        self._held: HeldToken | None = None
        self._known = False
        self._unreported = False
        self._registered_at: datetime | None = None
        self._left = False
        self._door = _DOORS[0]
        self._words = _OWN_WORDS

    @property
    def registered_at(self) -> datetime | None:
        """When the Registry last took our registration; None when it does not know us, as far as we know."""
        return self._registered_at if self._known else None

    def token(self) -> Secret | None:
        """Return the token that the Registry issued to us; None when there is none, or it has expired."""
        held = self._held
        return held.text if held is not None and self._clock.now() < held.expires else None

    async def beat_once(self) -> timedelta:
        """Do what is due: fetch a token, register, beat; return how long to rest.

        A Registry that is away or refuses is no error of this step: `Contacts` keeps the reason.
        """
        async with self._turn:
            if self._left:
                return AFTER_LEAVING
            started = self._clock.monotonic()
            try:
                answered_in = await self._take_part()
            except PeerFailed as failure:
                self._contacts.failed(REGISTRY, failure.why)
                return self._rhythm.after_failure(took=self._since(started), pause=failure.pause)
            self._contacts.heard(REGISTRY, answered_in)
            return self._until_next(self._rhythm.after_success(took=self._since(started)))

    async def directory(self) -> Sequence[PeerEntry]:
        """Fetch the droplets that the Registry knows; nothing is kept.

        Raises:
            PeerFailed: it answers no list.
        """
        for path in _LISTS:
            reply = await self._client.call("GET", self._url + path, headers=self._key_header(), bearer=self.token())
            if reply.status not in _NOT_THERE:
                if not reply.accepted:
                    taken(reply, "a question for its directory")
                return read_directory(reply.json(), plain_http_hosts=self._plain_http_hosts)
        raise PeerFailed("it has no directory (404)")

    async def leave(self, within: timedelta) -> None:
        """Say that we are inactive, if the Registry knows us, and beat no more. Never takes longer than ``within``.

        Doing it again changes nothing.
        """
        if self._left:
            return
        self._left = True
        if not self._known:
            return
        left = await say_farewell(REGISTRY, lambda: self._beat("inactive"), turn=self._turn, within=within)
        self._observer.saw(left)

    # one round

    async def _take_part(self) -> timedelta:
        await self._have_token()
        if self._registers and not self._known:
            await self._register()
        reply = await self._beat(self._condition())
        if reply.status in _FORGOTTEN:
            # the token, us, or both; each is made good once, and what is refused then waits for the next round
            self._known = False
            if reply.status == HTTPStatus.UNAUTHORIZED:
                self._held = None
            await self._have_token()
            if self._registers:
                await self._register()
            reply = await self._beat(self._condition())
        self._known = self._known and reply.status not in _FORGOTTEN
        if reply.status == HTTPStatus.NOT_FOUND and not self._registers:
            raise PeerFailed("it does not know us, and REGISTRY_AUTO_REGISTER is off")
        if reply.status == HTTPStatus.UNAUTHORIZED and self._key is None:
            raise PeerFailed(_NO_KEY)
        taken(reply, "a heartbeat")
        self._known = True
        if self._unreported:
            self._unreported = False
            self._observer.saw(Registered(REGISTRY))
        return reply.took

    async def _beat(self, condition: Condition) -> Reply:
        reply = await self._say_beat(self._words[condition])
        if reply.status == HTTPStatus.UNPROCESSABLE_ENTITY and self._words is _OWN_WORDS:
            other = await self._say_beat(_OTHER_WORDS[condition])
            if other.accepted:
                self._words = _OTHER_WORDS
                return other
        return reply

    async def _say_beat(self, word: str) -> Reply:
        load = self._load()
        body: dict[str, JsonValue] = {**self._ids(), **load, "status": word, "metrics": load}
        return await self._call(self._door.beat_method, self._door.beat.format(id=self._id_in_paths()), body)

    async def _register(self) -> None:
        body = await self._registration()
        reply = await self._knock(body)
        if reply.status == HTTPStatus.UNAUTHORIZED and self._held is not None:
            self._held = None  # it is older than the Registry's present keys
            await self._have_token()
            reply = await self._knock(body)
        if reply.status == HTTPStatus.UNAUTHORIZED and self._key is None:
            raise PeerFailed(_NO_KEY)
        if reply.status != HTTPStatus.CONFLICT:  # which means that it has us already
            taken(reply, "a registration")
        self._known = self._unreported = True
        self._registered_at = self._clock.now()

    async def _knock(self, body: Mapping[str, JsonValue]) -> Reply:
        """Register at the first door that is there."""
        for door in _DOORS[:-1]:
            reply = await self._call("POST", door.register, body)
            if reply.status not in _NOT_THERE:
                self._door = door
                return reply
        self._door = _DOORS[-1]
        return await self._call("POST", self._door.register, body)

    # tokens

    async def _have_token(self) -> None:
        """Fetch a token when one is wanted. While the present one is good, failing to renew it is no trouble."""
        held = self._held
        if self._key is None or (held is None and self._known):  # a Registry that knows us without one issues none
            return
        if held is not None and self._clock.now() < held.renew:
            return
        try:
            self._held = await self._ask_for_token(self._key)
        except PeerFailed:
            if self.token() is None:
                raise

    async def _ask_for_token(self, key: Secret) -> HeldToken | None:
        """Return a new token; None when this is a generation that issues none."""
        reply = await self._client.call(
            "POST",
            f"{self._url}/auth/token?droplet_id={self._id_in_paths()}",
            headers={KEY_HEADER: key.reveal()},
            most=LARGEST_REPLY,
        )
        if reply.status in _NOT_THERE:
            return None
        if reply.status == HTTPStatus.UNAUTHORIZED:
            raise PeerFailed("it refuses our REGISTRY_KEY (401)")
        said = taken(reply, "a token request")
        text = said.get("token")
        if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
            raise PeerFailed("its answer to a token request holds no token")
        now = self._clock.now()
        lifetime = lifetime_of(text, received=now) or _told_lifetime(said)
        if lifetime <= timedelta(0):
            raise PeerFailed("the token it issues has expired already")
        return HeldToken.lasting(text, lifetime, since=now)

    def _until_next(self, rest: timedelta) -> timedelta:
        """Cut a rest short so that the token is renewed on time; one that is overdue waits for the next beat."""
        held = self._held
        left = timedelta(0) if held is None else held.renew - self._clock.now()
        return min(rest, left) if left > timedelta(0) else rest

    # what is sent

    async def _call(self, method: str, path: str, body: Mapping[str, JsonValue]) -> Reply:
        return await self._client.call(
            method,
            self._url + path,
            body=body,
            headers=self._key_header(),
            bearer=self.token(),
            most=LARGEST_REPLY,
        )

    def _key_header(self) -> Mapping[str, str]:
        return {} if self._key is None else {KEY_HEADER: self._key.reveal()}

    def _id_in_paths(self) -> str:
        return quote(self._us.registry_id, safe="")

    def _ids(self) -> dict[str, JsonValue]:
        """Name us in every member in which a generation looks for it."""
        return dict.fromkeys(("id", "droplet_id", "fqdn"), self._us.registry_id)

    async def _registration(self) -> Mapping[str, JsonValue]:
        """Build a body that every generation takes (mesh contract 7.6)."""
        us = self._us
        said: dict[str, JsonValue] = {
            "name": us.name,
            "steward": us.steward,
            "version": us.version,
            "endpoint": us.endpoint,
            "capabilities": us.capabilities,
        }
        return {
            **self._ids(),
            **said,
            "host": urlsplit(us.endpoint).netloc,  # bare: the Dashboard puts a scheme in front
            "ip": await _address_of(urlsplit(us.endpoint).hostname or ""),
            "role": "connector",
            "env": us.environment,
            "cost_hour": us.cost_per_hour,
            "status": self._words[self._condition()],
            "metadata": {**said, "udc_version": "1.0"},
        }

    def _since(self, started: float) -> timedelta:
        return timedelta(seconds=self._clock.monotonic() - started)


def _told_lifetime(said: Mapping[str, JsonValue]) -> timedelta:
    told = said.get("expires_in")
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told <= USUAL_LIFETIME.total_seconds():
        return timedelta(seconds=told)
    return USUAL_LIFETIME


async def _address_of(host: str) -> str:
    """Return the address that a name of ours has in the network, or nothing when that cannot be found out soon."""
    try:
        async with asyncio.timeout(LOOK_UP.total_seconds()):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # TimeoutError is an OSError
        return ""
    return str(found[0][4][0])
