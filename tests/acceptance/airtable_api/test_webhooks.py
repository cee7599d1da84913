"""Webhooks as pyairtable uses them, over a socket, with a receiver of its own. Numbers are the ideas followed."""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
from pyairtable import Api, Base, Table
from pyairtable.models import WebhookNotification
from pyairtable.models.webhook import CreateWebhookResponse, Webhook
from pytest_httpserver import HTTPServer
from tests.acceptance.airtable_api.conftest import DROPLETS, TABLES, Wire, prepared
from tests.postgres import shared_server
from tests.service import NEWS_LIMIT_S, Place, Service, eventually, running, start
from werkzeug import Request, Response

from airtable_connector.ops.webhooks.courier import LEASE
from airtable_connector.web.airtable_api import DERIVED_ID

PATH = f"/v0/bases/{DERIVED_ID}/webhooks"
FQDN, CPU = (DROPLETS.field(name).id for name in ("fqdn", "cpu"))
DATA: dict[str, Any] = {"options": {"filters": {"dataTypes": ["tableData"], "recordChangeScope": DROPLETS.id}}}


class Receiver:
    """Keeps the notifications that it was sent; answers as it is told, and only while ``answering`` is set."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/ping")
        self.answer = Response("", 204)
        self.answering = threading.Event()
        self.answering.set()
        self._pings: queue.Queue[tuple[bytes, str]] = queue.Queue()
        server.expect_request("/ping", method="POST").respond_with_handler(self._take)

    def next(self, within_s: float = NEWS_LIMIT_S) -> tuple[bytes, str]:
        """Return the next notification's body and MAC; bounded."""
        return self._pings.get(timeout=within_s)

    def _take(self, request: Request) -> Response:
        self._pings.put((request.get_data(), request.headers["X-Airtable-Content-MAC"]))
        self.answering.wait(NEWS_LIMIT_S)
        return self.answer


@pytest.fixture
def base(served: Service) -> Iterator[Base]:
    with administered(served) as base:
        yield base
        for left in base.webhooks():
            left.delete()


@pytest.fixture
def table(base: Base) -> Table:
    return base.table("Droplets")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield Receiver(server)


@pytest.fixture
def manager(served: Service) -> Iterator[Wire]:
    """A caller that may manage webhooks."""
    with served.client(served.headers("admin")) as client:
        yield Wire(client)


@pytest.fixture
def hook(base: Base) -> Webhook:
    """A webhook without notifications over one table."""
    return base.webhook(_add(base, None, DATA).id)


@contextmanager
def administered(service: Service) -> Iterator[Base]:
    """The base as an administrator's pyairtable sees it."""
    api = Api(service.token("read,write,admin"), endpoint_url=service.address, timeout=(20, 20))
    api.session.trust_env = False
    yield api.base(DERIVED_ID)
    api.session.close()


def _add(base: Base, url: str | None, specification: dict[str, Any]) -> CreateWebhookResponse:
    """Add a webhook as `Base.add_webhook` does, which insists on an address."""
    if url is not None:
        return base.add_webhook(url, specification)
    told = base.api.post(base.urls.webhooks, json={"specification": specification})
    return CreateWebhookResponse.from_api(told, base.api)


def test_a_webhook_is_made_listed_refreshed_switched_and_deleted(base: Base, receiver: Receiver) -> None:
    made = base.add_webhook(receiver.url, DATA)
    hook = base.webhook(made.id)
    assert (hook.cursor_for_next_payload, hook.is_hook_enabled, hook.are_notifications_enabled) == (1, True, True)
    assert hook.notification_url == receiver.url
    assert hook.specification.options.filters.record_change_scope == DROPLETS.id
    assert hook.expiration_time == made.expiration_time
    hook.disable_notifications()
    assert not base.webhook(made.id).are_notifications_enabled
    hook.enable_notifications()
    assert base.webhook(made.id).are_notifications_enabled
    hook.extend_expiration()
    hook.delete()
    assert base.webhooks() == []
    with pytest.raises(requests.HTTPError, match="404"):
        hook.delete()


