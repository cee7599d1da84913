"""The key pair that the droplets of a mesh share, as two plain files to be handed around."""

import os
from pathlib import Path
from typing import Final

from airtable_connector.mesh.errors import KeyFileUnreadable, SharedKeysExist

PRIVATE_FILE: Final = "private_key.pem"
"""With it, droplets sign their tokens for the Orchestrator."""

PUBLIC_FILE: Final = "public_key.pem"
"""By it, the Orchestrator and other droplets verify them."""


def create_shared_pair(folder: Path) -> tuple[Path, Path]:
    """Make a pair in ``folder``, which is made (0700) when it is missing; return its private and its public file.

    The private file is 0600 from its first moment. Nothing is overwritten: all tokens of the mesh would end with it.

    Raises:
        SharedKeysExist: one of the files is there already.
        KeyFileUnreadable: the folder cannot be written.
    """
    from airtable_connector.mesh.tokens import rsa  # noqa: PLC0415 - heavy

    private, public = folder / PRIVATE_FILE, folder / PUBLIC_FILE
    if private.exists() or public.exists():
        raise SharedKeysExist
    private_pem = rsa.generate_private_pem()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(private, private_pem.reveal().encode("ascii"), mode=0o600)
        _write_new(public, rsa.public_half(private_pem), mode=0o644)
    except FileExistsError:
        raise SharedKeysExist from None
    except OSError as cause:
        raise KeyFileUnreadable(PRIVATE_FILE, cause.strerror or "it cannot be written") from cause
    return private, public


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
