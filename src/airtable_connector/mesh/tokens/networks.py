"""Callers that cannot sign: trusted by their address, when a setting says so.

The Orchestrator's messages carry no token and the Dashboard never sends one. A trusted network gives the droplet
that lives there an identity, never the permission admin.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from airtable_connector.mesh.errors import MalformedNetworks
from airtable_connector.mesh.tokens.identity import Identity, Permission, Source, parse_droplet_id

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN_ADDRESS = "unknown"
"""Stands for a caller whose address a trusted proxy did not tell; it lies in no network."""

MOST_NETWORKS = 256
_MOST_HOPS = 32
_TRUSTED, _PROXIES = "TRUSTED_NETWORKS", "TRUSTED_PROXIES"
_GRANTABLE = {permission.value: permission for permission in (Permission.READ, Permission.WRITE)}


@dataclass(frozen=True)
class TrustedNetwork:
    """A network, and who is calling when a call without a token comes from there."""

    network: Network
    identity: Identity


class TrustedNetworks:
    """The trusted networks; where they overlap the most specific one decides."""

    def __init__(self, networks: Iterable[TrustedNetwork] = ()) -> None:
        self._narrowest_first = sorted(networks, key=lambda rule: rule.network.prefixlen, reverse=True)

    def identify(self, address: str) -> Identity | None:
        """Return who calls from this address, or None when it is not trusted or is no address."""
        caller = _read_address(address)
        if caller is None:
            return None
        return next((rule.identity for rule in self._narrowest_first if caller in rule.network), None)


def parse_trusted_networks(text: str) -> TrustedNetworks:
    """Read ``127.0.0.1/32 = 5: read, write; 10.0.0.0/8 = 10: read``; an empty text trusts nobody.

    Raises:
        MalformedNetworks: a rule is malformed, doubled, or grants admin.
    """
    rules = [_parse_rule(rule) for rule in _split(text, ";", field=_TRUSTED)]
    networks = [rule.network for rule in rules]
    if len(set(networks)) != len(networks):
        raise MalformedNetworks("a network is named twice", field=_TRUSTED)
    return TrustedNetworks(rules)


def parse_proxies(text: str) -> tuple[Network, ...]:
    """Read the proxies whose X-Forwarded-For is believed, such as ``10.0.0.1, 172.16.0.0/12``.

    Raises:
        MalformedNetworks: one is no address and no network.
    """
    return tuple(_parse_network(part, field=_PROXIES) for part in _split(text, ",", field=_PROXIES))


def client_address(peer: str, forwarded_for: str | None, proxies: tuple[Network, ...]) -> str:
    """Return the address of the one who calls.

    Args:
        peer: the other end of the connection.
        forwarded_for: the X-Forwarded-For header, several joined by commas; anybody can write into it.
        proxies: who is believed. The header is read from its right end, where the nearest proxy wrote, up to the
            first address that is no proxy's.

    What a proxy wrote but is no address makes the caller `UNKNOWN_ADDRESS`, never the proxy.
    """
    if forwarded_for is None or not proxies or not _is_proxy(_read_address(peer), proxies):
        return peer
    hops = forwarded_for.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]
    for hop in reversed(hops):
        caller = _read_address(_without_port(hop.strip()))
        if caller is None:
            return UNKNOWN_ADDRESS
        if not _is_proxy(caller, proxies):
            return str(caller)
    return str(_read_address(_without_port(hops[0].strip())))


def _is_proxy(address: _Address | None, proxies: tuple[Network, ...]) -> bool:
    return address is not None and any(address in network for network in proxies)


def _read_address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])  # an interface name is no part of the address
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _split(text: str, separator: str, *, field: str) -> list[str]:
    parts = [part.strip() for part in text.replace("\n", separator).split(separator)]
    named = [part for part in parts if part]
    if len(named) > MOST_NETWORKS:
        raise MalformedNetworks(f"it names more than {MOST_NETWORKS} networks", field=field)
    return named


def _parse_rule(rule: str) -> TrustedNetwork:
    network, equals, grant = rule.partition("=")
    droplet, colon, names = grant.partition(":")
    if not equals or not colon:
        raise MalformedNetworks(f"{rule!r} is not 'network = droplet: permissions'", field=_TRUSTED)
    number = parse_droplet_id(droplet.strip())
    if number is None:
        raise MalformedNetworks(f"{droplet.strip()!r} is not the number of a droplet", field=_TRUSTED)
    identity = Identity(
        droplet=number,
        steward="",
        permissions=frozenset(_parse_permission(name.strip()) for name in names.split(",")),
        source=Source.NETWORK,
    )
    return TrustedNetwork(_parse_network(network.strip(), field=_TRUSTED), identity)


def _parse_permission(name: str) -> Permission:
    if name == Permission.ADMIN:
        raise MalformedNetworks("admin is never granted to a network, it needs a token", field=_TRUSTED)
    if name not in _GRANTABLE:
        raise MalformedNetworks(f"{name!r} is not a permission; grant read or write", field=_TRUSTED)
    return _GRANTABLE[name]


def _parse_network(text: str, *, field: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise MalformedNetworks(
            f"{text!r} is not an address or a network (the bits after the prefix must be zero)", field=field
        ) from None
