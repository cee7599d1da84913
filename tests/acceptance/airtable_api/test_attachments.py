"""Attachments that are uploaded: bytes in, bytes out at an address that expires. Numbers are of the ideas followed."""

import base64
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import orjson
import pytest
import requests
from pyairtable import Api
from requests.adapters import HTTPAdapter
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.fakes import FakeClock
from tests.service import Place, Service, eventually, requests_in_flight, running

from airtable_connector.compose.attachments import address_key
from airtable_connector.mesh import load_key_pair
from airtable_connector.records import AttachmentAddresses
from airtable_connector.web.airtable_api import DERIVED_ID

NOBODY = "recAAAAAAAAAAAAAA"
TABLE = "Papers"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def encoded(content: bytes, *, filename: str = "a.txt", kind: str = "text/plain") -> dict[str, str]:
    return {"contentType": kind, "file": base64.encodebytes(content).decode(), "filename": filename}


def upload_path(wire: Wire, record: str, field: str = "Files") -> str:
    return f"/v0/{wire.base}/{record}/{quote(field, safe='')}/uploadAttachment"


def upload(wire: Wire, record: str, content: bytes, **more: str) -> list[dict[str, Any]]:
    """Upload a file and return every attachment of the cell."""
    status, body = wire.ask("POST", upload_path(wire, record), json=encoded(content, **more))
    assert status == 200, body
    (cell,) = body["fields"].values()
    assert body["id"] == record
    return cell


@pytest.fixture
def record(wire: Wire) -> str:
    made: str = wire.create(TABLE, {"Name": wire.some_name()})["id"]
    return made


@pytest.fixture
def anybody(served: Service) -> Iterator[httpx2.Client]:
    with served.client({}) as client:
        yield client


