"""The load generator counts what really came back; a bench that counts wrongly is worse than none."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from bench import generator
from bench.generator import NUMBER, Load


class Peer:
    """A trivial HTTP server in threads that remembers the last parts of the paths it was asked for."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        talks = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            talks.append(threading.Thread(target=self._talk, args=(connection,), daemon=True))
            talks[-1].start()
        for talk in talks:
            talk.join(5)

    def _talk(self, connection: socket.socket) -> None:
        received = b""
        # the generator leaves without waiting for its last answers
        with connection, suppress(ConnectionError):
            while part := connection.recv(65_536):
                received += part
                while b"\r\n\r\n" in received:
                    head, _, received = received.partition(b"\r\n\r\n")
                    self.asked.append(head.split(b" ")[1].rpartition(b"/")[2])
                    connection.sendall(self._reply)


@contextmanager
def peer(reply: bytes) -> Iterator[Peer]:
    server = Peer(reply)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generator.build(tmp_path_factory.mktemp("load"))


def measured(program: Path, folder: Path, server: Peer, *, path: str = "/a", first: int = 0) -> Load:
    file = folder / "requests"
    generator.write_requests(file, [generator.request("GET", path, {"Accept": "*/*"})])
    return generator.run(
        program, file, port=server.port, connections=4, warm=0.05, measure=0.2, status=200, first=first
    )


def test_it_counts_answers_and_their_sizes(program: Path, tmp_path: Path) -> None:
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    with peer(reply) as server:
        load = measured(program, tmp_path, server)
    assert (load.head_bytes, load.body_bytes, load.wrong) == (len(reply) - 5, 5, 0)
    # every answer but the ones on their way at the end was counted
    assert load.replies < load.answered <= len(server.asked) <= load.answered + 4
    assert 0 < load.p50 <= load.p90 <= load.p99 <= load.slowest


def test_it_counts_answers_of_another_status(program: Path, tmp_path: Path) -> None:
    with peer(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") as server:
        load = measured(program, tmp_path, server)
    assert load.wrong == load.replies > 0


def test_it_reads_chunked_answers(program: Path, tmp_path: Path) -> None:
    with peer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") as server:
        load = measured(program, tmp_path, server)
    assert load.replies > 0
    assert load.wrong == 0


def test_every_request_has_a_number_of_its_own(program: Path, tmp_path: Path) -> None:
    with peer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") as server:
        load = measured(program, tmp_path, server, path=f"/{NUMBER.decode()}", first=7)
    numbers = set(map(int, server.asked))
    assert len(numbers) == len(server.asked) >= load.answered
    assert numbers <= set(range(7, load.next_number))


def test_it_gives_up_when_nobody_listens(program: Path, tmp_path: Path) -> None:
    server = Peer(b"")
    server.close()
    with pytest.raises(SystemExit):
        measured(program, tmp_path, server)
