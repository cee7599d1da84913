"""Tasks as section 2.8 of the mesh contract shows them: pulled, moved by strict transitions, answers lost."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from tests.unit.mesh.membership import HTML, House, Peer, as_json
from werkzeug import Response

from airtable_connector.kernel.errors import Invalid
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.mesh import TaskCrashed, TaskFinished, TaskReturned, TaskRunner, TasksReadable, TasksUnreadable

pytestmark = pytest.mark.anyio

EVERY = timedelta(seconds=10)
TRANSITIONS = {
    "assigned": {"in_progress", "pending", "cancelled"},
    "in_progress": {"completed", "failed", "pending"},
}


class Board(Peer):
    """An Orchestrator's tasks. ``lose`` names moves that are made while their answer is a failure."""

    def __init__(self, server: HTTPServer) -> None:
        super().__init__(server)
        self.tasks: dict[int, dict[str, Any]] = {}
        self.lose: set[str] = set()
        self.refuse: dict[str, Any] = {}
        self.filters = True
        self.set("POST /droplets/register", (201, enveloped({"registered": True})))
        self.set("POST /droplets/2/heartbeat", (200, enveloped({"received": True})))
        self.set("GET /tasks", self._list)

    def add(self, number: int, task_type: str = "add", payload: Any = None, **facts: Any) -> None:
        self.tasks[number] = {
            "id": number,
            "trace_id": f"trace-{number}",
            "task_type": task_type,
            "title": "a task",
            "status": "assigned",
            "assigned_droplet_id": 2,
            "payload": json.dumps({"n": number} if payload is None else payload),
            "result": None,
            "error_message": None,
            **facts,
        }
        self.set(f"GET /tasks/{number}", lambda _arrival: (200, enveloped({"task": self.tasks[number]})))
        self.set(f"PATCH /tasks/{number}", self._move)

    def states(self) -> dict[int, str]:
        return {number: task["status"] for number, task in self.tasks.items()}

    def moves(self, number: int) -> list[str]:
        line = f"PATCH /tasks/{number}"
        return [arrival.body["payload"]["status"] for arrival in self.arrivals if arrival.line == line]

    def _list(self, arrival: Any) -> Any:
        asked = arrival.query
        found = [
            {name: value for name, value in task.items() if name not in {"payload", "result", "error_message"}}
            for task in self.tasks.values()
            if not self.filters or task["status"] == asked["status"]
        ]
        limit = int(asked["limit"])
        return 200, enveloped({"tasks": found[:limit], "total": len(found), "limit": limit, "offset": 0})

    def _move(self, arrival: Any) -> Any:
        task = self.tasks[int(arrival.path.rpartition("/")[2])]
        payload = arrival.body["payload"]
        wanted = payload["status"]
        if wanted in self.refuse:
            return self.refuse[wanted]
        if task["assigned_droplet_id"] != 2:
            return 403, {"detail": "Only assigned droplet can update task status"}
        if wanted not in TRANSITIONS.get(task["status"], ()):
            return 400, {"detail": f"Invalid state transition: {task['status']} -> {wanted}"}
        task.update(payload)
        if wanted == "pending":
            task["assigned_droplet_id"] = None
        if wanted in self.lose:
            self.lose.discard(wanted)
            return Response("<html>bad gateway</html>", 502)
        return 200, enveloped({"task_id": task["id"], "new_status": wanted})


def enveloped(payload: dict[str, Any]) -> dict[str, Any]:
    return {"udc_version": "1.0", "message_type": "response", "payload": payload}


