"""This droplet's own key pair: one file, readable by its owner only.

The file holds the name of the key, the private and the public PEM, so that a crash can never leave halves that do
not belong together, and so that reading it needs no cryptography.
"""

import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.errors import (
    KeyFileExposed,
    KeyFileMissing,
    KeyFileUnreadable,
    KeyPairExists,
    UnusableKey,
)
from airtable_connector.mesh.tokens.identity import Source
from airtable_connector.mesh.tokens.keys import TrustedKey
from airtable_connector.mesh.tokens.minting import OWN_ISSUER

KEY_FILE = "own-key.pem"
"""The name of the file in its folder."""

_LONGEST_FILE = 64 * 1024
_PRIVATE = re.compile(r"-----BEGIN ((?:RSA )?PRIVATE KEY)-----.+?-----END \1-----\n?", re.DOTALL)
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)
_KEY_ID = re.compile(r"^Key-Id: ([A-Za-z0-9_-]{43})$", re.MULTILINE)


@dataclass(frozen=True)
class OwnKeyPair:
    """The key pair with which this droplet signs tokens for its callers.

    ``key_id`` is the RFC 7638 thumbprint of the public key.
    """

    key_id: str
    private_pem: Secret
    public_pem: bytes = field(repr=False)

    def trusted(self) -> TrustedKey:
        """Return the public half as a key of the ring: it vouches for tokens with our own issuer."""
        return TrustedKey(Source.OWN, self.public_pem, key_id=self.key_id, issuer=OWN_ISSUER)

    def jwks(self) -> Mapping[str, JsonValue]:
        """Return the public half as a JWK set (RFC 7517), for peers that want to verify our tokens."""
        from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

        return {"keys": [{**rsa.jwk(self.public_pem), "kid": self.key_id}]}


def create_key_pair(folder: Path) -> OwnKeyPair:
    """Make a key pair in ``folder``, which is made (0700) when it is missing. Takes up to a second.

    The file is there whole (0600) or not at all; of two that create at once, one is refused.

    Raises:
        KeyPairExists: the folder has one; see `replace_key_pair`.
        KeyFileUnreadable: the folder cannot be written.
    """
    pair = _new_pair()
    _store(pair, folder, _publish_first)
    return pair


def replace_key_pair(folder: Path) -> OwnKeyPair:
    """Make a key pair like `create_key_pair`, in place of the one that is there.

    Every token that the old one signed is refused as soon as the new one is loaded.
    """
    pair = _new_pair()
    _store(pair, folder, os.replace)
    return pair


def load_key_pair(folder: Path) -> OwnKeyPair:
    """Read the key pair of ``folder``.

    A file that holds only a private key (put there by hand) will do.

    Raises:
        KeyFileMissing: there is none.
        KeyFileExposed: others than the owner have any right to the file.
        KeyFileUnreadable: it cannot be read.
        UnusableKey: what it holds is no private RSA key.
    """
    text = _read(folder / KEY_FILE)
    private = _PRIVATE.search(text)
    if private is None:
        raise UnusableKey("the file of the own key pair holds no unencrypted private key")
    private_pem = Secret(private[0])
    public, key_id = _PUBLIC.search(text), _KEY_ID.search(text)
    if public is None or key_id is None:
        return _pair_of(private_pem)
    return OwnKeyPair(key_id[1], private_pem, public[0].encode("ascii"))


def read_private_key(path: Path) -> Secret:
    """Read the file of a private key that is not ours, such as the one the mesh shares.

    Raises:
        KeyFileMissing: there is none.
        KeyFileExposed: others than the owner have any right to the file.
        KeyFileUnreadable: it cannot be read.
    """
    return Secret(_read(path))


def public_half(private_pem: Secret) -> bytes:
    """Return the public PEM that belongs to a private one; loads the cryptography.

    Raises:
        UnusableKey: it is no private RSA key.
    """
    from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

    return rsa.public_half(private_pem)


def _new_pair() -> OwnKeyPair:
    from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

    return _pair_of(rsa.generate_private_pem())


def _pair_of(private_pem: Secret) -> OwnKeyPair:
    from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

    public_pem = rsa.public_half(private_pem)
    return OwnKeyPair(rsa.thumbprint(public_pem), private_pem, public_pem)


def _store(pair: OwnKeyPair, folder: Path, publish: Callable[[Path, Path], None]) -> None:
    text = f"Key-Id: {pair.key_id}\n{pair.private_pem.reveal()}{pair.public_pem.decode('ascii')}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = _write_aside(folder, text)
        try:
            publish(aside, folder / KEY_FILE)
        finally:
            aside.unlink(missing_ok=True)
        _sync_folder(folder)
    except FileExistsError:
        raise KeyPairExists from None
    except OSError as cause:
        raise KeyFileUnreadable(KEY_FILE, cause.strerror or "it cannot be written") from cause


def _publish_first(aside: Path, target: Path) -> None:
    # a link, unlike a rename, fails when the name is taken
    os.link(aside, target)


def _write_aside(folder: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{KEY_FILE}.")  # 0600 from its first moment
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    return Path(name)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            # of the opened file, not of the name, which may point elsewhere a moment later
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyFileExposed(path.name, mode=mode)
            data = file.read(_LONGEST_FILE)
    except FileNotFoundError:
        raise KeyFileMissing(path.name) from None
    except OSError as cause:
        raise KeyFileUnreadable(path.name, cause.strerror or "it cannot be read") from cause
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise UnusableKey("the file is no PEM text") from None
