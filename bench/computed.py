"""What computed fields and links cost the store: ``python -m bench.computed``, in this process, on SQLite.

Plain records are written by the code path of every table; the other lines say what links and computed fields add.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from airtable_connector.database import Database, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import FieldId, RandomIds, TableId
from airtable_connector.kernel.observer import BlindObserver
from airtable_connector.records import (
    Actor,
    Create,
    Done,
    Field,
    FieldType,
    Table,
    Update,
    Workspace,
    WriteRequest,
    open_workspace,
    stable_id,
)

RECORDS: Final = 100_000
"""Records that link to others, when links are looked up."""

READ: Final = 100
"""Records that read a changed one, within what a request brings up to date itself."""

BATCH: Final = 500
ROUNDS: Final = 5
WRITES: Final = 40
BENCH: Final = Actor(2, "00000000-0000-4000-8000-000000000000")


def field(name: str, kind: FieldType, **options: object) -> Field:
    return Field(FieldId(stable_id("fld", "bench", name)), name, kind, options)


def table(name: str, *more: Field) -> Table:
    fields = (field(f"{name} key", FieldType.SINGLE_LINE_TEXT), field(f"{name} number", FieldType.NUMBER), *more)
    return Table(TableId(stable_id("tbl", "bench", name)), name, fields, fields[0].id)


PLAIN: Final = table("Plain")
LINKING: Final = table("Linking", field("Linking to", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=PLAIN.id))


def computing() -> tuple[Table, Table]:
    """Return a table with four formulas, and one that sums over links; not at import, for older versions lack them."""
    texts = ("{F number} * 2", "{Twice} + 1", "{F key} & ' is ' & {More}", "UPPER({Said})")
    names = ("Twice", "More", "Said", "Shout")
    formulas = [field(name, FieldType.FORMULA, formula=text) for name, text in zip(names, texts, strict=True)]
    link = field("Sums to", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=PLAIN.id)
    options = {
        "recordLinkFieldId": link.id,
        "fieldIdInLinkedTable": stable_id("fld", "bench", "Plain number"),
        "formula": "SUM(values)",
    }
    return table("F", *formulas), table("Sums", link, field("Sum", FieldType.ROLLUP, **options))


@asynccontextmanager
async def opened(folder: Path, *tables: Table) -> AsyncIterator[tuple[Workspace, Database]]:
    async with (
        open_database(SqliteFile(folder / "bench.db"), clock=SystemClock()) as database,
        open_workspace(
            database, clock=SystemClock(), ids=RandomIds(), observer=BlindObserver(), tables=tables
        ) as workspace,
    ):
        yield workspace, database


async def create(workspace: Workspace, *operations: Create) -> list[str]:
    done = await workspace.write(WriteRequest(BENCH, operations))
    assert isinstance(done, Done)
    return [each.record.id for each in done.written if each.record is not None]


async def batches(workspace: Workspace, into: Table, count: int, **cells: object) -> list[str]:
    """Create records in requests of `BATCH`."""
    made: list[str] = []
    key, number = into.fields[0].name, into.fields[1].name
    for start in range(0, count, BATCH):
        rows = range(start, min(start + BATCH, count))
        made += await create(workspace, *(Create(into, {key: f"{n}", number: n, **cells}) for n in rows))
    return made


async def creating(folder: Path, into: Table, *others: Table, **cells: object) -> None:
    """Say how many records a second are created in a table, and what one costs, whoever else uses the machine."""
    rates, costs = [], []
    for number in range(ROUNDS):
        place = folder / f"{into.name}{number}"
        async with opened(place, PLAIN, into, *others) if into is not PLAIN else opened(place, PLAIN) as (workspace, _):
            given = cells
            if "links" in cells:
                targets = await batches(workspace, PLAIN, 1)
                given = {str(cells["links"]): targets}
            began, worked = time.perf_counter(), time.process_time()
            await batches(workspace, into, 10_000, **given)
            rates.append(10_000 / (time.perf_counter() - began))
            costs.append((time.process_time() - worked) * 100)
    print(
        f"create, {into.name:8} {statistics.median(rates):10,.0f} records/s,"
        f" {statistics.median(costs):6.1f} µs of a processor each (at best {min(costs):.1f})"
    )


async def median_ms(ask: Callable[[int], Awaitable[object]]) -> float:
    took = []
    for number in range(WRITES):
        began = time.perf_counter()
        await ask(number)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1_000


async def linking(folder: Path) -> None:
    """Say what it takes to find who links to a record among very many, and to follow a change to them."""
    _, sums = computing()
    async with opened(folder / "links", PLAIN, sums) as (workspace, database):
        one, *others = await batches(workspace, PLAIN, 1_000)
        for start in range(0, RECORDS, BATCH):
            targets = others[start // BATCH % len(others)]
            rows = range(start, start + BATCH)
            await create(workspace, *(Create(sums, {"Sums key": f"{n}", "Sums to": [targets]}) for n in rows))
        rows = range(READ)
        await create(workspace, *(Create(sums, {"Sums key": f"one {n}", "Sums to": [one]}) for n in rows))

        async def look(_number: int) -> None:
            async with database.reading() as reader:
                found = await reader.all(
                    "select count(*) from links where field_id = :field and target = :target",
                    field=sums.fields[2].id, target=one,
                )  # fmt: skip
            assert found == [(READ,)]

        async def unread(number: int) -> None:
            await workspace.write(WriteRequest(BENCH, (Update(sums, "0", {"Sums number": number + 0.5}),)))

        async def read(number: int) -> None:
            await workspace.write(WriteRequest(BENCH, (Update(PLAIN, one, {"Plain number": number + 0.5}),)))

        print(f"find {READ} among {RECORDS:,} linking   {await median_ms(look):8.2f} ms")
        print(f"change a record that none reads  {await median_ms(unread):8.2f} ms")
        print(f"change a record that {READ} read     {await median_ms(read):8.2f} ms")
        await everything(workspace, sums)


async def everything(workspace: Workspace, sums: Table) -> None:
    """Say how long a whole table takes to be computed anew, and how long others wait meanwhile."""
    own = workspace.table(sums.name)
    await workspace.recompute(own, [own.field("Sum").id], actor=BENCH)
    began, waits = time.perf_counter(), []
    while await workspace.count_recomputations():
        asked = time.perf_counter()
        await workspace.write(WriteRequest(BENCH, (Update(PLAIN, "999", {"Plain number": asked}),)))
        waits.append((time.perf_counter() - asked) * 1_000)
    took = time.perf_counter() - began
    waits.sort()
    print(f"compute {RECORDS:,} records anew   {took:8.2f} s, other writes {statistics.median(waits):.1f} ms,")
    print(f"{'':32} 95 of 100 within {waits[len(waits) * 95 // 100]:.1f} ms, longest {waits[-1]:.1f} ms")


async def main(*, only_plain: bool) -> None:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        await creating(folder, PLAIN)
        await creating(folder, LINKING, links="Linking to")
        if only_plain:
            return
        formulas, sums = computing()
        await creating(folder, formulas)
        await creating(folder, sums, links="Sums to")
        await linking(folder)


if __name__ == "__main__":
    asyncio.run(main(only_plain="--plain" in sys.argv))
