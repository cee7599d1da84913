import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.factories.letters import AT, a_letter, trace
from tests.fakes import FakeClock

from airtable_connector.database import Database
from airtable_connector.mesh import (
    Attempt,
    Letter,
    LetterEnded,
    LetterNotFound,
    LetterQuestion,
    LetterState,
    Outbox,
    OutboxFull,
    Priority,
    Settled,
    TraceReused,
)

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=15)
LATER = AT + timedelta(minutes=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(LATER)


@pytest.fixture
def outbox(database: Database, clock: FakeClock) -> Outbox:
    return an_outbox(database, clock)


def an_outbox(database: Database, clock: FakeClock, owner: str = "this process", most: int = 1000) -> Outbox:
    return Outbox(database, owner=owner, lease=LEASE, clock=clock, wake=lambda: None, most=most)


def settled(letter: Letter, state: LetterState, *, status: int | None = 200, wait: int = 0) -> Settled:
    number = letter.attempts + 1
    ended = LATER if state is not LetterState.QUEUED else None
    due = LATER + timedelta(seconds=wait)
    after = replace(letter, state=state, attempts=number, ended_at=ended, due_at=due, reply={"received": True})
    return Settled(after, Attempt(number, LATER, timedelta(milliseconds=12), status, "because"))


async def test_a_stored_letter_comes_back_as_it_was(outbox: Outbox) -> None:
    letter = a_letter(payload={"text": "ünïcode \U0001f4ec", "deep": [1, {"a": None}]}, priority=Priority.LOW)
    await outbox.add(letter)

    found, attempts = await outbox.get(letter.trace_id)

    assert replace(found, seq=0, due_at=None) == letter
    assert attempts == []


async def test_the_same_letter_is_stored_once_and_another_under_its_trace_id_is_refused(outbox: Outbox) -> None:
    first = await outbox.add(a_letter())
    again = await outbox.add(replace(a_letter(), created_at=LATER, cause="another request"))

    assert again.created_at == first.created_at
    with pytest.raises(TraceReused):
        await outbox.add(a_letter(payload={"another": "thing"}))
    assert len(await outbox.page(LetterQuestion())) == 1


async def test_letters_that_arrive_together_are_all_stored_and_each_once(outbox: Outbox) -> None:
    letters = [a_letter(number % 40) for number in range(200)]

    await asyncio.gather(*(outbox.add(letter) for letter in letters))

    found = await outbox.page(LetterQuestion(count=500))
    assert sorted(letter.trace_id for letter in found) == [trace(number) for number in range(40)]


async def test_a_refused_letter_leaves_those_that_arrived_with_it(outbox: Outbox) -> None:
    await outbox.add(a_letter(1))
    outcomes = await asyncio.gather(
        outbox.add(a_letter(2)), outbox.add(a_letter(1, payload={})), outbox.add(a_letter(3)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [Letter, TraceReused, Letter]


async def test_a_queue_gives_the_urgent_first_and_then_the_older(outbox: Outbox) -> None:
    for number, priority in enumerate([Priority.NORMAL, Priority.LOW, Priority.HIGH, Priority.NORMAL]):
        await outbox.add(a_letter(number, priority=priority))

    order = []
    last = None
    while (letter := await outbox.take("droplet-5", last)) is not None:
        order.append(letter.payload["number"])
        last = settled(letter, LetterState.DELIVERED)

    assert order == [2, 0, 3, 1]
    assert await outbox.count() == {"delivered": 4}
    assert await outbox.due_queues() == []


async def test_a_letter_that_must_wait_holds_its_queue_up_and_no_other(outbox: Outbox, clock: FakeClock) -> None:
    for number, to in enumerate([5, 5, 7]):
        await outbox.add(a_letter(number, to=to))
    first = await outbox.take("droplet-5", None)
    assert first is not None

    assert await outbox.take("droplet-5", settled(first, LetterState.QUEUED, status=503, wait=10)) is None
    assert await outbox.due_queues() == ["droplet-7"]
    assert await outbox.next_due() is not None
    await clock.advance(timedelta(seconds=10))

    assert set(await outbox.due_queues()) == {"droplet-5", "droplet-7"}
    again = await outbox.take("droplet-5", None)
    assert again is not None
    assert (again.trace_id, again.attempts) == (first.trace_id, 1)


async def test_two_processes_never_send_from_one_queue_until_one_of_them_is_gone(
    database: Database, clock: FakeClock
) -> None:
    one, other = an_outbox(database, clock, "one"), an_outbox(database, clock, "other")
    await one.add(a_letter())

    assert await one.take("droplet-5", None) is not None
    assert await other.due_queues() == []
    assert await other.take("droplet-5", None) is None
    await clock.advance(LEASE + timedelta(seconds=1))

    assert await other.due_queues() == ["droplet-5"]
    assert await other.take("droplet-5", None) is not None
    assert await one.take("droplet-5", None) is None


async def test_an_attempt_is_written_down_once_however_often_it_is_told(outbox: Outbox) -> None:
    await outbox.add(a_letter())
    letter = await outbox.take("droplet-5", None)
    assert letter is not None
    told = settled(letter, LetterState.ERROR, status=None)
    await outbox.take("droplet-5", told)
    await outbox.take("droplet-5", told)

    found, attempts = await outbox.get(letter.trace_id)

    assert (found.state, found.attempts, found.reply) == (LetterState.ERROR, 1, {"received": True})
    assert attempts == [told.attempt]


async def test_a_dead_letter_can_be_retried_and_a_delivered_one_cannot(outbox: Outbox) -> None:
    await outbox.add(a_letter())
    letter = await outbox.take("droplet-5", None)
    assert letter is not None
    with pytest.raises(LetterEnded):
        await outbox.retry(letter.trace_id, retries=2)
    await outbox.take("droplet-5", settled(letter, LetterState.ERROR))

    queued = await outbox.retry(letter.trace_id, retries=2)

    assert (queued.state, queued.attempts, queued.retries) == (LetterState.QUEUED, 1, 3)
    assert await outbox.due_queues() == ["droplet-5"]
    taken = await outbox.take("droplet-5", None)
    assert taken is not None
    await outbox.take("droplet-5", settled(taken, LetterState.DELIVERED))
    with pytest.raises(LetterEnded):
        await outbox.retry(letter.trace_id, retries=2)


async def test_a_cancelled_letter_is_not_sent_and_the_next_one_is(outbox: Outbox) -> None:
    await outbox.add(a_letter(1))
    await outbox.add(a_letter(2))

    assert (await outbox.cancel(trace(1))).state is LetterState.CANCELLED
    taken = await outbox.take("droplet-5", None)

    assert taken is not None
    assert taken.trace_id == trace(2)
    with pytest.raises(LetterEnded):
        await outbox.cancel(trace(1))
    with pytest.raises(LetterNotFound):
        await outbox.cancel(trace(9))


async def test_withdrawing_the_one_that_holds_the_queue_up_lets_the_others_go(outbox: Outbox) -> None:
    for number in (1, 2):
        await outbox.add(a_letter(number))
    first = await outbox.take("droplet-5", None)
    assert first is not None
    await outbox.take("droplet-5", settled(first, LetterState.QUEUED, status=503, wait=3_000))
    assert await outbox.due_queues() == []

    await outbox.cancel(first.trace_id)

    assert await outbox.due_queues() == ["droplet-5"]
    taken = await outbox.take("droplet-5", None)
    assert taken is not None
    assert taken.trace_id == trace(2)


async def test_a_letter_that_is_cancelled_while_it_is_sent_stays_cancelled(outbox: Outbox) -> None:
    await outbox.add(a_letter())
    letter = await outbox.take("droplet-5", None)
    assert letter is not None
    await outbox.cancel(letter.trace_id)
    await outbox.take("droplet-5", settled(letter, LetterState.QUEUED, wait=10))

    found, attempts = await outbox.get(letter.trace_id)

    assert (found.state, len(attempts)) == (LetterState.CANCELLED, 1)


async def test_letters_are_listed_newest_first_by_state_and_target(outbox: Outbox) -> None:
    for number in range(6):
        await outbox.add(a_letter(number, to=5 + number % 2))
    await outbox.cancel(trace(4))

    async def numbers(**question: object) -> list[object]:
        return [letter.payload["number"] for letter in await outbox.page(LetterQuestion(**question))]

    assert await numbers() == [5, 4, 3, 2, 1, 0]
    assert await numbers(queue="droplet-5") == [4, 2, 0]
    assert await numbers(queue="droplet-5", state=LetterState.QUEUED) == [2, 0]
    two = await outbox.page(LetterQuestion(count=2))
    assert await numbers(before=two[-1].seq, count=2) == [3, 2]


async def test_a_full_outbox_takes_nothing_more_and_says_so(database: Database, clock: FakeClock) -> None:
    outbox = an_outbox(database, clock, most=3)
    outcomes = await asyncio.gather(*(outbox.add(a_letter(number)) for number in range(5)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Letter, Letter, Letter, OutboxFull, OutboxFull]


async def test_letters_that_ended_long_ago_are_forgotten_with_their_attempts(
    outbox: Outbox, database: Database
) -> None:
    for number in (1, 2):
        await outbox.add(a_letter(number))
    letter = await outbox.take("droplet-5", None)
    assert letter is not None
    await outbox.take("droplet-5", settled(letter, LetterState.DELIVERED))

    assert not await outbox.forget(before=LATER)
    assert len(await outbox.page(LetterQuestion())) == 2
    assert not await outbox.forget(before=LATER + timedelta(seconds=1))

    assert [each.trace_id for each in await outbox.page(LetterQuestion())] == [trace(2)]
    async with database.reading() as reader:
        assert await reader.one("select count(*) from outbox_attempts") == (0,)
