"""Doing the Orchestrator's tasks: fetch ours, accept, do, and tell how it went; what we cannot do is given back.

`TaskRunner.work_once` is a step for the supervisor. Tasks are done one after another. A process that dies in the middle
leaves its task in progress; the next one does it again, so handlers must bear being repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from http import HTTPStatus
from typing import Final, TypeAlias, TypeVar

import orjson

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.mesh.errors import PeerFailed
from airtable_connector.mesh.membership import taken
from airtable_connector.mesh.orchestrator import OrchestratorMember
from airtable_connector.mesh.tokens.identity import parse_droplet_id

V = TypeVar("V")

TaskHandler: TypeAlias = Callable[[Mapping[str, JsonValue]], Awaitable[Mapping[str, JsonValue]]]
"""Does one type of task: gets the task's payload with ``task_id`` and ``trace_id`` added, returns the result.

May be called again for a task that it has done. What it raises of the kernel's families becomes the task's
``error_message``.
"""

PAGE: Final = 20
"""Tasks that are fetched, and done, in one round."""

TIME_LIMIT: Final = timedelta(minutes=5)
"""How long one task may take."""

LARGEST_TASK: Final = 2 * 1024 * 1024
"""Bytes of a task that are read; its payload has at most one million."""

LONGEST_MESSAGE: Final = 500
"""Characters of an ``error_message``."""

MOST_REMEMBERED: Final = 1_000
"""Tasks of which it is remembered that they were given back, or that an answer about them was lost."""

MOST_TRIES: Final = 5
"""How often a task is begun whose answers are lost; after that it is left to our next start."""

LONGEST_HOLD: Final = timedelta(minutes=10)
"""How long a task that comes back again and again is kept at most before it is given back once more."""


class TaskState(StrEnum):
    """The Orchestrator's words that concern us."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class Move(Enum):
    """What became of an attempt to move a task."""

    MADE = "made"
    NOT_OURS = "not ours"
    """The task is no longer where we thought it was, or no longer ours."""
    REFUSED = "refused"
    """The Orchestrator does not take what we say about it."""


@dataclass(frozen=True)
class TaskFinished(Fact):
    """A task was done, or failed for ``reason``. ``told`` is False when the Orchestrator did not learn of it."""

    task: int
    task_type: str
    reason: str | None
    told: bool


@dataclass(frozen=True)
class TaskCrashed(Fact):
    """A handler raised what it must not: a bug of ours."""

    task: int
    task_type: str
    error: Exception


@dataclass(frozen=True)
class TaskReturned(Fact):
    """A task of a type that nobody does here was given back; said once, however often it comes."""

    task: int
    task_type: str


@dataclass(frozen=True)
class TasksUnreadable(Fact):
    """The Orchestrator takes our beats but does not answer about tasks as it should; said once per outage."""

    reason: str


@dataclass(frozen=True)
class TasksReadable(Fact):
    """It answers about tasks again."""


@dataclass(frozen=True)
class _Task:
    """A task as a list shows it."""

    id: int
    type: str
    state: TaskState
    trace_id: str


@dataclass(frozen=True)
class _Done:
    result: Mapping[str, JsonValue]


@dataclass(frozen=True)
class _Failed:
    reason: str


@dataclass(frozen=True)
class _Hold:
    """When a task that came back may be given back again, and how long it is kept the next time."""

    until: float
    next_hold: timedelta


