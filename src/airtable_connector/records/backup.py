"""A whole base in one file, and back: records, history, answers kept, event log, heartbeats' watch and rollups.

The file is gzip'd JSON Lines, the same for SQLite and PostgreSQL: a header, a line ``[table, value, …]`` for each row,
and a trailer with the number of rows and a SHA-256 over all the lines before it. Bytes are written in base64. The
bytes of attachments are rows as well, of a table ``attachments`` that is in no database: its hash and its content.
"""

# ruff: noqa: S608 - every statement is put together from literal texts of this module; values go in as parameters

import base64
import dataclasses
import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

from airtable_connector.database import Database, DatabaseLocation, Reader, Row, Sql, Transaction, open_database
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.errors import Conflict, Invalid
from airtable_connector.records import storage
from airtable_connector.records.attachments import AttachmentFiles
from airtable_connector.records.audit import verify_feed
from airtable_connector.records.errors import AttachmentMissing
from airtable_connector.records.feed import Damage, Head, Verified
from airtable_connector.records.schema import STANDARD_TABLES

FORMAT = "airtable-connector.backup"
VERSION = 1

SCHEMA = 15
"""The newest schema version whose tables are all listed here; a test compares it with the migrations."""

FILES = "attachments"
"""What the rows are called that are files."""

