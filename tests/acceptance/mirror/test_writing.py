"""Writes to a mirror, as their callers see them."""

import pytest
from tests.acceptance.mirror.conftest import Mirrored, keyed
from tests.service import eventually


def test_a_write_waits_and_is_answered_under_airtables_id(mirror: Mirrored) -> None:
    sent = keyed("/sprints") | {"Name": "first"}
    answer = mirror.client.post("/sprints", json=sent)
    assert answer.status_code == 201
    record = answer.json()["data"]["id"]
    assert answer.headers["Location"] == f"/sprints/{record}"
    assert mirror.there.read("Sprints", record) == sent
    receipt = mirror.receipt(answer.headers["X-Receipt"])
    assert (receipt["state"], receipt["final"]) == ("done", True)
    assert [each["id"] for each in receipt["records"]] == [record]


def test_changes_and_removals_are_done_there_when_they_are_answered(mirror: Mirrored) -> None:
    record = mirror.create(Status="Pending")
    changed = mirror.client.patch(f"/sprints/{record['id']}", json={"Status": "Done"})
    assert changed.status_code == 200
    assert mirror.there.read("Sprints", record["id"])["Status"] == "Done"
    assert mirror.client.delete(f"/sprints/{record['id']}").status_code == 200
    assert mirror.named(record["fields"]["Sprint_ID"]) == []


def test_while_airtable_is_away_a_write_is_accepted_and_its_first_id_leads_to_it_for_ever(mirror: Mirrored) -> None:
    key = keyed("/sprints")["Sprint_ID"]
    with mirror.proxy.away():
        answer = mirror.client.post("/sprints", json={"Sprint_ID": key}, headers={"Prefer": "wait=1"})
        assert answer.status_code == 202
        receipt, provisional = answer.headers["X-Receipt"], answer.json()["data"]["id"]
        assert answer.headers["Location"] == f"/receipts/{receipt}"
        assert answer.headers["Preference-Applied"] == "wait=1"
        assert mirror.receipt(receipt)["state"] == "waiting"
        # what was written is read at once
        assert mirror.client.get(f"/sprints/{provisional}").json()["data"]["fields"] == {"Sprint_ID": key}
    (told,) = mirror.final(receipt)["records"]
    (record,) = mirror.named(key)
    assert told == {"written_as": provisional, "id": record["id"], "state": "done", "reason": None}
    assert provisional != record["id"]
    assert mirror.client.get(f"/sprints/{provisional}").json()["data"]["id"] == record["id"]
    assert mirror.wire.ask("GET", mirror.wire.path("Sprints", provisional))[1]["id"] == record["id"]
    assert mirror.client.patch(f"/sprints/{provisional}", json={"Name": "later"}).status_code == 200
    assert mirror.there.read("Sprints", record["id"])["Name"] == "later"


def test_links_to_a_record_that_airtable_has_not_yet_follow_it(mirror: Mirrored) -> None:
    ours = mirror.wire
    with mirror.proxy.away():
        answers = []
        for table, fields in (("Work", {"Name": "whole"}), ("Parts", {"Name": "early"})):
            if table == "Parts":
                fields["Work"] = [answers[0]["id"]]
            status, record = ours.ask("POST", ours.path(table), json={"fields": fields}, headers={"Prefer": "wait=0"})
            assert status == 202
            answers.append(record)
    whole, early = (record["id"] for record in answers)
    eventually(lambda: ours.ask("GET", ours.path("Parts", early))[1]["id"] != early, within=45)
    real = ours.ask("GET", ours.path("Work", whole))[1]["id"]
    # the link travels in a call of its own, after its record
    part = ours.ask("GET", ours.path("Parts", early))[1]["id"]
    eventually(lambda: mirror.there.read("Parts", part).get("Work") == [real])
    late = ours.create("Parts", {"Name": "late", "Work": [whole]})
    assert mirror.there.read("Parts", late["id"])["Work"] == [real]


def test_a_caller_may_wait_for_nothing_or_for_long(mirror: Mirrored) -> None:
    _, receipt = mirror.write_and_go("POST", "/sprints", json=keyed("/sprints"))
    assert mirror.final(receipt)["state"] == "done"
    patient = mirror.client.post("/sprints", json=keyed("/sprints"), headers={"Prefer": "wait=30"})
    assert patient.status_code == 201
    assert patient.headers["Preference-Applied"] == "wait=30"
    refused = mirror.client.post("/sprints", json=keyed("/sprints"), headers={"Prefer": "wait=61"})
    assert (refused.status_code, refused.json()["error"]["details"]["reason"]) == (422, "malformed-preference")


def test_a_repeated_write_is_done_once_and_its_answer_leads_to_the_record(mirror: Mirrored) -> None:
    key = keyed("/sprints")["Sprint_ID"]
    first, again = (
        mirror.client.post("/sprints", json={"Sprint_ID": key}, headers={"Idempotency-Key": key}) for _ in range(2)
    )
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (first.status_code, again.status_code) == (201, 201)
    (record,) = mirror.named(key)
    assert first.json()["data"]["id"] == record["id"]
    found = mirror.client.get(f"/sprints/{again.json()['data']['id']}")
    assert found.json()["data"]["id"] == record["id"]


def test_a_state_that_has_changed_there_is_no_longer_matched(mirror: Mirrored) -> None:
    record = mirror.create(Name="ours")
    read = mirror.client.get(f"/sprints/{record['id']}")
    status, _ = mirror.there.ask(
        "PATCH", mirror.there.path("Sprints", record["id"]), json={"fields": {"Name": "theirs"}}
    )
    assert status == 200
    # nobody has asked for news since
    meant_for = {"If-Match": read.headers["ETag"]}
    answer = mirror.client.patch(f"/sprints/{record['id']}", json={"Name": "late"}, headers=meant_for)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (412, "record-changed")
    assert mirror.there.read("Sprints", record["id"])["Name"] == "theirs"


def test_heartbeats_are_answered_at_once_and_do_not_go_up_one_by_one(mirror: Mirrored) -> None:
    def sent() -> int:
        return sum(each.method != "GET" for each in mirror.proxy.seen)

    before = sent()
    for _ in range(20):
        answer = mirror.client.post("/heartbeats", json={"Cell_ID": "mirror-beats", "CPU_Usage": 10})
        assert answer.status_code == 201
    # a beat makes its cell known, which goes up as any record does
    assert sent() - before < 5


@pytest.mark.parametrize("mirror", ["sqlite"], indirect=True)
def test_a_thousand_records_of_one_write_go_up_in_tens(mirror: Mirrored) -> None:
    name = keyed("/sprints")["Sprint_ID"]
    sent = [{"Sprint_ID": f"{name}-{number}", "Name": name} for number in range(1_000)]
    calls = mirror.proxy.answered("PATCH") + mirror.proxy.answered("POST")
    _, receipt = mirror.write_and_go("POST", "/sprints", json=sent)
    told = mirror.final(receipt, within=90)
    assert told["state"] == "done"
    assert len({each["id"] for each in told["records"]}) == 1_000
    # what other tests have begun may go up meanwhile
    assert mirror.proxy.answered("PATCH") + mirror.proxy.answered("POST") - calls < 110
    assert mirror.proxy.most_in(1.0) <= 5
