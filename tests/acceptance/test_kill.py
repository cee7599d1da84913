"""SIGKILL in the middle of full work, again and again, on the same data.

Each worker owns its records and has one request in the air at a time, so it knows what must be there: everything that
was acknowledged, and of its last request all or nothing.
"""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from tests.service import Place, Service, everything, running

from airtable_connector.records import Verified

ROUNDS = 6
CREATORS, CHANGERS, REMOVERS, BULKERS = 5, 3, 2, 2
LARGEST_BULK = 50

WARM = 3
"""Answers that each worker has before the service is killed."""


@dataclass(frozen=True)
class Request:
    """A write, with the Idempotency-Key that makes its repetition the same write."""

    method: str
    path: str
    key: str
    body: Any = None

    async def send(self, client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.request(self.method, self.path, json=self.body, headers={"Idempotency-Key": self.key})


@dataclass
class Journal:
    """What one worker asked and was answered; at most the last request is without an answer."""

    answered: list[tuple[Request, httpx2.Response]] = field(default_factory=list)
    unanswered: Request | None = None
    warm: asyncio.Event = field(default_factory=asyncio.Event)


async def work(wishes: AsyncIterator[Request], client: httpx2.AsyncClient, journal: Journal) -> Journal:
    """Send one wish after the other until the process is gone."""
    async for wish in wishes:
        journal.unanswered = wish
        try:
            answer = await wish.send(client)
        except httpx2.TransportError:
            break
        assert answer.status_code in (200, 201), answer.text
        journal.answered.append((wish, answer))
        journal.unanswered = None
        if len(journal.answered) == WARM:
            journal.warm.set()
    return journal


SNIPER = r"""
import os, signal, socket, sys
port, token, pid, shots, name = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
connection = socket.create_connection(("127.0.0.1", port), timeout=20)
for number in range(shots):
    body = '{"Sprint_ID":"%s-%d"}' % (name, number)
    head = "POST /sprints HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
    connection.sendall((head % token + "Content-Length: %d\r\n\r\n%s" % (len(body), body)).encode())
    reply = b""
    while not reply.endswith(b'"}'):
        reply += connection.recv(65536)
        if number == shots - 1 and reply.startswith(b"HTTP/1.1 201 "):
            os.kill(pid, signal.SIGKILL)
            sys.exit(0)
    assert reply.startswith(b"HTTP/1.1 201 "), reply
"""
"""Writes, and kills the service in the very moment in which the last write is acknowledged.

A process of its own, so that nothing comes between the two: a write that is acknowledged before it is durable has no
time to become so.
"""


@dataclass(frozen=True)
class Sniper:
    """The one who kills the service, and the number of its writes, which were all acknowledged."""

    name: str
    shots: int

    async def kill(self, service: Service) -> None:
        port = service.address.rpartition(":")[2]
        arguments = [port, service.token(), str(service.process.pid), str(self.shots), self.name]
        process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-E", "-c", SNIPER, *arguments)
        assert await process.wait() == 0

    @property
    def acknowledged(self) -> set[str]:
        return {f"{self.name}-{number}" for number in range(self.shots)}


async def creator(name: str) -> AsyncIterator[Request]:
    for number in range(10_000):
        key = f"{name}-{number}"
        yield Request("POST", "/sprints", key, {"Sprint_ID": key, "Name": f"Made by {name}", "Status": "Pending"})


async def changer(name: str) -> AsyncIterator[Request]:
    yield Request("POST", "/sprints", f"{name}-0", {"Sprint_ID": name, "Time_Spent_hr": 0})
    for number in range(1, 10_000):
        yield Request("PATCH", f"/sprints/{name}", f"{name}-{number}", {"Time_Spent_hr": number})


async def remover(name: str) -> AsyncIterator[Request]:
    for number in range(10_000):
        key = f"{name}-{number}"
        yield Request("POST", "/sprints", f"{key}-in", {"Sprint_ID": key})
        yield Request("DELETE", f"/sprints/{key}", f"{key}-out")


async def bulker(name: str, dice: random.Random) -> AsyncIterator[Request]:
    for number in range(10_000):
        key = f"{name}-{number}"
        size = dice.randint(2, LARGEST_BULK)
        yield Request("POST", "/sprints", key, [{"Sprint_ID": f"{key}-{at}"} for at in range(size)])


async def work_until_killed(service: Service, turn: int, dice: random.Random) -> tuple[list[Journal], Sniper]:
    sniper = Sniper(f"r{turn}-sniper", shots=dice.randint(10, 80))
    wishes = [
        *(creator(f"r{turn}-create-{number}") for number in range(CREATORS)),
        *(changer(f"r{turn}-change-{number}") for number in range(CHANGERS)),
        *(remover(f"r{turn}-remove-{number}") for number in range(REMOVERS)),
        *(bulker(f"r{turn}-bulk-{number}", dice) for number in range(BULKERS)),
    ]
    async with service.async_client() as client:
        journals = [Journal() for _ in wishes]
        working = asyncio.gather(*(work(each, client, its) for each, its in zip(wishes, journals, strict=True)))
        await asyncio.wait_for(asyncio.gather(*(journal.warm.wait() for journal in journals)), 30)
        await sniper.kill(service)
        return await working, sniper


def expected_after(journal: Journal) -> dict[str, dict[str, Any]]:
    """Return the fields by key of what the worker was told is there."""
    there: dict[str, dict[str, Any]] = {}
    for request, answer in journal.answered:
        if request.method == "DELETE":
            del there[request.path.removeprefix("/sprints/")]
            continue
        data = answer.json()["data"]
        for record in data.get("records", [data]):
            there[record["fields"]["Sprint_ID"]] = record["fields"]
    return there


def with_the_last(journal: Journal) -> dict[str, dict[str, Any]]:
    """Return the same, had the last request taken effect as well."""
    there = dict(expected_after(journal))
    last = journal.unanswered
    match last:
        case Request(method="POST"):
            rows = last.body if isinstance(last.body, list) else [last.body]
            there.update({row["Sprint_ID"]: row for row in rows})
        case Request(method="PATCH"):
            key = last.path.removeprefix("/sprints/")
            there[key] = {**there[key], **last.body}
        case Request(method="DELETE"):
            del there[last.path.removeprefix("/sprints/")]
    return there


def owned(journal: Journal, held: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    first = journal.answered[0][0] if journal.answered else journal.unanswered
    assert first is not None
    name = "-".join(first.key.split("-")[:3])
    return {key: fields for key, fields in held.items() if key == name or key.startswith(f"{name}-")}


def held_by(client: httpx2.Client) -> dict[str, dict[str, Any]]:
    records = everything(client, "/sprints")
    fields = {record["fields"]["Sprint_ID"]: record["fields"] for record in records}
    assert len(fields) == len(records), "a key is there twice"
    return fields


def repeat_what_was_not_answered(client: httpx2.Client, journals: list[Journal]) -> int:
    """Send each unanswered request again, twice; return how many had taken effect."""
    replayed = 0
    for journal in journals:
        last = journal.unanswered
        if last is None:
            continue
        headers = {"Idempotency-Key": last.key}
        first, again = (client.request(last.method, last.path, json=last.body, headers=headers) for _ in range(2))
        assert first.status_code in (200, 201), first.text
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
        replayed += "idempotency-replayed" in first.headers
    return replayed


def check(service: Service, journals: list[Journal], sniper: Sniper) -> None:
    service.wait_for_log("shelf_loaded", table="Sprints")
    with service.client() as client:
        held = held_by(client)
        assert sniper.acknowledged == {key for key in held if key.startswith(f"{sniper.name}-")}
        expected = [(journal, expected_after(journal), with_the_last(journal)) for journal in journals]
        took_effect = 0
        for journal, without, with_it in expected:
            found = owned(journal, held)
            assert found in (without, with_it)
            took_effect += found == with_it != without
        assert repeat_what_was_not_answered(client, journals) == took_effect
        held = held_by(client)
        assert all(owned(journal, held) == with_it for journal, _, with_it in expected)
        for journal in journals:
            for request, answer in journal.answered[-3:]:
                again = client.request(
                    request.method, request.path, json=request.body, headers={"Idempotency-Key": request.key}
                )
                assert (again.content, again.headers["idempotency-replayed"]) == (answer.content, "true")
        other = client.post("/sprints", json={"Name": "x"}, headers={"Idempotency-Key": journals[0].answered[0][0].key})
        assert (other.status_code, other.json()["error"]["details"]["reason"]) == (422, "idempotency-key-reused")
        check_that_no_change_was_doubled(client, journals)
        # the first list comes from memory, the second one from the store
        in_memory = everything(client, "/sprints")
        in_store = everything(client, "/sprints", sort="Sprint_ID")
        assert sorted(in_memory, key=lambda record: record["id"]) == sorted(in_store, key=lambda record: record["id"])


def check_that_no_change_was_doubled(client: httpx2.Client, journals: list[Journal]) -> None:
    for journal in journals:
        patches = [request for request, _ in journal.answered if request.method == "PATCH"]
        if patches:
            history = client.get(f"{patches[0].path}/history", params={"limit": 1000}).json()["data"]["changes"]
            hours = [change["after"]["Time_Spent_hr"] for change in history]
            assert hours == list(range(len(hours)))


@pytest.mark.anyio
async def test_no_acknowledged_write_is_lost_and_none_is_doubled_however_often_the_process_is_killed(
    place: Place,
) -> None:
    dice = random.Random(20_260_801)
    killed: tuple[list[Journal], Sniper] | None = None
    for turn in range(ROUNDS):
        with running(place) as service:
            if killed is not None:
                check(service, *killed)
            journals, _ = killed = await work_until_killed(service, turn, dice)
            assert any(journal.unanswered for journal in journals)
    assert killed is not None
    with running(place) as service:
        check(service, *killed)
    verified = await asyncio.to_thread(place.verify)
    assert isinstance(verified, Verified), verified
    assert verified.entries > ROUNDS * 30
