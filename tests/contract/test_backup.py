"""Backup and restore: the whole drill, on either store and across."""

import asyncio
import base64
import gzip
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.factories.records import (
    ADA,
    EVERYTHING,
    PROJECTS,
    Base,
    a_field,
    a_sprint,
    a_table,
    once,
    opened_base,
    sprints,
)
from tests.postgres import shared_server

from airtable_connector.database import Database, DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import (
    SPRINTS,
    STANDARD_TABLES,
    AttachmentFiles,
    Damage,
    Delete,
    FieldType,
    LogEvent,
    Query,
    Replayed,
    Update,
    Verified,
    WriteRequest,
    verify_feed,
)
from airtable_connector.records import backup as backup_module
from airtable_connector.records.backup import (
    BackedUp,
    DamagedBackup,
    NewerBackup,
    StoreNotEmpty,
    back_up,
    restore,
)
from airtable_connector.records.exchange import Form, export_records

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
OTHER = {"sqlite": "postgres", "postgres": "sqlite"}


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseLocation:
    """Where an empty store is, to restore into."""
    return empty_store(request.param, tmp_path / "restored.db")


def empty_store(kind: str, path: Path) -> DatabaseLocation:
    return SqliteFile(path) if kind == "sqlite" else PostgresServer(Secret(shared_server().new_database()))


@pytest.fixture
def elsewhere(tmp_path: Path) -> SqliteFile:
    """An empty SQLite store, for what is the same on both."""
    return SqliteFile(tmp_path / "elsewhere.db")


async def export_hash(database: Database) -> str:
    content = hashlib.sha256()
    await export_records(database, tables=[], form=Form.JSON_LINES, write=content.update)
    return content.hexdigest()


async def backed_up(database: Database) -> tuple[io.BytesIO, BackedUp]:
    file = io.BytesIO()
    return file, await back_up(database, file, clock=CLOCK)


async def fill(base: Base) -> None:
    """Put something into every table of the database."""
    await base.do(*sprints(700, Status="Active", Time_Spent_hr=1.5, Notes="ünïcode\n"))
    await base.do(Delete(SPRINTS, "S-3"), Update(SPRINTS, "S-4", {"Name": "changed", "Notes": None}))
    project = await base.create(PROJECTS, Code="P-1")
    await base.create(EVERYTHING, Name="all", Number=0.1, Price=1e22, Ticked=True, Projects=[project])
    await base.do(a_sprint("kept"), repeatable=once("key", body=bytes(range(256))))
    await base.do(*[LogEvent("proof", {"number": number}) for number in range(3)])
    async with base.database.transaction() as tx:
        await tx.run("insert into cursors (reader, seq) values ('heartbeats', 7)")
        await tx.run("insert into cell_watch values ('C-1', '2026-01-05T12:00:00.000Z', 60.5, 'OK', null, 12.25)")
        await tx.run(
            "insert into peers values ('droplet-5', 5, '[]', 'https://five.example', 'registry', '2026-01-05')"
        )
        await tx.run("insert into access_revision values (1, 4)")
        await tx.run(
            "insert into access_tokens (id, hash, name, scopes, base, droplet, created_at, expires_at)"
            " values ('pat1', :hash, 'n8n', 'data.records:read', 'app1', 5, '2026', '2027')",
            hash=bytes(range(32)),
        )
        await tx.run("insert into outbox_queues values ('droplet-5', '2026-01-05', '', '')")
        await tx.run(
            "insert into webhooks values ('ach00000000000001', '2026-01-05', null, '{}', null, 'a2V5', 7, 2, 1, 1, 1,"
            " '2026-01-12', null, null, '', '', 0, null, null, 'app00000000000001')"
        )
        await tx.run("insert into bases values ('app00000000000001', 'Made', '2026-01-05')")
        await tx.run("insert into webhook_payloads values ('ach00000000000001', 1, '2026-01-05', 2, '{}')")
        await tx.run("insert into outbox_attempts values ('a-trace', 1, '2026-01-05', 12, null, 'nobody listens')")
        await tx.run(
            "insert into outbox (trace_id, target, queue, message_type, payload, priority, retries, sender, cause,"
            " state, attempts, due_at, created_at)"
            " values ('a-trace', '5', 'droplet-5', 'event', '{}', 1, 3, 5, 'cause', 'queued', 1, '2026', '2026')"
        )
        await tx.run(
            "insert into comments (id, record_id, author, text, created_at) values ('com1', :record, 5, 'x', '2026')",
            record=project,
        )
        await tx.run("insert into former_ids values ('rec00000000000001', 'rec00000000000002')")
        await tx.run("insert into cloud_months values ('2026-01', 1234, 0)")
        await tx.run("insert into cloud_uses values ('2026-01-05', 'outbox', 'create', 12)")
        await tx.run("insert into cloud_callers values ('2026-01', 5, 0.75)")
        await tx.run("insert into leases values ('airtable', 'a process', '2026-01-05', 9)")
        await tx.run(
            "insert into mirror values (1, 'ach1', null, 'a2V5', 7, 'live', '2026', '2026', null, 1, 0, '2026', 6, 5,"
            " '2026', '[]')"
        )
        await tx.run(
            "insert into mirror_tables values ('tbl', 'listing', 1, 'itr/rec', 100, null, 0, null, null, 0, 0, 0, 0)"
        )
        await tx.run("insert into mirror_seen values ('tbl', 'rec')")
        await tx.run("insert into mirror_touched values ('tbl', 'rec', 'changed', '2026', '2026')")
        await tx.run("insert into mirror_checks values (1, 3, 2, '{}')")
        await tx.run("insert into recomputations values ('tbl', 'fld', 'rec', '[]', 0, 1, 0, 5, 'cause', 7)")
        await tx.run("insert into cloud_beats values ('', 'C-1', '2026', '[]', 'rec', null, null, null, null, '', 0)")
        await tx.run(
            "insert into intents values (14, 'tbl', 'rec', 'rec', 'update', '{}', '{}', 5, 'cause', '2026', 1,"
            " 'sending', 10, 'cal1', '2026', null, null, null, '', '', null)"
        )
        await tx.run("insert into cloud_ids values ('rec1', 'rec2')")
        await tx.run("insert into conflicts values (14, 'fld', 'tbl', 'rec', '1', null, 'ours', '2026')")
        for hour in ("2026-01-05T11", "2026-01-05T12"):
            await tx.run(
                "insert into beat_rollups values ('C-1', :hour, 3, 2, 0.3, 0.1, 0.2, 0, 0.0, null, null)", hour=hour
            )


