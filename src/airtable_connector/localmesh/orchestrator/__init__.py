"""The Orchestrator of a local mesh: the directory, messages and tasks of droplet-10, without its WebSockets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Observer
from airtable_connector.kernel.supervisor import Step
from airtable_connector.localmesh.courier import Courier
from airtable_connector.localmesh.orchestrator.commands import Commands
from airtable_connector.localmesh.orchestrator.credentials import Credentials
from airtable_connector.localmesh.orchestrator.droplet_routes import DropletRoutes
from airtable_connector.localmesh.orchestrator.droplets import OURSELVES, Droplets
from airtable_connector.localmesh.orchestrator.envelope import Envelopes
from airtable_connector.localmesh.orchestrator.messages import MessageRoutes
from airtable_connector.localmesh.orchestrator.syncing import DirectorySync
from airtable_connector.localmesh.orchestrator.task_routes import TaskRoutes
from airtable_connector.localmesh.orchestrator.tasks import Tasks
from airtable_connector.localmesh.peer import Refused, answer, build_peer, phrase_detail, route
from airtable_connector.localmesh.quirks import Quirk
from airtable_connector.localmesh.settings import OrchestratorSettings

CHECK_EVERY: Final = timedelta(seconds=60)
"""How often it looks for silent droplets; sooner when a shorter silence is set."""


@dataclass(frozen=True)
class Orchestrator:
    """The application, and what goes on beside its requests: steps by name, for a supervisor."""

    app: ASGIApp
    steps: Mapping[str, Step]


def build_orchestrator(
    settings: OrchestratorSettings,
    *,
    public_pem: bytes,
    registry_url: str,
    courier: Courier,
    clock: Clock,
    ids: Ids,
    observer: Observer,
) -> Orchestrator:
    """Put an Orchestrator together that believes tokens of one key and syncs with one Registry."""
    quirks = settings.quirks
    droplets = Droplets(silence=settings.silence, beats_itself=Quirk.SELF_INACTIVE not in quirks, at=clock.now())
    tasks = Tasks()
    credentials = Credentials(public_pem, clock=clock)
    envelopes = Envelopes(quirks, clock=clock, ids=ids)
    directory = DropletRoutes(droplets, credentials, envelopes, quirks, clock=clock)
    work = TaskRoutes(tasks, droplets, credentials, envelopes, quirks, clock=clock, ids=ids)
    commands = Commands(tasks, work, directory)
    messages = MessageRoutes(droplets, commands, credentials, courier, quirks, clock=clock, ids=ids)
    sync = DirectorySync(droplets, courier, registry_url=registry_url, clock=clock, observer=observer)

    async def health(_request: Request) -> Response:
        return answer(
            {
                "id": OURSELVES,
                "name": "Orchestrator",
                "status": "active",
                "updated_at": iso(clock.now()),
                "local": True,
                "note": "a stand-in for laptops and tests",
            }
        )

    async def route_tasks() -> timedelta:
        tasks.route(droplets.workers(), at=clock.now())
        return settings.route_every

    async def check_silence() -> timedelta:
        at = clock.now()
        tasks.take_back_from(droplets.silence_those_without_beats(at=at), at=at)
        return min(CHECK_EVERY, settings.silence)

    app = build_peer(
        "orchestrator",
        [*directory.routes(), *work.routes(), *messages.routes(), route("/health", health)],
        clock=clock,
        observer=observer,
        phrase=_phrase_alike if Quirk.ONE_KIND_OF_404 in quirks else phrase_detail,
        echoes=b"x-trace-id",
    )
    return Orchestrator(
        app, {"route-tasks": route_tasks, "check-silence": check_silence, "sync-directory": sync.sync_once}
    )


def _phrase_alike(request: Request, refused: Refused) -> Response:
    """Phrase a refusal as FastAPI does, but every 404 as an unknown path (2.2)."""
    if refused.status != 404:
        return phrase_detail(request, refused)
    message = f"Endpoint not found: {request.url.path}"
    return answer({"error": True, "message": message, "type": "NotFound"}, 404)
