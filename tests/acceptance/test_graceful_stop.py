"""SIGTERM and SIGINT while callers are at work: no reply is broken, no acknowledged write lost, the exit code is 0."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import httpx2
import orjson
import pytest
from tests.acceptance.conftest import held_by_another_writer
from tests.service import EventStream, Place, Service, requests_in_flight, running

CALLERS = 12


def begin_write(pool: ThreadPoolExecutor, client: httpx2.Client, body: object) -> "Future[httpx2.Response]":
    """Hand in a write that cannot finish yet, because another process holds the store, and see it at work."""
    writing = pool.submit(client.post, "/sprints", json=body)
    requests_in_flight(client, at_least=2)
    return writing


Stop = Callable[[Service], Awaitable[object]]


async def by_request(service: Service) -> None:
    """Ask for a shutdown without delay, on a connection of its own."""
    async with service.async_client() as client:
        answer = await client.post(
            "/shutdown", json={"delay_seconds": 0, "reason": "test"}, headers=service.headers("admin")
        )
        assert (answer.status_code, answer.json()["shutdown_scheduled"]) == (200, True)


def by_signal(number: int) -> Stop:
    async def tell(service: Service) -> None:
        service.tell(number)

    return tell


async def call_until_refused(service: Service, name: str, acknowledged: list[str], stop: Stop) -> None:
    """Write and read on kept-alive connections until nobody listens any more; stop the service in the midst of it.

    A reply that is broken off, or a connection that is reset, is raised.
    """
    async with service.async_client(connections=1) as client:
        for number in range(100_000):
            key = f"{name}-{number}"
            try:
                made = await client.post("/sprints", json={"Sprint_ID": key})
                assert made.status_code == 201, made.text
                acknowledged.append(key)
                if len(acknowledged) == 100:
                    await stop(service)
                shown = await client.get(f"/sprints/{made.json()['data']['id']}")
                assert shown.status_code == 200, shown.text
            except httpx2.ConnectError:
                return


@pytest.fixture
def number(place: Place) -> int:
    """One of the two signals for each store; what they do is not the store's business."""
    return signal.SIGTERM if place.database_url is None else signal.SIGINT


@pytest.mark.anyio
@pytest.mark.parametrize("asked", ["by signal", "by request"])
async def test_a_stop_under_load_breaks_no_reply_and_loses_no_write(place: Place, number: int, asked: str) -> None:
    stop = by_request if asked == "by request" else by_signal(number)
    acknowledged: list[str] = []
    with running(place, {"SHUTDOWN_GRACE_SECONDS": "0.5"}) as service, EventStream(service) as stream:
        callers = [call_until_refused(service, f"caller-{each}", acknowledged, stop) for each in range(CALLERS)]
        await asyncio.gather(*callers)
        assert await asyncio.to_thread(service.wait) == 0
        events = await asyncio.to_thread(stream.rest)
        assert stream.broken is None  # it was ended, not broken off
        ids = [event.id for event in events]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    held = await asyncio.to_thread(place.stored_keys)
    assert set(acknowledged) <= set(held)
    assert len(held) - len(acknowledged) <= CALLERS + 1  # the digest has a key, too


def test_a_bulk_write_at_work_is_finished_before_the_process_ends(place: Place) -> None:
    rows = [{"Sprint_ID": f"slow-{number}", "Notes": "x" * 2_000} for number in range(1_000)]
    with running(place) as service, service.client() as client, ThreadPoolExecutor(1) as pool:
        with held_by_another_writer(place):
            writing = begin_write(pool, client, rows)
            service.tell(signal.SIGTERM)
            service.wait_for_log("Waiting for connections to close. (CTRL+C to force quit)")
            assert not writing.done()
        assert writing.result().status_code == 201
        assert service.wait() == 0
    assert sum(key.startswith("slow-") for key in place.stored_keys()) == 1_000


def test_a_request_that_is_still_arriving_is_answered(sqlite_place: Place) -> None:
    body = orjson.dumps([{"Sprint_ID": f"late-{number}"} for number in range(1_000)])
    with running(sqlite_place) as service:
        host, _, port = service.address.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = (
                f"POST /sprints HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nAuthorization: Bearer {service.token()}\r\n\r\n"
            )
            connection.sendall(head.encode() + body[:1_000])
            with service.client() as client:
                requests_in_flight(client, at_least=2)
            service.tell(signal.SIGTERM)
            service.wait_for_log("Shutting down")
            connection.sendall(body[1_000:])
            with closing(connection.makefile("rb")) as reply:
                answer = reply.read()
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert b"connection: close" in answer.lower()
        assert answer.endswith(b'"}')
        assert service.wait() == 0
    assert sum(key.startswith("late-") for key in sqlite_place.stored_keys()) == 1_000


def test_while_stopping_health_says_inactive_and_answers_close_their_connections(sqlite_place: Place) -> None:
    with running(sqlite_place, {"SHUTDOWN_GRACE_SECONDS": "30"}) as service, service.client() as client:
        assert client.get("/health").headers.get("connection") != "close"
        with EventStream(service) as stream:
            service.tell(signal.SIGTERM)
            assert stream.rest() == []  # its end is the first sign
        answer = client.get("/health")
        assert (answer.json()["status"], answer.headers["connection"]) == ("inactive", "close")
        assert client.post("/sprints", json={"Sprint_ID": "still"}).status_code == 201
        assert service.stop(signal.SIGTERM) == 128 + signal.SIGTERM  # nobody waits for half a minute
    assert "still" in sqlite_place.stored_keys()


def test_a_second_signal_ends_the_process_at_once_and_what_was_acknowledged_stays(place: Place, number: int) -> None:
    with running(place) as service, service.client() as client, ThreadPoolExecutor(1) as pool:
        assert client.post("/sprints", json={"Sprint_ID": "kept"}).status_code == 201
        with held_by_another_writer(place):
            writing = begin_write(pool, client, {"Sprint_ID": "in the air"})
            service.tell(number)
            service.wait_for_log("Shutting down")
            service.tell(number)
            assert service.wait(within=4) == 128 + number  # sooner than the store would be given up
            with pytest.raises(httpx2.TransportError):
                writing.result()
    keys = place.stored_keys()
    assert "kept" in keys
    assert "in the air" not in keys
