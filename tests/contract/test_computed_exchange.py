"""Computed fields in files: written for people to read, and left out by who takes them in."""

import io
from pathlib import Path

import pytest
from tests.factories.computed import CHAIN, CLIENTS, PROGRAMMES, TASKS
from tests.factories.records import ADA, opened_base

from airtable_connector.database import Database, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.records import Query, Update
from airtable_connector.records.exchange import Form, Import, ImportOptions, export_records

pytestmark = pytest.mark.anyio


async def test_an_export_is_taken_in_by_another_base_which_computes_for_itself(
    database: Database, tmp_path: Path
) -> None:
    async with opened_base(database, tables=CHAIN) as base:
        dig = await base.create(TASKS, Name="Dig", Hours=2)
        hole = await base.create(PROGRAMMES, Name="Hole", Tasks=[dig])
        await base.create(CLIENTS, Name="Acme", Programmes=[hole])
        file = io.BytesIO()
        await export_records(base.database, tables=[], form=Form.JSON_LINES, write=file.write)
        text = io.BytesIO()
        await export_records(base.database, tables=["Programmes"], form=Form.CSV, write=text.write)
        assert b'Hole,"[""' in text.getvalue()
        assert b"Hole: 100 for Dig" in text.getvalue()
        async with (
            open_database(SqliteFile(tmp_path / "other.db"), clock=SystemClock()) as elsewhere,
            opened_base(elsewhere, tables=[]) as other,
        ):
            work = Import(elsewhere, other.workspace, file, ImportOptions(Form.JSON_LINES), actor=ADA, ids=RandomIds())
            await work.run()
            for table in CHAIN:
                assert await other.walk(Query(other.workspace.table(table.name))) == await base.walk(Query(table))
            await other.do(Update(other.workspace.table("Tasks"), dig, {"Hours": 3}))
            assert (await other.cells(CLIENTS, "Acme") or {})["Invoice"] == "to Acme: 180"