async def rows(file: io.BytesIO) -> list[Any]:
    """Return the rows of a backup, whatever order and spelling either database gave them."""
    file.seek(0)
    parsed = [orjson.loads(line) for line in gzip.decompress(file.read()).splitlines()[1:-1]]
    for row in parsed:
        if row[0] == "records":
            row[-1] = orjson.loads(row[-1])
    return sorted(parsed, key=lambda row: [row[0], str(row[1:3])])


async def state_at(base: Base, seq: int) -> dict[str, dict[str, Any]]:
    """Tell each record's cells as they were at a feed position, from the feed alone."""
    cells: dict[str, dict[str, Any]] = {}
    after = 0
    while changes := [change for change in await base.workspace.changes(after=after, count=500) if change.seq <= seq]:
        for change in changes:
            table = base.workspace.table(change.table)
            there = cells.pop(change.record, {})
            if change.after is not None:
                there |= {table.by_id[field].name: cell for field, cell in change.after.items()}
                cells[change.record] = {name: cell for name, cell in there.items() if cell is not None}
        after = changes[-1].seq
    return cells


async def state(base: Base) -> dict[str, dict[str, Any]]:
    """Tell each record's cells as they are, without those that are columns of the record."""
    return {
        record["id"]: {name: cell for name, cell in record["fields"].items() if not table.field(name).is_fact}
        for table in base.workspace.tables.values()
        for record in await base.walk(Query(table))
    }


# --- the drill --------------------------------------------------------------------------------------------------


async def test_a_restored_base_is_the_base_that_was_backed_up(database: Database, target: DatabaseLocation) -> None:
    async with opened_base(database) as base:
        await fill(base)
    file, kept = await backed_up(database)

    restored = await restore(target, file, clock=CLOCK)

    assert restored.verdict == Verified(kept.seq, kept.hash, 0)
    async with open_database(target, clock=CLOCK) as other:
        assert await export_hash(other) == await export_hash(database)
        again, kept_again = await backed_up(other)
    assert kept_again == kept
    assert await rows(again) == await rows(file)
    assert all(count > 0 for count in kept.rows.values()), "a table is empty, so its way there and back is not tested"


