"""A Registry and an Orchestrator for laptops and tests. They keep the contract of the real peers; they are not them.

Everything is in memory but the keys: a restart forgets who was registered. Neither is hardened for a network: the
folder's keys are on the same disk, and nothing here limits how often one may ask.
"""

from airtable_connector.localmesh.courier import Courier
from airtable_connector.localmesh.errors import MeshAddressUnusable, MeshFolderUnusable
from airtable_connector.localmesh.keyfolder import KeyFolder
from airtable_connector.localmesh.orchestrator import Orchestrator, build_orchestrator
from airtable_connector.localmesh.quirks import AS_OBSERVED, AS_WRITTEN, Quirk, Quirks
from airtable_connector.localmesh.registry import build_registry
from airtable_connector.localmesh.running import Reachable, run_local_mesh
from airtable_connector.localmesh.settings import (
    AUDIENCE,
    ISSUER,
    Generation,
    LocalMeshSettings,
    OrchestratorSettings,
    RegistrySettings,
)

__all__ = [
    "AS_OBSERVED",
    "AS_WRITTEN",
    "AUDIENCE",
    "ISSUER",
    "Courier",
    "Generation",
    "KeyFolder",
    "LocalMeshSettings",
    "MeshAddressUnusable",
    "MeshFolderUnusable",
    "Orchestrator",
    "OrchestratorSettings",
    "Quirk",
    "Quirks",
    "Reachable",
    "RegistrySettings",
    "build_orchestrator",
    "build_registry",
    "run_local_mesh",
]
