"""The examples of ``docs/udc.md``: read from the page, sent to a real droplet, compared or written anew.

``python -m tests.udc_page`` (with the project's environment) records every answer again; read the difference before you
commit it.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.localmesh_process import running_mesh
from tests.service import Place, eventually, free_port, running

PAGE = Path(__file__).resolve().parents[1] / "docs" / "udc.md"

EXAMPLE = re.compile(
    r"```http\n(?P<method>[A-Z]+) (?P<path>\S+)\n(?P<body>.*?)```\n\n```json\n(?P<answer>.*?)\n```", re.DOTALL
)

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)?")
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
RECORD = re.compile(r"rec[0-9A-Za-z]{14}")
HASH = re.compile(r"[0-9a-f]{40,64}")

VARYING = frozenset(
    {
        "cpu_percent", "memory_mb", "uptime_seconds", "requests_total", "requests_per_minute", "latency_ms", "took_ms",
        "head", "cache_bytes", "position", "build_date", "commit_hash", "deployed_by", "source", "modified",
    }
)  # fmt: skip
"""Members whose values are measured, or the build's."""


@dataclass(frozen=True)
class Example:
    """A request as it is printed, and its answer."""

    method: str
    path: str
    body: Any
    answer: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def examples(page: str) -> list[Example]:
    """Return the examples in their order."""
    found = []
    for match in EXAMPLE.finditer(page):
        body = match["body"].strip()
        found.append(
            Example(match["method"], match["path"], json.loads(body) if body else None, json.loads(match["answer"]))
        )
    return found


def comparable(value: Any, *, name: str = "") -> Any:
    """Put a mark in the place of what differs from run to run; everything else must be as printed."""
    if isinstance(value, dict):
        # an error's trace_id is its request's, a message's is its own
        passing = {"trace_id"} if name == "details" else set()
        return {key: comparable(each, name=key) for key, each in value.items() if key not in passing}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if name in VARYING:
        return "(varies)"
    if isinstance(value, str):
        for pattern, mark in ((MOMENT, "(moment)"), (ADDRESS, "(address)"), (RECORD, "(record)"), (HASH, "(hash)")):
            value = pattern.sub(mark, value)
    return value


@contextmanager
def droplet(folder: Path) -> Iterator[httpx2.Client]:
    """Run the droplet that the page speaks of: droplet 2 of a local mesh, with one sprint."""
    port = free_port()
    with running_mesh(folder / "mesh") as mesh:
        settings = {
            "PORT": str(port),
            "DROPLET_URL": f"http://127.0.0.1:{port}",
            "REGISTRY_URL": mesh.registry,
            "REGISTRY_KEY": mesh.registry_key,
            "ORCHESTRATOR_URL": mesh.orchestrator,
            "ORCHESTRATOR_PRIVATE_KEY_FILE": str(mesh.mesh_private_key_file),
        }
        with (
            running(Place(folder / "data"), settings) as service,
            service.client(service.headers("read,write,admin")) as client,
        ):
            for peer in ("registry", "orchestrator"):
                service.wait_for_log("registered", peer=peer)
            service.wait_for_log("digest_written")
            client.post("/sprints", json={"Sprint_ID": "SPR-0417", "Name": "Retry queue", "Status": "Active"})
            eventually(lambda: set(client.get("/health").json()["checks"].values()) == {"ok", "connected"})
            yield client


def ask(client: httpx2.Client, example: Example) -> Any:
    """Send a request as it is printed."""
    answer = client.request(example.method, example.path, json=example.body)
    assert answer.status_code < 500, answer.text
    return answer.json()


def record() -> None:
    """Write every answer of the page anew."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, droplet(Path(folder)) as client:

        def answered(match: "re.Match[str]") -> str:
            body = match["body"].strip()
            example = Example(match["method"], match["path"], json.loads(body) if body else None, None)
            text = json.dumps(ask(client, example), indent=1, ensure_ascii=False)
            return f"```http\n{match['method']} {match['path']}\n{match['body']}```\n\n```json\n{text}\n```"

        page = EXAMPLE.sub(answered, page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    record()
    sys.exit(0)
