"""From a JSON value to a cell and back: what each field type accepts, and the one form in which it is kept.

An empty cell is None here and absent in the store (Airtable omits empty cells: None, "", [] and false). What is
accepted follows Airtable's Web API without ``typecast``; where Airtable is silent the stricter reading was taken.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from airtable_connector.kernel.clock import iso
from airtable_connector.kernel.ids import Ids, looks_like_record_id
from airtable_connector.kernel.jsonvalues import describe
from airtable_connector.records.errors import InvalidCell, UnknownChoice
from airtable_connector.records.schema.fields import NAMING_MEMBERS, Field, FieldType, stable_id

Cell: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any]
"""A cell as it is kept: JSON, in one form per type."""

LONGEST_TEXT = 100_000
"""Characters in a text cell (Airtable's limit for long text)."""

MOST_ITEMS = 1_000
"""Links, choices or attachments in one cell."""

EXACT_INTEGERS = 2**53
"""Beyond this a JSON number is not exact in most readers, so whole numbers are rounded as floats are."""

WHOLE_NUMBERS = range(-(2**63), 2**64)
"""Whole numbers that our JSON reader reads as such; PostgreSQL's JSONB writes all of them without an exponent."""

KEPT: Final = "attachment:"
"""How the address of a file begins whose bytes are kept here; the hash of its content follows."""

_KEPT_ADDRESS = re.compile(KEPT + "([0-9a-f]{64})", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
LONGEST_NUMBER = 400
"""Characters in a number that is spelled out; the longest one that a float writes has some 340."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PERSON = re.compile(r"(usr|ugp)[0-9A-Za-z]{14}", re.ASCII)
_BULLET = re.compile(r"^(\s*)\* ", re.MULTILINE)
_URL = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)


@dataclass(frozen=True)
class Surroundings:
    """What a cell's reading may depend on besides the value."""

    ids: Ids
    attachments: Mapping[str, Mapping[str, Any]]
    """The attachments that the cell holds already, by id."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file whose bytes are kept here, named by the SHA-256 of its content.

    As the value of an attachment field it is put behind those that the cell holds; in a list it stands as it is.
    """

    digest: str
    size: int
    type: str
    filename: str


def kept_file(item: object) -> KeptFile | None:
    """Return which file an attachment of a cell is; None when it only has an address elsewhere."""
    match item:
        case {"url": str(url), "size": int(size), "type": str(kind), "filename": str(filename)}:
            found = _KEPT_ADDRESS.fullmatch(url)
            return None if found is None else KeptFile(found[1], size, kind, filename)
    return None


def read_cell(field: Field, value: object, around: Surroundings) -> Cell | None:
    """Turn a JSON value into the field's cell; None means an empty cell.

    Raises:
        InvalidCell: the value does not fit the field's type.
        UnknownChoice: a select field has no such choice.
    """
    if value is None or value in ("", []):
        return None
    return _READERS[field.type](field, value, around)


def read_text(field: Field, text: str) -> Cell | None:
    """Turn a text (a query parameter, a CSV cell) into the field's cell.

    Raises:
        InvalidCell: the text does not spell a value of the field's type.
        UnknownChoice: a select field has no such choice.
    """
    if text == "":
        return None
    match field.holds:
        case FieldType.NUMBER | FieldType.PERCENT | FieldType.CURRENCY | FieldType.RATING | FieldType.DURATION:
            return _number(field, _spelled_number(field, text))
        case FieldType.AUTO_NUMBER:
            return _number(field, _spelled_number(field, text))
        case FieldType.CHECKBOX:
            return _spelled_checkbox(field, text)
        case FieldType.CREATED_TIME | FieldType.LAST_MODIFIED_TIME:
            return _moment(field, text, None)
        case FieldType.MULTIPLE_SELECTS:
            return _choices(field, [text], None)
        case FieldType.MULTIPLE_RECORD_LINKS:
            return _links(field, [text], None)
        case FieldType.BARCODE:
            return _barcode(field, {"text": text}, None)
        case FieldType.SINGLE_COLLABORATOR:
            return _collaborator(field, _spelled_person(text), None)
        case FieldType.MULTIPLE_COLLABORATORS:
            return _collaborators(field, [_spelled_person(text)], None)
        case FieldType.AI_TEXT | FieldType.EXTERNAL_SYNC_SOURCE:
            return _text(field, text, None)
        case _:
            return _READERS[field.holds](field, text, None)


def one_form(number: float) -> int | float:
    """Write a finite number in the one form that it has, or the same state had two names (ETag) in two replicas."""
    return int(number) if number.is_integer() and int(number) in WHOLE_NUMBERS else number


def as_stored(cell: Cell) -> Cell:
    """Give a cell that another base tells the form in which both stores keep it, so that the same state has one name.

    Numbers are written in one way and the members of objects stand in PostgreSQL's order; characters that no store
    can hold become the replacement character.
    """
    match cell:
        case str():
            return cell if storable(cell) else _SURROGATE.sub("\ufffd", cell).replace("\x00", "\ufffd")
        case float():
            return one_form(cell)
        case list():
            return [None if item is None else as_stored(item) for item in cell]
        case dict():
            members = sorted(cell.items(), key=lambda member: (len(member[0].encode()), member[0].encode()))
            return {name: None if item is None else as_stored(item) for name, item in members}
        case _:
            return cell


def naming(field: Field, cell: Cell | None) -> Cell | None:
    """Return what stands for a cell where it is compared or ordered: of an object the member that names it."""
    return cell[NAMING_MEMBERS[field.type]] if isinstance(cell, dict) and field.type in NAMING_MEMBERS else cell


def storable(text: str) -> bool:
    """Tell whether both stores can hold a text: PostgreSQL takes no NUL, and neither takes half of a character."""
    return "\x00" not in text and (text.isascii() or not _SURROGATE.search(text))


def _text(field: Field, value: object, _around: Surroundings | None) -> str:
    if not isinstance(value, str):
        raise InvalidCell(field.name, describe(value), allowed="a text")
    if len(value) > LONGEST_TEXT:
        raise InvalidCell(field.name, f"{len(value)} characters", allowed=f"at most {LONGEST_TEXT} characters")
    if not storable(value):
        raise InvalidCell(
            field.name,
            "a text with NUL characters or halves of characters",
            allowed="a text without NUL characters and lone surrogates",
        )
    return value


def _rich_text(field: Field, value: object, _around: Surroundings | None) -> str:
    """Keep Markdown as Airtable writes it: bullets are dashes, and it ends with a line break."""
    text = _BULLET.sub(r"\1- ", _text(field, value, None))
    return _text(field, text if text.endswith("\n") else f"{text}\n", None)


def _barcode(field: Field, value: object, _around: Surroundings | None) -> dict[str, Any] | None:
    allowed = '{"text": "…", "type"?: "…"}'
    if not isinstance(value, Mapping) or not value.keys() <= {"text", "type"}:
        raise InvalidCell(field.name, describe(value), allowed=allowed)
    text, kind = _text(field, value.get("text"), None), value.get("type")
    if kind is None:
        return {"text": text} if text else None
    if not isinstance(kind, str) or not 1 <= len(kind) <= 40 or not storable(kind):
        raise InvalidCell(field.name, "this type", allowed=allowed)
    return {"text": text, "type": kind} if text else None


def _collaborator(field: Field, value: object, _around: Surroundings | None) -> dict[str, Any]:
    allowed = '{"id": "usr…"} or {"email": "…"}'
    if not isinstance(value, Mapping) or not {"id", "email"} & value.keys() <= value.keys() <= {"id", "email", "name"}:
        raise InvalidCell(field.name, describe(value), allowed=allowed)
    told = {name: item for name, item in value.items() if item is not None}
    for item in told.values():
        if not isinstance(item, str) or not 1 <= len(item) <= 255 or not storable(item):
            raise InvalidCell(field.name, "this collaborator", allowed=allowed)
    email = told.get("email")
    person = told.get("id") or (None if email is None else stable_id("usr", email.casefold()))
    if person is None or not _PERSON.fullmatch(person) or (email is not None and "@" not in email):
        raise InvalidCell(field.name, "this collaborator", allowed=allowed)
    # in the order that PostgreSQL keeps the members in, so that the same state has one name everywhere
    return {"id": person, "name": told.get("name") or email or person, **({} if email is None else {"email": email})}


def _collaborators(field: Field, value: object, _around: Surroundings | None) -> list[dict[str, Any]]:
    items = _items(field, value, "a list of collaborators")
    named = [_collaborator(field, {"id": item} if isinstance(item, str) else item, None) for item in items]
    return list({person["id"]: person for person in named}.values())


def _spelled_person(text: str) -> dict[str, str]:
    return {"id" if _PERSON.fullmatch(text) else "email": text}


def _number(field: Field, value: object, _around: Surroundings | None = None) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidCell(field.name, describe(value), allowed="a number")
    if isinstance(value, int):
        if abs(value) <= EXACT_INTEGERS:
            return value
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    if not math.isfinite(value):
        raise InvalidCell(field.name, "a number that is not finite", allowed="a finite number")
    return one_form(value)


def _rating(field: Field, value: object, _around: Surroundings | None) -> int | None:
    top = int(field.options.get("max", 5))
    number = _number(field, value)
    if not isinstance(number, int) or not 0 <= number <= top:
        raise InvalidCell(field.name, f"{number}", allowed=f"a whole number from 1 to {top}; 0 empties the cell")
    return number or None


def _checkbox(field: Field, value: object, _around: Surroundings | None) -> bool | None:
    if not isinstance(value, bool):
        raise InvalidCell(field.name, describe(value), allowed="true or false")
    return value or None


def _choice(field: Field, value: object, _around: Surroundings | None) -> str:
    if not isinstance(value, str):
        raise InvalidCell(field.name, describe(value), allowed=", ".join(field.choices[:20]))
    if value not in field.choices:
        raise UnknownChoice(field.name, value, field.choices)
    return value


def _choices(field: Field, value: object, _around: Surroundings | None) -> list[str]:
    items = _items(field, value, "a list of choices")
    return list(dict.fromkeys(_choice(field, item, None) for item in items))


def _date(field: Field, value: object, _around: Surroundings | None) -> str:
    allowed = "a date as YYYY-MM-DD"
    if not isinstance(value, str):
        raise InvalidCell(field.name, describe(value), allowed=allowed)
    if not _DATE.fullmatch(value):
        raise InvalidCell(field.name, "this text", allowed=allowed)
    try:
        date.fromisoformat(value)
    except ValueError as cause:
        raise InvalidCell(field.name, "a day that is in no calendar", allowed=allowed) from cause
    return value


def _moment(field: Field, value: object, _around: Surroundings | None) -> str:
    allowed = "a moment as ISO 8601 (2026-01-31T12:00:00Z), or milliseconds since 1970"
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return iso(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=value))
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return iso(moment.replace(tzinfo=_zone(field)) if moment.tzinfo is None else moment)
    except (ValueError, OverflowError) as cause:
        raise InvalidCell(field.name, "this value", allowed=allowed) from cause
    raise InvalidCell(field.name, describe(value), allowed=allowed)


def _zone(field: Field) -> ZoneInfo:
    name = field.options.get("timeZone", "utc")
    return ZoneInfo("UTC" if name in {"utc", "client"} else name)


def _links(field: Field, value: object, _around: Surroundings | None) -> list[str]:
    items = _items(field, value, "a list of record ids")
    for item in items:
        if not isinstance(item, str) or not looks_like_record_id(item):
            raise InvalidCell(field.name, "an item that is no record id", allowed="a list of record ids (rec…)")
    return list(dict.fromkeys(str(item) for item in items))


def _attachments(field: Field, value: object, around: Surroundings | None) -> list[dict[str, Any]] | None:
    if isinstance(value, KeptFile) and around is not None:
        value = [*({"id": held} for held in around.attachments), value]
    items = _items(field, value, "a list of attachments")
    if around is None:
        raise InvalidCell(field.name, "a text", allowed="a list of attachments")
    return [_attachment(field, item, around) for item in items]


def _attachment(field: Field, item: object, around: Surroundings) -> dict[str, Any]:
    allowed = '{"url": "https://…", "filename"?: "…"} for a new one, {"id": "att…"} for one the cell holds'
    if isinstance(item, KeptFile):
        # in the order that PostgreSQL gives the members of an object: equal cells have equal bytes in both stores
        kept = {"id": around.ids.mint("att"), "url": KEPT + item.digest, "size": item.size, "type": item.type}
        return {**kept, "filename": item.filename}
    if not isinstance(item, Mapping):
        raise InvalidCell(field.name, describe(item), allowed=allowed)
    held = around.attachments.get(str(item.get("id", "")))
    if held is not None:
        return dict(held)
    url = item.get("url")
    if "id" in item or not isinstance(url, str) or len(url) > 2_000 or not _URL.fullmatch(url):
        raise InvalidCell(field.name, "this attachment", allowed=allowed)
    _text(field, url, None)
    filename = item.get("filename")
    if filename in (None, ""):
        filename = url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    return {"id": around.ids.mint("att"), "url": url, "filename": _text(field, filename, None)[:255]}


def _items(field: Field, value: object, allowed: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise InvalidCell(field.name, describe(value), allowed=allowed)
    if len(value) > MOST_ITEMS:
        raise InvalidCell(field.name, f"{len(value)} items", allowed=f"at most {MOST_ITEMS} items")
    return value


def _spelled_number(field: Field, text: str) -> float:
    # float() alone would also take other scripts' digits, spaces and underscores
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise InvalidCell(field.name, "this text", allowed="a number")
    return float(text)


def _spelled_checkbox(field: Field, text: str) -> bool | None:
    match text.casefold():
        case "true" | "1" | "yes" | "checked":
            return True
        case "false" | "0" | "no":
            return None
        case _:
            raise InvalidCell(field.name, "this text", allowed="true or false")


_READERS: Mapping[FieldType, Callable[[Field, object, Any], Cell | None]] = {
    FieldType.SINGLE_LINE_TEXT: _text,
    FieldType.MULTILINE_TEXT: _text,
    FieldType.URL: _text,
    FieldType.EMAIL: _text,
    FieldType.PHONE_NUMBER: _text,
    FieldType.NUMBER: _number,
    FieldType.PERCENT: _number,
    FieldType.CURRENCY: _number,
    FieldType.RATING: _rating,
    FieldType.DURATION: _number,
    FieldType.CHECKBOX: _checkbox,
    FieldType.SINGLE_SELECT: _choice,
    FieldType.MULTIPLE_SELECTS: _choices,
    FieldType.DATE: _date,
    FieldType.DATE_TIME: _moment,
    FieldType.MULTIPLE_RECORD_LINKS: _links,
    FieldType.MULTIPLE_ATTACHMENTS: _attachments,
    FieldType.RICH_TEXT: _rich_text,
    FieldType.BARCODE: _barcode,
    FieldType.SINGLE_COLLABORATOR: _collaborator,
    FieldType.MULTIPLE_COLLABORATORS: _collaborators,
}
