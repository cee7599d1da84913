"""``adopt`` as a process: the records of a base of its own go to a second connector that stands for Airtable."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.factories.records import a_field, a_table
from tests.faults import Fault, FaultyProxy
from tests.integration.test_sync_commands import LIMIT_S, NOBODY, Desk
from tests.postgres import shared_server
from tests.service import COMMAND, Place, Service, environment, running

from airtable_connector.database import open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import TableId
from airtable_connector.records import FieldType, Verified
from airtable_connector.web.airtable_api import DERIVED_ID

TEXT, LINK = FieldType.SINGLE_LINE_TEXT, FieldType.MULTIPLE_RECORD_LINKS
OTHER = a_table("Other", None, a_field("Name", TEXT))
PEOPLE = a_table("People", None, a_field("Name", TEXT), a_field("Age", FieldType.NUMBER, precision=0))
TEAMS = a_table("Teams", "Name", a_field("Name", TEXT), a_field("Members", LINK, linkedTableId=PEOPLE.id))
CREATES = 10
"""Records of one call."""

MANY = 500
LOOKED_AT_S = 240.0
"""What was sent and not answered is looked at two minutes later."""


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    url = shared_server().new_database() if request.param == "postgres" else None
    with running(prepared(Place(tmp_path / "cloud"), (OTHER,))) as cloud:
        yield Desk(cloud, prepared(Place(tmp_path / "own", url), (TEAMS, PEOPLE)), cloud.address)


def add(service: Service, table: str, *records: dict[str, Any]) -> list[str]:
    made: list[str] = []
    with service.client(service.headers("read,write,admin")) as client:
        for first in range(0, len(records), CREATES):
            body = {"records": [{"fields": fields} for fields in records[first : first + CREATES]]}
            status, said = Wire(client).ask("POST", f"/v0/{DERIVED_ID}/{table}", json=body)
            assert status == 200, said
            made += [each["id"] for each in said["records"]]
    return made


def cells(service: Service, table: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    offset = ""
    with service.client(service.headers("read,write,admin")) as client:
        while True:
            status, said = Wire(client).ask("GET", f"/v0/{DERIVED_ID}/{table}{offset}")
            assert status == 200, said
            found |= {each["id"]: each["fields"] for each in said["records"]}
            if "offset" not in said:
                return found
            offset = f"?offset={said['offset']}"


def prepare(desk: Desk) -> None:
    """Make the tables at Airtable that the store's records need, as the refusal says."""
    file = desk.place.data_dir / "base.json"
    file.write_text(desk.did("schema", "show"))
    desk.did("schema", "apply", "--file", str(file))


def begun(desk: Desk) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*COMMAND, "adopt", "--to-airtable"], cwd=desk.place.data_dir,
        env=environment(desk.place.settings, desk.settings()), stdin=subprocess.DEVNULL,
    )  # fmt: skip


