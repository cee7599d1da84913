"""The same answers with and without memory, and cells that fall silent and come back."""

from typing import Any

import httpx2
from tests.service import EventStream, Place, eventually, everything, pages, running

SPRINTS = [
    {
        "Sprint_ID": f"S-{number:03}",
        "Name": ("Über", "unter", "ÉTÉ", "zebra", "Apple")[number % 5] + f" {number % 7}",
        "Status": (None, "Pending", "Active", "Done")[number % 4],
        "Time_Spent_hr": None if number % 6 == 0 else (number * 37 % 100) / 4,
        "Notes": "needle % _ 'quoted'" if number % 9 == 0 else "",
    }
    for number in range(230)
]

QUESTIONS = (
    {},
    {"page_size": 1},
    {"Status": "Active"},
    {"Status": ""},
    {"Time_Spent_hr": "9.25"},
    {"q": "NEEDLE"},
    {"q": "% _ '"},
    {"q": "ber"},
    {"sort": "Name"},
    {"sort": "-Name,Time_Spent_hr", "page_size": 60},
    {"sort": "-Time_Spent_hr", "Status": "Done"},
    {"sort": "Status,-Sprint_ID", "fields": "Sprint_ID,Status"},
    {"updated_since": "2020-01-01T00:00:00Z"},
    {"updated_since": "2999-01-01T00:00:00Z"},
)


def answers(client: httpx2.Client) -> dict[str, Any]:
    """Ask everything that may be answered from memory; what tells the time is left out."""
    found: dict[str, Any] = {str(query): list(pages(client, "/sprints", **query)) for query in QUESTIONS}
    for target in ("S-000", "S-229", found["{}"][0][7]["id"]):
        answer = client.get(f"/sprints/{target}")
        found[target] = (answer.json()["data"], answer.headers["etag"])
    for path in ("/sprints/S-001", "/sprints/S-404", "/cells/S-000"):
        found[path] = client.get(path).status_code
    found["changes"] = client.get("/changes", params={"limit": 1000, "table": "Sprints"}).json()["data"]
    return found


def test_answers_without_memory_are_those_with_memory(place: Place) -> None:
    with running(place) as service, service.client() as client:
        service.wait_for_log("shelf_loaded", table="Sprints")
        client.post("/sprints", json=SPRINTS).raise_for_status()
        client.delete("/sprints/S-001").raise_for_status()
        client.patch("/sprints/S-002", json={"Name": "changed"}).raise_for_status()
        with_memory = answers(client)
    with running(place, {"CACHE_MAX_BYTES": "0"}) as service, service.client() as client:
        service.wait_for_log("shelf_given_up", table="Sprints")
        assert answers(client) == with_memory
        made = client.post("/sprints", json={"Sprint_ID": "new"}).json()["data"]
        assert everything(client, "/sprints")[-1] == made
        assert client.get("/sprints/new").json()["data"] == made
        client.delete("/sprints/new").raise_for_status()
        assert client.get(f"/sprints/{made['id']}").status_code == 404


def test_a_table_that_outgrows_its_memory_is_served_from_the_store_from_then_on(sqlite_place: Place) -> None:
    with running(sqlite_place, {"CACHE_MAX_BYTES": "60000"}) as service, service.client() as client:
        service.wait_for_log("shelf_loaded", table="Sprints")
        held = []
        for start in range(0, len(SPRINTS), 10):
            rows = SPRINTS[start : start + 10]
            held += [row["Sprint_ID"] for row in rows]
            client.post("/sprints", json=rows).raise_for_status()
            assert [record["fields"]["Sprint_ID"] for record in everything(client, "/sprints")] == held
        service.wait_for_log("shelf_given_up", table="Sprints")


def test_a_silent_cell_goes_offline_and_comes_back_by_itself_and_a_busy_one_gets_a_warning(place: Place) -> None:
    with running(place, {"HEARTBEAT_INTERVAL_SECONDS": "1"}) as service, service.client() as client:
        with EventStream(service, table="Cells") as stream:

            def beat(cpu: float) -> None:
                client.post(
                    "/heartbeats", json={"Cell_ID": "c-1", "CPU_Usage": cpu, "RAM_Usage": 10}
                ).raise_for_status()

            def told() -> tuple[str, int]:
                change = stream.next().change
                return change["after"]["Health_Status"], change["actor"]

            beat(5)
            assert told() == ("OK", 2)
            assert told() == ("Offline", 2)
            assert client.get("/cells/c-1").json()["data"]["fields"]["Health_Status"] == "Offline"
            eventually(lambda: client.get("/dashboard").json()["summary"]["down"] == 1)  # told right after Cells
            beat(95)
            assert told() == ("Warning", 2)
            beat(5)
            assert told() == ("OK", 2)
            eventually(lambda: client.get("/dashboard").json()["summary"]["healthy"] == 1)
        (hour, *_) = client.get("/heartbeats/rollup").json()["data"]["rollups"]
        assert hour["cpu"]["max"] in (95, 5)  # the hour may have turned


def test_beats_are_counted_once_although_the_process_is_killed(sqlite_place: Place) -> None:
    beats = [{"Cell_ID": f"c-{number % 3}", "CPU_Usage": 10} for number in range(300)]
    with running(sqlite_place) as service, service.client() as client:
        client.post("/heartbeats", json=beats).raise_for_status()
    with running(sqlite_place) as service, service.client() as client:
        client.post("/heartbeats", json=beats).raise_for_status()
        client.post("/heartbeats", json={"Cell_ID": "the last", "CPU_Usage": 10}).raise_for_status()
        service.wait_for_log("cell_verdict_changed", cell="the last")
        rollups = client.get("/heartbeats/rollup").json()["data"]["rollups"]
        assert sum(hour["beats"] for hour in rollups) == 601
