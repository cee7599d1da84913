"""Where facts go: into numbers, log lines, or both."""

from airtable_connector.kernel.observer import Fact
from airtable_connector.mesh import PeerLost, TaskCrashed
from airtable_connector.ops.logs import LogObserver, Logs
from airtable_connector.ops.metrics import Metrics
from airtable_connector.ops.stopping import EmergencyStop
from airtable_connector.records import CommitFailed, Committed


class Reporter:
    """The observer of a serving process: commits are too many to be lines, so they are only counted."""

    def __init__(self, logs: Logs, metrics: Metrics) -> None:
        self._events = logs.events
        self._lines = LogObserver(logs.events)
        self._metrics = metrics

    def saw(self, fact: Fact) -> None:
        """Take note of one fact."""
        match fact:
            case Committed():
                self._metrics.observe_commit(fact.seconds, fact.operations)
            case CommitFailed():
                self._events.warning(
                    "commit_failed", requests=fact.requests, error=fact.error, cause=_cause(fact.error)
                )
            case EmergencyStop():
                self._events.error("emergency_stop", by=fact.by)
            case PeerLost():
                self._events.warning("peer_lost", peer=fact.peer, reason=fact.reason)
            case TaskCrashed():
                self._events.error("task_crashed", task=fact.task, task_type=fact.task_type, exc_info=fact.error)
            case _:
                self._lines.saw(fact)


def _cause(error: Exception) -> str | None:
    """Name what the database met with, such as ``disk-full`` or ``locked``."""
    return getattr(error, "cause_name", None)
