"""From a file to rows: reading JSON Lines and CSV, each row with its place, so that a refusal can name it."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import BaseId, RecordId, looks_like_base_id, parse_record_id
from airtable_connector.records.errors import InvalidCell, UnknownField
from airtable_connector.records.exchange.errors import MalformedFile, MalformedRow
from airtable_connector.records.exchange.form import (
    FORMAT,
    JSON_TYPES,
    RECORD_COLUMNS,
    VERSION,
    VERSION_OF_ONE_BASE,
    Form,
)
from airtable_connector.records.schema import Field, MadeBase, Table, read_text, stable_id, table_from_definition

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one line. A record of the largest cells we keep is far below it."""

MOST_LINES_OF_A_ROW = 100_000
"""Lines that one CSV row may go over, for a cell may be all line ends; a missing closing quote must end somewhere."""

_KEYS = frozenset({"table", "id", "createdTime", "fields"})

FindTable = Callable[[str | None], Table]
"""Finds the table that a row names, or that rows without a table belong to; raises when there is none."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file. ``place`` is an id made of everything in the file up to here."""

    line: int
    raw: bytes
    place: RecordId
    table: Table
    id: RecordId | None
    created_at: str | None
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file defines: its tables, and the made bases that some of them are in."""

    tables: Sequence[Table] = ()
    bases: Sequence[MadeBase] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that is no record of the base, and why."""

    line: int
    raw: bytes
    error: ConnectorError


def digest(file: BinaryIO) -> str:
    """Name a file by its content."""
    file.seek(0)
    content = hashlib.sha256()
    while piece := file.read(1024 * 1024):
        content.update(piece)
    return content.hexdigest()


def read_header(file: BinaryIO, form: Form) -> Header:
    """Read what a file's header defines; a file without a header defines nothing.

    Raises:
        MalformedFile: the header is of another kind of file, or of a later version.
        InvalidSchema: a table's definition is none.
    """
    if form is Form.CSV:
        return Header()
    file.seek(0)
    header = _json_object(file.readline(LONGEST_LINE))
    if header is None or "format" not in header:
        return Header()
    if header["format"] != FORMAT:
        hint = "'restore' reads backups; an import wants what 'export' wrote"
        raise MalformedFile(1, f"this is a file of the format {str(header['format'])[:40]!r}", hint=hint)
    known = (VERSION_OF_ONE_BASE, VERSION)
    if header.get("version") not in known:
        hint = f"known: {', '.join(map(str, known))}"
        raise MalformedFile(1, "this file has another version than this program reads", hint=hint)
    tables = [table_from_definition(one) for one in _objects(header, "tables")]
    bases = [_made_base(one) for one in _objects({"bases": [], **header}, "bases")]
    return Header(tables, bases)


