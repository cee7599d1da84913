import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh import AddressRefused, PeerClient, PeerFailed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[PeerClient]:
    opened = PeerClient(clock=SystemClock(), timeout=timedelta(seconds=5))
    yield opened
    await opened.close()


async def test_an_answer_comes_back_whatever_its_status(client: PeerClient, httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        assert request.headers["Authorization"] == "Bearer a.b.c"
        assert request.get_json() == {"a": 1}
        return Response('{"detail": "later"}', 429, {"Retry-After": "7"})

    httpserver.expect_request("/x", method="POST").respond_with_handler(answer)
    reply = await client.call("POST", httpserver.url_for("/x"), body={"a": 1}, bearer=Secret("a.b.c"))

    assert (reply.status, reply.accepted, reply.object(), reply.pause) == (
        429,
        False,
        {"detail": "later"},
        timedelta(seconds=7),
    )


@pytest.mark.parametrize("content", ["<html>maintenance</html>", "", "\x00"])
async def test_what_is_no_json_is_said_to_be_none(client: PeerClient, httpserver: HTTPServer, content: str) -> None:
    httpserver.expect_request("/x").respond_with_data(content)
    reply = await client.call("GET", httpserver.url_for("/x"))

    with pytest.raises(PeerFailed, match="no JSON"):
        reply.json()


async def test_a_redirect_is_not_followed(client: PeerClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("", 302, {"Location": httpserver.url_for("/thief")})

    assert (await client.call("GET", httpserver.url_for("/x"), bearer=Secret("t"))).status == 302
    assert [request.path for request, _ in httpserver.log] == ["/x"]


async def test_a_long_answer_is_not_read_to_its_end(client: PeerClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("x" * 1001)

    with pytest.raises(PeerFailed, match="longer than 1000 bytes"):
        await client.call("GET", httpserver.url_for("/x"), most=1000)


async def test_a_peer_that_drips_is_given_up_in_time(client: PeerClient) -> None:
    def drip(caller: socket.socket) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            caller.sendall(b"x")
            time.sleep(0.02)

    with listening(drip) as port, pytest.raises(PeerFailed, match=r"within 0\.2 s"):
        await client.call("GET", f"http://127.0.0.1:{port}/", within=timedelta(seconds=0.2))


async def test_nobody_there_is_said(client: PeerClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    with pytest.raises(PeerFailed, match="nobody listens"):
        await client.call("GET", f"http://127.0.0.1:{port}/")


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(client: PeerClient, tmp_path) -> None:
    context = own_certificate(tmp_path)

    def greet(caller: socket.socket) -> None:
        context.wrap_socket(caller, server_side=True).close()

    with listening(greet) as port, pytest.raises(PeerFailed, match="certificate is not to be trusted"):
        await client.call("GET", f"https://127.0.0.1:{port}/", bearer=Secret("t"))


@pytest.mark.parametrize(
    "url",
    ["http://registry.example/x", "ftp://127.0.0.1/x", "", "https://", "https://ada:secret@host/x", "https://h:port/x"],
)
async def test_an_address_that_could_be_listened_in_on_is_refused_without_showing_it(client, url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        await client.call("GET", url)
    assert "secret" not in str(refused.value)


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one caller in a thread, until that caller is gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            caller, _ = listener.accept()
            with caller, contextlib.suppress(OSError):
                serve(caller)

        thread = threading.Thread(target=work)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


def own_certificate(folder) -> ssl.SSLContext:
    """Make a server's context whose certificate is signed by itself."""
    clock = SystemClock()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    both = folder / "server.pem"
    both.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context