async def test_a_backup_is_one_moment_although_others_write(database: Database, target: DatabaseLocation) -> None:
    over = asyncio.Event()

    async def write_on(base: Base) -> None:
        number = 0
        while not over.is_set():
            await base.do(a_sprint(f"during-{number}"), Update(SPRINTS, "S-4", {"Name": f"name {number}"}))
            number += 1

    async def take(base: Base) -> tuple[io.BytesIO, BackedUp]:
        await base.do(a_sprint("before"))
        file, kept = await backed_up(database)
        over.set()
        return file, kept

    async with opened_base(database) as base:
        await fill(base)
        (file, kept), _ = await asyncio.gather(take(base), write_on(base))
        assert base.workspace.head.seq > kept.seq
        expected = await state_at(base, kept.seq)

    restored = await restore(target, file, clock=CLOCK)

    assert restored.verdict == Verified(kept.seq, kept.hash, 0)
    async with open_database(target, clock=CLOCK) as other, opened_base(other) as base:
        assert await state(base) == expected


async def test_a_base_comes_back_through_the_other_database(database: Database, tmp_path: Path) -> None:
    async with opened_base(database) as base:
        await fill(base)
    first, kept = await backed_up(database)
    there = empty_store(OTHER[database.dialect], tmp_path / "there.db")
    await restore(there, first, clock=CLOCK)
    async with open_database(there, clock=CLOCK) as other:
        second, _ = await backed_up(other)
    back = SqliteFile(tmp_path / "back.db")
    await restore(back, second, clock=CLOCK)
    async with open_database(back, clock=CLOCK) as other:
        third, kept_at_last = await backed_up(other)
        assert await export_hash(other) == await export_hash(database)
    assert kept_at_last == kept
    assert await rows(third) == await rows(first)


async def test_a_restored_base_goes_on_where_the_old_one_stopped(database: Database, target: DatabaseLocation) -> None:
    async with opened_base(database) as base:
        await fill(base)
        head = base.workspace.head
    file, _ = await backed_up(database)
    await restore(target, file, clock=CLOCK)
    async with open_database(target, clock=CLOCK) as other, opened_base(other) as base:
        assert base.workspace.head == head
        await base.do(a_sprint("new"), LogEvent("proof", {}))
        assert isinstance(await base.workspace.write(repeated()), Replayed)
        assert [event.seq for event in await base.workspace.logged_events(before=100, count=9)] == [4, 3, 2, 1]
        numbered = await base.create(EVERYTHING, Name="second")
        assert (await base.cells(EVERYTHING, numbered) or {})["Count"] == 2
        verdict = await verify_feed(other)
    assert isinstance(verdict, Verified)
    assert verdict.entries == head.seq + 2


def repeated() -> WriteRequest:
    return WriteRequest(ADA, (a_sprint("kept"),), once("key", body=bytes(range(256))))


async def test_an_empty_base_can_be_backed_up_and_restored(database: Database, target: DatabaseLocation) -> None:
    file, kept = await backed_up(database)
    assert (kept.seq, sum(kept.rows.values())) == (0, 1)
    assert (await restore(target, file, clock=CLOCK)).verdict == Verified(0, bytes(32), 0)


async def test_progress_reaches_the_number_of_rows(database: Database) -> None:
    seen: list[tuple[int, int]] = []
    async with opened_base(database) as base:
        await base.do(*sprints(600))
    kept = await back_up(database, io.BytesIO(), clock=CLOCK, progress=lambda done, all_: seen.append((done, all_)))
    assert seen[-1] == (sum(kept.rows.values()),) * 2
    assert len(seen) > 4


async def test_every_table_of_the_newest_schema_is_backed_up(database: Database) -> None:
    catalogue = {
        "sqlite": "select name from sqlite_schema where type = 'table' and name not like 'sqlite%'",
        "postgres": "select cast(tablename as text) from pg_tables where schemaname = 'public'",
    }
    columns = {
        "sqlite": "select name from pragma_table_info(:name)",
        "postgres": "select cast(column_name as text) from information_schema.columns where table_schema = 'public'"
        " and table_name = :name",
    }
    listed = {table.name: set(table.columns) for table in backup_module._TABLES}
    async with database.reading() as reader:
        names = {row[0] for row in await reader.all(catalogue[database.dialect])} - {"schema_version"}
        found = {name: {row[0] for row in await reader.all(columns[database.dialect], name=name)} for name in names}
        version = await reader.one("select max(number) from schema_version")
    assert found == listed
    assert version == (backup_module.SCHEMA,)


