"""Telling about itself, stopping on a word, and ending at once: asked of a started process, over its socket."""

import asyncio
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from tests.acceptance.conftest import held_by_another_writer
from tests.acceptance.test_graceful_stop import begin_write
from tests.service import Place, Service, eventually, position, running

import airtable_connector
from airtable_connector.records import Verified

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(airtable_connector.__file__).parent
WRITERS = 8


@contextmanager
def administrator(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.headers("read,write,admin", droplet=1)) as client:
        yield client


def state(client: httpx2.Client) -> dict[str, Any]:
    answer = client.get("/state")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def reason(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["details"]["reason"]


# what it tells


def test_the_state_counts_the_requests_that_were_made(sqlite_place: Place) -> None:
    with running(sqlite_place) as service, service.client() as client:
        before = state(client)
        for number in range(20):
            client.get(f"/sprints/none-{number}")
        after = state(client)
    assert after["requests_total"] - before["requests_total"] == 21
    assert after["requests_per_minute"] == after["requests_total"]
    assert after["errors_last_hour"] == 0
    assert after["last_restart"] == before["last_restart"] < after["timestamp"]
    assert after["uptime_seconds"] >= before["uptime_seconds"]


def test_the_state_is_that_of_the_process(place: Place) -> None:
    with running(place) as service, service.client() as client:
        service.wait_for_log("digest_written")
        process = psutil.Process(service.process.pid)
        client.post("/sprints", json=[{"Sprint_ID": f"S-{number}"} for number in range(100)])
        shown = state(client)
        assert abs(shown["memory_mb"] - process.memory_info().rss / 1024 / 1024) < 30
        assert shown["cpu_percent"] > 0
        assert shown["store"]["kind"] == ("sqlite" if place.database_url is None else "postgresql")
        assert shown["store"]["head"] == position(client)
        assert shown["store"]["writable"] is True
        assert shown["store"]["cache_bytes"] > 0


def test_an_answer_that_was_our_failure_is_counted_as_an_error(sqlite_place: Place) -> None:
    with running(sqlite_place) as service, service.client() as client:
        assert client.get("/sprints", params={"as_of": 1_000_000}).status_code == 504
        assert client.get("/nowhere").status_code == 404
        assert state(client)["errors_last_hour"] == 1


def test_in_a_checkout_the_version_is_its_commit(sqlite_place: Place) -> None:
    if not (ROOT / ".git").exists() or (PACKAGE / "build_info.json").exists():
        pytest.skip("this is no checkout, or one that was built")
    head = subprocess.run(("git", "-C", str(ROOT), "rev-parse", "HEAD"), check=True, capture_output=True, text=True)
    with running(sqlite_place) as service, service.client() as client:
        told = client.get("/version").json()
        metadata = client.get("/capabilities").json()["metadata"]
    assert (told["source"], told["commit_hash"]) == ("checkout", head.stdout.strip())
    assert (told["version"], told["environment"]) == (airtable_connector.__version__, "development")
    assert (metadata["commit_hash"], metadata["build_date"]) == (told["commit_hash"], told["build_date"])


def test_a_build_tells_what_was_written_into_it(sqlite_place: Place, tmp_path: Path) -> None:
    built = shutil.copytree(PACKAGE, tmp_path / "built" / "airtable_connector")
    facts = {"commit": "0123abcd", "built_at": "2026-01-31T12:00:00Z", "deployed_by": "Ada"}
    (built / "build_info.json").write_text(json.dumps(facts))
    with running(sqlite_place, {"PYTHONPATH": str(built.parent)}) as service, service.client() as client:
        told = client.get("/version").json()
    assert {name: told[name] for name in ("source", "commit_hash", "build_date", "deployed_by", "modified")} == {
        "source": "build",
        "commit_hash": "0123abcd",
        "build_date": "2026-01-31T12:00:00Z",
        "deployed_by": "Ada",
        "modified": None,
    }


def test_capabilities_follow_from_what_is_switched_on(sqlite_place: Place) -> None:
    def told(settings: dict[str, str]) -> dict[str, Any]:
        with running(sqlite_place, settings) as service, service.client() as client:
            found: dict[str, Any] = client.get("/capabilities", headers={"X-Forwarded-Proto": "https"}).json()
            return found

    alone = told({})
    assert alone["udc_version"] == "1.0"
    assert alone["dependencies"] == []
    assert {"records", "event-stream", "scheduled-shutdown", "sample-data"} <= set(alone["features"])
    member = told(
        {"REGISTRY_URL": "http://127.0.0.1:9", "ENVIRONMENT": "production", "TRUSTED_PROXIES": "127.0.0.1/32"}
    )
    assert "registry" in member["dependencies"]
    assert set(alone["features"]) - set(member["features"]) == {"sample-data"}
    assert "registry-keys" in member["features"]


# who may


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/shutdown"), ("DELETE", "/shutdown"), ("POST", "/emergency-stop"), ("POST", "/reload-config")],
)
def test_only_an_administrator_with_a_token_may_change_the_process(
    shared: Service, client: httpx2.Client, method: str, path: str
) -> None:
    for permissions in ("read", "write", "read,write"):
        with shared.client(shared.headers(permissions, droplet=6)) as stranger:
            answer = stranger.request(method, path)
            assert reason(answer) == (403, "missing-permission")
            assert answer.json()["error"]["details"]["needed"] == "admin"
    assert state(client)["shutdown"] is None


