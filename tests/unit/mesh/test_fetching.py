import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from tests.fakes import FakeClock, SpyObserver
from werkzeug import Request, Response

from airtable_connector.kernel.supervisor import Supervisor
from airtable_connector.mesh import (
    AddressRefused,
    KeyRing,
    KeysDropped,
    KeysFetched,
    KeysFetchFailed,
    KeySource,
    MalformedKeySet,
    PeerClient,
    RegistryKeys,
    TokenVerifier,
    UntrustedToken,
)
from airtable_connector.mesh.tokens.jwks import read_key_set

PATH = "/.well-known/jwks.json"
ISSUER, AUDIENCE = "registry.fullpotential.ai", "fullpotential.droplets"


class Endpoint:
    """A key address whose answer a test sets, and which counts the questions."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for(PATH)
        self.asked = 0
        self.answer: Callable[[], Response] = lambda: Response(status=404)
        server.expect_request(PATH).respond_with_handler(self._reply)

    def serves(self, document: Any) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answer = lambda: Response(body, content_type="application/json")

    def _reply(self, _request: Request) -> Response:
        self.asked += 1
        return self.answer()


class Listener(SpyObserver):
    """An observer that a test can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = asyncio.Event()

    def saw(self, fact: object) -> None:
        super().saw(fact)
        self._heard.set()

    async def heard(self, *, facts: int) -> None:
        async with asyncio.timeout(5):
            while len(self.facts) < facts:
                self._heard.clear()
                await self._heard.wait()


class House:
    """A ring, its verifier and the step that fills it, with time standing still."""

    def __init__(self, endpoint: Endpoint, **changes: Any) -> None:
        self.clock, self.spy, self.ring = FakeClock(), Listener(), KeyRing()
        self.verifier = TokenVerifier(self.ring)
        self.client = PeerClient(clock=self.clock)
        self.wakes = 0
        self.supervisor: Supervisor | None = None
        source = KeySource(endpoint.url, issuer=ISSUER, audience=AUDIENCE, **changes)
        self.step = RegistryKeys(
            source,
            client=self.client,
            ring=self.ring,
            clock=self.clock,
            observer=self.spy,
            jitter=lambda: 0.5,
            wake=self._wake,
        )

    def _wake(self) -> None:
        self.wakes += 1
        if self.supervisor is not None:
            self.supervisor.wake("keys")

    async def refresh_after(self, rest: timedelta) -> timedelta:
        await self.clock.advance(rest)
        return await self.step.refresh_once()

    def accepts(self, token: str) -> bool:
        try:
            self.verifier.verify(token, at=self.clock.now())
        except UntrustedToken:
            return False
        return True

    def facts(self) -> list[type]:
        return [type(fact) for fact in self.spy.facts]


@asynccontextmanager
async def living(endpoint: Endpoint, **changes: Any) -> AsyncIterator[House]:
    house = House(endpoint, **changes)
    try:
        yield house
    finally:
        await house.client.close()


@pytest.fixture
def endpoint(httpserver: HTTPServer) -> Endpoint:
    return Endpoint(httpserver)


def read(document: Any) -> tuple[Any, ...]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_key_set(body, issuer=ISSUER, audience=AUDIENCE)


def test_every_shape_of_a_key_set_is_read(registry, mesh) -> None:
    pem = registry.public.decode()
    shapes = [
        {"keys": [registry.jwk("r1")]},
        {"keys": [{"pem": pem, "kid": "r1"}]},
        {"public_key": pem},
        {"keys": [{key: registry.jwk("x")[key] for key in ("kty", "n", "e")}]},
    ]
    for shape in shapes:
        (key,) = read(shape)
        assert (key.public_pem, key.issuer, key.audience) == (registry.public, ISSUER, AUDIENCE)
    assert [read(shape)[0].key_id for shape in shapes] == ["r1", "r1", None, None]
    both = read({"keys": [registry.jwk("r1")], "public_key": mesh.public.decode()})
    assert [key.public_pem for key in both] == [registry.public, mesh.public]


