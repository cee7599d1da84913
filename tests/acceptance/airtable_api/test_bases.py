"""Bases made through the Meta API, by pyairtable as it is and over the wire. No route of one shows another."""

import asyncio
import base64
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyairtable import Api
from tests.acceptance.airtable_api.conftest import Wire, wait_for_tokens
from tests.postgres import shared_server
from tests.service import Place, Service, running

from airtable_connector.database import open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.mesh import ALL_BASES, AccessTokens
from airtable_connector.web.airtable_api import DERIVED_ID, WORKSPACE_ID, Scope

RIGHTS = "read,write,admin"
BASES = "/v0/meta/bases"
REFUSED = (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
NOTES = {
    "name": "Notes",
    "description": "What was noted",
    "fields": [
        {"name": "Name", "type": "singleLineText"},
        {"name": "n", "type": "number", "options": {"precision": 0}},
        {"name": "Files", "type": "multipleAttachments"},
    ],
}
TOPICS = {"name": "Topics", "fields": [{"name": "Name", "type": "singleLineText"}]}
TABLES = [NOTES, TOPICS]


class Maker(Wire):
    """A caller who makes bases, and looks into one of them."""

    def make(self, *tables: dict[str, Any], name: str = "Made") -> "Maker":
        sent = {"name": name, "workspaceId": WORKSPACE_ID, "tables": list(tables or TABLES)}
        status, made = self.ask("POST", BASES, json=sent)
        assert status == 200, made
        return Maker(self.client, made["id"])

    def refuses(self, **changed: Any) -> tuple[int, str, str]:
        sent = {"name": "Made", "workspaceId": WORKSPACE_ID, "tables": TABLES, **changed}
        return self.refused("POST", BASES, json={name: value for name, value in sent.items() if value is not None})

    def schema(self) -> dict[str, dict[str, Any]]:
        status, body = self.ask("GET", f"{BASES}/{self.base}/tables")
        assert status == 200, body
        return {table["name"]: table for table in body["tables"]}

    def bases(self) -> dict[str, str]:
        status, body = self.ask("GET", BASES)
        assert status == 200
        assert {base["permissionLevel"] for base in body["bases"]} <= {"create"}
        return {base["id"]: base["name"] for base in body["bases"]}


@pytest.fixture
def maker(served: Service) -> Iterator[Maker]:
    with served.client(served.headers(RIGHTS)) as client:
        yield Maker(client)


# --- made -------------------------------------------------------------------------------------------------------


def test_pyairtable_makes_a_base_and_works_in_it(served: Service) -> None:
    api = Api(served.token(RIGHTS), endpoint_url=served.address, timeout=(20, 20))
    api.session.trust_env = False
    try:
        base = api.create_base(WORKSPACE_ID, "Made by pyairtable", TABLES)
        assert base.name == "Made by pyairtable"
        assert base.id in {each.id for each in api.bases(force=True)}
        notes, topics = base.table("Notes"), base.table("Topics")
        assert [table.name for table in base.schema().tables] == ["Notes", "Topics"]
        link = notes.create_field(
            "Topic", "multipleRecordLinks", options={"linkedTableId": base.schema().table("Topics").id}
        )
        topic = topics.create({"Name": "a topic"})
        (note,) = notes.batch_create([{"Name": "a note", "n": 2, link.name: [topic["id"]]}])
        assert topics.get(topic["id"])["fields"] == {"Name": "a topic", "Notes": [note["id"]]}
        assert [each["id"] for each in notes.all(formula="{n}=2")] == [note["id"]]
        done = notes.batch_upsert([{"fields": {"Name": "a note", "n": 3}}], key_fields=["Name"])
        assert (done["createdRecords"], done["updatedRecords"]) == ([], [note["id"]])
        comment = notes.add_comment(note["id"], "noted")
        assert [each.id for each in notes.comments(note["id"])] == [comment.id]
        made = base.create_table("More", [{"name": "Name", "type": "singleLineText"}])
        assert made.create({"Name": "x"})["fields"] == {"Name": "x"}
        hook = base.add_webhook("https://hooks.example/x", {"options": {"filters": {"dataTypes": ["tableData"]}}})
        notes.delete(note["id"])
        (payload,) = base.webhook(hook.id).payloads()
        assert payload.changed_tables_by_id[notes.id].destroyed_record_ids == [note["id"]]
        base.webhook(hook.id).delete()
    finally:
        api.session.close()


def test_what_is_made_is_answered_in_full_and_listed(maker: Maker) -> None:
    sent = {"name": "Described", "workspaceId": WORKSPACE_ID, "tables": TABLES}
    status, made = maker.ask("POST", BASES, json=sent)
    assert (status, made.keys()) == (200, {"id", "tables"})
    notes, topics = made["tables"]
    assert (notes["name"], notes["description"], topics["name"]) == ("Notes", "What was noted", "Topics")
    assert notes["views"][0]["visibleFieldIds"] == [field["id"] for field in notes["fields"]]
    inside = Maker(maker.client, made["id"])
    _, shown = inside.ask("GET", f"{BASES}/{inside.base}/tables", params={"include": "visibleFieldIds"})
    assert shown["tables"] == made["tables"]
    bases = maker.bases()
    assert next(iter(bases)) == DERIVED_ID
    assert bases[made["id"]] == "Described"
    assert not {"Notes", "Topics"} & Maker(maker.client).schema().keys()


def test_what_cannot_be_made_is_refused_in_airtables_words(maker: Maker) -> None:
    before = maker.bases()
    assert maker.refuses(workspaceId=None) == (422, "INVALID_REQUEST", "Server error")
    assert maker.refuses(workspaceId="wspAAAAAAAAAAAAAA") == (404, "MODEL_ID_NOT_FOUND", "Record not found")
    for wrong in ({"workspaceId": 1}, {"name": None}, {"name": ""}, {"tables": None}, {"tables": []}, {"tables": [1]}):
        assert maker.refuses(**wrong)[:2] == (422, "INVALID_REQUEST_UNKNOWN"), wrong
    for table in (
        {"name": "x"},
        {**TOPICS, "id": "tblAAAAAAAAAAAAAA"},
        {**TOPICS, "name": ""},
        {**TOPICS, "fields": []},
    ):
        assert maker.refuses(tables=[table])[:2] == (422, "INVALID_REQUEST_UNKNOWN"), table
    assert maker.refuses(extra=1)[:2] == (422, "INVALID_REQUEST_UNKNOWN")
    assert maker.refuses(tables=[TOPICS, {**TOPICS, "name": "TOPICS"}])[:2] == (422, "DUPLICATE_TABLE_NAME")
    link = {
        "name": "Topic",
        "type": "multipleRecordLinks",
        "options": {"linkedTableId": Maker(maker.client).schema()["Sprints"]["id"]},
    }
    linking = {"name": "Linking", "fields": [*TOPICS["fields"], link]}
    assert maker.refuses(tables=[linking])[:2] == (422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE")
    bad = {"name": "f", "type": "formula", "options": {"formula": "NOPE()"}}
    assert maker.refuses(tables=[TOPICS, {**NOTES, "fields": [*NOTES["fields"], bad]}])[0] == 422
    assert maker.bases() == before


# --- apart from each other --------------------------------------------------------------------------------------


@pytest.fixture
def pair(maker: Maker) -> tuple[Maker, Maker]:
    """Two bases of the same tables."""
    return maker.make(name="One"), maker.make(name="Two")


def test_tables_of_one_name_never_show_each_others_records(maker: Maker, pair: tuple[Maker, Maker]) -> None:
    one, two = pair
    theirs = two.create("Notes", {"Name": "of two", "n": 2})
    mine = one.create("Notes", {"Name": "of one", "n": 1})
    for base, own in ((one, mine), (two, theirs)):
        for table in ("Notes", "notes", base.schema()["Notes"]["id"]):
            assert [record["id"] for record in base.list(table)] == [own["id"]]
            _, page = base.ask("POST", base.path(table, "listRecords"), json={"filterByFormula": "{n} > 0"})
            assert [record["id"] for record in page["records"]] == [own["id"]]
        assert base.list("Notes", filterByFormula=f"RECORD_ID() = '{(theirs if base is one else mine)['id']}'") == []
    # the id of a table, or of a view, leads nowhere from another base
    for base, other in ((one, two), (two, one), (Maker(maker.client), one), (one, Maker(maker.client))):
        foreign = next(iter(other.schema().values()))
        assert base.refused("GET", base.path(foreign["id"]))[:2] == REFUSED
        assert base.refused("POST", base.path(foreign["id"]), json={"fields": {}})[:2] == REFUSED
        path = f"{BASES}/{base.base}/tables/{foreign['id']}"
        assert base.refused("PATCH", path, json={"description": "x"})[:2] == REFUSED
        assert base.refused("POST", f"{path}/fields", json={"name": "x", "type": "url"})[:2] == REFUSED
        field = foreign["fields"][0]["id"]
        assert base.refused("PATCH", f"{path}/fields/{field}", json={"description": "x"})[:2] == REFUSED
        table = next(iter(base.schema()))
        asked = base.refused("GET", base.path(table), params={"view": foreign["views"][0]["id"]})
        assert asked[:2] == (422, "VIEW_ID_NOT_FOUND")


def test_no_route_of_a_record_reaches_into_another_base(maker: Maker, pair: tuple[Maker, Maker]) -> None:
    one, two = pair
    record = two.create("Notes", {"Name": "of two", "n": 2})["id"]
    comment = two.ask("POST", two.path("Notes", record, "comments"), json={"text": "of two"})[1]["id"]
    own = Maker(maker.client)
    upload = {"contentType": "text/plain", "filename": "a.txt", "file": base64.b64encode(b"a").decode()}
    for base, table in ((one, "Notes"), (one, "Topics"), (own, "Sprints")):
        path = base.path(table, record)
        assert base.refused("GET", path)[:2] == REFUSED
        assert base.refused("PATCH", path, json={"fields": {}})[:2] == REFUSED
        assert base.refused("PUT", path, json={"fields": {}})[:2] == REFUSED
        assert base.refused("DELETE", path)[:2] == REFUSED
        assert base.refused("GET", f"{path}/comments")[:2] == REFUSED
        assert base.refused("POST", f"{path}/comments", json={"text": "x"})[:2] == REFUSED
        assert base.refused("PATCH", f"{path}/comments/{comment}", json={"text": "x"})[:2] == REFUSED
        assert base.refused("DELETE", f"{path}/comments/{comment}")[:2] == REFUSED
        many = base.refused("DELETE", base.path(table), params={"records[]": record})
        assert many[:2] == (404, "NOT_FOUND")
        sent = {"records": [{"id": record, "fields": {}}]}
        assert base.refused("PATCH", base.path(table), json=sent)[:2] == (422, "ROW_DOES_NOT_EXIST")
        assert base.refused("POST", f"/v0/{base.base}/{record}/Files/uploadAttachment", json=upload)[:2] == REFUSED
    assert two.read("Notes", record) == {"Name": "of two", "n": 2}
    assert len(two.ask("GET", two.path("Notes", record, "comments"))[1]["comments"]) == 1
    status, _ = two.ask("POST", f"/v0/{two.base}/{record}/Files/uploadAttachment", json=upload)
    assert status == 200


def test_an_upsert_finds_what_is_in_its_base(pair: tuple[Maker, Maker]) -> None:
    one, two = pair
    theirs = two.create("Notes", {"Name": "same", "n": 2})["id"]
    sent = {"performUpsert": {"fieldsToMergeOn": ["Name"]}, "records": [{"fields": {"Name": "same", "n": 1}}]}
    for created in (1, 0):
        _, body = one.ask("PATCH", one.path("Notes"), json=sent)
        assert len(body["createdRecords"]) == created
        assert theirs not in body["createdRecords"] + body["updatedRecords"]
    assert two.read("Notes", theirs) == {"Name": "same", "n": 2}


def test_links_and_their_names_stay_in_a_base(pair: tuple[Maker, Maker]) -> None:
    one, two = pair
    foreign = two.create("Topics", {"Name": "alike"})["id"]
    for base in pair:
        table, topics = base.schema()["Notes"]["id"], base.schema()["Topics"]["id"]
        field = {"name": "Topic", "type": "multipleRecordLinks", "options": {"linkedTableId": topics}}
        status, _ = base.ask("POST", f"{BASES}/{base.base}/tables/{table}/fields", json=field)
        assert status == 200
        other = (two if base is one else one).schema()["Topics"]["id"]
        across = {**field, "name": "Across", "options": {"linkedTableId": other}}
        refused = base.refused("POST", f"{BASES}/{base.base}/tables/{table}/fields", json=across)
        assert refused[:2] == (422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE")
    fields = {"Name": "a", "Topic": [foreign]}
    refused = one.refused("POST", one.path("Notes"), json={"fields": fields})
    # nothing tells that there is such a record elsewhere
    assert refused == (422, "ROW_DOES_NOT_EXIST", f"Record ID {foreign} does not exist in this table")
    sent = {"fields": {"Name": "a", "Topic": ["alike"]}, "typecast": True}
    assert one.refused("POST", one.path("Notes"), json=sent)[:2] == (422, "INVALID_RECORD_ID")
    mine = one.create("Topics", {"Name": "alike"})["id"]
    assert one.create("Notes", sent["fields"], typecast=True)["fields"]["Topic"] == [mine]
    assert one.read("Topics", mine)["Notes"]
    assert "Notes" not in two.read("Topics", foreign)


def test_formula_fields_see_their_own_base(pair: tuple[Maker, Maker]) -> None:
    for number, base in enumerate(pair, start=1):
        table = base.schema()["Notes"]["id"]
        field = {"name": "twice", "type": "formula", "options": {"formula": f"{{n}} * 2 + {number}00"}}
        status, _ = base.ask("POST", f"{BASES}/{base.base}/tables/{table}/fields", json=field)
        assert status == 200
    for number, base in enumerate(pair, start=1):
        assert base.create("Notes", {"n": 5})["fields"]["twice"] == number * 100 + 10
        assert len(base.list("Notes", filterByFormula=f"{{twice}} = {number * 100 + 10}")) == 1


def test_webhooks_of_a_base_are_found_and_told_there_only(maker: Maker, pair: tuple[Maker, Maker]) -> None:
    one, two = pair
    asked = {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}}
    status, hook = one.ask("POST", f"/v0/bases/{one.base}/webhooks", json=asked)
    assert status == 200, hook
    for base in (two, Maker(maker.client)):
        path = f"/v0/bases/{base.base}/webhooks"
        assert hook["id"] not in [each["id"] for each in base.ask("GET", path)[1]["webhooks"]]
        for method, rest, body in (
            ("GET", "/payloads", None),
            ("POST", "/refresh", None),
            ("POST", "/enableNotifications", {"enable": False}),
            ("DELETE", "", None),
        ):
            assert base.refused(method, f"{path}/{hook['id']}{rest}", json=body)[0] == 404
    Maker(maker.client).create("Droplets", {"name": "ours"})
    two.create("Notes", {"Name": "of two"})
    record = one.create("Notes", {"Name": "of one"})["id"]
    _, page = one.ask("GET", f"/v0/bases/{one.base}/webhooks/{hook['id']}/payloads")
    (payload,) = page["payloads"]
    (told,) = payload["changedTablesById"].values()
    assert list(told["createdRecordsById"]) == [record]


def test_the_domain_and_the_change_feed_tell_the_own_base_from_the_others(maker: Maker) -> None:
    sprints = {"name": "Sprints", "fields": [{"name": "Sprint_ID", "type": "singleLineText"}]}
    base = maker.make(sprints)
    position = maker.ask("GET", "/changes", params={"after": 0, "limit": 1000})[1]["data"]
    while position["more"]:
        position = maker.ask("GET", "/changes", params={"after": position["position"], "limit": 1000})[1]["data"]
    after = position["position"]
    record = base.create("Sprints", {"Sprint_ID": "of a made base"})["id"]
    assert maker.ask("GET", "/sprints/of%20a%20made%20base")[0] == 404
    assert maker.ask("GET", f"/sprints/{record}")[0] == 404
    assert maker.ask("GET", "/changes", params={"after": after, "table": "Sprints"})[1]["data"]["changes"] == []
    table = base.schema()["Sprints"]["id"]
    for asked in ({}, {"table": table}):
        (change,) = maker.ask("GET", "/changes", params={"after": after, **asked})[1]["data"]["changes"]
        assert (change["table"], change["table_name"], change["base"]) == (table, "Sprints", base.base)
        assert change["after"] == {"Sprint_ID": "of a made base"}


def test_browsers_may_call_every_base_alike(maker: Maker) -> None:
    base = maker.make()
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}
    answers = [maker.client.options(f"/v0/{each}/Notes", headers=asked) for each in (base.base, DERIVED_ID)]
    assert len({(answer.status_code, answer.headers.get("access-control-allow-origin")) for answer in answers}) == 1


# --- who may, and what stays ------------------------------------------------------------------------------------


def test_an_access_token_opens_the_bases_that_it_names(served: Service, maker: Maker) -> None:
    one, two = maker.make(name="One"), maker.make(name="Two")

    async def make(*granted: frozenset[str]) -> list[str]:
        async with open_database(served.place.location, clock=SystemClock()) as database:
            tokens = AccessTokens(database, clock=SystemClock(), ids=RandomIds())
            wish: Mapping[str, Any] = {"name": "", "scopes": set(Scope), "droplet": 7, "lifetime": timedelta(1)}
            return [(await tokens.create(bases=bases, **wish))[1].reveal() for bases in granted]

    made = asyncio.run(make(frozenset({one.base}), frozenset({one.base, DERIVED_ID}), frozenset({ALL_BASES})))
    wait_for_tokens(served)
    opened = []
    for key in made:
        with served.client({"Authorization": f"Bearer {key}"}) as client:
            caller = Maker(client)
            listed = caller.bases().keys()
            for base in (one.base, two.base, DERIVED_ID):
                status, _ = caller.ask("GET", f"{BASES}/{base}/tables")
                assert (status == 200) == (base in listed)
                assert status in (200, 403)
            opened.append(listed & {one.base, two.base, DERIVED_ID})
            if key is made[-1]:
                assert caller.make().base in caller.bases()
            else:
                assert caller.refuses()[:2] == REFUSED
    assert opened == [{one.base}, {one.base, DERIVED_ID}, {one.base, two.base, DERIVED_ID}]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_made_base_is_there_after_a_restart(kind: str, tmp_path: Path) -> None:
    place = Place(tmp_path / "data", shared_server().new_database() if kind == "postgres" else None)
    with running(place) as service, service.client(service.headers(RIGHTS)) as client:
        base = Maker(client).make(name="Kept")
        record = base.create("Notes", {"Name": "kept"})["id"]
        schema, bases = base.schema(), base.bases()
    with running(place) as service, service.client(service.headers(RIGHTS)) as client:
        again = Maker(client, base.base)
        assert (again.schema(), again.bases()) == (schema, bases)
        assert again.bases()[base.base] == "Kept"
        assert again.read("Notes", record) == {"Name": "kept"}