class Work:
    """Handlers that keep account."""

    def __init__(self) -> None:
        self.done: list[Mapping[str, JsonValue]] = []
        self.handlers = {"add": self.add, "refuse": self.refuse, "crash": self.crash, "hang": self.hang}

    async def add(self, payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        self.done.append(payload)
        return {"sum": 7}

    async def refuse(self, _payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        raise Invalid("the date is none", hint="write it as 2026-01-31")

    async def crash(self, _payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        raise KeyError("hunter2")

    async def hang(self, _payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        await asyncio.get_running_loop().create_future()
        return {}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    opened = House()
    yield opened
    await opened.client.close()


@pytest.fixture
def board(httpserver: HTTPServer) -> Board:
    return Board(httpserver)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def runner(house: House, board: Board, work: Work, mesh) -> TaskRunner:
    member = house.orchestrator(board.url, key=mesh.private)
    await member.beat_once()
    return new_runner(house, work, member)


def new_runner(house: House, work: Work, member: Any, **changes: Any) -> TaskRunner:
    return TaskRunner(
        work.handlers,
        **{
            "orchestrator": member,
            "droplet": 2,
            "every": EVERY,
            "clock": house.clock,
            "jitter": lambda: 0.0,
            "observer": house.spy,
            "limit": timedelta(seconds=0.05),
            **changes,
        },
    )


async def test_a_task_is_accepted_done_and_completed(house: House, board: Board, work: Work, runner) -> None:
    board.add(1)
    assert await runner.work_once() == EVERY
    assert board.moves(1) == ["in_progress", "completed"]
    assert board.tasks[1]["result"] == {"sum": 7}
    assert work.done == [{"n": 1, "task_id": 1, "trace_id": "trace-1"}]
    assert house.facts(TaskFinished) == [TaskFinished(1, "add", None, told=True)]


async def test_a_payload_that_is_an_object_already_is_taken_as_well(board: Board, work: Work, runner) -> None:
    board.add(1, payload={})
    board.tasks[1]["payload"] = {"n": 5}
    await runner.work_once()
    assert work.done[0]["n"] == 5


@pytest.mark.parametrize(
    ("task_type", "reason"),
    [
        ("refuse", "the date is none (write it as 2026-01-31)"),
        ("crash", "it failed by a mistake of the droplet's own, which its log shows"),
        ("hang", "it was not done within 0.05 s"),
    ],
)
async def test_a_task_that_fails_says_why_and_the_next_is_done(
    house: House, board: Board, runner, task_type: str, reason: str
) -> None:
    board.add(1, task_type)
    board.add(2)
    await runner.work_once()
    assert board.states() == {1: "failed", 2: "completed"}
    assert board.tasks[1]["error_message"] == reason
    assert len(house.facts(TaskCrashed)) == (task_type == "crash")


@pytest.mark.parametrize("payload", ["[1]", "no json", None])
async def test_a_payload_that_is_no_object_fails_the_task(board: Board, work: Work, runner, payload: Any) -> None:
    board.add(1)
    board.tasks[1]["payload"] = payload
    await runner.work_once()
    assert (board.states()[1], board.tasks[1]["error_message"]) == ("failed", "the task's payload is no JSON object")
    assert work.done == []


async def test_tasks_of_others_are_not_touched(board: Board, runner) -> None:
    """An Orchestrator that does not know us answers everybody's tasks."""
    board.filters = False
    board.add(1, assigned_droplet_id=4)
    board.add(2, assigned_droplet_id=None, status="pending")
    board.add(3, status="completed")
    await runner.work_once()
    assert [line for line in board.lines if line.startswith("PATCH")] == []


async def test_nothing_is_asked_before_the_orchestrator_knows_us(house: House, board: Board, work: Work, mesh) -> None:
    runner = new_runner(house, work, house.orchestrator(board.url, key=mesh.private))
    assert await runner.work_once() == EVERY
    assert board.lines == []


async def test_a_type_that_nobody_does_is_given_back_said_once_and_held_longer_each_time(
    house: House, board: Board, runner
) -> None:
    board.add(1, "paint")
    given_back = []
    for _ in range(16):
        board.clear()
        board.tasks[1].update(status="assigned", assigned_droplet_id=2)
        await runner.work_once()
        given_back.append(board.moves(1) == ["pending"])
        await house.clock.advance(EVERY)
    assert [number for number, each in enumerate(given_back) if each] == [0, 1, 3, 7, 15]
    assert house.facts(TaskReturned) == [TaskReturned(1, "paint")]


async def test_what_a_start_finds_in_progress_is_done_again_first(board: Board, work: Work, runner) -> None:
    board.add(1)
    board.add(2, status="in_progress")
    await runner.work_once()
    assert [each["n"] for each in work.done] == [2, 1]
    assert board.states() == {1: "completed", 2: "completed"}


async def test_in_progress_is_looked_for_at_the_start_only(board: Board, work: Work, runner) -> None:
    """Another process of ours over the same store may be doing it."""
    await runner.work_once()
    board.add(1, status="in_progress")
    await runner.work_once()
    assert work.done == []


async def test_a_task_that_another_process_of_ours_took_is_left_to_it(board: Board, work: Work, runner) -> None:
    board.add(1)
    board.refuse["in_progress"] = (400, {"detail": "Invalid state transition: in_progress -> in_progress"})
    await runner.work_once()
    assert work.done == []


@pytest.mark.parametrize("lost", ["in_progress", "completed"])
async def test_a_move_whose_answer_is_lost_is_looked_up_and_not_repeated(
    house: House, board: Board, work: Work, runner, lost: str
) -> None:
    board.add(1)
    board.lose.add(lost)
    await runner.work_once()
    assert board.moves(1) == ["in_progress", "completed"]
    assert len(work.done) == 1
    assert house.facts(TaskFinished)[0].told


async def test_a_move_that_was_not_made_is_repeated_once(board: Board, work: Work, runner) -> None:
    board.add(1)
    board.set("PATCH /tasks/1", Response("", 502), board._move)
    await runner.work_once()
    assert board.moves(1) == ["in_progress", "in_progress", "completed"]


async def test_a_result_that_is_not_taken_becomes_a_failure(house: House, board: Board, work: Work, runner) -> None:
    board.add(1)
    board.refuse["completed"] = (422, {"detail": "too long"})
    await runner.work_once()
    assert (board.states()[1], board.tasks[1]["error_message"]) == ("failed", "its result was not taken")


async def test_a_task_that_was_cancelled_meanwhile_ends_quietly(house: House, board: Board, runner) -> None:
    board.add(1)
    board.refuse["completed"] = (400, {"detail": "Invalid state transition: cancelled -> completed"})
    await runner.work_once()
    assert house.facts(TaskFinished) == [TaskFinished(1, "add", None, told=False)]


async def test_one_bad_task_does_not_stop_the_others_and_is_begun_only_so_often(
    house: House, board: Board, work: Work, runner
) -> None:
    board.add(1)
    board.add(2)
    board.set("GET /tasks/1", (500, {"detail": "boom"}))
    for _ in range(10):
        await runner.work_once()
    assert board.states() == {1: "in_progress", 2: "completed"}
    assert board.lines.count("GET /tasks/1") == 5
    assert house.facts(TasksUnreadable) == [TasksUnreadable("it failed at a question for a task (500)")]


@pytest.mark.parametrize("answer", [500, HTML, as_json({"tasks": []}), as_json(enveloped({"tasks": {}}))])
async def test_a_list_that_is_none_is_said_once_and_so_is_its_end(house: House, board: Board, runner, answer) -> None:
    board.set("GET /tasks", answer)
    for _ in range(5):
        assert await runner.work_once() == EVERY
    assert len(house.facts(TasksUnreadable)) == 1
    board.set("GET /tasks", board._list)
    await runner.work_once()
    assert house.facts(TasksReadable) == [TasksReadable()]


async def test_garbage_between_tasks_is_passed_over(board: Board, work: Work, runner) -> None:
    board.add(1)
    listed = {**board.tasks[1], "status": "assigned"}
    garbage = [None, 7, {}, {**listed, "id": "x"}, {**listed, "task_type": None}, {**listed, "status": "odd"}]
    board.set("GET /tasks", lambda arrival: (200, enveloped({"tasks": [*garbage, listed]})))
    await runner.work_once()
    assert len(work.done) == 1


async def test_a_full_page_is_followed_by_the_next_at_once(board: Board, work: Work, runner) -> None:
    for number in range(1, 26):
        board.add(number)
    assert await runner.work_once() == timedelta(0)
    assert await runner.work_once() == EVERY
    assert len(work.done) == 25
