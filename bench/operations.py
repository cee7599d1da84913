"""What is asked of the service, and of the ceiling with answers of the same size."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bench.generator import NUMBER, request

CONDITIONS = (
    'AND({Status} = "Active", OR({Time_Spent_hr} > 5, FIND("retries", LOWER({Notes})) > 0),'
    ' NOT({Dev_Name} = BLANK()), LEN({Name} & " x") > %s)'
)
FILTERS = (
    ("formula first page", CONDITIONS % 3, ""),
    ("formula over all", CONDITIONS.replace("} =", "} !=", 1) % 300, ""),
    ("formula and sorted", CONDITIONS % 3, "&sort=-Time_Spent_hr"),
    ("formula by key", '{Sprint_ID} = "SPRINT-0077777"', ""),
)
"""Questions with a formula: one that ends early, one that looks at every record, one with an order, one by an index."""

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
    def path(self) -> str:
        """The operation's path at the ceiling."""
        return "/" + self.name.replace(" ", "-")


def operations(bearer: str, record_ids: Sequence[str], *, connections: int) -> list[Operation]:
    """Return everything that is measured."""
    headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/json"}
    create = request("POST", "/sprints", headers, _new_sprint())

    def get(path: str) -> bytes:
        return request("GET", path, headers)

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


def _new_sprint() -> bytes:
    return json.dumps(
        {
            "Sprint_ID": f"BENCH-{NUMBER.decode()}",
            "Name": "Cover the heartbeat collector with contract tests",
            "Dev_Name": "Amira Ben Salah",
            "Status": "Active",
            "Time_Spent_hr": 6.25,
            "Notes": "Pair work; review by the Verifier still to come.",
        }
    ).encode()
