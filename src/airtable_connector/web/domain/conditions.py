"""Conditional requests (RFC 9110 section 13) and idempotent ones (draft-ietf-httpapi-idempotency-key-header-07)."""

import hashlib
import re
from collections.abc import Callable
from typing import Final

from airtable_connector.records import Done, Repeatable, StoredAnswer
from airtable_connector.web.domain.errors import InvalidHeader
from airtable_connector.web.http import Call

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_ONE_TAG: Final = re.compile(r'\*|(?:W/)?"[\x21\x23-\x7e]{0,120}"')


def holds(call: Call, tag: bytes) -> bool:
    """Tell whether the caller has this version already (If-None-Match, weak comparison)."""
    sent = call.field(b"if-none-match")
    if sent is None:
        return False
    if sent == tag:
        return True
    known = [part.strip().removeprefix(b"W/") for part in sent.split(b",")]
    return b"*" in known or tag.removeprefix(b"W/") in known


def expected_tag(call: Call) -> str | None:
    """Return the version that a write insists on (If-Match), or None.

    Raises:
        InvalidHeader: it is not one entity tag or ``*``.
    """
    sent = call.header("if-match")
    if sent is None:
        return None
    if _ONE_TAG.fullmatch(sent.strip()) is None:
        raise InvalidHeader("If-Match", expected="one ETag as a read has returned it, or *")
    return sent.strip()


def repeatable(call: Call, body: bytes, answer: Callable[[Done], StoredAnswer]) -> Repeatable | None:
    """Make a write with an Idempotency-Key repeatable: the same key, path and body are the same request.

    Raises:
        InvalidHeader: the key is empty, longer than 255 characters, or not visible ASCII.
    """
    key = call.header("idempotency-key")
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        raise InvalidHeader("Idempotency-Key", expected="1 to 255 visible ASCII characters, a new one per request")
    asked = hashlib.sha256()
    parts = (
        call.method.encode(),
        call.path.encode(),
        call.query_string,
        (call.header("if-match") or "").encode(),
        body,
    )
    for part in parts:
        asked.update(b"%d:" % len(part))
        asked.update(part)
    return Repeatable(key, asked.digest(), answer)