# --- earlier versions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 8])
async def test_a_backup_of_an_earlier_schema_is_restored_and_brought_up_to_date(
    location: DatabaseLocation, elsewhere: SqliteFile, version: int
) -> None:
    async with open_database(location, clock=CLOCK) as database, opened_base(database) as base:
        await base.do(*sprints(3))
        async with database.transaction() as tx:
            await tx.run(
                "insert into webhooks values ('ach00000000000001', '2026-01-05', null, '{}', null, 'a2V5', 7, 2, 1, 1,"
                " 1, '2026-01-12', null, null, '', '', 0, null, null, '')"
            )
        newest, kept = await backed_up(database)
    old = io.BytesIO(as_of_schema(newest, version))
    restored = await restore(elsewhere, old, clock=CLOCK)
    assert restored.verdict == Verified(kept.seq, kept.hash, 0)
    async with open_database(elsewhere, clock=CLOCK) as database, opened_base(database) as base:
        assert len(await base.walk(Query(SPRINTS))) == 3
        await base.do(LogEvent("proof", {}))


def as_of_schema(file: io.BytesIO, version: int) -> bytes:
    """Rewrite a backup as the program of an earlier schema would have written it."""
    lines = unpacked(file)
    header = orjson.loads(lines[0])
    tables = {table.name: table.at(version) for table in backup_module._TABLES if table.since <= version}
    header |= {"schema": version, "rows": {name: n for name, n in header["rows"].items() if name in tables}}
    rows = [(name, values) for name, *values in map(orjson.loads, lines[1:-1]) if name in tables]
    kept = [orjson.dumps([name, *values[: len(tables[name].columns)]]) + b"\n" for name, values in rows]
    return packed([orjson.dumps(header) + b"\n", *kept])


def unpacked(file: io.BytesIO) -> list[bytes]:
    file.seek(0)
    return gzip.decompress(file.read()).splitlines(keepends=True)


def packed(lines: list[bytes]) -> bytes:
    """Put a right trailer under some lines."""
    before = b"".join(lines)
    trailer = {"rows": orjson.loads(lines[0])["rows"], "sha256": hashlib.sha256(before).hexdigest()}
    return gzip.compress(before + orjson.dumps(trailer) + b"\n")


async def test_a_backup_of_a_later_program_is_refused(database: Database, elsewhere: SqliteFile) -> None:
    file, _ = await backed_up(database)
    for change in ({"schema": 99}, {"version": 99}):
        lines = unpacked(file)
        lines[0] = orjson.dumps(orjson.loads(lines[0]) | change) + b"\n"
        with pytest.raises(NewerBackup, match="99"):
            await restore(elsewhere, io.BytesIO(packed(lines[:-1])), clock=CLOCK)
    assert not elsewhere.path.exists()


async def test_a_store_of_a_later_schema_than_the_backup_is_refused(database: Database, elsewhere: SqliteFile) -> None:
    file, _ = await backed_up(database)
    async with open_database(elsewhere, clock=CLOCK):
        pass
    with pytest.raises(StoreNotEmpty, match="schema version"):
        await restore(elsewhere, io.BytesIO(as_of_schema(file, 1)), clock=CLOCK)


# --- refusals ---------------------------------------------------------------------------------------------------


def cut_in_the_middle(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_the_last_byte(content: bytes) -> bytes:
    return content[:-1]


def with_one_bit_changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


def with_something_after_it(content: bytes) -> bytes:
    return content + gzip.compress(b"more\n")


def with_a_word_changed(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content).replace(b"Active", b"Passed", 1))


def without_a_line(content: bytes) -> bytes:
    lines = gzip.decompress(content).splitlines(keepends=True)
    return gzip.compress(b"".join(lines[:5] + lines[6:]))


def without_a_line_but_with_a_right_hash(content: bytes) -> bytes:
    lines = gzip.decompress(content).splitlines(keepends=True)
    return packed(lines[:5] + lines[6:-1])


def without_a_trailer(content: bytes) -> bytes:
    return gzip.compress(b"".join(gzip.decompress(content).splitlines(keepends=True)[:-1]))


def not_packed(content: bytes) -> bytes:
    return gzip.decompress(content)


def another_file(_content: bytes) -> bytes:
    return gzip.compress(b'{"format":"airtable-connector.export","version":1}\n')


