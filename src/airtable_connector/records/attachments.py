"""The bytes of attachments: files named by their content, kept while a record shows them and some days longer."""

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from airtable_connector.database import Database
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.records import storage
from airtable_connector.records.errors import AttachmentMissing, AttachmentsFull, AttachmentsUnavailable
from airtable_connector.records.schema import Record, Table, kept_file

LARGEST_FILE: Final = 5 * 1024 * 1024
"""Bytes of one attachment that is uploaded; Airtable's own limit."""

LEAST_SPACE: Final = 4096
"""Bytes that a file counts for at least, so that the limit also bounds how many there are."""

KEEP: Final = timedelta(days=7)
"""How long a file stays that no record shows any more."""

LOOK_AFTER: Final = timedelta(days=1)
"""How long a file is left alone after it was last seen to be needed."""

SWEEP_EVERY: Final = timedelta(hours=6)

STEP: Final = 200
"""Records looked at between two turns of the loop."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PART: Final = ".part-"
"""How the names of files begin that are still being written."""


class AttachmentFiles:
    """A folder of files. Its methods wait for the disk: call them in a thread.

    A file is there whole or not at all. Its time of change says when it was last known to be needed.
    """

    def __init__(self, folder: Path, *, most_bytes: int, clock: Clock) -> None:
        self._folder = folder
        self._most = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._used: int | None = None

    @property
    def used(self) -> int:
        """Bytes that files take, as far as they were counted; other processes' show after the next sweep."""
        return self._used or 0

    def keep(self, content: bytes) -> str:
        """Make a content durable and return its hash; one that is there already takes no more space.

        Raises:
            AttachmentsFull: the limit of all files together is reached.
            AttachmentsUnavailable: the disk does not take it.
        """
        digest = hashlib.sha256(content).hexdigest()
        with self._lock, _disk_trouble():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / digest
            if path.exists():
                self._touch(path, self._clock.now())
            else:
                self._add(path, content)
            # the name must last as well; another process may have made it a moment ago
            _sync_folder(self._folder)
        return digest

    def size(self, digest: str) -> int | None:
        """Return how many bytes a file has, or None when it is gone."""
        with _disk_trouble(), contextlib.suppress(FileNotFoundError):
            return self._path(digest).stat().st_size
        return None

    def open(self, digest: str) -> BinaryIO:
        """Open a file for reading.

        Raises:
            AttachmentMissing: it is gone.
        """
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise AttachmentMissing from None
        except OSError as cause:
            raise AttachmentsUnavailable from cause

    def read(self, digest: str) -> bytes:
        """Read a whole file.

        Raises:
            AttachmentMissing: it is gone.
        """
        with self.open(digest) as file, _disk_trouble():
            return file.read()

    def all(self) -> list[str]:
        """Return the hashes of all files, sorted."""
        return sorted(name for name, _ in self._entries() if _DIGEST.fullmatch(name))

    def to_look_at(self, now: datetime) -> frozenset[str]:
        """Count the files anew, remove what was never finished, and return those not lately known to be needed."""
        with self._lock, _disk_trouble():
            self._used = 0
            due = []
            for name, state in self._entries():
                old = state.st_mtime < (now - LOOK_AFTER).timestamp()
                if _DIGEST.fullmatch(name):
                    self._used += _space(state.st_size)
                    due += [name] if old else []
                elif name.startswith(_PART) and old:
                    (self._folder / name).unlink(missing_ok=True)
        return frozenset(due)

    def settle(self, due: AbstractSet[str], needed: AbstractSet[str], now: datetime) -> int:
        """Note which of the files due are needed, remove those that were not for `KEEP`; return how many."""
        removed = 0
        for digest in due:
            path = self._folder / digest
            with self._lock, _disk_trouble(), contextlib.suppress(FileNotFoundError):
                state = path.stat()
                if digest in needed:
                    self._touch(path, now)
                elif state.st_mtime < (now - KEEP).timestamp():
                    path.unlink()
                    self._used = max(0, self.used - _space(state.st_size))
                    removed += 1
        return removed

    def _add(self, path: Path, content: bytes) -> None:
        if self._used is None:
            self._used = sum(_space(state.st_size) for _, state in self._entries())
        if self._used + _space(len(content)) > self._most:
            raise AttachmentsFull(self._most)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=_PART)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            self._touch(Path(name), self._clock.now())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        self._used += _space(len(content))

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise AttachmentMissing
        return self._folder / digest

    def _touch(self, path: Path, now: datetime) -> None:
        os.utime(path, (now.timestamp(), now.timestamp()))

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        if not self._folder.is_dir():
            return
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    yield entry.name, entry.stat(follow_symlinks=False)


@dataclass(frozen=True)
class AttachmentsRemoved(Fact):
    """Files that no record had shown for days were removed."""

    files: int


class AttachmentSweep:
    """Removes the files that no record shows any more. The history of changes does not keep a file."""

    def __init__(
        self,
        files: AttachmentFiles,
        database: Database,
        *,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._files = files
        self._database = database
        self._clock = clock
        self._observer = observer

    async def sweep_once(self) -> timedelta:
        """Look at the files that were not lately known to be needed. It may be broken off anywhere."""
        now = self._clock.now()
        due = await asyncio.to_thread(self._files.to_look_at, now)
        if due:
            needed: set[str] = set()
            async with self._database.reading() as reader:
                tables = await storage.read_tables(reader)
            for table in tables:
                async for record in self._records(table):
                    needed |= due & _digests(table, record)
            removed = await asyncio.to_thread(self._files.settle, due, needed, now)
            if removed:
                self._observer.saw(AttachmentsRemoved(removed))
        return SWEEP_EVERY

    async def _records(self, table: Table) -> AsyncIterator[Record]:
        """Read a table in portions, each as it is then: a file that a record gains meanwhile is not due."""
        after = 0
        while table.attachment_fields:
            async with self._database.reading() as reader:
                records = await storage.records_after(reader, table.id, after, STEP)
            if not records:
                return
            for record in records:
                yield record
            after = records[-1].ordinal
            await self._clock.sleep(timedelta(0))


def _digests(table: Table, record: Record) -> set[str]:
    items = [item for field in table.attachment_fields for item in _items(record.cells.get(field.id))]
    return {file.digest for file in map(kept_file, items) if file is not None}


def _items(cell: object) -> list[object]:
    return cell if isinstance(cell, list) else []


def _space(size: int) -> int:
    return max(size, LEAST_SPACE)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk_trouble() -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        raise AttachmentsUnavailable from cause
