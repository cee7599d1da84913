"""The edge's settings, as values."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class EdgeSettings:
    """What the edge lets in and how it answers."""

    public_paths: frozenset[str] = frozenset()
    """Paths that need no identity."""

    public_prefixes: tuple[str, ...] = ()
    """Beginnings of paths that need no identity; end them with a slash."""

    https_only: bool = False
    """Refuse plain text (production); /health from the machine itself is let through."""

    trusted_proxies: tuple[Network, ...] = ()
    """Peers whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    allowed_origins: frozenset[str] = frozenset()
    """Origins whose pages may call from a browser, such as ``https://dashboard.example``."""

    requests_per_minute: int = 6000
    """Requests of one identity."""

    refusals_per_minute: int = 30
    """Bad tokens of one address before it is not listened to."""

    body_limit: int = MEBIBYTE
    """Bytes of a request's body."""

    bulk_limit: int = 5 * MEBIBYTE
    """Bytes of a request's body on bulk paths."""

    bulk_paths: frozenset[str] = frozenset()
    """Paths that take many records at once."""

    most_in_flight: int = 1024
    """Requests at work at once; streams count."""

    realm: str = "droplet-2"
    """Who asks for a token, in WWW-Authenticate."""
