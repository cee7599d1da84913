"""Mesh contract 2.8: tasks are pulled."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.fakes import FakeClock
from tests.unit.localmesh.harness import TRACE, Keys, OrchestratorPeer, enveloped

from airtable_connector.localmesh import AS_WRITTEN

pytestmark = pytest.mark.anyio

TASK = {"task_type": "sync", "title": "Pull", "payload": {"table": "Sprints"}}


@pytest.fixture
def peer(keys: Keys, clock: FakeClock) -> OrchestratorPeer:
    return OrchestratorPeer(keys, clock)


@pytest.fixture
def as_written(keys: Keys, clock: FakeClock) -> OrchestratorPeer:
    return OrchestratorPeer(keys, clock, quirks=AS_WRITTEN)


async def create(peer: OrchestratorPeer, **changed: object) -> int:
    reply = await peer.post("/tasks", {**TASK, **changed})
    assert reply.status_code == 201, reply.text
    return int(reply.json()["payload"]["task_id"])


async def task_of(peer: OrchestratorPeer, task: int) -> dict[str, Any]:
    found: dict[str, Any] = (await peer.get(f"/tasks/{task}")).json()["payload"]["task"]
    return found


async def assigned(peer: OrchestratorPeer) -> int:
    """A task in the hands of droplet 2."""
    await peer.register(2)
    task = await create(peer)
    await peer.step("route-tasks")
    return task


async def move(peer: OrchestratorPeer, task: int, *statuses: str) -> int:
    """Change the status step by step; return the last answer's code."""
    for status in statuses:
        reply = await peer.patch(f"/tasks/{task}", {"status": status})
    return reply.status_code


async def test_a_created_task_waits(peer: OrchestratorPeer) -> None:
    reply = await peer.post("/tasks", enveloped(TASK))
    assert reply.status_code == 201
    assert reply.json()["payload"] == {
        "task_id": 1,
        "trace_id": TRACE,
        "status": "pending",
        "created_at": "2026-01-05T12:00:00",
        "estimated_assignment_seconds": 10,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"task_type": "t" * 51},
        {"title": ""},
        {"payload": [1]},
        {"priority": 0},
        {"priority": 11},
        {"max_retries": 11},
    ],
)
async def test_a_task_of_the_wrong_shape_is_422(peer: OrchestratorPeer, change: dict[str, object]) -> None:
    assert (await peer.post("/tasks", {**TASK, **change})).status_code == 422


async def test_routing_gives_a_task_to_the_least_busy_droplet_that_can_do_it(peer: OrchestratorPeer) -> None:
    await peer.register(3, capabilities=["airtable", "more"])
    await peer.register(2, capabilities=["airtable"])
    await peer.register(4, capabilities=["airtable-like"])
    tasks = [await create(peer, required_capability="airtable") for _ in range(3)]
    assert await peer.step("route-tasks") == timedelta(seconds=10)
    assert [(await task_of(peer, task))["assigned_droplet_id"] for task in tasks] == [2, 3, 2]


async def test_a_task_that_requires_nothing_goes_to_any_active_droplet(peer: OrchestratorPeer) -> None:
    task = await create(peer)
    await peer.step("route-tasks")
    assert (await task_of(peer, task))["status"] == "pending"
    await peer.register(7, capabilities=["voice"])
    await peer.step("route-tasks")
    assert (await task_of(peer, task))["assigned_droplet_id"] == 7


async def test_the_tasks_of_a_silent_droplet_go_to_another(peer: OrchestratorPeer, clock: FakeClock) -> None:
    task = await assigned(peer)
    await move(peer, task, "in_progress")
    await peer.register(3)
    await clock.advance(timedelta(seconds=91))
    await peer.post("/droplets/3/heartbeat", {"status": "active"}, headers=peer.as_droplet(3))
    await peer.step("check-silence")
    assert (await task_of(peer, task))["status"] == "pending"
    await peer.step("route-tasks")
    assert (await task_of(peer, task))["assigned_droplet_id"] == 3


