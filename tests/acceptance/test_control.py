"""What only an administrator may ask of a running service: to stop, to stop at once, to read its settings again."""

import asyncio
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.acceptance.conftest import held_by_another_writer
from tests.acceptance.test_graceful_stop import begin_write
from tests.service import Place, Service, eventually, running

from airtable_connector.records import Verified


@contextmanager
def administered(place: Place, settings: dict[str, str] | None = None) -> Iterator[tuple[Service, httpx2.Client]]:
    with running(place, settings) as service, service.client(service.headers("read,write,admin")) as client:
        yield service, client


def test_a_scheduled_shutdown_finishes_what_runs_and_exits_with_0(place: Place) -> None:
    with administered(place) as (service, client), ThreadPoolExecutor(1) as pool:
        with held_by_another_writer(place):
            writing = begin_write(pool, client, {"Sprint_ID": "AT-WORK"})
            told = client.post("/shutdown", json={"delay_seconds": 0, "reason": "new version"}).json()
            assert (told["shutdown_scheduled"], told["delay_seconds"], told["reason"]) == (True, 0, "new version")
            service.wait_for_log("Waiting for connections to close. (CTRL+C to force quit)")
            assert not writing.done()
        assert writing.result().status_code == 201
        assert service.wait() == 0
    assert "AT-WORK" in place.stored_keys()


def test_a_scheduled_shutdown_is_seen_and_can_be_called_off(sqlite_place: Place) -> None:
    with administered(sqlite_place) as (service, client):
        assert client.get("/state").json()["shutdown"] is None
        client.post("/shutdown", json={"delay_seconds": 300, "reason": "later"})
        seen = client.get("/state").json()["shutdown"]
        assert (seen["reason"], seen["by"]) == ("later", 5)
        assert seen["due_at"] > seen["scheduled_at"]

        assert client.delete("/shutdown").json()["cancelled"]["reason"] == "later"

        assert client.get("/state").json()["shutdown"] is None
        assert client.delete("/shutdown").status_code == 404
        assert client.get("/health").json()["status"] == "active"
        client.post("/shutdown", json={"delay_seconds": 0.1})
        assert service.wait() == 0


@pytest.mark.parametrize(
    "body", [{"delay_seconds": 301}, {"delay_seconds": -1}, {"delay_seconds": "soon"}, {"dely": 1}]
)
def test_a_shutdown_that_is_asked_wrongly_is_none(sqlite_place: Place, body: dict[str, object]) -> None:
    with administered(sqlite_place) as (_service, client):
        assert client.post("/shutdown", json=body).status_code == 422
        assert client.get("/state").json()["shutdown"] is None


def test_an_emergency_stop_ends_the_process_at_once_and_loses_no_acknowledged_write(place: Place) -> None:
    acknowledged: list[str] = []
    warm = asyncio.Event()

    async def write(number: int, client: httpx2.AsyncClient) -> None:
        for turn in range(10_000):
            key = f"w{number}-{turn}"
            try:
                answer = await client.post("/sprints", json={"Sprint_ID": key})
            except httpx2.HTTPError:
                return
            assert answer.status_code == 201
            acknowledged.append(key)
            if len(acknowledged) == 200:
                warm.set()

    async def load(service: Service) -> httpx2.Response:
        async with service.async_client() as client:
            writers = asyncio.gather(*(write(number, client) for number in range(8)))
            await warm.wait()
            stopped = await client.post("/emergency-stop", headers=service.headers("admin"))
            await writers
            return stopped

    with administered(place) as (service, _client):
        answer = asyncio.run(load(service)).json()
        assert (answer["emergency_stop"], answer["initiated_by"]) == (True, 5)
        assert service.wait(5) == 0
        service.wait_for_log("emergency_stop", by=5)
    assert set(acknowledged) <= set(place.stored_keys())
    assert isinstance(place.verify(), Verified)


@pytest.mark.parametrize("permissions", ["read", "write", "read,write"])
def test_nobody_but_an_administrator_may(sqlite_place: Place, permissions: str) -> None:
    with running(sqlite_place) as service, service.client(service.headers(permissions)) as client:
        refused = [client.post(path, json={}) for path in ("/shutdown", "/emergency-stop", "/reload-config")]
        assert {answer.status_code for answer in refused} == {403}
        assert {answer.json()["error"]["details"]["needed"] for answer in refused} == {"admin"}
        assert client.get("/health").status_code == 200


