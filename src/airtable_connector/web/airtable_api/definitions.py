"""Fields as bodies of the Meta API define them: which types can be made, and which options each must or may have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airtable_connector.kernel.ids import FieldId, Ids
from airtable_connector.records import Field, FieldNameTaken, FieldType, Table, storable
from airtable_connector.web.airtable_api.errors import (
    FieldNameEmpty,
    InvalidParameters,
    OptionsNotTaken,
    TypeNotCreated,
)

LONGEST_NAME: Final = 255
MOST_FIELDS: Final = 500
"""Fields of one table; Airtable's own limit."""

LONGEST_DESCRIPTION: Final = 20_000

NEVER_CREATED: Final = frozenset({"aiText", "externalSyncSource", "manualSort"})
"""Airtable's types that cannot be made: nobody here fills their cells."""

PRIMARY: Final = frozenset(
    {
        FieldType.SINGLE_LINE_TEXT, FieldType.MULTILINE_TEXT, FieldType.RICH_TEXT, FieldType.EMAIL, FieldType.URL,
        FieldType.PHONE_NUMBER, FieldType.NUMBER, FieldType.PERCENT, FieldType.CURRENCY, FieldType.DURATION,
        FieldType.DATE, FieldType.DATE_TIME, FieldType.BARCODE,
    }
)  # fmt: skip
"""Types that the first field of a table may have."""

HUES: Final = ("blue", "cyan", "teal", "green", "yellow", "orange", "red", "pink", "purple", "gray")
COLORS: Final = frozenset(hue + shade for hue in HUES for shade in ("Light2", "Light1", "Bright", "Dark1"))
BRIGHT: Final = frozenset(f"{hue}Bright" for hue in HUES)
RATING_ICONS: Final = frozenset({"star", "heart", "thumbsUp", "flag", "dot"})
CHECKBOX_ICONS: Final = RATING_ICONS | {"check", "xCheckbox"}
DURATIONS: Final = frozenset({"h:mm", "h:mm:ss", "h:mm:ss.S", "h:mm:ss.SS", "h:mm:ss.SSS"})
DATE_FORMATS: Final = {"local": "l", "friendly": "LL", "us": "M/D/YYYY", "european": "D/M/YYYY", "iso": "YYYY-MM-DD"}
TIME_FORMATS: Final = {"12hour": "h:mma", "24hour": "HH:mm"}

Read: TypeAlias = Callable[[Any], Any]
"""Reads one option; a `ValueError` says what is wrong with it."""


@dataclass(frozen=True)
class Options:
    """The options of a type: those that must be there, and those that may."""

    needed: Mapping[str, Read]
    allowed: Mapping[str, Read]


@dataclass(frozen=True)
class Place:
    """Where a field is made: the table's name, the tables that it may link to, and where ids come from."""

    table: str
    linkable: Sequence[str]
    ids: Ids


@dataclass(frozen=True)
class Change:
    """What a body wants different about a table or a field; None stays as it is."""

    name: str | None
    description: str | None
    options: object

    def options_of(self, field: Field, *, table: str) -> Mapping[str, Any] | None:
        """Return the options that a field is to have, as far as they are given.

        Raises:
            OptionsNotTaken: the type has no such options, or not such values.
        """
        if self.options is None:
            return None
        known = OPTIONS.get(field.type, NONE)
        readers = {**known.needed, **known.allowed}
        if field.type in _SELECTS:
            readers["choices"] = _changed_choices
        return _read_options(f"{table}.{field.name}", field.name, self.options, Options({}, readers))


def new_fields(asked: object, place: Place) -> tuple[Field, ...]:
    """Read the fields of a new table; the first one is its primary field.

    Raises:
        InvalidParameters: they are none, too many, or of another shape.
        FieldNameEmpty, FieldNameTaken, TypeNotCreated, OptionsNotTaken: one of them cannot be made.
    """
    if not isinstance(asked, list) or not 1 <= len(asked) <= MOST_FIELDS:
        raise InvalidParameters("fields")
    fields = tuple(new_field(each, place) for each in asked)
    names = set[str]()
    for field in fields:
        if field.name.casefold() in names:
            raise FieldNameTaken(place.table, field.name)
        names.add(field.name.casefold())
    if fields[0].type not in PRIMARY:
        raise TypeNotCreated(f"{place.table}.{fields[0].name}", fields[0].type, "as the primary field is not supported")
    return fields