async def test_a_droplet_fetches_its_tasks_the_most_urgent_first_then_the_newest(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    tasks = [await create(peer, priority=priority) for priority in (5, 1, 5)]
    await peer.step("route-tasks")
    query = {"assigned_droplet_id": 2, "status": "assigned", "limit": 2}
    payload = (await peer.get("/tasks", params=query)).json()["payload"]
    assert [task["id"] for task in payload["tasks"]] == [tasks[1], tasks[2]]
    assert (payload["total"], payload["limit"], payload["offset"]) == (3, 2, 0)
    assert set(payload["tasks"][0]) == {
        "id",
        "trace_id",
        "task_type",
        "title",
        "description",
        "status",
        "priority",
        "assigned_droplet_id",
        "assigned_droplet_name",
        "created_at",
        "completed_at",
    }


async def test_a_registered_droplet_gets_only_its_own_tasks(peer: OrchestratorPeer) -> None:
    for droplet in (2, 3):
        await peer.register(droplet)
    for _ in range(3):
        await create(peer)
    await peer.step("route-tasks")
    payload = (await peer.get("/tasks", params={"assigned_droplet_id": 3})).json()["payload"]
    assert [task["assigned_droplet_name"] for task in payload["tasks"]] == ["d3"]


@pytest.mark.parametrize("limit", ["0", "501", "many"])
async def test_a_limit_is_1_to_500(peer: OrchestratorPeer, limit: str) -> None:
    assert (await peer.get("/tasks", params={"limit": limit})).status_code == 422


async def test_an_unregistered_droplet_gets_everybodys_tasks(
    peer: OrchestratorPeer, as_written: OrchestratorPeer
) -> None:
    for each, expected in ((peer, 1), (as_written, 0)):
        await each.register(3)
        await create(each)
        await each.step("route-tasks")
        payload = (await each.get("/tasks", params={"assigned_droplet_id": 2})).json()["payload"]
        assert len(payload["tasks"]) == expected


async def test_payload_and_result_are_json_texts(peer: OrchestratorPeer, as_written: OrchestratorPeer) -> None:
    for each in (peer, as_written):
        task = await assigned(each)
        await move(each, task, "in_progress")
        await each.patch(f"/tasks/{task}", {"status": "completed", "result": {"rows": 3}})
    real, written = await task_of(peer, task), await task_of(as_written, task)
    assert (written["payload"], written["result"]) == (TASK["payload"], {"rows": 3})
    assert (json.loads(real["payload"]), json.loads(real["result"])) == (TASK["payload"], {"rows": 3})


async def test_a_task_tells_its_history_and_its_end(peer: OrchestratorPeer, clock: FakeClock) -> None:
    task = await assigned(peer)
    await move(peer, task, "in_progress")
    await clock.advance(timedelta(seconds=5))
    await peer.patch(f"/tasks/{task}", enveloped({"status": "failed", "error_message": "no such base"}))
    shown = await task_of(peer, task)
    assert (shown["error_message"], shown["completed_at"]) == ("no such base", "2026-01-05T12:00:05")
    assert [change["to"] for change in shown["state_history"]] == ["pending", "assigned", "in_progress", "failed"]


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (("in_progress",), 200),
        (("cancelled",), 200),
        (("in_progress", "completed"), 200),
        (("in_progress", "failed"), 200),
        (("completed",), 400),
        (("failed",), 400),
        (("in_progress", "in_progress"), 400),
        (("in_progress", "cancelled"), 400),
        (("in_progress", "completed", "failed"), 400),
        (("in_progress", "failed", "pending"), 400),
    ],
)
async def test_only_some_transitions_are_allowed(peer: OrchestratorPeer, statuses: tuple[str, ...], code: int) -> None:
    assert await move(peer, await assigned(peer), *statuses) == code


@pytest.mark.parametrize("statuses", [("pending",), ("in_progress", "pending")])
async def test_a_task_that_is_given_back_waits_for_anybody(peer: OrchestratorPeer, statuses: tuple[str, ...]) -> None:
    task = await assigned(peer)
    assert await move(peer, task, *statuses) == 200
    shown = await task_of(peer, task)
    assert (shown["status"], shown["assigned_droplet_id"]) == ("pending", None)


async def test_only_the_assigned_droplet_may_move_a_task(peer: OrchestratorPeer) -> None:
    task = await assigned(peer)
    for droplet in (3, "2"):
        reply = await peer.patch(f"/tasks/{task}", {"status": "in_progress"}, headers=peer.as_droplet(droplet, "admin"))
        assert (reply.status_code, reply.json()) == (403, {"detail": "Only assigned droplet can update task status"})


async def test_a_result_is_an_object_and_a_task_must_exist(peer: OrchestratorPeer) -> None:
    task = await assigned(peer)
    assert (await peer.patch(f"/tasks/{task}", {"status": "completed", "result": [1]})).status_code == 422
    assert (await peer.patch("/tasks/99", {"status": "in_progress"})).status_code == 404


async def test_its_creator_or_an_admin_cancels_a_task_once(peer: OrchestratorPeer) -> None:
    for headers in (peer.as_droplet(2), peer.as_droplet(9, "admin")):
        task = await create(peer)
        assert (await peer.delete(f"/tasks/{task}", headers=peer.as_droplet(3))).status_code == 403
        assert (await peer.delete(f"/tasks/{task}", headers=headers)).status_code == 200
        assert (await peer.delete(f"/tasks/{task}", headers=headers)).status_code == 400
    assert (await peer.delete("/tasks/99")).status_code == 404


async def test_open_tasks_have_an_upper_bound_and_finished_ones_make_room(peer: OrchestratorPeer) -> None:
    tasks = [await create(peer) for _ in range(1_000)]
    assert (await peer.post("/tasks", TASK)).status_code == 503
    await peer.delete(f"/tasks/{tasks[5]}")
    await create(peer)
    assert (await peer.get(f"/tasks/{tasks[5]}")).status_code == 404