def test_one_create_is_one_payload_with_only_the_fields_set(hook: Webhook, table: Table) -> None:  # 27
    record = table.create({"fqdn": "a.example"})
    (payload,) = hook.payloads()
    assert payload.cursor == 1
    assert payload.payload_format == "v0"
    assert payload.action_metadata is not None
    assert payload.action_metadata.source == "publicApi"
    assert payload.action_metadata.source_metadata["user"]["id"] == table.api.whoami()["id"]
    created = payload.changed_tables_by_id[DROPLETS.id].created_records_by_id
    assert list(created) == [record["id"]]
    assert created[record["id"]].cell_values_by_field_id == {FQDN: "a.example"}


def test_twenty_updates_and_a_removal_are_payloads_of_their_own(hook: Webhook, table: Table) -> None:
    record = table.create({"fqdn": "b.example"})
    for number in range(20):
        table.update(record["id"], {"cpu": number})
    table.delete(record["id"])
    payloads = list(hook.payloads())
    assert [payload.cursor for payload in payloads] == list(range(1, 23))
    parts = [payload.changed_tables_by_id[DROPLETS.id] for payload in payloads]
    current = [part.changed_records_by_id[record["id"]].current.cell_values_by_field_id for part in parts[1:21]]
    assert current == [{CPU: number} for number in range(20)]
    assert parts[21].destroyed_record_ids == [record["id"]]
    numbers = [payload.base_transaction_number for payload in payloads]
    assert numbers == sorted(set(numbers))


def test_a_batch_is_one_payload(hook: Webhook, table: Table) -> None:
    records = table.batch_create([{"fqdn": f"{number}.example"} for number in range(10)])
    (payload,) = hook.payloads()
    created = payload.changed_tables_by_id[DROPLETS.id].created_records_by_id
    assert list(created) == [record["id"] for record in records]


def test_the_cursor_counts_and_reading_twice_gives_the_same(hook: Webhook, base: Base, table: Table) -> None:  # 27
    for number in range(60):
        table.create({"cpu": number})
    path = f"{PATH}/{hook.id}/payloads"
    first = base.api.get(base.api.build_url(path.removeprefix("/v0/")))
    assert (first["cursor"], first["mightHaveMore"], len(first["payloads"])) == (51, True, 50)
    assert first == base.api.get(base.api.build_url(path.removeprefix("/v0/")))
    rest = base.api.get(base.api.build_url(path.removeprefix("/v0/")), params={"cursor": 51})
    assert (rest["cursor"], rest["mightHaveMore"], len(rest["payloads"])) == (61, False, 10)
    after = base.api.get(base.api.build_url(path.removeprefix("/v0/")), params={"cursor": 61})
    assert after == {"cursor": 61, "mightHaveMore": False, "payloads": []}
    assert [payload.cursor for payload in hook.payloads(cursor=59)] == [59, 60]
    assert base.webhook(hook.id).cursor_for_next_payload == 61


def test_a_change_is_notified_with_a_mac_that_pyairtable_believes(
    base: Base, table: Table, receiver: Receiver
) -> None:  # 28
    made = base.add_webhook(receiver.url, DATA)
    table.create({"fqdn": "c.example"})
    body, mac = receiver.next()
    notification = WebhookNotification.from_request(body.decode(), mac, made.mac_secret_base64)
    assert (notification.base.id, notification.webhook.id) == (DERIVED_ID, made.id)
    with pytest.raises(ValueError, match="failed validation"):
        WebhookNotification.from_request(body.decode() + " ", mac, made.mac_secret_base64)
    eventually(lambda: base.webhook(made.id).last_notification_result is not None)
    result = base.webhook(made.id).last_notification_result
    assert result is not None
    assert (result.success, result.retry_number) == (True, 0)


