"""From the bases to a file, in one snapshot and in bounded memory."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import orjson

from airtable_connector.database import Database, Reader
from airtable_connector.kernel.errors import Invalid
from airtable_connector.records import storage
from airtable_connector.records.errors import UnknownTable
from airtable_connector.records.exchange.form import FORMAT, RECORD_COLUMNS, VERSION, VERSION_OF_ONE_BASE, Form
from airtable_connector.records.feed import Head
from airtable_connector.records.schema import MadeBase, Record, Table

STEP = 500
"""Records read at a time."""


class OneTableOnly(Invalid):
    """A CSV file holds one table, and another number of them was asked for."""

    code = "one-table-only"

    def __init__(self) -> None:
        super().__init__(
            "a CSV file holds the records of one table",
            field="table",
            hint="name one table, or choose the format jsonl, which holds them all",
        )


@dataclass(frozen=True)
class Exported:
    """What a file holds: how many records of each table, by `Table.address`, and the feed position that it shows."""

    records: dict[str, int]
    seq: int


async def export_records(
    database: Database, *, tables: Sequence[str], form: Form, write: Callable[[bytes], object]
) -> Exported:
    """Write the records of the named tables (none named means all, of every base) as one snapshot shows them.

    Tables of the own base are named by name or id, those of made bases by id; so are they in the file.

    Computed cells are written for people to read; an import leaves them out. CSV cells are written as they are: a text
    that begins with ``=``, ``+``, ``-`` or ``@`` may run as a formula when a spreadsheet opens the file, but a guard
    in front of it would come back as a part of the text.

    Raises:
        UnknownTable: there is no table of that name or id.
        OneTableOnly: CSV was asked for other than one table.
    """
    async with database.reading() as reader:
        chosen = _chosen(await storage.read_tables(reader), tables)
        head = await storage.read_head(reader)
        if form is Form.CSV:
            if len(chosen) != 1:
                raise OneTableOnly
            counts = {chosen[0].address: await _write_csv(reader, chosen[0], write)}
        else:
            write(_header(chosen, await storage.read_bases(reader), head))
            counts = {table.address: await _write_json_lines(reader, table, write) for table in chosen}
    return Exported(counts, head.seq)


def _chosen(tables: Sequence[Table], names: Sequence[str]) -> list[Table]:
    by_name = {table.name: table for table in tables if table.base is None}
    by_id = {str(table.id): table for table in tables}
    if not names:
        return list(tables)
    chosen: dict[str, Table] = {}
    for name in names:
        table = by_name.get(name) or by_id.get(name)
        if table is None:
            raise UnknownTable(name, by_name)
        chosen[table.id] = table
    return list(chosen.values())


async def _pages(reader: Reader, table: Table) -> AsyncIterator[list[Record]]:
    after = 0
    while records := await storage.records_after(reader, table.id, after, STEP):
        yield records
        after = records[-1].ordinal


def _header(tables: Sequence[Table], bases: Sequence[MadeBase], head: Head) -> bytes:
    named = {table.base for table in tables}
    made = [{"id": base.id, "name": base.name, "createdTime": base.created_at} for base in bases if base.id in named]
    header = {
        "format": FORMAT,
        "version": VERSION if made else VERSION_OF_ONE_BASE,
        "feed": {"seq": head.seq, "hash": head.hash.hex()},
        **({"bases": made} if made else {}),
        "tables": [table.definition() for table in tables],
    }
    return orjson.dumps(header) + b"\n"


async def _write_json_lines(reader: Reader, table: Table, write: Callable[[bytes], object]) -> int:
    start = b'{"table":' + orjson.dumps(table.address) + b","
    count = 0
    async for records in _pages(reader, table):
        write(b"".join(start + table.encode(record)[1:] + b"\n" for record in records))
        count += len(records)
    return count


async def _write_csv(reader: Reader, table: Table, write: Callable[[bytes], object]) -> int:
    names = [field.name for field in table.fields]
    write(_csv_text([[*RECORD_COLUMNS, *names]]))
    count = 0
    async for records in _pages(reader, table):
        write(_csv_text([_csv_row(table, record, names) for record in records]))
        count += len(records)
    return count


def _csv_row(table: Table, record: Record, names: Sequence[str]) -> list[str]:
    shown = orjson.loads(table.encode(record))
    return [record.id, record.created_at, *(_csv_cell(shown["fields"].get(name)) for name in names)]


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _csv_text(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    # the line end of RFC 4180; with it, the writer quotes cells that hold either of its characters
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
