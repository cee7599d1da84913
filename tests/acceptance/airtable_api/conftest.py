"""A started service whose base also has the tables that today's droplets use, asked as Airtable is asked."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from tests.factories.records import ALL_TABLES, a_field, a_table, choices
from tests.postgres import shared_server
from tests.service import Place, Service, running

from airtable_connector.database import open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.kernel.observer import BlindObserver
from airtable_connector.mesh import AccessTokens
from airtable_connector.records import FieldType, Table, open_workspace
from airtable_connector.web.airtable_api import DERIVED_ID, Scope

NUMBERS = count(1)
TEXT, NUMBER = FieldType.SINGLE_LINE_TEXT, FieldType.NUMBER

SUBMISSIONS = a_table(
    "Submissions",
    None,
    *(a_field(name, TEXT) for name in ("Project", "Developer Name", "Base URL", "Submission ID", "Token", "Logs URL")),
    a_field("Status", FieldType.SINGLE_SELECT, choices=choices("Pending", "Pass", "Fail")),
    a_field("Started At", FieldType.DATE_TIME, timeZone="utc"),
    a_field("Finished At", FieldType.DATE_TIME, timeZone="utc"),
    a_field("Score", NUMBER, precision=0),
)
DROPLETS = a_table(
    "Droplets",
    None,
    *(a_field(name, TEXT) for name in ("fqdn", "name", "status", "ip", "role", "env", "version")),
    *(a_field(name, NUMBER, precision=2) for name in ("last_seen", "cpu", "mem", "disk", "cost_hour")),
)
EVENTS = a_table(
    "events",
    None,
    *(a_field(name, TEXT) for name in ("droplet_id", "name", "ip", "status", "created", "assigned_to")),
)
ODD = a_table("Odd / table", None, a_field("A, b", TEXT), a_field("n", NUMBER, precision=0))
PAPERS = a_table(
    "Papers",
    None,
    *(a_field(name, TEXT) for name in ("Name", "Story")),
    a_field("Number", NUMBER, precision=0),
    a_field("Files", FieldType.MULTIPLE_ATTACHMENTS),
)
TABLES = (*ALL_TABLES, SUBMISSIONS, DROPLETS, EVENTS, ODD, PAPERS)


def prepared(place: Place, tables: tuple[Table, ...] = TABLES) -> Place:
    """Make the place's base, with these tables."""

    async def make() -> None:
        async with (
            open_database(place.location, clock=SystemClock()) as database,
            open_workspace(database, clock=SystemClock(), ids=RandomIds(), observer=BlindObserver(), tables=tables),
        ):
            pass

    place.data_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(make())
    return place


@dataclass
class Wire:
    """Asks as a client of Airtable would, and looks at the bare answers."""

    client: httpx2.Client
    base: str = DERIVED_ID

    def path(self, table: str, *rest: str) -> str:
        return "/".join(["/v0", self.base, *(quote(part, safe="") for part in (table, *rest))])

    def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        answer = self.client.request(method, path, **more)
        return answer.status_code, answer.json()

    def refused(self, method: str, path: str, **more: Any) -> tuple[int, str, str]:
        """Return what a refusal says: its number, type and message."""
        status, body = self.ask(method, path, **more)
        error = body["error"]
        return (status, error, "") if isinstance(error, str) else (status, error["type"], error.get("message", ""))

    def create(self, table: str, fields: dict[str, Any], **options: Any) -> dict[str, Any]:
        status, record = self.ask("POST", self.path(table), json={"fields": fields, **options})
        assert status == 200, record
        return record

    def create_many(self, table: str, *records: dict[str, Any]) -> list[str]:
        made: list[str] = []
        for first in range(0, len(records), 10):
            sent = {"records": [{"fields": fields} for fields in records[first : first + 10]]}
            status, body = self.ask("POST", self.path(table), json=sent)
            assert status == 200, body
            made += [record["id"] for record in body["records"]]
        return made

    def read(self, table: str, record: str) -> dict[str, Any]:
        status, body = self.ask("GET", self.path(table, record))
        assert status == 200, body
        return body["fields"]

    def list(self, table: str, **parameters: Any) -> list[dict[str, Any]]:
        status, body = self.ask("GET", self.path(table), params=parameters)
        assert status == 200, body
        return body["records"]

    def some_name(self) -> str:
        """Return a text that no other record has."""
        return f"name-{next(NUMBERS)}"


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = shared_server().new_database() if request.param == "postgres" else None
    with running(prepared(Place(tmp_path_factory.mktemp(request.param) / "data", url))) as service:
        yield service


ELSEWHERE, EXPIRED = "elsewhere", "expired"


@pytest.fixture(scope="package")
def keys(served: Service) -> Mapping[str, str]:
    """Keys of access tokens: for each scope one that has it alone; one of another base, and one whose time is over."""

    async def make() -> dict[str, str]:
        async with open_database(served.place.location, clock=SystemClock()) as database:
            tokens = AccessTokens(database, clock=SystemClock(), ids=RandomIds())

            async def key(scopes: Iterable[str], base: str = DERIVED_ID, lifetime: timedelta = timedelta(1)) -> str:
                wish = {"name": "", "scopes": frozenset(scopes), "bases": {base}, "droplet": 7, "lifetime": lifetime}
                return (await tokens.create(**wish))[1].reveal()

            made = {scope: await key([scope]) for scope in Scope}
            made[ELSEWHERE] = await key(Scope, base="appBBBBBBBBBBBBBB")
            made[EXPIRED] = await key(Scope, lifetime=timedelta(0))
            return made

    made = asyncio.run(make())
    wait_for_tokens(served)
    return made


def wait_for_tokens(service: Service) -> None:
    """Return when the service goes by the tokens that the store holds; docs/operations.md says how soon it does."""

    async def revision() -> int:
        async with (
            open_database(service.place.location, clock=SystemClock()) as database,
            database.reading() as reader,
        ):
            ((number,),) = await reader.all("select revision from access_revision")
            return number

    service.wait_for_log("access_tokens_read", revision=asyncio.run(revision()), within=5.0)


@pytest.fixture
def wire(served: Service) -> Iterator[Wire]:
    with served.client() as client:
        yield Wire(client)


@pytest.fixture
def unknown(served: Service) -> Iterator[Wire]:
    """A caller without a token."""
    with served.client({}) as client:
        yield Wire(client)


@pytest.fixture
def reader(served: Service) -> Iterator[Wire]:
    """A caller that may only read."""
    with served.client(served.headers("read")) as client:
        yield Wire(client)
