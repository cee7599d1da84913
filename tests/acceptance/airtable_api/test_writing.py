"""Writes, as Airtable's clients send them. Numbers in comments are the ideas that a test follows."""

from typing import Any

import pytest
from tests.acceptance.airtable_api.conftest import Wire

MODEL_NOT_FOUND = (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
NOBODY = "recAAAAAAAAAAAAAA"

CREATE_SHAPE = 'You must provide an array of up to 10 record objects, each with a "fields" object for cell values.'
CHANGE_SHAPE = (
    'You must provide an array of up to 10 record objects, each with an "id" ID field and a "fields" object for cell'
    " values."
)
REMOVE_SHAPE = "You must provide an array of up to 10 record IDs."


def test_empty_cells_are_left_out_and_zero_is_not(wire: Wire) -> None:  # 1
    record = wire.create("Everything", {"Ticked": False, "Story": "", "Number": 0, "Tags": []})
    computed = {"Created", "Modified", "Count"}
    assert {name: cell for name, cell in record["fields"].items() if name not in computed} == {"Number": 0}
    assert record["fields"].keys() == computed | {"Number"}


def test_put_empties_what_is_not_named_and_leaves_what_the_store_makes(wire: Wire) -> None:  # 2
    record = wire.create("Everything", {"Story": "x", "Number": 1, "Tags": ["red"]})
    status, replaced = wire.ask("PUT", wire.path("Everything", record["id"]), json={"fields": {"Number": 2}})
    assert status == 200
    assert replaced["fields"].keys() == {"Number", "Created", "Modified", "Count"}
    assert replaced["fields"]["Number"] == 2
    assert replaced["fields"]["Count"] == record["fields"]["Count"]
    assert wire.read("Everything", record["id"]) == replaced["fields"]


def test_patch_changes_only_the_cells_named_and_replaces_lists(wire: Wire) -> None:
    record = wire.create("Everything", {"Story": "x", "Tags": ["red", "blue"]})
    status, changed = wire.ask("PATCH", wire.path("Everything", record["id"]), json={"fields": {"Tags": ["green"]}})
    assert (status, changed["fields"]["Story"], changed["fields"]["Tags"]) == (200, "x", ["green"])
    assert changed["createdTime"] == record["createdTime"]


def test_a_batch_takes_effect_whole_or_not_at_all(wire: Wire) -> None:  # 3
    story = wire.some_name()
    sent = {"records": [{"fields": {"Story": story}}, {"fields": {"Story": story, "Count": 5}}]}
    assert wire.refused("POST", wire.path("Everything"), json=sent) == (
        422, "INVALID_VALUE_FOR_COLUMN", 'Field "Count" cannot accept a value because the field is computed',
    )  # fmt: skip
    assert wire.list("Everything", filterByFormula=f"{{Story}}='{story}'") == []


@pytest.mark.parametrize("number", [0, 11])
def test_a_batch_has_one_to_ten_records(wire: Wire, number: int) -> None:  # 4
    path = wire.path("Odd / table")
    created = {"records": [{"fields": {}}] * number}
    changed = {"records": [{"id": NOBODY, "fields": {}}] * number}
    assert wire.refused("POST", path, json=created) == (422, "INVALID_RECORDS", CREATE_SHAPE)
    for method in ("PATCH", "PUT"):
        assert wire.refused(method, path, json=changed) == (422, "INVALID_RECORDS", CHANGE_SHAPE)
    removed = {"records[]": [NOBODY] * number}
    assert wire.refused("DELETE", path, params=removed) == (422, "INVALID_RECORDS", REMOVE_SHAPE)


@pytest.mark.parametrize(
    "item", [{"fields": {}, "x": 1}, {"fields": []}, {}, 5, {"id": "rec1", "fields": {}}, {"id": 5, "fields": {}}]
)
def test_a_record_of_a_batch_has_its_members_and_no_others(wire: Wire, item: Any) -> None:
    for method in ("POST", "PATCH"):
        assert wire.refused(method, wire.path("Odd / table"), json={"records": [item]})[:2] == (422, "INVALID_RECORDS")


def test_cells_are_named_by_name_or_id_and_answered_as_asked(wire: Wire) -> None:  # 5
    field = field_id(wire, "Everything", "Number")
    record = wire.create("Everything", {field: 1.5, "Story": "x"})
    assert {name: record["fields"][name] for name in ("Number", "Story")} == {"Number": 1.5, "Story": "x"}
    record = wire.create("Everything", {field: 1.5, "Story": "x"}, returnFieldsByFieldId=True)
    assert record["fields"][field] == 1.5
    assert all(name.startswith("fld") for name in record["fields"])
    status, body = wire.ask(
        "PATCH", wire.path("Everything"),
        json={"records": [{"id": record["id"], "fields": {"Number": 2}}], "returnFieldsByFieldId": True},
    )  # fmt: skip
    assert (status, body["records"][0]["fields"][field]) == (200, 2)


def test_a_single_record_is_found_in_the_whole_base_and_a_batch_stays_in_its_table(wire: Wire) -> None:  # 12
    (elsewhere,) = wire.create_many("Odd / table", {"n": 1})
    (here,) = wire.create_many("Everything", {"Story": "stays"})
    assert wire.read("Everything", elsewhere) == {"n": 1}
    changes = {"records": [{"id": here, "fields": {}}, {"id": elsewhere, "fields": {}}]}
    missing = f"Record ID {elsewhere} does not exist in this table"
    assert wire.refused("PATCH", wire.path("Everything"), json=changes) == (422, "ROW_DOES_NOT_EXIST", missing)
    assert wire.refused("DELETE", wire.path("Everything"), params={"records[]": [here, elsewhere]}) == (
        404, "NOT_FOUND", f'Could not find a record with ID "{elsewhere}".',
    )  # fmt: skip
    assert wire.read("Everything", here)["Story"] == "stays"
    assert wire.ask("PATCH", wire.path("Everything", elsewhere), json={"fields": {"n": 2}})[1]["fields"] == {"n": 2}
    assert wire.ask("DELETE", wire.path("Everything", elsewhere)) == (200, {"id": elsewhere, "deleted": True})
    assert wire.refused("GET", wire.path("Odd / table", elsewhere))[:2] == MODEL_NOT_FOUND


def test_a_batch_never_takes_a_record_by_its_key(wire: Wire) -> None:
    key = "recBBBBBBBBBBBBBB"
    record = wire.create("Projects", {"Code": key})
    for method, more in (
        ("PATCH", {"json": {"records": [{"id": key, "fields": {"Code": "taken"}}]}}),
        ("DELETE", {"params": {"records[]": key}}),
    ):
        assert wire.refused(method, wire.path("Projects"), **more)[0] in {422, 404}
    for method, more in (("GET", {}), ("DELETE", {}), ("PATCH", {"json": {"fields": {"Code": "taken"}}})):
        assert wire.refused(method, wire.path("Projects", key), **more)[:2] == MODEL_NOT_FOUND
    assert wire.read("Projects", record["id"]) == {"Code": key}


def test_many_are_removed_together_and_a_doubled_id_counts_once(wire: Wire) -> None:
    first, second = wire.create_many("Odd / table", {"n": 1}, {"n": 2})
    removed = {"records": [{"id": first, "deleted": True}, {"id": second, "deleted": True}]}
    path = wire.path("Odd / table")
    assert wire.ask("DELETE", path, params={"records[]": [first, second, first]}) == (200, removed)
    assert wire.refused("DELETE", wire.path("Odd / table", first))[:2] == MODEL_NOT_FOUND


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "INVALID_REQUEST_MISSING_FIELDS", 'Could not find field "fields" in the request body')),
        ([], (422, "INVALID_REQUEST_UNKNOWN", None)),
        ({"fields": []}, (422, "INVALID_REQUEST_UNKNOWN", None)),
        ({"fields": {}, "records": []}, (422, "INVALID_REQUEST_UNKNOWN", None)),
        ({"fields": {}, "typecast": "true"}, (422, "INVALID_REQUEST_UNKNOWN", None)),
        ({"fields": {}, "colour": 1}, (422, "INVALID_REQUEST_UNKNOWN", None)),
        ({"fields": {"Nmae": 1}}, (422, "UNKNOWN_FIELD_NAME", 'Unknown field name: "Nmae"')),
    ],
)
def test_a_body_of_another_shape_is_refused(wire: Wire, body: Any, expected: tuple[int, str, str | None]) -> None:
    unknown = "Invalid request: parameter validation failed. Check your request data."
    status, kind, message = expected
    assert wire.refused("POST", wire.path("Everything"), json=body) == (status, kind, message or unknown)