def test_a_receiver_that_fails_is_told_of_in_the_list_and_has_it_again(
    base: Base, table: Table, receiver: Receiver
) -> None:
    receiver.answer = Response("", 503)
    made = base.add_webhook(receiver.url, DATA)
    table.create({"fqdn": "d.example"})
    receiver.next()
    eventually(lambda: base.webhook(made.id).last_notification_result is not None)
    result = base.webhook(made.id).last_notification_result
    assert result is not None
    assert result.error is not None
    assert (result.success, result.will_be_retried) == (False, True)
    assert result.error.message == "The HTTP request returned a 503 status code instead of 200 or 204"
    receiver.answer = Response("", 200)
    base.webhook(made.id).enable_notifications()
    receiver.next()
    eventually(lambda: base.webhook(made.id).last_successful_notification_time is not None)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_was_not_notified_before_a_kill_is_notified_after_it(
    kind: str, tmp_path: Path, receiver: Receiver
) -> None:
    url = shared_server().new_database() if kind == "postgres" else None
    place = prepared(Place(tmp_path / "data", url))
    receiver.answering.clear()
    with running(place) as service, administered(service) as base:
        made = base.add_webhook(receiver.url, DATA)
        base.table("Droplets").create({"fqdn": "e.example"})
        receiver.next()
        service.kill()
    receiver.answering.set()
    with running(place) as service, administered(service) as base:
        receiver.next(within_s=LEASE.total_seconds() + NEWS_LIMIT_S)
        (payload,) = base.webhook(made.id).payloads()
        (created,) = payload.changed_tables_by_id[DROPLETS.id].created_records_by_id.values()
        assert created.cell_values_by_field_id == {FQDN: "e.example"}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_kills_in_full_work_lose_no_payload_and_double_none(kind: str, tmp_path: Path) -> None:
    url = shared_server().new_database() if kind == "postgres" else None
    place = prepared(Place(tmp_path / "data", url))
    answered: set[str] = set()
    hooks: list[str] = []
    for _ in range(4):
        with running(place) as service, administered(service) as base:
            hooks += [] if hooks else [_add(base, None, DATA).id]
            answered |= _written_until_killed(service)
    with running(place) as service, administered(service) as base:
        payloads = list(base.webhook(hooks[0]).payloads())
        held = sorted(record["id"] for record in base.table("Droplets").all(fields=["fqdn"]))
    assert [payload.cursor for payload in payloads] == list(range(1, len(payloads) + 1))
    created = [
        record for payload in payloads for record in payload.changed_tables_by_id[DROPLETS.id].created_records_by_id
    ]
    assert sorted(created) == held
    assert answered <= set(created)


def _written_until_killed(service: Service) -> set[str]:
    """Let several clients write, kill the process in the midst of it, and return what was answered."""

    def write() -> set[str]:
        made: set[str] = set()
        with service.client() as client, suppress(httpx2.TransportError):
            while True:
                made.add(Wire(client).create("Droplets", {"fqdn": "f.example"})["id"])
                enough.release()
        return made

    enough = threading.Semaphore(0)
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write) for _ in range(4)]
        for _ in range(100):
            assert enough.acquire(timeout=NEWS_LIMIT_S)
        service.kill()
        return set().union(*(writer.result() for writer in writers))


def test_the_eleventh_webhook_is_one_too_many(base: Base) -> None:  # 28
    for _ in range(10):
        _add(base, None, DATA)
    with pytest.raises(requests.HTTPError, match="TOO_MANY_WEBHOOKS_IN_BASE"):
        _add(base, None, DATA)


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("POST", "", {"specification": DATA}),
        ("DELETE", "/{hook}", None),
        ("POST", "/{hook}/refresh", None),
        ("POST", "/{hook}/enableNotifications", {"enable": False}),
    ],
)
def test_only_an_administrator_makes_and_changes_webhooks(
    wire: Wire, hook: Webhook, method: str, rest: str, body: object
) -> None:
    refused = wire.refused(method, PATH + rest.format(hook=hook.id), json=body)
    assert refused == (403, "INVALID_PERMISSIONS", "You are not permitted to perform this operation")


def test_whoever_manages_webhooks_lists_all_and_nobody_sees_the_key_again(manager: Wire, hook: Webhook) -> None:
    status, told = manager.ask("GET", PATH)
    assert (status, [each["id"] for each in told["webhooks"]]) == (200, [hook.id])
    assert "mac" not in str(told).lower()
    assert manager.ask("GET", f"{PATH}/{hook.id}/payloads")[0] == 200


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        (f"{PATH}/ach00000000000000/payloads", 404, "NOT_FOUND"),
        (f"{PATH}/ach0/payloads", 404, "NOT_FOUND"),
        (f"{PATH}/rec00000000000000", 404, "NOT_FOUND"),
        ("/v0/bases/app00000000000000/webhooks", 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
        (f"{PATH}?offset=1", 422, "INVALID_REQUEST_UNKNOWN"),
        (f"{PATH}/ach00000000000000/payloads?cursor=0", 422, "INVALID_REQUEST_UNKNOWN"),
        (f"{PATH}/ach00000000000000/payloads?limit=51", 422, "INVALID_REQUEST_UNKNOWN"),
        (f"{PATH}/ach00000000000000/payloads?cursor=x", 422, "INVALID_REQUEST_UNKNOWN"),
    ],
)
def test_what_is_asked_wrongly_is_refused(manager: Wire, path: str, status: int, kind: str) -> None:
    assert manager.refused("GET", path)[:2] == (status, kind)


