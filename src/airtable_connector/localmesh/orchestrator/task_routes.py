"""``/tasks`` of the Orchestrator (2.8)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.localmesh.orchestrator.credentials import Caller, Credentials
from airtable_connector.localmesh.orchestrator.droplet_routes import naive
from airtable_connector.localmesh.orchestrator.droplets import Droplets
from airtable_connector.localmesh.orchestrator.envelope import Envelopes
from airtable_connector.localmesh.orchestrator.tasks import FINAL, TRANSITIONS, Change, State, Task, Tasks
from airtable_connector.localmesh.peer import Refused, read_model, read_number, route
from airtable_connector.localmesh.quirks import Quirk, Quirks

ESTIMATE: Final = 10
"""Seconds until assignment that every creation is told, whatever the router's real rhythm (2.8)."""


class TaskData(BaseModel):
    """What makes a task."""

    task_type: Annotated[str, Field(min_length=1, max_length=50)]
    title: Annotated[str, Field(min_length=1, max_length=255)]
    payload: dict[str, Any]
    description: str | None = None
    required_capability: str | None = None
    priority: Annotated[int, Field(ge=1, le=10)] = 5
    deadline: datetime | None = None
    max_retries: Annotated[int, Field(ge=0, le=10)] = 3
    created_by: str | None = None


class _Change(BaseModel):
    status: State
    result: dict[str, Any] | None = None
    error_message: str | None = None


class _Page(BaseModel):
    status: State | None = None
    assigned_droplet_id: int | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    offset: Annotated[int, Field(ge=0)] = 0