def test_keys_for_something_else_are_passed_over(registry, mesh) -> None:
    others = [
        {**mesh.jwk("enc"), "use": "enc"}, {**mesh.jwk("ps"), "alg": "PS256"}, {**mesh.jwk("ops"), "key_ops": ["sign"]},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "oct", "k": "c2VjcmV0"},
        {**mesh.jwk("e"), "e": "Ag"},
        {**mesh.jwk("small"), "n": "AQAB"}, {**mesh.jwk("text"), "n": "!"}, {**mesh.jwk("none"), "n": None},
        {**mesh.jwk("long"), "n": "A" * 5000}, {"pem": "no pem"}, {"pem": mesh.private.reveal()}, "text", None,
    ]  # fmt: skip

    assert [key.public_pem for key in read({"keys": [*others, registry.jwk("r1")]})] == [registry.public]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"null",
        b"[" * 9000,
        b"\xff",
        {},
        {"keys": []},
        {"keys": {}},
        {"keys": [{}]},
        {"public_key": 5},
    ],
)
def test_what_holds_no_key_is_no_key_set(document) -> None:
    with pytest.raises(MalformedKeySet):
        read(document)


def test_a_set_of_too_many_keys_is_refused(registry) -> None:
    with pytest.raises(MalformedKeySet, match="16"):
        read({"keys": [registry.jwk(str(number)) for number in range(17)]})


@pytest.mark.parametrize(
    "url",
    [
        "http://registry.fullpotential.ai/keys", "ftp://127.0.0.1/keys", "file:///keys", "", "keys", "https://",
        "https://ada:secret@registry.fullpotential.ai/keys", "https://[::1/keys", "https://host:port/keys",
    ],
)  # fmt: skip
def test_an_address_that_could_be_tampered_with_is_refused_without_showing_it(url) -> None:
    with pytest.raises(AddressRefused) as refused:
        RegistryKeys(
            KeySource(url, issuer=None, audience=None),
            client=PeerClient(clock=FakeClock()), ring=KeyRing(), clock=FakeClock(), observer=SpyObserver(),
            jitter=lambda: 0.0, wake=lambda: None,
        )  # fmt: skip
    assert "secret" not in f"{refused.value} {refused.value.__cause__}"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://registry.example/k", ()),
        ("http://localhost:1/k", ()),
        ("http://[::1]/k", ()),
        ("http://lab/k", ("lab",)),
    ],
)
def test_an_address_that_cannot_or_may_is_taken(url, hosts) -> None:
    RegistryKeys(
        KeySource(url, issuer=None, audience=None),
        client=PeerClient(clock=FakeClock(), plain_http_hosts=frozenset(hosts)),
        ring=KeyRing(), clock=FakeClock(), observer=SpyObserver(), jitter=lambda: 0.0, wake=lambda: None,
    )  # fmt: skip


@pytest.mark.anyio
async def test_fetched_keys_are_trusted_and_refreshed_in_time(endpoint, registry, claims) -> None:
    endpoint.serves({"keys": [registry.jwk("r1")]})
    async with living(endpoint) as house:
        rest = await house.step.refresh_once()
        version = house.ring.version
        again = await house.refresh_after(rest)

        assert house.accepts(registry.sign(claims(), kid="r1"))
        assert rest == again == timedelta(minutes=5) * 0.95
        assert (endpoint.asked, house.ring.version) == (2, version)
        assert house.facts() == [KeysFetched]


@pytest.mark.anyio
async def test_a_rotated_key_is_trusted_and_the_one_that_vanished_is_not(endpoint, registry, stranger, claims) -> None:
    old, new = registry.sign(claims(), kid="r1"), stranger.sign(claims(), kid="r2")
    endpoint.serves({"keys": [registry.jwk("r1")]})
    async with living(endpoint) as house:
        rest = await house.step.refresh_once()
        assert (house.accepts(old), house.accepts(new)) == (True, False)

        endpoint.serves({"keys": [stranger.jwk("r2")]})
        await house.refresh_after(rest)

        assert (house.accepts(old), house.accepts(new)) == (False, True)


