"""What keeps a local mesh from starting. What a peer answers to a caller is not an error of ours: see `peer`."""

from airtable_connector.kernel.errors import Conflict, Invalid


class MeshAddressUnusable(Invalid):
    """A peer of the local mesh cannot listen where it was told to."""

    code = "mesh-address-unusable"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"the local mesh cannot listen at {host}:{port}: {reason}",
            hint="choose another --host or port (0 takes a free one)",
        )


class MeshFolderUnusable(Conflict):
    """The folder of the local mesh's keys cannot be read or written."""

    code = "mesh-folder-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the local mesh cannot keep its keys: {reason}",
            hint="give a folder that you may write with --folder, or remove the damaged one",
        )
