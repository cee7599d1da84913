"""What Airtable refuses, and what was changed on both sides."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.mirror.conftest import WORK, Mirrored, keyed
from tests.faults import Fault
from tests.service import eventually

from airtable_connector.web.airtable_api import DERIVED_ID

TAKEN = "cannot accept the provided value"


@pytest.fixture
def refused(mirror: Mirrored) -> Iterator[dict[str, Any]]:
    """A write that Airtable has refused: another record there, which is not here yet, has the key."""
    key = keyed("/sprints")["Sprint_ID"]
    record = mirror.create(Name="before")
    mirror.there.create("Sprints", {"Sprint_ID": key})
    answer = mirror.client.patch(f"/sprints/{record['id']}", json={"Sprint_ID": key, "Name": "after"})
    yield {"record": record, "key": key, "answer": answer}
    for letter in letters(mirror):
        mirror.client.delete(f"/dead-letters/{letter['number']}")


def letters(mirror: Mirrored) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mirror.client.get("/dead-letters").json()["data"]["dead_letters"]
    return found


def letter_of(mirror: Mirrored, record: str) -> dict[str, Any]:
    eventually(lambda: record in [each["record"] for each in letters(mirror)])
    return next(each for each in letters(mirror) if each["record"] == record)


def test_a_refusal_is_told_in_airtables_words_and_undone_here(mirror: Mirrored, refused: dict[str, Any]) -> None:
    answer, record = refused["answer"], refused["record"]
    assert answer.status_code == 422
    details = answer.json()["error"]["details"]
    assert (details["reason"], details["airtable_type"]) == ("refused-upstream", "INVALID_VALUE_FOR_COLUMN")
    assert TAKEN in answer.json()["error"]["message"]
    assert mirror.receipt(details["receipt"])["state"] == "refused"
    letter_of(mirror, record["id"])
    assert mirror.client.get(f"/sprints/{record['id']}").json()["data"]["fields"] == record["fields"]
    assert mirror.there.read("Sprints", record["id"]) == record["fields"]


def test_a_refusal_below_v0_has_airtables_form(mirror: Mirrored) -> None:
    key = keyed("/sprints")["Sprint_ID"]
    record = mirror.create()
    mirror.there.create("Sprints", {"Sprint_ID": key})
    status, kind, message = mirror.wire.refused(
        "PATCH", mirror.wire.path("Sprints", record["id"]), json={"fields": {"Sprint_ID": key}}
    )
    assert (status, kind) == (422, "INVALID_VALUE_FOR_COLUMN")
    assert TAKEN in message


def test_a_refused_write_is_replayed_with_other_cells(mirror: Mirrored, refused: dict[str, Any]) -> None:
    record = refused["record"]["id"]
    letter = letter_of(mirror, record)
    assert (letter["kind"], letter["table"], letter["actor"]) == ("update", "Sprints", 5)
    assert letter["fields"] == {"Sprint_ID": refused["key"], "Name": "after"}
    assert TAKEN in letter["reason"]
    other = {"Name": "replayed"}
    answer = mirror.client.post(f"/dead-letters/{letter['number']}/replay", json={"fields": other})
    assert answer.status_code == 202
    receipt = answer.json()["data"]["receipt"]
    assert answer.headers["Location"] == f"/receipts/{receipt}"
    assert mirror.final(receipt)["state"] == "done"
    assert mirror.there.read("Sprints", record)["Name"] == "replayed"
    assert record not in [each["record"] for each in letters(mirror)]


def test_a_refused_write_is_dropped(mirror: Mirrored, refused: dict[str, Any]) -> None:
    number = letter_of(mirror, refused["record"]["id"])["number"]
    assert mirror.client.delete(f"/dead-letters/{number}").json()["data"] == {"number": number, "dropped": True}
    assert number not in [each["number"] for each in letters(mirror)]
    assert mirror.client.delete(f"/dead-letters/{number}").status_code == 404


def test_only_administrators_decide_about_refused_writes(mirror: Mirrored) -> None:
    with mirror.here.client() as writer:
        assert writer.get("/dead-letters").status_code == 403
        assert writer.get("/conflicts").status_code == 200


def test_one_refused_record_of_many_does_not_stop_the_others(mirror: Mirrored) -> None:
    records = [mirror.create() for _ in range(3)]
    mirror.there.ask("DELETE", mirror.there.path("Sprints", records[1]["id"]))
    changes = [{"id": each["id"], "fields": {"Name": "together"}} for each in records]
    status, kind, _ = mirror.wire.refused("PATCH", mirror.wire.path("Sprints"), json={"records": changes})
    assert status == 422, kind
    for each in (records[0], records[2]):
        assert mirror.there.read("Sprints", each["id"])["Name"] == "together"
    for letter in letters(mirror):
        mirror.client.delete(f"/dead-letters/{letter['number']}")


@pytest.mark.parametrize(
    ("table", "field", "winner"),
    [
        ("Sprints", "Name", "theirs"),
        ("Cells", "IP_Address", "ours"),
        # newest: theirs was the later one, which only the second table can tell
        ("Proof", "Result", "ours"),
        ("Work", "Name", "theirs"),
    ],
)
def test_a_cell_that_was_changed_on_both_sides_is_decided_by_the_rule_and_listed(
    mirror: Mirrored, table: str, field: str, winner: str
) -> None:
    ours, there = mirror.wire, mirror.there
    record = ours.create(table, {field: "before"})["id"]
    mirror.catch_up()
    # it is tried again after a second, and after two more; in between, the other change becomes known
    mirror.proxy.order(Fault.RETRIABLE_503, method="PATCH", times=2)
    answer = mirror.client.patch(
        ours.path(table, record), json={"fields": {field: "ours"}}, headers={"Prefer": "wait=0"}
    )
    assert answer.status_code == 202
    there.ask("PATCH", there.path(table, record), json={"fields": {field: "theirs"}})
    mirror.catch_up()
    mirror.proxy.forget()
    mirror.final(answer.headers["X-Receipt"])
    (conflict,) = (
        each
        for each in mirror.client.get("/conflicts").json()["data"]["conflicts"]
        if (each["record"], each["field"]) == (record, field)
    )
    assert (conflict["table"], conflict["won"]) == (table, winner)
    assert (conflict["ours"], conflict["theirs"]) == ("ours", "theirs")
    mirror.catch_up()
    assert ours.read(table, record)[field] == there.read(table, record)[field] == winner


def test_a_field_that_is_renamed_there_is_found_by_both_names(mirror: Mirrored) -> None:
    address = f"/v0/meta/bases/{DERIVED_ID}/tables/{WORK.id}/fields/{WORK.field('Sure').id}"
    record = mirror.wire.create("Work", {"Sure": "x"})["id"]
    try:
        assert mirror.there.ask("PATCH", address, json={"name": "Certain"})[0] == 200
        mirror.catch_up()
        eventually(lambda: "Certain" in mirror.wire.read("Work", record))
        path = mirror.wire.path("Work", record)
        assert mirror.wire.ask("PATCH", path, json={"fields": {"Sure": "y"}})[0] == 200
        assert mirror.there.read("Work", record)["Certain"] == "y"
    finally:
        mirror.there.ask("PATCH", address, json={"name": "Sure"})