@pytest.mark.anyio
async def test_an_unknown_key_brings_the_next_fetch_forward_but_not_into_the_cool_down(
    endpoint, registry, stranger, claims
) -> None:
    endpoint.serves({"keys": [registry.jwk("r1")]})
    async with living(endpoint) as house:
        await house.step.refresh_once()
        endpoint.serves({"keys": [stranger.jwk("r2")]})
        await house.clock.advance(timedelta(seconds=10))
        assert not house.accepts(stranger.sign(claims(), kid="r2"))
        assert house.wakes == 1

        rest = await house.step.refresh_once()
        assert (rest, endpoint.asked) == (timedelta(seconds=20), 1)
        await house.refresh_after(rest)

        assert endpoint.asked == 2
        assert house.accepts(stranger.sign(claims(), kid="r2"))


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 500])
async def test_a_flood_of_unknown_keys_makes_no_flood_of_fetches(endpoint, registry, stranger, claims, status) -> None:
    endpoint.serves({"keys": [registry.jwk("r1")]})
    async with living(endpoint) as house:
        await house.step.refresh_once()
        if status != 200:
            endpoint.answer = lambda: Response(status=status)
        unknown = [stranger.sign(claims(), kid=str(number)) for number in range(10)]
        for _ in range(300):
            assert not any(house.accepts(token) for token in unknown)
            await house.refresh_after(timedelta(seconds=1))

        assert endpoint.asked <= 11  # one per cool-down in five minutes
        assert house.accepts(registry.sign(claims(), kid="r1"))


@pytest.mark.anyio
async def test_asking_again_before_the_fetch_wakes_nobody(endpoint) -> None:
    async with living(endpoint) as house:
        for _ in range(100):
            house.step.ask_early()

        assert house.wakes == 1


@pytest.mark.anyio
async def test_a_supervised_step_fetches_early_when_an_unknown_key_comes(endpoint, registry, stranger, claims) -> None:
    endpoint.serves({"keys": [registry.jwk("r1")]})
    async with living(endpoint) as house, Supervisor(clock=house.clock, observer=house.spy) as supervisor:
        house.supervisor = supervisor
        supervisor.start("keys", house.step.refresh_once)
        await house.spy.heard(facts=1)
        endpoint.serves({"keys": [stranger.jwk("r2")]})
        await house.clock.advance(timedelta(seconds=31))

        assert not house.accepts(stranger.sign(claims(), kid="r2"))
        await house.spy.heard(facts=2)

        assert house.accepts(stranger.sign(claims(), kid="r2"))
        assert endpoint.asked == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(status=500),
        lambda: Response(status=404),
        lambda: Response("<html>maintenance</html>", content_type="text/html"),
        lambda: Response(b"\x00\xff" * 100),
        lambda: Response(b'{"keys": []}'),
        lambda: Response(status=302, headers={"Location": "http://127.0.0.1:9/keys"}),
    ],
    ids=["500", "404", "html", "bytes", "no keys", "redirect away"],
)
async def test_an_answer_without_keys_leaves_the_last_good_ones(endpoint, registry, claims, answer) -> None:
    token = registry.sign(claims(), kid="r1")
    endpoint.serves({"keys": [registry.jwk("r1")]})
    async with living(endpoint) as house:
        rest = await house.step.refresh_once()
        endpoint.answer = answer
        rests = [await house.refresh_after(rest)]
        rests += [await house.refresh_after(rests[-1]), await house.refresh_after(rests[-1] * 2)]

        assert house.accepts(token)
        assert rests == [timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8)]
        assert house.facts() == [KeysFetched, KeysFetchFailed]


@pytest.mark.anyio
async def test_keys_in_a_huge_answer_are_not_taken(endpoint, registry) -> None:
    body = json.dumps({"keys": [registry.jwk("r1")]}).encode()
    endpoint.serves(body + b" " * (256 * 1024 + 1 - len(body)))
    async with living(endpoint) as house:
        rest = await house.step.refresh_once()
        assert house.ring.keys == ()

        endpoint.serves(body + b" " * (256 * 1024 - len(body)))
        await house.refresh_after(rest)
        assert len(house.ring.keys) == 1


@pytest.mark.anyio
async def test_an_answer_that_is_compressed_unasked_is_not_taken(endpoint, registry) -> None:
    body = json.dumps({"keys": [registry.jwk("r1")]})
    endpoint.answer = lambda: Response(body, headers={"Content-Encoding": "gzip"})
    async with living(endpoint) as house:
        await house.step.refresh_once()

        assert house.ring.keys == ()
        assert "compressed" in house.spy.facts[0].reason


