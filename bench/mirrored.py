"""A base that mirrors one at Airtable, measured against Airtable's limits.

A second connector stands in for Airtable: it takes five calls a second and none for thirty seconds after one too many,
and its answers come `AWAY_MS` late. Everything is asked from outside, over HTTP.
"""

import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import generator, servers
from bench.caller import Caller
from bench.operations import AIRTABLE_BASE
from bench.report import Line
from bench.there import cell_name

AWAY_MS = 200
"""How late Airtable's answers come."""

CALLS_A_SECOND = 5
READ_TOGETHER, WRITTEN_TOGETHER = 100, 10
"""Records of a call that reads, and of one that writes."""

RECORDS_A_TABLE = 2_500
TABLES = 4
CALLERS = 8
WRITES = 1_000
WAITING_S = 4.0
POLL_S = 3.0

CELLS = 1_000
BEATS_EVERY_S = 30.0
BEATS_FOR_S = 36.0
"""Three times the shortest time between two calls for heartbeats."""

OF_LIMIT = 0.95
DOWN_TO_UP = 0.95
POLLS_UNTIL_SEEN = 2.0
SHARE_OF_BEATS = 0.02
"""The targets: shares of what the limits allow, rests between two polls, and what heartbeats may take of the calls."""

LIMIT_S = 90.0
"""How long anything is waited for."""

READ_S, READ_WARM_S = 1.0, 0.3


@dataclass(frozen=True)
class Place:
    """A service: where it listens, and the token that it believes."""

    port: int
    bearer: str

    def caller(self) -> Caller:
        """Connect with it."""
        return Caller(self.port, self.bearer)


class Way:
    """The way to Airtable, which can be closed for a while."""

    def __init__(self, upstream: int) -> None:
        self.port = servers.free_port()
        self._upstream = upstream
        self._open = ExitStack()

    def open(self) -> None:
        """Let Airtable be reached."""
        command = [sys.executable, "-m", "bench.distance", str(self.port), str(self._upstream), str(AWAY_MS)]
        child = self._open.enter_context(servers.process(command))
        servers.wait_for_port(self.port, child)

    def close(self) -> None:
        """Let nobody listen where Airtable was."""
        self._open.close()


class MirroredBench:
    """One run in a folder of its own. No process is bound to a core: four of them take turns, and mostly wait."""

    def __init__(self, work: Path, program: Path, *, rounds: int) -> None:
        self._work = work
        self._program = program
        self._rounds = rounds

    def run(self) -> list[Line]:
        """Measure everything."""
        with self._airtable() as there:
            way = Way(there.port)
            way.open()
            try:
                with self._service(way, there) as here:
                    copied = first_copy(here)
                    drained, waited = drain(here, there), waiting(here)
                    seen, beats = freshness_and_beats(here, there)
                    return [copied, drained, waited, self._reads(here, way), seen, beats]
            finally:
                way.close()

    @contextmanager
    def _airtable(self) -> Iterator[Place]:
        folder = self._work / "there"
        folder.mkdir()
        command = [sys.executable, "-m", "bench.there", str(folder), str(RECORDS_A_TABLE)]
        subprocess.run(command, check=True)
        place = Place(servers.free_port(), servers.token(folder, "read,write,admin"))
        environment = {
            **servers.service_environment(folder),
            "AIRTABLE_API_REQUESTS_PER_SECOND": str(CALLS_A_SECOND),
        }
        command = servers.serve_command(place.port)
        log = self._work / "there.log"
        with servers.process(command, environment=environment, log=log) as child:
            servers.wait_for_health(place.port, child)
            yield place

    @contextmanager
    def _service(self, way: Way, there: Place) -> Iterator[Place]:
        folder = self._work / "here"
        folder.mkdir()
        place = Place(servers.free_port(), servers.token(folder))
        environment = {
            **servers.service_environment(folder),
            "AIRTABLE_API_KEY": there.bearer,
            "BASE_ID": AIRTABLE_BASE,
            "AIRTABLE_ENDPOINT_URL": f"http://127.0.0.1:{way.port}",
            "AIRTABLE_PLAN": "business",
            "AIRTABLE_POLL_SECONDS": f"{POLL_S:g}",
        }
        command = servers.serve_command(place.port)
        log = self._work / "here.log"
        with servers.process(command, environment=environment, log=log) as child:
            servers.wait_for_health(place.port, child)
            yield place

    def _reads(self, here: Place, way: Way) -> Line:
        """Load the service with lists while Airtable is there, and while it is not, in turn."""
        found: dict[str, list[generator.Load]] = {"up": [], "down": []}
        headers = {"Authorization": f"Bearer {here.bearer}", "Accept": "application/json"}
        file = self._work / "requests"
        generator.write_requests(file, [generator.request("GET", "/sprints?page_size=100", headers)])
        for _ in range(self._rounds):
            until(lambda: is_followed(here))
            found["up"].append(self._load(here, file))
            way.close()
            found["down"].append(self._load(here, file))
            way.open()
        up, down = (statistics.median(load.per_second for load in found[name]) for name in ("up", "down"))
        wrong = sum(load.wrong for loads in found.values() for load in loads)
        details = {name: [load.per_second for load in loads] for name, loads in found.items()} | {"wrong": wrong}
        ratio = down / up
        good = ratio >= DOWN_TO_UP and not wrong
        against = f"with it {up:,.0f}/s"
        return Line("reads without Airtable", f"{down:,.0f}/s", against, ratio, f">= {DOWN_TO_UP:.2f}", good, details)

    def _load(self, here: Place, requests: Path) -> generator.Load:
        return generator.run(
            self._program,
            requests,
            port=here.port,
            connections=32,
            warm=READ_WARM_S,
            measure=READ_S,
            status=200,
        )


