"""A change that thousands of records depend on: they follow in portions, whatever happens meanwhile."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from tests.acceptance.conftest import held_by_another_writer
from tests.factories.computed import PROGRAMMES, TASKS, field_id
from tests.factories.records import opened_base
from tests.service import NEWS_LIMIT_S, Place, Service, running

from airtable_connector.database import open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.records import STANDARD_TABLES, Create, Verified

MANY = 5_000
HOURS = (2, 3, 4)


async def fill(place: Place) -> str:
    """Make a base in which many records read one, and return that one's id."""
    place.data_dir.mkdir(parents=True, exist_ok=True)
    tables = (*STANDARD_TABLES, TASKS, PROGRAMMES)
    async with (
        open_database(place.location, clock=SystemClock()) as database,
        opened_base(database, clock=SystemClock(), tables=tables) as base,
    ):
        task = await base.create(TASKS, Name="Dig", Hours=1)
        await base.do(*(Create(PROGRAMMES, {"Name": f"P{n}", "Tasks": [task]}) for n in range(MANY)))
    return task


@pytest.fixture
def task(place: Place) -> str:
    return asyncio.run(fill(place))


@contextmanager
def opened(service: Service) -> Iterator[httpx2.Client]:
    """Return a client of the base under Airtable's Web API."""
    with service.client() as client:
        (base,) = client.get("/v0/meta/bases").json()["bases"]
        client.base_url = client.base_url.join(f"/v0/{base['id']}/")
        yield client


def work_for(client: httpx2.Client, task: str, hours: int) -> None:
    answer = client.patch(f"Tasks/{task}", json={"fields": {"Hours": hours}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["fields"]["Cost"] == hours * 50


def waiting(service: Service) -> int:
    with service.client() as client:
        found: int = client.get("/state").json()["store"]["recomputations"]
        return found


def costs(client: httpx2.Client) -> list[int]:
    found: list[int] = []
    offset = None
    while True:
        asked = {"pageSize": "100", "fields[]": "Cost"} | ({} if offset is None else {"offset": offset})
        page = client.get("Programmes", params=asked).json()
        found += [record["fields"]["Cost"] for record in page["records"]]
        if (offset := page.get("offset")) is None:
            return found


def until_all_cost(client: httpx2.Client, cost: int) -> None:
    until = time.monotonic() + 3 * NEWS_LIMIT_S
    while set(found := costs(client)) != {cost}:
        assert time.monotonic() < until, sorted(set(found))
    assert len(found) == MANY


async def entries(place: Place, of_field: str) -> list[int]:
    """Return, in order, what each entry of the feed gave a field of the records."""
    async with (
        open_database(place.location, clock=SystemClock()) as database,
        opened_base(database, clock=SystemClock(), tables=[]) as base,
    ):
        table = base.workspace.table("Programmes")
        given: list[int] = []
        after = 0
        while changes := await base.workspace.changes(after=after, count=1_000, table=table):
            given += [change.after[of_field] for change in changes if of_field in (change.after or {})]  # type: ignore[misc, index]
            after = changes[-1].seq
        return given


def test_a_process_that_is_killed_loses_nothing_of_what_follows_from_a_change(place: Place, task: str) -> None:
    for hours in HOURS:
        with running(place) as service, opened(service) as client:
            work_for(client, task, hours)
            # some of it is done, and most of it is not
            while hours * 50 not in costs(client):
                pass
            service.kill()
    with running(place) as service, opened(service) as client:
        until_all_cost(client, HOURS[-1] * 50)
        until = time.monotonic() + NEWS_LIMIT_S
        while waiting(service):
            assert time.monotonic() < until
    verified = place.verify()
    assert isinstance(verified, Verified), verified
    given = asyncio.run(entries(place, field_id("Programmes", "Cost")))
    # nothing was written twice: a record has an entry for its creation, and one for each cost that it was brought to
    assert given.count(50) == MANY
    assert given.count(HOURS[-1] * 50) == MANY
    assert all(given.count(hours * 50) <= MANY for hours in HOURS)


def test_reads_and_writes_are_answered_while_a_portion_waits(place: Place, task: str) -> None:
    with running(place) as service, opened(service) as client:
        service.wait_for_log("shelf_loaded", table="Programmes")
        # a quick machine may be done before the store is held; then there is more work to do
        for hours in range(2, 100):
            work_for(client, task, hours)
            with held_by_another_writer(place):
                # what was committed last may be shown a moment later
                costs(client)
                found = costs(client)
                if set(found) != {hours * 50}:
                    assert len(found) == MANY
                    asked = {"filterByFormula": f"{{Cost}} < {hours * 50}", "pageSize": "1"}
                    assert client.get("Programmes", params=asked).json()["records"]
                    assert costs(client) == found
                    break
        else:
            raise AssertionError("the work was always done before the store could be held")
        assert client.post("Tasks", json={"fields": {"Name": "Other"}}).status_code == 200
        until_all_cost(client, hours * 50)
