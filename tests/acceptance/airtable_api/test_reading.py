"""Lists and single records, as Airtable's clients ask for them. Numbers in comments are of the ideas followed."""

from typing import Any

import pytest
from tests.acceptance.airtable_api.conftest import Wire
from tests.acceptance.airtable_api.test_writing import field_id, schema

UNKNOWN = (422, "INVALID_REQUEST_UNKNOWN")


def walk(wire: Wire, table: str, **parameters: Any) -> list[list[dict[str, Any]]]:
    """Follow the offsets to the end."""
    pages: list[list[dict[str, Any]]] = []
    offset: dict[str, str] = {}
    while True:
        status, body = wire.ask("GET", wire.path(table), params={**parameters, **offset})
        assert status == 200, body
        pages.append(body["records"])
        if "offset" not in body:
            return pages
        offset = {"offset": body["offset"]}


@pytest.fixture
def thirty(wire: Wire) -> tuple[str, list[str]]:
    """Thirty records: the text that they share, and their ids."""
    name = wire.some_name()
    return name, wire.create_many("Droplets", *({"name": name, "cpu": number} for number in range(30)))


def test_the_last_page_has_no_offset(wire: Wire, thirty: tuple[str, list[str]]) -> None:  # 7
    name, ids = thirty
    chosen = {"filterByFormula": f"{{name}}='{name}'"}
    assert [len(page) for page in walk(wire, "Droplets", pageSize=10, maxRecords=25, **chosen)] == [10, 10, 5]
    assert [len(page) for page in walk(wire, "Droplets", pageSize=10, maxRecords=20, **chosen)] == [10, 10]
    pages = walk(wire, "Droplets", pageSize=10, **chosen)
    assert [record["id"] for page in pages for record in page] == ids


def test_the_offset_of_another_question_or_none_is_refused(wire: Wire, thirty: tuple[str, list[str]]) -> None:  # 8
    status, body = wire.ask("GET", wire.path("Droplets"), params={"pageSize": 10})
    assert (status, len(body["records"])) == (200, 10)
    for offset, more in (
        ("abc", {}),
        ("itrAAAAAAAAAAAAAA/recAAAAAAAAAAAAAA", {}),
        (body["offset"], {"sort[0][field]": "cpu"}),
    ):
        refused = wire.refused("GET", wire.path("Droplets"), params={"offset": offset, **more})
        assert refused == (422, "INVALID_OFFSET_VALUE", f"The value of offset {offset} is invalid")
    assert wire.ask("GET", wire.path("Droplets"), params={"offset": "", "pageSize": 10})[1] == body


def test_a_record_removed_between_pages_costs_no_other(wire: Wire, thirty: tuple[str, list[str]]) -> None:  # 9
    name, ids = thirty
    chosen = {"filterByFormula": f"{{name}}='{name}'", "pageSize": 10}
    _, first = wire.ask("GET", wire.path("Droplets"), params=chosen)
    for gone in (ids[9], ids[10]):
        wire.ask("DELETE", wire.path("Droplets", gone))
    _, second = wire.ask("GET", wire.path("Droplets"), params={**chosen, "offset": first["offset"]})
    assert [record["id"] for record in second["records"]] == ids[11:21]


def test_the_view_is_found_by_name_and_id_and_by_nothing_else(wire: Wire) -> None:  # 10
    views = {table["name"]: table["views"][0] for table in schema(wire)}
    own, other = views["Everything"], views["Projects"]
    wire.create("Everything", {"Story": "seen"})
    everything = wire.list("Everything")
    assert wire.list("Everything", view=own["name"]) == wire.list("Everything", view=own["id"]) == everything
    path = wire.path("Everything")
    assert wire.ask("GET", path, params={"view": other["id"]}) == (422, {"error": {"type": "FAILED_STATE_CHECK"}})
    assert wire.refused("GET", path, params={"view": "X"}) == (422, "VIEW_NAME_NOT_FOUND", "View X not found")
    missing = "viwAAAAAAAAAAAAAA"
    assert wire.refused("GET", path, params={"view": missing})[1:] == ("VIEW_ID_NOT_FOUND", f"View {missing} not found")


