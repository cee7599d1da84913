"""The server in a process of its own: signals and exit codes cannot be shown otherwise."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from airtable_connector.web.http import Lifecycle
from airtable_connector.web.server import AddressInUse, AddressUnusable, ServerLimits, StartFailed, serve

PROGRAM = textwrap.dedent(
    """
    import asyncio, os, sys
    from datetime import timedelta
    from airtable_connector.kernel.clock import SystemClock
    from airtable_connector.kernel.ids import RandomIds
    from airtable_connector.ops import LogForm, Metrics, configure_logging
    from airtable_connector.web.http import (
        Answer, Edge, EdgeSettings, Gate, Lifecycle, Problems, Stream, read_or_write
    )
    from airtable_connector.web.server import ServerLimits, serve

    clock, lifecycle, metrics = SystemClock(), Lifecycle(), Metrics()
    logs = configure_logging("INFO", LogForm.JSON, lambda lines: os.write(2, lines), clock=clock)

    async def lifespan(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("lifespan ended", flush=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def big(call):
        return Answer(200, b"x" * 25_000)

    async def slow(call):
        print("slow began", flush=True)
        await clock.sleep(timedelta(seconds=1))
        return Answer(200, b"finished")

    async def leave(call):
        lifecycle.stop()
        return Answer(200, b"leaving")

    async def endless(call):
        print("endless began", flush=True)
        await clock.sleep(timedelta(seconds=3600))

    async def beats():
        while True:
            yield b"data: beat\\n\\n"
            await clock.sleep(timedelta(seconds=0.05))

    async def events(call):
        return Stream(beats())

    settings = EdgeSettings(public_prefixes=("/",))
    gate = Gate(settings, verify=None, identify=None, permission_for=read_or_write, clock=clock, turnstile=metrics)
    hot = {"/big": {"GET": big}, "/slow": {"GET": slow}, "/endless": {"GET": endless}, "/events": {"GET": events}}
    hot["/leave"] = {"GET": leave}
    edge = Edge(
        lifespan, hot=hot, settings=settings, gate=gate, problems=Problems(clock=clock, realm="droplet-2"),
        lifecycle=lifecycle, numbers=metrics, log=logs, clock=clock, ids=RandomIds(),
    )
    import uvloop
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(
            edge, host="127.0.0.1", port=0, lifecycle=lifecycle, limits=ServerLimits(),
            on_ready=lambda host, port: print("ready", port, flush=True), on_abort=logs.close,
        ))
    logs.close()
    print("done", flush=True)
    """
)

pytestmark = pytest.mark.anyio


@dataclass
class Running:
    process: subprocess.Popen[str]
    port: int

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@pytest.fixture
def server() -> Iterator[Running]:
    process = subprocess.Popen(
        # the log stays in the pipe: more of it than the pipe holds must stop nothing
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        assert ready[:1] == ["ready"], process.communicate(timeout=10)
        yield Running(process, int(ready[1]))
    finally:
        process.kill()
        process.communicate()


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, path: str) -> tuple[dict[str, str], bytes]:
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        if "content-length" not in headers:
            return headers, b""
        return headers, await self.reader.readexactly(int(headers["content-length"]))


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_under_load_no_reply_is_broken_by_a_stop(server: Running) -> None:
    whole = 0
    trouble: list[str] = []

    async def load() -> None:
        nonlocal whole
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except ConnectionRefusedError:
                return
            connection, answered = Connection(reader, writer), 0
            try:
                while True:
                    headers, body = await connection.ask("/big")
                    if len(body) != 25_000:
                        trouble.append(f"{len(body)} bytes")
                    whole, answered = whole + 1, answered + 1
                    if headers.get("connection") == "close":
                        break
            except (asyncio.IncompleteReadError, ConnectionError) as broken:
                trouble.append(f"after {answered} replies: {broken!r}")
            finally:
                writer.close()

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(load())
        await asyncio.sleep(0.5)
        server.stop()
    assert trouble == []
    assert whole > 100
    assert server.process.wait(10) == 0
    assert [server.line(), server.line()] == ["lifespan ended", "done"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_runs_is_finished_and_the_exit_code_is_0(server: Running, number: signal.Signals) -> None:
    async with connected(server.port) as connection:
        asked = asyncio.ensure_future(connection.ask("/slow"))
        assert await asyncio.to_thread(server.line) == "slow began"
        server.process.send_signal(number)
        headers, body = await asyncio.wait_for(asked, 10)
    assert (body, headers["connection"]) == (b"finished", "close")
    assert server.process.wait(10) == 0


@pytest.mark.parametrize("begun", [b"", b"GET /big HTTP/1.1\r\nHo"], ids=["not yet begun", "begun"])
async def test_a_request_on_its_way_is_answered_after_idle_connections_were_closed(
    server: Running, begun: bytes
) -> None:
    async with connected(server.port) as idle, connected(server.port) as late:
        await idle.ask("/big")
        late.writer.write(begun)
        server.stop()
        assert await asyncio.wait_for(idle.reader.read(), 10) == b""
        late.writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"[len(begun) :])
        head = await asyncio.wait_for(late.reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close\r\n" in head
        assert len(await late.reader.read()) == 25_000
    assert server.process.wait(10) == 0


async def test_a_connection_that_asks_nothing_does_not_keep_the_server(server: Running) -> None:
    async with connected(server.port) as silent:
        server.stop()
        assert await asyncio.wait_for(silent.reader.read(), 10) == b""
        assert server.process.wait(10) == 0


async def test_a_stop_asked_from_inside_is_the_same_stop(server: Running) -> None:
    async with connected(server.port) as slow, connected(server.port) as other:
        asked = asyncio.ensure_future(slow.ask("/slow"))
        assert await asyncio.to_thread(server.line) == "slow began"
        headers, body = await other.ask("/leave")
        assert (body, headers["connection"]) == (b"leaving", "close")
        headers, body = await asyncio.wait_for(asked, 10)
    assert (body, headers["connection"]) == (b"finished", "close")
    assert server.process.wait(10) == 0
    assert [server.line(), server.line()] == ["lifespan ended", "done"]


async def test_after_a_stop_from_inside_the_second_signal_ends_the_process(server: Running) -> None:
    async with connected(server.port) as connection, connected(server.port) as other:
        connection.writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await asyncio.to_thread(server.line) == "endless began"
        await other.ask("/leave")
        for _ in range(2):
            assert server.process.poll() is None
            server.stop()
            await asyncio.sleep(0.2)
        assert await asyncio.to_thread(server.process.wait, 2) == 128 + signal.SIGTERM


async def test_while_draining_kept_connections_are_told_and_closed(server: Running) -> None:
    async with connected(server.port) as slow, connected(server.port) as kept:
        assert "connection" not in (await kept.ask("/big"))[0]
        asked = asyncio.ensure_future(slow.ask("/slow"))
        assert await asyncio.to_thread(server.line) == "slow began"
        server.stop()
        await asyncio.sleep(0.1)
        headers, _ = await kept.ask("/big")
        assert headers["connection"] == "close"
        assert await kept.reader.read() == b""
        await asked


async def test_streams_end_when_draining_begins(server: Running) -> None:
    async with connected(server.port) as connection:
        headers, _ = await connection.ask("/events")
        assert headers["transfer-encoding"] == "chunked"
        server.stop()
        rest = await asyncio.wait_for(connection.reader.read(), 5)
    assert rest.endswith(b"0\r\n\r\n")
    assert server.process.wait(10) == 0


async def test_a_second_signal_ends_the_process_at_once(server: Running) -> None:
    async with connected(server.port) as connection:
        connection.writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await asyncio.to_thread(server.line) == "endless began"
        server.stop()
        await asyncio.sleep(0.2)
        assert server.process.poll() is None
        server.stop()
        assert await asyncio.to_thread(server.process.wait, 2) == 128 + signal.SIGTERM


async def test_what_is_no_http_is_refused_in_the_udc_form(server: Running) -> None:
    async with connected(server.port) as connection:
        connection.writer.write(b"HELLO\r\n\r\n")
        reply = await asyncio.wait_for(connection.reader.read(), 5)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["code"] == "INVALID_REQUEST"


async def test_headers_without_end_are_cut_off(server: Running) -> None:
    async with connected(server.port) as connection:
        connection.writer.write(b"GET /big HTTP/1.1\r\nx: ")
        with contextlib.suppress(OSError):
            for _ in range(64):
                connection.writer.write(b"a" * 4096)
                await connection.writer.drain()
        with contextlib.suppress(ConnectionError):  # what it sent beyond the limit was not read
            assert (await asyncio.wait_for(connection.reader.read(), 5)).startswith(b"HTTP/1.1 400 ")
    async with connected(server.port) as connection:
        assert len((await connection.ask("/big"))[1]) == 25_000


async def nothing(scope, receive, send) -> None:
    raise RuntimeError("it cannot start")


def serve_nothing(host: str, port: int) -> None:
    asyncio.run(
        serve(
            nothing,
            host=host,
            port=port,
            lifecycle=Lifecycle(),
            limits=ServerLimits(),
            on_ready=lambda *_: None,
            on_abort=lambda: None,
        )
    )


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUse, match=f"127.0.0.1:{port}"):
            serve_nothing("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressUnusable):
        serve_nothing("192.0.2.1", 0)


def test_an_application_that_does_not_start_is_told() -> None:
    with pytest.raises(StartFailed):
        serve_nothing("127.0.0.1", 0)


async def test_the_server_runs_inside_another_program_too() -> None:
    reached: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()

    async def app(scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    running = asyncio.ensure_future(
        serve(
            app,
            host="127.0.0.1",
            port=0,
            lifecycle=Lifecycle(),
            limits=ServerLimits(),
            on_ready=lambda host, port: reached.set_result((host, port)),
            on_abort=lambda: None,
        )
    )
    host, port = await asyncio.wait_for(reached, 5)
    async with connected(port) as connection:
        assert (host, (await connection.ask("/"))[1]) == ("127.0.0.1", b"ok")
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(running, 10)
