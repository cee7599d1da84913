"""Formulas in questions, over HTTP, on both stores."""

from datetime import UTC, datetime, timedelta

import httpx2
from tests.service import everything, pages


def add(client: httpx2.Client, mark: str, count: int = 30) -> None:
    rows = [
        {
            "Sprint_ID": f"{mark}-{number:02}",
            "Dev_Name": mark,
            "Status": ["Pending", "Active", "Done"][number % 3],
            "Time_Spent_hr": number / 2,
            "Notes": f'"retries", {{number}} {number}',
        }
        for number in range(count)
    ]
    client.post("/sprints", json=rows).raise_for_status()


def keys(records: list[dict[str, dict[str, str]]]) -> list[str]:
    return [record["fields"]["Sprint_ID"].rpartition("-")[2] for record in records]


def test_a_list_shows_what_a_formula_lets_through_page_by_page_in_any_order(client: httpx2.Client) -> None:
    add(client, "formula")
    filters = 'AND({Dev_Name} = "formula", OR({Status} = "Active", {Time_Spent_hr} > 13))'
    expected = [f"{number:02}" for number in range(30) if number % 3 == 1 or number > 26]
    assert keys(everything(client, "/sprints", filter=filters, page_size=4)) == expected
    descending = everything(client, "/sprints", filter=filters, sort="-Sprint_ID", page_size=4)
    assert keys(descending) == expected[::-1]
    assert keys(everything(client, "/sprints", filter=filters, Status="Done")) == ["29"]
    assert keys(everything(client, "/sprints", filter=filters, q="RETRIES", Status="Done", fields="Sprint_ID")) == [
        "29"
    ]
    quoted = "FIND('\"retries\", {number} 7', {Notes})"
    assert keys(everything(client, "/sprints", filter=f'AND({quoted}, {{Dev_Name}} = "formula")')) == ["07"]


def test_an_offset_belongs_to_its_formula(client: httpx2.Client) -> None:
    add(client, "offset", 4)
    page = client.get("/sprints", params={"filter": '{Dev_Name} = "offset"', "page_size": 2}).json()
    other = client.get("/sprints", params={"filter": '{Dev_Name} = "x"', "page_size": 2, "offset": page["offset"]})
    assert (other.status_code, other.json()["error"]["details"]["reason"]) == (422, "invalid-offset")


def test_a_wrong_formula_is_told_with_the_place_and_a_hint(client: httpx2.Client) -> None:
    formula = 'AND({Status} = "Done", LENN({Notes}) > 3)'
    error = client.get("/sprints", params={"filter": formula}).json()["error"]
    details = error["details"]
    assert error["message"] == "there is no function 'LENN'"
    assert (details["field"], details["start"], details["end"]) == ("filter", 23, 27)
    assert details["hint"] == "did you mean 'LEN'?"
    assert details["pointing"] == f"{formula}\n{' ' * 23}^^^^"


def test_a_formula_that_takes_too_much_work_is_refused_with_advice(client: httpx2.Client) -> None:
    rows = [{"Sprint_ID": f"costly-{number}", "Dev_Name": "costly", "Notes": "x" * 90_000} for number in range(30)]
    for first in range(0, 30, 5):
        client.post("/sprints", json=rows[first : first + 5]).raise_for_status()
    formula = f"XOR({', '.join(['LEN(UPPER({Notes})) = 1'] * 60)})"
    answer = client.get("/sprints", params={"filter": formula, "Dev_Name": "costly"})
    details = answer.json()["error"]["details"]
    assert (answer.status_code, details["reason"], details["field"]) == (422, "formula-too-costly", "filter")
    assert details["steps"] == 200_000_000
    assert "equality" in details["hint"]


def test_a_filtered_list_that_has_not_changed_is_not_sent_again(client: httpx2.Client) -> None:
    add(client, "etag", 3)
    asked = {"filter": '{Dev_Name} = "etag"'}
    first = client.get("/sprints", params=asked)
    tag = {"If-None-Match": first.headers["etag"]}
    assert client.get("/sprints", params=asked, headers=tag).status_code == 304
    client.patch("/sprints/etag-01", json={"Dev_Name": "other"}).raise_for_status()
    changed = client.get("/sprints", params=asked, headers=tag)
    assert (changed.status_code, keys(changed.json()["records"])) == (200, ["00", "02"])


def test_what_depends_on_the_time_has_no_tag(client: httpx2.Client) -> None:
    add(client, "time", 2)
    asked = {"filter": 'AND({Dev_Name} = "time", CREATED_TIME() <= NOW())'}
    for headers in ({}, {"If-None-Match": "*"}):
        answer = client.get("/sprints", params=asked, headers=headers)
        assert (answer.status_code, keys(answer.json()["records"])) == (200, ["00", "01"])
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "private, no-cache"


def test_a_formula_stands_beside_updated_since_and_as_of(client: httpx2.Client) -> None:
    add(client, "since", 6)
    later = datetime.now(UTC) + timedelta(days=1)
    asked = {"filter": '{Dev_Name} = "since"', "updated_since": later.isoformat()}
    assert client.get("/sprints", params=asked).json()["records"] == []
    position = client.patch("/sprints/since-03", json={"Notes": "touched"}).headers["x-feed-position"]
    answer = client.get(
        "/sprints", params={"filter": 'AND({Dev_Name} = "since", {Notes} = "touched")', "as_of": position}
    )
    assert keys(answer.json()["records"]) == ["03"]


def test_whoever_stays_is_shown_once_while_others_come_and_go(client: httpx2.Client) -> None:
    add(client, "stay", 24)
    seen: list[str] = []
    asked = {"filter": 'AND({Dev_Name} = "stay", {Time_Spent_hr} >= 0)', "sort": "-Time_Spent_hr", "page_size": 5}
    for turn, page in enumerate(pages(client, "/sprints", **asked)):
        seen += keys(page)
        client.delete(f"/sprints/stay-{23 - turn:02}").raise_for_status()
        client.post("/sprints", json={"Sprint_ID": f"stay-n{turn}", "Dev_Name": "stay", "Time_Spent_hr": 99})
    assert [key for key in seen if not key.startswith("n")] == [f"{number:02}" for number in range(23, -1, -1)]
