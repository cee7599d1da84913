"""One run: boots, memory, and the loads on service and ceiling in turn."""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import generator, servers
from bench.mirrored import MirroredBench
from bench.operations import SENDING, Operation, operations, peer_operation
from bench.report import Line, Measured, Round, load_line

EMBEDDED, MIRROR = "embedded", "mirror"
"""The parts of a run: the base as it is kept here alone, and one that mirrors a base at Airtable."""

SPRINTS = 100_000
BOOTS = 5
BOOT_TARGET = 1.5
MEMORY_TARGET = 60.0
"""MB for `SPRINTS` records."""

WARM = 0.3
"""Seconds before each measurement that do not count."""

LOADED = b'"table":"Sprints"'
"""In the log line that says that the sprints are served from memory."""


@dataclass(frozen=True)
class Cores:
    """Where servers and the load generator run; None: wherever the system likes."""

    server: int | None
    client: int | None


@dataclass(frozen=True)
class Server:
    """Where a server listens, and its process if it is ours."""

    port: int
    process_id: int | None


def free_cores() -> Cores:
    """Give servers and the client a core each, when there are two.

    Raises:
        SystemExit: this is not Linux.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise SystemExit("bench: this needs Linux (epoll, processor affinity)")
    cores = sorted(os.sched_getaffinity(0))
    return Cores(cores[0], cores[1]) if len(cores) > 1 else Cores(None, None)


class Bench:
    """One run; ``work`` is a folder of its own, ``kept`` one for what later runs can use again."""

    def __init__(self, options: argparse.Namespace, *, work: Path, kept: Path) -> None:
        self._options = options
        self._work = work
        self._kept = kept
        self._cores = free_cores()
        self._program = generator.build(kept)
        self._next_number = 0

    def run(self) -> list[Line]:
        """Measure everything, or the part that is asked for."""
        only = self._options.only
        lines = [] if only == MIRROR else self._embedded()
        return lines if only == EMBEDDED else [*lines, *self._mirrored()]

    def _mirrored(self) -> list[Line]:
        return MirroredBench(self._work, self._program, rounds=self._options.rounds).run()

    def _embedded(self) -> list[Line]:
        full, empty = self._work / "full", self._work / "empty"
        shutil.copytree(servers.filled_base(self._kept, SPRINTS), full)
        empty.mkdir()
        bearers = servers.token(full), servers.token(empty)
        boots = self.boots(full, empty)
        without = self.memory_of_empty(empty, bearers[1])
        return [*self.loads(full, bearers[0], without), *boots, *map(self._peer, self._options.compare)]

    def boots(self, full: Path, empty: Path) -> list[Line]:
        """Start the service and a FastAPI hello in turn."""
        taken: dict[str, list[float]] = {"hello": [], "empty": [], "full": []}
        for number in range(BOOTS + 1):
            for name, folder in (("hello", None), ("empty", empty), ("full", full)):
                seconds = _boot_hello() if folder is None else _boot_service(folder)
                if number:  # the first of each warms the disk's cache
                    taken[name].append(seconds)
        whats = {"empty": "boot, empty base", "full": f"boot, {SPRINTS:,} sprints"}
        return [_boot_line(what, taken[name], taken["hello"]) for name, what in whats.items()]

    def memory_of_empty(self, folder: Path, bearer: str) -> int:
        """Return the memory of the service over an empty base, in bytes."""
        port, log = servers.free_port(), self._work / "empty.log"
        environment = servers.service_environment(folder)
        with servers.process(servers.serve_command(port), environment=environment, log=log) as service:
            servers.wait_for_health(port, service)
            servers.wait_for_log(log, LOADED)
            _ask_for_everything(port, bearer, service.pid)
            return servers.resident_bytes(service.pid)

    def loads(self, folder: Path, bearer: str, without: int) -> list[Line]:
        """Load the service over a full base, and the ceiling; tell its memory beyond ``without`` first."""
        port, target, log = servers.free_port(), servers.free_port(), self._work / "service.log"
        environment = servers.service_environment(folder, target=target)
        receiving = json.dumps({"/message": (200, 200, 20)})
        with (
            servers.process([sys.executable, "-m", "bench.ceiling", str(target), receiving], core=self._cores.client),
            servers.process(
                servers.serve_command(port), core=self._cores.server, environment=environment, log=log
            ) as service,
        ):
            servers.wait_for_health(port, service)
            servers.wait_for_log(log, LOADED)
            _ask_for_everything(port, bearer, service.pid)
            records = json.loads(servers.fetch(port, "/sprints?page_size=1000", bearer))["data"]["records"]
            memory = _memory_line(servers.resident_bytes(service.pid) - without, records)
            asked = operations(bearer, [record["id"] for record in records], connections=self._options.connections)
            lines = self._against_ceiling(asked, Server(port, service.pid))
            return [*lines, self._delivered(port, bearer), memory]

    def _delivered(self, port: int, bearer: str) -> Line:
        """Count the messages that reach their one target in a second, in their order, while nobody adds any."""
        spans = []
        for _ in range(self._options.rounds):
            begun, before = time.monotonic(), _delivered_so_far(port, bearer)
            time.sleep(self._options.seconds)
            spans.append((_delivered_so_far(port, bearer) - before) / (time.monotonic() - begun))
        per_second = statistics.median(spans)
        details = {"per_second": spans}
        return Line("message out, delivered in order", f"{per_second:,.0f}/s", "one target", None, "", None, details)

    def _against_ceiling(self, asked: Sequence[Operation], service: Server) -> list[Line]:
        sizes = {}
        for operation in sorted(asked, key=lambda operation: not operation.reads):
            probe = self._round(operation.requests, operation, service, warm=0, measure=0.2).load
            sizes[operation.path] = (operation.status, probe.head_bytes, probe.body_bytes)
        port = servers.free_port()
        command = [sys.executable, "-m", "bench.ceiling", str(port), json.dumps(sizes)]
        found = {operation.name: (Measured(), Measured()) for operation in asked}
        with servers.process(command, core=self._cores.server) as child:
            servers.wait_for_port(port, child)
            ceiling = Server(port, child.pid)
            reading = [operation for operation in asked if operation.reads]
            writing = [operation for operation in asked if not operation.reads]
            # writes come last: they make the base larger, and what looks at all records would take longer each time
            for group in (reading, writing):
                for _ in range(self._options.rounds):
                    for operation in group:
                        at_ceiling, at_service = found[operation.name]
                        at_ceiling.rounds.append(self._round([operation.for_ceiling()], operation, ceiling))
                        at_service.rounds.append(self._round(operation.requests, operation, service))
        return [load_line(operation, *found[operation.name]) for operation in asked]

    def _round(
        self,
        requests: Sequence[bytes],
        operation: Operation,
        server: Server,
        *,
        warm: float = WARM,
        measure: float | None = None,
    ) -> Round:
        file = self._work / "requests"
        generator.write_requests(file, requests)
        before = servers.cpu_seconds(server.process_id)
        load = generator.run(
            self._program,
            file,
            port=server.port,
            connections=operation.connections,
            warm=warm,
            measure=self._options.seconds if measure is None else measure,
            status=operation.status,
            first=self._next_number,
            core=self._cores.client,
        )
        self._next_number = load.next_number
        used = servers.cpu_seconds(server.process_id) - before
        # what the clients have left behind must be done before the next measurement; messages go on being sent
        if operation.name != SENDING:
            servers.wait_until_idle(server.process_id)
        return Round(load, used * 1e6 / max(1, load.answered))

    def _peer(self, text: str) -> Line:
        """Measure one GET of another product."""
        port, operation = peer_operation(text, connections=self._options.connections)
        measured = Measured()
        for _ in range(self._options.rounds):
            measured.rounds.append(self._round(operation.requests, operation, Server(port, None)))
        return load_line(operation, None, measured)


def _ask_for_everything(port: int, bearer: str, process_id: int) -> None:
    """Have the parts loaded that a start puts off, so that memory is compared with all of them there."""
    for path in ("/sprints?page_size=1000", "/version", "/openapi.json", "/v0/meta/bases"):
        servers.fetch(port, path, bearer)
    servers.wait_until_idle(process_id)


def _delivered_so_far(port: int, bearer: str) -> int:
    counts = json.loads(servers.fetch(port, "/messages?limit=1", bearer))["data"]["counts"]
    return int(counts.get("delivered", 0))


def _boot_hello() -> float:
    port = servers.free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.hello:app", "--port", str(port), "--log-level", "error"]
    return servers.boot_seconds(command, port, {})


def _boot_service(folder: Path) -> float:
    port = servers.free_port()
    return servers.boot_seconds(servers.serve_command(port), port, servers.service_environment(folder))


def _boot_line(what: str, taken: Sequence[float], hello: Sequence[float]) -> Line:
    seconds, least = statistics.median(taken), statistics.median(hello)
    ratio = seconds / least
    details = {"seconds": list(taken), "hello_seconds": list(hello)}
    good = ratio <= BOOT_TARGET
    return Line(what, f"{seconds:.2f} s", f"FastAPI hello {least:.2f} s", ratio, f"<= {BOOT_TARGET:.2f}", good, details)


def _memory_line(more: int, records: Sequence[object]) -> Line:
    megabytes = more / 1e6
    size = len(json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode()) // len(records)
    details = {"megabytes": megabytes, "record_bytes": size}
    what, against = f"memory of {SPRINTS:,} sprints", f"{size} bytes each"
    return Line(
        what, f"{megabytes:.1f} MB", against, None, f"<= {MEMORY_TARGET:.0f}", megabytes <= MEMORY_TARGET, details
    )
