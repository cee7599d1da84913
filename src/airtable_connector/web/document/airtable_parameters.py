"""What a request below ``/v0/`` may say in its address."""

from typing import Final

from airtable_connector.records import SPRINTS
from airtable_connector.web.airtable_api import DERIVED_ID
from airtable_connector.web.airtable_api.base import VIEW_NAME
from airtable_connector.web.airtable_api.errors import MOST_WRITTEN
from airtable_connector.web.airtable_api.options import DIRECTIONS, LARGEST_PAGE
from airtable_connector.web.document.examples import RECORD_ID
from airtable_connector.web.document.parameters import parameter_ref
from airtable_connector.web.document.shapes import Schema, list_of, ref

FARTHEST: Final = 999_999_999
"""The largest number that a query can name."""


def airtable_parameters() -> dict[str, Schema]:
    """Return the parameters that several of these routes share, by name."""
    return dict(_SHARED)


def in_base(*names: str) -> list[Schema]:
    """Point to the placeholders of an address in a base, and to more of its parameters."""
    return [parameter_ref(f"Airtable{name}") for name in ("Base", *names)]


def placeholder(name: str, schema: Schema, description: str, example: str) -> Schema:
    """Describe a part of the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


def query(name: str, schema: Schema, description: str, *, example: object = None) -> Schema:
    """Describe a parameter of the query; a list repeats it."""
    described: Schema = {"name": name, "in": "query", "description": description, "schema": schema}
    return described if example is None else {**described, "example": example}


_NAME: Final[Schema] = {"type": "string", "minLength": 1}
_YES_OR_NO: Final[Schema] = {"enum": ["true", "false", "1", "0"]}

_SHARED: Final[dict[str, Schema]] = {
    "AirtableBase": placeholder(
        "base", ref("AirtableBaseId"), "The base's id; `GET /v0/meta/bases` tells it.", DERIVED_ID
    ),
    "AirtableTable": placeholder(
        "table",
        _NAME,
        "The table's id, its name, or its name in other letters; a `/` in it is sent as `%2F`.",
        SPRINTS.name,
    ),
    "AirtableRecord": placeholder("record", ref("RecordId"), "The record's id.", RECORD_ID),
    "AirtableCellFormat": query(
        "cellFormat", {"enum": ["json", "string"]}, "`string` needs `timeZone` and `userLocale` beside it."
    ),
    "AirtableTimeZone": query(
        "timeZone",
        {"type": "string"},
        "A zone of the IANA data base, `utc`, or `client`, which means UTC; for `cellFormat=string`.",
        example="Europe/Berlin",
    ),
    "AirtableUserLocale": query(
        "userLocale",
        {"type": "string"},
        "One of the languages that formulas know; for `cellFormat=string`.",
        example="en-gb",
    ),
    "AirtableByFieldId": query("returnFieldsByFieldId", _YES_OR_NO, "Cells are named by field id."),
    "AirtableDateDependency": query(
        "includeDateDependencyMetadata", _YES_OR_NO, "Changes nothing: there are no such dependencies."
    ),
}

FORM: Final = ("CellFormat", "TimeZone", "UserLocale", "ByFieldId", "DateDependency")
"""Names of the parameters that say in which form records are wanted."""

LIST: Final[list[Schema]] = [
    query(
        "pageSize",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": LARGEST_PAGE},
        "Records on a page.",
        example=50,
    ),
    query(
        "maxRecords",
        {"type": "integer", "minimum": 1, "maximum": FARTHEST},
        "Records on all pages together.",
        example=250,
    ),
    query("offset", {"type": "string"}, "The `offset` of the page before, with everything else as it was."),
    query(
        "view",
        ref("AirtableViewName"),
        f"`{VIEW_NAME}`, which every table has, or its id: every record, every field.",
        example=VIEW_NAME,
    ),
    query(
        "filterByFormula",
        {"type": "string"},
        "Only records that this formula lets through.",
        example='{Status} = "Active"',
    ),
    query(
        "sort[0][field]",
        ref("AirtableSortField"),
        "A field to order by; `sort[1][field]` to `sort[4][field]` order what is alike in those before.",
        example="Name",
    ),
    query(
        "sort[0][direction]", {"enum": list(DIRECTIONS)}, "The order of `sort[0][field]`, without which it is refused."
    ),
    query("fields[]", list_of(ref("AirtableFieldName")), "The fields to show.", example=["Name", "Status"]),
    query("recordMetadata[]", list_of({"const": "commentCount"}), "What to tell of each record besides its cells."),
    {
        **query(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE},
            "An old name of `pageSize`, which wins.",
        ),
        "deprecated": True,
    },
]
"""The parameters of a list; `fields[]` may be spelled `fields` or `fields[0]`, and so may every list."""

RECORDS_TO_REMOVE: Final = {
    **query(
        "records[]",
        list_of(ref("RecordId"), minItems=1, maxItems=MOST_WRITTEN),
        "Records to remove.",
        example=[RECORD_ID],
    ),
    "required": True,
}

UPLOAD_FIELD: Final = placeholder(
    "field", ref("AirtableFieldName"), "The name or id of a field for attachments.", "fldAp2cCYWVz7gk8X"
)

PAGE_OF_BASES: Final = query("offset", {"const": ""}, "There is one page, and so only an empty one is taken.")

VISIBLE_FIELDS: Final = query(
    "include[]",
    list_of({"const": "visibleFieldIds"}, maxItems=1),
    "Has each view tell which fields it shows.",
    example=["visibleFieldIds"],
)
