"""What can go wrong on the command line itself."""

from pathlib import Path

from airtable_connector.kernel.errors import Conflict


class DemoMeshFailed(Conflict):
    """The demo's Registry and Orchestrator did not come up."""

    code = "demo-mesh-failed"

    def __init__(self, log: Path) -> None:
        super().__init__("the demo's mesh did not start", hint=f"see {log}")
