"""A field: a name, a type of Airtable's, and what the type needs to know."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from airtable_connector.kernel.ids import ALPHABET, ID_TAIL, FieldId
from airtable_connector.records.errors import InvalidSchema


class FieldType(StrEnum):
    """The field types that the store keeps, under Airtable's names (Web API, "Field types and cell values")."""

    SINGLE_LINE_TEXT = "singleLineText"
    MULTILINE_TEXT = "multilineText"
    URL = "url"
    EMAIL = "email"
    PHONE_NUMBER = "phoneNumber"
    NUMBER = "number"
    PERCENT = "percent"
    CURRENCY = "currency"
    RATING = "rating"
    DURATION = "duration"
    CHECKBOX = "checkbox"
    SINGLE_SELECT = "singleSelect"
    MULTIPLE_SELECTS = "multipleSelects"
    DATE = "date"
    DATE_TIME = "dateTime"
    CREATED_TIME = "createdTime"
    LAST_MODIFIED_TIME = "lastModifiedTime"
    AUTO_NUMBER = "autoNumber"
    MULTIPLE_RECORD_LINKS = "multipleRecordLinks"
    MULTIPLE_ATTACHMENTS = "multipleAttachments"
    FORMULA = "formula"
    ROLLUP = "rollup"
    MULTIPLE_LOOKUP_VALUES = "multipleLookupValues"
    COUNT = "count"
    CREATED_BY = "createdBy"
    LAST_MODIFIED_BY = "lastModifiedBy"
    BUTTON = "button"
    RICH_TEXT = "richText"
    BARCODE = "barcode"
    SINGLE_COLLABORATOR = "singleCollaborator"
    MULTIPLE_COLLABORATORS = "multipleCollaborators"
    AI_TEXT = "aiText"
    EXTERNAL_SYNC_SOURCE = "externalSyncSource"


TEXT_TYPES = frozenset(
    {
        FieldType.SINGLE_LINE_TEXT,
        FieldType.MULTILINE_TEXT,
        FieldType.URL,
        FieldType.EMAIL,
        FieldType.PHONE_NUMBER,
        FieldType.RICH_TEXT,
    }
)
NUMBER_TYPES = frozenset(
    {FieldType.NUMBER, FieldType.PERCENT, FieldType.CURRENCY, FieldType.RATING, FieldType.DURATION}
)
DERIVED_TYPES = frozenset(
    {
        FieldType.FORMULA,
        FieldType.ROLLUP,
        FieldType.MULTIPLE_LOOKUP_VALUES,
        FieldType.COUNT,
        FieldType.CREATED_BY,
        FieldType.LAST_MODIFIED_BY,
        FieldType.BUTTON,
    }
)
"""Computed types whose cells are kept, and made anew when what they depend on changes."""

FOREIGN_TYPES = frozenset({FieldType.AI_TEXT, FieldType.EXTERNAL_SYNC_SOURCE})
"""Types whose cells only Airtable's own services fill: here they are in definitions, and empty in every record."""

COMPUTED_TYPES = (
    DERIVED_TYPES | FOREIGN_TYPES | {FieldType.CREATED_TIME, FieldType.LAST_MODIFIED_TIME, FieldType.AUTO_NUMBER}
)
"""Types whose cells no caller writes."""

FAILING_TYPES = frozenset(
    {FieldType.FORMULA, FieldType.ROLLUP, FieldType.MULTIPLE_LOOKUP_VALUES, FieldType.COUNT, FieldType.BUTTON}
)
"""Computed types whose cell can be an object: an error, or a number that is not finite."""

NAMING_MEMBERS: Mapping[FieldType, str] = {
    FieldType.BARCODE: "text",
    FieldType.SINGLE_COLLABORATOR: "name",
    FieldType.CREATED_BY: "name",
    FieldType.LAST_MODIFIED_BY: "name",
}
"""Types whose cells are objects, and the member that stands for such a cell where a text is compared or ordered."""

_NEEDED: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.MULTIPLE_RECORD_LINKS: ("linkedTableId",),
    FieldType.FORMULA: ("formula",),
    FieldType.ROLLUP: ("recordLinkFieldId", "fieldIdInLinkedTable", "formula"),
    FieldType.MULTIPLE_LOOKUP_VALUES: ("recordLinkFieldId", "fieldIdInLinkedTable"),
    FieldType.COUNT: ("recordLinkFieldId",),
}
"""The options, all texts, without which a field of the type means nothing."""


