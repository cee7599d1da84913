"""A token's text taken apart, strictly, before any key is looked at."""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field

from airtable_connector.mesh.errors import MalformedToken, MissingToken, UntrustedToken

LONGEST_TOKEN = 8 * 1024
"""Characters; a longer text is refused unread."""

_LONGEST_KEY_ID = 256
_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True)
class CompactToken:
    """The parts of an RS256 token. Nothing in it is proven yet."""

    key_id: str | None
    payload: bytes = field(repr=False)
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def take_apart(token: str) -> CompactToken:
    """Split a token and read its header.

    The text must be the only spelling of the token (no padding, no stray characters), so that one token is not
    many.

    Raises:
        MissingToken: the text is empty.
        MalformedToken: it is too long, has not three base64url parts, or its header is no header.
        UntrustedToken: its algorithm is another than RS256.
    """
    if not token:
        raise MissingToken
    if len(token) > LONGEST_TOKEN:
        raise MalformedToken(f"it is longer than {LONGEST_TOKEN} characters")
    parts = _PARTS.fullmatch(token)
    if parts is None:
        raise MalformedToken("it has not three base64url parts with dots between them")
    header = read_object(_decode(parts[1]), what="header")
    _check_algorithm(header)
    return CompactToken(
        key_id=_key_id(header),
        payload=_decode(parts[2]),
        message=token[: parts.end(2)].encode("ascii"),
        signature=_decode(parts[3]),
    )


def read_object(text: bytes, *, what: str) -> dict[str, object]:
    """Read a JSON object from a part of a token, or raise `MalformedToken` naming the part."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        # no cause: the parser's words quote the text
        raise MalformedToken(f"its {what} is not JSON") from None
    if not isinstance(value, dict):
        raise MalformedToken(f"its {what} is not a JSON object")
    return value


def _check_algorithm(header: dict[str, object]) -> None:
    if header.get("alg") != "RS256":
        raise UntrustedToken("it is not signed with RS256")
    if "crit" in header or "b64" in header:
        raise MalformedToken("its header asks for extensions that are not understood here")


def _key_id(header: dict[str, object]) -> str | None:
    key_id = header.get("kid")
    if key_id is None:
        return None
    if not isinstance(key_id, str) or len(key_id) > _LONGEST_KEY_ID:
        raise MalformedToken(f"its kid is not a text of at most {_LONGEST_KEY_ID} characters")
    return key_id


def _decode(part: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise MalformedToken("a part of it is not base64url") from None
    # spare bits of the last character must be zero, else sixteen texts would be one signature
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode("ascii"):
        raise MalformedToken("a part of it is not written in the one proper way")
    return data