def _objects(header: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = header.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise MalformedFile(1, f"the header lists no {name}", hint="leave it out, or export the base again")
    return found


def _made_base(shown: Mapping[str, Any]) -> MadeBase:
    match shown:
        case {"id": str(base), "name": str(name), "createdTime": str(created_at)} if looks_like_base_id(base):
            try:
                return MadeBase(BaseId(base), name, iso(parse_iso(created_at)))
            except (ValueError, OverflowError):
                pass
    raise MalformedFile(1, "the header describes a base that is none", hint="export the base again")


def preamble(file: BinaryIO, form: Form) -> bytes:
    """Return the lines that must stand before rows taken out of the file, so that they can be imported alone."""
    file.seek(0)
    first = file.readline(LONGEST_LINE)
    if form is Form.CSV:
        return first
    header = _json_object(first)
    return first if header is not None and "format" in header else b""


def read_rows(file: BinaryIO, form: Form, find_table: FindTable) -> Iterator[Row | Unreadable]:
    """Read a file from its beginning.

    Raises:
        MalformedFile: what follows cannot be told apart into rows.
        UnknownField: a CSV column is no field of the table.
    """
    file.seek(0)
    return _csv_rows(file, find_table(None)) if form is Form.CSV else _json_rows(file, find_table)


class _Places:
    """Gives each row an id that is the same in every reading of the same beginning of a file."""

    def __init__(self) -> None:
        self._seen = hashlib.sha256()

    def next(self, raw: bytes) -> RecordId:
        self._seen.update(raw)
        return RecordId(stable_id("rec", "row of a file", self._seen.hexdigest()))


# --- JSON Lines -------------------------------------------------------------------------------------------------


def _json_rows(file: BinaryIO, find_table: FindTable) -> Iterator[Row | Unreadable]:
    places = _Places()
    line = 0
    while raw := file.readline(LONGEST_LINE + 1):
        line += 1
        place = places.next(raw)
        if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            raise MalformedFile(line, "this line is too long", hint=f"a line has at most {LONGEST_LINE} bytes")
        if not raw.strip():
            continue
        content = _json_object(raw)
        if line == 1 and content is not None and "format" in content:
            continue
        try:
            yield _json_row(line, raw, place, content, find_table)
        except ConnectorError as error:
            yield Unreadable(line, raw, error)


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def _json_row(line: int, raw: bytes, place: RecordId, content: Mapping[str, Any] | None, find_table: FindTable) -> Row:
    allowed = 'give one object: {"table", "id"?, "createdTime"?, "fields": {…}}'
    if content is None:
        raise MalformedRow("this is no JSON object", hint=allowed)
    if strangers := sorted(content.keys() - _KEYS):
        raise MalformedRow("this object holds more than a record", field=strangers[0][:80], hint=allowed)
    fields = content.get("fields", {})
    if not isinstance(fields, dict):
        raise MalformedRow("the fields are no JSON object", field="fields", hint=allowed)
    for name in RECORD_COLUMNS:
        if not isinstance(content.get(name), str | None):
            raise MalformedRow(f"{name} is not a text", field=name, hint=allowed)
    table = content.get("table")
    if table is not None and not isinstance(table, str):
        raise MalformedRow("the table is not named by a text", field="table", hint=allowed)
    return Row(
        line,
        raw,
        place,
        find_table(table),
        _record_id(content.get("id")),
        _created_at(content.get("createdTime")),
        fields,
    )


def _record_id(text: str | None) -> RecordId | None:
    return parse_record_id(text) if text else None


def _created_at(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return iso(parse_iso(text))
    except (ValueError, OverflowError) as cause:
        hint = "write ISO 8601, as 2026-01-31T12:00:00Z"
        raise MalformedRow("createdTime is no moment", field="createdTime", hint=hint) from cause


# --- CSV --------------------------------------------------------------------------------------------------------


class _Lines:
    """Hands lines to the CSV reader and remembers those of the present row."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._row: list[bytes] = []
        self.line = 0

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline(LONGEST_LINE + 1):
            self.line += 1
            self._row.append(raw)
            if len(raw) > LONGEST_LINE or len(self._row) > MOST_LINES_OF_A_ROW:
                raise MalformedFile(self.line, "this row is too long", hint="look for a quote that is never closed")
            # bytes that are no UTF-8 become half a surrogate pair each, which the row is then refused for
            yield raw.decode("utf-8-sig" if self.line == 1 else "utf-8", errors="surrogateescape")

    def take(self) -> bytes:
        """Return the row's bytes and begin the next."""
        raw = b"".join(self._row)
        self._row.clear()
        return raw


def _csv_rows(file: BinaryIO, table: Table) -> Iterator[Row | Unreadable]:
    csv.field_size_limit(LONGEST_LINE)  # for the whole process; the default is smaller than our largest cell
    lines = _Lines(file)
    reader = csv.reader(iter(lines), strict=True)
    places = _Places()
    columns = _columns(_next_row(reader, lines) or [], table)
    places.next(lines.take())
    begins = lines.line + 1
    while (cells := _next_row(reader, lines)) is not None:
        raw = lines.take()
        place = places.next(raw)
        if cells:
            try:
                yield columns.row(begins, raw, place, cells)
            except ConnectorError as error:
                yield Unreadable(begins, raw, error)
        begins = lines.line + 1


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the first line says: which of `RECORD_COLUMNS` lead, and the fields that follow."""

    table: Table
    facts: list[str]
    fields: list[Field]

    def row(self, line: int, raw: bytes, place: RecordId, cells: list[str]) -> Row:
        _check_utf_8(raw)
        width = len(self.facts) + len(self.fields)
        if len(cells) != width:
            what = f"this row has {len(cells)} cells, the first line {width}"
            raise MalformedRow(what, hint="quote cells that hold a comma or a line end")
        known = dict(zip(self.facts, cells, strict=False))
        values = zip(self.fields, cells[len(self.facts) :], strict=True)
        fields: dict[str, object] = {field.id: _csv_value(field, text) for field, text in values if not field.computed}
        record_id, created_at = _record_id(known.get("id")), _created_at(known.get("createdTime"))
        return Row(line, raw, place, self.table, record_id, created_at, fields)


def _next_row(reader: Iterator[list[str]], lines: _Lines) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as cause:
        # nobody can tell where the next row begins, and half a row must not be taken for one
        hint = "quote cells that hold a comma, a quote or a line end, double quotes inside quotes, end lines with LF"
        raise MalformedFile(lines.line, "the CSV cannot be read from here on", hint=hint) from cause


def _columns(header: list[str], table: Table) -> _Columns:
    if not header:
        raise MalformedFile(1, "there is no line with the names of the columns", hint="id, createdTime, field names")
    names = list(header)
    facts = [name for name in RECORD_COLUMNS if names and names[0] == name and names.pop(0)]
    fields = [_column(table, name) for name in names]
    if len({field.id for field in fields}) != len(fields):
        raise MalformedFile(1, "two columns name the same field", hint="give each field one column")
    return _Columns(table, facts, fields)


def _column(table: Table, name: str) -> Field:
    try:
        return table.field(name)
    except UnknownField as error:
        shown = name.encode(errors="replace").decode()[:80]
        raise MalformedFile(1, f"{table.name} has no field {shown!r}", hint=error.hint or "") from error


def _check_utf_8(raw: bytes) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError as cause:
        raise MalformedRow("this row is not UTF-8", hint="save the file as UTF-8") from cause


def _csv_value(field: Field, text: str) -> object:
    if field.type not in JSON_TYPES or not text.startswith(("[", "{")):
        return read_text(field, text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as cause:
        raise InvalidCell(field.name, "this text", allowed="a JSON list or object, or one item alone") from cause
