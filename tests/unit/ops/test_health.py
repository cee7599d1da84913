from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
from tests.fakes import FakeClock

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.ops.health import Health, HealthSettings, cost_this_month
from airtable_connector.records import Head

HOUR = timedelta(hours=1)
SETTINGS = HealthSettings(2, "Airtable Connector", "Haythem", "https://drop2.example", Decimal("0.0125"))


@dataclass
class Store:
    """What /health looks at in the workspace."""

    head: Head = field(default_factory=lambda: Head(7, b"\xab" * 32, 3))
    trouble: ConnectorError | None = None


@dataclass
class Process:
    draining: bool = False


def answer(health: Health) -> dict[str, object]:
    return orjson.loads(health.body())


@pytest.mark.anyio
async def test_health_says_what_udc_asks_for_and_nothing_else():
    clock = FakeClock()
    health = Health(Store(), Process(), clock=clock, settings=SETTINGS)
    await clock.advance(10 * HOUR)
    assert answer(health) == {
        "id": 2,
        "name": "Airtable Connector",
        "steward": "Haythem",
        "status": "active",
        "endpoint": "https://drop2.example",
        "proof": "ab" * 32,
        "cost_usd": 0.125,
        "yield_usd": 0.0,
        "updated_at": "2026-01-05T22:00:00.000Z",
    }


def test_a_store_that_cannot_be_written_is_an_error_and_recovers_at_once():
    store = Store()
    health = Health(store, Process(), clock=FakeClock(), settings=SETTINGS)
    assert answer(health)["status"] == "active"
    store.trouble = ConnectorError("the disk is full")
    assert answer(health)["status"] == "error"
    store.trouble = None
    assert answer(health)["status"] == "active"


def test_a_process_that_is_stopping_is_inactive_whatever_its_store_says():
    process = Process()
    health = Health(Store(trouble=ConnectorError("gone")), process, clock=FakeClock(), settings=SETTINGS)
    process.draining = True
    assert answer(health)["status"] == "inactive"


def test_the_proof_is_new_with_each_change():
    store = Store()
    health = Health(store, Process(), clock=FakeClock(), settings=SETTINGS)
    before = answer(health)["proof"]
    store.head = Head(8, b"\xcd" * 32, 3)
    assert before != answer(health)["proof"] == "cd" * 32


@pytest.mark.anyio
async def test_the_same_second_has_the_same_bytes():
    clock = FakeClock()
    health = Health(Store(), Process(), clock=clock, settings=SETTINGS)
    first = health.body()
    assert health.body() is first
    await clock.advance(timedelta(seconds=1))
    assert health.body() != first


def test_costs_begin_anew_with_each_month():
    cost = Decimal(1)
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    assert cost_this_month(cost, started=new_year - 50 * HOUR, now=new_year - HOUR) == 49
    assert cost_this_month(cost, started=new_year - 50 * HOUR, now=new_year + 2 * HOUR) == 2
    assert cost_this_month(cost, started=new_year, now=new_year - HOUR) == 0
