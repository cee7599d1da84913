"""What an ``export`` task of the Orchestrator does: records into a file of ours."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

from airtable_connector.compose.errors import TaskNotUnderstood
from airtable_connector.database import Database
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.records.exchange import Form, export_records, whole_file

MOST_EXPORTS: Final = 100
"""Files that exports leave; the oldest goes when another comes."""


async def export_for_task(
    database: Database, exports: Path, payload: Mapping[str, JsonValue]
) -> Mapping[str, JsonValue]:
    """Write the tables that a task names into a file named after it; doing it again writes the file again.

    Raises:
        TaskNotUnderstood: the payload names no tables or no format of ours.
    """
    tables, form = _tables(payload), _form(payload.get("format", Form.JSON_LINES.value))
    return await _export(database, exports / f"task-{payload['task_id']}.{form}", tables=tables, form=form)


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