@pytest.mark.parametrize(("content", "declared"), [(b"{", "application/json"), (b"{}", "text/plain")])
def test_a_body_that_is_no_json_cannot_be_parsed(wire: Wire, content: bytes, declared: str) -> None:
    refused = wire.refused("POST", wire.path("Everything"), content=content, headers={"Content-Type": declared})
    assert refused == (422, "INVALID_REQUEST_BODY", "Could not parse request body")


@pytest.mark.parametrize(
    ("field", "value", "kind", "message"),
    [
        ("Story", 5, "INVALID_VALUE_FOR_COLUMN", 'Field "Story" cannot accept the provided value'),
        ("Number", "5", "INVALID_VALUE_FOR_COLUMN", 'Field "Number" cannot accept the provided value'),
        ("Ticked", 1, "INVALID_VALUE_FOR_COLUMN", 'Field "Ticked" cannot accept the provided value'),
        ("Stars", 6, "INVALID_VALUE_FOR_COLUMN", 'Field "Stars" cannot accept the provided value'),
        ("Day", "1/31/2026", "INVALID_VALUE_FOR_COLUMN", 'Field "Day" cannot accept the provided value'),
        ("Stage", {"name": "Done"}, "INVALID_VALUE_FOR_COLUMN", "Cannot parse value for field Stage"),
        ("Tags", "red", "INVALID_VALUE_FOR_COLUMN", "Cannot parse value for field Tags"),
        ("Created", None, "INVALID_VALUE_FOR_COLUMN", None),
        ("Files", [{"filename": "x"}], "INVALID_ATTACHMENT_OBJECT", None),
        ("Files", [{"id": "attAAAAAAAAAAAAAA"}], "INVALID_ATTACHMENT_OBJECT", None),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    wire: Wire, field: str, value: object, kind: str, message: str | None
) -> None:
    refused = wire.refused("POST", wire.path("Everything"), json={"fields": {field: value}})
    assert refused[:2] == (422, kind)
    assert message in {None, refused[2]}


def test_an_unknown_choice_is_not_added_with_typecast_or_without(wire: Wire) -> None:  # 21
    for typecast in (False, True):
        for choice in ("Nope", "done"):
            sent = {"fields": {"Stage": choice}, "typecast": typecast}
            assert wire.refused("POST", wire.path("Everything"), json=sent) == (
                422,
                "INVALID_MULTIPLE_CHOICE_OPTIONS",
                f'Insufficient permissions to create new select option ""{choice}""',
            )


def test_links_are_refused_in_four_ways(wire: Wire) -> None:  # 22
    (elsewhere,) = wire.create_many("Odd / table", {"n": 1})
    tables = {table["name"]: table["id"] for table in schema(wire)}
    held_by, linked = tables["Odd / table"], tables["Projects"]

    def refused(value: object) -> tuple[int, str, str]:
        return wire.refused("POST", wire.path("Everything"), json={"fields": {"Projects": value}})

    assert refused("Alice") == (422, "INVALID_RECORD_ID", 'Value "Alice" is not a valid record ID.')
    assert refused([{"id": NOBODY}]) == (422, "INVALID_RECORD_ID", 'Value "[object Object]" is not a valid record ID.')
    assert refused([NOBODY]) == (422, "ROW_DOES_NOT_EXIST", f"Record ID {NOBODY} does not exist in this table")
    assert refused([elsewhere]) == (
        422,
        "ROW_TABLE_DOES_NOT_MATCH_LINKED_TABLE",
        f"Record ID {elsewhere} belongs to table {held_by}, but the field links to table {linked}",
    )


def test_a_record_that_is_gone_is_gone_from_links(wire: Wire) -> None:  # 22
    kept, gone = wire.create_many("Projects", {"Code": wire.some_name()}, {"Code": wire.some_name()})
    record = wire.create("Everything", {"Projects": [gone, kept]})
    wire.ask("DELETE", wire.path("Projects", gone))
    assert wire.read("Everything", record["id"])["Projects"] == [kept]


def test_attachments_are_kept_by_id_and_dropped_by_omission(wire: Wire) -> None:  # 24
    urls = [{"url": "https://files.example/a.png"}, {"url": "https://files.example/b", "filename": "b.txt"}]
    record = wire.create("Everything", {"Files": urls})
    first, second = record["fields"]["Files"]
    assert (first["filename"], second["filename"], second["url"]) == ("a.png", "b.txt", "https://files.example/b")
    path = wire.path("Everything", record["id"])
    _, changed = wire.ask("PATCH", path, json={"fields": {"Files": [{"id": second["id"]}]}})
    assert changed["fields"]["Files"] == [second]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (1640520000000, "2021-12-26T12:00:00.000Z"),
        ("2020-09-05T07:00:00", "2020-09-05T07:00:00.000Z"),
        ("2020-09-05T07:00:00.123+02:00", "2020-09-05T05:00:00.123Z"),
    ],
)
def test_moments_are_read_back_in_utc(wire: Wire, sent: object, kept: str) -> None:  # 25
    assert wire.create("Everything", {"Moment": sent})["fields"]["Moment"] == kept


