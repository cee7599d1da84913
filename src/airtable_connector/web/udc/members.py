"""Reading the small bodies of UDC requests."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from airtable_connector.kernel.jsonvalues import JsonValue, describe
from airtable_connector.kernel.suggest import did_you_mean
from airtable_connector.web.http import Call, MalformedRequest

LONGEST_DELAY: Final = 300
USUAL_DELAY: Final = timedelta(seconds=10)
"""How long a shutdown waits at most, in seconds, and when nobody says (UDC v1.0)."""

LONGEST_REASON: Final = 200


async def read_members(call: Call, known: Sequence[str]) -> Mapping[str, JsonValue]:
    """Read a body that is an object with some of the ``known`` members; no body is an empty one.

    Raises:
        MalformedRequest: it is something else, or has other members.
    """
    body = await call.json() if call.has_body() else {}
    if not isinstance(body, Mapping):
        raise MalformedRequest(f"the body is {describe(body)}", field="body", hint="send a JSON object")
    for name in body:
        if name not in known:
            raise MalformedRequest(
                f"{name[:80]!r} is no member of this request", field=name[:80], hint=did_you_mean(name, known)
            )
    return body


def read_delay(members: Mapping[str, JsonValue]) -> timedelta:
    """Return ``delay_seconds``, or raise `MalformedRequest`."""
    delay = members.get("delay_seconds")
    if delay is None:
        return USUAL_DELAY
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= LONGEST_DELAY:
        raise MalformedRequest(
            "delay_seconds is not a number that is possible here",
            field="delay_seconds",
            hint=f"send a number from 0 to {LONGEST_DELAY}",
        )
    return timedelta(seconds=delay)


def read_reason(members: Mapping[str, JsonValue]) -> str:
    """Return ``reason``, or raise `MalformedRequest`."""
    reason = members.get("reason")
    if reason is None:
        return ""
    if not isinstance(reason, str) or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise MalformedRequest(
            "reason is not a text that is possible here",
            field="reason",
            hint=f"send a line of at most {LONGEST_REASON} characters",
        )
    return reason


def read_config_path(members: Mapping[str, JsonValue]) -> str | None:
    """Return ``config_path``, or raise `MalformedRequest`; which paths may be read is decided elsewhere."""
    path = members.get("config_path")
    if path is not None and not isinstance(path, str):
        raise MalformedRequest(
            "config_path is not a text",
            field="config_path",
            hint="send a path such as udc_config.json, or leave it out",
        )
    return path
