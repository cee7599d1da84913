"""Notifications: who is told, when, how often, and what becomes of it. With a real receiver."""

import asyncio
import hashlib
import hmac
import itertools
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from tests.factories.records import ADA, Base, a_field, a_table
from tests.factories.webhooks import Webhooks, webhooks_of
from tests.fakes import FakeClock, SpyObserver
from werkzeug import Request, Response

from airtable_connector.kernel.clock import iso, parse_iso
from airtable_connector.kernel.ids import BaseId
from airtable_connector.kernel.observer import Fact
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.ops import NOTIFY, NewHook, NotificationCourier, NotificationFailed
from airtable_connector.ops.webhooks.courier import content_mac, wait_after
from airtable_connector.ops.webhooks.errors import NotificationUrlRefused
from airtable_connector.records import SPRINTS, Create, FieldType

pytestmark = pytest.mark.anyio

NUMBERS = itertools.count(1)


class Receivers:
    """Receivers behind one server, a path each: what they were sent and when, and what they answer."""

    def __init__(self, server: HTTPServer, clock: FakeClock) -> None:
        self.address = server.url_for("").rstrip("/")
        self.pings: list[tuple[str, datetime, bytes, str]] = []
        self.answers: dict[str, Callable[[], Response]] = {}
        self._clock = clock
        for path in ("/a", "/b", "/elsewhere"):
            server.expect_request(path).respond_with_handler(self._take)

    def count(self, path: str = "/a") -> int:
        return sum(ping[0] == path for ping in self.pings)

    def _take(self, request: Request) -> Response:
        mac = request.headers["X-Airtable-Content-MAC"]
        self.pings.append((request.path, self._clock.now(), request.get_data(), mac))
        return self.answers.get(request.path, lambda: Response("", 200))()


class House:
    """Webhooks whose receivers are notified, on a clock that a test moves."""

    def __init__(self, webhooks: Webhooks, receivers: Receivers, supervisor: Supervisor, owner: str) -> None:
        self.webhooks, self.receivers, self.supervisor = webhooks, receivers, supervisor
        self.clock = webhooks.clock
        self.observer = SpyObserver()
        self.courier = NotificationCourier(
            webhooks.base.database,
            client=webhooks.client,
            supervisor=supervisor,
            base="app00000000000000",
            owner=owner,
            clock=self.clock,
            fraction=lambda: 0.5,
            observer=self.observer,
        )
        supervisor.start(NOTIFY, self.courier.dispatch_once)

    async def add(self, path: str = "/a") -> NewHook:
        return await self.webhooks.add(url=self.receivers.address + path)

    async def change(self) -> None:
        """Write something, and let the payloads be made."""
        await self.webhooks.write(Create(SPRINTS, {"Sprint_ID": f"S-{next(NUMBERS)}"}))
        await self.webhooks.maker.catch_up()

    async def until(self, condition: Callable[[Any], bool], hook: NewHook) -> Any:
        """Let time pass, little by little, until a webhook is as a test wants it."""
        async with asyncio.timeout(30):
            while not condition(shown := await self.webhooks.shown(hook)):
                await self.pass_time(timedelta(milliseconds=500))
        return shown

    async def until_told(self, *facts: Fact) -> None:
        """Let time pass until the observer was told these facts and no others, which is done after a commit."""
        async with asyncio.timeout(30):
            while len(self.observer.facts) < len(facts):
                await self.pass_time(timedelta(milliseconds=1))
        assert self.observer.facts == [*facts]

    async def pass_time(self, span: timedelta) -> None:
        await self.clock.advance(span)
        await asyncio.sleep(0.005)  # for the sockets, whose time is the machine's


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """A server that answers several at once, unlike the usual fixture's."""
    with HTTPServer(host="127.0.0.1", threaded=True) as started:
        yield started


@pytest.fixture
def receivers(server: HTTPServer, clock: FakeClock) -> Receivers:
    return Receivers(server, clock)


@asynccontextmanager
async def process(base: Base, clock: FakeClock, receivers: Receivers, owner: str) -> AsyncIterator[House]:
    async with webhooks_of(base, clock) as webhooks, Supervisor(clock=clock, observer=SpyObserver()) as supervisor:
        yield House(webhooks, receivers, supervisor, owner)
        await supervisor.close()


@pytest.fixture
async def house(base: Base, clock: FakeClock, receivers: Receivers) -> AsyncIterator[House]:
    async with process(base, clock, receivers, "this process") as opened:
        yield opened


def told(shown: Any) -> bool:
    return shown.last_success_at is not None


def failed(times: int) -> Callable[[Any], bool]:
    return lambda shown: (
        shown.last_result is not None
        and not shown.last_result["success"]
        and shown.last_result["retryNumber"] == times - 1
    )


