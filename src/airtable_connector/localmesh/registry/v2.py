"""Registry v2 (3.3): issues tokens, publishes keys, keeps the directory. Its bodies are those that its clients send."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.localmesh.peer import Refused, answer, read_json, read_model, route
from airtable_connector.localmesh.registry.directory import Directory, Entry, Load, dashboard
from airtable_connector.localmesh.registry.issuing import Issuer
from airtable_connector.mesh import parse_droplet_id

_OWN_WORDS = {"active": "active", "healthy": "active", "error": "error"}
"""What the Orchestrator's sync understands; everything else is inactive (2.10)."""


class _Named(BaseModel):
    """A body that says whose it is, under one of three names."""

    id: int | str | None = None
    droplet_id: int | str | None = None
    fqdn: str | None = None

    def given(self) -> str:
        """Return the id as it was given, or refuse."""
        for value in (self.id, self.droplet_id, self.fqdn):
            if value not in (None, ""):
                return str(value)[:253]
        raise Refused(422, "droplet id missing")


class _Registration(_Named):
    name: str | None = None
    host: str | None = None
    ip: str | None = None
    role: str | None = None
    env: str | None = None
    version: str | None = None
    steward: str | None = None
    endpoint: str | None = None
    capabilities: list[str] | None = None
    cost_hour: float = 0
    status: str = "active"
    metadata: dict[str, Any] = Field(default_factory=dict)

    def entry(self, *, at: datetime) -> Entry:
        """Describe the droplet; what is not said at the top is looked for in the metadata."""
        capabilities = self.capabilities or self.metadata.get("capabilities")
        return Entry(
            id=self.given(),
            name=self._said("name"),
            fqdn=self.fqdn or "",
            host=self.host or "",
            ip=self.ip or "",
            role=self.role or "",
            env=self.env or "",
            version=self._said("version"),
            steward=self._said("steward"),
            endpoint=self._said("endpoint"),
            capabilities=tuple(map(str, capabilities)) if isinstance(capabilities, list) else (),
            cost_hour=self.cost_hour,
            status=self.status,
            metadata=self.metadata,
            registered_at=at,
            updated_at=at,
        )

    def _said(self, name: str) -> str:
        value = getattr(self, name) or self.metadata.get(name)
        return value if isinstance(value, str) else ""


class _Beat(_Named):
    status: str | None = None
    metrics: dict[str, Any] | None = None
    load: dict[str, Any] | float | None = None