class TaskRoutes:
    """Its endpoints."""

    def __init__(
        self,
        tasks: Tasks,
        droplets: Droplets,
        credentials: Credentials,
        envelopes: Envelopes,
        quirks: Quirks,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._tasks = tasks
        self._droplets = droplets
        self._credentials = credentials
        self._envelopes = envelopes
        self._quirks = quirks
        self._clock = clock
        self._ids = ids

    def routes(self) -> list[Route]:
        """List what it answers."""
        return [
            route("/tasks", self.create, "POST"),
            route("/tasks", self.list_tasks),
            route("/tasks/{id}", self.show),
            route("/tasks/{id}", self.change, "PATCH"),
            route("/tasks/{id}", self.cancel, "DELETE"),
        ]

    async def create(self, request: Request) -> Response:
        """Answer ``POST /tasks``."""
        caller = self._credentials.check(request)
        enclosed = await self._envelopes.open(request)
        trace_id = enclosed.trace_id if isinstance(enclosed.trace_id, str) else None
        made = self.make(read_model(TaskData, enclosed.payload), caller.droplet, trace_id=trace_id)
        return self._envelopes.enclose(made, to=enclosed, status=201)

    async def list_tasks(self, request: Request) -> Response:
        """Answer ``GET /tasks``: the most urgent first, of these the newest first; without payloads."""
        self._credentials.check(request)
        page = read_model(_Page, dict(request.query_params), where="query")
        found = [task for task in self._tasks if page.status in (None, task.state) and self._is_asked(task, page)]
        found.sort(key=lambda task: (task.priority, -task.id))
        shown: list[JsonValue] = [self._outline(task) for task in found[page.offset : page.offset + page.limit]]
        return self._envelopes.enclose(
            {"tasks": shown, "total": len(found), "limit": page.limit, "offset": page.offset}
        )

    async def show(self, request: Request) -> Response:
        """Answer ``GET /tasks/{id}``."""
        self._credentials.check(request)
        return self._envelopes.enclose({"task": self._whole(self._named(request))})

    async def change(self, request: Request) -> Response:
        """Answer ``PATCH /tasks/{id}``: the assigned droplet alone moves its task on, or gives it back."""
        caller = self._credentials.check(request)
        enclosed = await self._envelopes.open(request)
        said = read_model(_Change, enclosed.payload)
        task = self._named(request)
        if task.assigned is None or caller.droplet != task.assigned:
            raise Refused(403, "Only assigned droplet can update task status")
        if said.status not in TRANSITIONS[task.state]:
            raise Refused(400, f"Invalid state transition: {task.state} -> {said.status}")
        at = self._clock.now()
        assigned = None if said.status is State.PENDING else task.assigned
        moved = task.moved(said.status, at=at, by=f"droplet_{caller.droplet}", assigned=assigned)
        self._tasks.put(_with_outcome(moved, said))
        payload: dict[str, JsonValue] = {
            "task_id": task.id,
            "old_status": task.state,
            "new_status": said.status,
            "updated_at": naive(at),
        }
        return self._envelopes.enclose(payload, to=enclosed)

    async def cancel(self, request: Request) -> Response:
        """Answer ``DELETE /tasks/{id}``."""
        caller = self._credentials.check(request)
        return self._envelopes.enclose(self.stop(self._named(request), caller))

    def make(self, said: TaskData, creator: int | None, *, trace_id: str | None) -> JsonValue:
        """Make a task, and describe it as creation does."""
        at = self._clock.now()
        data = said.model_dump(exclude={"created_by"})
        task = Task(
            id=self._tasks.next_number(),
            trace_id=trace_id or self._ids.trace(),
            **data,
            created_by=said.created_by or f"droplet_{creator}",
            created_at=at,
            history=(Change(at, None, State.PENDING, "creator"),),
        )
        self._tasks.put(task)
        return {
            "task_id": task.id,
            "trace_id": task.trace_id,
            "status": task.state,
            "created_at": naive(at),
            "estimated_assignment_seconds": ESTIMATE,
        }

    def stop(self, task: Task, caller: Caller) -> JsonValue:
        """Cancel a task for its creator or an admin."""
        if not caller.is_admin and task.created_by != f"droplet_{caller.droplet}":
            raise Refused(403, "Only task creator or admin can cancel task")
        if task.state in FINAL:
            raise Refused(400, f"Cannot cancel task in state: {task.state}")
        at = self._clock.now()
        self._tasks.put(task.moved(State.CANCELLED, at=at, by=f"droplet_{caller.droplet}", assigned=task.assigned))
        return {"task_id": task.id, "status": State.CANCELLED, "cancelled_at": naive(at)}

    def _named(self, request: Request) -> Task:
        number = read_number(request.path_params["id"], "task_id")
        task = self._tasks.find(number)
        if task is None:
            raise Refused(404, f"Task {number} not found")
        return task

    def _is_asked(self, task: Task, page: _Page) -> bool:
        wanted = page.assigned_droplet_id
        if wanted is None:
            return True
        if self._droplets.find(wanted) is None:
            return Quirk.FOREIGN_TASKS in self._quirks
        return task.assigned == wanted

    def _outline(self, task: Task) -> Mapping[str, JsonValue]:
        row = None if task.assigned is None else self._droplets.find(task.assigned)
        return {
            "id": task.id,
            "trace_id": task.trace_id,
            "task_type": task.task_type,
            "title": task.title,
            "description": task.description,
            "status": task.state,
            "priority": task.priority,
            "assigned_droplet_id": task.assigned,
            "assigned_droplet_name": None if row is None else row.name,
            "created_at": naive(task.created_at),
            "completed_at": None if task.completed_at is None else naive(task.completed_at),
        }

    def _whole(self, task: Task) -> Mapping[str, JsonValue]:
        return {
            **self._outline(task),
            "required_capability": task.required_capability,
            "deadline": None if task.deadline is None else task.deadline.isoformat(),
            "max_retries": task.max_retries,
            "created_by": task.created_by,
            "payload": self._as_json(task.payload),
            "result": None if task.result is None else self._as_json(task.result),
            "error_message": task.error_message,
            "state_history": [_describe(change) for change in task.history],
        }

    def _as_json(self, value: Mapping[str, Any]) -> JsonValue:
        return orjson.dumps(value).decode() if Quirk.TEXT_FOR_JSON in self._quirks else value


def _with_outcome(task: Task, said: _Change) -> Task:
    if task.state is State.COMPLETED:
        return replace(task, result=said.result)
    if task.state is State.FAILED:
        return replace(task, error_message=said.error_message)
    return task


def _describe(change: Change) -> Mapping[str, JsonValue]:
    return {"from": change.old, "to": change.new, "at": naive(change.at), "by": change.by}