def test_every_writable_field_takes_null(wire: Wire) -> None:
    (table,) = (table for table in schema(wire) if table["name"] == "Everything")
    computed = {"createdTime", "lastModifiedTime", "autoNumber", "aiText", "externalSyncSource"}
    nothing = {field["name"]: None for field in table["fields"] if field["type"] not in computed}
    record = wire.create("Everything", nothing, typecast=True)
    assert record["fields"].keys() == {"Created", "Modified", "Count"}


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("Story", 5, "5"),
        ("Number", "$1,234.50", 1234.5),
        ("Number", "-7", -7),
        ("Percent", "12.3%", 0.123),
        ("Price", "€ 6.50", 6.5),
        ("Stars", "3", 3),
        ("Took", "1:30", 5400),
        ("Took", "0:01:30", 90),
        ("Ticked", "checked", True),
        ("Tags", "red, blue", ["red", "blue"]),
        ("Day", "1/31/2026", "2026-01-31"),
        ("Day", "2026-01-31T08:00:00Z", "2026-01-31"),
        ("Moment", "1/31/2026 3:05pm", "2026-01-31T15:05:00.000Z"),
    ],
)
def test_typecast_understands_texts(wire: Wire, field: str, sent: object, kept: object) -> None:
    assert wire.create("Everything", {field: sent}, typecast=True)["fields"][field] == kept


