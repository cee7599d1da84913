"""Lists of droplets as sections 2.6, 3.1, 3.3 and 3.4 of the mesh contract show them."""

from typing import Any

import pytest

from airtable_connector.mesh import PeerEntry, PeerFailed, read_directory


def only(entry: Any, **options: Any) -> PeerEntry:
    (found,) = read_directory([entry], **options)
    return found


def test_registry_v2_an_object_with_a_count_and_bare_hosts() -> None:
    entry = {
        "id": "drop4.fullpotential.ai",
        "host": "drop4.fullpotential.ai",
        "ip": "203.0.113.4",
        "status": "active",
        "metadata": {"name": "Multi-Cloud Manager", "endpoint": "", "capabilities": []},
        "registered_at": "2025-11-18T10:00:00",
        "last_updated": "2025-11-18T10:00:00",
        "last_heartbeat": 1763460000.1,
    }
    assert read_directory({"droplets": [entry], "count": 1}) == (
        PeerEntry(4, ("drop4.fullpotential.ai", "Multi-Cloud Manager"), "https://drop4.fullpotential.ai", "active"),
    )


def test_an_endpoint_within_the_metadata_wins_over_the_host() -> None:
    entry = {"id": "droplet-12", "host": "drop12.example", "metadata": {"endpoint": "https://chat.example:8443/"}}
    assert only(entry).endpoint == "https://chat.example:8443"


def test_the_early_registry_a_bare_list() -> None:
    entry = {"id": "2", "name": "Airtable", "fqdn": "drop2.example", "ip": "", "status": "healthy", "last_seen": 1}
    assert only(entry) == PeerEntry(2, ("2", "drop2.example", "Airtable"), "https://drop2.example", "healthy")


def test_the_orchestrator_an_envelope_with_capabilities_as_a_text() -> None:
    entry = {
        "droplet_id": 5,
        "name": "Dashboard",
        "steward": None,
        "endpoint": "https://drop5.example",
        "capabilities": '["a"]',
        "status": "inactive",
        "last_heartbeat": "2025-11-18T10:00:00",
        "seconds_since_heartbeat": 3.5,
    }
    answer = {"udc_version": "1.0", "payload": {"droplets": [entry], "total": 1, "filters": {}}}
    assert read_directory(answer) == (PeerEntry(5, ("5", "Dashboard"), "https://drop5.example", "inactive"),)


def test_the_registry_in_memory_names_and_endpoints() -> None:
    entry = {"id": "3f1c", "name": "airtable-connector", "status": "active", "endpoint": "http://127.0.0.1:8000/"}
    assert read_directory({"droplets": [entry], "total": 1, "timestamp": "now"}) == (
        PeerEntry(None, ("3f1c", "airtable-connector"), "http://127.0.0.1:8000", "active"),
    )


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("drop4.example", "https://drop4.example"),
        ("drop4.example:8004", "https://drop4.example:8004"),
        ("127.0.0.1:8004", "http://127.0.0.1:8004"),
        ("localhost", "http://localhost"),
        ("[::1]:80", "http://[::1]:80"),
        ("lab:8004", "http://lab:8004"),
        ("http://drop2.example", "http://drop2.example"),  # the old droplet 2 put its whole address there
        ("", None),
        ("two words", None),
        ("ftp://drop4.example", None),
        ("ada:secret@drop4.example", None),
        ("host:port", None),
        ("häuschen.example", None),
        ("x" * 3_000, None),
    ],
)
def test_a_host_becomes_an_address(host: str, endpoint: str | None) -> None:
    assert only({"id": "a", "host": host}, plain_http_hosts=frozenset({"lab"})).endpoint == endpoint


@pytest.mark.parametrize(
    "garbage", [None, 7, "drop4", [], {}, {"id": None}, {"id": True}, {"id": ""}, {"name": "x" * 300}, {"id": "a\nb"}]
)
def test_garbage_between_entries_is_passed_over(garbage: Any) -> None:
    entries = [{"id": 1}, garbage, {"id": 3}]
    assert [entry.droplet for entry in read_directory(entries)] == [1, 3]


@pytest.mark.parametrize("answer", [None, "html", 7, {}, {"droplets": {}}, {"payload": {}}, {"payload": [1]}])
def test_an_answer_without_a_list_is_refused(answer: Any) -> None:
    with pytest.raises(PeerFailed, match="no list"):
        read_directory(answer)


def test_ten_thousand_entries_are_read_and_no_more() -> None:
    assert len(read_directory([{"id": number} for number in range(1, 10_100)])) == 10_000