def new_field(asked: object, place: Place) -> Field:
    """Read a field that is to be made.

    Raises:
        InvalidParameters: it is of another shape, or its type is none of Airtable's.
        FieldNameEmpty, TypeNotCreated, OptionsNotTaken: it cannot be made.
    """
    if not isinstance(asked, dict) or not asked.keys() <= {"name", "type", "description", "options"}:
        raise InvalidParameters("fields")
    name = text_member(asked, "name", empty=True)
    if not name.strip():
        raise FieldNameEmpty
    kind, full_name = asked.get("type"), f"{place.table}.{name}"
    if not isinstance(kind, str) or kind not in {*FieldType, *NEVER_CREATED}:
        raise InvalidParameters("type")
    if kind in NEVER_CREATED:
        raise TypeNotCreated(full_name, kind)
    known, options = OPTIONS.get(FieldType(kind), NONE), asked.get("options")
    if options is None and known.needed:
        raise OptionsNotTaken(full_name, f"{name}.options is missing")
    read = _read_options(full_name, name, {} if options is None else options, known)
    if "linkedTableId" in read and read["linkedTableId"] not in place.linkable:
        raise OptionsNotTaken(full_name, f"{name}.options.linkedTableId is no table of the base")
    choices = (
        {"choices": [{"id": place.ids.mint("sel"), **each} for each in read["choices"]]} if "choices" in read else {}
    )
    description = text_member(asked, "description", missing="")
    return Field(FieldId(place.ids.mint("fld")), name, FieldType(kind), {**read, **choices}, description)


def check_what_it_reads(field: Field, holder: Table, linked: Callable[[str], Table]) -> None:
    """Make sure that what a computed field names by id is there: a link, a field behind it, fields that it watches.

    Raises:
        OptionsNotTaken: it is not.
    """
    full_name, options = f"{holder.name}.{field.name}", field.options
    watched = options.get("referencedFieldIds", ()) if field.type in _WATCHING else ()
    if any(each not in holder.by_id for each in watched):
        raise OptionsNotTaken(full_name, f"{field.name}.options.referencedFieldIds has one that is no field")
    if field.type not in _OVER_LINKS:
        return
    link = holder.by_id.get(options["recordLinkFieldId"])
    if link is None or link.type is not FieldType.MULTIPLE_RECORD_LINKS:
        raise OptionsNotTaken(full_name, f"{field.name}.options.recordLinkFieldId is no link field of the table")
    looked_at = options.get("fieldIdInLinkedTable")
    if looked_at is not None and looked_at not in linked(link.options["linkedTableId"]).by_id:
        raise OptionsNotTaken(full_name, f"{field.name}.options.fieldIdInLinkedTable is no field of the linked table")


def formula_of(field: Field) -> str | None:
    """Return the formula over its own record by which a field is computed, if there is one."""
    option = _FORMULAS.get(field.type)
    return None if option is None else field.options.get(option)


def read_change(body: Mapping[str, object]) -> Change:
    """Read what is to be different; something must be.

    Raises:
        InvalidParameters: nothing is, or it is of the wrong kind.
    """
    if not body:
        raise InvalidParameters("name")
    name = text_member(body, "name") if "name" in body else None
    description = text_member(body, "description", missing="") if "description" in body else None
    return Change(name, description, body.get("options"))


def text_member(body: Mapping[str, object], name: str, *, missing: str | None = None, empty: bool = False) -> str:
    """Read a text of a body; where it may be missing, it may be null as well.

    Raises:
        InvalidParameters: it is missing, empty, too long, or no text.
    """
    value, longest = body.get(name), LONGEST_NAME if name == "name" else LONGEST_DESCRIPTION
    if value is None and missing is not None:
        return missing
    if not isinstance(value, str) or len(value) > longest or not (value.strip() or empty or missing == ""):
        raise InvalidParameters(name)
    return value


def _read_options(full_name: str, name: str, asked: object, known: Options) -> dict[str, Any]:
    if not isinstance(asked, dict):
        raise OptionsNotTaken(full_name, f"{name}.options is no object")
    for option in known.needed:
        if option not in asked:
            raise OptionsNotTaken(full_name, f"{name}.options.{option} is missing")
    read: dict[str, Any] = {}
    for option, value in asked.items():
        reader = known.needed.get(option) or known.allowed.get(option)
        if reader is None:
            raise OptionsNotTaken(full_name, f"{name}.options.{str(option)[:80]} cannot be set")
        try:
            read[option] = reader(value)
        except ValueError as wrong:
            raise OptionsNotTaken(full_name, f"{name}.options.{option} {wrong}") from None
    return read


def _whole(least: int, most: int) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"is not a whole number from {least} to {most}")
        return value

    return read


def _one_of(known: frozenset[str]) -> Read:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"is none of {', '.join(sorted(known))}")
        return value

    return read


def _format(known: Mapping[str, str]) -> Read:
    def read(value: Any) -> Any:
        named = value.get("name") if isinstance(value, dict) and value.keys() <= {"name", "format"} else None
        if not isinstance(named, str) or named not in known:
            raise ValueError(f"has no name of {', '.join(known)}")
        if value.get("format", known[named]) != known[named]:
            raise ValueError(f"has a format that is not the one of {named}")
        return {"name": named, "format": known[named]}

    return read