def test_choices_are_sorted_in_their_own_order_with_empty_cells_first(wire: Wire) -> None:  # 11
    story = wire.some_name()
    stages = ["Done", None, "Waiting", "Active", "Waiting"]
    wire.create_many("Everything", *({"Story": story, "Stage": each, "Number": n} for n, each in enumerate(stages)))

    def sorted_by(**sort: str) -> list[int]:
        found = wire.list("Everything", filterByFormula=f"{{Story}}='{story}'", **sort)
        return [record["fields"]["Number"] for record in found]

    assert sorted_by(**{"sort[0][field]": "Stage"}) == [1, 2, 4, 3, 0]
    assert sorted_by(**{"sort[0][field]": "Stage", "sort[0][direction]": "desc"}) == [0, 3, 2, 4, 1]
    both = {
        "sort[1][field]": "Number",
        "sort[1][direction]": "desc",
        "sort[0][field]": field_id(wire, "Everything", "Stage"),
    }
    assert sorted_by(**both) == [1, 4, 2, 3, 0]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"pageSize": "0"}, UNKNOWN),
        ({"pageSize": "101"}, UNKNOWN),
        ({"pageSize": "ten"}, UNKNOWN),
        ({"maxRecords": "0"}, UNKNOWN),
        ({"colour": "red"}, UNKNOWN),
        ({"returnFieldsByFieldId": "2"}, UNKNOWN),
        ({"cellFormat": "xml"}, UNKNOWN),
        ({"cellFormat": "string", "timeZone": "utc"}, UNKNOWN),
        ({"cellFormat": "string", "timeZone": "Mars/Base", "userLocale": "en"}, UNKNOWN),
        ({"recordMetadata[]": "likes"}, UNKNOWN),
        ({"sort[0][field]": "Story", "sort[0][direction]": "up"}, UNKNOWN),
        ({"sort[0][direction]": "asc"}, UNKNOWN),
        ({"sort[0][field]": "Tags"}, UNKNOWN),
        ({"sort[0][field]": "Nope"}, (422, "UNKNOWN_FIELD_NAME")),
        ({"fields[]": "Nope"}, (422, "UNKNOWN_FIELD_NAME")),
    ],
)
def test_a_parameter_that_is_wrong_is_refused(wire: Wire, parameters: dict[str, str], expected: Any) -> None:
    assert wire.refused("GET", wire.path("Everything"), params=parameters)[:2] == expected


@pytest.mark.parametrize(
    "body",
    [
        {"pageSize": "5"},
        {"pageSize": True},
        {"fields": "Story"},
        {"sort": {"field": "Story"}},
        {"sort": [{"field": "Story", "x": 1}]},
        {"sort": [{"field": "Story", "direction": []}]},
        {"returnFieldsByFieldId": 1},
        {"limit": 5},
        {"offset": None},
        {"view": 5},
        {"pageSize": 1.5},
        {"timeZone": 1},
        {"userLocale": None},
    ],
)
def test_a_body_that_asks_wrongly_is_refused(wire: Wire, body: dict[str, Any]) -> None:
    path = wire.path("Everything", "listRecords")
    for query in ({}, {"timeZone": "utc", "userLocale": "en"}):
        assert wire.refused("POST", path, params=query, json=body)[:2] == UNKNOWN


def test_a_whole_number_may_be_written_with_a_point(wire: Wire) -> None:
    wire.create("Odd / table", {})
    wire.create("Odd / table", {})
    status, found = wire.ask("POST", wire.path("Odd / table", "listRecords"), json={"maxRecords": 1.0})
    assert (status, len(found["records"])) == (200, 1)


@pytest.mark.parametrize("spelling", ["fields", "fields[]", "fields[0]"])
def test_lists_are_spelled_in_three_ways(wire: Wire, spelling: str) -> None:
    record = wire.create("Everything", {"Story": "x", "Number": 1})
    (found,) = wire.list("Everything", filterByFormula=f"RECORD_ID()='{record['id']}'", **{spelling: "Story"})
    assert found["fields"] == {"Story": "x"}


@pytest.mark.parametrize("asked", ["1", "true"])
def test_cells_are_keyed_by_field_id_when_asked(wire: Wire, asked: str) -> None:  # 6
    record = wire.create("Everything", {"Story": "x"})
    story = field_id(wire, "Everything", "Story")
    chosen = {"filterByFormula": f"RECORD_ID()='{record['id']}'", "fields[]": "Story"}
    assert wire.list("Everything", returnFieldsByFieldId=asked, **chosen)[0]["fields"] == {story: "x"}
    _, one = wire.ask("GET", wire.path("Everything", record["id"]), params={"returnFieldsByFieldId": asked})
    assert one["fields"][story] == "x"


def test_a_single_record_takes_no_list_of_fields(wire: Wire) -> None:
    record = wire.create("Everything", {})
    path = wire.path("Everything", record["id"])
    assert wire.refused("GET", path, params={"fields[]": "Story"})[:2] == UNKNOWN


