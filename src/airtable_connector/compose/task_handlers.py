"""What the Orchestrator's tasks do here, by type. Each may be done again without harm."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

import orjson

from airtable_connector.database import Database
from airtable_connector.kernel.errors import Conflict, Invalid
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.mesh import TaskHandler
from airtable_connector.ops import DailyDigest
from airtable_connector.records import Actor, Damage, Form, export_records, verify_feed, whole_file
from airtable_connector.web.domain import DomainMessages

GIVEN: Final = frozenset({"task_id", "trace_id"})
"""Members that whoever runs a task adds to its payload."""

MOST_EXPORTS: Final = 100
"""Files that exports leave; the oldest goes when another comes."""


class TaskNotUnderstood(Invalid):
    """A task's payload asks for what its type does not offer."""

    code = "task-not-understood"

    def __init__(self, member: str, *, expected: str) -> None:
        super().__init__(f"the task's {member} cannot be used", field=member, hint=f"expected {expected}")


class NothingToSyncWith(Conflict):
    """A sync was asked for, and there is no other base than this one."""

    code = "nothing-to-sync-with"

    def __init__(self) -> None:
        super().__init__(
            "this base is its own truth; there is no Airtable base to be synced with",
            hint="give this task to a connector that mirrors one",
        )


def task_handlers(
    *, digest: DailyDigest, database: Database, words: DomainMessages, exports: Path, droplet: int
) -> Mapping[str, TaskHandler]:
    """Return what does each type of task. ``droplet`` is our number, in whose name tasks write."""

    async def write_digest(payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        day = _day(payload.get("date")) or digest.today()
        written = await digest.write(day, Actor(droplet, str(payload["trace_id"])))
        return {"date": day.isoformat(), "position": written.seq, "summary": dict(_plain(written.summary))}

    async def export(payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        tables, form = _tables(payload), _form(payload.get("format", Form.JSON_LINES.value))
        return await _export(database, exports / f"task-{payload['task_id']}.{form}", tables=tables, form=form)

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
        raise NothingToSyncWith

    async def query(payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        asked = {name: value for name, value in payload.items() if name not in GIVEN}
        answer = await words.ask(asked)
        data: Mapping[str, JsonValue] = orjson.loads(orjson.dumps(answer))
        return data

    return MappingProxyType(
        {"digest": write_digest, "export": export, "verify_chain": verify_chain, "sync": sync, "query": query}
    )


async def _export(database: Database, path: Path, *, tables: Sequence[str], form: Form) -> Mapping[str, JsonValue]:
    """Write records into a file that is there whole or not at all, and is the owner's only."""
    await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    async with _opened(path) as file:

        def write(part: bytes) -> None:
            digest.update(part)
            file.write(part)

        exported = await export_records(database, tables=tables, form=form, write=write)
    await asyncio.to_thread(_forget_oldest, path.parent)
    return {
        "file": path.name,
        "rows": sum(exported.records.values()),
        "tables": exported.records,
        "position": exported.seq,
        "sha256": digest.hexdigest(),
    }


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[BinaryIO]:
    """Open a `whole_file`; a thread makes, syncs and names it, so that no request waits for the disk."""
    whole = whole_file(path)
    file = await asyncio.to_thread(whole.__enter__)
    try:
        yield file
    except BaseException:
        await asyncio.to_thread(whole.__exit__, *sys.exc_info())
        raise
    await asyncio.to_thread(whole.__exit__, None, None, None)


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("task-*"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for file in files[MOST_EXPORTS:]:
        file.unlink(missing_ok=True)


def _day(value: JsonValue) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise TaskNotUnderstood("date", expected="a date like 2026-01-31, or none for today") from None


def _tables(payload: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Read which tables are meant, by name or id; none named means all."""
    value = payload.get("tables", payload.get("table"))
    named = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise TaskNotUnderstood("tables", expected="a table's name, or a list of names")
    return tuple(map(str, named))


def _form(value: JsonValue) -> Form:
    try:
        return Form(str(value))
    except ValueError:
        raise TaskNotUnderstood("format", expected="jsonl or csv") from None


def _plain(summary: Mapping[str, object]) -> Mapping[str, JsonValue]:
    return {name: value for name, value in summary.items() if isinstance(value, int | float | str)}
