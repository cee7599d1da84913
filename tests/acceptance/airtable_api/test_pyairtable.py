"""pyairtable as it is, pointed at the connector by ``endpoint_url`` and nothing else."""

from collections.abc import Iterator

import pytest
import requests
from pyairtable import Api, Table
from pyairtable.formulas import match
from pyairtable.orm import Model, fields
from tests.acceptance.airtable_api.conftest import Wire
from tests.service import Service

from airtable_connector.web.airtable_api import DERIVED_ID


@pytest.fixture
def api(served: Service) -> Iterator[Api]:
    api = Api(served.token(), endpoint_url=served.address, timeout=(20, 20))
    api.session.trust_env = False
    yield api
    api.session.close()


@pytest.fixture
def table(api: Api) -> Table:
    return api.table(DERIVED_ID, "Droplets")


def test_records_are_created_read_changed_replaced_and_removed(table: Table, wire: Wire) -> None:
    name = wire.some_name()
    record = table.create({"fqdn": name, "cpu": 1})
    assert table.get(record["id"]) == record
    assert table.update(record["id"], {"mem": 2})["fields"] == {"fqdn": name, "cpu": 1, "mem": 2}
    assert table.update(record["id"], {"fqdn": name}, replace=True)["fields"] == {"fqdn": name}
    assert table.delete(record["id"]) == {"id": record["id"], "deleted": True}
    with pytest.raises(requests.HTTPError, match="INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"):
        table.get(record["id"])


def test_batches_of_any_size_are_sent_in_tens(table: Table, wire: Wire) -> None:
    name = wire.some_name()
    records = table.batch_create([{"name": name, "cpu": number} for number in range(25)])
    assert [record["fields"]["cpu"] for record in records] == list(range(25))
    changed = table.batch_update([{"id": record["id"], "fields": {"mem": 1}} for record in records])
    assert all(record["fields"]["mem"] == 1 for record in changed)
    assert table.all(formula=match({"name": name})) == changed
    assert [each["deleted"] for each in table.batch_delete([record["id"] for record in records])] == [True] * 25
    assert table.all(formula=match({"name": name})) == []


def test_upserts_tell_what_was_there(table: Table, wire: Wire) -> None:
    known, fresh = wire.some_name(), wire.some_name()
    record = table.create({"fqdn": known, "role": "x"})
    done = table.batch_upsert([{"fields": {"fqdn": known, "cpu": 1}}, {"fields": {"fqdn": fresh}}], key_fields=["fqdn"])
    assert done["updatedRecords"] == [record["id"]]
    assert done["createdRecords"] == [done["records"][1]["id"]]
    replaced = table.batch_upsert([{"fields": {"fqdn": known}}], key_fields=["fqdn"], replace=True)
    assert replaced["records"][0]["fields"] == {"fqdn": known}


def test_pages_are_walked_to_their_end(table: Table, wire: Wire) -> None:
    name = wire.some_name()
    table.batch_create([{"name": name, "cpu": number} for number in range(25)])
    chosen = match({"name": name})
    assert [len(page) for page in table.iterate(formula=chosen, page_size=10)] == [10, 10, 5]
    assert [len(page) for page in table.iterate(formula=chosen, page_size=10, max_records=20)] == [10, 10]
    found = table.all(formula=chosen, sort=["-cpu"], fields=["cpu"], max_records=3)
    assert [record["fields"] for record in found] == [{"cpu": 24}, {"cpu": 23}, {"cpu": 22}]
    first = table.first(formula=chosen, sort=["cpu"])
    assert first is not None
    assert first["fields"]["cpu"] == 0
    assert table.first(formula="FALSE()") is None


def test_a_formula_too_long_for_an_address_goes_by_post(table: Table, wire: Wire) -> None:
    name = wire.some_name()
    record = table.create({"name": name})
    formula = f"OR(RECORD_ID()='{record['id']}'" + ",{name}='somebody else of a long name'" * 450 + ")"
    assert len(formula) > 16_000
    assert table.all(formula=formula, time_zone="utc", user_locale="en-ie") == [record]


def test_field_ids_are_used_when_asked(api: Api, table: Table) -> None:
    by_id = Api(api.api_key, endpoint_url=api.endpoint_url, use_field_ids=True).table(DERIVED_ID, "Droplets")
    by_id.api.session.trust_env = False
    record = by_id.create({"cpu": 4})
    assert list(record["fields"]) == [table.schema().field("cpu").id]
    assert by_id.get(record["id"]) == record
    by_id.api.session.close()


def test_the_schema_is_read_with_every_type_of_field(api: Api) -> None:
    base = api.base(DERIVED_ID, validate=True)
    table = base.schema().table("Everything")
    assert {field.type for field in table.fields} >= {"currency", "rating", "multipleRecordLinks", "autoNumber"}
    assert table.field("Price").options.symbol == "€"
    assert [view.name for view in table.views] == ["Grid view"]
    assert {each.name for each in base.tables()} >= {"Sprints", "Everything"}
    assert base.name == "Airtable Connector"


def test_whoami_tells_who_the_token_is(api: Api) -> None:
    assert api.whoami()["id"].startswith("usr")


def test_errors_are_raised_with_airtables_words(table: Table) -> None:
    with pytest.raises(requests.HTTPError, match="UNKNOWN_FIELD_NAME"):
        table.create({"nope": 1})


def test_models_save_and_fetch(api: Api, wire: Wire) -> None:
    class Droplet(Model):
        fqdn = fields.TextField("fqdn")
        cpu = fields.NumberField("cpu")

        class Meta:
            api_key = api.api_key
            base_id = DERIVED_ID
            table_name = "Droplets"

    # a model knows no address of its own
    Droplet.meta.api = api
    name = wire.some_name()
    droplet = Droplet(fqdn=name, cpu=1)
    assert droplet.save().created
    droplet.cpu = 2
    droplet.save()
    found = Droplet.first(formula=match({"fqdn": name}))
    assert found is not None
    assert (found.id, found.cpu) == (droplet.id, 2)
    assert droplet.delete()
