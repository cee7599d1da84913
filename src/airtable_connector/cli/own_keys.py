"""Tokens made by hand: out of this droplet's own key pair, or with the key that the mesh shares."""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from pathlib import Path

from airtable_connector.mesh import (
    OWN_ISSUER,
    KeyFileMissing,
    Permission,
    create_key_pair,
    load_key_pair,
    mint,
    read_private_key,
)


def parse_permissions(text: str) -> frozenset[Permission]:
    """Read a comma separated list of permissions.

    Raises:
        ValueError: the list is empty, or holds a word that is no permission; the text says which are.
    """
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    known = {permission.value: permission for permission in Permission}
    strangers = [word for word in words if word not in known]
    if strangers or not words:
        wrong = f"{strangers[0][:40]!r} is no permission" if strangers else "no permission is given"
        raise ValueError(f"{wrong}; known: {', '.join(known)}")
    return frozenset(known[word] for word in words)


def issue_token(
    folder: Path, *, droplet: int, permissions: AbstractSet[Permission], lifetime: timedelta, steward: str, at: datetime
) -> tuple[str, bool]:
    """Mint a token with the key pair in ``folder``, which is made when there is none.

    Returns the token, and whether the key pair is new: a running service has to be told.
    """
    made = False
    try:
        pair = load_key_pair(folder)
    except KeyFileMissing:
        pair = create_key_pair(folder)
        made = True
    text = mint(
        pair.private_pem,
        droplet=droplet,
        steward=steward,
        permissions=permissions,
        issued_at=at,
        lifetime=lifetime,
        issuer=OWN_ISSUER,
        key_id=pair.key_id,
    )
    return text, made


def issue_shared_token(
    private_key_file: Path,
    *,
    droplet: int,
    permissions: AbstractSet[Permission],
    lifetime: timedelta,
    steward: str,
    at: datetime,
) -> str:
    """Mint a token as the Orchestrator takes it: signed with the shared key, without ``iss`` and ``aud``."""
    return mint(
        read_private_key(private_key_file),
        droplet=droplet,
        steward=steward,
        permissions=permissions,
        issued_at=at,
        lifetime=lifetime,
    )
