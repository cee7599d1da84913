import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from tests.factories.letters import AT, a_letter, trace
from tests.fakes import FakeClock, SpyObserver
from werkzeug import Request, Response

from airtable_connector.database import Database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import (
    DISPATCH,
    Addresses,
    Attempt,
    Contacts,
    Courier,
    Letter,
    LetterQuestion,
    LetterState,
    Outbox,
    Peer,
    PeerClient,
    wait_before,
)

pytestmark = pytest.mark.anyio

RECEIVED = Response(json.dumps({"received": True}), content_type="application/json")


class Peers:
    """Droplets 5 and 7 behind one server: what they were sent, and what they answer."""

    def __init__(self, server: HTTPServer) -> None:
        self.address = server.url_for("").rstrip("/")
        self.sent: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, Callable[[], Response]] = {}
        server.expect_request("/5/message", method="POST").respond_with_handler(self._take)
        server.expect_request("/7/message", method="POST").respond_with_handler(self._take)

    def numbers(self, target: str = "5") -> list[int]:
        return [message["payload"]["number"] for message in self.sent if message["target"] == target]

    def _take(self, request: Request) -> Response:
        message = request.get_json()
        self.sent.append(message)
        self.headers.append(dict(request.headers))
        return self.answers.get(message["target"], lambda: RECEIVED)()


class House:
    """A courier at work on a clock that stands still unless a test moves it."""

    def __init__(self, database: Database, peers: Peers, supervisor: Supervisor, clock: FakeClock) -> None:
        self.clock, self.peers, self.supervisor = clock, peers, supervisor
        self.contacts = Contacts(clock=clock, observer=SpyObserver())
        self.client = PeerClient(clock=SystemClock(), timeout=timedelta(seconds=5))
        self.outbox = Outbox(
            database,
            owner="this process",
            lease=timedelta(seconds=15),
            clock=clock,
            wake=lambda: supervisor.wake(DISPATCH),
        )
        fixed = [Peer(number, (f"d{number}",), f"{peers.address}/{number}", "settings") for number in (5, 7)]
        self.courier = Courier(
            self.outbox,
            addresses=Addresses(database, sources=(), fixed=fixed, clock=clock),
            client=self.client,
            contacts=self.contacts,
            supervisor=supervisor,
            credential=self._token,
            us=2,
            keep=timedelta(days=30),
            clock=clock,
            fraction=lambda: 0.0,
        )
        supervisor.start(DISPATCH, self.courier.dispatch_once)

    async def _token(self, peer: Peer) -> Secret:
        return Secret(f"token-for-{peer.droplet}")

    async def add(self, *letters: Letter) -> None:
        for letter in letters:
            await self.outbox.add(letter)

    async def until(self, number: int, state: LetterState, *, attempts: int = 1) -> tuple[Letter, Sequence[Attempt]]:
        """Let time pass, little by little, until a letter is in a state after so many attempts."""
        async with asyncio.timeout(20):
            while True:
                letter, tried = await self.outbox.get(trace(number))
                if (letter.state, letter.attempts) == (state, attempts):
                    return letter, tried
                await self.clock.advance(timedelta(milliseconds=200))
                await asyncio.sleep(0.005)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """A server that answers several at once, unlike the usual fixture's."""
    with HTTPServer(host="127.0.0.1", threaded=True) as started:
        yield started


@pytest.fixture
async def house(database: Database, server: HTTPServer, anyio_backend: str) -> AsyncIterator[House]:
    clock = FakeClock(AT + timedelta(minutes=1))
    async with Supervisor(clock=clock, observer=SpyObserver()) as supervisor:
        house = House(database, Peers(server), supervisor, clock)
        yield house
        await supervisor.close()
        await house.client.close()


async def test_a_message_goes_out_with_all_that_udc_asks_for(house: House) -> None:
    await house.add(a_letter())
    letter, tried = await house.until(1, LetterState.DELIVERED)

    assert house.peers.sent == [
        {
            "udc_version": "1.0",
            "trace_id": trace(1),
            "source": "2",
            "target": "5",
            "message_type": "event",
            "timestamp": "2026-01-05T12:00:00.001Z",
            "payload": {"number": 1},
            "signature": "token-for-5",
        }
    ]
    assert house.peers.headers[0]["Authorization"] == "Bearer token-for-5"
    assert [(attempt.number, attempt.status, attempt.reason) for attempt in tried] == [(1, 200, "delivered")]
    assert letter.reply == {"received": True}
    assert house.contacts.of("droplet-5").connected


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_these_answers_mean_delivered(house: House, status: int) -> None:
    house.peers.answers["5"] = lambda: Response("{}", status)
    await house.add(a_letter())

    await house.until(1, LetterState.DELIVERED)


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_refusal_for_good_is_a_dead_letter_at_once_and_holds_nobody_up(house: House, status: int) -> None:
    answers = iter([Response('{"error":"no"}', status), RECEIVED])
    house.peers.answers["5"] = lambda: next(answers)
    await house.add(a_letter(1), a_letter(2))

    letter, tried = await house.until(1, LetterState.ERROR)
    await house.until(2, LetterState.DELIVERED)

    assert (tried[0].status, letter.reply) == (status, {"error": "no"})


