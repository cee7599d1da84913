"""The connector as a process of its own: started, asked over HTTP, stopped or killed.

Nothing here waits by sleeping: a process is ready when its log says so, and other news is awaited in the log, too.
"""

import asyncio
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx2

from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh import OWN_ISSUER, Permission, load_key_pair, mint
from airtable_connector.records import Damage, Verified, verify_feed

COMMAND = (sys.executable, "-m", "airtable_connector")

START_LIMIT_S = 30.0
STOP_LIMIT_S = 20.0
NEWS_LIMIT_S = 20.0
"""How long a test waits for what must come soon, on a machine that has other things to do."""

OURSELVES = 2
"""The droplet number under which the service itself writes."""

UNHURRIED = {"RATE_LIMIT_PER_MINUTE": "10000000", "SHUTDOWN_GRACE_SECONDS": "0.1"}
"""Settings of a service that is asked as fast as a test can."""


@dataclass(frozen=True)
class Place:
    """Where a service keeps its data; services started on the same place go on where the last one ended."""

    data_dir: Path
    database_url: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        chosen = {"DATA_DIR": str(self.data_dir)}
        return chosen if self.database_url is None else {**chosen, "DATABASE_URL": self.database_url}

    @property
    def sqlite_file(self) -> Path:
        return self.data_dir / "connector.sqlite3"

    @property
    def location(self) -> DatabaseLocation:
        if self.database_url is None:
            return SqliteFile(self.sqlite_file)
        return PostgresServer(Secret(self.database_url))

    def stored_keys(self) -> list[str]:
        """Return the keys of the records that the store holds, without asking a service."""

        async def read() -> list[str]:
            async with open_database(self.location, clock=SystemClock()) as database, database.reading() as reader:
                return [row[0] for row in await reader.all("select key from records where key is not null")]

        return asyncio.run(read())

    def verify(self) -> Verified | Damage:
        """Check the change feed from beside the service, as another process would."""

        async def check() -> Verified | Damage:
            async with open_database(self.location, clock=SystemClock()) as database:
                return await verify_feed(database)

        return asyncio.run(check())


@dataclass
class Service:
    """A running process. Its standard error is read all the time, so that it never waits for us."""

    process: "subprocess.Popen[str]"
    place: Place
    address: str = ""
    log: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False
    _closed: bool = False
    _tokens: dict[tuple[str, int, float], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.log.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for_log(self, event: str, *, within: float = NEWS_LIMIT_S, **facts: object) -> dict[str, Any]:
        """Return the first line of this event, with these facts, that was or will be written."""
        until = time.monotonic() + within
        read = 0
        with self._news:
            while True:
                for line in self.log[read:]:
                    found = _read_line(line)
                    if found.get("event") == event and facts.items() <= found.items():
                        return found
                read = len(self.log)
                left = until - time.monotonic()
                if self._ended or left <= 0 or not self._news.wait(left):
                    raise AssertionError(f"the log does not say {event} {facts}:\n{''.join(self.log[-30:])}")

    def token(self, permissions: str = "read,write", *, droplet: int = 5, hours: float = 24.0) -> str:
        """Make a token that the service believes; with negative ``hours`` one that has expired.

        Signing takes long, so the same wish gets the same token.
        """
        wish = (permissions, droplet, hours)
        if wish not in self._tokens:
            self._tokens[wish] = self._mint(permissions, droplet, hours)
        return self._tokens[wish]

    def _mint(self, permissions: str, droplet: int, hours: float) -> str:
        lifetime = timedelta(hours=abs(hours))
        issued_at = datetime.now(UTC) if hours > 0 else datetime.now(UTC) - 2 * lifetime
        keys = load_key_pair(self.place.data_dir / "keys")
        return mint(
            keys.private_pem,
            droplet=droplet,
            steward="Ada",
            permissions={Permission(name) for name in permissions.split(",")},
            issued_at=issued_at,
            lifetime=lifetime,
            issuer=OWN_ISSUER,
            key_id=keys.key_id,
        )

    def headers(self, permissions: str = "read,write", *, droplet: int = 5) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(permissions, droplet=droplet)}"}

    def client(self, headers: Mapping[str, str] | None = None) -> httpx2.Client:
        """Return a client of this service, which the caller closes; by default one that may read and write."""
        return httpx2.Client(
            base_url=self.address,
            headers=self.headers() if headers is None else headers,
            timeout=NEWS_LIMIT_S,
            trust_env=False,
            verify=False,  # there is nothing to verify, and reading the machine's certificates takes long
        )

    def async_client(self, *, connections: int = 100) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        return httpx2.AsyncClient(
            base_url=self.address,
            headers=self.headers(),
            timeout=NEWS_LIMIT_S,
            limits=limits,
            trust_env=False,
            verify=False,  # as above
        )

    def pause(self) -> None:
        """Let the process hang: connections are accepted by the system, and nothing is answered."""
        self.tell(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.tell(signal.SIGCONT)

    def tell(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the process to end, and return its exit code; one that has ended already is no trouble."""
        if self.process.poll() is None:
            self.tell(number)
        return self.wait()

    def kill(self) -> None:
        """End the process as a power cut would, as far as the process is concerned."""
        self.process.kill()
        if not self._closed:
            self.wait()

    def wait(self, within: float = STOP_LIMIT_S) -> int:
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the process did not end:\n{''.join(self.log[-30:])}") from None
        finally:
            self._reader.join(STOP_LIMIT_S)
            assert self.process.stderr is not None
            self.process.stderr.close()
            self._closed = True
        return code


def environment(*settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that holds these settings and none of the developer's own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ}
    for each in settings:
        kept.update(each)
    return kept


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def start(place: Place, settings: Mapping[str, str] | None = None) -> Service:
    """Start ``serve`` on a free port, unless the settings name one, and return when it answers."""
    place.data_dir.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [*COMMAND, "serve"],
        cwd=place.data_dir,  # a folder without .env and udc_config.json
        env=environment({"PORT": "0"}, UNHURRIED, place.settings, settings or {}),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    service = Service(process, place)
    try:
        service.address = service.wait_for_log("ready", within=START_LIMIT_S)["address"]
    except BaseException:
        process.kill()
        service.wait()
        raise
    return service


@contextmanager
def running(place: Place, settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Start a service, and kill it in the end unless the test has ended it; stopping it properly takes longer."""
    service = start(place, settings)
    try:
        yield service
    finally:
        service.kill()


@dataclass(frozen=True)
class Event:
    """One server-sent event of ``/events``."""

    id: int
    change: dict[str, Any]


class EventStream:
    """An open ``/events``, read by a thread; use as a context manager.

    It is listening when it has been entered.
    """

    def __init__(self, service: Service, *, headers: Mapping[str, str] | None = None, **query: object) -> None:
        self._service = service
        self._headers = dict(headers or {})
        self._query = dict(query)
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._reading = self._loop.create_task(self._read())
        self._reader = threading.Thread(target=self._run, daemon=True)
        self.broken: Exception | None = None
        """What ended the stream when it was not its proper end."""

    def __enter__(self) -> Self:
        self._reader.start()
        if not self._listening.wait(NEWS_LIMIT_S):
            raise AssertionError("the stream does not begin")
        return self

    def __exit__(self, *_exc: object) -> None:
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._reading.cancel)
        self._reader.join(NEWS_LIMIT_S)

    def next(self, *, where: Callable[[dict[str, Any]], bool] = lambda _change: True) -> Event:
        """Return the next event whose change fits; bounded."""
        until = time.monotonic() + NEWS_LIMIT_S
        while True:
            try:
                event = self._events.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError("no such event came") from None
            if event is None:
                raise AssertionError("the stream has ended")
            if where(event.change):
                return event

    def until(self, seq: int) -> list[Event]:
        """Return the events up to and with a feed position."""
        found = [self.next()]
        while found[-1].id < seq:
            found.append(self.next())
        return found

    def rest(self) -> list[Event]:
        """Return what is left of a stream that ends by itself."""
        found = []
        while (event := self._events.get(timeout=NEWS_LIMIT_S)) is not None:
            found.append(event)
        return found

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._reading)
        self._loop.close()

    async def _read(self) -> None:
        try:
            async with (
                self._service.async_client() as client,
                client.stream("GET", "/events", params=self._query, headers=self._headers) as answer,
            ):
                assert answer.status_code == 200, answer.status_code
                await self._take(answer.aiter_lines())
        except httpx2.HTTPError as error:
            self.broken = error
        finally:
            self._listening.set()
            self._events.put(None)

    async def _take(self, lines: AsyncIterator[str]) -> None:
        number = 0
        async for line in lines:
            self._listening.set()
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                self._events.put(Event(number, json.loads(line[6:])))


