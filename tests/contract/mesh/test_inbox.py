"""Messages that come in: who may send them, what they do, and that they do it once."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.factories.letters import trace
from tests.fakes import CountingIds, FakeClock, SpyObserver

from airtable_connector.database import Database
from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.mesh import (
    Contacts,
    ForeignSignature,
    ForeignSource,
    Inbox,
    MalformedMessage,
    Message,
    NotOurMessage,
    OurNames,
    Sender,
    TraceReused,
    UntrustedSignature,
    UntrustedToken,
    Wish,
)
from airtable_connector.ops import DailyDigest, DigestSettings
from airtable_connector.records import SPRINTS, STANDARD_TABLES, Query, Workspace, open_workspace
from airtable_connector.web.domain import COLLECTIONS, DomainMessages
from airtable_connector.web.http import describe_error

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Droplet:
    """A sender, as the edge knows it."""

    droplet: int = 5
    permissions: frozenset[str] = frozenset({"read", "write"})


@dataclass
class House:
    """An inbox over a base of its own; another one over the same base is another process."""

    workspace: Workspace
    database: Database
    clock: FakeClock
    contacts: Contacts = field(init=False)
    understood: int = 0

    def __post_init__(self) -> None:
        self.contacts = Contacts(clock=self.clock, observer=SpyObserver())
        digest = DailyDigest(
            self.workspace,
            self.database,
            clock=self.clock,
            ids=CountingIds(),
            observer=SpyObserver(),
            settings=DigestSettings(2, time(6), ZoneInfo("UTC")),
        )
        self.words = DomainMessages(
            self.workspace,
            collections={path[1:]: name for path, name in COLLECTIONS.items()},
            digest=digest,
            facts={"state": self._state},
        )
        self.inbox = Inbox(
            self.workspace,
            us=OurNames(2, ("drop2.fullpotential.ai", "Airtable Connector")),
            verify=self._verify,
            understand=self._understand,
            describe_error=describe_error,
            contacts=self.contacts,
            clock=self.clock,
        )

    async def tell(self, payload: Any = None, *, sender: Droplet | None = None, **changes: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            await self.inbox.receive(a_message(payload, **changes), sender or Droplet())
        )
        return answer

    async def sprints(self) -> list[dict[str, Any]]:
        page = await self.workspace.page(Query(SPRINTS))
        return [json.loads(blob)["fields"] for blob in page.records]

    async def noted(self) -> list[Any]:
        return [event.payload for event in await self.workspace.logged_events(before=2**62, count=200)]

    async def _state(self) -> Mapping[str, object]:
        return {"cpu_percent": 1.5}

    def _understand(self, message: Message, sender: Sender) -> Wish:
        self.understood += 1
        return self.words.understand(message, sender)

    def _verify(self, token: str, *, at: datetime) -> Droplet:
        if not token.startswith("signed by "):
            raise UntrustedToken("no key of ours signed it", hint="sign it")
        return Droplet(int(token.removeprefix("signed by ")))


def a_message(payload: Any = None, *, number: int = 1, **changes: Any) -> dict[str, Any]:
    usual = {
        "trace_id": trace(number),
        "source": 5,
        "target": 2,
        "message_type": "command",
        "payload": {"command": "ping"} if payload is None else payload,
        "timestamp": "2026-01-05T12:00:00.123456",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not ...}


def creating(name: str = "S-1") -> dict[str, Any]:
    return {"command": "create", "table": "sprints", "fields": {"Sprint_ID": name, "Status": "Active"}}


@pytest.fixture
async def house(database: Database, anyio_backend: str) -> AsyncIterator[House]:
    clock = FakeClock(datetime(2026, 1, 5, 12, tzinfo=UTC))
    async with open_workspace(
        database, clock=clock, ids=CountingIds(), observer=SpyObserver(), tables=STANDARD_TABLES
    ) as workspace:
        yield House(workspace, database, clock)


async def test_a_command_writes_and_says_what_it_wrote(house: House) -> None:
    answer = await house.tell(creating())

    assert (answer["received"], answer["trace_id"], answer["result"]) == (True, trace(1), "success")
    assert answer["processed_at"] == "2026-01-05T12:00:00.000Z"
    (record,) = answer["data"]["records"]
    assert record["fields"] == {"Sprint_ID": "S-1", "Status": "Active"}
    assert await house.sprints() == [{"Sprint_ID": "S-1", "Status": "Active"}]
    (change,) = await house.workspace.changes(after=0, count=10)
    assert (change.actor, change.cause) == (5, trace(1))
    assert await house.noted() == [
        {"source": "5", "message_type": "command", "timestamp": "2026-01-05T12:00:00.123Z", "payload": creating()}
    ]


async def test_every_way_of_writing_goes_through(house: House) -> None:
    await house.tell(creating(), number=1)
    await house.tell({"command": "upsert", "table": "Sprints", "fields": {"Sprint_ID": "S-1", "Name": "a"}}, number=2)
    await house.tell({"action": "update", "table": "sprints", "id": "S-1", "fields": {"Status": "Done"}}, number=3)
    await house.tell({"command": "create", "table": "sprints", "records": [{"Sprint_ID": "S-2"}]}, number=4)
    gone = await house.tell({"command": "delete", "table": "sprints", "id": "S-2"}, number=5)
    digest = await house.tell({"command": "digest"}, number=6)

    assert await house.sprints() == [{"Sprint_ID": "S-1", "Name": "a", "Status": "Done"}]
    assert gone["data"]["records"][0]["deleted"] is True
    assert digest["data"]["summary"]["completed_sprints"] == 1
    assert await house.workspace.count(house.workspace.table("Daily_Digest")) == 1


async def test_queries_answer_with_data(house: House) -> None:
    for number in range(1, 6):
        status = "Active" if number % 2 else "Done"
        await house.tell(
            {"command": "create", "table": "sprints", "fields": {"Sprint_ID": f"S-{number}", "Status": status}},
            number=number,
        )

    async def ask(payload: Any, number: int) -> dict[str, Any]:
        data: dict[str, Any] = (await house.tell(payload, number=number, message_type="query"))["data"]
        return data

    question = {"query": "sprints", "filter": {"Status": "Active"}, "limit": 2, "sort": "-Sprint_ID"}
    active = await ask(question, 10)
    assert [record["fields"]["Sprint_ID"] for record in active["records"]] == ["S-5", "S-3"]
    rest = await ask({**question, "offset": active["offset"]}, 11)
    assert [record["fields"]["Sprint_ID"] for record in rest["records"]] == ["S-1"]
    formula = {"query": "sprints", "filter": 'AND({Status} = "Active", {Sprint_ID} > "S-1")'}
    found = await ask(formula, 16)
    assert [record["fields"]["Sprint_ID"] for record in found["records"]] == ["S-3", "S-5"]
    one = await ask({"query": "sprints", "id": "S-2", "fields": ["Status"]}, 12)
    assert one["record"]["fields"] == {"Status": "Done"}
    assert (await ask({"query": "record", "table": "sprints", "id": "S-2"}, 13))["record"]["fields"]["Status"] == "Done"
    assert await ask({"query": "state"}, 14) == {"cpu_percent": 1.5}
    assert (await ask({"query": "digest"}, 15))["summary"]["active_sprints"] == 3


@pytest.mark.parametrize(
    ("payload", "data"),
    [
        ({"action": "ping"}, {"pong": True}),
        ({"request": "get_metrics"}, {"cpu_percent": 1.5}),
        ({"action": "/status", "route_back": "droplet-12"}, {"cpu_percent": 1.5}),
        ({"action": "/metrics", "data": {}}, {"cpu_percent": 1.5}),
        ({"udc_version": "1.0", "trace_id": "x", "payload": {"action": "ping"}}, {"pong": True}),
    ],
)
async def test_the_words_that_peers_use_today_are_understood(house: House, payload: Any, data: Any) -> None:
    assert (await house.tell(payload))["data"] == data


async def test_a_message_that_comes_fifty_times_at_once_takes_effect_once(house: House) -> None:
    answers = await asyncio.gather(*(house.tell(creating()) for _ in range(50)))

    assert len(await house.sprints()) == 1
    assert len(await house.noted()) == 1
    assert all(answer == answers[0] for answer in answers)


async def test_two_processes_over_one_base_do_it_once_between_them(house: House, database: Database) -> None:
    async with open_workspace(
        database, clock=house.clock, ids=CountingIds(), observer=SpyObserver(), tables=STANDARD_TABLES
    ) as other_workspace:
        other = House(other_workspace, database, house.clock)
        answers = await asyncio.gather(*(each.tell(creating()) for _ in range(5) for each in (house, other)))

    await house.workspace.follow()
    assert len(await house.sprints()) == 1
    assert all(answer == answers[0] for answer in answers)


async def test_a_repetition_is_answered_as_the_first_time_weeks_later(house: House) -> None:
    first = await house.tell(creating())
    await house.tell({"command": "delete", "table": "sprints", "id": "S-1"}, number=2)
    await house.clock.advance(timedelta(days=29))
    again = await house.tell(creating(), timestamp="2026-01-20T12:00:00Z", signature="signed by 5")

    assert again == first
    assert await house.sprints() == []


async def test_a_refusal_is_repeated_too_even_when_it_would_not_be_refused_any_more(house: House) -> None:
    await house.tell(creating(), number=1)
    refused = await house.tell(creating(), number=2)
    await house.tell({"command": "delete", "table": "sprints", "id": "S-1"}, number=3)

    assert (refused["result"], refused["error"]["details"]["reason"]) == ("error", "key-taken")
    assert await house.tell(creating(), number=2) == refused
    assert await house.sprints() == []


async def test_a_trace_id_is_one_senders_own_and_one_messages(house: House) -> None:
    await house.tell(creating("S-1"))
    await house.tell(creating("S-2"), source=7, sender=Droplet(7))
    with pytest.raises(TraceReused):
        await house.tell(creating("S-3"))

    assert [sprint["Sprint_ID"] for sprint in await house.sprints()] == ["S-1", "S-2"]


async def test_a_reply_may_carry_the_trace_id_of_a_message_that_came_before(house: House) -> None:
    await house.tell(creating())
    await house.tell({"done": True}, message_type="response")
    await house.tell({"done": False}, message_type="error")

    noted = await house.workspace.events_because_of(trace(1), kind="message", count=10)
    assert [event.payload["message_type"] for event in noted] == ["command", "response", "error"]


@pytest.mark.parametrize("kind", ["event", "status", "response", "error"])
async def test_what_only_tells_something_is_noted_and_answered(house: House, kind: str) -> None:
    answer = await house.tell({"query": "sprints", "anything": [1, 2]}, message_type=kind)

    assert answer["result"] == "success"
    assert (await house.noted())[0]["payload"] == {"query": "sprints", "anything": [1, 2]}
    known = house.contacts.of("droplet-5")
    assert known.connected
    assert known.told is not None
    assert (known.told.type, known.told.payload) == (kind, {"query": "sprints", "anything": [1, 2]})


@pytest.mark.parametrize(
    ("payload", "kind", "reason"),
    [
        ({"command": "explode"}, "command", "unknown-verb"),
        ({}, "command", "verb-missing"),
        (creating(), "query", "query-that-writes"),
        ({"query": "sprints", "filter": {"Nmae": "x"}}, "query", "unknown-parameter"),
        ({"query": "sprints", "filter": "{Nmae} = 1"}, "query", "formula-unknown-fields"),
        ({"query": "sprints", "limit": 1000}, "query", "invalid-parameter"),
        ({"query": "sprints", "colour": "red"}, "query", "unknown-parameter"),
        ({"query": "sprints", "id": "S-99"}, "query", "record-not-found"),
        ({"command": "create", "table": "nothing", "fields": {}}, "command", "unknown-table"),
        ({"command": "create", "table": "Daily_Digest", "fields": {}}, "command", "invalid-member"),
        ({"command": "create", "table": "sprints", "fields": {"Nmae": 1}}, "command", "unknown-field"),
        ({"command": "update", "table": "sprints", "fields": {}}, "command", "invalid-member"),
        ({"command": "digest", "date": "yesterday"}, "command", "invalid-member"),
    ],
)
async def test_what_cannot_be_done_is_an_answer_that_says_why_and_changes_nothing(
    house: House, payload: Any, kind: str, reason: str
) -> None:
    answer = await house.tell(payload, message_type=kind)

    assert (answer["received"], answer["result"]) == (True, "error")
    assert answer["error"]["details"]["reason"] == reason
    assert answer["error"]["message"]
    assert await house.sprints() == []
    assert len(await house.noted()) == 1


async def test_an_unknown_verb_is_told_what_is_known(house: House) -> None:
    answer = await house.tell({"query": "sprint"}, message_type="query")

    assert "sprints" in answer["error"]["details"]["known"]
    assert answer["error"]["details"]["hint"] == "did you mean 'sprints'?"


async def test_permissions_are_the_senders(house: House) -> None:
    reader = Droplet(5, frozenset({"read"}))
    refused = await house.tell(creating(), sender=reader, number=1)
    allowed = await house.tell({"query": "sprints"}, sender=reader, number=2, message_type="query")

    assert (refused["error"]["code"], allowed["result"]) == ("FORBIDDEN", "success")
    assert await house.sprints() == []


@pytest.mark.parametrize("target", [2, "2", "droplet-2", "drop2.fullpotential.ai", "airtable-connector", "broadcast"])
@pytest.mark.parametrize("source", [5, "5", "droplet-5", "registry"])
async def test_every_way_of_naming_us_and_oneself_is_taken(house: House, target: Any, source: Any) -> None:
    assert (await house.tell(target=target, source=source))["result"] == "success"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"target": 3}, NotOurMessage),
        ({"target": "Dashboard"}, NotOurMessage),
        ({"source": 6}, ForeignSource),
        ({"signature": "signed by 6"}, ForeignSignature),
        ({"signature": "truthy"}, UntrustedSignature),
        ({"signature": 1}, MalformedMessage),
        ({"trace_id": "reg-1"}, MalformedMessage),
        ({"trace_id": ...}, MalformedMessage),
        ({"source": ...}, MalformedMessage),
        ({"source": ""}, MalformedMessage),
        ({"target": None}, MalformedMessage),
        ({"message_type": "heartbeat"}, MalformedMessage),
        ({"message_type": ["query"]}, MalformedMessage),
        ({"payload": []}, MalformedMessage),
        ({"payload": ...}, MalformedMessage),
        ({"timestamp": ...}, MalformedMessage),
        ({"timestamp": "yesterday"}, MalformedMessage),
    ],
)
async def test_what_is_no_message_for_us_from_its_sender_is_refused_and_not_noted(
    house: House, changes: Mapping[str, Any], refusal: type[ConnectorError]
) -> None:
    with pytest.raises(refusal):
        await house.tell(**changes)

    assert await house.noted() == []
    assert house.understood == 0


async def test_messages_are_forgotten_after_their_time(house: House) -> None:
    await house.tell(creating(), number=1)
    await house.clock.advance(timedelta(days=31))
    await house.tell(creating("S-2"), number=2)

    async with asyncio.timeout(10):
        while len(await house.noted()) == 2:
            await house.clock.advance(timedelta(minutes=10))
    assert [each["payload"] for each in await house.noted()] == [creating("S-2")]
