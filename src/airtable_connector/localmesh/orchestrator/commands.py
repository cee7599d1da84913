"""What the Orchestrator does when a message asks it to (2.7)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.localmesh.orchestrator.credentials import Caller
from airtable_connector.localmesh.orchestrator.droplet_routes import DropletRoutes
from airtable_connector.localmesh.orchestrator.task_routes import TaskData, TaskRoutes
from airtable_connector.localmesh.orchestrator.tasks import Tasks
from airtable_connector.localmesh.peer import read_model

COMMANDS: Final = ("create_task", "cancel_task")
QUERIES: Final = ("task_status", "droplet_list", "system_status")


class Commands:
    """Runs commands and answers queries. The result of one that is unknown is an ``error`` within a 200."""

    def __init__(self, tasks: Tasks, task_routes: TaskRoutes, droplet_routes: DropletRoutes) -> None:
        self._tasks = tasks
        self._task_routes = task_routes
        self._droplet_routes = droplet_routes

    def run(self, message_type: str, payload: Mapping[str, Any], caller: Caller | None, *, sender: int) -> JsonValue:
        """Do what the payload names under ``command`` or ``query``; other messages are only acknowledged."""
        if message_type == "command":
            return self._command(payload, caller or Caller(droplet=sender, is_admin=False))
        if message_type == "query":
            return self._query(payload)
        return {"acknowledged": True}

    def _command(self, payload: Mapping[str, Any], caller: Caller) -> JsonValue:
        name = payload.get("command")
        if name == "create_task":
            said = read_model(TaskData, payload.get("task_data"))
            return self._task_routes.make(said, caller.droplet, trace_id=None)
        if name == "cancel_task":
            task = self._tasks.find(_number(payload.get("task_id")))
            return {"error": "Task not found"} if task is None else self._task_routes.stop(task, caller)
        return {"error": f"Unknown command: {name}", "supported_commands": list(COMMANDS)}

    def _query(self, payload: Mapping[str, Any]) -> JsonValue:
        name = payload.get("query")
        if name == "task_status":
            task = self._tasks.find(_number(payload.get("task_id")))
            return {"error": "Task not found"} if task is None else {"task_id": task.id, "status": task.state}
        if name == "droplet_list":
            return self._droplet_routes.summary()
        if name == "system_status":
            counts = Counter(task.state.value for task in self._tasks)
            return {"status": "active", "tasks": dict(counts)}
        return {"error": f"Unknown query: {name}", "supported_queries": list(QUERIES)}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
