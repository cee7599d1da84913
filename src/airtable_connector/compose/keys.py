"""Whom we believe, and with which token we speak to whom."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from airtable_connector.compose.preparation import Preparation
from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import Invalid
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import (
    OWN_ISSUER,
    AccessToken,
    AccessTokenElsewhere,
    AccessTokens,
    HeldToken,
    Identity,
    KeyFileMissing,
    KeyRing,
    KeySource,
    OwnKeyPair,
    Peer,
    PeerClient,
    Permission,
    RegistryKeys,
    Source,
    TokenVerifier,
    TrustedKey,
    create_key_pair,
    is_access_key,
    load_key_pair,
    mint,
)
from airtable_connector.settings import Settings

OWN_LIFETIME: Final = timedelta(hours=1)
"""How long a token lasts that we sign for a peer ourselves."""


class PublicKeyUnreadable(Invalid):
    """A file that should hold a public key cannot be read."""

    code = "public-key-unreadable"

    def __init__(self, setting: str) -> None:
        super().__init__(
            f"the file that {setting} names cannot be read",
            field=setting,
            hint="name a PEM file that the service's user may read",
        )


def own_key_pair(settings: Settings) -> OwnKeyPair:
    """Load this droplet's key pair, made at the first start, so that ``token`` works while the service runs."""
    try:
        return load_key_pair(settings.store.keys_dir)
    except KeyFileMissing:
        return create_key_pair(settings.store.keys_dir)


def fixed_keys(settings: Settings, own: OwnKeyPair) -> list[TrustedKey]:
    """Return the keys that are believed for as long as the process runs; may read files."""
    identity = settings.identity
    keys = [own.trusted()]
    if identity.mesh_public_key_file is not None:
        keys.append(TrustedKey(Source.MESH, _read_key("MESH_PUBLIC_KEY_FILE", identity.mesh_public_key_file)))
    if identity.registry_public_key_file is not None:
        keys.append(
            TrustedKey(
                Source.REGISTRY,
                _read_key("REGISTRY_PUBLIC_KEY_FILE", identity.registry_public_key_file),
                issuer=identity.jwt_issuer,
                audience=identity.jwt_audience,
            )
        )
    return keys


def follow_registry_keys(
    settings: Settings,
    ring: KeyRing,
    supervisor: Supervisor,
    client: PeerClient,
    preparation: Preparation,
    *,
    clock: Clock,
    ids: Ids,
    observer: Observer,
) -> None:
    """Begin to fetch the Registry's keys, when it is known where they are."""
    identity = settings.identity
    addresses = key_addresses(settings)
    if not addresses:
        return
    source = KeySource(
        addresses[0],
        issuer=identity.jwt_issuer,
        audience=identity.jwt_audience,
        every=identity.jwks_refresh,
        keep_for=identity.jwks_max_age,
        also=addresses[1:],
    )
    keys = RegistryKeys(
        source,
        client=client,
        ring=ring,
        clock=clock,
        observer=observer,
        jitter=ids.fraction,
        wake=lambda: supervisor.wake("registry-keys"),
    )
    supervisor.start("registry-keys", preparation.before(keys.refresh_once))


def key_addresses(settings: Settings) -> tuple[str, ...]:
    """Say where keys may be: at the address that is set, else where Registries are known to have them."""
    if settings.identity.jwks_url is not None:
        return (settings.identity.jwks_url,)
    registry = settings.mesh.registry_url
    if registry is None:
        return ()
    return tuple(registry + path for path in ("/.well-known/jwks.json", "/auth/public_key", "/auth/public-key"))


async def follow_access_tokens(
    database: Database, supervisor: Supervisor, *, clock: Clock, ids: Ids, observer: Observer
) -> AccessTokens:
    """Bring the access tokens into memory, and keep them there as they are in the store."""
    access = AccessTokens(database, clock=clock, ids=ids, observer=observer)
    await access.follow_once()
    supervisor.start("access-tokens.follow", access.follow_once)
    # apart, so that a store that cannot be written to does not keep a revocation from being seen
    supervisor.start("access-tokens.note", access.note_once)
    return access


class Recognition:
    """Which tokens open what: the mesh's everything, access tokens Airtable's Web API only."""

    def __init__(self, mesh: TokenVerifier, access: AccessTokens) -> None:
        self._mesh = mesh
        self._access = access

    def of_the_mesh(self, token: str, *, at: datetime) -> Identity:
        """Return who bears a token of the mesh.

        Raises:
            Unauthenticated: it is none, or not good.
        """
        if is_access_key(token):
            raise AccessTokenElsewhere
        return self._mesh.verify(token, at=at)

    def of_either(self, token: str, *, at: datetime) -> Identity | AccessToken:
        """Return who bears a token of either kind.

        Raises:
            Unauthenticated: it is not good.
        """
        return self._access.verify(token, at=at) if is_access_key(token) else self._mesh.verify(token, at=at)


class Credentials:
    """The token for a peer (mesh-contract.md 7.1).

    The Orchestrator is given one that the mesh's shared key signed; everybody else the Registry's, or one of ours while
    there is none.
    """

    def __init__(
        self,
        settings: Settings,
        own: OwnKeyPair,
        *,
        registry: Callable[[], Secret | None],
        orchestrator: Callable[[], Secret | None],
        orchestrators_number: int,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._own = own
        self._registry = registry
        self._orchestrator = orchestrator
        self._orchestrators_number = orchestrators_number
        self._clock = clock
        self._held: HeldToken | None = None

    async def for_peer(self, peer: Peer) -> Secret:
        """Return the token that a peer is most likely to believe."""
        given = self._orchestrator() if peer.droplet == self._orchestrators_number else self._registry()
        return given or self._orchestrator() or await self._own_token()

    async def _own_token(self) -> Secret:
        now = self._clock.now()
        if self._held is None or now >= self._held.renew:
            text = await asyncio.to_thread(
                mint,
                self._own.private_pem,
                droplet=self._settings.droplet.id,
                steward=self._settings.droplet.steward,
                permissions=frozenset({Permission.READ, Permission.WRITE}),
                issued_at=now,
                lifetime=OWN_LIFETIME,
                issuer=OWN_ISSUER,
                key_id=self._own.key_id,
            )
            self._held = HeldToken.lasting(text, OWN_LIFETIME, since=now)
        return self._held.text


def _read_key(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise PublicKeyUnreadable(setting) from cause