class TaskRunner:
    """Works off what the Orchestrator assigns to us.

    Args:
        handlers: by type of task.
        orchestrator: asks, as ourselves.
        droplet: our number.
        every: how often to look for tasks.
        limit: how long one task may take.
        clock: measures how long a task is held.
        jitter: draws a number from 0 up to 1 per round.
        observer: is told what became of tasks.
    """

    def __init__(
        self,
        handlers: Mapping[str, TaskHandler],
        *,
        orchestrator: OrchestratorMember,
        droplet: int,
        every: timedelta,
        clock: Clock,
        jitter: Callable[[], float],
        observer: Observer,
        limit: timedelta = TIME_LIMIT,
    ) -> None:
        self._handlers = handlers
        self._orchestrator = orchestrator
        self._droplet = droplet
        self._every = every
        self._limit = limit
        self._clock = clock
        self._jitter = jitter
        self._observer = observer
        self._may_be_left_over = True
        self._unreadable = False
        self._holds: dict[int, _Hold] = {}
        self._lost: dict[int, int] = {}

    async def work_once(self) -> timedelta:
        """Do the tasks that are ours now, first those that stand in progress from before; return how long to rest.

        Nothing is asked while the Orchestrator does not know us: it would answer with everybody's tasks.
        """
        rest = self._every * (1 - 0.1 * self._jitter())
        if not self._orchestrator.takes_part:
            return rest
        try:
            tasks = await self._ours()
        except PeerFailed as failure:
            self._note_trouble(failure.why)
            return rest
        troubles = [trouble for task in tasks if (trouble := await self._settle(task))]
        if troubles:
            self._note_trouble(troubles[0])
        else:
            self._note_recovery()
        return timedelta(0) if len(tasks) >= PAGE and not troubles else rest

    async def _ours(self) -> list[_Task]:
        found: list[_Task] = []
        if self._may_be_left_over:
            found += await self._listed(TaskState.IN_PROGRESS)
            self._may_be_left_over = len(found) >= PAGE
        return found + await self._listed(TaskState.ASSIGNED)

    async def _listed(self, state: TaskState) -> list[_Task]:
        path = f"/tasks?assigned_droplet_id={self._droplet}&status={state}&limit={PAGE}"
        answer = _payload(taken(await self._orchestrator.ask("GET", path), "a question for tasks"))
        listed = answer.get("tasks")
        if not isinstance(listed, list):
            raise PeerFailed("its answer holds no list of tasks")
        tasks = [_read(each, self._droplet) for each in listed[:PAGE]]
        return [task for task in tasks if task is not None and task.state is state]

    async def _settle(self, task: _Task) -> str | None:
        """Do one task, or give it back; return what was wrong with the Orchestrator's answers, if anything was."""
        if not self._orchestrator.takes_part or self._lost.get(task.id, 0) >= MOST_TRIES:
            return None
        handler = self._handlers.get(task.type)
        try:
            if handler is None:
                await self._give_back(task)
            else:
                await self._do(task, handler)
        except PeerFailed as failure:
            # how far it came is not known; what stands in progress is done again
            self._may_be_left_over = True
            _remember(self._lost, task.id, self._lost.get(task.id, 0) + 1)
            return failure.why
        self._lost.pop(task.id, None)
        return None

    async def _do(self, task: _Task, handler: TaskHandler) -> None:
        if task.state is TaskState.ASSIGNED and await self._move(task, TaskState.IN_PROGRESS) is not Move.MADE:
            return  # it was given to another in between, or another process of ours took it
        outcome = await self._work(task, handler)
        reason = outcome.reason if isinstance(outcome, _Failed) else None
        if isinstance(outcome, _Done):
            move = await self._finish(task, TaskState.COMPLETED, {"result": outcome.result})
            if move is Move.REFUSED:
                reason = "its result was not taken"
        if reason is not None:
            move = await self._finish(task, TaskState.FAILED, {"error_message": reason[:LONGEST_MESSAGE]})
        self._observer.saw(TaskFinished(task.id, task.type, reason, told=move is Move.MADE))

    async def _finish(self, task: _Task, state: TaskState, outcome: Mapping[str, JsonValue]) -> Move:
        return await self._move(task, state, outcome, since=TaskState.IN_PROGRESS)

    async def _work(self, task: _Task, handler: TaskHandler) -> _Done | _Failed:
        payload = await self._payload_of(task)
        if payload is None:
            return _Failed("the task's payload is no JSON object")
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                return _Done(await handler({**payload, "task_id": task.id, "trace_id": task.trace_id}))
        except TimeoutError:
            return _Failed(f"it was not done within {self._limit.total_seconds():g} s")
        except ConnectorError as refusal:
            return _Failed(f"{refusal.message} ({refusal.hint})" if refusal.hint else refusal.message)
        except Exception as error:  # noqa: BLE001 - a handler's bug must not end the others' work
            self._observer.saw(TaskCrashed(task.id, task.type, error))
            return _Failed("it failed by a mistake of the droplet's own, which its log shows")

    async def _payload_of(self, task: _Task) -> Mapping[str, JsonValue] | None:
        """Fetch what a task is about; the Orchestrator writes it as a JSON text."""
        payload = (await self._look_up(task)).get("payload")
        if isinstance(payload, str):
            try:
                payload = orjson.loads(payload)
            except orjson.JSONDecodeError:
                return None
        return payload if isinstance(payload, Mapping) else None

    async def _look_up(self, task: _Task) -> Mapping[str, JsonValue]:
        reply = await self._orchestrator.ask("GET", f"/tasks/{task.id}", most=LARGEST_TASK)
        found = _payload(taken(reply, "a question for a task")).get("task")
        return found if isinstance(found, Mapping) else {}

    async def _move(
        self,
        task: _Task,
        to: TaskState,
        facts: Mapping[str, JsonValue] | None = None,
        *,
        since: TaskState = TaskState.ASSIGNED,
    ) -> Move:
        """Move our task on from the state ``since``.

        A transition that was made is refused when it is asked for again. So when an answer is lost, or is a failure of
        the Orchestrator, the task is looked up before anything is repeated.

        Raises:
            PeerFailed: whether it was moved cannot be found out now.
        """
        status = await self._status_of(task, to, facts)
        if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            present = await self._look_up(task)
            if present.get("status") == to:
                return Move.MADE
            if present.get("status") != since or not _is_ours(present, self._droplet):
                return Move.NOT_OURS
            status = await self._status_of(task, to, facts)
        if status is None:
            raise PeerFailed(f"its answer to a task's move to {to} is lost")
        if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            return Move.NOT_OURS
        return Move.MADE if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES else Move.REFUSED

    async def _status_of(self, task: _Task, to: TaskState, facts: Mapping[str, JsonValue] | None) -> int | None:
        """Ask for a move; return how it was answered, or None when no whole answer came."""
        change: dict[str, JsonValue] = {"status": to.value, **(facts or {})}
        try:
            return (await self._orchestrator.ask("PATCH", f"/tasks/{task.id}", change)).status
        except PeerFailed:
            return None

    async def _give_back(self, task: _Task) -> None:
        """Give a task of another's trade back; one that comes again is kept longer each time, so as not to circle."""
        hold, now = self._holds.pop(task.id, None), self._clock.monotonic()
        if hold is not None and now < hold.until:
            self._holds[task.id] = hold
            return
        if await self._move(task, TaskState.PENDING, since=task.state) is Move.MADE and hold is None:
            self._observer.saw(TaskReturned(task.id, task.type))
        length = self._every if hold is None else hold.next_hold
        _remember(self._holds, task.id, _Hold(now + length.total_seconds(), min(length * 2, LONGEST_HOLD)))

    def _note_trouble(self, reason: str) -> None:
        # while it does not answer at all, the beats say so
        if not self._unreadable and self._orchestrator.takes_part:
            self._unreadable = True
            self._observer.saw(TasksUnreadable(reason))

    def _note_recovery(self) -> None:
        if self._unreadable:
            self._unreadable = False
            self._observer.saw(TasksReadable())


def _payload(answer: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    payload = answer.get("payload")
    if not isinstance(payload, Mapping):
        raise PeerFailed("its answer about tasks is no envelope")
    return payload


def _is_ours(task: Mapping[str, JsonValue], droplet: int) -> bool:
    return parse_droplet_id(task.get("assigned_droplet_id")) == droplet


def _remember(memory: dict[int, V], task: int, value: V) -> None:
    """Keep a value for a task, in the place of the oldest one when there are too many."""
    if task not in memory and len(memory) >= MOST_REMEMBERED:
        del memory[next(iter(memory))]
    memory[task] = value


def _read(listed: JsonValue, droplet: int) -> _Task | None:
    """Read an entry of a list; None when it is garbage, or not ours, as everybody's tasks are when we are unknown."""
    if not isinstance(listed, Mapping):
        return None
    number, kind, state = (listed.get(name) for name in ("id", "task_type", "status"))
    if not isinstance(number, int) or not isinstance(kind, str) or not _is_ours(listed, droplet):
        return None
    trace_id = listed.get("trace_id")
    try:
        return _Task(number, kind, TaskState(str(state)), trace_id if isinstance(trace_id, str) else "")
    except ValueError:
        return None
