"""The shapes of UDC answers: for each field a kind, which says what is wrong with a value."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from airtable_connector.kernel.clock import parse_iso
from airtable_connector.kernel.jsonvalues import describe
from airtable_connector.mesh.doctor.replies import shown

Kind: TypeAlias = Callable[[object], str | None]
"""Says what a value is, when it is not what it should be; None when it is."""

_SHA256 = re.compile(r"(?:sha256:)?[0-9a-fA-F]{64}", re.ASCII)
_DAY_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", re.ASCII)


@dataclass(frozen=True)
class Field:
    """A field that an object must have."""

    name: str
    kind: Kind


Shape: TypeAlias = tuple[Field, ...]


def misshapen(document: Mapping[str, object], shape: Shape, *, of: str = "") -> list[str]:
    """Return a complaint for each field that is missing or of another kind; ``of`` stands before their names."""
    complaints = []
    for each in shape:
        if each.name not in document:
            complaints.append(f"{of}{each.name} is missing")
        elif (wrong := each.kind(document[each.name])) is not None:
            complaints.append(f"{of}{each.name} is {wrong}")
    return complaints


def text(value: object) -> str | None:
    """Want a text that says something."""
    if not isinstance(value, str):
        return f"{describe(value)}, not a text"
    return None if value.strip() else "empty"


def number(value: object) -> str | None:
    """Want a number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{describe(value)}, not a number"
    return f"{shown(value)}, which is negative" if value < 0 else None


def boolean(value: object) -> str | None:
    """Want true or false."""
    return None if isinstance(value, bool) else f"{describe(value)}, not a boolean"


def true(value: object) -> str | None:
    """Want true and nothing else."""
    return None if value is True else f"{shown(value)}, not true"


def identifier(value: object) -> str | None:
    """Want a droplet's id: a positive whole number, or a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return None if value > 0 else f"{shown(value)}, not a positive number"
    return "neither a number nor a text" if not isinstance(value, str) else text(value)


def moment(value: object) -> str | None:
    """Want a day and a time in ISO 8601, with or without a zone."""
    if not isinstance(value, str):
        return f"{describe(value)}, not an ISO 8601 text"
    wrong = f"{shown(value)}, not a day and time in ISO 8601"
    if not _DAY_AND_TIME.match(value):
        return wrong
    try:
        parse_iso(value)
    except (ValueError, OverflowError):
        return wrong
    return None


def sha256(value: object) -> str | None:
    """Want a SHA-256 in hexadecimal digits."""
    if not isinstance(value, str):
        return f"{describe(value)}, not a text"
    return None if _SHA256.fullmatch(value) else f"{shown(value)}, not 64 hexadecimal digits"


def web_address(value: object) -> str | None:
    """Want an http or https address with a host."""
    if not isinstance(value, str):
        return f"{describe(value)}, not a text"
    try:
        parts = urlsplit(value)
    except ValueError:
        return "not an address"
    return None if parts.scheme in {"http", "https"} and parts.hostname else f"{shown(value)}, not an http address"


def one_of(*words: str) -> Kind:
    """Want exactly one of these words."""

    def kind(value: object) -> str | None:
        return None if value in words else f"{shown(value)}, not {' or '.join(words)}"

    return kind


def many(each: Kind) -> Kind:
    """Want a list, all of whose members are of a kind; the first that is not is told."""

    def kind(value: object) -> str | None:
        if not isinstance(value, list):
            return f"{describe(value)}, not a list"
        for place, member in enumerate(value):
            if (wrong := each(member)) is not None:
                return f"a list whose member {place} is {wrong}"
        return None

    return kind


def anything(_value: object) -> str | None:
    """Want nothing in particular."""
    return None


def made_of(shape: Shape) -> Kind:
    """Want an object of a shape."""

    def kind(value: object) -> str | None:
        if not isinstance(value, dict):
            return f"{describe(value)}, not an object"
        complaints = misshapen(value, shape)
        return f"an object where {complaints[0]}" if complaints else None

    return kind


HEALTH: Final[Shape] = (
    Field("id", identifier),
    Field("name", text),
    Field("steward", text),
    Field("status", one_of("active", "inactive", "error")),
    Field("endpoint", web_address),
    Field("proof", sha256),
    Field("cost_usd", number),
    Field("yield_usd", number),
    Field("updated_at", moment),
)

CAPABILITIES: Final[Shape] = (
    Field("version", text),
    Field("features", many(text)),
    Field("dependencies", many(anything)),
    Field("udc_version", one_of("1.0")),
    Field("metadata", made_of((Field("build_date", text), Field("commit_hash", text)))),
)

STATE: Final[Shape] = (
    Field("cpu_percent", number),
    Field("memory_mb", number),
    Field("uptime_seconds", number),
    Field("requests_total", number),
    Field("requests_per_minute", number),
    Field("errors_last_hour", number),
    Field("last_restart", moment),
)

_DEPENDENCY: Final[Shape] = (
    Field("id", identifier),
    Field("name", text),
    Field("status", one_of("connected", "disconnected", "available", "unavailable")),
)

DEPENDENCIES: Final[Shape] = tuple(
    Field(name, many(made_of(_DEPENDENCY))) for name in ("required", "optional", "missing")
)

VERSION: Final[Shape] = tuple(
    Field(name, text) for name in ("version", "build_date", "commit_hash", "environment", "deployed_by")
)

RECEIPT: Final[Shape] = (
    Field("received", true),
    Field("trace_id", text),
    Field("processed_at", moment),
    Field("result", one_of("success", "queued", "error")),
)

SENDING: Final[Shape] = (
    Field("sent", boolean),
    Field("target", identifier),
    Field("trace_id", text),
    Field("status", text),
)

ERROR: Final[Shape] = (
    Field("status", one_of("error")),
    Field("error", made_of((Field("code", text), Field("message", text), Field("details", made_of(()))))),
    Field("timestamp", moment),
)
"""What every refusal looks like."""
