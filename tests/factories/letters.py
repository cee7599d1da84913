"""Letters for tests of messages to other droplets."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airtable_connector.mesh import Letter, MessageType, Priority

AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def trace(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def a_letter(number: int = 1, *, to: int = 5, **changes: Any) -> Letter:
    """Return the letter of that number to droplet ``to``, each a second younger than the one before."""
    usual: dict[str, Any] = {
        "trace_id": trace(number),
        "target": str(to),
        "queue": f"droplet-{to}",
        "type": MessageType.EVENT,
        "payload": {"number": number},
        "priority": Priority.NORMAL,
        "retries": 3,
        "sender": 5,
        "cause": "a-test",
        "created_at": AT + timedelta(milliseconds=number),
    }
    return Letter(**{**usual, **changes})