@dataclass(frozen=True)
class Field:
    """One column of a table.

    ``options`` are Airtable's: ``choices`` for selects, ``precision`` for numbers, ``max`` for ratings,
    ``linkedTableId`` and ``inverseLinkFieldId`` for links, ``timeZone`` for moments. Of computed fields they say what
    is computed; a rollup has its ``formula`` over ``values``, a button its ``label`` and the formula of its ``url``.

    What follows from other cells is worked out here, unless the field is ``told``: then another base tells it. Nothing
    is computed, numbered or linked back, and links stay when their target goes, until that base says otherwise.
    """

    id: FieldId
    name: str
    type: FieldType
    options: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    told: bool = False
    former_names: tuple[str, ...] = ()
    """Names that it had before, under which it is found where nothing else has that name."""

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 255:
            raise InvalidSchema("a field's name has 1 to 255 characters", field=self.name[:80])
        selects = self.type in {FieldType.SINGLE_SELECT, FieldType.MULTIPLE_SELECTS}
        if selects and not self.choices and not self.told:
            raise InvalidSchema(f"{self.name} is a select field without choices", field=self.name)
        for option in _NEEDED.get(self.type, ()):
            if self.told and self.computed:
                # nothing is made from it; Airtable itself leaves some out, and all of a field that is broken
                continue
            if not isinstance(self.options.get(option), str):
                raise InvalidSchema(f"{self.name} is a field of type {self.type} without {option}", field=self.name)

    @cached_property
    def computed(self) -> bool:
        """Whether nobody writes the cell from outside, so that a caller's value is left out."""
        return self.type in COMPUTED_TYPES

    @cached_property
    def derived(self) -> bool:
        """Whether the cell is kept like any other, and made anew when what it depends on changes."""
        derived = self.type in DERIVED_TYPES or (self.type is FieldType.LAST_MODIFIED_TIME and not self.is_fact)
        return derived and not self.told

    @cached_property
    def is_fact(self) -> bool:
        """Whether the cell is one of the record's own columns; only then it is not among the record's cells."""
        apart = self.told or self.options.get("referencedFieldIds")
        return self.type is FieldType.CREATED_TIME or (self.type is FieldType.LAST_MODIFIED_TIME and not apart)

    @cached_property
    def numbered(self) -> bool:
        """Whether new records are given a number in this field here."""
        return self.type is FieldType.AUTO_NUMBER and not self.told

    @cached_property
    def holds(self) -> FieldType:
        """The type that the cells are of: a formula's or a rollup's result, otherwise the field's own type."""
        if self.type is FieldType.COUNT:
            return FieldType.NUMBER
        if self.type in {FieldType.FORMULA, FieldType.ROLLUP}:
            result = self.options.get("result") or {"type": FieldType.SINGLE_LINE_TEXT}
            return FieldType(result["type"])
        return self.type

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The names of a select field's choices, in their order."""
        return tuple(choice["name"] for choice in self.options.get("choices", ()))

    @cached_property
    def inverse(self) -> FieldId | None:
        """The field of the linked table in which a link field's links are kept the other way round, if there is one.

        The inverse of a told field is told as well, so that nothing is to be kept there.
        """
        links = self.type is FieldType.MULTIPLE_RECORD_LINKS and not self.told
        named = self.options.get("inverseLinkFieldId") if links else None
        return None if named is None else FieldId(named)

    def definition(self) -> dict[str, Any]:
        """Describe the field in the form of Airtable's Meta API."""
        shown: dict[str, Any] = {"id": self.id, "name": self.name, "type": str(self.type)}
        if self.description:
            shown["description"] = self.description
        if self.options:
            shown["options"] = dict(self.options)
        if self.told:
            shown["told"] = True
        if self.former_names:
            shown["formerNames"] = list(self.former_names)
        return shown


def stable_id(prefix: str, *names: str) -> str:
    """Derive an id from names, so that the standard tables have the same ids in every base.

    Exports, imports and clients that remember field ids then work between bases.
    """
    number = int.from_bytes(hashlib.sha256("\x1f".join(names).encode()).digest(), "big")
    tail = []
    for _ in range(ID_TAIL):
        number, digit = divmod(number, 62)
        tail.append(ALPHABET[digit])
    return prefix + "".join(tail)
