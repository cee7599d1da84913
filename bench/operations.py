"""What is asked of the service, and of the ceiling with answers of the same size."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bench.generator import NUMBER, request

CELLS = 1_000
"""Droplets whose heartbeats are simulated."""

SENDING = "message out, taken"
"""The name of the operation after which messages are on their way."""

CONDITIONS = (
    'AND({Status} = "Active", OR({Time_Spent_hr} > 5, FIND("retries", LOWER({Notes})) > 0),'
    ' NOT({Dev_Name} = BLANK()), LEN({Name} & " x") > %s)'
)
OVER_ALL = CONDITIONS.replace("} =", "} !=", 1) % 300
FILTERS = (
    ("formula first page", CONDITIONS % 3, ""),
    ("formula over all", OVER_ALL, ""),
    ("formula and sorted", CONDITIONS % 3, "&sort=-Time_Spent_hr"),
    ("formula by key", '{Sprint_ID} = "SPRINT-0077777"', ""),
)
"""Questions with a formula: one that ends early, one that looks at every record, one with an order, one by an index."""

AIRTABLE_BASE = "appkplePC6Ou8xoD3"
AIRTABLE = f"/v0/{AIRTABLE_BASE}/Sprints"
"""The sprints below Airtable's Web API, in a base that was given no id."""

_PEER = re.compile(r"([^=]+)=http://(?:127\.0\.0\.1|localhost):(\d+)(/[^,]*)(.*)")


@dataclass(frozen=True)
class Operation:
    """One kind of request. ``target`` is the least ratio to the ceiling; None: for information."""

    name: str
    requests: Sequence[bytes]
    connections: int
    status: int
    target: float | None

    def for_ceiling(self) -> bytes:
        """Return the same request as the ceiling is asked: only its path differs."""
        method, _, rest = self.requests[0].partition(b" ")
        return b"%b %b %b" % (method, self.path.encode(), rest.partition(b" ")[2])

    @property
    def reads(self) -> bool:
        """Whether it leaves the base as it is."""
        return self.requests[0].startswith(b"GET ")

    @property
    def path(self) -> str:
        """The operation's path at the ceiling."""
        return "/" + self.name.replace(" ", "-")


def operations(bearer: str, record_ids: Sequence[str], *, connections: int) -> list[Operation]:
    """Return everything that is measured."""
    headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/json"}
    create = request("POST", "/sprints", headers, _new_sprint())

    def get(path: str) -> bytes:
        return request("GET", path, headers)

    def beat(cell: str) -> bytes:
        body = {"Cell_ID": cell, "CPU_Usage": 12.5, "RAM_Usage": 40.2, "Status": "active"}
        return request("POST", "/heartbeats", headers, json.dumps(body).encode())

    return [
        Operation("list of 100", [get("/sprints?page_size=100")], connections, 200, 0.30),
        Operation("one record", [get(f"/sprints/{name}") for name in record_ids], connections, 200, 0.30),
        Operation("health", [request("GET", "/health", {"Accept": "application/json"})], connections, 200, 0.40),
        Operation("durable create", [create], connections, 201, 0.10),
        Operation("durable create alone", [create], 1, 201, None),
        *(
            Operation(name, [get(f"/sprints?page_size=100&filter={quote(formula)}{more}")], connections, 200, None)
            for name, formula, more in FILTERS
        ),
        Operation(
            "filtered and sorted",
            [get("/sprints?page_size=100&Status=Active&sort=-Time_Spent_hr")],
            connections,
            200,
            None,
        ),
        Operation("airtable: list of 100", [get(AIRTABLE)], connections, 200, 0.25),
        Operation("airtable: one record", [get(f"{AIRTABLE}/{name}") for name in record_ids], connections, 200, None),
        Operation("airtable: create 10", [request("POST", AIRTABLE, headers, _ten_sprints())], connections, 200, None),
        Operation(
            "airtable: filter over all",
            [get(f"{AIRTABLE}?filterByFormula={quote(OVER_ALL)}")],
            connections,
            200,
            None,
        ),
        Operation("heartbeat of 1,000 cells", [beat(f"CELL-{n:04d}") for n in range(CELLS)], connections, 201, None),
        Operation("message in", [request("POST", "/message", headers, _message())], connections, 200, None),
        Operation(
            SENDING,
            [request("POST", "/send", {**headers, "Prefer": "wait=0"}, _message_to_send())],
            connections,
            200,
            None,
        ),
    ]


def peer_operation(text: str, *, connections: int) -> tuple[int, Operation]:
    """Read ``NAME=http://127.0.0.1:PORT/PATH[,HEADER: VALUE…]``: a GET of another product, and its port.

    Raises:
        SystemExit: the text does not look like that.
    """
    match = _PEER.fullmatch(text)
    if match is None:
        raise SystemExit("bench: --compare wants NAME=http://127.0.0.1:PORT/PATH[,HEADER: VALUE...]")
    name, port, path, more = match.groups()
    headers = dict(header.split(": ", 1) for header in more.split(",") if ": " in header)
    asked = [request("GET", path, {"Accept": "application/json", **headers})]
    return int(port), Operation(name, asked, connections, 200, None)


def _message() -> bytes:
    return json.dumps(
        {
            "trace_id": f"00000000-0000-4000-8000-{NUMBER.decode()}",
            "source": "5",
            "target": "2",
            "message_type": "event",
            "payload": {"sprint": "SPR-0417", "progress": 0.75},
            "timestamp": "2026-01-31T12:00:00Z",
        }
    ).encode()


def _message_to_send() -> bytes:
    return json.dumps(
        {
            "trace_id": f"00000000-0000-4000-9000-{NUMBER.decode()}",
            "target": "registry",
            "message_type": "event",
            "payload": {"sprint": "SPR-0417", "progress": 0.75},
        }
    ).encode()


def _new_sprint() -> bytes:
    return json.dumps(_sprint("")).encode()


def _ten_sprints() -> bytes:
    return json.dumps({"records": [{"fields": _sprint(f"-{each}")} for each in range(10)]}).encode()


def _sprint(more: str) -> dict[str, object]:
    return {
        "Sprint_ID": f"BENCH-{NUMBER.decode()}{more}",
        "Name": "Cover the heartbeat collector with contract tests",
        "Dev_Name": "Amira Ben Salah",
        "Status": "Active",
        "Time_Spent_hr": 6.25,
        "Notes": "Pair work; review by the Verifier still to come.",
    }
