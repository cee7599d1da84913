"""What came back from a droplet, read with distrust."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias

LONGEST_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read."""

_LONGEST_SHOWN = 40  # characters; a token is longer, so that no piece of one is ever shown


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    Args:
        request: what was asked, as ``GET /health``.
        status: its number.
        headers: by lower-case name.
        body: at most `LONGEST_ANSWER` bytes of it.
        unread: why the body was not read to its end; None when it was.
        took: from the question to the end of the body.
        trace_id: what the question carried as ``X-Trace-ID``.
    """

    request: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    unread: str | None
    took: timedelta
    trace_id: str


@dataclass(frozen=True)
class NoAnswer:
    """Nothing came that could be judged; ``broke`` tells that the connection was made, and ended too early."""

    request: str
    why: str
    broke: bool = False


Reply: TypeAlias = Answer | NoAnswer


def object_in(reply: Reply) -> Mapping[str, object] | None:
    """Return the JSON object that an answer carries, or None when it carries none."""
    if isinstance(reply, NoAnswer) or reply.unread is not None:
        return None
    try:
        document = json.loads(reply.body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def shown(value: object) -> str:
    """Write a JSON value for a report: short ones as they are, in ASCII; of others only the size."""
    text = ascii(value)
    return text if len(text) <= _LONGEST_SHOWN else f"something of {len(text)} characters"


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is not JSON")
