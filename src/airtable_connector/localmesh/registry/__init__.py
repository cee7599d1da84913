"""The Registry of a local mesh, in the generation that is asked for."""

from typing import assert_never

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Observer
from airtable_connector.localmesh.courier import Courier
from airtable_connector.localmesh.keyfolder import KeyFolder
from airtable_connector.localmesh.peer import answer, build_peer, route
from airtable_connector.localmesh.registry.directory import Directory
from airtable_connector.localmesh.registry.early import EarlyRegistry
from airtable_connector.localmesh.registry.fragment import FragmentRegistry
from airtable_connector.localmesh.registry.issuing import Issuer
from airtable_connector.localmesh.registry.memory import MemoryRegistry
from airtable_connector.localmesh.registry.v2 import RegistryV2
from airtable_connector.localmesh.settings import Generation, RegistrySettings


def build_registry(
    settings: RegistrySettings, *, folder: KeyFolder, courier: Courier, clock: Clock, ids: Ids, observer: Observer
) -> ASGIApp:
    """Put a Registry together; its keys are made when the folder has none, which takes up to a second."""
    registry = _of(settings, folder=folder, courier=courier, clock=clock, ids=ids)

    async def health(_request: Request) -> Response:
        return answer(_health(registry, settings.generation, clock))

    routes: list[Route] = [*registry.routes(), route("/health", health)]
    return build_peer("registry", routes, clock=clock, observer=observer)


def _of(
    settings: RegistrySettings, *, folder: KeyFolder, courier: Courier, clock: Clock, ids: Ids
) -> RegistryV2 | EarlyRegistry | FragmentRegistry | MemoryRegistry:
    directory = Directory(silence=settings.silence)
    issuer = Issuer(folder, folder.open_registry_key(ids), lifetime=settings.token_lifetime, clock=clock)
    match settings.generation:
        case Generation.V2:
            return RegistryV2(directory, issuer, clock=clock)
        case Generation.EARLY:
            return EarlyRegistry(directory, issuer, clock=clock)
        case Generation.PG:
            return FragmentRegistry(directory, clock=clock)
        case Generation.MEMORY:
            return MemoryRegistry(courier, clock=clock, ids=ids)
        case _:
            assert_never(settings.generation)


def _health(registry: object, generation: Generation, clock: Clock) -> JsonValue:
    own_words: dict[str, JsonValue]
    match generation:
        case Generation.V2:
            own_words = {"id": 18, "name": "Registry", "status": "active", "updated_at": iso(clock.now())}
        case Generation.MEMORY:
            # "inactive" while nobody is registered (3.4)
            assert isinstance(registry, MemoryRegistry)
            own_words = {"status": "active" if len(registry) else "inactive"}
        case Generation.EARLY | Generation.PG:
            own_words = {"status": "ok"}
        case _:
            assert_never(generation)
    return {**own_words, "local": True, "generation": generation.value, "note": "a stand-in for laptops and tests"}
