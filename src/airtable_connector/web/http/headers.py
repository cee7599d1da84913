"""Headers that stand on every answer, prepared once."""

from typing import Final

from airtable_connector.web.http.asgi import Header
from airtable_connector.web.http.call import Answer, Stream

SECURITY: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'self'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)

STRICT_TRANSPORT: Final[Header] = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

EXPOSED: Final = (
    b"X-Trace-ID, ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, WWW-Authenticate"
)
"""Headers that a browser's page of an allowed origin may read."""

OWN_FIELDS: Final = b"Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, X-Trace-ID"
"""Headers that a page may send."""

AIRTABLES_FIELDS: Final = (
    b"User-Agent, X-Airtable-Application-ID, X-Airtable-User-Agent, X-API-Version, X-Requested-With"
)
"""Headers that airtable.js, and programs around it, send along."""

PREFLIGHT: Final[tuple[Header, ...]] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        OWN_FIELDS + b", " + AIRTABLES_FIELDS,
    ),
    (b"access-control-max-age", b"600"),
)

SHAPES_HELD: Final = 256
"""Combinations of own headers for which the rest is kept ready."""

_CLOSE: Final[Header] = (b"connection", b"close")


class CommonHeaders:
    """The headers that every answer gets, less those that it brings itself."""

    def __init__(self, *extra: Header) -> None:
        self._all = (*SECURITY, *extra)
        self._ready: dict[tuple[bytes, ...], tuple[Header, ...]] = {}

    def beside(self, own: tuple[Header, ...]) -> tuple[Header, ...]:
        """Return the common headers that ``own`` does not replace."""
        if not own:
            return self._all
        names = tuple([name for name, _ in own])
        ready = self._ready.get(names)
        if ready is None:
            ready = tuple(header for header in self._all if header[0] not in names)
            if len(self._ready) < SHAPES_HELD:
                self._ready[names] = ready
        return ready


def closing(own: tuple[Header, ...]) -> tuple[Header, ...]:
    """Return an answer's own headers with ``Connection: close``."""
    return own if _CLOSE in own else (*own, _CLOSE)


def content_headers(answer: Answer | Stream) -> tuple[Header, ...]:
    """Return what describes the content: nothing for 204 and 304; a stream has no length."""
    if isinstance(answer, Stream):
        return ((b"content-type", answer.media_type),)
    if answer.status in {204, 304}:
        return ()
    return ((b"content-type", answer.media_type), (b"content-length", b"%d" % len(answer.body)))


def allow_origin(origin: bytes) -> tuple[Header, ...]:
    """Return what lets a page of an allowed origin read the answer."""
    return ((b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED))
