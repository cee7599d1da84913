"""Reading values that were sent as texts (``typecast``): the best effort that Airtable promises.

What cannot be understood is left as it is, and refused as it would be without typecast. Choices that a field lacks are
told by `new_choices`; whether the caller may add them is not known here. Records for links are never added.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import orjson

from airtable_connector.kernel.ids import FieldId, looks_like_record_id
from airtable_connector.records import (
    CannotFilter,
    Field,
    FieldType,
    InvalidCell,
    Query,
    Table,
    UnknownChoice,
    equals,
)
from airtable_connector.web.airtable_api.base import Base
from airtable_connector.web.airtable_api.cells import Cells
from airtable_connector.web.airtable_api.field_options import complete_options

_NUMBER: Final = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_BESIDE_NUMBERS: Final = re.compile(r"[\s,$€£¥]")
_CLOCK: Final = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)", re.ASCII)
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T]+(\d{1,2}):(\d{2})\s*([aApP][mM])?)?", re.ASCII)

CHECKED: Final = frozenset({"true", "1", "yes", "checked"})
UNCHECKED: Final = frozenset({"false", "0", "no", "unchecked"})


async def typecast(base: Base, table: Table, cells: Cells) -> Cells:
    """Turn the values of a write into ones that their fields take, as far as they can be understood.

    Raises:
        UnknownField: the table has no such field.
    """
    cast: dict[str, object] = {}
    for name, value in cells.items():
        field = table.field(name)
        if field.type is FieldType.MULTIPLE_RECORD_LINKS:
            cast[name] = await _links(base, field, value)
        else:
            cast[name] = _CASTS[field.type](field, value) if field.type in _CASTS else value
    return cast


def new_choices(table: Table, cells: Cells) -> Mapping[FieldId, Sequence[str]]:
    """Tell which choices cells name that their select fields do not have, by field.

    Raises:
        UnknownField: the table has no such field.
    """
    found: dict[FieldId, list[str]] = {}
    for name, value in cells.items():
        field = table.field(name)
        if field.type in {FieldType.SINGLE_SELECT, FieldType.MULTIPLE_SELECTS}:
            named = value if isinstance(value, list) else [value]
            fresh = [each for each in named if isinstance(each, str) and each.strip() and each not in field.choices]
            if fresh:
                found.setdefault(field.id, []).extend(fresh)
    return found


def _text(_field: Field, value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else ""
    return orjson.dumps(value).decode() if isinstance(value, int | float) else value


def _number(_field: Field, value: object) -> object:
    number = _read_number(value)
    return value if number is None else number


def _percent(field: Field, value: object) -> object:
    if isinstance(value, str) and value.rstrip().endswith("%"):
        number = _read_number(value.rstrip()[:-1])
        # dividing 12.3 by 100 would give 0.12300000000000001
        return value if number is None else float(Decimal(repr(number)).scaleb(-2))
    return _number(field, value)


def _duration(field: Field, value: object) -> object:
    clock = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if clock is None:
        return _number(field, value)
    first, second, third = clock.groups()
    if first is None:
        return int(second) * 3_600 + float(third) * 60
    return int(first) * 3_600 + int(second) * 60 + float(third)


def _read_number(value: object) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or len(value) > 400:
        return None
    bare = _BESIDE_NUMBERS.sub("", value)
    return float(bare) if _NUMBER.fullmatch(bare) else None


def _checkbox(_field: Field, value: object) -> object:
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    return True if word in CHECKED else False if word in UNCHECKED else value


def _choices(_field: Field, value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def _barcode(_field: Field, value: object) -> object:
    return {"text": value} if isinstance(value, str) and value else value


def _collaborator(_field: Field, value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        return value
    return {"email" if "@" in value else "id": value.strip()}


def _collaborators(field: Field, value: object) -> object:
    items = _choices(field, value)
    return [_collaborator(field, item) for item in items] if isinstance(items, list) else items


def _date(field: Field, value: object) -> object:
    read = _read_day(field, value)
    if read is not None:
        return read.date().isoformat()
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip()).date().isoformat()
        except ValueError:
            return value
    return value


def _moment(field: Field, value: object) -> object:
    read = _read_day(field, value)
    # without a zone: the field's own is meant, which the store knows
    return value if read is None else read.isoformat()


def _read_day(field: Field, value: object) -> datetime | None:
    """Read ``1/31/2026``, or ``31/1/2026`` where the field is shown so, perhaps with a time."""
    found = _SLASHED.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    first, second, year = int(found[1]), int(found[2]), int(found[3])
    european = complete_options(field)["dateFormat"]["name"] == "european"
    month, day = (second, first) if european else (first, second)
    hour, minute = int(found[4] or 0), int(found[5] or 0)
    if found[6] and 1 <= hour <= 12:
        hour = hour % 12 + (12 if found[6].lower() == "pm" else 0)
    try:
        return datetime(year, month, day, hour, minute)  # noqa: DTZ001 - the field's zone is meant
    except ValueError:
        return None


async def _links(base: Base, field: Field, value: object) -> object:
    """Turn names of records into their ids; the first record of that name is meant."""
    items = [value] if isinstance(value, str) and value else value
    if not isinstance(items, list):
        return value
    table = base.workspace.table(field.options["linkedTableId"])
    return [await _record_named(base, table, item) for item in items]


async def _record_named(base: Base, table: Table, item: object) -> object:
    if not isinstance(item, str) or not item.strip() or looks_like_record_id(item):
        return item
    try:
        wanted = equals(table.primary_field, item.strip())
    except (CannotFilter, InvalidCell, UnknownChoice):
        return item
    page = await base.workspace.page(Query(table, equals=(wanted,), page_size=1))
    return orjson.loads(page.records[0])["id"] if page.records else item


_CASTS: Final[Mapping[FieldType, Callable[[Field, object], object]]] = {
    FieldType.SINGLE_LINE_TEXT: _text,
    FieldType.MULTILINE_TEXT: _text,
    FieldType.URL: _text,
    FieldType.EMAIL: _text,
    FieldType.PHONE_NUMBER: _text,
    FieldType.RICH_TEXT: _text,
    FieldType.NUMBER: _number,
    FieldType.CURRENCY: _number,
    FieldType.RATING: _number,
    FieldType.PERCENT: _percent,
    FieldType.DURATION: _duration,
    FieldType.CHECKBOX: _checkbox,
    FieldType.MULTIPLE_SELECTS: _choices,
    FieldType.DATE: _date,
    FieldType.DATE_TIME: _moment,
    FieldType.BARCODE: _barcode,
    FieldType.SINGLE_COLLABORATOR: _collaborator,
    FieldType.MULTIPLE_COLLABORATORS: _collaborators,
}