def test_a_trusted_network_never_has_the_permission(sqlite_place: Place) -> None:
    settings = {"TRUSTED_NETWORKS": "127.0.0.1/32 = 5: read, write"}
    with running(sqlite_place, settings) as service, service.client({}) as client:
        assert client.get("/state").status_code == 200
        for path in ("/shutdown", "/emergency-stop", "/reload-config"):
            assert reason(client.post(path)) == (403, "missing-permission")
        assert client.get("/health").json()["status"] == "active"


def test_administrators_have_a_quota_too(sqlite_place: Place) -> None:
    with running(sqlite_place, {"RATE_LIMIT_PER_MINUTE": "2"}) as service, administrator(service) as client:
        assert [client.delete("/shutdown").status_code for _ in range(3)] == [404, 404, 429]
        assert reason(client.post("/emergency-stop")) == (429, "requests-too-often")


# stopping on a word


def test_a_scheduled_shutdown_is_shown_and_comes_true(sqlite_place: Place) -> None:
    with running(sqlite_place) as service, administrator(service) as client:
        answer = client.post("/shutdown", json={"delay_seconds": 1, "reason": "new version"}).json()
        assert (answer["shutdown_scheduled"], answer["delay_seconds"]) == (True, 1)
        shown = state(client)["shutdown"]
        assert shown == {name: answer[name] for name in ("reason", "scheduled_at", "due_at", "by")}
        assert (shown["reason"], shown["by"]) == ("new version", 1)
        assert service.wait() == 0
    begun = service.wait_for_log("shutdown_begun")
    assert begun["timestamp"][:23] >= answer["due_at"][:23]


def test_a_request_at_work_is_finished_before_the_scheduled_end(place: Place) -> None:
    rows = [{"Sprint_ID": f"slow-{number}", "Notes": "x" * 2_000} for number in range(1_000)]
    with running(place) as service, administrator(service) as client, ThreadPoolExecutor(1) as pool:
        with held_by_another_writer(place):
            writing = begin_write(pool, client, rows)
            assert client.post("/shutdown", json={"delay_seconds": 0}).status_code == 200
            service.wait_for_log("Waiting for connections to close. (CTRL+C to force quit)")
            assert not writing.done()
        assert writing.result().status_code == 201
        assert service.wait() == 0
    assert sum(key.startswith("slow-") for key in place.stored_keys()) == 1_000


def test_a_cancelled_shutdown_leaves_the_service_at_work(sqlite_place: Place) -> None:
    with running(sqlite_place) as service, administrator(service) as client:
        client.post("/shutdown", json={"delay_seconds": 0.5})
        assert client.delete("/shutdown").json()["shutdown_scheduled"] is False
        assert state(client)["shutdown"] is None
        assert reason(client.delete("/shutdown")) == (404, "no-shutdown-scheduled")
        longer = state(client)["uptime_seconds"] + 1.5
        eventually(lambda: state(client)["uptime_seconds"] > longer)
        assert client.get("/health").json()["status"] == "active"
        assert service.stop() == 0


