"""What droplets 1, 7 and 8 send to Airtable today, sent here."""

from tests.acceptance.airtable_api.conftest import Wire

AIRTABLE_JS = {"User-Agent": "Airtable.js/0.12.2", "x-api-version": "0.1.0", "Content-Type": "application/json"}


def test_droplet_1_reports_a_droplet_again_and_again(wire: Wire) -> None:
    name = wire.some_name()
    seen = {
        "fqdn": name, "name": "Voice", "status": "healthy", "cpu": 3.5, "mem": 40, "disk": 12, "cost_hour": 0.01,
        "ip": "192.0.2.6", "role": "voice", "env": "prod", "version": "1.0.0",
    }  # fmt: skip
    counts = []
    for moment in (1_769_800_000, 1_769_800_060):
        body = {"performUpsert": {"fieldsToMergeOn": ["fqdn"]}, "records": [{"fields": {**seen, "last_seen": moment}}]}
        status, answer = wire.ask("PATCH", wire.path("Droplets"), json=body)
        assert status == 200
        counts.append((len(answer["createdRecords"]), len(answer["updatedRecords"])))
    assert counts == [(1, 0), (0, 1)]
    (record,) = wire.list("Droplets", filterByFormula=f"{{fqdn}}='{name}'")
    assert record["fields"] == {**seen, "last_seen": 1_769_800_060}


def test_droplet_7_adds_an_event_also_without_a_number(wire: Wire) -> None:
    event = {"droplet_id": "", "name": wire.some_name(), "ip": "192.0.2.7", "status": "new", "created": "2026-01-31"}
    for fields in ({**event, "assigned_to": "Ada"}, event):
        record = wire.create("events", fields)
        assert record["fields"] == {name: cell for name, cell in fields.items() if cell}


def test_droplet_8_opens_a_submission_and_follows_it(wire: Wire) -> None:
    headers = {**AIRTABLE_JS, "x-airtable-application-id": wire.base}
    path = wire.path("Submissions")
    assert wire.ask("GET", f"{path}?maxRecords=1", headers=headers)[0] == 200
    sent = {
        "Project": "Voice", "Developer Name": "Ada", "Base URL": "https://drop6.example", "Status": "Pending",
        "Submission ID": wire.some_name(), "Started At": "2026-01-31T12:00:00.000Z",
    }  # fmt: skip
    status, record = wire.ask("POST", f"{path}/?", headers=headers, json={"fields": sent})
    assert (status, record["fields"]) == (200, sent)
    assert wire.ask("GET", f"{path}/{record['id']}?", headers=headers) == (200, record)
    finished = {"Status": "Pass", "Score": 92, "Finished At": "2026-01-31T12:05:00.000Z", "Token": "t", "Logs URL": ""}
    status, changed = wire.ask("PATCH", f"{path}/{record['id']}?", headers=headers, json={"fields": finished})
    del finished["Logs URL"]
    assert (status, changed["fields"]) == (200, {**sent, **finished})
