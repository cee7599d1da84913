"""The month's calls in the store, for all processes that ask the base."""

from typing import Final

from airtable_connector.airtable import Month, Noted
from airtable_connector.database import Database, Reader, Transaction

UNTOUCHED: Final = Noted(calls=0, spent=False)
"""What is known of a month that nobody has made a call in."""

_READ = "select calls, spent from cloud_months where month = :month"
_ADD = (
    "insert into cloud_months (month, calls, spent) values (:month, :calls, 0)"
    " on conflict (month) do update set calls = cloud_months.calls + excluded.calls"
)
_SPEND = (
    "insert into cloud_months (month, calls, spent) values (:month, 0, 1) on conflict (month) do update set spent = 1"
)
_REOPEN = "update cloud_months set spent = 0 where month = :month"


def name_of(month: Month) -> str:
    """Return a month's name in the store; names sort as months do."""
    return f"{month.year:04}-{month.number:02}"


async def read_month(reader: Reader, month: Month) -> Noted:
    """Return what all processes have noted of a month."""
    row = await reader.one(_READ, month=name_of(month))
    return UNTOUCHED if row is None else Noted(int(row[0]), spent=bool(row[1]))


class StoredLedger:
    """The `CallLedger` over a store. Each change is durable when its method returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: tuple[Month, Noted] | None = None

    def known(self, month: Month) -> Noted:
        """Return what was last read of a month, without asking the store; nothing when that was another month."""
        return self._last[1] if self._last is not None and self._last[0] == month else UNTOUCHED

    async def add(self, month: Month, calls: int) -> Noted:
        """Note calls that are about to be made, and return what is known of the month with them."""
        async with self._database.transaction() as tx:
            await tx.run(_ADD, month=name_of(month), calls=calls)
            noted = await read_month(tx, month)
        return self._learn(month, noted)

    async def mark_spent(self, month: Month) -> None:
        """Note that Airtable takes no more calls in this month."""
        await self._change(_SPEND, month)

    async def reopen(self, month: Month) -> None:
        """Forget that it takes none, because an operator knows better."""
        await self._change(_REOPEN, month)

    async def look(self, month: Month) -> Noted:
        """Return what all processes have noted by now."""
        async with self._database.reading() as reader:
            noted = await read_month(reader, month)
        return self._learn(month, noted)

    async def _change(self, statement: str, month: Month) -> None:
        async with self._database.transaction() as tx:
            await tx.run(statement, month=name_of(month))
            noted = await read_month(tx, month)
        self._learn(month, noted)

    def _learn(self, month: Month, noted: Noted) -> Noted:
        self._last = (month, noted)
        return noted


async def forget_months(tx: Transaction, before: Month) -> None:
    """Forget the calls of months that lie before one."""
    await tx.run("delete from cloud_months where month < :before", before=name_of(before))
