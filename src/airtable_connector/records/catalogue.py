"""The tables of every base as this process knows them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from airtable_connector.kernel.ids import BaseId, TableId
from airtable_connector.records.schema import Table

if TYPE_CHECKING:
    from airtable_connector.records.computing import Plan


_NO_TABLES: Final[Mapping[str, Table]] = {}


class Catalogue:
    """The tables in force. A change makes new mappings, so whoever walks over one is not disturbed."""

    def __init__(self) -> None:
        self.by_name: Mapping[str, Table] = {}
        """Those of the service's own base."""
        self.by_id: Mapping[TableId, Table] = {}
        """Those of every base."""
        self.by_former_name: Mapping[str, Table] = {}
        self.made: Mapping[BaseId, Mapping[str, Table]] = {}
        """Those of the bases that clients made, by name."""
        self.plan: Plan | None = None
        """How their computed fields are computed; None when there are none."""

    def of(self, base: BaseId | None) -> Mapping[str, Table]:
        """Return the tables of a base by name: of the service's own one for None, and none of one that is not there."""
        return self.by_name if base is None else self.made.get(base, _NO_TABLES)

    def adopt(self, tables: Sequence[Table]) -> list[Table]:
        """Let these tables be in force and return those that are new or changed; the others stay the same objects."""
        before = self.by_id
        shown, self.plan = described(tables)
        now = [before[table.id] if before.get(table.id) == table else table for table in shown]
        self.by_id = {table.id: table for table in now}
        self.by_name = {table.name: table for table in now if table.base is None}
        made: dict[BaseId, dict[str, Table]] = {}
        for table in now:
            if table.base is not None:
                made.setdefault(table.base, {})[table.name] = table
        self.made = made
        self.by_former_name = {name: table for table in self.by_name.values() for name in table.former_names}
        return [table for table in now if before.get(table.id) is not table]


def to_be_stored(tables: Sequence[Table]) -> Sequence[Table]:
    """Return tables with the fields in their formulas named by id, so that they survive a renaming.

    Raises:
        FormulaSyntax, FormulaTooLarge: a formula cannot be read.
    """
    if not any(table.derived_fields for table in tables):
        return tables
    from airtable_connector.records.computing import with_ids  # noqa: PLC0415 - loads the formula language

    return [with_ids(table) for table in tables]


def described(tables: Sequence[Table]) -> "tuple[Sequence[Table], Plan | None]":
    """Return stored tables with what their computed fields come to, and how those are computed.

    What a definition says about results depends on other fields, so it is worked out whenever tables are read.
    """
    if not any(table.derived_fields for table in tables):
        return tables, None
    from airtable_connector.records.computing import plan_for  # noqa: PLC0415 - loads the formula language

    plan = plan_for(tables)
    return plan.tables, plan
