"""Every contract is tested on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.factories.records import Base, opened_base
from tests.fakes import FakeClock
from tests.postgres import shared_server

from airtable_connector.database import Database, DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret


@pytest.fixture
def postgres_url() -> str:
    """The URL of an empty PostgreSQL database of the test's own."""
    return shared_server().new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseLocation:
    """Where an empty database of the test's own is, one of each kind."""
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "store" / "records.db")
    return PostgresServer(Secret(request.getfixturevalue("postgres_url")))


@pytest.fixture
async def database(location: DatabaseLocation, anyio_backend: str) -> AsyncIterator[Database]:
    """An open database with the newest schema."""
    async with open_database(location, clock=SystemClock()) as opened:
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def base(database: Database, clock: FakeClock) -> AsyncIterator[Base]:
    async with opened_base(database, clock=clock) as opened:
        yield opened