def eventually(condition: Callable[[], bool], *, within: float = NEWS_LIMIT_S) -> None:
    """Ask again and again, for what only an answer tells; what the log or a stream tells is awaited there."""
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"it did not come true within {within:g} s")
        time.sleep(0.05)


def requests_in_flight(client: httpx2.Client, *, at_least: int) -> None:
    """Wait until so many requests are at work, the one that asks among them."""

    def count() -> float:
        lines = client.get("/metrics").text.splitlines()
        return next(float(line.split()[-1]) for line in lines if "in_flight" in line and not line.startswith("#"))

    eventually(lambda: count() >= at_least)


def pages(client: httpx2.Client, path: str, **query: object) -> Iterator[list[dict[str, Any]]]:
    """Walk a list to its end, page by page."""
    offset: dict[str, object] = {}
    while True:
        answer = client.get(path, params={**query, **offset})
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        yield data["records"]
        if "offset" not in data:
            return
        offset = {"offset": data["offset"]}


def everything(client: httpx2.Client, path: str, **query: object) -> list[dict[str, Any]]:
    return [record for page in pages(client, path, **query) for record in page]


def changes(client: httpx2.Client, *, after: int = 0, **query: object) -> list[dict[str, Any]]:
    """Pull the change feed to its end."""
    found: list[dict[str, Any]] = []
    more = True
    while more:
        data = client.get("/changes", params={"after": after, "limit": 1000, **query}).json()["data"]
        found += data["changes"]
        more = data["more"]
        after = data["position"] or after
    return found


def position(client: httpx2.Client) -> int:
    """Return how far the feed has come."""
    return int(client.get("/sprints", params={"page_size": 1}).headers["x-feed-position"])


def changes_of_callers(client: httpx2.Client, *, after: int) -> list[dict[str, Any]]:
    """Pull what callers changed; the service itself writes digests and what it thinks of cells, whenever it likes."""
    return [change for change in changes(client, after=after) if change["actor"] != OURSELVES]


def proof(client: httpx2.Client) -> str:
    """Return the hash at the feed's head: it is another one as soon as anything has changed."""
    answer: str = client.get("/health").json()["proof"]
    return answer


def _read_line(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
