"""How cells are said here and there: handed in, for only whoever knows all types of fields can tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airtable_connector.airtable import Cells, CloudRecord
from airtable_connector.kernel.ids import FieldId
from airtable_connector.records import Cell, Table


@dataclass(frozen=True, slots=True)
class Wording:
    """``told`` reads a record's cells into the form kept here, ``sent`` writes cells as Airtable takes them."""

    told: Callable[[Table, CloudRecord], Mapping[FieldId, Cell]]
    sent: Callable[[Table, Mapping[FieldId, Cell | None]], Cells]
