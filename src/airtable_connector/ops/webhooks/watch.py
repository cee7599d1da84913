"""What a webhook watches: Airtable's specification, read once into facts that can be asked."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.ops.webhooks.errors import WebhookFiltersInvalid
from airtable_connector.records import Action, Table

MOST_NAMED: Final = 500
"""Fields that one filter may name; a table has no more."""

LONGEST_ID: Final = 40
"""Characters of an id of what we have not; Airtable's have 17."""

SOURCES: Final = frozenset(
    {
        "client",
        "publicApi",
        "formSubmission",
        "formPageSubmission",
        "automation",
        "system",
        "sync",
        "anonymousUser",
        "unknown",
    }
)
"""Where Airtable says that changes come from; here they come from ``publicApi`` or, our own ones, from ``system``."""

_FILTERS: Final = frozenset(
    {
        "dataTypes",
        "recordChangeScope",
        "changeTypes",
        "fromSources",
        "watchDataInFieldIds",
        "watchSchemasOfFieldIds",
        "sourceOptions",
    }
)
_INCLUDES: Final = frozenset(
    {"includeCellValuesInFieldIds", "includePreviousCellValues", "includePreviousFieldDefinitions"}
)
_SOURCE_OPTIONS: Final[Mapping[str, str]] = {"formSubmission": "viewId", "formPageSubmission": "pageId"}


class DataType(StrEnum):
    """What kind of change a webhook is told about."""

    TABLE_DATA = "tableData"
    TABLE_FIELDS = "tableFields"
    TABLE_METADATA = "tableMetadata"


class Fault(StrEnum):
    """Why a webhook cannot go on, as its last payload says it."""

    INVALID_HOOK = "INVALID_HOOK"
    """What it watches is gone."""

    INVALID_FILTERS = "INVALID_FILTERS"
    """What it should tell beside is gone."""


_CHANGE_TYPES: Final[Mapping[str, Action]] = {
    "add": Action.CREATE,
    "update": Action.UPDATE,
    "remove": Action.DELETE,
}


@dataclass(frozen=True)
class Watch:
    """A webhook's specification as facts. None means all: of tables, of fields, of sources.

    ``view`` is set when the scope is a view; its table is ``table``, and every record of the table is in it.
    ``included`` are fields whose cells are told whether they changed or not.
    """

    data_types: AbstractSet[DataType]
    table: TableId | None = None
    view: str | None = None
    actions: AbstractSet[Action] = frozenset(Action)
    sources: AbstractSet[str] | None = None
    fields: AbstractSet[FieldId] | None = None
    schema_fields: AbstractSet[FieldId] | None = None
    included: AbstractSet[FieldId] | Literal["all"] = frozenset()
    previous_cells: bool = False
    previous_definitions: bool = False

    @property
    def watches_schema(self) -> bool:
        """Whether changes of tables and fields are told."""
        return bool(self.data_types & {DataType.TABLE_FIELDS, DataType.TABLE_METADATA})

    def tells_beside(self, field: str) -> bool:
        """Tell whether a field's cell is told although it did not change."""
        return self.included == "all" or field in self.included

    def fault(self, tables: Mapping[TableId, Table]) -> Fault | None:
        """Tell what of the specification the base has no longer."""
        if self.table is not None and self.table not in tables:
            return Fault.INVALID_HOOK
        there = self._fields_in_scope(tables)
        if not (self.fields or frozenset()) <= there or not (self.schema_fields or frozenset()) <= there:
            return Fault.INVALID_HOOK
        if self.included != "all" and not self.included <= there:
            return Fault.INVALID_FILTERS
        return None

    def check_against(self, tables: Mapping[TableId, Table]) -> None:
        """Make sure that the base has everything that is named.

        Raises:
            WebhookFiltersInvalid: it has not.
        """
        if self.table is not None and self.table not in tables:
            raise WebhookFiltersInvalid("recordChangeScope", "names no table or view of the base")
        there = self._fields_in_scope(tables)
        named = {
            "watchDataInFieldIds": self.fields or frozenset(),
            "watchSchemasOfFieldIds": self.schema_fields or frozenset(),
            "includeCellValuesInFieldIds": frozenset() if self.included == "all" else self.included,
        }
        for name, fields in named.items():
            if not fields <= there:
                raise WebhookFiltersInvalid(name, "names a field that is not in the scope")

    def _fields_in_scope(self, tables: Mapping[TableId, Table]) -> frozenset[FieldId]:
        scope = tables.values() if self.table is None else [tables[self.table]]
        return frozenset(field.id for table in scope for field in table.fields)


