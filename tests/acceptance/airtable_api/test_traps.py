"""What surprises users of Airtable: dates, lost answers, limits. Numbers in comments are the ideas followed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from pyairtable import Api, Table, retry_strategy
from tests.acceptance.airtable_api.conftest import Wire
from tests.service import Place, Service, running

from airtable_connector.web.airtable_api import DERIVED_ID

MOMENT = "2024-01-01T12:34:56.789Z"
DAY_LATER = "2024-01-02T12:34:56.789Z"


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        (f"{{Started At}}=DATETIME_PARSE('{MOMENT}')", True),
        (f"{{Started At}}=DATETIME_PARSE('{MOMENT.replace('789', '788')}')", False),
        ("FIND('2024-01-01',{Started At})", True),
        ("IS_SAME({Started At},'2024-01-01','day')", True),
        ("IS_SAME({Started At},'2024-01-02','day')", False),
        ("DATETIME_DIFF({Finished At},{Started At})=86400", True),
        ("DATETIME_DIFF({Finished At},{Started At},'fortnights')=86400000", True),
        ("DATETIME_DIFF({Finished At},{Started At},'m')=1440", True),
        ("DATETIME_DIFF({Finished At},{Started At},'M')=0", True),
    ],
)
def test_dates_are_compared_in_utc_to_the_millisecond(wire: Wire, formula: str, found: object) -> None:  # 18
    record = wire.create("Submissions", {"Started At": MOMENT, "Finished At": DAY_LATER})
    chosen = f"AND(RECORD_ID()='{record['id']}',{formula})"
    assert bool(wire.list("Submissions", filterByFormula=chosen)) is found


class LosingProxy:
    """Stands before a service, and loses its first answers to writes after they took effect."""

    def __init__(self, service: Service, *, answers: int) -> None:
        target = urlsplit(service.address)
        self._target = (target.hostname, target.port)
        self._losing = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.writes = 0
        self._thread = threading.Thread(target=self._serve)

    @contextmanager
    def open(self) -> Iterator["LosingProxy"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            with closing(caller):
                self._pass_on(caller)

    def _pass_on(self, caller: socket.socket) -> None:
        """Pass one request on, with its answer or without; each connection serves one."""
        request = _message(caller)
        request = request.replace(b"Connection: keep-alive", b"Connection: close")
        with closing(socket.create_connection(self._target)) as service:
            service.sendall(request)
            with service.makefile("rb") as reply:
                answer = reply.read()
        if request.startswith(b"POST"):
            self.writes += 1
            if self.writes <= self._losing:
                return
        caller.sendall(answer)


def _message(connection: socket.socket) -> bytes:
    """Read a request with a declared length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].partition(b":")[2]) - len(body) if lengths else 0
    while missing > 0:
        more = connection.recv(65_536)
        received, missing = received + more, missing - len(more)
    return received


@contextmanager
def through(proxy: LosingProxy, service: Service, table: str) -> Iterator[Table]:
    retries = retry_strategy(total=5, backoff_factor=0)
    api = Api(service.token(), endpoint_url=proxy.address, timeout=(20, 20), retry_strategy=retries)
    api.session.trust_env = False
    yield api.table(DERIVED_ID, table)
    api.session.close()


def test_a_create_whose_answer_is_lost_is_sent_again_and_a_key_stores_it_once(
    served: Service, wire: Wire
) -> None:  # 30
    key = wire.some_name()
    with LosingProxy(served, answers=2).open() as proxy, through(proxy, served, "Sprints") as table:
        with pytest.raises(requests.HTTPError, match="INVALID_VALUE_FOR_COLUMN") as refused:
            table.create({"Sprint_ID": key})
        assert proxy.writes == 3
    (stored,) = wire.list("Sprints", filterByFormula=f"{{Sprint_ID}}='{key}'")
    assert stored["id"] in str(refused.value)


def test_without_a_key_the_record_is_doubled_as_at_airtable(served: Service, wire: Wire) -> None:  # 30
    name = wire.some_name()
    with LosingProxy(served, answers=2).open() as proxy, through(proxy, served, "Droplets") as table:
        table.create({"name": name})
    assert len(wire.list("Droplets", filterByFormula=f"{{name}}='{name}'")) == 3


def test_an_upsert_whose_answer_is_lost_takes_effect_once(served: Service, wire: Wire) -> None:  # 30
    name = wire.some_name()
    sent = {"performUpsert": {"fieldsToMergeOn": ["fqdn"]}, "records": [{"fields": {"fqdn": name}}]}
    answers = [wire.ask("PATCH", wire.path("Droplets"), json=sent)[1] for _ in range(3)]
    assert [len(answer["createdRecords"]) for answer in answers] == [1, 0, 0]
    assert len(wire.list("Droplets", filterByFormula=f"{{fqdn}}='{name}'")) == 1


def list_often(table: Table) -> None:
    for _ in range(5):
        table.all()


def test_pyairtable_gives_up_on_a_base_that_is_locked_out(tmp_path: Path) -> None:  # 29
    limits = {"AIRTABLE_API_REQUESTS_PER_SECOND": "1", "AIRTABLE_API_LOCKOUT_SECONDS": "3600"}
    with running(Place(tmp_path / "data"), limits) as service:
        retries = retry_strategy(total=3, backoff_factor=0, respect_retry_after_header=False)
        api = Api(service.token(), endpoint_url=service.address, timeout=(20, 20), retry_strategy=retries)
        api.session.trust_env = False
        table = api.table(DERIVED_ID, "Sprints")
        with pytest.raises(requests.RequestException, match="too many 429 error responses"):
            list_often(table)
        api.session.close()
