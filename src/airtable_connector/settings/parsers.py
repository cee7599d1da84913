"""How a setting's text becomes a value.

A parser raises ValueError with words that complete the sentence "'x' is not …"; the text itself is shown by the caller,
who knows whether it is a secret.
"""

from collections.abc import Callable, Mapping
from datetime import time, timedelta
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airtable_connector.kernel.ids import looks_like_base_id
from airtable_connector.kernel.secret import Secret

IpNetwork: TypeAlias = IPv4Network | IPv6Network

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def filled_text(text: str) -> str:
    """Take a line that people will read."""
    if len(text) > 200 or not text.isprintable():
        raise ValueError("a line of at most 200 characters")
    return text


def whole(low: int, high: int) -> Callable[[str], int]:
    """Make a parser of whole numbers in a range, both ends included."""

    def parse(text: str) -> int:
        # isdecimal alone would let other scripts' digits pass
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def number(low: float, high: float) -> Callable[[str], Decimal]:
    """Make a parser of numbers in a range, both ends included."""

    def parse(text: str) -> Decimal:
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if value.is_nan() or not low <= value <= high:
            raise ValueError(f"a number from {low} to {high}")
        return value

    return parse


def percent(text: str) -> float:
    """Read a percentage from 0 to 100."""
    return float(number(0, 100)(text))


def span(unit: timedelta, low: float, high: float) -> Callable[[str], timedelta]:
    """Make a parser of spans given as a number of ``unit``; the range is in that unit."""

    def parse(text: str) -> timedelta:
        return unit * float(number(low, high)(text))

    return parse


def one_of(*allowed: str) -> Callable[[str], str]:
    """Make a parser of a closed set of words, in any case; the result is in lower case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return text.lower()

    return parse


def yes_or_no(text: str) -> bool:
    """Read true or false."""
    return one_of("true", "false")(text) == "true"


def optional(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Let an empty text mean None."""
    return lambda text: parse(text) if text else None


def each(parse: Callable[[str], object]) -> Callable[[str], tuple[object, ...]]:
    """Make a parser of comma separated lists; an empty text is an empty list."""
    return lambda text: tuple(parse(part.strip()) for part in text.split(",") if part.strip())


def network(text: str) -> IpNetwork:
    """Read a network in CIDR form; host bits must be zero."""
    try:
        return ip_network(text)
    except ValueError as cause:
        raise ValueError("a comma separated list of networks like 10.0.0.0/8") from cause


def trusted_networks(text: str) -> str:
    """Check a list of networks with the identities that live there; ``mesh`` reads it again when it is used."""
    if not text:
        return text
    from airtable_connector.mesh import MalformedNetworks, parse_trusted_networks  # noqa: PLC0415 - it costs 50 ms

    try:
        parse_trusted_networks(text)
    except MalformedNetworks as cause:
        raise ValueError(f"a list like '10.1.0.5/32 = 5: read, write': {cause.message}") from cause
    return text


def web_address(text: str) -> str:
    """Check an http or https address; one with a password in it is refused, because addresses are shown."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        usable = False
    if not usable or not filled_text(text).isascii() or " " in text:
        raise ValueError("a web address like https://host.example")
    return text.rstrip("/")


def cloud_address(text: str) -> str:
    """Check the address of Airtable's Web API: encrypted, because a key travels there, or on this machine."""
    expected = "an https address, or an http one of this machine (127.0.0.1, localhost)"
    try:
        address = web_address(text)
    except ValueError as cause:
        raise ValueError(expected) from cause
    parts = urlsplit(address)
    if (parts.scheme == "http" and parts.hostname not in _THIS_MACHINE) or parts.query or parts.fragment:
        raise ValueError(expected)
    return address


def origin(text: str) -> str:
    """Check a web origin: scheme, host and perhaps port."""
    expected = "a comma separated list of origins like https://host.example, without a path"
    try:
        address = web_address(text)
    except ValueError as cause:
        raise ValueError(expected) from cause
    if urlsplit(address)._replace(scheme="", netloc="").geturl() or "*" in address:
        raise ValueError(expected)
    return address.lower()


def postgres_url(text: str) -> Secret:
    """Take a PostgreSQL address and hide it, because it holds the password."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("an address like postgresql://user:password@host/database; leave it out for SQLite")
    return Secret(text)


def secret_text(text: str) -> Secret:
    """Take a key that goes into a header, and hide it."""
    if not text.isascii() or not text.isprintable() or len(text) > 1_000:
        raise ValueError("a line of at most 1000 printable ASCII characters")
    return Secret(text)


def base_id(text: str) -> str:
    """Check the id of an Airtable base."""
    if not looks_like_base_id(text):
        raise ValueError("an id of a base: app and 14 letters or digits")
    return text


def time_of_day(text: str) -> time:
    """Read a time of day without a zone."""
    expected = "a time of day like 06:00"
    try:
        at = time.fromisoformat(text)
    except ValueError as cause:
        raise ValueError(expected) from cause
    if at.tzinfo is not None:
        raise ValueError(expected + "; DIGEST_TIMEZONE says where")
    return at


def timezone(text: str) -> ZoneInfo:
    """Read the name of a time zone."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise ValueError("a time zone like UTC or Europe/Berlin") from cause


def conflict_rules(text: str) -> Mapping[str, str]:
    """Read ``rule; Table = rule; …``: who wins in the tables named, and under ``*`` in the others."""
    expected = "theirs, ours or newest, and behind it Table = one of these, separated by ';'"
    usual, *others = (part.strip() for part in text.split(";"))
    rules = {"*": usual}
    for part in others:
        table, equals, rule = part.rpartition("=")
        if not equals or not table.strip() or table.strip() in rules:
            raise ValueError(expected)
        rules[table.strip()] = rule.strip()
    if not {*rules.values()} <= {"theirs", "ours", "newest"}:
        raise ValueError(expected)
    return MappingProxyType(rules)
