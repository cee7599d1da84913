"""Reads of a mirror: how fresh they are, and how fresh they can be had."""

import asyncio

import httpx2
import pytest
from tests.acceptance.mirror.conftest import (
    ADMIN,
    Mirrored,
    keyed,
    mirroring,
    notification,
    signed,
    wait_until_copied,
)
from tests.service import Place, Service, eventually

from airtable_connector.web.airtable_api import DERIVED_ID


def test_what_is_done_there_is_here_for_whoever_asks_for_the_present(mirror: Mirrored) -> None:
    key = keyed("/sprints")["Sprint_ID"]
    record = mirror.there.create("Sprints", {"Sprint_ID": key, "Name": "new"})["id"]
    fresh = mirror.client.get(f"/sprints/{key}", params={"max_staleness": "0"})
    assert fresh.status_code == 200
    assert fresh.json()["data"]["id"] == record
    assert float(fresh.headers["X-Mirror-Age"]) < 10
    before = int(fresh.headers["X-Mirror-Position"])

    mirror.there.ask("PATCH", mirror.there.path("Sprints", record), json={"fields": {"Name": "newer"}})
    path = mirror.wire.path("Sprints", record)
    assert mirror.wire.ask("GET", path, params={"max_staleness": "0"})[1]["fields"]["Name"] == "newer"

    assert mirror.there.ask("DELETE", mirror.there.path("Sprints", record))[0] == 200
    gone = mirror.client.get("/sprints", params={"Sprint_ID": key, "max_staleness": "0"})
    assert gone.json()["data"]["records"] == []
    assert int(gone.headers["X-Mirror-Position"]) > before


def test_while_airtable_is_away_reads_answer_and_say_how_old_they_are(mirror: Mirrored) -> None:
    record = mirror.create(Name="kept")
    mirror.catch_up()
    with mirror.proxy.away():
        answer = mirror.client.get(f"/sprints/{record['id']}")
        assert answer.json()["data"]["fields"] == record["fields"]
        assert float(answer.headers["X-Mirror-Age"]) > 0
        assert mirror.client.get("/sprints", params={"page_size": 1, "max_staleness": "600"}).status_code == 200


@pytest.mark.parametrize("mirror", ["sqlite"], indirect=True)
def test_what_cannot_be_had_in_time_is_refused_and_never_answered_with_something_older(mirror: Mirrored) -> None:
    table = mirror.wire.path("Sprints")
    asked = (
        ("/sprints", {"max_staleness": "0"}, "too-stale"),
        ("/sprints", {"as_of": "1000000000"}, "position-not-reached"),
        (table, {"max_staleness": "0"}, "RETRIABLE_ERROR"),
    )

    async def ask() -> list[httpx2.Response]:
        async with mirror.here.async_client() as client:
            return await asyncio.gather(*(client.get(path, params=params) for path, params, _ in asked))

    with mirror.proxy.away():
        answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [504] * 3
    assert all("Retry-After" in answer.headers for answer in answers)
    assert [word in answer.text for answer, (_, _, word) in zip(answers, asked, strict=True)] == [True] * 3
    malformed = mirror.client.get("/sprints", params={"max_staleness": "soon"})
    assert (malformed.status_code, malformed.json()["error"]["details"]["reason"]) == (422, "staleness-malformed")


def test_a_notification_of_our_webhook_counts_and_no_other(mirror: Mirrored) -> None:
    key = keyed("/sprints")["Sprint_ID"]
    body = notification(mirror.here.place)
    mac = signed(mirror.here.place, body)
    mirror.there.create("Sprints", {"Sprint_ID": key})

    def tell(mac: str) -> int:
        headers = {"X-Airtable-Content-MAC": mac, "Content-Type": "application/json"}
        with mirror.here.client({}) as airtable:
            return airtable.post("/airtable/notifications", content=body, headers=headers).status_code

    assert tell(mac[:-1] + ("0" if mac[-1] != "0" else "1")) == 401
    assert mirror.client.get(f"/sprints/{key}").status_code == 404
    assert tell(mac) == 204
    # the next poll is an hour away
    eventually(lambda: mirror.client.get(f"/sprints/{key}").status_code == 200)


def test_the_position_never_falls_though_the_webhook_is_replaced(mirror: Mirrored) -> None:
    def position() -> int:
        return int(mirror.client.get("/sprints", params={"page_size": 1}).headers["X-Mirror-Position"])

    for _ in range(3):
        mirror.there.create("Sprints", keyed("/sprints"))
        mirror.catch_up()
    before = position()
    hook = mirror.facts()["mirror"]["webhook"]["id"]
    with mirror.proxy.away():
        assert mirror.there.client.delete(f"/v0/bases/{DERIVED_ID}/webhooks/{hook}").status_code == 200
        key = keyed("/sprints")["Sprint_ID"]
        mirror.there.create("Sprints", {"Sprint_ID": key})
    fresh = {"max_staleness": "0"}
    eventually(lambda: mirror.client.get(f"/sprints/{key}", params=fresh).status_code == 200, within=90)
    assert mirror.facts()["mirror"]["webhook"]["id"] != hook
    assert position() > before


def test_health_and_dependencies_tell_how_airtable_is(mirror: Mirrored) -> None:
    def told() -> tuple[str, str]:
        (airtable,) = mirror.client.get("/dependencies").json()["optional"]
        return mirror.client.get("/health").json()["checks"]["airtable"], airtable["status"]

    mirror.catch_up()
    assert told() == ("connected", "available")
    with mirror.proxy.away():
        mirror.write_and_go("POST", "/sprints", json=keyed("/sprints"))
        eventually(lambda: told() == ("disconnected", "unavailable"))
        # what is here is served, and what is written is kept
        assert mirror.client.get("/health").json()["status"] == "active"
    eventually(lambda: told() == ("connected", "available"), within=45)


def test_without_notifications_news_come_by_polling(airtable: Service, own_place: Place) -> None:
    with mirroring(airtable, own_place, {"AIRTABLE_POLL_SECONDS": "1"}) as mirror:
        wait_until_copied(mirror)
        key = keyed("/sprints")["Sprint_ID"]
        mirror.there.create("Sprints", {"Sprint_ID": key})
        eventually(lambda: mirror.client.get(f"/sprints/{key}").status_code == 200)


def test_reads_during_the_first_copy_say_which_tables_are_not_complete(airtable: Service, own_place: Place) -> None:
    with airtable.client(airtable.headers(ADMIN)) as there:
        for first in range(0, 1_000, 500):
            sent = [{"Proof_ID": f"many-{number}"} for number in range(first, first + 500)]
            assert there.post("/proof", json=sent).status_code == 201
    with mirroring(airtable, own_place) as mirror:

        def copying() -> bool:
            answer = mirror.client.get("/proof", params={"page_size": 1})
            return answer.status_code == 200 and '"Proof"' in answer.headers.get("X-Mirror-Copying", "")

        eventually(copying)
        assert "listing" in {table["phase"] for table in mirror.facts()["mirror"]["tables"]}
        wait_until_copied(mirror)
        answer = mirror.client.get("/proof", params={"page_size": 1})
        assert "X-Mirror-Copying" not in answer.headers
        assert len(mirror.client.get("/proof").json()["data"]["records"]) == 1_000
