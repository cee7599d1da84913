"""Cells as texts (``cellFormat=string``). Airtable promises no stable form, and advises against reading it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from airtable_connector.kernel.clock import parse_iso
from airtable_connector.records import Field, FieldType
from airtable_connector.records.formula import Moment, to_text, write_moment
from airtable_connector.web.airtable_api.field_options import complete_options
from airtable_connector.web.airtable_api.options import AsText

CLOCKS: Final = range(2, 9_999)
"""Years that every zone's clocks can show."""


def text_of(field: Field, cell: object, wanted: AsText) -> str:
    """Write a cell as the people who look at a table would read it; links are not for here."""
    return _WRITERS.get(field.type, _plain)(field, cell, wanted)


def joined(parts: Sequence[str]) -> str:
    """Join the texts of a cell that holds several; one with a comma or a quote in it stands in quotes."""
    return ", ".join(_quoted(part) if "," in part or '"' in part else part for part in parts)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _plain(_field: Field, cell: object, _wanted: AsText) -> str:
    return str(cell)


def _number(field: Field, cell: Any, _wanted: AsText) -> str:
    return f"{cell:.{_precision(field)}f}"


def _currency(field: Field, cell: Any, _wanted: AsText) -> str:
    sign = "-" if cell < 0 else ""
    return f"{sign}{complete_options(field)['symbol']}{abs(cell):.{_precision(field)}f}"


def _percent(field: Field, cell: Any, _wanted: AsText) -> str:
    return f"{cell * 100:.{_precision(field)}f}%"


def _precision(field: Field) -> int:
    precision: int = complete_options(field)["precision"]
    return precision


def _duration(field: Field, cell: Any, _wanted: AsText) -> str:
    form = complete_options(field)["durationFormat"]
    sign, seconds = "-" if cell < 0 else "", abs(cell)
    hours, rest = divmod(seconds, 3_600)
    minutes, rest = divmod(rest, 60)
    shown = f"{sign}{int(hours)}:{int(minutes):02}"
    if form == "h:mm":
        return shown
    decimals = len(form.partition(".")[2])
    width = 3 + decimals if decimals else 2
    return f"{shown}:{rest:0{width}.{decimals}f}"


def _checkbox(_field: Field, _cell: object, _wanted: AsText) -> str:
    return "checked"


def _choices(_field: Field, cell: Any, _wanted: AsText) -> str:
    return joined(cell)


def _attachments(_field: Field, cell: Any, _wanted: AsText) -> str:
    return ", ".join(f"{each['filename']} ({each['url']})" for each in cell)


def _barcode(_field: Field, cell: Any, _wanted: AsText) -> str:
    return str(cell["text"])


def _collaborator(_field: Field, cell: Any, _wanted: AsText) -> str:
    return str(cell["name"])


def _collaborators(_field: Field, cell: Any, _wanted: AsText) -> str:
    return joined([each["name"] for each in cell])


def _day(field: Field, cell: Any, wanted: AsText) -> str:
    day = datetime.fromisoformat(cell).replace(tzinfo=UTC)
    return write_moment(Moment(day, UTC, wanted.locale), complete_options(field)["dateFormat"]["format"])


def _moment(field: Field, cell: Any, wanted: AsText) -> str:
    options = complete_options(field)
    options = options.get("result", {}).get("options", options)
    form = f"{options['dateFormat']['format']} {options['timeFormat']['format']}"
    moment = parse_iso(cell)
    if moment.year not in CLOCKS:
        return str(cell)
    return write_moment(Moment(moment, wanted.zone, wanted.locale), form)


def _computed(field: Field, cell: Any, wanted: AsText) -> str:
    """Write a result as a cell of its type; numbers in their shortest form, since nobody chose another."""
    match cell:
        case {"error": str(error)}:
            return error
        case {"specialValue": str(special)}:
            return special
        case list():
            return joined([_computed(field, item, wanted) for item in cell])
        case bool():
            return "checked"
        case int() | float():
            return to_text(cell)
        case {"name": str(name)} | {"label": str(name)} | {"filename": str(name)}:
            return name
        case str() if field.holds is FieldType.DATE_TIME:
            return _moment(field, cell, wanted)
        case _:
            return str(cell)


_WRITERS: Final[Mapping[FieldType, Callable[[Field, Any, AsText], str]]] = {
    FieldType.NUMBER: _number,
    FieldType.CURRENCY: _currency,
    FieldType.PERCENT: _percent,
    FieldType.DURATION: _duration,
    FieldType.CHECKBOX: _checkbox,
    FieldType.MULTIPLE_SELECTS: _choices,
    FieldType.MULTIPLE_ATTACHMENTS: _attachments,
    FieldType.BARCODE: _barcode,
    FieldType.SINGLE_COLLABORATOR: _collaborator,
    FieldType.MULTIPLE_COLLABORATORS: _collaborators,
    FieldType.DATE: _day,
    FieldType.DATE_TIME: _moment,
    FieldType.CREATED_TIME: _moment,
    FieldType.LAST_MODIFIED_TIME: _moment,
    FieldType.FORMULA: _computed,
    FieldType.ROLLUP: _computed,
    FieldType.MULTIPLE_LOOKUP_VALUES: _computed,
    FieldType.COUNT: _computed,
    FieldType.CREATED_BY: _computed,
    FieldType.LAST_MODIFIED_BY: _computed,
    FieldType.BUTTON: _computed,
}
"""How the types are written whose text is not simply their value."""
