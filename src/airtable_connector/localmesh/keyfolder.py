"""The folder with the keys of a local mesh: made at the first start, kept from then on.

``registry/`` and ``mesh/`` each hold a key pair (0600) and its halves as plain PEM files, for droplets to be
configured with; ``registry.key`` holds what callers send as ``X-Registry-Key``.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.secret import Secret
from airtable_connector.localmesh.errors import MeshFolderUnusable
from airtable_connector.mesh import KeyFileMissing, OwnKeyPair, create_key_pair, load_key_pair, replace_key_pair

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644


@dataclass(frozen=True)
class KeyFolder:
    """Where the files are."""

    folder: Path

    @property
    def registry_key_file(self) -> Path:
        """The Registry's shared secret."""
        return self.folder / "registry.key"

    @property
    def registry_public_key_file(self) -> Path:
        """The public half of the key that signs the Registry's tokens."""
        return self.folder / "registry" / "public.pem"

    @property
    def mesh_private_key_file(self) -> Path:
        """The key with which every droplet signs its tokens for the Orchestrator."""
        return self.folder / "mesh" / "private.pem"

    @property
    def mesh_public_key_file(self) -> Path:
        """The one key by which the Orchestrator verifies tokens."""
        return self.folder / "mesh" / "public.pem"

    def open_registry_pair(self) -> OwnKeyPair:
        """Return the pair that signs the Registry's tokens; make it at the first time."""
        pair = _open_pair(self.folder / "registry")
        _write(self.registry_public_key_file, pair.public_pem, PUBLIC)
        return pair

    def replace_registry_pair(self) -> OwnKeyPair:
        """Put a new pair in its place. Takes up to a second."""
        pair = replace_key_pair(self.folder / "registry")
        _write(self.registry_public_key_file, pair.public_pem, PUBLIC)
        return pair

    def open_mesh_pair(self) -> OwnKeyPair:
        """Return the pair that the mesh shares; make it at the first time."""
        pair = _open_pair(self.folder / "mesh")
        _write(self.mesh_private_key_file, pair.private_pem.reveal().encode("ascii"), PRIVATE)
        _write(self.mesh_public_key_file, pair.public_pem, PUBLIC)
        return pair

    def open_registry_key(self, ids: Ids) -> Secret:
        """Return the Registry's shared secret; make it at the first time."""
        try:
            kept = self.registry_key_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            kept = ids.mint("key")
            _write(self.registry_key_file, f"{kept}\n".encode("ascii"), PRIVATE)
        except (OSError, UnicodeDecodeError) as cause:
            raise MeshFolderUnusable("its registry key cannot be read") from cause
        if not kept:
            raise MeshFolderUnusable("its registry key is empty")
        return Secret(kept)


def _open_pair(folder: Path) -> OwnKeyPair:
    try:
        return load_key_pair(folder)
    except KeyFileMissing:
        return create_key_pair(folder)


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all; it has its mode from its first moment."""
    aside = file.with_suffix(".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        aside.replace(file)
    except OSError as cause:
        raise MeshFolderUnusable(cause.strerror or "it cannot be written") from cause
