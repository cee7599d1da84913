"""The load generator: built from ``load.c`` when needed, run once per measurement."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("load.c")
NUMBER = b"@" * 12
"""At each place where it stands in a request, the running number of the request takes its place in twelve digits."""


@dataclass(frozen=True)
class Load:
    """What one measurement found; latencies in microseconds."""

    per_second: float
    answered: int
    """Answers in all, also those of the time that does not count."""
    replies: int
    wrong: int
    p50: int
    p90: int
    p99: int
    slowest: int
    head_bytes: int
    body_bytes: int
    next_number: int


def build(folder: Path) -> Path:
    """Compile the generator into ``folder`` unless a newer one stands there; return the program.

    Raises:
        SystemExit: there is no C compiler, or it refuses.
    """
    program = folder / "load"
    if program.exists() and program.stat().st_mtime > SOURCE.stat().st_mtime:
        return program
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise SystemExit("bench: a C compiler is needed for the load generator (install gcc, or set CC)")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", program, SOURCE], check=True)
    return program


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Write one request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def write_requests(path: Path, requests: Sequence[bytes]) -> None:
    """Write requests into a file in the generator's form."""
    path.write_bytes(b"".join(b"%d\n%b" % (len(request), request) for request in requests))


def run(
    program: Path,
    requests: Path,
    *,
    port: int,
    connections: int,
    warm: float,
    measure: float,
    status: int,
    first: int = 0,
    core: int | None = None,
) -> Load:
    """Ask for ``measure`` seconds after ``warm`` seconds that do not count, pinned to ``core`` if given.

    Raises:
        SystemExit: the server broke a connection or fell silent.
    """
    words = [port, connections, int(warm * 1000), int(measure * 1000), status, first, requests]
    pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
    command = [str(program), *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=warm + measure + 30, preexec_fn=pin)
    if done.returncode != 0:
        raise SystemExit(f"bench: the load generator gave up at port {port}")
    found: dict[str, Any] = json.loads(done.stdout)
    return Load(
        per_second=found["replies"] / found["seconds"],
        answered=found["answered"],
        replies=found["replies"],
        wrong=found["wrong"],
        p50=found["p50_us"],
        p90=found["p90_us"],
        p99=found["p99_us"],
        slowest=found["slowest_us"],
        head_bytes=found["head_bytes"],
        body_bytes=found["body_bytes"],
        next_number=found["next_number"],
    )
