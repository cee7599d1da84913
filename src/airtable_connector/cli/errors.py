"""What can go wrong on the command line itself."""

from pathlib import Path

from airtable_connector.kernel.errors import Conflict


class DemoMeshFailed(Conflict):
    """The demo's Registry and Orchestrator did not come up."""

    code = "demo-mesh-failed"

    def __init__(self, log: Path) -> None:
        super().__init__("the demo's mesh did not start", hint=f"see {log}")


class DemoConnectorFailed(Conflict):
    """A connector that a demo runs did not come up, or ended before it was told to."""

    code = "demo-connector-failed"

    def __init__(self, name: str, log: Path) -> None:
        super().__init__(f"the demo's {name} has ended", hint=f"see {log}")
