"""The fullest of droplet-18's fragments, the one over PostgreSQL (3.2): strict bodies, no authentication."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.localmesh.peer import answer, read_json, read_model, route
from airtable_connector.localmesh.registry.directory import Directory, Entry, Load, dashboard, describe_early

_Percent = Annotated[float, Field(ge=0, le=100)]


class _Registration(BaseModel):
    name: str
    fqdn: str
    ip: str
    role: str
    env: str
    version: str
    cost_hour: Annotated[float, Field(ge=0)] = 0


class _Beat(BaseModel):
    id: str
    status: Literal["healthy", "down", "unknown"] = "healthy"
    cpu: _Percent = 0
    mem: _Percent = 0
    disk: _Percent = 0


class FragmentRegistry:
    """Its endpoints."""

    def __init__(self, directory: Directory, *, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def routes(self) -> list[Route]:
        """List what it answers; there is no token, no key set and no /registry/droplets."""
        return [
            route("/registry/register", self.register, "POST"),
            route("/registry/heartbeat", self.beat, "POST"),
            route("/registry/discover", self.discover),
            route("/dashboard", self.dashboard),
        ]

    async def register(self, request: Request) -> Response:
        """Answer ``POST /registry/register``; the droplet's name is its fqdn."""
        said = read_model(_Registration, await read_json(request, malformed=422))
        at = self._clock.now()
        entry = Entry(id=said.fqdn, **said.model_dump(), status="healthy", registered_at=at, updated_at=at)
        self._directory.put(said.fqdn, entry)
        return answer({"id": said.fqdn, "registered_at": iso(at)})

    async def beat(self, request: Request) -> Response:
        """Answer ``POST /registry/heartbeat``; whoever is not known is from now on."""
        said = read_model(_Beat, await read_json(request, malformed=422))
        at = self._clock.now()
        load = Load(cpu=said.cpu, mem=said.mem, disk=said.disk)
        if not self._directory.beat(said.id, at=at, status=said.status, load=load):
            self._directory.put(said.id, Entry(id=said.id, fqdn=said.id, registered_at=at, updated_at=at))
            self._directory.beat(said.id, at=at, status=said.status, load=load)
        return answer({"status": "ok", "updated_at": iso(at)})

    async def discover(self, _request: Request) -> Response:
        """Answer ``GET /registry/discover`` with a bare list."""
        at = self._clock.now()
        return answer([describe_early(self._directory, entry, at=at) for entry in self._directory])

    async def dashboard(self, _request: Request) -> Response:
        """Answer ``GET /dashboard``."""
        return answer(dashboard(self._directory, at=self._clock.now()))
