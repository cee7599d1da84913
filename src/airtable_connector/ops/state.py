"""The UDC answer to ``GET /state``: what the process has done and what it uses, all of it measured."""

from collections.abc import Callable, Mapping

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.ops.metrics import Metrics
from airtable_connector.ops.process import ProcessWatch
from airtable_connector.ops.stopping import Shutdown
from airtable_connector.records import Workspace


class State:
    """Puts together what others count; of this process alone, when several share a store."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        process: ProcessWatch,
        shutdown: Shutdown,
        workspace: Workspace,
        store: str,
        more: Mapping[str, Callable[[], JsonValue]],
        clock: Clock,
    ) -> None:
        """Begin to count the uptime.

        Args:
            metrics: has counted the requests.
            process: measures processor and memory.
            shutdown: knows of a shutdown to come.
            workspace: knows the feed.
            store: the kind of database.
            more: what other parts tell of themselves, by name.
            clock: tells the time.
        """
        self._metrics = metrics
        self._process = process
        self._shutdown = shutdown
        self._workspace = workspace
        self._store = store
        self._more = more
        self._clock = clock
        self._started = clock.now()
        self._started_at = clock.monotonic()

    def metrics(self) -> dict[str, JsonValue]:
        """Return the numbers alone, as heartbeats to the Orchestrator carry them."""
        at = self._clock.monotonic()
        return {
            "cpu_percent": self._process.cpu_percent(),
            "memory_mb": self._process.memory_mib(),
            "uptime_seconds": round(at - self._started_at, 1),
            "requests_total": self._metrics.requests_total,
            "requests_per_minute": self._metrics.requests_last_minute(at),
            "errors_last_hour": self._metrics.errors_last_hour(at),
        }

    def facts(self) -> dict[str, object]:
        """Return the state of this moment."""
        scheduled = self._shutdown.scheduled
        return {
            **self.metrics(),
            "last_restart": iso(self._started),
            "shutdown": None if scheduled is None else scheduled.shown(),
            "store": {
                "kind": self._store,
                "head": self._workspace.head.seq,
                "writable": self._workspace.trouble is None,
                "cache_bytes": self._workspace.memory,
                "recomputations": self._workspace.recomputations,
            },
            **{name: tell() for name, tell in self._more.items()},
        }
