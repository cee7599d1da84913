"""The base's tables as this process knows them."""

from collections.abc import Mapping, Sequence

from airtable_connector.kernel.ids import TableId
from airtable_connector.records.schema import Table


class Catalogue:
    """The tables in force. A change makes new mappings, so whoever walks over one is not disturbed."""

    def __init__(self) -> None:
        self.by_name: Mapping[str, Table] = {}
        self.by_id: Mapping[TableId, Table] = {}

    def adopt(self, tables: Sequence[Table]) -> list[Table]:
        """Let these tables be in force and return those that are new or changed; the others stay the same objects."""
        before = self.by_id
        now = [before[table.id] if before.get(table.id) == table else table for table in tables]
        self.by_id = {table.id: table for table in now}
        self.by_name = {table.name: table for table in now}
        return [table for table in now if before.get(table.id) is not table]
