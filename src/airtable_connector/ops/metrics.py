"""Numbers for Prometheus: counted in plain integers while serving, put into its form when somebody asks.

The edge pays about a third of a microsecond per request for it; prometheus-client's own counters cost ten times that.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airtable_connector.ops.windows import Window

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

LATENCY_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the latency buckets, in seconds."""

COMMIT_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper ends of the commit time buckets, in seconds."""

BATCH_BOUNDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Upper ends of the buckets of operations per commit."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods with a label of their own; the others share ``other``."""


class Histogram:
    """Counts values by bucket; ``bounds`` are the buckets' upper ends."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[tuple[str, float]]:
        """Return the counts as Prometheus wants them: each bucket holds the smaller ones, too."""
        seen = 0
        counts: list[tuple[str, float]] = []
        for bound, count in zip([*map(str, map(float, self.bounds)), "+Inf"], self.buckets, strict=True):
            seen += count
            counts.append((bound, seen))
        return counts


class _RouteCounts:
    __slots__ = ("latency", "statuses")

    def __init__(self) -> None:
        self.statuses = [0] * 6
        self.latency = Histogram(LATENCY_BOUNDS)


@dataclass(frozen=True)
class _Reading:
    name: str
    help: str
    read: Callable[[], float]
    rises: bool


class Metrics:
    """All numbers of one process. Nothing global: every instance has its own registry."""

    def __init__(self) -> None:
        self.in_flight = 0
        """Requests at work now; the edge counts it up and down."""
        self.requests_total = 0
        """Requests answered since the start."""
        self._routes: dict[tuple[str, str], _RouteCounts] = {}
        self._refusals: dict[str, int] = {}
        self._rate_limited = 0
        self._commits = Histogram(COMMIT_BOUNDS)
        self._batches = Histogram(BATCH_BOUNDS)
        self._readings: dict[str, _Reading] = {}
        self._last_minute = Window(spans=60, of=1.0)
        self._errors = Window(spans=360, of=10.0)
        self._registry: CollectorRegistry | None = None

    def finished(self, method: str, route: str, status: int, seconds: float, at: float) -> None:
        """Count an answered request.

        Args:
            method: the HTTP method.
            route: the route's template, never the path that was asked for: every new text is a new series.
            status: the HTTP status number.
            seconds: how long it took.
            at: the moment it ended, in monotonic seconds.
        """
        counts = self._routes.get((method, route)) or self._begin(method, route)
        counts.statuses[status // 100] += 1
        latency = counts.latency
        latency.buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        latency.total += seconds
        self.requests_total += 1
        minute = self._last_minute
        if at >= minute.ends:
            minute.turn(at)
        minute.running += 1
        if status >= 500:
            self._errors.add(at)

    def refused(self, reason: str) -> None:
        """Count a caller who was not let in; ``reason`` is the error's code."""
        self._refusals[reason] = self._refusals.get(reason, 0) + 1

    def rate_limited(self) -> None:
        """Count a request that came too soon."""
        self._rate_limited += 1

    def observe_commit(self, seconds: float, operations: int) -> None:
        """Count one durable commit of the store: how long it took and how many operations shared it."""
        self._commits.observe(seconds)
        self._batches.observe(operations)

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Publish a number that goes up and down; ``read`` is called at each scrape and must be quick."""
        self._add(_Reading(name, description, read, rises=False))

    def counter(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Publish a number that only rises; ``read`` is called at each scrape and must be quick."""
        self._add(_Reading(name, description, read, rises=True))

    def requests_last_minute(self, at: float) -> int:
        """Return how many requests were answered in the running second of ``at`` (monotonic) and the 59 before it."""
        return self._last_minute.count(at)

    def errors_last_hour(self, at: float) -> int:
        """Return how many requests ended with a 5xx status in the hour before ``at``, to ten seconds (monotonic)."""
        return self._errors.count(at)

    def prepare(self) -> None:
        """Load what `render` needs (0.1 s, once), so that no request waits for it. Safe in a thread."""
        self._open_registry()

    def render(self) -> bytes:
        """Return all numbers in Prometheus' text form, version 0.0.4."""
        registry = self._open_registry()
        from prometheus_client import generate_latest  # noqa: PLC0415 - 0.1 s, see `prepare`

        return generate_latest(registry)

    def _begin(self, method: str, route: str) -> _RouteCounts:
        known = method if method in METHODS else "other"
        return self._routes.setdefault((known, route), _RouteCounts())

    def _add(self, reading: _Reading) -> None:
        if reading.name in self._readings:
            raise ValueError(f"the number {reading.name} is published already")
        self._readings[reading.name] = reading

    def _open_registry(self) -> "CollectorRegistry":
        if self._registry is None:
            from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415 - see `prepare`

            registry = CollectorRegistry(auto_describe=False)
            ProcessCollector(registry=registry)
            registry.register(_Collector(self._collect))
            self._registry = registry
        return self._registry

    def _collect(self) -> Iterator["Metric"]:
        from prometheus_client.metrics_core import (  # noqa: PLC0415 - see `prepare`
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        requests = CounterMetricFamily(
            "connector_http_requests", "Requests answered.", labels=["method", "route", "status"]
        )
        latency = HistogramMetricFamily(
            "connector_http_request_seconds", "Time from request to answer.", labels=["method", "route"]
        )
        for (method, route), counts in list(self._routes.items()):
            for number, count in enumerate(counts.statuses):
                if count:
                    requests.add_metric([method, route, f"{number}xx"], count)
            latency.add_metric([method, route], counts.latency.cumulated(), counts.latency.total)
        yield requests
        yield latency
        yield GaugeMetricFamily("connector_http_in_flight", "Requests at work now.", value=self.in_flight)
        refusals = CounterMetricFamily("connector_auth_failures", "Callers not let in.", labels=["reason"])
        for reason, count in list(self._refusals.items()):
            refusals.add_metric([reason], count)
        yield refusals
        yield CounterMetricFamily("connector_rate_limited", "Requests that came too soon.", value=self._rate_limited)
        yield HistogramMetricFamily(
            "connector_store_commit_seconds",
            "Time of a durable commit.",
            buckets=self._commits.cumulated(),
            sum_value=self._commits.total,
        )
        yield HistogramMetricFamily(
            "connector_store_commit_operations",
            "Operations that shared a commit.",
            buckets=self._batches.cumulated(),
            sum_value=self._batches.total,
        )
        for reading in self._readings.values():
            family = CounterMetricFamily if reading.rises else GaugeMetricFamily
            yield family(reading.name, reading.help, value=reading.read())


class _Collector:
    """What a Prometheus registry asks at each scrape."""

    def __init__(self, collect: Callable[[], Iterator["Metric"]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator["Metric"]:
        return self._collect()

    def describe(self) -> list["Metric"]:
        """Say nothing in advance; the registry then does not scrape at registration."""
        return []