@pytest.mark.parametrize(("field", "sent"), [("Number", "many"), ("Day", "31/1/2026"), ("Ticked", "perhaps")])
def test_typecast_refuses_what_it_does_not_understand(wire: Wire, field: str, sent: object) -> None:
    refused = wire.refused("POST", wire.path("Everything"), json={"fields": {field: sent}, "typecast": True})
    assert refused[:2] == (422, "INVALID_VALUE_FOR_COLUMN")


def test_typecast_finds_linked_records_by_name(wire: Wire) -> None:
    name = wire.some_name()
    (project,) = wire.create_many("Projects", {"Code": name})
    for sent in (name, [name], [project]):
        assert wire.create("Everything", {"Projects": sent}, typecast=True)["fields"]["Projects"] == [project]
    sent = {"fields": {"Projects": ["nobody"]}, "typecast": True}
    assert wire.refused("POST", wire.path("Everything"), json=sent)[:2] == (422, "INVALID_RECORD_ID")


def test_a_key_that_is_taken_is_refused_where_airtable_would_double_it(wire: Wire) -> None:
    name = wire.some_name()
    record = wire.create("Projects", {"Code": name})
    status, kind, message = wire.refused("POST", wire.path("Projects"), json={"fields": {"Code": name}})
    assert (status, kind) == (422, "INVALID_VALUE_FOR_COLUMN")
    assert record["id"] in message


