"""The change feed as its followers see it: live, resumed, pulled, and across two services."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from tests.acceptance.conftest import new_place
from tests.service import Event, EventStream, Place, Service, changes, position, running


def write(client: httpx2.Client, key: str) -> int:
    answer = client.post("/sprints", json={"Sprint_ID": key})
    assert answer.status_code == 201, answer.text
    return int(answer.headers["x-feed-position"])


def without_events(events: list[Event]) -> list[dict[str, Any]]:
    return [event.change for event in events]


def test_a_write_appears_on_an_open_stream(shared: Service, client: httpx2.Client) -> None:
    with EventStream(shared) as stream:
        seq = write(client, "live-1")
        event = stream.next(where=lambda change: change["seq"] == seq)
        assert event.id == seq
        assert event.change["after"] == {"Sprint_ID": "live-1"}
        assert (event.change["table"], event.change["action"], event.change["actor"]) == ("Sprints", "create", 5)
        client.delete("/sprints/live-1").raise_for_status()
        assert stream.next(where=lambda change: change["action"] == "delete").change["before"] == {
            "Sprint_ID": "live-1"
        }


def test_a_stream_of_one_table_shows_that_table_only(shared: Service, client: httpx2.Client) -> None:
    with EventStream(shared, table="Proof") as stream:
        write(client, "filter-1")
        client.post("/proof", json={"Proof_ID": "filter-p"}).raise_for_status()
        assert stream.next().change["after"] == {"Proof_ID": "filter-p"}
    begun = position(client)
    client.post("/proof", json=[{"Proof_ID": f"filter-{number}"} for number in range(450)]).raise_for_status()
    pulled = changes(client, after=begun, table="Proof")
    assert [change["after"]["Proof_ID"] for change in pulled] == [f"filter-{number}" for number in range(450)]
    with EventStream(shared, after=begun, table="Proof") as stream:
        assert without_events([stream.next() for _ in pulled]) == pulled


def test_the_stream_and_the_pages_tell_the_same_from_the_beginning(shared: Service, client: httpx2.Client) -> None:
    client.post("/sprints", json=[{"Sprint_ID": f"same-{number}"} for number in range(450)]).raise_for_status()
    end = position(client)
    with EventStream(shared, after=0) as stream:
        streamed = stream.until(end)
    pulled = [change for change in changes(client) if change["seq"] <= end]
    assert without_events(streamed) == pulled
    assert [change["seq"] for change in pulled] == list(range(1, end + 1))
    assert [event.id for event in streamed] == list(range(1, end + 1))


def test_a_follower_resumes_across_a_stop_and_a_kill_without_loss_or_double(place: Place) -> None:
    numbers = itertools.count()

    def write_some(service: Service) -> int:
        with service.client() as client:
            return max(write(client, f"resume-{next(numbers)}") for _ in range(60))

    seen: list[Event] = []
    for end in (Service.stop, Service.kill, Service.kill):
        already = seen[-1].id if seen else 0
        with running(place) as service, ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_some, service)
            with EventStream(service, headers={"Last-Event-ID": str(already)}, after=10**6) as stream:
                # somewhere in the middle: what comes after it is to be sent again by the next process
                seen += stream.until(already + 25)
                last = writing.result()
                if end is Service.stop:
                    assert service.stop() == 0
                else:
                    service.kill()
    with running(place) as service, service.client() as client:
        with EventStream(service, headers={"Last-Event-ID": str(seen[-1].id)}) as stream:
            seen += stream.until(last)
        assert without_events(seen) == [change for change in changes(client) if change["seq"] <= last]
    assert [event.id for event in seen] == list(range(1, last + 1))
    assert last >= 180


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Two services on one PostgreSQL database."""
    place = new_place("postgres", tmp_path_factory.mktemp("twins"))
    with running(place) as one, running(place) as two:
        yield one, two


def test_two_services_on_one_database_see_each_others_writes(twins: tuple[Service, Service]) -> None:
    one, two = twins
    with one.client() as first, two.client() as second, EventStream(two) as stream:
        for number in range(20):
            key = f"both-{number}"
            seq = write(first, key)
            assert first.get(f"/sprints/{key}").is_success
            assert first.get("/sprints").json()["records"][-1]["fields"]["Sprint_ID"] == key
            stream.next(where=lambda change, seq=seq: change["seq"] == seq)
            made = second.get(f"/sprints/{key}", params={"as_of": seq})
            assert made.is_success
            assert second.get("/sprints", params={"as_of": seq}).json()["records"][-1] == made.json()["data"]
            # and the other way, on a record that the other one holds
            path = f"/sprints/{made.json()['data']['id']}"
            changed = second.patch(path, json={"Name": f"by two, {number}"})
            shown = first.get(path, params={"as_of": int(changed.headers["x-feed-position"])})
            assert shown.json()["data"]["fields"]["Name"] == f"by two, {number}"
            assert shown.headers["etag"] == changed.headers["etag"]
        assert changes(first) == changes(second)


def count_up(service: Service, times: int) -> None:
    """Add one to the hours of a sprint that others count up, too, so many times."""
    with service.client() as client:
        while times:
            held = client.get("/sprints/counter")
            answer = client.put(
                "/sprints/counter",
                json={"Time_Spent_hr": held.json()["data"]["fields"]["Time_Spent_hr"] + 1},
                headers={"If-Match": held.headers["etag"]},
            )
            assert answer.status_code in (200, 412), answer.text
            times -= answer.status_code == 200


def test_two_services_changing_one_record_lose_no_update(twins: tuple[Service, Service]) -> None:
    with twins[0].client() as client, ThreadPoolExecutor(2) as pool:
        made = client.post("/sprints", json={"Sprint_ID": "counter", "Time_Spent_hr": 0})
        client.get("/sprints", params={"as_of": made.headers["x-feed-position"]}).raise_for_status()
        list(pool.map(count_up, twins, (15, 15)))
        assert client.get("/sprints/counter?as_of=0").json()["data"]["fields"]["Time_Spent_hr"] == 30