@pytest.mark.parametrize("status", [204, 401, 503])
async def test_other_answers_are_tried_again_after_growing_waits_until_the_last_try(house: House, status: int) -> None:
    house.peers.answers["5"] = lambda: Response("{}" if status != 204 else "", status)
    await house.add(a_letter(retries=2))
    _, tried = await house.until(1, LetterState.ERROR, attempts=3)

    assert [attempt.status for attempt in tried] == [status] * 3
    waits = [(later.at - earlier.at).total_seconds() for earlier, later in itertools.pairwise(tried)]
    assert waits[0] >= 1
    assert waits[1] >= 5


async def test_retry_after_is_waited_for(house: House) -> None:
    answers = iter([Response("", 429, {"Retry-After": "30"}), RECEIVED])
    house.peers.answers["5"] = lambda: next(answers)
    await house.add(a_letter())
    letter, _ = await house.until(1, LetterState.QUEUED)

    assert letter.due_at is not None
    assert (letter.due_at - house.clock.now()).total_seconds() == pytest.approx(30, abs=1)
    await house.until(1, LetterState.DELIVERED, attempts=2)


async def test_messages_to_one_target_keep_their_order_through_failures(house: House) -> None:
    answers = iter([RECEIVED, Response("", 503), RECEIVED, RECEIVED, RECEIVED])
    house.peers.answers["5"] = lambda: next(answers)
    await house.add(*(a_letter(number) for number in (1, 2, 3, 4)))
    await house.until(2, LetterState.QUEUED)
    await house.until(4, LetterState.DELIVERED)

    assert house.peers.numbers() == [1, 2, 2, 3, 4]


async def test_a_target_that_hangs_holds_no_other_up(house: House) -> None:
    released = threading.Event()

    def hang() -> Response:
        released.wait(10)
        return RECEIVED

    house.peers.answers["5"] = hang
    try:
        await house.add(a_letter(1, to=5), *(a_letter(number, to=7) for number in range(2, 12)))
        await house.until(11, LetterState.DELIVERED)
        assert (await house.outbox.get(trace(1)))[0].state is LetterState.QUEUED
    finally:
        released.set()
    await house.until(1, LetterState.DELIVERED)
    assert house.peers.numbers("7") == list(range(2, 12))


async def test_a_target_that_nobody_knows_is_said_to_be_unknown(house: House) -> None:
    await house.add(a_letter(to=99, retries=0))

    _, tried = await house.until(1, LetterState.ERROR)

    assert (tried[0].status, tried[0].reason) == (None, "no directory knows its address")


async def test_a_stopped_courier_begins_nothing_and_loses_nothing(house: House) -> None:
    house.courier.stop()
    await house.add(a_letter())
    for _ in range(10):
        await house.courier.dispatch_once()

    assert house.peers.sent == []
    assert [letter.state for letter in await house.outbox.page(LetterQuestion())] == [LetterState.QUEUED]


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_clock_that_is_set_neither_holds_messages_up_nor_loses_them(house: House, hours: int) -> None:
    answers = iter([Response("", 503), RECEIVED])
    house.peers.answers["5"] = lambda: next(answers)
    await house.add(a_letter())
    await house.until(1, LetterState.QUEUED)
    set_at = house.clock.monotonic()
    house.clock.step(timedelta(hours=hours))
    await house.until(1, LetterState.DELIVERED, attempts=2)

    assert house.clock.monotonic() - set_at < 60


def test_waits_grow_to_an_hour_and_half_of_each_is_chance() -> None:
    longest = [wait_before(attempt, 1.0).total_seconds() for attempt in range(1, 12)]
    shortest = [wait_before(attempt, 0.0).total_seconds() for attempt in range(1, 12)]

    assert longest == [2, 10, 50, 250, 1250, 3600, 3600, 3600, 3600, 3600, 3600]
    assert shortest == [seconds / 2 for seconds in longest]