def _symbol(value: Any) -> Any:
    if not isinstance(value, str) or not 1 <= len(value) <= 20 or not storable(value):
        raise ValueError("is not a text of 1 to 20 characters")
    return value


def _id(value: Any) -> Any:
    if not isinstance(value, str) or len(value) != 17:
        raise ValueError("is not an id")
    return value


def _ids(value: Any) -> Any:
    if not isinstance(value, list) or len(value) > MOST_FIELDS:
        raise ValueError("is not a list of ids")
    return [_id(each) for each in value]


def _formula(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is not a formula")
    return value


def _label(value: Any) -> Any:
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_NAME or not storable(value):
        raise ValueError(f"is not a text of 1 to {LONGEST_NAME} characters")
    return value


def _time_zone(value: Any) -> Any:
    if value in ("utc", "client"):
        return value
    try:
        # the data base knows abbreviations as well, which Airtable refuses
        known = isinstance(value, str) and "/" in value and ZoneInfo(value) is not None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = False
    if not known:
        raise ValueError("is not a time zone")
    return value


def _choices(value: Any) -> Any:
    choices = [_choice(each, {"name", "color"}) for each in _list_of_choices(value)]
    if len({choice["name"] for choice in choices}) < len(choices):
        raise ValueError("has two choices of one name")
    return choices


def _changed_choices(value: Any) -> Any:
    return [_choice(each, {"id", "name", "color"}) for each in _list_of_choices(value)]


def _list_of_choices(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError("is not a list of choices")
    return value


def _choice(value: Any, members: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.keys() <= members:
        raise ValueError("has a choice with other members than " + ", ".join(sorted(members)))
    name = value.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME or not storable(name):
        raise ValueError("has a choice without a name")
    if value.get("color") is None:
        return {known: value[known] for known in ("id", "name") if known in value}
    if not isinstance(value["color"], str) or value["color"] not in COLORS:
        raise ValueError("has a choice of a color that is none")
    return dict(value)


_SELECTS: Final = frozenset({FieldType.SINGLE_SELECT, FieldType.MULTIPLE_SELECTS})
_WATCHING: Final = frozenset({FieldType.LAST_MODIFIED_BY, FieldType.LAST_MODIFIED_TIME})
_OVER_LINKS: Final = frozenset({FieldType.ROLLUP, FieldType.MULTIPLE_LOOKUP_VALUES, FieldType.COUNT})
_FORMULAS: Final = {FieldType.FORMULA: "formula", FieldType.BUTTON: "url"}
_LINKED: Final = {"recordLinkFieldId": _id, "fieldIdInLinkedTable": _id}
_WATCHED: Final = Options({}, {"referencedFieldIds": _ids})
_DATE: Final = {"dateFormat": _format(DATE_FORMATS)}

NONE: Final = Options({}, {})
OPTIONS: Final[Mapping[FieldType, Options]] = {
    FieldType.NUMBER: Options({"precision": _whole(0, 8)}, {}),
    FieldType.PERCENT: Options({"precision": _whole(0, 8)}, {}),
    FieldType.CURRENCY: Options({"precision": _whole(0, 7), "symbol": _symbol}, {}),
    FieldType.DURATION: Options({"durationFormat": _one_of(DURATIONS)}, {}),
    FieldType.RATING: Options({"icon": _one_of(RATING_ICONS), "max": _whole(1, 10), "color": _one_of(BRIGHT)}, {}),
    FieldType.CHECKBOX: Options({"icon": _one_of(CHECKBOX_ICONS), "color": _one_of(BRIGHT)}, {}),
    FieldType.DATE: Options(_DATE, {}),
    FieldType.DATE_TIME: Options({**_DATE, "timeFormat": _format(TIME_FORMATS), "timeZone": _time_zone}, {}),
    FieldType.SINGLE_SELECT: Options({"choices": _choices}, {}),
    FieldType.MULTIPLE_SELECTS: Options({"choices": _choices}, {}),
    FieldType.MULTIPLE_RECORD_LINKS: Options({"linkedTableId": _id}, {"viewIdForRecordSelection": _id}),
    FieldType.FORMULA: Options({"formula": _formula}, {}),
    FieldType.ROLLUP: Options({**_LINKED, "formula": _formula}, {}),
    FieldType.MULTIPLE_LOOKUP_VALUES: Options(_LINKED, {}),
    FieldType.COUNT: Options({"recordLinkFieldId": _id}, {}),
    FieldType.LAST_MODIFIED_BY: _WATCHED,
    FieldType.LAST_MODIFIED_TIME: _WATCHED,
    FieldType.BUTTON: Options({}, {"label": _label, "url": _formula}),
}
"""The options of those types that have any."""