def first_copy(here: Place) -> Line:
    """Tell how fast the records came, from the moment when it was known which tables there are."""
    with here.caller() as caller:

        def listed() -> bool:
            return len(tables_of(caller)) == TABLES

        def whole() -> bool:
            return all(table["phase"] == "whole" for table in tables_of(caller))

        begun = until(listed)
        taken = until(whole) - begun
    records = TABLES * RECORDS_A_TABLE
    return against_limit("first copy", records, taken, CALLS_A_SECOND * READ_TOGETHER)


def drain(here: Place, there: Place) -> Line:
    """Let callers write a record each, over and over, without waiting; tell how fast Airtable gets them.

    Raises:
        SystemExit: Airtable has one of them twice, or not at all.
    """
    share = WRITES // CALLERS
    begun = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as threads:
        asked = [threads.submit(write_some, here, number, share) for number in range(CALLERS)]
        receipts = [receipt for each in asked for receipt in each.result()]
    with here.caller() as caller:
        for receipt in sorted(receipts, key=position):
            until(lambda name=receipt: is_done(caller, name))
    taken = time.monotonic() - begun
    with there.caller() as caller:
        check_each_once(caller, share)
    return against_limit("drain of writes", len(receipts), taken, CALLS_A_SECOND * WRITTEN_TOGETHER)


def waiting(here: Place) -> Line:
    """Let callers write a record each and wait for Airtable's answer, over and over."""
    with ThreadPoolExecutor(CALLERS) as threads:
        asked = [threads.submit(write_and_wait, here, number) for number in range(CALLERS)]
        waits = [seconds for each in asked for seconds in each.result()]
    median = statistics.median(waits)
    per_second = len(waits) / WAITING_S
    what = f"writes of {CALLERS} who wait"
    return Line(what, f"{per_second:,.0f}/s", f"median {median:.2f} s", None, "", None, {"seconds": waits})


def freshness_and_beats(here: Place, there: Place) -> tuple[Line, Line]:
    """Edit records at Airtable one after the other, while a thousand cells beat here."""
    ended = threading.Event()
    with ThreadPoolExecutor(1) as thread, here.caller() as caller, there.caller() as editor:
        beating = thread.submit(beat, here, ended)
        try:
            wait_for_next_call(caller)
            begun, calls = time.monotonic(), calls_for_writes(caller)
            ages = []
            while time.monotonic() < begun + BEATS_FOR_S:
                ages.append(edit_and_see(caller, editor, len(ages)))
                time.sleep(random.uniform(0, POLL_S))
            over, spent = time.monotonic(), calls_for_writes(caller) - calls
        finally:
            ended.set()
        beats = sum(begun <= moment < over for moment in beating.result())
    return seen_line(ages), beats_line(spent, beats, over - begun)


def write_some(here: Place, number: int, count: int) -> list[str]:
    """Write records one by one; return the receipts."""
    receipts = []
    with here.caller() as caller:
        for one in range(count):
            fields = {"Sprint_ID": f"DRAIN-{number}-{one:06d}", "Name": "Drain the outbox", "Status": "Active"}
            reply = caller.expect({201, 202}, "POST", "/sprints", fields, prefer="wait=0")
            receipts.append(reply.headers["x-receipt"])
    return receipts


def write_and_wait(here: Place, number: int) -> list[float]:
    """Write records one by one, each when Airtable has the one before; return how long each took."""
    begun, waits = time.monotonic(), [0.0]
    with here.caller() as caller:
        while (sent := time.monotonic()) < begun + WAITING_S:
            fields = {"Sprint_ID": f"WAIT-{number}-{len(waits):06d}", "Name": "Wait for Airtable"}
            caller.expect({201}, "POST", "/sprints", fields, prefer="wait=30")
            waits.append(time.monotonic() - sent)
    return waits[1:]


def position(receipt: str) -> int:
    """Return where in the order of writes a receipt's write stands."""
    return int(receipt.removeprefix("rcp").partition("-")[0])


def is_done(caller: Caller, receipt: str) -> bool:
    """Tell whether Airtable has taken a write.

    Raises:
        SystemExit: it has refused it.
    """
    state = caller.get(f"/receipts/{receipt}").data["state"]
    if state == "refused":
        raise SystemExit(f"bench: Airtable refused {receipt}")
    return bool(state == "done")


