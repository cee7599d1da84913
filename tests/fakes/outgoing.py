"""What callers have written and Airtable has not answered, as a test says."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.sync.overlay import Conflict, OpenRecord, Rule


class FakeOutgoing:
    def __init__(self, position: Callable[[], int], rule: Rule = Rule.NEWEST) -> None:
        self._position = position
        self._rule = rule
        self.open: dict[RecordId, OpenRecord] = {}
        self.conflicts: list[Conflict] = []

    async def take(self) -> int:
        return self._position()

    async def open_cells(self, records: Collection[RecordId], *, since: datetime) -> Mapping[RecordId, OpenRecord]:
        return {record: self.open[record] for record in records if record in self.open}

    async def record_conflicts(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts += conflicts

    def rule(self, table: TableId) -> Rule:
        return self._rule