class RegistryV2:
    """Its endpoints."""

    def __init__(self, directory: Directory, issuer: Issuer, *, clock: Clock) -> None:
        self._directory = directory
        self._issuer = issuer
        self._clock = clock

    def routes(self) -> list[Route]:
        """List what it answers."""
        return [
            route("/auth/token", self.issue, "POST"),
            route("/.well-known/jwks.json", self.jwks),
            route("/auth/public_key", self.public_key),
            route("/auth/public-key", self.public_key),
            route("/registry/register", self.register, "POST"),
            route("/registry/heartbeat", self.beat, "POST"),
            route("/registry/droplets", self.list_droplets),
            route("/registry/droplets/{id}", self.remove, "DELETE"),
            route("/registry/droplet/{id}", self.show),
            route("/deregister", self.deregister, "POST"),
            route("/droplets", self.list_bare),
            route("/dashboard", self.dashboard),
            route("/local/keys/rotate", self.rotate, "POST"),
        ]

    async def issue(self, request: Request) -> Response:
        """Answer ``POST /auth/token?droplet_id=``."""
        if not self._issuer.has_key(request):
            raise Refused(401, "Invalid registry key")
        given = request.query_params.get("droplet_id", "")
        if not given:
            raise Refused(422, [{"type": "missing", "loc": ["query", "droplet_id"], "msg": "Field required"}])
        return answer({"token": self._issuer.issue(given), "droplet_id": given, "algorithm": "RS256"})

    async def jwks(self, _request: Request) -> Response:
        """Answer ``GET /.well-known/jwks.json``."""
        return answer(self._issuer.jwks())

    async def public_key(self, _request: Request) -> Response:
        """Answer ``GET /auth/public_key`` and ``/auth/public-key``."""
        return answer({"public_key": self._issuer.public_pem})

    async def register(self, request: Request) -> Response:
        """Answer ``POST /registry/register``; registering again replaces everything but the first moment."""
        self._issuer.check_bearer(request)
        entry = read_model(_Registration, await read_json(request)).entry(at=self._clock.now())
        self._directory.put(_key(entry.id), entry)
        return answer({"ok": True})

    async def beat(self, request: Request) -> Response:
        """Answer ``POST /registry/heartbeat``; 404 for who is not registered."""
        self._issuer.check_bearer(request)
        beat = read_model(_Beat, await read_json(request))
        at = self._clock.now()
        load = _load(beat.metrics or (beat.load if isinstance(beat.load, dict) else {}))
        if not self._directory.beat(_key(beat.given()), at=at, status=beat.status, load=load):
            raise Refused(404, "unknown droplet")
        return answer({"ok": True, "ts": at.timestamp()})

    async def list_droplets(self, request: Request) -> Response:
        """Answer ``GET /registry/droplets``."""
        self._issuer.check_bearer(request)
        at = self._clock.now()
        droplets = [self._describe(entry, at=at) for entry in self._directory]
        return answer({"droplets": droplets, "count": len(droplets)})

    async def show(self, request: Request) -> Response:
        """Answer ``GET /registry/droplet/{id or name}`` with a top-level endpoint, as droplet-4 expects."""
        self._issuer.check_bearer(request)
        wanted = request.path_params["id"]
        entry = self._directory.find(_key(wanted)) or next((e for e in self._directory if e.name == wanted), None)
        if entry is None:
            raise Refused(404, "unknown droplet")
        described = self._describe(entry, at=self._clock.now())
        return answer({**described, "name": entry.name, "endpoint": entry.endpoint})

    async def remove(self, request: Request) -> Response:
        """Answer ``DELETE /registry/droplets/{fqdn}``."""
        self._issuer.check_bearer(request)
        return self._remove(request.path_params["id"])

    async def deregister(self, request: Request) -> Response:
        """Answer ``POST /deregister``."""
        self._issuer.check_bearer(request)
        return self._remove(read_model(_Named, await read_json(request)).given())

    async def list_bare(self, _request: Request) -> Response:
        """Answer ``GET /droplets``, without a token: the bare list that the Orchestrator's sync wants (2.10)."""
        at = self._clock.now()
        return answer([self._describe_bare(entry, at=at) for entry in self._directory])

    async def dashboard(self, request: Request) -> Response:
        """Answer ``GET /dashboard`` in droplet-1's shape, to the shared key or a token."""
        if not self._issuer.has_key(request):
            self._issuer.check_bearer(request)
        return answer(dashboard(self._directory, at=self._clock.now()))

    async def rotate(self, request: Request) -> Response:
        """Answer ``POST /local/keys/rotate``; ``?previous=drop`` ends every token that was issued before."""
        keep = 0 if request.query_params.get("previous") == "drop" else 1
        return answer({"kid": await self._issuer.rotate(keep=keep)})

    def _remove(self, given: str) -> Response:
        if not self._directory.remove(_key(given)):
            raise Refused(404, "unknown droplet")
        return answer({"ok": True})

    def _describe(self, entry: Entry, *, at: datetime) -> Mapping[str, JsonValue]:
        described: dict[str, JsonValue] = {
            "id": entry.id,
            "host": entry.host,
            "ip": entry.ip,
            "status": "down" if self._directory.is_silent(entry, at=at) else entry.status,
            "metadata": entry.metadata,
            "registered_at": _naive(entry.registered_at),
            "last_updated": _naive(entry.updated_at),
        }
        if entry.last_beat is not None:
            described["last_heartbeat"] = entry.last_beat.timestamp()
        return described

    def _describe_bare(self, entry: Entry, *, at: datetime) -> Mapping[str, JsonValue]:
        # an id that is no droplet's number stays a text, which the sync logs and skips
        return {
            "id": parse_droplet_id(entry.id) or entry.id,
            "name": entry.name,
            "steward": entry.steward,
            "endpoint": entry.endpoint,
            "capabilities": list(entry.capabilities),
            "status": "inactive"
            if self._directory.is_silent(entry, at=at)
            else _OWN_WORDS.get(entry.status, "inactive"),
        }


def _key(given: str) -> str:
    """Return one key for all ways to name a droplet, so that "2" and "drop2.fullpotential.ai" are one."""
    return str(parse_droplet_id(given) or given)


def _naive(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


def _load(metrics: Mapping[str, Any]) -> Load:
    def percent(*names: str) -> float:
        value = next((metrics[name] for name in names if name in metrics), 0)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0

    return Load(cpu=percent("cpu", "cpu_percent"), mem=percent("mem", "memory_percent"), disk=percent("disk"))
