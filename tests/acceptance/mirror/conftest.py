"""A started service as the mirror of a second one, which stands for Airtable, through a network that fails on order."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from tests.acceptance.airtable_api.conftest import DROPLETS, Wire, prepared
from tests.acceptance.conftest import STORES, new_place
from tests.factories.records import a_field, a_table
from tests.faults import FaultyProxy
from tests.service import Place, Service, eventually, running

from airtable_connector.database import open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.records import STANDARD_TABLES, FieldType
from airtable_connector.web.airtable_api import DERIVED_ID

NUMBERS = count(1)
ADMIN = "read,write,admin"

WORK = a_table(
    "Work",
    None,
    a_field("Name", FieldType.SINGLE_LINE_TEXT),
    a_field("Sure", FieldType.SINGLE_LINE_TEXT),
    a_field("Changed", FieldType.LAST_MODIFIED_TIME),
)
PARTS = a_table(
    "Parts",
    None,
    a_field("Name", FieldType.SINGLE_LINE_TEXT),
    a_field("Work", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=WORK.id),
)
TABLES = (*STANDARD_TABLES, DROPLETS, WORK, PARTS)

FEW_POLLS = {
    "AIRTABLE_PLAN": "business",
    "AIRTABLE_POLL_SECONDS": "3600",
    "AIRTABLE_CONFLICTS": "newest; Sprints = theirs; Cells = ours",
    "WRITE_WAIT": "15",
}
"""Settings of a mirror that looks for news only when it is asked to, and whose writers have patience."""


@dataclass
class Mirrored:
    """The mirror, the network between, and the base at Airtable."""

    here: Service
    proxy: FaultyProxy
    there: Wire
    client: httpx2.Client

    @property
    def wire(self) -> Wire:
        return Wire(self.client)

    def create(self, path: str = "/sprints", **fields: Any) -> dict[str, Any]:
        """Add a record under a key of its own, and return it as Airtable has it."""
        answer = self.client.post(path, json=keyed(path) | fields)
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def write_and_go(self, method: str, path: str, **more: Any) -> tuple[dict[str, Any], str]:
        """Write and wait for nothing; return the record as it was answered, and the receipt."""
        answer = self.client.request(method, path, headers={"Prefer": "wait=0"}, **more)
        assert answer.status_code == 202, answer.text
        return answer.json()["data"], answer.headers["X-Receipt"]

    def receipt(self, receipt: str) -> dict[str, Any]:
        answer = self.client.get(f"/receipts/{receipt}")
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def final(self, receipt: str, *, within: float = 45.0) -> dict[str, Any]:
        """Wait until a receipt is final, and return it."""
        eventually(lambda: self.receipt(receipt)["final"], within=within)
        return self.receipt(receipt)

    def catch_up(self) -> None:
        """Have everything here that has happened there until now."""
        asked = {"page_size": 1, "max_staleness": "0"}
        # on a busy machine it may not be had within the five seconds that one question waits
        eventually(lambda: self.client.get("/sprints", params=asked).status_code == 200, within=45.0)

    def named(self, key: str, field: str = "Sprint_ID", table: str = "Sprints") -> list[dict[str, Any]]:
        """Return the records at Airtable that have this in a field."""
        return self.there.list(table, filterByFormula=f"{{{field}}} = '{key}'")

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/state").json()["airtable"]
        return found


def keyed(path: str) -> dict[str, str]:
    field = {"/sprints": "Sprint_ID", "/cells": "Cell_ID", "/proof": "Proof_ID"}[path]
    return {field: f"mirror-{next(NUMBERS)}"}


@contextmanager
def mirroring(airtable: Service, place: Place, settings: Mapping[str, str] | None = None) -> Iterator[Mirrored]:
    """Start a mirror on a place, with a network of its own; it may be stopped or killed by the test."""
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultyProxy(airtable.address))
        wishes = {**FEW_POLLS, **key_of(airtable), "AIRTABLE_ENDPOINT_URL": proxy.address, **(settings or {})}
        here = stack.enter_context(running(place, wishes))
        there = Wire(stack.enter_context(airtable.client(airtable.headers(ADMIN))))
        yield Mirrored(here, proxy, there, stack.enter_context(here.client(here.headers(ADMIN))))


def key_of(airtable: Service) -> dict[str, str]:
    return {"AIRTABLE_API_KEY": airtable.token(ADMIN, droplet=9), "BASE_ID": DERIVED_ID}


def wait_until_copied(mirror: Mirrored) -> None:
    eventually(lambda: "X-Mirror-Age" in mirror.client.get("/sprints", params={"page_size": 1}).headers)


def signed(place: Place, body: bytes) -> str:
    """Sign a body as Airtable signs what it sends to the place's webhook."""
    return "hmac-sha256=" + hmac.new(base64.b64decode(_webhook(place)[1]), body, hashlib.sha256).hexdigest()


def notification(place: Place) -> bytes:
    """Return what Airtable sends when something has changed."""
    return orjson.dumps({"base": {"id": DERIVED_ID}, "webhook": {"id": _webhook(place)[0]}})


def _webhook(place: Place) -> tuple[str, str]:
    async def read() -> tuple[str, str]:
        async with open_database(place.location, clock=SystemClock()) as database, database.reading() as reader:
            ((hook, key),) = await reader.all("select hook, mac_key from mirror")
            return hook, key

    return asyncio.run(read())


@pytest.fixture(scope="package")
def airtable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """What stands for Airtable."""
    with running(prepared(Place(tmp_path_factory.mktemp("airtable") / "data"), TABLES)) as service:
        yield service


@pytest.fixture(scope="package", params=STORES)
def mirror(
    request: pytest.FixtureRequest, airtable: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mirrored]:
    """A mirror whose first copy is complete, one of each store."""
    with mirroring(airtable, new_place(request.param, tmp_path_factory.mktemp(request.param))) as started:
        wait_until_copied(started)
        yield started


@pytest.fixture
def own_place(tmp_path: Path) -> Place:
    """An empty place for a mirror that is stopped, killed or set up otherwise."""
    return new_place("sqlite", tmp_path)