PAGE = 500
"""Rows read or written at a time."""

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one line; a kept answer to a bulk request is the longest."""


class DamagedBackup(Invalid):
    """A file is no backup, or not all of one, or was altered. Nothing was restored from it."""

    code = "damaged-backup"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; nothing was restored", hint="take another backup, or another copy of this one")


class NewerBackup(Conflict):
    """A backup was made by a later version of the connector."""

    code = "newer-backup"

    def __init__(self, found: str, known: int) -> None:
        super().__init__(
            f"the backup has {found}, this program knows versions up to {known}; nothing was restored",
            hint="restore it with the newer program",
        )


class StoreNotEmpty(Conflict):
    """A backup was to be restored into a store that holds something already."""

    code = "store-not-empty"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the store is not an empty one: {what}; nothing was restored",
            hint="stop the service, then move the store's files away (connector.sqlite3, with -wal and -shm), or point"
            " DATA_DIR or DATABASE_URL to an empty one",
        )


@dataclass(frozen=True)
class BackedUp:
    """What a backup holds: the rows of each database table, and where the feed ended."""

    rows: Mapping[str, int]
    seq: int
    hash: bytes


@dataclass(frozen=True)
class Restored:
    """What was restored, and what the check of the restored feed said.

    `Damage` means that the feed was damaged before the backup was taken: the backup itself is what was written.
    """

    rows: Mapping[str, int]
    verdict: Verified | Damage


# --- what is kept -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kept:
    """A database table: the schema version it came with, its columns, and the columns of its primary key.

    ``later`` are the columns that came with later versions, which stand behind the others.
    """

    name: str
    since: int
    key: tuple[str, ...]
    columns: tuple[str, ...]
    blobs: frozenset[str] = frozenset()
    json: frozenset[str] = frozenset()
    later: Mapping[str, int] = field(default_factory=dict)

    def at(self, version: int) -> "_Kept":
        """Return the table as it was in a schema version."""
        columns = tuple(name for name in self.columns if self.later.get(name, version) <= version)
        return dataclasses.replace(self, columns=columns)

    def page(self, *, first: bool) -> Sql:
        """Select one page in the order of the primary key, the first one or the one beyond ``:k0``, ``:k1`` …."""
        key, beyond = ", ".join(self.key), ", ".join(f":k{n}" for n in range(len(self.key)))
        rest = f"from {self.name} {'' if first else f'where ({key}) > ({beyond})'} order by {key} limit {PAGE}"
        return Sql(*(f"select {self._shown(form)} {rest}" for form in ("json({})", "cast({} as text)")))

    def insert(self) -> Sql:
        """Insert one row, its values named as the columns."""
        columns = ", ".join(self.columns)
        sqlite, postgres = self._values("jsonb(:{})"), self._values("cast(:{} as jsonb)")
        return Sql(
            f"insert into {self.name} ({columns}) values ({sqlite})",
            # the numbers of events are the server's to give, except here
            f"insert into {self.name} ({columns}) overriding system value values ({postgres})",
        )

    def encode(self, row: Row) -> bytes:
        """Write a row as a line."""
        values = [
            base64.b64encode(value).decode() if name in self.blobs and value is not None else value
            for name, value in zip(self.columns, row, strict=True)
        ]
        return orjson.dumps([self.name, *values]) + b"\n"

    def decode(self, values: Sequence[Any]) -> dict[str, object]:
        """Read what `encode` wrote."""
        return {
            name: base64.b64decode(value) if name in self.blobs and value is not None else value
            for name, value in zip(self.columns, values, strict=True)
        }

    def after(self, row: Row) -> dict[str, object]:
        """Name the place behind a row, for the next page."""
        return {f"k{n}": row[self.columns.index(name)] for n, name in enumerate(self.key)}

    def _shown(self, form: str) -> str:
        return ", ".join(form.format(name) if name in self.json else name for name in self.columns)

    def _values(self, form: str) -> str:
        return ", ".join(form.format(name) if name in self.json else f":{name}" for name in self.columns)


def _kept(
    name: str,
    since: int,
    columns: str,
    *,
    key: str,
    blobs: Sequence[str] = (),
    json: Sequence[str] = (),
    later: Mapping[str, int] | None = None,
) -> _Kept:
    names = (*columns.split(), *(later or {}))
    return _Kept(name, since, tuple(key.split()), names, frozenset(blobs), frozenset(json), later or {})


_TABLES = (
    _kept("tables", 1, "id position definition last_number", key="id"),
    _kept("chain", 1, "id seq hash ordinal", key="id", blobs=["hash"]),
    _kept("records", 1, "ordinal id table_id key created_at modified_at changed cells", key="ordinal", json=["cells"]),
    _kept(
        "feed",
        1,
        "seq at table_id record_id action actor cause before after digest hash",
        key="seq",
        blobs=["digest", "hash"],
    ),
    _kept(
        "idempotency",
        2,
        "actor key fingerprint status headers body at",
        key="actor key",
        blobs=["fingerprint", "body"],
    ),
    _kept("events", 2, "seq at kind actor cause payload", key="seq"),
    _kept("cursors", 3, "reader seq", key="reader"),
    _kept("cell_watch", 3, "cell_id last_beat_at interval_s verdict cpu ram", key="cell_id"),
    _kept(
        "beat_rollups",
        3,
        "cell_id hour beats cpu_count cpu_sum cpu_min cpu_max ram_count ram_sum ram_min ram_max",
        key="cell_id hour",
    ),
    _kept(
        "outbox",
        4,
        "seq trace_id target queue message_type payload priority retries sender cause state attempts due_at created_at"
        " ended_at reply",
        key="seq",
    ),
    _kept("outbox_attempts", 4, "trace_id number at took_ms status reason", key="trace_id number"),
    _kept("outbox_queues", 4, "queue due_at owner until", key="queue"),
    _kept("comments", 5, "seq id record_id author text parent created_at changed_at", key="seq"),
    _kept("peers", 4, "name droplet names endpoint listed_by listed_at", key="name"),
    _kept(
        "access_tokens",
        6,
        "id hash name scopes base droplet created_at expires_at last_used_at revoked_at",
        key="id",
        blobs=["hash"],
    ),
    _kept("access_revision", 6, "id revision", key="id"),
    _kept(
        "webhooks",
        7,
        "id created_at url specification scope_table mac_key since next_payload told_to is_enabled notifies expires_at"
        " outline due_at owner until failures last_success_at last_result",
        key="id",
        later={"base": 14},
    ),
    _kept("webhook_payloads", 7, "hook number at size body", key="hook number"),
    _kept("bases", 14, "id name created_at", key="id"),
    _kept("links", 8, "field_id target ordinal", key="field_id target ordinal"),
    _kept(
        "recomputations",
        8,
        "table_id link_id target fields after_ordinal through_ordinal again_through actor cause turn",
        key="table_id link_id target",
    ),
    _kept("former_ids", 9, "id becomes", key="id"),
    _kept("cloud_months", 10, "month calls spent", key="month"),
    _kept("cloud_uses", 10, "day lane call calls", key="day lane call"),
    _kept("cloud_callers", 10, "month droplet calls", key="month droplet"),
    _kept("leases", 10, "name owner until renewal", key="name"),
    _kept(
        "cloud_beats",
        11,
        "hour cell at content record_id sent sent_at sending tried_at state alone",
        key="hour cell",
    ),
    _kept(
        "intents",
        12,
        "number table_id record_id target kind cells before actor cause at turn state most call sent_at look_at"
        " key_before key_after result reason ended_at",
        key="number",
    ),
    _kept("cloud_ids", 12, "provisional real", key="provisional"),
    _kept("conflicts", 12, "intent field_id table_id record_id ours theirs won at", key="intent field_id"),
    _kept(
        "mirror",
        13,
        "id hook url mac_key cursor hook_state expires_at refreshed_at old_hook old_cursor wanted answered_at"
        " answered_cursor answered_seq schema_at changes",
        key="id",
    ),
    _kept(
        "mirror_tables",
        13,
        "table_id phase generation page listed whole_at compared_to compare_began compared_at rows_found cells_found"
        " drift_rows drift_cells",
        key="table_id",
    ),
    _kept("mirror_seen", 13, "table_id record_id", key="table_id record_id"),
    _kept("mirror_touched", 13, "table_id record_id kind since due_at", key="table_id record_id"),
    _kept("mirror_checks", 15, "id wanted made found", key="id"),
)
"""Every table of the database; a test compares them with the schema. A migration that adds one adds it here."""

_FILLED_WHEN_NEW = frozenset({"tables", "chain"})
"""Tables that have rows in a base that nobody has written to."""

_SCHEMA_VERSION = "select max(number) from schema_version"
_COUNT_ON = {
    2: "select setval(pg_get_serial_sequence('events', 'seq'), (select max(seq) from events))"
    " where exists (select 1 from events)",
    4: "select setval(pg_get_serial_sequence('outbox', 'seq'), (select max(seq) from outbox))"
    " where exists (select 1 from outbox)",
    5: "select setval(pg_get_serial_sequence('comments', 'seq'), (select max(seq) from comments))"
    " where exists (select 1 from comments)",
}
"""What makes the server's own numbers go on behind the restored ones, by the schema version that brought the table."""


