"""What a mirror does when Airtable refuses calls, and when it is stopped or killed itself."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.acceptance.airtable_api.conftest import prepared
from tests.acceptance.mirror.conftest import TABLES, Mirrored, key_of, keyed, mirroring, wait_until_copied
from tests.faults import Fault, Limits
from tests.faults.plan import Gate
from tests.service import Place, Service, eventually, running


@pytest.fixture(scope="module")
def airtable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for these tests alone: each leaves a webhook behind, and a base takes ten."""
    with running(prepared(Place(tmp_path_factory.mktemp("airtable") / "data"), TABLES)) as service:
        yield service


KEEP_CALLING = {"AIRTABLE_POLL_SECONDS": "1"}


def calls(mirror: Mirrored) -> int:
    return len(mirror.proxy.seen)


def test_a_lock_out_ends_all_calls_for_thirty_seconds_and_what_waits_goes_up_then(
    airtable: Service, own_place: Place
) -> None:
    with mirroring(airtable, own_place, KEEP_CALLING) as mirror:
        wait_until_copied(mirror)
        mirror.proxy.gate = Gate(Limits(per_window=0))
        eventually(lambda: mirror.proxy.seen[-1].status == 429)
        mirror.proxy.gate = None
        before = calls(mirror)
        _, receipt = mirror.write_and_go("POST", "/sprints", json=keyed("/sprints"))
        told = mirror.final(receipt)
        assert told["state"] == "done"
        last, first = mirror.proxy.seen[before - 1], mirror.proxy.seen[before]
        assert first.at - last.at >= 29.9


def test_a_month_whose_calls_are_spent_ends_all_calls_and_loses_no_write(airtable: Service, own_place: Place) -> None:
    with mirroring(airtable, own_place, KEEP_CALLING) as mirror:
        wait_until_copied(mirror)
        mirror.proxy.gate = Gate(Limits(quota=0))
        eventually(lambda: bool(mirror.client.get("/budget").json()["data"]["spent"]))
        refused = mirror.proxy.gate.refused
        written, receipt = mirror.write_and_go("POST", "/sprints", json=keyed("/sprints"))
        assert mirror.client.get(f"/sprints/{written['id']}").status_code == 200
        assert mirror.client.get("/sprints", params={"max_staleness": "0"}).status_code == 504
        assert mirror.receipt(receipt)["state"] == "waiting"
        assert mirror.proxy.gate.refused == refused
        assert mirror.client.get("/budget").json()["data"]["held"]


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_writes_on_their_way_survive_the_end_of_the_process_and_go_up_once(
    ending: str, airtable: Service, own_place: Place
) -> None:
    with mirroring(airtable, own_place) as mirror:
        wait_until_copied(mirror)
        with mirror.proxy.away():
            sent = [keyed("/sprints") for _ in range(3)]
            written = [mirror.write_and_go("POST", "/sprints", json=each) for each in sent]
            # what is being sent when a process dies is looked for before it is repeated, a minute and a half later
            eventually(lambda: (mirror.facts()["outbox"]["waiting"], mirror.facts()["outbox"]["under_way"]) == (3, 0))
            if ending == "stop":
                assert mirror.here.stop() == 0
            else:
                mirror.here.kill()
    with mirroring(airtable, own_place) as mirror:
        for fields, (record, receipt) in zip(sent, written, strict=True):
            assert mirror.final(receipt)["state"] == "done"
            (there,) = mirror.named(fields["Sprint_ID"])
            assert mirror.client.get(f"/sprints/{record['id']}").json()["data"]["id"] == there["id"]


def test_a_write_whose_caller_waits_when_the_process_is_stopped_is_answered(
    airtable: Service, own_place: Place
) -> None:
    with mirroring(airtable, own_place) as mirror, ThreadPoolExecutor(1) as caller:
        wait_until_copied(mirror)
        mirror.proxy.order(Fault.HELD_ANSWER, method="PATCH")
        sent = keyed("/sprints")
        waiting = caller.submit(mirror.client.post, "/sprints", json=sent)
        eventually(lambda: mirror.proxy.seen[-1].fault is Fault.HELD_ANSWER)
        mirror.here.tell(signal.SIGTERM)
        mirror.here.wait_for_log("Shutting down")
        mirror.proxy.release()
        answer = waiting.result()
        assert (answer.status_code, answer.headers["Connection"]) == (201, "close")
        (there,) = mirror.named(sent["Sprint_ID"])
        assert answer.json()["data"]["id"] == there["id"]
        assert mirror.here.wait() == 0


def test_a_base_of_its_own_is_not_made_a_mirror_and_a_mirror_not_a_base_of_its_own(
    airtable: Service, place: Place
) -> None:
    with running(place):
        pass
    with pytest.raises(AssertionError, match="holds a base of its own"):
        start_once(place, key_of(airtable))


def test_a_mirror_does_not_start_without_its_key(airtable: Service, own_place: Place) -> None:
    with mirroring(airtable, own_place) as mirror:
        wait_until_copied(mirror)
    with pytest.raises(AssertionError, match="holds the mirror of a base"):
        start_once(own_place, {})


def start_once(place: Place, settings: dict[str, str]) -> None:
    with running(place, settings):
        pass
