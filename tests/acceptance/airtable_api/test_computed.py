"""Computed fields as clients of Airtable see them. Numbers in comments are the ideas followed."""

from collections.abc import Iterator

import pytest
from pyairtable import Api
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.factories.computed import CHAIN, PROJECTS_ID, field_id, formula, link, lookup, of
from tests.factories.records import a_table
from tests.service import Place, Service, running

from airtable_connector.records import STANDARD_TABLES, FieldType, stable_id
from airtable_connector.web.airtable_api import DERIVED_ID

MORE = a_table(
    "More",
    "Name",
    of("More", "Name", FieldType.SINGLE_LINE_TEXT),
    of("More", "When", FieldType.DATE),
    link("More", "Programmes", PROJECTS_ID),
    lookup("More", "Costs", "Programmes", field_id("Programmes", "Cost")),
    lookup("More", "Labels", "Programmes", field_id("Programmes", "Labels")),
    formula("More", "Same", "ARRAYUNIQUE({Labels})"),
    formula("More", "Later", "DATEADD({When}, 1, 'days')"),
    formula("More", "Failing", "YEAR({Name})"),
    of("More", "Maker", FieldType.CREATED_BY),
    of("More", "Changer", FieldType.LAST_MODIFIED_BY),
    of("More", "Named at", FieldType.LAST_MODIFIED_TIME, referencedFieldIds=[field_id("More", "Name")]),
    of("More", "Open", FieldType.BUTTON, label="Open", url="'https://x.example/' & {Name}"),
)


@pytest.fixture(scope="module")
def computing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = Place(tmp_path_factory.mktemp("computing") / "data")
    with running(prepared(place, (*STANDARD_TABLES, *CHAIN, MORE))) as service:
        yield service


@pytest.fixture
def wire(computing: Service) -> Iterator[Wire]:
    with computing.client() as client:
        yield Wire(client)


@pytest.fixture
def api(computing: Service) -> Iterator[Api]:
    api = Api(computing.token(), endpoint_url=computing.address, timeout=(20, 20))
    api.session.trust_env = False
    yield api
    api.session.close()


def test_a_client_reads_what_it_did_not_write(api: Api, wire: Wire) -> None:  # 26
    tasks, programmes, more = (api.table(DERIVED_ID, name) for name in ("Tasks", "Programmes", "More"))
    dig = tasks.create({"Name": wire.some_name(), "Hours": 2, "Done": True})
    assert dig["fields"]["Label"] == f"done: {dig['fields']['Name']} (100)"
    hole = programmes.create({"Name": wire.some_name(), "Tasks": [dig["id"]]})
    assert hole["fields"]["Labels"] == [dig["fields"]["Label"]]
    other = more.create({"Name": "x", "When": "2026-02-28", "Programmes": [hole["id"]]})
    user = {"id": stable_id("usr", "5"), "email": "droplet-5@mesh.invalid", "name": "Droplet 5"}
    named_at = other["fields"].pop("Named at")
    assert named_at == other["createdTime"]
    assert other["fields"] == {
        "Name": "x", "When": "2026-02-28", "Programmes": [hole["id"]], "Costs": [100],
        "Labels": [dig["fields"]["Label"]], "Same": [dig["fields"]["Label"]], "Later": "2026-03-01T00:00:00.000Z",
        "Failing": {"error": "#ERROR!"}, "Maker": user, "Changer": user,
        "Open": {"label": "Open", "url": "https://x.example/x"},
    }  # fmt: skip
    tasks.update(dig["id"], {"Hours": 3})
    assert more.get(other["id"])["fields"]["Costs"] == [150]
    assert [record["id"] for record in more.all(formula="{Costs} = 150")] == [other["id"]]
    assert wire.client.get("/v0/meta/whoami").json()["id"] == user["id"]


def test_a_value_for_a_computed_field_is_refused_and_put_leaves_it(api: Api, wire: Wire) -> None:
    for name, value in (("Cost", 1), ("Label", None)):
        assert wire.refused("POST", wire.path("Tasks"), json={"fields": {name: value}}) == (
            422, "INVALID_VALUE_FOR_COLUMN", f'Field "{name}" cannot accept a value because the field is computed',
        )  # fmt: skip
    tasks = api.table(DERIVED_ID, "Tasks")
    task = tasks.create({"Name": wire.some_name(), "Hours": 2})
    replaced = tasks.update(task["id"], {"Hours": 1}, replace=True)
    assert replaced["fields"] == {"Hours": 1, "Cost": 50, "Label": "open:  (50)", "Share": 10, "Shout": "OPEN:  (50)"}


def test_the_schema_says_what_is_computed_and_keeps_a_rollups_formula(api: Api) -> None:
    base = api.base(DERIVED_ID, validate=True).schema()
    label = base.table("Tasks").field("Label")
    assert label.type == "formula"
    assert label.options.is_valid
    assert label.options.referenced_field_ids == [field_id("Tasks", name) for name in ("Done", "Name", "Cost")]
    assert label.options.result is not None
    assert label.options.result.type == "singleLineText"
    cost = base.table("Programmes").field("Cost")
    assert cost.type == "rollup"
    assert cost.options.record_link_field_id == field_id("Programmes", "Tasks")
    assert cost.options.result is not None
    assert cost.options.result.type == "number"
    (shown,) = [field for field in base.table("Programmes").fields if field.name == "Cost"]
    assert "SUM" not in str(shown)
    types = {field.name: field.type for field in base.table("More").fields}
    assert (types["Costs"], types["Maker"], types["Open"]) == ("multipleLookupValues", "createdBy", "button")
    named_at = base.table("More").field("Named at")
    assert named_at.options.referenced_field_ids == [field_id("More", "Name")]


def test_computed_cells_as_texts(wire: Wire) -> None:
    task = wire.create("Tasks", {"Name": "Dig", "Hours": 0})
    hole = wire.create("Programmes", {"Name": "Hole", "Tasks": [task["id"]]})
    record = wire.create("More", {"Name": "z", "When": "2026-02-28", "Programmes": [hole["id"]]})
    asked = {"cellFormat": "string", "timeZone": "utc", "userLocale": "en"}
    _, shown = wire.ask("GET", wire.path("More", record["id"]), params=asked)
    fields = shown["fields"]
    assert (fields["Failing"], fields["Costs"], fields["Later"]) == ("#ERROR!", "0", "2026-03-01 00:00")
    assert (fields["Maker"], fields["Open"], fields["Labels"]) == ("Droplet 5", "Open", "open: Dig (0)")
    _, shown = wire.ask("GET", wire.path("Tasks", task["id"]), params=asked)
    assert shown["fields"]["Share"] == "Infinity"
