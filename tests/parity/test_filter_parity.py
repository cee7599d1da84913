"""Whatever is asked, after whatever was written: memory, store and a plain walk over all records answer alike."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.factories.random_formulas import FILTERS, FORMULAS, cell_of
from tests.factories.records import EVERYTHING, PROJECTS, Base, opened_base
from tests.fakes import FakeClock
from tests.postgres import shared_server

from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import (
    Create,
    Delete,
    Equals,
    Query,
    Record,
    Update,
    WorkspaceSettings,
    sort_by,
)
from airtable_connector.records.formula import Context, Formula, FormulaError
from airtable_connector.records.formula.evaluate import walk
from airtable_connector.records.formula.inputs import cell_of as read_cell
from airtable_connector.records.formula.values import Failed, to_boolean
from airtable_connector.records.query import UNSORTABLE
from airtable_connector.records.storage import records_after

pytestmark = pytest.mark.anyio

ROWS = 600
"""So many that they take two blocks in memory and several portions from the store."""

WRITABLE = [field for field in EVERYTHING.fields if not field.computed and field.name not in {"Projects", "Files"}]
SORTABLE = [field.name for field in EVERYTHING.fields if field.type not in UNSORTABLE]
ROW_CELLS = st.fixed_dictionaries(
    {}, optional={field.name: cell_of(field) for field in WRITABLE if field.name != "Name"}
)
WRITES = st.lists(
    st.tuples(st.sampled_from(["create", "change", "change", "delete"]), st.integers(0, ROWS + 100), ROW_CELLS),
    max_size=5,
)
SORTS = st.lists(st.sampled_from(SORTABLE + [f"-{name}" for name in SORTABLE]), max_size=2)


@dataclass
class Pair:
    """One base as two workspaces see it: one holds it in memory, one does not."""

    memory: Base
    store: Base
    clock: FakeClock
    projects: list[str]

    async def write(self, writes: Sequence[tuple[str, int, dict[str, Any]]]) -> None:
        for verb, number, cells in writes:
            # what the store refuses is not written
            with contextlib.suppress(ConnectorError):
                match verb:
                    case "create":
                        await self.memory.do(Create(EVERYTHING, {**cells, "Name": f"n{number}"}))
                    case "change":
                        await self.memory.do(
                            Update(EVERYTHING, f"n{number}", {**cells, "Projects": self.projects[: number % 3]})
                        )
                    case _:
                        await self.memory.do(Delete(EVERYTHING, f"n{number}"))
        await self.store.workspace.follow()

    async def records(self) -> list[Record]:
        async with self.memory.database.reading() as reader:
            return await records_after(reader, EVERYTHING.id, 0, 10_000)


@pytest.fixture(params=["sqlite", "postgres"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Pair]:
    clock, nothing = FakeClock(), WorkspaceSettings(memory=1)
    location: DatabaseLocation = SqliteFile(tmp_path / "records.db")
    if request.param == "postgres":
        location = PostgresServer(Secret(shared_server().new_database()))
    async with (
        open_database(location, clock=SystemClock()) as database,
        open_database(location, clock=SystemClock()) as the_same,
        opened_base(database, clock=clock) as memory,
        opened_base(the_same, clock=clock, settings=nothing) as store,
    ):
        await memory.shelved()
        await memory.do(*(Create(EVERYTHING, {"Name": f"n{n}", "Number": n % 7, "Stage": "Done"}) for n in range(ROWS)))
        projects = [await memory.create(PROJECTS, Code=code) for code in ("Ada", "a, b")]
        await store.workspace.follow()
        yield Pair(memory, store, clock, projects)


def walked(formula: Formula, record: Record, context: Context) -> bool:
    try:
        return to_boolean(walk(formula.tree, [read_cell(source, record) for source in formula.inputs], context))
    except Failed:
        return False


@settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    writes=WRITES, text=FILTERS | FORMULAS, sort=SORTS, size=st.sampled_from([1, 7, 100, 1_000]), stage=st.booleans()
)
async def test_memory_store_and_a_plain_walk_agree(
    pair: Pair, writes: list[tuple[str, int, dict[str, Any]]], text: str, sort: list[str], size: int, *, stage: bool
) -> None:
    await pair.write(writes)
    try:
        formula = pair.memory.workspace.formula(text, EVERYTHING)
    except FormulaError:
        return
    equals = (Equals(EVERYTHING.field("Stage"), "Done"),) if stage else ()
    query = Query(EVERYTHING, equals=equals, sort=sort_by(EVERYTHING, ",".join(sort)) if sort else (), page_size=1_000)
    names = dict(zip(pair.projects, ("Ada", "a, b"), strict=True))
    context = Context(pair.clock.now(), names)
    matching = {record.id for record in await pair.records() if walked(formula, record, context)}

    everything = await pair.store.walk(query)
    assert await pair.memory.walk(query) == everything
    expected = [record for record in everything if record["id"] in matching]
    asked = dataclasses.replace(query, formula=formula, page_size=max(size, len(expected) // 5))
    assert await pair.memory.walk(asked) == expected, text
    assert await pair.store.walk(asked) == expected, text
