"""The UDC endpoints that change the process, with everything they act on handed in."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.fakes import FakeClock, SpyObserver
from tests.unit.web.harness import Door, Reply

from airtable_connector.ops import EmergencyStop, Shutdown
from airtable_connector.web.app import permission_for
from airtable_connector.web.udc import ADMIN, ChangedSetting, ControlEndpoints, Reloaded

pytestmark = pytest.mark.anyio


@dataclass
class Process:
    draining: bool = False


@dataclass
class Reloads:
    asked: list[tuple[str | None, int]] = field(default_factory=list)

    async def __call__(self, config_path: str | None, *, by: int) -> Reloaded:
        self.asked.append((config_path, by))
        changed = (
            ChangedSetting("LOG_LEVEL", applied=True, before="info", after="debug"),
            ChangedSetting("PORT", applied=False, before="8000", after="8080"),
        )
        return Reloaded(config_path or "udc_config.json", changed)


class House:
    def __init__(self) -> None:
        clock, self.process, self.observer = FakeClock(), Process(), SpyObserver()
        self.ended = asyncio.Event()
        self.reloads = Reloads()
        self.shutdown = Shutdown(
            lambda: None, leaving=self.process, wake=lambda: None, clock=clock, observer=self.observer
        )
        control = ControlEndpoints(
            shutdown=self.shutdown, reload=self.reloads, end=self.ended.set, clock=clock, observer=self.observer
        )
        self.door = Door(
            {
                "/shutdown": {"POST": control.shut_down, "DELETE": control.cancel_shutdown},
                "/emergency-stop": {"POST": control.emergency_stop},
                "/reload-config": {"POST": control.reload_config},
            }
        )

    async def ask(self, method: str, path: str, body: object = None) -> Reply:
        return await self.door.ask(method, path, body=None if body is None else json.dumps(body).encode())


@pytest.fixture
def house() -> House:
    return House()


PLAN = {
    "reason": "new version",
    "scheduled_at": "2026-01-05T12:00:00.000Z",
    "due_at": "2026-01-05T12:01:30.000Z",
    "by": 8,
}


async def test_a_shutdown_is_scheduled_replaced_and_cancelled(house: House) -> None:
    first = await house.ask("POST", "/shutdown", {"delay_seconds": 90, "reason": "new version"})
    stamp = {"timestamp": "2026-01-05T12:00:00.000Z"}
    assert json.loads(first.body) == {
        "shutdown_scheduled": True, "delay_seconds": 90, **PLAN, "replaced": None, **stamp,
    }  # fmt: skip
    second = json.loads((await house.ask("POST", "/shutdown")).body)
    assert (second["delay_seconds"], second["reason"], second["replaced"]) == (10, "", PLAN)
    cancelled = json.loads((await house.ask("DELETE", "/shutdown")).body)
    assert cancelled["shutdown_scheduled"] is False
    assert cancelled["cancelled"]["due_at"] == second["due_at"]
    again = await house.ask("DELETE", "/shutdown")
    assert (again.status, again.error["details"]["reason"]) == (404, "no-shutdown-scheduled")


@pytest.mark.parametrize(
    "body",
    [
        [],
        "soon",
        7,
        {"delay": 10},
        {"delay_seconds": "10"},
        {"delay_seconds": True},
        {"delay_seconds": -1},
        {"delay_seconds": 300.5},
        {"delay_seconds": [10]},
        {"reason": 7},
        {"reason": "x" * 201},
        {"reason": "two\nlines"},
        {"delay_seconds": 10, "reason": {}},
    ],
)
async def test_a_shutdown_that_is_asked_for_wrongly_is_not_scheduled(body: Any, house: House) -> None:
    reply = await house.ask("POST", "/shutdown", body)
    assert (reply.status, reply.error["details"]["reason"]) == (422, "malformed-request")
    assert reply.error["details"]["field"]
    assert reply.error["details"]["hint"]
    assert house.shutdown.scheduled is None


async def test_a_wrong_shutdown_leaves_the_one_that_is_scheduled(house: House) -> None:
    await house.ask("POST", "/shutdown", {"delay_seconds": 90})
    await house.ask("POST", "/shutdown", {"delay_seconds": 1, "reason": 7})
    assert house.shutdown.scheduled is not None
    assert house.shutdown.scheduled.due_at - house.shutdown.scheduled.scheduled_at == timedelta(seconds=90)


@pytest.mark.parametrize("delay", [0, 300, 0.5, None])
async def test_delays_from_nothing_to_five_minutes_are_taken(delay: float | None, house: House) -> None:
    answer = json.loads((await house.ask("POST", "/shutdown", {"delay_seconds": delay})).body)
    assert answer["delay_seconds"] == (10 if delay is None else delay)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_while_the_process_stops_nothing_is_scheduled_or_cancelled(method: str, house: House) -> None:
    house.process.draining = True
    reply = await house.ask(method, "/shutdown")
    assert (reply.status, reply.error["code"], reply.error["details"]["reason"]) == (
        409, "CONFLICT", "already-stopping",
    )  # fmt: skip


async def test_an_emergency_is_answered_and_written_down_before_the_process_ends(house: House) -> None:
    async def ask() -> Reply:
        reply = await house.ask("POST", "/emergency-stop")
        assert not house.ended.is_set()
        assert house.door.log.lines[-1]["path"] == "/emergency-stop"
        return reply

    reply = await asyncio.create_task(ask())
    assert json.loads(reply.body) == {
        "emergency_stop": True, "initiated_by": 8, "timestamp": "2026-01-05T12:00:00.000Z",
    }  # fmt: skip
    assert reply.complete
    assert house.observer.facts == [EmergencyStop(8)]
    await asyncio.wait_for(house.ended.wait(), 0.5)  # sooner than a slow reader is given


async def test_an_emergency_is_not_held_up_by_one_who_does_not_take_the_answer(house: House) -> None:
    async def never() -> None:
        await house.ask("POST", "/emergency-stop")
        await asyncio.get_running_loop().create_future()

    stuck = asyncio.create_task(never())
    await asyncio.wait_for(house.ended.wait(), 5)
    stuck.cancel()


async def test_a_reload_tells_what_took_effect_and_what_waits(house: House) -> None:
    reply = await house.ask("POST", "/reload-config", {"config_path": "other.json"})
    assert json.loads(reply.body) == {
        "reloaded": True,
        "config_path": "other.json",
        "changed": [
            {"name": "LOG_LEVEL", "applied": True, "before": "info", "after": "debug"},
            {"name": "PORT", "applied": False, "before": "8000", "after": "8080"},
        ],
        "needs_restart": ["PORT"],
        "timestamp": "2026-01-05T12:00:00.000Z",
    }
    await house.ask("POST", "/reload-config")
    await house.ask("POST", "/reload-config", {})
    assert house.reloads.asked == [("other.json", 8), (None, 8), (None, 8)]


@pytest.mark.parametrize("body", [[], {"config_path": 7}, {"path": "x.json"}])
async def test_a_reload_that_is_asked_for_wrongly_reads_nothing(body: Any, house: House) -> None:
    reply = await house.ask("POST", "/reload-config", body)
    assert (reply.status, reply.error["details"]["reason"]) == (422, "malformed-request")
    assert house.reloads.asked == []


def test_what_changes_the_process_needs_an_administrator_whatever_the_method() -> None:
    assert {permission_for(method, path) for path in ADMIN for method in ("GET", "POST", "DELETE")} == {"admin"}
    assert [permission_for(method, "/state") for method in ("GET", "HEAD", "POST")] == ["read", "read", "write"]
