"""The outbox over a second connector that stands for Airtable, behind a proxy that lets things go wrong."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.factories.cloud import CLOUD_TABLES, HERE, Side, one_side
from tests.faults import FaultyProxy
from tests.postgres import shared_server
from tests.service import Place, Service, running

from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile
from airtable_connector.kernel.ids import RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import STANDARD_TABLES, Create, Delete, Table, Update
from airtable_connector.sync.outbox import ReceiptState

pytestmark = pytest.mark.anyio

PLAIN, KEYED, OWN, LINKED = HERE.values()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(prepared(Place(tmp_path_factory.mktemp("cloud") / "data"), (*STANDARD_TABLES, *CLOUD_TABLES))) as service:
        yield service


@pytest.fixture
def there(cloud: Service) -> Iterator[Wire]:
    """Looks at the base there past the proxy, which is emptied before."""
    with cloud.client() as client:
        wire = Wire(client)
        for table in CLOUD_TABLES:
            while found := [record["id"] for record in wire.list(table.name, pageSize=10)]:
                wire.ask("DELETE", wire.path(table.name), params={"records[]": found[:10]})
        yield wire


@pytest.fixture
def proxy(cloud: Service) -> Iterator[FaultyProxy]:
    with FaultyProxy(cloud.address) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseLocation:
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "here" / "records.db")
    return PostgresServer(Secret(shared_server().new_database()))


@pytest.fixture
async def here(location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire) -> AsyncIterator[Side]:
    async with one_side(location, proxy.address, cloud.token("read,write,admin")) as side:
        side.start()
        yield side


def named(wire: Wire, table: str) -> list[str | None]:
    return sorted(record["fields"].get("Name") for record in wire.list(table))


@pytest.mark.parametrize("table", [PLAIN, KEYED], ids=["plain", "keyed"])
async def test_a_record_is_made_changed_and_deleted_there_under_the_id_that_airtable_gives(
    here: Side, there: Wire, table: Table
) -> None:
    made = await here.write(Create(table, {"Name": "ada", "Age": 7}))
    assert made.written[0].record is not None
    provisional = made.written[0].record.id
    (record,) = (await here.settled(made)).records
    (stored,) = there.list(table.name)
    assert (record.record, record.real, record.state) == (provisional, stored["id"], ReceiptState.DONE)
    assert provisional != stored["id"]

    await here.do(Update(table, provisional, {"Age": 8}))
    assert there.read(table.name, stored["id"])["Age"] == 8
    assert await here.cells(table, RecordId(stored["id"])) == await here.cells(table, provisional)

    await here.do(Delete(table, stored["id"]))
    assert there.list(table.name) == []