class Folder:
    """The configuration folder of a service: where it was started."""

    def __init__(self, place: Place) -> None:
        self.path = place.data_dir
        self.path.mkdir(parents=True, exist_ok=True)

    def environment(self, **settings: str) -> None:
        (self.path / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def config(self, file: str, **droplet: object) -> None:
        (self.path / file).write_text(json.dumps({"droplet": droplet}))


def test_changed_settings_are_applied_or_said_to_wait_for_a_restart(sqlite_place: Place) -> None:
    folder = Folder(sqlite_place)
    folder.environment(COST_PER_HOUR="0", LOG_LEVEL="info", DROPLET_STEWARD="Ada")
    with administered(sqlite_place) as (_service, client):
        folder.environment(
            COST_PER_HOUR="1000000",
            LOG_LEVEL="error",
            DROPLET_STEWARD="Grace",
            ALLOWED_ORIGINS="https://dashboard.example",
            MESSAGE_RATE_PER_MINUTE="1",
            REGISTRY_KEY="a-secret-key",
        )
        told = client.post("/reload-config", json={}).json()

        changed = {each["name"]: each for each in told["changed"]}
        assert told["reloaded"] is True
        assert told["needs_restart"] == ["DROPLET_STEWARD", "REGISTRY_KEY"]
        assert {name for name, each in changed.items() if each["applied"]} == {
            "COST_PER_HOUR", "LOG_LEVEL", "ALLOWED_ORIGINS", "MESSAGE_RATE_PER_MINUTE",
        }  # fmt: skip
        assert (changed["DROPLET_STEWARD"]["before"], changed["DROPLET_STEWARD"]["after"]) == ("Ada", "Grace")
        assert "a-secret-key" not in json.dumps(told)
        # what was said to be applied is; what was not is not
        eventually(lambda: client.get("/health").json()["cost_usd"] > 0)
        assert client.get("/health").json()["steward"] == "Ada"
        asked = client.get("/health", headers={"Origin": "https://dashboard.example"})
        assert asked.headers["access-control-allow-origin"] == "https://dashboard.example"
        message = {"message_type": "event"}
        assert [client.post("/message", json=message).status_code for _ in range(2)] == [422, 429]


def test_one_mistake_leaves_everything_as_it_was(sqlite_place: Place) -> None:
    folder = Folder(sqlite_place)
    with administered(sqlite_place) as (_service, client):
        folder.environment(COST_PER_HOUR="1000000", MESSAGE_RATE_PER_MINUTE="many", PROT="1")
        refused = client.post("/reload-config", json={})

        assert refused.status_code == 422
        error = refused.json()["error"]
        assert error["details"]["reason"] == "bad-settings"
        assert "MESSAGE_RATE_PER_MINUTE" in error["message"]
        assert "PROT" in error["message"]
        assert client.get("/health").json()["cost_usd"] == 0
        folder.environment(COST_PER_HOUR="0")
        assert client.post("/reload-config", json={}).json()["changed"] == []


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../udc_config.json", "sub/../../outside.json", "nowhere.json", "link.json", "", ".env"]
)
def test_only_files_of_the_configuration_folder_are_read(sqlite_place: Place, tmp_path: Path, path: str) -> None:
    folder = Folder(sqlite_place)
    (tmp_path / "outside.json").write_text("{}")
    with administered(sqlite_place) as (_service, client):
        (folder.path / "link.json").symlink_to(tmp_path / "outside.json")
        refused = client.post("/reload-config", json={"config_path": path})

        assert refused.status_code == 422, refused.text
        assert refused.json()["error"]["details"]["reason"] in {"config-path-refused", "invalid-member"}
        assert str(tmp_path) not in refused.text
        folder.config("other.json", name="Another Name")
        told = client.post("/reload-config", json={"config_path": "other.json"}).json()
        assert (told["config_path"], told["needs_restart"]) == ("other.json", ["DROPLET_NAME"])


def test_sighup_reads_the_settings_again_and_the_log_tells_what_came_of_it(sqlite_place: Place) -> None:
    folder = Folder(sqlite_place)
    with administered(sqlite_place) as (service, client):
        folder.environment(COST_PER_HOUR="1000000")
        service.tell(signal.SIGHUP)
        assert service.wait_for_log("config_reloaded")["changed"] == ["COST_PER_HOUR"]
        eventually(lambda: client.get("/health").json()["cost_usd"] > 0)
        folder.environment(COST_PER_HOUR="a lot")
        service.tell(signal.SIGHUP)
        assert "COST_PER_HOUR" in service.wait_for_log("reload_refused")["message"]