@pytest.mark.anyio
async def test_keys_behind_a_redirect_are_not_taken(endpoint, httpserver, registry) -> None:
    httpserver.expect_request("/elsewhere").respond_with_json({"keys": [registry.jwk("r1")]})
    endpoint.answer = lambda: Response(status=307, headers={"Location": "/elsewhere"})
    async with living(endpoint) as house:
        await house.step.refresh_once()

        assert house.ring.keys == ()
        assert "307" in house.spy.facts[0].reason


@pytest.mark.anyio
async def test_failures_back_off_up_to_the_usual_interval(endpoint) -> None:
    async with living(endpoint) as house:
        rest = timedelta(0)
        rests = [rest := await house.refresh_after(rest) for _ in range(10)]

        assert rests[-2:] == [timedelta(minutes=5)] * 2
        assert house.facts() == [KeysFetchFailed]


@pytest.mark.anyio
async def test_the_last_good_keys_end_on_time_and_come_back(endpoint, registry, claims) -> None:
    token = registry.sign(claims(), kid="r1")
    endpoint.serves({"keys": [registry.jwk("r1")]})
    async with living(endpoint, keep_for=timedelta(minutes=10)) as house:
        start = house.clock.monotonic()
        rest = await house.step.refresh_once()
        endpoint.answer = lambda: Response(status=503)
        while house.accepts(token):
            assert house.clock.monotonic() - start < 600
            rest = await house.refresh_after(rest)
        assert house.clock.monotonic() - start == pytest.approx(600)
        rest = await house.refresh_after(rest)
        assert house.facts() == [KeysFetched, KeysFetchFailed, KeysDropped]

        endpoint.serves({"keys": [registry.jwk("r1")]})
        await house.refresh_after(rest)

        assert house.accepts(token)
        assert house.facts()[3:] == [KeysFetched]


@pytest.mark.anyio
async def test_a_dead_address_is_an_outage_like_another(registry, claims) -> None:
    class Dead:
        url = "http://127.0.0.1:1/keys"

    async with living(Dead()) as house:
        assert await house.step.refresh_once() == timedelta(seconds=2)
        assert not house.accepts(registry.sign(claims()))
        assert house.facts() == [KeysFetchFailed]


@pytest.mark.anyio
async def test_a_hanging_address_holds_up_nobody_and_is_given_up(endpoint, registry, stranger, claims) -> None:
    endpoint.serves({"keys": [registry.jwk("r1")]})
    entered, released = threading.Event(), threading.Event()

    def hang() -> Response:
        entered.set()
        released.wait(10)
        return Response(status=200)

    async with living(endpoint, timeout=timedelta(seconds=0.5)) as house:
        rest = await house.step.refresh_once()
        await house.clock.advance(rest)
        endpoint.answer = hang
        fetching = asyncio.ensure_future(house.step.refresh_once())
        try:
            assert await asyncio.to_thread(entered.wait, 5)
            began = asyncio.get_running_loop().time()
            assert house.accepts(registry.sign(claims(), kid="r1"))
            assert not house.accepts(stranger.sign(claims(), kid="s1"))
            assert not fetching.done()
            assert asyncio.get_running_loop().time() - began < 0.3
            assert await asyncio.wait_for(fetching, 5) == timedelta(seconds=2)
        finally:
            released.set()
        assert house.accepts(registry.sign(claims(), kid="r1"))
        assert "within 0.5 s" in house.spy.facts[-1].reason


@pytest.mark.anyio
async def test_an_answer_that_drips_is_given_up_as_a_whole(endpoint) -> None:
    released = threading.Event()

    def drip() -> Response:
        def drops() -> Any:
            while not released.wait(0.05):
                yield b" "

        return Response(drops())

    endpoint.answer = drip
    async with living(endpoint, timeout=timedelta(seconds=0.3)) as house:
        try:
            await asyncio.wait_for(house.step.refresh_once(), 5)
        finally:
            released.set()
        assert house.facts() == [KeysFetchFailed]


@pytest.mark.anyio
async def test_of_many_refreshes_at_once_one_fetches(endpoint, registry) -> None:
    endpoint.serves({"keys": [registry.jwk("r1")]})
    async with living(endpoint) as house:
        await asyncio.gather(*(house.step.refresh_once() for _ in range(5)))

        assert endpoint.asked == 1