def nothing(_content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    "damage",
    [
        cut_in_the_middle,
        without_the_last_byte,
        with_one_bit_changed,
        with_something_after_it,
        with_a_word_changed,
        without_a_line,
        without_a_line_but_with_a_right_hash,
        without_a_trailer,
        not_packed,
        another_file,
        nothing,
    ],
)
async def test_a_damaged_backup_is_refused_before_the_store_is_touched(
    elsewhere: SqliteFile, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    async with (
        open_database(SqliteFile(tmp_path / "source.db"), clock=CLOCK) as database,
        opened_base(database) as base,
    ):
        await base.do(*sprints(50, Status="Active"))
        file, _ = await backed_up(database)
    with pytest.raises(DamagedBackup):
        await restore(elsewhere, io.BytesIO(damage(file.getvalue())), clock=CLOCK)
    assert not elsewhere.path.exists()


async def test_an_attachment_that_is_not_what_its_name_tells_is_refused(
    database: Database, elsewhere: SqliteFile, tmp_path: Path
) -> None:
    kept = AttachmentFiles(tmp_path / "kept", most_bytes=10_000, clock=CLOCK)
    kept.keep(b"hello")
    file = io.BytesIO()
    await back_up(database, file, clock=CLOCK, files=kept)
    *lines, _trailer = unpacked(file)
    lines[-1] = lines[-1].replace(base64.b64encode(b"hello"), base64.b64encode(b"olleh"))
    brought = AttachmentFiles(tmp_path / "brought", most_bytes=10_000, clock=CLOCK)
    with pytest.raises(DamagedBackup, match="its name"):
        await restore(elsewhere, io.BytesIO(packed(lines)), clock=CLOCK, files=brought)
    assert (brought.all(), elsewhere.path.exists()) == ([], False)


async def test_a_store_that_holds_something_is_left_alone(database: Database, target: DatabaseLocation) -> None:
    async with opened_base(database) as base:
        await base.do(*sprints(5))
    file, _ = await backed_up(database)
    async with open_database(target, clock=CLOCK) as other, opened_base(other) as base:
        await base.do(a_sprint("mine"))
        before = await export_hash(other)
    with pytest.raises(StoreNotEmpty, match="records") as refusal:
        await restore(target, file, clock=CLOCK)
    assert "move" in str(refusal.value.hint)
    async with open_database(target, clock=CLOCK) as other:
        assert await export_hash(other) == before


async def test_what_was_deleted_or_defined_counts_as_something(elsewhere: SqliteFile, tmp_path: Path) -> None:
    mine = a_table("Mine", None, a_field("Name", FieldType.SINGLE_LINE_TEXT))
    async with open_database(SqliteFile(tmp_path / "source.db"), clock=CLOCK) as database:
        file, _ = await backed_up(database)
    async with open_database(elsewhere, clock=CLOCK) as other, opened_base(other, tables=[mine]):
        pass
    with pytest.raises(StoreNotEmpty, match="not the standard ones"):
        await restore(elsewhere, file, clock=CLOCK)
    gone = SqliteFile(tmp_path / "gone.db")
    async with open_database(gone, clock=CLOCK) as other, opened_base(other, tables=STANDARD_TABLES) as base:
        await base.do(a_sprint(1))
        await base.do(Delete(SPRINTS, "S-1"))
    with pytest.raises(StoreNotEmpty, match="feed"):
        await restore(gone, file, clock=CLOCK)


async def test_a_new_store_that_a_service_has_opened_is_empty(database: Database, target: DatabaseLocation) -> None:
    async with opened_base(database) as base:
        await base.do(*sprints(5))
    file, kept = await backed_up(database)
    async with open_database(target, clock=CLOCK) as other, opened_base(other, tables=STANDARD_TABLES):
        pass
    restored = await restore(target, file, clock=CLOCK)
    assert restored.verdict == Verified(kept.seq, kept.hash, 0)


async def test_a_feed_that_was_damaged_before_is_restored_and_said_to_be(
    database: Database, target: DatabaseLocation
) -> None:
    async with opened_base(database) as base:
        await base.do(*sprints(5))
    async with database.transaction() as tx:
        await tx.run("update feed set cause = 'somebody else' where seq = 3")
    file, _ = await backed_up(database)
    restored = await restore(target, file, clock=CLOCK)
    assert isinstance(restored.verdict, Damage)
    assert restored.verdict.seq == 3
