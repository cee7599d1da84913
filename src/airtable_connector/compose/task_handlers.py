"""What the Orchestrator's tasks do here, by type. Each may be done again without harm."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import orjson

from airtable_connector.compose.errors import SyncNotDone, TaskNotUnderstood
from airtable_connector.database import Database
from airtable_connector.kernel.errors import Conflict
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.mesh import TaskHandler
from airtable_connector.ops import DailyDigest
from airtable_connector.records import Actor, Damage, verify_feed
from airtable_connector.web.domain import DomainMessages

if TYPE_CHECKING:
    from airtable_connector.sync.mirror import MirrorPosition

GIVEN: Final = frozenset({"task_id", "trace_id"})
"""Members that whoever runs a task adds to its payload."""


SYNC_WITHIN: Final = timedelta(seconds=20)
"""How long a task waits for Airtable; it is tried again when that was too short."""


class Followed(Protocol):
    """What is asked of a mirror."""

    @property
    def position(self) -> "MirrorPosition":
        """What reads show of what happened at Airtable."""

    @property
    def age(self) -> timedelta | None:
        """How long ago everything at Airtable was here."""

    async def reach(self, max_age: timedelta, *, within: timedelta) -> bool:
        """Have the mirror no older than ``max_age``, and tell whether it became so in time."""


class NothingToSyncWith(Conflict):
    """A sync was asked for, and there is no other base than this one."""

    code = "nothing-to-sync-with"

    def __init__(self) -> None:
        super().__init__(
            "this base is its own truth; there is no Airtable base to be synced with",
            hint="give this task to a connector that mirrors one",
        )


def task_handlers(
    *,
    digest: DailyDigest,
    database: Database,
    words: DomainMessages,
    exports: Path,
    mirror: Followed | None,
    droplet: int,
) -> Mapping[str, TaskHandler]:
    """Return what does each type of task. ``droplet`` is our number, in whose name tasks write.

    ``mirror`` follows a base at Airtable; it is None for a base that is its own truth.
    """

    async def write_digest(payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        day = _day(payload.get("date")) or digest.today()
        written = await digest.write(day, Actor(droplet, str(payload["trace_id"])))
        return {"date": day.isoformat(), "position": written.seq, "summary": dict(_plain(written.summary))}

    async def export(payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        from airtable_connector.compose.exporting import export_for_task  # noqa: PLC0415 - 15 ms that a start saves

        return await export_for_task(database, exports, payload)

    async def verify_chain(_payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        found = await verify_feed(database)
        if isinstance(found, Damage):
            return {"intact": False, "first_bad_entry": found.seq, "reason": found.reason}
        return {
            "intact": True,
            "entries": found.entries,
            "head": found.head.hex(),
            "without_content": found.without_content,
        }

    async def sync(_payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        if mirror is None:
            raise NothingToSyncWith
        if not await mirror.reach(timedelta(0), within=SYNC_WITHIN):
            raise SyncNotDone(retry_after=SYNC_WITHIN)
        position, age = mirror.position, mirror.age
        return {
            "position": {"cursor": position.cursor, "seq": position.seq},
            "age_seconds": None if age is None else age.total_seconds(),
        }

    async def query(payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        asked = {name: value for name, value in payload.items() if name not in GIVEN}
        answer = await words.ask(asked)
        data: Mapping[str, JsonValue] = orjson.loads(orjson.dumps(answer))
        return data

    return MappingProxyType(
        {"digest": write_digest, "export": export, "verify_chain": verify_chain, "sync": sync, "query": query}
    )


def _day(value: JsonValue) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise TaskNotUnderstood("date", expected="a date like 2026-01-31, or none for today") from None


def _plain(summary: Mapping[str, object]) -> Mapping[str, JsonValue]:
    return {name: value for name, value in summary.items() if isinstance(value, int | float | str)}
