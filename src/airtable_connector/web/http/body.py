"""Reading a request's body within limits, and its JSON."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Final

import orjson

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.web.http.asgi import Receive
from airtable_connector.web.http.errors import (
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    EmptyBody,
    MalformedJson,
    NestedTooDeeply,
    NotJson,
)

DEEPEST: Final = 32
"""Levels that lists and objects may stand in each other."""

MOST_DISCARDED: Final = 16 * 1024 * 1024
"""Bytes of a body beyond its limit that are still taken from the connection."""

SLOWEST_DISCARD: Final = timedelta(seconds=3)
"""How long that may take."""

SLOWEST: Final = timedelta(seconds=30)
"""How long a body may take to arrive."""

_JSON_TYPES: Final = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)


def check_media_type(content_type: bytes | None) -> None:
    """Refuse a body that is not declared as JSON in UTF-8."""
    if content_type is None or (
        content_type not in _JSON_TYPES and content_type.strip().lower().replace(b'"', b"") not in _JSON_TYPES
    ):
        raise NotJson


async def read_body(receive: Receive, *, most: int) -> bytes:
    """Read the whole body, at most ``most`` bytes.

    Raises:
        BodyTooLarge: there is more; the rest is not read.
        BodyTooSlow: it did not arrive in time.
        ClientGone: the caller left.
    """
    try:
        async with asyncio.timeout(SLOWEST.total_seconds()):
            first, more = await _next_part(receive, most)
            if not more:
                return first
            body = bytearray(first)
            while more:
                part, more = await _next_part(receive, most - len(body))
                body += part
            return bytes(body)
    except BodyTooLarge:
        raise BodyTooLarge(most=most) from None
    except TimeoutError:
        raise BodyTooSlow(SLOWEST) from None


async def discard_rest(receive: Receive) -> None:
    """Read what a caller still sends, within bounds, before the connection is closed.

    Closing a connection with unread bytes on it resets it, and the answer is lost with it (RFC 9112 section 9.6).
    """
    left = MOST_DISCARDED
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SLOWEST_DISCARD.total_seconds()):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


async def _next_part(receive: Receive, room: int) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    part: bytes = message.get("body", b"")
    if len(part) > room:
        raise BodyTooLarge(most=room)
    return part, message.get("more_body", False)


def read_json(body: bytes) -> JsonValue:
    """Read a JSON text. Of a name that stands twice in an object, the last one counts.

    Raises:
        EmptyBody: there is none.
        MalformedJson: it is no JSON.
        NestedTooDeeply: it is nested deeper than `DEEPEST`.
    """
    if not body or body.isspace():
        raise EmptyBody
    try:
        value: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError as cause:
        if "depth limit" in cause.msg:  # orjson's own limit, far beyond ours
            raise NestedTooDeeply(most=DEEPEST) from None
        raise MalformedJson(f"{cause.msg} at line {cause.lineno}, column {cause.colno}") from None
    # fewer brackets than levels allowed cannot be nested deeper; most bodies end here
    if body.count(b"{") + body.count(b"[") > DEEPEST:
        _check_depth(value)
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(DEEPEST):
        deeper: list[object] = []
        for item in level:
            if isinstance(item, dict):
                deeper.extend(item.values())
            elif isinstance(item, list):
                deeper.extend(item)
        if not deeper:
            return
        level = deeper
    if any(isinstance(item, dict | list) for item in level):
        raise NestedTooDeeply(most=DEEPEST)
