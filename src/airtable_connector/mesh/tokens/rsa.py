"""RSA keys and signatures. The one module that imports ``jwt`` and ``cryptography``.

Both take a fifth of a second to import, so the other modules of this folder import this one where they first
need it.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    RSAPublicNumbers,
    generate_private_key,
)

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.errors import UnusableKey

ALGORITHM = "RS256"

_SMALLEST, _BIGGEST = 2048, 8192  # bits: weaker ones can be broken, bigger ones make each verification a burden
_OWN_BITS = 2048  # 3072 would triple the time of a signature and outlive our 24-hour tokens by decades
_PUBLIC_EXPONENT = 65537
_LARGEST_EXPONENT = 2**32

_signatures = jwt.get_algorithm_by_name(ALGORITHM)


@lru_cache(maxsize=64)
def load_public(pem: bytes) -> RSAPublicKey:
    """Read a public RSA key in PEM form.

    Raises:
        UnusableKey: it is no PEM, no RSA key, a private key, or too small or too big.
    """
    if b"PRIVATE KEY" in pem:
        raise UnusableKey("it is a private key where a public one belongs", hint="give the public half only")
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise UnusableKey("it is not a public key in PEM form") from cause
    if not isinstance(key, RSAPublicKey):
        raise UnusableKey("it is not an RSA key")
    _check_size(key.key_size)
    return key


def public_pem_of_numbers(*, modulus: int, exponent: int) -> bytes:
    """Write the public key with these numbers as PEM.

    Raises:
        UnusableKey: they are no RSA key, or one that is too small or too big.
    """
    _check_size(modulus.bit_length())
    if exponent >= _LARGEST_EXPONENT:
        raise UnusableKey("its exponent is too big")
    try:
        key = RSAPublicNumbers(e=exponent, n=modulus).public_key()
    except ValueError as cause:
        raise UnusableKey("its numbers are not those of an RSA key") from cause
    return _public_pem(key)


def normal_public_pem(pem: bytes) -> bytes:
    """Rewrite a public key so that equal keys are equal texts; raises `UnusableKey`."""
    return _public_pem(load_public(pem))


def generate_private_pem() -> Secret:
    """Make a new private key, unencrypted PEM. Takes up to a second: not for an event loop."""
    key = generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=_OWN_BITS)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Secret(pem.decode("ascii"))


def public_half(private_pem: Secret) -> bytes:
    """Return the public PEM that belongs to a private one; raises `UnusableKey`."""
    return _public_pem(_load_private(private_pem).public_key())


def jwk(public_pem: bytes) -> Mapping[str, JsonValue]:
    """Describe a public key as RFC 7517 does, without ``kid``; raises `UnusableKey`."""
    numbers = load_public(public_pem).public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": ALGORITHM,
        "n": _base64_number(numbers.n),
        "e": _base64_number(numbers.e),
    }


def thumbprint(public_pem: bytes) -> str:
    """Return the key's RFC 7638 thumbprint: 43 characters that two different keys never share."""
    numbers = load_public(public_pem).public_numbers()
    members = {"e": _base64_number(numbers.e), "kty": "RSA", "n": _base64_number(numbers.n)}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return _base64(hashlib.sha256(text.encode("ascii")).digest())


def signed(message: bytes, signature: bytes, *, by: bytes) -> bool:
    """Tell whether the key with the public PEM ``by`` made this RS256 signature; raises `UnusableKey`."""
    return bool(_signatures.verify(message, load_public(by), signature))


def sign_claims(claims: dict[str, JsonValue], private_pem: Secret, *, key_id: str | None) -> str:
    """Make an RS256 token of these claims; raises `UnusableKey`."""
    headers = None if key_id is None else {"kid": key_id}
    return jwt.encode(claims, _load_private(private_pem), algorithm=ALGORITHM, headers=headers)


def _load_private(pem: Secret) -> RSAPrivateKey:
    # the cause is dropped: what a parser says about a secret may quote it
    try:
        key = serialization.load_pem_private_key(pem.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey("it is not an unencrypted private key in PEM form") from None
    if not isinstance(key, RSAPrivateKey):
        raise UnusableKey("it is not an RSA key")
    _check_size(key.key_size)
    return key


def _check_size(bits: int) -> None:
    if not _SMALLEST <= bits <= _BIGGEST:
        raise UnusableKey(f"it has {bits} bits")


def _public_pem(key: RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _base64_number(number: int) -> str:
    return _base64(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