def read_watch(specification: object, views: Mapping[str, TableId]) -> Watch:
    """Read a specification; ``views`` are the base's views and their tables.

    Raises:
        WebhookFiltersInvalid: it is not of Airtable's form.
    """
    options = _object(_object(specification, "specification", {"options"}).get("options"), "options")
    _object(options, "options", {"filters", "includes"})
    filters = _object(options.get("filters"), "filters", _FILTERS)
    includes = _object(options.get("includes", {}), "includes", _INCLUDES)
    _check_source_options(_object(filters.get("sourceOptions", {}), "sourceOptions", frozenset(_SOURCE_OPTIONS)))
    table, view = _scope(filters, views)
    sources = _names(filters, "fromSources", SOURCES)
    fields, schema_fields = _field_ids(filters, "watchDataInFieldIds"), _field_ids(filters, "watchSchemasOfFieldIds")
    return Watch(
        data_types=_data_types(filters),
        table=table,
        view=view,
        actions=_actions(filters),
        sources=frozenset(sources) if sources else None,
        fields=fields or None,
        schema_fields=schema_fields or None,
        included=_included(includes),
        previous_cells=_flag(includes, "includePreviousCellValues"),
        previous_definitions=_flag(includes, "includePreviousFieldDefinitions"),
    )


def _object(value: object, name: str, members: AbstractSet[str] | None = None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise WebhookFiltersInvalid(name, "is not an object")
    for member in value if members is not None else ():
        if member not in (members or ()):
            raise WebhookFiltersInvalid(str(member)[:80], "is not known")
    return value


def _scope(filters: Mapping[str, Any], views: Mapping[str, TableId]) -> tuple[TableId | None, str | None]:
    scope = filters.get("recordChangeScope")
    if scope is None:
        return None, None
    if not isinstance(scope, str) or not scope.startswith(("tbl", "viw")):
        raise WebhookFiltersInvalid("recordChangeScope", "is not the id of a table or a view")
    if scope.startswith("tbl"):
        return TableId(scope), None
    if scope not in views:
        raise WebhookFiltersInvalid("recordChangeScope", "names no table or view of the base")
    return views[scope], scope


def _data_types(filters: Mapping[str, Any]) -> frozenset[DataType]:
    names = _names(filters, "dataTypes", frozenset(DataType))
    if not names:
        raise WebhookFiltersInvalid("dataTypes", "names nothing to watch")
    return frozenset(map(DataType, names))


def _actions(filters: Mapping[str, Any]) -> frozenset[Action]:
    names = _names(filters, "changeTypes", frozenset(_CHANGE_TYPES))
    return frozenset(_CHANGE_TYPES[name] for name in names) or frozenset(Action)


def _names(filters: Mapping[str, Any], name: str, known: AbstractSet[str]) -> Sequence[str]:
    value = filters.get(name, [])
    if not isinstance(value, list) or len(value) > MOST_NAMED:
        raise WebhookFiltersInvalid(name, "is not a list of names")
    for item in value:
        if not isinstance(item, str) or item not in known:
            raise WebhookFiltersInvalid(name, f"takes only {', '.join(sorted(known))}")
    return value


def _field_ids(filters: Mapping[str, Any], name: str) -> frozenset[FieldId]:
    value = filters.get(name, [])
    if (
        not isinstance(value, list)
        or len(value) > MOST_NAMED
        or not all(isinstance(item, str) and item.startswith("fld") for item in value)
    ):
        raise WebhookFiltersInvalid(name, "is not a list of field ids")
    return frozenset(map(FieldId, value))


def _included(includes: Mapping[str, Any]) -> frozenset[FieldId] | Literal["all"]:
    if includes.get("includeCellValuesInFieldIds") is None:
        return frozenset()
    if includes["includeCellValuesInFieldIds"] == "all":
        return "all"
    return _field_ids(includes, "includeCellValuesInFieldIds")


def _flag(includes: Mapping[str, Any], name: str) -> bool:
    value = includes.get(name, False)
    if not isinstance(value, bool):
        raise WebhookFiltersInvalid(name, "is neither true nor false")
    return value


def _check_source_options(options: Mapping[str, Any]) -> None:
    """Check their form; there are no forms here from which a change could come."""
    for source, option in options.items():
        member = _SOURCE_OPTIONS[source]
        name = _object(option, source, {member}).get(member)
        if not isinstance(name, str) or len(name) > LONGEST_ID:
            raise WebhookFiltersInvalid(source, f"needs {member}")