def test_a_long_question_is_asked_in_the_body(wire: Wire) -> None:  # 15
    record = wire.create("Everything", {"Story": "found", "Number": 2})
    formula = f"OR(RECORD_ID()='{record['id']}'" + ",{Story}='nothing like it'" * 600 + ")"
    assert len(formula) > 14_000
    body = {
        "filterByFormula": formula, "sort": [{"field": "Number", "direction": "desc"}], "fields": ["Number"],
        "view": "Grid view", "offset": "", "method": "post", "timeZone": "utc", "recordMetadata": ["commentCount"],
    }  # fmt: skip
    path = wire.path("Everything", "listRecords")
    status, found = wire.ask("POST", path, params={"timeZone": "utc", "userLocale": "en"}, json=body)
    assert (status, [each["fields"] for each in found["records"]]) == (200, [{"Number": 2}])


def test_an_address_is_shorter_than_16000_characters(wire: Wire) -> None:
    def asked(length: int) -> str:
        start = wire.path("Everything") + "?filterByFormula="
        return start + "1".ljust(length - len(start), "+")

    assert wire.ask("GET", asked(15_999))[0] == 200
    assert wire.refused("GET", asked(16_000))[:2] == (414, "INVALID_REQUEST_UNKNOWN")


@pytest.mark.parametrize("text", ['Mike\'s "x" \\ y', "trailing\\", "😀 und ß"])
def test_what_clients_escape_comes_back(wire: Wire, text: str) -> None:  # 16
    record = wire.create("Everything", {"Story": text})
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    chosen = f"AND({{Story}}='{escaped}',RECORD_ID()='{record['id']}')"
    assert [each["id"] for each in wire.list("Everything", filterByFormula=chosen)] == [record["id"]]


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("{Story}='a\nb'", "Invalid formula. Please check your formula text."),
        ("{Story}=", "Invalid formula. Please check your formula text."),
        ("AND({Date Added},{x})", "Unknown field names: date added, x"),
        ("BAD({Story})", "Unknown function names: BAD"),
    ],
)
def test_a_formula_that_is_none_says_why(wire: Wire, formula: str, message: str) -> None:  # 16, 20
    assert wire.refused("GET", wire.path("Everything"), params={"filterByFormula": formula}) == (
        422, "INVALID_FILTER_BY_FORMULA", f"The formula for filtering records is invalid: {message}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "found"),
    [("{Number}=0", [None, 0]), ("{Number}<30", [None, 0, 5]), ('{Number}&""=""', [None]), ("{Number}", [5])],
)
def test_a_blank_number_counts_as_zero_and_yet_its_text_is_empty(
    wire: Wire, formula: str, found: list[Any]
) -> None:  # 17
    story = wire.some_name()
    wire.create_many("Everything", *({"Story": story, "Number": number} for number in (None, 0, 5)))
    records = wire.list("Everything", filterByFormula=f"AND({{Story}}='{story}',{formula})")
    assert [record["fields"].get("Number") for record in records] == found


def test_links_are_compared_by_the_names_of_their_records(wire: Wire) -> None:  # 19
    alice, bob = wire.some_name(), wire.some_name()
    first, second = wire.create_many("Projects", {"Code": alice}, {"Code": bob})
    record = wire.create("Everything", {"Projects": [first, second]})

    def found(formula: str) -> list[str]:
        return [each["id"] for each in wire.list("Everything", filterByFormula=formula)]

    assert found(f"{{Projects}}='{alice}, {bob}'") == [record["id"]]
    assert found(f"{{Projects}}='{first}'") == []


def test_cells_are_shown_as_texts_when_asked(wire: Wire) -> None:
    name = wire.some_name()
    (project,) = wire.create_many("Projects", {"Code": f"{name}, the first"})
    cells = {
        "Story": "as it is", "Number": 42.1, "Percent": 0.123, "Price": 6.5, "Stars": 3, "Took": 4980, "Ticked": True,
        "Stage": "Done", "Tags": ["red", "blue"], "Day": "2026-01-31", "Moment": "2026-01-31T23:30:00.000Z",
        "Projects": [project], "Files": [{"url": "https://files.example/a.png"}],
    }  # fmt: skip
    record = wire.create("Everything", cells)
    asked = {"cellFormat": "string", "timeZone": "Europe/Berlin", "userLocale": "en-gb"}
    _, shown = wire.ask("GET", wire.path("Everything", record["id"]), params=asked)
    assert {name: shown["fields"][name] for name in cells} == {
        "Story": "as it is", "Number": "42.10", "Percent": "12.3%", "Price": "€6.50", "Stars": "3", "Took": "1:23",
        "Ticked": "checked", "Stage": "Done", "Tags": "red, blue", "Day": "2026-01-31", "Moment": "2026-02-01 00:30",
        "Projects": f'"{name}, the first"', "Files": "a.png (https://files.example/a.png)",
    }  # fmt: skip


