"""Asking other droplets over HTTP: bounded in time and size, never redirected, with a reason when it fails."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.errors import AddressRefused, PeerFailed

if TYPE_CHECKING:
    import httpx2

LARGEST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer; a longer one is not read to its end. A directory of 10,000 droplets fits."""

LONGEST_PAUSE: Final = timedelta(hours=1)
"""The longest ``Retry-After`` that is believed."""

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status. ``pause`` is its ``Retry-After``."""

    status: int
    content: bytes
    took: timedelta
    pause: timedelta | None = None

    @property
    def accepted(self) -> bool:
        """Whether the status is one of the 200s."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def json(self) -> JsonValue:
        """Read the content as JSON.

        Raises:
            PeerFailed: it is none.
        """
        try:
            value: JsonValue = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            raise PeerFailed(f"its answer ({self.status}) is no JSON") from None
        return value

    def object(self) -> Mapping[str, JsonValue]:
        """Read the content as a JSON object.

        Raises:
            PeerFailed: it is none.
        """
        value = self.json()
        if not isinstance(value, Mapping):
            raise PeerFailed(f"its answer ({self.status}) is no JSON object")
        return value


class PeerClient:
    """An HTTP client for droplets of the mesh; connections are kept open between calls.

    Args:
        clock: measures how long answers take.
        timeout: for one call as a whole, unless the call says otherwise.
        plain_http_hosts: other machines that may be asked without encryption, for a laboratory.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        timeout: timedelta = timedelta(seconds=5),
        plain_http_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._plain_http_hosts = plain_http_hosts
        self._opening = asyncio.Lock()
        self._client: httpx2.AsyncClient | None = None

    def check_address(self, url: str) -> None:
        """Refuse an address that must not be asked.

        Raises:
            AddressRefused: it is not https (or http to this machine or to a host of the laboratory), or holds a
                user or a password.
        """
        try:
            address = urlsplit(url)
            host = address.hostname or ""
            _ = address.port
        except ValueError:
            raise AddressRefused("it is not an address") from None
        if address.scheme not in {"http", "https"} or not host:
            raise AddressRefused("it is not an http or https address")
        if address.username is not None or address.password is not None:
            raise AddressRefused("it holds a user or a password")
        if address.scheme == "http" and not is_this_machine(host) and host not in self._plain_http_hosts:
            raise AddressRefused("plain http would let anybody on the way read and change what is said")

    async def call(
        self,
        method: str,
        url: str,
        *,
        body: "JsonValue | bytes" = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        bearer: Secret | None = None,
        within: timedelta | None = None,
        most: int = LARGEST_ANSWER,
    ) -> Reply:
        """Ask once and return the answer, whatever its status.

        ``body`` is sent as JSON, bytes as the JSON that they are, None sends none. ``within`` bounds the time,
        ``most`` the bytes of the answer.

        Raises:
            AddressRefused: the address must not be asked; nothing was sent.
            PeerFailed: no whole answer came; whether the peer has done what was asked is not known.
        """
        self.check_address(url)
        client = await self._open()
        import httpx2  # noqa: PLC0415 - heavy; loaded by now

        content = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        span = (within or self._timeout).total_seconds()
        started = self._clock.monotonic()
        try:
            async with (
                asyncio.timeout(span),
                client.stream(method, url, headers=_headers(headers, bearer, content), content=content) as reply,
            ):
                answer = await _read(reply, most)
        except TimeoutError:
            raise PeerFailed(f"no whole answer within {span:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as cause:
            raise PeerFailed(reason_of(cause)) from cause
        took = timedelta(seconds=self._clock.monotonic() - started)
        return Reply(reply.status_code, answer, took, _pause(reply.headers.get("retry-after")))

    async def prepare(self) -> None:
        """Load the HTTP client, so that the first call need not wait for it."""
        await self._open()

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _open(self) -> "httpx2.AsyncClient":
        async with self._opening:
            if self._client is None:
                # in a thread: it loads the library, and reads the certificates of the authorities
                self._client = await asyncio.to_thread(_new_client)
            return self._client


def _new_client() -> "httpx2.AsyncClient":
    import httpx2  # noqa: PLC0415 - heavy

    return httpx2.AsyncClient(
        timeout=None,  # each call as a whole has one, which bounds slow drips, too
        follow_redirects=False,  # another address would be given our token
        trust_env=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "airtable-connector"},
        limits=httpx2.Limits(max_connections=200, max_keepalive_connections=50),
    )


def _headers(given: Mapping[str, str], bearer: Secret | None, content: bytes | None) -> dict[str, str]:
    headers = {"Accept": "application/json", **given}
    if content is not None:
        headers["Content-Type"] = "application/json"
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer.reveal()}"
    return headers


async def _read(reply: "httpx2.Response", most: int) -> bytes:
    if reply.headers.get("content-encoding", "identity") != "identity":
        raise PeerFailed("its answer was compressed, which was not asked for")
    body = bytearray()
    async for chunk in reply.aiter_raw():
        body += chunk
        if len(body) > most:
            raise PeerFailed(f"its answer was longer than {most} bytes")
    return bytes(body)


def reason_of(error: BaseException) -> str:
    """Say why a connection failed, in words without addresses or secrets."""
    seen: BaseException | None = error
    while seen is not None:
        match seen:
            case ssl.SSLCertVerificationError():
                return "its certificate is not to be trusted"
            case ssl.SSLError():
                return "no encryption could be agreed on"
            case socket.gaierror():
                return "its name is not known"
            case ConnectionRefusedError():
                return "nobody listens at its address"
        seen = seen.__cause__ or seen.__context__
    return f"the connection failed ({type(error).__name__})"


def _pause(retry_after: str | None) -> timedelta | None:
    if retry_after is None or not (retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 10):
        return None  # a date there is rare, and asking by our own rhythm is no harm
    return min(timedelta(seconds=int(retry_after)), LONGEST_PAUSE)


def is_this_machine(host: str) -> bool:
    """Tell whether a host is a name or an address of the machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
