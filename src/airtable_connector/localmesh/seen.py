"""What arrived at a peer, for tests and people to look at. No part of any contract."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from airtable_connector.kernel.clock import iso
from airtable_connector.kernel.jsonvalues import JsonValue

MOST_KEPT: Final = 1_000
"""Arrivals; older ones are forgotten."""

LONGEST_KEPT: Final = 16 * 1024
"""Bytes of a body that is kept; of a longer one only its size is."""

_HIDDEN: Final = frozenset({"signature", "token"})
"""Members of a body that may be tokens: whoever looks here sees only that there was one."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One request. ``caller`` is the droplet its token proved; headers are not kept, for they hold tokens."""

    at: datetime
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    caller: int | None = None
    status: int
    size: int = 0
    body: JsonValue = None


class Seen:
    """The last arrivals, oldest first."""

    def __init__(self) -> None:
        self._arrivals: deque[Arrival] = deque(maxlen=MOST_KEPT)
        self._total = 0

    def note(self, arrival: Arrival) -> None:
        """Keep one arrival."""
        self._total += 1
        self._arrivals.append(arrival)

    def shown(self, *, path: str = "") -> JsonValue:
        """Describe the arrivals whose path begins with ``path``, and how many there ever were."""
        first = self._total - len(self._arrivals) + 1
        return {
            "total": self._total,
            "arrivals": [
                _describe(number, arrival)
                for number, arrival in enumerate(self._arrivals, start=first)
                if arrival.path.startswith(path)
            ],
        }


def without_tokens(body: JsonValue) -> JsonValue:
    """Return a body in which what may be a token is hidden."""
    if not isinstance(body, Mapping):
        return body
    return {name: "***" if name in _HIDDEN and value else value for name, value in body.items()}


def _describe(number: int, arrival: Arrival) -> Mapping[str, JsonValue]:
    return {
        "number": number,
        "at": iso(arrival.at),
        "method": arrival.method,
        "path": arrival.path,
        "query": arrival.query,
        "caller": arrival.caller,
        "status": arrival.status,
        "size": arrival.size,
        "body": arrival.body,
    }
