"""A full disk, a store that somebody else holds, a database server that goes away: a clear answer, and recovery."""

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
from tests.acceptance.conftest import held_by_another_writer
from tests.postgres import shared_server
from tests.service import EventStream, Place, Service, eventually, everything, requests_in_flight, running

from airtable_connector.records import Verified


def add(client: httpx2.Client, key: str) -> httpx2.Response:
    return client.post("/sprints", json={"Sprint_ID": key, "Notes": "x" * 2_000}, headers={"Idempotency-Key": key})


def assert_clear_refusal(answer: httpx2.Response, *causes: str) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    error = answer.json()["error"]
    assert error["code"] == "DEPENDENCY_UNAVAILABLE"
    assert error["details"]["cause"] in causes
    assert error["details"]["hint"]
    assert "sqlite" not in answer.text.lower()
    assert "select" not in answer.text.lower()


def health(client: httpx2.Client) -> str:
    answer = client.get("/health")
    assert answer.status_code == 200
    status: str = answer.json()["status"]
    return status


def assert_well_again(service: Service, client: httpx2.Client, kept: set[str], refused: set[str]) -> None:
    """Check that writing works, that health says so, and that nothing was lost, and nothing written in secret."""
    assert add(client, "well-again").status_code == 201
    assert health(client) == "active"
    held = {record["fields"]["Sprint_ID"] for record in everything(client, "/sprints")}
    assert held == {*kept, "well-again"}
    for key in sorted(refused)[:5]:
        assert add(client, key).status_code == 201
    assert service.process.poll() is None
    assert isinstance(service.place.verify(), Verified)


@contextmanager
def no_room_on_the_disk(service: Service) -> Iterator[None]:
    """Let the process write no file beyond its first kilobyte."""
    before = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (1_024, before[1]))
    try:
        yield
    finally:
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, before)


def test_a_full_disk_refuses_writes_keeps_reading_and_loses_nothing(sqlite_place: Place) -> None:
    with running(sqlite_place) as service, service.client() as client:
        kept = {f"full-{number}" for number in range(30)}
        assert {add(client, key).status_code for key in kept} == {201}
        with no_room_on_the_disk(service):
            refused = {f"refused-{number}" for number in range(20)}
            for key in refused:
                assert_clear_refusal(add(client, key), "disk-full", "io-error")
                assert client.get("/sprints/full-3").status_code == 200
            assert health(client) == "error"
            bulk = client.post("/sprints", json=[{"Sprint_ID": f"refused-b{number}"} for number in range(500)])
            assert_clear_refusal(bulk, "disk-full", "io-error")
            assert len(client.get("/sprints").json()["records"]) == len(kept)
            assert len(client.get("/sprints?sort=Sprint_ID").json()["records"]) == len(kept)
            assert client.get("/changes").is_success
        eventually(lambda: health(client) == "active")  # noticed without anybody's write
        assert_well_again(service, client, kept, refused)


def test_a_store_that_another_process_holds_refuses_writes_in_time_and_recovers(place: Place) -> None:
    with running(place) as service, service.client() as client:
        assert add(client, "before").status_code == 201
        with held_by_another_writer(place):
            assert_clear_refusal(add(client, "refused"), "locked")
            assert health(client) == "error"
            assert client.get("/sprints/before").status_code == 200
            assert client.get("/sprints?sort=Sprint_ID").status_code == 200
        assert_well_again(service, client, {"before"}, {"refused"})


def test_a_write_waits_for_a_store_that_is_held_for_a_moment(place: Place) -> None:
    with running(place) as service, service.client() as client, ThreadPoolExecutor(1) as pool:
        with held_by_another_writer(place):
            waiting = pool.submit(add, client, "patient")
            requests_in_flight(client, at_least=2)
        assert waiting.result().status_code == 201
        assert len(everything(client, "/sprints")) == 1


class Road:
    """The only way to a PostgreSQL server, which can be taken away as if the server had been stopped."""

    def __init__(self, folder: Path) -> None:
        self.server = shared_server()
        self._direct = self.server.new_database()
        self._folder = folder / "road"
        self._database, _, query = self._direct.partition("?host=")
        self._goal = Path(query)
        self._folder.symlink_to(self._goal)
        self.url = f"{self._database}?host={self._folder}"

    def cut(self) -> None:
        self._folder.unlink()
        self.server.execute(
            self.server.url("postgres"),
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            f" where datname = '{self._database.rpartition('/')[2]}'",
        )

    def mend(self) -> None:
        self._folder.symlink_to(self._goal)


def test_a_database_server_that_goes_away_is_found_again_without_a_restart(tmp_path: Path) -> None:
    road = Road(tmp_path)
    with (
        running(Place(tmp_path / "data", road.url)) as service,
        service.client() as client,
        EventStream(service, after=0) as stream,
    ):
        kept = {f"kept-{number}" for number in range(20)}
        assert {add(client, key).status_code for key in kept} == {201}
        road.cut()
        refused = {f"refused-{number}" for number in range(10)}
        for key in refused:
            assert_clear_refusal(add(client, key), "connection-lost")
        assert health(client) == "error"
        assert_clear_refusal(client.get("/sprints?q=kept"), "connection-lost")
        # from memory
        assert client.get("/sprints").status_code == 200
        assert len(client.get("/sprints?sort=Sprint_ID").json()["records"]) == len(kept)
        road.mend()
        eventually(lambda: health(client) == "active")
        assert_well_again(service, client, kept, refused)
        with service.client() as other:
            last = int(other.post("/sprints", json={"Sprint_ID": "last"}).headers["x-feed-position"])
        assert [event.id for event in stream.until(last)] == list(range(1, last + 1))


def test_connections_that_the_server_ends_cost_no_acknowledged_write(postgres_place: Place) -> None:
    server = shared_server()
    ends = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    assert postgres_place.database_url is not None
    taken, unknown = set(), set()
    with running(postgres_place) as service, service.client() as client:
        for number in range(90):
            if number % 15 == 7:
                server.execute(postgres_place.database_url, ends)
            answer = add(client, f"ends-{number}")
            assert answer.status_code in (201, 503), answer.text
            (taken if answer.status_code == 201 else unknown).add(f"ends-{number}")
        assert len(taken) > 60
        assert taken <= {record["fields"]["Sprint_ID"] for record in everything(client, "/sprints")}
        for key in unknown:
            assert add(client, key).status_code == 201
        assert len(everything(client, "/sprints")) == 90
    assert isinstance(postgres_place.verify(), Verified)
