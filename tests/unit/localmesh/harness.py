"""Both peers without sockets: asked through ASGI, with a clock that stands still and a network that is ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import jwt
import orjson
from starlette.types import ASGIApp
from tests.fakes import CountingIds, FakeClock, SpyObserver

from airtable_connector.localmesh import (
    AS_OBSERVED,
    Courier,
    Generation,
    KeyFolder,
    Orchestrator,
    OrchestratorSettings,
    Quirks,
    RegistrySettings,
    build_orchestrator,
    build_registry,
)
from airtable_connector.mesh import load_key_pair

TRACE = "11111111-2222-4333-8444-555555555555"


@dataclass(frozen=True)
class Keys:
    folder: KeyFolder
    registry_key: str


class Network:
    """What droplets answer, by host; a host without an answer refuses the connection."""

    def __init__(self) -> None:
        self.answers: dict[str, int | Exception | bytes] = {}
        self.sent: list[httpx2.Request] = []

    def courier(self) -> Courier:
        return Courier(httpx2.AsyncClient(transport=httpx2.MockTransport(self._take), trust_env=False))

    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request.content) for request in self.sent]

    async def _take(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.sent.append(request)
        match self.answers.get(request.url.host, httpx2.ConnectError("refused")):
            case Exception() as failure:
                raise failure
            case bytes() as body:
                return httpx2.Response(200, content=body)
            case status:
                return httpx2.Response(status, json={})


class Peer:
    """Asks an application."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://peer", headers=headers, trust_env=False
        )

    async def get(self, path: str, **request: Any) -> httpx2.Response:
        return await self._client.get(path, **request)

    async def post(self, path: str, body: object = None, **request: Any) -> httpx2.Response:
        return await self._client.post(path, content=b"" if body is None else orjson.dumps(body), **request)

    async def patch(self, path: str, body: object, **request: Any) -> httpx2.Response:
        return await self._client.patch(path, content=orjson.dumps(body), **request)

    async def delete(self, path: str, **request: Any) -> httpx2.Response:
        return await self._client.delete(path, **request)


class RegistryPeer(Peer):
    """A Registry of one generation, asked with its shared key."""

    def __init__(
        self, keys: Keys, clock: FakeClock, generation: str = "v2", *, network: Network | None = None, **settings: Any
    ) -> None:
        self._key = {"X-Registry-Key": keys.registry_key}
        app = build_registry(
            RegistrySettings(generation=Generation(generation), **settings),
            folder=keys.folder,
            courier=(network or Network()).courier(),
            clock=clock,
            ids=CountingIds(),
            observer=SpyObserver(),
        )
        super().__init__(app, self._key)

    async def token(self, droplet_id: str = "2") -> str:
        reply = await self.post("/auth/token", params={"droplet_id": droplet_id})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["token"])

    async def bearer(self, droplet_id: str = "2") -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.token(droplet_id)}"}


class OrchestratorPeer(Peer):
    """An Orchestrator, asked as droplet 2 unless ``headers`` say otherwise."""

    def __init__(
        self, keys: Keys, clock: FakeClock, *, quirks: Quirks = AS_OBSERVED, network: Network | None = None
    ) -> None:
        self._keys = keys
        self._clock = clock
        self.built: Orchestrator = build_orchestrator(
            OrchestratorSettings(quirks=quirks),
            public_pem=keys.folder.open_mesh_pair().public_pem,
            registry_url="http://registry",
            courier=(network or Network()).courier(),
            clock=clock,
            ids=CountingIds(),
            observer=SpyObserver(),
        )
        super().__init__(self.built.app, self.as_droplet(2))

    def as_droplet(self, droplet: object, *permissions: str) -> dict[str, str]:
        return self.bearing({"droplet_id": droplet, "permissions": permissions or ("read", "write")})

    def bearing(self, claims: Mapping[str, object], *, algorithm: str = "RS256", key: str = "") -> dict[str, str]:
        """Sign any claims at all, which our own `mint` would not do."""
        private = key or load_key_pair(self._keys.folder.folder / "mesh").private_pem.reveal()
        return {"Authorization": f"Bearer {jwt.PyJWS().encode(orjson.dumps(claims), private, algorithm=algorithm)}"}

    def seconds(self, after: float = 0) -> float:
        """A moment as a claim says it, this much after now."""
        return (self._clock.now() + timedelta(seconds=after)).timestamp()

    async def register(self, droplet: int = 2, **described: object) -> None:
        """Register twice, for the first time fails as a rule (2.4)."""
        body = {"droplet_id": droplet, "name": f"d{droplet}", "endpoint": f"http://d{droplet}", **described}
        for _ in range(2):
            reply = await self.post("/droplets/register", body)
        assert reply.status_code == 201, reply.text

    async def step(self, name: str) -> timedelta:
        return await self.built.steps[name]()

    async def droplets(self, **query: str) -> dict[int, dict[str, Any]]:
        listed = (await self.get("/droplets", params=query)).json()["payload"]["droplets"]
        return {row["droplet_id"]: row for row in listed}


def enveloped(payload: object, **changed: object) -> dict[str, object]:
    """An envelope; ``None`` takes a member out."""
    envelope: dict[str, object] = {
        "udc_version": "1.0",
        "trace_id": TRACE,
        "source": "2",
        "target": "10",
        "message_type": "command",
        "timestamp": "2026-01-05T12:00:00Z",
        "payload": payload,
    }
    return {name: value for name, value in {**envelope, **changed}.items() if value is not None}