def names(records: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(fields["Name"] for fields in records.values())


def test_every_record_goes_up_once_with_its_links_and_keeps_its_ids(desk: Desk) -> None:
    with running(desk.place) as own:
        ada, bob = add(own, "People", {"Name": "Ada", "Age": 36}, {"Name": "Bob"})
        (red,) = add(own, "Teams", {"Name": "red", "Members": [bob, ada]})
        own.stop()
    refused = desk.run("adopt", "--to-airtable")
    assert refused.returncode == 1
    assert "lacks what the records need: table People" in refused.stderr or "table Teams" in refused.stderr
    prepare(desk)

    adopted = desk.run("adopt", "--to-airtable")
    assert (adopted.returncode, adopted.stdout) == (
        0, "the records are at Airtable, and this store is their mirror\n",
    ), adopted.stderr  # fmt: skip
    assert "3 records are on their way" in adopted.stderr
    people, teams = cells(desk.cloud, "People"), cells(desk.cloud, "Teams")
    assert (names(people), names(teams)) == (["Ada", "Bob"], ["red"])
    ((_, team),) = teams.items()
    assert [people[member]["Name"] for member in team["Members"]] == ["Bob", "Ada"]

    with running(desk.place, desk.settings()) as mirror:
        with mirror.client(mirror.headers("read,write,admin")) as client:
            for record, table in ((ada, "People"), (bob, "People"), (red, "Teams")):
                status, said = Wire(client).ask("GET", f"/v0/{DERIVED_ID}/{table}/{record}")
                assert status == 200, said
                assert said["id"] in {**people, **teams}
        add(mirror, "People", {"Name": "Eve"})
        assert names(cells(desk.cloud, "People")) == ["Ada", "Bob", "Eve"]
        mirror.stop()
    verdict = desk.place.verify()
    assert isinstance(verdict, Verified)
    again = desk.run("adopt", "--to-airtable")
    assert (again.returncode, again.stderr) == (0, "")
    assert names(cells(desk.cloud, "People")) == ["Ada", "Bob", "Eve"]


def test_records_that_are_there_already_are_left_alone_only_when_that_is_asked_for(desk: Desk) -> None:
    with running(desk.place) as own:
        add(own, "People", {"Name": "Ada"})
        own.stop()
    prepare(desk)
    add(desk.cloud, "People", {"Name": "Zoe"})
    refused = desk.run("adopt", "--to-airtable")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there are records already in People at Airtable; nothing was changed" in refused.stderr
    with running(desk.place) as own:
        assert names(cells(own, "People")) == ["Ada"]
        own.stop()
    desk.did("adopt", "--to-airtable", "--beside-others")
    assert names(cells(desk.cloud, "People")) == ["Ada", "Zoe"]


def test_an_adoption_that_was_killed_while_it_moved_goes_on_and_sends_each_record_once(desk: Desk) -> None:
    wanted = [f"person {number:04}" for number in range(MANY)]
    with running(desk.place) as own:
        add(own, "People", *({"Name": name} for name in wanted))
        own.stop()
    prepare(desk)
    process = begun(desk)
    try:
        left = asyncio.run(_watch(desk, until_moved=100))
    finally:
        process.kill()
        process.wait()
    assert 0 < left < len(wanted)
    beside = desk.run("serve")
    assert beside.returncode != 0
    assert "holds a base of its own (People, Teams)" in beside.stderr
    desk.did("adopt", "--to-airtable")
    assert names(cells(desk.cloud, "People")) == wanted
    status = desk.status()
    assert (status["outbox"]["waiting"], status["outbox"]["dead_letters"]) == (0, 0)
    assert json.loads(desk.did("sync", "verify", "--json"))["drift"] is False


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_an_adoption_that_was_killed_before_an_answer_came_makes_no_record_twice(desk: Desk) -> None:
    with running(desk.place) as own:
        add(own, "People", *({"Name": f"person {number:02}"} for number in range(15)))
        own.stop()
    prepare(desk)
    with FaultyProxy(desk.cloud.address) as proxy:
        desk.address = proxy.address
        proxy.order(Fault.HELD_ANSWER, method="PATCH")
        process = begun(desk)
        proxy.wait_for(1, within=LIMIT_S)
        process.kill()
        process.wait()
        proxy.release()
        desk.did("adopt", "--to-airtable", within=LOOKED_AT_S)
        assert names(cells(desk.cloud, "People")) == [f"person {number:02}" for number in range(15)]


def test_a_service_that_runs_is_not_disturbed(desk: Desk) -> None:
    prepare(desk)
    desk.did("adopt", "--to-airtable")
    with running(desk.place, desk.settings()) as service:
        service.wait_for_log("lease_taken")
        refused = desk.run("adopt", "--to-airtable")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "stop it, and run the command again" in refused.stderr


def test_a_mirror_becomes_a_base_of_its_own_again_and_loses_nothing_that_was_on_its_way(desk: Desk) -> None:
    with running(desk.place) as own:
        add(own, "People", {"Name": "Ada", "Age": 36})
        own.stop()
    prepare(desk)
    desk.did("adopt", "--to-airtable")
    with running(desk.place, desk.settings(NOBODY) | {"WRITE_WAIT": "0"}) as mirror:
        with mirror.client(mirror.headers("read,write,admin")) as client:
            record = {"records": [{"fields": {"Name": "Eve"}}]}
            status, _ = Wire(client).ask("POST", f"/v0/{DERIVED_ID}/People", json=record)
            assert status == 202
        mirror.stop()
    (bob,) = add(desk.cloud, "People", {"Name": "Bob"})

    refused = desk.run("adopt", "--from-airtable")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "1 writes are on their way to Airtable and 0 were refused there; nothing was changed" in refused.stderr
    desk.did("adopt", "--from-airtable", "--drop-unsent")
    assert desk.did("adopt", "--from-airtable") == "the base is its own; unset AIRTABLE_API_KEY before 'serve'\n"

    with running(desk.place) as own:
        people = cells(own, "People")
        assert names(people) == ["Ada", "Bob", "Eve"]
        assert people[bob]["Name"] == "Bob"
        (red,) = add(own, "Teams", {"Name": "red", "Members": [bob]})
        assert cells(own, "People")[bob]["Teams"] == [red]
        own.stop()
    assert names(cells(desk.cloud, "People")) == ["Ada", "Bob"]
    assert isinstance(desk.place.verify(), Verified)
    with desk.cloud.client(desk.cloud.headers("read,write,admin")) as client:
        _, hooks = Wire(client).ask("GET", f"/v0/bases/{DERIVED_ID}/webhooks")
    assert hooks["webhooks"] == []
    assert "was a mirror of the one at Airtable" in desk.run("adopt", "--to-airtable").stderr


async def _watch(desk: Desk, *, until_moved: int) -> int:
    """Wait until some records were moved, and return how many were not."""
    async with open_database(desk.place.location, clock=SystemClock()) as database:
        while True:
            async with database.reading() as reader:
                row = await reader.one("select count(*) from records where table_id = :table", table=TableId(PEOPLE.id))
            assert row is not None
            if row[0] <= MANY - until_moved:
                return int(row[0])
