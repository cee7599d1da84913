"""Tables and fields made and changed through the Meta API, over the wire and by pyairtable as it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from pyairtable import Api
from tests.acceptance.airtable_api.conftest import Wire
from tests.service import Service, eventually

from airtable_connector.web.airtable_api import DERIVED_ID

TABLES = f"/v0/meta/bases/{DERIVED_ID}/tables"
RIGHTS = "read,write,admin"

DATE = {"dateFormat": {"name": "iso"}}
MOMENT = {"dateFormat": {"name": "us"}, "timeFormat": {"name": "12hour"}, "timeZone": "Europe/Berlin"}
CREATED: dict[str, tuple[Any, Any, Any]] = {
    "singleLineText": (None, "a", "a"),
    "multilineText": (None, "a\nb", "a\nb"),
    "richText": (None, "* a", "- a\n"),
    "email": (None, "a@a.example", "a@a.example"),
    "url": (None, "https://a.example", "https://a.example"),
    "phoneNumber": (None, "1", "1"),
    "number": ({"precision": 2}, 1.5, 1.5),
    "percent": ({"precision": 0}, 0.5, 0.5),
    "currency": ({"precision": 2, "symbol": "€"}, 2, 2),
    "duration": ({"durationFormat": "h:mm:ss"}, 60, 60),
    "rating": ({"icon": "heart", "max": 3, "color": "redBright"}, 3, 3),
    "checkbox": ({"icon": "check", "color": "greenBright"}, True, True),
    "date": (DATE, "2026-01-31", "2026-01-31"),
    "dateTime": (MOMENT, "2026-01-31T12:00:00", "2026-01-31T11:00:00.000Z"),
    "singleSelect": ({"choices": [{"name": "a", "color": "redBright"}, {"name": "b"}]}, "a", "a"),
    "multipleSelects": ({"choices": [{"name": "a"}, {"name": "b"}]}, ["b", "a"], ["b", "a"]),
    "multipleAttachments": (None, [], None),
    "barcode": (None, {"text": "1", "type": "upce"}, {"text": "1", "type": "upce"}),
    "singleCollaborator": (None, {"id": "usr00000000000001"}, {"id": "usr00000000000001", "name": "usr00000000000001"}),
    "multipleCollaborators": (None, [], None),
}


class Designer(Wire):
    """A caller who may change the schema."""

    def table(self, *fields: dict[str, Any], **more: Any) -> dict[str, Any]:
        first = {"name": "Name", "type": "singleLineText"}
        status, made = self.ask("POST", TABLES, json={"name": self.some_name(), "fields": [first, *fields], **more})
        assert status == 200, made
        return made

    def field(self, table: dict[str, Any], name: str, kind: str, **more: Any) -> dict[str, Any]:
        sent = {"name": name, "type": kind, **more}
        status, made = self.ask("POST", f"{TABLES}/{table['id']}/fields", json=sent)
        assert status == 200, made
        return made

    def schema(self, table: dict[str, Any]) -> dict[str, Any]:
        _, body = self.ask("GET", TABLES, params={"include": "visibleFieldIds"})
        (found,) = [each for each in body["tables"] if each["id"] == table["id"]]
        return found


@pytest.fixture
def designer(served: Service) -> Iterator[Designer]:
    with served.client(served.headers(RIGHTS)) as client:
        yield Designer(client)


@pytest.fixture
def api(served: Service) -> Iterator[Api]:
    api = Api(served.token(RIGHTS), endpoint_url=served.address, timeout=(20, 20))
    api.session.trust_env = False
    yield api
    api.session.close()


# --- what is made -----------------------------------------------------------------------------------------------


def test_a_table_is_made_and_used_at_once(designer: Designer) -> None:
    made = designer.table({"name": "n", "type": "number", "options": {"precision": 0}}, description="What it is for")
    assert made["description"] == "What it is for"
    assert made["primaryFieldId"] == made["fields"][0]["id"]
    (view,) = made["views"]
    assert (view["name"], view["type"]) == ("Grid view", "grid")
    assert view["visibleFieldIds"] == [field["id"] for field in made["fields"]]
    assert designer.schema(made) == made
    record = designer.create(made["id"], {"Name": "a", "n": 1})
    assert designer.read(made["name"], record["id"]) == {"Name": "a", "n": 1}
    assert [each["id"] for each in designer.list(made["name"], view=view["id"])] == [record["id"]]
    assert len(designer.list(made["name"], filterByFormula="{n}=1")) == 1


@pytest.mark.parametrize("kind", CREATED)
def test_every_type_can_be_made_and_gives_back_what_it_was_given(designer: Designer, kind: str) -> None:
    options, sent, kept = CREATED[kind]
    more = {} if options is None else {"options": options}
    table = designer.table({"name": "made with it", "type": kind, **more})
    field = designer.field(table, "made later", kind, description="later", **more)
    assert (field["type"], field["description"]) == (kind, "later")
    for name in ("made with it", "made later"):
        record = designer.create(table["id"], {name: sent})
        assert designer.read(table["id"], record["id"]).get(name) == kept
    shown = designer.schema(table)["fields"][2]
    assert shown == field
    if options is not None:
        for name, value in options.items():
            if name == "choices":
                assert [(each["name"], each.get("color")) for each in shown["options"][name]] == [
                    (each["name"], each.get("color")) for each in value
                ]
            elif isinstance(value, dict):
                assert shown["options"][name]["name"] == value["name"]
                assert shown["options"][name]["format"]
            else:
                assert shown["options"][name] == value


def test_texts_of_objects_are_shown_and_understood(designer: Designer) -> None:
    table = designer.table(
        {"name": "bars", "type": "barcode"},
        {"name": "owner", "type": "singleCollaborator"},
        {"name": "team", "type": "multipleCollaborators"},
    )
    sent = {"bars": "A1", "owner": "ada@a.example", "team": "ada@a.example, usr00000000000001"}
    record = designer.create(table["id"], sent, typecast=True)
    assert record["fields"]["bars"] == {"text": "A1"}
    assert record["fields"]["owner"]["email"] == "ada@a.example"
    assert [each["name"] for each in record["fields"]["team"]] == ["ada@a.example", "usr00000000000001"]
    asked = {"cellFormat": "string", "timeZone": "utc", "userLocale": "en-ie"}
    (shown,) = designer.list(table["id"], **asked)
    assert shown["fields"] == sent
    refused = designer.refused("POST", designer.path(table["id"]), json={"fields": {"owner": "ada@a.example"}})
    assert refused[:2] == (422, "INVALID_VALUE_FOR_COLUMN")


def test_a_link_is_seen_from_both_tables(designer: Designer) -> None:
    people, teams = designer.table(), designer.table()
    link = designer.field(teams, "Members", "multipleRecordLinks", options={"linkedTableId": people["id"]})
    inverse = designer.schema(people)["fields"][1]
    assert inverse["name"] == teams["name"]
    assert link["options"] == {
        "linkedTableId": people["id"],
        "isReversed": False,
        "prefersSingleRecordLink": False,
        "inverseLinkFieldId": inverse["id"],
    }
    assert inverse["options"]["inverseLinkFieldId"] == link["id"]
    ada, bob = designer.create_many(people["id"], {"Name": "Ada"}, {"Name": "Bob"})
    team = designer.create(teams["id"], {"Name": "Blue", "Members": [ada, bob]})
    assert designer.read(people["id"], ada)[teams["name"]] == [team["id"]]
    designer.ask("PATCH", designer.path(people["id"], ada), json={"fields": {teams["name"]: []}})
    assert designer.read(teams["id"], team["id"])["Members"] == [bob]
    designer.ask("PUT", designer.path(teams["id"], team["id"]), json={"fields": {"Name": "Blue"}})
    assert designer.read(people["id"], bob) == {"Name": "Bob"}
    designer.ask("PATCH", designer.path(people["id"], bob), json={"fields": {teams["name"]: [team["id"]]}})
    designer.ask("DELETE", designer.path(people["id"], bob))
    assert designer.read(teams["id"], team["id"]) == {"Name": "Blue"}


# --- what is changed --------------------------------------------------------------------------------------------


def test_names_and_descriptions_change_for_every_reader(designer: Designer, wire: Wire) -> None:
    table = designer.table()
    record = wire.create(table["id"], {"Name": "a"})
    # a list that was asked before
    assert wire.list(table["id"]) == [record]
    new_name = designer.some_name()
    status, changed = designer.ask("PATCH", f"{TABLES}/{table['name']}", json={"name": new_name, "description": "b"})
    assert (status, changed["name"], changed["description"]) == (200, new_name, "b")
    path = f"{TABLES}/{table['id']}/fields/{table['primaryFieldId']}"
    status, field = designer.ask("PATCH", path, json={"name": "Title", "description": "c"})
    assert (status, field["name"], field["description"]) == (200, "Title", "c")
    assert [each["fields"] for each in wire.list(table["id"])] == [{"Title": "a"}]
    assert wire.read(new_name, record["id"]) == {"Title": "a"}
    assert wire.refused("GET", wire.path(table["name"]))[1] == "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"
    assert wire.refused("GET", wire.path(new_name), params={"fields": "Name"})[1] == "UNKNOWN_FIELD_NAME"
    status, changed = designer.ask("PATCH", f"{TABLES}/{table['id']}", json={"description": None})
    assert "description" not in changed


def test_choices_are_renamed_in_every_record(designer: Designer) -> None:
    table = designer.table(
        {"name": "s", "type": "singleSelect", "options": {"choices": [{"name": "a"}, {"name": "b"}]}}
    )
    records = designer.create_many(table["id"], {"s": "a"}, {"s": "b"})
    field = table["fields"][1]
    first, second = field["options"]["choices"]
    path = f"{TABLES}/{table['id']}/fields/{field['id']}"
    wanted = [second, {**first, "name": "A", "color": "redBright"}, {"name": "c"}]
    status, changed = designer.ask("PATCH", path, json={"options": {"choices": wanted}})
    assert (status, [each["name"] for each in changed["options"]["choices"]]) == (200, ["b", "A", "c"])
    assert [designer.read(table["id"], record)["s"] for record in records] == ["A", "b"]
    gone = designer.refused("PATCH", path, json={"options": {"choices": [first]}})
    assert gone[:2] == (422, "INVALID_REQUEST_UNKNOWN")


def test_a_precision_changes_what_is_shown_as_text(designer: Designer) -> None:
    table = designer.table({"name": "n", "type": "number", "options": {"precision": 0}})
    designer.create(table["id"], {"n": 1.25})
    path = f"{TABLES}/{table['id']}/fields/{table['fields'][1]['id']}"
    assert designer.ask("PATCH", path, json={"options": {"precision": 1}})[0] == 200
    asked = {"cellFormat": "string", "timeZone": "utc", "userLocale": "en-ie"}
    assert designer.list(table["id"], **asked)[0]["fields"]["n"] == "1.2"
    refused = designer.refused("PATCH", path, json={"options": {"choices": []}})
    assert refused[:2] == (422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE")


def test_a_field_added_to_a_table_of_the_mesh_shows_in_its_own_paths(designer: Designer) -> None:
    name = designer.some_name()
    assert designer.ask("GET", "/sprints")[0] == 200
    designer.field({"id": "Sprints"}, name, "singleLineText")
    status, told = designer.ask("POST", "/sprints", json={"Sprint_ID": name, name: "calm"})
    assert (status, told["data"]["fields"][name]) == (201, "calm")
    status, told = designer.ask("GET", "/sprints", params={name: "calm"})
    assert [record["fields"]["Sprint_ID"] for record in told["data"]["records"]] == [name]
    _, told = designer.ask("GET", "/changes", params={"table": "Sprints", "limit": "1000"})
    (change,) = [each for each in told["data"]["changes"] if each["action"] == "schema" and name in str(each["after"])]
    assert change["record"] is None


# --- who may ----------------------------------------------------------------------------------------------------


def test_typecast_adds_a_choice_for_those_who_may_change_the_schema(designer: Designer, wire: Wire) -> None:  # 21
    select = {"choices": [{"name": "a"}]}
    table = designer.table(
        {"name": "s", "type": "singleSelect", "options": select},
        {"name": "m", "type": "multipleSelects", "options": select},
    )
    sent = {"fields": {"s": "new one", "m": "a, b,c"}, "typecast": True}
    refused = wire.refused("POST", wire.path(table["id"]), json=sent)
    assert refused == (
        422,
        "INVALID_MULTIPLE_CHOICE_OPTIONS",
        'Insufficient permissions to create new select option ""new one""',
    )
    record = designer.create(table["id"], **sent)
    assert record["fields"] == {"s": "new one", "m": ["a", "b", "c"]}
    single, several = (field["options"]["choices"] for field in designer.schema(table)["fields"][1:])
    assert [each["name"] for each in single] == ["a", "new one"]
    assert [each["name"] for each in several] == ["a", "b", "c"]
    assert single[1]["id"].startswith("sel")
    assert single[1]["color"]
    # from now on anybody may
    wire.create(table["id"], {"s": "new one"})
    assert designer.refused("POST", designer.path(table["id"]), json={"fields": {"s": "third"}})[0] == 422


@pytest.mark.parametrize(
    ("method", "rest"),
    [("POST", ""), ("PATCH", "/Everything"), ("POST", "/Everything/fields"), ("PATCH", "/Everything/fields/fld0")],
)
def test_only_an_administrator_changes_the_schema(wire: Wire, unknown: Wire, method: str, rest: str) -> None:
    assert wire.refused(method, f"{TABLES}{rest}", json={"name": "x"})[:2] == (403, "INVALID_PERMISSIONS")
    assert unknown.refused(method, f"{TABLES}{rest}", json={"name": "x"})[0] == 401


def test_the_scopes_and_the_level_tell_it(designer: Designer, wire: Wire) -> None:
    scope = "schema.bases:write"
    assert scope in designer.ask("GET", "/v0/meta/whoami")[1]["scopes"]
    assert scope not in wire.ask("GET", "/v0/meta/whoami")[1]["scopes"]
    levels = [each.ask("GET", "/v0/meta/bases")[1]["bases"][0]["permissionLevel"] for each in (designer, wire)]
    assert levels == ["create", "edit"]


# --- what is computed -------------------------------------------------------------------------------------------


def test_a_formula_made_by_pyairtable_follows_its_fields(api: Api, designer: Designer) -> None:
    table = api.table(
        DERIVED_ID, designer.table({"name": "Hours", "type": "number", "options": {"precision": 0}})["id"]
    )
    held = table.create({"Hours": 2})
    field = table.create_field("Pay", "formula", options={"formula": "{Hours} * 50"})
    assert (field.type, field.options.is_valid) == ("formula", True)
    eventually(lambda: table.get(held["id"])["fields"] == {"Hours": 2, "Pay": 100})
    assert table.update(held["id"], {"Hours": 3})["fields"]["Pay"] == 150
    assert table.create({"Hours": 4})["fields"]["Pay"] == 200


def test_a_rollup_made_by_pyairtable_sees_links_made_from_the_other_side(api: Api, designer: Designer) -> None:
    projects = designer.table()
    efforts = designer.table({"name": "Hours", "type": "number", "options": {"precision": 0}})
    link = designer.field(efforts, "Project", "multipleRecordLinks", options={"linkedTableId": projects["id"]})
    hours = efforts["fields"][1]["id"]
    table = api.table(DERIVED_ID, projects["id"])
    options = {"recordLinkFieldId": link["options"]["inverseLinkFieldId"], "fieldIdInLinkedTable": hours}
    field = table.create_field("Sum", "rollup", options={**options, "formula": "SUM(values)"})
    assert (field.type, field.options.is_valid) == ("rollup", True)
    project = table.create({"Name": "a"})["id"]
    effort = api.table(DERIVED_ID, efforts["id"]).create({"Hours": 2, "Project": [project]})
    assert table.get(project)["fields"]["Sum"] == 2
    api.table(DERIVED_ID, efforts["id"]).update(effort["id"], {"Project": []})
    assert table.get(project)["fields"]["Sum"] == 0


@pytest.mark.parametrize(
    "kind", ["autoNumber", "createdTime", "lastModifiedTime", "createdBy", "lastModifiedBy", "button"]
)
def test_a_field_that_needs_no_options_to_be_computed_is_made(kind: str, designer: Designer) -> None:
    table = designer.table({"name": "Computed", "type": kind})
    _, record = designer.ask("POST", designer.path(table["id"]), json={"fields": {"Name": "a"}})
    assert record["fields"]["Computed"] is not None


def test_a_formula_is_changed(designer: Designer) -> None:
    table = designer.table()
    path = f"{TABLES}/{table['id']}/fields/{designer.field(table, 'f', 'formula', options={'formula': '1'})['id']}"
    status, changed = designer.ask("PATCH", path, json={"options": {"formula": "LEN({Name})"}})
    assert (status, changed["options"]["isValid"]) == (200, True)
    assert designer.refused("PATCH", path, json={"options": {"formula": "{f}"}})[:2] == UNKNOWN
    (record,) = designer.create_many(table["id"], {"Name": "abc"})
    assert designer.read(table["id"], record)["f"] == 3


# --- what is refused --------------------------------------------------------------------------------------------

NAME = {"name": "Name", "type": "singleLineText"}
UNKNOWN = (422, "INVALID_REQUEST_UNKNOWN")
OPTIONS = (422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE")
UNSUPPORTED = (422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE")
FIELD_NAME = (422, "DUPLICATE_OR_EMPTY_FIELD_NAME")


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({}, UNKNOWN),
        ({"name": "", "fields": [NAME]}, UNKNOWN),
        ({"name": "x" * 256, "fields": [NAME]}, UNKNOWN),
        ({"name": "a\x00b", "fields": [NAME]}, UNKNOWN),
        ({"name": 5, "fields": [NAME]}, UNKNOWN),
        ({"name": "t", "fields": []}, UNKNOWN),
        ({"name": "t", "fields": {}}, UNKNOWN),
        ({"name": "t", "fields": [5]}, UNKNOWN),
        ({"name": "t", "fields": [NAME], "color": "red"}, UNKNOWN),
        ({"name": "t", "fields": [{**NAME, "color": "red"}]}, UNKNOWN),
        ({"name": "t", "fields": [NAME], "description": "x" * 20_001}, UNKNOWN),
        ({"name": "eVeRyThInG", "fields": [NAME]}, (422, "DUPLICATE_TABLE_NAME")),
        ({"name": "t", "fields": [NAME, {**NAME, "name": "NAME"}]}, FIELD_NAME),
        ({"name": "t", "fields": [NAME, {**NAME, "name": " "}]}, FIELD_NAME),
        ({"name": "t", "fields": [{"name": "c", "type": "checkbox", "options": CREATED["checkbox"][0]}]}, UNSUPPORTED),
    ],
)
def test_a_table_that_cannot_be_is_refused(designer: Designer, body: dict[str, Any], refused: tuple[int, str]) -> None:
    assert designer.refused("POST", TABLES, json=body)[:2] == refused


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        ({"name": "f"}, UNKNOWN),
        ({"name": "f", "type": "longText"}, UNKNOWN),
        ({"name": "f", "type": ["number"]}, UNKNOWN),
        ({"name": "code", "type": "number", "options": {"precision": 0}}, FIELD_NAME),
        ({"name": "", "type": "singleLineText"}, FIELD_NAME),
        ({"name": "f", "type": "number"}, OPTIONS),
        ({"name": "f", "type": "number", "options": {}}, OPTIONS),
        ({"name": "f", "type": "number", "options": {"precision": 9}}, OPTIONS),
        ({"name": "f", "type": "number", "options": {"precision": True}}, OPTIONS),
        ({"name": "f", "type": "number", "options": {"precision": 0, "symbol": "$"}}, OPTIONS),
        ({"name": "f", "type": "number", "options": 5}, OPTIONS),
        ({"name": "f", "type": "singleLineText", "options": {"precision": 0}}, OPTIONS),
        ({"name": "f", "type": "currency", "options": {"precision": 8, "symbol": "$"}}, OPTIONS),
        ({"name": "f", "type": "currency", "options": {"precision": 2, "symbol": ""}}, OPTIONS),
        ({"name": "f", "type": "duration", "options": {"durationFormat": "mm"}}, OPTIONS),
        ({"name": "f", "type": "rating", "options": {"icon": "star", "max": 11, "color": "redBright"}}, OPTIONS),
        ({"name": "f", "type": "currency", "options": {"precision": 2, "symbol": "\0"}}, OPTIONS),
        ({"name": "f", "type": "singleSelect", "options": {"choices": [{"name": "\0"}]}}, OPTIONS),
        ({"name": "f", "type": "singleSelect", "options": {"choices": [{"name": "a", "color": {}}]}}, OPTIONS),
        ({"name": "f", "type": "checkbox", "options": {"icon": "check", "color": "red"}}, OPTIONS),
        ({"name": "f", "type": "date", "options": {"dateFormat": {"name": "iso", "format": "l"}}}, OPTIONS),
        ({"name": "f", "type": "date", "options": {"dateFormat": {"name": "roman"}}}, OPTIONS),
        ({"name": "f", "type": "dateTime", "options": {**MOMENT, "timeZone": "UTC"}}, OPTIONS),
        ({"name": "f", "type": "dateTime", "options": {**MOMENT, "timeZone": "../etc/passwd"}}, OPTIONS),
        ({"name": "f", "type": "singleSelect", "options": {"choices": []}}, OPTIONS),
        ({"name": "f", "type": "singleSelect", "options": {"choices": [{"name": ""}]}}, OPTIONS),
        ({"name": "f", "type": "singleSelect", "options": {"choices": [{"name": "a", "color": "mauve"}]}}, OPTIONS),
        ({"name": "f", "type": "singleSelect", "options": {"choices": [{"name": "a", "id": "sel0"}]}}, OPTIONS),
        ({"name": "f", "type": "singleSelect", "options": {"choices": [{"name": "a"}, {"name": "a"}]}}, OPTIONS),
        ({"name": "f", "type": "multipleRecordLinks"}, OPTIONS),
        ({"name": "f", "type": "multipleRecordLinks", "options": {"linkedTableId": "tbl00000000000000"}}, OPTIONS),
        ({"name": "f", "type": "multipleRecordLinks", "options": {"isReversed": False}}, OPTIONS),
        *(
            ({"name": "f", "type": "formula", "options": options}, OPTIONS)
            for options in (None, {}, {"formula": ""}, {"formula": "1 +"}, {"formula": "{f}"}, {"formula": "{No}"})
        ),
        ({"name": "f", "type": "button", "options": {"label": ""}}, OPTIONS),
        ({"name": "f", "type": "button", "options": {"url": "NONE()"}}, OPTIONS),
        ({"name": "f", "type": "lastModifiedTime", "options": {"referencedFieldIds": ["fld00000000000000"]}}, OPTIONS),
        ({"name": "f", "type": "count", "options": {"recordLinkFieldId": "fld00000000000000"}}, OPTIONS),
        ({"name": "f", "type": "rollup", "options": {"recordLinkFieldId": "fld00000000000000"}}, OPTIONS),
        *(({"name": "f", "type": kind}, UNSUPPORTED) for kind in ("aiText", "externalSyncSource", "manualSort")),
    ],
)
def test_a_field_that_cannot_be_is_refused(designer: Designer, field: dict[str, Any], refused: tuple[int, str]) -> None:
    assert designer.refused("POST", f"{TABLES}/Projects/fields", json=field)[:2] == refused


def test_the_words_of_refusals(designer: Designer) -> None:
    path = f"{TABLES}/Projects/fields"
    told = designer.refused("POST", path, json={"name": "f", "type": "aiText"})[2]
    assert told == "Invalid options for Projects.f: Creating aiText fields is not supported at this time"
    told = designer.refused("POST", path, json={"name": "f", "type": "number"})[2]
    assert told == "Invalid options for Projects.f: Failed schema validation: f.options is missing"


@pytest.mark.parametrize(
    ("rest", "body", "refused"),
    [
        ("Everything", {}, UNKNOWN),
        ("Everything", {"name": None}, UNKNOWN),
        ("Everything", {"fields": []}, UNKNOWN),
        ("Everything", {"name": "projects"}, (422, "DUPLICATE_TABLE_NAME")),
        ("Sprints", {"name": "Runs"}, UNKNOWN),
        ("tbl00000000000000", {"name": "x"}, (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")),
        ("Everything/fields/fld00000000000000", {"name": "x"}, (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")),
        ("Everything/fields/{Story}", {"name": "NAME"}, FIELD_NAME),
        ("Everything/fields/{Story}", {"type": "number"}, UNKNOWN),
        ("Everything/fields/{Story}", {}, UNKNOWN),
        ("Everything/fields/{Story}", {"options": {"precision": 1}}, OPTIONS),
        ("Sprints/fields/{Status}", {"name": "State"}, UNKNOWN),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    designer: Designer, rest: str, body: dict[str, Any], refused: tuple[int, str]
) -> None:
    tables = designer.ask("GET", TABLES)[1]["tables"]
    table, _, field = rest.partition("/fields/")
    if field.startswith("{"):
        (fields,) = [each["fields"] for each in tables if each["name"] == table]
        (known,) = [each["id"] for each in fields if each["name"] == field.strip("{}")]
        rest = f"{table}/fields/{known}"
    assert designer.refused("PATCH", f"{TABLES}/{rest}", json=body)[:2] == refused


# --- by pyairtable ----------------------------------------------------------------------------------------------


def test_pyairtable_makes_and_changes_tables_and_fields(api: Api, designer: Designer) -> None:
    base = api.base(DERIVED_ID)
    name = designer.some_name()
    table = base.create_table(
        name,
        [
            {"name": "Name", "type": "singleLineText"},
            {"name": "Done", "type": "checkbox", "options": CREATED["checkbox"][0]},
        ],
        description="Made by a client",
    )
    assert table.schema().description == "Made by a client"
    field = table.create_field("Stage", "singleSelect", options={"choices": [{"name": "a"}, {"name": "b"}]})
    assert [choice.name for choice in field.options.choices] == ["a", "b"]
    record = table.create({"Name": "x", "Done": True, "Stage": "c"}, typecast=True)
    assert table.schema(force=True).field("Stage").options.choices[2].name == "c"
    field.name, field.description = "State", "How it goes"
    field.save()
    assert table.get(record["id"])["fields"] == {"Name": "x", "Done": True, "State": "c"}
    schema = base.schema(force=True).table(name)
    schema.name = name + " 2"
    schema.save()
    assert {each.name for each in base.tables(force=True)} >= {name + " 2"}
    linked = base.create_table(designer.some_name(), [{"name": "Name", "type": "singleLineText"}])
    link = linked.create_field("Things", "multipleRecordLinks", options={"linkedTableId": table.id})
    thing = linked.create({"Name": "y", "Things": [record["id"]]})
    # its own object of the table still looks for the name that it had
    assert link.options.inverse_link_field_id is not None
    inverse = base.schema(force=True).table(table.id).field(link.options.inverse_link_field_id)
    assert table.get(record["id"])["fields"][inverse.name] == [thing["id"]]
