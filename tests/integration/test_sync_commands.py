"""``sync status``, ``now``, ``verify`` and ``reset`` as processes, over a second connector that stands for Airtable."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.factories.records import a_field, a_table
from tests.faults import Fault, FaultyProxy
from tests.postgres import shared_server
from tests.service import COMMAND, Place, Service, environment, running

from airtable_connector.database import open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.records import FieldType
from airtable_connector.web.airtable_api import DERIVED_ID

LIMIT_S = 90.0
NOBODY = "http://127.0.0.1:9"
"""Where nobody answers: a command that calls it fails."""

THINGS = a_table("Things", None, a_field("Name", FieldType.SINGLE_LINE_TEXT))


@dataclass
class Desk:
    """Where somebody types commands about the mirror of the base behind an address."""

    cloud: Service
    place: Place
    address: str

    def settings(self, address: str | None = None) -> dict[str, str]:
        return {
            "AIRTABLE_API_KEY": self.cloud.token("read,write,admin"),
            "BASE_ID": DERIVED_ID,
            "AIRTABLE_ENDPOINT_URL": address or self.address,
            "AIRTABLE_PLAN": "business",
            "AIRTABLE_POLL_SECONDS": "1",
        }

    def run(
        self, *arguments: str, address: str | None = None, within: float = LIMIT_S
    ) -> "subprocess.CompletedProcess[str]":
        self.place.data_dir.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [*COMMAND, *arguments], cwd=self.place.data_dir,
            env=environment(self.place.settings, self.settings(address)),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within, check=False,
        )  # fmt: skip

    def did(self, *arguments: str, ends: int = 0, address: str | None = None, within: float = LIMIT_S) -> str:
        ended = self.run(*arguments, address=address, within=within)
        assert ended.returncode == ends, ended.stderr + ended.stdout
        return ended.stdout

    def status(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.did("sync", "status", "--json", address=NOBODY))
        return said

    def write_there(self, *names: str) -> list[str]:
        """Add records at Airtable, as a person would."""
        with self.cloud.client(self.cloud.headers("read,write,admin")) as client:
            records = [{"fields": {"Name": name}} for name in names]
            status, said = Wire(client).ask("POST", f"/v0/{DERIVED_ID}/Things", json={"records": records})
        assert status == 200, said
        return [each["id"] for each in said["records"]]

    def here(self) -> set[str]:
        """Return the ids of the records that the store has of the table."""

        async def read() -> set[str]:
            async with (
                open_database(self.place.location, clock=SystemClock()) as database,
                database.reading() as reader,
            ):
                return {row[0] for row in await reader.all("select id from records where table_id = :id", id=THINGS.id)}

        return asyncio.run(read())

    def lose(self, record: str) -> None:
        """Take a record out of the store so that nothing tells of it."""

        async def take() -> None:
            async with (
                open_database(self.place.location, clock=SystemClock()) as database,
                database.transaction() as tx,
            ):
                assert await tx.run("delete from records where id = :id", id=record) == 1

        asyncio.run(take())


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    url = shared_server().new_database() if request.param == "postgres" else None
    with running(prepared(Place(tmp_path / "cloud"), (THINGS,))) as cloud:
        yield Desk(cloud, Place(tmp_path / "mirror", url), cloud.address)


def test_without_a_service_now_brings_everything_and_status_tells_it_from_the_store(desk: Desk) -> None:
    first = set(desk.write_there("one", "two"))
    assert "everything that happened at Airtable is here" in desk.did("sync", "now")
    assert desk.here() == first
    later = set(desk.write_there("three"))
    desk.did("sync", "now")
    assert desk.here() == first | later

    status = desk.status()
    (table,) = status["mirror"]["tables"]
    assert (table["name"], table["phase"], table["listed"]) == ("Things", "whole", 2)
    assert (status["base"], status["followed_until"], status["outbox"]["dead_letters"]) == (DERIVED_ID, None, 0)
    assert status["mirror"]["webhook"]["state"] == "live"
    assert status["mirror"]["age_seconds"] < LIMIT_S
    assert status["budget"]["calls"] > 0
    words = desk.did("sync", "status", address=NOBODY)
    assert f"{DERIVED_ID}: no service follows it" in words
    assert "Things: whole" in words


def test_verify_tells_what_differed_and_has_repaired_it(desk: Desk) -> None:
    one, two = desk.write_there("one", "two")
    desk.did("sync", "now")
    assert json.loads(desk.did("sync", "verify", "--json"))["drift"] is False
    desk.lose(one)
    assert desk.did("sync", "verify", ends=1) == "Things: repaired, rows: 1, cells of rows that were here: 0\n"
    assert desk.here() == {one, two}
    assert desk.did("sync", "verify") == "Things: alike\n"


def test_reset_copies_every_table_anew(desk: Desk) -> None:
    one, two = desk.write_there("one", "two")
    desk.did("sync", "now")
    desk.lose(one)
    desk.did("sync", "now")
    assert desk.here() == {two}
    assert desk.did("sync", "reset") == "every table was copied anew\n"
    assert desk.here() == {one, two}


def test_beside_a_service_commands_have_it_do_what_is_asked_and_call_nobody(desk: Desk) -> None:
    one, two = desk.write_there("one", "two")
    with running(desk.place, desk.settings()):
        now = desk.run("sync", "now", address=NOBODY)
        assert (now.returncode, now.stderr) == (0, "a running service asks Airtable and is told to do it\n")
        assert desk.here() == {one, two}
        assert desk.status()["followed_until"] is not None

        desk.lose(one)
        found = json.loads(desk.did("sync", "verify", "--json", ends=1, address=NOBODY))
        assert found == {"drift": True, "tables": [{"table": THINGS.id, "name": "Things", "rows": 1, "cells": 0}]}
        assert desk.here() == {one, two}
        assert json.loads(desk.did("sync", "verify", "--json", address=NOBODY))["drift"] is False

        desk.lose(two)
        desk.did("sync", "reset", address=NOBODY)
        assert desk.here() == {one, two}

        impatient = desk.run("sync", "now", "--within", "0", address=NOBODY)
        assert (impatient.returncode, impatient.stdout) == (1, "")
        assert "'sync status' shows how far it is" in impatient.stderr


def test_the_lease_of_a_killed_service_is_waited_out(desk: Desk) -> None:
    (one,) = desk.write_there("one")
    with running(desk.place, desk.settings()) as service:
        service.wait_for_log("table_whole")
        service.kill()
    desk.did("sync", "now")
    assert desk.here() == {one}


def test_a_webhook_that_is_lost_and_answers_that_are_lost_do_not_keep_now_from_its_end(desk: Desk) -> None:
    with FaultyProxy(desk.cloud.address) as proxy:
        desk.address = proxy.address
        (one,) = desk.write_there("one")
        desk.did("sync", "now")
        proxy.order(Fault.INVALID_HOOK, method="GET")
        (two,) = desk.write_there("two")
        desk.did("sync", "now")
        assert desk.here() == {one, two}


def test_commands_about_no_mirror_say_what_is_wrong(desk: Desk) -> None:
    missing = desk.run("sync", "status")
    if desk.place.database_url is None:
        assert (missing.returncode, missing.stdout) == (1, "")
        assert "there is no store yet" in missing.stderr
    own = prepared(Place(desk.place.data_dir / "own"), (THINGS,))
    desk.place = own
    refused = desk.run("sync", "now")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "holds a base of its own" in refused.stderr