class TestAddresses:
    def test_the_shape_of_an_address_is_judged_before_the_caller(self, unknown: Wire, wire: Wire) -> None:  # 13
        for path in ("/v0/app1/Sprints", f"{wire.path('Sprints')}/rec1", "/v0/meta/nothing", "/v0/", "/v0//Sprints"):
            assert unknown.ask("GET", path) == (404, {"error": "NOT_FOUND"})
        assert unknown.ask("PUT", "/v0/meta/whoami") == (404, {"error": "NOT_FOUND"})
        for path in (wire.path("Sprints"), "/v0/appAAAAAAAAAAAAAA/Sprints?pageSize=0"):
            assert unknown.refused("GET", path) == (401, "AUTHENTICATION_REQUIRED", "Authentication required")

    def test_parameters_are_judged_before_the_base(self, wire: Wire) -> None:  # 13
        assert wire.refused("GET", "/v0/appAAAAAAAAAAAAAA/Sprints?pageSize=0")[:2] == UNKNOWN
        for path in ("/v0/appAAAAAAAAAAAAAA/Sprints", wire.path("Nothing"), "/v0/meta/bases/appAAAAAAAAAAAAAA/tables"):
            assert wire.refused("GET", path)[:2] == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")

    def test_a_table_is_found_by_id_and_name_in_any_letters(self, wire: Wire) -> None:  # 14
        (record,) = wire.create_many("Odd / table", {"n": 1})
        (table,) = (each["id"] for each in schema(wire) if each["name"] == "Odd / table")
        for name in (table, "Odd / table", "oDD / TABLE"):
            assert wire.read(name, record) == {"n": 1}
            assert wire.ask("GET", f"{wire.path(name)}/?")[0] == 200
        assert wire.ask("POST", f"{wire.path('Odd / table')}/?", json={"fields": {}})[0] == 200

    def test_a_name_that_looks_like_a_route_is_a_name(self, reader: Wire) -> None:
        # decoded, this is the path of listRecords, which only reads
        assert reader.refused("POST", f"/v0/{reader.base}/Odd%2FlistRecords", json={"fields": {}})[:2] == (
            403, "INVALID_PERMISSIONS",
        )  # fmt: skip

    def test_listing_by_body_only_reads(self, reader: Wire) -> None:
        assert reader.ask("POST", reader.path("Sprints", "listRecords"), json={})[0] == 200
        assert reader.refused("POST", reader.path("Sprints"), json={"fields": {}}) == (
            403, "INVALID_PERMISSIONS", "You are not permitted to perform this operation",
        )  # fmt: skip

    def test_what_is_not_offered_says_so(self, wire: Wire) -> None:
        for method, path in (
            ("DELETE", f"/v0/meta/bases/{wire.base}"),
            ("GET", f"/v0/meta/bases/{wire.base}"),
        ):
            status, kind, message = wire.refused(method, path)
            assert (status, kind) == (404, "NOT_FOUND")
            assert message.startswith("The Airtable Connector does not offer")


class TestSchema:
    def test_the_caller_is_a_user_with_scopes(self, wire: Wire, reader: Wire) -> None:
        _, told = wire.ask("GET", "/v0/meta/whoami")
        assert told["id"].startswith("usr")
        reading = ["data.records:read", "data.recordComments:read", "schema.bases:read"]
        assert set(told["scopes"]) == {*reading, "data.records:write", "data.recordComments:write"}
        assert reader.ask("GET", "/v0/meta/whoami")[1]["scopes"] == reading

    def test_the_own_base_is_the_first_one(self, wire: Wire, reader: Wire) -> None:
        _, body = wire.ask("GET", "/v0/meta/bases")
        assert body["bases"][0] == {"id": wire.base, "name": "Airtable Connector", "permissionLevel": "edit"}
        assert reader.ask("GET", "/v0/meta/bases")[1]["bases"][0]["permissionLevel"] == "read"
        assert wire.refused("GET", "/v0/meta/bases?pageSize=5")[:2] == UNKNOWN
        assert wire.refused("GET", "/v0/meta/bases?offset=itr/app")[:2] == (422, "INVALID_OFFSET_VALUE")

    def test_visible_fields_are_told_when_asked(self, wire: Wire) -> None:
        path = f"/v0/meta/bases/{wire.base}/tables"
        for spelling in ("include", "include[]"):
            _, body = wire.ask("GET", path, params={spelling: "visibleFieldIds"})
            table = next(each for each in body["tables"] if each["name"] == "Everything")
            assert table["views"][0]["visibleFieldIds"] == [field["id"] for field in table["fields"]]
        assert "visibleFieldIds" not in schema(wire)[0]["views"][0]
        assert wire.refused("GET", path, params={"include": "everything"})[:2] == UNKNOWN


def test_answers_say_that_they_are_json_in_utf_8(wire: Wire) -> None:
    assert wire.client.get(wire.path("Sprints")).headers["content-type"] == "application/json; charset=utf-8"
    assert wire.client.get(wire.path("Nothing")).headers["content-type"] == "application/json; charset=utf-8"
