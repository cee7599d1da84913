"""Who is let in, what is let in, and what is never let out."""

import base64
import hashlib
import hmac
import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.conftest import new_place
from tests.postgres import shared_server
from tests.service import Place, Service, changes_of_callers, position, running

from airtable_connector.mesh import OWN_ISSUER, Permission, create_key_pair, load_key_pair, mint

LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|sqlite|apsw|asyncpg|postgres|/tmp/|\bselect\b.*\bfrom\b|insert into",
    re.IGNORECASE,
)
"""What an answer about an error must never show: stacks, modules, paths, SQL."""


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def claims() -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    return {"droplet_id": 5, "permissions": ["read", "write"], "iss": OWN_ISSUER, "iat": now, "exp": now + 600}


def token_without_signature(_service: Service) -> str:
    return f"{encode({'alg': 'none', 'typ': 'JWT'})}.{encode(claims())}."


def token_signed_with_the_public_key_as_secret(service: Service) -> str:
    keys = load_key_pair(service.place.data_dir / "keys")
    signed = f"{encode({'alg': 'HS256', 'typ': 'JWT', 'kid': keys.key_id})}.{encode(claims())}"
    mac = hmac.new(keys.public_pem, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def expired_token(service: Service) -> str:
    return service.token(hours=-1)


def foreign_token(service: Service) -> str:
    folder = service.place.data_dir / "foreign"
    keys = load_key_pair(folder) if folder.exists() else create_key_pair(folder)
    return mint(
        keys.private_pem,
        droplet=5,
        steward="Mallory",
        permissions={Permission.READ, Permission.WRITE},
        issued_at=datetime.now(UTC),
        lifetime=timedelta(hours=1),
        issuer=OWN_ISSUER,
        key_id=load_key_pair(service.place.data_dir / "keys").key_id,
    )


def tampered_token(service: Service) -> str:
    head, _, mac = service.token("read").split(".")
    return f"{head}.{encode(claims())}.{mac}"


@pytest.mark.parametrize(
    "forge",
    [
        token_without_signature,
        token_signed_with_the_public_key_as_secret,
        expired_token,
        foreign_token,
        tampered_token,
        lambda _service: "no-token",
        lambda _service: "a.b.c",
    ],
    ids=["none", "hs256", "expired", "foreign", "tampered", "word", "abc"],
)
def test_a_token_that_is_not_ours_opens_nothing(shared: Service, client: httpx2.Client, forge: Any) -> None:
    before = position(client)
    with shared.client({"Authorization": f"Bearer {forge(shared)}"}) as stranger:
        for answer in (
            stranger.get("/sprints"),
            stranger.post("/sprints", json={"Sprint_ID": "forged"}),
            stranger.get("/nowhere"),
        ):
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "UNAUTHORIZED"
            assert answer.headers["www-authenticate"].startswith('Bearer realm="droplet-2", error="invalid_token"')
            assert LEAKS.search(answer.text) is None
        assert stranger.get("/health").status_code == 200
    assert changes_of_callers(client, after=before) == []


def test_without_a_token_only_the_public_paths_answer(shared: Service) -> None:
    with shared.client({}) as stranger:
        paths = ("/sprints", "/sprints/x", "/events", "/changes", "/metrics", "/docs", "/openapi.json", "/nowhere")
        for path in paths:
            answer = stranger.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="droplet-2"'), path
        for path in ("/", "/health", "/register"):
            assert stranger.get(path).status_code == 200
        basic = stranger.get("/sprints", headers={"Authorization": "Basic YTpi"})
        assert basic.json()["error"]["details"]["reason"] == "unknown-scheme"


def test_a_reader_may_not_write(shared: Service, client: httpx2.Client) -> None:
    before = position(client)
    with shared.client(shared.headers("read")) as reader:
        assert reader.get("/sprints").status_code == 200
        answer = reader.post("/sprints", json={"Sprint_ID": "readers"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
        assert answer.json()["error"]["details"]["needed"] == "write"
        assert 'scope="write"' in answer.headers["www-authenticate"]
    with shared.client(shared.headers("write")) as writer:
        assert writer.get("/sprints").status_code == 403
    assert changes_of_callers(client, after=before) == []


def raw(service: Service, request: bytes) -> bytes:
    """Send bytes that no client would send, and return everything that is answered."""
    host, _, port = service.address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        with closing(connection.makefile("rb")) as answer:
            return answer.read()


def test_a_doubled_authorization_is_refused(shared: Service) -> None:
    good = f"Authorization: Bearer {shared.token()}\r\n"
    for doubled in (good + good, good + "Authorization: Bearer x\r\n", "Authorization: Bearer x\r\n" + good):
        answer = raw(shared, f"GET /sprints HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{doubled}\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"doubled-header"' in answer


def test_huge_headers_are_refused(shared: Service, client: httpx2.Client) -> None:
    long = client.get("/sprints", headers={"X-Long": "x" * 20_000})
    many = client.get("/sprints", headers={f"X-{number}": "x" for number in range(120)})
    token = client.get("/sprints", headers={"Authorization": "Bearer " + "x" * 17_000})
    assert [answer.status_code for answer in (long, many, token)] == [431] * 3
    # no more than is read before the refusal: closing a connection with unread bytes on it resets it
    endless = raw(shared, b"GET /sprints HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"x" * 65_536)
    assert endless.startswith(b"HTTP/1.1 400 ")
    assert client.get("/sprints?q=" + "x" * 9_000).status_code == 414
    assert client.get("/sprints/" + "x" * 3_000).status_code == 414


@pytest.mark.anyio
async def test_whoever_sends_too_much_hears_so_even_while_still_sending(shared: Service) -> None:
    async with shared.async_client() as asking:
        answers = [await asking.patch("/sprints/nobody", json={"Notes": "x" * 3_000_000}) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {413}


def test_bodies_have_limits(client: httpx2.Client) -> None:
    before = position(client)
    mebibyte = 1024 * 1024
    one = client.patch("/sprints/nobody", json={"Notes": "x" * mebibyte})
    hook = client.post("/webhook", json={"text": "x" * mebibyte})
    bulk = client.post("/sprints", json=[{"Notes": "x" * 5 * mebibyte}])
    assert [answer.status_code for answer in (one, hook, bulk)] == [413] * 3
    assert {answer.json()["error"]["details"]["reason"] for answer in (one, hook, bulk)} == {"body-too-large"}

    def in_pieces() -> Any:
        yield b'[{"Notes": "'
        for _ in range(60):
            yield b"x" * 100_000

    chunked = client.post("/sprints", content=in_pieces(), headers={"Content-Type": "application/json"})
    assert chunked.status_code == 413
    large = client.post("/sprints", json=[{"Sprint_ID": f"large-{n}", "Notes": "x" * 90_000} for n in range(50)])
    assert large.status_code == 201
    assert len(changes_of_callers(client, after=before)) == 50


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (b"[" * 60_000, "application/json", 422, "nested-too-deeply"),
        (b"[" * 40 + b"]" * 40, "application/json", 422, "nested-too-deeply"),
        (b'{"fields": ' * 40 + b"1" + b"}" * 40, "application/json", 422, "nested-too-deeply"),
        (b'{"Name": NaN}', "application/json", 400, "malformed-json"),
        (b'{"Name": "\xff"}', "application/json", 400, "malformed-json"),
        (b'{"Name": "\\ud800"}', "application/json", 400, "malformed-json"),
        (b"Name=a", "application/x-www-form-urlencoded", 415, "not-json"),
        (b'{"Name": "a"}', "application/json; charset=latin-1", 415, "not-json"),
        (b'{"Time_Spent_hr": 1e400}', "application/json", 400, "malformed-json"),
        (b'{"Name": "a\\u0000b"}', "application/json", 422, "invalid-cell"),
        (b" ", "application/json", 422, "empty-body"),
    ],
)
def test_a_strange_body_is_refused(client: httpx2.Client, body: bytes, kind: str, status: int, reason: str) -> None:
    before = position(client)
    answer = client.post("/sprints", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (status, reason)
    assert changes_of_callers(client, after=before) == []


def test_errors_never_show_where_they_come_from(client: httpx2.Client) -> None:
    odd = ("'; drop table records; --", "%00", "..%2f..%2fetc", "%ff%fe", "a" * 1_000, "{id}", "rec00000000000000")
    answers = [client.get(f"/sprints/{text}") for text in odd]
    answers += [
        client.get("/sprints", params={"q": "\x00"}),
        client.get("/sprints?Name=%00"),
        client.get("/sprints?%ff=1"),
    ]
    answers += [client.get(f"/sprints?offset={text}") for text in odd]
    answers += [client.get(f"/sprints/{text}/history") for text in odd]
    answers += [client.get(f"/changes?table={text}") for text in odd]
    answers += [client.get("/sprints?sort='"), client.get("/heartbeats/rollup?cell=%00&since=x")]
    answers += [client.post("/sprints", json={text: 1}) for text in odd]
    answers += [client.patch(f"/sprints/{text}", json={"Name": "x"}) for text in odd]
    answers += [client.delete(f"/sprints/{text}") for text in odd]
    answers += [client.post("/sprints?upsert=true", json={"Sprint_ID": "a\x00b"})]
    answers += [client.request("BREW", "/sprints"), client.request("PROPFIND", "/nowhere")]
    for answer in answers:
        assert 400 <= answer.status_code < 500, (answer.request.method, answer.request.url, answer.text)
        assert answer.json()["status"] == "error"
        assert LEAKS.search(answer.text.replace("drop table records", "")) is None


def test_every_answer_carries_the_security_headers(client: httpx2.Client) -> None:
    for path in ("/health", "/sprints", "/nowhere", "/docs", "/sprints/nobody"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src" in headers["content-security-policy"]
        assert headers["referrer-policy"]
        assert headers["x-trace-id"]
        assert "server" not in headers


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a small quota, a trusted network, a proxy and an allowed origin."""
    settings = {
        "RATE_LIMIT_PER_MINUTE": "20",
        "TRUSTED_NETWORKS": "127.0.0.1/32 = 7: read",
        "TRUSTED_PROXIES": "127.0.0.1/32",
        "ALLOWED_ORIGINS": "https://dash.example",
    }
    with running(new_place("sqlite", tmp_path_factory.mktemp("strict")), settings) as service:
        yield service


def test_a_caller_who_comes_too_often_is_told_when_to_come_again(strict: Service) -> None:
    with strict.client() as client, strict.client(strict.headers(droplet=6)) as other:
        answers = [client.get("/sprints") for _ in range(30)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) >= 8
        assert {answer.status_code for answer in answers} == {200, 429}
        assert answers[0].headers["ratelimit-policy"] == '"default";q=20;w=60'
        assert answers[0].headers["ratelimit"].startswith('"default";r=19;t=')
        last = refused[-1]
        assert 1 <= int(last.headers["retry-after"]) <= 4
        assert last.headers["ratelimit"].startswith('"default";r=0;t=')
        assert last.json()["error"]["code"] == "RATE_LIMITED"
        assert client.get("/health").status_code == 200
        assert other.get("/sprints").status_code == 200


def test_an_address_that_keeps_guessing_is_not_listened_to(strict: Service) -> None:
    guess = {"Authorization": "Bearer guess", "X-Forwarded-For": "192.0.2.66"}
    with strict.client(guess) as guesser, strict.client(strict.headers(droplet=8)) as client:
        answers = [guesser.get("/sprints") for _ in range(40)]
        assert (answers[0].status_code, answers[-1].status_code) == (401, 429)
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert guesser.get("/health").status_code == 200
        assert client.get("/sprints", headers={"X-Forwarded-For": "192.0.2.67"}).status_code == 200


def test_a_trusted_network_needs_no_token_and_gets_no_more_than_it_was_given(strict: Service) -> None:
    with strict.client({}) as client:
        assert client.get("/sprints").status_code == 200
        assert client.post("/sprints", json={"Sprint_ID": "x"}).status_code == 403
        # a wrong token is wrong, wherever it comes from
        assert client.get("/sprints", headers={"Authorization": "Bearer x"}).status_code == 401
        # the proxy in front tells where the caller really is
        assert client.get("/sprints", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
        assert client.get("/sprints", headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.1"}).status_code == 401


def test_a_page_of_another_origin_may_call_only_when_it_is_allowed(strict: Service) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with strict.client(strict.headers(droplet=9)) as client:
        allowed = client.options("/sprints", headers={"Origin": "https://dash.example", **asked})
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == "https://dash.example"
        refused = client.options("/sprints", headers={"Origin": "https://evil.example", **asked})
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers
        shown = client.get("/sprints", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in shown.headers


def test_no_secret_is_in_the_log_of_a_whole_run(tmp_path: Path) -> None:
    password = "hunter2-and-a-half"
    url = shared_server().new_database().replace("postgres@", f"postgres:{password}@")
    with running(Place(tmp_path / "data", url), {"LOG_LEVEL": "debug"}) as service, service.client() as client:
        token = service.token()
        tokens = [token, expired_token(service), foreign_token(service), token_without_signature(service)]
        for each in tokens:
            client.get("/sprints", headers={"Authorization": f"Bearer {each}"})
            client.get("/sprints", params={"access_token": each})
            client.get(f"/sprints/{each}", headers={"X-Trace-ID": each[:40]})
        client.post("/proof", json={"Proof_ID": "p", "Token": "proof-token-value"}).raise_for_status()
        client.post("/sprints", content=f'{{"Name": "{token}', headers={"Content-Type": "application/json"})
        assert service.stop() == 0
    log = "".join(service.log)
    private = load_key_pair(tmp_path / "data" / "keys").private_pem.reveal()
    assert '"status":200' in log
    assert password not in log
    assert "proof-token-value" not in log
    assert private.splitlines()[1] not in log
    assert [each for each in tokens if each.split(".")[2] and each.split(".")[2] in log] == []


def test_a_database_that_refuses_the_login_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://nobody:hunter2-and-a-half@127.0.0.1:1/none"
    with pytest.raises(AssertionError) as failed, running(Place(tmp_path / "data", url)):
        pass
    shown = str(failed.value)
    assert "the record store is unavailable" in shown
    assert "hunter2" not in shown
    assert "Traceback" not in shown