def _filtered(**filters: Any) -> dict[str, Any]:
    return {"options": {"filters": {"dataTypes": ["tableData"], **filters}}}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "INVALID_REQUEST_UNKNOWN"),
        ({"specification": DATA, "name": "x"}, "INVALID_REQUEST_UNKNOWN"),
        ({"specification": DATA, "notificationUrl": 5}, "INVALID_REQUEST_UNKNOWN"),
        ({"specification": DATA, "notificationUrl": "http://hooks.example/"}, "INVALID_REQUEST_UNKNOWN"),
        ({"specification": DATA, "notificationUrl": "https://a:b@hooks.example/"}, "INVALID_REQUEST_UNKNOWN"),
        ({"specification": DATA, "notificationUrl": "https://hooks.example/" + "x" * 2_000}, "INVALID_REQUEST_UNKNOWN"),
        ({"specification": {}}, "INVALID_FILTERS"),
        ({"specification": {"options": {}}}, "INVALID_FILTERS"),
        ({"specification": {"options": {"filters": {}}}}, "INVALID_FILTERS"),
        ({"specification": {"options": {"filters": {"dataTypes": []}}}}, "INVALID_FILTERS"),
        ({"specification": _filtered(dataTypes=["rows"])}, "INVALID_FILTERS"),
        ({"specification": _filtered(changeTypes=["alter"])}, "INVALID_FILTERS"),
        ({"specification": _filtered(fromSources=["mars"])}, "INVALID_FILTERS"),
        ({"specification": _filtered(colour="red")}, "INVALID_FILTERS"),
        ({"specification": _filtered(recordChangeScope="Droplets")}, "INVALID_FILTERS"),
        ({"specification": _filtered(recordChangeScope="tbl00000000000000")}, "INVALID_FILTERS"),
        ({"specification": _filtered(recordChangeScope="viw00000000000000")}, "INVALID_FILTERS"),
        ({"specification": _filtered(watchDataInFieldIds=["fqdn"])}, "INVALID_FILTERS"),
        ({"specification": _filtered(watchDataInFieldIds=["fld00000000000000"])}, "INVALID_FILTERS"),
        ({"specification": _filtered(recordChangeScope=TABLES[0].id, watchDataInFieldIds=[CPU])}, "INVALID_FILTERS"),
        ({"specification": _filtered(sourceOptions={"formSubmission": {}})}, "INVALID_FILTERS"),
        ({"specification": _filtered(sourceOptions={"formSubmission": {"viewId": "v" * 41}})}, "INVALID_FILTERS"),
    ],
)
def test_a_specification_that_cannot_be_is_refused(served: Service, body: dict[str, Any], kind: str) -> None:
    with served.client(served.headers("read,write,admin")) as client:
        assert Wire(client).refused("POST", PATH, json=body)[:2] == (422, kind)


def test_in_production_even_this_machine_is_notified_by_https_only(tmp_path: Path) -> None:
    service = start(Place(tmp_path / "data"), {"ENVIRONMENT": "production", "TRUSTED_PROXIES": "127.0.0.1"})
    try:
        headers = {**service.headers("admin,write"), "X-Forwarded-Proto": "https"}
        with service.client(headers) as client:
            body = {"specification": _filtered(), "notificationUrl": "http://127.0.0.1:9/"}
            status, _, message = Wire(client).refused("POST", PATH, json=body)
            assert (status, message) == (422, "Notifications are not sent to this address: here it must be https")
            assert Wire(client).ask("POST", PATH, json={**body, "notificationUrl": "https://hooks.example/"})[0] == 200
    finally:
        service.kill()
