"""droplet-1, the early Registry (3.1): a shared key instead of tokens, droplets by the very id they gave."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airtable_connector.kernel.clock import Clock
from airtable_connector.localmesh.peer import Refused, answer, read_json, route
from airtable_connector.localmesh.registry.directory import Directory, Entry, Load, dashboard, describe_early
from airtable_connector.localmesh.registry.issuing import Issuer


class EarlyRegistry:
    """Its endpoints."""

    def __init__(self, directory: Directory, issuer: Issuer, *, clock: Clock) -> None:
        self._directory = directory
        self._issuer = issuer
        self._clock = clock

    def routes(self) -> list[Route]:
        """List what it answers; there is no token and no key set."""
        return [
            route("/registry/register", self.register, "POST"),
            route("/registry/heartbeat", self.beat, "POST"),
            route("/registry/droplets", self.list_droplets),
            route("/dashboard", self.dashboard),
        ]

    async def register(self, request: Request) -> Response:
        """Answer ``POST /registry/register``: 201 with the id as it came, also when it is a number."""
        body = await self._body(request)
        given = body.get("id") or body.get("fqdn")
        if not given:
            raise Refused(400, "id or fqdn required")
        at = self._clock.now()
        self._directory.put(
            str(given),
            Entry(
                id=str(given),
                name=str(body.get("name") or ""),
                fqdn=str(body.get("fqdn") or ""),
                ip=str(body.get("ip") or ""),
                role=str(body.get("role") or ""),
                env=str(body.get("env") or ""),
                version=str(body.get("version") or ""),
                cost_hour=_number(body.get("cost_hour")),
                registered_at=at,
                updated_at=at,
            ),
        )
        return answer({"id": given}, 201)

    async def beat(self, request: Request) -> Response:
        """Answer ``POST /registry/heartbeat``; every word about the status is ignored."""
        body = await self._body(request)
        given = body.get("id")
        if not given:
            raise Refused(400, "id required")
        load = Load(**{name: min(100.0, max(0.0, _number(body.get(name)))) for name in ("cpu", "mem", "disk")})
        if not self._directory.beat(str(given), at=self._clock.now(), status=None, load=load):
            raise Refused(404, "unknown droplet")
        return answer({"status": "ok"})

    async def list_droplets(self, request: Request) -> Response:
        """Answer ``GET /registry/droplets`` with a bare list."""
        self._check_key(request)
        at = self._clock.now()
        return answer([describe_early(self._directory, entry, at=at) for entry in self._directory])

    async def dashboard(self, request: Request) -> Response:
        """Answer ``GET /dashboard``."""
        self._check_key(request)
        return answer(dashboard(self._directory, at=self._clock.now()))

    async def _body(self, request: Request) -> dict[str, Any]:
        self._check_key(request)
        body = await read_json(request, malformed=500)
        if not isinstance(body, dict):
            raise Refused(500, "Internal Server Error")
        return body

    def _check_key(self, request: Request) -> None:
        if not self._issuer.has_key(request):
            raise Refused(401, "unauthorized")


def _number(value: object) -> float:
    if value is None:
        return 0.0
    if isinstance(value, int | float):
        return float(value)
    raise Refused(500, "Internal Server Error")
