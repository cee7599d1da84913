"""What a read asks for, as far as that can be told without looking at the table.

The same options come as a query or as a JSON body; both are brought into the body's shape first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airtable_connector.records.formula import locale_named
from airtable_connector.web.airtable_api.errors import InvalidParameters, NeedsParameter
from airtable_connector.web.airtable_api.parameters import (
    Parameters,
    one,
    take,
    texts,
    whole_number,
    yes_or_no,
)

LARGEST_PAGE: Final = 100
"""Records in one page; Airtable's own limit."""

DIRECTIONS: Final = ("asc", "desc")


@dataclass(frozen=True, slots=True)
class AsText:
    """Cells are wanted as texts, on the clocks of a zone and in the forms of a locale."""

    zone: ZoneInfo
    locale: str


@dataclass(frozen=True, slots=True)
class Form:
    """In which form records are shown."""

    by_id: bool = False
    """Cells are keyed by field id, not by name."""
    text: AsText | None = None
    fields: tuple[str, ...] = ()
    """Names or ids of the only fields to show; none means all."""

    @property
    def as_stored(self) -> bool:
        """Whether it is the form in which records are kept ready."""
        return not self.by_id and self.text is None and not self.fields


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list asks for."""

    form: Form = Form()
    page_size: int = LARGEST_PAGE
    most: int | None = None
    """Records on all pages together (``maxRecords``)."""
    offset: str = ""
    view: str | None = None
    formula: str = ""
    sort: tuple[tuple[str, bool], ...] = ()
    """Names or ids of fields, each with whether it goes down."""
    counts_comments: bool = False
    """Each record is wanted with the number of its comments."""


_FORM: Final[Mapping[str, Callable[[str, list[str]], object]]] = {
    "cellFormat": one,
    "timeZone": one,
    "userLocale": one,
    "returnFieldsByFieldId": yes_or_no,
    "includeDateDependencyMetadata": yes_or_no,
}
_LIST: Final[Mapping[str, Callable[[str, list[str]], object]]] = {
    **_FORM,
    "pageSize": whole_number,
    "maxRecords": whole_number,
    "offset": one,
    "view": one,
    "filterByFormula": one,
    "fields": texts,
    "recordMetadata": texts,
    "sort": texts,
    # an old name of pageSize, which airtable.js still sends
    "limit": whole_number,
}
_ZONE: Final[Mapping[str, Callable[[str, list[str]], object]]] = {"timeZone": one, "userLocale": one}

LIST_PARAMETERS: Final = tuple(_LIST)
"""The parameters of a list, for the manual's test."""

RECORD_PARAMETERS: Final = tuple(_FORM)
"""The parameters of one record, for the manual's test."""


def list_from_query(parameters: Parameters) -> ListOptions:
    """Read a list's options from a query.

    Raises:
        InvalidParameters, NeedsParameter: one is unknown or wrong.
    """
    taken = take(parameters, _LIST)
    if "limit" in taken:
        limit = taken.pop("limit")
        taken.setdefault("pageSize", limit)
    return _list_options(taken)


def list_from_body(body: Mapping[str, object], parameters: Parameters) -> ListOptions:
    """Read a list's options from a JSON body; zone and locale may stand in the query, where clients put them.

    Raises:
        InvalidParameters, NeedsParameter: one is unknown or wrong.
    """
    # airtable.js sends its own option ``method`` along
    asked = {name: value for name, value in body.items() if name != "method"}
    for name in asked:
        if name not in _LIST or name == "limit":
            raise InvalidParameters(name)
    for name in _ZONE:
        _text(asked, name)  # one of the query takes its place, and would hide that it is wrong
    return _list_options({**asked, **take(parameters, _ZONE)})


def form_from_query(parameters: Parameters) -> Form:
    """Read from a query in which form one record is wanted.

    Raises:
        InvalidParameters, NeedsParameter: a parameter is unknown or wrong.
    """
    return _form(take(parameters, _FORM))


def _list_options(asked: Mapping[str, object]) -> ListOptions:
    metadata = _texts(asked, "recordMetadata")
    for each in metadata:
        if each != "commentCount":
            raise InvalidParameters("recordMetadata")
    size, most = _number(asked, "pageSize"), _number(asked, "maxRecords")
    if size is not None and size > LARGEST_PAGE:
        raise InvalidParameters("pageSize")
    return ListOptions(
        form=_form(asked),
        page_size=LARGEST_PAGE if size is None else size,
        most=most,
        offset=_text(asked, "offset") or "",
        view=_text(asked, "view"),
        formula=(_text(asked, "filterByFormula") or "").strip(),
        sort=_sort(asked.get("sort", [])),
        counts_comments=bool(metadata),
    )


def _form(asked: Mapping[str, object]) -> Form:
    _flag(asked, "includeDateDependencyMetadata")  # there are no such dependencies here
    fields = tuple(_texts(asked, "fields"))
    return Form(_flag(asked, "returnFieldsByFieldId"), _as_text(asked), fields)


def _as_text(asked: Mapping[str, object]) -> AsText | None:
    wanted = asked.get("cellFormat", "json")
    zone, locale = _text(asked, "timeZone"), _text(asked, "userLocale")
    if wanted == "json":
        return None  # Airtable takes a zone and a locale all the same
    if wanted != "string":
        raise InvalidParameters("cellFormat")
    if zone is None or locale is None:
        raise NeedsParameter("cellFormat=string", "timeZone" if zone is None else "userLocale")
    known = locale_named(locale)
    if known is None:
        raise InvalidParameters("userLocale")
    return AsText(_zone(zone), known)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo("UTC" if name.lower() in {"utc", "client"} else name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidParameters("timeZone") from None


def _sort(asked: object) -> tuple[tuple[str, bool], ...]:
    if not isinstance(asked, list):
        raise InvalidParameters("sort")
    return tuple(_sort_by(each) for each in asked)


def _sort_by(asked: object) -> tuple[str, bool]:
    if not isinstance(asked, dict) or not {"field"} <= asked.keys() <= {"field", "direction"}:
        raise InvalidParameters("sort")
    field, direction = asked["field"], asked.get("direction", "asc")
    if not isinstance(field, str) or direction not in DIRECTIONS:
        raise InvalidParameters("sort")
    return field, direction == "desc"


def _number(asked: Mapping[str, object], name: str) -> int | None:
    value = asked.get(name)
    if name not in asked:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # to JavaScript, and to JSON itself, 50.0 is the same number as 50
    if type(value) is not int or not 1 <= value < 2**31:
        raise InvalidParameters(name)
    return value


def _text(asked: Mapping[str, object], name: str) -> str | None:
    value = asked.get(name)
    if name in asked and not isinstance(value, str):
        raise InvalidParameters(name)
    return value if isinstance(value, str) else None


def _texts(asked: Mapping[str, object], name: str) -> Sequence[str]:
    values = asked.get(name, [])
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise InvalidParameters(name)
    return values


def _flag(asked: Mapping[str, object], name: str) -> bool:
    value = asked.get(name, False)
    if not isinstance(value, bool):
        raise InvalidParameters(name)
    return value