async def test_a_receiver_is_told_which_webhook_has_payloads_under_its_key(house: House) -> None:
    hook = await house.add()
    await house.change()
    shown = await house.until(told, hook)
    ((_, at, body, mac),) = house.receivers.pings
    told_at = json.loads(body)["timestamp"]
    assert json.loads(body) == {
        "base": {"id": "app00000000000000"},
        "webhook": {"id": hook.id},
        "timestamp": told_at,
    }
    assert "2026-01-05T12:00:00.000Z" <= told_at <= iso(at)
    assert mac == content_mac(hook.mac_key, body)
    assert (shown.last_result["success"], shown.last_result["retryNumber"]) == (True, 0)


async def test_a_receiver_is_told_which_base_it_is_about(house: House) -> None:
    made = BaseId("app00000000000001")
    table = a_table("Things", None, a_field("Name", FieldType.SINGLE_LINE_TEXT))
    (table,) = await house.webhooks.base.workspace.add_base(made, "Made", [table], actor=ADA)
    hook = await house.webhooks.add(url=house.receivers.address + "/a", base=made)
    await house.change()
    await house.webhooks.write(Create(table, {"Name": "a"}))
    await house.webhooks.maker.catch_up()
    async with asyncio.timeout(30):
        while not house.receivers.pings:
            await house.pass_time(timedelta(milliseconds=500))
    told_of = json.loads(house.receivers.pings[0][2])
    assert (told_of["base"], told_of["webhook"]) == ({"id": made}, {"id": hook.id})
    assert len(await house.webhooks.payloads(hook, base=made)) == 1


def test_the_mac_is_airtables() -> None:  # 28
    # the sample that pyairtable tests itself with
    sample = {
        "base": {"id": "app00000000000000"},
        "webhook": {"id": "ach00000000000000"},
        "timestamp": "2022-02-01T21:25:05.663Z",
    }
    body = json.dumps(sample).encode()
    expected = "hmac-sha256=e26da696a90933647bddc83995c3e1e3bb1c3d8ce1ff61cb7469767d50b2b2d4"
    assert content_mac(Secret("c2VjcmV0LWtleQ=="), body) == expected
    assert expected.endswith(hmac.new(b"secret-key", body, hashlib.sha256).hexdigest())


async def test_nobody_is_told_without_a_change_or_an_address(house: House) -> None:
    hook, silent = await house.add(), await house.webhooks.add()
    for _ in range(10):
        await house.pass_time(timedelta(seconds=1))
    assert house.receivers.pings == []
    await house.change()
    await house.until(told, hook)
    assert (await house.webhooks.shown(silent)).last_result is None


async def test_many_payloads_are_few_notifications_and_none_comes_before_the_last_payload(house: House) -> None:
    released = threading.Event()

    def hang() -> Response:
        released.wait(10)
        return Response("", 204)

    house.receivers.answers["/a"] = hang
    hook = await house.add()
    try:
        for _ in range(20):
            await house.change()
        async with asyncio.timeout(20):
            while house.receivers.count() == 0:
                await house.pass_time(timedelta(milliseconds=100))
        await house.change()
    finally:
        released.set()
    async with asyncio.timeout(20):
        while house.receivers.count() < 2:
            await house.pass_time(timedelta(milliseconds=100))
    for _ in range(10):
        await house.pass_time(timedelta(seconds=1))
    assert house.receivers.count() == 2
    assert len(await house.webhooks.payloads(hook)) == 21


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Response("", 503), "The HTTP request returned a 503 status code instead of 200 or 204"),
        (Response("", 201), "The HTTP request returned a 201 status code instead of 200 or 204"),
        (Response("OK", 200), "The HTTP request returned a body, which should be empty"),
        (Response("x" * 5_000, 200), "The HTTP request failed: its answer was longer than 4096 bytes"),
        (
            Response("", 302, {"Location": "/elsewhere"}),
            "The HTTP request returned a 302 status code instead of 200 or 204",
        ),
    ],
)
async def test_what_is_no_empty_200_or_204_is_a_failure(house: House, answer: Response, message: str) -> None:
    house.receivers.answers["/a"] = lambda: answer
    hook = await house.add()
    await house.change()
    shown = await house.until(failed(1), hook)
    result = shown.last_result
    assert (result["error"], result["willBeRetried"]) == ({"message": message}, True)
    assert house.receivers.count("/elsewhere") == 0
    await house.until_told(NotificationFailed(hook.id, message, 1, will_be_retried=True))


async def test_a_receiver_that_is_not_there_is_a_failure_that_names_no_address(house: House) -> None:
    hook = await house.webhooks.add(url="http://127.0.0.1:9/secret-path")
    await house.change()
    shown = await house.until(failed(1), hook)
    assert shown.last_result["error"] == {"message": "The HTTP request failed: nobody listens at its address"}


async def test_a_failed_notification_is_sent_again_after_growing_waits(house: House) -> None:
    house.receivers.answers["/a"] = lambda: Response("", 500)
    hook = await house.add()
    await house.change()
    await house.until(failed(4), hook)
    moments = [parse_iso(json.loads(ping[2])["timestamp"]) for ping in house.receivers.pings]
    waits = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(moments)]
    # how much longer depends on how fast the machine is while time is moved
    assert [wait >= least for wait, least in zip(waits, (20, 40, 80), strict=True)] == [True] * 3
    house.receivers.answers["/a"] = lambda: Response("", 200)
    shown = await house.until(told, hook)
    assert (shown.last_result["success"], shown.last_result["retryNumber"]) == (True, 4)