async def _schema_version(reader: Reader) -> int:
    row = await reader.one(_SCHEMA_VERSION)
    return 0 if row is None or row[0] is None else int(row[0])


# --- out --------------------------------------------------------------------------------------------------------


async def back_up(
    database: Database,
    file: BinaryIO,
    *,
    clock: Clock,
    files: AttachmentFiles | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> BackedUp:
    """Write everything that one snapshot shows, and all ``files``; others may write meanwhile. Memory stays bounded.

    The file is complete only when this returns: write it under another name first (`exchange.whole_file`).
    ``progress`` is told the rows written and the rows there are.

    Raises:
        StoreUnavailable: the database went away; the file is worthless.
    """
    async with database.reading() as reader:
        version = await _schema_version(reader)
        head = await storage.read_head(reader)
        tables = [table.at(version) for table in _TABLES if table.since <= version]
        counts = {table.name: await _count(reader, table) for table in tables}
        # after the snapshot began: all that its records show is there, for files come before the cells that name them
        digests = [] if files is None else files.all()
        if files is not None:
            counts[FILES] = len(digests)
        written, all_rows = 0, sum(counts.values())
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            lines = _Lines(packed)
            lines.write(orjson.dumps(_header(version, iso(clock.now()), head, counts)) + b"\n")
            for table in tables:
                async for rows in _pages(reader, table):
                    lines.write(b"".join(table.encode(row) for row in rows))
                    written += len(rows)
                    progress(written, all_rows)
            for line in () if files is None else (_file_line(files, digest) for digest in digests):
                lines.write(line)
                written += 1
                progress(written, all_rows)
            packed.write(orjson.dumps({"rows": counts, "sha256": lines.digest()}) + b"\n")
    return BackedUp(counts, head.seq, head.hash)


def _header(version: int, at: str, head: Head, counts: Mapping[str, int]) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "schema": version,
        "at": at,
        "head": {"seq": head.seq, "hash": head.hash.hex()},
        "rows": counts,
    }


