"""Signers whose keys are made once per run, and ready-made rings, claims and moments."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh import KeyRing, Source, TokenVerifier, TrustedKey
from airtable_connector.mesh.tokens import rsa

ISSUER = "registry.fullpotential.ai"
AUDIENCE = "fullpotential.droplets"
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@lru_cache
def _loaded(private: Secret) -> Any:
    return load_pem_private_key(private.reveal().encode(), password=None)


@dataclass(frozen=True)
class Signer:
    """Somebody with a key pair."""

    private: Secret
    public: bytes

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        payload = json.dumps(claims).encode()  # jwt.encode would refuse some of the claims that tests are about
        return jwt.PyJWS().encode(payload, _loaded(self.private), algorithm="RS256", headers=headers)

    def key(self, source: Source = Source.REGISTRY, key_id: str | None = None) -> TrustedKey:
        if source is Source.REGISTRY:
            return TrustedKey(source, self.public, key_id, ISSUER, AUDIENCE)
        return TrustedKey(source, self.public, key_id)

    def jwk(self, key_id: str) -> dict[str, Any]:
        return {**rsa.jwk(self.public), "kid": key_id}


def new_signer() -> Signer:
    private = rsa.generate_private_pem()
    return Signer(private, rsa.public_half(private))


@pytest.fixture(scope="session")
def registry() -> Signer:
    return new_signer()


@pytest.fixture(scope="session")
def mesh() -> Signer:
    return new_signer()


@pytest.fixture(scope="session")
def stranger() -> Signer:
    return new_signer()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def claims() -> Callable[..., dict[str, Any]]:
    """The claims of a good Registry token; a keyword changes one, ``...`` leaves it out."""

    def build(**changes: Any) -> dict[str, Any]:
        good = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "droplet_id": 5,
            "steward": "Ada",
            "permissions": ["read", "write"],
            "iat": int(NOW.timestamp()),
            "exp": int((NOW + timedelta(hours=24)).timestamp()),
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not ...}

    return build


@pytest.fixture
def ring(registry: Signer, mesh: Signer) -> KeyRing:
    return KeyRing([registry.key(), mesh.key(Source.MESH)])


@pytest.fixture
def verifier(ring: KeyRing) -> TokenVerifier:
    return TokenVerifier(ring)


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return "127.0.0.1", 0
