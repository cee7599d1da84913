"""How a local mesh behaves, as values."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from airtable_connector.localmesh.quirks import AS_OBSERVED, Quirks

ISSUER: Final = "registry.fullpotential.ai"
"""The ``iss`` of the Registry's tokens (3.3)."""

AUDIENCE: Final = "fullpotential.droplets"
"""The ``aud`` of the Registry's tokens (3.3)."""

MOST_DROPLETS: Final = 1_000
"""Entries of one directory; further ones are refused with 503, which no real peer does."""


class Generation(StrEnum):
    """Which Registry is imitated; the values are sections of the mesh contract."""

    V2 = "v2"
    """Registry v2, the one that issues tokens (3.3)."""

    EARLY = "early"
    """droplet-1 (3.1)."""

    PG = "pg"
    """The fullest fragment of droplet-18 (3.2)."""

    MEMORY = "memory"
    """SERVICES/registry (3.4)."""


@dataclass(frozen=True, kw_only=True)
class RegistrySettings:
    """How the Registry behaves."""

    generation: Generation = Generation.V2
    token_lifetime: timedelta = timedelta(hours=24)
    silence: timedelta = timedelta(seconds=180)
    """After so long without a beat a droplet is shown as down."""


@dataclass(frozen=True, kw_only=True)
class OrchestratorSettings:
    """How the Orchestrator behaves."""

    quirks: Quirks = AS_OBSERVED
    route_every: timedelta = timedelta(seconds=10)
    silence: timedelta = timedelta(seconds=90)
    """After so long without a beat a droplet is inactive, and its tasks wait for another."""


@dataclass(frozen=True, kw_only=True)
class LocalMeshSettings:
    """Where both listen, where their keys are, and how they behave. Port 0 takes a free one."""

    folder: Path
    host: str = "127.0.0.1"
    registry_port: int = 0
    orchestrator_port: int = 0
    registry: RegistrySettings = RegistrySettings()
    orchestrator: OrchestratorSettings = OrchestratorSettings()