def _file_line(files: AttachmentFiles, digest: str) -> bytes:
    try:
        content = base64.b64encode(files.read(digest)).decode()
    except AttachmentMissing:
        content = None  # no record has shown it for days, and it was removed a moment ago
    return orjson.dumps([FILES, digest, content]) + b"\n"


async def _count(reader: Reader, table: _Kept) -> int:
    row = await reader.one(f"select count(*) from {table.name}")
    return 0 if row is None else int(row[0])


async def _holds_rows(reader: Reader, table: _Kept) -> bool:
    return await reader.one(f"select 1 from {table.name} limit 1") is not None


async def _pages(reader: Reader, table: _Kept) -> AsyncIterator[list[Row]]:
    rows = await reader.all(table.page(first=True))
    while rows:
        yield rows
        rows = await reader.all(table.page(first=False), **table.after(rows[-1]))


class _Lines:
    """Writes lines and keeps their hash."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, lines: bytes) -> None:
        self._hash.update(lines)
        self._file.write(lines)

    def digest(self) -> str:
        return self._hash.hexdigest()


# --- back in ----------------------------------------------------------------------------------------------------


async def restore(
    location: DatabaseLocation, file: BinaryIO, *, clock: Clock, files: AttachmentFiles | None = None
) -> Restored:
    """Put a backup into an empty store, as a whole or not at all, and bring it to the present schema.

    Attachments are put into ``files`` first: without their records they are looked after like any other. The file,
    which must allow seeking, is checked to its end before the store is touched. No service may run on the
    store. An empty store is one that nobody has written to; definitions of the standard tables do not count.

    Raises:
        DamagedBackup: the file is no whole, unaltered backup.
        NewerBackup: a later version of the program made it.
        StoreNotEmpty: the store holds something, or was opened by a later version than the backup's.
        AttachmentsFull, AttachmentsUnavailable: the files find no room; the store was not touched.
        StoreUnavailable, CommitUnknown: nothing was changed, or all of it; run it again to learn which.
    """
    header = _check(file)
    if files is not None:
        for content in _Reading(file).files():
            files.keep(content)
    async with (
        open_database(location, clock=clock, migrate_to=header.schema) as database,
        database.transaction() as tx,
    ):
        await _clear(tx, header)
        await _fill(tx, file, header)
    async with open_database(location, clock=clock) as database:
        return Restored(header.rows, await verify_feed(database))


@dataclass(frozen=True)
class _Header:
    schema: int
    rows: Mapping[str, int]


def _check(file: BinaryIO) -> _Header:
    """Read the file to its end and return its header."""
    reading = _Reading(file)
    for _table, _values in reading.rows():
        pass
    return reading.header


class _Reading:
    """One reading of a backup; that all was there and unaltered is known only at the end of `rows`."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        self._packed = gzip.GzipFile(fileobj=file, mode="rb")
        self._hash = hashlib.sha256()
        self.header = self._read_header()

    def rows(self) -> Iterator[tuple[_Kept, list[Any]]]:
        """Yield each row of the database, and raise `DamagedBackup` in the end when that is not all there was."""
        for table, values in self._lines():
            if table is not None:
                yield table, values

    def files(self) -> Iterator[bytes]:
        """Yield the bytes of each attachment, and raise as `rows` does."""
        for table, values in self._lines():
            if table is None and values[1] is not None:
                yield _content_of(*values)

    def _lines(self) -> Iterator[tuple[_Kept | None, list[Any]]]:
        schema = self.header.schema
        tables = {table.name: table.at(schema) for table in _TABLES if table.since <= schema}
        counts = dict.fromkeys(tables, 0)
        if FILES in self.header.rows:
            counts[FILES] = 0
        while True:
            line = self._line()
            content = _json(line)
            if isinstance(content, dict):
                self._check_trailer(content, counts)
                return
            name = str(content[0]) if isinstance(content, list) and content else ""
            table = tables.get(name)
            columns = 2 if table is None else len(table.columns)
            if name not in counts or len(content) != columns + 1:
                raise DamagedBackup("a line of the file is not a row of a backup")
            self._hash.update(line)
            counts[name] += 1
            yield table, content[1:]

    def _read_header(self) -> _Header:
        line = self._line()
        content = _json(line)
        self._hash.update(line)
        try:
            if content["format"] != FORMAT:
                raise DamagedBackup("the file is not a backup")
            if content["version"] != VERSION:
                raise NewerBackup(f"format version {content['version']!s:.20}", VERSION)
            header = _Header(int(content["schema"]), dict(content["rows"]))
        except (TypeError, KeyError, ValueError) as cause:
            raise DamagedBackup("the file is not a backup") from cause
        if header.schema > SCHEMA:
            raise NewerBackup(f"schema version {header.schema}", SCHEMA)
        return header

    def _check_trailer(self, trailer: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        if trailer.get("sha256") != self._hash.hexdigest():
            raise DamagedBackup("the file was altered: its lines do not have the hash at its end")
        if not trailer.get("rows") == self.header.rows == counts:
            raise DamagedBackup("the file does not hold as many rows as it says")
        if self._read(1):
            raise DamagedBackup("the file goes on after its end")

    def _line(self) -> bytes:
        line = self._read(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise DamagedBackup("the file ends too early")
        return line

    def _read(self, limit: int) -> bytes:
        try:
            return self._packed.readline(limit)
        except (EOFError, zlib.error, gzip.BadGzipFile) as cause:
            raise DamagedBackup("the file is cut off, altered, or no backup") from cause


def _content_of(digest: str, encoded: str) -> bytes:
    content = base64.b64decode(encoded)
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedBackup("an attachment's bytes are not those that its name tells")
    return content


def _json(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as cause:
        raise DamagedBackup("a line of the file is not JSON") from cause


async def _clear(tx: Transaction, header: _Header) -> None:
    """Make sure that nobody has written to the store, and take out what a new one holds by itself."""
    version = await _schema_version(tx)
    if version != header.schema:
        raise StoreNotEmpty(f"its schema version is {version}, the backup's {header.schema}")
    await storage.lock_head(tx)  # keeps out whoever writes in spite of what was said
    for table in _TABLES:
        if table.since <= version and table.name not in _FILLED_WHEN_NEW and await _holds_rows(tx, table):
            raise StoreNotEmpty(f"it holds rows of {table.name}")
    standard = {table.id for table in STANDARD_TABLES}
    if any(table.id not in standard for table in await storage.read_tables(tx)):
        raise StoreNotEmpty("it holds tables that are not the standard ones")
    for name in sorted(_FILLED_WHEN_NEW):
        await tx.run(f"delete from {name}")


async def _fill(tx: Transaction, file: BinaryIO, header: _Header) -> None:
    waiting: list[dict[str, object]] = []
    present: _Kept | None = None
    for table, values in _Reading(file).rows():
        if present is not None and (table is not present or len(waiting) == PAGE):
            await tx.run_many(present.insert(), waiting)
            waiting = []
        present = table
        waiting.append(table.decode(values))
    if present is not None:
        await tx.run_many(present.insert(), waiting)
    if tx.dialect == "postgres":
        for since, statement in _COUNT_ON.items():
            if header.schema >= since:
                await tx.all(statement)
