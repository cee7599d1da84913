"""A served set of keys, in every shape that registries use, turned into trusted keys."""

import base64
import binascii
import json
import re

from airtable_connector.mesh.errors import MalformedKeySet, UnusableKey
from airtable_connector.mesh.tokens.identity import Source
from airtable_connector.mesh.tokens.keys import TrustedKey

MOST_KEYS = 16
"""Of one set; a token without a ``kid`` is tried with each."""

_LONGEST_KEY_ID = 256
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,2048}")


def read_key_set(body: bytes, *, issuer: str | None, audience: str | None) -> tuple[TrustedKey, ...]:
    """Read the RSA signature keys of ``{"keys": [<JWK> or {"pem": …}]}`` and ``{"public_key": <PEM>}``.

    Keys of other kinds and for other uses are passed over; private parts are not read. Loads the cryptography.

    Raises:
        MalformedKeySet: it is no such set, has none of these keys, or more than `MOST_KEYS`.
    """
    keys: dict[tuple[bytes, str | None], TrustedKey] = {}
    for entry in _entries(body):
        public_pem, key_id = _public_pem(entry), _key_id(entry)
        if public_pem is not None:
            keys[public_pem, key_id] = TrustedKey(Source.REGISTRY, public_pem, key_id, issuer, audience)
    if not keys:
        raise MalformedKeySet("it holds no RSA key for RS256 signatures")
    return tuple(keys.values())


def _entries(body: bytes) -> list[dict[str, object]]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedKeySet("it is not JSON") from None
    if not isinstance(document, dict):
        raise MalformedKeySet("it is not a JSON object")
    listed = document.get("keys", [])
    if not isinstance(listed, list):
        raise MalformedKeySet("its keys are not a list")
    entries = [entry for entry in listed if isinstance(entry, dict)]
    if "public_key" in document:
        entries.append({"pem": document["public_key"]})
    if len(entries) > MOST_KEYS:
        raise MalformedKeySet(f"it holds more than {MOST_KEYS} keys")
    return entries


def _public_pem(entry: dict[str, object]) -> bytes | None:
    from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

    pem = entry.get("pem")
    try:
        if isinstance(pem, str):
            return rsa.normal_public_pem(pem.encode())
        if not _is_for_signatures(entry):
            return None
        modulus, exponent = _number(entry.get("n")), _number(entry.get("e"))
        return rsa.public_pem_of_numbers(modulus=modulus, exponent=exponent)
    except UnusableKey:
        return None


def _is_for_signatures(entry: dict[str, object]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("kty") == "RSA"
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", "RS256") == "RS256"
        and isinstance(operations, list)
        and "verify" in operations
    )


def _number(text: object) -> int:
    if not isinstance(text, str) or _BASE64URL.fullmatch(text) is None:
        raise UnusableKey("a number of it is not base64url")
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
    except binascii.Error:
        raise UnusableKey("a number of it is not base64url") from None


def _key_id(entry: dict[str, object]) -> str | None:
    key_id = entry.get("kid")
    return key_id if isinstance(key_id, str) and len(key_id) <= _LONGEST_KEY_ID else None
