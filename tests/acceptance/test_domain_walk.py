"""The domain API as its callers use it, over HTTP, on both stores."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from tests.service import Place, Service, changes_of_callers, eventually, everything, pages, position, running


def add(client: httpx2.Client, path: str = "/sprints", **fields: object) -> httpx2.Response:
    answer = client.post(path, json=fields)
    assert answer.status_code == 201, answer.text
    return answer


def keys(records: list[dict[str, Any]]) -> list[str]:
    return [record["fields"]["Sprint_ID"] for record in records]


def sprints(mark: str, count: int, **fields: object) -> list[dict[str, object]]:
    return [{"Sprint_ID": f"{mark}-{number:04}", "Dev_Name": mark, **fields} for number in range(count)]


def test_a_record_may_be_sent_flat_or_under_fields_alone_or_in_a_list(client: httpx2.Client) -> None:
    flat = client.post("/sprints", json={"Sprint_ID": "form-1", "Name": "Flat"})
    nested = client.post("/sprints", json={"fields": {"Sprint_ID": "form-2", "Name": "Nested"}})
    listed = client.post("/sprints", json=[{"Sprint_ID": "form-3"}, {"fields": {"Sprint_ID": "form-4"}}])
    wrapped = client.post("/sprints", json={"records": [{"fields": {"Sprint_ID": "form-5"}}]})
    assert [each.status_code for each in (flat, nested, listed, wrapped)] == [201] * 4
    assert flat.json()["data"]["fields"] == {"Sprint_ID": "form-1", "Name": "Flat"}
    assert nested.headers["location"] == f"/sprints/{nested.json()['data']['id']}"
    assert keys(listed.json()["data"]["records"]) == ["form-3", "form-4"]
    assert listed.json()["records"] == listed.json()["data"]["records"]  # where the Dashboard reads it
    assert keys(wrapped.json()["data"]["records"]) == ["form-5"]


def test_a_record_is_read_by_its_id_and_by_its_key(client: httpx2.Client) -> None:
    made = add(client, Sprint_ID="read me/1", Name="A slash and a blank").json()["data"]
    by_id = client.get(f"/sprints/{made['id']}")
    assert by_id.json()["data"] == made
    assert by_id.json()["status"] == "success"
    add(client, Sprint_ID="read me", Name="A blank")
    assert client.get("/sprints/read%20me").json()["data"]["fields"]["Name"] == "A blank"
    assert client.get(f"/sprints/{made['id']}", params={"fields": "Name"}).json()["data"]["fields"] == {
        "Name": "A slash and a blank"
    }


def test_a_list_is_filtered_searched_sorted_and_cut_to_fields(client: httpx2.Client) -> None:
    rows = [
        {"Sprint_ID": "list-a", "Dev_Name": "Lin", "Status": "Active", "Time_Spent_hr": 2.5, "Notes": "Über 9000"},
        {"Sprint_ID": "list-b", "Dev_Name": "Lin", "Status": "Done", "Time_Spent_hr": 10, "Notes": "needle"},
        {"Sprint_ID": "list-c", "Dev_Name": "Lin", "Status": "Active", "Time_Spent_hr": 2.5},
        {"Sprint_ID": "list-d", "Dev_Name": "Lin"},
    ]
    assert client.post("/sprints", json=rows).status_code == 201

    def asked(**query: object) -> list[str]:
        return keys(everything(client, "/sprints", Dev_Name="Lin", **query))

    assert asked() == ["list-a", "list-b", "list-c", "list-d"]
    assert asked(Status="Active") == ["list-a", "list-c"]
    assert asked(Status="") == ["list-d"]
    assert asked(Time_Spent_hr="2.5") == ["list-a", "list-c"]
    assert asked(q="NEEDLE") == ["list-b"]
    assert asked(q="Über") == ["list-a"]
    assert asked(sort="-Time_Spent_hr,-Sprint_ID") == ["list-b", "list-c", "list-a", "list-d"]
    assert asked(sort="Status", page_size=1) == ["list-d", "list-a", "list-c", "list-b"]
    shown = client.get("/sprints", params={"Dev_Name": "Lin", "fields": "Sprint_ID,Status"}).json()["records"]
    assert shown[0]["fields"] == {"Sprint_ID": "list-a", "Status": "Active"}


@pytest.mark.parametrize("mark", ["plain", "sorted", "filtered"])
def test_paging_shows_what_stays_exactly_once_while_others_come_and_go(client: httpx2.Client, mark: str) -> None:
    query = {"plain": {}, "sorted": {"sort": "-Time_Spent_hr"}, "filtered": {"Dev_Name": mark}}[mark]
    client.post("/sprints", json=sprints(mark, 60, Time_Spent_hr=1)).raise_for_status()
    seen: list[str] = []
    removed: set[str] = set()
    for turn, page in enumerate(pages(client, "/sprints", **query, page_size=20)):
        seen += keys([record for record in page if "Sprint_ID" in record["fields"]])
        # one in front of the reader, one behind, and one of those that the reader is to see
        add(client, Sprint_ID=f"{mark}-new-{turn}", Dev_Name=mark, Time_Spent_hr=99)
        client.delete(f"/sprints/{mark}-new-{turn}").raise_for_status()
        if turn < 30:
            removed.add(f"{mark}-{turn * 2:04}")
            client.delete(f"/sprints/{mark}-{turn * 2:04}").raise_for_status()
    stayed = [row["Sprint_ID"] for row in sprints(mark, 60) if row["Sprint_ID"] not in removed]
    assert [key for key in seen if key in set(stayed)] == stayed
    assert len(seen) == len(set(seen))


def test_a_list_and_a_record_that_have_not_changed_are_not_sent_again(client: httpx2.Client) -> None:
    add(client, Sprint_ID="tag-1", Name="Before")
    for path in ("/sprints", "/sprints?sort=Name&page_size=5", "/sprints/tag-1"):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        client.patch("/sprints/tag-1", json={"Name": f"After {path}"}).raise_for_status()
        changed = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200
        assert changed.headers["etag"] != first.headers["etag"]


def test_if_match_guards_against_lost_updates(client: httpx2.Client) -> None:
    tag = add(client, Sprint_ID="match-1", Name="Mine").headers["etag"]
    assert client.get("/sprints/match-1").headers["etag"] == tag
    mine = client.patch("/sprints/match-1", json={"Name": "Newer"}, headers={"If-Match": tag})
    assert mine.status_code == 200
    for refused in (
        client.put("/sprints/match-1", json={"Name": "Stale"}, headers={"If-Match": tag}),
        client.delete("/sprints/match-1", headers={"If-Match": tag}),
    ):
        assert refused.status_code == 412
        details = refused.json()["error"]["details"]
        assert (details["reason"], details["field"], details["etag"]) == (
            "record-changed",
            "If-Match",
            mine.headers["etag"],
        )
    assert client.get("/sprints/match-1").json()["data"]["fields"]["Name"] == "Newer"
    assert client.delete("/sprints/match-1", headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_put_and_patch_change_only_the_fields_named(client: httpx2.Client, method: str) -> None:
    add(client, Sprint_ID=f"part-{method}", Name="Keep", Dev_Name="Empty me", Status="Active")
    changed = client.request(method, f"/sprints/part-{method}", json={"Dev_Name": "", "Status": "Done"})
    assert changed.status_code == 200
    assert changed.json()["data"]["fields"] == {"Sprint_ID": f"part-{method}", "Name": "Keep", "Status": "Done"}


def test_a_deleted_record_answers_json_and_keeps_its_history(client: httpx2.Client) -> None:
    made = add(client, Sprint_ID="past-1", Status="Pending").json()["data"]["id"]
    client.patch(f"/sprints/{made}", json={"Status": "Done"}, headers={"X-Trace-ID": "trace-of-mine"})
    gone = client.delete("/sprints/past-1")
    assert (gone.status_code, gone.json()["data"]) == (200, {"id": made, "deleted": True})
    assert client.get(f"/sprints/{made}").status_code == 404
    assert client.get("/sprints/past-1/history").status_code == 404  # keys are free again, ids never
    history = client.get(f"/sprints/{made}/history").json()["data"]["changes"]
    assert [(change["action"], change["actor"]) for change in history] == [("create", 5), ("update", 5), ("delete", 5)]
    assert (history[1]["before"], history[1]["after"]) == ({"Status": "Pending"}, {"Status": "Done"})
    assert history[1]["trace_id"] == "trace-of-mine"
    page = client.get(f"/sprints/{made}/history", params={"limit": 2}).json()["data"]
    assert page["more"] is True
    rest = client.get(f"/sprints/{made}/history", params={"after": page["position"]}).json()["data"]
    assert [*page["changes"], *rest["changes"]] == history


def test_a_computed_field_is_left_out_and_the_caller_is_told(client: httpx2.Client) -> None:
    made = client.post("/heartbeats", json={"Cell_ID": "computed", "CPU_Usage": 1, "Timestamp": "2001-01-01T00:00:00Z"})
    assert made.status_code == 201
    assert len(made.json()["warnings"]) == 1
    assert "Timestamp" in made.json()["warnings"][0]
    assert made.json()["data"]["fields"]["Timestamp"] == made.json()["data"]["createdTime"] > "2026"


def test_a_mistyped_field_or_parameter_is_answered_with_the_nearest_one(client: httpx2.Client) -> None:
    body = client.post("/sprints", json={"Sprint_Id": "x"}).json()["error"]["details"]
    assert (body["field"], body["hint"]) == ("Sprint_Id", "did you mean 'Sprint_ID'?")
    query = client.get("/sprints?page_siz=5").json()["error"]["details"]
    assert (query["field"], query["hint"]) == ("page_siz", "did you mean 'page_size'?")


def test_a_thousand_records_come_in_one_request_whole_or_not_at_all(client: httpx2.Client) -> None:
    before = position(client)
    many = sprints("bulk", 1_001)
    refused = client.post("/sprints", json=many)
    assert (refused.status_code, refused.json()["error"]["details"]["reason"]) == (422, "too-many-records")
    spoilt = [*many[:999], {**many[999], "Status": "Finished"}]
    assert client.post("/sprints", json=spoilt).json()["error"]["details"]["field"] == "Status"
    doubled = client.post("/sprints", json=[*many[:999], many[0]])
    assert (doubled.status_code, doubled.json()["error"]["details"]["reason"]) == (409, "key-taken")
    assert changes_of_callers(client, after=before) == []
    taken = client.post("/sprints", json=many[:1_000])
    assert taken.status_code == 201
    assert keys(taken.json()["data"]["records"]) == [row["Sprint_ID"] for row in many[:1_000]]
    assert len(everything(client, "/sprints", Dev_Name="bulk", page_size=300)) == 1_000


def test_upsert_changes_a_record_whose_key_exists(client: httpx2.Client) -> None:
    made = add(client, Sprint_ID="up-1", Name="First").json()["data"]
    changed = client.post("/sprints?upsert=true", json={"Sprint_ID": "up-1", "Status": "Done"})
    assert changed.status_code == 200
    assert changed.json()["data"]["id"] == made["id"]
    assert changed.json()["data"]["fields"] == {"Sprint_ID": "up-1", "Name": "First", "Status": "Done"}
    mixed = client.post("/sprints?upsert=true", json=[{"Sprint_ID": "up-1"}, {"Sprint_ID": "up-2"}])
    assert mixed.status_code == 201
    assert len(everything(client, "/sprints", Sprint_ID="up-1")) == 1


def test_a_repeated_idempotency_key_is_the_same_request(client: httpx2.Client) -> None:
    once = {"Idempotency-Key": "walk-once"}
    first = client.post("/sprints", json={"Sprint_ID": "once-1"}, headers=once)
    again = client.post("/sprints", json={"Sprint_ID": "once-1"}, headers=once)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (201, first.content)
    assert [again.headers[name] for name in ("etag", "location")] == [
        first.headers[name] for name in ("etag", "location")
    ]
    other = client.post("/sprints", json={"Sprint_ID": "once-2"}, headers=once)
    assert (other.status_code, other.json()["error"]["details"]["field"]) == (422, "Idempotency-Key")
    removed = [client.delete("/sprints/once-1", headers={"Idempotency-Key": "walk-gone"}) for _ in range(2)]
    assert removed[0].content == removed[1].content
    assert len(everything(client, "/sprints", Sprint_ID="once-2")) == 0


def test_the_same_request_many_times_at_once_takes_effect_once(shared: Service, client: httpx2.Client) -> None:
    rows = sprints("race", 300)
    headers = {**shared.headers(), "Idempotency-Key": "walk-race"}

    def send(_number: int) -> httpx2.Response:
        with shared.client(headers) as own:
            return own.post("/sprints", json=rows)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    taken = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["error"]["details"]["reason"] for answer in answers if answer.status_code == 409} <= {
        "request-in-flight"
    }
    assert len({answer.content for answer in taken}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in taken) == 1
    assert len(everything(client, "/sprints", Dev_Name="race")) == 300


def test_a_read_may_ask_for_a_feed_position(client: httpx2.Client) -> None:
    position = int(add(client, Sprint_ID="as-of-1").headers["x-feed-position"])
    assert client.get("/sprints", params={"as_of": position}).is_success
    assert client.get("/sprints/as-of-1", params={"as_of": position}).is_success


def test_updated_since_shows_only_what_changed(client: httpx2.Client) -> None:
    add(client, Sprint_ID="since-1", Dev_Name="since")
    made = add(client, Sprint_ID="since-2", Dev_Name="since").json()["data"]
    seen_at = datetime.fromisoformat(made["createdTime"]) + timedelta(milliseconds=1)  # times have no finer parts
    eventually(lambda: datetime.now(UTC) > seen_at)
    client.patch("/sprints/since-1", json={"Name": "changed"}).raise_for_status()
    found = everything(client, "/sprints", Dev_Name="since", updated_since=seen_at.isoformat())
    assert keys(found) == ["since-1"]
    assert keys(everything(client, "/sprints", Dev_Name="since", updated_since=made["createdTime"])) == [
        "since-1",
        "since-2",
    ]


def test_head_answers_like_get_without_a_body(client: httpx2.Client) -> None:
    add(client, Sprint_ID="head-1")
    for path in ("/health", "/sprints", "/sprints/head-1", "/sprints/head-1/history", "/dashboard", "/changes"):
        asked, shown = client.head(path), client.get(path)
        assert (asked.status_code, asked.content) == (200, b"")
        assert asked.headers["content-type"] == shown.headers["content-type"]
        assert int(asked.headers["content-length"]) > 0


def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has(client: httpx2.Client) -> None:
    refused = client.delete("/sprints")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert client.post("/sprints/x/history", json={}).status_code == 405
    assert client.options("/sprints/x").headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
    assert client.post("/daily-digest/2026-01-01", json={}).status_code == 405


def test_an_unknown_path_is_not_found_in_the_error_form(client: httpx2.Client) -> None:
    for path in ("/sprint", "/sprints/a/b", "/sprints/", "/v1/app/x", "//sprints"):
        answer = client.get(f"{client.base_url}".rstrip("/") + path)
        assert answer.status_code == 404, path
        assert answer.json()["error"]["code"] == "NOT_FOUND"


def test_the_digest_of_a_day_has_one_row_however_often_it_is_written(client: httpx2.Client) -> None:
    first = client.post("/daily-digest", json={"date": "2026-02-03"})
    again = client.post("/daily-digest", json={"date": "2026-02-03"})
    assert first.status_code == again.status_code == 200
    assert len(everything(client, "/daily-digest", Date="2026-02-03")) == 1
    shown = client.get("/daily-digest/2026-02-03").json()["data"]
    assert shown["fields"]["Total_Sprints"] == len(everything(client, "/sprints"))
    assert again.json()["data"]["records"] == [shown]
    assert "summary" in again.json()
    assert client.post("/daily-digest").is_success
    assert client.get("/daily-digest/2026-02-03/history").json()["data"]["changes"]


def test_beats_show_on_the_dashboard_and_in_the_rollup(shared: Service, client: httpx2.Client) -> None:
    client.post("/cells", json={"Cell_ID": "roll-1", "Role": "Builder", "Cost_per_hr": 0.25}).raise_for_status()
    beats = [{"Cell_ID": "roll-1", "CPU_Usage": cpu, "RAM_Usage": 30} for cpu in (10, 20, 60)]
    assert client.post("/heartbeats", json=beats).status_code == 201
    shared.wait_for_log("cell_verdict_changed", cell="roll-1")
    (hour, *_) = client.get("/heartbeats/rollup", params={"cell": "roll-1"}).json()["data"]["rollups"]
    assert (hour["cell_id"], hour["beats"], hour["cpu"]) == ("roll-1", 3, {"min": 10, "avg": 30, "max": 60})
    dashboard = client.get("/dashboard").json()
    (cell,) = [droplet for droplet in dashboard["droplets"] if droplet["id"] == "roll-1"]
    assert (cell["role"], cell["cost_hour"], cell["cpu"], cell["status"]) == ("Builder", 0.25, 60, "healthy")
    assert dashboard["data"]["summary"] == dashboard["summary"]


def test_a_base_that_is_kept_here_alone_has_no_budget(client: httpx2.Client) -> None:
    refused = client.get("/budget")
    assert refused.status_code == 404
    assert refused.json()["error"]["details"]["reason"] == "no-budget"


def test_webhooks_are_kept_in_a_log_and_write_their_records(client: httpx2.Client) -> None:
    told = {"anything": ["goes", {"here": None}]}
    assert client.post("/webhook", json=told).json()["data"]["received"] is True
    proven = {"proof_id": "hook-1", "sprint_id": "hook-s", "status": "passed", "developer": "Lin"}
    assert client.post("/proof-webhook", json=proven).is_success
    assert client.post("/proof-webhook", json={**proven, "status": "failed"}).is_success
    assert client.get("/proof/hook-1").json()["data"]["fields"]["Result"] == "failed"
    assert len(everything(client, "/proof", Proof_ID="hook-1")) == 1
    beaten = client.post("/heartbeat-webhook", json={"cell_id": "hook-c", "status": "ok", "cpu": 5, "memory": 512})
    assert beaten.json()["data"]["record"]["fields"]["RAM_Usage"] == 512
    log = client.get("/webhook").json()["data"]["events"]
    kinds = ["heartbeat-webhook", "proof-webhook", "proof-webhook", "webhook"]
    assert [event["kind"] for event in log[:4]] == kinds
    assert (log[3]["payload"], log[2]["payload"], log[3]["actor"]) == (told, proven, 5)
    older = client.get("/webhook", params={"before": log[1]["seq"], "limit": 2}).json()["data"]["events"]
    assert older == log[2:4]


def test_a_webhook_told_twice_with_one_idempotency_key_is_kept_once(client: httpx2.Client) -> None:
    told = {"cell_id": "hook-once", "cpu": 5}
    first, again = (
        client.post("/heartbeat-webhook", json=told, headers={"Idempotency-Key": "walk-hook"}) for _ in range(2)
    )
    assert (again.headers["idempotency-replayed"], again.content) == ("true", first.content)
    assert len(everything(client, "/heartbeats", Cell_ID="hook-once")) == 1


def test_sample_data_is_shown_and_written_on_a_laptop(client: httpx2.Client) -> None:
    made = client.post("/write")
    assert made.status_code == 201
    assert set(made.json()["data"]) == {"Sprints", "Cells", "Proof", "Heartbeats"}
    assert "Sprints" in client.get("/read").json()["data"]


def test_in_production_plain_text_and_sample_data_are_refused(postgres_place: Place) -> None:
    production = {"ENVIRONMENT": "production", "TRUSTED_PROXIES": "127.0.0.1/32"}
    with running(postgres_place, production) as service, service.client() as client:
        plain = client.get("/sprints")
        assert (plain.status_code, plain.json()["error"]["details"]["reason"]) == (403, "https-required")
        client.headers["X-Forwarded-Proto"] = "https"
        safe = client.get("/sprints")
        assert safe.status_code == 200
        assert "max-age" in safe.headers["strict-transport-security"]
        assert client.post("/sprints", json={"Sprint_ID": "prod-1"}).status_code == 201
        before = position(client)
        for refused in (client.post("/write"), client.get("/read")):
            assert (refused.status_code, refused.json()["error"]["details"]["reason"]) == (403, "not-in-production")
        assert changes_of_callers(client, after=before) == []


def test_in_production_a_forwarded_proto_from_a_stranger_counts_for_nothing(sqlite_place: Place) -> None:
    with running(sqlite_place, {"ENVIRONMENT": "production"}) as service, service.client() as client:
        assert client.get("/sprints", headers={"X-Forwarded-Proto": "https"}).status_code == 403
        assert client.get("/health").status_code == 200  # the machine itself may look


def test_what_was_written_is_in_the_feed_in_order_and_nothing_else(client: httpx2.Client) -> None:
    begun = position(client)
    made = add(client, Sprint_ID="feed-1").json()["data"]["id"]
    client.patch("/sprints/feed-1", json={"Sprint_ID": "feed-1"}).raise_for_status()  # changes nothing
    client.patch("/sprints/feed-1", json={"Name": "x"}).raise_for_status()
    client.delete("/sprints/feed-1").raise_for_status()
    found = changes_of_callers(client, after=begun)
    assert [(each["record"], each["action"]) for each in found] == [
        (made, "create"),
        (made, "update"),
        (made, "delete"),
    ]
    assert client.get("/health").json()["status"] == "active"
