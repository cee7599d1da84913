"""The domain API shows attachments at addresses that work, wherever a record with some is shown."""

import base64
import dataclasses
from collections.abc import Iterator

import httpx2
import pytest
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.acceptance.test_messages import a_message
from tests.factories.records import a_field
from tests.service import EventStream, Place, Service, running

from airtable_connector.records import SPRINTS, STANDARD_TABLES, FieldType

FILES = a_field("Files", FieldType.MULTIPLE_ATTACHMENTS)
TABLES = (dataclasses.replace(SPRINTS, fields=(*SPRINTS.fields, FILES)), *STANDARD_TABLES[1:])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = prepared(Place(tmp_path_factory.mktemp("attachments") / "data"), TABLES)
    with running(place, {"TRUSTED_PROXIES": "127.0.0.1/32"}) as started:
        with started.client() as client:
            record = client.post("/sprints", json={"Sprint_ID": "S-1"}).json()["data"]["id"]
            body = {"contentType": "text/plain", "file": base64.b64encode(b"hello").decode(), "filename": "a.txt"}
            client.post(f"/v0/{Wire(client).base}/{record}/Files/uploadAttachment", json=body).raise_for_status()
        yield started


@pytest.fixture
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client() as client:
        yield client


def bytes_at(client: httpx2.Client, cell: list[dict[str, str]]) -> bytes:
    (attachment,) = cell
    answer = client.get(attachment["url"])
    return answer.content if answer.status_code == 200 else b""


def test_lists_records_histories_changes_and_messages_show_addresses(service: Service, client: httpx2.Client) -> None:
    (listed,) = client.get("/sprints").json()["data"]["records"]
    (found,) = client.get("/sprints", params={"filter": "{Sprint_ID}='S-1'"}).json()["data"]["records"]
    read = client.get("/sprints/S-1").json()["data"]
    history = client.get("/sprints/S-1/history").json()["data"]["changes"]
    pulled = client.get("/changes").json()["data"]["changes"]
    changed = client.patch("/sprints/S-1", json={"Name": "x"}).json()["data"]
    sample = client.get("/read").json()["data"]["Sprints"][0]
    with EventStream(service, after=0) as stream:
        event = stream.next(where=lambda change: "Files" in change["after"])
    told = client.post("/message", json=a_message({"query": "sprints"}, message_type="query")).json()["data"]
    cells = [each["fields"]["Files"] for each in (listed, found, read, changed, sample, *told["records"])]
    told_of = [next(each for each in changes if "Files" in each["after"]) for changes in (history, pulled)]
    cells += [each["after"]["Files"] for each in (*told_of, event.change)]
    assert [bytes_at(client, cell) for cell in cells] == [b"hello"] * 9


def test_what_a_caller_has_is_not_called_fresh_for_its_addresses_expire(client: httpx2.Client) -> None:
    assert "etag" not in client.get("/sprints").headers
    tag = client.get("/sprints/S-1").headers["etag"]
    assert client.get("/sprints/S-1", headers={"If-None-Match": tag}).status_code == 200
    assert client.patch("/sprints/S-1", json={"Name": "y"}, headers={"If-Match": tag}).status_code == 200


def test_a_repeated_write_shows_a_fresh_address(client: httpx2.Client) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (client.patch("/sprints/S-1", json={"Notes": "n"}, headers=key) for _ in range(2))
    assert again.headers["idempotency-replayed"] == "true"
    one, two = (answer.json()["data"]["fields"]["Files"] for answer in (first, again))
    assert one[0]["id"] == two[0]["id"]
    assert one[0]["url"] != two[0]["url"]
    assert bytes_at(client, two) == b"hello"


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("connector.example:8443", "http://connector.example:8443/attachments/"),
        ("[::1]:80", "http://[::1]:80/attachments/"),
        ("a b", "http://127.0.0.1:"),
        ('x"/evil', "http://127.0.0.1:"),
    ],
)
def test_addresses_are_at_the_host_that_was_asked(client: httpx2.Client, host: str, told: str) -> None:
    shown = client.get("/sprints/S-1", headers={"Host": host}).json()["data"]["fields"]["Files"]
    assert shown[0]["url"].startswith(told)


@pytest.mark.parametrize(("forwarded", "told"), [("https", "https://"), ("gopher", "http://")])
def test_the_trusted_proxy_tells_the_scheme(client: httpx2.Client, forwarded: str, told: str) -> None:
    shown = client.get("/sprints/S-1", headers={"X-Forwarded-Proto": forwarded}).json()["data"]["fields"]["Files"]
    assert shown[0]["url"].startswith(f"{told}127.0.0.1:")
