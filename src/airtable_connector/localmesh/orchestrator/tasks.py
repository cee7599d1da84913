"""The Orchestrator's tasks: made, given to a droplet, worked on, ended (2.8).

Droplets fetch them; nothing is pushed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from airtable_connector.localmesh.orchestrator.droplets import Droplet
from airtable_connector.localmesh.peer import Refused

MOST_TASKS: Final = 1_000
"""Tasks in all states; the oldest finished ones make room, and without such a new one is refused with 503."""

LONGEST_HISTORY: Final = 100
"""Changes of one task that are remembered; later ones push out the oldest."""


class State(StrEnum):
    """Where a task is in its life."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL: Final = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
IN_HAND: Final = frozenset({State.ASSIGNED, State.IN_PROGRESS})

TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    State.PENDING: frozenset(),
    State.ASSIGNED: frozenset({State.IN_PROGRESS, State.PENDING, State.CANCELLED}),
    State.IN_PROGRESS: frozenset({State.COMPLETED, State.FAILED, State.PENDING}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""What the assigned droplet may make of a task."""


@dataclass(frozen=True)
class Change:
    """One step of a task's life."""

    at: datetime
    old: State | None
    new: State
    by: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task. ``assigned`` stays when it is finished, so that it tells whose work it was."""

    id: int
    trace_id: str
    task_type: str
    title: str
    payload: Mapping[str, Any]
    description: str | None = None
    required_capability: str | None = None
    priority: int = 5
    deadline: datetime | None = None
    max_retries: int = 3
    created_by: str
    created_at: datetime
    state: State = State.PENDING
    assigned: int | None = None
    completed_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    error_message: str | None = None
    history: Sequence[Change] = field(default_factory=tuple)

    def moved(self, new: State, *, at: datetime, by: str, assigned: int | None) -> "Task":
        """Return the task after one step."""
        return replace(
            self,
            state=new,
            assigned=assigned,
            completed_at=at if new in FINAL else None,
            history=(*self.history[-LONGEST_HISTORY + 1 :], Change(at, self.state, new, by)),
        )


class Tasks:
    """The tasks by number."""

    def __init__(self) -> None:
        self._tasks: dict[int, Task] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def find(self, task: int) -> Task | None:
        """Return a task."""
        return self._tasks.get(task)

    def next_number(self) -> int:
        """Return the number for a new task, and make room for it."""
        if len(self._tasks) >= MOST_TASKS:
            ended = next((task.id for task in self if task.state in FINAL), None)
            if ended is None:
                raise Refused(503, f"this local Orchestrator holds {MOST_TASKS} open tasks and takes no more")
            del self._tasks[ended]
        self._last += 1
        return self._last

    def put(self, task: Task) -> None:
        """Keep a task as it is now."""
        self._tasks[task.id] = task

    def route(self, workers: Iterable[Droplet], *, at: datetime) -> int:
        """Give each pending task to the least busy droplet that can do it; return how many were given.

        A task that requires no capability goes to any active droplet, whether it knows such tasks or not.
        """
        droplets = sorted(workers, key=lambda row: row.id)
        busy = Counter(task.assigned for task in self if task.state in IN_HAND)
        given = 0
        for task in sorted(self, key=lambda task: (task.priority, task.created_at)):
            able = [row.id for row in droplets if _can_do(row, task)] if task.state is State.PENDING else []
            if able:
                chosen = min(able, key=lambda droplet: busy[droplet])
                busy[chosen] += 1
                given += 1
                self.put(task.moved(State.ASSIGNED, at=at, by="router", assigned=chosen))
        return given

    def take_back_from(self, droplets: Iterable[int], *, at: datetime) -> int:
        """Have the unfinished tasks of silent droplets wait for others; return how many."""
        silent = frozenset(droplets)
        theirs = [task for task in self if task.state in IN_HAND and task.assigned in silent]
        for task in theirs:
            self.put(task.moved(State.PENDING, at=at, by="heartbeat monitor", assigned=None))
        return len(theirs)


def _can_do(row: Droplet, task: Task) -> bool:
    return task.required_capability is None or task.required_capability in row.capabilities