class TestUpsert:
    def merge(self, wire: Wire, on: list[str], *records: Any, method: str = "PATCH", **more: Any) -> tuple[int, Any]:
        body = {"performUpsert": {"fieldsToMergeOn": on}, "records": list(records), **more}
        return wire.ask(method, wire.path("Droplets"), json=body)

    def test_ids_matches_and_new_records_keep_their_order(self, wire: Wire) -> None:  # 23
        names = [wire.some_name() for _ in range(3)]
        by_id, matched = wire.create_many("Droplets", {"fqdn": names[0]}, {"fqdn": names[1], "role": "kept"})
        status, body = self.merge(
            wire, ["fqdn"],
            {"fields": {"fqdn": names[2], "cpu": 1}},
            {"id": by_id, "fields": {"cpu": 2}},
            {"fields": {"fqdn": names[1], "cpu": 3}},
        )  # fmt: skip
        assert status == 200
        created = body["records"][0]["id"]
        assert [record["id"] for record in body["records"]] == [created, by_id, matched]
        assert (body["createdRecords"], body["updatedRecords"]) == ([created], [by_id, matched])
        assert body["records"][2]["fields"] == {"fqdn": names[1], "role": "kept", "cpu": 3}

    def test_put_clears_the_other_cells(self, wire: Wire) -> None:  # 23
        name = wire.some_name()
        wire.create("Droplets", {"fqdn": name, "role": "gone"})
        _, body = self.merge(wire, ["fqdn"], {"fields": {"fqdn": name}}, method="PUT")
        assert [record["fields"] for record in body["records"]] == [{"fqdn": name}]
        assert len(body["updatedRecords"]) == 1

    def test_two_counterparts_refuse_the_whole_request(self, wire: Wire) -> None:  # 23
        name, other = wire.some_name(), wire.some_name()
        wire.create_many("Droplets", {"fqdn": name}, {"fqdn": name})
        status, body = self.merge(wire, ["fqdn"], {"fields": {"fqdn": other}}, {"fields": {"fqdn": name}})
        assert status == 422
        assert body["error"]["message"].startswith("Cannot update more than one record")
        assert wire.list("Droplets", filterByFormula=f"{{fqdn}}='{other}'") == []

    def test_an_empty_value_matches_nothing_and_a_missing_one_is_refused(self, wire: Wire) -> None:  # 23
        wire.create("Droplets", {"role": "no fqdn"})
        _, body = self.merge(wire, ["fqdn"], {"fields": {"fqdn": None, "cpu": 7}})
        assert len(body["createdRecords"]) == 1
        status, body = self.merge(wire, ["fqdn"], {"fields": {"cpu": 7}})
        assert (status, body["error"]["type"]) == (422, "INVALID_REQUEST_UNKNOWN")

    def test_all_fields_to_merge_on_must_agree(self, wire: Wire) -> None:
        name = wire.some_name()
        (first,) = wire.create_many("Droplets", {"fqdn": name, "cpu": 1})
        _, body = self.merge(
            wire,
            ["fqdn", "cpu"],
            {"fields": {"fqdn": name, "cpu": 1.0, "mem": 5}},
            {"fields": {"fqdn": name, "cpu": 2}},
        )
        assert (body["updatedRecords"], len(body["createdRecords"])) == ([first], 1)

    def test_records_are_matched_as_they_were_before_the_request(self, wire: Wire) -> None:
        name, renamed = wire.some_name(), wire.some_name()
        (first,) = wire.create_many("Droplets", {"fqdn": name})
        _, body = self.merge(
            wire, ["fqdn"], {"id": first, "fields": {"fqdn": renamed}}, {"fields": {"fqdn": name, "cpu": 1}}
        )
        assert body["updatedRecords"] == [first, first]
        assert wire.read("Droplets", first) == {"fqdn": name, "cpu": 1}

    @pytest.mark.parametrize("on", [[], ["a", "b", "c", "d"], "fqdn", [5]])
    def test_one_to_three_fields_are_merged_on(self, wire: Wire, on: Any) -> None:
        status, body = self.merge(wire, on, {"fields": {}})
        assert (status, body["error"]["type"]) == (422, "INVALID_REQUEST_UNKNOWN")

    def test_merging_on_a_field_that_cannot_tell_is_refused(self, wire: Wire) -> None:
        body = {"performUpsert": {"fieldsToMergeOn": ["Ticked"]}, "records": [{"fields": {"Ticked": True}}]}
        status, kind, message = wire.refused("PATCH", wire.path("Everything"), json=body)
        assert (status, kind) == (422, "INVALID_REQUEST_UNKNOWN")
        assert "Ticked" in message

    def test_an_id_that_is_missing_refuses_the_whole_request(self, wire: Wire) -> None:
        name = wire.some_name()
        status, body = self.merge(wire, ["fqdn"], {"fields": {"fqdn": name}}, {"id": NOBODY, "fields": {}})
        assert (status, body["error"]["type"]) == (422, "ROW_DOES_NOT_EXIST")
        assert wire.list("Droplets", filterByFormula=f"{{fqdn}}='{name}'") == []


def schema(wire: Wire) -> list[dict[str, Any]]:
    status, body = wire.ask("GET", f"/v0/meta/bases/{wire.base}/tables")
    assert status == 200
    return body["tables"]


def field_id(wire: Wire, table: str, name: str) -> str:
    (found,) = (
        field["id"]
        for each in schema(wire)
        if each["name"] == table
        for field in each["fields"]
        if field["name"] == name
    )
    return found