def check_each_once(caller: Caller, share: int) -> None:
    """See that Airtable has each record that `write_some` wrote, and has it once.

    Raises:
        SystemExit: it has not.
    """
    keys: list[str] = []
    offset: str | None = ""
    while offset is not None:
        page = caller.get(f"/sprints?page_size=1000&offset={offset}" if offset else "/sprints?page_size=1000").data
        keys += [record["fields"]["Sprint_ID"] for record in page["records"]]
        offset = page.get("offset")
    found = sorted(key for key in keys if key.startswith("DRAIN-"))
    if found != [f"DRAIN-{number}-{one:06d}" for number in range(CALLERS) for one in range(share)]:
        raise SystemExit(f"bench: of {CALLERS * share} written records Airtable has {len(found)}")


def beat(here: Place, ended: threading.Event) -> Sequence[float]:
    """Let each cell beat as often as cells do, spread evenly, until it is over; return when each beat was taken."""
    number, taken = 0, []
    with here.caller() as caller:
        # together, so that the first round is one of all cells
        caller.expect({201}, "POST", "/heartbeats", {"records": [a_beat(number) for number in range(CELLS)]})
        begun = time.monotonic()
        while not ended.wait(max(0.0, begun + number * BEATS_EVERY_S / CELLS - time.monotonic())):
            caller.expect({201}, "POST", "/heartbeats", a_beat(CELLS + number))
            taken.append(time.monotonic())
            number += 1
    return taken


def a_beat(number: int) -> dict[str, object]:
    """Make the next beat of a cell, which shows another load than the one before."""
    load = 10 + number // CELLS % 80
    return {"Cell_ID": cell_name(number % CELLS), "CPU_Usage": load, "RAM_Usage": 40.2, "Status": "OK"}


def edit_and_see(caller: Caller, editor: Caller, number: int) -> float:
    """Edit a record at Airtable, and return after how many seconds it shows here."""
    path, notes = f"/sprints/SPRINT-{number:07d}", f"edited there, {number}"
    editor.expect({200}, "PATCH", path, {"Notes": notes})
    edited = time.monotonic()
    return until(lambda: caller.get(path).data["fields"].get("Notes") == notes) - edited


def wait_for_next_call(caller: Caller) -> None:
    """Wait until a call for heartbeats has just been made."""
    calls = calls_for_writes(caller)
    until(lambda: calls_for_writes(caller) > calls)


def calls_for_writes(caller: Caller) -> int:
    """Count the calls that carried no waiting caller's write; with none written, those for heartbeats."""
    return int(metric(caller, "connector_airtable_outbox_calls_total"))


def metric(caller: Caller, name: str) -> float:
    """Return one metric's value."""
    lines = caller.get("/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def tables_of(caller: Caller) -> Sequence[dict[str, object]]:
    """Return what is known of the mirrored tables."""
    state = json.loads(caller.get("/state").body)
    tables: Sequence[dict[str, object]] = state["airtable"]["mirror"]["tables"]
    return tables


def is_followed(here: Place) -> bool:
    """Tell whether Airtable has answered within the last polls."""
    with here.caller() as caller:
        return float(caller.get("/sprints?page_size=1").headers["x-mirror-age"]) < POLL_S


def until(holds: Callable[[], bool]) -> float:
    """Wait until something is so, and return the monotonic moment when it was.

    Raises:
        SystemExit: it is not after `LIMIT_S` seconds.
    """
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: something did not come in {LIMIT_S:g} s")
        time.sleep(0.02)
    return time.monotonic()


def against_limit(what: str, records: int, taken: float, limit: float) -> Line:
    """Compare records a second with what the limit allows."""
    per_second = records / taken
    ratio = per_second / limit
    details = {"records": records, "seconds": taken}
    against = f"limit {limit:,.0f}/s"
    return Line(what, f"{per_second:,.0f}/s", against, ratio, f">= {OF_LIMIT:.2f}", ratio >= OF_LIMIT, details)


def seen_line(ages: Sequence[float]) -> Line:
    """Compare how long edits took to show with the rest between two polls."""
    median = statistics.median(ages)
    ratio = median / POLL_S
    against, target = f"polls every {POLL_S:g} s", f"<= {POLLS_UNTIL_SEEN:.2f}"
    return Line(
        "edit there is seen", f"{median:.2f} s", against, ratio, target, ratio <= POLLS_UNTIL_SEEN, {"seconds": ages}
    )


def beats_line(calls: int, beats: int, taken: float) -> Line:
    """Tell what heartbeats cost, as a share of the calls that the limit allows."""
    ratio = calls / (taken * CALLS_A_SECOND)
    details = {"calls": calls, "beats": beats, "seconds": taken}
    against, target = f"of {CALLS_A_SECOND} calls/s", f"<= {SHARE_OF_BEATS:.2f}"
    what = "calls for 1,000 heartbeats"
    return Line(what, f"{1_000 * calls / beats:.1f}", against, ratio, target, ratio <= SHARE_OF_BEATS, details)