class ContentHost(HTTPAdapter):
    """Brings what pyairtable sends to Airtable's other host to the connector."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        assert request.url is not None
        request.url = request.url.replace("http://content.airtable.com", self._address)
        return super().send(request, *args, **more)


def test_pyairtable_uploads_files(served: Service, record: str, anybody: httpx2.Client) -> None:
    api = Api(served.token(), endpoint_url=served.address, timeout=(20, 20))
    api.session.trust_env = False
    api.session.mount("http://content.airtable.com", ContentHost(served.address))
    table = api.table(DERIVED_ID, TABLE)
    answer = table.upload_attachment(record, "Files", "pixel.png", PIXEL)
    (field,) = answer["fields"]
    assert field == table.schema().field("Files").id
    (attachment,) = table.get(record)["fields"]["Files"]
    assert {name: attachment[name] for name in ("filename", "size", "type")} == {
        "filename": "pixel.png", "size": len(PIXEL), "type": "image/png",
    }  # fmt: skip
    assert anybody.get(attachment["url"]).content == PIXEL
    api.session.close()


def test_the_address_changes_and_the_id_stays(wire: Wire, record: str, anybody: httpx2.Client) -> None:  # 24
    (first,) = upload(wire, record, b"hello")
    again, second = upload(wire, record, b"other bytes", filename="b.txt")
    (shown, _) = wire.read(TABLE, record)["Files"]
    assert first["id"] == again["id"] == shown["id"]
    assert len({first["url"], again["url"], shown["url"]}) == 3
    assert [anybody.get(url).content for url in (first["url"], shown["url"], second["url"])] == [
        b"hello", b"hello", b"other bytes",
    ]  # fmt: skip


def test_every_way_of_reading_shows_an_address_that_works(wire: Wire, record: str, anybody: httpx2.Client) -> None:
    upload(wire, record, b"hello")
    chosen = {"filterByFormula": f"RECORD_ID()='{record}'"}
    (listed,) = wire.list(TABLE, **chosen)
    (by_id,) = wire.list(TABLE, **chosen, returnFieldsByFieldId="true", **{"fields[]": "Files"})
    (text,) = wire.list(TABLE, **chosen, cellFormat="string", timeZone="utc", userLocale="en-us")
    _, patched = wire.ask("PATCH", wire.path(TABLE, record), json={"fields": {"Number": 1}})
    _, pulled = wire.ask("GET", "/changes", params={"after": 0, "limit": 1000, "table": TABLE})
    change = next(
        each for each in reversed(pulled["data"]["changes"]) if each["record"] == record and "Files" in each["after"]
    )
    name, address = re.fullmatch(r"(.*) \((.*)\)", text["fields"]["Files"]).groups()  # type: ignore[union-attr]
    (cell,) = by_id["fields"].values()
    shown = [listed["fields"]["Files"], cell, patched["fields"]["Files"], change["after"]["Files"]]
    assert name == "a.txt"
    assert [anybody.get(url).content for url in [address, *(each[0]["url"] for each in shown)]] == [b"hello"] * 5


def test_attachments_are_kept_by_id_echoed_whole_and_dropped_by_omission(wire: Wire, record: str) -> None:  # 24
    upload(wire, record, b"one")
    one, two = upload(wire, record, b"two")
    path = wire.path(TABLE, record)
    _, kept = wire.ask("PATCH", path, json={"fields": {"Files": [{"id": two["id"]}, {"url": "https://x.example/c"}]}})
    first, linked = kept["fields"]["Files"]
    assert (first["id"], linked["url"]) == (two["id"], "https://x.example/c")
    _, echoed = wire.ask("PATCH", path, json={"fields": {"Files": kept["fields"]["Files"]}})
    assert [each["id"] for each in echoed["fields"]["Files"]] == [each["id"] for each in kept["fields"]["Files"]]
    assert wire.refused("PATCH", path, json={"fields": {"Files": [{"id": one["id"]}]}})[:2] == (
        422, "INVALID_ATTACHMENT_OBJECT",
    )  # fmt: skip
    stable = {"url": "attachment:" + "0" * 64, "size": 1, "type": "text/plain", "filename": "x"}
    assert wire.refused("PATCH", path, json={"fields": {"Files": [stable]}})[1] == "INVALID_ATTACHMENT_OBJECT"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: re.sub("signature=.", "signature=", url),
        lambda url: re.sub("expires=", "expires=1", url),
        lambda url: url.replace("text%2Fplain", "text%2Fhtml"),
        lambda url: url.replace("a.txt", "a.html"),
        lambda url: re.sub("[0-9a-f]{64}", "0" * 64, url),
        lambda url: re.sub("[0-9a-f]{64}", "nothing", url),
        lambda url: url + "&signature=x",
        lambda url: url + "&more=x",
        lambda url: url.partition("?")[0],
        lambda url: re.sub("signature=.*", "signature=%C3%A4", url),
    ],
)
def test_an_address_that_was_not_made_here_is_refused(
    wire: Wire, record: str, anybody: httpx2.Client, spoil: Any
) -> None:
    (attachment,) = upload(wire, record, b"hello")
    answer = anybody.get(spoil(attachment["url"]))
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "attachment-address-refused")


def test_nothing_that_is_served_can_act_in_a_browser(wire: Wire, record: str, anybody: httpx2.Client) -> None:
    name = '../Ä "x".html'
    (page,) = upload(wire, record, b"<script>", filename=name, kind="text/html; charset=utf-8")
    answer = anybody.get(page["url"])
    assert (page["type"], page["filename"]) == ("text/html", 'Ä "x".html')
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"_ _x_.html\"; filename*=UTF-8''%C3%84%20%22x%22.html"
    )
    assert anybody.head(page["url"]).headers["content-length"] == "8"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"file": "no base64!"}, {"file": "YWJj="}, {"file": "YQ"}, {"file": "ä"}, {"file": ""}, {"file": 5},
        {"filename": ""}, {"filename": ".."}, {"filename": "a/"}, {"filename": "\n"}, {"filename": None},
        {"contentType": "text"}, {"contentType": "te xt/plain"}, {"contentType": 5}, {"more": 1},
    ],
)  # fmt: skip
def test_an_upload_is_whole_and_well_formed(wire: Wire, record: str, spoilt: dict[str, Any]) -> None:
    body = {**encoded(b"x"), **spoilt}
    assert wire.refused("POST", upload_path(wire, record), json=body)[:2] == (422, "INVALID_REQUEST_UNKNOWN")
    for missing in ("file", "filename", "contentType"):
        part = {name: value for name, value in encoded(b"x").items() if name != missing}
        assert wire.refused("POST", upload_path(wire, record), json=part)[:2] == (422, "INVALID_REQUEST_UNKNOWN")
    assert "Files" not in wire.read(TABLE, record)


def test_a_file_goes_to_an_attachment_field_of_a_record_that_is_there(wire: Wire, reader: Wire, record: str) -> None:
    body = encoded(b"x")
    assert wire.refused("POST", upload_path(wire, NOBODY), json=body)[1] == "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"
    assert wire.refused("POST", upload_path(wire, "rec1"), json=body) == (404, "NOT_FOUND", "")
    assert wire.refused("POST", upload_path(wire, record, "Nope"), json=body)[:2] == (422, "UNKNOWN_FIELD_NAME")
    assert wire.refused("POST", upload_path(wire, record, "Story"), json=body)[:2] == (422, "INVALID_VALUE_FOR_COLUMN")
    assert reader.refused("POST", upload_path(wire, record), json=body)[:2] == (403, "INVALID_PERMISSIONS")


def test_five_mebibytes_are_taken_and_not_one_byte_more(wire: Wire, record: str, anybody: httpx2.Client) -> None:
    most = 5 * 1024 * 1024
    (attachment,) = upload(wire, record, b"x" * most)
    assert anybody.get(attachment["url"]).content == b"x" * most
    assert wire.refused("POST", upload_path(wire, record), json=encoded(b"x" * (most + 1)))[:2] == (
        413, "REQUEST_TOO_LARGE",
    )  # fmt: skip
    assert wire.refused("POST", upload_path(wire, record), json=encoded(b"x" * 2 * most))[:2] == (
        413, "REQUEST_TOO_LARGE",
    )  # fmt: skip


def test_only_so_many_uploads_are_held_at_once(served: Service, wire: Wire, record: str) -> None:
    head = [f"POST {upload_path(wire, record)} HTTP/1.1", "Host: x", "Content-Type: application/json",
            "Content-Length: 99", f"Authorization: {served.headers()['Authorization']}"]  # fmt: skip
    with ExitStack() as stack:
        for _ in range(8):
            begun = stack.enter_context(socket.create_connection(("127.0.0.1", int(served.address.rpartition(":")[2]))))
            begun.sendall("\r\n".join([*head, "", "{"]).encode())
        requests_in_flight(wire.client, at_least=9)
        answer = wire.client.post(upload_path(wire, record), json=encoded(b"x"))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.json()["error"]["type"] == "RATE_LIMIT_REACHED"
    path, body = upload_path(wire, record), encoded(b"x")
    eventually(lambda: wire.client.post(path, json=body).status_code == 200)


def test_an_address_that_has_expired_is_refused(served: Service, anybody: httpx2.Client) -> None:
    clock = FakeClock()
    key = address_key(load_key_pair(served.place.data_dir / "keys"))
    item = {"id": "att" + "A" * 14, "url": "attachment:" + "0" * 64, "size": 1, "type": "a/b", "filename": "x"}
    shown = AttachmentAddresses(key, lifetime=timedelta(hours=2), clock=clock).show(orjson.dumps([item]), "")
    answer = anybody.get(orjson.loads(shown)[0]["url"])
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "attachment-address-expired")


def test_a_full_folder_says_so_and_kill_loses_nothing(tmp_path: Path) -> None:
    settings = {"ATTACHMENTS_MAX_BYTES": "8192"}
    place = prepared(Place(tmp_path / "data"))
    with running(place, settings) as service, service.client() as client:
        wire = Wire(client)
        record = wire.create(TABLE, {"Name": "x"})["id"]
        upload(wire, record, b"one")
        upload(wire, record, b"one", filename="the same bytes.txt")
        upload(wire, record, b"two")
        assert wire.refused("POST", upload_path(wire, record), json=encoded(b"three"))[0] == 422
        service.kill()
    with running(place, settings) as service, service.client() as client:
        cell = Wire(client).read(TABLE, record)["Files"]
        assert [client.get(each["url"]).content for each in cell] == [b"one", b"one", b"two"]
        assert "connector_attachment_bytes 8192.0" in client.get("/metrics").text
