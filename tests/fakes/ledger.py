"""A ledger of calls in memory; several keepers over one are several processes, or one that was started again."""

from airtable_connector.airtable import Month, Noted


class FakeLedger:
    def __init__(self) -> None:
        self.calls: dict[Month, int] = {}
        self.spent: set[Month] = set()

    async def add(self, month: Month, calls: int) -> Noted:
        self.calls[month] = self.calls.get(month, 0) + calls
        return Noted(self.calls[month], spent=month in self.spent)

    async def mark_spent(self, month: Month) -> None:
        self.spent.add(month)

    async def reopen(self, month: Month) -> None:
        self.spent.discard(month)