def test_while_the_service_stops_nothing_can_be_taken_back(sqlite_place: Place) -> None:
    with running(sqlite_place, {"SHUTDOWN_GRACE_SECONDS": "30"}) as service, administrator(service) as client:
        client.post("/shutdown", json={"delay_seconds": 0, "reason": "for good"})
        eventually(lambda: client.get("/health").json()["status"] == "inactive")
        assert state(client)["shutdown"]["reason"] == "for good"
        assert reason(client.delete("/shutdown")) == (409, "already-stopping")
        assert reason(client.post("/shutdown", json={"delay_seconds": 300})) == (409, "already-stopping")
        assert client.post("/sprints", json={"Sprint_ID": "still"}).status_code == 201
        # the first signal finds the service stopping, the second ends it
        service.tell(signal.SIGTERM)
        assert client.get("/health").json()["status"] == "inactive"
        service.tell(signal.SIGTERM)
        assert service.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("body", "content_type", "answer"),
    [
        (b'{"delay_seconds": 301}', "application/json", (422, "malformed-request")),
        (b'{"delay_seconds": 1e300}', "application/json", (422, "malformed-request")),
        (b'{"delay_seconds": NaN}', "application/json", (400, "malformed-json")),
        (b'{"delay": 1}', "application/json", (422, "malformed-request")),
        (b"{", "application/json", (400, "malformed-json")),
        (b"delay_seconds=1", "application/x-www-form-urlencoded", (415, "not-json")),
        (b"[" * 40 + b"]" * 40, "application/json", (422, "nested-too-deeply")),
        (b'"' + b"x" * 2_000_000 + b'"', "application/json", (413, "body-too-large")),
    ],
)
def test_a_bad_body_schedules_nothing(
    shared: Service, client: httpx2.Client, body: bytes, content_type: str, answer: tuple[int, str]
) -> None:
    with administrator(shared) as admin:
        assert reason(admin.post("/shutdown", content=body, headers={"Content-Type": content_type})) == answer
    assert state(client)["shutdown"] is None


# ending at once


async def write_until_gone(service: Service, name: str, acknowledged: list[str], enough: asyncio.Event) -> str:
    """Write one record after the other, and return the key of the one that was not answered."""
    async with service.async_client(connections=1) as client:
        for number in range(100_000):
            key = f"{name}-{number}"
            try:
                answer = await client.post("/sprints", json={"Sprint_ID": key, "Notes": "x" * 500})
            except httpx2.TransportError:
                return key
            assert answer.status_code == 201, answer.text
            acknowledged.append(key)
            if len(acknowledged) == 200:
                enough.set()
    raise AssertionError("the service did not end")


@pytest.mark.anyio
async def test_an_emergency_stop_under_load_is_answered_and_loses_nothing_that_was_acknowledged(place: Place) -> None:
    acknowledged: list[str] = []
    enough = asyncio.Event()
    with running(place) as service:
        names = [f"writer-{number}" for number in range(WRITERS)]
        writing = asyncio.gather(*(write_until_gone(service, name, acknowledged, enough) for name in names))
        await asyncio.wait_for(enough.wait(), 30)
        async with service.async_client() as client:
            answer = await client.post("/emergency-stop", headers=service.headers("admin", droplet=1))
        unanswered = await asyncio.wait_for(writing, 30)
        assert await asyncio.to_thread(service.wait) == 0
    assert answer.status_code == 200
    told = answer.json()
    assert (told.pop("emergency_stop"), told.pop("initiated_by"), list(told)) == (True, 1, ["timestamp"])
    assert service.wait_for_log("emergency_stop", level="error")["by"] == 1
    assert service.wait_for_log("request", route="/emergency-stop")["status"] == 200
    verified = await asyncio.to_thread(place.verify)
    assert isinstance(verified, Verified), verified
    held = {key for key in await asyncio.to_thread(place.stored_keys) if key.startswith("writer-")}
    assert set(acknowledged) <= held
    assert held - set(acknowledged) <= set(unanswered)
    with running(place) as service, service.client() as client:
        assert client.post("/sprints", json={"Sprint_ID": "afterwards"}).status_code == 201


def test_an_emergency_stop_ends_a_service_that_is_stopping_or_stuck(sqlite_place: Place) -> None:
    settings = {"SHUTDOWN_GRACE_SECONDS": "30", "LOG_LEVEL": "info"}
    with (
        running(sqlite_place, settings) as service,
        administrator(service) as client,
        ThreadPoolExecutor(1) as pool,
        held_by_another_writer(sqlite_place),
    ):
        writing = begin_write(pool, client, {"Sprint_ID": "in the air"})
        service.tell(signal.SIGTERM)
        eventually(lambda: client.get("/health").json()["status"] == "inactive")
        assert client.post("/emergency-stop").json()["emergency_stop"] is True
        assert service.wait() == 0
        with pytest.raises(httpx2.TransportError):
            writing.result()
    assert "in the air" not in sqlite_place.stored_keys()


def test_a_body_is_no_obstacle_to_an_emergency(sqlite_place: Place) -> None:
    with running(sqlite_place) as service, administrator(service) as client:
        assert client.post("/emergency-stop", json={"why": ["whatever"] * 1_000}).json()["emergency_stop"] is True
        assert service.wait() == 0