async def test_after_thirteen_failures_notifications_are_off_and_payloads_go_on(house: House) -> None:
    house.receivers.answers["/a"] = lambda: Response("", 500)
    hook = await house.add()
    await house.change()
    for failures in range(1, 13):
        await house.until(failed(failures), hook)
        await house.clock.advance(wait_after(failures, 0.5))
    shown = await house.until(failed(13), hook)
    assert (shown.notifies, shown.lives(house.clock.now())) == (False, True)
    assert shown.last_result["willBeRetried"] is False
    await house.change()
    assert len(await house.webhooks.payloads(hook)) == 2
    for _ in range(5):
        await house.pass_time(timedelta(hours=5))
    assert house.receivers.count() == 13

    house.receivers.answers["/a"] = lambda: Response("", 200)
    await house.webhooks.hooks.switch_notifications(hook.id, on=True)
    shown = await house.until(told, hook)
    assert (shown.notifies, house.receivers.count()) == (True, 14)


async def test_notifications_that_are_switched_off_come_when_they_are_switched_on(house: House) -> None:
    hook = await house.add()
    await house.webhooks.hooks.switch_notifications(hook.id, on=False)
    await house.change()
    for _ in range(5):
        await house.pass_time(timedelta(seconds=5))
    assert house.receivers.pings == []
    await house.webhooks.hooks.switch_notifications(hook.id, on=True)
    await house.until(told, hook)
    await house.webhooks.hooks.switch_notifications(hook.id, on=True)
    for _ in range(5):
        await house.pass_time(timedelta(seconds=5))
    assert house.receivers.count() == 1


async def test_a_receiver_that_hangs_holds_no_other_up(house: House) -> None:
    released = threading.Event()

    def hang() -> Response:
        released.wait(10)
        return Response("", 200)

    house.receivers.answers["/a"] = hang
    slow, quick = await house.add("/a"), await house.add("/b")
    try:
        for _ in range(3):
            await house.change()
            await house.until(told, quick)
        assert (await house.webhooks.shown(slow)).last_result is None
    finally:
        released.set()
    await house.until(told, slow)


async def test_of_two_processes_one_notifies(house: House, base: Base, clock: FakeClock, receivers: Receivers) -> None:
    async with process(base, clock, receivers, "another process"):
        hooks = [await house.add(path) for path in ("/a", "/b")]
        await house.change()
        for hook in hooks:
            await house.until(told, hook)
        for _ in range(5):
            await house.pass_time(timedelta(seconds=5))
    assert Counter(ping[0] for ping in receivers.pings) == {"/a": 1, "/b": 1}


async def test_what_a_process_left_that_died_is_taken_over_when_its_lease_ends(house: House) -> None:
    hook = await house.add()
    until = "2026-01-05T12:00:15.000Z"
    async with house.webhooks.base.database.transaction() as tx:
        await tx.run("update webhooks set owner = 'the dead one', until = :until", until=until)
    await house.change()
    await house.until(told, hook)
    assert json.loads(house.receivers.pings[0][2])["timestamp"] >= until


@pytest.mark.parametrize("hours", [-30, 30])
async def test_a_clock_that_is_set_neither_loses_a_notification_nor_keeps_it_for_long(house: House, hours: int) -> None:
    answers = iter([Response("", 500), Response("", 200)])
    house.receivers.answers["/a"] = lambda: next(answers)
    hook = await house.add()
    await house.change()
    await house.until(failed(1), hook)
    began = house.clock.monotonic()
    house.clock.step(timedelta(hours=hours))
    await house.until(told, hook)
    assert house.clock.monotonic() - began < 3_600


async def test_a_courier_that_was_stopped_begins_nothing_and_loses_nothing(house: House) -> None:
    hook = await house.add()
    house.courier.stop()
    await house.change()
    for _ in range(5):
        await house.pass_time(timedelta(seconds=5))
    assert house.receivers.pings == []
    async with process(house.webhooks.base, house.clock, house.receivers, "the next process"):
        await house.until(told, hook)


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/",
        "ftp://receiver.example/",
        "https://",
        "https://ada:secret@receiver.example/",
        "receiver",
        "http://127.0.0.1@receiver.example/",
        "https://receiver.example/" + "x" * 2_000,
    ],
)
async def test_notifications_go_to_https_or_to_this_machine(house: House, url: str) -> None:
    with pytest.raises(NotificationUrlRefused) as refused:
        await house.webhooks.add(url=url)
    assert "secret" not in refused.value.message
    assert await house.webhooks.hooks.all() == []


def test_thirteen_tries_last_about_a_day() -> None:
    waits = [wait_after(failures, 0.5).total_seconds() for failures in range(1, 13)]
    assert waits[:4] == [20, 40, 80, 160]
    assert 20 * 3600 < sum(waits) < 28 * 3600
    assert (wait_after(1, 0.0), wait_after(1, 1.0)) == (timedelta(seconds=15), timedelta(seconds=25))
