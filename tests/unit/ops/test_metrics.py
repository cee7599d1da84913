import pytest
from prometheus_client.parser import text_string_to_metric_families

from airtable_connector.ops import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


def test_requests_are_counted_by_method_route_and_kind_of_status() -> None:
    metrics = Metrics()
    for status in (200, 204, 404):
        metrics.finished("GET", "/sprints", status, 0.002, 1.0)
    found = samples(metrics)
    assert found["connector_http_requests_total", ("GET", "/sprints", "2xx")] == 2
    assert found["connector_http_requests_total", ("GET", "/sprints", "4xx")] == 1
    assert ("connector_http_requests_total", ("GET", "/sprints", "5xx")) not in found


def test_the_latency_histogram_is_cumulative() -> None:
    metrics = Metrics()
    for seconds in (0.0004, 0.002, 99.0):
        metrics.finished("GET", "/sprints", 200, seconds, 1.0)
    found = samples(metrics)
    buckets = {labels[0]: value for (name, labels), value in found.items() if name.endswith("request_seconds_bucket")}
    assert (buckets["0.0005"], buckets["0.0025"], buckets["10.0"], buckets["+Inf"]) == (1, 2, 2, 3)
    assert found["connector_http_request_seconds_count", ("GET", "/sprints")] == 3
    assert found["connector_http_request_seconds_sum", ("GET", "/sprints")] == pytest.approx(99.0024)


def test_invented_methods_share_one_label() -> None:
    metrics = Metrics()
    for method in ("BREW", "WHEN"):
        metrics.finished(method, "unmatched", 405, 0.001, 1.0)
    assert samples(metrics)["connector_http_requests_total", ("other", "unmatched", "4xx")] == 2


def test_refusals_are_counted_by_reason() -> None:
    metrics = Metrics()
    metrics.refused("expired-token")
    metrics.refused("expired-token")
    metrics.rate_limited()
    found = samples(metrics)
    assert found["connector_auth_failures_total", ("expired-token",)] == 2
    assert found["connector_rate_limited_total", ()] == 1


def test_commits_are_measured() -> None:
    metrics = Metrics()
    metrics.observe_commit(0.003, 32)
    found = samples(metrics)
    assert found["connector_store_commit_seconds_sum", ()] == 0.003
    assert found["connector_store_commit_operations_bucket", ("50.0",)] == 1
    assert found["connector_store_commit_operations_bucket", ("20.0",)] == 0


def test_other_rooms_publish_numbers_that_are_read_at_each_scrape() -> None:
    metrics, head = Metrics(), [7]
    metrics.gauge("connector_feed_head", "Position of the feed.", lambda: head[0])
    metrics.counter("connector_log_lines_dropped", "Lines lost.", lambda: 3)
    assert samples(metrics)["connector_feed_head", ()] == 7
    head[0] = 8
    found = samples(metrics)
    assert (found["connector_feed_head", ()], found["connector_log_lines_dropped_total", ()]) == (8, 3)
    with pytest.raises(ValueError, match="connector_feed_head"):
        metrics.gauge("connector_feed_head", "Again.", lambda: 0)


def test_two_instances_know_nothing_of_each_other() -> None:
    one, other = Metrics(), Metrics()
    one.finished("GET", "/a", 200, 0.1, 1.0)
    assert ("connector_http_requests_total", ("GET", "/a", "2xx")) not in samples(other)


def test_the_process_is_measured_too() -> None:
    assert ("process_cpu_seconds_total", ()) in samples(Metrics())


def test_the_last_minute_forgets_what_is_older() -> None:
    metrics = Metrics()
    for second in range(120):
        metrics.finished("GET", "/a", 200, 0.001, float(second))
    assert metrics.requests_total == 120
    assert metrics.requests_last_minute(119.5) == 60
    assert metrics.requests_last_minute(150.0) == 29
    assert metrics.requests_last_minute(900.0) == 0


def test_the_last_hour_counts_server_errors_only() -> None:
    metrics = Metrics()
    for at, status in ((0.0, 500), (10.0, 503), (20.0, 404)):
        metrics.finished("GET", "/a", status, 0.001, at)
    assert metrics.errors_last_hour(30.0) == 2
    assert metrics.errors_last_hour(3605.0) == 1


def test_errors_are_counted_however_many_there_are() -> None:
    metrics = Metrics()
    for number in range(150_000):
        metrics.finished("GET", "/a", 503, 0.001, number / 1_000)
    assert metrics.errors_last_hour(200.0) == 150_000
