"""Attachments whose bytes are kept: cells, files, what is removed and what is backed up, on both stores."""

import asyncio
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.factories.records import EVERYTHING, Base, opened_base
from tests.fakes import FakeClock

from airtable_connector.database import Database, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.records import (
    AttachmentFiles,
    AttachmentMissing,
    AttachmentsFull,
    AttachmentsRemoved,
    AttachmentSweep,
    Delete,
    InvalidCell,
    KeptFile,
    Update,
)
from airtable_connector.records.backup import back_up, restore

pytestmark = pytest.mark.anyio

MEBIBYTE = 1024 * 1024


@pytest.fixture
def files(tmp_path: Path, clock: FakeClock) -> AttachmentFiles:
    return AttachmentFiles(tmp_path / "attachments", most_bytes=MEBIBYTE, clock=clock)


@pytest.fixture
def sweep(base: Base, files: AttachmentFiles, clock: FakeClock) -> AttachmentSweep:
    return AttachmentSweep(files, base.database, clock=clock, observer=base.observer)


async def attach(base: Base, record: str, digest: str, filename: str = "a.txt") -> None:
    await base.do(Update(EVERYTHING, record, {"Files": KeptFile(digest, 3, "text/plain", filename)}))


async def attached(base: Base, record: str) -> list[dict[str, Any]]:
    cells = await base.cells(EVERYTHING, record)
    return [] if cells is None else cells.get("Files", [])


async def test_a_file_is_put_behind_those_that_the_cell_holds(base: Base, files: AttachmentFiles) -> None:
    record = await base.create(EVERYTHING, Name="x", Files=[{"url": "https://x.example/a"}])
    digest = files.keep(b"one")
    await asyncio.gather(*(attach(base, record, digest, f"{number}.txt") for number in range(20)))
    found = await attached(base, record)
    assert len({each["id"] for each in found}) == 21
    assert sorted(each["filename"] for each in found[1:]) == sorted(f"{number}.txt" for number in range(20))


async def test_a_cell_has_the_same_bytes_when_it_is_read_from_the_store(base: Base, files: AttachmentFiles) -> None:
    record = await base.create(EVERYTHING, Name="x")
    await attach(base, record, files.keep(b"one"))
    found = await base.workspace.find(EVERYTHING, record)
    assert found is not None
    assert EVERYTHING.encode(found) == await base.workspace.get(EVERYTHING, record)
    assert b'"url":"attachment:' in EVERYTHING.encode(found)


async def test_a_cell_holds_so_many_and_no_more(base: Base, files: AttachmentFiles) -> None:
    record = await base.create(EVERYTHING, Name="x", Files=[{"url": "https://x.example/a"}] * 1_000)
    with pytest.raises(InvalidCell):
        await attach(base, record, files.keep(b"one"))


async def test_equal_bytes_are_kept_once_and_the_limit_counts_them_once(files: AttachmentFiles, tmp_path: Path) -> None:
    assert files.keep(b"one") == files.keep(b"one")
    assert (files.all(), files.used) == ([files.keep(b"one")], 4_096)
    files.keep(b"x" * (MEBIBYTE - 4_096))
    with pytest.raises(AttachmentsFull):
        files.keep(b"two")
    assert len(list((tmp_path / "attachments").iterdir())) == 2
    again = AttachmentFiles(tmp_path / "attachments", most_bytes=MEBIBYTE, clock=FakeClock())
    with pytest.raises(AttachmentsFull):
        again.keep(b"two")


@pytest.mark.parametrize("name", ["../keys/own-key.pem", "", "0" * 64])
async def test_only_hashes_of_files_are_read(files: AttachmentFiles, name: str) -> None:
    with pytest.raises(AttachmentMissing):
        files.read(name)


async def test_a_file_stays_for_a_week_after_the_last_record_showed_it(
    base: Base, files: AttachmentFiles, sweep: AttachmentSweep, clock: FakeClock
) -> None:
    record = await base.create(EVERYTHING, Name="x")
    kept, dropped = files.keep(b"kept"), files.keep(b"dropped")
    await attach(base, record, kept)
    other = await base.create(EVERYTHING, Name="y")
    await attach(base, other, dropped)
    clock.step(timedelta(days=30))
    await sweep.sweep_once()
    assert files.all() == sorted([kept, dropped])
    await base.do(Delete(EVERYTHING, other))
    clock.step(timedelta(days=6, hours=23))
    await sweep.sweep_once()
    assert files.all() == sorted([kept, dropped])
    clock.step(timedelta(hours=2))
    await sweep.sweep_once()
    assert (files.all(), files.used) == ([kept], 4_096)
    assert base.observer.of(AttachmentsRemoved) == [AttachmentsRemoved(1)]


async def test_an_upload_of_the_same_bytes_keeps_a_file_that_was_about_to_go(
    files: AttachmentFiles, sweep: AttachmentSweep, clock: FakeClock
) -> None:
    digest = files.keep(b"one")
    clock.step(timedelta(days=8))
    files.keep(b"one")
    await sweep.sweep_once()
    assert files.all() == [digest]


async def test_what_was_never_finished_is_removed(
    files: AttachmentFiles, sweep: AttachmentSweep, clock: FakeClock, tmp_path: Path
) -> None:
    files.keep(b"one")
    part = tmp_path / "attachments" / ".part-x"
    part.write_bytes(b"on")
    clock.step(SystemClock().now() - clock.now())
    await sweep.sweep_once()
    assert part.exists()
    clock.step(timedelta(days=2))
    await sweep.sweep_once()
    assert not part.exists()


async def test_a_backup_holds_the_bytes(database: Database, base: Base, files: AttachmentFiles, tmp_path: Path) -> None:
    record = await base.create(EVERYTHING, Name="x")
    digest = files.keep(b"one\n")
    await attach(base, record, digest)
    packed = io.BytesIO()
    told = await back_up(database, packed, clock=SystemClock(), files=files)
    assert told.rows["attachments"] == 1
    store = SqliteFile(tmp_path / "restored.db")
    brought = AttachmentFiles(tmp_path / "restored", most_bytes=MEBIBYTE, clock=SystemClock())
    assert (await restore(store, packed, clock=SystemClock(), files=brought)).rows == told.rows
    assert brought.read(digest) == b"one\n"
    async with open_database(store, clock=SystemClock()) as copy, opened_base(copy) as restored:
        assert await attached(restored, record) == await attached(base, record)
